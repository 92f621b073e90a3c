"""Many runs: what is recorded is not run again, rates are tuned, seeds are paired.

Each run is recorded as soon as it ends, by the process that made it; a kill loses what the runs in
progress did since their last checkpoint, and nothing else. Two sweeps may work on one folder side by
side: at worst they do a run twice, with the same result.
"""

import os
import time
from collections.abc import Iterator
from dataclasses import dataclass, replace
from pathlib import Path

from joblib import Parallel, cpu_count, delayed
from joblib.externals.loky.process_executor import TerminatedWorkerError
from tqdm import tqdm

from bnnstudy import checkpoints, data, devices, files, records, rules, serial, training
from bnnstudy.config import RunConfig
from bnnstudy.study import Arm, Study
from bnnstudy.tuning import TUNING_SEED, Search

_SEEDS = rules.Rule(
    int, f"a whole number from 1 to {TUNING_SEED}", lambda value: 1 <= value <= TUNING_SEED
)


class WorkerLost(RuntimeError):
    """A worker process was killed from outside. Nothing that had finished is lost."""


@dataclass(frozen=True, kw_only=True)
class Place:
    """Where and how a sweep works: what does not change a result, but for rounding.

    `compile` has networks compiled first (`bnnstudy.devices.compiling`): worth it for long runs.

    Raises:
        ValueError: if `workers` is no count; `of` checks the others too.
    """

    results: Path = records.DEFAULT_RESULTS
    data: Path | None = None
    device: str = "cpu"
    workers: int | None = None
    compile: bool = False
    progress: bool = True

    def __post_init__(self) -> None:
        if self.workers is not None:
            rules.COUNT.checked("workers", self.workers)

    @classmethod
    def of(
        cls,
        *,
        device: str = "auto",
        workers: int | None = None,
        results: str | os.PathLike | None = None,
        data: str | os.PathLike | None = None,
        compile: bool = False,
    ) -> "Place":
        """A place as people name it: a device by name, folders as text, None for the default.

        Raises:
            ValueError: if the device or a compiler is not there, `data` is no folder or `workers` no
                count.
        """
        if data is not None and not (os.fspath(data) and Path(data).is_dir()):
            raise ValueError(f"data must be a folder, got {str(data)!r}")
        if compile:
            devices.require_compiler()
        return cls(
            results=records.DEFAULT_RESULTS if results is None else Path(results),
            data=None if data is None else Path(data),
            device=devices.device_of(device),
            workers=workers,
            compile=compile,
        )


def run(study: Study, preset: str, seeds: int | None = None, place: Place | None = None) -> list[dict]:
    """Run what is missing of a study at a preset; returns the records of its arms and seeds.

    Args:
        seeds: number of final seeds (0 to seeds - 1); None means the preset's own.

    Raises:
        ValueError: if the study has no arms at this preset, or a tuned or final run fails on bad input.
        RecordError: if a record in the way cannot be used; it names the file.
    """
    if preset not in study.arms:
        ready = ", ".join(study.arms) or "none yet"
        raise ValueError(f"study {study.name!r} has no preset {preset!r}; allowed: {ready}")
    if seeds is not None:
        _SEEDS.checked("seeds", seeds)
    place = place or Place()
    count = study.seeds[preset] if seeds is None else seeds
    arms = tune(study, study.arms[preset], place)
    jobs = [
        _Job(study.name, arm, replace(arm.config, seed=seed), False)
        for arm in arms
        for seed in range(count)
    ]
    return _run_all(jobs, place, f"{study.name} {preset}")


def tune(study: Study, arms: tuple[Arm, ...], place: Place) -> tuple[Arm, ...]:
    """The arms with their tuned fields settled; each choice is recorded beside the runs.

    All arms are searched at once, round by round: first their grids, then what extends them.
    """
    # By place in `arms`: networks of one study may share the names of their arms.
    settled: dict[int, dict] = {}
    searches: dict[int, Search] = {}
    for k, arm in enumerate(arms):
        if not arm.tuned:
            continue
        if choice := _recorded_choice(study, arm, place):
            settled[k] = choice
        else:
            searches[k] = Search(study.name, arm, arm.tuned)
    while pending := [(k, config) for k, search in searches.items() for config in search.pending()]:
        jobs = [_Job(study.name, arms[k], config, True) for k, config in pending]
        found = _run_all(jobs, place, f"{study.name} tuning")
        for (k, _), record in zip(pending, found, strict=True):
            searches[k].tell(record)
    for k, search in searches.items():
        settled[k] = search.choice()
        records.save_choice(settled[k], _choice_file(study, search.arm, place))
    choices_by_arm = {id(arms[k]): choice for k, choice in settled.items()}
    return tuple(_settle(arm, choices_by_arm.get(id(study.leader(arm)))) for arm in arms)


