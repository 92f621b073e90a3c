"""Layers with binary weights or activations, and the split of a model's parameters into two kinds.

The layers take torch's own arguments, then three more. Arithmetic is *simulated*: weights are ±1 but
stored and multiplied in floating point, as in all training of binary networks.
"""

import contextlib
from collections.abc import Callable, Iterator
from functools import partial
from typing import Literal, TypeVar

import torch
import torch.nn.functional as F
from torch import Tensor, nn

from bnnstudy import binarize, rules, scalings


class _Binarizing(nn.Module):
    """What takes a sign: its surrogate by name, and as the function that it is at present."""

    surrogate: str
    _binarize: Callable[[Tensor], Tensor]

    def _use(self, surrogate: str) -> None:
        self._binarize, self.surrogate = binarize.surrogate(surrogate), surrogate


class _BinaryWeight(_Binarizing):
    """What the binary layers share: a weight that is binarised on the way, or ±1 already."""

    binary_parameters = ("weight",)
    weight: Tensor

    def _set_up(self, surrogate: str, scaling: str | None, weights: str) -> None:
        if weights not in ("latent", "binary"):
            raise ValueError(f"weights must be one of latent, binary; got {weights!r}")
        if scaling not in (None, *scalings.SCALINGS):
            names = ", ".join(scalings.SCALINGS)
            raise ValueError(f"scaling must be one of None, {names}; got {scaling!r}")
        self.scaling, self.weights = scaling, weights
        self._use(surrogate)
        if weights == "binary":
            if scaling is not None:
                raise ValueError(f"scaling must be None with weights='binary', got {scaling!r}")
            if surrogate not in ("clip", "identity"):
                raise ValueError(
                    f"surrogate has no meaning with weights='binary' (no mask), got {surrogate!r}"
                )
            with torch.no_grad():
                self.weight.copy_(binarize.sign(self.weight))

    def effective_weight(self) -> Tensor:
        """What the layer multiplies with: ±1, times the scale of each output where there is one."""
        if self.weights == "binary":
            return self.weight
        if self.scaling is None:
            return self._binarize(self.weight)
        return scalings.SCALINGS[self.scaling](self.weight, self._binarize)

    def extra_repr(self) -> str:
        return (
            f"{super().extra_repr()}, surrogate={self.surrogate!r}, scaling={self.scaling!r}, "
            f"weights={self.weights!r}"
        )


class BinaryLinear(_BinaryWeight, nn.Linear):
    """A linear layer whose weights are ±1: y = x sign(w)^T s + b, s an output's scale.

    Args:
        in_features, out_features, bias, device, dtype: as in `torch.nn.Linear`.
        surrogate: the gradient that stands in for that of the sign (`bnnstudy.binarize`).
        scaling: None (s = 1), `"mean"` or `"mean_forward"` (the mean |w| of an output's weights) or
            `"libra"` (IR-Net's: the sign is that of the standardised weights); `bnnstudy.scalings`.
        weights: `"latent"`: the parameter is real and binarised on the way; `"binary"`: the parameter
            itself is ±1 and used as it is (the filter view), without scaling or mask.

    Shapes: input (..., in_features), output (..., out_features).

    Raises:
        ValueError: naming the argument, its value and what is allowed.
    """

    def __init__(
        self,
        in_features: int,
        out_features: int,
        bias: bool = True,
        device: str | torch.device | None = None,
        dtype: torch.dtype | None = None,
        *,
        surrogate: str = "clip",
        scaling: str | None = None,
        weights: str = "latent",
    ):
        super().__init__(in_features, out_features, bias, device, dtype)
        self._set_up(surrogate, scaling, weights)

    def forward(self, input: Tensor) -> Tensor:
        return F.linear(input, self.effective_weight(), self.bias)


class BinaryConv2d(_BinaryWeight, nn.Conv2d):
    """A 2-d convolution whose weights are ±1; see `BinaryLinear` for the last three arguments.

    Args:
        in_channels … dtype: as in `torch.nn.Conv2d`.
        surrogate, scaling, weights: as in `BinaryLinear`; with scaling one factor an output channel.

    Shapes: input (N, C, H, W), output (N, out_channels, H', W').

    Raises:
        ValueError: naming the argument, its value and what is allowed.
    """

    def __init__(
        self,
        in_channels: int,
        out_channels: int,
        kernel_size: int | tuple[int, int],
        stride: int | tuple[int, int] = 1,
        padding: str | int | tuple[int, int] = 0,
        dilation: int | tuple[int, int] = 1,
        groups: int = 1,
        bias: bool = True,
        padding_mode: Literal["zeros", "reflect", "replicate", "circular"] = "zeros",
        device: str | torch.device | None = None,
        dtype: torch.dtype | None = None,
        *,
        surrogate: str = "clip",
        scaling: str | None = None,
        weights: str = "latent",
    ):
        super().__init__(
            in_channels,
            out_channels,
            kernel_size,
            stride,
            padding,
            dilation,
            groups,
            bias,
            padding_mode,
            device,
            dtype,
        )
        self._set_up(surrogate, scaling, weights)

    def forward(self, input: Tensor) -> Tensor:
        return self._conv_forward(input, self.effective_weight(), self.bias)


