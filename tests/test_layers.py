import copy

import pytest
import torch
import torch.nn.functional as F
from hypothesis import given
from hypothesis import strategies as st
from torch import nn

from bnnstudy import BinaryActivation, BinaryConv2d, BinaryLinear, split_parameters
from bnnstudy.nn import binarize
from bnnstudy.nn.activations import RPReLU, RSign


def test_linear_multiplies_with_signs():
    layer, x = BinaryLinear(5, 3), torch.randn(4, 5)
    expected = F.linear(x, binarize.sign(layer.weight), layer.bias)
    assert torch.equal(layer(x), expected)


def test_convolution_multiplies_with_signs():
    layer, x = BinaryConv2d(2, 3, 3, stride=2, padding=1), torch.randn(4, 2, 8, 8)
    expected = F.conv2d(x, binarize.sign(layer.weight), layer.bias, stride=2, padding=1)
    assert torch.equal(layer(x), expected)


@pytest.mark.parametrize("layer", [BinaryLinear(6, 4), BinaryConv2d(2, 4, 3)])
def test_mean_scaling_is_one_factor_an_output_without_a_gradient(layer):
    scaled = copy.deepcopy(layer)
    scaled.scaling = "mean"
    factor = layer.weight.detach().flatten(1).abs().mean(1)
    shape = (-1, *(1,) * (layer.weight.dim() - 1))
    weight = scaled.effective_weight()
    torch.testing.assert_close(weight, layer.effective_weight() * factor.view(shape))
    weight.sum().backward()
    torch.testing.assert_close(scaled.weight.grad, factor.view(shape).expand_as(weight))


def test_the_surrogate_shapes_the_weights_gradient():
    layer = BinaryLinear(3, 1, bias=False, surrogate="clip")
    with torch.no_grad():
        layer.weight.copy_(torch.tensor([[0.5, 1.0, 1.5]]))
    layer(torch.ones(1, 3)).sum().backward()
    assert layer.weight.grad.tolist() == [[1, 1, 0]]


def test_binary_weights_are_signs_used_as_they_are():
    layer, x = BinaryLinear(5, 3, weights="binary"), torch.randn(4, 5)
    assert set(layer.weight.detach().flatten().tolist()) == {1.0, -1.0}
    assert layer.effective_weight() is layer.weight
    layer(x).sum().backward()
    torch.testing.assert_close(layer.weight.grad, x.sum(0).expand(3, 5))


@pytest.mark.parametrize(
    ("arguments", "message"),
    [
        ({"weights": "real"}, "weights must be one of latent, binary; got 'real'"),
        ({"scaling": "max"}, "scaling must be one of None, mean, .*libra; got 'max'"),
        ({"surrogate": "step"}, "surrogate must be one of .* got 'step'"),
        ({"weights": "binary", "scaling": "mean"}, "scaling must be None with weights='binary'"),
        ({"weights": "binary", "surrogate": "approx"}, "surrogate has no meaning"),
    ],
)
@pytest.mark.parametrize(
    "make", [lambda **a: BinaryLinear(2, 2, **a), lambda **a: BinaryConv2d(2, 2, 3, **a)]
)
def test_bad_arguments_are_refused_by_name(make, arguments, message):
    with pytest.raises(ValueError, match=message):
        make(**arguments)


layer_makers = st.sampled_from(
    [
        lambda: BinaryLinear(3, 2),
        lambda: BinaryLinear(3, 2, bias=False, weights="binary"),
        lambda: BinaryConv2d(1, 2, 3),
        lambda: nn.Linear(3, 2),
        lambda: nn.BatchNorm1d(3),
        lambda: nn.PReLU(),
        lambda: RSign(2),
        lambda: RPReLU(2),
        lambda: BinaryActivation(),
        lambda: nn.Sequential(BinaryLinear(2, 2), nn.Linear(2, 2)),
    ]
)


@given(makers=st.lists(layer_makers, min_size=1, max_size=8), reload=st.booleans())
def test_the_split_is_total_and_exclusive(makers, reload):
    model = nn.Sequential(*(make() for make in makers), nn.Linear(1, 1))
    if reload:
        model = copy.deepcopy(model)
    binary, real = split_parameters(model)
    ids = [id(p) for p in (*binary, *real)]
    assert len(ids) == len(set(ids))
    assert set(ids) == {id(p) for p in model.parameters()}
    owners = [m for m in model.modules() if isinstance(m, BinaryLinear | BinaryConv2d)]
    assert {id(p) for p in binary} == {id(m.weight) for m in owners}


def test_a_weight_used_by_both_kinds_is_refused():
    one, other = BinaryLinear(3, 3), nn.Linear(3, 3)
    other.weight = one.weight
    with pytest.raises(ValueError, match=r"'0\.weight'.* shared by a binary and a real layer"):
        split_parameters(nn.Sequential(one, other))


def test_a_weight_shared_by_two_binary_layers_stands_once():
    one, other = BinaryLinear(3, 3, bias=False), BinaryLinear(3, 3, bias=False)
    other.weight = one.weight
    assert split_parameters(nn.Sequential(one, other)) == ([one.weight], [])


def test_what_is_no_model_or_has_nothing_to_split_is_refused():
    with pytest.raises(TypeError, match=r"model must be a torch\.nn\.Module, got list"):
        split_parameters([nn.Linear(1, 1)])
    with pytest.raises(ValueError, match="no parameters"):
        split_parameters(nn.ReLU())


