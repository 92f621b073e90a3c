"""Accuracy of a network on parts of the data, and on which test images it is right."""

import torch
from torch import Tensor, nn

from bnnstudy import devices
from bnnstudy.config import checks
from bnnstudy.data import Dataset, Split
from bnnstudy.evidence.results import Accuracies
from bnnstudy.nn.parameters import evaluating
from bnnstudy.training import metrics


def evaluate(model: nn.Module, dataset: Dataset, split: Split, batch: int | None = None) -> float:
    """Accuracy (0 to 1) of the model in evaluation mode on a split, in batches (None: a good size).

        >>> from bnnstudy import data
        >>> from bnnstudy.config import RunConfig
        >>> from bnnstudy.training import fit
        >>> digits = data.load("digits")
        >>> result, network = fit(RunConfig(width=16, depth=1, epochs=1), digits, with_model=True)
        >>> evaluate(network, digits, digits.test) == result["last"]["test_accuracy"]
        True

    Raises:
        ValueError: naming the argument that is none of its kind.
    """
    return share(right(model, dataset, split, batch))


def share(found: Tensor) -> float:
    """Of which images a network is right, as an accuracy."""
    return found.double().mean().item()


@torch.no_grad()
def right(model: nn.Module, dataset: Dataset, split: Split, batch: int | None = None) -> Tensor:
    """Whether the model in evaluation mode is right on each image of a split, (N) of bool."""
    checks.instance("model", model, nn.Module)
    checks.instance("dataset", dataset, Dataset)
    checks.instance("split", split, Split)
    batch = None if batch is None else checks.COUNT.checked("batch", batch)
    dtype = next(model.parameters()).dtype
    # Small enough for a CPU's cache; large enough to fill a GPU, and small enough to share it.
    batch = batch or (500 if split.images.device.type == "cpu" else 2_000)
    forward = devices.compiled(model)
    with evaluating(model):
        outputs = [forward(dataset.inputs(images, dtype)) for images in split.images.split(batch)]
    return metrics.right(torch.cat(outputs), split.labels)


def accuracies(model: nn.Module, dataset: Dataset) -> Accuracies:
    """Validation and test accuracy, by the names that results have for them.

        >>> from bnnstudy import data
        >>> from bnnstudy.config import RunConfig
        >>> from bnnstudy.training import fit
        >>> digits = data.load("digits")
        >>> result, network = fit(RunConfig(width=16, depth=1, epochs=1), digits, with_model=True)
        >>> accuracies(network, digits) == result["last"]
        True

    Raises:
        ValueError: naming the argument that is none of its kind.
    """
    checks.instance("dataset", dataset, Dataset)
    return {
        "validation_accuracy": evaluate(model, dataset, dataset.validation),
        "test_accuracy": evaluate(model, dataset, dataset.test),
    }
