"""Rates as curves: an arm's runs over a tuned value, which values judge it, and which one each seed.

A tuned value is no single number that was chosen once. The arm is run over a grid of values, with
`EVERYWHERE` seeds at each; the values near the best, and both neighbours of the best, get all seeds.
Validation accuracy chooses, *leaving the judged seed out*: seed s is judged at the value that is best
over the other seeds, so that no seed judges what it chose. Another draw of seeds might choose
otherwise: `draws` has it happen, for the interval to count.
"""

from collections.abc import Collection, Iterable, Mapping, Sequence
from dataclasses import dataclass
from functools import cached_property

import numpy as np

from bnnstudy.config import checks
from bnnstudy.evidence.records import Record, RecordError
from bnnstudy.evidence.runs import task_of

EVERYWHERE = 3
"""Seeds at every value of a grid."""

NEAR = 2.0
"""Standard errors of a difference within which a value is near the best."""

Value = float | None
"""A tuned value; None stands for the only one of an arm that tunes nothing."""


@dataclass(frozen=True, eq=False)
class Curve:
    """One arm's runs, by tuned value and seed; an arm that tunes nothing has one value, None.

        >>> runs = {rate: {seed: {"result": {"validation_accuracy": share}} for seed in range(3)}
        ...         for rate, share in ((0.01, 0.8), (0.1, 0.9), (1.0, 0.7))}
        >>> curve = Curve("adam", runs, field="lr")
        >>> curve.best, curve.at_edge, curve.seeds, curve.chosen(curve.seeds)
        (0.1, False, (0, 1, 2), [0.1, 0.1, 0.1])

    Attributes:
        arm: its name.
        runs: records by value, from small to large, then by seed.
        field: the field of the configuration that is tuned; empty for none.
        leader: the curve whose choice this one takes, if it follows another arm.
        part: what of a run this is; empty for all of it.
        partial: whether the curve waits for runs, so that the values of most seeds stand for it.

    Raises:
        ValueError: naming the field that is not of its type.
    """

    arm: str
    runs: Mapping[Value, Mapping[int, Record]]
    field: str = ""
    leader: "Curve | None" = None
    part: str = ""
    partial: bool = False

    def __post_init__(self) -> None:
        checks.settle(self, dict.fromkeys(("arm", "field", "part"), checks.NAME))
        checks.instance("runs", self.runs, Mapping)
        checks.instance("leader", self.leader, Curve, or_none=True)
        checks.settle(self, {"partial": checks.FLAG})

    @property
    def of(self) -> str:
        """The arm whose runs these are: its own name, but for a part of a run."""
        return self.arm.removesuffix(f", {self.part}") if self.part else self.arm

    def parts(self) -> "list[Curve]":
        """What its runs measured in several ways, a curve each, called "arm, part"; mostly none."""
        names = dict.fromkeys(
            name
            for runs in self.runs.values()
            for record in runs.values()
            for name in record["result"].get("parts", {})
        )
        return [
            Curve(
                f"{self.arm}, {name}", self._of_part(name), self.field, self.chooser, name, self.partial
            )
            for name in names
        ]

    def _of_part(self, name: str) -> dict[Value, dict[int, Record]]:
        called = f"{self.arm}, {name}"
        return {
            value: {
                seed: {**record, "arm": called, "result": record["result"]["parts"][name]}
                for seed, record in runs.items()
                if name in record["result"].get("parts", {})
            }
            for value, runs in self.runs.items()
        }

    @property
    def chooser(self) -> "Curve":
        """The curve that chooses: the leader's, or its own."""
        return self.leader or self

    @cached_property
    def means(self) -> dict[Value, float]:
        """By value the mean validation accuracy over the seeds that every value has."""
        return {value: float(np.mean(found)) for value, found in self._everywhere().items() if found}

    @property
    def best(self) -> Value:
        """The value of the best mean, the smaller one of equals."""
        return max(self.means, key=lambda value: (self.means[value], -(value or 0.0)))

    @property
    def at_edge(self) -> bool:
        """Whether the best value stands at an end of what was tried."""
        values = list(self.runs)
        return len(values) > 1 and self.best in (values[0], values[-1])

    @cached_property
    def near(self) -> tuple[Value, ...]:
        """The values that judge: within `NEAR` standard errors of the best, and its two neighbours.

        The standard error is that of a difference of two means over the seeds that every value has, its
        spread pooled over the best value and its neighbours.
        """
        found, values = self._everywhere(), list(self.means)
        if not values:
            return ()
        at = values.index(self.best)
        around = values[max(at - 1, 0) : at + 2]
        spread = np.mean([np.var(found[value], ddof=1) for value in around]) if _many(found) else 0.0
        reach = NEAR * (2 * spread / len(found[self.best])) ** 0.5
        close = {value for value in values if self.means[value] >= self.means[self.best] - reach}
        return tuple(value for value in values if value in close or value in around)

    def _everywhere(self) -> dict[Value, list[float]]:
        common = set.intersection(*(set(runs) for runs in self.runs.values())) if self.runs else set()
        seeds = sorted(common)[:EVERYWHERE]
        return {
            value: [runs[seed]["result"].get("validation_accuracy", 0.0) for seed in seeds]
            for value, runs in self.runs.items()
        }

    @cached_property
    def seeds(self) -> tuple[int, ...]:
        """The seeds that the judging values have, all of them."""
        near = self.chooser.near
        there = [set(curve.runs.get(value, {})) for curve in {self, self.chooser} for value in near]
        return tuple(sorted(set.intersection(*there))) if there else ()

    def chosen(self, seeds: Sequence[int]) -> list[Value]:
        """For each of some seeds the value that is best over the others of them."""
        near = self.chooser.near
        places = leave_one_out(self.validation(seeds), np.ones((1, len(seeds)), int))[0]
        return [near[place] for place in places]

    def validation(self, seeds: Sequence[int]) -> np.ndarray:
        """The validation accuracies that choose, (values, seeds); 0 where a run has none."""
        chooser = self.chooser
        return np.array(
            [
                [chooser.runs[value][s]["result"].get("validation_accuracy", 0.0) for s in seeds]
                for value in chooser.near
            ]
        ).reshape(len(chooser.near), len(seeds))

    def judged(self, seeds: Sequence[int] | None = None) -> list[Record]:
        """The record of each seed at the value chosen for it, under the arm's name; of all if None."""
        seeds = self.seeds if seeds is None else seeds
        return [
            {**self.runs[value][seed], "arm": self.arm}
            for seed, value in zip(seeds, self.chosen(seeds), strict=True)
        ]

    @cached_property
    def runner_up(self) -> Value:
        """The judging value with the second-best mean validation accuracy; None if there is none."""
        chooser = self.chooser
        if len(chooser.near) < 2:
            return None
        order = np.argsort(-chooser.validation(chooser.seeds).mean(1), kind="stable")
        return chooser.near[int(order[1])]


