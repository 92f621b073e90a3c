"""Batch norm's running statistics: at several momenta in one training, and measured anew."""

from typing import Any

import torch
from torch import Tensor, nn

from bnnstudy import data

NORMS = (nn.BatchNorm1d, nn.BatchNorm2d)


@torch.no_grad()
def measure_anew(model: nn.Module, dataset: data.Dataset, images: Tensor, batch: int) -> None:
    """Sets batch norm's statistics to their mean over the batches of `images`; momenta become 1.

    The network must be in training mode. Batches that are not full are left out.
    """
    dtype = next(model.parameters()).dtype
    for count, part in enumerate((p for p in images.split(batch) if len(p) == batch), start=1):
        for norm in norms_of(model):
            norm.momentum = 1 / count
        model(dataset.inputs(part, dtype))
    for norm in norms_of(model):
        norm.momentum = 1.0


def norms_of(model: nn.Module) -> list[Any]:
    """The model's batch norms."""
    return [module for module in model.modules() if isinstance(module, NORMS)]
