"""The weights' scale by output, and IR-Net's quantizer: Libra's scaling, EDE's steepness."""

import math
import statistics
from dataclasses import replace

import pytest
import torch
from hypothesis import given
from hypothesis import strategies as st
from torch import nn

from bnnstudy import BinaryActivation, BinaryConv2d, BinaryLinear
from bnnstudy.config.run import RunConfig
from bnnstudy.config.stage import Stage
from bnnstudy.nn import binarize, models
from bnnstudy.nn.activations import RSign, set_steepness
from bnnstudy.nn.parameters import observed_weights
from bnnstudy.nn.scaling import SCALINGS, libra
from bnnstudy.training import loop
from bnnstudy.training.callbacks import Callback
from bnnstudy.training.step import Step

SMALL = RunConfig(width=16, depth=2, epochs=2, lr=1e-2, activation="sign", surrogate="ede")

FLOAT_FORMS = {
    "identity": lambda v: v,
    "clip": lambda v: v.clamp(-1, 1),
    "clip_strict": lambda v: v.clamp(-1, 1),
    "approx": lambda v: torch.where(v.abs() < 1, 2 * v - v * v.abs(), v.sign()),
    "ede": torch.tanh,
}
"""Functions whose derivatives are the surrogates' slopes."""


def drawn(*shape, seed=0):
    return torch.randn(shape, dtype=torch.float64, generator=torch.Generator().manual_seed(seed))


def slow_libra(row: list[float]) -> list[float]:
    mean, deviation = statistics.fmean(row), statistics.stdev(row)
    standard = [(w - mean) / deviation for w in row]
    power = round(math.log2(statistics.fmean(abs(v) for v in standard)))
    return [2.0**power if v > 0 else -(2.0**power) for v in standard]


def slow_mean(row: list[float]) -> list[float]:
    return [math.copysign(statistics.fmean(map(abs, row)), w) for w in row]


SLOW_FORMS = {"mean": slow_mean, "mean_forward": slow_mean, "libra": slow_libra}


def test_every_scaling_has_a_slow_form_here():
    assert set(SLOW_FORMS) == set(SCALINGS)


@pytest.mark.parametrize("name", SCALINGS)
@pytest.mark.parametrize(
    "make",
    [
        lambda **a: BinaryLinear(6, 4, **a),
        lambda **a: BinaryConv2d(2, 4, 3, **a),
        lambda **a: BinaryConv2d(4, 4, 3, groups=4, **a),
    ],
)
def test_a_scaling_is_its_formula_output_by_output(make, name):
    layer = make(scaling=name, dtype=torch.float64)
    with torch.no_grad():
        # No mean is 0. Cubes have long tails, so that one output's scale is not 1.
        layer.weight.copy_(drawn(*layer.weight.shape) + 0.3)
        layer.weight[0] **= 7
    weight = layer.effective_weight()
    expected = [SLOW_FORMS[name](row) for row in layer.weight.flatten(1).tolist()]
    torch.testing.assert_close(weight.flatten(1), torch.tensor(expected, dtype=torch.float64))
    assert len({abs(w) for row in expected for w in row}) > 1
    assert torch.equal(weight.sign(), layer.weight.sign()) == (name != "libra")


@pytest.mark.parametrize("name", binarize.SURROGATES)
def test_the_mean_scales_the_gradient_too_unless_it_is_for_the_forward_pass_alone(name):
    start, incoming = drawn(4, 6), drawn(4, 6, seed=1)
    plain, both, forward = (start.clone().requires_grad_() for _ in range(3))
    surrogate = binarize.surrogate(name)
    surrogate(plain).backward(incoming)
    SCALINGS["mean"](both, surrogate).backward(incoming)
    SCALINGS["mean_forward"](forward, surrogate).backward(incoming)
    torch.testing.assert_close(both.grad, plain.grad * start.abs().mean(1, keepdim=True))
    assert torch.equal(forward.grad, plain.grad)


