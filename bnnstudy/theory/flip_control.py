"""A loop that holds the flip ratio to a curve by its hand on a rate: linearised, its poles.

The hand is x, the logarithm of what alpha is multiplied with. White noise gives the flip ratio
F = (a / pi) sqrt(gamma / 2 s) with s_n = (1 - a)^2 s_{n-1} + a^2 (`flip_ratio_by_step`), so that around
a constant alpha, in logarithms,

    w_n = (1 - alpha)^2 w_{n-1} + 2 alpha x_n     the state's variance
    h_n = x_n - w_n / 2                           the flip ratio over its target
    y_n = (1 - smoothing) y_{n-1} + smoothing h_n what is measured of it
    x_{n+1} = x_n - gain y_n                      the loop is closed

A change of x is seen in full at once, and by half when the state has followed.
"""

import numpy as np

from bnnstudy.config import arrays, checks


def critical_gain(smoothing: float) -> float:
    """The largest gain at which the loop does not ring, were the flips to follow x at once and in full.

    (1 - sqrt(1 - smoothing))^2 / smoothing, about a quarter of the smoothing: then the two poles of
    z^2 - (2 - smoothing - gain smoothing) z + (1 - smoothing) are one.

        >>> round(critical_gain(0.05), 5)
        0.01282

    Raises:
        ValueError: if `smoothing` is not in (0, 1].
    """
    smoothing = checks.SHARE.checked("smoothing", smoothing)
    # 1 - sqrt(1 - s) without its cancellation.
    return (smoothing / (1 + (1 - smoothing) ** 0.5)) ** 2 / smoothing


def loop_poles(alpha: float, smoothing: float, gain: float | None = None) -> np.ndarray:
    """The three poles of the loop at a constant alpha; it is stable if all lie inside the unit circle.

        >>> bool(max(abs(loop_poles(alpha=0.01, smoothing=0.05))) < 1)
        True

    Args:
        alpha, smoothing: in (0, 1].
        gain: 0 leaves the loop open; None means the `critical_gain`.

    Raises:
        ValueError: naming the argument, its value and what is allowed.
    """
    alpha = checks.SHARE.checked("alpha", alpha)
    gain = critical_gain(smoothing) if gain is None else checks.NOT_NEGATIVE.checked("gain", gain)
    smoothing = checks.SHARE.checked("smoothing", smoothing)
    kept = (1 - alpha) ** 2
    hand, variance = np.array([1.0, 0.0, 0.0]), np.array([2 * alpha, kept, 0.0])
    measured = np.array([0.0, 0.0, 1 - smoothing]) + smoothing * (hand - variance / 2)
    return np.linalg.eigvals(np.stack([hand - gain * measured, variance, measured]))


def largest_gain(alpha: float, smoothing: float) -> float:
    """The gain at which the loop becomes unstable, by bisection in its logarithm.

    It is a multiple of the `critical_gain`: how far what flips do may be from what white noise does.

        >>> largest_gain(alpha=0.01, smoothing=0.05) > 1000 * critical_gain(0.05)
        True

    Raises:
        ValueError: as `loop_poles` does.
    """
    low = high = critical_gain(smoothing)
    while max(abs(loop_poles(alpha, smoothing, high))) < 1:
        low, high = high, 10 * high
    for _ in range(60):
        middle = (low * high) ** 0.5
        if max(abs(loop_poles(alpha, smoothing, middle))) < 1:
            low = middle
        else:
            high = middle
    return low


def rates_without_decay(alphas: np.ndarray) -> np.ndarray:
    """The latent rates that, without any decay, move every sign as these alphas do (zero start).

    The filter's state, multiplied by c_n, is a sum without decay if c_{n-1} = (1 - alpha_n) c_n; then
    the rate is c_n alpha_n. So a rate that grows is a memory that forgets. Rates are in units of the
    first, with c_1 = 1.

        >>> rates_without_decay(np.array([1.0, 0.5, 0.5])).tolist()
        [1.0, 1.0, 2.0]

    Args:
        alphas: the outer rate at each step, in (0, 1), the first may be 1.

    Raises:
        ValueError: if one of them is out of that range.
    """
    alphas = arrays.numbers(
        "alphas",
        alphas,
        holds=lambda a: (a > 0) & ((a < 1) | ((a == 1) & (np.arange(len(a)) == 0))),
        what="in (0, 1), the first perhaps 1",
    )
    grown = np.exp(-np.cumsum(np.log1p(-alphas[1:])))
    return alphas * np.append(1.0, grown)
