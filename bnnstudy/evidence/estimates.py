"""From curves to an effect with its error: seeds, the choice of the rate, sampling of test images.

An effect is a sum over arms, each at the value that leaves the judged seed out (`evidence.curves`).
Three things make it uncertain, and the interval counts all of them:

- *Seeds.* Another draw of seeds has another mean.
- *The choice of the rate.* Another draw may choose another value. The standard error is the larger of
  the seeds' own and that of `DRAWS` resamples of the seeds, in each of which every arm chooses again.
- *Test images.* Other images of the same kind would be classified otherwise (`image_variance`).

Paired, one difference a seed is formed, and its spread counts. Unpaired, each arm has a spread of its
own (Welch 1947): where seeds have nothing in common but their number, that is the narrower interval.
"""

import math
from collections.abc import Iterable, Mapping, Sequence
from dataclasses import dataclass
from functools import singledispatch
from typing import Any, ClassVar

import numpy as np

from bnnstudy.evidence import right
from bnnstudy.evidence.claims import (
    Difference,
    Directed,
    Equivalence,
    Estimate,
    FactorialEffect,
    Joint,
    Side,
    Speed,
    Spread,
    Trend,
)
from bnnstudy.evidence.curves import Curve, common_seeds, draws, leave_one_out
from bnnstudy.evidence.records import RecordError
from bnnstudy.evidence.runs import FLOOR, read
from bnnstudy.evidence.statistics import (
    CONFIDENCE,
    first_reach,
    interval,
    slope_weights,
    two_sided_p,
)

Weighted = Difference | Equivalence | Trend | FactorialEffect
"""Contrasts that are a weighted sum over arms."""

DRAWS = 1000
"""Resamples of the seeds, in each of which every arm chooses its value again."""

ACCURACIES = ("test_accuracy", "last.test_accuracy")
"""Metrics whose test images are kept one by one (`evidence.right`)."""


@dataclass(frozen=True, kw_only=True)
class Effect:
    """An estimated effect.

    Attributes:
        mean: in the contrast's unit.
        error: its standard error; infinite for a single seed.
        freedom: degrees of freedom of Student's t.
        n: seeds that count; of several terms the least.
        missing: seeds that all arms ran, but not to where the metric is.
        values: the effect of each seed, where it is paired.
        censored: the larger share of seeds in which a curve never came to its level; of a `Speed`.
    """

    mean: float
    error: float
    freedom: float
    n: int
    missing: int = 0
    values: tuple[float, ...] = ()
    censored: float = 0.0

    def interval(self, confidence: float = CONFIDENCE) -> tuple[float, float]:
        """The confidence interval; infinite for a single seed."""
        return interval(self.mean, self.error, self.freedom, confidence)

    def p(self, contrast: Estimate) -> float:
        """Two-sided p-value of lying so far from the contrast's margin; 1 where there is no spread."""
        if not math.isfinite(self.error) or not self.spreads(contrast):
            return 1.0
        return two_sided_p(contrast.beyond(self.mean) / self.error, self.freedom)

    def spreads(self, contrast: Estimate) -> bool:
        """Whether seeds differ: accuracies that are equal in arithmetic are not to the last bit."""
        return self.error > 1e-9 * max(abs(self.mean), abs(contrast.beyond(self.mean)))


@dataclass(frozen=True)
class Extreme:
    """The largest of several effects, or the least: what a `Joint` contrast comes to.

    All have to lie on one side of a margin for the extreme to lie there, and each has its own 95 %
    interval for that (an intersection-union test, Berger 1982); that it lies on the other side one of
    them shows, at Bonferroni's level.

    Attributes:
        parts: the effects.
        sign: 1 for the largest, -1 for the least.
    """

    parts: tuple[Effect, ...]
    sign: int

    values: ClassVar[tuple[float, ...]] = ()
    censored: ClassVar[float] = 0.0

    @property
    def mean(self) -> float:
        """The extreme of the means."""
        return self.sign * max(self.sign * part.mean for part in self.parts)

    @property
    def n(self) -> int:
        """The least number of seeds of a part."""
        return min(part.n for part in self.parts)

    @property
    def missing(self) -> int:
        """The largest number of seeds that a part misses."""
        return max(part.missing for part in self.parts)

    def interval(self) -> tuple[float, float]:
        """A 95 % interval of the extreme."""
        strict = 1 - (1 - CONFIDENCE) / len(self.parts)
        each = [sorted(self.sign * end for end in part.interval()) for part in self.parts]
        strictly = [sorted(self.sign * end for end in part.interval(strict)) for part in self.parts]
        ends = max(low for low, _ in strictly), max(high for _, high in each)
        low, high = sorted(self.sign * end for end in ends)
        return low, high

    def p(self, contrast: Estimate) -> float:
        """The p-value of the side of the margin on which the extreme lies."""
        assert isinstance(contrast, Directed)
        edge = self.sign * contrast.direction * contrast.margin
        beyond = [part for part in self.parts if self.sign * part.mean > edge]
        if beyond:
            return min(1.0, len(self.parts) * min(part.p(contrast) for part in beyond))
        # Where two arms are one training no other draw would have parted them.
        spread = [part for part in self.parts if part.spreads(contrast)] or self.parts
        return max(part.p(contrast) for part in spread)


