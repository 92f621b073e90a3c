"""An optimizer over given gradients: the path of its weights, without a network or a training."""

from collections.abc import Callable, Iterable
from itertools import zip_longest
from typing import Any, TypeVar

import torch
from torch import Tensor, nn
from torch.optim import Optimizer

from bnnstudy.config import checks
from bnnstudy.config.checks import shown
from bnnstudy.nn import binarize

Made = TypeVar("Made", bound=Optimizer)

GradientAt = Callable[[Tensor], Tensor]
"""From the weights where they stand to their gradient there."""


def trace(
    make: Callable[[list[nn.Parameter]], Made],
    start: Tensor,
    gradients: Iterable[Tensor | GradientAt],
    factors: Iterable[float] | None = None,
    *,
    clamp: bool = False,
    keep: Callable[[Made, nn.Parameter], Tensor] | None = None,
) -> Tensor:
    """The weights before and after each step of an optimizer that is given these gradients.

        >>> from bnnstudy.config import schedule_factor
        >>> from bnnstudy.optim import FilterOptimizer
        >>> random = torch.Generator().manual_seed(0)
        >>> path = trace(
        ...     lambda weights: FilterOptimizer(weights, alpha=0.01, gamma=0.1),
        ...     torch.ones(200),
        ...     torch.randn(50, 200, generator=random),
        ...     factors=(schedule_factor("cosine", step, 50) for step in range(50)),
        ... )
        >>> path.shape  # path[0] is the start, path[-1] the end
        torch.Size([51, 200])
        >>> flip_ratios(path).shape
        torch.Size([50])

    Args:
        make: from a list with one parameter to its optimizer, such as
            `partial(torch.optim.Adam, lr=0.1)`.
        start: the weights at the start, which are copied; signed zeros stay.
        gradients: one a step, each of the start's shape and dtype: a tensor whose first axis is the
            steps, a list, or a generator. A function is called with the weights and returns the
            gradient there.
        factors: by step, what multiplies the rate `lr` that the optimizer was made with, as a
            scheduler does (`config.schedule_factor`); None is a constant rate.
        clamp: weights are clamped to [-1, 1] after each step, as `RunConfig.clamp` has it.
        keep: what is kept in place of the weights, from the optimizer and the parameter, such as the
            state `FilterOptimizer.filtered`.

    Returns:
        What was kept, stacked: of shape (steps + 1, *start.shape) where it is the weights.

    Raises:
        ValueError: if `start` is not of real numbers, a gradient has not its shape and dtype, or
            `factors` are no finite numbers or not as many as the gradients.
    """
    checks.instance("start", start, Tensor)
    if not start.is_floating_point():
        raise ValueError(f"start must be of a floating-point dtype, got {start.dtype}")
    clamp = checks.FLAG.checked("clamp", clamp)
    weight = nn.Parameter(start.detach().clone())
    optimizer = make([weight])
    rates = [group["lr"] for group in optimizer.param_groups]

    def kept() -> Tensor:
        return (keep(optimizer, weight) if keep else weight).detach().clone()

    path = [kept()]
    paired = _paired(checks.iterator("gradients", gradients, "one a step"), factors)
    for step, (gradient, factor) in enumerate(paired):
        weight.grad = _checked(gradient, weight, step)
        if factor is not None:
            for group, rate in zip(optimizer.param_groups, rates, strict=True):
                group["lr"] = rate * checks.FINITE.checked("a value of factors", factor)
        optimizer.step()
        if clamp:
            with torch.no_grad():
                weight.clamp_(-1, 1)
        path.append(kept())
    return torch.stack(path)


def _paired(gradients: Iterable[Any], factors: Iterable[float] | None) -> Iterable[tuple[Any, Any]]:
    if factors is None:
        yield from ((gradient, None) for gradient in gradients)
        return
    missing, factors = object(), checks.iterator("factors", factors, "one a step")
    for gradient, factor in zip_longest(gradients, factors, fillvalue=missing):
        if gradient is missing or factor is missing:
            few = "gradients" if gradient is missing else "factors"
            raise ValueError(f"factors must be one for each of the gradients, got fewer {few}")
        yield gradient, factor


def _checked(gradient: Tensor | GradientAt, weight: nn.Parameter, step: int) -> Tensor:
    """A gradient of the weights, copied, so that no optimizer can alter the caller's."""
    if not isinstance(gradient, Tensor) and not callable(gradient):
        allowed = "tensors, or functions of the weights"
        raise ValueError(f"gradients must be {allowed}, got {shown(gradient)} at step {step}")
    found = gradient if isinstance(gradient, Tensor) else gradient(weight)
    if found.shape != weight.shape or found.dtype != weight.dtype:
        raise ValueError(
            f"gradients must have the start's shape {tuple(weight.shape)} and {weight.dtype}, "
            f"got {tuple(found.shape)} and {found.dtype} at step {step}"
        )
    return found.detach().clone()


def flip_ratios(path: Tensor) -> Tensor:
    """The share of weights whose sign a step changed, for each step of a path, in float64.

        >>> flip_ratios(torch.tensor([[1.0, 1.0], [-1.0, 1.0], [-1.0, 1.0]])).tolist()
        [0.5, 0.0]

    Args:
        path: weights before and after each step, as `trace` gives them: (steps + 1, …).

    Raises:
        ValueError: if it is no tensor with a first axis, or has no weights.
    """
    if not isinstance(path, Tensor) or not path.dim() or not path.numel():
        raise ValueError(f"path must be a tensor of (steps + 1, …), got {shown(path)}")
    signs = binarize.sign(path).reshape(len(path), path[0].numel())
    return (signs[1:] != signs[:-1]).double().mean(1)
