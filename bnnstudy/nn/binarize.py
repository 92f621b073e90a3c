"""`sign`, which is never 0, and the surrogate gradients that stand in for its derivative.

All functions take a tensor of any shape and give one of the same shape, ±1. They differ only in the
gradient that they pass back. The derivative of the sign is 0 almost everywhere, so training puts a
*surrogate* in its place (straight-through estimator, STE; Bengio et al. 2013).

Two boundaries are settled here, once. At 0, `sign` follows the sign bit: sign(0) = 1 and
sign(-0) = -1. At |x| = 1, `clip` passes the gradient (`<=`, not `<`): a latent weight that was clamped
to ±1 can move again.

The functions can be traced, mapped and differentiated as torch's own. `torch.fx` takes each as one
node; `torch.export` and `torch.jit.trace` take it as one operator, `torch.ops.bnnstudy.<name>`, with
the surrogate's gradient. A graph with such operators is loaded where this package was imported; in
what `run_decompositions` makes of it are torch's operators alone, and no gradient.
`torch.onnx.export` writes ONNX's own operators, both zeros included. The surrogate's
slope stands for the derivative everywhere: in `torch.func.jvp` as in `backward`, and a second
derivative is the slope's own.
"""

import inspect
from collections.abc import Callable
from typing import Any

import torch
from torch import Tensor, nn
from torch._functorch import eager_transforms
from torch.autograd import Function, forward_ad
from torch.autograd.function import BackwardCFunction
from torch.overrides import handle_torch_function, has_torch_function_unary

from bnnstudy.config import checks


def sign(x: Tensor) -> Tensor:
    """The sign of `x`: 1 where its sign bit is clear, -1 where it is set; never 0.

    sign(x) = 1 for x > 0 and for +0; -1 for x < 0 and for -0.

    The sign bit carries a random start through zero: a latent weight initialised at "zero" is +0 or
    -0 with its bit drawn at random, so the network is binary from the first step, and a weight whose
    gradient has always been exactly 0 keeps the sign that it drew. No gradient.

    Example:
        >>> sign(torch.tensor([0.3, -2.0, 0.0, -0.0]))
        tensor([ 1., -1.,  1., -1.])
    """
    if has_torch_function_unary(x):
        return handle_torch_function(sign, (x,), x)
    if type(x) not in _PLAIN and torch.onnx.is_in_onnx_export():
        return _sign_by_division(x.detach())
    return x.new_ones(()).copysign(x.detach())


_PLAIN = (Tensor, nn.Parameter)
"""Types that no export has: looked at first, as it costs next to nothing."""


def _sign_by_division(x: Tensor) -> Tensor:
    """The sign by what ONNX has, which knows no sign bit: 1 / -0 is -inf."""
    return torch.where(torch.where(x == 0, x.reciprocal(), x) < 0, -1.0, 1.0).to(x.dtype)


class _Sign(Function):
    """Sign forward; each surrogate has its own `times`. Elementwise, so a stack is one tensor.

    `times` is the surrogate's slope at x times a gradient (`backward`) or a tangent (`jvp`, in forward
    mode). `vmap` is what `torch.vmap` calls in place of the function, with the whole stack.
    """

    times: Callable[..., Tensor]
    curved = False  # whether the slope has a slope of its own

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
    def times(grad: Tensor, x: Tensor) -> Tensor:
        return grad.view_as(grad)  # in forward mode no tangent may be its own result

    @staticmethod
    def backward(ctx: BackwardCFunction, grad: Tensor) -> Tensor:
        return grad


class _Clip(_Sign):
    @staticmethod
    def times(grad: Tensor, x: Tensor) -> Tensor:
        # hardtanh's backward is one fused kernel, but strict (<); the next number above 1 as its
        # bound makes it <= 1 exactly.
        bound = 1 + torch.finfo(x.dtype).eps
        return torch.ops.aten.hardtanh_backward(grad, x, -bound, bound)

    @staticmethod
    def backward(ctx: BackwardCFunction, grad: Tensor) -> Tensor:
        (x,) = ctx.saved_tensors
        return grad if _inside(x) else _Clip.times(grad, x)


LARGE = 2**18
"""Values from which on `clip` looks whether it has anything to mask: 1 MiB in float32."""


def _inside(x: Tensor) -> bool:
    """Whether all of a large tensor lies in [-1, 1], so that `clip` passes the gradient as it is.

    To mask a gradient is to read two large tensors and write a third one; to look is to read one. It
    pays for latent weights, which are clamped or start small. Activations seldom lie inside, so one row
    is looked at first. Not looked at is what would have to be waited for (on a GPU), be copied (in
    another layout), or has no values yet (compiled, traced, or under `torch.vmap`).
    """
    if x.numel() < LARGE or x.device.type != "cpu" or not x.is_contiguous():
        return False
    if torch.compiler.is_compiling() or torch._C._functorch.is_functorch_wrapped_tensor(x):
        return False
    if torch._C._len_torch_dispatch_stack():  # `make_fx`, fake tensors
        return False
    for part in (x[:1], x):
        low, high = torch.aminmax(part)
        if not (low.item() >= -1 and high.item() <= 1):  # not: what is no number is not inside
            return False
    return True


