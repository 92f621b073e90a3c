"""Optimizers as linear filters on gradients: coefficients, poles, responses (numpy and scipy only).

A causal linear filter maps gradients x_i to a state y_i by

    a_0 y_i = b_0 x_i + … + b_M x_{i-M} - a_1 y_{i-1} - … - a_N y_{i-N},

written `(b, a)` as in `scipy.signal`. The weight is -sign(y_i). A positive factor on y changes no
sign; that is why the outer learning rate of a binary network drops out (paper B, Eq 8).
"""

import math
from collections.abc import Sequence
from dataclasses import dataclass
from typing import TYPE_CHECKING, TypeVar, overload

import numpy as np
import scipy  # its own rooms are imported when first used: `scipy.signal` takes seconds
from numpy.typing import ArrayLike

from bnnstudy.config import arrays, checks
from bnnstudy.config.checks import shown

if TYPE_CHECKING:
    from torch import Tensor

Start = TypeVar("Start", float, np.ndarray, "Tensor")
"""Where latent weights start: one number for all, or a number for each."""

ON_CIRCLE = 1e-7
"""How near to the unit circle a pole counts as on it, and two poles on it as one; double roots of
polynomials are known to about the square root of the machine's precision."""

_INSIDE = checks.Rule(float, "above 0 and below 1", lambda value: 0 < value < 1)

_ROUNDING = 8 * np.finfo(float).eps


@dataclass(frozen=True)
class Filter:
    """The coefficients of one causal linear filter: `b` on the inputs, `a` on the outputs.

    >>> Filter(b=(0.5,), a=(1.0, -0.5)).poles.tolist()
    [0.5]

    Raises:
        ValueError: if one of them is no finite number, there are none, or a_0 is 0.
    """

    b: tuple[float, ...]
    a: tuple[float, ...]

    def __post_init__(self) -> None:
        for name in ("b", "a"):
            values = getattr(self, name)
            values = values.tolist() if isinstance(values, np.ndarray) else values
            if not isinstance(values, Sequence) or not values:
                raise ValueError(f"{name} must be a coefficient or more, got {shown(values)}")
            rule = checks.FINITE
            numbers = tuple(rule.checked(f"a coefficient of {name}", value) for value in values)
            object.__setattr__(self, name, numbers)
        if not self.a[0]:
            raise ValueError(f"a must start with a coefficient that is not 0, got {shown(self.a)}")

    @property
    def poles(self) -> np.ndarray:
        """The roots of the denominator a_0 z^N + … + a_N."""
        return np.roots(self.a)


def ema(alpha: float) -> Filter:
    """Exponential moving average y_i = (1-alpha) y_{i-1} + alpha x_i. Paper B, Eq 15.

        >>> ema(0.25)
        Filter(b=(0.25,), a=(1.0, -0.75))

    Raises:
        ValueError: if alpha is not in (0, 1].
    """
    alpha = checks.SHARE.checked("alpha", alpha)
    return Filter((alpha,), (1.0, alpha - 1.0))


def cascade(*rates: float) -> Filter:
    """Moving averages one after another; two rates (alpha, gamma) are paper B's Eq 16.

    b = prod(rates); a = coefficients of prod(1 - (1 - rate) z^-1).

        >>> cascade(0.25, 0.5)
        Filter(b=(0.125,), a=(1.0, -1.25, 0.375))

    Raises:
        ValueError: if a rate is no finite number.
    """
    rates = tuple(checks.FINITE.checked("a rate", rate) for rate in rates)
    a = np.ones(1)
    for rate in rates:
        a = np.convolve(a, (1.0, rate - 1.0))
    return Filter((math.prod(rates),), tuple(map(float, a)))


def torch_sgd(lr: float, momentum: float = 0.0, weight_decay: float = 0.0) -> Filter:
    """`torch.optim.SGD` without dampening, as a filter from gradients to -w (zero start).

    buf_i = momentum buf_{i-1} + x_i + weight_decay w_{i-1}; w_i = w_{i-1} - lr buf_i, hence
    b = (lr), a = (1, -(1 + momentum - lr weight_decay), momentum).

        >>> torch_sgd(lr=0.5, momentum=0.5, weight_decay=0.25)
        Filter(b=(0.5,), a=(1.0, -1.375, 0.5))

    Raises:
        ValueError: if one of the three is no finite number.
    """
    given = {"lr": lr, "momentum": momentum, "weight_decay": weight_decay}
    lr, momentum, weight_decay = (checks.FINITE.checked(name, x) for name, x in given.items())
    if not abs(lr * weight_decay) < math.inf:
        raise ValueError(f"lr * weight_decay must be finite, got {lr!r} * {weight_decay!r}")
    return Filter((lr,), (1.0, -(1.0 + momentum - lr * weight_decay), momentum))


@overload
def latent_to_filter(lr: float, weight_decay: float) -> tuple[float, float]:
    """From latent weights that start at 0."""


@overload
def latent_to_filter(lr: float, weight_decay: float, w0: Start) -> tuple[float, Start]:
    """From latent weights that start at `w0`."""


