"""One update: which optimizer moves what, the loss, the schedule, the clamp."""

from dataclasses import replace

import pytest
import torch

from bnnstudy.config import tricks
from bnnstudy.config.run import RunConfig
from bnnstudy.config.schedules import schedule_factor
from bnnstudy.nn import models
from bnnstudy.nn.losses import squared_hinge
from bnnstudy.nn.parameters import observed_weights
from bnnstudy.optim import param_groups
from bnnstudy.training import loop
from bnnstudy.training.callbacks import Callback
from bnnstudy.training.step import Step

SMALL = RunConfig(width=16, depth=1, batch_size=100, epochs=2, lr=1e-2)
FILTERED = RunConfig(width=16, depth=1, batch_size=100, epochs=2, view="filter", optimizer="filter")


def test_a_clamp_keeps_latent_weights_inside(digits):
    wild = replace(SMALL, optimizer="sgd", lr=100.0, real_optimizer="adam")
    assert loop.fit(wild, digits)["saturation"] > 0
    seen = []

    class Largest(Callback):
        name = "largest"

        def before_step(self, step):
            weights = observed_weights(self.context.model).values()
            seen.append(max(w.abs().max().item() for w in weights))

    loop.fit(replace(wild, clamp=True), digits, callbacks=[Largest])
    assert max(seen) == 1.0


@pytest.mark.parametrize("name", ["constant", "cosine", "linear", "step", "exponential"])
def test_schedules_start_at_one_and_never_rise(name):
    factors = [schedule_factor(name, i, 100) for i in range(101)]
    assert factors[0] == 1
    assert factors == sorted(factors, reverse=True)
    ends = {"constant": 1, "cosine": 0, "linear": 0, "step": 0.01, "exponential": 0.003}
    assert factors[-1] == pytest.approx(ends[name], abs=1e-12)
    lifted = [schedule_factor(name, i, 100, floor=0.1) for i in range(101)]
    assert lifted == pytest.approx([0.1 + 0.9 * factor for factor in factors])


def test_binary_weights_may_have_a_schedule_of_their_own(digits):
    config = replace(
        FILTERED, alpha=0.5, real_optimizer="adam", schedule="linear",
        weight_schedule="cosine", floor=0.2, epochs=1,
    )  # fmt: skip
    network = models.build(config, digits.shape, digits.classes)
    step = Step(config, network, 10, ())
    images, labels = digits.inputs(digits.train.images[:100]), digits.train.labels[:100]
    for i in range(10):
        weights, real = (o.param_groups[0]["lr"] for o in step.optimizers)
        assert weights == pytest.approx(schedule_factor("cosine", i, 10, floor=0.2))
        assert real == pytest.approx(1e-3 * schedule_factor("linear", i, 10))
        step(images, labels)


def test_a_schedule_of_the_weights_needs_an_optimizer_of_the_real_parameters():
    for change in ({"weight_schedule": "cosine"}, {"floor": 0.1}):
        with pytest.raises(ValueError, match="without a real_optimizer"):
            replace(SMALL, **change)


def test_the_squared_hinge_is_its_formula_and_036_at_chance():
    outputs, labels = torch.randn(5, 10), torch.tensor([0, 3, 9, 1, 1])
    expected = 0.0
    for row, label in zip(outputs, labels, strict=True):
        for k, y in enumerate(row):
            expected += max(0.0, 1 - (1 if k == label else -1) * y.item()) ** 2
    assert squared_hinge(outputs, labels).item() == pytest.approx(expected / 50, rel=1e-5)
    # A constant output of -0.8 is the best that a network can do that knows nothing.
    constant = torch.full((10, 10), -0.8)
    assert squared_hinge(constant, torch.arange(10)).item() == pytest.approx(0.36)


def test_batch_norm_is_spared_weight_decay_and_may_have_its_own_optimizer(digits):
    config = replace(SMALL, weight_decay=0.1)
    network = models.build(config, digits.shape, digits.classes)
    (optimizer,) = param_groups.build_optimizers(config, network)
    for group in optimizer.param_groups:
        decayed = {p.dim() > 1 for p in group["params"]}
        assert decayed == {group["weight_decay"] > 0}
    apart = param_groups.build_optimizers(
        tricks.batch_norm_on_adam(replace(config, optimizer="sgd")), network
    )
    assert [type(o).__name__ for o in apart] == ["SGD", "Adam"]
    owners = [p for o in apart for g in o.param_groups for p in g["params"]]
    assert len(owners) == len({id(p) for p in owners}) == len(list(network.parameters()))


@pytest.mark.parametrize("model", ["mlp", "birealnet20", "reactnet_a"])
def test_a_network_and_its_twin_share_out_their_parameters_alike(model):
    ends = {"real_first": True, "real_last": True}
    config = replace(SMALL, model=model, width=4, depth=2, activation="sign", **ends)
    config = tricks.batch_norm_at_own_rate(replace(config, weight_decay=0.1))
    networks = [config, tricks.float_twin(config)]
    shared = []
    for each in networks:
        network = models.build(each, (3, 32, 32), 10)
        optimizers = param_groups.build_optimizers(each, network)
        names = {id(p): name for name, p in network.named_parameters()}
        shared.append(
            [
                [(g["weight_decay"], len(g["params"]), g["params"][0].dim()) for g in o.param_groups]
                for o in optimizers
            ]
        )
        (weights,) = optimizers[0].param_groups
        assert {names[id(p)] for p in weights["params"]} == set(observed_weights(network))
        assert all(p.dim() == 1 for g in optimizers[1].param_groups if not g["weight_decay"]
                   for p in g["params"])  # fmt: skip
    assert shared[0] == shared[1]