class _ClipStrict(_Sign):
    @staticmethod
    def times(grad: Tensor, x: Tensor) -> Tensor:
        return torch.ops.aten.hardtanh_backward(grad, x, -1.0, 1.0)

    @staticmethod
    def backward(ctx: BackwardCFunction, grad: Tensor) -> Tensor:
        return _ClipStrict.times(grad, *ctx.saved_tensors)


class _Approx(_Sign):
    curved = True

    @staticmethod
    def times(grad: Tensor, x: Tensor) -> Tensor:
        return _product(x.abs().mul_(-2).add_(2).clamp_min_(0), grad)

    @staticmethod
    def backward(ctx: BackwardCFunction, grad: Tensor) -> Tensor:
        return _Approx.times(grad, *ctx.saved_tensors)


class _Ede(_Sign):
    curved = True

    @staticmethod
    def times(grad: Tensor, x: Tensor, t: float) -> Tensor:
        k = max(1 / t, 1.0)
        return _product((x * t).tanh().square().neg_().add_(1).mul_(k * t), grad)

    @staticmethod
    def backward(ctx: Any, grad: Tensor) -> tuple[Tensor, None]:
        return _Ede.times(grad, *ctx.saved_tensors, *ctx.numbers), None


def _product(slope: Tensor, grad: Tensor) -> Tensor:
    """Slope times gradient, in the slope's memory unless there are several gradients for one slope."""
    functorch = torch._C._functorch  # `is_grads_batched` still has batches of an older kind
    if (
        torch.compiler.is_compiling()
        or functorch.is_functorch_wrapped_tensor(grad)
        or functorch.is_legacy_batchedtensor(grad)
    ):
        return slope * grad
    return slope.mul_(grad)


def not_signs(x: Tensor) -> int:
    """How many values are neither 1 nor -1."""
    return int((x.detach().abs() != 1).sum())


KINDS: dict[str, type[_Sign]] = {
    "identity": _Identity,
    "clip": _Clip,
    "clip_strict": _ClipStrict,
    "approx": _Approx,
    "ede": _Ede,
}
"""What autograd knows of each surrogate."""


def _with_tangents(name: str, kind: type[_Sign]) -> type[_Sign]:
    """A surrogate that knows forward mode too: apart, as torch compiles no function that does."""

    def setup_context(ctx: Any, inputs: tuple[Any, ...], output: Tensor) -> None:
        x, *ctx.numbers = inputs
        ctx.save_for_backward(x)
        ctx.save_for_forward(x)

    def jvp(ctx: Any, tangent: Tensor, *none: None) -> Tensor:
        if kind.curved and eager_transforms.JVP_NESTING > 1:
            # torch calls this without the outer tangent: the answer would be 0.
            raise NotImplementedError(
                f"{name} has no derivative forward over forward, where torch loses it: take one of "
                "the two in reverse, as torch.func.hessian does"
            )
        return kind.times(tangent, *ctx.saved_tensors, *ctx.numbers)

    parts = {"setup_context": staticmethod(setup_context), "jvp": staticmethod(jvp)}
    return type(kind.__name__, (kind,), parts)


_WITH_TANGENTS = {name: _with_tangents(name, kind) for name, kind in KINDS.items()}


def _is_ordinary(x: Tensor) -> bool:
    """Whether nothing looks on but autograd in reverse mode, and `torch.vmap`; it takes about 1 µs."""
    return not (
        has_torch_function_unary(x)
        or forward_ad._current_level >= 0
        or torch.compiler.is_compiling()
        or torch._C._is_tracing()  # `torch.jit.is_tracing`, at a third of its cost
    )


def _other(function: Callable[..., Tensor], x: Tensor, *numbers: float) -> Tensor:
    """A call that is no ordinary one: one node of what traces it, compiled, or with its tangent.

    What traces an autograd function would record the sign alone, and lose its surrogate; so does
    `torch.compile` where it is mapped.
    """
    name = function.__name__
    if has_torch_function_unary(x):
        return handle_torch_function(function, (x,), x, *numbers)
    if torch.compiler.is_compiling():
        if torch.compiler.is_exporting() or torch._C._are_functorch_transforms_active():
            return getattr(torch.ops.bnnstudy, name)(x, *numbers)
        return KINDS[name].apply(x, *numbers)
    if torch._C._is_tracing():
        if torch.onnx.is_in_onnx_export():
            # torch's older exporter knows no operator of ours, nor copysign. 1 / -0.0 is -inf.
            return torch.where((x < 0) | ((x == 0) & (1 / x < 0)), -1.0, 1.0).to(x.dtype)
        return getattr(torch.ops.bnnstudy, name)(x, *numbers)
    return _WITH_TANGENTS[name].apply(x, *numbers)


