"""Who runs what: markers say so, are left to the living, and cost no run where they are wrong."""

import contextlib
import json
import os
import subprocess
import sys
import tempfile
import threading
import time
from dataclasses import asdict, replace
from pathlib import Path

import pytest
from test_interrupted import waited
from test_sweep import contents, options
from toy_study import STUDY

from bnnstudy.evidence.provenance import Code
from bnnstudy.experiments import arms, executors, gpus, markers, sweep, tasks
from bnnstudy.experiments.markers import Owner, Watch
from bnnstudy.experiments.tasks import Job

ADAM = STUDY.arms["quick"][0]


def marked(record: Path, **changes) -> Path:
    marker = markers.beside(record)
    marker.write_text(json.dumps({**asdict(Owner.here()), **changes}))
    return marker


def dead() -> int:
    """The number of a process that was."""
    process = subprocess.Popen([sys.executable, "-c", ""])
    process.wait()
    return process.pid


def test_a_run_has_one_owner_at_a_time_and_none_when_it_is_over(tmp_path):
    record = tmp_path / "a-s0.json"
    with markers.claimed([record]) as ours:
        assert ours
        assert Owner.of(markers.beside(record)) == replace(
            Owner.here(), since=Owner.of(markers.beside(record)).since
        )
        with markers.claimed([tmp_path / "b-s0.json", record]) as twice:
            assert not twice
        assert sorted(p.name for p in tmp_path.iterdir()) == ["a-s0.running"]
    assert not list(tmp_path.iterdir())


def test_it_is_over_too_where_a_run_fails(tmp_path):
    with pytest.raises(ZeroDivisionError), markers.claimed([tmp_path / "a-s0.json"]):
        raise ZeroDivisionError
    assert not list(tmp_path.iterdir())


@pytest.mark.parametrize("change", ["pid", "born"])
def test_who_is_gone_from_this_machine_is_taken_over_at_once(change, tmp_path):
    record = tmp_path / "a-s0.json"
    # Another process may have the number by now.
    marked(record, **({"pid": dead()} if change == "pid" else {"born": "1"}))
    assert Owner.of(markers.beside(record)).is_gone()
    with markers.claimed([record]) as ours:
        assert ours


def test_a_dead_child_that_nobody_asked_for_is_gone(tmp_path):
    child = subprocess.Popen([sys.executable, "-c", ""])
    assert waited(lambda: Owner(Owner.here().host, child.pid, "0", "", "").is_gone())
    child.wait()


def test_another_machines_process_is_given_up_when_it_is_silent_by_our_own_clock(tmp_path, monkeypatch):
    now = 0.0
    monkeypatch.setattr(time, "monotonic", lambda: now)
    record, watch = tmp_path / "a-s0.json", Watch()
    marker = marked(record, host="elsewhere")
    # The other clock may be years behind or ahead.
    os.utime(marker, (1e9, 1e9))
    assert not watch.is_over(record)
    now = markers.SILENT - 1
    os.utime(marker, (4e9, 4e9))
    assert not watch.is_over(record)
    now = 2 * markers.SILENT - 2
    assert not watch.is_over(record)
    now = 2 * markers.SILENT
    assert watch.is_over(record)
    assert not marker.exists()


def test_a_marker_is_touched_while_its_run_lasts(tmp_path, monkeypatch):
    monkeypatch.setattr(markers, "BEAT", 0.01)
    record = tmp_path / "a-s0.json"
    with markers.claimed([record]):
        os.utime(markers.beside(record), (1, 1))
        assert waited(lambda: markers.beside(record).stat().st_mtime > 1)


NO_DATE = json.dumps({"host": "elsewhere", "pid": 7, "born": "1", "since": "yesterday", "job": ""})


@pytest.mark.parametrize(
    "text", ["", "{", "[]", '{"host": 1, "pid": "x", "born": [], "since": null}', "7", NO_DATE]
)
def test_what_is_no_marker_has_no_owner_and_is_given_up_in_time(text, tmp_path, monkeypatch):
    record, watch = tmp_path / "a-s0.json", Watch()
    markers.beside(record).write_text(text)
    assert Owner.of(markers.beside(record)) is None
    assert not watch.is_over(record)
    monkeypatch.setattr(markers, "SILENT", 0.0)
    assert watch.is_over(record)


@pytest.fixture
def sleeps(monkeypatch):
    """What happens at each second that is waited for, in turn; nothing after the last."""
    happens, now = [], [0.0]

    def sleep(_):
        now[0] += 1.0
        if happens:
            happens.pop(0)()

    monkeypatch.setattr(time, "monotonic", lambda: now[0])
    monkeypatch.setattr(time, "sleep", sleep)
    return happens.append, now


