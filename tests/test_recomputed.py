"""Every verdict on what is recorded is what somebody else would work out from the files."""

import random
import shutil
from collections import defaultdict

import pytest
import recomputed

from bnnstudy import studies
from bnnstudy.evidence import records
from bnnstudy.evidence.answers import answers, holm

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


def test_what_stands_after_correction_is_what_the_p_values_say():
    found = answers(studies.verdicts())
    p_values = {one.claim.id: one.p for one in found if one.p is not None}
    assert holm(found) == recomputed.standing(p_values)
    assert 0 < len(holm(found)) < len(p_values)


def compare(study, results):
    """Each verdict, and each claim's answer, against what is worked out anew."""
    arms, anew = {}, defaultdict(list)
    verdicts = studies.verdicts_of(study, studies.curves(study, results))
    for verdict in verdicts:
        claim, where = verdict.claim, (verdict.preset, verdict.task)
        if verdict.preset is None:
            anew[claim.id].append(("not run", None))
            continue
        if where not in arms:
            arms[where] = recomputed.from_files(results, study, *where)
        if claim.contrast.kind == "exact":
            counts = recomputed.counted(claim.contrast, arms[where])
            assert (verdict.effect, verdict.n) == (counts["differing"], counts["compared"])
            anew[claim.id].append((recomputed.exact_word(claim, counts["differing"]), None))
            continue
        word, *numbers = recomputed.verdict_of(claim, arms[where], *where)
        assert verdict.verdict == word, claim.id
        found = [verdict.effect, verdict.low, verdict.high, verdict.p]
        assert found == pytest.approx(numbers, rel=1e-6, abs=1e-9), claim.id
        assert verdict.n == len(recomputed.judging_seeds(claim, arms[where], *where))
        anew[claim.id].append((word, numbers[-1]))
    for one in answers(verdicts):
        words, p_values = zip(*anew[one.claim.id], strict=True)
        answer, p = recomputed.answer_of(words, p_values)
        assert one.answer == answer, one.claim.id
        assert one.p == (p and pytest.approx(p, rel=1e-6, abs=1e-12)), one.claim.id
