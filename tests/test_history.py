"""The ledger's history: every contrast that a claim had, and that none changes unseen."""

import json
import subprocess
from collections import Counter

import pytest

from bnnstudy import studies
from bnnstudy.evidence import provenance
from bnnstudy.studies import history

ROOT = provenance.PACKAGE.parent


@pytest.mark.parametrize("claim", studies.ledger(), ids=lambda claim: claim.id)
def test_a_claims_contrast_is_the_last_that_its_history_has(claim):
    entry = history.latest()[claim.id]
    assert json.loads(json.dumps(history.described(claim))) == entry.contrast, (
        f"{claim.id}: a contrast that changed needs an entry at the end of history.jsonl, with its "
        "date and the number of seeds that were known"
    )


@pytest.mark.parametrize("claim", studies.ledger(), ids=lambda claim: claim.id)
def test_what_a_claim_requires_is_the_last_that_its_history_has(claim):
    entry = history.latest()[claim.id]
    assert json.loads(json.dumps(history.required(claim))) == list(entry.requires), (
        f"{claim.id}: a requirement that changed needs an entry at the end of history.jsonl, as a "
        "contrast does"
    )


def test_entries_come_in_the_order_of_time_and_differ_from_the_one_before():
    found = history.entries()
    assert [entry.date for entry in found] == sorted(entry.date for entry in found)
    before = {}
    for entry in found:
        assert before.get(entry.claim) != (entry.contrast, entry.anew, entry.requires)
        before[entry.claim] = (entry.contrast, entry.anew, entry.requires)


def test_the_history_only_grows():
    file = history.FILE.relative_to(ROOT).as_posix()
    git = ["git", "-C", str(ROOT)]
    log = subprocess.run(
        [*git, "log", "--format=%H", "--", file], capture_output=True, text=True, check=False
    )
    if log.returncode:
        pytest.skip("no repository here")
    now = history.FILE.read_text()
    for commit in log.stdout.split():
        then = subprocess.run(
            [*git, "show", f"{commit}:{file}"], capture_output=True, text=True, check=True
        )
        assert now.startswith(then.stdout), f"{file} lost or changed entries of {commit}"


def test_what_came_after_its_studys_first_runs_is_post_hoc():
    # What the first edition's review found by reading the ledger at each of its commits.
    marked = {claim.id for claim in studies.ledger() if history.is_post_hoc(claim.id)}
    first = {entry.claim for entry in history.entries() if entry.known and entry.date < "2026-11-25"}
    assert len(marked & first) == 32
    assert {"speed-legend", "speed-halt", "two-stages-epochs", "decay-memories"} <= marked
    assert not marked & {"optimizers-sgd", "views-filter", "clipping-both", "alpha-large"}
    counts = Counter(entry.known > 0 for entry in history.entries())
    assert counts[False] > counts[True]
