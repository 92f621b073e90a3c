"""Low-pass filters of other designs, each stretched in time until it has a property of the cascade.

A design is a family of filters of unit gain at frequency 0 with one number, its stretch, by which the
impulse response is drawn out in time. So of two designs that let as much noise through, or are as late,
or flip as often, what differs is the shape of their responses. Numpy and scipy only.

A filter of high order is kept as second-order sections, rows (b0, b1, b2, 1, a1, a2) as in
`scipy.signal`, or, where its impulse response ends, as its taps. Coefficients of the direct form would
lose their digits: the five poles of five equal averages at 0.99 are known to a percent from them.
"""

import functools
import math
from collections.abc import Callable
from dataclasses import dataclass

import numpy as np
import scipy  # its own rooms are imported when first used: `scipy.signal` takes seconds
from numpy.typing import ArrayLike

from bnnstudy.config import arrays, checks
from bnnstudy.config.checks import shown
from bnnstudy.config.fields import DESIGNS, MATCHED

MAX_TAPS = 10_000
"""Longest impulse response of a window."""

Row = tuple[float, float, float, float, float, float]
"""One section, (b0, b1, b2, 1, a1, a2)."""


@dataclass(frozen=True)
class Design:
    """A filter as second-order sections or as taps; one of the two is empty.

    >>> row = designed("average 1", "noise gain", alpha=0.1, gamma=1.0).sections[0]  # itself
    >>> round(row[0], 9), round(row[4], 9)
    (0.1, -0.9)

    Raises:
        ValueError: if both are empty, or none, or one has what is no finite number.
    """

    sections: tuple[Row, ...] = ()
    taps: tuple[float, ...] = ()

    def __post_init__(self) -> None:
        for name in ("sections", "taps"):
            if not isinstance(getattr(self, name), tuple):
                raise ValueError(f"{name} must be a tuple, got {shown(getattr(self, name))}")
        if bool(self.sections) == bool(self.taps):
            raise ValueError(
                "sections or taps must be given, and not both, got "
                f"{shown(self.sections)} and {shown(self.taps)}"
            )
        object.__setattr__(
            self, "sections", tuple(_row("a row of sections", row) for row in self.sections)
        )
        if self.taps:
            object.__setattr__(self, "taps", tuple(arrays.numbers("taps", self.taps).tolist()))


def _row(name: str, given: Row) -> Row:
    """A section, if it is one."""
    row = arrays.numbers(name, given, holds=np.isfinite, what="finite")
    if len(row) != 6 or row[3] != 1:
        raise ValueError(f"{name} must be (b0, b1, b2, 1, a1, a2), got {shown(given)}")
    b0, b1, b2, one, a1, a2 = row.tolist()
    return b0, b1, b2, one, a1, a2


def designed(family: str, matched: str, alpha: float, gamma: float) -> Design:
    """The filter of a family that has one property of the cascade of averages at (alpha, gamma).

    The stretch is found by Brent's method; the property is matched to one part in a million or better.

        >>> cascade = designed("cascade", "flips", alpha=0.01, gamma=0.1)
        >>> steep = designed("butterworth 4", "flips", alpha=0.01, gamma=0.1)
        >>> round(flip_rate(cascade), 6), round(flip_rate(steep), 6)
        (0.010352, 0.010352)
        >>> round(delay(cascade), 1), round(delay(steep), 1)
        (108.0, 51.7)

    Args:
        family: one of `DESIGNS`. `average k` is k equal moving averages, `cascade` the two at alpha and
            gamma, whatever is matched; `butterworth n` and `bessel n` are of order n, by the bilinear
            transform; `boxcar` and `hann` are windows; `notch` is `average 2` and a notch.
        matched: one of `MATCHED`: `"noise gain"`, `"delay"` or `"flips"`.
        alpha, gamma: rates of the cascade, from 1e-6 to 1.

    Raises:
        ValueError: naming the argument, its value and what is allowed; or if no filter of the family
            has the property.
    """
    family = checks.one_of("family", family, DESIGNS)
    matched = checks.one_of("matched", matched, MATCHED)
    return _designed(family, matched, _RATE.checked("alpha", alpha), _RATE.checked("gamma", gamma))


