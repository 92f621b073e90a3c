"""A worker that crashes: where, and how. Each ends in its one error, and costs no finished run."""

import subprocess
import sys
from pathlib import Path

import pytest
import toy_crash
from test_sweep import contents, options
from toy_study import STUDY

from bnnstudy.experiments import sweep

LOST = "bnnstudy: a worker process was killed, perhaps for want of memory"
SAYS = {
    "killed": LOST,
    "segfault": LOST,
    "exit": LOST,
    "memory": "bnnstudy: out of memory; fewer --workers, or a smaller --stack, may help",
    "unpicklable": "bnnstudy: result of toy 'adam' must be of values that JSON has",
}
# A result that cannot be taken along is there only when the run is at its end.
CASES = [(w, how) for w in toy_crash.WHERE for how in SAYS if w == "middle" or how != "unpicklable"]


@pytest.fixture(scope="module")
def undisturbed(tmp_path_factory):
    folder = tmp_path_factory.mktemp("undisturbed")
    sweep.run(STUDY, "quick", 3, options(folder), ["adam"])
    return contents(folder)


@pytest.mark.parametrize(("where", "how"), CASES)
def test_a_crash_is_one_error_and_costs_no_finished_run(where, how, undisturbed, tmp_path):
    command = [sys.executable, str(Path(toy_crash.__file__)), str(tmp_path)]
    crashed = subprocess.run([*command, where, how], capture_output=True, text=True, check=False)
    assert crashed.returncode == (2 if how == "unpicklable" else 1), crashed.stderr
    said = [line for line in crashed.stderr.splitlines() if line.startswith("bnnstudy: ")]
    assert len(said) == 1
    assert said[0].startswith(SAYS[how])
    assert "Traceback" not in crashed.stderr
    # What is there is whole, and what crashed is not among it.
    there = contents(tmp_path)
    assert there.items() <= undisturbed.items()
    assert not [r for r in there.values() if r["config"]["seed"] == toy_crash.SEED]
    sweep.run(STUDY, "quick", 3, options(tmp_path), ["adam"])
    assert contents(tmp_path) == undisturbed
