"""Does what was found on one network hold on another? A curve fitted to one, tested on the other."""

from collections.abc import Sequence
from dataclasses import dataclass

import numpy as np

from bnnstudy.config import checks
from bnnstudy.config.checks import shown

Points = Sequence[tuple[float, float]]
"""By arm (property, accuracy)."""


# Squares, and sums of them, are finite.
_ACCURACY = checks.Rule(
    float, "a finite number, from -1e100 to 1e100", lambda value: abs(value) <= 1e100
)


@dataclass(frozen=True)
class Transfer:
    """How well a property foretells accuracies of a network that the curve has not seen.

    >>> fitted = [(0.1, 80.0), (1.0, 82.0), (10.0, 78.0), (100.0, 60.0)]
    >>> found = transfer(fitted, [(1.0, 90.0), (100.0, 70.0)])
    >>> round(found.rank, 2), round(found.spread, 2), found.error < found.spread
    (1.0, 10.0, True)

    Attributes:
        rank: Spearman's correlation of the foretold with the found accuracies, 1 for the same order.
        error: root mean square of foretold minus found, in the accuracies' unit, each about its mean.
        spread: the same if the mean is foretold for every arm.

    Raises:
        ValueError: naming the field, its value and what is allowed.
    """

    rank: float
    error: float
    spread: float

    def __post_init__(self) -> None:
        checks.settle(self, {"rank": checks.FINITE})
        checks.settle(self, dict.fromkeys(("error", "spread"), checks.NOT_NEGATIVE))


def transfer(fitted: Points, tested: Points) -> Transfer:
    """Fit accuracy as a quadratic in the logarithm of a property on one network, test it on another.

    Networks differ in how good they are, so both have their accuracies about their own mean.

        >>> fitted = [(x, -(x - 1) ** 2) for x in (0.5, 1.0, 2.0, 4.0)]
        >>> round(transfer(fitted, [(x, y + 10) for x, y in fitted]).rank, 2)
        1.0

    Args:
        fitted: (property, accuracy) of each arm of the one; four or more, properties above 0.
        tested: the same of the other; two or more.

    Raises:
        ValueError: naming the argument, and what it must be.
    """
    x, y = _columns("fitted", fitted, least=4)
    u, v = _columns("tested", tested, least=2)
    curve = np.polynomial.Polynomial.fit(x, y - y.mean(), deg=2)
    foretold = curve(u)
    off = (foretold - foretold.mean()) - (v - v.mean())
    return Transfer(
        rank=_rank_correlation(foretold, v),
        error=float(np.sqrt(np.mean(off**2))),
        spread=float(v.std()),
    )


def _columns(name: str, points: Points, least: int) -> tuple[np.ndarray, np.ndarray]:
    try:
        pairs = [(float(x), float(y)) for x, y in points]
    except (TypeError, ValueError, OverflowError) as error:
        raise ValueError(f"{name} must be pairs of two numbers, got {shown(points)}") from error
    if len({x for x, _ in pairs}) < least:
        raise ValueError(f"{name} must have {least} or more different properties, got {shown(points)}")
    for x, y in pairs:
        checks.POSITIVE.checked(f"a property in {name}", x)
        _ACCURACY.checked(f"an accuracy in {name}", y)
    return np.log([x for x, _ in pairs]), np.array([y for _, y in pairs])


def _rank_correlation(a: np.ndarray, b: np.ndarray) -> float:
    """Spearman's: the correlation of ranks, where equal values share their mean rank; 0 without any."""
    from scipy.stats import rankdata  # takes seconds, and few need it

    ranks = [rankdata(each) for each in (a, b)]
    if any(np.ptp(each) == 0 for each in ranks):
        return 0.0
    return float(np.corrcoef(ranks[0], ranks[1])[0, 1])
