"""What a claim is: its source, the paper's number, and the contrast that decides it.

A claim declares one contrast before any run: what is compared with what, in which metric, on which
side the claim stands, and the smallest effect that would matter. `bnnstudy.verdicts` decides it.
"""

import math
from collections.abc import Mapping
from dataclasses import dataclass, field
from typing import Any

PAPERS = ("A", "B", "ours")
KINDS = ("difference", "equivalence", "exact", "trend", "speed")
Side = str | tuple[str, str]


@dataclass(frozen=True, kw_only=True)
class Contrast:
    """What decides a claim.

    Attributes:
        kind: `"difference"`: arm minus control, beyond the margin on the claimed side; without a
            control the arm's own value;
            `"equivalence"`: arm minus control within ±margin; `"exact"`: counterexamples in `arm`,
            of which the claim says there is none; `"trend"`: slope of the metric over `arms`;
            `"speed"`: epochs until the metric, a curve, reaches the level at which the control's ends
            less `below`, arm minus control; what never reaches it counts as one epoch more than it has.
        metric: a path into a record's `result`, such as `"test_accuracy"` or, after the first epoch,
            `"curves.test_accuracy.0"`, after the last `"curves.test_accuracy.-1"`; for `"exact"` it
            leads to `{"differing": …, "compared": …}`.
        arm, control: names of arms; a pair (x, y) stands for the difference x - y. What a run measured
            in several ways is an arm for each of its parts, "arm, part".
        arms: for a trend, (name, position) of each arm, at least three.
        direction: 1 if the claim says that the effect is positive, -1 if negative.
        margin: the smallest effect that would matter, in `unit`. A negative one (differences and
            speeds) says "no worse than that".
        control_metric: where the control's value stands, if not at `metric`.
        scale: what the metric is multiplied with to be in `unit`.
        log: take the metric's decimal logarithm first.
        below: for a speed, how far below the end of the control's curve the level lies, in the curve's
            own unit.
        level: for a speed, whose end that is: `"control"`, of the two the `"lower"`, or of each its
            `"own"`. Curves of the best so far, as of searches, need the lower: each reaches its own
            end by luck, and by the control's end the arm would be slower though it were the same.
        spent: (preset, n): the first n seeds of that preset chose what is compared, and do not count
            there. Other images of the same networks are no remedy: what one had by luck, it keeps.
    """

    kind: str
    metric: str
    arm: Side = ""
    control: Side = ""
    arms: tuple[tuple[str, float], ...] = ()
    control_metric: str = ""
    direction: int = 1
    margin: float = 0.0
    unit: str = "percentage points"
    scale: float = 100.0
    log: bool = False
    below: float = 0.0
    level: str = "control"
    spent: tuple[str, int] = ("", 0)

    def __post_init__(self) -> None:
        if self.kind not in KINDS:
            raise ValueError(f"kind must be one of {', '.join(KINDS)}; got {self.kind!r}")
        if self.direction not in (1, -1):
            raise ValueError(f"direction must be 1 or -1, got {self.direction!r}")
        signed = self.kind in ("difference", "speed")
        if not math.isfinite(self.margin) or not (self.margin >= 0 or signed):
            raise ValueError(
                f"margin must be finite and, but for differences, 0 or more, got {self.margin!r}"
            )
        if not (math.isfinite(self.scale) and self.scale):
            raise ValueError(f"scale must be finite and not 0, got {self.scale!r}")
        if self.kind in ("equivalence", "speed") and not (self.arm and self.control):
            raise ValueError(f"a contrast of kind {self.kind!r} needs an arm and a control")
        if self.kind in ("difference", "exact") and not self.arm:
            raise ValueError(f"a contrast of kind {self.kind!r} needs an arm")
        if self.kind == "speed" and not (isinstance(self.arm, str) and isinstance(self.control, str)):
            raise ValueError("a contrast of kind 'speed' needs an arm and a control, no pairs")
        if not 0 <= self.below < math.inf:
            raise ValueError(f"below must be 0 or more, got {self.below!r}")
        if self.level not in ("control", "lower", "own"):
            raise ValueError(f"level must be 'control', 'lower' or 'own', got {self.level!r}")
        if self.control_metric and not (self.control and isinstance(self.control, str)):
            raise ValueError(
                "control_metric must be empty where the control is none or a pair, "
                f"got {self.control_metric!r}"
            )
        if self.kind == "trend" and len({position for _, position in self.arms}) < 3:
            raise ValueError("a contrast of kind 'trend' needs three arms or more, at three positions")

    def declared(self) -> str:
        """What is compared, and where the effect has to lie for the claim to hold, in Markdown."""
        if self.kind == "exact":
            return f"`{self.arm}`: none"
        if self.kind == "trend":
            what = f"slope over {', '.join(f'`{name}`' for name, _ in self.arms)}"
        else:
            what = " − ".join(_side(side) for side in (self.arm, self.control) if side)
        if self.kind == "equivalence":
            return f"{what}: within ±{self.margin:g}"
        edge = self.direction * self.margin
        return f"{what}: {'above' if self.direction > 0 else 'below'} {edge or 0:g}"


def _side(side: Side) -> str:
    return f"`{side}`" if isinstance(side, str) else f"(`{side[0]}` − `{side[1]}`)"


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
class Shorthand:
    """How the studies of one paper write their claims about two arms.

    Attributes:
        paper: whose claims `claim` makes.
        value: what stands for the paper's number where none is named.
        contrast: fields of every `Contrast`; a claim's own come before them.
    """

    paper: str
    value: str
    contrast: Mapping[str, Any] = field(default_factory=dict)

    def claim(
        self,
        id: str,
        source: str,
        text: str,
        arm: Side,
        control: Side,
        value: str | None = None,
        **contrast: Any,
    ) -> Claim:
        """A claim of the paper; `contrast` as in `Contrast`, unless said a difference."""
        decided = self._contrast(arm, control, contrast)
        value = self.value if value is None else value
        return Claim(
            id=id, paper=self.paper, source=source, text=text, paper_value=value, contrast=decided
        )

    def ours(self, id: str, source: str, text: str, arm: Side, control: Side, **contrast: Any) -> Claim:
        """A claim of our own, as `claim`."""
        decided = self._contrast(arm, control, contrast)
        return Claim(id=id, paper="ours", source=source, text=text, contrast=decided)

    def _contrast(self, arm: Side, control: Side, fields: Mapping[str, Any]) -> Contrast:
        return Contrast(arm=arm, control=control, **{"kind": "difference", **self.contrast, **fields})


def exact(
    id: str,
    paper: str,
    source: str,
    text: str,
    arm: str,
    metric: str = "pair",
    unit: str = "signs that differ",
) -> Claim:
    """A claim without exception; unless said, that two trainings move every sign alike."""
    contrast = Contrast(kind="exact", metric=metric, arm=arm, unit=unit, scale=1.0)
    return Claim(id=id, paper=paper, source=source, text=text, contrast=contrast)
