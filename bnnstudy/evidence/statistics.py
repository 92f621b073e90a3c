"""What verdicts compute: intervals, slopes, and the first epoch that reaches a level."""

import math

CONFIDENCE = 0.95


def paired_interval(values: list[float]) -> tuple[float, float, float]:
    """(mean, low, high) of paired differences over seeds: Student's t at 95 %."""
    from scipy import stats

    mean = math.fsum(values) / len(values)
    if len(values) < 2:
        return mean, -math.inf, math.inf
    error = standard_error(values, mean)
    reach = stats.t.ppf((1 + CONFIDENCE) / 2, len(values) - 1) * error
    return mean, mean - reach, mean + reach


def epochs_to(level: float, curve: list[float]) -> int:
    """The first epoch (from 1) at which a curve reaches a level; one more than it has if none does."""
    reached = (epoch for epoch, value in enumerate(curve, start=1) if value >= level)
    return next(reached, len(curve) + 1)


def slope_weights(arms: tuple[tuple[str, float], ...]) -> dict[str, float]:
    """By arm, what its value is multiplied with in the least-squares slope over positions."""
    center = math.fsum(x for _, x in arms) / len(arms)
    spread = math.fsum((x - center) ** 2 for _, x in arms)
    return {arm: (x - center) / spread for arm, x in arms}


def standard_error(values: list[float], mean: float) -> float:
    """Of a mean of independent values: sd / sqrt(n)."""
    squares = math.fsum((value - mean) ** 2 for value in values)
    return math.sqrt(squares / (len(values) - 1) / len(values))
