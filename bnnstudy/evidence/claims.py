"""What a claim is: its source, the paper's number, and the contrast that decides it.

A claim declares one contrast before any run: what is compared with what, in which metric, on which
side the claim stands, and the smallest effect that would matter. There is one class for each kind of
contrast; `bnnstudy.evidence.verdicts` decides them.
"""

import itertools
from abc import ABC, abstractmethod
from collections.abc import Iterable, Mapping
from dataclasses import dataclass, field
from typing import Any, ClassVar

from bnnstudy.config import checks
from bnnstudy.config.checks import shown
from bnnstudy.config.fields import PRESETS
from bnnstudy.evidence.statistics import slope_weights

PAPERS = ("A", "B", "ours")

Side = str | tuple[str, str]
"""An arm, or a pair (x, y) of arms that stands for the difference x - y."""

_SCALE = checks.Rule(float, "finite and not 0", lambda value: 0 < abs(value) < float("inf"))
_READING = {"scale": _SCALE, "log": checks.FLAG}
_DIRECTION = checks.Rule(int, "1 or -1", lambda value: value in (1, -1))
_LEVEL = checks.Rule(
    str, "'control', 'lower' or 'own'", lambda value: value in ("control", "lower", "own")
)
_PAPER = checks.Rule(str, f"one of {', '.join(PAPERS)}", lambda value: value in PAPERS)


@dataclass(frozen=True, kw_only=True)
class Contrast(ABC):
    """What decides a claim. Its subclasses are the kinds there are.

        >>> contrast = Trend(metric="test_accuracy", arms=(("1e-3", -3), ("1e-2", -2), ("1e-1", -1)))
        >>> isinstance(contrast, Contrast), contrast.kind, contrast.named()
        (True, 'trend', ('1e-3', '1e-2', '1e-1'))
        >>> contrast.declared()
        'slope over `1e-3`, `1e-2`, `1e-1`: above 0'

    Attributes:
        kind: the kind's name, in tables and reports.
        metric: a path into a record's `result`, such as `"test_accuracy"` or, after the first epoch,
            `"curves.test_accuracy.0"`, after the last `"curves.test_accuracy.-1"`.
        unit: what the effect is counted in.

    Raises:
        ValueError: naming the argument, its value and what is allowed; so do all subclasses.
    """

    kind: ClassVar[str]
    metric: str
    unit: str = "percentage points"

    def __post_init__(self) -> None:
        checks.settle(self, {"metric": checks.TEXT, "unit": checks.TEXT})

    @abstractmethod
    def named(self) -> tuple[str, ...]:
        """Names of all arms that the contrast compares, each once."""

    def metrics(self) -> dict[str, str]:
        """By name of an arm the path at which its value stands."""
        return dict.fromkeys(self.named(), self.metric)

    @abstractmethod
    def declared(self) -> str:
        """What is compared, and where the effect has to lie for the claim to hold, in Markdown."""


@dataclass(frozen=True, kw_only=True)
class Exact(Contrast):
    """A claim without exception: there is no counterexample in `arm`.

        >>> contrast = Exact(metric="weights.effective", arm="clip", unit="weights that are not ±1")
        >>> contrast.declared()
        '`clip`: none'

    Attributes:
        metric: leads to `{"differing": …, "compared": …}`, counterexamples and comparisons.
        arm: name of the arm.
    """

    kind: ClassVar[str] = "exact"
    arm: str
    metric: str = "pair"
    unit: str = "signs that differ"

    def __post_init__(self) -> None:
        super().__post_init__()
        checks.settle(self, {"arm": checks.TEXT})

    def named(self) -> tuple[str, ...]:
        """The arm."""
        return (self.arm,)

    def declared(self) -> str:
        """As `Contrast.declared`."""
        return f"`{self.arm}`: none"