@pytest.mark.parametrize("name", binarize.SURROGATES)
def test_libras_gradient_is_that_of_the_float_formula_with_the_surrogate_in_it(name):
    start, incoming = drawn(5, 3, 3, 3) ** 3 + 0.3, drawn(5, 3, 3, 3, seed=1)
    ours, theirs = start.clone().requires_grad_(), start.clone().requires_grad_()
    weight = libra(ours, binarize.surrogate(name))
    weight.backward(incoming)
    centred = theirs - theirs.flatten(1).mean(1).view(-1, 1, 1, 1)
    standard = centred / centred.flatten(1).std(1).view(-1, 1, 1, 1)
    (FLOAT_FORMS[name](standard) * weight.detach().abs()).backward(incoming)
    torch.testing.assert_close(ours.grad, theirs.grad, rtol=1e-10, atol=1e-12)
    # Neither the mean nor the spread of an output moves, and the closed form is the docstring's.
    v, n = standard.detach(), standard[0].numel()
    slope = torch.ones(5, dtype=torch.float64)
    for direction in (torch.ones_like(start), start):
        moved = (ours.grad * direction).flatten(1).sum(1)
        torch.testing.assert_close(moved, 0 * slope, rtol=0, atol=1e-10)
    x = v.clone().requires_grad_()
    binarize.surrogate(name)(x).backward(incoming * weight.detach().abs())
    h = x.grad
    rest = v * (h * v).sum((1, 2, 3), True) / (n - 1)
    deviation = start.flatten(1).std(1).view(-1, 1, 1, 1)
    closed = (h - h.mean((1, 2, 3), True) - rest) / deviation
    torch.testing.assert_close(ours.grad, closed, rtol=1e-10, atol=1e-12)


@given(
    rows=st.lists(st.lists(st.floats(-4, 4), min_size=3, max_size=3), min_size=1, max_size=5),
    factor=st.sampled_from([2.0**-20, 1.0, 2.0**20]),
)
def test_libra_scales_by_a_power_of_two_of_one_at_most_whatever_the_weights_magnitude(rows, factor):
    weight = torch.tensor(rows, dtype=torch.float64)
    binary = libra(weight, binarize.identity)
    exponents = binary.abs().log2()
    assert torch.equal(exponents, exponents.round())
    assert (exponents <= 0).all()
    assert torch.equal(exponents, exponents[:, :1].expand_as(exponents))
    if weight.abs().min() > 1e-100:
        assert torch.equal(libra(weight * factor, binarize.identity), binary)


@pytest.mark.parametrize("name", binarize.SURROGATES)
@pytest.mark.parametrize(
    "row",
    [[0.1] * 7, [-0.7] * 7, [1 / 3] * 4608, [0.0, -0.0, 0.0], [0.3], [-2.0], [-0.0], [1e-30, -2e-30]],
)
def test_an_output_without_spread_stays_as_it_is_and_leaves_the_others_alone(row, name):
    other = torch.linspace(-1, 2, len(row)).tolist()
    weight = torch.tensor([row, other], requires_grad=True)
    surrogate = binarize.surrogate(name)
    binary = libra(weight, surrogate)
    binary.backward(torch.full_like(weight, 2.0))
    plain = torch.tensor(row, requires_grad=True)
    surrogate(plain).backward(torch.full_like(plain, 2.0))
    assert torch.equal(binary[0], binarize.sign(plain))
    assert torch.equal(weight.grad[0], plain.grad)
    alone = torch.tensor([other], requires_grad=True)
    libra(alone, surrogate).backward(torch.full_like(alone, 2.0))
    assert torch.equal(weight.grad[1:], alone.grad)
    assert weight.grad.isfinite().all()


# With the mean as scale a zero start is multiplied by 0, and no gradient ever reaches it.
@pytest.mark.parametrize(("name", "start"), [("mean", 1.0), ("libra", 1.0), ("libra", 0.0)])
def test_a_scaling_trains_in_a_configuration(digits, name, start):
    result = loop.fit(replace(SMALL, scaling=name, init_scale=start, epochs=10), digits)
    assert result["test_accuracy"] > 0.5