def touched(marker: Path):
    """A sign of life: the marker has another time."""
    before = marker.stat().st_mtime_ns
    os.utime(marker, ns=(before + 10**9,) * 2)


def test_who_wants_a_marked_run_waits_until_it_is_known_who_is_there(tmp_path, sleeps):
    happens, now = sleeps
    record = tmp_path / "a-s0.json"
    # Of this machine it is known at once.
    with markers.claimed([record]), markers.awaited([record]) as ours:
        assert not ours
    assert now == [0.0]
    # Another machine's process lives if it touches its marker,
    marker = marked(record, host="elsewhere")
    happens(lambda: None)
    happens(lambda: touched(marker))
    with markers.awaited([tmp_path / "b-s0.json", record]) as ours:
        assert not ours
    assert now == [2.0]
    assert Owner.of(marker).host == "elsewhere"
    # and is gone if it is silent.
    with markers.awaited([record]) as ours:
        assert ours
    assert markers.SILENT <= now[0] - 2 <= markers.SILENT + 1
    assert not marker.exists()


@pytest.mark.parametrize(
    ("theirs", "ours"), [("7 0", True), ("7 2", False), ("8 0", False), ("", False), ("x", False)]
)
def test_a_job_that_a_queue_starts_again_waits_for_its_earlier_start_alone(
    theirs, ours, tmp_path, sleeps, monkeypatch
):
    """The process before it is being ended, and may touch its marker until it is."""
    happens, now = sleeps
    monkeypatch.setenv("SLURM_JOB_ID", "7")
    monkeypatch.setenv("SLURM_RESTART_COUNT", "2")
    record = tmp_path / "a-s0.json"
    marker = marked(record, host="elsewhere", job=theirs)
    for _ in range(200):
        happens(lambda: touched(marker))
    happens(marker.unlink)
    with markers.awaited([record]) as found:
        assert found == ours
        if ours:
            assert Owner.of(marker).job == "7 2"
    assert now == [201.0 if ours else 1.0]


def test_what_another_takes_meanwhile_is_not_ours(tmp_path, sleeps):
    happens, _ = sleeps
    record = tmp_path / "a-s0.json"
    marker = marked(record, host="elsewhere")
    happens(marker.unlink)
    claim = markers._claim

    def claimed(*given):
        if not marker.exists():
            marked(record, host="third")
            happens(lambda: touched(marker))
        return claim(*given)

    with pytest.MonkeyPatch.context() as patch:
        patch.setattr(markers, "_claim", claimed)
        with markers.awaited([record]) as ours:
            assert not ours
    assert Owner.of(marker).host == "third"


def test_a_sweep_leaves_to_others_what_they_are_at_and_has_their_record(tmp_path, monkeypatch):
    """Another process is at one of two runs: this sweep does the other, and waits."""
    monkeypatch.setattr(executors, "POLL", 0.01)
    sweep.run(STUDY, "quick", 2, options(tmp_path / "whole"), ["adam"])
    done = contents(tmp_path / "whole")
    ran: list[int] = []
    seed_1 = tasks.file_of(Job("toy", ADAM, replace(ADAM.config, seed=1)), options(tmp_path / "shared"))
    seed_1.parent.mkdir(parents=True)
    marker = marked(seed_1, host="elsewhere")

    def run(arm, config, dataset, *, device, checkpoint):
        ran.append(config.seed)
        return arms.run_arm(arm, config, dataset, device=device, checkpoint=checkpoint)

    def elsewhere():
        assert waited(lambda: (seed_1.parent / seed_1.name.replace("-s1", "-s0")).exists())
        seed_1.write_bytes((tmp_path / "whole/toy/quick" / seed_1.name).read_bytes())
        marker.unlink()

    monkeypatch.setattr(tasks, "run_arm", run)
    other = threading.Thread(target=elsewhere)
    other.start()
    sweep.run(STUDY, "quick", 2, options(tmp_path / "shared"), ["adam"])
    other.join()
    assert ran == [0]
    assert contents(tmp_path / "shared") == done


def test_of_two_that_were_at_one_run_the_first_record_stays(tmp_path, monkeypatch):
    job, where = Job("toy", ADAM, ADAM.config), options(tmp_path)
    file = tasks.file_of(job, where)

    def meanwhile(arm, config, dataset, *, device, checkpoint):
        result = arms.run_arm(arm, config, dataset, device=device, checkpoint=checkpoint)
        monkeypatch.setattr(tasks, "run_arm", arms.run_arm)
        sweep.run(STUDY, "quick", 1, options(tmp_path / "other"), ["adam"])
        file.write_bytes((tmp_path / "other/toy/quick" / file.name).read_bytes())
        return result

    file.parent.mkdir(parents=True)
    monkeypatch.setattr(tasks, "run_arm", meanwhile)
    ((_, record),) = tasks.perform([(0, job)], where, Code.started())
    assert file.read_bytes() == (tmp_path / "other/toy/quick" / file.name).read_bytes()
    assert record == tasks.finished(job, where)


