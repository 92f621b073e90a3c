"""Many runs: what is recorded is not run again, rates are tuned, seeds are paired.

Each run is recorded as soon as it ends, by the process that made it; a kill loses what the runs in
progress did since their last checkpoint, and nothing else. Two sweeps may work on one folder side by
side: at worst they do a run twice, with the same result.
"""

from dataclasses import replace

from bnnstudy.config import checks
from bnnstudy.evidence import records
from bnnstudy.evidence.records import Choice, Record
from bnnstudy.experiments.executors import Job, run_all
from bnnstudy.experiments.options import RunOptions
from bnnstudy.experiments.study import Arm, Study
from bnnstudy.experiments.tuning import TUNING_SEED, Search, choice_file, recorded_choice, settle

_SEEDS = checks.Rule(
    int, f"a whole number from 1 to {TUNING_SEED}", lambda value: 1 <= value <= TUNING_SEED
)


def run(
    study: Study, preset: str, seeds: int | None = None, options: RunOptions | None = None
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
    options = options or RunOptions()
    arms = tune(study, study.arms[preset], options)
    jobs = [
        Job(study.name, arm, replace(arm.config, seed=seed), False)
        for arm in arms
        for seed in range(seeds or arm.seeds or study.seeds[preset])
    ]
    return run_all(jobs, options, f"{study.name} {preset}")


def tune(study: Study, arms: tuple[Arm, ...], options: RunOptions) -> tuple[Arm, ...]:
    """The arms with their tuned fields settled; each choice is recorded beside the runs.

    All arms are searched at once, round by round: first their grids, then what extends them.
    """
    # By number in `arms`: networks of one study may share the names of their arms.
    settled: dict[int, Choice] = {}
    searches: dict[int, Search] = {}
    for k, arm in enumerate(arms):
        if not arm.tuned:
            continue
        if choice := recorded_choice(study, arm, options.results):
            settled[k] = choice
        else:
            searches[k] = Search(study.name, arm, arm.tuned)
    while pending := [(k, config) for k, search in searches.items() for config in search.pending()]:
        jobs = [Job(study.name, arms[k], config, True) for k, config in pending]
        found = run_all(jobs, options, f"{study.name} tuning")
        for (k, _), record in zip(pending, found, strict=True):
            searches[k].tell(record)
    for k, search in searches.items():
        settled[k] = search.choice()
        records.save_choice(settled[k], choice_file(study, search.arm, options.results))
    choices_by_arm = {id(arms[k]): choice for k, choice in settled.items()}
    return tuple(settle(arm, choices_by_arm.get(id(study.leader(arm)))) for arm in arms)
