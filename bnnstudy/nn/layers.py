"""Layers with binary weights, latent or ±1.

They take torch's own arguments, then three more. Arithmetic is *simulated*: weights are ±1 but stored
and multiplied in floating point, as in all training of binary networks.
"""

import sys
import warnings
from typing import Any, Literal, Self

import torch
import torch.nn.functional as F
from torch import Tensor, nn
from torch.overrides import has_torch_function_unary

from bnnstudy.config import checks
from bnnstudy.config.checks import shown
from bnnstudy.nn import binarize
from bnnstudy.nn.activations import Binarizing
from bnnstudy.nn.scaling import SCALINGS, scaled

_PADDING = checks.Rule(int, "a whole number from 0 to 2^31 - 1", lambda value: 0 <= value < 2**31)


class _BinaryWeight(Binarizing):
    """What the binary layers share: a weight that is binarised on the way, or ±1 already."""

    binary_parameters = ("weight",)
    weight: Tensor

    def _set_up(self, surrogate: str, scaling: str | None, weights: str) -> None:
        self.weights = weights = checks.one_of("weights", weights, ("latent", "binary"))
        self.scaling = scaling = checks.one_of("scaling", scaling, (None, *SCALINGS))
        self._use(surrogate)
        if weights == "binary":
            if scaling is not None:
                raise ValueError(f"scaling must be None with weights='binary', got {shown(scaling)}")
            if surrogate not in ("clip", "identity"):
                raise ValueError(
                    f"surrogate has no meaning with weights='binary' (no mask), got {shown(surrogate)}"
                )
            self._take_signs()

    @torch.no_grad()
    def _take_signs(self) -> None:
        self.weight.copy_(binarize.sign(self.weight))

    def reset_parameters(self) -> None:
        """Draws the weight and bias anew, as torch does; a `"binary"` weight is the sign of its draw.

        Drawn in float32, then rounded to the layer's own type: of one seed every type has one draw.
        """
        own = [(p, p.dtype) for p in self.parameters(recurse=False)]
        for p, _ in own:
            p.data = p.data.float()
        super().reset_parameters()  # type: ignore[misc]
        for p, dtype in own:
            p.data = p.data.to(dtype)
        if getattr(self, "weights", None) == "binary":  # torch draws before we are set up
            self._take_signs()

    def __setattr__(self, name: str, value: Any) -> None:
        # torch folds a batch norm into whatever is a convolution, by setting the product as weight:
        # here its sign would be taken, and its magnitude lost.
        if name == "weight" and sys._getframe(1).f_globals.get("__name__") == "torch.nn.utils.fusion":
            raise TypeError(
                f"{type(self).__name__} cannot have a batch norm fused into its weight, which stays ±1 "
                "times its scale: fuse a layer of torch's that holds effective_weight()"
            )
        super().__setattr__(name, value)

    def _load_from_state_dict(self, state_dict: dict[str, Any], prefix: str, *args: Any) -> None:
        super()._load_from_state_dict(state_dict, prefix, *args)
        loaded, errors = state_dict.get(f"{prefix}weight"), args[-1]
        if (
            self.weights == "binary"
            and isinstance(loaded, Tensor)
            and (wrong := binarize.not_signs(loaded))
        ):
            errors.append(
                f"{prefix}weight must be ±1 (weights='binary'); {wrong} of its values are not: "
                "`bnnstudy.nn.export.to_signs` makes a latent network one of ±1 weights"
            )

    _said = False

    def lost_signs(self) -> int:
        """How many values of a ±1 weight are not ±1 any more; a warning says so, once.

        Any optimizer but `bnnstudy.optim`'s filters, or an average such as `AveragedModel`'s, makes a
        ±1 layer a real one. To look is to go over the weight (on a GPU to wait for it), too much for
        each forward pass. So it is looked at where a model goes between training and evaluation, unless
        that would be to wait for a GPU, where it is saved, and in `summary`; what loads, splits or
        optimizes ±1 weights refuses others.
        """
        if self.weights != "binary" or self.weight.is_meta:
            return 0
        wrong = binarize.not_signs(self.weight)
        if wrong and not self._said:
            warnings.warn(
                f"{type(self).__name__} has weights='binary', but {wrong} of {self.weight.numel()} "
                "values of its weight are not ±1, so it computes with real weights: move them with "
                "FilterOptimizer, LinearFilter or Bop, and do not average them",
                stacklevel=2,
            )
        self._said = bool(wrong)
        return wrong

    def train(self, mode: bool = True) -> Self:
        """Training or evaluation mode, as torch has it; see `lost_signs`."""
        if self.weight.device.type == "cpu":
            self.lost_signs()
        return super().train(mode)

    def _save_to_state_dict(self, *args: Any, **options: Any) -> None:
        self.lost_signs()
        super()._save_to_state_dict(*args, **options)

    def effective_weight(self) -> Tensor:
        """What the layer multiplies with: ±1, times the scale of each output where there is one."""
        if self.weights == "binary":
            return self.weight
        if self.scaling is None:
            return self._binarize(self.weight)
        if has_torch_function_unary(self.weight):  # traced: a graph holds names, not functions
            return scaled(self.weight, self.scaling, self.surrogate, self.steepness)
        return SCALINGS[self.scaling](self.weight, self._binarize)

    def extra_repr(self) -> str:
        return f"{super().extra_repr()}, scaling={self.scaling!r}, weights={self.weights!r}"