def _operators() -> torch.library.Library:
    """Each surrogate as an operator, which graphs can hold and files can name."""
    library = torch.library.Library("bnnstudy", "FRAGMENT")
    for name in KINDS:
        if hasattr(torch.ops.bnnstudy, name):  # this file was loaded before, by another name
            continue
        library.define(f"{name}(Tensor x{', float t' if name == 'ede' else ''}) -> Tensor")
        # Composite, so that autograd and every device have it. Under torch.func it is taken apart at
        # the outermost transform: only there is an autograd function known.
        for key in ("CompositeImplicitAutograd", "FuncTorchDynamicLayerFrontMode"):
            library.impl(name, _WITH_TANGENTS[name].apply, key)
    return library


# Operators last as long as their library does: one that is there is kept where this is loaded anew.
_LIBRARY = globals().get("_LIBRARY") or _operators()


def identity(x: Tensor) -> Tensor:
    """Sign forward, identity backward: the plain ("vanilla") straight-through estimator.

    Forward sign(x); backward d/dx = 1 everywhere. Bengio et al. 2013; paper A, section 3.2, "none".

    Example:
        >>> x = torch.tensor([0.5, 1.0, 1.5], requires_grad=True)
        >>> identity(x).sum().backward()
        >>> x.grad
        tensor([1., 1., 1.])
    """
    return _Identity.apply(x) if _is_ordinary(x) else _other(identity, x)


def clip(x: Tensor) -> Tensor:
    """Sign forward, hard tanh backward: the gradient passes only where |x| <= 1.

    Forward sign(x); backward d/dx = 1 if |x| <= 1, else 0. Paper A, Eq 1 ("gradient clipping").
    The boundary belongs to the open side, unlike in `torch.nn.Hardtanh`.

    Example:
        >>> x = torch.tensor([0.5, 1.0, 1.5], requires_grad=True)
        >>> clip(x).sum().backward()
        >>> x.grad
        tensor([1., 1., 0.])
    """
    return _Clip.apply(x) if _is_ordinary(x) else _other(clip, x)


def clip_strict(x: Tensor) -> Tensor:
    """Sign forward, `torch.nn.Hardtanh` backward: the gradient passes only where |x| < 1.

    Forward sign(x); backward d/dx = 1 if |x| < 1, else 0. It differs from `clip` at |x| = 1 alone: a
    latent weight that was clamped to 1 or -1 gets no gradient again.

    Example:
        >>> x = torch.tensor([0.5, 1.0, 1.5], requires_grad=True)
        >>> clip_strict(x).sum().backward()
        >>> x.grad
        tensor([1., 0., 0.])
    """
    return _ClipStrict.apply(x) if _is_ordinary(x) else _other(clip_strict, x)


def approx(x: Tensor) -> Tensor:
    """ApproxSign: sign forward, the derivative of a piecewise parabola backward.

    Forward sign(x); backward d/dx = max(0, 2 - 2|x|). Liu et al. 2018 (Bi-Real Net).

    Example:
        >>> x = torch.tensor([0.5, 1.0, 1.5], requires_grad=True)
        >>> approx(x).sum().backward()
        >>> x.grad
        tensor([1., 0., 0.])
    """
    return _Approx.apply(x) if _is_ordinary(x) else _other(approx, x)


def ede(x: Tensor, t: float = 1.0) -> Tensor:
    """EDE: sign forward, the derivative of k tanh(t x) backward, with k = max(1/t, 1).

    Forward sign(x); backward d/dx = k t (1 - tanh(t x)^2). Small t is nearly the identity, large t
    nearly the sign itself; IR-Net raises t to 10 during training. Qin et al. 2020.

    Args:
        t: steepness, above 0.

    Raises:
        ValueError: if `t` is not above 0.

    Example:
        >>> x = torch.tensor([0.0, -0.0], requires_grad=True)
        >>> ede(x, 0.5), torch.autograd.grad(ede(x, 0.5).sum(), x)
        (tensor([ 1., -1.], grad_fn=<_EdeBackward>), (tensor([1., 1.]),))
    """
    if not isinstance(t, float) or not t > 0:
        t = checks.POSITIVE.checked("t", t)
    return _Ede.apply(x, t) if _is_ordinary(x) else _other(ede, x, t)


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
    return SURROGATES[checks.one_of("surrogate", name, SURROGATES)]


def slope(name: str, x: Tensor) -> Tensor:
    """What a surrogate multiplies the gradient with at each `x`, in place of the sign's derivative.

    Raises:
        ValueError: if there is no surrogate of that name.
    """
    point = x.detach().clone().requires_grad_()
    (found,) = torch.autograd.grad(surrogate(name)(point).sum(), point)
    return found
