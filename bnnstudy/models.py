"""Networks, each with its real-valued twin by an argument, and their `summary`.

The binary weights are drawn by Glorot and Bengio's uniform rule as in paper A; the same seed gives the
binary network, its float twin and both views the same draw.
"""

from dataclasses import dataclass
from itertools import pairwise

import torch
from torch import Tensor, nn

from bnnstudy.binarize import sign
from bnnstudy.layers import BinaryActivation, BinaryConv2d, BinaryLinear

ACTIVATIONS = {"relu": nn.ReLU, "hardtanh": nn.Hardtanh}
"""Real activations by name; `"sign"` is `BinaryActivation`."""


def activation_of(config) -> nn.Module:
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


def _linear(config, inputs: int, outputs: int, real: bool = False) -> nn.Module:
    if real or not config.binary_weights:
        return nn.Linear(inputs, outputs, bias=False)
    return BinaryLinear(inputs, outputs, bias=False, **_kind(config))


def _conv(config, inputs: int, outputs: int, real: bool = False) -> nn.Module:
    if real or not config.binary_weights:
        return nn.Conv2d(inputs, outputs, 3, padding=1, bias=False)
    return BinaryConv2d(inputs, outputs, 3, padding=1, bias=False, **_kind(config))


def _kind(config) -> dict:
    if config.view == "filter":
        return {"weights": "binary"}
    return {"surrogate": config.surrogate, "scaling": config.scaling}


def _norm(config, channels: int, layer: type = nn.BatchNorm1d) -> nn.Module:
    return layer(channels, eps=config.batch_norm_eps, momentum=config.batch_norm_momentum)


def mlp(config, shape: tuple[int, int, int], classes: int) -> nn.Sequential:
    """Fully connected network: (linear, batch norm, activation) x depth, then linear, batch norm.

    Paper A's MLP is depth 3 at width 2048. No biases (batch norm follows each layer).

    Shapes: input (N, C, H, W), output (N, classes).
    """
    channels, height, width = shape
    sizes = [channels * height * width] + [config.width] * config.depth
    layers: list[nn.Module] = [nn.Flatten()]
    for k, (inputs, outputs) in enumerate(pairwise(sizes)):
        layers += [_linear(config, inputs, outputs, config.real_first and k == 0)]
        layers += [_norm(config, outputs), activation_of(config)]
    layers += [_linear(config, sizes[-1], classes, config.real_last), _norm(config, classes)]
    return nn.Sequential(*layers)


def cnn(config, shape: tuple[int, int, int], classes: int) -> nn.Sequential:
    """A small VGG-like network: (conv 3x3, max-pool 2x2, batch norm, activation) x 3, then linear.

    Channels width, 2 width, 4 width (32-64-128 at width 32). Pooling stands before the batch norm, so
    it acts on values that are not binary (paper A, Figure 3b). No biases. `depth` is not used.

    Shapes: input (N, C, H, W) with H and W of 8 or more, output (N, classes).
    """
    channels, height, width = shape
    if min(height, width) < 8:
        raise ValueError(f"model 'cnn' needs images of 8 x 8 or more, got {height} x {width}")
    sizes = [channels, config.width, 2 * config.width, 4 * config.width]
    layers: list[nn.Module] = []
    for k, (inputs, outputs) in enumerate(pairwise(sizes)):
        layers += [_conv(config, inputs, outputs, config.real_first and k == 0), nn.MaxPool2d(2)]
        layers += [_norm(config, outputs, nn.BatchNorm2d), activation_of(config)]
    features = sizes[-1] * (height // 8) * (width // 8)
    layers += [nn.Flatten(), _linear(config, features, classes, config.real_last)]
    return nn.Sequential(*layers, _norm(config, classes))


MODELS = {"mlp": mlp, "cnn": cnn}
"""The networks by name."""


def build(config, shape: tuple[int, int, int], classes: int) -> nn.Module:
    """The network that `config` describes, drawn from `config.seed`; torch's own random state stays.

    Raises:
        ValueError: if there is no model of that name, or it cannot take images of this shape.
    """
    if config.model not in MODELS:
        raise ValueError(f"model must be one of {', '.join(MODELS)}; got {config.model!r}")
    with torch.random.fork_rng(devices=[]):
        torch.manual_seed(config.seed)
        model = MODELS[config.model](config, shape, classes)
        for layer in model.modules():
            if isinstance(layer, nn.Linear | nn.Conv2d):
                _draw(layer, config)
    return model.to(getattr(torch, config.precision))


@torch.no_grad()
def _draw(layer: nn.Module, config) -> None:
    nn.init.xavier_uniform_(layer.weight)
    if "weight" not in getattr(layer, "binary_parameters", ()):
        return
    if config.view == "filter":
        layer.weight.copy_(sign(layer.weight))
    else:
        # At scale 0 the signs remain, in the sign bits of the zeros.
        layer.weight.mul_(config.init_scale)


@dataclass(frozen=True)
class LayerSummary:
    """What one layer holds and does for one image.

    `binary_macs` are multiply-accumulates of a binary weight with a binary input (XNOR and popcount
    on the right hardware), `mixed_macs` those with one binary factor (additions and subtractions),
    `real_macs` the rest. `memory` is in bytes, with one bit a binary weight.
    """

    name: str
    kind: str
    binary_weights: int
    real_weights: int
    binary_macs: int
    mixed_macs: int
    real_macs: int
    memory: float


def summary(model: nn.Module, shape: tuple[int, int, int]) -> list[LayerSummary]:
    """One row for each layer with parameters: bits, multiply-accumulates by precision, memory.

    Counts what a deployed network would need. Here nothing is saved: training *simulates* binary
    arithmetic, and every ±1 is stored and multiplied as a floating-point number.

    Args:
        model: a network whose layers are torch's or ours.
        shape: (C, H, W) of one image.
    """
    rows: list[LayerSummary] = []
    handles = [
        layer.register_forward_hook(lambda *args, name=name: rows.append(_row(name, *args)))
        for name, layer in model.named_modules()
        if list(layer.parameters(recurse=False))
    ]
    device = next(model.parameters())
    training = model.training
    try:
        with torch.no_grad():
            model.eval()(torch.zeros((1, *shape), dtype=device.dtype, device=device.device))
    finally:
        model.train(training)
        for handle in handles:
            handle.remove()
    return rows


def _row(name: str, layer: nn.Module, inputs: tuple[Tensor, ...], output: Tensor) -> LayerSummary:
    own = getattr(layer, "binary_parameters", ())
    counts = {True: 0, False: 0}
    for parameter, values in layer.named_parameters(recurse=False):
        counts[parameter in own] += values.numel()
    macs = 0
    if isinstance(layer, nn.Linear | nn.Conv2d):
        # Each output value sums over one output channel's weights.
        macs = layer.weight[0].numel() * output[0].numel()
    binary_input = bool((inputs[0].abs() == 1).all())
    which = int("weight" in own) + int(binary_input)
    return LayerSummary(
        name=name,
        kind=type(layer).__name__,
        binary_weights=counts[True],
        real_weights=counts[False],
        binary_macs=macs if which == 2 else 0,
        mixed_macs=macs if which == 1 else 0,
        real_macs=macs if which == 0 else 0,
        memory=counts[True] / 8 + 4 * counts[False],
    )
