"""What the optimizers of the filter view ask of their parameters, and what they make of them."""

from collections.abc import Iterable
from typing import Any

import torch
from torch import Tensor

from bnnstudy.nn import binarize


def require_signs(weights: Iterable[Tensor]) -> None:
    """Refuses weights that are not all ±1.

    Raises:
        ValueError: saying how many are not.
    """
    for w in weights:
        wrong = binarize.not_signs(w)
        if wrong:
            raise ValueError(
                f"params must be ±1 (layers with weights='binary'); {wrong} of {w.numel()} are not"
            )


def require_constant(group: dict[str, Any], kind: str) -> None:
    """Refuses a group that a schedule has moved, for a filter whose coefficients stand still.

    Raises:
        ValueError: if its `lr` is not 1.
    """
    if group["lr"] != 1:
        raise ValueError(f"lr must stay 1 (no schedule moves a {kind}), got {group['lr']!r}")


def turned(weights: list[Tensor], outputs: list[Tensor] | tuple[Tensor, ...]) -> None:
    """Makes each weight minus the sign of its output; where that is 0 the weight stays. In place."""
    # sign(w - 2 sign(y)): w where y is 0, else -sign(y).
    torch._foreach_sign_(outputs)
    torch._foreach_add_(weights, outputs, alpha=-2)
    torch._foreach_sign_(weights)
