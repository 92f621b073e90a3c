"""The pieces in other people's code: traced, exported, mapped, differentiated in any mode, fused."""

import copy
import importlib
import io
from dataclasses import replace

import pytest
import torch
import torch.nn.functional as F
from torch import fx, nn
from torch.func import functional_call, grad, hessian, jacfwd, jacrev, jvp, vmap
from torch.nn.utils.fusion import fuse_conv_bn_eval, fuse_linear_bn_eval

from bnnstudy import BinaryActivation, BinaryConv2d, BinaryLinear, devices
from bnnstudy.config.run import RunConfig
from bnnstudy.nn import binarize, models
from bnnstudy.nn.activations import RPReLU, RSign, set_steepness
from bnnstudy.nn.scaling import SCALINGS, scaled

# torch's own, where it first differentiates forward.
pytestmark = pytest.mark.filterwarnings("ignore:.torch.jit.script. is deprecated:FutureWarning")

FLOAT_FORMS = {
    "identity": lambda x: x,
    "clip": lambda x: F.hardtanh(x, -1 - 2.0**-52, 1 + 2.0**-52),
    "clip_strict": F.hardtanh,
    "approx": lambda x: 2 * x.clamp(-1, 1) - x.clamp(-1, 1) * x.clamp(-1, 1).abs(),
    "ede": torch.tanh,
}
"""What has a surrogate's slope for its derivative: torch differentiates it in every mode."""


def drawn(*shape, seed=0):
    return torch.randn(shape, dtype=torch.float64, generator=torch.Generator().manual_seed(seed))


def small(surrogate="clip", scaling=None):
    torch.manual_seed(0)
    kind = {"surrogate": surrogate, "scaling": scaling}
    model = nn.Sequential(
        BinaryConv2d(2, 4, 3, **kind),
        RSign(4, surrogate),
        RPReLU(4),
        BinaryActivation(surrogate),
        nn.Flatten(),
        BinaryLinear(16, 3, bias=False, **kind),
        nn.Linear(3, 2),
    )
    set_steepness(model, 2.5)
    return model, torch.randn(5, 2, 4, 4)


def exported(model, x):
    saved = io.BytesIO()
    torch.export.save(torch.export.export(model, (x,)), saved)
    saved.seek(0)
    return torch.export.load(saved).module()


TRACERS = {"fx": lambda model, x: fx.symbolic_trace(model), "export": exported}


def gradients(model, x):
    output = model(x)
    output.square().sum().backward()
    return output, {name: p.grad for name, p in model.named_parameters()}


def assert_learns_alike(trace, model, x):
    expected, slopes = gradients(copy.deepcopy(model), x)
    output, found = gradients(trace(copy.deepcopy(model), x), x)
    assert torch.equal(output, expected)
    assert found.keys() == slopes.keys()
    for name, slope in slopes.items():
        assert found[name] is not None, f"{name} has no gradient"
        assert torch.equal(found[name], slope), name


@pytest.mark.parametrize("scaling", [None, *SCALINGS])
@pytest.mark.parametrize("surrogate", binarize.SURROGATES)
@pytest.mark.parametrize("how", TRACERS)
def test_a_traced_network_learns_as_the_untraced_one(how, surrogate, scaling):
    assert_learns_alike(TRACERS[how], *small(surrogate, scaling))


@pytest.mark.parametrize("parts", [(), ("average_shortcut", "shifts")])
def test_a_feature_extractor_of_a_network_learns_as_the_network(parts):
    extraction = pytest.importorskip("torchvision.models.feature_extraction")
    config = RunConfig(model="birealnet20", width=2, activation="sign", real_first=True, real_last=True)
    network = models.build(replace(config, parts=parts), (1, 8, 8), 10)

    class Out(nn.Module):
        def __init__(self, network):
            super().__init__()
            last = [name for name, _ in network.named_children()][-1]
            self.extractor = extraction.create_feature_extractor(network, {last: "out"})

        def forward(self, x):
            return self.extractor(x)["out"]

    x = torch.randn(4, 1, 8, 8, generator=torch.Generator().manual_seed(0))
    expected, slopes = gradients(copy.deepcopy(network), x)
    output, found = gradients(Out(copy.deepcopy(network)), x)
    assert torch.equal(output, expected)
    for name, slope in slopes.items():
        assert torch.equal(found[f"extractor.{name}"], slope), name