def test_a_filter_view_weight_that_is_not_a_sign_is_refused():
    model = nn.Sequential(BinaryLinear(3, 2, weights="binary"))
    with torch.no_grad():
        model[0].weight[0, 0] = 0.5
    with pytest.raises(ValueError, match=r"0\.weight must be ±1 .*; 1 of its values"):
        split_parameters(model)


@pytest.mark.parametrize("layer", [BinaryLinear(6, 4), BinaryConv2d(2, 4, 3)])
def test_a_binary_weight_stays_binary_whatever_is_loaded_or_drawn(layer):
    kind, sizes = type(layer), (6, 4) if isinstance(layer, BinaryLinear) else (2, 4, 3)
    signs = kind(*sizes, weights="binary")
    with pytest.raises(RuntimeError, match=r"weight must be ±1 .*to_signs"):
        signs.load_state_dict(layer.state_dict())
    state = layer.state_dict() | {"weight": binarize.sign(layer.weight.detach())}
    signs.load_state_dict(state)
    signs.reset_parameters()
    assert torch.equal(signs.weight.abs(), torch.ones_like(signs.weight))
    on_meta = kind(*sizes, device="meta", weights="binary").to_empty(device="cpu")
    on_meta.reset_parameters()
    assert torch.equal(on_meta.weight.abs(), torch.ones_like(signs.weight))


def test_a_weight_that_is_no_longer_the_layers_own_is_refused():
    layer = BinaryLinear(3, 2)
    nn.utils.parametrize.register_parametrization(layer, "weight", nn.Identity())
    with pytest.raises(ValueError, match="model must have its weight as a parameter of its own"):
        split_parameters(layer)


@pytest.mark.parametrize("kind", [RSign, RPReLU])
def test_shifted_activations_take_torchs_arguments_and_say_their_channels(kind):
    layer = kind(5, dtype=torch.float64, device="cpu")
    assert {p.dtype for p in layer.parameters()} == {torch.float64}
    assert layer(torch.randn(2, 5, 3, dtype=torch.float64)).dtype == torch.float64
    assert "5" in repr(layer)


def test_rsign_and_rprelu_shift_by_channel():
    x = torch.randn(4, 2, 3, 3)
    threshold, prelu = RSign(2), RPReLU(2)
    with torch.no_grad():
        threshold.threshold.copy_(torch.tensor([0.5, -0.5]))
        prelu.shift_in.copy_(torch.tensor([1.0, 2.0]))
        prelu.shift_out.copy_(torch.tensor([3.0, 4.0]))
    moved = x - torch.tensor([0.5, -0.5]).view(1, 2, 1, 1)
    assert torch.equal(threshold(x), binarize.sign(moved))
    u = x - torch.tensor([1.0, 2.0]).view(1, 2, 1, 1)
    expected = torch.where(u > 0, u, 0.25 * u) + torch.tensor([3.0, 4.0]).view(1, 2, 1, 1)
    torch.testing.assert_close(prelu(x), expected)


@pytest.mark.parametrize("dtype", [torch.float64, torch.float16, torch.bfloat16])
@pytest.mark.parametrize("weights", ["latent", "binary"])
@pytest.mark.parametrize(("kind", "sizes"), [(BinaryLinear, (6, 4)), (BinaryConv2d, (2, 4, 3))])
def test_of_one_seed_every_type_has_one_draw(kind, sizes, weights, dtype):
    torch.manual_seed(3)
    usual = kind(*sizes, weights=weights)
    torch.manual_seed(3)
    other = kind(*sizes, weights=weights, dtype=dtype)
    for p, q in zip(usual.parameters(), other.parameters(), strict=True):
        assert q.dtype == dtype
        assert torch.equal(p.to(dtype), q)


def test_a_layer_of_the_default_type_has_the_usual_draw(double_by_default):
    torch.manual_seed(3)
    usual = BinaryLinear(6, 4, dtype=torch.float32)
    torch.manual_seed(3)
    layer = BinaryLinear(6, 4)
    assert layer.weight.dtype == torch.float64
    assert torch.equal(layer.weight, usual.weight.double())


@pytest.mark.parametrize(("mode", "value"), [("ones", 1.0), ("minus_ones", -1.0)])
@pytest.mark.parametrize("padding", [1, (2, 0), "same"])
def test_an_image_can_be_padded_with_signs(mode, value, padding):
    layer = BinaryConv2d(2, 4, 3, padding=padding, padding_mode=mode)
    x = binarize.sign(torch.randn(2, 2, 5, 6))
    rows, columns = {1: (1, 1), "same": (1, 1)}.get(padding, padding)
    padded = torch.full((2, 2, 5 + 2 * rows, 6 + 2 * columns), value)
    padded[:, :, rows : rows + 5, columns : columns + 6] = x
    expected = F.conv2d(padded, binarize.sign(layer.weight), layer.bias)
    torch.testing.assert_close(layer(x), expected)
    assert f"padding_mode={mode}" in repr(layer)
    inside = BinaryConv2d(2, 4, 3, padding=padding, padding_mode="zeros")
    inside.load_state_dict(layer.state_dict())
    plain = F.conv2d(x, binarize.sign(layer.weight), layer.bias, padding=padding)
    assert torch.equal(inside(x), plain)
    assert not torch.equal(plain, expected)
    with pytest.raises(ValueError, match="padding_mode must be one of"):
        BinaryConv2d(2, 4, 3, padding_mode="twos")
