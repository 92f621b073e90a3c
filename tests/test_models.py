import dataclasses

import pytest
import torch
import torch.nn.functional as F
from torch import nn

from bnnstudy import split_parameters
from bnnstudy.config import tricks
from bnnstudy.config.run import RunConfig
from bnnstudy.nn import binarize, models
from bnnstudy.nn.layers import BinaryConv2d, BinaryLinear
from bnnstudy.nn.models.reactnet import ReActBlock
from bnnstudy.nn.models.residual import BiRealBlock
from bnnstudy.nn.parameters import observed_weights

SMALL = RunConfig(width=4, activation="sign")
FILTER = {"view": "filter", "optimizer": "filter"}
ENDS = {"real_first": True, "real_last": True}
REAL = {"birealnet20": ENDS, "birealnet18": ENDS, "reactnet_a": ENDS, "audio_net": {"real_first": True}}
"""What a network has real by definition; the others may have any ends."""


def shape_of(model: str) -> tuple[int, int, int]:
    return (3, 32, 32) if model == "reactnet_a" else (1, 8, 8)


def built(model: str = "mlp", **changes):
    config = dataclasses.replace(SMALL, model=model, **{**REAL.get(model, {}), **changes})
    return models.build(config, shape_of(model), 10)


def counts(model: str, shape, classes: int = 10, **changes) -> dict[str, float]:
    """The sums of all columns of a network's summary, and its parameters."""
    config = RunConfig(model=model, **{"activation": "sign", **REAL.get(model, {}), **changes})
    rows = models.summary(models.build(config, shape, classes), shape)
    names = ("binary_weights", "real_weights", "binary_macs", "mixed_macs", "real_macs")
    return {name: sum(getattr(row, name) for row in rows) for name in names}


@pytest.mark.parametrize("model", models.MODELS)
def test_views_and_twin_start_from_one_draw(model):
    latent, network = built(model), {}
    for name, changes in (
        ("filter", FILTER),
        ("twin", {"binary_weights": False}),
        ("zero", {"init_scale": 0.0}),
    ):
        network[name] = dict(built(model, **changes).named_parameters())
    chosen = {id(p) for p in split_parameters(latent)[0]}
    binary = {name: p for name, p in latent.named_parameters() if id(p) in chosen}
    assert binary
    for name, w in binary.items():
        assert torch.equal(w, network["twin"][name])
        assert torch.equal(binarize.sign(w), network["filter"][name])
        assert torch.equal(binarize.sign(network["zero"][name]), network["filter"][name])
        assert not network["zero"][name].any()


@pytest.mark.parametrize("model", models.MODELS)
def test_a_seed_is_a_network_and_leaves_torchs_own_state(model):
    torch.manual_seed(5)
    expected = torch.rand(3)
    torch.manual_seed(5)
    one, same, other = (built(model, seed=s) for s in (1, 1, 2))
    assert torch.equal(torch.rand(3), expected)
    for a, b, c in zip(one.parameters(), same.parameters(), other.parameters(), strict=True):
        assert torch.equal(a, b)
        assert a.dim() == 1 or a.numel() < 100 or not torch.equal(a, c)


@pytest.mark.parametrize("model", models.MODELS)
@pytest.mark.parametrize("changes", [{}, FILTER, {"binary_weights": False}, {"real_first": True}])
def test_all_parameters_get_gradients_that_are_finite(model, changes):
    network = built(model, activation="hardtanh", **changes)
    outputs = network(torch.randn(12, *shape_of(model)))
    assert outputs.shape == (12, 10)
    outputs.square().sum().backward()
    assert all(p.grad is not None and p.grad.isfinite().all() for p in network.parameters())


@pytest.mark.parametrize("model", models.MODELS)
def test_the_twin_has_the_same_layers_and_nothing_binary(model):
    config = dataclasses.replace(SMALL, model=model, **REAL.get(model, {}))
    twin = models.build(tricks.float_twin(config), shape_of(model), 10)
    assert split_parameters(twin)[0] == []
    shapes = [[p.shape for p in net.parameters() if p.dim() > 1] for net in (built(model), twin)]
    assert shapes[0] == shapes[1]
    observed = [list(observed_weights(network)) for network in (built(model), twin)]
    assert observed[0] == observed[1] != []
    assert all(row.binary_macs == row.mixed_macs == 0 for row in models.summary(twin, shape_of(model)))


