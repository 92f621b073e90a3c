"""What is measured of a binary network: accuracy, flips, saturation. Tensors in, numbers out."""

from collections.abc import Sequence
from typing import Any

import torch
from torch import Tensor

from bnnstudy.config import checks
from bnnstudy.nn.binarize import not_signs

POINTS = checks.Rule(int, "a whole number from 1 to 10,000", lambda value: 1 <= value <= 10_000)
"""At how many steps a run may be looked at."""


def accuracy(outputs: Tensor, labels: Tensor) -> Tensor:
    """Share of rows of `outputs` (N, classes) whose largest value stands at `labels` (N)."""
    return right(outputs, labels).double().mean()


def right(outputs: Tensor, labels: Tensor) -> Tensor:
    """Whether the largest value of each row of `outputs` (N, classes) stands at `labels` (N)."""
    return outputs.argmax(1) == labels


def flips(before: Tensor, after: Tensor) -> Tensor:
    """Number of weights whose sign differs between two tensors of one shape (no host sync)."""
    return (torch.signbit(before) != torch.signbit(after)).sum()


def flip_ratio(before: Sequence[Tensor], after: Sequence[Tensor]) -> float:
    """FF ratio: the share of all binary weights that changed sign in one update.

    FF = sum |sign(w_{i+1}) - sign(w_i)| / 2 / N. Liu et al. 2021 (AdamBNN); paper B, Figures 3 to 7.

    Raises:
        ValueError: if the lists are empty or do not match.
    """
    if not before or [b.shape for b in before] != [a.shape for a in after]:
        raise ValueError("before and after must be lists of tensors of the same shapes, not empty")
    changed = sum(int(flips(b, a)) for b, a in zip(before, after, strict=True))
    return changed / sum(b.numel() for b in before)


def correlation_to_start(start: Sequence[Tensor], end: Sequence[Tensor]) -> float:
    """C2I: mean product of final and initial signs, 1 (nothing changed) to -1; 0 is chance."""
    return 1 - 2 * flip_ratio(start, end)


def saturation(weights: Sequence[Tensor]) -> float:
    """Share of latent weights with |w| >= 1, where `clip` passes a gradient at most on the edge."""
    beyond = sum(int((w.detach().abs() >= 1).sum()) for w in weights)
    return beyond / sum(w.numel() for w in weights)


def beyond(weights: Sequence[Tensor]) -> float:
    """Share of latent weights with |w| > 1: with the surrogate `clip` no gradient reaches them."""
    past = sum(int((w.detach().abs() > 1).sum()) for w in weights)
    return past / sum(w.numel() for w in weights)


def not_binary(weights: Sequence[Tensor]) -> int:
    """Number of values that are neither 1 nor -1."""
    return sum(map(not_signs, weights))


def log_spaced(steps: int, points: int) -> frozenset[int]:
    """At most `points` whole numbers from 1 to `steps`, both included, evenly spaced in logarithm."""
    return frozenset(round(steps ** (k / max(points - 1, 1))) for k in range(points))


def counted(by_step: Sequence[int], size: int) -> dict[str, Any]:
    """What differs of `size` signs after each step: how many of how many, from which step, and when."""
    shown = sorted(log_spaced(len(by_step), 30))
    first = next((k for k, count in enumerate(by_step, start=1) if count), None)
    return {
        "differing": sum(by_step),
        "compared": size * len(by_step),
        "first_step": first,
        "steps": shown,
        "differing_at": [by_step[k - 1] for k in shown],
    }