@functools.lru_cache(maxsize=1000)
def _designed(family: str, matched: str, alpha: float, gamma: float) -> Design:
    cascade = Design(sections=(_average(alpha), _average(gamma)))
    if family == "cascade":
        return cascade
    measure, make = PROPERTIES[matched], FAMILIES[family]
    wanted = measure(cascade)

    def off(log_stretch: float) -> float:
        return measure(make(math.exp(log_stretch))) - wanted

    low, high = math.log(_SHORTEST), 0.0
    first = off(low)
    if abs(first) < 10 * _SHORTEST:  # the cascade itself lets pass all
        return make(_SHORTEST)
    try:
        while first * off(high) > 0:
            high += 1
    except ValueError as error:
        raise ValueError(
            f"family must be one that has the {matched} of alpha {alpha!r} and gamma {gamma!r}, "
            f"{wanted:.6g}; got {family!r}, {error.__cause__}"
        ) from error
    return make(math.exp(scipy.optimize.brentq(off, low, high, xtol=1e-14, rtol=1e-14)))


_RATE = checks.Rule(float, "from 1e-6 to 1", lambda value: 1e-6 <= value <= 1)

_SHORTEST = 1e-6
"""The least stretch: filters that let pass all."""


def _average(rate: float) -> Row:
    return (rate, 0.0, 0.0, 1.0, rate - 1.0, 0.0)


_STRETCH = checks.Rule(float, "0 or more", lambda value: value >= 0)
_ORDER = checks.Rule(int, "a whole number from 1 to 10", lambda value: 1 <= value <= 10)


def _family(make: Callable[..., Design]) -> Callable[..., Design]:
    """A family that refuses a stretch or an order that none of its filters has."""

    @functools.wraps(make)
    def checked(stretch: float, *order: int, **named: int) -> Design:
        stretch = _STRETCH.checked("stretch", stretch)
        for value in (*order, *named.values()):
            _ORDER.checked("order", value)
        try:
            return make(stretch, *order, **named)
        except OverflowError as error:
            raise ValueError(f"stretch must be shorter, got {stretch!r}, {error}") from error

    return checked


@_family
def average(stretch: float, order: int) -> Design:
    """So many equal moving averages, each as late as the stretch: rates of 1 / (1 + stretch).

    >>> average(1.0, order=2).sections
    ((0.5, 0.0, 0.0, 1.0, -0.5, 0.0), (0.5, 0.0, 0.0, 1.0, -0.5, 0.0))
    """
    return Design(sections=(_average(1 / (1 + _bounded(stretch, 1e9))),) * order)


def _cutoff(stretch: float) -> float:
    """The frequency of stretch 1 / (2 pi f), in cycles a step, bent as the bilinear transform does."""
    if stretch < _SHORTEST / 10:
        raise ValueError(
            f"stretch must be {_SHORTEST / 10:g} or more of such a family, got {stretch!r}"
        )
    return math.atan(1 / (2 * _bounded(stretch))) / math.pi


def _bounded(stretch: float, limit: float = 1e5) -> float:
    if stretch > limit:
        raise OverflowError(f"which would take a stretch beyond {limit:g}")
    return stretch


@_family
def butterworth(stretch: float, order: int) -> Design:
    """The flattest response of its order; its power is a half at the frequency 1 / (2 pi stretch).

    >>> abs(response(butterworth(10.0, order=2), [0.0]))[0].round(6).item()
    1.0
    """
    return _of_scipy(scipy.signal.butter(order, _cutoff(stretch), output="sos", fs=1.0))


@_family
def bessel(stretch: float, order: int) -> Design:
    """The flattest delay of its order, so that a step is answered without overshoot.

    >>> len(bessel(10.0, order=4).sections)
    2
    """
    rows = scipy.signal.bessel(order, _cutoff(stretch), norm="phase", output="sos", fs=1.0)
    return _of_scipy(rows)


