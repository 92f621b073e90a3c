"""The search for one arm's tuned value, and what was chosen. Nothing is run here."""

import os
from dataclasses import replace
from pathlib import Path
from typing import Any

from bnnstudy.config import serialise
from bnnstudy.config.run import RunConfig
from bnnstudy.config.serialise import significant
from bnnstudy.evidence import records
from bnnstudy.evidence.provenance import Provenance
from bnnstudy.evidence.records import Choice, Record
from bnnstudy.evidence.runs import task_of
from bnnstudy.experiments.study import Arm, Study, Tuned

TUNING_SEED = 1000
"""First seed of the runs that settle a tuned field; final runs count from 0."""


class Search:
    """The search for one arm's tuned value: what was tried, what is to try."""

    def __init__(self, study: str, arm: Arm, tuned: Tuned):
        self.study, self.arm, self.tuned = study, arm, tuned
        self.grid = sorted(tuned.grid)
        self.trials: dict[float, dict[int, float]] = {}
        self.provenance: Provenance
        self.extensions = 0

    def pending(self) -> list[RunConfig]:
        """The runs that the search waits for; none when it is at its end."""
        seeds = range(TUNING_SEED, TUNING_SEED + self.tuned.seeds)
        return [
            self._trial(value, seed)
            for value in self.grid
            for seed in seeds
            if seed not in self.trials.get(value, {})
        ]

    def _trial(self, value: float, seed: int) -> RunConfig:
        changes: dict[str, Any] = {self.tuned.field: value, "seed": seed}
        return replace(self.arm.config, **changes)

    def tell(self, record: Record) -> None:
        """Hand in the record of a pending run; the last of a round may extend the grid."""
        config = RunConfig.from_dict(record["config"])
        value = getattr(config, self.tuned.field)
        accuracy = record["result"]["validation_accuracy"]
        self.trials.setdefault(value, {})[config.seed] = accuracy
        self.provenance = record["provenance"]
        if not self.pending():
            self._extend()

    def _extend(self) -> None:
        if self.extensions == self.tuned.max_extensions:
            return
        best, factor = self.best(), self.tuned.factor
        if best not in (self.grid[0], self.grid[-1]):
            return
        # Six digits, so that a grid in steps of sqrt(10) meets its own powers of ten again.
        further = significant(best * factor if best == self.grid[-1] else best / factor, 6)
        try:
            self._trial(further, TUNING_SEED)
        except ValueError:
            return  # beyond what the field may be: the best stands at the edge
        self.grid = sorted([*self.grid, further])
        self.extensions += 1

    def best(self) -> float:
        """The value of the best mean validation accuracy so far, the smaller one of equals."""
        means = {v: sum(self.trials[v].values()) / len(self.trials[v]) for v in self.grid}
        return min(self.grid, key=lambda value: (-means[value], value))

    def choice(self) -> Choice:
        """What the search chose, with all its trials, as it is recorded."""
        best = self.best()
        return {
            "study": self.study,
            "arm": self.arm.name,
            "preset": self.arm.config.preset,
            "field": self.tuned.field,
            "chosen": best,
            "at_edge": best in (self.grid[0], self.grid[-1]),
            "trials": [
                {"value": value, "seed": seed, "validation_accuracy": accuracy}
                for value in self.grid
                for seed, accuracy in self.trials[value].items()
            ],
            "provenance": self.provenance,
        }


def choices(
    study: Study, preset: str, results: str | os.PathLike[str] = records.DEFAULT_RESULTS
) -> list[Choice]:
    """What the tunings of a study's present arms chose at a preset, with their task; runs nothing."""
    found: list[Choice] = []
    for arm in study.arms.get(preset, ()):
        choice = recorded_choice(study, arm, results) if arm.tuned else None
        if choice:
            found.append({**choice, "task": task_of(arm.config)})
    return found


def settle(arm: Arm, choice: Choice | None) -> Arm:
    """The arm with the chosen value in its configuration; as it is where nothing was chosen."""
    if not choice:
        return arm
    return replace(arm, config=replace(arm.config, **{choice["field"]: choice["chosen"]}))


def choice_file(study: Study, arm: Arm, results: str | os.PathLike[str]) -> Path:
    """Where the choice of an arm is recorded: named by its configuration and all of what is tuned."""
    question = {"config": arm.config.to_dict(), "tuned": serialise.to_jsonable(arm.tuned)}
    if arm.options:
        question["options"] = arm.options
    key = serialise.digest(question)[:12]
    return records.folder(results, study.name, arm.config.preset) / f"{key}-tuned.json"


def recorded_choice(study: Study, arm: Arm, results: str | os.PathLike[str]) -> Choice | None:
    """What the tuning of an arm chose, if that is recorded and current.

    Raises:
        RecordError: if the file cannot be used or is the choice of another arm.
    """
    file = choice_file(study, arm, results)
    choice = records.load_choice(file) if file.exists() else None
    asked = {
        "study": study.name,
        "preset": arm.config.preset,
        "field": arm.tuned.field if arm.tuned else "",
    }
    if choice and any(choice.get(name) != value for name, value in asked.items()):
        raise records.RecordError(f"{file} is the choice of another arm; delete it to choose again")
    return choice if choice and records.is_current(choice) else None
