"""What is recorded of a study. Nothing is run here, and torch is not imported."""

import os

from bnnstudy.evidence import records
from bnnstudy.evidence.records import Record
from bnnstudy.experiments.study import Study
from bnnstudy.experiments.tuning import recorded_choice, settle


def recorded(
    study: Study, preset: str, results: str | os.PathLike[str] = records.DEFAULT_RESULTS
) -> list[Record]:
    """The usable records of a study's present arms at a preset, by arm and seed; runs nothing.

    What other configurations left in the folder is not looked at.

    Raises:
        RecordError: naming a record that cannot be used.
    """
    found: list[Record] = []
    for arm in study.arms.get(preset, ()):
        leader = study.leader(arm)
        if leader.tuned:
            choice = recorded_choice(study, leader, results)
            if not choice:
                continue
            arm = settle(arm, choice)
        runs = records.load_seeds(results, study.name, arm.config, arm.options)
        found += [{**run, "arm": arm.name} for run in runs]
    return found
