"""What a run's result holds, and how one is put together from its curves by epoch."""

from collections.abc import Iterable, Mapping, Sequence
from typing import Any, TypedDict, cast

from bnnstudy.config import checks
from bnnstudy.config.checks import shown

_SHARE = checks.Rule(float, "from 0 to 1", lambda value: 0 <= value <= 1)
_RULES = {
    **dict.fromkeys(("validation_accuracy", "test_accuracy", "saturation"), _SHARE),
    **dict.fromkeys(("best_epoch", "best_trial"), checks.COUNT),
    "diverged": checks.FLAG,
}
_CONTAINERS: dict[str, type] = {
    **dict.fromkeys(("last", "curves", "flip_ratio", "parts", "right"), dict),
    **dict.fromkeys(("stages", "phases", "trials"), list),
}


class Accuracies(TypedDict):
    """Accuracies of one network, as shares from 0 to 1."""

    validation_accuracy: float
    test_accuracy: float


class Result(TypedDict, total=False):
    """What a training leaves; callbacks and procedures add what they measured under their own names.

    A procedure that compares may leave nothing but its own parts.

        >>> curves = {"validation_accuracy": [0.8, 0.9, 0.85], "test_accuracy": [0.79, 0.88, 0.86]}
        >>> result = of_curves(curves)
        >>> result["best_epoch"], result["test_accuracy"], result["last"]["test_accuracy"]
        (2, 0.88, 0.86)

    Attributes:
        validation_accuracy, test_accuracy: shares, 0 to 1, at `best_epoch`.
        best_epoch: the epoch, from 1, of the best validation accuracy; the earliest of equals.
        last: the two accuracies after the last epoch.
        curves: by name a value for each epoch, of accuracies, losses and shares of weights.
        flip_ratio: `steps`, at which flips were counted, and by layer the shares that flipped; `all`
            counts all binary weights.
        saturation: the share of latent weights at ±1 at the end.
        diverged: whether a loss was not finite.
        stages: what each stage of a run of several measured.
        phases: loss and accuracies after each phase of a run with drops of the rate.
        parts: what was measured in several ways, by name a result each.
        right: which test images were right, by metric (`bnnstudy.evidence.right`).
        best_trial, trials: of a hyperparameter search: the number, from 1, of the best, and all.
    """

    validation_accuracy: float
    test_accuracy: float
    best_epoch: int
    last: Accuracies
    curves: dict[str, list[Any]]
    flip_ratio: dict[str, list[Any]]
    saturation: float
    diverged: bool
    stages: list[dict[str, Any]]
    phases: list[dict[str, Any]]
    parts: dict[str, "Result"]
    right: dict[str, Any]
    best_trial: int
    trials: list[dict[str, Any]]


def require_types(result: Mapping[str, Any], where: str = "result") -> None:
    """Refuses a result whose parts are not of the types that `Result` says, as far as it names them.

    Raises:
        ValueError: naming the part by its path.
    """
    for name, rule in _RULES.items():
        if name in result:
            rule.checked(f"{where}.{name}", result[name])
    for name, kind in _CONTAINERS.items():
        if name in result:
            checks.instance(f"{where}.{name}", result[name], kind)
    for name, share in result.get("last", {}).items():
        _SHARE.checked(f"{where}.last.{name}", share)
    for name, curve in result.get("curves", {}).items():
        checks.instance(f"{where}.curves.{name}", curve, list)
        if odd := [value for value in curve if type(value) not in (float, int, type(None))]:
            raise ValueError(f"{where}.curves.{name} must be of numbers, got {shown(odd[0])}")
    steps = result.get("flip_ratio", {}).get("steps", [])
    checks.instance(f"{where}.flip_ratio.steps", steps, list)
    for step in steps:
        checks.WHOLE.checked(f"a value of {where}.flip_ratio.steps", step)
    for name, part in result.get("parts", {}).items():
        checks.instance(f"{where}.parts.{name}", part, dict)
        require_types(part, f"{where}.parts.{name}")


def best_epoch(curve: Sequence[float], among: Iterable[int] | None = None) -> int:
    """The epoch, counted from 1, at which a curve is highest; the earliest of equals.

        >>> best_epoch([0.8, 0.9, 0.9]), best_epoch([0.8, 0.9, 0.9], among=[1, 3])
        (2, 3)

    Args:
        curve: a value for each epoch.
        among: the epochs that count, from 1; None means all.

    Raises:
        ValueError: if no epoch counts, or one that the curve does not have.
    """
    try:
        curve = [float(value) for value in curve]
    except (TypeError, ValueError, OverflowError, RuntimeError) as error:
        raise ValueError(f"curve must be a number for each epoch, got {shown(curve)}") from error
    try:
        epochs = list(range(1, len(curve) + 1) if among is None else among)
        inside = all(isinstance(e, int) and 1 <= e <= len(curve) for e in epochs)
    except TypeError:
        inside = False
    if not inside:
        raise ValueError(f"among must be epochs from 1 to {len(curve)}, got {shown(among)}")
    if not epochs:
        raise ValueError("curve must have an epoch that counts, got none")
    return max(sorted(epochs), key=lambda epoch: curve[epoch - 1])


def of_curves(curves: Mapping[str, list[Any]]) -> Result:
    """A result from curves by epoch alone: the accuracies at the best validation epoch and the last."""
    best = best_epoch(curves["validation_accuracy"])
    return {
        "validation_accuracy": curves["validation_accuracy"][best - 1],
        "test_accuracy": curves["test_accuracy"][best - 1],
        "best_epoch": best,
        "last": {
            "validation_accuracy": curves["validation_accuracy"][-1],
            "test_accuracy": curves["test_accuracy"][-1],
        },
        "curves": dict(curves),
    }


def stop(curve: Sequence[float], patience: int) -> int:
    """The number of epochs trained when `patience` of them have brought no better value than before."""
    best, at = -1.0, 0
    for epoch, value in enumerate(curve, start=1):
        if value > best:
            best, at = value, epoch
        elif epoch - at >= patience:
            return epoch
    return len(curve)


def stopped(curves: Mapping[str, list[Any]], patience: int) -> Result:
    """What is left of a run after `stop` by its validation accuracy; `epochs` is how long that is."""
    end = stop(curves["validation_accuracy"], patience)
    left = of_curves({name: curve[:end] for name, curve in curves.items()})
    return cast(Result, {**left, "epochs": end})
