"""Networks by name, each with its real-valued twin by an argument.

A network is drawn by Glorot and Bengio's uniform rule as in paper A; the same seed gives the binary
network, its float twin and both views the same draw.
"""

from collections.abc import Callable

import torch
from torch import nn

from bnnstudy.config.run import RunConfig
from bnnstudy.devices import drawing
from bnnstudy.nn.binarize import sign
from bnnstudy.nn.models.plain import audio_net, binaryconnect, cnn, mlp
from bnnstudy.nn.models.reactnet import reactnet_a
from bnnstudy.nn.models.residual import birealnet18, birealnet20, resnet18

MODELS: dict[str, Callable[[RunConfig, tuple[int, int, int], int], nn.Module]] = {
    "mlp": mlp,
    "cnn": cnn,
    "binaryconnect": binaryconnect,
    "birealnet20": birealnet20,
    "birealnet18": birealnet18,
    "resnet18": resnet18,
    "reactnet_a": reactnet_a,
    "audio_net": audio_net,
}
"""The networks by name: (configuration, shape (C, H, W) of an image, classes) -> network."""

ORDERED = ("cnn", "binaryconnect")
"""Networks whose convolutions have their neighbours in the configuration's order."""

PARTS = {"birealnet20": ("average_shortcut", "shifts")}
"""What a configuration's `parts` may be, by network; others have none."""


def build(config: RunConfig, shape: tuple[int, int, int], classes: int) -> nn.Module:
    """The network that `config` describes, drawn from `config.seed`; torch's own random state stays.

    Drawn in float32 whatever the default type, then rounded to the configuration's own.

    Convolutions are stored channels-last, which is what CPUs and GPUs multiply fastest.

        >>> network = build(RunConfig(width=16, depth=1), (1, 8, 8), 10)
        >>> network(torch.zeros(5, 1, 8, 8)).shape
        torch.Size([5, 10])

    Raises:
        ValueError: if there is no model of that name, it cannot take images of this shape, or the
            configuration asks for what it is not (a binary first layer where the first is real).
    """
    if config.model not in MODELS:
        raise ValueError(f"model must be one of {', '.join(MODELS)}; got {config.model!r}")
    for name in ("block", "pool"):
        value = getattr(config, name)
        if value != getattr(RunConfig, name) and config.model not in ORDERED:
            raise ValueError(
                f"{name} must be {getattr(RunConfig, name)!r} with model {config.model!r}, "
                f"got {value!r}"
            )
    for part in config.parts:
        allowed = PARTS.get(config.model, ())
        if part not in allowed:
            raise ValueError(
                f"parts must be of {', '.join(allowed) or 'none'} with model {config.model!r}, "
                f"got {part!r}"
            )
    with torch.random.fork_rng(devices=[]), drawing():
        # Not `torch.manual_seed`, which seeds every GPU as well.
        torch.default_generator.manual_seed(config.seed)
        model = MODELS[config.model](config, shape, classes)
        layers = [layer for layer in model.modules() if isinstance(layer, nn.Linear | nn.Conv2d)]
        for layer in layers:
            nn.init.xavier_uniform_(layer.weight)
    # Every precision starts from the same draw; what is made of it is rounded in its own.
    model = model.to(getattr(torch, config.storage))
    for layer in layers:
        _start(layer, config)
    return model.to(memory_format=torch.channels_last)


@torch.no_grad()
def _start(layer: nn.Linear | nn.Conv2d, config: RunConfig) -> None:
    if "weight" not in getattr(layer, "binary_parameters", ()):
        return
    if config.view == "filter":
        layer.weight.copy_(sign(layer.weight))
    else:
        # At scale 0 the signs remain, in the sign bits of the zeros.
        layer.weight.mul_(config.init_scale)