@dataclass(frozen=True, kw_only=True)
class Estimate(Contrast):
    """A contrast whose effect is estimated over seeds and judged by its confidence interval.

    An arm is named by its name. What a run measured in several ways is an arm for each of its parts,
    "arm, part".

    Attributes:
        margin: the smallest effect that would matter, in `unit`.
        paired: whether one difference a seed is formed; else each arm has a spread of its own. A seed
            fixes the draw and the order of images, which pairs networks that start alike.
        spent: (preset, n): the first n seeds of that preset chose what is compared, and do not count
            there. To judge the same networks on other images would be no remedy: a network that was
            chosen for its luck keeps some of it.
    """

    margin: float = 0.0
    paired: bool = True
    spent: tuple[str, int] = ("", 0)

    def __post_init__(self) -> None:
        super().__post_init__()
        checks.settle(self, {"paired": checks.FLAG})
        if not _is_spent(self.spent):
            raise ValueError(
                f"spent must be ('', 0) or a preset and a number of its seeds, got {shown(self.spent)}"
            )

    @abstractmethod
    def holds(self, low: float, high: float) -> bool | None:
        """Whether the claim holds, all the interval lying where it says; None if that is open."""

    @abstractmethod
    def beyond(self, effect: float) -> float:
        """How far the effect lies from the margin that it passes if `holds` is not None."""


@dataclass(frozen=True, kw_only=True)
class Directed(Estimate):
    """An estimate with a side: the effect is more than `margin` in the claimed direction.

    Attributes:
        direction: 1 if the claim says that the effect is positive, -1 if negative.
        margin: as in `Estimate`. A negative one says "no worse than that".
    """

    direction: int = 1

    def __post_init__(self) -> None:
        super().__post_init__()
        checks.settle(self, {"direction": _DIRECTION, "margin": checks.FINITE})

    def holds(self, low: float, high: float) -> bool | None:
        """As `Estimate.holds`."""
        if self.direction < 0:
            low, high = -high, -low
        if low > self.margin:
            return True
        return False if high < self.margin else None

    def beyond(self, effect: float) -> float:
        """As `Estimate.beyond`."""
        return abs(self.direction * effect - self.margin)

    def _edge(self) -> str:
        edge = self.direction * self.margin
        return f"{'above' if self.direction > 0 else 'below'} {edge or 0:g}"


@dataclass(frozen=True, kw_only=True)
class Difference(Directed):
    """Arm minus control lies beyond the margin on the claimed side.

        >>> contrast = Difference(metric="test_accuracy", arm="adam", control="sgd", margin=0.5)
        >>> contrast.declared()
        '`adam` − `sgd`: above 0.5'
        >>> contrast.holds(0.8, 1.9), contrast.holds(-0.2, 1.1), contrast.holds(-1.0, 0.2)
        (True, None, False)
        >>> Difference(metric="last.test_accuracy", arm="adam", control="adam, averaged",
        ...            control_metric="test_accuracy").declared()
        '`adam` at `last.test_accuracy` − `adam, averaged` at `test_accuracy`: above 0'

    Attributes:
        arm, control: names of arms, or pairs (x, y) that stand for the difference x - y; a control of
            None holds the arm's own value against the margin.
        control_metric: where the control's value stands, if not at `metric`.
        scale: what the metric is multiplied with to be in `unit`.
        log: whether to take the metric's decimal logarithm first.
    """

    kind: ClassVar[str] = "difference"
    arm: Side
    control: Side | None
    control_metric: str = ""
    scale: float = 100.0
    log: bool = False

    def __post_init__(self) -> None:
        super().__post_init__()
        _check_side("arm", self.arm)
        if self.control is not None:
            _check_side("control", self.control, " or None")
        _check_sides(self.arm, self.control, self.control_metric)
        checks.settle(self, _READING)

    def named(self) -> tuple[str, ...]:
        """Names of the arms of both sides, each once."""
        return _names(self.arm, self.control)

    def metrics(self) -> dict[str, str]:
        """As `Contrast.metrics`; the control's own where it has one."""
        return _at_both(super().metrics(), self.control, self.control_metric)

    def declared(self) -> str:
        """As `Contrast.declared`."""
        return f"{_minus(self.arm, self.control, self.metrics())}: {self._edge()}"


