"""The ladder: its effects as they were measured, forecasts of the next rung, and how these came out."""

import datetime
import os
from collections.abc import Mapping, Sequence
from dataclasses import dataclass
from pathlib import Path

from bnnstudy.data import steps_of_epoch
from bnnstudy.evidence import forecasts, records
from bnnstudy.evidence.curves import Curve, with_parts
from bnnstudy.evidence.estimates import Effect, effect
from bnnstudy.evidence.forecasts import Forecast, Measured
from bnnstudy.evidence.provenance import Code
from bnnstudy.evidence.requirements import Looked, look
from bnnstudy.studies.ladder import EFFECTS, RUNGS, STUDY, TASK, HeadlineEffect, Rung
from bnnstudy.studies.ledger import curves

FILE = "forecasts.jsonl"
"""Under the study's records."""

PAPER = RUNGS["paper"][0]


@dataclass(frozen=True)
class Score:
    """How a forecast came out.

    Attributes:
        forecast: what was predicted.
        measured: what came.
    """

    forecast: Forecast
    measured: Measured

    @property
    def covered(self) -> tuple[bool, bool]:
        """Whether the measured mean lies in the interval: by the trend, and by no change."""
        mean = self.measured.mean
        return self.forecast.trend.covers(mean), self.forecast.no_change.covers(mean)

    @property
    def missed_by(self) -> tuple[float, float]:
        """How far the measured mean lies from what was predicted: by the trend, and by no change."""
        mean = self.measured.mean
        return abs(mean - self.forecast.trend.mean), abs(mean - self.forecast.no_change.mean)

    @property
    def signs(self) -> tuple[bool, bool]:
        """Whether the predicted sign came: by the trend, and by no change."""
        mean = self.measured.mean
        return mean * self.forecast.trend.mean > 0, mean * self.forecast.no_change.mean > 0


def recorded(results: str | os.PathLike[str] | None = None, preset: str = "desk") -> dict[str, Curve]:
    """The curves of the ladder's arms that are recorded at a preset, by name."""
    found = curves(STUDY, results).get((preset, TASK[preset]), {})
    return with_parts(found)


def steps_of(rung: Rung, preset: str = "desk") -> int:
    """Steps of a run at a rung."""
    config = next(arm.config for arm in STUDY.arms[preset] if arm.name.startswith(f"{rung.name}: "))
    return rung.epochs * steps_of_epoch(config)


def measured(
    of: HeadlineEffect, rung: Rung, found: Mapping[str, Curve], preset: str = "desk"
) -> Measured | None:
    """An effect at a rung; None where it was not run."""
    at = effect(of.at(rung), found)
    if not isinstance(at, Effect) or not at.values:
        return None
    return Measured(steps_of(rung, preset), rung.width, at.values)


def acts(of: HeadlineEffect, rung: Rung, found: Mapping[str, Curve]) -> list[Looked]:
    """Whether what has to act for an effect acts at a rung, a line for each requirement."""
    return [look(need, found, found[need.arm].seeds) for need in of.acts_at(rung) if need.arm in found]


def run_of(found: Mapping[str, Curve], preset: str = "desk") -> list[Rung]:
    """The rungs that have runs, in their order."""
    return [rung for rung in RUNGS[preset] if any(name.startswith(f"{rung.name}: ") for name in found)]


def file_of(results: str | os.PathLike[str] | None = None) -> Path:
    """Where forecasts are kept."""
    return Path(records.default_results() if results is None else results) / STUDY.name / FILE


def foresee(results: str | os.PathLike[str] | None = None) -> list[Forecast]:
    """Predict every effect at the next rung and at the paper's scale, and write it down.

    Returns:
        What was written.

    Raises:
        ValueError: if no rung has been run, or the next one has runs already: what was seen is no
            longer predicted.
    """
    found = recorded(results)
    done = [rung for rung in RUNGS["desk"] if _is_complete(rung, found)]
    if not done:
        raise ValueError(f"records of study {STUDY.name!r} must have a complete rung, got none")
    left = [rung for rung in RUNGS["desk"] if rung not in done]
    if begun := [rung.name for rung in left[:1] if _is_begun(rung, results)]:
        raise ValueError(f"the next rung must not have been run when it is predicted, got {begun[0]!r}")
    now = datetime.datetime.now(datetime.UTC).strftime("%Y-%m-%dT%H:%M:%S+00:00")
    commit = Code.started().commit or "unknown"
    made = [
        Forecast(of.id, rung.name, now, commit, tuple(r.name for r in done), *predicted)
        for rung in (*left[:1], PAPER)
        for of in EFFECTS
        if (predicted := _predicted(of, rung, done, found))
    ]
    forecasts.add(file_of(results), made)
    return made


def _predicted(
    of: HeadlineEffect, rung: Rung, done: Sequence[Rung], found: Mapping[str, Curve]
) -> tuple[forecasts.Interval, forecasts.Interval] | None:
    seen = [at for below in done if (at := measured(of, below, found))]
    if not seen:
        return None
    preset = "paper" if rung is PAPER else "desk"
    seeds = STUDY.seeds[preset]
    trend = forecasts.by_trend(seen, steps_of(rung, preset), rung.width, seeds)
    return trend, forecasts.by_no_change(seen[-1], seeds)


def _is_complete(rung: Rung, found: Mapping[str, Curve]) -> bool:
    names = [arm.name for arm in STUDY.arms["desk"] if arm.name.startswith(f"{rung.name}: ")]
    return all(name in found and len(found[name].seeds) >= STUDY.seeds["desk"] for name in names)


def _is_begun(rung: Rung, results: str | os.PathLike[str] | None) -> bool:
    place = records.default_results() if results is None else Path(results)
    folder = Path(place) / STUDY.name / "desk"
    files = folder.glob("*-s*.json") if folder.is_dir() else ()
    start = f"{rung.name}: "
    return any(records.load(file)["arm"].startswith(start) for file in files)


def scores(results: str | os.PathLike[str] | None = None) -> list[Score]:
    """The forecasts of rungs that have been run since, with what came."""
    found = recorded(results)
    by_name = {rung.name: rung for rung in RUNGS["desk"]}
    effects = {of.id: of for of in EFFECTS}
    scored = []
    for one in forecasts.load(file_of(results)):
        rung = by_name.get(one.rung)
        came = measured(effects[one.effect], rung, found) if rung and one.effect in effects else None
        if came:
            scored.append(Score(one, came))
    return scored
