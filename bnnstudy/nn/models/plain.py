"""Networks of layers one after another: fully connected ones and those like VGG."""

from itertools import pairwise

from torch import nn

from bnnstudy.config.run import RunConfig
from bnnstudy.nn.models.blocks import activation_of, conv, linear, norm, require_real_ends

POOLS: dict[str, type[nn.Module]] = {"max": nn.MaxPool2d, "average": nn.AvgPool2d}
"""What halves an image, by name; `"stride"` is the convolution's own."""


def mlp(config: RunConfig, shape: tuple[int, int, int], classes: int) -> nn.Sequential:
    """Fully connected network: (linear, batch norm, activation) x depth, then linear, batch norm.

    Paper A's MLP is depth 3 at width 2048 (10,014,720 weights on MNIST). No biases (batch norm follows
    each layer).

    Shapes: input (N, C, H, W), output (N, classes).
    """
    channels, height, width = shape
    sizes = [channels * height * width] + [config.width] * config.depth
    layers: list[nn.Module] = [nn.Flatten()]
    for k, (inputs, outputs) in enumerate(pairwise(sizes)):
        layers += [linear(config, inputs, outputs, config.real_first and k == 0)]
        layers += [norm(config, outputs), activation_of(config)]
    layers += [linear(config, sizes[-1], classes, config.real_last), norm(config, classes)]
    return nn.Sequential(*layers)


def audio_net(config: RunConfig, shape: tuple[int, int, int], classes: int) -> nn.Sequential:
    """The four fully connected layers of paper B's audio task; the first one is real.

    The paper does not say how wide they are: `width` does. `depth` must be 3, as four layers have it.

    Shapes: input (N, C, H, W), log-mel features as an image; output (N, classes).

    Source: Quist et al. 2023, section 4.2.

    Raises:
        ValueError: naming `real_first` or `depth` where the configuration has them otherwise.
    """
    require_real_ends(config, "real_first")
    if config.depth != 3:
        raise ValueError(f"depth must be 3 with model 'audio_net' (four layers), got {config.depth}")
    return mlp(config, shape, classes)


def cnn(config: RunConfig, shape: tuple[int, int, int], classes: int) -> nn.Sequential:
    """A small VGG-like network: (conv 3x3, max-pool 2x2, batch norm, activation) x 3, then linear.

    Channels width, 2 width, 4 width (32-64-128 at width 32). Pooling stands before the batch norm, so
    it acts on values that are not binary (paper A, Figure 3b), unless the configuration's `block` and
    `pool` say otherwise. No biases. `depth` is not used.

    Shapes: input (N, C, H, W) with H and W of 8 or more, output (N, classes).
    """
    sizes = [shape[0], config.width, 2 * config.width, 4 * config.width]
    layers = _convolutions(config, sizes, [True] * 3)
    features = sizes[-1] * _after_three_pools(config, shape)
    layers += [nn.Flatten(), linear(config, features, classes, config.real_last)]
    return nn.Sequential(*layers, norm(config, classes))


def binaryconnect(config: RunConfig, shape: tuple[int, int, int], classes: int) -> nn.Sequential:
    """BinaryConnect's network for CIFAR-10, which paper A calls VGG-10, though it has nine layers.

    128C3 128C3 P 256C3 256C3 P 512C3 512C3 P 1024 1024, then linear and batch norm, at width 128:
    14,022,016 weights on 32 x 32 images. Each convolution is followed by its pooling if it has one,
    batch norm and activation. No biases. `depth` is not used.

    Shapes: input (N, C, H, W) with H and W of 8 or more, output (N, classes).

    Source: Courbariaux et al. 2015; paper A, section 3.
    """
    channels = [shape[0]] + [config.width * factor for factor in (1, 1, 2, 2, 4, 4)]
    layers = [*_convolutions(config, channels, [False, True] * 3), nn.Flatten()]
    features = [channels[-1] * _after_three_pools(config, shape), 8 * config.width, 8 * config.width]
    for inputs, outputs in pairwise(features):
        layers += [linear(config, inputs, outputs), norm(config, outputs), activation_of(config)]
    layers += [linear(config, features[-1], classes, config.real_last), norm(config, classes)]
    return nn.Sequential(*layers)


def _convolutions(config: RunConfig, channels: list[int], pooled: list[bool]) -> list[nn.Module]:
    """Convolutions with their neighbours in the configuration's order, the image halved where `pooled`.

    With `"norm_act_conv_pool"` the first convolution sees the image itself, as in the other orders, and
    the layer after the last pooling sees values that are not binary.
    """
    order = config.block.split("_")
    norm_first = order[0] == "norm"
    layers: list[nn.Module] = []
    for k, ((inputs, outputs), halve) in enumerate(zip(pairwise(channels), pooled, strict=True)):
        stride = 2 if halve and config.pool == "stride" else 1
        real = config.real_first and k == 0
        parts = {
            "conv": [conv(config, inputs, outputs, stride=stride, real=real)],
            "pool": [POOLS[config.pool](2)] if halve and config.pool in POOLS else [],
            "norm": [norm(config, inputs if norm_first else outputs, nn.BatchNorm2d)],
            "act": [activation_of(config)],
        }
        if norm_first and k == 0:
            del parts["norm"], parts["act"]
        layers += [layer for name in order if name in parts for layer in parts[name]]
    return layers


def _after_three_pools(config: RunConfig, shape: tuple[int, int, int]) -> int:
    _, height, width = shape
    if min(height, width) < 8:
        raise ValueError(
            f"model {config.model!r} needs images of 8 x 8 or more, got {height} x {width}"
        )
    if config.pool == "stride" and (height % 8 or width % 8):
        raise ValueError(
            f"pool must not be 'stride' where sides are no multiples of 8, got {height} x {width}"
        )
    return (height // 8) * (width // 8)
