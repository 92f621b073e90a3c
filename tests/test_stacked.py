"""Networks trained at once, stacked, are those that were trained one by one."""

from dataclasses import replace

import pytest
import torch

from bnnstudy import devices
from bnnstudy.config import tricks
from bnnstudy.config.run import RunConfig
from bnnstudy.evidence.curves import judged
from bnnstudy.experiments import lookup, sweep
from bnnstudy.experiments.options import RunOptions
from bnnstudy.experiments.study import Arm, Study, named
from bnnstudy.nn import binarize, models
from bnnstudy.training import loop, stacked

SMALL = RunConfig(width=12, depth=2, epochs=2, lr=1e-2, activation="sign", precision="float64")
# A real first layer: the gradient of a pixel that never changes is rounding alone, and from a zero
# start a filter would make that the sign of its weight.
FILTER = replace(
    SMALL, view="filter", optimizer="filter", lr=1e-3, alpha=1e-2, real_optimizer="momentum",
    real_lr=0.05, schedule="cosine", weight_schedule="linear", real_first=True,
)  # fmt: skip
CONFIGS = {
    "adam, clamped": replace(SMALL, clamp=True, weight_decay=1e-4),
    "rmsprop, polynomial": replace(SMALL, optimizer="rmsprop", activation_surrogate="approx"),
    "filter": FILTER,
    "adagrad, cross entropy": replace(SMALL, optimizer="adagrad", loss="cross_entropy"),
    "libra, ede": replace(SMALL, scaling="libra", surrogate="ede", steepness=(1.0, 1.0)),
    "scaled, strict": replace(SMALL, scaling="mean_forward", surrogate="clip_strict", drops=(0.5,)),
    "cnn, augmented": replace(
        SMALL, model="cnn", width=4, augmentation="crop_flip", epochs=1, batch_size=200
    ),
    "birealnet20": replace(
        FILTER, model="birealnet20", width=2, real_last=True, epochs=1, batch_size=300,
        parts=("average_shortcut", "shifts"),
    ),
    "float twin": tricks.float_twin(SMALL),
}  # fmt: skip
SEEDS = (3, 0, 5)


@pytest.mark.parametrize("config", CONFIGS.values(), ids=CONFIGS)
def test_a_stack_of_networks_is_the_networks_one_by_one(config, digits):
    found = stacked.fit_stacked(config, SEEDS, digits)
    alone = [loop.fit(replace(config, seed=seed), digits) for seed in SEEDS]
    for one, other in zip(found, alone, strict=True):
        losses = (one["curves"]["train_loss"], other["curves"]["train_loss"])
        assert losses[0] == pytest.approx(losses[1], rel=1e-9)
        assert one["last"] == other["last"]
        assert one["flip_ratio"] == other["flip_ratio"]
        assert one["curves"]["saturation"] == other["curves"]["saturation"]
    assert len({tuple(one["curves"]["train_loss"]) for one in found}) == len(SEEDS)


def test_a_member_that_diverges_ends_and_leaves_the_others_as_they_are(digits, monkeypatch):
    config = replace(tricks.float_twin(SMALL), optimizer="momentum", lr=0.05, epochs=3)
    original = models.build

    def built(config, *shape):
        model = original(config, *shape)
        if config.seed == 0:
            torch.nn.init.constant_(next(model.parameters()), float("nan"))
        return model

    monkeypatch.setattr(models, "build", built)
    alone = [loop.fit(replace(config, seed=seed), digits) for seed in (0, 1)]
    found = stacked.fit_stacked(config, (0, 1), digits)
    assert [result["diverged"] for result in found] == [True, False]
    assert found[0]["curves"] == alone[0]["curves"]
    assert found[0]["curves"]["train_loss"] == [None]
    losses = [result["curves"]["train_loss"] for result in (found[1], alone[1])]
    assert losses[0] == pytest.approx(losses[1], rel=1e-9)


