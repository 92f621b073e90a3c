"""The layers that networks are built of: binary or real, latent or ±1, as the configuration says."""

from typing import Any

import torch
from torch import Tensor, nn

from bnnstudy.config.run import RunConfig
from bnnstudy.nn.activations import BinaryActivation, RSign, per_channel
from bnnstudy.nn.layers import BinaryConv2d, BinaryLinear
from bnnstudy.nn.parameters import mark_twin

ACTIVATIONS = {"relu": nn.ReLU, "hardtanh": nn.Hardtanh}
"""Real activations by name; `"sign"` is `BinaryActivation`."""


def activation_of(config: RunConfig) -> nn.Module:
    """A fresh activation layer as the configuration names it.

    Raises:
        ValueError: if there is no activation of that name.
    """
    if config.activation == "sign":
        return BinaryActivation(config.activation_surrogate)
    if config.activation not in ACTIVATIONS:
        names = ", ".join(("sign", *ACTIVATIONS))
        raise ValueError(f"activation must be one of {names}; got {config.activation!r}")
    return ACTIVATIONS[config.activation]()


class _Shifted(nn.Module):
    """f(x - a_c) with a learned a_c for each channel: `RSign` with a real f, and its names."""

    def __init__(self, channels: int, activation: nn.Module):
        super().__init__()
        self.threshold = nn.Parameter(torch.zeros(channels))
        self.activation = activation

    def forward(self, input: Tensor) -> Tensor:
        return self.activation(input - per_channel(self.threshold, input))

    def extra_repr(self) -> str:
        return str(len(self.threshold))


def shifted_activation(config: RunConfig, channels: int) -> nn.Module:
    """A fresh activation as the configuration names it, of x less a learned shift for each channel."""
    if config.activation == "sign":
        return RSign(channels, config.activation_surrogate)
    return _Shifted(channels, activation_of(config))


def linear(config: RunConfig, inputs: int, outputs: int, real: bool = False) -> nn.Module:
    """A linear layer without bias: binary, or real where `real` or the configuration says so."""
    if real:
        return nn.Linear(inputs, outputs, bias=False)
    if not config.binary_weights:
        return mark_twin(nn.Linear(inputs, outputs, bias=False))
    return BinaryLinear(inputs, outputs, bias=False, **_kind(config))


def conv(
    config: RunConfig,
    inputs: int,
    outputs: int,
    size: int = 3,
    stride: int = 1,
    real: bool = False,
) -> nn.Module:
    """A convolution without bias that keeps the image's size (over `stride`): binary, or real."""
    padding = size // 2
    if real:
        return nn.Conv2d(inputs, outputs, size, stride, padding, bias=False)
    if not config.binary_weights:
        return mark_twin(nn.Conv2d(inputs, outputs, size, stride, padding, bias=False))
    return BinaryConv2d(inputs, outputs, size, stride, padding, bias=False, **_kind(config))


def norm(
    config: RunConfig,
    channels: int,
    layer: type[nn.BatchNorm1d] | type[nn.BatchNorm2d] = nn.BatchNorm1d,
) -> nn.Module:
    """A batch norm with the configuration's momentum and epsilon."""
    return layer(channels, eps=config.batch_norm_eps, momentum=config.batch_norm_momentum)


def require_real_ends(config: RunConfig, *fields: str) -> None:
    """Refuses a configuration that leaves binary what the network has real by definition.

    Raises:
        ValueError: naming the field, `real_first` or `real_last`.
    """
    for field in fields:
        if not getattr(config, field):
            raise ValueError(f"{field} must be True with model {config.model!r}, got False")


def _kind(config: RunConfig) -> dict[str, Any]:
    if config.view == "filter":
        return {"weights": "binary"}
    return {"surrogate": config.surrogate, "scaling": config.scaling}
