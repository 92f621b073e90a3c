"""What the README promises of records, held against kills, full disks, missing rights and divergence.

`BNNSTUDY_KILLS` says how many times a sweep is killed (20; `make soak` takes 200).
"""

import os
import random
import shutil
import signal
import tempfile
import time
from dataclasses import replace
from pathlib import Path

import faults
import pytest
from test_sweep import contents, options
from toy_study import SMALL, STUDY

from bnnstudy import files
from bnnstudy.config import tricks
from bnnstudy.config.run import RunConfig
from bnnstudy.evidence import records, verdicts
from bnnstudy.evidence.claims import Difference
from bnnstudy.experiments import lookup, sweep
from bnnstudy.experiments.study import Arm

KILLS = int(os.environ.get("BNNSTUDY_KILLS", "20"))


@pytest.fixture(scope="module")
def start(forking):
    """Start a function of `faults` in a process forked from a server that has imported it all."""

    def start(function, *arguments):
        process = forking.Process(target=function, args=arguments)
        process.start()
        return process

    return start


@pytest.fixture(scope="module")
def undisturbed(start, tmp_path_factory):
    """A folder with the records of an undisturbed sweep, and how many moments it has."""
    folder = tmp_path_factory.mktemp("undisturbed")
    process = start(faults.sweep_and_die, folder, 0)
    process.join()
    assert process.exitcode == 0
    assert len(contents(folder)) > 2 * 2  # a curve, and two arms of two seeds
    return folder, int((folder / "count").read_text())


def intact(folder: Path) -> dict[Path, bytes]:
    """The records of a folder, all of which can be read; nothing else but leftovers."""
    files = {}
    for file in (path for path in folder.rglob("*") if path.is_file()):
        if file.suffix == ".json":
            records.load(file)
            files[file] = file.read_bytes()
        else:
            assert file.suffix in (".checkpoint", ".running") or file.name.startswith("."), file
    return files


def test_a_sweep_killed_at_random_moments_ends_with_the_same_records(start, undisturbed, tmp_path):
    expected, moments = undisturbed
    draw, kills, sweeps_ended, inside = random.Random(0), 0, 0, 0
    folder, before = tmp_path / "0", {}
    while kills < KILLS:
        process = start(faults.sweep_and_die, folder, draw.randint(1, moments))
        process.join()
        after = intact(folder) if folder.exists() else {}
        assert all(after[file] == content for file, content in before.items())
        before = after
        if process.exitcode == -signal.SIGKILL:
            kills += 1
            inside += any(folder.rglob("*.checkpoint"))
            continue
        assert process.exitcode == 0
        assert contents(folder) == contents(expected)
        assert not list(folder.rglob("*.checkpoint"))
        sweeps_ended += 1
        folder, before = tmp_path / str(sweeps_ended), {}
    # Some kills came after the first checkpoint of a run, and some sweeps got to their end.
    assert inside
    assert sweeps_ended


def test_a_write_killed_at_any_of_its_moments_leaves_the_old_file_or_the_new(start, tmp_path):
    """One by one: a sweep writes for a thousandth of its time, too little to be hit at random."""
    file, old, new = tmp_path / "record", b"old" * 1_000, b"new" * 5_000
    process = start(faults.write_and_die, file, old, 0)
    process.join()
    moments = int((tmp_path / "count").read_text())
    seen = set()
    for moment in range(1, moments + 1):
        file.write_bytes(old)
        process = start(faults.write_and_die, file, new, moment)
        process.join()
        assert process.exitcode == -signal.SIGKILL
        seen.add(file.read_bytes())
    assert seen == {old, new}


def test_a_sweep_ends_well_beside_one_that_is_killed(start, undisturbed, tmp_path):
    expected, moments = undisturbed
    doomed = start(faults.sweep_and_die, tmp_path, moments // 2)
    other = start(faults.sweep_toy, tmp_path)
    doomed.join()
    other.join()
    assert other.exitcode == 0
    assert doomed.exitcode in (-signal.SIGKILL, 0)  # 0: the other had done its work already
    assert contents(tmp_path) == contents(expected)


def test_what_kills_left_is_cleared_away_when_nobody_will_use_it(tmp_path):
    folder = tmp_path / "toy" / "quick"
    folder.mkdir(parents=True)
    old, young = folder / f".old{files.TEMPORARY}", folder / f".young{files.TEMPORARY}"
    for file in (old, young):
        file.write_text("{")
    os.utime(old, (time.time() - 2 * files.LITTER_AGE,) * 2)
    month_old, recent = folder / "a-s0.checkpoint", folder / "b-s0.checkpoint"
    recorded = folder / f"{STUDY.arms['quick'][0].config.key()}-s0.checkpoint"
    for file in (month_old, recent):
        file.touch()
    os.utime(month_old, (time.time() - 2 * files.CHECKPOINT_AGE,) * 2)
    sweep.run(STUDY, "quick", 1, options(tmp_path))
    assert [file.exists() for file in (old, young, month_old, recent)] == [False, True, False, True]
    recorded.touch()
    files.remove_litter(folder, {recorded})  # as where the record is of older code
    assert recorded.exists()
    sweep.run(STUDY, "quick", 2, options(tmp_path))
    assert not recorded.exists()


def test_a_full_disk_stops_a_sweep_by_name_and_costs_no_record(start, undisturbed, tmp_path):
    expected, _ = undisturbed
    sweep.run(STUDY, "quick", 1, options(tmp_path))
    before = intact(tmp_path)
    process = start(faults.sweep_on_a_full_disk, tmp_path, 500)
    process.join()
    assert process.exitcode == 3
    assert intact(tmp_path) == before
    sweep.run(STUDY, "quick", 2, options(tmp_path))
    assert contents(tmp_path) == contents(expected)


@pytest.mark.parametrize("inner", [False, True])
def test_a_folder_without_rights_is_refused_by_name_before_any_run(start, inner):
    # Not under tmp_path, which others than its owner cannot enter.
    folder = Path(tempfile.mkdtemp())
    try:
        closed = folder / "toy" / "quick" if inner else folder
        closed.mkdir(parents=True, exist_ok=True)
        for path in (folder, closed):
            path.chmod(0o755)
        closed.chmod(0o555)
        process = start(faults.sweep_without_rights, folder)
        process.join()
        assert process.exitcode == 3
        assert not [path for path in folder.rglob("*") if path.is_file()]
    finally:
        shutil.rmtree(folder)


def test_a_diverged_run_is_recorded_and_counted(tmp_path):
    wild = tricks.float_twin(RunConfig(**{**SMALL, "clamp": False}, optimizer="sgd", lr=1e20))
    calm = replace(wild, lr=0.1)
    arms = (Arm(name="wild", config=wild), Arm(name="calm", config=calm))
    study = replace(STUDY, arms={"quick": arms})
    found = sweep.run(study, "quick", options=options(tmp_path))
    assert [run["result"]["diverged"] for run in found] == [True] * 4 + [False] * 4
    contrast = Difference(metric="test_accuracy", arm="calm", control="wild")
    claim = replace(STUDY.claims[0], contrast=contrast)
    (verdict,) = verdicts.decide(claim, lookup.curves(study, "quick", tmp_path))
    assert verdict.n == 4
    means = [sum(r["result"]["test_accuracy"] for r in runs) / 4 for runs in (found[4:], found[:4])]
    assert verdict.effect == pytest.approx(100 * (means[0] - means[1]))