class BinaryActivation(_Binarizing):
    """The sign as an activation, elementwise, with a surrogate gradient by name.

    Args:
        surrogate: one of `bnnstudy.binarize.SURROGATES`.

    Raises:
        ValueError: if there is no surrogate of that name.
    """

    def __init__(self, surrogate: str = "clip"):
        super().__init__()
        self._use(surrogate)

    def forward(self, input: Tensor) -> Tensor:
        return self._binarize(input)

    def extra_repr(self) -> str:
        return f"surrogate={self.surrogate!r}"


class RSign(_Binarizing):
    """Sign with a learned threshold for each channel: y = sign(x - a_c), surrogate `"approx"`.

    Args:
        channels: number of channels, the second dimension of the input.
        surrogate: as in `BinaryActivation`.

    Source: Liu et al. 2020 (ReActNet).
    """

    def __init__(self, channels: int, surrogate: str = "approx"):
        super().__init__()
        self.threshold = nn.Parameter(torch.zeros(channels))
        self._use(surrogate)

    def forward(self, input: Tensor) -> Tensor:
        return self._binarize(input - _per_channel(self.threshold, input))


class RPReLU(nn.Module):
    """PReLU with learned shifts: y = f(x - g_c) + z_c, f(u) = u for u > 0, else b_c u.

    Args:
        channels: number of channels, the second dimension of the input.
        slope: the slope b_c at the start.

    Source: Liu et al. 2020 (ReActNet).
    """

    def __init__(self, channels: int, slope: float = 0.25):
        super().__init__()
        self.shift_in = nn.Parameter(torch.zeros(channels))
        self.shift_out = nn.Parameter(torch.zeros(channels))
        self.slope = nn.Parameter(torch.full((channels,), slope))

    def forward(self, input: Tensor) -> Tensor:
        moved = input - _per_channel(self.shift_in, input)
        return F.prelu(moved, self.slope) + _per_channel(self.shift_out, input)


def set_steepness(model: nn.Module, t: float) -> None:
    """Make `t` the steepness of the surrogate `"ede"` wherever the model uses it; elsewhere nothing.

    Raises:
        ValueError: if `t` is not above 0 and finite.
    """
    t = rules.POSITIVE.checked("t", t)
    for module in model.modules():
        if isinstance(module, _Binarizing) and module.surrogate == "ede":
            module._binarize = partial(binarize.ede, t=t)


def _per_channel(values: Tensor, input: Tensor) -> Tensor:
    return values.view(1, -1, *(1,) * (input.dim() - 2))


def split_parameters(model: nn.Module) -> tuple[list[nn.Parameter], list[nn.Parameter]]:
    """The model's parameters as two lists: (binary, real). Total and exclusive.

    A parameter is binary if the layer that owns it says so (its `binary_parameters`); all others are
    real. Each parameter stands in exactly one of the lists, once, in the model's order.

    Raises:
        TypeError: if `model` is no `torch.nn.Module`.
        ValueError: if it has no parameters, if one parameter is claimed as binary by one layer and
            used as real by another, or if a ±1 weight is not ±1.
    """
    if not isinstance(model, nn.Module):
        raise TypeError(f"model must be a torch.nn.Module, got {type(model).__name__}")
    binary: dict[int, nn.Parameter] = {}
    real: dict[int, nn.Parameter] = {}
    for path, module in model.named_modules():
        own = getattr(module, "binary_parameters", ())
        for name, parameter in module.named_parameters(recurse=False):
            kind = binary if name in own else real
            kind[id(parameter)] = parameter
            if name in own and getattr(module, "weights", None) == "binary":
                _require_signs(parameter, f"{path}.{name}".lstrip("."))
    if not binary and not real:
        raise ValueError("model has no parameters to split")
    shared = binary.keys() & real.keys()
    if shared:
        names = [name for name, parameter in model.named_parameters() if id(parameter) in shared]
        raise ValueError(f"parameters {names} are shared by a binary and a real layer")
    return list(binary.values()), list(real.values())


@contextlib.contextmanager
def evaluating(model: nn.Module) -> Iterator[None]:
    """Evaluation mode while it lasts; then each layer is in the mode it was in, frozen ones too."""
    modes = {module: module.training for module in model.modules()}
    model.eval()
    try:
        yield
    finally:
        for module, training in modes.items():
            module.training = training


Layer = TypeVar("Layer", bound=nn.Module)


def mark_twin(layer: Layer) -> Layer:
    """Marks a real layer of a float twin that stands where the binary network has a binary one."""
    object.__setattr__(layer, "twin_parameters", ("weight",))
    return layer


def observed_weights(model: nn.Module) -> dict[str, nn.Parameter]:
    """The binary weights by name; in a float twin, the weights that stand where they do."""
    marks = ("binary_parameters", "twin_parameters")
    chosen = {
        id(getattr(module, name))
        for module in model.modules()
        for mark in marks
        for name in getattr(module, mark, ())
    }
    return {name: p for name, p in model.named_parameters() if id(p) in chosen}


def _require_signs(parameter: Tensor, name: str) -> None:
    wrong = int((parameter.detach().abs() != 1).sum())
    if wrong:
        raise ValueError(f"{name} must be ±1 (weights='binary'); {wrong} of its values are not")