@pytest.mark.parametrize("model", ["mlp", "cnn", "binaryconnect", "resnet18"])
def test_real_ends_are_real_and_nothing_else(model):
    whole, ends = built(model), built(model, **ENDS)
    binary, every = split_parameters(ends)[0], split_parameters(whole)[0]
    assert [p.shape for p in binary] == [p.shape for p in every[1:-1]]


@pytest.mark.parametrize("model", ["birealnet20", "birealnet18", "reactnet_a", "audio_net"])
def test_what_a_network_has_real_cannot_be_binary(model):
    layers = [m for m in built(model).modules() if isinstance(m, nn.Linear | nn.Conv2d)]
    if model == "birealnet18":  # its shortcuts are real, too
        layers = [m for m in layers if getattr(m, "kernel_size", 0) != (1, 1)]
    binary = [isinstance(layer, BinaryLinear | BinaryConv2d) for layer in layers]
    assert binary == [False, *[True] * (len(layers) - 2), model == "audio_net"]
    for name in REAL[model]:
        with pytest.raises(ValueError, match=f"{name} must be True with model '{model}', got False"):
            built(model, **{name: False})


@pytest.mark.parametrize("model", models.MODELS)
def test_between_real_ends_binary_layers_see_nothing_but_signs(model):
    rows = models.summary(built(model, **ENDS), shape_of(model))
    for row in rows:
        assert (row.binary_macs > 0) == (row.binary_weights > 0)
        assert row.mixed_macs == 0 or not row.binary_weights


def test_the_networks_of_paper_a_have_their_weights():
    mlp = counts("mlp", (1, 28, 28), width=2048)
    assert mlp["binary_weights"] == mlp["binary_macs"] + mlp["mixed_macs"] == 10_014_720
    cnn = counts("binaryconnect", (3, 32, 32), width=128)
    assert cnn["binary_weights"] == 14_022_016
    # 128C3-128C3-P-256C3-256C3-P-512C3-512C3-P-1024-1024-10 on 32 x 32 pixels.
    convolutions = 9 * (32**2 * (3 * 128 + 128**2) + 16**2 * (128 * 256 + 256**2))
    convolutions += 9 * 8**2 * (256 * 512 + 512**2)
    dense = 16 * 512 * 1024 + 1024**2 + 10 * 1024
    assert cnn["binary_macs"] + cnn["mixed_macs"] == convolutions + dense


def test_birealnet20_has_its_weights_and_resnet20s_operations():
    found = counts("birealnet20", (3, 32, 32), width=16)
    assert found["binary_weights"] == 267_264
    # He et al. 2016, Table 6: ResNet-20 has 0.27 M parameters; 40.55 M multiply-accumulates.
    assert sum(found[name] for name in ("binary_macs", "mixed_macs", "real_macs")) == 40_551_040
    assert found["real_macs"] == 432 * 1024 + 640
    network = models.build(RunConfig(model="birealnet20", width=16, **ENDS), (3, 32, 32), 10)
    assert sum(isinstance(m, BinaryConv2d) for m in network.modules()) == 18
    assert network[0].weight.numel() == 432
    assert network[-1].weight.numel() + network[-1].bias.numel() == 650


def test_birealnet18_has_the_published_operations():
    found = counts("birealnet18", (3, 224, 224), 1000, width=64)
    assert found["binary_weights"] == 9 * (4 + 14 + 56 + 224) * 64**2 == 10_985_472
    # Liu et al. 2020, Table 2: 1.68e9 binary and 1.39e8 real operations.
    assert found["binary_macs"] == pytest.approx(1.68e9, rel=3e-3)
    assert found["real_macs"] == pytest.approx(1.39e8, rel=1e-2)
    assert found["mixed_macs"] == 0
    small = counts("birealnet18", (3, 32, 32), width=64)
    assert small["binary_macs"] == pytest.approx(found["binary_macs"] * (32 / 56) ** 2)


@pytest.mark.parametrize("model", ["resnet18", "birealnet18"])
@pytest.mark.parametrize("side", [65, 72, 97])
def test_sides_that_do_not_halve_are_rounded_up_on_both_ways(model, side):
    config = dataclasses.replace(SMALL, model=model, **REAL.get(model, {}))
    network = models.build(config, (3, side, side), 10)
    assert network(torch.randn(2, 3, side, side)).shape == (2, 10)