@dataclass(frozen=True, kw_only=True)
class Equivalence(Estimate):
    """Arm minus control lies within ±`margin`.

        >>> contrast = Equivalence(metric="test_accuracy", arm="approx", control="clip", margin=1.0)
        >>> contrast.holds(-0.4, 0.7), contrast.holds(-0.4, 1.7), contrast.holds(1.2, 1.7)
        (True, None, False)

    Attributes:
        arm, control, control_metric, scale, log: as in `Difference`, but that there is a control.
        margin: 0 or more.
    """

    kind: ClassVar[str] = "equivalence"
    arm: Side
    control: Side
    control_metric: str = ""
    scale: float = 100.0
    log: bool = False

    def __post_init__(self) -> None:
        super().__post_init__()
        checks.settle(self, {"margin": checks.NOT_NEGATIVE})
        _check_side("arm", self.arm)
        _check_side("control", self.control)
        _check_sides(self.arm, self.control, self.control_metric)
        checks.settle(self, _READING)

    def named(self) -> tuple[str, ...]:
        """Names of the arms of both sides, each once."""
        return _names(self.arm, self.control)

    def metrics(self) -> dict[str, str]:
        """As `Contrast.metrics`; the control's own where it has one."""
        return _at_both(super().metrics(), self.control, self.control_metric)

    def declared(self) -> str:
        """As `Contrast.declared`."""
        return f"{_minus(self.arm, self.control, self.metrics())}: within ±{self.margin:g}"

    def holds(self, low: float, high: float) -> bool | None:
        """As `Estimate.holds`."""
        if -self.margin <= low and high <= self.margin:
            return True
        return False if low > self.margin or high < -self.margin else None

    def beyond(self, effect: float) -> float:
        """As `Estimate.beyond`."""
        return abs(abs(effect) - self.margin)


@dataclass(frozen=True, kw_only=True)
class Trend(Directed):
    """The least-squares slope of the metric over the arms' positions lies on the claimed side.

        >>> widths = (("64", 6), ("128", 7), ("256", 8))
        >>> contrast = Trend(metric="test_accuracy", arms=widths, margin=0.2)
        >>> contrast.declared()  # points of accuracy for each doubling of the width
        'slope over `64`, `128`, `256`: above 0.2'

    Attributes:
        arms: (name, position) of each arm, of three or more at three positions or more.
        margin: 0 or more, in `unit` for each unit of position.
        scale, log: as in `Difference`.
    """

    kind: ClassVar[str] = "trend"
    arms: tuple[tuple[str, float], ...]
    scale: float = 100.0
    log: bool = False

    def __post_init__(self) -> None:
        super().__post_init__()
        checks.settle(self, {"margin": checks.NOT_NEGATIVE})
        _check_positions(self.arms)
        checks.settle(self, _READING)

    def named(self) -> tuple[str, ...]:
        """Names of the arms, as they come."""
        return tuple(name for name, _ in self.arms)

    def declared(self) -> str:
        """As `Contrast.declared`."""
        return f"slope over {', '.join(f'`{name}`' for name in self.named())}: {self._edge()}"


@dataclass(frozen=True, kw_only=True)
class FactorialEffect(Directed):
    """The mean of some arms minus the mean of others: what one factor does, the others crossed with it.

    In a factorial the arms are all settings of several factors, or a balanced half of them. A main
    effect has on one side the arms with the factor's second level; an interaction of two those in which
    both factors are at the same level.

        >>> contrast = FactorialEffect(metric="test_accuracy", high=("a, b", "a"), low=("b", "none"))
        >>> contrast.declared()
        'mean of `a, b`, `a` − mean of `b`, `none`: above 0'

    Attributes:
        high, low: names of one arm or more on either side; none of them twice.
        scale, log: as in `Difference`.
    """

    kind: ClassVar[str] = "factorial effect"
    high: tuple[str, ...]
    low: tuple[str, ...]
    scale: float = 100.0
    log: bool = False

    def __post_init__(self) -> None:
        super().__post_init__()
        for name in ("high", "low"):
            arms = getattr(self, name)
            if not _are_names(arms) or not arms:
                raise ValueError(f"{name} must be names of arms, one or more, got {shown(arms)}")
        if len(self.named()) < len(self.high) + len(self.low):
            raise ValueError(
                f"high and low must have each arm once, got {shown(self.high)} and {shown(self.low)}"
            )
        checks.settle(self, _READING)

    def named(self) -> tuple[str, ...]:
        """Names of the arms of both sides, each once."""
        return tuple(dict.fromkeys((*self.high, *self.low)))

    def declared(self) -> str:
        """As `Contrast.declared`."""
        high, low = (", ".join(f"`{name}`" for name in side) for side in (self.high, self.low))
        return f"mean of {high} − mean of {low}: {self._edge()}"


