"""±1 layers that another optimizer or an average makes real say so, once, and are counted as real."""

import copy
import warnings

import pytest
import torch
from torch import nn
from torch.optim.swa_utils import AveragedModel, update_bn

from bnnstudy import BinaryConv2d, BinaryLinear
from bnnstudy.nn.models import summary
from bnnstudy.optim import Bop, FilterOptimizer, LinearFilter

SAID = r"BinaryLinear has weights='binary', but \d+ of 12 values of its weight are not ±1"


def network():
    return nn.Sequential(nn.Flatten(), BinaryLinear(4, 3, weights="binary"), nn.BatchNorm1d(3))


def train(model, optimizer, steps=3):
    model.train()
    for seed in range(steps):
        optimizer.zero_grad()
        draw = torch.randn(8, 1, 2, 2, generator=torch.Generator().manual_seed(seed))
        (model(draw) * draw[:, 0, 0, :1]).sum().backward()
        optimizer.step()


@pytest.mark.parametrize("kind", [torch.optim.Adam, torch.optim.SGD])
@pytest.mark.parametrize(
    "look",
    [
        lambda model: model.eval(),
        lambda model: model.train(),
        lambda model: model.state_dict(),
        lambda model: summary(model, (1, 2, 2)),
    ],
)
def test_another_optimizer_is_told_of_once(kind, look):
    model = network()
    train(model, kind(model.parameters(), lr=0.1))
    with pytest.warns(UserWarning, match=SAID) as said:
        look(model)
    assert len(said) == 1
    with warnings.catch_warnings():
        warnings.simplefilter("error")
        look(model)
        look(copy.deepcopy(model))


@pytest.mark.parametrize(
    "make", [Bop, lambda p: FilterOptimizer(p, 0.1), lambda p: LinearFilter(p, [1], [1, -0.5])]
)
def test_nothing_is_said_of_our_optimizers(make):
    model = network()
    before = model[1].weight.detach().clone()
    train(model, make([model[1].weight]), steps=20)
    assert not torch.equal(model[1].weight, before)
    model.eval()
    summary(model, (1, 2, 2))
    assert model[1].lost_signs() == 0


def test_an_average_is_told_of_and_billed_as_real():
    model = network()
    averaged = AveragedModel(model)
    optimizer = Bop([model[1].weight], threshold=0, gamma=0.9)
    for _ in range(3):
        train(model, optimizer)
        averaged.update_parameters(model)
        with torch.no_grad():
            model[1].weight.neg_()
    averaged.update_parameters(model)
    with pytest.warns(UserWarning, match=SAID):
        update_bn([torch.randn(8, 1, 2, 2)], averaged)
    before, after = summary(model, (1, 2, 2))[0], summary(averaged, (1, 2, 2))[0]
    assert (before.binary_weights, before.real_weights, before.mixed_macs) == (12, 3, 12)
    assert (after.binary_weights, after.real_weights, after.mixed_macs) == (0, 15, 0)
    assert (before.memory, after.memory) == (12 / 8 + 12, 60)


def test_signs_that_come_back_and_latent_weights_are_no_matter():
    layer = BinaryConv2d(1, 2, 3, weights="binary")
    for _ in range(2):
        layer.weight.data[0, 0, 0, 0] = 0.5
        with pytest.warns(UserWarning, match="BinaryConv2d .* 1 of 18 values"):
            layer.eval()
        layer.weight.data[0, 0, 0, 0] = 1.0
        with warnings.catch_warnings():
            warnings.simplefilter("error")
            layer.train()
            BinaryConv2d(1, 2, 3).eval()
            BinaryConv2d(1, 2, 3, weights="binary", device="meta").eval()