class BinaryLinear(_BinaryWeight, nn.Linear):
    """A linear layer whose weights are ±1: y = x sign(w)^T s + b, s an output's scale.

    The backward pass is that of `torch.nn.Linear` at sign(w) s; the weight's gradient goes on through
    the scaling and the surrogate (`bnnstudy.nn.scaling`, `bnnstudy.nn.binarize`).

    Args:
        in_features, out_features, bias, device, dtype: as in `torch.nn.Linear`.
        surrogate: the gradient that stands in for that of the sign (`bnnstudy.nn.binarize`).
        scaling: None (s = 1), `"mean"` or `"mean_forward"` (the mean |w| of an output's weights) or
            `"libra"` (IR-Net's: the sign is that of the standardised weights); `bnnstudy.nn.scaling`.
        weights: `"latent"`: the parameter is real and binarised on the way; `"binary"`: the parameter
            itself is ±1 and used as it is (the filter view), without scaling or mask.

    Shapes: input (..., in_features), output (..., out_features).

    Raises:
        ValueError: naming the argument, its value and what is allowed.

    Example:
        >>> layer = BinaryLinear(3, 1, bias=False)
        >>> _ = layer.weight.data.copy_(torch.tensor([[0.5, -0.1, 2.0]]))
        >>> layer(torch.tensor([1.0, 10.0, 100.0])).tolist()
        [91.0]
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
        sizes = {"in_features": in_features, "out_features": out_features}
        in_features, out_features = (checks.SIZE.checked(name, size) for name, size in sizes.items())
        bias = checks.FLAG.checked("bias", bias)
        super().__init__(in_features, out_features, bias, device, dtype)
        self._set_up(surrogate, scaling, weights)

    def forward(self, input: Tensor) -> Tensor:
        return F.linear(input, self.effective_weight(), self.bias)


def _sides(name: str, value: Any, least: int = 1) -> int | tuple[int, int]:
    """A whole number, or one for height and one for width."""
    rule = checks.SIZE if least else _PADDING
    if not isinstance(value, tuple | list) or len(value) not in (1, 2):
        return rule.checked(name, value)
    height, width = (rule.checked(name, side) for side in (*value, *value)[:2])
    return height, width


PADS = {"ones": 1.0, "minus_ones": -1.0}
"""What `BinaryConv2d` can put around an image besides torch's `padding_mode`s, by name."""


class BinaryConv2d(_BinaryWeight, nn.Conv2d):
    """A 2-d convolution whose weights are ±1: y = sign(w) * x s + b, s an output channel's scale.

    The backward pass is that of `torch.nn.Conv2d` at sign(w) s; the weight's gradient goes on through
    the scaling and the surrogate. See `BinaryLinear` for the last three arguments.

    Zeros around an image, torch's default, are a third value among inputs of ±1: such a layer is not
    binary at the image's edge, and hardware for ±1 has to treat it apart. The other `padding_mode`s,
    `"ones"` and `"minus_ones"` among them, keep all inputs ±1.

    Args:
        in_channels … dtype: as in `torch.nn.Conv2d`.
        padding_mode: `"zeros"`, `"reflect"`, `"replicate"` or `"circular"` as there; `"ones"` and
            `"minus_ones"` pad with 1 and -1.
        surrogate, scaling, weights: as in `BinaryLinear`; with scaling one factor an output channel.

    Shapes: input (N, C, H, W), output (N, out_channels, H', W').

    Raises:
        ValueError: naming the argument, its value and what is allowed.

    Example:
        >>> layer = BinaryConv2d(2, 4, 3, padding=1, padding_mode="ones", bias=False)
        >>> layer(torch.ones(1, 2, 5, 5)).shape
        torch.Size([1, 4, 5, 5])
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
        padding_mode: Literal[
            "zeros", "reflect", "replicate", "circular", "ones", "minus_ones"
        ] = "zeros",
        device: str | torch.device | None = None,
        dtype: torch.dtype | None = None,
        *,
        surrogate: str = "clip",
        scaling: str | None = None,
        weights: str = "latent",
    ):
        counts = {"in_channels": in_channels, "out_channels": out_channels, "groups": groups}
        in_channels, out_channels, groups = (checks.SIZE.checked(n, size) for n, size in counts.items())
        bias = checks.FLAG.checked("bias", bias)
        modes = ("zeros", "reflect", "replicate", "circular", *PADS)
        padding_mode = checks.one_of("padding_mode", padding_mode, modes)
        super().__init__(
            in_channels,
            out_channels,
            _sides("kernel_size", kernel_size),
            _sides("stride", stride),
            padding if isinstance(padding, str) else _sides("padding", padding, 0),
            _sides("dilation", dilation),
            groups,
            bias,
            "zeros" if padding_mode in PADS else padding_mode,  # type: ignore[arg-type]
            device,
            dtype,
        )
        self.padding_mode = padding_mode  # type: ignore[assignment]
        self._set_up(surrogate, scaling, weights)

    def forward(self, input: Tensor) -> Tensor:
        if self.padding_mode in PADS:
            around = self._reversed_padding_repeated_twice
            padded = F.pad(input, around, value=PADS[self.padding_mode])
            weight = self.effective_weight()
            return F.conv2d(padded, weight, self.bias, self.stride, 0, self.dilation, self.groups)
        return self._conv_forward(input, self.effective_weight(), self.bias)
