"""Any stable linear filter on the gradient, as second-order sections; the weight is minus its sign."""

from collections.abc import Sequence
from typing import Any

import torch
from torch import Tensor
from torch.optim.optimizer import ParamsT

from bnnstudy.config import checks
from bnnstudy.config.checks import shown
from bnnstudy.optim._checks import require_constant, require_signs, turned
from bnnstudy.optim.base import GroupedOptimizer, require_held, zero_state
from bnnstudy.theory.designs import Row, increments


class SOSFilter(GroupedOptimizer):
    """Second-order sections one after another on the gradient; the weight is minus the output's sign.

    Each section takes in what the one before it gives out, the first one the gradient, from a zero
    start, and is computed in the differences of its state:

        y = beta0 x + u,  u += beta1 x - alpha1 y + v,  v += beta2 x - alpha2 y    weight: -sign(y)

    It is the transposed direct form II in the operator z - 1, as `theory.designs.increments` has it.
    Where poles are near 1 its coefficients are small, so that float32 holds filters of which the direct
    form (`LinearFilter`) keeps no digit. Where y is exactly 0 the weight stays as it is. No schedule
    moves the filter: a group's `lr` has to stay 1. States of weights in half precision are in float32.

        >>> from scipy.signal import butter
        >>> weight = torch.nn.Parameter(torch.ones(2))
        >>> optimizer = SOSFilter([weight], butter(4, 0.01, output="sos"))
        >>> weight.grad = torch.tensor([1.0, -1.0])
        >>> optimizer.step()
        >>> weight.tolist()
        [-1.0, 1.0]

    Args:
        params: parameters whose values are all ±1, or groups of them.
        sections: rows (b0, b1, b2, a0, a1, a2) as `scipy.signal` gives them with `output="sos"`; a
            state of a weight's size is kept for each order.
        check_finite: refuse gradients that are no numbers or infinite (`GroupedOptimizer` says when).

    Raises:
        ValueError: naming the argument, its value and what is allowed: a pole on the unit circle or
            outside of it is not.

    Source: Middleton and Goodwin 1990, on the operator; Quist et al. 2023, Eq 14, on the filter.
    """

    def __init__(
        self, params: ParamsT, sections: Sequence[Sequence[float]], *, check_finite: bool = True
    ):
        super().__init__(params, {"lr": 1.0, "sections": sections}, check_finite)

    def _check(self, group: dict[str, Any]) -> None:
        group["sections"] = _normalised(group["sections"])
        require_signs(group["params"])
        largest = max(abs(c) for row in group["sections"] for part in increments(row) for c in part)
        require_held(group["params"], **{"a coefficient of sections": largest})

    def _require_ready(self, group: dict[str, Any]) -> None:
        require_constant(group, "SOSFilter")

    def _update(self, group: dict[str, Any], weights: list[Tensor], gradients: list[Tensor]) -> None:
        forms = [increments(row) for row in group["sections"]]
        orders = [2 if beta2 or alpha2 else 1 for (*_, beta2), (_, alpha2) in forms]
        for w in weights:
            if "states" not in self.state[w]:
                self.state[w]["states"] = [zero_state(w) for _ in range(sum(orders))]
        states = iter(zip(*(self.state[w]["states"] for w in weights), strict=True))
        signal: list[Tensor] | tuple[Tensor, ...] = gradients
        for (betas, alphas), order in zip(forms, orders, strict=True):
            output = torch._foreach_mul(signal, betas[0])
            moved = next(states)
            torch._foreach_add_(output, moved)
            torch._foreach_add_(moved, signal, alpha=betas[1])
            torch._foreach_add_(moved, output, alpha=-alphas[0])
            if order == 2:
                second = next(states)
                torch._foreach_add_(moved, second)
                torch._foreach_add_(second, signal, alpha=betas[2])
                torch._foreach_add_(second, output, alpha=-alphas[1])
            signal = output
        turned(weights, signal)


def _normalised(sections: object) -> list[Row]:
    """The rows divided by their a0, each of a stable section."""
    rows: list[Row] = []
    try:
        given = [[float(value) for value in row] for row in sections]  # type: ignore[attr-defined]
    except (TypeError, ValueError, OverflowError, RuntimeError) as error:
        raise ValueError(f"sections must be rows of numbers, got {shown(sections)}") from error
    if not given or any(len(row) != 6 or not row[3] for row in given):
        raise ValueError(
            "sections must be one or more rows (b0, b1, b2, a0, a1, a2) with an a0 that is not 0, "
            f"got {shown(sections)}"
        )
    for row in given:
        b0, b1, b2, _, a1, a2 = (value / row[3] for value in row)
        for value in (b0, b1, b2, a1, a2):
            checks.FINITE.checked("a coefficient of sections, divided by a0,", value)
        if not (abs(a2) < 1 and abs(a1) < 1 + a2):
            raise ValueError(
                "sections must have no pole on the unit circle or outside of it, got the denominator "
                f"{(1.0, a1, a2)}"
            )
        if not (b0 or b1 or b2):
            raise ValueError(f"sections must let something through, got a row {shown(row)}")
        rows.append((b0, b1, b2, 1.0, a1, a2))
    return rows