def test_resnet18_is_torchvisions():
    torchvision = pytest.importorskip("torchvision")
    config = RunConfig(model="resnet18", width=64, binary_weights=False, real_last=True,
                       batch_norm_eps=1e-5)  # fmt: skip
    ours, theirs = models.build(config, (3, 96, 96), 1000), torchvision.models.resnet18()
    values = list(theirs.state_dict().values())
    ours.load_state_dict(dict(zip(ours.state_dict(), values, strict=True)))
    assert sum(p.numel() for p in ours.parameters()) == 11_689_512
    images = torch.randn(2, 3, 96, 96)
    torch.testing.assert_close(ours.eval()(images), theirs.eval()(images), rtol=1e-4, atol=1e-4)
    # Published: 1.814 G multiply-accumulates at 224 x 224.
    real = {"binary_weights": False, "activation": "relu", "real_last": True}
    macs = counts("resnet18", (3, 224, 224), 1000, width=64, **real)
    assert macs["real_macs"] == pytest.approx(1.814e9, rel=1e-3)


def test_resnet18_on_small_images_keeps_their_size_at_the_stem():
    found = counts("resnet18", (3, 32, 32), width=64)
    # 3 x 3 stem, then the same 16 + 3 convolutions; 0.556 G on 32 x 32 with real weights.
    assert found["binary_macs"] + found["mixed_macs"] == pytest.approx(0.556e9, rel=2e-3)
    assert found["binary_weights"] == 11_689_512 - 9_408 + 1_728 - 9_600 - 513_000 + 5_120


def test_reactnet_a_has_its_published_operations():
    found = counts("reactnet_a", (3, 224, 224), 1000, width=32)
    # Liu et al. 2020: BOPs 4.82e9, FLOPs 0.12e8, OPs = BOPs / 64 + FLOPs = 0.87e8.
    assert found["binary_macs"] == pytest.approx(4.82e9, rel=1e-3)
    assert found["real_macs"] == pytest.approx(0.12e8, rel=2e-2)
    assert found["binary_macs"] / 64 + found["real_macs"] == pytest.approx(0.87e8, rel=5e-3)
    assert found["mixed_macs"] == 0
    channels = (32, 64, 128, 128, 256, 256, *[512] * 6, 1024)
    outputs = (*channels[1:], 1024)
    pairs = zip(channels, outputs, strict=True)
    assert found["binary_weights"] == sum(9 * a * a + a * b for a, b in pairs)


def test_the_audio_net_has_four_layers_and_the_mlps_shape():
    network = built("audio_net")
    assert sum(isinstance(m, nn.Linear) for m in network.modules()) == 4
    found = counts("audio_net", (1, 32, 32), width=100)
    assert found["real_macs"] == 1024 * 100
    assert found["binary_weights"] == found["binary_macs"] == 2 * 100**2 + 10 * 100
    with pytest.raises(ValueError, match="depth must be 3 with model 'audio_net'"):
        built("audio_net", depth=2)


