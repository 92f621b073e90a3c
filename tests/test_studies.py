import zlib
from collections import Counter
from statistics import fmean

import pytest

from bnnstudy import studies
from bnnstudy.config.fields import PRESETS
from bnnstudy.data.datasets import steps_of_epoch
from bnnstudy.evidence import records
from bnnstudy.evidence.claims import Exact
from bnnstudy.evidence.runs import by_task, task_of
from bnnstudy.evidence.verdicts import decide
from bnnstudy.optim import ovsw
from bnnstudy.studies import (
    adam_as_filter,
    bop,
    contested,
    designed_filters,
    going_further,
    imagenet,
    ladder,
    silent_weights,
)

BIREALNET20 = {"cifar10 birealnet20"}

DECLARED = {
    "adam_as_filter": {"mnist mlp", *BIREALNET20},
    "collapse": {"mnist mlp", "fsdd audio_net"},
}
"""By study the tasks whose claims are written down and whose runs at desk are still to come."""

BUILT = [study for study in studies.STUDIES.values() if study.arms]


def test_ids_are_unique_and_every_claim_has_its_words():
    ledger = studies.ledger()
    assert max(Counter(claim.id for claim in ledger).values()) == 1
    for claim in ledger:
        assert claim.text.endswith("."), claim.id
        assert claim.source, claim.id
        assert claim.paper == "ours" or claim.paper_value or isinstance(claim.contrast, Exact), claim.id


@pytest.mark.parametrize("study", studies.STUDIES.values(), ids=lambda study: study.name)
def test_a_control_that_a_claim_lacks_is_added_by_one_of_ours_beside_it(study):
    papers = {claim.id: claim.paper for claim in study.claims}
    adding = {claim.with_control for claim in study.claims if claim.with_control}
    assert {papers[name] for name in adding} <= {"ours"}


def test_the_ledger_holds_the_claims_of_both_papers():
    counts = Counter(claim.paper for claim in studies.ledger())
    assert counts["A"] >= 40
    assert counts["B"] >= 24


def test_every_table_and_figure_of_results_is_in_the_ledger():
    # Paper A, Table 1 and paper B, Figure 1 hold no result.
    sources = {
        paper: " ".join(c.source for c in studies.ledger() if c.paper == paper) for paper in "AB"
    }
    for item in ("Table 2", "Table 3", "Table 4", "Table 5", "Appendix A", "Figure 2a", "Figure 2b",
                 "Figure 2c", "Figure 3", "Figure 4", "Figure 5"):  # fmt: skip
        assert item in sources["A"], item
    for item in ("Table 2", "Table 3", "Figure 2", "Figure 3", "Figure 4", "Figure 5", "Figure 6",
                 "Figure 7", "Figure 8", "Eq 1-13", "Eq 16-17"):  # fmt: skip
        assert item in sources["B"], item


@pytest.mark.parametrize("study", BUILT, ids=lambda study: study.name)
def test_the_largest_preset_has_every_arm_that_a_claim_names(study):
    # At `paper` the ladder has a single rung, for what was predicted of it.
    presets = {"desk"} if study is ladder.STUDY else {"desk", "paper"}
    for preset in presets & set(study.arms):
        for claim in study.claims:
            if study is imagenet.STUDY and claim.paper == "A":
                continue  # AlexNet, which is not built
            assert named(study, claim, preset), (claim.id, preset)


def named(study, claim, preset: str) -> bool:
    """Whether a preset has all arms of a claim, or what they are parts of."""
    there = {arm.name for arm in study.arms[preset]}
    known = {arm.name for arms in study.arms.values() for arm in arms}
    wanted = {n if n in known else n.rpartition(", ")[0] for n in claim.contrast.named()}
    return wanted <= there


@pytest.mark.parametrize("study", studies.STUDIES.values(), ids=lambda study: study.name)
def test_a_study_bears_the_name_of_its_file_and_decides_something(study):
    assert hasattr(studies, study.name)
    assert getattr(studies, study.name).STUDY is study
    assert study.claims
    assert set(study.seeds) == set(study.arms)


def test_without_records_nothing_is_run(tmp_path):
    verdicts = studies.verdicts(tmp_path)
    assert {v.verdict for v in verdicts} == {"not run"}
    assert len(verdicts) == len(studies.ledger())


FINGERPRINTS = {
    "mnist": "7a9a4e57533a9a9f",
    "cifar10": "b30a26ee7fcb9a71",
    "fsdd": "78134d7452e1ea4f",
}


@pytest.mark.parametrize("study", BUILT, ids=lambda study: study.name)
def test_desk_records_are_of_real_data_with_five_seeds_and_a_commit(study):
    if "desk" not in study.arms:
        return
    found = [r for r in studies.recorded(study) if r["preset"] == "desk"]
    to_come = DECLARED.get(study.name, set())
    seeds = Counter((task_of(r["config"]), r["arm"]) for r in found)
    arms = {(task_of(arm.config), arm.name) for arm in study.arms["desk"]}
    assert to_come <= {task for task, _ in arms}
    arms = {(task, name) for task, name in arms if task not in to_come}
    if not arms:
        assert not found
        return
    if study is ladder.STUDY:  # rung by rung, over many days
        assert set(seeds) <= arms
    else:
        assert set(seeds) == arms
    assert min(seeds.values()) >= min(5, study.seeds["desk"])
    for record in found:
        assert record["provenance"]["data"] == FINGERPRINTS[record["config"]["dataset"]]
        assert len(record["provenance"]["commit"]) == 40


@pytest.mark.parametrize("study", BUILT, ids=lambda study: study.name)
def test_every_claim_of_a_recorded_study_is_decided(study):
    found = studies.curves(study)
    if any(preset == "desk" for preset, _ in found):
        there = {arm for (preset, _), arms in found.items() if preset == "desk" for arm in arms}
        for claim in study.claims:
            # Of the ladder's rungs some are still to be run.
            waits = study is ladder.STUDY and not there.issuperset(claim.contrast.named())
            if named(study, claim, "desk") and not waits:
                assert decide(claim, found)[0].verdict != "not run", claim.id


def test_the_records_that_are_kept_stay_small():
    kept = [
        file for preset in PRESETS[1:] for file in records.default_results().glob(f"*/{preset}/*.json")
    ]
    assert kept
    # Curves over all rates and the steps of the ladder are most of it; a clone should stay quick. Git
    # packs each file, as zlib does.
    assert sum(len(zlib.compress(file.read_bytes())) for file in kept) < 25e6


def test_going_further_kept_what_its_rule_says():
    found = [r for r in studies.recorded(going_further.STUDY) if r["preset"] == "desk"]
    (runs,) = by_task(found).values()
    chosen = range(going_further.CHOOSING)

    def mean(arm):
        return fmean(runs[arm][seed]["last"]["validation_accuracy"] for seed in chosen)

    baseline = mean(going_further.BASELINE)
    kept = {arm for arm in going_further.CHANGES if mean(arm) > baseline}
    assert kept == set(going_further.KEPT)


@pytest.mark.parametrize(
    "study", [bop, contested, designed_filters], ids=lambda study: study.STUDY.name
)
def test_a_run_has_as_many_steps_as_its_size_says(study):
    sized = [size for sizes in study.SIZES.values() for size in sizes]
    for size in (*sized, *adam_as_filter.FILTERED.values()):
        assert size.steps == size.network.epochs * steps_of_epoch(size.network)


def test_more_decay_is_that_of_ovsw():
    assert silent_weights.SILENT_DECAY == ovsw.SILENT_DECAY
