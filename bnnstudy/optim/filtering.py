"""The filter view: a weight is ±1, and a filtered gradient decides its sign. No latent weight."""

import math
from collections.abc import Callable, Iterable, Sequence

import numpy as np
import torch
from torch import Tensor
from torch.optim.optimizer import ParamsT

from bnnstudy import binarize, devices, filters, rules
from bnnstudy.optim.grouped import GroupedOptimizer

MAX_ORDER = 8
"""Highest order of a `LinearFilter`, which keeps one buffer of a weight's size for each order."""

SCHEDULED = ("both", "pole", "increment")
"""Where a schedule of alpha may act."""

Coefficients = Sequence[float] | np.ndarray
"""One side of a filter, as `scipy.signal` gives and takes it."""


class FilterOptimizer(GroupedOptimizer):
    """Two moving averages in cascade on the gradient; the weight is minus the sign of the result.

        m_i = (1 - gamma) m_{i-1} + gamma grad_i,   m_{-1} = 0
        g_i = (1 - alpha) g_{i-1} + alpha m_i,      weight: -sign(g_i)

    It is latent SGD with alpha = lr * weight_decay (`bnnstudy.filters.latent_to_filter`). The state is
    kept as -g, so that the weight is its sign without one more pass. A state that starts at 0 carries
    the sign of its weight, so a weight whose gradient has always been 0 stays as it was drawn. One that
    later cancels to exactly 0 gives 1, as `LatentSGD` does.

    `alpha` follows any torch scheduler: the group's `lr` starts at 1 and the rate in force is
    alpha * lr, which may reach 0. It stands in two places, which can be scheduled apart: the *pole*,
    1 - alpha, says how much is kept, the *increment*, alpha m_i, how much is added. The sign does not
    see the size of the increments, but it does see that later ones are smaller than earlier ones.

    Args:
        params: parameters whose values are all ±1, or groups of them.
        alpha: weight of the new value in the outer average, in (0, 1].
        gamma: the same in the inner average, in (0, 1]; 1 leaves a first-order filter.
        initial_state: g_{-1}, one tensor a parameter in order; None means 0. Latent weights that start
            at w0 correspond to -weight_decay * w0.
        scheduled: where the schedule acts, `"both"`, `"pole"` or `"increment"`.
        bias_correction: divide m_i by 1 - (1 - gamma)^(i+1), as Adam does; i counts the steps of the
            group. The same for g would change no sign.

    Raises:
        ValueError: naming the argument, its value and what is allowed.

    Source: Quist et al. 2023, Eq 11-13.
    """

    _fused: Callable[..., None] | None = None

    def __init__(
        self,
        params: ParamsT,
        alpha: float,
        gamma: float = 0.1,
        initial_state: Iterable[Tensor] | None = None,
        *,
        scheduled: str = "both",
        bias_correction: bool = False,
    ):
        numbers = {"lr": 1.0, "alpha": alpha, "gamma": gamma, "scheduled": scheduled}
        super().__init__(params, {**numbers, "bias_correction": bias_correction, "steps": 0})
        if devices.is_compiling():
            self._fused = devices.compiled(_cascade)
        if initial_state is None:
            return
        weights = [p for group in self.param_groups for p in group["params"]]
        states = list(initial_state) if isinstance(initial_state, Iterable) else [initial_state]
        shapes = [s.shape if isinstance(s, Tensor) else None for s in states]
        if shapes != [w.shape for w in weights]:
            raise ValueError("initial_state must be one tensor a parameter, each of its shape")
        for w, state in zip(weights, states, strict=True):
            self._start(w, -state.detach().to(w))

    def _check(self, group: dict) -> None:
        if group["scheduled"] not in SCHEDULED:
            allowed = ", ".join(SCHEDULED)
            raise ValueError(f"scheduled must be one of {allowed}; got {group['scheduled']!r}")
        rules.FLAG.checked("bias_correction", group["bias_correction"])
        group["lr"] = rules.NOT_NEGATIVE.checked("lr", group["lr"])
        for name in ("alpha", "gamma"):
            group[name] = rules.SHARE.checked(name, group[name])
        require_signs(group["params"])

    def _start(self, w: Tensor, descent: Tensor) -> None:
        if not descent.isfinite().all():
            raise ValueError("initial_state must be finite, got values that are not")
        # Where the state is 0 its sign bit carries the weight's sign.
        descent = torch.where(descent == 0, torch.copysign(descent, w.detach()), descent)
        wrong = int((torch.signbit(descent) != torch.signbit(w)).sum())
        if wrong:
            raise ValueError(
                "initial_state must have the opposite sign of the weights (weight = -sign(state)); "
                f"{wrong} of {w.numel()} values do not"
            )
        self.state[w]["momentum"] = torch.zeros_like(descent)
        self.state[w]["descent"] = descent

    def _update(self, group: dict, weights: list[Tensor], gradients: list[Tensor]) -> None:
        for w in weights:
            if not self.state[w]:
                self._start(w, torch.zeros_like(w))
        momenta = [self.state[w]["momentum"] for w in weights]
        descents = [self.state[w]["descent"] for w in weights]
        pole, increment = (
            group["alpha"] * (group["lr"] if group["scheduled"] in ("both", place) else 1.0)
            for place in ("pole", "increment")
        )
        group["steps"] += 1
        if group["bias_correction"]:
            increment /= 1 - (1 - group["gamma"]) ** group["steps"]
        if self._fused:
            # As tensors, or each value of a schedule would be compiled anew.
            numbers = torch.tensor((pole, increment), dtype=torch.float64)
            self._fused(weights, momenta, descents, gradients, group["gamma"], *numbers)
            return
        torch._foreach_lerp_(momenta, gradients, group["gamma"])
        torch._foreach_mul_(descents, 1 - pole)
        if increment:  # at 0 nothing moves, not even the sign of a zero
            torch._foreach_add_(descents, momenta, alpha=-increment)
        for w, descent in zip(weights, descents, strict=True):
            torch.copysign(_one(w), descent, out=w)

    def filtered(self, weight: Tensor) -> Tensor:
        """g, the filtered gradient of one parameter."""
        state = self.state.get(weight)
        return -state["descent"] if state else torch.zeros_like(weight)


