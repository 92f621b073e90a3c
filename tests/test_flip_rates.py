"""Filters on recorded gradients, and averaged weights, each against a plainer way."""

import json
from dataclasses import replace
from itertools import pairwise

import numpy as np
import pytest
import torch
from scipy import signal

from bnnstudy.config.run import RunConfig
from bnnstudy.experiments import procedures
from bnnstudy.experiments.procedures import with_averaged_weights
from bnnstudy.nn import models
from bnnstudy.nn.parameters import observed_weights
from bnnstudy.theory import filters, flip_rates
from bnnstudy.training import checkpoints, loop
from bnnstudy.training.callbacks import gradients as recorded
from bnnstudy.training.callbacks.averaging import AveragedWeights
from bnnstudy.training.callbacks.weights import Signs

SMALL = RunConfig(
    width=16, depth=1, epochs=3, view="filter", optimizer="filter", alpha=0.1, gamma=0.1,
    activation="sign", real_optimizer="adam", loss="cross_entropy",
)  # fmt: skip


def test_flips_are_counted_weight_by_weight():
    gradients = np.random.default_rng(0).standard_normal((200, 7))
    gradients[50:60, 3] = 0.0
    for form in (filters.Filter((1.0,), (1.0,)), filters.ema(0.3), filters.cascade(0.1, 0.2)):
        outputs = signal.lfilter(form.b, form.a, gradients, axis=0)
        expected = 0
        for column in outputs.T:
            signs = [np.sign(y) for y in column if y != 0]
            expected += sum(a != b for a, b in pairwise(signs))
        assert flip_rates.flips(form, gradients) == pytest.approx(expected / 7)


def test_the_first_order_filter_with_as_few_flips_has_as_few():
    gradients = np.random.default_rng(1).standard_normal((2000, 50))
    second = filters.cascade(0.1, 0.1)
    wanted = flip_rates.flips(second, gradients)
    first = flip_rates.first_order_with(wanted, gradients)
    assert flip_rates.flips(first, gradients) == pytest.approx(wanted, rel=0.02)
    # Of white noise Rice's formula knows it beforehand.
    assert flip_rates.flip_rate(first) == pytest.approx(flip_rates.flip_rate(second), rel=0.2)
    assert flip_rates.first_order_with(0.0, gradients) is None


def test_the_recorded_gradients_are_those_of_the_weights(digits):
    seen = []

    class All:
        name = "all"

        def __init__(self, config, model, steps):
            self.weights = list(observed_weights(model).values())

        def before(self, step):
            pass

        def after(self, step):
            seen.append(torch.cat([w.grad.flatten() for w in self.weights]).numpy().copy())

        def report(self):
            return {}

    result = loop.fit(SMALL, digits, observers=[recorded.Gradients, All])
    values, everything = result["gradients"]["values"].numpy(), np.array(seen)
    assert len(values) == len(everything)
    columns = {column.tobytes() for column in everything.astype(np.float64).T}
    assert 400 < values.shape[1] <= 512
    assert all(np.ascontiguousarray(column).tobytes() in columns for column in values.T)
    assert np.all(np.any(values, axis=0))


def test_a_run_that_diverges_is_recorded_all_the_same(digits):
    config = RunConfig(
        width=16, depth=1, batch_size=100, epochs=3, lr=1e30, alpha=1e-3, optimizer="sgd", clamp=False
    )
    found = procedures.with_recorded_gradients(config, digits, device="cpu", checkpoint=None)
    assert found["diverged"]
    json.dumps(found, allow_nan=False)


@pytest.mark.parametrize("look", [recorded.Gradients, Signs])
def test_a_checkpoint_after_the_last_epoch_can_be_read(digits, tmp_path, monkeypatch, look):
    monkeypatch.setattr(checkpoints, "EVERY", 0.0)
    file = tmp_path / "checkpoint"
    loop.fit(SMALL, digits, observers=[look], checkpoint=checkpoints.Checkpoint(file))
    # One that could not be read would be warned of.
    again = loop.fit(SMALL, digits, observers=[look], checkpoint=checkpoints.Checkpoint(file))
    assert len(again["curves"]["train_loss"]) == SMALL.epochs


def test_a_run_with_recorded_gradients_is_the_run_and_its_filters(digits):
    found = procedures.with_recorded_gradients(SMALL, digits, device="cpu", checkpoint=None)
    plain = loop.fit(SMALL, digits)
    assert {name: found[name] for name in plain} == plain
    assert found["never_more"] == {"differing": 0, "compared": found["never_more"]["compared"]}
    assert set(found["flips"]) == {"mean", "late", "last"}
    parts = found["parts"]
    assert parts["second order"]["flips"] < parts["first order"]["flips"] < parts["raw"]["flips"]
    gains = [parts[name]["noise_gain"] for name in ("second order", "as little noise")]
    assert gains[0] == pytest.approx(gains[1], rel=1e-4)
    assert parts["first order"]["alpha"] == pytest.approx(0.1)
    assert len(found["gradient"]) == len(found["curves"]["train_loss"]) * 11


def test_averaged_weights_are_the_mean_over_the_second_half(digits):
    config = replace(
        SMALL, view="latent", optimizer="latent_sgd", lr=1.0, weight_decay=0.1, alpha=1e-3,
        init_scale=0.0,
    )  # fmt: skip
    model = models.build(config, digits.shape, digits.classes)
    weights = list(observed_weights(model).values())
    watch = AveragedWeights(config, model, 6, digits)
    kept = []
    for step in range(1, 7):
        with torch.no_grad():
            for w in weights:
                w.copy_(torch.randn(w.shape))
        watch.after(step)
        kept.append([w.detach().clone() for w in weights])
    for total, *seen in zip(watch._sums, *kept[3:], strict=True):
        torch.testing.assert_close(total, sum(seen))
    before = [w.detach().clone() for w in weights]
    watch.report()
    assert all(torch.equal(w, b) for w, b in zip(weights, before, strict=True))

    with pytest.raises(ValueError, match="view must be 'latent' with AveragedWeights"):
        with_averaged_weights(SMALL, digits, device="cpu", checkpoint=None)
    found = with_averaged_weights(config, digits, device="cpu", checkpoint=None)
    plain = loop.fit(config, digits)
    assert {name: found[name] for name in plain} == plain
    assert set(found["parts"]) == {"averaged", "anew"}
