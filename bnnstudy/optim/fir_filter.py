"""A filter whose impulse response ends, on the gradient; the weight is minus its output's sign."""

from collections.abc import Sequence
from typing import Any

import torch
from torch import Tensor
from torch.optim.optimizer import ParamsT

from bnnstudy.config import checks
from bnnstudy.config.checks import shown
from bnnstudy.optim._checks import require_constant, require_signs, turned
from bnnstudy.optim.base import GroupedOptimizer, require_held, state_dtype


class FIRFilter(GroupedOptimizer):
    """A weighted sum of the last gradients; the weight is minus its sign. It forgets all before them.

        y_i = h_0 grad_i + h_1 grad_{i-1} + … + h_{L-1} grad_{i-L+1},   weight: -sign(y_i)

    Gradients before the first step are 0, and where y is exactly 0 the weight stays as it is. The last
    L gradients of each weight are kept, in a ring, and a step is one product of a matrix and a vector:
    its time and memory grow with L. An average of as long a memory keeps one number in place of L. The
    filter does not follow a schedule: a group's `lr` has to stay 1. States of weights in half precision
    are in float32.

        >>> weight = torch.nn.Parameter(torch.ones(2))
        >>> optimizer = FIRFilter([weight], [0.5, 0.5])
        >>> for gradient in ([1.0, -1.0], [-2.0, 0.5]):
        ...     weight.grad = torch.tensor(gradient)
        ...     optimizer.step()
        >>> weight.tolist()  # -sign of (-0.5, -0.25)
        [1.0, 1.0]

    Args:
        params: parameters whose values are all ±1, or groups of them.
        taps: h, the impulse response, such as a window of `scipy.signal.windows`.
        check_finite: refuse gradients that are no numbers or infinite (`GroupedOptimizer` says when).

    Raises:
        ValueError: naming the argument, its value and what is allowed.

    Source: Quist et al. 2023, Eq 14, with no output fed back.
    """

    def __init__(self, params: ParamsT, taps: Sequence[float], *, check_finite: bool = True):
        super().__init__(params, {"lr": 1.0, "taps": taps}, check_finite)

    def _check(self, group: dict[str, Any]) -> None:
        group["taps"] = _numbers(group["taps"])
        require_signs(group["params"])
        require_held(group["params"], **{"a value of taps": max(map(abs, group["taps"]))})

    def _require_ready(self, group: dict[str, Any]) -> None:
        require_constant(group, "FIRFilter")

    def _update(self, group: dict[str, Any], weights: list[Tensor], gradients: list[Tensor]) -> None:
        length, outputs = len(group["taps"]), []
        for w, gradient in zip(weights, gradients, strict=True):
            state = self.state[w]
            if not state:
                state["past"] = w.new_zeros((length, *w.shape), dtype=state_dtype(w))
                state["rounds"] = _rounds(group["taps"], state["past"])
                state["place"] = 0
            place = state["place"]
            state["past"][place] = gradient
            state["place"] = (place + 1) % length
            # Row k of the ring is place - k steps old, round the ring.
            ages = state["rounds"][length - place : 2 * length - place]
            outputs.append((ages @ state["past"].view(length, -1)).view_as(w))
        turned(weights, outputs)


def _rounds(taps: list[float], like: Tensor) -> Tensor:
    """The taps twice over, backwards from the first: what a ring is weighed with is a part of it.

    Written value by value on the weight's own device: a copy would wait for a GPU.
    """
    once = like.new_empty(len(taps))
    for k in range(len(taps)):
        once[k : k + 1].fill_(taps[-k % len(taps)])
    return torch.cat([once, once])


def _numbers(taps: object) -> list[float]:
    try:
        found = [float(value) for value in taps]  # type: ignore[attr-defined]
    except (TypeError, ValueError, OverflowError, RuntimeError) as error:
        raise ValueError(f"taps must be a sequence of numbers, got {shown(taps)}") from error
    for value in found:
        checks.FINITE.checked("a value of taps", value)
    if not any(found):
        raise ValueError(f"taps must have one that is not 0, got {shown(taps)}")
    return found
