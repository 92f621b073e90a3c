"""Batch norm's running statistics, re-estimated: their mean over batches, no moving average."""

import contextlib
from collections.abc import Iterable, Iterator
from typing import Any

import torch
from torch import Tensor, nn

from bnnstudy.config import checks
from bnnstudy.config.checks import shown
from bnnstudy.nn.parameters import in_mode

NORMS = (nn.BatchNorm1d, nn.BatchNorm2d)


def norms_of(model: nn.Module) -> list[Any]:
    """The model's batch norms."""
    checks.instance("model", model, nn.Module)
    return [module for module in model.modules() if isinstance(module, NORMS)]


def reestimate(model: nn.Module, batches: Iterable[Tensor]) -> None:
    """Set batch norm's running statistics to their mean over `batches`.

    mean = (1/K) sum_k mean_k and var = (1/K) sum_k var_k over the batches k = 1 … K, each as batch norm
    has it in training. Momenta and modes are afterwards as they were.

        >>> norm = nn.BatchNorm1d(2)
        >>> reestimate(norm, [torch.tensor([[0.0, 1.0], [2.0, 3.0]])])
        >>> norm.running_mean.tolist()
        [1.0, 2.0]

    Args:
        batches: inputs of the network, one tensor a batch; of tuples, such as a `DataLoader` gives, the
            first.

    Raises:
        ValueError: if `model` is none, there is no batch, or what should be one is no tensor.
    """
    reestimate_on("batches", model, batches)


@torch.no_grad()
def reestimate_on(name: str, model: nn.Module, batches: Iterable[Tensor]) -> None:
    """`reestimate` where the batches are an argument of another name."""
    norms, count = norms_of(model), 0
    momenta = [norm.momentum for norm in norms]
    try:
        with in_mode(model, training=True):
            for count, batch in enumerate(checks.iterator(name, batches, "batches of inputs"), start=1):
                inputs = batch[0] if isinstance(batch, list | tuple) and batch else batch
                if not isinstance(inputs, Tensor):
                    raise ValueError(f"{name} must be of tensors, got {shown(batch)}")
                for norm in norms:
                    norm.momentum = 1 / count
                model(inputs)
    finally:
        for norm, momentum in zip(norms, momenta, strict=True):
            norm.momentum = momentum
    if not count:
        raise ValueError(f"{name} must be one batch or more, got none")


@contextlib.contextmanager
def reestimated(model: nn.Module, batches: Iterable[Tensor]) -> Iterator[None]:
    """While it lasts the running statistics are re-estimated; then the model's own come back.

    >>> norm = nn.BatchNorm1d(2)
    >>> with reestimated(norm, [torch.tensor([[0.0, 1.0], [2.0, 3.0]])]):
    ...     norm.running_mean.tolist()
    [1.0, 2.0]
    >>> norm.running_mean.tolist()
    [0.0, 0.0]
    """
    own = [buffer for norm in norms_of(model) for buffer in norm.buffers()]
    kept = [buffer.clone() for buffer in own]
    try:
        reestimate(model, batches)
        yield
    finally:
        with torch.no_grad():
            for buffer, value in zip(own, kept, strict=True):
                buffer.copy_(value)
