"""How curves decide a claim: effect, confidence interval, n, verdict; and whether it was tested at all.

A claim is decided for each preset and each *task*, the data set and network that runs have in common:
runs of different tasks are never compared.
"""

import math
from collections.abc import Callable, Mapping
from dataclasses import dataclass, field, replace

from bnnstudy.config import checks
from bnnstudy.config.checks import shown
from bnnstudy.config.fields import PRESETS
from bnnstudy.config.run import RunConfig
from bnnstudy.evidence.claims import Claim, Equivalence, Estimate, Every, Exact, Speed
from bnnstudy.evidence.curves import Curve, Curves, common_seeds, with_parts
from bnnstudy.evidence.estimates import effect
from bnnstudy.evidence.records import RecordError
from bnnstudy.evidence.requirements import Looked, look
from bnnstudy.evidence.runs import read, same_course, steps_of

NOT_RUN, NOT_TESTED = "not run", "not tested"

FRESH = 3
"""Seeds that a post hoc claim needs beside those that may have suggested it, to be judged by them."""

Known = Callable[[str, str], int]
"""By preset and task, how many of the first seeds were known when a claim was written down."""


def none_known(preset: str, task: str) -> int:
    """For a claim that came before its runs."""
    return 0


WORDS = (
    "reproduced",
    "not reproduced",
    "supported",
    "refuted",
    "inconclusive",
    NOT_TESTED,
    NOT_RUN,
)
"""Every word that a verdict may have."""


def word(claim: Claim, holds: bool | None) -> str:
    """What is said of a claim that holds, does not, or (None) is open.

    Papers' claims are reproduced or not, our own are supported or refuted.
    """
    if holds is None:
        return "inconclusive"
    yes, no = ("supported", "refuted") if claim.paper == "ours" else ("reproduced", "not reproduced")
    return yes if holds else no


_NUMBER = checks.Rule(float, "a number")
_MAY_LACK = ("preset", "task", "n", "effect", "low", "high", "p", "trajectories")
_RULES = {
    **dict.fromkeys(("preset", "task", "why", "otherwise", "turns"), checks.NAME),
    **dict.fromkeys(("n", "missing", "trajectories", "runners_up"), checks.WHOLE),
    **dict.fromkeys(("effect", "low", "high", "p"), _NUMBER),
    "post_hoc": checks.FLAG,
}


