"""How far a study is: what is recorded, what is running and where, what is missing, for how long."""

import os
import statistics
import time
from collections.abc import Iterable, Iterator
from dataclasses import dataclass
from pathlib import Path

from bnnstudy.config import checks
from bnnstudy.evidence import records
from bnnstudy.evidence.curves import Value
from bnnstudy.evidence.records import Record
from bnnstudy.evidence.runs import task_of
from bnnstudy.experiments import markers, rates
from bnnstudy.experiments.markers import Owner
from bnnstudy.experiments.rates import Plan
from bnnstudy.experiments.study import Study
from bnnstudy.report import cost

_Missing = dict[Path, tuple[Plan, Value, int]]
"""Runs by the file that their record will be: whose they are, at which value and seed."""


@dataclass(frozen=True)
class Running:
    """A run that a process is at: its arm and seed, its process, the seconds since its last sign."""

    arm: str
    seed: int
    owner: Owner
    silent: float

    def __post_init__(self) -> None:
        checks.settle(self, {"arm": checks.NAME, "seed": checks.WHOLE, "silent": checks.NOT_NEGATIVE})
        checks.instance("owner", self.owner, Owner)

    def line(self) -> str:
        """It in words."""
        doubt = f", no sign for {self.silent:.0f} s" if self.silent > markers.SILENT else ""
        return f"{self.arm}, seed {self.seed}: {self.owner.line()}{doubt}"


@dataclass(frozen=True)
class Status:
    """How far a study is at a preset.

    Attributes:
        recorded: the runs that are there, of those that are asked for.
        missing: those that are not, as far as is known now.
        open: curves that may ask for more, once what is missing of them is there.
        running: those of the missing ones that a process is at.
        hours: of one core or device for what is missing; None where nothing tells.
    """

    study: str
    preset: str
    recorded: int
    missing: int
    open: int
    running: tuple[Running, ...]
    hours: float | None

    def __post_init__(self) -> None:
        checks.settle(self, dict.fromkeys(("study", "preset"), checks.NAME))
        checks.settle(self, dict.fromkeys(("recorded", "missing", "open"), checks.WHOLE))
        checks.settle(self, {"hours": checks.NOT_NEGATIVE}, or_none=("hours",))
        checks.all_of("running", self.running, Running)

    def line(self) -> str:
        """It in a line; what is running has lines of its own."""
        hours = "" if self.hours is None or not self.missing else f", {self.hours:.3g} hours of a core"
        more = f", and what {self.open} curves ask for then" if self.open else ""
        name, running = f"{self.study:<16} {self.preset:<6}", f"{len(self.running):>4} running"
        return f"{name} {self.recorded:>6} recorded {running} {self.missing:>6} missing{hours}{more}"


def status(study: Study, preset: str, results: str | os.PathLike[str] | None = None) -> Status:
    """How far a study is at a preset. Records are counted, not checked; one that is cut short is named.

        >>> from bnnstudy.studies import STUDIES
        >>> status(STUDIES["alpha"], "desk", "no such folder").recorded
        0

    Args:
        results: the folder of records; None is `records.default_results`.

    Raises:
        ValueError: if the study has no such preset.
        RecordError: naming a record that cannot be used.
    """
    checks.instance("study", study, Study)
    preset = checks.NAME.checked("preset", preset)
    checks.path("results", results)
    results = records.default_results() if results is None else Path(results)
    plans = rates.told(study, preset, results, checked=False)
    there = {
        (plan.key(value), seed): record
        for plan in plans
        for value, runs in plan.runs.items()
        for seed, record in runs.items()
        if seed in plan.seeds
    }
    folder = records.folder(results, study.name, preset)
    missing: _Missing = {
        folder / f"{plan.key(value)}-s{seed}.json": (plan, value, seed)
        for plan in plans
        for value, seed in plan.pending()
    }
    seconds = _seconds(missing.values(), list(there.values()))
    return Status(
        study=study.name,
        preset=preset,
        recorded=len(there),
        missing=len(missing),
        open=sum(bool(plan.tuned_field and not plan.settled) for plan in plans),
        running=tuple(_running(missing)),
        hours=None if None in seconds else sum(filter(None, seconds)) / 3600,
    )


def _running(missing: _Missing) -> Iterator[Running]:
    for file, (plan, _, seed) in missing.items():
        marker = markers.beside(file)
        owner = Owner.of(marker)
        if owner is None or owner.is_gone():
            continue
        try:
            silent = max(0.0, time.time() - marker.stat().st_mtime)
        except OSError:
            continue
        yield Running(f"{task_of(plan.arm.config)}: {plan.arm.name}", seed, owner, silent)


def _seconds(missing: Iterable[tuple[Plan, Value, int]], there: list[Record]) -> list[float | None]:
    """What each missing run takes: as its arm's did, else by its operations at the study's pace."""
    missing = list(missing)
    paces: dict[str, float] = {}
    found: dict[int, float | None] = {}
    for plan, value, _ in missing:
        if id(plan) in found:
            continue
        own = [run["provenance"]["seconds"] for runs in plan.runs.values() for run in runs.values()]
        found[id(plan)] = statistics.median(own) if own else _planned(plan, value, there, paces)
    return [found[id(plan)] for plan, _, _ in missing]


def _planned(plan: Plan, value: Value, there: list[Record], paces: dict[str, float]) -> float | None:
    task = task_of(plan.arm.config)
    if task not in paces:
        paces[task] = cost.pace(there, task)[1]
    work = cost.run_operations(plan.config(value, 0), plan.arm.options) if paces[task] else 0.0
    return work / paces[task] if paces[task] else None
