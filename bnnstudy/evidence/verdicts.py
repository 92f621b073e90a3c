"""How records decide a claim: effect, confidence interval, n, verdict.

A claim is decided for each preset and each *task*, the data set and network that runs have in common:
runs of different tasks are never compared.
"""

import math
from collections.abc import Iterable, Mapping
from dataclasses import dataclass

from bnnstudy.config.fields import PRESETS
from bnnstudy.evidence.claims import Claim, Contrast, Side
from bnnstudy.evidence.runs import Runs, by_task, read
from bnnstudy.evidence.statistics import (
    CONFIDENCE,
    epochs_to,
    paired_interval,
    slope_weights,
    standard_error,
)

FLOOR = 1e-6
"""The smallest value that a logarithm tells from zero."""


MARKS = {
    "reproduced": "✓",
    "supported": "✓",
    "not reproduced": "✗",
    "refuted": "✗",
    "inconclusive": "?",
    "not run": "–",
}
"""One sign for each word of a verdict."""


def words(claim: Claim) -> dict[str, str]:
    """The words for yes and no: papers are reproduced, our own claims are supported."""
    if claim.paper == "ours":
        return {"yes": "supported", "no": "refuted"}
    return {"yes": "reproduced", "no": "not reproduced"}


@dataclass(frozen=True, kw_only=True)
class Verdict:
    """What the records of one preset, on one data set and network (its `task`), say of a claim.

    `effect`, `low` and `high` are in the contrast's unit, `low` and `high` None where there is no
    interval (kind `"exact"`, or fewer than two seeds). `n` is the number of seeds, for `"exact"` the
    number of comparisons. `p` is the two-sided p-value of the effect against the margin that it
    passes; 1 where it passes none or the differences have no spread, None where there is no interval.
    `missing` counts seeds that all arms ran, but not to where the metric is (a loss that diverged).
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
        if self.claim.contrast.kind == "exact":
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


def decide(claim: Claim, records: Iterable[Mapping]) -> list[Verdict]:
    """The verdicts of the largest preset that can decide the claim, one a task; else "not run".

    A single seed has no interval: where a smaller preset has one, it is that preset's verdict.
    """
    found = decide_each(claim, records)
    if not found:
        return [Verdict(claim=claim, verdict="not run")]
    able = [v for v in found if v.low is not None or claim.contrast.kind == "exact"] or found
    return [verdict for verdict in found if verdict.preset == able[-1].preset]


def decide_each(claim: Claim, records: Iterable[Mapping]) -> list[Verdict]:
    """One verdict for each preset and task that has what the contrast needs, presets in their order."""
    grouped = by_task(records)
    judge = _exact if claim.contrast.kind == "exact" else _interval
    found = []
    for preset, task in sorted(grouped, key=lambda group: PRESETS.index(group[0])):
        if verdict := judge(claim, grouped[preset, task], preset, task):
            found.append(verdict)
    return found


def holm(verdicts: Iterable[Verdict], level: float = 1 - CONFIDENCE) -> set[tuple[str, str | None]]:
    """(claim's id, task) of the verdicts that hold when all are judged together (Holm 1979).

    All that have an interval are counted, the inconclusive ones too.
    """
    tested = [(v.p, v.claim.id, v.task) for v in verdicts if v.p is not None]
    held = set()
    for rank, (p, id, task) in enumerate(sorted(tested, key=lambda t: t[0])):
        if p > level / (len(tested) - rank):
            break
        held.add((id, task))
    return held


def _exact(claim: Claim, runs: Runs, preset: str, task: str) -> Verdict | None:
    found = [read(r, claim.contrast.metric) for r in runs.get(str(claim.contrast.arm), {}).values()]
    found = [counts for counts in found if counts is not None]
    if not found:
        return None
    against = sum(counts["differing"] for counts in found)
    compared = sum(counts["compared"] for counts in found)
    answer = words(claim)["no" if against else "yes"]
    return Verdict(
        claim=claim, verdict=answer, preset=preset, task=task, n=compared, effect=float(against)
    )


def _interval(claim: Claim, runs: Runs, preset: str, task: str) -> Verdict | None:
    contrast = claim.contrast
    chose, seeds = contrast.spent
    if chose == preset:
        runs = {arm: {s: r for s, r in found.items() if s >= seeds} for arm, found in runs.items()}
    effects = _speeds(contrast, runs) if contrast.kind == "speed" else _effects(contrast, runs)
    values = [value for value in effects if value is not None]
    if not values:
        return None
    mean, low, high = paired_interval(values)
    outcome = _judge(contrast, low, high)
    if not any(values) and contrast.kind != "equivalence" and contrast.margin >= 0:
        # The arms are one run, as where a trick never acted: no test of a difference.
        outcome = "inconclusive"
    bounded = math.isfinite(low)
    return Verdict(
        claim=claim,
        verdict=words(claim).get(outcome, outcome),
        preset=preset,
        task=task,
        n=len(values),
        effect=mean,
        low=low if bounded else None,
        high=high if bounded else None,
        p=_p_value(contrast, outcome, values, mean) if bounded else None,
        missing=len(effects) - len(values),
    )


def _effects(contrast: Contrast, runs: Runs) -> list[float | None]:
    """The contrast's effect for each seed that all its arms have; None where one has no such value."""
    if contrast.kind == "trend":
        weights = slope_weights(contrast.arms)
    else:
        weights = _difference_weights(contrast.arm, contrast.control)
    effects: list[float | None] = []
    for seed in _common_seeds(runs, weights):
        parts = {arm: read(runs[arm][seed], _metric_of(contrast, arm)) for arm in weights}
        if None in parts.values():
            effects.append(None)
            continue
        if contrast.log:
            parts = {arm: math.log10(max(part, FLOOR)) for arm, part in parts.items()}
        effects.append(contrast.scale * math.fsum(w * parts[a] for a, w in weights.items()))
    return effects


def _metric_of(contrast: Contrast, arm: str) -> str:
    return (contrast.control_metric if arm == contrast.control else "") or contrast.metric


def _speeds(contrast: Contrast, runs: Runs) -> list[float | None]:
    """Epochs to the level of an end, arm minus control, for each seed that both have."""
    sides = [str(contrast.arm), str(contrast.control)]
    effects: list[float | None] = []
    for seed in _common_seeds(runs, sides):
        arm, control = (read(runs[side][seed], contrast.metric) for side in sides)
        if not arm or not control:
            effects.append(None)
            continue
        ends = arm[-1], control[-1]
        levels = {"own": ends, "lower": (min(ends),) * 2, "control": (control[-1],) * 2}[contrast.level]
        taken = [
            epochs_to(level - contrast.below, curve)
            for level, curve in zip(levels, (arm, control), strict=True)
        ]
        effects.append(float(taken[0] - taken[1]))
    return effects


def _common_seeds(runs: Runs, arms: Iterable[str]) -> list[int]:
    return sorted(set.intersection(*(set(runs.get(arm, {})) for arm in arms)))


def _difference_weights(arm: Side, control: Side) -> dict[str, float]:
    weights: dict[str, float] = {}
    for side, factor in ((arm, 1.0), (control, -1.0)):
        if not side:
            continue
        plus, minus = (side, None) if isinstance(side, str) else side
        weights[plus] = weights.get(plus, 0.0) + factor
        if minus is not None:
            weights[minus] = weights.get(minus, 0.0) - factor
    return weights


def _judge(contrast: Contrast, low: float, high: float) -> str:
    if contrast.kind == "equivalence":
        if -contrast.margin <= low and high <= contrast.margin:
            return "yes"
        return "no" if low > contrast.margin or high < -contrast.margin else "inconclusive"
    if contrast.direction < 0:
        low, high = -high, -low
    if low > contrast.margin:
        return "yes"
    return "no" if high < contrast.margin else "inconclusive"


def _p_value(contrast: Contrast, outcome: str, values: list[float], mean: float) -> float:
    from scipy import stats

    error = standard_error(values, mean)
    # Differences of accuracies that are equal in arithmetic are not to the last bit.
    if outcome == "inconclusive" or error <= 1e-9 * max(map(abs, values)):
        return 1.0
    if contrast.kind == "equivalence":
        distance = abs(abs(mean) - contrast.margin)
    else:
        distance = abs(contrast.direction * mean - contrast.margin)
    return float(2 * stats.t.sf(distance / error, len(values) - 1))
