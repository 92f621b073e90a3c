"""The ladder: its effects as they were measured, forecasts of the next rung, and how these came out."""

import datetime
import math
import os
import statistics
from collections.abc import Mapping, Sequence
from dataclasses import dataclass
from pathlib import Path

import numpy as np
from matplotlib.axes import Axes
from matplotlib.figure import Figure

from bnnstudy.config import checks
from bnnstudy.data import steps_of_epoch
from bnnstudy.evidence import forecasts, records
from bnnstudy.evidence.curves import Curve, with_parts
from bnnstudy.evidence.estimates import Effect, effect
from bnnstudy.evidence.forecasts import Forecast, Measured
from bnnstudy.evidence.provenance import Code
from bnnstudy.evidence.requirements import Looked, look
from bnnstudy.experiments.study import Arm
from bnnstudy.report import plotting, tables
from bnnstudy.studies.ladder import EFFECTS, RUNGS, STUDY, TASK, HeadlineEffect, Rung
from bnnstudy.studies.ledger import curves

FILE = "forecasts.jsonl"
"""Under the study's records."""

PAPER = RUNGS["paper"][0]
FORESEEN = {rung.name: rung for rung in (*RUNGS["desk"], PAPER)}
"""By name, every rung that a forecast may be of."""


@dataclass(frozen=True)
class Score:
    """How a forecast came out.

    Attributes:
        forecast: what was predicted.
        measured: what came.

    Raises:
        ValueError: naming the field that is none of its kind.
    """

    forecast: Forecast
    measured: Measured

    def __post_init__(self) -> None:
        checks.instance("forecast", self.forecast, Forecast)
        checks.instance("measured", self.measured, Measured)

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
        """Whether the predicted sign came (0 has its own): by the trend, and by no change."""
        sign = np.sign(self.measured.mean)
        trend, no_change = self.forecast.trend.mean, self.forecast.no_change.mean
        return bool(np.sign(trend) == sign), bool(np.sign(no_change) == sign)


def recorded(results: str | os.PathLike[str] | None = None, preset: str = "desk") -> dict[str, Curve]:
    """The curves of the ladder's arms that are recorded at a preset, by name."""
    preset = checks.one_of("preset", preset, TASK)
    found = curves(STUDY, results).get((preset, TASK[preset]), {})
    return with_parts(found)


def arms_of(rung: Rung) -> list[Arm]:
    """The arms of a rung."""
    checks.instance("rung", rung, Rung)
    return [arm for arm in STUDY.arms[rung.preset] if arm.name.startswith(rung.arm(""))]


def steps_of(rung: Rung) -> int:
    """Steps of a run at a rung."""
    first = arms_of(rung)[0]
    return rung.epochs * steps_of_epoch(first.config)


def measured(of: HeadlineEffect, rung: Rung, found: Mapping[str, Curve]) -> Measured | None:
    """An effect at a rung; None where it was not run."""
    at = effect(of.at(rung), found)
    if not isinstance(at, Effect) or not at.values:
        return None
    return Measured(steps_of(rung), rung.width, at.values)


def acts(of: HeadlineEffect, rung: Rung, found: Mapping[str, Curve]) -> list[Looked]:
    """Whether what has to act for an effect acts at a rung, a line for each requirement."""
    return [look(need, found, found[need.arm].seeds) for need in of.acts_at(rung) if need.arm in found]


def run_of(found: Mapping[str, Curve], preset: str = "desk") -> list[Rung]:
    """The rungs that have runs, in their order."""
    return [rung for rung in RUNGS[preset] if any(name.startswith(rung.arm("")) for name in found)]


def file_of(results: str | os.PathLike[str] | None = None) -> Path:
    """Where forecasts are kept."""
    checks.path("results", results)
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
        Forecast(of.id, rung.name, now, commit, tuple(r.name for r in done), *predicted, unit="rungs")
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
    trend = forecasts.over_rungs(seen, steps_of(rung), rung.width)
    return trend, forecasts.by_no_change(seen[-1], STUDY.seeds[rung.preset])


def _is_complete(rung: Rung, found: Mapping[str, Curve]) -> bool:
    runs = seeds_of(rung, found)
    return min(runs.values()) >= STUDY.seeds[rung.preset]


