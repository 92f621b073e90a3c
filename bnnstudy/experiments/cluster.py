"""The tasks of a sweep on a cluster, by submitit: SLURM's queue, or its stand-in on this machine.

Records and checkpoints on the shared folder are the only state that counts. A task that is preempted
or runs out of its time is queued again and goes on from its checkpoint; the process that submitted
them may end, and whoever runs the sweep again finds what was recorded, and who is at what.
"""

import itertools
import time
from collections.abc import Iterator, Mapping
from typing import Any

from bnnstudy.config.checks import shown
from bnnstudy.evidence.provenance import Code
from bnnstudy.evidence.records import RecordError
from bnnstudy.experiments import markers, tasks
from bnnstudy.experiments.options import RunOptions
from bnnstudy.experiments.tasks import Done, Task, WorkerLost

ARRAY = 1000
"""Tasks of an array: what SLURM takes unless it is told otherwise."""
TIMEOUTS = 1000
"""How often a task is queued again as its time was over: a long run goes on from its checkpoint.

submitit's stand-in on one machine does so five times, and then it is submitted again (`RETRIES`)."""
RETRIES = 2
"""How often a task that was killed is submitted again."""
_TOO_OFTEN = "timed-out too many times"
"""What submitit says of a task that has been queued again `TIMEOUTS` times."""
POLL = 1.0
"""Seconds between two looks at what was submitted."""
_RAISED = {"failed": ValueError, "memory": MemoryError}
"""What is raised here for how a task ended there."""
PATIENCE = 60.0
"""Seconds after which a record that a task has written must be seen here: shared folders lag."""


class Work:
    """One task as submitit takes it: called, and when its time is over, submitted again as it is."""

    def __init__(self, task: Task, options: RunOptions, code: Code):
        self.task, self.options, self.code = task, options, code

    def __call__(self) -> tuple[str, str]:
        """Does it; returns how it ended, and of bad input what is wrong.

        A task that is queued again on another node may find the marker of its own earlier start: it
        waits until that is over, as whoever submitted it may be gone, and then nobody else would.
        """
        try:
            done = tasks.perform(self.task, self.options, self.code, markers.awaited)
        except (ValueError, OSError) as error:
            return "failed", str(error)
        except MemoryError as error:
            return "memory", str(error)
        return ("taken" if done is None else "done"), ""

    def checkpoint(self) -> Any:
        """What is to be queued when this is preempted: the same, which finds its own checkpoint."""
        from submitit.helpers import DelayedSubmission

        return DelayedSubmission(self)


def executor(options: RunOptions, study: str) -> Any:
    """submitit's executor for a study, with its limits.

    Raises:
        ImportError: if submitit is not installed.
        ValueError: if it does not take what `options.cluster` says.
    """
    try:
        import submitit
    except ImportError as error:
        raise ImportError(
            "--executor needs submitit, and it is not installed: bnnstudy[cluster]"
        ) from error
    folder = options.results / ".cluster" / study
    kind = options.executor
    limits = {f"{kind}_max_num_timeout": TIMEOUTS}
    try:
        made = submitit.AutoExecutor(folder=folder, cluster=kind, **limits)
        made.update_parameters(name=f"bnnstudy-{study}", **_parameters(options))
    except (RuntimeError, NameError, TypeError, ValueError, AssertionError) as error:
        raise ValueError(
            f"--executor {kind} with --cluster {shown(options.cluster)}: {error}"
        ) from error
    return made


def _parameters(options: RunOptions) -> Mapping[str, Any]:
    given = dict(options.cluster)
    if options.executor == "slurm" and options.workers:
        given.setdefault("slurm_array_parallelism", options.workers)
    return given


def execute(todo: list[Task], options: RunOptions, code: Code) -> Iterator[tuple[Task, Done | None]]:
    """Tasks as they end, on the cluster; at most so many at a time as there are workers.

    Raises:
        ValueError, MemoryError: what a task says of bad input, or that it had too little memory.
        WorkerLost: if a task was killed `RETRIES` times after the first, or ran out of its time
            `TIMEOUTS` times after the first.
    """
    if not todo:
        return
    made = executor(options, todo[0][0][1].study)
    waiting = [(task, 0) for task in todo]
    running: list[tuple[Any, Task, int]] = []
    try:
        while waiting or running:
            # One by one as there is room on this machine; SLURM has a queue, and takes an array.
            alone = options.executor == "local"
            room = options.side_by_side - len(running) if alone else 0 if running else ARRAY
            some, waiting = waiting[:room], waiting[room:]
            if some:
                with made.batch():
                    submitted = [made.submit(Work(task, options, code)) for task, _ in some]
                running += [(job, *pair) for job, pair in zip(submitted, some, strict=True)]
            over = [job.done() for job, _, _ in running]
            ended = list(itertools.compress(running, over))
            running = [entry for entry, is_over in zip(running, over, strict=True) if not is_over]
            for job, task, tries in ended:
                if (how := _ended(job, tries)) is None:
                    waiting.append((task, tries + 1))
                else:
                    yield task, _recorded(task, options) if how == "done" else None
            if running and not ended:
                time.sleep(POLL)
    except BaseException:
        if options.executor == "local":
            for job, _, _ in running:
                job.cancel()
        raise


def _ended(job: Any, tries: int) -> str | None:
    """How a task ended: "done", "taken" by another process, or None if it is to be submitted again."""
    from submitit.core.utils import FailedJobError, UncompletedJobError

    try:
        how, why = job.result()
    except FailedJobError as error:
        if _TOO_OFTEN not in str(error):
            raise  # a fault of ours, with its traceback
        raise WorkerLost(
            f"a task ran out of its time {TIMEOUTS + 1} times; more timeout_min in --cluster may help; "
            "what had finished is recorded, and run again it goes on from its checkpoint"
        ) from error
    except UncompletedJobError as error:
        if tries < RETRIES:
            return None
        raise WorkerLost(
            f"a task was killed {tries + 1} times, perhaps for want of memory or of time (its log is "
            f"{job.paths.stderr}); what had finished is recorded, run again to go on"
        ) from error
    if how in _RAISED:
        raise _RAISED[how](why)
    return str(how)


def _recorded(task: Task, options: RunOptions) -> Done:
    """The records that a task wrote elsewhere; shared folders may show them late."""
    end = time.monotonic() + PATIENCE
    while True:
        late = time.monotonic() > end
        try:
            found = [(k, tasks.finished(job, options)) for k, job in task]
        except RecordError:
            if late:
                raise
            found = []
        there = [(k, record) for k, record in found if record]
        if len(there) == len(task):
            return there
        if late:
            folder = tasks.file_of(task[0][1], options).parent
            raise ValueError(
                f"results must be a folder that all machines share: {folder} lacks a record"
            )
        time.sleep(POLL)
