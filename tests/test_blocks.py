"""The order of convolution, pooling, norm and activation, and what halves an image."""

from dataclasses import replace

import pytest
import torch
from torch import nn

from bnnstudy import models
from bnnstudy.config import RunConfig
from bnnstudy.layers import BinaryActivation, BinaryConv2d

CNN = RunConfig(model="cnn", width=4, activation="sign")
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


@pytest.mark.parametrize(
    ("config", "shape", "message"),
    [
        (replace(CNN, pool="stride"), (1, 28, 28), "pool must not be 'stride'"),
        (RunConfig(pool="average"), (1, 8, 8), "pool must be 'max' with model 'mlp', got 'average'"),
        (RunConfig(block="conv_norm_act_pool"), (1, 8, 8), "block must be 'conv_pool_norm_act' with"),
    ],
)
def test_what_a_network_cannot_have_is_refused_by_name(config, shape, message):
    with pytest.raises(ValueError, match=message):
        models.build(config, shape, 10)
