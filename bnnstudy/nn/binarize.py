"""`sign`, which is never 0, and the surrogate gradients that stand in for its derivative.

All functions take a tensor of any shape and give one of the same shape, ±1. They differ only in the
gradient that they pass back. The derivative of the sign is 0 almost everywhere, so training puts a
*surrogate* in its place (straight-through estimator, STE; Bengio et al. 2013).

Two boundaries are settled here, once. At 0, `sign` follows the sign bit: sign(0) = 1 and
sign(-0) = -1. At |x| = 1, `clip` passes the gradient (`<=`, not `<`): a latent weight that was clamped
to ±1 can move again.
"""

import inspect
from collections.abc import Callable
from typing import Any

import torch
from torch import Tensor
from torch.autograd import Function
from torch.autograd.function import BackwardCFunction


def sign(x: Tensor) -> Tensor:
    """The sign of `x`: 1 where its sign bit is clear, -1 where it is set; never 0.

    sign(x) = 1 for x > 0 and for +0; -1 for x < 0 and for -0.

    The sign bit carries a random start through zero: a latent weight initialised at "zero" is +0 or
    -0 with its bit drawn at random, so the network is binary from the first step, and a weight whose
    gradient has always been exactly 0 keeps the sign that it drew. No gradient.
    """
    return torch.copysign(torch.ones((), dtype=x.dtype, device=x.device), x.detach())


class _Sign(Function):
    """Sign forward; each surrogate has its own backward. Elementwise, so a stack is one tensor.

    `vmap` is what `torch.vmap` calls in place of the function, with the whole stack.
    """

    @staticmethod
    def forward(x: Tensor, *numbers: float) -> Tensor:
        return sign(x)

    @staticmethod
    def setup_context(ctx: Any, inputs: tuple[Any, ...], output: Tensor) -> None:
        x, *ctx.numbers = inputs
        ctx.save_for_backward(x)

    def __init_subclass__(cls) -> None:
        def whole(info: object, dims: tuple[int | None, ...], *inputs: Any) -> tuple[Tensor, Any]:
            return cls.apply(*inputs), dims[0]

        cls.vmap = staticmethod(whole)  # type: ignore[method-assign]


# `Function.apply` binds its arguments by the signature of `forward`, which Python builds anew at every
# call unless it finds one here: a third of what a small call takes.
_Sign.forward.__signature__ = inspect.signature(_Sign.forward)  # type: ignore[attr-defined]


class _Identity(_Sign):
    @staticmethod
    def setup_context(ctx: Any, inputs: tuple[Any, ...], output: Tensor) -> None:
        pass  # Nothing to keep.

    @staticmethod
    def backward(ctx: BackwardCFunction, grad: Tensor) -> Tensor:
        return grad


class _Clip(_Sign):
    @staticmethod
    def backward(ctx: BackwardCFunction, grad: Tensor) -> Tensor:
        (x,) = ctx.saved_tensors
        if _inside(x):
            return grad
        # hardtanh's backward is one fused kernel, but strict (<); the next number above 1 as its
        # bound makes it <= 1 exactly.
        bound = 1 + torch.finfo(x.dtype).eps
        return torch.ops.aten.hardtanh_backward(grad, x, -bound, bound)


LARGE = 2**18
"""Values from which on `clip` looks whether it has anything to mask: 1 MiB in float32."""


def _inside(x: Tensor) -> bool:
    """Whether all of a large tensor lies in [-1, 1], so that `clip` passes the gradient as it is.

    To mask a gradient is to read two large tensors and write a third one; to look is to read one. It
    pays for latent weights, which are clamped or start small. Activations seldom lie inside, so one row
    is looked at first. Not looked at is what would have to be waited for (on a GPU), be copied (in
    another layout), or has no values yet (compiled, or under `torch.vmap`).
    """
    if x.numel() < LARGE or x.device.type != "cpu" or not x.is_contiguous():
        return False
    if torch.compiler.is_compiling() or torch._C._functorch.is_functorch_wrapped_tensor(x):
        return False
    for part in (x[:1], x):
        low, high = torch.aminmax(part)
        if not (low.item() >= -1 and high.item() <= 1):  # not: what is no number is not inside
            return False
    return True


