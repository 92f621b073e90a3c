"""What runs measure beside their accuracy, each against a slower or simpler way to the same number."""

import json
from dataclasses import replace
from functools import partial

import pytest
import torch

from bnnstudy.config import tricks
from bnnstudy.config.run import RunConfig
from bnnstudy.evidence import records, results
from bnnstudy.experiments import paired, procedures
from bnnstudy.nn import models
from bnnstudy.nn.parameters import observed_weights
from bnnstudy.training import evaluation, loop
from bnnstudy.training.batch_norm import measure_anew
from bnnstudy.training.callbacks import activations, batch_norm, weights

SMALL = RunConfig(width=16, depth=1, epochs=3, lr=1e-2, schedule="cosine")
MOMENTA = {"0.8": 0.2, "0.99": 0.01}


def measured(measure, config, digits, **arguments):
    return measure(config, digits, device="cpu", checkpoint=None, **arguments)


@pytest.mark.parametrize("momentum", MOMENTA.values(), ids=MOMENTA)
def test_one_training_evaluated_at_a_momentum_is_the_training_with_it(digits, momentum):
    name = {v: k for k, v in MOMENTA.items()}[momentum]
    config = replace(SMALL, batch_norm_momentum=1.0)
    part = measured(procedures.with_averages, config, digits, momenta=MOMENTA)["parts"][name]
    own = loop.fit(replace(SMALL, batch_norm_momentum=momentum), digits)
    # Summed in another order: an image at the very boundary may go the other way.
    assert part["curves"]["validation_accuracy"] == pytest.approx(
        own["curves"]["validation_accuracy"], abs=0.0101
    )
    assert part["best_epoch"] == own["best_epoch"]
    assert part["test_accuracy"] == pytest.approx(own["test_accuracy"], abs=0.0051)
    assert part["last"]["test_accuracy"] == pytest.approx(own["last"]["test_accuracy"], abs=0.0051)


def test_an_average_without_its_start_is_a_weighted_mean_of_the_batches(digits):
    config = replace(SMALL, batch_norm_momentum=1.0)
    model = models.build(config, digits.shape, digits.classes).train()
    watch = batch_norm.Averages(config, model, 30, digits, MOMENTA)
    means, variances = [], []
    with torch.no_grad():
        for step, images in enumerate(digits.train.images[:400].split(100), start=1):
            model(digits.inputs(images))
            watch.after(step)
            means.append(model[2].running_mean.clone())
            variances.append(model[2].running_var.clone())
    weights = torch.tensor([0.99**age for age in (3, 2, 1, 0)])
    # Means started at 0, variances at 1.
    for found, batches in zip(watch._without_start(4), (means, variances), strict=False):
        expected = (weights[:, None] * torch.stack(batches)).sum(0) / weights.sum()
        torch.testing.assert_close(found, expected, rtol=1e-3, atol=1e-4)


def test_the_last_epoch_is_evaluated_with_each_average_though_it_is_not_the_best(digits):
    config = replace(SMALL, epochs=6, lr=0.3, schedule="constant", batch_norm_momentum=1.0)
    parts = measured(procedures.with_averages, config, digits, momenta=MOMENTA)["parts"]
    assert any(part["best_epoch"] < 6 for part in parts.values())
    assert all(part["last"]["test_accuracy"] > 0 for part in parts.values())
    assert all(part["test_accuracy"] is not None for part in parts.values())


def test_averages_change_nothing_of_the_training(digits):
    config = replace(SMALL, batch_norm_momentum=1.0)
    result = measured(procedures.with_averages, config, digits, momenta=MOMENTA)
    assert result["curves"] == loop.fit(config, digits)["curves"]


def test_statistics_measured_anew_are_those_of_the_images(digits):
    config = replace(SMALL, batch_norm_momentum=1.0)
    model = models.build(config, digits.shape, digits.classes).train()
    watch = batch_norm.Averages(config, model, 30, digits, MOMENTA, anew=300)
    measure_anew(model, digits, watch._images, 100)
    first = model[1](digits.inputs(digits.train.images[:300]).flatten(1))
    torch.testing.assert_close(model[2].running_mean, first.mean(0), rtol=1e-4, atol=1e-4)
    batches = torch.stack([part.var(0) for part in first.split(100)])
    torch.testing.assert_close(model[2].running_var, batches.mean(0), rtol=1e-4, atol=1e-4)


