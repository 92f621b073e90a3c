"""A curve fitted to one network's accuracies and tested on another's."""

import math

import numpy as np
import pytest
from scipy.stats import spearmanr

from bnnstudy.evidence import transfer

X = [0.01, 0.03, 0.1, 0.3, 1.0, 3.0]


def bow(x: float) -> float:
    return 80 - 3 * (math.log10(x) + 1.1) ** 2


def test_a_quadratic_in_the_logarithm_transfers_whole_whatever_the_mean_is():
    found = transfer([(x, bow(x)) for x in X], [(x, bow(x) - 20) for x in X])
    assert found.rank == pytest.approx(1)
    assert found.error == pytest.approx(0, abs=1e-9)
    assert found.spread == pytest.approx(np.std([bow(x) for x in X]))


def test_what_says_nothing_is_no_better_than_the_mean():
    random = np.random.default_rng(0)
    ranks, errors = [], []
    for _ in range(200):
        one, two = (
            [(x, float(y)) for x, y in zip(X, random.normal(size=6), strict=True)] for _ in "ab"
        )
        found = transfer(one, two)
        ranks.append(found.rank)
        errors.append(found.error / found.spread)
    assert abs(np.mean(ranks)) < 0.1
    assert np.mean(errors) > 1


def test_the_opposite_has_a_rank_of_minus_one():
    found = transfer([(x, math.log(x)) for x in X], [(x, -math.log(x)) for x in X])
    assert found.rank == pytest.approx(-1)
    assert found.error == pytest.approx(2 * found.spread)


def test_the_rank_is_spearmans_with_ties():
    fitted = [(x, math.log(x)) for x in X]
    tested = [(x, float(y)) for x, y in zip(X, (1, 3, 2, 3, 5, 3), strict=True)]
    expected = spearmanr([x for x, _ in tested], [y for _, y in tested]).statistic
    assert transfer(fitted, tested).rank == pytest.approx(expected)
    assert transfer([(x, 1.0) for x in X], tested).rank == 0


@pytest.mark.parametrize(
    ("fitted", "message"),
    [
        (None, "fitted must be pairs of two numbers, got None"),
        ([(1.0, 2.0)] * 9, "fitted must have 4 or more different properties"),
        ([(x, 1.0) for x in (0.0, 1.0, 2.0, 3.0)], "a property in fitted must be above 0"),
        ([(x, math.nan) for x in X], "an accuracy in fitted must be a finite number, .* got nan"),
    ],
)
def test_what_cannot_be_fitted_is_refused(fitted, message):
    with pytest.raises(ValueError, match=message):
        transfer(fitted, [(1.0, 1.0), (2.0, 2.0)])
