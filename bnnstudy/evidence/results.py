"""A run's result, put together from its curves by epoch."""

from collections.abc import Mapping, Sequence


def of_curves(curves: Mapping[str, list]) -> dict:
    """A result from curves by epoch alone: the accuracies at the best validation epoch and the last."""
    accuracies = curves["validation_accuracy"]
    best = max(range(len(accuracies)), key=accuracies.__getitem__)
    names = ("validation_accuracy", "test_accuracy")
    return {
        **{name: curves[name][best] for name in names},
        "best_epoch": best + 1,
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