def test_averages_need_the_last_batch_alone(digits):
    with pytest.raises(ValueError, match=r"batch_norm_momentum must be 1 .* got 0\.1"):
        measured(procedures.with_averages, SMALL, digits, momenta=MOMENTA)


def test_two_trainings_are_told_apart_and_one_is_itself(digits):
    same = measured(paired.side_by_side, SMALL, digits, changes={"batch_norm_momentum": 0.5})
    assert same["pair"] == {"differing": 0, "compared": 3 * 11}
    other = measured(paired.side_by_side, SMALL, digits, changes={"lr": 2e-2})
    assert other["pair"]["differing"] == 33
    assert "trace" not in other


def test_clamped_weights_make_the_mask_a_no_op_but_the_strict_one_not(digits):
    high = replace(SMALL, lr=0.3, clamp=True, schedule="constant")
    mask = measured(
        paired.side_by_side,
        replace(high, surrogate="identity"),
        digits,
        changes={"surrogate": "clip"},
    )
    assert mask["pair"]["differing"] == 0
    assert mask["saturation"] > 0.05  # it bites
    strict = measured(paired.side_by_side, high, digits, changes={"surrogate": "clip_strict"})
    assert strict["pair"]["differing"] > 0


def test_the_first_update_of_adam_is_one_rate(digits):
    result = measured(procedures.with_update_size, replace(SMALL, drops=(0.5,)), digits)
    sizes = result["update_size"]["sizes"]
    assert len(sizes) == 33
    # Pixels that are never lit have no gradient and do not move.
    assert 0.8 < sizes[0] <= 1.0001
    assert result["update_size"]["mean"] == pytest.approx(sum(sizes) / 33)
    assert list(result["parts"]) == ["phase 1", "phase 2"]


def test_under_sgd_the_update_is_the_gradient(digits):
    config = replace(SMALL, optimizer="sgd", schedule="linear")
    seen = []

    class Gradients(weights.Trace):
        def after(self, step):
            flat = torch.cat([w.grad.abs().flatten() for w in self._weights])
            seen.append(flat.mean().item())

    found = loop.fit(config, digits, observers=[Gradients, weights.UpdateSize])
    assert found["update_size"]["sizes"] == pytest.approx(seen, rel=5e-3)


def test_positive_inputs_are_those_of_the_later_convolutions(digits):
    config = RunConfig(model="cnn", width=4, activation="sign", epochs=1)
    model = models.build(config, digits.shape, digits.classes)
    look = activations.PositiveInputs(config, model, 1, digits, images=100)
    shares = look.report()
    model.eval()
    images = digits.inputs(digits.validation.images[:100])
    expected = [(model[:end](images) > 0).double().mean().item() for end in (4, 8)]
    assert shares["layers"] == pytest.approx(expected, rel=1e-3)
    assert shares["mean"] == pytest.approx(sum(expected) / 2, rel=1e-3)


def test_sums_of_losses_are_the_mean_times_the_batches(digits):
    curves = measured(procedures.with_loss_sums, SMALL, digits)["curves"]
    assert curves["train_loss_sum"] == [loss * 11 for loss in curves["train_loss"]]


@pytest.mark.parametrize(
    ("curve", "patience", "end"),
    [
        ([0.1, 0.2, 0.2, 0.2, 0.3], 2, 4),
        ([0.1, 0.2, 0.2, 0.2, 0.3], 3, 5),
        ([0.3, 0.2, 0.1], 1, 2),
        ([0.1, 0.2, 0.3], 1, 3),
    ],
)
def test_a_stop_comes_after_so_many_flat_epochs(curve, patience, end):
    assert results.stop(curve, patience) == end


def test_an_early_stop_sees_nothing_of_later_epochs(digits):
    config = replace(SMALL, epochs=6, lr=0.3, schedule="constant")
    result = measured(procedures.with_stops, config, digits, patience=1)
    stopped = result["parts"]["stopped early"]
    assert stopped["epochs"] == results.stop(result["curves"]["validation_accuracy"], 1) < 6
    again = loop.fit(replace(config, epochs=stopped["epochs"]), digits)
    assert stopped["validation_accuracy"] == again["validation_accuracy"]
    assert stopped["test_accuracy"] == again["test_accuracy"]


