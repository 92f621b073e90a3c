"""Two trainings side by side, their weights and signs compared the slow way."""

from dataclasses import replace

import pytest
import torch

from bnnstudy.config import tricks
from bnnstudy.config.run import RunConfig
from bnnstudy.experiments import paired
from bnnstudy.nn.parameters import observed_weights
from bnnstudy.training import loop
from bnnstudy.training.callbacks import Callback

SMALL = RunConfig(width=16, depth=1, epochs=3, lr=1e-2, schedule="cosine")
LATENT = RunConfig(
    width=16, depth=1, epochs=2, optimizer="latent_sgd", lr=1.0, weight_decay=1e-2, init_scale=0.0,
    surrogate="identity", activation="sign", real_optimizer="adam", loss="cross_entropy",
)  # fmt: skip
AS_FILTER = {
    "view": "filter", "optimizer": "filter", "alpha": 1e-2, "lr": 1e-3, "weight_decay": 0.0,
    "surrogate": "clip", "init_scale": 1.0,
}  # fmt: skip


class Kept(Callback):
    """Every sign after every step, as it is."""

    name = "kept"

    def __init__(self, context):
        self.weights, self.signs = list(observed_weights(context.model).values()), []

    def after_step(self, step):
        self.signs.append(torch.cat([torch.signbit(w.detach()).flatten() for w in self.weights]))

    def result(self):
        return {"signs": torch.stack(self.signs)}


def signs_of(config, digits):
    return loop.fit(config, digits, callbacks=[Kept])["kept"]["signs"]


def test_two_trainings_are_told_apart_and_one_is_itself(digits):
    same = paired.weight_by_weight(SMALL, digits, changes={"batch_norm_momentum": 0.5})
    assert same["pair"] == {"differing": 0, "compared": 3 * 11}
    other = paired.weight_by_weight(SMALL, digits, changes={"lr": 2e-2})
    assert other["pair"]["differing"] == 33
    assert "weight_digests" not in other


def test_clamped_weights_make_the_mask_a_no_op_but_the_strict_one_not(digits):
    high = replace(SMALL, lr=0.3, clamp=True, schedule="constant")
    unmasked = replace(high, surrogate="identity")
    mask = paired.weight_by_weight(unmasked, digits, changes={"surrogate": "clip"})
    assert mask["pair"]["differing"] == 0
    assert mask["saturation"] > 0.05  # it bites
    strict = paired.weight_by_weight(high, digits, changes={"surrogate": "clip_strict"})
    assert strict["pair"]["differing"] > 0


def test_steps_that_a_diverged_training_does_not_have_differ(digits):
    wild = tricks.float_twin(replace(SMALL, optimizer="sgd", lr=1e20, epochs=4, schedule="constant"))
    pair = paired.weight_by_weight(wild, digits, changes={"lr": 1e-3})["pair"]
    assert pair["differing"] == pair["compared"] == 4 * 11


def test_signs_that_differ_are_counted_one_by_one(digits):
    other = {"lr": 3.0, "weight_decay": 0.02}
    found = paired.sign_by_sign(LATENT, digits, changes=other, seeds_apart=3)
    first, second = (signs_of(config, digits) for config in (LATENT, replace(LATENT, **other, seed=3)))
    by_step = (first != second).sum(1)
    assert found["pair"]["differing"] == by_step.sum()
    assert found["pair"]["compared"] == first.numel()
    assert found["pair"]["first_step"] == 1
    assert found["apart"]["signs"] == pytest.approx(by_step[-1].item() / first.shape[1])
    ends = found["last"]["test_accuracy"], found["parts"]["other"]["last"]["test_accuracy"]
    assert found["apart"]["test_accuracy"] == pytest.approx(abs(ends[0] - ends[1]))


def test_two_views_in_64_bits_are_one_training(digits):
    wide = replace(LATENT, precision="float64")
    found = paired.sign_by_sign(wide, digits, changes=AS_FILTER)
    assert found["pair"]["differing"] == 0
    assert found["apart"] == {"test_accuracy": 0.0, "signs": 0.0}


def test_callbacks_look_on_at_both_trainings(digits):
    seen = []

    class Look(Callback):
        name = "look"

        def result(self):
            seen.append(self.context.config)

    for compared in (paired.weight_by_weight, paired.sign_by_sign):
        seen.clear()
        compared(SMALL, digits, changes={"lr": 2e-2}, callbacks=[Look])
        assert seen == [SMALL, replace(SMALL, lr=2e-2)]


def test_the_comparison_leaves_cudnn_on(digits, monkeypatch):
    seen = []
    fit = loop.fit
    monkeypatch.setattr(
        loop, "fit", lambda *a, **k: seen.append(torch.backends.cudnn.enabled) or fit(*a, **k)
    )
    paired.sign_by_sign(replace(LATENT, epochs=1), digits, changes={})
    assert seen == [True, True]


def test_another_alpha_is_another_training(digits):
    wide = replace(LATENT, precision="float64")
    found = paired.sign_by_sign(wide, digits, changes={**AS_FILTER, "alpha": 0.5})
    assert found["pair"]["differing"] > 0


def test_where_one_training_ends_all_signs_differ():
    signs = [torch.zeros(2, dtype=torch.uint8)] * 3
    assert paired._differing(signs, signs[:1], 10) == [0, 10, 10]