@dataclass(frozen=True, eq=False)
class _Term:
    """A part of an effect whose arms share their seeds.

    `table` holds the effect by chosen values, an axis for each of `choosers`, and seed; NaN where a run
    has no such value.
    """

    arms: tuple[str, ...]
    seeds: list[int]
    choosers: list[Curve]
    table: np.ndarray

    def judged(self, instead: Curve | None = None) -> np.ndarray:
        """By seed the effect at the values that leave it out; one curve at its runner-up instead."""
        once = np.ones((1, len(self.seeds)), int)
        return self._effects(once, instead)[0]

    def _effects(self, counts: np.ndarray, instead: Curve | None = None) -> np.ndarray:
        """(draws, seeds)."""
        places = []
        for chooser in self.choosers:
            if chooser is instead:
                place = chooser.near.index(chooser.runner_up)
                places.append(np.full(counts.shape, place))
            else:
                places.append(leave_one_out(chooser.validation(self.seeds), counts))
        return self.table[(*places, np.broadcast_to(np.arange(len(self.seeds)), counts.shape))]

    def chosen_anew(self) -> float:
        """The mean's standard error over resampled seeds that choose again; 0 without a choice."""
        n = len(self.seeds)
        if n < 2 or all(len(chooser.near) == 1 for chooser in self.choosers):
            return 0.0
        counts = draws(n, DRAWS, np.random.default_rng(0))
        effects = self._effects(counts)
        weights = counts * ~np.isnan(effects)
        totals = weights.sum(1)
        means = (weights * np.nan_to_num(effects)).sum(1)[totals > 0] / totals[totals > 0]
        return float(np.std(means, ddof=1) * math.sqrt(n / (n - 1)))


def effect(
    contrast: Estimate,
    curves: Mapping[str, Curve],
    first: int = 0,
    instead: Curve | None = None,
) -> Effect | Extreme | None:
    """What the curves of one preset and task say of a contrast; None where an arm has no seed.

    Args:
        first: the first seed that counts.
        instead: a chooser that is taken at its runner-up value.
    """
    if not all(name in curves for name in contrast.named()):
        return None
    if not isinstance(contrast, Joint):
        return _effect(contrast, curves, first, instead)
    # One sample for all its parts: else an order would be judged on other seeds than it is made of.
    curves = {name: curves[name] for name in contrast.named()}
    seeds = common_seeds(curves.values(), first)
    parts = [_effect(each, curves, first, instead, seeds) for each in contrast.differences()]
    found = tuple(part for part in parts if part)
    # Of what every one has to show the least counts; of what is far from what, the largest.
    sign = 1 if isinstance(contrast, Spread) else -contrast.direction
    return Extreme(found, sign) if len(found) == len(parts) else None


def _effect(
    contrast: Estimate,
    curves: Mapping[str, Curve],
    first: int,
    instead: Curve | None,
    among: Sequence[int] | None = None,
) -> Effect | None:
    terms = _terms(contrast, curves, first, among)
    if not all(term.seeds for term in terms):
        return None
    mean, variance, freedoms, least, missing, values = 0.0, 0.0, [], math.inf, 0, ()
    for term in terms:
        found = term.judged(instead)
        found, whole = found[~np.isnan(found)], len(found)
        if not len(found):
            return None
        missing += whole - len(found)
        least = min(least, len(found))
        values = tuple(found.tolist())
        mean += math.fsum(found) / len(found)
        own = float(np.std(found, ddof=1)) / math.sqrt(len(found)) if len(found) > 1 else math.inf
        part = max(own, term.chosen_anew()) ** 2
        variance += part
        freedoms.append((part, len(found) - 1))
    images = image_variance(contrast, curves, terms)
    return Effect(
        mean=mean,
        error=math.sqrt(variance + images) if math.isfinite(variance) else math.inf,
        freedom=welch_freedom(freedoms, images),
        n=int(least),
        missing=missing,
        values=values if len(terms) == 1 else (),
        censored=_censored(contrast, curves, terms) if isinstance(contrast, Speed) else 0.0,
    )


