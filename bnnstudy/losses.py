"""Losses by name: (outputs (N, classes), labels (N)) -> a mean over the batch."""

from collections.abc import Callable

import torch.nn.functional as F
from torch import Tensor


def squared_hinge(outputs: Tensor, labels: Tensor) -> Tensor:
    """mean over batch and classes of max(0, 1 - t y)^2, t = 1 for the label and -1 for the others.

    The loss of paper A, section 3; 0.36 with ten classes for a network that knows nothing.
    """
    targets = F.one_hot(labels, outputs.shape[1]).to(outputs.dtype).mul_(2).sub_(1)
    return F.relu(1 - targets * outputs).square().mean()


LOSSES: dict[str, Callable[[Tensor, Tensor], Tensor]] = {
    "squared_hinge": squared_hinge,
    "cross_entropy": F.cross_entropy,
}
"""The losses by name."""
