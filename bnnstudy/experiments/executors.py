"""The runs of a sweep: what is not recorded is run, here or on a cluster, and recorded at once."""

import contextlib
import functools
import os
import platform
import statistics
import threading
import time
from collections.abc import Iterable, Iterator
from dataclasses import dataclass
from pathlib import Path

from joblib import Parallel, delayed
from joblib.externals.loky.process_executor import TerminatedWorkerError

from bnnstudy import files
from bnnstudy.evidence.provenance import Code
from bnnstudy.evidence.records import Record
from bnnstudy.evidence.runs import task_of
from bnnstudy.experiments import cluster, gpus, tasks
from bnnstudy.experiments.markers import Watch
from bnnstudy.experiments.options import RunOptions
from bnnstudy.experiments.tasks import Done, Job, Task, WorkerLost
from bnnstudy.training import checkpoints
from bnnstudy.training.progress import bar

POLL = 1.0
"""Seconds between two looks at what other processes are at."""


@dataclass(frozen=True)
class _Parent:
    """The process that runs a sweep, as its workers know it."""

    host: str
    pid: int

    @classmethod
    def here(cls) -> "_Parent":
        return cls(platform.node(), os.getpid())

    def is_gone(self, child: bool) -> bool:
        """Whether it has ended; a child whose parent ends gets another one."""
        if child:
            return os.getppid() != self.pid
        try:
            os.kill(self.pid, 0)
        except ProcessLookupError:
            return True
        except PermissionError:
            pass
        return False


def run_all(jobs: list[Job], options: RunOptions, code: Code, label: str) -> list[Record]:
    """The records of all jobs, in their order; those that are missing are run.

    What another process is at is left to it, and waited for when all else is done.

    Args:
        options: resolved, as workers may be at work in another folder.
        code: the code that runs, as it was when the sweep started.
        label: what the bar is called.
    """
    pairs = [(tasks.file_of(job, options), job) for job in jobs]
    found = {file: record for file, job in pairs if (record := tasks.finished(job, options))}
    # Arms that came to one configuration, such as by their tuned rates, have one run between them.
    missing = {file: job for file, job in pairs if file not in found}
    files_of = list(missing)
    wanted = {checkpoints.beside(file).file for file in missing}
    for folder in {file.parent for file in wanted}:
        _require_writable(folder)
        files.remove_litter(folder, wanted)
    with bar(options.progress, total=len(missing), desc=label, unit="run") as shown:
        for k, record in _dispatch(list(enumerate(missing.values())), options, code):
            found[files_of[k]] = record
            left = [job for file, job in missing.items() if file not in found]
            hours = hours_left(left, found.values(), options.side_by_side)
            shown.set_postfix_str("" if hours is None else f"{hours:.2g} h left")
            shown.update()
    # An arm that was renamed finds its records by their configuration and calls them by its name.
    return [{**found[file], "arm": job.arm.name} for file, job in pairs]


def hours_left(left: Iterable[Job], found: Iterable[Record], workers: int = 1) -> float | None:
    """Hours until some jobs are done, from what was measured; None where nothing was.

    A run is taken to last as the runs of its own arm, data and network did, in the median; where there
    is none, as all did. A bar that counts runs is far off where some take a hundred times as long as
    others.
    """
    seconds: dict[tuple[str, str], list[float]] = {}
    for record in found:
        name = (task_of(record["config"]), record["arm"])
        seconds.setdefault(name, []).append(record["provenance"]["seconds"])
    if not seconds:
        return None
    of_all = statistics.median(one for own in seconds.values() for one in own)
    names = [(task_of(job.config), job.arm.name) for job in left]
    each = [statistics.median(seconds[name]) if name in seconds else of_all for name in names]
    return sum(each) / workers / 3600


def _dispatch(jobs: Task, options: RunOptions, code: Code) -> Iterator[tuple[int, Record]]:
    execute = cluster.execute if options.executor else _execute
    todo, watch = tasks.stacks(jobs, options.stack), Watch()
    taken: list[Task] = []
    while todo or taken:
        for task, found in execute(todo, options, code):
            if found is None:
                taken.append(task)
            else:
                yield from found
        over = [all(watch.is_over(tasks.file_of(job, options)) for _, job in task) for task in taken]
        todo = [task for task, free in zip(taken, over, strict=True) if free]
        taken = [task for task, free in zip(taken, over, strict=True) if not free]
        if taken and not todo:
            time.sleep(POLL)


def _execute(todo: list[Task], options: RunOptions, code: Code) -> Iterator[tuple[Task, Done | None]]:
    """Tasks as they end, in processes of this machine."""
    workers = min(options.side_by_side, len(todo))
    if workers < 2 and not options.gpus:
        for task in todo:
            yield task, tasks.perform(task, options, code)
        return
    parallel = Parallel(n_jobs=workers, return_as="generator_unordered")
    here = _Parent.here()
    try:
        yield from parallel(delayed(_work)(task, options, code, here) for task in todo)
    except TerminatedWorkerError as error:
        raise WorkerLost(
            "a worker process was killed, perhaps for want of memory (fewer --workers may help); "
            "what had finished is recorded, run again to go on"
        ) from error


def _work(task: Task, options: RunOptions, code: Code, parent: _Parent) -> tuple[Task, Done | None]:
    _end_with(parent)
    sweep = f"{parent.host}-{parent.pid}"
    with gpus.held(options.gpus, sweep) if options.gpus else contextlib.nullcontext():
        return task, tasks.perform(task, options, code)


@functools.cache
def _end_with(parent: _Parent) -> None:
    """Has this process end soon after its parent has, however that ended, and be it before now.

    A worker on another machine, such as a cluster's, is left to whoever started it.
    """
    if platform.node() != parent.host:
        return
    child = os.getppid() == parent.pid

    def watch() -> None:
        while not parent.is_gone(child):
            time.sleep(1)
        os._exit(1)

    threading.Thread(target=watch, daemon=True).start()


def _require_writable(folder: Path) -> None:
    try:
        files.make_folder(folder)
    except OSError as error:
        raise ValueError(f"results must be a folder that can be written: {error}") from error
    if not os.access(folder, os.W_OK | os.X_OK):
        raise ValueError(f"results must be a folder that can be written, got {str(folder)!r}")