class _ClipStrict(_Sign):
    @staticmethod
    def backward(ctx: BackwardCFunction, grad: Tensor) -> Tensor:
        (x,) = ctx.saved_tensors
        return torch.ops.aten.hardtanh_backward(grad, x, -1.0, 1.0)


class _Approx(_Sign):
    @staticmethod
    def backward(ctx: BackwardCFunction, grad: Tensor) -> Tensor:
        (x,) = ctx.saved_tensors
        return x.abs().mul_(-2).add_(2).clamp_(min=0).mul_(grad)


class _Ede(_Sign):
    @staticmethod
    def backward(ctx: Any, grad: Tensor) -> tuple[Tensor, None]:
        (x,), (t,) = ctx.saved_tensors, ctx.numbers
        k = max(1 / t, 1.0)
        slope = (x * t).tanh().square().neg_().add_(1).mul_(k * t)
        return slope.mul_(grad), None


def not_signs(x: Tensor) -> int:
    """How many values are neither 1 nor -1."""
    return int((x.detach().abs() != 1).sum())


def identity(x: Tensor) -> Tensor:
    """Sign forward, identity backward: the plain ("vanilla") straight-through estimator.

    Forward sign(x); backward d/dx = 1 everywhere. Bengio et al. 2013; paper A, section 3.2, "none".
    """
    return _Identity.apply(x)


def clip(x: Tensor) -> Tensor:
    """Sign forward, hard tanh backward: the gradient passes only where |x| <= 1.

    Forward sign(x); backward d/dx = 1 if |x| <= 1, else 0. Paper A, Eq 1 ("gradient clipping").
    The boundary belongs to the open side, unlike in `torch.nn.Hardtanh`.
    """
    return _Clip.apply(x)


def clip_strict(x: Tensor) -> Tensor:
    """Sign forward, `torch.nn.Hardtanh` backward: the gradient passes only where |x| < 1.

    Forward sign(x); backward d/dx = 1 if |x| < 1, else 0. It differs from `clip` at |x| = 1 alone: a
    latent weight that was clamped to 1 or -1 gets no gradient again.
    """
    return _ClipStrict.apply(x)


def approx(x: Tensor) -> Tensor:
    """ApproxSign: sign forward, the derivative of a piecewise parabola backward.

    Forward sign(x); backward d/dx = max(0, 2 - 2|x|). Liu et al. 2018 (Bi-Real Net).
    """
    return _Approx.apply(x)


def ede(x: Tensor, t: float = 1.0) -> Tensor:
    """EDE: sign forward, the derivative of k tanh(t x) backward, with k = max(1/t, 1).

    Forward sign(x); backward d/dx = k t (1 - tanh(t x)^2). Small t is nearly the identity, large t
    nearly the sign itself; IR-Net raises t to 10 during training. Qin et al. 2020.

    Args:
        t: steepness, above 0.

    Raises:
        ValueError: if `t` is not above 0.
    """
    if not t > 0:
        raise ValueError(f"t must be above 0, got {t!r}")
    return _Ede.apply(x, t)


SURROGATES: dict[str, Callable[[Tensor], Tensor]] = {
    "identity": identity,
    "clip": clip,
    "clip_strict": clip_strict,
    "approx": approx,
    "ede": ede,
}
"""The surrogates by name, as layers and configurations spell them."""


def surrogate(name: str) -> Callable[[Tensor], Tensor]:
    """The surrogate called `name`.

    Raises:
        ValueError: if there is none of that name.
    """
    if name not in SURROGATES:
        raise ValueError(f"surrogate must be one of {', '.join(SURROGATES)}; got {name!r}")
    return SURROGATES[name]


def slope(name: str, x: Tensor) -> Tensor:
    """What a surrogate multiplies the gradient with at each `x`, in place of the sign's derivative.

    Raises:
        ValueError: if there is no surrogate of that name.
    """
    point = x.detach().clone().requires_grad_()
    (found,) = torch.autograd.grad(surrogate(name)(point).sum(), point)
    return found