@_family
def notch(stretch: float) -> Design:
    """Two equal averages, and a notch at the frequency 1 / (2 pi stretch), with a quality of 1.

    The notch is (1 + s^2) / (1 + s + s^2), by the bilinear transform: one frequency is taken out, and
    half of the power at 0.6 and 1.6 times of it.

    >>> abs(response(notch(10.0), [0.0])).round(6).tolist()
    [1.0]
    """
    t = 2 * _bounded(stretch)
    row = (t**2 + 1, 2 - 2 * t**2, t**2 + 1, t**2 + 1 + t, 2 - 2 * t**2, t**2 + 1 - t)
    return Design(sections=(*average(stretch, 2).sections, *_of_scipy([row]).sections))


def _of_scipy(rows: ArrayLike) -> Design:
    """Sections with unit gain at frequency 0 each, where scipy has all of the gain in the first."""
    found = []
    for *b, first, a1, a2 in np.asarray(rows, dtype=float).tolist():
        gain = sum(b) / (first + a1 + a2)
        b0, b1, b2 = (value / gain / first for value in b)
        found.append((b0, b1, b2, 1.0, a1 / first, a2 / first))
    return Design(sections=tuple(found))


@_family
def boxcar(stretch: float) -> Design:
    """The mean of the last 1 + 2 stretch gradients; a share of one counts as that share.

    >>> boxcar(1.0).taps == (1 / 3,) * 3
    True
    """
    length = _length(stretch)
    taps = np.ones(math.ceil(length))
    taps[-1] = length - len(taps) + 1
    return Design(taps=tuple((taps / length).tolist()))


@_family
def hann(stretch: float) -> Design:
    """The window sin^2(pi n / (N + 1)) over n = 1 to N = 1 + 2 stretch, a whole number or not.

    >>> [round(tap, 6) for tap in hann(1.0).taps]
    [0.25, 0.5, 0.25]
    """
    length = _length(stretch)
    taps = np.sin(math.pi * np.arange(1, math.ceil(length) + 1) / (length + 1)) ** 2
    return Design(taps=tuple((taps / taps.sum()).tolist()))


def _length(stretch: float) -> float:
    if 1 + 2 * stretch > MAX_TAPS:
        raise OverflowError(f"which would take more than {MAX_TAPS:,} taps")
    return 1 + 2 * stretch


FAMILIES: dict[str, Callable[[float], Design]] = {
    **{f"average {order}": functools.partial(average, order=order) for order in range(1, 6)},
    **{f"butterworth {order}": functools.partial(butterworth, order=order) for order in (2, 4)},
    **{f"bessel {order}": functools.partial(bessel, order=order) for order in (2, 4)},
    "boxcar": boxcar,
    "hann": hann,
    "notch": notch,
}
"""The families but for the cascade, each from its stretch."""


def impulse_response(design: Design, steps: int) -> np.ndarray:
    """What a single gradient of 1 leaves in the state, at each of `steps` steps.

    >>> impulse_response(Design(taps=(0.75, 0.25)), 3).tolist()
    [0.75, 0.25, 0.0]
    """
    checks.instance("design", design, Design)
    return filtered(design, np.eye(1, arrays.STEPS.checked("steps", steps))[0])


def filtered(design: Design, inputs: np.ndarray) -> np.ndarray:
    """The output for inputs (steps, …) from a start at zero, in float64.

    >>> filtered(Design(taps=(0.5, 0.5)), np.array([1.0, 3.0, 3.0])).tolist()
    [0.5, 2.0, 3.0]
    """
    checks.instance("design", design, Design)
    inputs = arrays.numbers("inputs", inputs, dims=None)
    if not inputs.ndim:
        raise ValueError(f"inputs must be one a step, got {shown(inputs)}")
    if design.taps:
        return scipy.signal.lfilter(design.taps, [1.0], inputs, axis=0)
    return scipy.signal.sosfilt(design.sections, inputs, axis=0)