@dataclass(frozen=True, kw_only=True)
class Joint(Directed):
    """Several differences that are judged together; its subclasses say which, and how.

    Attributes:
        scale, log: as in `Difference`.
    """

    scale: float = 100.0
    log: bool = False

    def __post_init__(self) -> None:
        super().__post_init__()
        checks.settle(self, _READING)

    @abstractmethod
    def pairs(self) -> tuple[tuple[str, str], ...]:
        """(arm, control) of each difference."""

    def differences(self) -> list[Difference]:
        """Each of the differences by itself."""
        shared = {
            name: getattr(self, name)
            for name in ("metric", "unit", "direction", "margin", "paired", "spent", "scale", "log")
        }
        return [Difference(arm=arm, control=control, **shared) for arm, control in self.pairs()]


def in_order(arms: Iterable[str]) -> tuple[tuple[str, str], ...]:
    """Each of some arms with the one before it: what an `Every` compares where an order is claimed."""
    return tuple((after, before) for before, after in itertools.pairwise(arms))


@dataclass(frozen=True, kw_only=True)
class Every(Joint):
    """Each of several differences lies beyond the margin on the claimed side; the least of them counts.

    So an order is judged, "the larger the more", and the best of many: a slope may be one arm's doing,
    and a best one may have been held against the weakest.

        >>> contrast = Every(metric="test_accuracy", compared=in_order(("64", "128", "256")))
        >>> contrast.declared()
        'each of `128` − `64`, `256` − `128`: above 0'

    Attributes:
        compared: (arm, control) of each difference; arms by name.
    """

    kind: ClassVar[str] = "every"
    compared: tuple[tuple[str, str], ...]

    def __post_init__(self) -> None:
        super().__post_init__()
        _check_compared(self.compared)

    def pairs(self) -> tuple[tuple[str, str], ...]:
        """As `Joint.pairs`."""
        return self.compared

    def named(self) -> tuple[str, ...]:
        """Names of all arms, each once, as they come."""
        return tuple(dict.fromkeys(name for pair in self.compared for name in pair))

    def declared(self) -> str:
        """As `Contrast.declared`."""
        by_arm: dict[str, list[str]] = {}
        for arm, control in self.compared:
            by_arm.setdefault(arm, []).append(f"`{control}`")
        each = [f"`{arm}` − {' or '.join(controls)}" for arm, controls in by_arm.items()]
        return f"each of {', '.join(each)}: {self._edge()}"


@dataclass(frozen=True, kw_only=True)
class Spread(Joint):
    """The highest arm lies further above the lowest than the margin; which they are is not said before.

    With direction -1 and a margin of -m it says that no two arms differ by m or more.

        >>> contrast = Spread(metric="test_accuracy", arms=("sgd", "adam", "rmsprop"), margin=2.0)
        >>> contrast.declared()
        'highest − lowest of `sgd`, `adam`, `rmsprop`: above 2'

    Attributes:
        arms: names of two or more arms.
    """

    kind: ClassVar[str] = "spread"
    arms: tuple[str, ...]

    def __post_init__(self) -> None:
        super().__post_init__()
        arms = self.arms
        if not _are_names(arms):
            raise ValueError(f"arms must be names of arms, got {shown(arms)}")
        if len(arms) < 2 or len(set(arms)) < len(arms):
            raise ValueError(f"arms must be two or more different names, got {shown(arms)}")
        if self.direction * self.margin < 0:
            raise ValueError(
                "margin must have the sign of direction, as the highest is never below the lowest, "
                f"got {shown(self.margin)} and {shown(self.direction)}"
            )

    def pairs(self) -> tuple[tuple[str, str], ...]:
        """As `Joint.pairs`: any two arms, both ways."""
        return tuple(itertools.permutations(self.arms, 2))

    def named(self) -> tuple[str, ...]:
        """Names of the arms, as they come."""
        return self.arms

    def declared(self) -> str:
        """As `Contrast.declared`."""
        return f"highest − lowest of {', '.join(f'`{name}`' for name in self.arms)}: {self._edge()}"


