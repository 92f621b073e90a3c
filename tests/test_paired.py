"""Two trainings side by side, and the flips of one, counted the slow way."""

from dataclasses import replace

import pytest
import torch

from bnnstudy.config.run import RunConfig
from bnnstudy.experiments import paired, procedures
from bnnstudy.experiments.paired import sign_by_sign
from bnnstudy.nn.parameters import observed_weights
from bnnstudy.training import loop

LATENT = RunConfig(
    width=16, depth=1, epochs=2, optimizer="latent_sgd", lr=1.0, weight_decay=1e-2, init_scale=0.0,
    surrogate="identity", activation="sign", real_optimizer="adam", loss="cross_entropy",
)  # fmt: skip
AS_FILTER = {
    "view": "filter", "optimizer": "filter", "alpha": 1e-2, "lr": 1e-3, "weight_decay": 0.0,
    "surrogate": "clip", "init_scale": 1.0,
}  # fmt: skip


class Kept:
    """Every sign after every step, as it is."""

    name = "kept"

    def __init__(self, config, model, steps):
        self.weights, self.signs = list(observed_weights(model).values()), []

    def before(self, step):
        pass

    def after(self, step):
        self.signs.append(torch.cat([torch.signbit(w.detach()).flatten() for w in self.weights]))

    def report(self):
        return torch.stack(self.signs)

    def state_dict(self):
        return {}


def side_by_side(digits, config, **options):
    return sign_by_sign(config, digits, device="cpu", checkpoint=None, **options)


def test_signs_that_differ_are_counted_one_by_one(digits):
    other = {"lr": 3.0, "weight_decay": 0.02}
    found = side_by_side(digits, LATENT, changes=other, seeds_apart=3)
    first, second = (
        loop.fit(config, digits, observers=[Kept])["kept"]
        for config in (LATENT, replace(LATENT, **other, seed=3))
    )
    by_step = (first != second).sum(1)
    assert found["pair"]["differing"] == by_step.sum()
    assert found["pair"]["compared"] == first.numel()
    assert found["pair"]["first_step"] == 1
    assert found["apart"]["signs"] == pytest.approx(by_step[-1].item() / first.shape[1])
    ends = found["last"]["test_accuracy"], found["parts"]["other"]["last"]["test_accuracy"]
    assert found["apart"]["test_accuracy"] == pytest.approx(abs(ends[0] - ends[1]))


def test_two_views_in_64_bits_are_one_training(digits):
    wide = replace(LATENT, precision="float64")
    found = side_by_side(digits, wide, changes=AS_FILTER)
    assert found["pair"]["differing"] == 0
    assert found["apart"] == {"test_accuracy": 0.0, "signs": 0.0}


def test_the_comparison_leaves_cudnn_on(digits, monkeypatch):
    seen = []
    fit = loop.fit
    monkeypatch.setattr(
        loop, "fit", lambda *a, **k: seen.append(torch.backends.cudnn.enabled) or fit(*a, **k)
    )
    side_by_side(digits, replace(LATENT, epochs=1), changes={})
    assert seen == [True, True]


def test_another_alpha_is_another_training(digits):
    wide = replace(LATENT, precision="float64")
    found = side_by_side(digits, wide, changes={**AS_FILTER, "alpha": 0.5})
    assert found["pair"]["differing"] > 0


def test_where_one_training_ends_all_signs_differ():
    signs = [torch.zeros(2, dtype=torch.uint8)] * 3
    assert paired._differing(signs, signs[:1], 10) == [0, 10, 10]


def test_flips_by_epoch_are_those_of_all_steps(digits):
    config = replace(LATENT, epochs=3)
    found = procedures.with_flips(config, digits, device="cpu", checkpoint=None)
    signs = loop.fit(config, digits, observers=[Kept])["kept"]
    ratios = (signs[1:] != signs[:-1]).double().mean(1)
    per_epoch = len(signs) // 3
    for epoch in (1, 2):
        expected = ratios[epoch * per_epoch - 1 : (epoch + 1) * per_epoch - 1].mean().item()
        assert found["curves"]["flips"][epoch] == pytest.approx(expected, rel=1e-3)
    # The first step turns about half of all weights, which no difference above holds.
    assert found["curves"]["flips"][0] * per_epoch > 0.4
    curve = found["curves"]["flips"]
    assert found["flips"]["last"] == pytest.approx(curve[-1], rel=1e-3)
    assert found["flips"]["mean"] == pytest.approx(sum(curve) / 3, rel=1e-3)
    assert found["flips"]["late"] == pytest.approx(sum(curve[1:]) / 2, rel=1e-3)
