"""Accuracy of a network on parts of the data."""

import torch
from torch import nn

from bnnstudy import devices
from bnnstudy.data import Dataset, Split
from bnnstudy.evidence.results import Accuracies
from bnnstudy.nn.parameters import evaluating
from bnnstudy.training import metrics


@torch.no_grad()
def evaluate(model: nn.Module, dataset: Dataset, split: Split, batch: int | None = None) -> float:
    """Accuracy (0 to 1) of the model in evaluation mode on a split, in batches (None: a good size)."""
    dtype = next(model.parameters()).dtype
    # Small enough for a CPU's cache; large enough to fill a GPU, and small enough to share it.
    batch = batch or (500 if split.images.device.type == "cpu" else 2_000)
    forward = devices.compiled(model)
    with evaluating(model):
        outputs = [forward(dataset.inputs(images, dtype)) for images in split.images.split(batch)]
    return metrics.accuracy(torch.cat(outputs), split.labels).item()


def accuracies(model: nn.Module, dataset: Dataset) -> Accuracies:
    """Validation and test accuracy, by the names that results have for them."""
    return {
        "validation_accuracy": evaluate(model, dataset, dataset.validation),
        "test_accuracy": evaluate(model, dataset, dataset.test),
    }
