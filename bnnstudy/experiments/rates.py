"""The plan of a rate curve: which runs it waits for, given those that are there. It runs nothing."""

import os
from collections.abc import Collection, Iterable
from dataclasses import dataclass, field, replace
from typing import Any

from bnnstudy.config.run import RunConfig
from bnnstudy.config.serialise import significant
from bnnstudy.evidence import records
from bnnstudy.evidence.curves import EVERYWHERE, Curve, Value
from bnnstudy.evidence.records import Record
from bnnstudy.experiments.study import Arm, Study


@dataclass
class Plan:
    """One arm's curve as far as it was run, and what it waits for.

    A tuned arm is run with `EVERYWHERE` seeds at each value of its grid. While the best of them stands
    at an end, the grid grows there, at most `max_extensions` times and as far as the field allows. Then
    the values near the best get all seeds (`evidence.curves.Curve.near`). An arm that follows another
    is run with all seeds at the values that judge that one; an arm that tunes nothing, as it is.

    Attributes:
        arm: whose curve it is.
        seeds: the seeds that judge.
        leader: the plan of the arm that it follows, if that one tunes.
        runs: the records that are there, by value and seed.
        partial: whether the values of most seeds stand for a curve that is not complete (`point`).
    """

    arm: Arm
    seeds: Collection[int]
    leader: "Plan | None" = None
    runs: dict[Value, dict[int, Record]] = field(default_factory=dict)
    partial: bool = False
    _keys: dict[Value, str] = field(default_factory=dict, init=False, repr=False)

    def config(self, value: Value, seed: int) -> RunConfig:
        """The arm's configuration at a value and with a seed."""
        changes: dict[str, Any] = {"seed": seed}
        if value is not None:
            changes[self.tuned_field] = value
        return replace(self.arm.config, **changes)

    def key(self, value: Value) -> str:
        """What its runs at a value are recorded by (`records.key`)."""
        if value not in self._keys:
            self._keys[value] = records.key(self.config(value, 0), self.arm.options)
        return self._keys[value]

    @property
    def tuned_field(self) -> str:
        """The field that is tuned, here or by the leader; empty for none."""
        tuned = self.leader.arm.tuned if self.leader else self.arm.tuned
        return tuned.field if tuned else ""

    def tell(self, value: Value, record: Record) -> None:
        """Hand in a record."""
        self.runs.setdefault(value, {})[record["config"]["seed"]] = record

    def pending(self) -> list[tuple[Value, int]]:
        """Values and seeds that the next round has to run; none when the curve is complete."""
        if self.leader:
            # A round behind its leader, so that what judges is settled.
            return [] if self.leader.pending() else self._missing(self.leader.curve().near, self.seeds)
        if not self.arm.tuned:
            return self._missing((None,), self.seeds)
        few = sorted(self.seeds)[:EVERYWHERE]
        return (
            self._missing(self.grid(), few)
            or self._missing(self._extension(), few)
            or self._missing(self.curve().near, self.seeds)
        )

    @property
    def settled(self) -> bool:
        """Whether it is known which values judge: the grid is run, and its best is inside."""
        if self.leader:
            return self.leader.settled
        if not self.arm.tuned or self.partial:
            return True
        few = sorted(self.seeds)[:EVERYWHERE]
        return not (self._missing(self.grid(), few) or self._extension())

    def point(self) -> dict[Value, dict[int, Record]]:
        """The runs that stand for the curve while it is not complete; none if it is.

        They are those of the values that most seeds were run at, more than a grid's: with the first
        edition's records that is one value, which a search with one seed had chosen. A value with a
        few seeds takes nothing from them before the whole curve is there.
        """
        if not self.tuned_field or not self.pending():
            return {}
        # Other arms, at fixed rates, may have left runs of the same configuration.
        own = {
            value: {seed: run for seed, run in runs.items() if run["arm"] == self.arm.name}
            for value, runs in self.runs.items()
        }
        most = max(map(len, own.values()), default=0)
        if most <= EVERYWHERE:
            return {}
        return {value: runs for value, runs in own.items() if len(runs) == most}

    def _missing(self, values: Iterable[Value], seeds: Iterable[int]) -> list[tuple[Value, int]]:
        return [
            (value, seed)
            for value in values
            for seed in sorted(seeds)
            if seed not in self.runs.get(value, {})
        ]

    def grid(self) -> list[float]:
        """The values of the arm's grid, and those by which it has grown."""
        assert self.arm.tuned
        return sorted({*self.arm.tuned.grid, *(value for value in self.runs if value is not None)})

    def _extension(self) -> list[float]:
        tuned, curve = self.arm.tuned, self.curve()
        assert tuned
        grown = len(self.grid()) - len(set(tuned.grid))
        if not curve.at_edge or grown >= tuned.max_extensions:
            return []
        best, high = curve.best, curve.best == self.grid()[-1]
        assert best is not None
        further = beyond(best, tuned.factor, up=high)
        # Where the field may be no further, the best stands at the edge.
        return [further] if _allowed(self, further) else []

    def curve(self) -> Curve:
        """The curve of what is there."""
        runs = {value: self.runs[value] for value in sorted(self.runs, key=lambda v: v or 0.0)}
        leader = self.leader.curve() if self.leader else None
        return Curve(self.arm.name, runs, self.tuned_field, leader, partial=self.partial)


