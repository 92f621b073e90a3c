"""Residual networks: BiRealNet-20 of paper B, Bi-Real Net for large images, paper A's ResNet-18."""

import torch.nn.functional as F
from torch import Tensor, nn

from bnnstudy.config.run import RunConfig
from bnnstudy.nn.activations import RPReLU
from bnnstudy.nn.models.blocks import (
    activation_of,
    conv,
    linear,
    norm,
    require_real_ends,
    shifted_activation,
)

BLOCKS = 6
"""Convolutions in each of BiRealNet-20's three stages."""


class BiRealBlock(nn.Module):
    """One convolution with a shortcut of its own: y = PReLU(norm(conv(activation(x))) + shortcut(x)).

    The shortcut is option A of He et al. 2016, without parameters: where the image halves, every second
    pixel; where channels double, zeros for the new ones, half before and half after the old. The
    configuration's `parts` change it: with `"average_shortcut"` the mean of 2 x 2 pixels stands for
    every second one; with `"shifts"` the activation is `RSign` and the PReLU an `RPReLU`, as in
    ReActNet (Liu et al. 2020).

    Shapes: (N, inputs, H, W) to (N, outputs, H / stride, W / stride).
    """

    def __init__(self, config: RunConfig, inputs: int, outputs: int, stride: int):
        super().__init__()
        self.stride, self.new_channels = stride, outputs - inputs
        self.averages, shifts = ("average_shortcut" in config.parts, "shifts" in config.parts)
        self.activation = shifted_activation(config, inputs) if shifts else activation_of(config)
        self.conv = conv(config, inputs, outputs, stride=stride)
        self.norm = norm(config, outputs, nn.BatchNorm2d)
        self.prelu = RPReLU(outputs) if shifts else nn.PReLU(outputs)

    def forward(self, input: Tensor) -> Tensor:
        output = self.norm(self.conv(self.activation(input)))
        if self.stride > 1 and self.averages:
            input = F.avg_pool2d(input, self.stride)
        elif self.stride > 1:
            input = input[:, :, :: self.stride, :: self.stride]
        if self.new_channels:
            before = self.new_channels // 2
            input = F.pad(input, (0, 0, 0, 0, before, self.new_channels - before))
        return self.prelu(output + input)


def birealnet20(config: RunConfig, shape: tuple[int, int, int], classes: int) -> nn.Sequential:
    """Bi-Real Net for small images: 18 binary convolutions 3x3 in three stages, a real stem and head.

    Channels width, 2 width, 4 width (16-32-64 at width 16), six `BiRealBlock`s each, the first of the
    second and third stage at stride 2. Stem: conv 3x3, batch norm, PReLU. Head: mean over pixels,
    batch norm, linear with bias. `depth` is not used. At width 16 on CIFAR-10: 267,264 binary weights,
    432 real ones in the stem, 650 in the head.

    Paper B's own network is not released; this is its topology as the public code nearest to it has it.

    Shapes: input (N, C, H, W), output (N, classes).

    Source: Liu et al. 2018; He et al. 2016, section 4.2; paper B, section 4.

    Raises:
        ValueError: unless `real_first` and `real_last` are True.
    """
    require_real_ends(config, "real_first", "real_last")
    width = config.width
    layers: list[nn.Module] = [
        conv(config, shape[0], width, real=True),
        norm(config, width, nn.BatchNorm2d),
        nn.PReLU(width),
    ]
    inputs = width
    for stage in range(3):
        outputs = width * 2**stage
        for k in range(BLOCKS):
            stride = 2 if stage and k == 0 else 1
            layers.append(BiRealBlock(config, inputs, outputs, stride))
            inputs = outputs
    head = [nn.AdaptiveAvgPool2d(1), nn.Flatten(), norm(config, inputs), nn.Linear(inputs, classes)]
    return nn.Sequential(*layers, *head)


class ProjectedBlock(nn.Module):
    """One convolution with a shortcut of its own: y = norm(conv(activation(x))) + shortcut(x).

    Where the shape changes the shortcut is the mean of stride x stride pixels, a real convolution 1x1
    and batch norm; elsewhere the identity. There is nothing after the sum: the next sign is the only
    nonlinearity.

    Shapes: (N, inputs, H, W) to (N, outputs, H / stride, W / stride), rounded up.
    """

    def __init__(self, config: RunConfig, inputs: int, outputs: int, stride: int):
        super().__init__()
        self.activation = activation_of(config)
        self.conv = conv(config, inputs, outputs, stride=stride)
        self.norm = norm(config, outputs, nn.BatchNorm2d)
        self.shortcut: nn.Module = nn.Identity()
        if stride > 1 or inputs != outputs:
            self.shortcut = nn.Sequential(
                nn.AvgPool2d(stride, ceil_mode=True),  # an odd side is rounded up, as in a convolution
                conv(config, inputs, outputs, size=1, real=True),
                norm(config, outputs, nn.BatchNorm2d),
            )

    def forward(self, input: Tensor) -> Tensor:
        return self.norm(self.conv(self.activation(input))) + self.shortcut(input)


