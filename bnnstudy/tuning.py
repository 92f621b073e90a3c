"""The search for one arm's tuned value. It says which runs it waits for and runs none itself."""

from dataclasses import replace
from typing import Any

from bnnstudy.config import RunConfig
from bnnstudy.study import Arm, Tuned

TUNING_SEED = 1000
"""First seed of the runs that settle a tuned field; final runs count from 0."""


class Search:
    """The search for one arm's tuned value: what was tried, what is to try."""

    def __init__(self, study: str, arm: Arm, tuned: Tuned):
        self.study, self.arm, self.tuned = study, arm, tuned
        self.grid = sorted(tuned.grid)
        self.trials: dict[float, dict[int, float]] = {}
        self.provenance: dict = {}
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

    def tell(self, record: dict) -> None:
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
        further = _rounded(best * factor if best == self.grid[-1] else best / factor)
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

    def choice(self) -> dict:
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


def _rounded(value: float) -> float:
    # Six digits, so that a grid in steps of sqrt(10) meets its own powers of ten again.
    return float(f"{value:.6g}")
