"""Tasks that are another system's: preempted, killed, submitted twice; none lost, none done twice."""

import functools
import json
import os
import signal
import subprocess
import sys
from collections import Counter
from dataclasses import asdict, replace
from pathlib import Path
from unittest.mock import Mock

import pytest
import toy_cluster
from test_interrupted import waited
from test_sweep import contents, options
from toy_study import STUDY

from bnnstudy.evidence.provenance import Code
from bnnstudy.experiments import cluster, executors, markers, sweep, tasks
from bnnstudy.experiments.options import RunOptions
from bnnstudy.experiments.tasks import WorkerLost
from bnnstudy.report.status import status

SCRIPT = Path(toy_cluster.__file__)


@pytest.fixture(scope="module", autouse=True)
def tests_in_the_tasks_path():
    with pytest.MonkeyPatch.context() as patch:
        patch.setenv("PYTHONPATH", str(SCRIPT.parent), prepend=os.pathsep)
        yield


@pytest.fixture(scope="module")
def in_one_process(tmp_path_factory):
    folder = tmp_path_factory.mktemp("one")
    sweep.run(STUDY, "quick", 3, options(folder), ["adam"])
    return contents(folder)


def first(records, seeds):
    """The records of the first seeds."""
    return {name: record for name, record in records.items() if record["config"]["seed"] < seeds}


def trainings(folder: Path) -> Counter:
    """How often each run was begun."""
    return Counter((folder / "ran").read_text().split())


def test_tasks_give_the_records_of_one_process_each_run_once(in_one_process, tmp_path):
    toy_cluster.run(tmp_path, seeds=2)
    assert contents(tmp_path) == first(in_one_process, 2)
    assert list(trainings(tmp_path).values()) == [1, 1]
    assert not list(tmp_path.rglob(f"*{markers.SUFFIX}"))
    assert not list(tmp_path.rglob("*.checkpoint"))


@pytest.mark.parametrize("mishap", ["preempted", "killed"])
def test_a_task_that_is_cut_goes_on_from_its_checkpoint(mishap, in_one_process, tmp_path):
    toy_cluster.run(tmp_path, mishap)
    assert contents(tmp_path) == first(in_one_process, 1)
    # Begun, cut, gone on with.
    assert list(trainings(tmp_path).values()) == [2]
    assert len(list(tmp_path.glob("met-*"))) == 1
    # Preempted, a task is queued again as it is; killed, it is submitted once more.
    submitted = len(list(tmp_path.glob(".cluster/toy/*_submitted.pkl")))
    assert submitted == (1 if mishap == "preempted" else 2)


def test_a_task_that_is_killed_each_time_ends_in_one_error(tmp_path, monkeypatch):
    monkeypatch.setattr(cluster, "RETRIES", 0)
    with pytest.raises(WorkerLost, match=r"a task was killed 1 times, .*_log\.err.*run again to go on"):
        toy_cluster.run(tmp_path, "always")


def test_who_submits_may_be_killed_and_others_may_submit_too(in_one_process, tmp_path):
    command = [sys.executable, str(SCRIPT), str(tmp_path), "3"]
    first = subprocess.Popen(command)
    assert waited(lambda: list(tmp_path.rglob("*-s0.json")))
    first.send_signal(signal.SIGKILL)
    first.wait()
    both = [subprocess.Popen(command) for _ in range(2)]
    assert [one.wait() for one in both] == [0, 0]
    assert contents(tmp_path) == in_one_process
    assert list(trainings(tmp_path).values()) == [1, 1, 1]
    assert status(STUDY, "quick", tmp_path).running == ()


def at_a_run(folder: Path, **changes) -> tuple[cluster.Work, Path]:
    """The first task of the toy study, and the marker of a process elsewhere that is at its run."""
    (adam, *_), where = STUDY.arms["quick"], options(folder)
    job = tasks.Job(STUDY.name, adam, adam.config)
    marker = markers.beside(tasks.file_of(job, where))
    marker.parent.mkdir(parents=True)
    owner = {**asdict(markers.Owner.here()), "host": "elsewhere", **changes}
    marker.write_text(json.dumps(owner))
    return cluster.Work([(0, job)], where, Code.started()), marker


