"""Many runs: what is recorded is not run again, rates are tuned, seeds are paired.

Each run is recorded as soon as it ends, by the process that made it; a kill loses what the runs in
progress did since their last checkpoint, and nothing else. Two sweeps may work on one folder side by
side: at worst they do a run twice, with the same result.
"""

import os
from dataclasses import replace
from pathlib import Path

from bnnstudy import records, rules, serial
from bnnstudy.jobs import Job, Place, WorkerLost, run_all
from bnnstudy.study import Arm, Study
from bnnstudy.tuning import TUNING_SEED, Search

__all__ = ["Place", "WorkerLost", "choices", "recorded", "run", "tune"]

_SEEDS = rules.Rule(
    int, f"a whole number from 1 to {TUNING_SEED}", lambda value: 1 <= value <= TUNING_SEED
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
    arms = tune(study, study.arms[preset], place)
    jobs = [
        Job(study.name, arm, replace(arm.config, seed=seed), False)
        for arm in arms
        for seed in range(seeds or arm.seeds or study.seeds[preset])
    ]
    return run_all(jobs, place, f"{study.name} {preset}")


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
        jobs = [Job(study.name, arms[k], config, True) for k, config in pending]
        found = run_all(jobs, place, f"{study.name} tuning")
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


def _choice_file(study: Study, arm: Arm, place: Place) -> Path:
    question = {"config": arm.config.to_dict(), "tuned": serial.plain(arm.tuned)}
    if arm.options:
        question["options"] = arm.options
    key = serial.digest(question)[:12]
    return records.folder(place.results, study.name, arm.config.preset) / f"{key}-tuned.json"


def _recorded_choice(study: Study, arm: Arm, place: Place) -> dict | None:
    file = _choice_file(study, arm, place)
    choice = records.load_choice(file) if file.exists() else None
    asked = {
        "study": study.name,
        "preset": arm.config.preset,
        "field": arm.tuned.field if arm.tuned else "",
    }
    if choice and any(choice[name] != value for name, value in asked.items()):
        raise records.RecordError(f"{file} is the choice of another arm; delete it to choose again")
    return choice if choice and records.is_current(choice) else None