@dataclass(frozen=True, kw_only=True)
class Verdict:
    """What the records of one preset, on one data set and network (its `task`), say of a claim.

    `verdict` is one of `WORDS`. `effect`, `low` and `high` are in the contrast's unit, `low` and `high`
    None where there is no interval (an `Exact` contrast, or fewer than two seeds). `n` is the number of
    seeds, for `Exact` the number of comparisons. `p` is the two-sided p-value of the effect against the
    margin that it passes; 1 where it passes none or the differences have no spread, None where there is
    no interval. `missing` counts seeds that all arms ran, but not to where the metric is (a loss that
    diverged). `trajectories` counts the runs of an `Exact` contrast. Where the verdict is "not tested",
    `why` has the figures that show it and `otherwise` the verdict that it would have been. `turns` says
    which arm at its runner-up value turns the verdict, and to what; `runners_up` counts the arms
    looked at so. `post_hoc` says that seeds judge which were known when the claim was written down, as
    there are too few others. `scale` is how much one run of the first arm is: `images` to train on (0
    for all), `width`, `epochs` and, where counted, `steps`. `looked` is what its claim requires, as the
    runs have it.

        >>> from bnnstudy.studies import STUDIES
        >>> claim = STUDIES["binary_layers"].claims[1]
        >>> verdict = Verdict(claim=claim, verdict="supported", preset="desk", task="mnist mlp", n=8,
        ...                   effect=1.2, low=0.8, high=1.6)
        >>> verdict.line()
        'supported       layers-mask: +1.20 [+0.80, +1.60] percentage points, n = 8 (desk, mnist mlp)'

    Raises:
        ValueError: if `verdict` is no word of `WORDS`, or another field is not of its type.
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
    trajectories: int | None = None
    why: str = ""
    otherwise: str = ""
    turns: str = ""
    runners_up: int = 0
    post_hoc: bool = False
    scale: Mapping[str, int] = field(default_factory=dict)
    looked: tuple[Looked, ...] = ()

    def __post_init__(self) -> None:
        checks.instance("claim", self.claim, Claim)
        checks.one_of("verdict", self.verdict, WORDS)
        checks.settle(self, _RULES, or_none=_MAY_LACK)
        if (self.low is None) != (self.high is None):
            raise ValueError(
                f"low and high must be two numbers or None, got {self.low} and {self.high}"
            )
        if self.effect is not None and self.n is None:
            raise ValueError(f"n must be a number where there is an effect, {self.effect}, got None")
        checks.instance("scale", self.scale, Mapping)
        checks.all_of("looked", self.looked, Looked)

    def summary(self) -> dict[str, object]:
        """What a report says of the verdict, in JSON's types; None where there is nothing to say."""
        return {
            "verdict": self.verdict,
            "preset": self.preset,
            "task": self.task,
            "n": self.n,
            "effect": self.effect,
            "low": self.low,
            "high": self.high,
            "unit": self.claim.contrast.unit,
            "p": self.p,
            "missing": self.missing,
            "trajectories": self.trajectories,
            "why": self.why,
            "otherwise": self.otherwise,
            "turns": self.turns,
            "runners_up": self.runners_up,
            "post_hoc": self.post_hoc,
            "scale": dict(self.scale),
            "requires": [one.summary() for one in self.looked],
        }

    def measured(self) -> str:
        """Effect, interval, unit and n in words; empty if not run."""
        if self.effect is None:
            return ""
        unit = self.claim.contrast.unit
        if isinstance(self.claim.contrast, Exact):
            runs = f"{self.trajectories} trajector{'y' if self.trajectories == 1 else 'ies'}"
            return f"{self.effect:,.0f} of {self.n:,} {unit} ({runs})"
        interval = "" if self.low is None else f" [{self.low:+.2f}, {self.high:+.2f}]"
        equal = " (equal in every seed)" if self.effect == self.low == self.high == 0 else ""
        missing = f" (seeds without a value: {self.missing})" if self.missing else ""
        contrast = self.claim.contrast
        parts = len(contrast.pairs()) if isinstance(contrast, Every) else 1
        least = f" (the least of {parts})" if parts > 1 else ""
        return f"{self.effect:+.2f}{interval} {unit}{least}{equal}{missing}, n = {self.n}"

    def line(self) -> str:
        """The verdict as one line of text."""
        head = f"{self.verdict:<15} {self.claim.id}"
        if not self.preset:
            return head
        post_hoc = "by the runs that may have suggested it" if self.post_hoc else ""
        beside = "".join(f"; {text}" for text in (post_hoc, self.why, self.turns) if text)
        return f"{head}: {self.measured()} ({self.where()}){beside}"

    def where(self) -> str:
        """Preset, data and network in words, such as "desk, mnist mlp"; empty if not run."""
        return ", ".join(part for part in (self.preset, self.task) if part)


def decide(claim: Claim, curves: Curves, known: Known = none_known) -> list[Verdict]:
    """The verdicts that a claim's answer rests on, one a preset and task; else "not run".

    Those of all presets from `desk` on stand side by side: a larger one with fewer seeds does not
    silently win. `quick` counts where there is no other, and a single seed, which has no interval,
    where nothing has one.

        >>> from bnnstudy.evidence.curves import fixed
        >>> from bnnstudy.studies import STUDIES
        >>> shares = {"clip": (0.91, 0.92, 0.93), "identity": (0.88, 0.90, 0.90)}  # by arm and seed
        >>> records = [{"arm": arm, "preset": "desk", "config": {"dataset": "mnist", "seed": seed},
        ...             "result": {"test_accuracy": shares[arm][seed]}}
        ...            for arm in shares for seed in range(3)]
        >>> [verdict] = decide(STUDIES["binary_layers"].claims[1], fixed(records))
        >>> verdict.verdict, verdict.measured()
        ('supported', '+2.67 [+1.52, +3.81] percentage points, n = 3')

    Args:
        known: what was known of each preset and task when the claim was written down. Where there are
            `FRESH` other seeds or more, these alone choose and judge.
    """
    found = decide_each(claim, curves, known)
    if not found:
        return [Verdict(claim=claim, verdict=NOT_RUN)]
    able = [v for v in found if v.low is not None or isinstance(claim.contrast, Exact)] or found
    return [verdict for verdict in able if verdict.preset != PRESETS[0]] or able


