"""How records decide a claim: effect, confidence interval, n, verdict.

A claim is decided for each preset and each *task*, the data set and network that runs have in common:
runs of different tasks are never compared.
"""

import math
from collections.abc import Iterable, Mapping
from dataclasses import dataclass
from functools import singledispatch
from typing import Any

from bnnstudy.config.fields import PRESETS
from bnnstudy.evidence.claims import (
    Claim,
    Contrast,
    Difference,
    Equivalence,
    Estimate,
    Exact,
    Side,
    Speed,
    Trend,
)
from bnnstudy.evidence.runs import FLOOR, Runs, by_task, read
from bnnstudy.evidence.statistics import (
    first_reach,
    holm_rejections,
    paired_interval,
    slope_weights,
    standard_error,
    two_sided_p,
)

NOT_RUN = "not run"

MARKS = {
    "reproduced": "✓",
    "not reproduced": "✗",
    "supported": "✓",
    "refuted": "✗",
    "inconclusive": "?",
    NOT_RUN: "–",
}
"""Every word that a verdict may have, in the order of tables, with a sign for each."""


def word(claim: Claim, holds: bool | None) -> str:
    """What is said of a claim that holds, does not, or (None) is open.

    Papers' claims are reproduced or not, our own are supported or refuted.
    """
    if holds is None:
        return "inconclusive"
    yes, no = ("supported", "refuted") if claim.paper == "ours" else ("reproduced", "not reproduced")
    return yes if holds else no


@dataclass(frozen=True, kw_only=True)
class Verdict:
    """What the records of one preset, on one data set and network (its `task`), say of a claim.

    `verdict` is one of `MARKS`. `effect`, `low` and `high` are in the contrast's unit, `low` and `high`
    None where there is no interval (an `Exact` contrast, or fewer than two seeds). `n` is the number of
    seeds, for `Exact` the number of comparisons. `p` is the two-sided p-value of the effect against the
    margin that it passes; 1 where it passes none or the differences have no spread, None where there is
    no interval. `missing` counts seeds that all arms ran, but not to where the metric is (a loss that
    diverged).

    Raises:
        ValueError: if `verdict` is no word of `MARKS`.
    """

    claim: Claim
    verdict: str
    preset: str | None = None
    task: str | None = None
    n: int | None = None
    effect: float | None = None
    low: float | None = None
    high: float | None = None
    p: float | None = None
    missing: int = 0

    def __post_init__(self) -> None:
        if self.verdict not in MARKS:
            raise ValueError(f"verdict must be one of {', '.join(MARKS)}; got {self.verdict!r}")

    def summary(self) -> dict[str, object]:
        """What a report says of the claim, in JSON's types; None where there is nothing to say."""
        claim = self.claim
        return {
            "id": claim.id,
            "paper": claim.paper,
            "source": claim.source,
            "claim": claim.text,
            "paper_value": claim.paper_value,
            "verdict": self.verdict,
            "preset": self.preset,
            "task": self.task,
            "n": self.n,
            "effect": self.effect,
            "low": self.low,
            "high": self.high,
            "unit": claim.contrast.unit,
        }

    def measured(self) -> str:
        """Effect, interval, unit and n in words; empty if not run."""
        if self.effect is None:
            return ""
        unit = self.claim.contrast.unit
        if isinstance(self.claim.contrast, Exact):
            return f"{self.effect:,.0f} of {self.n:,} {unit}"
        interval = "" if self.low is None else f" [{self.low:+.2f}, {self.high:+.2f}]"
        equal = " (equal in every seed)" if self.effect == self.low == self.high == 0 else ""
        missing = f" (seeds without a value: {self.missing})" if self.missing else ""
        return f"{self.effect:+.2f}{interval} {unit}{equal}{missing}, n = {self.n}"

    def line(self) -> str:
        """The verdict as one line of text."""
        head = f"{self.verdict:<15} {self.claim.id}"
        return f"{head}: {self.measured()} ({self.where()})" if self.preset else head

    def where(self) -> str:
        """Preset, data and network in words, such as "desk, mnist mlp"; empty if not run."""
        return ", ".join(part for part in (self.preset, self.task) if part)


def decide(claim: Claim, records: Iterable[Mapping[str, Any]]) -> list[Verdict]:
    """The verdicts of the largest preset that can decide the claim, one a task; else "not run".

    A single seed has no interval: where a smaller preset has one, it is that preset's verdict.
    """
    found = decide_each(claim, records)
    if not found:
        return [Verdict(claim=claim, verdict=NOT_RUN)]
    able = [v for v in found if v.low is not None or isinstance(claim.contrast, Exact)] or found
    return [verdict for verdict in found if verdict.preset == able[-1].preset]


def decide_each(claim: Claim, records: Iterable[Mapping[str, Any]]) -> list[Verdict]:
    """One verdict for each preset and task that has what the contrast needs, presets in their order."""
    grouped = by_task(records)
    found = []
    for preset, task in sorted(grouped, key=lambda group: PRESETS.index(group[0])):
        if verdict := _verdict(claim.contrast, claim, grouped[preset, task], preset, task):
            found.append(verdict)
    return found


def holm(verdicts: Iterable[Verdict]) -> set[tuple[str, str | None]]:
    """(claim's id, task) of the verdicts that hold when all are judged together (Holm 1979).

    All that have an interval are counted, the inconclusive ones too.
    """
    tested = [verdict for verdict in verdicts if verdict.p is not None]
    held = holm_rejections([v.p for v in tested if v.p is not None])
    return {(tested[place].claim.id, tested[place].task) for place in held}


