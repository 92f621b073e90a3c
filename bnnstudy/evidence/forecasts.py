"""What the runs so far say of larger ones, written down before these are run.

An effect is measured at rungs of length and width. A straight line over their logarithms gives the
effect at another rung with an interval in which the mean of its seeds should lie. Beside it stands the
prediction to beat, *no change*: the effect of the last rung.

What a line misses is shared by all seeds of a rung. So its unit is the rung (`over_rungs`). The first
forecasts took the seed (`over_seeds`), and their intervals were too narrow; they stay in the file.
"""

import json
import math
import os
from collections.abc import Iterable, Mapping, Sequence
from dataclasses import asdict, dataclass
from pathlib import Path
from typing import Any

import numpy as np

from bnnstudy.evidence.statistics import interval
from bnnstudy.files import write_atomically


@dataclass(frozen=True)
class Measured:
    """An effect at one rung.

    Attributes:
        steps, width: the size of the rung.
        values: the effect of each seed.
    """

    steps: int
    width: int
    values: tuple[float, ...]

    @property
    def mean(self) -> float:
        """Over the seeds."""
        return math.fsum(self.values) / len(self.values)


@dataclass(frozen=True)
class Interval:
    """A predicted mean and the interval in which it should lie; infinite ends are None."""

    mean: float
    low: float | None
    high: float | None

    @classmethod
    def around(cls, mean: float, error: float, freedom: int) -> "Interval":
        """The 95 % interval of a prediction with a standard error from so many degrees of freedom."""
        if freedom < 1:
            return cls(mean, None, None)
        return cls(mean, *interval(mean, error, freedom))

    def covers(self, value: float) -> bool:
        """Whether a value lies inside."""
        low = -math.inf if self.low is None else self.low
        high = math.inf if self.high is None else self.high
        return low <= value <= high


@dataclass(frozen=True)
class Forecast:
    """What was predicted of one effect at one rung.

    Attributes:
        effect: its short name.
        rung: the rung's name.
        date: when, in UTC, as ISO 8601 has it.
        commit: the code that predicted.
        rungs: those that had been run.
        trend: by the fitted line.
        no_change: by the last of the rungs.
        unit: of the line, "rungs" or "seeds".
    """

    effect: str
    rung: str
    date: str
    commit: str
    rungs: tuple[str, ...]
    trend: Interval
    no_change: Interval
    unit: str = "seeds"


def over_rungs(found: Sequence[Measured], steps: int, width: int) -> Interval:
    """The mean of a rung's seeds at a size, by a line over the logarithms of steps and width.

    With rows x = (1, log2 steps, log2 width) for the rungs and their means y, least squares give b and
    the residual variance s^2, which has the seeds' spread and what the line misses. At x the mean of a
    new rung, of as many seeds, lies within

        x b ± t s sqrt(1 + x (X'X)^-1 x').

    A column that no rung varies is left out, and the width where both vary as one. Where there are
    no more rungs than columns the interval is unbounded: two points say nothing of a third.

        >>> found = [Measured(2**k, 128, (y,)) for k, y in ((10, 1.0), (11, 2.1), (12, 2.9))]
        >>> over_rungs(found[:2], 2**12, 128)
        Interval(mean=3.2, low=None, high=None)
        >>> round(over_rungs(found, 2**13, 128).mean, 2)
        3.9

    Args:
        found: the rungs that were run, one or more.

    Raises:
        ValueError: if `found` is empty.
    """
    _check(found)
    rows = [(_row(rung.steps, rung.width), rung.mean) for rung in found]
    return _by_line(rows, _row(steps, width), 1.0)


def over_seeds(found: Sequence[Measured], steps: int, width: int, seeds: int) -> Interval:
    """As `over_rungs`, with a row for each seed: what a line misses is taken for the seeds' spread.

    The mean of m seeds lies within x b ± t s sqrt(1/m + x (X'X)^-1 x').

    Args:
        found: the rungs that were run, one or more.
        seeds: m.

    Raises:
        ValueError: if `found` is empty, or `seeds` below 1.
    """
    _check(found)
    if seeds < 1:
        raise ValueError(f"seeds must be 1 or more, got {seeds!r}")
    rows = [(_row(rung.steps, rung.width), value) for rung in found for value in rung.values]
    return _by_line(rows, _row(steps, width), 1 / seeds)


def _by_line(
    found: Sequence[tuple[tuple[float, ...], float]], ahead: tuple[float, ...], own: float
) -> Interval:
    """The value at `ahead` by least squares; `own` times the residual variance is its own."""
    rows, values = np.array([row for row, _ in found]), np.array([value for _, value in found])
    kept = [0]
    for column in (1, 2):
        if np.linalg.matrix_rank(rows[:, [*kept, column]]) > len(kept):
            kept.append(column)
    rows, at = rows[:, kept], np.array(ahead)[kept]
    fitted, *_ = np.linalg.lstsq(rows, values, rcond=None)
    freedom = len(values) - len(kept)
    variance = float(np.sum((values - rows @ fitted) ** 2)) / max(freedom, 1)
    leverage = float(at @ np.linalg.solve(rows.T @ rows, at))
    # Ten digits: the last ones are the solver's own.
    mean = float(f"{at @ fitted:.10g}")
    return Interval.around(mean, math.sqrt(variance * (own + leverage)), freedom)


def by_no_change(last: Measured, seeds: int) -> Interval:
    """The mean of so many seeds, if the effect is that of the last rung."""
    _check([last])
    if seeds < 1:
        raise ValueError(f"seeds must be 1 or more, got {seeds!r}")
    n = len(last.values)
    spread = float(np.std(last.values, ddof=1)) if n > 1 else 0.0
    return Interval.around(last.mean, spread * math.sqrt(1 / n + 1 / seeds), n - 1)


def _check(found: Sequence[Measured]) -> None:
    if not found or not all(rung.values for rung in found):
        raise ValueError("found must have a rung, and each rung a seed, got none")


def _row(steps: int, width: int) -> tuple[float, float, float]:
    return (1.0, math.log2(steps), math.log2(width))


def load(file: str | os.PathLike[str]) -> tuple[Forecast, ...]:
    """All forecasts of a file, the earliest first; none if it is not there.

    Raises:
        ValueError: naming the file and the line that is no forecast.
    """
    file = Path(file)
    if not file.exists():
        return ()
    found = []
    for number, line in enumerate(file.read_text().splitlines(), start=1):
        try:
            found.append(_forecast(json.loads(line)))
        except (ValueError, TypeError, KeyError) as error:
            raise ValueError(f"{file}, line {number}, must be a forecast, got {line[:60]!r}") from error
    return tuple(found)


def _forecast(fields: Mapping[str, Any]) -> Forecast:
    intervals = {name: Interval(**fields[name]) for name in ("trend", "no_change")}
    return Forecast(**{**fields, **intervals, "rungs": tuple(fields["rungs"])})


def add(file: str | os.PathLike[str], forecasts: Iterable[Forecast]) -> None:
    """Add forecasts to a file, which only grows.

    Raises:
        ValueError: if one of them is of an effect and rung that the file has, from the same rungs.
    """
    there = load(file)
    known = {(one.effect, one.rung, one.rungs) for one in there}
    added = tuple(forecasts)
    for one in added:
        if (one.effect, one.rung, one.rungs) in known:
            raise ValueError(f"{file} has a forecast of {one.effect!r} at {one.rung!r} already")
    lines = [json.dumps(asdict(one), ensure_ascii=False, allow_nan=False) for one in (*there, *added)]
    write_atomically(Path(file), "".join(f"{line}\n" for line in lines).encode())
