"""The filter view: a weight is ±1, and a filtered gradient decides its sign. No latent weight."""

from collections.abc import Callable, Iterable, Iterator
from typing import Any

import torch
from torch import Tensor
from torch.optim.optimizer import ParamsT

from bnnstudy import devices
from bnnstudy.config import checks
from bnnstudy.nn import binarize
from bnnstudy.optim._checks import require_signs
from bnnstudy.optim.base import GroupedOptimizer, state_dtype, zero_state

SCHEDULED = ("both", "pole", "increment")
"""Where a schedule of alpha may act."""


class FilterOptimizer(GroupedOptimizer):
    """Two moving averages in cascade on the gradient; the weight is minus the sign of the result.

        m_i = (1 - gamma) m_{i-1} + gamma grad_i,   m_{-1} = 0
        g_i = (1 - alpha) g_{i-1} + alpha m_i,      weight: -sign(g_i)

    It is latent SGD with alpha = lr * weight_decay (`bnnstudy.theory.latent_to_filter`). The state is
    kept as -g, so that the weight is its sign without one more pass. A state that starts at 0 carries
    the sign of its weight, so a weight whose gradient has always been 0 stays as it was drawn. One that
    later cancels to exactly 0 gives 1, as `LatentSGD` does. The state of a weight in half precision is
    in float32: at a small alpha a narrower one would be another filter.

    `alpha` follows any torch scheduler: the group's `lr` starts at 1 and the rate in force is
    alpha * lr, which may reach 0. It stands in two places, which can be scheduled apart: the *pole*,
    1 - alpha, says how much is kept, the *increment*, alpha m_i, how much is added. The sign does not
    see the size of the increments, but it does see that later ones are smaller than earlier ones.

        >>> weight = torch.nn.Parameter(torch.ones(2))
        >>> optimizer = FilterOptimizer([weight], alpha=0.1, gamma=0.5)
        >>> weight.grad = torch.tensor([1.0, -1.0])
        >>> optimizer.step()
        >>> weight.tolist(), optimizer.filtered(weight)
        ([-1.0, 1.0], tensor([ 0.0500, -0.0500]))

    Args:
        params: parameters whose values are all ±1, or groups of them.
        alpha: weight of the new value in the outer average, in (0, 1].
        gamma: the same in the inner average, in (0, 1]; 1 leaves a first-order filter.
        initial_state: g_{-1}, one tensor a parameter in order; None means 0. Latent weights that start
            at w0 correspond to -weight_decay * w0.
        scheduled: where the schedule acts, `"both"`, `"pole"` or `"increment"`.
        bias_correction: divide m_i by 1 - (1 - gamma)^(i+1), as Adam does; i counts the steps of the
            group. The same for g would change no sign.
        check_finite: refuse gradients that are no numbers or infinite (`GroupedOptimizer` says when).

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
        check_finite: bool = True,
    ):
        numbers = {"lr": 1.0, "alpha": alpha, "gamma": gamma, "scheduled": scheduled}
        defaults = {**numbers, "bias_correction": bias_correction, "steps": 0}
        super().__init__(params, defaults, check_finite)
        if devices.is_compiling():
            self._fused = devices.compiled(_cascade)
        if initial_state is None:
            return
        weights = [p for group in self.param_groups for p in group["params"]]
        try:
            states = list(initial_state)
        except TypeError:  # a number, or an array without dimensions
            states = []
        shapes = [s.shape if isinstance(s, Tensor) else None for s in states]
        if shapes != [w.shape for w in weights]:
            raise ValueError("initial_state must be one tensor a parameter, each of its shape")
        for w, state in zip(weights, states, strict=True):
            self._start(w, -state.detach().to(w.device, state_dtype(w)))

    def _check(self, group: dict[str, Any]) -> None:
        group["scheduled"] = checks.one_of("scheduled", group["scheduled"], SCHEDULED)
        checks.FLAG.checked("bias_correction", group["bias_correction"])
        group["lr"] = checks.NOT_NEGATIVE.checked("lr", group["lr"])
        for name in ("alpha", "gamma"):
            group[name] = checks.SHARE.checked(name, group[name])
        if group["bias_correction"] and 1 - group["gamma"] == 1:
            raise ValueError(f"gamma must be 2^-53 or more to be corrected for, got {group['gamma']!r}")
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

    def _update(self, group: dict[str, Any], weights: list[Tensor], gradients: list[Tensor]) -> None:
        for w in weights:
            if not self.state[w]:
                self._start(w, zero_state(w))
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
        for block in _blocks(weights, momenta, descents, gradients):
            _move(block, group["gamma"], pole, increment)

    def filtered(self, weight: Tensor) -> Tensor:
        """g, the filtered gradient of one parameter; float32 for one in half precision."""
        state = self.state.get(weight)
        return -state["descent"] if state else zero_state(weight)


BLOCK = 2**19
"""Values of a block on a CPU. The four arrays of one, in float32, are 8 MiB: they stay in its cache."""


def _blocks(*arrays: list[Tensor]) -> Iterator[list[list[Tensor]]]:
    """The arrays, part by part; values that belong together are in the same part.

    An update goes over its values several times. On a CPU most of its time is spent on fetching them
    from memory, so parts are small enough to stay in the cache until the update is done with them:
    large tensors are split, small ones are put together. A GPU is given all at once.
    """
    if any(w.device.type != "cpu" for w in arrays[0]):
        yield list(arrays)
        return
    block: list[tuple[Tensor, ...]] = []
    size = 0
    for part in (part for tensors in zip(*arrays, strict=True) for part in _split(tensors)):
        if block and size + part[0].numel() > BLOCK:
            yield [list(array) for array in zip(*block, strict=True)]
            block, size = [], 0
        block.append(part)
        size += part[0].numel()
    yield [list(array) for array in zip(*block, strict=True)]


def _split(tensors: tuple[Tensor, ...]) -> Iterable[tuple[Tensor, ...]]:
    """Tensors of one shape in blocks of rows, as views, whatever their layout."""
    if tensors[0].numel() <= BLOCK:
        return [tensors]
    # In multiples of 64: kernels may round a vector unit's last, incomplete vector otherwise (in
    # bfloat16 they do), so no part may have one where the whole has none.
    rows = max(BLOCK // tensors[0][0].numel() // 64, 1) * 64
    return zip(*(t.split(rows) for t in tensors), strict=True)


def _move(block: list[list[Tensor]], gamma: float, pole: float, increment: float) -> None:
    """`FilterOptimizer`'s update of one block, operation by operation."""
    weights, momenta, descents, gradients = block
    torch._foreach_lerp_(momenta, gradients, gamma)
    torch._foreach_mul_(descents, 1 - pole)
    if increment:  # at 0 nothing moves, not even the sign of a zero
        torch._foreach_add_(descents, momenta, alpha=-increment)
    # One number for all of a kind: to make it takes as long as a small tensor's sign. There is no
    # `_foreach_copysign`.
    one = descents[0].new_ones(())
    for w, descent in zip(weights, descents, strict=True):
        if (one.dtype, one.device) != (descent.dtype, descent.device):
            one = descent.new_ones(())
        torch.copysign(one, descent, out=w)


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