def welch_freedom(parts: Iterable[tuple[float, int]], exact: float = 0.0) -> float:
    """Degrees of freedom of a sum of variances, each with its own (Welch and Satterthwaite).

    Args:
        parts: (variance, degrees of freedom) of what is estimated from seeds.
        exact: a variance that is as good as known, such as that over thousands of images.
    """
    parts = list(parts)
    if any(not math.isfinite(variance) for variance, _ in parts):
        return 1.0
    whole = math.fsum(variance for variance, _ in parts) + exact
    below = math.fsum(variance**2 / freedom for variance, freedom in parts)
    return whole**2 / below if below else float(min(freedom for _, freedom in parts))


def image_variance(contrast: Estimate, curves: Mapping[str, Curve], terms: Sequence[_Term]) -> float:
    """Variance of the effect over other test images of the same kind; 0 for what is no test accuracy.

    With r(a, s, i) = 1 where arm a with seed s is right on image i, and weights w(a) of the arms, it is
    the variance over the N images of sum_a w(a) mean_s r(a, s, i), divided by N. Where a run keeps no
    single images it is sum_a w(a)^2 p(a) (1 - p(a)) / N, as if arms erred on images of their own.
    """
    if not isinstance(contrast, Weighted) or contrast.log:
        return 0.0
    weights, metrics = _weights(contrast), contrast.metrics()
    if not all(metric.rpartition(".")[2] == "test_accuracy" for metric in metrics.values()):
        return 0.0
    seeds = {arm: term.seeds for term in terms for arm in term.arms}
    sums: list[np.ndarray] | None = []
    apart = 0.0
    for arm, weight in weights.items():
        judged = curves[arm].judged(seeds[arm])
        runs = [record["result"] for record in judged]
        accuracies = [value for run in runs if (value := read(run, metrics[arm])) is not None]
        images = right.images_of(judged[0]["config"])
        try:
            kept = [right.unpack(run, metrics[arm]) for run in runs]
        except ValueError as error:
            raise RecordError(f"a record of arm {arm!r} cannot be used: {error}") from error
        if sums is not None and all(bits is not None for bits in kept):
            sums.append(weight * np.mean([bits for bits in kept if bits is not None], axis=0))
        else:
            sums = None
        p = math.fsum(accuracies) / len(accuracies) if accuracies else 0.0
        apart += weight**2 * p * (1 - p) / images if images else 0.0
    if sums is not None and len({len(one) for one in sums}) == 1:
        every = np.sum(sums, axis=0)
        return float(contrast.scale**2 * np.var(every, ddof=1) / len(every))
    return contrast.scale**2 * apart


def _terms(
    contrast: Estimate, curves: Mapping[str, Curve], first: int, among: Sequence[int] | None = None
) -> list[_Term]:
    names = contrast.named()
    if contrast.paired or isinstance(contrast, Speed):
        groups = [list(names)]
    else:
        # Parts of one run belong together whatever is declared.
        apart: dict[str, list[str]] = {}
        for name in names:
            apart.setdefault(curves[name].of, []).append(name)
        groups = list(apart.values())
    return [_term(contrast, {name: curves[name] for name in group}, first, among) for group in groups]


def _term(
    contrast: Estimate, curves: Mapping[str, Curve], first: int, among: Sequence[int] | None
) -> _Term:
    seeds = common_seeds(curves.values(), first)
    if among is not None:
        seeds = [seed for seed in seeds if seed in among]
    choosers = list(dict.fromkeys(curve.chooser for curve in curves.values()))
    return _Term(tuple(curves), seeds, choosers, _table(contrast, curves, choosers, seeds))


@singledispatch
def _table(
    contrast: Estimate, curves: Mapping[str, Curve], choosers: list[Curve], seeds: list[int]
) -> np.ndarray:
    """The effect by the choosers' values and by seed."""
    raise NotImplementedError(f"nothing estimates a contrast of class {type(contrast).__name__}")


