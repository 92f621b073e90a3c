"""Bop: a weight is ±1 and flips when an averaged gradient speaks against it loudly enough.

`SecondOrderBop` asks how loud that is for this weight: it divides by the gradient's own size.
"""

from collections.abc import Sequence
from typing import Any

import torch
from torch import Tensor
from torch.optim.optimizer import ParamsT

from bnnstudy.config import checks
from bnnstudy.optim._checks import require_signs
from bnnstudy.optim.base import LARGEST_SQUARE, GroupedOptimizer, zero_state

EPS = 1e-10
"""What the source adds to the root of the second moment."""


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
        _flip(weights, torch._foreach_mul(momenta, weights), group["threshold"])


class SecondOrderBop(GroupedOptimizer):
    """Bop with a threshold in units of the gradient's own size.

        m_i = (1 - gamma) m_{i-1} + gamma grad_i,       m_{-1} = 0
        v_i = (1 - sigma) v_{i-1} + sigma grad_i^2,     v_{-1} = 0
        w flips where |m_i| / (sqrt(v_i) + 1e-10) > threshold and m_i has the sign of w

    Neither average is corrected for its start: the source's better variant. At threshold 0 the division
    changes no sign, and it is `Bop`. By Cauchy's inequality |m_i| is at most sqrt(v_i) where gamma and
    sigma are equal, so a threshold of 1 stops all flips; one of 0.1 means the same in every layer.

    `gamma` follows any torch scheduler: the group's `lr` starts at 1 and the rate in force is
    gamma * lr; sigma stays. Averages of a weight in half precision are kept in float32.

        >>> weight = torch.nn.Parameter(torch.ones(2))
        >>> optimizer = SecondOrderBop([weight], threshold=0.5, gamma=0.1, sigma=0.01)
        >>> weight.grad = torch.tensor([1.0, 0.001])
        >>> optimizer.step()
        >>> weight.tolist()  # both gradients are as loud as they have ever been
        [-1.0, -1.0]

    Args:
        params: parameters whose values are all ±1, or groups of them.
        threshold: tau in the paper, 0 or more, without a unit.
        gamma: weight of the new gradient in the average, in (0, 1].
        sigma: the same in the average of squares, in (0, 1].
        check_finite: refuse gradients that are no numbers or infinite (`GroupedOptimizer` says when).

    Raises:
        ValueError: naming the argument, its value and what is allowed.

    Source: Suarez-Ramirez et al. 2021.
    """

    def __init__(
        self,
        params: ParamsT,
        threshold: float = 1e-6,
        gamma: float = 1e-3,
        sigma: float = 1e-3,
        *,
        check_finite: bool = True,
    ):
        defaults = {"lr": 1.0, "threshold": threshold, "gamma": gamma, "sigma": sigma}
        super().__init__(params, defaults, check_finite)

    def _check(self, group: dict[str, Any]) -> None:
        for name in ("lr", "threshold"):
            group[name] = checks.NOT_NEGATIVE.checked(name, group[name])
        for name in ("gamma", "sigma"):
            group[name] = checks.SHARE.checked(name, group[name])
        require_signs(group["params"])

    def _update(self, group: dict[str, Any], weights: list[Tensor], gradients: list[Tensor]) -> None:
        for w in weights:
            if not self.state[w]:
                self.state[w].update(momentum=zero_state(w), squares=zero_state(w))
        momenta, squares = ([self.state[w][name] for w in weights] for name in ("momentum", "squares"))
        torch._foreach_lerp_(momenta, gradients, group["gamma"] * group["lr"])
        torch._foreach_mul_(squares, 1 - group["sigma"])
        torch._foreach_addcmul_(squares, gradients, gradients, group["sigma"])
        torch._foreach_clamp_max_(squares, LARGEST_SQUARE)
        sizes = torch._foreach_sqrt(squares)
        torch._foreach_add_(sizes, EPS)
        agreements = torch._foreach_mul(momenta, weights)
        torch._foreach_div_(agreements, sizes)
        _flip(weights, agreements, group["threshold"])


def _flip(weights: list[Tensor], agreements: Sequence[Tensor], threshold: float) -> None:
    """Flip what the average speaks against: w is ±1, so m w is |m| where the two agree in sign."""
    for w, agreement in zip(weights, agreements, strict=True):
        torch.where(agreement > threshold, -w, w, out=w)
