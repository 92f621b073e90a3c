"""What a claim is, and how records decide it: effect, confidence interval, n, verdict.

A claim declares one contrast before any run: what is compared with what, in which metric, on which
side the claim stands, and the smallest effect that would matter.
"""

import math
from collections.abc import Iterable, Mapping
from dataclasses import dataclass
from typing import Any

from bnnstudy.config import PRESETS

CONFIDENCE = 0.95
PAPERS = ("A", "B", "ours")
KINDS = ("difference", "equivalence", "exact", "trend")
Side = str | tuple[str, str]


@dataclass(frozen=True, kw_only=True)
class Contrast:
    """What decides a claim.

    Attributes:
        kind: `"difference"`: arm minus control, beyond the margin on the claimed side;
            `"equivalence"`: arm minus control within ±margin; `"exact"`: counterexamples in `arm`,
            of which the claim says there is none; `"trend"`: slope of the metric over `arms`.
        metric: a path into a record's `result`, such as `"test_accuracy"` or, after the first epoch,
            `"curves.test_accuracy.0"`; for `"exact"` it leads to `{"differing": …, "compared": …}`.
        arm, control: names of arms; a pair (x, y) stands for the difference x - y.
        arms: for a trend, (name, position) of each arm, at least three.
        direction: 1 if the claim says that the effect is positive, -1 if negative.
        margin: the smallest effect that would matter, in `unit`. A negative one (differences only)
            says "no worse than that".
        scale: what the metric is multiplied with to be in `unit`.
    """

    kind: str
    metric: str
    arm: Side = ""
    control: Side = ""
    arms: tuple[tuple[str, float], ...] = ()
    direction: int = 1
    margin: float = 0.0
    unit: str = "percentage points"
    scale: float = 100.0

    def __post_init__(self) -> None:
        if self.kind not in KINDS:
            raise ValueError(f"kind must be one of {', '.join(KINDS)}; got {self.kind!r}")
        if self.direction not in (1, -1):
            raise ValueError(f"direction must be 1 or -1, got {self.direction!r}")
        if not (self.margin >= 0 or (self.kind == "difference" and math.isfinite(self.margin))):
            raise ValueError(
                f"margin must be 0 or more, or for a difference finite, got {self.margin!r}"
            )
        if self.kind in ("difference", "equivalence") and not (self.arm and self.control):
            raise ValueError(f"a contrast of kind {self.kind!r} needs an arm and a control")
        if self.kind == "exact" and not self.arm:
            raise ValueError("a contrast of kind 'exact' needs an arm")
        if self.kind == "trend" and len({position for _, position in self.arms}) < 3:
            raise ValueError("a contrast of kind 'trend' needs three arms or more, at three positions")


@dataclass(frozen=True, kw_only=True)
class Claim:
    """An empirical claim, in our words.

    Attributes:
        id: short name, unique in the ledger.
        paper: `"A"`, `"B"` or `"ours"`.
        source: section, figure or table.
        text: what is claimed.
        paper_value: the paper's own number, None where it gives none.
        contrast: what decides it.
    """

    id: str
    paper: str
    source: str
    text: str
    contrast: Contrast
    paper_value: str | None = None

    def __post_init__(self) -> None:
        if self.paper not in PAPERS:
            raise ValueError(f"paper must be one of {', '.join(PAPERS)}; got {self.paper!r}")


@dataclass(frozen=True, kw_only=True)
class Verdict:
    """What the records of one preset say of a claim.

    `effect`, `low` and `high` are in the contrast's unit, `low` and `high` None where there is no
    interval (kind `"exact"`, or fewer than two seeds). `n` is the number of seeds, for `"exact"` the
    number of comparisons. `p` is the two-sided p-value of the effect against the margin that it
    passes; 1 where it passes none or the differences have no spread, None where there is no interval.
    """

    claim: Claim
    verdict: str
    preset: str | None = None
    n: int | None = None
    effect: float | None = None
    low: float | None = None
    high: float | None = None
    p: float | None = None

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
        return f"{self.effect:+.2f}{interval} {unit}, n = {self.n}"

    def line(self) -> str:
        """The verdict as one line of text."""
        head = f"{self.verdict:<15} {self.claim.id}"
        return f"{head}: {self.measured()} ({self.preset})" if self.preset else head


def words(claim: Claim) -> dict[str, str]:
    """The words for yes and no: papers are reproduced, our own claims are supported."""
    if claim.paper == "ours":
        return {"yes": "supported", "no": "refuted"}
    return {"yes": "reproduced", "no": "not reproduced"}


def decide(claim: Claim, records: Iterable[Mapping]) -> Verdict:
    """The verdict of the largest preset that has what the contrast needs; else "not run"."""
    verdicts = decide_each(claim, records)
    if not verdicts:
        return Verdict(claim=claim, verdict="not run")
    return max(verdicts, key=lambda verdict: PRESETS.index(verdict.preset))


