"""Every verdict on what is recorded is what somebody else would work out from the files."""

import random
import shutil

import pytest
import recomputed

from bnnstudy import studies
from bnnstudy.evidence import records

STUDIES = [study for study in studies.STUDIES.values() if study.arms]


@pytest.mark.parametrize("study", STUDIES, ids=lambda study: study.name)
def test_a_verdict_is_what_the_files_say(study):
    compare(study, records.default_results())


@pytest.mark.parametrize("name", ["optimizers", "adam_betas"])
def test_it_is_so_too_where_a_tenth_of_the_runs_is_missing(name, tmp_path):
    shutil.copytree(records.default_results() / name / "desk", tmp_path / name / "desk")
    thinned = random.Random(0)
    for file in sorted((tmp_path / name / "desk").glob("*-s*.json")):
        if thinned.random() < 0.1:
            file.unlink()
    compare(studies.STUDIES[name], tmp_path)


def compare(study, results):
    arms = {}
    for verdict in studies.verdicts_of(study, studies.curves(study, results)):
        claim, where = verdict.claim, (verdict.preset, verdict.task)
        if verdict.preset is None:
            continue
        if where not in arms:
            arms[where] = recomputed.from_files(results, study, *where)
        if claim.contrast.kind == "exact":
            counts = recomputed.counted(claim.contrast, arms[where])
            assert (verdict.effect, verdict.n) == (counts["differing"], counts["compared"])
            continue
        word, *numbers = recomputed.verdict_of(claim, arms[where], *where)
        assert verdict.verdict == word, claim.id
        found = [verdict.effect, verdict.low, verdict.high]
        assert found == pytest.approx(numbers, rel=1e-6, abs=1e-9), claim.id
        assert verdict.n == len(recomputed.judging_seeds(claim, arms[where], *where))
