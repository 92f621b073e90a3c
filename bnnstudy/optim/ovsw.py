"""OvSW: what is done for weights that never flip, in the latent view."""

from typing import Any

import torch
from torch import Tensor
from torch.optim.optimizer import ParamsT

from bnnstudy.config import checks
from bnnstudy.optim.base import GroupedOptimizer, zero_state
from bnnstudy.optim.latent_sgd import LatentSGD

DELTA = 0.04
"""delta for the source's ResNet-20 on CIFAR-10; 0.01 on ImageNet."""

SILENT_DECAY = 9e-4
"""lambda of silent weights for the source's ResNet-20 on CIFAR-10; 2e-5 on ImageNet."""

MEMORY = 0.999
"""m: what the running average of a weight's flips keeps at each step."""

THRESHOLD = 1e-4
"""A weight whose average is below it is silent; a flip lifts it for ln(10) / (1 - m) = 2,300 steps."""

LEAST_GRADIENT, LEAST_WEIGHT = 1e-6, 1e-3
"""The least norms of a channel that are divided by, or multiplied with: the source's."""


class OvSW(LatentSGD):
    """`LatentSGD` on gradients that are changed first, by what a channel and a weight did so far.

    Adaptive gradient scaling (AGS) gives each output channel c a least relative gradient, which is a
    rate of the channel's own:

        grad_c <- grad_c * delta ||w_c|| / ||grad_c||   where ||grad_c|| / ||w_c|| < delta

    Silence-aware decay (SAD) adds the decay of weights that do not flip, which is an alpha of each
    weight's own, lr (weight_decay + silent_decay) in place of lr * weight_decay:

        grad <- grad + silent_decay w   where f < threshold
        f_i = memory f_{i-1} + (1 - memory) [the step flipped w],   f_{-1} = 0

    So a weight that never flipped is silent, and so is every weight at the start. Then both go through
    the momentum, as in the source; `weight_decay` stays decoupled, as in `LatentSGD` (in the source it
    goes through torch's momentum). Where delta and silent_decay are 0, it is `LatentSGD`. A tensor of
    less than two dimensions has no channels: it moves as `LatentSGD` moves it.

        >>> weight = torch.nn.Parameter(torch.tensor([[3.0, 4.0], [0.3, 0.4]]))
        >>> optimizer = OvSW([weight], lr=1.0, gamma=1.0, delta=0.5, silent_decay=0.0)
        >>> weight.grad = torch.tensor([[0.6, 0.8], [0.6, 0.8]])
        >>> optimizer.step()
        >>> weight  # norms 5 and 0.5, gradients of norm 1: the first one is lifted to 2.5
        Parameter containing:
        tensor([[ 1.5000,  2.0000],
                [-0.3000, -0.4000]], requires_grad=True)

    Args:
        params: parameters or groups, as for any torch optimizer; the first dimension is the channels'.
        lr, gamma, weight_decay, check_finite: as in `LatentSGD`.
        delta: the least ||grad|| / ||w|| of a channel, 0 or more; 0 is no AGS.
        silent_decay: lambda, 0 or more; with weight_decay and lr at most 1; 0 is no SAD.
        memory: m, in [0, 1).
        threshold: of a weight's average of flips, 0 or more; at 0 no weight is silent.

    Raises:
        ValueError: naming the argument, its value and what is allowed.

    Source: Xiang et al. 2024 and their released code, whose defaults these are.
    """

    def __init__(
        self,
        params: ParamsT,
        lr: float,
        gamma: float = 0.1,
        weight_decay: float = 0.0,
        *,
        delta: float = DELTA,
        silent_decay: float = SILENT_DECAY,
        memory: float = MEMORY,
        threshold: float = THRESHOLD,
        check_finite: bool = True,
    ):
        defaults = {
            "lr": lr,
            "gamma": gamma,
            "weight_decay": weight_decay,
            "delta": delta,
            "silent_decay": silent_decay,
            "memory": memory,
            "threshold": threshold,
        }
        # Not `LatentSGD`'s own, which knows three of these numbers.
        GroupedOptimizer.__init__(self, params, defaults, check_finite)

    def _check(self, group: dict[str, Any]) -> None:
        super()._check(group)
        for name in ("delta", "silent_decay", "threshold"):
            group[name] = checks.NOT_NEGATIVE.checked(name, group[name])
        group["memory"] = checks.MOMENTUM.checked("memory", group["memory"])
        most = group["lr"] * (group["weight_decay"] + group["silent_decay"])
        if most > 1:
            raise ValueError(
                "lr * (weight_decay + silent_decay) must be at most 1, got "
                f"{group['lr']!r} * ({group['weight_decay']!r} + {group['silent_decay']!r})"
            )

    def _update(self, group: dict[str, Any], weights: list[Tensor], gradients: list[Tensor]) -> None:
        before = [torch.signbit(w) for w in weights]
        changed = [self._changed(group, w, g) for w, g in zip(weights, gradients, strict=True)]
        super()._update(group, weights, changed)
        for w, signs in zip(weights, before, strict=True):
            if w.dim() > 1:
                flips = self.state[w].setdefault("flips", zero_state(w))
                flipped = (torch.signbit(w) != signs).to(flips.dtype)
                flips.lerp_(flipped, 1 - group["memory"])

    def _changed(self, group: dict[str, Any], w: Tensor, gradient: Tensor) -> Tensor:
        if w.dim() < 2:
            return gradient
        wide = w.to(gradient.dtype)
        if group["delta"]:
            gradient = scaled(gradient, wide, group["delta"])
        if group["silent_decay"] and group["threshold"]:
            flips = self.state[w].get("flips")
            held = wide if flips is None else wide * (flips < group["threshold"])
            gradient = gradient + group["silent_decay"] * held
        return gradient


def scaled(gradient: Tensor, weight: Tensor, delta: float) -> Tensor:
    """Adaptive gradient scaling: a gradient whose norm is delta ||w|| or more in each channel.

    >>> scaled(torch.tensor([[0.0, 1.0]]), torch.tensor([[3.0, 4.0]]), delta=1.0)
    tensor([[0., 5.]])
    """
    channels = (-1, *[1] * (gradient.dim() - 1))
    of_gradient = gradient.flatten(1).norm(dim=1).clamp(min=LEAST_GRADIENT).view(channels)
    of_weight = weight.flatten(1).norm(dim=1).clamp(min=LEAST_WEIGHT).view(channels)
    small = of_gradient / of_weight < delta
    return torch.where(small, gradient * (delta * of_weight / of_gradient), gradient)
