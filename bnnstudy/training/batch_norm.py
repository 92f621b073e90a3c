"""The batches that batch norm's statistics are re-estimated on."""

import torch
from torch import Tensor

from bnnstudy.config import checks
from bnnstudy.config.checks import shown
from bnnstudy.data import Dataset


def require_batch(images: int, batch: int) -> None:
    """Refuses fewer images than a batch has.

    Raises:
        ValueError: naming both numbers.
    """
    if images < batch:
        raise ValueError(f"images must be at least a batch of {batch}, got {images}")


def estimation_batches(dataset: Dataset, images: int, batch: int, dtype: torch.dtype) -> list[Tensor]:
    """The first `images` training images as a network's inputs, in batches that are full.

        >>> from bnnstudy import data
        >>> batches = estimation_batches(data.load("digits"), 500, batch=200, dtype=torch.float32)
        >>> [tuple(batch.shape) for batch in batches]
        [(200, 1, 8, 8), (200, 1, 8, 8)]

    Raises:
        ValueError: naming the argument, its value and what is allowed.
    """
    checks.instance("dataset", dataset, Dataset)
    if not isinstance(dtype, torch.dtype) or not dtype.is_floating_point:
        raise ValueError(f"dtype must be one of torch's for real numbers, got {shown(dtype)}")
    images, batch = (checks.COUNT.checked(n, v) for n, v in {"images": images, "batch": batch}.items())
    require_batch(images, batch)
    parts = dataset.train.images[:images].split(batch)
    return [dataset.inputs(part, dtype) for part in parts if len(part) == batch]
