"""`FlipBudget`: its budget is white noise's, its trim is the loop's, and it moves what it says."""

from dataclasses import replace
from functools import partial

import numpy as np
import pytest
import torch

from bnnstudy.config.run import RunConfig
from bnnstudy.nn.parameters import observed_weights
from bnnstudy.studies._paper_b import latent
from bnnstudy.theory import flip_control
from bnnstudy.theory.filters import cascade
from bnnstudy.theory.flip_rates import flip_rate, flip_ratio_by_step
from bnnstudy.training import callbacks, loop
from bnnstudy.training.callbacks import Callback, flip_budget

FILTER = RunConfig(
    width=16, depth=1, epochs=6, batch_size=50, view="filter", optimizer="filter", alpha=0.02,
    activation="sign", real_optimizer="adam", real_lr=3e-3, loss="cross_entropy", schedule="cosine",
)  # fmt: skip
LATENT = latent(FILTER, 2.0)
ADAM = replace(LATENT, optimizer="adam", lr=0.03, weight_decay=0.0)
BUDGET = {"alpha": 0.02, "gamma": 0.1}


def measured(config, dataset, control, **numbers):
    """A run's result, the signs of its weights around each step, and the rate in force at each."""

    class Kept(Callback):
        name = "kept"

        def __init__(self, context):
            super().__init__(context)
            self.weights = list(observed_weights(context.model).values())
            self.group = context.optimizers[0].param_groups[0]
            self.signs, self.rates = [self.now()], []

        def now(self):
            return torch.cat([torch.signbit(w.detach()).flatten() for w in self.weights])

        def after_step(self, step):
            self.signs.append(self.now())
            self.rates.append((self.group["lr"], self.group.get("alpha")))

        def result(self):
            return {"signs": self.signs, "rates": self.rates}

    budget = partial(callbacks.FlipBudget, control=control, **numbers)
    found = loop.fit(config, dataset, callbacks=[budget, Kept])
    kept = found.pop("kept")
    shares = [
        (after != before).double().mean().item()
        for before, after in zip(kept["signs"], kept["signs"][1:], strict=False)
    ]
    return found, np.array(shares), kept["rates"]


def test_without_control_it_looks_on(digits):
    found, shares, _ = measured(FILTER, digits, "none")
    plain = loop.fit(FILTER, digits, callbacks=[callbacks.FlipsByEpoch])
    for curve in ("test_accuracy", "train_loss", "flips"):
        assert found["curves"][curve] == plain["curves"][curve]
    assert found["budget"]["trim"] == 1
    assert set(found["curves"]["trim"]) == {1.0}
    assert found["curves"]["flips"] == pytest.approx(shares.reshape(6, -1).mean(1), rel=1e-3)


