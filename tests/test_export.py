"""A network of ±1 weights computes what the latent one did, whatever scaled its weights."""

import copy
import itertools

import pytest
import torch
from driving import MADE_OF_OTHERS
from hypothesis import given
from hypothesis import strategies as st
from torch import nn

from bnnstudy.config.run import RunConfig
from bnnstudy.config.stage import Stage
from bnnstudy.nn import BinaryConv2d, BinaryLinear, models, save_packed
from bnnstudy.nn.batch_norm import norms_of, reestimate
from bnnstudy.nn.binarize import SURROGATES, not_signs
from bnnstudy.nn.export import OutputScale, to_signs
from bnnstudy.nn.parameters import observed_weights
from bnnstudy.nn.scaling import SCALINGS
from bnnstudy.training import loop

SHAPES = {"reactnet_a": (3, 32, 32), "audio_net": (1, 8, 8)}
REAL_ENDS = ("birealnet20", "birealnet18", "reactnet_a")


def network(model: str, **changes) -> nn.Module:
    """A network of a little width in double precision, with batch norms that have seen images."""
    ends = {"real_first": model in (*REAL_ENDS, "audio_net"), "real_last": model in REAL_ENDS}
    config = RunConfig(model=model, width=4, precision="float64", **ends, **changes)
    shape = SHAPES.get(model, (1, 8, 8))
    made = models.build(config, shape, 10)
    generator = torch.Generator().manual_seed(1)
    for _ in range(3):
        made(torch.randn(20, *shape, generator=generator, dtype=torch.float64))
    return made.eval()


def inputs(model: str) -> torch.Tensor:
    generator = torch.Generator().manual_seed(2)
    return torch.randn(7, *SHAPES.get(model, (1, 8, 8)), generator=generator, dtype=torch.float64)


@pytest.mark.parametrize(
    ("model", "scaling", "surrogate"),
    [
        *itertools.product(models.registry.MODELS, (None, *SCALINGS), ("clip",)),
        *itertools.product(("mlp", "cnn"), ("mean", "libra"), SURROGATES),
    ],
)
def test_every_network_computes_what_it_did(model, scaling, surrogate):
    latent = network(model, scaling=scaling, surrogate=surrogate, activation="sign")
    before, x = copy.deepcopy(latent.state_dict()), inputs(model)
    signs = to_signs(latent)
    torch.testing.assert_close(signs(x), latent(x), rtol=1e-9, atol=1e-9)
    assert not any(not_signs(w) for w in observed_weights(signs).values())
    assert all(torch.equal(value, before[name]) for name, value in latent.state_dict().items())
    assert list(signs.state_dict()) == list(before)  # all factors went into batch norms
    assert not signs.training


@pytest.mark.parametrize("block", ["conv_norm_act_pool", "norm_act_conv_pool", "conv_pool_norm_act"])
def test_factors_go_through_a_pooling_and_stay_where_no_norm_follows(block):
    latent = network("cnn", scaling="mean", block=block)
    signs = to_signs(latent)
    torch.testing.assert_close(signs(inputs("cnn")), latent(inputs("cnn")), rtol=1e-9, atol=1e-9)
    # Of norm, act, conv, pool the last convolution feeds the classifier.
    left = [module for module in signs.modules() if isinstance(module, OutputScale)]
    assert len(left) == (block == "norm_act_conv_pool")


@given(seed=st.integers(0, 99), size=st.sampled_from([0.0, 1e-3, 1.0, 30.0]), bias=st.booleans())
def test_factors_of_any_size_and_biases_are_taken_along(seed, size, bias):
    torch.manual_seed(seed)
    linear = BinaryLinear(6, 5, bias=bias, dtype=torch.float64, scaling="mean")
    norm = nn.BatchNorm1d(5, dtype=torch.float64)
    with torch.no_grad():
        linear.weight.mul_(size)
        linear.weight[0].zero_()  # an output that is its bias, whatever comes in
        norm.running_mean.normal_()
        norm.running_var.uniform_(1e-9, 2.0)
        norm.weight.normal_()
        norm.bias.normal_()
    for latent in (nn.Sequential(linear, norm), nn.Sequential(linear), linear):
        latent.eval()
        signs, x = to_signs(latent).eval(), torch.randn(9, 6, dtype=torch.float64)
        torch.testing.assert_close(signs(x), latent(x), rtol=1e-8, atol=1e-8)
        assert sum(isinstance(m, OutputScale) for m in signs.modules()) == (
            len(list(latent.children())) < 2
        )