def seeds_of(rung: Rung, found: Mapping[str, Curve]) -> dict[str, int]:
    """By arm of a rung how many seeds judge it; 0 where it was not run."""
    names = (arm.name for arm in arms_of(rung))
    return {name: len(found[name].seeds) if name in found else 0 for name in names}


def _is_begun(rung: Rung, results: str | os.PathLike[str] | None) -> bool:
    place = records.default_results() if results is None else Path(results)
    folder = Path(place) / STUDY.name / "desk"
    files = folder.glob("*-s*.json") if folder.is_dir() else ()
    return any(records.load(file)["arm"].startswith(rung.arm("")) for file in files)


def scores(
    results: str | os.PathLike[str] | None = None, found: Mapping[str, Curve] | None = None
) -> list[Score]:
    """The forecasts of rungs that have been run since, all arms and seeds of them, with what came.

    Args:
        found: the curves, if they have been read already.
    """
    found = recorded(results) if found is None else found
    by_name = {rung.name: rung for rung in RUNGS["desk"] if _is_complete(rung, found)}
    effects = {of.id: of for of in EFFECTS}
    scored = []
    for one in forecasts.load(file_of(results)):
        rung = by_name.get(one.rung)
        came = measured(effects[one.effect], rung, found) if rung and one.effect in effects else None
        if came:
            scored.append(Score(one, came))
    return scored