def recorded(
    study: Study, preset: str, results: str | os.PathLike = records.DEFAULT_RESULTS
) -> list[dict]:
    """The usable records of a study's present arms at a preset, by arm and seed; runs nothing.

    What other configurations left in the folder is not looked at.

    Raises:
        RecordError: naming a record that cannot be used.
    """
    place = Place(results=Path(results))
    found = []
    for arm in study.arms.get(preset, ()):
        leader = study.leader(arm)
        if leader.tuned:
            choice = _recorded_choice(study, leader, place)
            if not choice:
                continue
            arm = _settle(arm, choice)
        runs = records.load_seeds(place.results, study.name, arm.config, arm.options)
        found += [{**run, "arm": arm.name} for run in runs]
    return found


def choices(
    study: Study, preset: str, results: str | os.PathLike = records.DEFAULT_RESULTS
) -> list[dict]:
    """What the tunings of a study's present arms chose at a preset, with their task; runs nothing."""
    place = Place(results=Path(results))
    found = []
    for arm in study.arms.get(preset, ()):
        choice = _recorded_choice(study, arm, place) if arm.tuned else None
        if choice:
            found.append({**choice, "task": f"{arm.config.dataset} {arm.config.model}"})
    return found


def _settle(arm: Arm, choice: dict | None) -> Arm:
    if not choice:
        return arm
    return replace(arm, config=replace(arm.config, **{choice["field"]: choice["chosen"]}))


@dataclass(frozen=True)
class _Job:
    study: str
    arm: Arm
    config: RunConfig
    trial: bool


def _run_all(jobs: list[_Job], place: Place, label: str) -> list[dict]:
    """The records of all jobs, in their order; those that are missing are run."""
    found = {k: record for k, job in enumerate(jobs) if (record := _finished(job, place))}
    missing = [k for k in range(len(jobs)) if k not in found]
    for folder in {_file(jobs[k], place).parent for k in missing}:
        _require_writable(folder)
        files.remove_litter(folder)
    # quiet where the error stream is no terminal
    bar = tqdm(total=len(missing), desc=label, unit="run", disable=None if place.progress else True)
    with bar:
        for k, record in _dispatch([(k, jobs[k]) for k in missing], place):
            found[k] = record
            bar.update()
    # An arm that was renamed finds its records by their configuration and calls them by its name.
    return [{**found[k], "arm": job.arm.name} for k, job in enumerate(jobs)]


def _dispatch(jobs: list[tuple[int, _Job]], place: Place) -> Iterator[tuple[int, dict]]:
    workers = place.workers or (cpu_count() if place.device == "cpu" else 1)
    if workers == 1 or len(jobs) < 2:
        yield from (_work(k, job, place) for k, job in jobs)
        return
    parallel = Parallel(n_jobs=min(workers, len(jobs)), return_as="generator_unordered")
    try:
        yield from parallel(delayed(_work)(k, job, place) for k, job in jobs)
    except TerminatedWorkerError as error:
        raise WorkerLost(
            "a worker process was killed, perhaps for want of memory (fewer --workers may help); "
            "what had finished is recorded, run again to go on"
        ) from error


def _work(k: int, job: _Job, place: Place) -> tuple[int, dict]:
    config = job.config
    start = time.perf_counter()
    dataset = data.load(config.dataset, place.data, train_size=config.train_size, device=place.device)
    measure = job.arm.measure or training.fit
    file = _file(job, place)
    checkpoint = checkpoints.beside(file)
    with devices.compiling(place.compile):
        result = measure(config, dataset, device=place.device, checkpoint=checkpoint)
    origin = records.provenance(
        device=devices.device_name(place.device),
        compiled=place.compile,
        seconds=checkpoint.earlier + time.perf_counter() - start,
        precision=config.precision,
        data=dataset.fingerprint,
    )
    record = records.make(job.study, job.arm.name, config, result, origin, job.arm.options)
    records.save(record, file)
    checkpoint.remove()
    return k, record


def _file(job: _Job, place: Place) -> Path:
    return records.path(place.results, job.study, job.config, job.arm.options, trial=job.trial)


def _finished(job: _Job, place: Place) -> dict | None:
    return records.finished(place.results, job.study, job.config, job.arm.options, trial=job.trial)


def _choice_file(study: Study, arm: Arm, place: Place) -> Path:
    question = {"config": arm.config.to_dict(), "tuned": serial.plain(arm.tuned)}
    if arm.options:
        question["options"] = arm.options
    key = serial.digest(question)[:12]
    return records.folder(place.results, study.name, arm.config.preset) / f"{key}-tuned.json"


def _recorded_choice(study: Study, arm: Arm, place: Place) -> dict | None:
    file = _choice_file(study, arm, place)
    choice = records.load_choice(file) if file.exists() else None
    return choice if choice and records.is_current(choice) else None


def _require_writable(folder: Path) -> None:
    try:
        folder.mkdir(parents=True, exist_ok=True)
    except OSError as error:
        raise ValueError(f"results must be a folder that can be written: {error}") from error
    if not os.access(folder, os.W_OK | os.X_OK):
        raise ValueError(f"results must be a folder that can be written, got {str(folder)!r}")