class Shared(nn.Module):
    """One layer that is used twice, before two norms or before none, or two layers of one weight."""

    def __init__(self, norms: int, tied: bool = False):
        super().__init__()
        self.one = BinaryLinear(5, 5, bias=False, scaling="mean", dtype=torch.float64)
        self.two = self.one
        if tied:
            self.two = BinaryLinear(5, 5, bias=False, scaling="libra", dtype=torch.float64)
            self.two.weight = self.one.weight
        made = [nn.BatchNorm1d(5, dtype=torch.float64) for _ in range(norms)]
        self.first, self.second = (made * 2)[:2] if made else (nn.Identity(), nn.Tanh())

    def forward(self, input: torch.Tensor) -> torch.Tensor:
        return self.second(self.two(self.first(self.one(input)).tanh()))


@pytest.mark.parametrize(("norms", "tied"), [(0, False), (1, False), (2, False), (1, True), (2, True)])
def test_what_is_shared_is_converted_once_and_right(norms, tied):
    torch.manual_seed(0)
    latent, x = Shared(norms, tied), torch.randn(8, 5, dtype=torch.float64)
    with torch.no_grad():
        latent.one.weight.add_(0.1)  # so that Libra's signs are others than the weights' own
    for _ in range(3):
        latent(x)
    latent.eval()
    torch.testing.assert_close(to_signs(latent)(x), latent(x), rtol=1e-9, atol=1e-9)


class Untraceable(nn.Module):
    def __init__(self):
        super().__init__()
        self.conv = BinaryConv2d(2, 3, 3, scaling="libra", dtype=torch.float64)
        self.norm = nn.BatchNorm2d(3, dtype=torch.float64)

    def forward(self, input: torch.Tensor) -> torch.Tensor:
        output = self.norm(self.conv(input))
        return output if output.sum() > 0 else -output


def test_a_network_that_cannot_be_traced_keeps_its_factors():
    torch.manual_seed(0)
    latent, x = Untraceable().eval(), torch.randn(4, 2, 6, 6, dtype=torch.float64)
    with torch.no_grad():
        latent.conv.weight.mul_(torch.tensor([1.0, 0.0, 1.0]).view(3, 1, 1, 1))
    signs = to_signs(latent)
    torch.testing.assert_close(signs(x), latent(x))
    assert any(isinstance(module, OutputScale) for module in signs.modules())


def test_statistics_are_measured_again_if_images_are_given():
    latent = network("mlp", scaling="mean")
    images = inputs("mlp")
    for given_images in (images, [images[:4], images[4:]]):
        signs = to_signs(latent, given_images)
        layer, norm = signs[1], signs[2]
        found = [layer(part.flatten(1)).mean(0) for part in
                 ([images] if torch.is_tensor(given_images) else given_images)]  # fmt: skip
        torch.testing.assert_close(norm.running_mean, sum(found) / len(found))
        assert not signs.training


@pytest.mark.parametrize("model", ["mlp", "cnn", "birealnet20"])
def test_signs_of_statistics_measured_again_are_those_of_the_network_measured_again(model):
    latent, images = network(model, scaling="mean"), inputs(model)
    with torch.no_grad():
        for weight in observed_weights(latent).values():
            weight.mul_(1e-2)  # so that batch norm's epsilon counts
    signs = to_signs(latent, iter([(images, "labels")]))
    reestimate(latent, [images])
    latent.eval(), signs.eval()
    torch.testing.assert_close(signs(images), latent(images))
    with pytest.raises(ValueError, match="images must be one batch or more, got none"):
        to_signs(latent, [])


class Doubled(nn.BatchNorm2d):
    def forward(self, x):
        return 2 * super().forward(x)


class ReadsItsNorm(nn.Module):
    def __init__(self):
        super().__init__()
        self.layer = BinaryLinear(4, 3, scaling="mean")
        self.norm = nn.BatchNorm1d(3)

    def forward(self, x):
        return self.norm(self.layer(x)) + self.norm.running_mean