class Ladder:
    """The ladder in its chapter: figure and tables of what is recorded.

    Args:
        results: the folder of records; None is `records.default_results`.
    """

    def __init__(self, results: str | os.PathLike[str] | None = None):
        at = {preset: recorded(results, preset) for preset in ("quick", "desk")}
        self.preset = "desk" if run_of(at["desk"]) else "quick"
        self.found = at[self.preset]
        self.rungs = run_of(self.found, self.preset)
        self.forecasts = forecasts.load(file_of(results))
        self.scores = scores(results, at["desk"])

    def measured(self, of: HeadlineEffect) -> dict[Rung, Measured]:
        """An effect by rung, where it was run."""
        by_rung = {rung: measured(of, rung, self.found) for rung in self.rungs}
        return {rung: at for rung, at in by_rung.items() if at}

    def figure(self) -> Figure:
        """Each effect over steps: a line a width, dots are seeds, open marks where nothing acts.

        Grey bars are forecasts from the rungs before, the last one that of the paper's scale.
        """
        down = math.ceil(len(EFFECTS) / 2)
        said = "Each effect over the steps of a run, a line a width:"
        with plotting.figure(down, 2, (8.4, 2.7 * down), "below", said) as (made, axes):
            for axis, of in zip(axes.flat, EFFECTS, strict=False):
                self._draw(axis, of)
            for axis in axes.flat:
                axis.set_visible(axis.has_data())
        return made

    def _draw(self, axis: Axes, of: HeadlineEffect) -> None:
        by_rung = self.measured(of)
        axis.axhline(0, color="grey", linewidth=0.8)
        for width, colour in zip(
            sorted({rung.width for rung in by_rung}), plotting.COLOURS, strict=False
        ):
            at = {rung: each for rung, each in by_rung.items() if rung.width == width}
            points = {each.steps: each.values for each in at.values()}
            plotting.line(axis, dict(sorted(points.items())), colour, f"width {width}")
            for rung, each in at.items():
                acting = all(one.met for one in acts(of, rung, self.found))
                fill = colour if acting else "white"
                axis.plot(each.steps, each.mean, "o", color=colour, markerfacecolor=fill, markersize=7)
        for one in self._latest(of):
            steps = steps_of(FORESEEN[one.rung])
            if one.trend.low is not None and one.trend.high is not None:
                ends = [steps, steps], [one.trend.low, one.trend.high]
                axis.plot(*ends, color="grey", linewidth=4, alpha=0.35, label="forecast, 95 %")
        axis.set_title(f"{of.text[0].upper()}{of.text[1:]}", fontsize=8)
        axis.set(xscale="log", xlabel="steps", ylabel=of.unit)

    def _latest(self, of: HeadlineEffect) -> list[Forecast]:
        """The last forecast of each rung and of the paper's scale."""
        mine = {one.rung: one for one in self.forecasts if one.effect == of.id}
        return list(mine.values()) if self.preset == "desk" else []

    def acting(self) -> str:
        """A table: each effect's measured mean by rung, in brackets where what has to act does not."""
        rows = []
        for of in EFFECTS:
            by_rung = self.measured(of)
            cells = []
            for rung in self.rungs:
                at = by_rung.get(rung)
                acting = all(one.met for one in acts(of, rung, self.found))
                mean = tables.interval(at.values) if at else "–"
                cells.append(mean if acting or not at else f"({mean})")
            rows.append((of.text, *cells))
        heads = (
            f"{rung.name}: {steps_of(rung):,} steps, width {rung.width}{self._half_run(rung)}"
            for rung in self.rungs
        )
        return tables.table(("Effect", *heads), rows)

    def _half_run(self, rung: Rung) -> str:
        """How much of a rung was run, where that is not all."""
        runs, each = seeds_of(rung, self.found), STUDY.seeds[rung.preset]
        done, all_of_it = sum(min(n, each) for n in runs.values()), each * len(runs)
        return "" if done == all_of_it else f" ({done} of {all_of_it} runs so far)"

    def scored(self) -> str:
        """A table: for each rung that was predicted how the two predictions came out."""
        by_rung: dict[str, list[Score]] = {}
        for score in self.scores:
            by_rung.setdefault(score.forecast.rung, []).append(score)
        rows = [(rung, *_counted(those)) for rung, those in by_rung.items()]
        if len(rows) > 1:
            rows.append(("all", *_counted(self.scores)))
        head = "Rung | Effects | Inside the trend's interval | Inside that of no change | "
        return tables.table(head + "Sign by the trend | Sign by no change | Nearer by the trend", rows)

    def cost(self) -> str:
        """A table: what each rung took, all runs of it, on one thread."""
        rows = []
        for rung in self.rungs:
            runs = [
                run
                for name, curve in self.found.items()
                if name.startswith(rung.arm("")) and not curve.part
                for by_seed in curve.runs.values()
                for run in by_seed.values()
            ]
            seconds = [run["provenance"]["seconds"] for run in runs]
            steps = steps_of(rung)
            each = 1000 * statistics.median(seconds) / steps
            rows.append((rung.name, rung.width, steps, len(runs), each, sum(seconds) / 3600))
        head = (
            "Rung | Width | Steps {:,} | Runs | A step, with measurement {:.1f} ms | Core-hours {:.2f}"
        )
        return tables.table(head, rows)

    def outlook(self) -> str:
        """A table: what the rungs so far say of the paper's scale, and of the sign that they have."""
        rows = []
        for of in EFFECTS:
            seen = list(self.measured(of).values())
            last = {one.rung: one for one in self._latest(of)}.get(PAPER.name)
            if not seen or not last:
                continue
            low, high = last.trend.low, last.trend.high
            ends = "unbounded" if low is None or high is None else f"[{low:+.2f}, {high:+.2f}]"
            rows.append(
                (
                    of.text,
                    f"{seen[0].mean:+.2f}",
                    f"{last.trend.mean:+.2f} {ends}",
                    _outlook(last, seen),
                )
            )
        head = ("Effect", "At the first rung", "At the paper's scale, by the trend", "So")
        return tables.table(head, rows)


def _counted(scored: Sequence[Score]) -> tuple[object, ...]:
    signs = [sum(score.signs[k] for score in scored) for k in (0, 1)]
    nearer = sum(score.missed_by[0] < score.missed_by[1] for score in scored)
    made = [[(s.forecast.trend, s.forecast.no_change)[k] for s in scored] for k in (0, 1)]
    covered = []
    for k in (0, 1):
        # An interval without ends has everything inside, and says nothing.
        bounded = [s for s, one in zip(scored, made[k], strict=True) if one.low is not None]
        covered.append(f"{sum(s.covered[k] for s in bounded)} of {len(bounded)}")
    return (len(scored), *covered, *signs, nearer)


def _outlook(last: Forecast, seen: Sequence[Measured]) -> str:
    """What a forecast of the paper's scale says of the sign that the runs here have."""
    low, high = last.trend.low, last.trend.high
    if low is None or high is None or low <= 0 <= high:
        return "nobody can know from here"
    return "it keeps its sign" if last.trend.mean * seen[-1].mean > 0 else "it turns"
