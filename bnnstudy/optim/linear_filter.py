"""Any causal linear filter of a low order on the gradient; the weight is minus its output's sign."""

import math
from collections.abc import Sequence
from typing import Any

import numpy as np
import torch
from torch import Tensor
from torch.optim.optimizer import ParamsT

from bnnstudy.config.checks import shown
from bnnstudy.optim._checks import require_constant, require_signs, turned
from bnnstudy.optim.base import GroupedOptimizer, require_held, zero_state
from bnnstudy.theory import filters

MAX_ORDER = 8
"""Highest order of a `LinearFilter`, which keeps one buffer of a weight's size for each order."""


Coefficients = Sequence[float] | np.ndarray
"""One side of a filter, as `scipy.signal` gives and takes it."""


class LinearFilter(GroupedOptimizer):
    """Any causal linear filter of order up to 8 on the gradient; the weight is minus its sign.

        a_0 y_i = sum_k b_k grad_{i-k} - sum_{k>0} a_k y_{i-k},   weight: -sign(y_i)

    Transposed direct form II, zero start. Where y is exactly 0 the weight stays as it is. The
    coefficients do not follow a schedule: with moving ones this form is another filter than the
    cascade. A group's `lr` has to stay 1. States of weights in half precision are in float32.

        >>> weight, third = torch.nn.Parameter(torch.ones(2)), filters.cascade(0.01, 0.1, 0.1)
        >>> optimizer = LinearFilter([weight], third.b, third.a)
        >>> weight.grad = torch.tensor([1.0, -1.0])
        >>> optimizer.step()
        >>> weight.tolist()
        [-1.0, 1.0]

    Args:
        params: parameters whose values are all ±1, or groups of them.
        b, a: coefficients as in `scipy.signal.lfilter`; a_0 not 0.
        check_finite: refuse gradients that are no numbers or infinite (`GroupedOptimizer` says when).

    Raises:
        ValueError: naming the argument, its value and what is allowed: an order above 8, a pole
            outside the unit circle or a multiple one on it; a simple one on it is allowed.

    Source: Quist et al. 2023, Eq 14.
    """

    def __init__(self, params: ParamsT, b: Coefficients, a: Coefficients, *, check_finite: bool = True):
        super().__init__(params, {"lr": 1.0, "b": b, "a": a}, check_finite)

    def _check(self, group: dict[str, Any]) -> None:
        group["b"], group["a"] = _normalised(group["b"], group["a"])
        require_signs(group["params"])
        largest = {name: max(map(abs, group[name])) for name in ("b", "a")}
        require_held(group["params"], **largest)

    def _require_ready(self, group: dict[str, Any]) -> None:
        require_constant(group, "LinearFilter")

    def _update(self, group: dict[str, Any], weights: list[Tensor], gradients: list[Tensor]) -> None:
        b, a = group["b"], group["a"]
        for w in weights:
            if "delays" not in self.state[w]:
                self.state[w]["delays"] = [zero_state(w) for _ in a[1:]]
        delays = list(zip(*(self.state[w]["delays"] for w in weights), strict=True))
        outputs = torch._foreach_mul(gradients, b[0])
        if delays:
            torch._foreach_add_(outputs, delays[0])
        for k, delay in enumerate(delays, start=1):
            if k < len(delays):
                torch._foreach_copy_(delay, delays[k])
            else:
                torch._foreach_zero_(delay)
            torch._foreach_add_(delay, gradients, alpha=b[k])
            torch._foreach_add_(delay, outputs, alpha=-a[k])
        turned(weights, outputs)


def _normalised(b: Coefficients, a: Coefficients) -> tuple[list[float], list[float]]:
    try:
        b, a = [float(c) for c in b], [float(c) for c in a]
    except (TypeError, ValueError, OverflowError, RuntimeError) as error:
        raise ValueError(
            f"b and a must be sequences of numbers, got {shown(b)} and {shown(a)}"
        ) from error
    if not b or not any(b):
        raise ValueError(f"b must have a coefficient that is not 0, got {shown(b)}")
    if not a or a[0] == 0:
        raise ValueError(f"a must start with a coefficient that is not 0, got {shown(a)}")
    order = max(len(a), len(b)) - 1
    if order > MAX_ORDER:
        raise ValueError(f"the filter's order must be at most {MAX_ORDER}, got {order}")
    b = [c / a[0] for c in b] + [0.0] * (order + 1 - len(b))
    a = [c / a[0] for c in a] + [0.0] * (order + 1 - len(a))
    if not all(map(math.isfinite, b + a)):
        raise ValueError(f"b and a must be finite once divided by a_0, got {shown(b)} and {shown(a)}")
    filters.require_stable(filters.Filter(tuple(b), tuple(a)))
    return b, a