def test_an_exported_graph_has_torchs_operators_alone_once_decomposed():
    model, x = small("ede", "libra")
    program = torch.export.export(model, (x,))
    operators = {str(node.target) for node in program.graph.nodes if node.op == "call_function"}
    assert "bnnstudy.ede.default" in operators
    decomposed = program.run_decompositions()
    operators = {str(node.target) for node in decomposed.graph.nodes if node.op == "call_function"}
    assert all(name.startswith("aten.") for name in operators if "getitem" not in name)
    torch.testing.assert_close(decomposed.module()(x), model(x))


def test_a_scaling_by_names_is_that_scaling_and_refuses_others():
    w = drawn(3, 4)
    found = scaled(w.requires_grad_(), "libra", "ede", 2.0)
    expected = SCALINGS["libra"](w, lambda x: binarize.ede(x, 2.0))
    slopes = [torch.autograd.grad(y.square().sum() + y.sum(), w)[0] for y in (found, expected)]
    assert torch.equal(found, expected)
    assert torch.equal(*slopes)
    with pytest.raises(ValueError, match="scaling must be one of mean, mean_forward, libra; got 'max'"):
        scaled(w, "max", "clip")


@pytest.mark.parametrize("surrogate", binarize.SURROGATES)
@pytest.mark.parametrize(
    "compiled",
    [
        False,
        pytest.param(
            True,
            marks=pytest.mark.skipif(
                devices.compiler_error("cpu") != "", reason="torch cannot compile here"
            ),
        ),
    ],
)
def test_a_mapped_surrogate_learns_compiled_or_not(surrogate, compiled):
    function, w, v = binarize.surrogate(surrogate), drawn(3, 4).requires_grad_(), drawn(3, 4, seed=1)
    (expected,) = torch.autograd.grad((function(w) * v).sum(), w)
    mapped = vmap(function)
    if compiled:
        torch.compiler.reset()
        mapped = torch.compile(mapped, backend="aot_eager")
    (found,) = torch.autograd.grad((mapped(w) * v).sum(), w)
    assert torch.equal(found, expected)


@pytest.mark.parametrize("scaling", [None, *SCALINGS])
@pytest.mark.parametrize("surrogate", binarize.SURROGATES)
def test_gradients_by_sample_are_those_of_each_sample(surrogate, scaling):
    layer = BinaryLinear(5, 3, surrogate=surrogate, scaling=scaling, dtype=torch.float64)
    inputs, parameters = drawn(6, 5), dict(layer.named_parameters())
    values = {name: p.detach() for name, p in parameters.items()}
    found = vmap(grad(lambda p, x: functional_call(layer, p, (x,)).square().sum()), (None, 0))
    by_sample = found(values, inputs)
    for k, x in enumerate(inputs):
        alone = torch.autograd.grad(layer(x).square().sum(), list(parameters.values()))
        for name, slope in zip(parameters, alone, strict=True):
            torch.testing.assert_close(by_sample[name][k], slope)
    # Several gradients at once for one forward pass.
    incoming = drawn(4, 3, 5)
    several = torch.autograd.grad(
        layer.effective_weight(), layer.weight, incoming, is_grads_batched=True
    )[0]
    for one, slope in zip(incoming, several, strict=True):
        (alone,) = torch.autograd.grad(layer.effective_weight(), layer.weight, one)
        torch.testing.assert_close(slope, alone)


@pytest.mark.parametrize("surrogate", binarize.SURROGATES)
def test_derivatives_in_every_mode_are_those_of_the_float_form(surrogate):
    function, form = binarize.surrogate(surrogate), FLOAT_FORMS[surrogate]
    x, v = torch.linspace(-1.7, 1.7, 12, dtype=torch.float64), drawn(12)
    output, tangent = jvp(function, (x,), (v,))
    assert torch.equal(output, binarize.sign(x))
    torch.testing.assert_close(tangent, jvp(form, (x,), (v,))[1])
    for jacobian in (jacrev, jacfwd):
        torch.testing.assert_close(jacobian(function)(x), jacrev(form)(x))
    for second in (hessian, lambda f: jacrev(jacrev(f)), lambda f: jacrev(jacfwd(f))):
        found, expected = (second(lambda x, f=f: (f(x) * v).sum())(x) for f in (function, form))
        torch.testing.assert_close(found, expected)
    twice = []
    for f in (function, form):
        point = x.clone().requires_grad_()
        (once,) = torch.autograd.grad(
            (f(point) * v).sum() + 0 * point.pow(3).sum(), point, create_graph=True
        )
        twice += torch.autograd.grad((once * v).sum(), point)
    torch.testing.assert_close(*twice)