def _require_curves(curves: object) -> None:
    """That curves are by a preset and a task."""
    groups = list(curves) if isinstance(curves, Mapping) else [None]
    if not all(
        isinstance(group, tuple) and len(group) == 2 and group[0] in PRESETS for group in groups
    ):
        raise ValueError(f"curves must be by (preset, task), got {shown(curves)}")


def decide_each(claim: Claim, curves: Curves, known: Known = none_known) -> list[Verdict]:
    """One verdict for each preset and task that has what the contrast needs, presets in their order.

    >>> from bnnstudy.evidence.curves import fixed
    >>> from bnnstudy.studies import STUDIES
    >>> records = [{"arm": arm, "preset": preset, "config": {"seed": 0},
    ...             "result": {"test_accuracy": share}}
    ...            for preset in ("quick", "desk")
    ...            for arm, share in (("clip", 0.9), ("identity", 0.8))]
    >>> found = decide_each(STUDIES["binary_layers"].claims[1], fixed(records))
    >>> [(one.preset, round(one.effect, 6), one.verdict) for one in found]  # of one seed each
    [('quick', 10.0, 'inconclusive'), ('desk', 10.0, 'inconclusive')]
    """
    checks.instance("claim", claim, Claim)
    _require_curves(curves)
    found = []
    for preset, task in sorted(curves, key=lambda group: PRESETS.index(group[0])):
        arms = with_parts(curves[preset, task])
        first = known(preset, task)
        later = _later(claim, arms, first)
        verdict = _verdict(claim, arms, preset, task, first if later else 0)
        if verdict:
            scale = _scale(arms[claim.contrast.named()[0]])
            found.append(replace(verdict, scale=scale, post_hoc=bool(first) and not later))
    return found


def _later(claim: Claim, curves: Mapping[str, Curve], first: int) -> bool:
    """Whether there are seeds enough that were not known."""
    names = claim.contrast.named()
    return all(name in curves for name in names) and (
        len(common_seeds([curves[name] for name in names], first)) >= FRESH
    )


def _verdict(
    claim: Claim, curves: Mapping[str, Curve], preset: str, task: str, first: int
) -> Verdict | None:
    """The verdict of one preset and task; None without runs."""
    contrast = claim.contrast
    if isinstance(contrast, Exact):
        return _exact(claim, contrast, curves, preset, task)
    assert isinstance(contrast, Estimate)
    chose, spent = contrast.spent
    first = max(first, spent if chose == preset else 0)
    verdict = _estimated(claim, contrast, curves, first)
    if not verdict:
        return None
    seeds = common_seeds([curves[name] for name in contrast.named()], first)
    looked = tuple(look(need, curves, seeds) for need in claim.requires)
    verdict = replace(verdict, preset=preset, task=task, looked=looked)
    if why := _untested(contrast, curves, seeds, first, looked):
        return replace(verdict, verdict=NOT_TESTED, otherwise=verdict.verdict, why=why)
    turned = _at_runners_up(claim, contrast, curves, first, verdict.verdict)
    turns = "; ".join(text for text in turned if text)
    return replace(verdict, turns=turns, runners_up=len(turned))