@dataclass(frozen=True, kw_only=True)
class Speed(Directed):
    """Epochs (or trials) until a curve reaches a level, arm minus control, lie on the claimed side.

    The level is where a curve ends, less `below`. What never reaches it counts as one epoch more than
    it has.

        >>> contrast = Speed(arm="adam", control="sgd", direction=-1, margin=1.0)
        >>> contrast.declared(), contrast.unit
        ('`adam` − `sgd`: below -1', 'epochs')

    Attributes:
        arm, control: names of arms; no pairs.
        metric: leads to a curve, a list with a value for each epoch.
        below: how far below that end the level lies, in the curve's own unit.
        level: whose end it is: `"control"`, of the two the `"lower"`, or of each its `"own"`. Curves of
            the best value so far, as of searches, need the lower: each reaches its own end by luck, so
            that to the control's end the arm would look slower though it were the same.
    """

    kind: ClassVar[str] = "speed"
    arm: str
    control: str
    metric: str = "curves.validation_accuracy"
    unit: str = "epochs"
    below: float = 0.0
    level: str = "control"

    def __post_init__(self) -> None:
        super().__post_init__()
        checks.settle(self, {"arm": checks.TEXT, "control": checks.TEXT})
        _check_sides(self.arm, self.control)
        checks.settle(self, {"below": checks.NOT_NEGATIVE, "level": _LEVEL})

    def named(self) -> tuple[str, ...]:
        """Arm and control."""
        return self.arm, self.control

    def declared(self) -> str:
        """As `Contrast.declared`."""
        return f"{_minus(self.arm, self.control, self.metrics())}: {self._edge()}"


def _is_spent(value: object) -> bool:
    if not (isinstance(value, tuple) and len(value) == 2 and isinstance(value[0], str)):
        return False
    preset, seeds = value
    if not isinstance(seeds, int) or isinstance(seeds, bool):
        return False
    return (preset in PRESETS and seeds > 0) or (preset, seeds) == ("", 0)


def _are_names(arms: object) -> bool:
    return isinstance(arms, tuple) and all(isinstance(arm, str) and arm for arm in arms)


def _check_side(name: str, side: object, alternative: str = "") -> None:
    arms = side if isinstance(side, tuple) and len(side) == 2 else (side,)
    good = all(isinstance(arm, str) and arm for arm in arms)
    if not good or (len(arms) == 2 and arms[0] == arms[1]):
        raise ValueError(
            f"{name} must be the name of an arm, or a pair of two{alternative}, got {shown(side)}"
        )


def _check_sides(arm: Side, control: Side | None, control_metric: object = "") -> None:
    """What the two sides, good in themselves, may not be together."""
    if arm == control:
        raise ValueError(f"control must be another than the arm, got {shown(control)} for both")
    if not isinstance(control_metric, str):
        raise ValueError(f"control_metric must be a path or empty, got {shown(control_metric)}")
    if control_metric and not isinstance(control, str):
        raise ValueError(
            f"control_metric must be empty where the control is none or a pair, got {control_metric!r}"
        )


def _at_both(metrics: dict[str, str], control: Side | None, at: str) -> dict[str, str]:
    """Metrics by arm, with that of a control that is measured elsewhere."""
    return {**metrics, str(control): at} if at else metrics


def _check_positions(arms: object) -> None:
    pairs = arms if isinstance(arms, tuple) else ()
    if not pairs or not all(isinstance(pair, tuple) and len(pair) == 2 for pair in pairs):
        raise ValueError(f"arms must be pairs of a name and a position, got {shown(arms)}")
    for name, position in pairs:
        checks.TEXT.checked("a name in arms", name)
        checks.FINITE.checked("a position in arms", position)
    if len({name for name, _ in pairs}) < len(pairs):
        raise ValueError(f"arms must have different names, got {shown(arms)}")
    if len({position for _, position in pairs}) < 3:
        raise ValueError(f"arms must be three or more, at three positions, got {shown(arms)}")
    try:
        weights = slope_weights(pairs)
        usable = all(abs(weight) < float("inf") for weight in weights.values())
    except (OverflowError, ZeroDivisionError):
        usable = False
    if not usable:
        raise ValueError(f"arms must stand at positions whose squares are finite, got {shown(arms)}")


