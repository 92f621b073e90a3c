"""What one process does at once: a run, or seeds of one configuration together; recorded as it ends."""

import contextlib
import os
import time
from collections.abc import Callable, Iterable
from contextlib import AbstractContextManager
from dataclasses import dataclass, replace
from pathlib import Path

from joblib import cpu_count

from bnnstudy import data, devices
from bnnstudy.config.run import RunConfig
from bnnstudy.evidence import provenance, records
from bnnstudy.evidence.provenance import Code
from bnnstudy.evidence.records import Record, RecordError
from bnnstudy.evidence.results import Result
from bnnstudy.experiments import markers
from bnnstudy.experiments.arms import run_arm
from bnnstudy.experiments.options import RunOptions
from bnnstudy.experiments.study import Arm
from bnnstudy.training import checkpoints, stacked


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


Task = list[tuple[int, Job]]
"""Jobs that one process does at once, with their numbers."""

Claim = Callable[[Iterable[Path]], AbstractContextManager[bool]]
"""`markers.claimed`, or `markers.awaited`."""

Done = list[tuple[int, Record]]
"""The records of a task, with the numbers of their jobs."""


def stacks(jobs: Task, size: int) -> list[Task]:
    """The jobs in tasks: up to `size` seeds of one configuration, where they can be stacked."""
    groups: dict[object, Task] = {}
    for k, job in jobs:
        alone = job.arm.procedure or job.arm.callbacks or stacked.obstacle(job.config)
        groups.setdefault(k if alone else replace(job.config, seed=0), []).append((k, job))
    return [group[at : at + size] for group in groups.values() for at in range(0, len(group), size)]


def perform(task: Task, options: RunOptions, code: Code, claim: Claim = markers.claimed) -> Done | None:
    """Do what is not recorded of a task; returns its records, or None if another process is at it.

    It looks once more what is recorded, as a task may have waited long in a queue, or be retried.

    Args:
        claim: how the runs are marked: at once or not at all, or when it is known who is at them.

    Raises:
        ValueError: if this process imported other code than the sweep's, or a run fails on bad input.
        RecordError: if a record in the way cannot be used; it names the file.
    """
    code.require_here()
    with claim([file_of(job, options) for _, job in task]) as ours:
        if not ours:
            return None
        there = {k: record for k, job in task if (record := finished(job, options))}
        left = [(k, job) for k, job in task if k not in there]
        return [*there.items(), *(_train(left, options, code) if left else [])]


def _train(task: Task, options: RunOptions, code: Code) -> Done:
    start = time.perf_counter()
    if options.compile and options.side_by_side > 1 and options.executor != "slurm":
        # Each process would start a pool of its own to compile with, of as many as there are cores.
        # SLURM gives each task cores of its own.
        share = max(1, cpu_count() // options.side_by_side)
        os.environ.setdefault("TORCHINDUCTOR_COMPILE_THREADS", str(share))
    options = replace(options, device=devices.device_of(options.device))
    config = task[0][1].config
    size, device = config.train_size, options.device
    dataset = data.load(config.dataset, options.data, train_size=size, device=device)
    if len(task) == 1:
        ((k, job),) = task
        checkpoint = checkpoints.beside(file_of(job, options))
        with devices.compiling(options.compile, device) as made:
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
    there = None
    # Whoever was taken to be gone, and was not, may have been first.
    with contextlib.suppress(RecordError):
        there = finished(job, options)
    if there:
        return there
    records.save(record, file_of(job, options))
    return record


def file_of(job: Job, options: RunOptions) -> Path:
    """Where the record of a job is, or will be."""
    return records.path(options.results, job.study, job.config, job.arm.options)


def finished(job: Job, options: RunOptions) -> Record | None:
    """The record of a job, if it is there.

    Raises:
        RecordError: if it is, and cannot be used; it names the file.
    """
    return records.finished(options.results, job.study, job.config, job.arm.options)