@_table.register(Difference)
@_table.register(Equivalence)
@_table.register(Trend)
@_table.register(FactorialEffect)
def _(
    contrast: Weighted,
    curves: Mapping[str, Curve],
    choosers: list[Curve],
    seeds: list[int],
) -> np.ndarray:
    weights, metrics = _weights(contrast), contrast.metrics()
    whole = np.zeros((*(len(chooser.near) for chooser in choosers), len(seeds)))
    for arm, curve in curves.items():
        found = _readings(curve, metrics[arm], seeds)
        if contrast.log:
            found = np.log10(np.maximum(found, FLOOR))
        shape = [1] * whole.ndim
        shape[choosers.index(curve.chooser)], shape[-1] = found.shape
        whole = whole + contrast.scale * weights[arm] * found.reshape(shape)
    return whole


@_table.register
def _(
    contrast: Speed, curves: Mapping[str, Curve], choosers: list[Curve], seeds: list[int]
) -> np.ndarray:
    whole = np.full((*(len(chooser.near) for chooser in choosers), len(seeds)), np.nan)
    arm, control = (curves[name] for name in contrast.named())
    for k, seed in enumerate(seeds):
        for i, one in enumerate(arm.chooser.near):
            for j, other in enumerate(control.chooser.near):
                if arm.chooser is control.chooser and i != j:
                    continue
                place = [0] * len(choosers)
                place[choosers.index(arm.chooser)], place[choosers.index(control.chooser)] = i, j
                taken = _taken(contrast, arm.runs[one][seed], control.runs[other][seed])
                if taken:
                    whole[(*place, k)] = taken[0] - taken[1]
    return whole


def _taken(
    contrast: Speed, arm: Mapping[str, Any], control: Mapping[str, Any]
) -> tuple[int, int] | None:
    """Epochs until both reach their levels; None where one has no curve."""
    curves = [read(record["result"], contrast.metric) for record in (arm, control)]
    if not all(isinstance(curve, list) and curve for curve in curves):
        return None
    one, other = curves
    levels = {
        "own": (one[-1], other[-1]),
        "lower": (min(one[-1], other[-1]),) * 2,
        "control": (other[-1],) * 2,
    }[contrast.level]
    first, second = (
        first_reach(curve, level - contrast.below) for curve, level in zip(curves, levels, strict=True)
    )
    return first, second


def _censored(contrast: Speed, curves: Mapping[str, Curve], terms: Sequence[_Term]) -> float:
    (term,) = terms
    judged = [curves[name].judged(term.seeds) for name in contrast.named()]
    shares = [0, 0]
    for pair in zip(*judged, strict=True):
        taken = _taken(contrast, *pair)
        for side in (0, 1):
            curve = read(pair[side]["result"], contrast.metric)
            shares[side] += bool(taken and curve and taken[side] > len(curve))
    return max(shares) / len(term.seeds)


def _readings(curve: Curve, metric: str, seeds: list[int]) -> np.ndarray:
    """What stands at a path in each run, (values, seeds); NaN where nothing does."""
    found = [
        [read(curve.runs[value][seed]["result"], metric) for seed in seeds]
        for value in curve.chooser.near
    ]
    try:
        return np.array(found, dtype=float).reshape(len(found), len(seeds))
    except (TypeError, ValueError, OverflowError) as error:
        raise RecordError(
            f"records of arm {curve.arm!r} must have a number at {metric}, and one has none ({error})"
        ) from error


def _weights(contrast: Weighted) -> dict[str, float]:
    """By arm, what its metric is multiplied with in the effect."""
    if isinstance(contrast, FactorialEffect):
        sides = ((contrast.high, 1.0), (contrast.low, -1.0))
        return {name: sign / len(side) for side, sign in sides for name in side}
    if isinstance(contrast, Trend):
        return slope_weights(contrast.arms)
    weights: dict[str, float] = {}
    for side, factor in ((contrast.arm, 1.0), (contrast.control, -1.0)):
        for name, sign in _signed(side):
            weights[name] = weights.get(name, 0.0) + factor * sign
    return weights


def _signed(side: Side | None) -> list[tuple[str, float]]:
    if not side:
        return []
    return [(side, 1.0)] if isinstance(side, str) else [(side[0], 1.0), (side[1], -1.0)]