@pytest.mark.parametrize("schedule", ["cosine", "constant"])
def test_the_budget_is_that_of_white_noise(digits, schedule):
    found, shares, _ = measured(replace(FILTER, weight_schedule=schedule), digits, "none")
    steps = len(shares)
    done = np.arange(steps) / steps
    factors = 0.5 * (1 + np.cos(np.pi * done)) if schedule == "cosine" else np.ones(steps)
    budget = flip_ratio_by_step(0.02, 0.1, factors).reshape(6, -1).mean(1)
    assert found["curves"]["budget"] == pytest.approx(budget, rel=1e-3)
    logs = np.log10(np.array(found["curves"]["flips"]) / found["curves"]["budget"])[6 // 4 :]
    expected = {"error": (logs**2).mean() ** 0.5, "bias": logs.mean(), "farthest": abs(logs).max()}
    assert {n: found["budget"][n] for n in expected} == pytest.approx(expected, rel=0.01)


@pytest.mark.parametrize("config", [FILTER, LATENT, ADAM])
def test_a_trim_is_that_of_the_loop_and_moves_the_rate(digits, config):
    numbers = BUDGET if config is ADAM else {}
    found, shares, rates = measured(config, digits, "trim", **numbers)
    steps = len(shares)
    factors = 0.5 * (1 + np.cos(np.pi * np.arange(steps) / steps))
    budget = flip_ratio_by_step(0.02, 0.1, factors)
    smooth, gain = flip_budget.SMOOTHING, flip_control.critical_gain(flip_budget.SMOOTHING)
    ratio, trim = 1.0, 1.0
    for step, share in enumerate(shares):
        lr, alpha = rates[step]
        if config is FILTER:
            assert lr * alpha == pytest.approx(0.02 * factors[step] * trim)
        else:
            assert (lr, alpha) == (pytest.approx(config.lr * factors[step] * trim), None)
        ratio += smooth * (share / budget[step] - ratio)
        trim *= ratio**-gain
    assert found["budget"]["trim"] == pytest.approx(trim, rel=1e-3)
    assert abs(np.log(trim)) > 0.05


def test_an_additive_trim_moves_by_the_difference(digits):
    found, shares, rates = measured(LATENT, digits, "additive")
    steps = len(shares)
    factors = 0.5 * (1 + np.cos(np.pi * np.arange(steps) / steps))
    budget, steady = flip_ratio_by_step(0.02, 0.1, factors), flip_rate(cascade(0.02, 0.1))
    smooth, gain = flip_budget.SMOOTHING, flip_control.critical_gain(flip_budget.SMOOTHING)
    ratio, rate = 1.0, 2.0
    for step, share in enumerate(shares):
        assert rates[step][0] == pytest.approx(rate)
        ratio += smooth * (share / budget[step] - ratio)
        rate = max(rate + gain * 2.0 / steady * budget[step] * (1 - ratio), 0.0)
    assert found["budget"]["trim"] == pytest.approx(rate / 2, rel=1e-3)


def test_both_views_are_held_alike(digits):
    # Alpha is the latent rate times the decay: to trim the one is to trim the other.
    double = [replace(config, precision="float64") for config in (FILTER, LATENT)]
    pair = [measured(config, digits, "trim")[0] for config in double]
    assert pair[0]["curves"] == {**pair[1]["curves"], "saturation": pair[0]["curves"]["saturation"],
                                 "beyond": pair[0]["curves"]["beyond"]}  # fmt: skip
    assert pair[0]["budget"] == pair[1]["budget"]


def test_flips_are_nearer_to_their_budget_with_a_trim(digits):
    # A budget of half the flips: left alone the run is far from it.
    config = replace(FILTER, epochs=40, weight_schedule="constant")
    far, near = (measured(config, digits, c, alpha=5e-3)[0]["budget"] for c in ("none", "trim"))
    assert far["error"] > 0.25
    assert near["error"] < far["error"] / 2
    assert 1e-3 < near["trim"] < 0.7


def test_alpha_stays_a_share_and_the_trim_within_its_bounds(digits):
    config = replace(FILTER, alpha=0.9, epochs=8, weight_schedule="constant")
    found, _, rates = measured(config, digits, "trim", alpha=1.0, gamma=1.0)
    assert found["budget"]["trim"] > 1.2
    assert max(alpha for _, alpha in rates) == 1.0


@pytest.mark.parametrize(
    ("config", "numbers", "says"),
    [
        (FILTER, {"control": "on"}, "control must be one of none, trim, additive; got 'on'"),
        (FILTER, {"control": "additive"}, "control must be 'none' or 'trim' where there is no latent"),
        (FILTER, {"control": "trim", "alpha": 0.0}, r"alpha must be in \(0, 1\], got 0.0"),
        (LATENT, {"control": "trim", "gamma": 2.0}, r"gamma must be in \(0, 1\], got 2.0"),
        (ADAM, {"control": "trim"}, "optimizer must be a filter, latent_sgd, sgd or momentum"),
        (
            RunConfig(optimizer="sgd", lr=0.1, weight_decay=0.1, lr_scaling="update"),
            {"control": "none"},
            "lr_scaling must not be 'update' with a budget",
        ),
    ],
)
def test_what_it_cannot_hold_is_refused(digits, config, numbers, says):
    with pytest.raises(ValueError, match=says):
        loop.fit(config, digits, callbacks=[partial(callbacks.FlipBudget, **numbers)])
