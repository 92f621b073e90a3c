"""The filter over gradients in units of their own size: what Adam is, once weights are signs."""

from typing import Any

import torch
from torch import Tensor
from torch.optim.optimizer import ParamsT

from bnnstudy.config import checks
from bnnstudy.optim._checks import require_signs
from bnnstudy.optim.base import LARGEST_SQUARE, GroupedOptimizer, zero_state

EPS = 1e-8
"""What Adam adds to the root, so that a gradient that has always been 0 divides by something."""


class NormalisedFilter(GroupedOptimizer):
    """Two moving averages in cascade, and between them a division by the gradient's own size.

        m_i = (1 - gamma) m_{i-1} + gamma grad_i        m_{-1} = 0
        v_i = (1 - sigma) v_{i-1} + sigma grad_i^2      v_{-1} = 0
        u_i = (m_i / (1 - (1 - gamma)^(i+1))) / (sqrt(v_i / (1 - (1 - sigma)^(i+1))) + 1e-8)
        g_i = (1 - alpha) g_{i-1} + alpha u_i           weight: -sign(g_i)

    It is AdamW on latent weights that start at 0, with gamma = 1 - beta1, sigma = 1 - beta2 and
    alpha = lr * weight_decay; Adam without decay is its limit of a small alpha. Where sigma is small v
    hardly moves, and the division by one number for each weight changes no sign: then it is
    `FilterOptimizer`. So what is left of a second moment, where weights are signs, is that it *moves*:
    times of large gradients count for less against times of small ones.

    `alpha` follows any torch scheduler: the group's `lr` starts at 1 and the rate in force is
    alpha * lr. A state that starts at 0 carries the sign of its weight, as in `FilterOptimizer`. States
    of a weight in half precision are in float32.

        >>> weight = torch.nn.Parameter(torch.ones(2))
        >>> optimizer = NormalisedFilter([weight], alpha=0.1)
        >>> weight.grad = torch.tensor([1.0, -0.001])
        >>> optimizer.step()
        >>> weight.tolist(), optimizer.filtered(weight).round(decimals=4)  # equally large
        ([-1.0, 1.0], tensor([ 0.1000, -0.1000]))

    When to use it: where gradients of one weight differ in size over a run and the late ones should
    count. It keeps three numbers a weight, one more than `FilterOptimizer`, and takes about twice as
    long a step.

    Args:
        params: parameters whose values are all ±1, or groups of them.
        alpha: weight of the new value in the outer average, in (0, 1].
        gamma: the same in the inner average, in (0, 1].
        sigma: the same in the average of squares, in (0, 1]; 1e-3 is Adam's beta2 of 0.999.
        check_finite: refuse gradients that are no numbers or infinite (`GroupedOptimizer` says when).

    Raises:
        ValueError: naming the argument, its value and what is allowed.

    Source: ours, after the discussion of Quist et al. 2023; Kingma and Ba 2015, Algorithm 1, and
    Loshchilov and Hutter 2019, Algorithm 2.
    """

    def __init__(
        self,
        params: ParamsT,
        alpha: float,
        gamma: float = 0.1,
        sigma: float = 1e-3,
        *,
        check_finite: bool = True,
    ):
        defaults = {"lr": 1.0, "alpha": alpha, "gamma": gamma, "sigma": sigma, "steps": 0}
        super().__init__(params, defaults, check_finite)

    def _check(self, group: dict[str, Any]) -> None:
        group["lr"] = checks.NOT_NEGATIVE.checked("lr", group["lr"])
        for name in ("alpha", "gamma", "sigma"):
            group[name] = checks.SHARE.checked(name, group[name])
        for name in ("gamma", "sigma"):
            if 1 - group[name] == 1:
                raise ValueError(
                    f"{name} must be 2^-53 or more to be corrected for, got {group[name]!r}"
                )
        require_signs(group["params"])

    def _update(self, group: dict[str, Any], weights: list[Tensor], gradients: list[Tensor]) -> None:
        for w in weights:
            if not self.state[w]:
                zero = zero_state(w)
                descent = torch.copysign(zero, w.detach())
                self.state[w].update(momentum=zero, squares=zero.clone(), descent=descent)
        momenta, squares, descents = (
            [self.state[w][name] for w in weights] for name in ("momentum", "squares", "descent")
        )
        group["steps"] += 1
        gamma, sigma, rate = group["gamma"], group["sigma"], group["alpha"] * group["lr"]
        torch._foreach_lerp_(momenta, gradients, gamma)
        torch._foreach_mul_(squares, 1 - sigma)
        torch._foreach_addcmul_(squares, gradients, gradients, sigma)
        torch._foreach_clamp_max_(squares, LARGEST_SQUARE)
        sizes = torch._foreach_div(squares, 1 - (1 - sigma) ** group["steps"])
        torch._foreach_sqrt_(sizes)
        torch._foreach_add_(sizes, EPS)
        torch._foreach_mul_(descents, 1 - rate)
        if rate:  # at 0 nothing moves, not even the sign of a zero
            corrected = -rate / (1 - (1 - gamma) ** group["steps"])
            torch._foreach_addcdiv_(descents, momenta, sizes, corrected)
        for w, descent in zip(weights, descents, strict=True):
            torch.copysign(descent.new_ones(()), descent, out=w)

    def filtered(self, weight: Tensor) -> Tensor:
        """g, the filtered gradient of one parameter; float32 for one in half precision."""
        state = self.state.get(weight)
        return -state["descent"] if state else zero_state(weight)