def _check_compared(compared: object) -> None:
    pairs = compared if isinstance(compared, tuple) else ()
    if not pairs or not all(isinstance(pair, tuple) and len(pair) == 2 for pair in pairs):
        raise ValueError(f"compared must be pairs of arms, got {shown(compared)}")
    for pair in pairs:
        _check_side("compared", pair)
    if len(set(pairs)) < len(pairs):
        raise ValueError(f"compared must be different pairs of arms, got {shown(compared)}")


def _names(*sides: Side | None) -> tuple[str, ...]:
    names = [name for side in sides if side for name in ((side,) if isinstance(side, str) else side)]
    return tuple(dict.fromkeys(names))


def _minus(arm: Side, control: Side | None, metrics: Mapping[str, str]) -> str:
    """What is subtracted from what; with where each is read, where they are read at two places."""
    at = {str(side): f" at `{metrics[str(side)]}`" for side in (arm, control) if str(side) in metrics}
    apart = len(set(at.values())) > 1
    return " − ".join(
        _quoted(side) + (at[str(side)] if apart else "") for side in (arm, control) if side
    )


def _quoted(side: Side) -> str:
    return f"`{side}`" if isinstance(side, str) else f"(`{side[0]}` − `{side[1]}`)"


@dataclass(frozen=True, kw_only=True)
class Requirement:
    """What has to act for a claim to be tested, read off the runs that judge it.

    A clip that no weight reaches, a drop of the rate from a loss that still falls: the arms of such a
    claim may differ by nothing, or by something else, and say nothing of it. It is read on another
    metric than the contrast's, and holds if it does in more than half of the seeds.

        >>> need = Requirement(figure="saturation", arm="clip", says="{:.1%} at ±1", at_least=0.01)
        >>> need.says.format(0.004), need.holds(0.004)
        ('0.4% at ±1', False)

    Attributes:
        figure: a path into a record's `result`; of a list, such as a curve, the largest value counts.
            After "@" the name of a function of `evidence.requirements.FIGURES`.
        arm: whose runs are looked at.
        at_least, at_most: the bounds; one of them, or both.
        says: what the figure says, as `str.format` writes it: "{:.1%} of latent weights reached ±1".

    Raises:
        ValueError: naming the argument, its value and what is allowed.
    """

    figure: str
    arm: str
    says: str
    at_least: float | None = None
    at_most: float | None = None

    def __post_init__(self) -> None:
        checks.settle(self, dict.fromkeys(("figure", "arm", "says"), checks.TEXT))
        if self.at_least is None and self.at_most is None:
            raise ValueError("at_least or at_most must be a number, got None for both")
        bounds = ("at_least", "at_most")
        checks.settle(self, dict.fromkeys(bounds, checks.FINITE), or_none=bounds)
        try:
            self.says.format(0.5)
        except (ValueError, LookupError, AttributeError, TypeError) as error:
            raise ValueError(f"says must be a text with one number, got {shown(self.says)}") from error

    def declared(self) -> dict[str, str | float | None]:
        """What is looked at, and the bounds, in JSON's types; the words are no part of it."""
        return {name: getattr(self, name) for name in ("figure", "arm", "at_least", "at_most")}

    def holds(self, value: float) -> bool:
        """Whether a figure lies within the bounds."""
        low = self.at_least is None or value >= self.at_least
        return low and (self.at_most is None or value <= self.at_most)


