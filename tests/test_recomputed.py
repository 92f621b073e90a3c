"""Every verdict on what is recorded is what somebody else would work out from the files."""

import pytest
import recomputed

from bnnstudy import studies
from bnnstudy.evidence import records

STUDIES = [study for study in studies.STUDIES.values() if study.arms]


@pytest.mark.parametrize("study", STUDIES, ids=lambda study: study.name)
def test_a_verdict_is_what_the_files_say(study):
    arms = {}
    for verdict in studies.verdicts_of(study, studies.curves(study)):
        claim, where = verdict.claim, (verdict.preset, verdict.task)
        if verdict.preset is None:
            continue
        if where not in arms:
            arms[where] = recomputed.from_files(records.default_results(), study, *where)
        if claim.contrast.kind == "exact":
            counts = recomputed.counted(claim.contrast, arms[where])
            assert (verdict.effect, verdict.n) == (counts["differing"], counts["compared"])
            continue
        word, *numbers = recomputed.verdict_of(claim, arms[where], *where)
        assert verdict.verdict == word, claim.id
        found = [verdict.effect, verdict.low, verdict.high]
        assert found == pytest.approx(numbers, rel=1e-6, abs=1e-9), claim.id
        assert verdict.n == len(recomputed.judging_seeds(claim, arms[where], *where))
