"""Many runs: what is recorded is not run again, rates are tuned, seeds are paired.

Each run is recorded as soon as it ends, by the process that made it; a kill loses what the runs in
progress did since their last checkpoint, and nothing else. Two sweeps may work on one folder side by
side: at worst they do a run twice, with the same result.
"""

import os
from dataclasses import replace
from pathlib import Path

from bnnstudy.config import checks
from bnnstudy.evidence import records
from bnnstudy.evidence.records import Record
from bnnstudy.experiments.executors import Job, run_all
from bnnstudy.experiments.options import RunOptions
from bnnstudy.experiments.study import Study
from bnnstudy.experiments.tuning import TUNING_SEED, recorded_choice, settle, tune

_SEEDS = checks.Rule(
    int, f"a whole number from 1 to {TUNING_SEED}", lambda value: 1 <= value <= TUNING_SEED
)


def run(
    study: Study, preset: str, seeds: int | None = None, place: RunOptions | None = None
) -> list[Record]:
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
    place = place or RunOptions()
    arms = tune(study, study.arms[preset], place)
    jobs = [
        Job(study.name, arm, replace(arm.config, seed=seed), False)
        for arm in arms
        for seed in range(seeds or arm.seeds or study.seeds[preset])
    ]
    return run_all(jobs, place, f"{study.name} {preset}")


def recorded(
    study: Study, preset: str, results: str | os.PathLike = records.DEFAULT_RESULTS
) -> list[Record]:
    """The usable records of a study's present arms at a preset, by arm and seed; runs nothing.

    What other configurations left in the folder is not looked at.

    Raises:
        RecordError: naming a record that cannot be used.
    """
    place = RunOptions(results=Path(results))
    found: list[Record] = []
    for arm in study.arms.get(preset, ()):
        leader = study.leader(arm)
        if leader.tuned:
            choice = recorded_choice(study, leader, place)
            if not choice:
                continue
            arm = settle(arm, choice)
        runs = records.load_seeds(place.results, study.name, arm.config, arm.options)
        found += [{**run, "arm": arm.name} for run in runs]
    return found