def birealnet18(config: RunConfig, shape: tuple[int, int, int], classes: int) -> nn.Sequential:
    """Bi-Real Net for large images: 16 binary convolutions 3x3 in four stages, a real stem and head.

    Channels width, 2, 4 and 8 width (64 to 512 at width 64), four `ProjectedBlock`s a stage, the first
    of the second to fourth at stride 2. The stem is that of `resnet18` without an activation: 7x7 at
    stride 2 and pooled on images larger than 64 pixels, else 3x3. Head: mean over pixels, linear with
    bias. `depth` is not used. At width 64 on ImageNet: 10,985,472 binary weights, 1.68e9 binary and
    1.39e8 real multiply-accumulates.

    Shapes: input (N, C, H, W), output (N, classes).

    Source: Liu et al. 2018; the counts, Liu et al. 2020, Table 2.

    Raises:
        ValueError: unless `real_first` and `real_last` are True.
    """
    require_real_ends(config, "real_first", "real_last")
    width = config.width
    large = max(shape[1:]) > LARGE
    size, stride = (7, 2) if large else (3, 1)
    layers: list[nn.Module] = [
        conv(config, shape[0], width, size=size, stride=stride, real=True),
        norm(config, width, nn.BatchNorm2d),
        nn.MaxPool2d(3, stride=2, padding=1) if large else nn.Identity(),
    ]
    inputs = width
    for stage in range(4):
        outputs = width * 2**stage
        for k in range(4):
            stride = 2 if stage and k == 0 else 1
            layers.append(ProjectedBlock(config, inputs, outputs, stride))
            inputs = outputs
    return nn.Sequential(*layers, nn.AdaptiveAvgPool2d(1), nn.Flatten(), nn.Linear(inputs, classes))


class BasicBlock(nn.Module):
    """Two convolutions 3x3 and a shortcut around both (He et al. 2016).

    y = activation(norm(conv(activation(norm(conv(x))))) + shortcut(x)); the shortcut is the identity,
    or a convolution 1x1 with batch norm where the shape changes.

    Shapes: (N, inputs, H, W) to (N, outputs, H / stride, W / stride).
    """

    def __init__(self, config: RunConfig, inputs: int, outputs: int, stride: int):
        super().__init__()
        self.stride = stride
        self.conv1 = conv(config, inputs, outputs, stride=stride)
        self.norm1 = norm(config, outputs, nn.BatchNorm2d)
        self.conv2 = conv(config, outputs, outputs)
        self.norm2 = norm(config, outputs, nn.BatchNorm2d)
        self.activation = activation_of(config)
        self.shortcut: nn.Module = nn.Identity()
        if stride > 1 or inputs != outputs:
            self.shortcut = nn.Sequential(
                conv(config, inputs, outputs, size=1),
                norm(config, outputs, nn.BatchNorm2d),
            )

    def forward(self, input: Tensor) -> Tensor:
        output = self.activation(self.norm1(self.conv1(input)))
        output = self.norm2(self.conv2(output))
        # A 1x1 convolution at a stride reads every stride-th pixel. Given those alone it computes the
        # same, without oneDNN's AVX2 kernel for strided ones, whose weight gradient writes past its
        # buffer.
        read = input[:, :, :: self.stride, :: self.stride] if self.stride > 1 else input
        return self.activation(output + self.shortcut(read))


LARGE = 64
"""Images wider than this get ImageNet's stem (7x7 at stride 2, then pooling), others a 3x3."""


def resnet18(config: RunConfig, shape: tuple[int, int, int], classes: int) -> nn.Sequential:
    """ResNet-18: a stem, four stages of two `BasicBlock`s, mean over pixels, a linear layer.

    Channels width, 2, 4 and 8 width (64 to 512 at width 64). The stem is 7x7 at stride 2 and pooled on
    images larger than 64 pixels, else 3x3. A real last layer has a bias; a binary one has none and is
    followed by batch norm, as in paper A's other networks. `depth` is not used. With real weights and
    `real_last` it is torchvision's network: 11,689,512 parameters on ImageNet.

    Shapes: input (N, C, H, W), output (N, classes).

    Source: He et al. 2016; paper A, section 4 (its own code for this network is not released).
    """
    width = config.width
    large = max(shape[1:]) > LARGE
    size, stride = (7, 2) if large else (3, 1)
    layers: list[nn.Module] = [
        conv(config, shape[0], width, size=size, stride=stride, real=config.real_first),
        norm(config, width, nn.BatchNorm2d),
        activation_of(config),
        nn.MaxPool2d(3, stride=2, padding=1) if large else nn.Identity(),
    ]
    inputs = width
    for stage in range(4):
        outputs = width * 2**stage
        layers.append(BasicBlock(config, inputs, outputs, stride=2 if stage else 1))
        layers.append(BasicBlock(config, outputs, outputs, stride=1))
        inputs = outputs
    layers += [nn.AdaptiveAvgPool2d(1), nn.Flatten()]
    if config.real_last:
        return nn.Sequential(*layers, nn.Linear(inputs, classes))
    return nn.Sequential(*layers, linear(config, inputs, classes), norm(config, classes))
