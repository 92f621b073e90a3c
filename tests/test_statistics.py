"""What verdicts compute, against `scipy.stats` and against definitions."""

import math
import subprocess
import sys

import numpy as np
import pytest
from hypothesis import given
from hypothesis import strategies as st
from scipy import stats

from bnnstudy.evidence.statistics import (
    CONFIDENCE,
    first_reach,
    holm_rejections,
    paired_interval,
    slope_weights,
    two_sided_p,
)

shares = st.floats(0, 1)


@given(t=st.floats(-40, 40), freedom=st.integers(1, 200))
def test_a_p_value_is_students(t, freedom):
    assert two_sided_p(t, freedom) == pytest.approx(2 * stats.t.sf(abs(t), freedom), rel=1e-12, abs=0)


@pytest.mark.parametrize("n", [*range(2, 40), 100, 1000])
def test_the_reach_of_an_interval_is_students(n):
    values = [1.0, *[0.0] * (n - 1)]
    mean, low, high = paired_interval(values)
    reach = stats.t.ppf((1 + CONFIDENCE) / 2, n - 1) * np.std(values, ddof=1) / math.sqrt(n)
    assert (mean - low, high - mean) == pytest.approx((reach, reach), rel=1e-12, abs=0)


def test_one_value_has_no_interval():
    assert paired_interval([3.0]) == (3.0, -math.inf, math.inf)


@given(curve=st.lists(shares, max_size=8), level=shares)
def test_a_curve_reaches_a_level_at_the_first_epoch_that_is_there(curve, level):
    first = first_reach(curve, level)
    assert all(value < level for value in curve[: first - 1])
    assert first == len(curve) + 1 or curve[first - 1] >= level
    assert first_reach(np.array(curve), level) == first


@given(p_values=st.lists(shares, max_size=8))
def test_holm_rejects_the_smallest_and_no_more_than_single_tests_do(p_values):
    held = holm_rejections(p_values, 0.05)
    m = len(p_values)
    assert {k for k, p in enumerate(p_values) if p <= 0.05 / max(m, 1)} <= held
    assert held <= {k for k, p in enumerate(p_values) if p <= 0.05}
    smallest = sorted(range(m), key=p_values.__getitem__)
    assert held == set(smallest[: len(held)])
    # The first that is not rejected fails the level that is left to it.
    if len(held) < m:
        assert p_values[smallest[len(held)]] > 0.05 / (m - len(held))


def test_holm_counts_down():
    assert holm_rejections([0.03, 0.001, 0.02], 0.05) == {0, 1, 2}  # 0.05 / 3, / 2, / 1
    assert holm_rejections([0.03, 0.026], 0.05) == set()


@given(heights=st.lists(st.floats(-5, 5), min_size=3, max_size=6))
def test_slope_weights_give_the_slope_of_least_squares(heights):
    positions = [0.5 * k**2 for k in range(len(heights))]
    arms = tuple((f"arm {k}", x) for k, x in enumerate(positions))
    weights = slope_weights(arms)
    found = sum(weights[name] * y for (name, _), y in zip(arms, heights, strict=True))
    assert found == pytest.approx(np.polyfit(positions, heights, 1)[0], abs=1e-9)


def test_the_room_is_imported_without_waiting_for_scipy():
    code = "import sys, bnnstudy.evidence; raise SystemExit('scipy' in sys.modules)"
    assert subprocess.run([sys.executable, "-c", code], check=False).returncode == 0


def test_deciding_a_claim_does_not_wait_for_all_of_scipys_distributions():
    code = (
        "import sys; from bnnstudy.evidence.statistics import paired_interval, two_sided_p;"
        "paired_interval([1.0, 2.0]); two_sided_p(1.0, 3);"
        "raise SystemExit('scipy.stats' in sys.modules)"
    )
    assert subprocess.run([sys.executable, "-c", code], check=False).returncode == 0