@singledispatch
def _verdict(contrast: Contrast, claim: Claim, runs: Runs, preset: str, task: str) -> Verdict | None:
    """The verdict of one preset and task, by the class of the claim's contrast; None without runs."""
    raise NotImplementedError(f"nothing decides a contrast of class {type(contrast).__name__}")


@_verdict.register
def _(contrast: Exact, claim: Claim, runs: Runs, preset: str, task: str) -> Verdict | None:
    found = [read(result, contrast.metric) for result in runs.get(contrast.arm, {}).values()]
    found = [counts for counts in found if counts is not None]
    if not found:
        return None
    against = sum(counts["differing"] for counts in found)
    compared = sum(counts["compared"] for counts in found)
    return Verdict(
        claim=claim,
        verdict=word(claim, against == 0),
        preset=preset,
        task=task,
        n=compared,
        effect=float(against),
    )


@_verdict.register
def _(contrast: Estimate, claim: Claim, runs: Runs, preset: str, task: str) -> Verdict | None:
    chose, seeds = contrast.spent
    if chose == preset:
        runs = {arm: {s: r for s, r in found.items() if s >= seeds} for arm, found in runs.items()}
    effects = _effects(contrast, runs)
    values = [value for value in effects if value is not None]
    if not values:
        return None
    mean, low, high = paired_interval(values)
    holds = contrast.holds(low, high)
    if not any(values) and not isinstance(contrast, Equivalence) and contrast.margin >= 0:
        # The arms have identical results, as where a trick never acted: that tests no difference.
        holds = None
    bounded = math.isfinite(low)
    return Verdict(
        claim=claim,
        verdict=word(claim, holds),
        preset=preset,
        task=task,
        n=len(values),
        effect=mean,
        low=low if bounded else None,
        high=high if bounded else None,
        p=_p_value(contrast, holds, values, mean) if bounded else None,
        missing=len(effects) - len(values),
    )


def _p_value(contrast: Estimate, holds: bool | None, values: list[float], mean: float) -> float:
    error = standard_error(values, mean)
    # Differences of accuracies that are equal in arithmetic are not to the last bit.
    if holds is None or error <= 1e-9 * max(map(abs, values)):
        return 1.0
    return two_sided_p(contrast.beyond(mean) / error, len(values) - 1)


@singledispatch
def _effects(contrast: Estimate, runs: Runs) -> list[float | None]:
    """The effect for each seed that all arms of the contrast have; None where one has no such value."""
    raise NotImplementedError(f"nothing estimates a contrast of class {type(contrast).__name__}")


@_effects.register
def _(contrast: Difference | Equivalence, runs: Runs) -> list[float | None]:
    weights = _difference_weights(contrast.arm, contrast.control)
    metrics = dict.fromkeys(weights, contrast.metric)
    if contrast.control_metric:
        metrics[str(contrast.control)] = contrast.control_metric
    return _weighted_sums(contrast, weights, metrics, runs)


@_effects.register
def _(contrast: Trend, runs: Runs) -> list[float | None]:
    weights = slope_weights(contrast.arms)
    return _weighted_sums(contrast, weights, dict.fromkeys(weights, contrast.metric), runs)


@_effects.register
def _(contrast: Speed, runs: Runs) -> list[float | None]:
    effects: list[float | None] = []
    for seed in _common_seeds(runs, contrast.named()):
        arm, control = (read(runs[side][seed], contrast.metric) for side in contrast.named())
        if not arm or not control:
            effects.append(None)
            continue
        ends = arm[-1], control[-1]
        levels = {"own": ends, "lower": (min(ends),) * 2, "control": (control[-1],) * 2}[contrast.level]
        taken = [
            first_reach(curve, level - contrast.below)
            for curve, level in zip((arm, control), levels, strict=True)
        ]
        effects.append(float(taken[0] - taken[1]))
    return effects


def _weighted_sums(
    contrast: Difference | Equivalence | Trend,
    weights: Mapping[str, float],
    metrics: Mapping[str, str],
    runs: Runs,
) -> list[float | None]:
    """For each seed the arms' values, each times its weight, added up and in the contrast's unit."""
    effects: list[float | None] = []
    for seed in _common_seeds(runs, weights):
        parts = {arm: read(runs[arm][seed], metrics[arm]) for arm in weights}
        if None in parts.values():
            effects.append(None)
            continue
        if contrast.log:
            parts = {arm: math.log10(max(part, FLOOR)) for arm, part in parts.items()}
        effects.append(contrast.scale * math.fsum(w * parts[a] for a, w in weights.items()))
    return effects


def _common_seeds(runs: Runs, arms: Iterable[str]) -> list[int]:
    return sorted(set.intersection(*(set(runs.get(arm, {})) for arm in arms)))


def _difference_weights(arm: Side, control: Side | None) -> dict[str, float]:
    weights: dict[str, float] = {}
    for side, factor in ((arm, 1.0), (control, -1.0)):
        if not side:
            continue
        plus, minus = (side, None) if isinstance(side, str) else side
        weights[plus] = weights.get(plus, 0.0) + factor
        if minus is not None:
            weights[minus] = weights.get(minus, 0.0) - factor
    return weights