def _scale(curve: Curve) -> dict[str, int]:
    """How much one run of an arm is."""
    record = curve.judged()[0]
    config = RunConfig.from_dict(record["config"])
    sizes = {"images": config.train_size, "width": config.width, "epochs": config.epochs}
    if read(record["result"], "flip_ratio.steps.-1") is None:
        return sizes
    return {**sizes, "steps": steps_of(record["result"], config.stages)}


def _exact(
    claim: Claim, contrast: Exact, curves: Mapping[str, Curve], preset: str, task: str
) -> Verdict | None:
    curve = curves.get(contrast.arm)
    found = [read(record["result"], contrast.metric) for record in (curve.judged() if curve else [])]
    found = [counts for counts in found if counts is not None]
    if not found:
        return None
    for counts in found:
        good = isinstance(counts, dict) and {"differing", "compared"} <= counts.keys()
        if not good or not all(type(counts[name]) is int for name in ("differing", "compared")):
            raise RecordError(
                f"records of arm {contrast.arm!r} must have counts at {contrast.metric}, got "
                f"{shown(counts)}"
            )
    against = sum(counts["differing"] for counts in found)
    return Verdict(
        claim=claim,
        verdict=word(claim, against == 0),
        preset=preset,
        task=task,
        n=sum(counts["compared"] for counts in found),
        trajectories=len(found),
        effect=float(against),
    )


def _estimated(
    claim: Claim,
    contrast: Estimate,
    curves: Mapping[str, Curve],
    first: int,
    instead: Curve | None = None,
) -> Verdict | None:
    found = effect(contrast, curves, first, instead)
    if not found:
        return None
    low, high = found.interval()
    holds = contrast.holds(low, high)
    equal = found.values and not any(found.values)
    if equal and not isinstance(contrast, Equivalence) and contrast.margin >= 0:
        holds = None  # equal to the last digit: that tests no difference
    bounded = math.isfinite(low)
    p = 1.0 if holds is None else found.p(contrast)
    return Verdict(
        claim=claim,
        verdict=word(claim, holds),
        n=found.n,
        effect=found.mean,
        low=low if bounded else None,
        high=high if bounded else None,
        p=p if bounded else None,
        missing=found.missing,
    )


def _untested(
    contrast: Estimate,
    curves: Mapping[str, Curve],
    seeds: list[int],
    first: int,
    looked: tuple[Looked, ...],
) -> str:
    """Why the runs do not test the claim, with the figures; empty if they do."""
    if len(contrast.named()) > 1 and _identical(curves, contrast.metrics(), seeds):
        return "all arms are the same training, to the last digit, in every seed"
    if isinstance(contrast, Speed):
        found = effect(contrast, curves, first)
        if found and found.censored > 0.5:
            return f"{found.censored:.0%} of the runs never came to the level"
    return "; ".join(str(one) for one in looked if not one.met)


def _identical(curves: Mapping[str, Curve], metrics: Mapping[str, str], seeds: list[int]) -> bool:
    """Whether all arms are one training in every seed, and measured alike: what differs never acted."""
    (at, *others_at), (first, *others) = (
        [*metrics.values()],
        [[record["result"] for record in curves[name].judged(seeds)] for name in metrics],
    )
    return all(
        same_course(one, other) and read(one, at) == read(other, other_at)
        for other_at, results in zip(others_at, others, strict=True)
        for one, other in zip(first, results, strict=True)
    )


def _at_runners_up(
    claim: Claim, contrast: Estimate, curves: Mapping[str, Curve], first: int, verdict: str
) -> list[str]:
    """For each arm that has a runner-up value what the verdict turns to there; empty if it stands."""
    choosers = dict.fromkeys(curves[name].chooser for name in contrast.named())
    turned = []
    for chooser in choosers:
        if chooser.runner_up is None:
            continue
        found = _estimated(claim, contrast, curves, first, chooser)
        stands = not found or found.verdict == verdict
        word = "" if stands or not found else found.verdict
        turned.append(word and f"{word} with `{chooser.arm}` at {chooser.runner_up:.3g}")
    return turned
