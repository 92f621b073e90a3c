import dataclasses

import pytest
import torch

from bnnstudy import binarize, models, split_parameters
from bnnstudy.config import RunConfig

SHAPE = (1, 8, 8)
SMALL = RunConfig(width=16, activation="sign")
FILTER = {"view": "filter", "optimizer": "filter"}


def built(**changes):
    return models.build(dataclasses.replace(SMALL, **changes), SHAPE, 10)


@pytest.mark.parametrize("model", models.MODELS)
def test_views_and_twin_start_from_one_draw(model):
    latent = split_parameters(built(model=model))[0]
    binary = split_parameters(built(model=model, **FILTER))[0]
    twin = [p for p in built(model=model, binary_weights=False).parameters() if p.dim() > 1]
    zero = split_parameters(built(model=model, init_scale=0.0))[0]
    for w, theta, real, z in zip(latent, binary, twin, zero, strict=True):
        assert torch.equal(w, real)
        assert torch.equal(binarize.sign(w), theta)
        assert torch.equal(binarize.sign(z), theta)
        assert not z.any()


@pytest.mark.parametrize("model", models.MODELS)
def test_a_seed_is_a_network_and_leaves_torchs_own_state(model):
    torch.manual_seed(5)
    expected = torch.rand(3)
    torch.manual_seed(5)
    one, same, other = (built(model=model, seed=s) for s in (1, 1, 2))
    assert torch.equal(torch.rand(3), expected)
    for a, b, c in zip(one.parameters(), same.parameters(), other.parameters(), strict=True):
        assert torch.equal(a, b)
        assert a.dim() == 1 or not torch.equal(a, c)


@pytest.mark.parametrize("model", models.MODELS)
@pytest.mark.parametrize("changes", [{}, FILTER, {"binary_weights": False}, {"real_first": True}])
def test_all_parameters_get_gradients(model, changes):
    network = built(model=model, activation="hardtanh", **changes)
    network(torch.randn(12, *SHAPE)).square().sum().backward()
    assert all(p.grad is not None for p in network.parameters())


@pytest.mark.parametrize("model", models.MODELS)
def test_real_ends_are_real_and_nothing_else(model):
    whole, ends = built(model=model), built(model=model, real_first=True, real_last=True)
    binary, every = split_parameters(ends)[0], split_parameters(whole)[0]
    assert [p.shape for p in binary] == [p.shape for p in every[1:-1]]


def test_the_mlp_of_paper_a_has_its_weights():
    config = RunConfig(width=2048, depth=3)
    with torch.device("meta"):
        network = models.mlp(config, (1, 28, 28), 10)
    assert sum(p.numel() for p in network.parameters() if p.dim() > 1) == 10_014_720


def test_the_summary_counts_bits_macs_and_bytes():
    rows = {row.name: row for row in models.summary(built(depth=1), SHAPE)}
    first, norm, last = rows["1"], rows["2"], rows["4"]
    assert (first.binary_weights, first.mixed_macs, first.binary_macs) == (64 * 16, 64 * 16, 0)
    assert (last.binary_weights, last.mixed_macs, last.binary_macs) == (160, 0, 160)
    assert (norm.real_weights, norm.memory) == (32, 128)
    assert first.memory == 64 * 16 / 8


def test_the_summary_of_a_convolution_counts_each_position():
    rows = {row.name: row for row in models.summary(built(model="cnn", width=4), SHAPE)}
    assert rows["0"].mixed_macs == 9 * 4 * 64  # 3 x 3 x 1 weights, 4 channels, 8 x 8 positions
    assert rows["4"].binary_macs == 9 * 4 * 8 * 16
    twin = models.summary(built(model="cnn", width=4, binary_weights=False, activation="relu"), SHAPE)
    assert all(row.binary_macs == row.mixed_macs == row.binary_weights == 0 for row in twin)
    assert sum(r.real_macs for r in twin) == sum(r.mixed_macs + r.binary_macs for r in rows.values())


def test_a_summary_leaves_the_model_as_it_was():
    network = built()
    before = {k: v.clone() for k, v in network.state_dict().items()}
    models.summary(network, SHAPE)
    assert network.training
    assert all(torch.equal(v, before[k]) for k, v in network.state_dict().items())
    assert not any(m._forward_hooks for m in network.modules())


def test_unknown_names_and_small_images_are_refused():
    with pytest.raises(ValueError, match="model must be one of mlp, cnn; got 'vit'"):
        built(model="vit")
    with pytest.raises(ValueError, match="activation must be one of sign, relu, hardtanh; got 'gelu'"):
        built(activation="gelu")
    with pytest.raises(ValueError, match="images of 8 x 8 or more, got 7 x 8"):
        models.build(dataclasses.replace(SMALL, model="cnn"), (1, 7, 8), 10)
