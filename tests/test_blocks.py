"""The order of convolution, pooling, norm and activation, and what halves an image."""

from dataclasses import replace

import pytest
import torch
from torch import nn

from bnnstudy.config.run import RunConfig
from bnnstudy.nn import binarize, models
from bnnstudy.nn.activations import BinaryActivation
from bnnstudy.nn.layers import BinaryConv2d
from bnnstudy.nn.models.residual import BiRealBlock

CNN = RunConfig(model="cnn", width=4, activation="sign")
BIREAL = replace(CNN, model="birealnet20", real_first=True, real_last=True)
SHAPE = (3, 16, 16)
NAMES = {BinaryConv2d: "conv", nn.MaxPool2d: "pool", nn.BatchNorm2d: "norm", BinaryActivation: "act"}


def order(config: RunConfig) -> list[str]:
    model = models.build(config, SHAPE, 10)
    return [NAMES[type(layer)] for layer in model if type(layer) in NAMES]


def test_each_order_is_what_its_name_says():
    assert order(CNN) == ["conv", "pool", "norm", "act"] * 3
    assert order(replace(CNN, block="conv_norm_act_pool")) == ["conv", "norm", "act", "pool"] * 3
    # The image itself enters the first convolution, in every order.
    shifted = ["norm", "act", "conv", "pool"] * 3
    assert order(replace(CNN, block="norm_act_conv_pool")) == shifted[2:]


@pytest.mark.parametrize("block", ["conv_pool_norm_act", "conv_norm_act_pool", "norm_act_conv_pool"])
@pytest.mark.parametrize("pool", ["max", "average", "stride"])
@pytest.mark.parametrize("name", ["cnn", "binaryconnect"])
def test_every_order_and_pool_halves_the_image_three_times(block, pool, name):
    config = replace(CNN, model=name, block=block, pool=pool)
    model = models.build(config, SHAPE, 10)
    features = next(k for k, layer in enumerate(model) if isinstance(layer, nn.Flatten))
    images = torch.randn(2, *SHAPE)
    assert model[:features](images).shape == (2, 16, 2, 2)
    assert model(images).shape == (2, 10)
    assert any(isinstance(layer, nn.AvgPool2d) for layer in model) == (pool == "average")
    assert any(isinstance(layer, nn.MaxPool2d) for layer in model) == (pool == "max")


def test_pooling_after_the_sign_gives_ones_and_before_the_norm_does_not():
    images = torch.randn(8, *SHAPE)
    shares = {}
    for block in ("conv_pool_norm_act", "conv_norm_act_pool"):
        model = models.build(replace(CNN, block=block), SHAPE, 10)[:4].train()
        shares[block] = (model(images) > 0).float().mean().item()
    assert shares["conv_pool_norm_act"] == pytest.approx(0.5, abs=0.1)
    assert shares["conv_norm_act_pool"] > 0.8


def test_a_shortcut_of_means_takes_each_pixel_in():
    block = BiRealBlock(replace(BIREAL, parts=("average_shortcut",)), 4, 8, stride=2).eval()
    block.norm.weight.data.zero_()  # The convolution's part is silent.
    x = torch.rand(3, 4, 6, 6)
    means = x.view(3, 4, 3, 2, 3, 2).mean((3, 5))
    torch.testing.assert_close(block(x)[:, 2:6], means)
    assert not block(x)[:, :2].any()
    same = BiRealBlock(replace(BIREAL, parts=("average_shortcut",)), 4, 4, stride=1).eval()
    same.norm.weight.data.zero_()
    torch.testing.assert_close(same(x), x)


def test_shifts_start_as_the_plain_block_and_move_what_they_are_named_for():
    plain = BiRealBlock(BIREAL, 4, 4, stride=1).eval()
    shifted = BiRealBlock(replace(BIREAL, parts=("shifts",)), 4, 4, stride=1).eval()
    shifted.conv.load_state_dict(plain.conv.state_dict())
    x = torch.randn(3, 4, 6, 6)
    torch.testing.assert_close(shifted(x), plain(x))
    shifted.activation.threshold.data.fill_(0.5)
    shifted.prelu.shift_out.data.fill_(2.0)
    moved = plain.norm(plain.conv(binarize.sign(x - 0.5))) + x
    torch.testing.assert_close(shifted(x), nn.functional.leaky_relu(moved, 0.25) + 2)


@pytest.mark.parametrize(
    ("config", "shape", "message"),
    [
        (replace(CNN, pool="stride"), (1, 28, 28), "pool must not be 'stride'"),
        (RunConfig(pool="average"), (1, 8, 8), "pool must be 'max' with model 'mlp', got 'average'"),
        (RunConfig(block="conv_norm_act_pool"), (1, 8, 8), "block must be 'conv_pool_norm_act' with"),
        (
            RunConfig(parts=("shifts",)),
            (1, 8, 8),
            "parts must be of none with model 'mlp'",
        ),
        (
            replace(BIREAL, parts=("shift",)),
            (1, 8, 8),
            "parts must be of average_shortcut, shifts",
        ),
    ],
)
def test_what_a_network_cannot_have_is_refused_by_name(config, shape, message):
    with pytest.raises(ValueError, match=message):
        models.build(config, shape, 10)