@pytest.mark.parametrize("other", ["", "adam"])
@pytest.mark.parametrize("binary", [True, False])
def test_a_network_whose_ends_leave_nothing_binary_is_refused(digits, other, binary):
    ends = {"real_first": True, "real_last": True, "binary_weights": binary}
    with pytest.raises(ValueError, match="real_first and real_last must leave a layer between them"):
        loop.fit(replace(SMALL, real_optimizer=other, **ends), digits)


def test_a_filter_without_an_optimizer_for_the_rest_is_refused(digits):
    with pytest.raises(ValueError, match="name a real_optimizer too"):
        loop.fit(FILTERED, digits)


@pytest.mark.parametrize("name", ["constant", "exponential"])
def test_drops_divide_by_ten(name):
    for step in range(100):
        passed = (step >= 20) + (step >= 50)
        plain = schedule_factor(name, step, 100)
        assert schedule_factor(name, step, 100, (0.2, 0.5)) == pytest.approx(plain / 10**passed)


def moved(config, digits):
    """How far the first step moves each binary weight, and the batch norms."""
    model = models.build(config, digits.shape, digits.classes)
    before = [p.detach().clone() for p in model.parameters()]
    weights = {id(w) for w in observed_weights(model).values()}
    step = Step(config, model, 10, ())
    step(digits.inputs(digits.train.images[:100]), digits.train.labels[:100])
    found = {True: [], False: []}
    for parameter, old in zip(model.parameters(), before, strict=True):
        found[id(parameter) in weights].append(parameter.detach() - old)
    return found[True], found[False]


@pytest.mark.parametrize("kind", ["gradient", "update"])
def test_under_sgd_a_scaled_gradient_is_a_scaled_update_of_the_binary_weights_alone(digits, kind):
    plain = replace(SMALL, optimizer="sgd", lr=1e-2)
    model = models.build(plain, digits.shape, digits.classes)
    factors = [param_groups.glorot_factor(w) for w in observed_weights(model).values()]
    assert factors[0] == pytest.approx(((64 + 16) / 1.5) ** 0.5)
    weights, others = moved(plain, digits)
    scaled, same = moved(tricks.rate_scaled_by_layer(plain, kind), digits)
    for factor, one, other in zip(factors, weights, scaled, strict=True):
        torch.testing.assert_close(factor * one, other, rtol=1e-3, atol=1e-7)
    assert all(torch.equal(one, other) for one, other in zip(others, same, strict=True))


def test_under_adam_only_a_scaled_update_goes_further(digits):
    plain = replace(SMALL, optimizer="adam", lr=1e-3)
    (weight, *_), _ = moved(plain, digits)
    (gradient, *_), _ = moved(tricks.rate_scaled_by_layer(plain, "gradient"), digits)
    (update, *_), _ = moved(tricks.rate_scaled_by_layer(plain, "update"), digits)
    # Adam's epsilon is felt by the smallest gradients alone.
    typical = weight.abs().median()
    torch.testing.assert_close(gradient.abs().median(), typical, rtol=1e-2, atol=0)
    torch.testing.assert_close(update.abs().median(), typical * (80 / 1.5) ** 0.5, rtol=1e-3, atol=0)


def test_a_kernels_area_counts_in_its_factor():
    assert param_groups.glorot_factor(torch.zeros(32, 16, 3, 3)) == pytest.approx(
        ((32 + 16) * 9 / 1.5) ** 0.5
    )


def test_real_weights_may_decay_at_a_rate_of_their_own(digits):
    config = replace(
        SMALL, weight_decay=0.1, real_optimizer="sgd", real_last=True, real_weight_decay=0.02,
    )  # fmt: skip
    for changed, expected in ((config, 0.02), (replace(config, real_weight_decay=None), 0.1)):
        network = models.build(changed, digits.shape, digits.classes)
        binary, real = param_groups.build_optimizers(changed, network)
        assert {group["weight_decay"] for group in binary.param_groups} == {0.1}
        decays = {p.dim() > 1: g["weight_decay"] for g in real.param_groups for p in g["params"]}
        assert decays == {True: expected, False: 0.0}


def test_a_step_may_have_a_loss_of_its_own(digits):
    config = RunConfig(width=8, depth=1)
    model = models.build(config, digits.shape, digits.classes)
    teacher = torch.randn(50, digits.classes)
    given = []

    def loss(outputs, towards):
        given.append(towards)
        return outputs.sub(towards).square().mean()

    step = Step(config, model, 5, [], loss)
    images = digits.inputs(digits.train.images[:50])
    found = [step(images, teacher).item() for _ in range(5)]
    assert all(towards is teacher for towards in given)
    assert found[-1] < found[0]
