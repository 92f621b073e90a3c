"""Losses by name: (outputs (N, classes), labels (N)) -> a mean over the batch; and distillation."""

from collections.abc import Callable

import torch.nn.functional as F
from torch import Tensor


def squared_hinge(outputs: Tensor, labels: Tensor) -> Tensor:
    """mean over batch and classes of max(0, 1 - t y)^2, t = 1 for the label and -1 for the others.

    The loss of paper A, section 3; 0.36 with ten classes for a network that knows nothing.
    """
    targets = F.one_hot(labels, outputs.shape[1]).to(outputs.dtype).mul_(2).sub_(1)
    return F.relu(1 - targets * outputs).square().mean()


def distillation(outputs: Tensor, teacher_outputs: Tensor) -> Tensor:
    """Cross entropy to a teacher's distribution: mean over the batch of -sum p log q.

    p = softmax(teacher_outputs), without a gradient, and q = softmax(outputs), each over the classes.
    This is their KL divergence plus the entropy of p, which `outputs` cannot change: so the gradient is
    (q - p) / N, and the least value, where q = p, is that entropy and not 0. Labels play no part.

    Args:
        outputs, teacher_outputs: (N, classes), both before the softmax.

    Liu et al. 2020 (ReActNet), who call it distributional loss; paper B on ImageNet, with ResNet-34 as
    the teacher.

    Raises:
        ValueError: if the shapes are not one (N, classes).
    """
    if outputs.dim() != 2 or outputs.shape != teacher_outputs.shape:
        raise ValueError(
            f"outputs and teacher_outputs must both be (N, classes), got {tuple(outputs.shape)} and "
            f"{tuple(teacher_outputs.shape)}"
        )
    return F.cross_entropy(outputs, teacher_outputs.detach().softmax(dim=1))


LOSSES: dict[str, Callable[[Tensor, Tensor], Tensor]] = {
    "squared_hinge": squared_hinge,
    "cross_entropy": F.cross_entropy,
}
"""The losses by name."""
