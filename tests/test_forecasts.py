"""Forecasts of the next rung: the interval covers as it says, and what was predicted stays."""

import json
from dataclasses import replace

import numpy as np
import pytest
from scipy import stats

from bnnstudy.evidence import forecasts
from bnnstudy.evidence.forecasts import (
    Forecast,
    Interval,
    Measured,
    by_no_change,
    over_rungs,
    over_seeds,
)

ONE = Forecast(
    effect="adam",
    rung="wide x1",
    date="2026-11-30T00:00:00+00:00",
    commit="abc",
    rungs=("narrow x1",),
    trend=Interval(1.0, 0.5, 1.5),
    no_change=Interval(0.9, None, None),
)


def rungs(generator, sizes, seeds=3, slope=0.7, by_width=-0.3, spread=0.2):
    return [
        Measured(
            steps,
            width,
            tuple(
                slope * np.log2(steps)
                + by_width * np.log2(width)
                + spread * generator.normal(size=seeds)
            ),
        )
        for steps, width in sizes
    ]


SIZES = [(1000, 128), (4000, 128), (1000, 512), (4000, 512), (16000, 128)]


@pytest.mark.parametrize("unit", ["rungs", "seeds"])
def test_the_interval_is_that_of_a_prediction_in_a_textbook(unit):
    found = [Measured(2**k, 8, (float(k) ** 2,)) for k in range(2, 7)]
    x, y = np.arange(2.0, 7.0), np.arange(2.0, 7.0) ** 2
    line = stats.linregress(x, y)
    residual = np.sqrt(np.sum((y - line.intercept - line.slope * x) ** 2) / 3)
    leverage = 1 / 5 + (8 - x.mean()) ** 2 / np.sum((x - x.mean()) ** 2)
    own = 1 if unit == "rungs" else 1 / 4
    made = over_rungs(found, 2**8, 8) if unit == "rungs" else over_seeds(found, 2**8, 8, seeds=4)
    middle = line.intercept + 8 * line.slope
    assert made.mean == pytest.approx(middle)
    reach = stats.t.ppf(0.975, 3) * residual * np.sqrt(own + leverage)
    assert (made.low, made.high) == pytest.approx((middle - reach, middle + reach))


@pytest.mark.parametrize("ahead", [(16000, 512), (1000, 2048)])
def test_the_interval_covers_the_next_mean_in_95_of_100(ahead):
    """Also where all seeds of a rung lie off the line together, which only that over rungs counts."""
    generator, times = np.random.default_rng(0), 2000
    covered = {"rungs": 0, "rungs, off": 0, "seeds, off": 0}
    for _ in range(times):
        *seen, came = rungs(generator, [*SIZES, ahead])
        covered["rungs"] += over_rungs(seen, *ahead).covers(came.mean)
        *seen, came = (moved(rung, 0.5 * generator.normal()) for rung in (*seen, came))
        covered["rungs, off"] += over_rungs(seen, *ahead).covers(came.mean)
        covered["seeds, off"] += over_seeds(seen, *ahead, seeds=3).covers(came.mean)
    assert 0.93 < covered["rungs"] / times < 0.97
    assert 0.93 < covered["rungs, off"] / times < 0.97
    assert covered["seeds, off"] / times < 0.85


def moved(rung, by):
    return replace(rung, values=tuple(value + by for value in rung.values))


def test_no_change_covers_where_nothing_changes():
    generator, covered, times = np.random.default_rng(0), 0, 2000
    for _ in range(times):
        last, came = rungs(generator, [(10, 8), (20, 8)], slope=0.0)
        covered += by_no_change(last, seeds=3).covers(came.mean)
    assert 0.93 < covered / times < 0.97


def test_a_size_that_no_rung_varies_has_no_slope():
    found = [Measured(1000, 128, (1.0, 1.2)), Measured(4000, 128, (2.0, 2.2))]
    assert over_rungs(found, 8000, 128) == over_rungs(found, 8000, 4096)
    # Where both vary as one, it is told of the steps.
    both = [Measured(1000, 128, (1.0, 1.2)), Measured(4000, 512, (2.0, 2.2))]
    assert over_rungs(both, 8000, 128).mean == pytest.approx(2.6)


def test_a_line_through_as_many_points_as_it_has_numbers_promises_nothing():
    one, two = Measured(10, 8, (1.0, 3.0)), Measured(20, 8, (2.0, 4.0))
    assert over_rungs([one], 99, 99) == Interval(2.0, None, None)
    assert over_rungs([one, two], 40, 8) == Interval(4.0, None, None)
    assert over_seeds([Measured(10, 8, (1.0,))], 99, 99, 2) == Interval(1.0, None, None)
    assert by_no_change(Measured(10, 8, (1.0,)), 2) == Interval(1.0, None, None)


@pytest.mark.parametrize("found", [[], [Measured(10, 8, ())]])
def test_nothing_predicts_nothing(found):
    with pytest.raises(ValueError, match="found must have a rung"):
        over_rungs(found, 10, 8)


def test_no_seeds_are_refused():
    for predict in (lambda s: over_seeds([ONE_RUNG], 10, 8, s), lambda s: by_no_change(ONE_RUNG, s)):
        with pytest.raises(ValueError, match="seeds must be 1 or more, got 0"):
            predict(0)


ONE_RUNG = Measured(10, 8, (1.0,))


def test_a_file_of_forecasts_only_grows(tmp_path):
    file = tmp_path / "ladder" / "forecasts.jsonl"
    assert forecasts.load(file) == ()
    forecasts.add(file, [ONE])
    first = file.read_text()
    with pytest.raises(ValueError, match="has a forecast of 'adam' at 'wide x1' already"):
        forecasts.add(file, [replace(ONE, trend=Interval(2.0, 1.0, 3.0))])
    other = replace(ONE, rungs=("narrow x1", "narrow x4"))
    forecasts.add(file, [other])
    assert file.read_text().startswith(first)
    assert forecasts.load(file) == (ONE, other)


@pytest.mark.parametrize("line", ["{", "[]", '{"effect": "adam"}', json.dumps({"effect": 1, "x": 2})])
def test_a_line_that_is_no_forecast_is_named(tmp_path, line):
    file = tmp_path / "forecasts.jsonl"
    forecasts.add(file, [ONE])
    file.write_text(file.read_text() + line + "\n")
    with pytest.raises(ValueError, match=r"forecasts.jsonl, line 2, must be a forecast"):
        forecasts.load(file)