def latent_to_filter(
    lr: float, weight_decay: float, w0: "float | np.ndarray | Tensor" = 0.0
) -> tuple[float, "float | np.ndarray | Tensor"]:
    """The filter view of latent SGD: (alpha, initial_state) = (lr weight_decay, -weight_decay w0).

    gamma is the same in both views. Paper B, Eq 6-9, and the start that it leaves out.

        >>> latent_to_filter(lr=0.5, weight_decay=0.25, w0=1.0)
        (0.125, -0.25)

    Raises:
        ValueError: if alpha is not in (0, 1].
    """
    lr = checks.FINITE.checked("lr", lr)
    weight_decay = checks.FINITE.checked("weight_decay", weight_decay)
    alpha = lr * weight_decay
    if not 0 < alpha <= 1:
        raise ValueError(f"lr * weight_decay must be in (0, 1], got {lr!r} * {weight_decay!r}")
    try:
        return alpha, -weight_decay * w0
    except (TypeError, OverflowError) as error:
        raise ValueError(f"w0 must be a number or an array of them, got {shown(w0)}") from error


def torch_to_cascade(lr: float, momentum: float, weight_decay: float) -> tuple[float, float]:
    """The (alpha, gamma) at which the cascade is torch's SGD, alpha the smaller one.

    alpha + gamma = 1 - momentum + lr weight_decay and alpha gamma = lr weight_decay: the two rates
    are the roots of a quadratic, real while lr weight_decay <= (1 - sqrt(momentum))^2.

        >>> alpha, gamma = torch_to_cascade(lr=0.1, momentum=0.9, weight_decay=1e-4)
        >>> f"alpha {alpha:.3g}, gamma {gamma:.3g}"
        'alpha 0.0001, gamma 0.0999'

    Raises:
        ValueError: beyond that limit, where the poles are complex and no cascade is the same filter; or
            if the momentum is not in [0, 1), or rate or decay not above 0.
    """
    momentum = checks.MOMENTUM.checked("momentum", momentum)
    lr = checks.FINITE.checked("lr", lr)
    weight_decay = checks.FINITE.checked("weight_decay", weight_decay)
    if not (lr > 0 and weight_decay > 0):
        raise ValueError(f"lr and weight_decay must be above 0, got {lr!r} and {weight_decay!r}")
    product, total = lr * weight_decay, 1 - momentum + lr * weight_decay
    limit = (1 - momentum**0.5) ** 2
    if product > limit:
        raise ValueError(
            f"lr * weight_decay must be at most (1 - sqrt(momentum))^2 = {limit:.6g} "
            f"for real poles, got {product:.6g}"
        )
    # The larger root first, then the smaller from the product: the difference would lose its digits.
    gamma = (total + max(total**2 - 4 * product, 0.0) ** 0.5) / 2
    return product / gamma, gamma


def require_stable(filter: Filter) -> None:
    """Refuse a filter whose state would grow without bound.

    Judged are the coefficients as they are stored, in direct form. Rounding moves the poles of a long
    cascade of slow averages (eight at alpha = 0.01, say) across the circle: such a filter is unstable
    in this form and is refused.

        >>> require_stable(cascade(0.01, 0.1))
        >>> require_stable(Filter(b=(1.0,), a=(1.0, -1.5)))
        Traceback (most recent call last):
        ValueError: a must have no pole outside the unit circle, got 1.5

    Raises:
        ValueError: if a pole lies outside the unit circle, or two poles at one place on it. A simple
            pole on it (at 1: a running sum, no decay) is allowed.
    """
    checks.instance("filter", filter, Filter)
    # Roots that lie close together are known badly; the polynomial and its slope are not.
    for point in (1.0, -1.0):
        if _vanishes(filter.a, point) and _vanishes(np.polyder(np.array(filter.a)), point):
            raise ValueError(f"a must have no multiple pole on the unit circle, got one at {point:g}")
    poles = filter.poles
    outside = poles[np.abs(poles) > 1 + ON_CIRCLE]
    if outside.size:
        raise ValueError(f"a must have no pole outside the unit circle, got {_listed(outside)}")
    on = poles[np.abs(np.abs(poles) - 1) <= ON_CIRCLE]
    for k, pole in enumerate(on):
        if np.any(np.abs(on[k + 1 :] - pole) <= ON_CIRCLE):
            raise ValueError(f"a must have no multiple pole on the unit circle, got {_listed(on)}")


def response(filter: Filter, frequencies: ArrayLike) -> np.ndarray:
    """|H| at `frequencies` in cycles a step (0 to 0.5)."""
    checks.instance("filter", filter, Filter)
    return np.abs(scipy.signal.freqz(filter.b, filter.a, worN=_frequencies(frequencies), fs=1.0)[1])


def impulse_response(filter: Filter, steps: int) -> np.ndarray:
    """What a single gradient of 1 leaves in the state, at each of `steps` steps."""
    checks.instance("filter", filter, Filter)
    impulse = np.eye(1, arrays.STEPS.checked("steps", steps))[0]
    return scipy.signal.lfilter(filter.b, filter.a, impulse)