def when_waited(monkeypatch, *happens):
    """What happens at each look at a marker, in turn; `time.sleep` takes no time."""
    left = list(happens)
    monkeypatch.setattr(markers, "time", Mock(monotonic=lambda: 0.0, sleep=lambda _: left.pop(0)()))


def test_a_task_that_is_queued_again_elsewhere_goes_on_when_its_first_start_is_over(
    in_one_process, tmp_path, monkeypatch
):
    """Who submitted it may be gone: if it ended as taken, nobody would do its run."""
    monkeypatch.setenv("SLURM_JOB_ID", "7")
    monkeypatch.setenv("SLURM_RESTART_COUNT", "1")
    work, marker = at_a_run(tmp_path, job="7 0")
    beat = functools.partial(os.utime, marker)
    when_waited(monkeypatch, beat, beat, beat, marker.unlink)
    assert work() == ("done", "")
    assert contents(tmp_path) == first(in_one_process, 1)


def test_a_task_leaves_a_run_to_a_process_that_is_there(tmp_path, monkeypatch):
    work, marker = at_a_run(tmp_path)
    when_waited(monkeypatch, functools.partial(os.utime, marker))
    assert work() == ("taken", "")
    assert not contents(tmp_path)


def test_a_sweep_is_not_over_before_what_others_took_is_recorded(in_one_process, tmp_path, monkeypatch):
    """A task that ended as taken is submitted once more when whoever took it left no record."""
    monkeypatch.setattr(executors, "POLL", 0.0)
    _, marker = at_a_run(tmp_path)
    submitted = []

    def execute(todo, given, code):
        for task in todo:
            submitted.append(task)
            yield task, tasks.perform(task, given, code)
        if len(submitted) == 1:
            os.utime(marker, (1, 1))
            monkeypatch.setattr(markers, "SILENT", 0.0)

    monkeypatch.setattr(cluster, "execute", execute)
    sweep.run(STUDY, "quick", 1, replace(options(tmp_path), executor="local"), ["adam"])
    assert len(submitted) == 2
    assert contents(tmp_path) == first(in_one_process, 1)


def test_bad_input_in_a_task_is_one_error_here(tmp_path, monkeypatch):
    monkeypatch.setenv("BNNSTUDY_DATA", str(tmp_path))
    arm = replace(
        STUDY.arms["quick"][0], config=replace(STUDY.arms["quick"][0].config, dataset="mnist")
    )
    study = replace(STUDY, arms={"quick": (arm,)}, claims=())
    chosen = RunOptions(results=tmp_path, executor="local", cluster={"timeout_min": 30}, progress=False)
    with pytest.raises(ValueError, match="mnist"):
        sweep.run(study, "quick", 1, chosen)


def test_what_submitit_does_not_take_is_refused_by_name(tmp_path):
    chosen = RunOptions(results=tmp_path, executor="local", cluster={"wheels": 4})
    with pytest.raises(ValueError, match=r"--executor local with --cluster \{'wheels': 4\}"):
        cluster.executor(chosen, "toy")
    with pytest.raises(ValueError, match="--executor slurm"):  # no SLURM here
        cluster.executor(RunOptions(results=tmp_path, executor="slurm"), "toy")


def test_without_submitit_it_says_what_to_install(tmp_path, monkeypatch):
    monkeypatch.setitem(sys.modules, "submitit", None)
    with pytest.raises(ImportError, match=r"submitit, and it is not installed: bnnstudy\[cluster\]"):
        cluster.executor(RunOptions(results=tmp_path, executor="local"), "toy")


def test_want_of_memory_in_a_task_is_want_of_memory_here(tmp_path, monkeypatch):
    def perform(*given):
        raise MemoryError

    monkeypatch.setattr(tasks, "perform", perform)
    how = cluster.Work([], RunOptions(results=tmp_path), None)()
    with pytest.raises(MemoryError):
        cluster._ended(Mock(result=lambda: how), 0)