def leave_one_out(accuracies: np.ndarray, counts: np.ndarray) -> np.ndarray:
    """For each draw and seed the place of the value that is best over the draw's other seeds.

    All copies of a seed that was drawn more than once are left out with it. Of equals the first is
    taken, as it is the smallest; where nothing is left, the seed chooses for itself.

    Args:
        accuracies: (values, seeds).
        counts: how often each draw has each seed, (draws, seeds).

    Returns:
        Places of values, (draws, seeds).
    """
    whole = counts @ accuracies.T  # (draws, values)
    own = counts[:, :, None] * accuracies.T[None]  # (draws, seeds, values)
    left = whole[:, None, :] - own
    alone = counts.sum(1)[:, None] == counts
    left = np.where(alone[:, :, None], accuracies.T[None], left)
    # Sums of the same accuracies in another order differ in their last bits: equals stay equals.
    return np.argmax(np.round(left, 9), axis=2)


def draws(seeds: int, number: int, generator: np.random.Generator) -> np.ndarray:
    """How often each of so many resamples of the seeds, with replacement, has each seed."""
    places = generator.integers(seeds, size=(number, seeds))
    return (places[:, :, None] == np.arange(seeds)).sum(1)


def _many(found: Mapping[Value, list[float]]) -> bool:
    return all(len(accuracies) > 1 for accuracies in found.values())


Curves = dict[tuple[str, str], dict[str, Curve]]
"""Curves by (preset, task) and arm."""


def with_parts(curves: Mapping[str, Curve]) -> dict[str, Curve]:
    """The curves of one preset and task by arm, with those of their parts."""
    return {
        **curves,
        **{part.arm: part for curve in curves.values() for part in curve.parts()},
    }


def fixed(records: Iterable[Record]) -> Curves:
    """Records of arms that tune nothing, as curves of one value each."""
    found: dict[tuple[str, str], dict[str, dict[int, Record]]] = {}
    for record in records:
        arms = found.setdefault((record["preset"], task_of(record["config"])), {})
        arms.setdefault(record["arm"], {})[record["config"]["seed"]] = record
    return {
        group: {arm: Curve(arm, {None: runs}) for arm, runs in arms.items()}
        for group, arms in found.items()
    }


def require_one_data(curves: Mapping[str, Curve]) -> None:
    """That all runs of one preset and task are of the same data.

    Raises:
        RecordError: naming two records that are not.
    """
    first: Record | None = None
    for curve in curves.values():
        for record in (record for runs in curve.runs.values() for record in runs.values()):
            first = first or record
            if record["provenance"]["data"] != first["provenance"]["data"]:
                one, other = (
                    f"{r['study']}/{r['preset']}, arm {r['arm']!r}, seed {r['config']['seed']} "
                    f"(data {r['provenance']['data']})"
                    for r in (first, record)
                )
                raise RecordError(
                    f"records of one data set must be of the same data, got {one} and {other}: "
                    "delete those of the wrong data, and run again"
                )


def judged(curves: Curves) -> list[Record]:
    """The records that judge, of all arms, each seed at the value chosen for it."""
    return [record for arms in curves.values() for curve in arms.values() for record in curve.judged()]


def common_seeds(curves: Iterable[Curve], first: int = 0) -> list[int]:
    """The seeds from `first` on that all curves have."""
    there: Collection[set[int]] = [set(curve.seeds) for curve in curves]
    return sorted(seed for seed in set.intersection(*there) if seed >= first) if there else []
