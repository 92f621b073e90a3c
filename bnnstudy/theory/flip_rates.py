"""How often the sign of a filter's output changes: expected of white noise, counted on gradients.

Two Gaussian numbers with correlation rho differ in sign with probability arccos(rho) / pi (Rice 1944).
"""

from collections.abc import Sequence
from typing import Any

import numpy as np
import scipy  # its own rooms are imported when first used: `scipy.signal` takes seconds

from bnnstudy.config import arrays, checks
from bnnstudy.config.run import RunConfig
from bnnstudy.config.serialise import significant
from bnnstudy.theory import filters
from bnnstudy.theory.filters import Filter

_NOISE = checks.Rule(float, "from 0 to 1e100", lambda value: 0 <= value <= arrays.LARGEST)


def compared(gradients: np.ndarray, config: RunConfig) -> dict[str, Filter]:
    """The filters that are laid side by side, by name."""
    second = filters.cascade(config.alpha, config.gamma)
    gain = filters.noise_gain(second)
    found = {
        "raw": Filter((1.0,), (1.0,)),
        "second order": second,
        "first order": filters.ema(config.alpha),
        "as little noise": filters.ema(2 * gain / (1 + gain)),
    }
    few = first_order_with(flips(second, gradients), gradients)
    return {**found, "as few flips": few} if few else found


def measured(filter: Filter, gradients: np.ndarray) -> dict[str, Any]:
    """What one filter makes of gradients (steps, weights), beside what theory says of it.

    `flips` a weight, and `expected_flips` if gradients were white and Gaussian; `roughness`, the mean
    over weights of sd(y_i - y_{i-1}) / sd(y_i); `time_constant` and `settling_time` in steps.
    """
    outputs = scipy.signal.lfilter(filter.b, filter.a, gradients, axis=0)
    spread = outputs.std(0)
    steps = np.diff(outputs, axis=0).std(0)
    found = {
        "flips": flips(filter, gradients),
        "expected_flips": flip_rate(filter) * (len(gradients) - 1),
        "roughness": np.mean(steps[spread > 0] / spread[spread > 0]) if spread.any() else None,
        "alpha": 1 + filter.a[1] if len(filter.a) == 2 else None,
        "noise_gain": filters.noise_gain(filter),
        "time_constant": filters.time_constant(filter),
        "settling_time": filters.settling_time(filter),
    }
    return {name: None if v is None else significant(v, 6) for name, v in found.items()}


def flips(filter: Filter, gradients: np.ndarray) -> float:
    """Mean number of sign changes of the output, over weights."""
    return float(sign_changes(filter, gradients).mean())


def sign_changes(filter: Filter, gradients: np.ndarray) -> np.ndarray:
    """Number of sign changes of the output for each weight; where it is 0 the sign stays."""
    outputs = scipy.signal.lfilter(filter.b, filter.a, gradients, axis=0)
    changes = np.zeros(outputs.shape[1], dtype=int)
    signs = np.sign(outputs[0])
    for row in np.sign(outputs[1:]):
        changes += row * signs < 0
        signs = np.where(row == 0, signs, row)
    return changes