@pytest.mark.parametrize(
    ("made", "shape"),
    [
        (lambda: nn.Sequential(BinaryLinear(4, 5, scaling="mean"), nn.BatchNorm1d(3)), (6, 3, 4)),
        (lambda: nn.Sequential(BinaryConv2d(2, 3, 3, scaling="mean"), Doubled(3)), (6, 2, 5, 5)),
        (lambda: nn.Sequential(BinaryConv2d(2, 3, 3, scaling="mean"), nn.ReLU()), (2, 5, 5)),
        (ReadsItsNorm, (6, 4)),
    ],
    ids=["norm over positions", "norm of another kind", "one image", "norm that is read"],
)
def test_a_factor_stays_where_it_cannot_go_into_what_follows(made, shape):
    torch.manual_seed(0)
    latent, x = made().double().eval(), torch.randn(shape, dtype=torch.float64)
    for norm in norms_of(latent):
        norm.running_mean.normal_()
        norm.running_var.uniform_(0.2, 2)
    signs = to_signs(latent)
    torch.testing.assert_close(signs(x), latent(x))
    assert any(isinstance(module, OutputScale) for module in signs.modules())


def test_a_graph_and_what_is_no_network_are_refused():
    traced = torch.fx.symbolic_trace(nn.Sequential(nn.Linear(2, 2)))
    with pytest.raises(ValueError, match="model must be a network of layers, not a graph"):
        to_signs(traced)
    with pytest.raises(ValueError, match="model must be a Module, got 'mlp'"):
        to_signs("mlp")


@pytest.mark.filterwarnings("ignore:.*weight_norm. is deprecated:FutureWarning")
@pytest.mark.parametrize("made", MADE_OF_OTHERS.values(), ids=MADE_OF_OTHERS)
@pytest.mark.parametrize("weights", ["latent", "binary"])
def test_a_weight_that_each_pass_makes_of_others_has_no_signs_to_take(made, weights, tmp_path):
    network = nn.Sequential(made(BinaryLinear(3, 3, weights=weights)))
    for export in (to_signs, lambda model: save_packed(model, tmp_path / "packed.safetensors")):
        with pytest.raises(ValueError, match="0 must have its weight as a parameter of its own"):
            export(network)


def test_a_layer_that_lost_its_signs_has_none_to_take():
    layer = BinaryLinear(3, 2, weights="binary")
    with torch.no_grad():
        layer.weight[0] *= 0.5
    with pytest.raises(ValueError, match=r"0\.weight must be ±1 .*; 3 of its values are not"):
        to_signs(nn.Sequential(layer))


def test_a_hand_over_that_cannot_be_is_refused_before_anything_is_trained(digits):
    changes = (("view", "latent"), ("optimizer", "adam"), ("scaling", "mean"))
    config = RunConfig(
        model="cnn", width=4, epochs=2, view="filter", optimizer="filter", block="norm_act_conv_pool",
        real_optimizer="adam", stages=(Stage(epochs=1, changes=changes), Stage(epochs=1)),
    )  # fmt: skip
    with pytest.raises(ValueError, match="scaling must be None in a stage before one with view"):
        loop.fit(config, digits)


@pytest.mark.parametrize("scaling", [None, *SCALINGS])
def test_a_stage_in_the_filter_view_begins_where_the_latent_one_ended(digits, scaling):
    changes = (
        ("view", "latent"), ("optimizer", "adam"), ("lr", 1e-2), ("alpha", 1e-3), ("gamma", 0.1),
        ("scaling", scaling), ("surrogate", "clip"),
    )  # fmt: skip
    config = RunConfig(
        width=32, epochs=4, view="filter", optimizer="filter", alpha=1e-3, gamma=0.1,
        real_optimizer="adam", real_lr=3e-3, activation="sign",
        stages=(Stage(epochs=3, changes=changes), Stage(epochs=1)),
    )  # fmt: skip
    result = loop.fit(config, digits)
    _, second = result["stages"]
    assert second["start"]["validation_accuracy"] == pytest.approx(
        result["curves"]["validation_accuracy"][2], abs=0.006
    )