def test_a_task_that_is_recorded_by_its_turn_is_not_run(tmp_path, monkeypatch):
    job, where = Job("toy", ADAM, ADAM.config), options(tmp_path)
    sweep.run(STUDY, "quick", 1, where, ["adam"])
    monkeypatch.setattr(tasks, "run_arm", None)
    ((number, record),) = tasks.perform([(7, job)], where, Code.started())
    assert (number, record) == (7, tasks.finished(job, where))


@pytest.fixture
def no_driver(tmp_path, monkeypatch):
    """Locks of this test's own, and no GPU to go to."""
    monkeypatch.setattr(tempfile, "gettempdir", lambda: str(tmp_path))
    monkeypatch.setattr(gpus, "_last", [])
    monkeypatch.setattr(gpus, "POLL", 0.0)
    went = []
    monkeypatch.setattr(gpus.torch.cuda, "device", lambda k: contextlib.nullcontext(went.append(k)))
    return went


def test_a_gpu_is_given_back_with_its_task_and_looked_for_where_it_was(no_driver):
    with gpus.held(3, "sweep"), gpus.held(3, "sweep") as second:
        assert second == 1
    # One process that has two: the last it took is where it looks first.
    with gpus.held(3, "sweep") as again:
        assert again == 1
    with gpus.held(1, "sweep") as fewer:
        assert fewer == 0
        with pytest.raises(RuntimeError, match="all 1 GPUs"):
            gpus.held(1, "sweep").__enter__()
    with gpus.held(1, "sweep"), gpus.held(1, "another") as theirs:
        assert theirs == 0
    assert no_driver == [0, 1, 1, 0, 0, 0]


def test_a_gpu_that_is_given_back_as_one_looks_is_found(no_driver, monkeypatch):
    with contextlib.ExitStack() as both:
        first = both.enter_context(contextlib.ExitStack())
        first.enter_context(gpus.held(2, "sweep"))
        both.enter_context(gpus.held(2, "sweep"))
        monkeypatch.setattr(gpus.time, "sleep", lambda _: first.close())
        with gpus.held(2, "sweep") as found:
            assert found == 0


def test_a_second_sweep_of_a_process_has_other_numbers_of_gpus_or_none(
    no_driver, tmp_path, monkeypatch
):
    """A sweep of one task runs in this process; so does one of one GPU, whose tasks take turns."""
    monkeypatch.setattr(tasks, "perform", lambda task, options, code: [])
    for number in (4, 1, 2):
        chosen = options(tmp_path, workers=None, gpus=number)
        found = list(executors._execute([[(0, None)]], chosen, None))
        assert found == [([(0, None)], [])]
        # The workers of the sweep before are idle, and their GPUs free.
        taken = subprocess.run(
            [sys.executable, "-c", LOCKS.format(number=number, sweep=sweep_here())],
            env={**os.environ, "TMPDIR": str(tmp_path)}, capture_output=True, text=True, check=True,
        )  # fmt: skip
        assert taken.stdout.split() == [str(k) for k in range(number)]


LOCKS = """
import contextlib
from bnnstudy.experiments.gpus import first_free
with contextlib.ExitStack() as all:
    for _ in range({number}):
        print(all.enter_context(first_free({number}, {sweep!r})))
"""


def sweep_here() -> str:
    return f"{executors._Parent.here().host}-{os.getpid()}"


def test_each_process_takes_a_gpu_of_its_own_and_frees_it_when_it_ends(tmp_path):
    code = (
        "from bnnstudy.experiments.gpus import first_free\n"
        "with first_free(2, 'test') as place:\n    print(place, flush=True); input()"
    )
    environment = {**os.environ, "TMPDIR": str(tmp_path)}

    def start():
        return subprocess.Popen(
            [sys.executable, "-c", code], env=environment, text=True,
            stdin=subprocess.PIPE, stdout=subprocess.PIPE, stderr=subprocess.PIPE,
        )  # fmt: skip

    first = start()
    places = [first.stdout.readline()]
    second = start()
    places.append(second.stdout.readline())
    assert places == ["0\n", "1\n"]
    assert "all 2 GPUs of this sweep are taken" in start().communicate()[1]
    first.kill()
    first.communicate()
    third = start()
    assert third.stdout.readline() == "0\n"
    for process in (second, third):
        process.communicate("\n")
