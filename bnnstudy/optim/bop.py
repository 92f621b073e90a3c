"""Bop: a weight is ±1 and flips when an averaged gradient speaks against it loudly enough."""

from typing import Any

import torch
from torch import Tensor
from torch.optim.optimizer import ParamsT

from bnnstudy.config import checks
from bnnstudy.optim._checks import require_signs
from bnnstudy.optim.base import GroupedOptimizer, zero_state


class Bop(GroupedOptimizer):
    """One moving average of the gradient, and a threshold that it must pass to flip a weight.

        m_i = (1 - gamma) m_{i-1} + gamma grad_i,   m_{-1} = 0
        w flips where |m_i| > threshold and m_i has the sign of w

    At threshold 0 it is the first-order filter: `FilterOptimizer` with alpha = this gamma and its own
    gamma = 1, in every sign that rounding does not decide; where an average cancels to exactly 0 the
    weight stays here and becomes 1 there.

    `gamma` follows any torch scheduler: the group's `lr` starts at 1 and the rate in force is
    gamma * lr, which may reach 0.

    The average of a weight in half precision is kept in float32.

        >>> weight = torch.nn.Parameter(torch.ones(2))
        >>> optimizer = Bop([weight], threshold=0.05, gamma=0.1)
        >>> weight.grad = torch.tensor([1.0, 0.1])
        >>> optimizer.step()
        >>> weight.tolist()  # the averages are 0.1, which passes the threshold, and 0.01
        [-1.0, 1.0]

    Args:
        params: parameters whose values are all ±1, or groups of them.
        threshold: tau in the paper, 0 or more, in units of a gradient.
        gamma: weight of the new gradient in the average, in (0, 1].
        check_finite: refuse gradients that are no numbers or infinite (`GroupedOptimizer` says when).

    Raises:
        ValueError: naming the argument, its value and what is allowed.

    Source: Helwegen et al. 2019, Algorithm 2.
    """

    def __init__(
        self,
        params: ParamsT,
        threshold: float = 1e-8,
        gamma: float = 1e-4,
        *,
        check_finite: bool = True,
    ):
        defaults = {"lr": 1.0, "threshold": threshold, "gamma": gamma}
        super().__init__(params, defaults, check_finite)

    def _check(self, group: dict[str, Any]) -> None:
        group["lr"] = checks.NOT_NEGATIVE.checked("lr", group["lr"])
        group["threshold"] = checks.NOT_NEGATIVE.checked("threshold", group["threshold"])
        group["gamma"] = checks.SHARE.checked("gamma", group["gamma"])
        require_signs(group["params"])

    def _update(self, group: dict[str, Any], weights: list[Tensor], gradients: list[Tensor]) -> None:
        for w in weights:
            if not self.state[w]:
                self.state[w]["momentum"] = zero_state(w)
        momenta = [self.state[w]["momentum"] for w in weights]
        torch._foreach_lerp_(momenta, gradients, group["gamma"] * group["lr"])
        # w is ±1, so m w is |m| where the two agree in sign and -|m| where they do not.
        for w, agreement in zip(weights, torch._foreach_mul(momenta, weights), strict=True):
            torch.where(agreement > group["threshold"], -w, w, out=w)
