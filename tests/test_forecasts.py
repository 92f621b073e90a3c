"""Forecasts of the next rung: the interval covers as it says, and what was predicted stays."""

import json
from dataclasses import replace

import numpy as np
import pytest
from scipy import stats

from bnnstudy.evidence import forecasts
from bnnstudy.evidence.forecasts import Forecast, Interval, Measured, by_no_change, by_trend

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


SIZES = [(1000, 128), (4000, 128), (1000, 512), (4000, 512)]


def test_the_interval_is_that_of_a_prediction_in_a_textbook():
    found = [Measured(2**k, 8, (float(k) ** 2,)) for k in range(2, 7)]
    x, y = np.arange(2.0, 7.0), np.arange(2.0, 7.0) ** 2
    line = stats.linregress(x, y)
    residual = np.sqrt(np.sum((y - line.intercept - line.slope * x) ** 2) / 3)
    error = residual * np.sqrt(1 / 4 + 1 / 5 + (8 - x.mean()) ** 2 / np.sum((x - x.mean()) ** 2))
    made = by_trend(found, 2**8, 8, seeds=4)
    middle = line.intercept + 8 * line.slope
    assert made.mean == pytest.approx(middle)
    reach = stats.t.ppf(0.975, 3) * error
    assert (made.low, made.high) == pytest.approx((middle - reach, middle + reach))


@pytest.mark.parametrize("ahead", [(16000, 128), (16000, 512), (1000, 2048)])
def test_the_interval_covers_the_next_mean_in_95_of_100(ahead):
    generator, covered, times = np.random.default_rng(0), 0, 2000
    for _ in range(times):
        (came,) = rungs(generator, [ahead])
        covered += by_trend(rungs(generator, SIZES), *ahead, seeds=3).covers(came.mean)
    assert 0.93 < covered / times < 0.97


def test_no_change_covers_where_nothing_changes():
    generator, covered, times = np.random.default_rng(0), 0, 2000
    for _ in range(times):
        last, came = rungs(generator, [(10, 8), (20, 8)], slope=0.0)
        covered += by_no_change(last, seeds=3).covers(came.mean)
    assert 0.93 < covered / times < 0.97


def test_a_size_that_no_rung_varies_has_no_slope():
    found = [Measured(1000, 128, (1.0, 1.2)), Measured(4000, 128, (2.0, 2.2))]
    assert by_trend(found, 8000, 128, 2) == by_trend(found, 8000, 4096, 2)
    # Where both vary as one, it is told of the steps.
    both = [Measured(1000, 128, (1.0, 1.2)), Measured(4000, 512, (2.0, 2.2))]
    assert by_trend(both, 8000, 128, 2).mean == pytest.approx(2.6)


def test_one_rung_predicts_itself_and_one_seed_has_no_interval():
    assert by_trend([Measured(10, 8, (1.0, 3.0))], 99, 99, 2).mean == pytest.approx(2.0)
    assert by_trend([Measured(10, 8, (1.0,))], 99, 99, 2) == Interval(1.0, None, None)
    assert by_no_change(Measured(10, 8, (1.0,)), 2) == Interval(1.0, None, None)


@pytest.mark.parametrize(("found", "seeds"), [([], 3), ([Measured(10, 8, ())], 3)])
def test_nothing_predicts_nothing(found, seeds):
    with pytest.raises(ValueError, match="found must have a rung"):
        by_trend(found, 10, 8, seeds)


def test_no_seeds_are_refused():
    with pytest.raises(ValueError, match="seeds must be 1 or more, got 0"):
        by_trend([Measured(10, 8, (1.0,))], 10, 8, 0)


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
