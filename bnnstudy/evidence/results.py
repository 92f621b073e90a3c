"""A run's result, put together from its curves by epoch."""

from collections.abc import Iterable, Mapping, Sequence


def best_epoch(curve: Sequence[float], among: Iterable[int] | None = None) -> int:
    """The epoch, counted from 1, at which a curve is highest; the earliest of equals.

    Args:
        curve: a value for each epoch.
        among: the epochs that count, from 1; None means all.

    Raises:
        ValueError: if no epoch counts, or one that the curve does not have.
    """
    epochs = list(range(1, len(curve) + 1) if among is None else among)
    if not epochs:
        raise ValueError("curve must have an epoch that counts, got none")
    if not set(epochs) <= set(range(1, len(curve) + 1)):
        raise ValueError(f"among must be epochs from 1 to {len(curve)}, got {epochs!r}")
    return max(sorted(epochs), key=lambda epoch: curve[epoch - 1])


def of_curves(curves: Mapping[str, list]) -> dict:
    """A result from curves by epoch alone: the accuracies at the best validation epoch and the last."""
    best = best_epoch(curves["validation_accuracy"])
    names = ("validation_accuracy", "test_accuracy")
    return {
        **{name: curves[name][best - 1] for name in names},
        "best_epoch": best,
        "last": {name: curves[name][-1] for name in names},
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