def response(design: Design, frequencies: ArrayLike) -> np.ndarray:
    """H, complex, at `frequencies` in cycles a step (0 to 0.5).

    >>> np.abs(response(Design(taps=(0.5, 0.5)), [0.0, 0.25])).round(4).tolist()
    [1.0, 0.7071]
    """
    checks.instance("design", design, Design)
    at = arrays.numbers(
        "frequencies",
        frequencies,
        dims=None,
        holds=lambda f: (f >= 0) & (f <= 0.5),
        what="from 0 to 0.5",
    )
    if design.taps:
        return scipy.signal.freqz(design.taps, [1.0], worN=at, fs=1.0)[1]
    return scipy.signal.freqz_sos(design.sections, worN=at, fs=1.0)[1]


def crossover(design: Design) -> tuple[float, float]:
    """(frequency, gain) at which a step later the output opposes a wave: the phase crossover.

    A weight acts on its next gradient. So in training the filter stands in a loop with a delay of one
    step, and where z^-1 H is negative what was to be held back comes out as a push. Of all such
    frequencies it is the one of the largest gain; 1 / gain is the loop's gain margin (Nyquist 1932).
    (0.5, 0.0) where there is none.

        >>> frequency, gain = crossover(designed("average 3", "flips", alpha=0.01, gamma=0.1))
        >>> round(1 / frequency), round(gain, 2)  # nearly 1 / 8, that of three equal averages
        (62, 0.11)
    """
    checks.instance("design", design, Design)
    grid = np.union1d(np.geomspace(1e-7, 0.5, 4000), np.linspace(1e-4, 0.5, 8000))
    curve = response(design, grid) * np.exp(-2j * math.pi * grid)
    turns = np.flatnonzero(np.diff(np.signbit(curve.imag)))
    found = [(0.5, abs(curve[-1]))] if curve[-1].real < 0 else [(0.5, 0.0)]
    for k in turns:
        share = curve.imag[k] / (curve.imag[k] - curve.imag[k + 1])
        value = curve.real[k] + share * (curve.real[k + 1] - curve.real[k])
        if value < 0:
            found.append((grid[k] + share * (grid[k + 1] - grid[k]), -value))
    frequency, gain = max(found, key=lambda pair: pair[1])
    return float(frequency), float(gain)


def noise_gain(design: Design) -> float:
    """Output variance for white noise of variance 1: the sum of the squared impulse response.

    >>> round(noise_gain(Design(taps=(0.5, 0.5))), 6)
    0.5
    """
    checks.instance("design", design, Design)
    return _spread(design)[0]


def delay(design: Design) -> float:
    """Steps by which a slow change comes out late: sum n h_n / sum h_n, the delay at frequency 0.

    >>> delay(Design(taps=(0.25, 0.5, 0.25)))
    1.0
    """
    checks.instance("design", design, Design)
    if design.taps:
        return float(np.dot(design.taps, np.arange(len(design.taps))) / sum(design.taps))
    return sum(
        (b1 + 2 * b2) / (b0 + b1 + b2) - (a1 + 2 * a2) / (1 + a1 + a2)
        for b0, b1, b2, _, a1, a2 in design.sections
    )


def flip_rate(design: Design) -> float:
    """Share of steps at which the output changes sign, for white Gaussian noise.

    It is arccos(rho) / pi (Rice 1944) with rho the correlation from step to step. For a smooth response
    it is about (1 / pi) times the square root of sum (h_n - h_{n-1})^2 over sum h_n^2: the root mean
    square frequency of what comes out.

    >>> round(flip_rate(Design(taps=(1.0,))), 6)  # of noise itself
    0.5
    """
    checks.instance("design", design, Design)
    variance, of_step = _spread(design)
    # arccos(1 - d) = 2 arcsin(sqrt(d / 2)), without the cancellation.
    return 2 / math.pi * math.asin(min(1.0, math.sqrt(of_step / variance) / 2))