def test_a_pre_training_is_read_in_parts(digits):
    config = tricks.pretraining(replace(SMALL, epochs=5, schedule="constant"), 3)
    result = measured(procedures.pretrained, config, digits)
    parts, curves = result["parts"], result["curves"]
    assert parts["binary epochs"]["curves"]["test_accuracy"] == curves["test_accuracy"][3:]
    assert parts["all epochs"]["curves"]["test_accuracy"][:3] == [0.0] * 3
    assert parts["all epochs"]["best_epoch"] == parts["binary epochs"]["best_epoch"] + 3
    assert parts["all epochs"]["best_epoch"] == result["best_epoch"]
    assert parts["before"]["test_accuracy"] == curves["test_accuracy"][2]
    assert parts["at once"] != parts["before"]
    assert "start_anew" not in str(result)
    # Looking changes nothing.
    assert result["curves"] == loop.fit(config, digits)["curves"]


def test_a_start_measured_anew_is_the_network_after_so_many_batches_without_a_step(digits):
    config = replace(SMALL, batch_norm_momentum=0.1)
    model = models.build(config, digits.shape, digits.classes)
    before = {name: value.clone() for name, value in model.state_dict().items()}
    found = batch_norm.StartAnew(config, model, 1, digits, anew=300).report()
    after = model.state_dict()
    assert all(torch.equal(before[name], after[name]) for name in before)
    assert [norm.momentum for norm in (model[2], model[5])] == [0.1, 0.1]
    measure_anew(model.train(), digits, digits.train.images[:300], 100)
    assert found["test_accuracy"] == evaluation.evaluate(model, digits, digits.test)


def test_parts_become_records_of_their_own():
    record = {
        "arm": "a",
        "preset": "quick",
        "config": {"seed": 1},
        "result": {"parts": {"x": {"y": 1}}},
    }
    assert records.parts(record) == [{**record, "arm": "a, x", "result": {"y": 1}}]
    assert records.parts({**record, "result": {}}) == []


@pytest.mark.parametrize(
    ("kind", "needs"),
    [
        (weights.Trace, ()),
        (weights.UpdateSize, ()),
        (batch_norm.Averages, ("dataset", "momenta")),
        (activations.PositiveInputs, ("dataset",)),
        (batch_norm.StartAnew, ("dataset",)),
    ],
)
def test_an_observer_goes_on_from_its_state(kind, needs, digits):
    config = replace(SMALL, batch_norm_momentum=1.0)
    there = {"dataset": digits, "momenta": MOMENTA}
    make = partial(kind, **{name: there[name] for name in needs})
    model = models.build(config, digits.shape, digits.classes)
    whole, first, second = (make(config, model, 6) for _ in range(3))
    generator = torch.Generator().manual_seed(0)

    def step(number, *watchers):
        for watcher in watchers:
            watcher.before(number)
        with torch.no_grad():
            for weight in observed_weights(model).values():
                weight.add_(1e-2 * torch.randn(weight.shape, generator=generator))
        for watcher in watchers:
            watcher.after(number)

    for number in (1, 2, 3):
        step(number, whole, first)
    second.load_state_dict(first.state_dict())
    for number in (4, 5, 6):
        step(number, whole, second)
    assert second.report() == whole.report()


def test_runs_that_diverge_keep_what_they_measured(digits):
    wild = tricks.float_twin(replace(SMALL, optimizer="sgd", lr=1e20, epochs=4, schedule="constant"))
    found = measured(procedures.with_update_size, wild, digits)
    assert found["diverged"]
    assert None in found["update_size"]["sizes"]
    json.dumps(found, allow_nan=False)

    staged = tricks.pretraining(replace(SMALL, optimizer="sgd", lr=1e20, epochs=6), 3)
    assert "parts" not in measured(procedures.pretrained, staged, digits)

    pair = measured(paired.side_by_side, wild, digits, changes={"lr": 1e-3})["pair"]
    assert pair["differing"] == pair["compared"] == 4 * 11
