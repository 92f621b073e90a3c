"""What the last state of a moving average remembers: the weight that each step has in it.

An average with a moving rate, from a zero start and with steps counted from 1,

    g_i = (1 - p_i) g_{i-1} + q_i m_i,

ends as the weighted sum g_n = sum_i v_i m_i with v_i = q_i prod_{j>i} (1 - p_j). Here p is the rate as
it stands in the *pole*, q as it stands in the *increment*; `FilterOptimizer` has both equal unless its
schedule acts in one place alone.
"""

import numpy as np
import scipy  # its own rooms are imported when first used: `scipy.signal` takes seconds
from numpy.typing import ArrayLike

from bnnstudy.config import arrays, checks
from bnnstudy.config.checks import shown
from bnnstudy.config.run import RunConfig
from bnnstudy.config.schedules import SCHEDULES, factor_at, weight_factor
from bnnstudy.theory.conversion import rates_of


def factors(schedule: str, steps: int) -> np.ndarray:
    """What a schedule multiplies the rates with at each step of a run, (steps); 1 at the start.

        >>> factors("linear", 4).tolist()
        [1.0, 0.75, 0.5, 0.25]

    Args:
        schedule: by name, one of `config.SCHEDULES`.

    Raises:
        ValueError: naming the argument, its value and what is allowed.
    """
    schedule, steps = (
        checks.one_of("schedule", schedule, SCHEDULES),
        checks.WHOLE.checked("steps", steps),
    )
    return np.array([factor_at(schedule, step, steps, (), 0.0) for step in range(steps)])


def weights(pole: ArrayLike, increment: ArrayLike | None = None) -> np.ndarray:
    """v_i, what each step's input weighs in the last state.

        >>> weights([0.5, 0.5, 0.5]).round(6).tolist()
        [0.125, 0.25, 0.5]

    Args:
        pole: the rate at each step, (steps).
        increment: the same where it stands before the input; None means the pole's.

    Raises:
        ValueError: naming the argument, its value and what is allowed.
    """
    pole = arrays.numbers("pole", pole, holds=lambda p: (p >= 0) & (p <= 1), what="from 0 to 1")
    increment = pole if increment is None else arrays.numbers("increment", increment)
    if len(pole) != len(increment):
        sizes = f"{len(pole)} and {len(increment)}"
        raise ValueError(f"pole and increment must be a rate for each step, got {sizes} of them")
    # In logarithms: the product of a million factors near 1 keeps its digits.
    with np.errstate(divide="ignore"):
        kept = np.cumsum(np.log1p(-pole[:0:-1]))[::-1]
    return increment * np.append(np.exp(kept), 1.0)


def weights_of_mean(alpha: float, steps: int) -> np.ndarray:
    """What each step weighs in the mean of the states of the second half, at a constant `alpha`.

    >>> weights_of_mean(0.5, 4).round(6).tolist()
    [0.09375, 0.1875, 0.375, 0.25]

    Raises:
        ValueError: naming the argument, its value and what is allowed.
    """
    alpha, steps = checks.SHARE.checked("alpha", alpha), arrays.STEPS.checked("steps", steps)
    step, half = np.arange(1, steps + 1), steps // 2
    waited = np.maximum(step, half + 1) - step
    return ((1 - alpha) ** waited - (1 - alpha) ** (steps - step + 1)) / (steps - half)


def through_inner(v: ArrayLike, gamma: float, *, bias_correction: bool = False) -> np.ndarray:
    """What each *gradient* weighs where each inner average m_i weighs v_i (paper B, Eq 11).

    Args:
        gamma: the rate of the inner average.
        bias_correction: whether m_i is divided by 1 - (1 - gamma)^i, as Adam does.

    Raises:
        ValueError: naming the argument, its value and what is allowed.
    """
    v, gamma = arrays.numbers("v", v), arrays.RATE.checked("gamma", gamma)
    if checks.FLAG.checked("bias_correction", bias_correction):
        with np.errstate(divide="ignore"):  # gamma 1 averages nothing
            v /= -np.expm1(np.arange(1, len(v) + 1) * np.log1p(-gamma))
    return scipy.signal.lfilter([gamma], [1, gamma - 1], v[::-1])[::-1]


def averaged_over(v: ArrayLike) -> float:
    """Over how many steps such weights average: (sum v)^2 / sum v^2, n for n equal ones.

    >>> averaged_over([1.0, 1.0, 1.0, 1.0]), round(averaged_over(weights(np.full(1000, 0.1))), 3)
    (4.0, 19.0)

    Raises:
        ValueError: if `v` is no row of numbers, or all are 0.
    """
    v = arrays.numbers("v", v)
    if not v.any():
        raise ValueError(f"v must have a number that is not 0, got {shown(v.tolist())}")
    v /= np.abs(v).max()  # so that no square is beyond what a float holds
    return float(v.sum() ** 2 / (v**2).sum())


def rates(config: RunConfig, steps: int) -> tuple[np.ndarray, np.ndarray]:
    """alpha at each step of a run as it stands in the pole, and in the increment."""
    alpha, _ = rates_of(config)
    factor = weight_factor(config, steps)
    falling, level = alpha * np.array([factor(step) for step in range(steps)]), np.full(steps, alpha)
    pole = level if config.optimizer == "filter_increment" else falling
    increment = level if config.optimizer == "filter_pole" else falling
    return pole, increment