def test_the_result_of_a_member_that_ended_is_of_when_it_ended(digits, monkeypatch):
    close, ends = loop.Run.close_epoch, {0: 1, 1: 3}

    def closed(run, loss):
        early = len(run.curves["train_loss"]) + 1 == ends[run.plan[0].seed] < 3
        close(run, float("nan") if early else loss)

    monkeypatch.setattr(loop.Run, "close_epoch", closed)
    config = replace(SMALL, epochs=3, lr=0.3)
    found = stacked.fit_stacked(config, (0, 1), digits)
    alone = [loop.fit(replace(config, seed=seed), digits) for seed in (0, 1)]
    assert [one["saturation"] for one in found] == [one["saturation"] for one in alone]


def test_a_batch_larger_than_the_data_is_refused_as_by_fit(digits):
    with pytest.raises(ValueError, match="batch_size must be at most the 1197 training images"):
        stacked.fit_stacked(replace(SMALL, batch_size=2000, schedule="cosine"), (0, 1), digits)


@pytest.mark.skipif(devices.compiler_error("cpu") != "", reason="torch cannot compile here")
def test_a_stack_trains_alike_where_others_are_compiled(digits):
    eager = stacked.fit_stacked(SMALL, (0, 1), digits)
    with devices.compiling():
        assert stacked.fit_stacked(SMALL, (0, 1), digits) == eager


@pytest.mark.parametrize(
    ("config", "why"),
    [
        (tricks.two_stages(replace(SMALL, epochs=4), 2), "stages"),
        (tricks.rate_scaled_by_layer(SMALL, "update"), "rates by layer"),
        (replace(SMALL, surrogate="ede", steepness=(0.1, 10.0)), "a steepness that moves"),
        (replace(SMALL, precision="bfloat16"), "precision bfloat16"),
    ],
)
def test_what_cannot_be_stacked_is_refused(config, why, digits):
    assert why in stacked.obstacle(config)
    with pytest.raises(ValueError, match=f"config cannot be stacked: it has {why}"):
        stacked.fit_stacked(config, (0, 1), digits)
    with pytest.raises(ValueError, match="seeds must be one or more, got none"):
        stacked.fit_stacked(SMALL, (), digits)


def test_a_sweep_stacks_the_seeds_of_an_arm_and_nothing_else(tmp_path):
    arms = (
        Arm(name="adam", config=SMALL),
        Arm(name="filter", config=FILTER),
        Arm(name="in stages", config=tricks.two_stages(replace(SMALL, epochs=4), 2)),
        Arm(name="looked at", config=replace(SMALL, width=8), callbacks=(named("FlipsByEpoch"),)),
        Arm(
            name="stopped",
            config=replace(SMALL, width=6),
            procedure=named("procedures.stopped_early", patience=1),
        ),
    )
    study = Study(name="toy", title="", claims=(), arms={"quick": arms}, seeds={"quick": 5})
    found = {}
    for stack in (1, 3):
        options = RunOptions(results=tmp_path / str(stack), workers=1, stack=stack, progress=False)
        found[stack] = sweep.run(study, "quick", options=options)
        assert judged(lookup.curves(study, "quick", options.results)) == found[stack]
    assert [r["provenance"].get("stack", 1) for r in found[3]] == [*[3, 3, 3, 2, 2] * 2, *[1] * 15]
    for alone, together in zip(found[1], found[3], strict=True):
        assert alone["config"] == together["config"]
        assert alone["arm"] == together["arm"]
        losses = (r["result"]["curves"]["train_loss"] for r in (alone, together))
        assert next(losses) == pytest.approx(next(losses), rel=1e-9)


@pytest.mark.parametrize("stack", [0, -1, 1.5, "2"])
def test_a_stack_is_a_count(stack):
    with pytest.raises(ValueError, match="stack must be a whole number of 1 or more, got"):
        RunOptions(stack=stack)


@pytest.mark.parametrize("name", binarize.SURROGATES)
def test_a_surrogate_of_a_stack_is_that_of_each(name):
    x = torch.linspace(-2, 2, 24, dtype=torch.float64).view(2, 3, 4).requires_grad_()
    function = binarize.surrogate(name)
    for dim in (0, 1, 2):
        (direct,) = torch.autograd.grad((function(x) * x.detach()).sum(), x)
        over = torch.vmap(function, in_dims=dim, out_dims=dim)(x)
        (mapped,) = torch.autograd.grad((over * x.detach()).sum(), x)
        assert torch.equal(over, function(x))
        assert torch.equal(mapped, direct)