def step_response(filter: Filter, steps: int) -> np.ndarray:
    """How the state answers a gradient that turns from 0 to 1 and stays, at each of `steps` steps."""
    checks.instance("filter", filter, Filter)
    return scipy.signal.lfilter(filter.b, filter.a, np.ones(arrays.STEPS.checked("steps", steps)))


def group_delay(filter: Filter, frequencies: ArrayLike) -> np.ndarray:
    """Steps by which a slow wave at `frequencies` (cycles a step, 0 to 0.5) comes out late."""
    checks.instance("filter", filter, Filter)
    return scipy.signal.group_delay((filter.b, filter.a), w=_frequencies(frequencies), fs=1.0)[1]


def _frequencies(given: ArrayLike) -> np.ndarray:
    return arrays.numbers(
        "frequencies", given, dims=None, holds=lambda f: (f >= 0) & (f <= 0.5), what="from 0 to 0.5"
    )


def settling_time(filter: Filter, share: float = 0.02) -> float:
    """Steps until the step response is within `share` of its end, for good; infinite if it has none.

    Simulated: the time it takes grows with the filter's memory.

        >>> settling_time(ema(0.1)), settling_time(cascade(0.1, 0.1))
        (37.0, 54.0)

    Raises:
        ValueError: naming the argument, its value and what is allowed.
    """
    share = _INSIDE.checked("share", share)
    memory = time_constant(filter)
    if not np.isfinite(memory):
        return float("inf")
    # Two equal poles take longer than one: x e^-x in place of e^-x.
    steps = int(np.ceil(memory * (4 - 2 * np.log(share)))) + len(filter.b) + 1
    end = sum(filter.b) / sum(filter.a)
    outside = np.abs(step_response(filter, steps) - end) > share * abs(end)
    return float(np.flatnonzero(outside).max(initial=-1) + 1)


def time_constant(filter: Filter) -> float:
    """Steps in which the slowest mode falls to 1/e: -1 / ln max|pole|; infinite for a running sum.

    >>> round(time_constant(ema(0.01)), 1), time_constant(Filter(b=(1.0,), a=(1.0, -1.0)))
    (99.5, inf)

    Raises:
        ValueError: if it is no `Filter`.
    """
    checks.instance("filter", filter, Filter)
    slowest = np.abs(filter.poles).max(initial=0.0)
    # The root at 1 may come out as a little less.
    if slowest >= 1 or _vanishes(filter.a, 1.0):
        return float("inf")
    return 0.0 if slowest == 0 else float(-1 / np.log(slowest))


def noise_gain(filter: Filter) -> float:
    """Output variance for white noise of variance 1: the sum of the squared impulse response.

    Infinite where a pole lies on or outside the unit circle.

        >>> round(noise_gain(ema(0.1)), 4), round(noise_gain(cascade(0.1, 0.1)), 4)
        (0.0526, 0.0264)

    Raises:
        ValueError: if it is no `Filter`.
    """
    return autocovariance(filter)[0]


def cascade_noise_gain(alpha: float, gamma: float) -> float:
    """`noise_gain(cascade(alpha, gamma))` in closed form, exact for the slowest averages too.

    alpha gamma (1 + p q) / ((1 - p q) (1 + p) (1 + q)) with p = 1 - alpha and q = 1 - gamma.
    """
    p, q = 1 - alpha, 1 - gamma
    rest = alpha + gamma - alpha * gamma  # 1 - p q without its cancellation
    return alpha * gamma * (1 + p * q) / (rest * (1 + p) * (1 + q))


def cascade_step_correlation(alpha: float, gamma: float) -> float:
    """1 - rho of white noise behind the cascade: alpha gamma / (1 + p q), p = 1 - alpha, q = 1 - gamma.

    rho is the correlation of its output with the one a step before, (p + q) / (1 + p q).
    """
    return alpha * gamma / (1 + (1 - alpha) * (1 - gamma))


def autocovariance(filter: Filter) -> tuple[float, float]:
    """Of the output for white noise: its variance, and its covariance with the step before.

    Solved as the discrete Lyapunov equation of the state-space form.
    """
    checks.instance("filter", filter, Filter)
    if np.abs(filter.poles).max(initial=0.0) >= 1 - ON_CIRCLE:
        return float("inf"), float("inf")
    width = max(len(filter.a), len(filter.b))
    b, a = (np.pad(c, (0, width - len(c))) for c in (filter.b, filter.a))
    if width == 1:
        return float((b[0] / a[0]) ** 2), 0.0
    state, entry, exit, direct = scipy.signal.tf2ss(b, a)
    spread = scipy.linalg.solve_discrete_lyapunov(state, entry @ entry.T)
    variance = exit @ spread @ exit.T + direct**2
    covariance = exit @ (state @ spread @ exit.T + entry @ direct)
    return float(variance.item()), float(covariance.item())


def _vanishes(polynomial: Sequence[float] | np.ndarray, point: float) -> bool:
    size = np.abs(polynomial).sum()
    return bool(size and abs(np.polyval(polynomial, point)) <= _ROUNDING * size)


def _listed(poles: np.ndarray) -> str:
    return ", ".join(f"{pole:.6g}" for pole in poles)