def settling_time(design: Design, share: float = 0.02) -> float:
    """Steps until the answer to a gradient that turns from 0 to 1 is within `share` of 1, for good.

    >>> settling_time(designed("average 1", "noise gain", 0.1, 1.0))
    37.0
    """
    checks.instance("design", design, Design)
    share = checks.SHARE.checked("share", share)
    steps = len(design.taps) + math.ceil(20 * (1 + abs(delay(design)))) + 50
    outside = np.abs(filtered(design, np.ones(steps)) - 1) > share
    return float(np.flatnonzero(outside).max(initial=-1) + 1)


PROPERTIES: dict[str, Callable[[Design], float]] = {
    "noise gain": noise_gain,
    "delay": delay,
    "flips": flip_rate,
}
"""The properties that may be matched, by name."""


def increments(row: Row) -> tuple[tuple[float, float, float], tuple[float, float]]:
    """A section in the differences of its state: ((beta0, beta1, beta2), (alpha1, alpha2)).

        y = beta0 x + u,  u += beta1 x - alpha1 y + v,  v += beta2 x - alpha2 y

    It is the transposed direct form in the operator z - 1 in place of z. Its coefficients are small
    where poles are near 1, so that nothing cancels. A section of order 1 has beta2 = alpha2 = 0.

        >>> increments((0.25, 0.0, 0.0, 1.0, -0.75, 0.0))
        ((0.25, 0.25, 0.0), (0.25, 0.0))

    Source: Middleton and Goodwin 1990; Kauraniemi et al. 1998.
    """
    b0, b1, b2, _, a1, a2 = _row("row", row)
    if b2 == a2 == 0:
        return (b0, b0 + b1, 0.0), (1 + a1, 0.0)
    return (b0, 2 * b0 + b1, b0 + b1 + b2), (2 + a1, 1 + a1 + a2)


def _spread(design: Design) -> tuple[float, float]:
    """Of the output for white noise: its variance, and that of its change from step to step."""
    if design.taps:
        taps = np.array(design.taps)
        return float(taps @ taps), float(np.square(np.diff(taps, prepend=0, append=0)).sum())
    move, entry, exit, direct = _state_space(design)
    size = len(entry)
    eye = np.eye(size)
    # With A = 1 + M the covariance P of the state is M P + P M' + M P M' = -entry entry'.
    system = np.kron(move, eye) + np.kron(eye, move) + np.kron(move, move)
    covariance = np.linalg.solve(system, -np.outer(entry, entry).ravel()).reshape(size, size)
    variance = exit @ covariance @ exit + direct**2
    change = exit @ move
    of_step = change @ covariance @ change + (exit @ entry - direct) ** 2 + direct**2
    return float(variance), float(of_step)


def _state_space(design: Design) -> tuple[np.ndarray, np.ndarray, np.ndarray, float]:
    """(M, entry, exit, direct) of all sections: s += M s + entry x, y = exit s + direct x."""
    move, entry, exit, direct = np.zeros((0, 0)), np.zeros(0), np.zeros(0), 1.0
    for row in design.sections:
        (beta0, beta1, beta2), (alpha1, alpha2) = increments(row)
        scale = math.sqrt(alpha2) or 1.0  # so that both of a section's states are of one size
        own = np.array([[-alpha1, scale], [-alpha2 / scale, 0.0]])
        into = np.array([beta1 - alpha1 * beta0, (beta2 - alpha2 * beta0) / scale])
        order = 2 if alpha2 else 1
        own, into = own[:order, :order], into[:order]
        # What a section takes in is what comes out of those before it.
        move = np.block([[move, np.zeros((len(move), order))], [np.outer(into, exit), own]])
        entry = np.concatenate([entry, into * direct])
        exit = np.concatenate([beta0 * exit, np.eye(1, order)[0]])
        direct *= beta0
    return move, entry, exit, direct
