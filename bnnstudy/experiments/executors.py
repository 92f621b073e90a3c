"""The runs of a sweep: what is not recorded is run, by several processes, and recorded at once."""

import functools
import os
import platform
import threading
import time
from collections.abc import Iterator
from dataclasses import dataclass, replace
from pathlib import Path

from joblib import Parallel, cpu_count, delayed
from joblib.externals.loky.process_executor import TerminatedWorkerError

from bnnstudy import data, devices, files
from bnnstudy.config.run import RunConfig
from bnnstudy.evidence import provenance, records
from bnnstudy.evidence.provenance import Code
from bnnstudy.evidence.records import Record
from bnnstudy.evidence.results import Result
from bnnstudy.experiments.arms import run_arm
from bnnstudy.experiments.options import RunOptions
from bnnstudy.experiments.study import Arm
from bnnstudy.training import checkpoints, stacked
from bnnstudy.training.progress import bar


class WorkerLost(RuntimeError):
    """A worker process was killed from outside. Nothing that had finished is lost.

    >>> try:
    ...     raise WorkerLost("a worker process was killed")  # as `run` does
    ... except WorkerLost as error:
    ...     print(f"{error}: run the study again, and it goes on from its records")
    a worker process was killed: run the study again, and it goes on from its records
    """


@dataclass(frozen=True)
class Job:
    """One run: of an arm, with its tuned value and seed in `config`."""

    study: str
    arm: Arm
    config: RunConfig


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

    Args:
        options: resolved, as workers may be at work in another folder.
        code: the code that runs, as it was when the sweep started.
        label: what the bar is called.
    """
    pairs = [(_file(job, options), job) for job in jobs]
    found = {file: record for file, job in pairs if (record := finished(job, options))}
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
            shown.update()
    # An arm that was renamed finds its records by their configuration and calls them by its name.
    return [{**found[file], "arm": job.arm.name} for file, job in pairs]


_Task = list[tuple[int, Job]]
"""Jobs that one process does at once, with their numbers."""


def _dispatch(jobs: _Task, options: RunOptions, code: Code) -> Iterator[tuple[int, Record]]:
    tasks = _stacks(jobs, options.stack)
    workers = min(options.side_by_side, len(tasks))
    if workers < 2:
        for task in tasks:
            yield from _work(task, options, code)
        return
    parallel = Parallel(n_jobs=workers, return_as="generator_unordered")
    try:
        for found in parallel(delayed(_work)(task, options, code, _Parent.here()) for task in tasks):
            yield from found
    except TerminatedWorkerError as error:
        raise WorkerLost(
            "a worker process was killed, perhaps for want of memory (fewer --workers may help); "
            "what had finished is recorded, run again to go on"
        ) from error


def _stacks(jobs: _Task, size: int) -> list[_Task]:
    """The jobs in tasks: up to `size` seeds of one configuration, where they can be stacked."""
    groups: dict[object, _Task] = {}
    for k, job in jobs:
        alone = job.arm.procedure or job.arm.callbacks or stacked.obstacle(job.config)
        groups.setdefault(k if alone else replace(job.config, seed=0), []).append((k, job))
    return [group[at : at + size] for group in groups.values() for at in range(0, len(group), size)]


def _work(
    task: _Task, options: RunOptions, code: Code, parent: _Parent | None = None
) -> list[tuple[int, Record]]:
    start = time.perf_counter()
    code.require_here()
    if parent:
        _end_with(parent)
    if options.compile and options.side_by_side > 1:
        # Each process would start a pool of its own, of as many as there are cores, to compile with.
        share = max(1, cpu_count() // options.side_by_side)
        os.environ.setdefault("TORCHINDUCTOR_COMPILE_THREADS", str(share))
    config = task[0][1].config
    size, device = config.train_size, options.device
    dataset = data.load(config.dataset, options.data, train_size=size, device=device)
    if len(task) == 1:
        ((k, job),) = task
        checkpoint = checkpoints.beside(_file(job, options))
        with devices.compiling(options.compile) as made:
            result = run_arm(job.arm, config, dataset, device=device, checkpoint=checkpoint)
        seconds = checkpoint.earlier + time.perf_counter() - start
        found = [(k, _save(job, result, options, code, dataset, seconds, compiled=bool(made)))]
        checkpoint.remove()
        return found
    seeds = [job.config.seed for _, job in task]
    results = stacked.fit_stacked(config, seeds, dataset, device=device)
    seconds = (time.perf_counter() - start) / len(task)
    return [
        (k, _save(job, result, options, code, dataset, seconds, stack=len(task)))
        for (k, job), result in zip(task, results, strict=True)
    ]


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


def _save(
    job: Job,
    result: Result,
    options: RunOptions,
    code: Code,
    dataset: data.Dataset,
    seconds: float,
    *,
    compiled: bool = False,
    stack: int = 1,
) -> Record:
    origin = provenance.collect(
        device=devices.device_name(options.device),
        seconds=seconds,
        precision=job.config.precision,
        data=dataset.fingerprint,
        code=code,
        compiled=compiled,
        stack=stack,
    )
    record = records.make(job.study, job.arm.name, job.config, result, origin, job.arm.options)
    records.save(record, _file(job, options))
    return record


def _file(job: Job, options: RunOptions) -> Path:
    return records.path(options.results, job.study, job.config, job.arm.options)


def finished(job: Job, options: RunOptions) -> Record | None:
    """The record of a job, if it is there.

    Raises:
        RecordError: if it is, and cannot be used; it names the file.
    """
    return records.finished(options.results, job.study, job.config, job.arm.options)


def _require_writable(folder: Path) -> None:
    try:
        folder.mkdir(parents=True, exist_ok=True)
    except OSError as error:
        raise ValueError(f"results must be a folder that can be written: {error}") from error
    if not os.access(folder, os.W_OK | os.X_OK):
        raise ValueError(f"results must be a folder that can be written, got {str(folder)!r}")