def beyond(value: float, factor: float, *, up: bool) -> float:
    """The next value of a grid. Six digits, so that half decades meet the powers of ten again."""
    return significant(value * factor if up else value / factor, 6)


def plans(study: Study, preset: str, seeds: int | None = None) -> list[Plan]:
    """The plans of a study's arms at a preset, without records, in the order of the arms.

    Args:
        seeds: number of seeds that judge; None means the arm's or the preset's own.
    """
    found: dict[int, Plan] = {}
    arms = study.arms[preset]
    # Leaders first: arms of networks of one study may share their names, so they are told by identity.
    for arm in sorted(arms, key=lambda arm: bool(arm.follows)):
        leader = study.leader(arm)
        found[id(arm)] = Plan(
            arm,
            range(seeds or arm.seeds or _seeds(study, preset)),
            found[id(leader)] if leader is not arm and leader.tuned else None,
        )
    return [found[id(arm)] for arm in arms]


def _seeds(study: Study, preset: str) -> int:
    if preset not in study.seeds:
        raise ValueError(f"seeds of study {study.name!r} must have a number for preset {preset!r}")
    return study.seeds[preset]


def told(
    study: Study,
    preset: str,
    results: str | os.PathLike[str] | None = None,
    *,
    checked: bool = True,
) -> list[Plan]:
    """The plans of a study's arms with all that is recorded of them, for the seeds that are asked for.

    Args:
        results: the folder of records; None is `records.default_results`.
        checked: whether each record is checked (`records.load_files`).

    Raises:
        RecordError: naming a record that cannot be used.
    """
    results = records.default_results() if results is None else results
    found, files = (
        plans(study, preset),
        records.files_by_key(records.folder(results, study.name, preset)),
    )
    for plan in sorted(found, key=lambda plan: plan.leader is not None):
        for value in _values(plan):
            own = files.get(plan.key(value), ())
            for record in records.load_files(study.name, own, checked=checked):
                plan.tell(value, record)
    return found


def recorded(study: Study, preset: str, results: str | os.PathLike[str] | None = None) -> list[Plan]:
    """The plans of a study's arms with what is recorded of them, for the seeds there are; runs nothing.

    Args:
        results: the folder of records; None is `records.default_results`.

    Raises:
        RecordError: naming a record that cannot be used.
    """
    found = told(study, preset, results)
    for plan in sorted(found, key=lambda plan: plan.leader is not None):
        # Whatever number was asked for when they were run.
        plan.seeds = sorted(set().union(*plan.runs.values())) or plan.seeds
        if point := plan.point():
            plan.runs, plan.partial = point, True
            plan.seeds = sorted(set().union(*point.values()))
    return found


def _values(plan: Plan) -> list[Value]:
    """The values at which an arm may have records: its grid, and how far it may grow on both sides."""
    if plan.leader:
        return list(plan.leader.runs)
    tuned = plan.arm.tuned
    if not tuned:
        return [None]
    found = list(tuned.grid)
    for start, up in ((max(tuned.grid), True), (min(tuned.grid), False)):
        value = start
        for _ in range(tuned.max_extensions):
            value = beyond(value, tuned.factor, up=up)
            if not _allowed(plan, value):
                break
            found.append(value)
    return list(found)


def _allowed(plan: Plan, value: float) -> bool:
    try:
        plan.config(value, 0)
    except ValueError:
        return False
    return True
