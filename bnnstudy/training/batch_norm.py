"""The batches that batch norm's statistics are re-estimated on."""

import torch
from torch import Tensor

from bnnstudy.config import checks
from bnnstudy.data import Dataset


def estimation_batches(dataset: Dataset, images: int, batch: int, dtype: torch.dtype) -> list[Tensor]:
    """The first `images` training images as a network's inputs, in batches that are full.

    >>> from bnnstudy import data
    >>> batches = estimation_batches(data.load("digits"), 500, batch=200, dtype=torch.float32)
    >>> [tuple(batch.shape) for batch in batches]
    [(200, 1, 8, 8), (200, 1, 8, 8)]
    """
    images, batch = (checks.COUNT.checked(n, v) for n, v in {"images": images, "batch": batch}.items())
    parts = dataset.train.images[:images].split(batch)
    return [dataset.inputs(part, dtype) for part in parts if len(part) == batch]