def replayed_late(filter: Filter, gradients: np.ndarray) -> float:
    """Share of weights whose sign changes at a step, in the second half of given gradients.

    The first half lets the filter forget that it began at zero.

        >>> turning = np.array([[1.0], [-1.0], [1.0], [-1.0], [-1.0], [-1.0]])
        >>> round(replayed_late(Filter((1.0,), (1.0,)), turning), 3)  # one of three steps
        0.333

    Args:
        gradients: (steps, weights), of three steps or more.

    Raises:
        ValueError: naming the argument, its value and what is allowed.
    """
    checks.instance("filter", filter, Filter)
    gradients = arrays.numbers("gradients", gradients, dims=2, least=3)
    outputs = scipy.signal.lfilter(filter.b, filter.a, gradients, axis=0)
    late = outputs[len(outputs) // 2 - 1 :]
    return float((np.sign(late[1:]) * np.sign(late[:-1]) < 0).mean())


def spectral_flip_rate(filter: Filter, gradients: np.ndarray, noise: float = 1.0) -> float:
    """Share of steps at which the output changes sign, from the gradients' own spectra.

    A weight's spectrum S(f) is that of the second half of its gradients, and the output's is
    |H(f)|^2 S(f). Its correlation from step to step is rho = sum |H|^2 S cos(2 pi f) / sum |H|^2 S, its
    variance s^2 the sum below. The mean of a weight's gradients stands apart: it makes an output of
    mean mu, and the share is exp(-mu^2 / 2 s^2) arccos(rho) / pi, as if outputs were Gaussian (Rice
    1944). The mean over weights is returned. Where S is flat and mu is 0 it is `flip_rate`.

        >>> white = np.random.default_rng(0).standard_normal((4000, 50))
        >>> average = filters.ema(0.1)
        >>> abs(spectral_flip_rate(average, white) / flip_rate(average) - 1) < 0.02
        True

    Args:
        gradients: (steps, weights).
        noise: by what factor the noise is multiplied in variance: 1/4 for four times the batch. What
            is noise is the level of S above half of the highest frequency, its median.

    Raises:
        ValueError: naming the argument, its value and what is allowed.
    """
    checks.instance("filter", filter, Filter)
    gradients = arrays.numbers("gradients", gradients, dims=2)
    noise = _NOISE.checked("noise", noise)
    late = gradients[len(gradients) // 2 :]
    power = np.square(np.abs(np.fft.rfft(late, axis=0)))
    if noise != 1.0:
        floor = np.median(power[len(power) // 2 :], axis=0) / np.log(2)  # its mean, were S flat
        power[1:] += (noise - 1) * floor  # a frequency may fall below 0, not what many add up to
    turns = 2 * np.pi * np.fft.rfftfreq(len(late))
    _, answer = scipy.signal.freqz(filter.b, filter.a, worN=turns)
    # All frequencies stand for two but the first, and half the sampling rate where there is one.
    twice = np.where((turns > 0) & (turns < np.pi), 2.0, 1.0)
    output = (twice * np.square(np.abs(answer)))[:, None] * power
    mean, output = output[0], output[1:]
    spread = output.sum(0)
    moves = spread > 0
    rho = (output[:, moves] * np.cos(turns[1:])[:, None]).sum(0) / spread[moves]
    with np.errstate(over="ignore"):  # of a mean beyond all spread: such a sign stays
        stays = -mean[moves] / 2 / spread[moves]
    rates = np.exp(stays) * np.arccos(np.clip(rho, -1, 1)) / np.pi
    return float(rates.sum() / len(spread))


def first_order_with(wanted: float, gradients: np.ndarray) -> Filter | None:
    """The moving average whose output changes sign `wanted` times, by bisection in log alpha.

    None if no alpha is small enough: a running sum of these gradients flips more often than that.
    """
    low, high = 0.01 / len(gradients), 1.0
    if flips(filters.ema(low), gradients) > wanted:
        return None
    for _ in range(40):
        middle = (low * high) ** 0.5
        if flips(filters.ema(middle), gradients) > wanted:
            high = middle
        else:
            low = middle
    return filters.ema(low)


def flip_rate(filter: Filter) -> float:
    """Share of steps at which the output changes sign, for white Gaussian noise: arccos(rho) / pi.

    rho is the correlation of the output with the one a step before (Rice 1944). 0 for a filter whose
    memory is infinite.

        >>> round(flip_rate(filters.ema(0.5)), 4), round(flip_rate(filters.cascade(0.01, 0.1)), 4)
        (0.3333, 0.0104)

    Raises:
        ValueError: if it is no `Filter`.
    """
    variance, covariance = filters.autocovariance(filter)
    if not np.isfinite(variance):
        return 0.0
    return float(np.arccos(np.clip(covariance / variance, -1, 1)) / np.pi)


def flips_from_zero(filter: Filter, steps: int) -> float:
    """Sign changes to expect in the first `steps` of white Gaussian noise, from a zero start.

    The sum of arccos(rho_i) / pi, with rho_i the correlation of the output at steps i and i + 1.

        >>> average = filters.ema(0.1)
        >>> round(flips_from_zero(average, 101), 2), round(100 * flip_rate(average), 2)
        (14.78, 14.36)

    Raises:
        ValueError: naming the argument, its value and what is allowed.
    """
    answer = filters.impulse_response(filter, steps)
    variance, covariance = np.cumsum(answer**2), np.cumsum(answer[1:] * answer[:-1])
    rho = covariance / np.sqrt(variance[1:] * variance[:-1])
    return float(np.arccos(np.clip(rho, -1, 1)).sum() / np.pi)


def flip_ratio_by_step(
    alpha: float | np.ndarray, gamma: float, factors: Sequence[float] | np.ndarray
) -> np.ndarray:
    """The flip ratio that white noise gives at each step, where alpha moves slowly and alpha << gamma.

    FF_n = (a_n / pi) sqrt(gamma / (2 s_n)) with a_n = alpha c_n, s_n = (1 - a_n)^2 s_{n-1} + a_n^2 and
    s_0 = 0.

        >>> flip_ratio_by_step(0.01, 0.1, factors=[1.0, 1.0, 0.5, 0.0]).round(4).tolist()
        [0.0712, 0.0506, 0.0239, 0.0]

    Args:
        alpha: the outer rate, a number or an array of them (then the result has one more dimension).
        gamma: the inner rate.
        factors: c_n, what the schedule multiplies alpha with at each step.

    Raises:
        ValueError: naming the argument, its value and what is allowed.
    """
    alpha = arrays.numbers("alpha", alpha, dims=None, holds=arrays.is_rate, what=arrays.RATE.text)[()]
    gamma = checks.SHARE.checked("gamma", gamma)
    most = 1 / np.max(alpha)
    factors = arrays.numbers(
        "factors",
        factors,
        holds=lambda c: (c >= 0) & (c <= most) & arrays.is_rate(c[:1] * np.min(alpha)),
        what="from 0, the first above it, to 1 / alpha",
    )
    spread, ratios = np.zeros_like(alpha, dtype=float), []
    for factor in factors:
        rate = alpha * factor
        spread = (1 - rate) ** 2 * spread + rate**2
        ratios.append(rate / np.pi * np.sqrt(gamma / 2 / spread))
    return np.array(ratios)