@dataclass(frozen=True, kw_only=True)
class Claim:
    """An empirical claim, in our words.

        >>> claim = Claim(
        ...     id="adam-better", paper="ours", source="Table 2", text="Adam ends above plain SGD.",
        ...     contrast=Difference(metric="test_accuracy", arm="adam", control="sgd", margin=0.5),
        ... )
        >>> claim.contrast.named(), claim.contrast.unit
        (('adam', 'sgd'), 'percentage points')

    Attributes:
        id: short name, unique in the ledger.
        paper: `"A"`, `"B"` or `"ours"`.
        source: section, figure or table.
        text: what is claimed.
        paper_value: the paper's own number, None where it gives none.
        contrast: what decides it.
        requires: what has to act for it to be tested.
        with_control: id of the claim that asks the same with a control which this one lacks, such as a
            rate of its own for each arm; empty if it lacks none, or has no such claim.

    Raises:
        ValueError: naming the argument, its value and what is allowed.
    """

    id: str
    paper: str
    source: str
    text: str
    contrast: Contrast
    paper_value: str | None = None
    requires: tuple[Requirement, ...] = ()
    with_control: str = ""

    def __post_init__(self) -> None:
        texts = ("id", "source", "text", "paper_value")
        checks.settle(self, dict.fromkeys(texts, checks.TEXT), or_none=("paper_value",))
        checks.settle(self, {"paper": _PAPER})
        checks.instance("contrast", self.contrast, Contrast)
        checks.all_of("requires", self.requires, Requirement)
        for need in self.requires:
            if any(_overlap(need.figure, metric) for metric in self.contrast.metrics().values()):
                raise ValueError(
                    f"requires must be read on another metric than the contrast's, got {need.figure!r}"
                )
        checks.settle(self, {"with_control": checks.NAME})
        if self.with_control == self.id:
            raise ValueError(f"with_control must be another claim's id, got {self.id!r}")


def _overlap(figure: str, metric: str) -> bool:
    """Whether one path is the other, or leads to where that lies, as a curve and its last value."""
    steps, others = figure.split("."), metric.split(".")
    both = min(len(steps), len(others))
    return steps[:both] == others[:both]


@dataclass(frozen=True, kw_only=True)
class Shorthand:
    """How the studies of one paper write their claims.

    Attributes:
        paper: whose claims `claim` makes.
        value: what stands for the paper's number where none is named.
        accuracy: fields of a `Difference` or `Equivalence` where a claim does not name them: the
            metric, an accuracy, and the margin.
    """

    paper: str
    value: str
    accuracy: Mapping[str, Any] = field(default_factory=dict)

    def claim(
        self,
        id: str,
        *,
        source: str,
        text: str,
        value: str | None = None,
        kind: type[Contrast] = Difference,
        requires: tuple[Requirement, ...] = (),
        with_control: str = "",
        **contrast: Any,
    ) -> Claim:
        """A claim of the paper, decided by a contrast of this kind with these fields.

        Args:
            id: as in `Claim`, and so `source` and `text`.
            value: the paper's number; None means the shorthand's own words for none.
            kind: a class of contrast.
            requires: what has to act for it to be tested.
            with_control: as in `Claim`.
            contrast: its fields, such as `arm`, `control`, `margin`.

        Raises:
            ValueError: as `Claim` and the class of contrast.
        """
        return Claim(
            id=id,
            paper=self.paper,
            source=source,
            text=text,
            paper_value=self.value if value is None else value,
            contrast=self._contrast(kind, contrast),
            requires=requires,
            with_control=with_control,
        )

    def ours(
        self,
        id: str,
        *,
        source: str,
        text: str,
        kind: type[Contrast] = Difference,
        requires: tuple[Requirement, ...] = (),
        **contrast: Any,
    ) -> Claim:
        """A claim of our own, as `claim`."""
        decided = self._contrast(kind, contrast)
        return Claim(id=id, paper="ours", source=source, text=text, contrast=decided, requires=requires)

    def _contrast(self, kind: type[Contrast], fields: Mapping[str, Any]) -> Contrast:
        usual = self.accuracy if issubclass(kind, Difference | Equivalence) else {}
        return kind(**{**usual, **fields})


def exact(id: str, *, paper: str, source: str, text: str, arm: str, **contrast: str) -> Claim:
    """A claim without exception; unless `metric` and `unit` say other, of two trainings' signs."""
    return Claim(id=id, paper=paper, source=source, text=text, contrast=Exact(arm=arm, **contrast))