def decide_each(claim: Claim, records: Iterable[Mapping]) -> list[Verdict]:
    """One verdict for each preset that has what the contrast needs, in the order of the presets."""
    records = list(records)
    verdicts = []
    for preset in PRESETS:
        runs = _by_arm([record for record in records if record["preset"] == preset])
        judge = _exact if claim.contrast.kind == "exact" else _interval
        if verdict := judge(claim, runs, preset):
            verdicts.append(verdict)
    return verdicts


def holm(verdicts: Iterable[Verdict], level: float = 1 - CONFIDENCE) -> set[str]:
    """Ids of the claims whose verdict holds when all are judged together (Holm 1979).

    All that have an interval are counted, the inconclusive ones too.
    """
    tested = sorted(((v.p, v.claim.id) for v in verdicts if v.p is not None), key=lambda t: t[0])
    held = set()
    for rank, (p, id) in enumerate(tested):
        if p > level / (len(tested) - rank):
            break
        held.add(id)
    return held


def paired_interval(values: list[float]) -> tuple[float, float, float]:
    """(mean, low, high) of paired differences over seeds: Student's t at 95 %."""
    from scipy import stats

    mean = math.fsum(values) / len(values)
    if len(values) < 2:
        return mean, -math.inf, math.inf
    error = _standard_error(values, mean)
    reach = stats.t.ppf((1 + CONFIDENCE) / 2, len(values) - 1) * error
    return mean, mean - reach, mean + reach


def _by_arm(records: list[Mapping]) -> dict[str, dict[int, Mapping]]:
    runs: dict[str, dict[int, Mapping]] = {}
    for record in records:
        runs.setdefault(record["arm"], {})[record["config"]["seed"]] = record["result"]
    return runs


def _lookup(result: Any, metric: str) -> Any:
    for part in metric.split("."):
        if isinstance(result, list) and part.isdigit() and int(part) < len(result):
            result = result[int(part)]
        elif isinstance(result, Mapping) and part in result:
            result = result[part]
        else:
            return None
    return result


def _exact(claim: Claim, runs: dict, preset: str) -> Verdict | None:
    found = [_lookup(r, claim.contrast.metric) for r in runs.get(claim.contrast.arm, {}).values()]
    found = [counts for counts in found if counts is not None]
    if not found:
        return None
    against = sum(counts["differing"] for counts in found)
    compared = sum(counts["compared"] for counts in found)
    answer = words(claim)["no" if against else "yes"]
    return Verdict(claim=claim, verdict=answer, preset=preset, n=compared, effect=float(against))


def _interval(claim: Claim, runs: dict, preset: str) -> Verdict | None:
    contrast = claim.contrast
    if contrast.kind == "trend":
        weights = _slope_weights(contrast.arms)
    else:
        weights = _difference_weights(contrast.arm, contrast.control)
    if any(arm not in runs for arm in weights):
        return None
    seeds = set.intersection(*(set(runs[arm]) for arm in weights))
    values = []
    for seed in sorted(seeds):
        parts = {arm: _lookup(runs[arm][seed], contrast.metric) for arm in weights}
        if None not in parts.values():
            values.append(contrast.scale * math.fsum(w * parts[a] for a, w in weights.items()))
    if not values:
        return None
    mean, low, high = paired_interval(values)
    outcome = _judge(contrast, low, high)
    bounded = math.isfinite(low)
    return Verdict(
        claim=claim,
        verdict=words(claim).get(outcome, outcome),
        preset=preset,
        n=len(values),
        effect=mean,
        low=low if bounded else None,
        high=high if bounded else None,
        p=_p_value(contrast, outcome, values, mean) if bounded else None,
    )


def _difference_weights(arm: Side, control: Side) -> dict[str, float]:
    weights: dict[str, float] = {}
    for side, factor in ((arm, 1.0), (control, -1.0)):
        plus, minus = (side, None) if isinstance(side, str) else side
        weights[plus] = weights.get(plus, 0.0) + factor
        if minus is not None:
            weights[minus] = weights.get(minus, 0.0) - factor
    return weights


def _slope_weights(arms: tuple[tuple[str, float], ...]) -> dict[str, float]:
    center = math.fsum(x for _, x in arms) / len(arms)
    spread = math.fsum((x - center) ** 2 for _, x in arms)
    return {arm: (x - center) / spread for arm, x in arms}


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

    error = _standard_error(values, mean)
    if outcome == "inconclusive" or error == 0:
        return 1.0
    if contrast.kind == "equivalence":
        distance = abs(abs(mean) - contrast.margin)
    else:
        distance = abs(contrast.direction * mean - contrast.margin)
    return float(2 * stats.t.sf(distance / error, len(values) - 1))


def _standard_error(values: list[float], mean: float) -> float:
    squares = math.fsum((value - mean) ** 2 for value in values)
    return math.sqrt(squares / (len(values) - 1) / len(values))
