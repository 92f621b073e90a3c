"""Tasks that are another system's: preempted, killed, submitted twice; none lost, none done twice."""

import contextlib
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
from submitit.core.utils import UncompletedJobError
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


@pytest.mark.parametrize(
    ("mishap", "given", "said"),
    [
        ("preempted", toy_cluster.LONG, "this job is preempted"),
        ("out of time", toy_cluster.AT_ONCE, "this job is timed-out"),
        ("killed", toy_cluster.LONG, ""),
    ],
)
def test_a_task_that_is_cut_goes_on_from_its_checkpoint(mishap, given, said, in_one_process, tmp_path):
    toy_cluster.run(tmp_path, mishap, given=given)
    assert contents(tmp_path) == first(in_one_process, 1)
    # Begun, cut, gone on with.
    assert list(trainings(tmp_path).values()) == [2]
    assert len(list(tmp_path.glob("met-*"))) == 1
    # Told that it is cut, a task is queued again as it is; killed, it is submitted once more.
    place = tmp_path / ".cluster" / "toy"
    logs = "".join(log.read_text() for log in place.glob("*_log.*"))
    assert ("Requeued job" in logs) == bool(said)
    assert said in logs
    assert mishap == "out of time" or len(list(place.glob("*_submitted.pkl"))) == (1 if said else 2)


def test_a_task_that_is_killed_each_time_ends_in_one_error(tmp_path, monkeypatch):
    monkeypatch.setattr(cluster, "RETRIES", 0)
    with pytest.raises(WorkerLost, match=r"a task was killed 1 times, .*_log\.err.*run again to go on"):
        toy_cluster.run(tmp_path, "always killed")


def test_a_task_is_queued_again_so_often_and_then_there_is_one_error(tmp_path, monkeypatch):
    monkeypatch.setattr(cluster, "TIMEOUTS", 1)
    with pytest.raises(
        WorkerLost, match=r"a task ran out of its time 2 times; more timeout_min .* goes on"
    ):
        toy_cluster.run(tmp_path, "always preempted", given=toy_cluster.SHORT)
    assert list(trainings(tmp_path).values()) == [2]
    # It is as often as is said, but for a preemption, which does not count.
    assert "0 remaining timeouts" in next(tmp_path.glob(".cluster/toy/*_log.out")).read_text()


class Queue:
    """A cluster that does nothing: each task is over at the second look, and killed the first time."""

    def __init__(self):
        self.running, self.most, self.tasks = 0, 0, []

    @contextlib.contextmanager
    def batch(self):
        yield

    def submit(self, work):
        looks, killed = iter((False, True)), work.task not in self.tasks
        self.tasks.append(work.task)
        self.running += 1
        self.most = max(self.most, self.running)

        def done():
            over = next(looks)
            self.running -= over
            return over

        def result():
            if killed:
                raise UncompletedJobError("killed")
            return "taken", ""

        return Mock(done=done, result=result)


@pytest.mark.parametrize("workers", [1, 3])
def test_at_most_so_many_tasks_run_at_a_time_on_this_machine(workers, tmp_path, monkeypatch):
    queue = Queue()
    monkeypatch.setattr(cluster, "executor", lambda *given: queue)
    monkeypatch.setattr(cluster, "POLL", 0.0)
    adam, given = STUDY.arms["quick"][0], options(tmp_path, workers=workers, executor="local")
    todo = [[(k, tasks.Job("toy", adam, replace(adam.config, seed=k)))] for k in range(7)]
    over = [task for task, _ in cluster.execute(todo, given, None)]
    assert sorted(over) == todo
    assert len(queue.tasks) == 2 * len(todo)
    assert queue.most == workers


@pytest.mark.parametrize(
    ("workers", "parameters", "most"), [(2, {}, "%2"), (None, {"slurm_array_parallelism": 1}, "%1")]
)
def test_slurm_is_told_how_many_tasks_run_at_a_time(workers, parameters, most, tmp_path, monkeypatch):
    for name, does in (("srun", ""), ("sbatch", f"cp $1 {tmp_path}/sent; echo Submitted batch job 7")):
        (tmp_path / name).write_text(f"#!/bin/sh\n{does}\n")
        (tmp_path / name).chmod(0o755)
    monkeypatch.setenv("PATH", str(tmp_path), prepend=os.pathsep)
    given = options(tmp_path, workers=workers, executor="slurm", cluster=parameters)
    made = cluster.executor(given, "toy")
    with made.batch():
        for seed in range(3):
            made.submit(cluster.Work([(seed, None)], given, None))
    assert f"#SBATCH --array=0-2{most}\n" in (tmp_path / "sent").read_text()


def test_how_many_run_at_a_time_is_said_once():
    message = "workers must be None where cluster has slurm_array_parallelism, .* got 2 and 4"
    with pytest.raises(ValueError, match=message):
        RunOptions(executor="slurm", workers=2, cluster={"slurm_array_parallelism": 4})


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