def _cascade(
    weights: list[Tensor],
    momenta: list[Tensor],
    descents: list[Tensor],
    gradients: list[Tensor],
    gamma: float,
    pole: Tensor,
    increment: Tensor,
) -> None:
    """`FilterOptimizer`'s update with each value read and written once, where it is compiled."""
    for w, momentum, descent, gradient in zip(weights, momenta, descents, gradients, strict=True):
        momentum.lerp_(gradient, gamma)
        kept = descent * (1 - pole)
        # At 0 nothing moves, not even the sign of a zero.
        descent.copy_(torch.where(increment == 0, kept, kept - momentum * increment))
        w.copy_(binarize.sign(descent))


class LinearFilter(GroupedOptimizer):
    """Any causal linear filter of order up to 8 on the gradient; the weight is minus its sign.

        a_0 y_i = sum_k b_k grad_{i-k} - sum_{k>0} a_k y_{i-k},   weight: -sign(y_i)

    Transposed direct form II, zero start. Where y is exactly 0 the weight stays as it is. The
    coefficients do not follow a schedule: with moving ones this form is another filter than the
    cascade. A group's `lr` has to stay 1.

    Args:
        params: parameters whose values are all ±1, or groups of them.
        b, a: coefficients as in `scipy.signal.lfilter`; a_0 not 0.

    Raises:
        ValueError: naming the argument, its value and what is allowed: an order above 8, a pole
            outside the unit circle or a multiple one on it; a simple one on it is allowed.

    Source: Quist et al. 2023, Eq 14.
    """

    def __init__(self, params: ParamsT, b: Coefficients, a: Coefficients):
        super().__init__(params, {"lr": 1.0, "b": b, "a": a})

    def _check(self, group: dict) -> None:
        group["b"], group["a"] = _normalised(group["b"], group["a"])
        require_signs(group["params"])

    def _update(self, group: dict, weights: list[Tensor], gradients: list[Tensor]) -> None:
        if group["lr"] != 1:
            raise ValueError(f"lr must stay 1 (no schedule moves a LinearFilter), got {group['lr']!r}")
        b, a = group["b"], group["a"]
        for w in weights:
            if "delays" not in self.state[w]:
                self.state[w]["delays"] = [torch.zeros_like(w) for _ in a[1:]]
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
        # sign(w - 2 sign(y)): w where y is 0, else -sign(y).
        torch._foreach_sign_(outputs)
        torch._foreach_add_(weights, outputs, alpha=-2)
        torch._foreach_sign_(weights)


def _normalised(b: Coefficients, a: Coefficients) -> tuple[list[float], list[float]]:
    try:
        b, a = [float(c) for c in b], [float(c) for c in a]
    except (TypeError, ValueError) as error:
        raise ValueError(f"b and a must be sequences of numbers, got {b!r} and {a!r}") from error
    if not b or not any(b):
        raise ValueError(f"b must have a coefficient that is not 0, got {b!r}")
    if not a or a[0] == 0:
        raise ValueError(f"a must start with a coefficient that is not 0, got {a!r}")
    order = max(len(a), len(b)) - 1
    if order > MAX_ORDER:
        raise ValueError(f"the filter's order must be at most {MAX_ORDER}, got {order}")
    b = [c / a[0] for c in b] + [0.0] * (order + 1 - len(b))
    a = [c / a[0] for c in a] + [0.0] * (order + 1 - len(a))
    if not all(map(math.isfinite, b + a)):
        raise ValueError(f"b and a must be finite once divided by a_0, got {b!r} and {a!r}")
    filters.require_stable(filters.Filter(tuple(b), tuple(a)))
    return b, a


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


def _one(like: Tensor) -> Tensor:
    return torch.ones((), dtype=like.dtype, device=like.device)
