"""ReActNet-A: a MobileNet whose convolutions are binary, with learned shifts around each."""

import torch
from torch import Tensor, nn

from bnnstudy.config.run import RunConfig
from bnnstudy.nn.activations import RPReLU
from bnnstudy.nn.models.blocks import conv, norm, require_real_ends, shifted_activation

BLOCKS = ((2, 1), (4, 2), (4, 1), (8, 2), (8, 1), (16, 2), *[(16, 1)] * 5, (32, 2), (32, 1))
"""Of each block: its output channels in units of the width, its stride."""


class ReActBlock(nn.Module):
    """A convolution 3x3, then one 1x1, each with a shortcut that keeps the number of channels.

    u = RPReLU(norm(conv3x3(RSign(x))) + x), x averaged over 2 x 2 pixels where the block strides;
    y = RPReLU(norm(conv1x1(RSign(u))) + u). Where channels double, y is two such halves side by side,
    each with a convolution of its own.

    Shapes: (N, inputs, H, W) to (N, outputs, H / stride, W / stride), outputs inputs or twice that.
    """

    def __init__(self, config: RunConfig, inputs: int, outputs: int, stride: int):
        super().__init__()
        self.shortcut = nn.AvgPool2d(2) if stride == 2 else nn.Identity()
        self.activation1 = shifted_activation(config, inputs)
        self.conv1 = conv(config, inputs, inputs, stride=stride)
        self.norm1 = norm(config, inputs, nn.BatchNorm2d)
        self.prelu1 = RPReLU(inputs)
        self.activation2 = shifted_activation(config, inputs)
        halves = range(outputs // inputs)
        self.convs = nn.ModuleList(conv(config, inputs, inputs, size=1) for _ in halves)
        self.norms = nn.ModuleList(norm(config, inputs, nn.BatchNorm2d) for _ in halves)
        self.prelu2 = RPReLU(outputs)

    def forward(self, input: Tensor) -> Tensor:
        middle = self.norm1(self.conv1(self.activation1(input))) + self.shortcut(input)
        middle = self.prelu1(middle)
        active = self.activation2(middle)
        halves = [
            norm(conv(active)) + middle for conv, norm in zip(self.convs, self.norms, strict=True)
        ]
        return self.prelu2(torch.cat(halves, dim=1))


def reactnet_a(config: RunConfig, shape: tuple[int, int, int], classes: int) -> nn.Sequential:
    """ReActNet-A: a real stem 3x3 at stride 2, 13 `ReActBlock`s, mean over pixels, a real linear layer.

    Channels width to 32 width (32 to 1024 at width 32, as published; then 4.82e9 binary and 1.2e7 real
    multiply-accumulates on 224 x 224 images, 8.7e7 operations if 64 binary ones count as one). `depth`
    is not used.

    Shapes: input (N, C, H, W) with H and W multiples of 32, output (N, classes).

    Source: Liu et al. 2020; paper B, Table 3.

    Raises:
        ValueError: unless `real_first` and `real_last` are True, or for images of another size.
    """
    require_real_ends(config, "real_first", "real_last")
    if any(side % 32 for side in shape[1:]):
        raise ValueError(
            f"model 'reactnet_a' needs images whose sides are multiples of 32, got {shape[1:]}"
        )
    width = config.width
    layers: list[nn.Module] = [
        conv(config, shape[0], width, stride=2, real=True),
        norm(config, width, nn.BatchNorm2d),
    ]
    inputs = width
    for factor, stride in BLOCKS:
        layers.append(ReActBlock(config, inputs, factor * width, stride))
        inputs = factor * width
    return nn.Sequential(*layers, nn.AdaptiveAvgPool2d(1), nn.Flatten(), nn.Linear(inputs, classes))