@pytest.mark.parametrize(("inputs", "outputs", "stride"), [(4, 4, 1), (4, 8, 2), (4, 8, 1)])
def test_a_bireal_block_is_its_formula(inputs, outputs, stride):
    block = BiRealBlock(dataclasses.replace(SMALL, activation="hardtanh"), inputs, outputs, stride)
    x = torch.randn(5, inputs, 6, 6)
    y = F.conv2d(x.clamp(-1, 1), binarize.sign(block.conv.weight), stride=stride, padding=1)
    y = (y - y.mean((0, 2, 3), True)) / (y.var((0, 2, 3), False, keepdim=True) + 1e-4).sqrt()
    shortcut = torch.zeros(5, outputs, 6 // stride, 6 // stride)
    first = (outputs - inputs) // 2
    shortcut[:, first : first + inputs] = x[:, :, ::stride, ::stride]
    y = y + shortcut
    expected = torch.where(y > 0, y, 0.25 * y)
    torch.testing.assert_close(block(x), expected, rtol=1e-4, atol=1e-5)


@pytest.mark.parametrize(("outputs", "stride"), [(4, 1), (8, 2), (8, 1)])
def test_a_react_block_is_its_formula(outputs, stride):
    block = ReActBlock(dataclasses.replace(SMALL, activation_surrogate="approx"), 4, outputs, stride)
    block.eval()
    with torch.no_grad():
        for name, p in block.named_parameters():
            if "threshold" in name or "shift" in name:
                p.normal_()
    x = torch.randn(5, 4, 6, 6)

    def norm(y):
        return y / (1 + 1e-4) ** 0.5  # running statistics as they start: mean 0, variance 1

    def rprelu(y, layer):
        g, b, z = (p.view(-1, 1, 1) for p in (layer.shift_in, layer.slope, layer.shift_out))
        return torch.where(y > g, y - g, b * (y - g)) + z

    active = binarize.sign(x - block.activation1.threshold.view(-1, 1, 1))
    y = norm(F.conv2d(active, binarize.sign(block.conv1.weight), stride=stride, padding=1))
    y = rprelu(y + (F.avg_pool2d(x, 2) if stride == 2 else x), block.prelu1)
    active = binarize.sign(y - block.activation2.threshold.view(-1, 1, 1))
    halves = [norm(F.conv2d(active, binarize.sign(conv.weight))) + y for conv in block.convs]
    assert len(halves) == outputs // 4
    torch.testing.assert_close(block(x), rprelu(torch.cat(halves, 1), block.prelu2))


def test_the_summary_counts_bits_macs_and_bytes():
    rows = {row.name: row for row in models.summary(built(depth=1, width=16), (1, 8, 8))}
    first, norm, last = rows["1"], rows["2"], rows["4"]
    assert (first.binary_weights, first.mixed_macs, first.binary_macs) == (64 * 16, 64 * 16, 0)
    assert (last.binary_weights, last.mixed_macs, last.binary_macs) == (160, 0, 160)
    assert (norm.real_weights, norm.memory) == (32, 128)
    assert first.memory == 64 * 16 / 8


def test_the_summary_of_a_convolution_counts_each_position():
    rows = {row.name: row for row in models.summary(built("cnn"), (1, 8, 8))}
    assert rows["0"].mixed_macs == 9 * 4 * 64  # 3 x 3 x 1 weights, 4 channels, 8 x 8 positions
    assert rows["4"].binary_macs == 9 * 4 * 8 * 16
    twin = models.summary(built("cnn", binary_weights=False, activation="relu"), (1, 8, 8))
    assert all(row.binary_macs == row.mixed_macs == row.binary_weights == 0 for row in twin)
    assert sum(r.real_macs for r in twin) == sum(r.mixed_macs + r.binary_macs for r in rows.values())


def test_a_summary_does_not_take_averages_of_signs_for_signs():
    rows = models.summary(
        built("cnn", activation="sign", block="conv_norm_act_pool", pool="average"), (1, 8, 8)
    )
    assert [row.binary_macs for row in rows if row.kind == "BinaryConv2d"] == [0, 0, 0]


class Calls(nn.Module):
    """A network that is its layers and a way to call them."""

    def __init__(self, call, **layers):
        super().__init__()
        self.call, self.layers = call, nn.ModuleDict(layers)

    def forward(self, x):
        return self.call(x, **self.layers)


def rows_of(call, shape=(4, 5, 5), **layers):
    rows = models.summary(Calls(call, **layers), shape)
    return {row.name.removeprefix("layers."): row for row in rows}


def test_a_layer_used_twice_computes_twice_and_is_held_once():
    layer = BinaryConv2d(4, 4, 3, padding=1, bias=False)
    rows = rows_of(lambda x, a: a(binarize.clip(a(x))), a=layer)
    assert list(rows) == ["a"]
    uses = 144 * 25
    assert (rows["a"].mixed_macs, rows["a"].binary_macs) == (uses, uses)
    assert (rows["a"].binary_weights, rows["a"].memory) == (144, 18)
    one, other = BinaryLinear(4, 4, bias=False), BinaryLinear(4, 4)
    other.weight = one.weight
    tied = rows_of(lambda x, a, b: b(a(x)), (4, 4, 4), a=one, b=other)
    assert [row.binary_weights for row in tied.values()] == [16, 0]
    assert [row.memory for row in tied.values()] == [2, 16]
    assert [row.mixed_macs for row in tied.values()] == [16 * 16] * 2


def test_inputs_by_keyword_are_counted_as_any_other():
    layer = BinaryConv2d(4, 2, 3)
    by_name, by_place = rows_of(lambda x, a: a(input=x), a=layer), rows_of(lambda x, a: a(x), a=layer)
    assert by_name == by_place
    assert by_name["a"].mixed_macs == 2 * 36 * 9


@pytest.mark.parametrize(
    ("layer", "shaped", "macs"),
    [
        (lambda: nn.Conv1d(4, 6, 3), lambda x: x.flatten(2), 6 * 4 * 3 * 23),
        (lambda: nn.Conv3d(4, 6, 2), lambda x: x[:, :, None].repeat(1, 1, 5, 1, 1), 6 * 4 * 8 * 64),
        (lambda: nn.ConvTranspose2d(4, 6, 3, stride=2), lambda x: x, 4 * 25 * 6 * 9),
        (lambda: nn.Conv2d(4, 6, 3, groups=2), lambda x: x, 6 * 2 * 9 * 9),
        # Patches in the batch's place: all of them belong to the one image.
        (lambda: nn.Linear(4, 6), lambda x: x.flatten(2).mT[0], 4 * 6 * 25),
        (lambda: nn.LSTM(4, 6, batch_first=True), lambda x: x.flatten(2).mT, 25 * 4 * (24 + 36)),
        (
            lambda: nn.GRU(4, 6, num_layers=2, bidirectional=True),
            lambda x: x.flatten(2).permute(2, 0, 1),
            25 * 2 * 3 * (24 + 36 + 72 + 36),
        ),
    ],
)
def test_layers_of_torchs_have_their_operations(layer, shaped, macs):
    rows = rows_of(lambda x, a: a(shaped(x)), a=layer())
    assert (rows["a"].real_macs, rows["a"].binary_macs, rows["a"].mixed_macs) == (macs, 0, 0)


def test_a_layer_that_is_not_known_or_not_called_says_so():
    attention, bilinear = nn.MultiheadAttention(4, 2), nn.Bilinear(4, 4, 2)
    rows = rows_of(
        lambda x, a, b, c, d: (a(*[x.flatten(2).mT] * 3), b(x.mT, x.mT), d(x)),
        (4, 4, 4), a=attention, b=bilinear, c=nn.Linear(2, 2), d=nn.PReLU(),
    )  # fmt: skip
    kinds = {name: row.kind for name, row in rows.items()}
    assert kinds["a"] == "MultiheadAttention (operations not counted)"
    assert kinds["b"] == "Bilinear (operations not counted)"
    assert kinds["c"] == "Linear (not called)"
    assert kinds["d"] == "PReLU"
    assert rows["c"].memory == 24
    with pytest.raises(ValueError, match="model must have parameters, and has none"):
        models.summary(nn.ReLU(), (1, 8, 8))


def test_building_leaves_other_devices_generators_alone(monkeypatch):
    seeded = []
    monkeypatch.setattr(torch, "manual_seed", seeded.append)
    built("mlp")
    assert not seeded


def test_a_summary_leaves_the_model_as_it_was():
    network = built()
    network[2].eval()  # a frozen batch norm
    before = {k: v.clone() for k, v in network.state_dict().items()}
    models.summary(network, (1, 8, 8))
    assert network.training
    assert not network[2].training
    assert all(torch.equal(v, before[k]) for k, v in network.state_dict().items())
    assert not any(m._forward_hooks for m in network.modules())


def test_convolutions_are_stored_channels_last_whatever_the_precision():
    network = built("birealnet20", precision="float64")
    weights = [m.weight for m in network.modules() if isinstance(m, nn.Conv2d)]
    assert all(w.is_contiguous(memory_format=torch.channels_last) for w in weights)
    assert {w.dtype for w in weights} == {torch.float64}


def test_unknown_names_and_images_that_do_not_fit_are_refused():
    with pytest.raises(ValueError, match=r"model must be one of mlp, cnn, .*; got 'vit'"):
        built("vit")
    with pytest.raises(ValueError, match="activation must be one of sign, relu, hardtanh; got 'gelu'"):
        built(activation="gelu")
    for model in ("cnn", "binaryconnect"):
        with pytest.raises(ValueError, match=f"'{model}' needs images of 8 x 8 or more, got 7 x 8"):
            models.build(dataclasses.replace(SMALL, model=model), (1, 7, 8), 10)
    config = dataclasses.replace(SMALL, model="reactnet_a", **ENDS)
    with pytest.raises(ValueError, match=r"sides are multiples of 32, got \(28, 28\)"):
        models.build(config, (1, 28, 28), 10)
