"""What verdicts compute: intervals, p-values, Holm's correction, slopes, and when a curve gets there.

`scipy.special` has what is needed of Student's t; `scipy.stats` would take a second to import, and is
what the tests compare with. It is imported where it is used, so that the command line need not wait.
"""

import math
from collections.abc import Sequence

from bnnstudy.config import arrays, checks

CONFIDENCE = 0.95


def paired_interval(values: Sequence[float]) -> tuple[float, float, float]:
    """The mean of paired differences over seeds, with Student's 95 % confidence interval.

    mean ± t(n - 1) sd / sqrt(n). One value has no spread, and so an infinite interval.

        >>> [round(value, 2) for value in paired_interval([1.0, 2.0, 3.0])]
        [2.0, -0.48, 4.48]

    Returns:
        (mean, low, high).

    Raises:
        ValueError: if there is no value, or one is no finite number.
    """
    values = arrays.numbers("values", values).tolist()
    mean = math.fsum(values) / len(values)
    error = standard_error(values, mean) if len(values) > 1 else math.inf
    return mean, *interval(mean, error, len(values) - 1)


def interval(
    mean: float, error: float, freedom: float, confidence: float = CONFIDENCE
) -> tuple[float, float]:
    """The interval of an estimate with a standard error, of so many degrees of freedom."""
    from scipy.special import stdtrit

    if not math.isfinite(error):
        return -math.inf, math.inf
    reach = float(stdtrit(freedom, (1 + confidence) / 2)) * error
    return mean - reach, mean + reach


def standard_error(values: Sequence[float], mean: float) -> float:
    """The standard error of a mean of independent values: sd / sqrt(n)."""
    squares = math.fsum((value - mean) ** 2 for value in values)
    return math.sqrt(squares / (len(values) - 1) / len(values))


def two_sided_p(t: float, freedom: float) -> float:
    """The probability of a Student's t at least so far from 0, with so many degrees of freedom."""
    from scipy.special import stdtr

    return float(2 * stdtr(freedom, -abs(t)))


def holm_rejections(p_values: Sequence[float], level: float = 1 - CONFIDENCE) -> set[int]:
    """Places of the hypotheses that are rejected when all are tested together (Holm 1979).

    The smallest p-value of m is held against level / m, the next against level / (m - 1), and so on;
    the first that is larger, and all after it, are not rejected.
    """
    rejected: set[int] = set()
    for rank, place in enumerate(sorted(range(len(p_values)), key=p_values.__getitem__)):
        if p_values[place] > level / (len(p_values) - rank):
            break
        rejected.add(place)
    return rejected


def first_reach(curve: Sequence[float], level: float) -> int:
    """The first epoch or trial, counted from 1, at which a curve is at a level or above.

    One more than the curve has if it never is.

        >>> first_reach([0.5, 0.8, 0.9], 0.8), first_reach([0.5, 0.8, 0.9], 0.95)
        (2, 4)

    Raises:
        ValueError: if one of the curve's values, or the level, is no finite number.
    """
    level = checks.FINITE.checked("level", level)
    curve = arrays.numbers("curve", curve, least=0).tolist()
    reached = (place for place, value in enumerate(curve, start=1) if value >= level)
    return next(reached, len(curve) + 1)


def slope_weights(arms: Sequence[tuple[str, float]]) -> dict[str, float]:
    """By arm, what its value is multiplied with in the least-squares slope over the arms' positions."""
    center = math.fsum(x for _, x in arms) / len(arms)
    spread = math.fsum((x - center) ** 2 for _, x in arms)
    return {arm: (x - center) / spread for arm, x in arms}