@pytest.mark.parametrize("surrogate", ["approx", "ede"])
def test_a_second_derivative_that_torch_would_lose_is_refused(surrogate):
    message = f"{surrogate} has no derivative forward over forward, where torch loses it: take one"
    with pytest.raises(NotImplementedError, match=message):
        jacfwd(jacfwd(binarize.surrogate(surrogate)))(drawn(3))


@pytest.mark.parametrize("surrogate", binarize.SURROGATES)
@pytest.mark.parametrize("scaling", SCALINGS)
def test_a_scaling_has_one_jacobian_and_one_hessian_whatever_the_mode(surrogate, scaling):
    function, w, v = binarize.surrogate(surrogate), drawn(2, 3), drawn(2, 3, seed=1)

    def total(w):
        return (SCALINGS[scaling](w, function) * v).sum()

    torch.testing.assert_close(jacfwd(total)(w), jacrev(total)(w))
    torch.testing.assert_close(hessian(total)(w), jacrev(jacrev(total))(w))


def test_a_large_clip_is_traced_without_a_look_at_its_values():
    x = torch.linspace(-2, 2, binarize.LARGE)

    def slope(x):
        return torch.autograd.grad(binarize.clip(x.requires_grad_()).sum(), x)[0]

    traced = fx.experimental.proxy_tensor.make_fx(slope, tracing_mode="fake")(x / 4)
    assert torch.equal(traced(x.clone()), slope(x.clone()))


@pytest.mark.parametrize("weights", ["latent", "binary"])
def test_a_batch_norm_is_not_fused_into_signs(weights):
    conv, dense = (
        BinaryConv2d(2, 4, 3, weights=weights).eval(),
        BinaryLinear(3, 4, weights=weights).eval(),
    )
    with pytest.raises(TypeError, match="BinaryConv2d cannot have a batch norm fused into its weight"):
        fuse_conv_bn_eval(conv, nn.BatchNorm2d(4).eval())
    with pytest.raises(TypeError, match="BinaryLinear cannot have a batch norm fused into its weight"):
        fuse_linear_bn_eval(dense, nn.BatchNorm1d(4).eval())
    # The way that the sentence names.
    norm, x = nn.BatchNorm2d(4).eval(), torch.randn(2, 2, 5, 5)
    nn.init.normal_(norm.weight)
    real = nn.Conv2d(2, 4, 3).eval()
    real.load_state_dict({"weight": conv.effective_weight().detach(), "bias": conv.bias.detach()})
    torch.testing.assert_close(fuse_conv_bn_eval(real, norm)(x), norm(conv(x)), rtol=1e-4, atol=1e-4)


def test_layers_print_torchs_arguments_then_their_own_each_once():
    own = "surrogate='clip', scaling=None, weights='latent'"
    assert repr(BinaryLinear(4, 3, bias=False)) == (
        f"BinaryLinear(in_features=4, out_features=3, bias=False, {own})"
    )
    conv = BinaryConv2d(2, 4, 3, padding=1)
    inner = repr(nn.Conv2d(2, 4, 3, padding=1)).removeprefix("Conv2d(").removesuffix(")")
    assert repr(conv) == f"BinaryConv2d({inner}, {own})"
    assert repr(BinaryActivation("ede")) == "BinaryActivation(surrogate='ede')"
    assert repr(RSign(5)) == "RSign(5, surrogate='approx')"


def test_the_operators_outlive_a_reload():
    importlib.reload(binarize)
    x = torch.tensor([0.5, 1.5], requires_grad=True)
    torch.ops.bnnstudy.clip(x).sum().backward()
    assert x.grad.tolist() == [1, 0]