def test_libras_flips_are_those_of_the_signs_that_are_used(digits):
    # Adam moves an output's mean, and with it signs whose own weights stay.
    seen = {"used": [], "own": []}

    class Count(Callback):
        name = "count"

        def __init__(self, context):
            self.layers = [m for m in context.model.modules() if isinstance(m, BinaryLinear)]

        def signs(self):
            used = [layer.effective_weight().detach() for layer in self.layers]
            return {"used": used, "own": [layer.weight.detach() for layer in self.layers]}

        def before_step(self, step):
            self.old = {k: [binarize.sign(w) for w in ws] for k, ws in self.signs().items()}

        def after_step(self, step):
            for kind, weights in self.signs().items():
                pairs = list(zip(self.old[kind], weights, strict=True))
                turned = sum(int((old != binarize.sign(w)).sum()) for old, w in pairs)
                seen[kind].append(turned / sum(w.numel() for w in weights))

    config = replace(SMALL, scaling="libra", surrogate="identity")
    report = loop.fit(config, digits, callbacks=[Count])["flip_ratio"]
    assert len(report["layers"]) == 3
    used, own = ([seen[kind][step - 1] for step in report["steps"]] for kind in ("used", "own"))
    assert report["all"] == pytest.approx(used, rel=1e-3)
    assert used != own


def test_steepness_is_set_wherever_the_surrogate_is_ede_and_nowhere_else():
    model = nn.Sequential(
        BinaryLinear(4, 4, bias=False, surrogate="ede"),
        nn.Sequential(BinaryActivation("ede"), RSign(4, "ede")),
        BinaryActivation("approx"),
    )
    set_steepness(model, 2.5)
    x = drawn(3, 4).float()
    for layer in (model[1][0], model[1][1], model[2]):
        ours, theirs = (x.clone().requires_grad_() for _ in range(2))
        layer(ours).sum().backward()
        known = layer is model[2]
        (binarize.approx(theirs) if known else binarize.ede(theirs, 2.5)).sum().backward()
        assert torch.equal(ours.grad, theirs.grad)
    weight = model[0].weight.detach().clone().requires_grad_()
    model[0].effective_weight().sum().backward()
    binarize.ede(weight, 2.5).sum().backward()
    assert torch.equal(model[0].weight.grad, weight.grad)


@pytest.mark.parametrize("t", [0, -1.0, math.inf, math.nan, "steep"])
def test_a_steepness_that_is_none_is_refused(t):
    with pytest.raises(ValueError, match="t must be above 0 and finite, got"):
        set_steepness(BinaryActivation("ede"), t)


@pytest.mark.parametrize("count", [1, 2, 7])
def test_a_run_goes_from_the_first_steepness_to_the_last_in_even_steps_of_its_logarithm(
    digits, monkeypatch, count
):
    config = replace(SMALL, activation_surrogate="ede", steepness=(1e-3, 10.0))
    model = models.build(config, digits.shape, digits.classes)
    step, seen, ede = Step(config, model, count, ()), [], binarize.ede
    monkeypatch.setattr(binarize, "ede", lambda x, t: seen.append(t) or ede(x, t))
    images, labels = digits.inputs(digits.train.images[:50]), digits.train.labels[:50]
    for _ in range(count):
        step(images, labels)
    # Three weights and two activations a step, all of one steepness.
    assert len(seen) == 5 * count
    by_step = seen[::5]
    assert seen == [t for t in by_step for _ in range(5)]
    assert by_step[0] == 1e-3
    if count > 1:
        assert by_step[-1] == 10.0
    logarithms = [math.log10(t) for t in by_step]
    even = [-3 + 4 * k / max(count - 1, 1) for k in range(count)]
    assert logarithms == pytest.approx(even)


def test_steepness_shapes_what_is_learnt_and_constant_ones_do_not_differ(digits):
    config = replace(SMALL, activation_surrogate="ede")
    plain, steep, near = (
        loop.fit(replace(config, steepness=pair), digits)["curves"]
        for pair in ((1.0, 1.0), (0.1, 10.0), (1.0, 1.0 + 1e-15))
    )
    assert plain == near != steep


def test_a_steepness_without_ede_is_refused_at_once():
    message = r"steepness must be \(1\.0, 1\.0\) without the surrogate 'ede', got \(0\.1, 10\.0\) with"
    stages = (Stage(epochs=1), Stage(epochs=1, changes=(("surrogate", "clip"),)))
    for changes in ({"surrogate": "clip"}, {"stages": stages}):
        with pytest.raises(ValueError, match=message):
            replace(SMALL, steepness=(0.1, 10.0), **changes)


def test_the_twin_of_a_network_with_libra_has_its_weights_observed(digits):
    config = replace(SMALL, scaling="libra", binary_weights=False, activation="relu")
    model = models.build(config, digits.shape, digits.classes)
    assert set(loop.fit(config, digits)["flip_ratio"]["layers"]) == set(observed_weights(model))
