"""The latent view: real weights w; the network is sign(w)."""

from typing import Any

import torch
from torch import Tensor
from torch.optim.optimizer import ParamsT

from bnnstudy.config import checks
from bnnstudy.optim.base import GroupedOptimizer, require_held, state_dtype, zero_state


class LatentSGD(GroupedOptimizer):
    """SGD with damped momentum and decoupled weight decay, on latent weights.

        m_i = (1 - gamma) m_{i-1} + gamma grad_i,          m_{-1} = 0
        w_i = w_{i-1} - lr (m_i + weight_decay w_{i-1}),   network: sign(w_i)

    Not `torch.optim.SGD`, whose momentum is undamped and whose decay passes through the momentum
    (`bnnstudy.theory.torch_to_cascade` says where the two meet). Any scheduler may drive `lr`. A
    latent weight of exactly ±0 is a weight of no magnitude: it keeps its sign until a gradient comes.
    One that later cancels to exactly 0 becomes +0, so its sign is 1 (the paper draws one at random).

    A weight in half precision cannot hold small steps: beside 1, bfloat16's next number is 1.0078. The
    state then holds its momentum and the weight itself in float32 (`master`), and the parameter is that
    rounded. Values of the parameter that were changed between steps, by clamping or loading, are taken
    over; where one is clamped, the master can be beyond the bound by the rounding.

        >>> weight = torch.nn.Parameter(torch.tensor([0.5, -0.5]))
        >>> optimizer = LatentSGD([weight], lr=1.0, gamma=0.5)
        >>> weight.grad = torch.tensor([2.0, 2.0])
        >>> optimizer.step()
        >>> weight.tolist()
        [-0.5, -1.5]

    Args:
        params: parameters or groups, as for any torch optimizer.
        lr: epsilon in the paper, above 0 (a scheduler may bring it to 0).
        gamma: weight of the new gradient, in (0, 1]; 1 is no momentum.
        weight_decay: lambda, 0 or more, with lr * weight_decay at most 1.
        check_finite: refuse gradients that are no numbers or infinite (`GroupedOptimizer` says when).

    Raises:
        ValueError: naming the argument, its value and what is allowed.

    Source: Quist et al. 2023, Eq 1-5.
    """

    def __init__(
        self,
        params: ParamsT,
        lr: float,
        gamma: float = 0.1,
        weight_decay: float = 0.0,
        *,
        check_finite: bool = True,
    ):
        defaults = {"lr": lr, "gamma": gamma, "weight_decay": weight_decay}
        super().__init__(params, defaults, check_finite)

    def _check(self, group: dict[str, Any]) -> None:
        group["gamma"] = checks.SHARE.checked("gamma", group["gamma"])
        lr = group["lr"] = checks.POSITIVE.checked("lr", group["lr"])
        decay = checks.NOT_NEGATIVE.checked("weight_decay", group["weight_decay"])
        group["weight_decay"] = decay
        require_held(group["params"], lr=lr)
        if lr * decay > 1:
            raise ValueError(f"lr * weight_decay must be at most 1, got {lr!r} * {decay!r}")

    def _update(self, group: dict[str, Any], weights: list[Tensor], gradients: list[Tensor]) -> None:
        for w in weights:
            if not self.state[w]:
                self.state[w]["momentum"] = zero_state(w)
        momenta = [self.state[w]["momentum"] for w in weights]
        lr, decay = group["lr"], group["weight_decay"]
        torch._foreach_lerp_(momenta, gradients, group["gamma"])
        if lr:  # at 0 nothing moves, not even the sign of a zero
            latent = [self._wide(w) for w in weights]
            if decay:
                torch._foreach_mul_(latent, 1 - lr * decay)
            torch._foreach_add_(latent, momenta, alpha=-lr)
            for w, wide in zip(weights, latent, strict=True):
                if wide is not w:
                    w.copy_(wide)

    def _wide(self, w: Tensor) -> Tensor:
        """The weight, or in half precision its float32 master, with what was changed outside."""
        dtype = state_dtype(w)
        if w.dtype == dtype:
            return w
        master, wide = self.state[w].get("master"), w.to(dtype)
        if master is not None:
            kept = master.to(w.dtype)
            same = (kept == w) & (torch.signbit(kept) == torch.signbit(w))
            wide = torch.where(same, master, wide)
        self.state[w]["master"] = wide
        return wide
