"""Callbacks: what they are given, what becomes of what they give, and what each of them measures."""

import json
from dataclasses import replace
from functools import partial

import numpy as np
import pytest
import torch
from torch import nn

from bnnstudy import BinaryLinear
from bnnstudy.config import tricks
from bnnstudy.config.run import RunConfig
from bnnstudy.config.stage import Stage
from bnnstudy.experiments import procedures
from bnnstudy.nn import models
from bnnstudy.nn.parameters import observed_weights
from bnnstudy.training import callbacks, checkpoints, loop, metrics
from bnnstudy.training.callbacks import Callback, Context
from bnnstudy.training.checkpoints import Checkpoint

SMALL = RunConfig(width=16, depth=1, epochs=3, lr=1e-2, schedule="cosine")
STAGED = replace(SMALL, stages=(Stage(epochs=1), Stage(epochs=2, changes=(("clamp", True),), rate=0.1)))
WILD = tricks.float_twin(replace(SMALL, optimizer="sgd", lr=1e20, epochs=4, schedule="constant"))
LATENT = RunConfig(
    width=16, depth=1, epochs=4, optimizer="latent_sgd", lr=1.0, weight_decay=0.1, init_scale=0.0,
    activation="sign", real_optimizer="adam", loss="cross_entropy",
)  # fmt: skip
STEPS = 1197 // 100


class Named(Callback):
    """A callback that does nothing, under a name."""

    def __init__(self, context, name="bare"):
        super().__init__(context)
        self.name = name


def begun(config, digits, steps):
    """A network, and what a callback is given when its run begins."""
    model = models.build(config, digits.shape, digits.classes)
    return model, Context(config=config, model=model, optimizers=(), steps=steps, dataset=digits)


# What every callback may rely on


@pytest.mark.parametrize("config", [SMALL, STAGED, WILD, replace(SMALL, drops=(0.5,))])
def test_a_callback_that_writes_no_method_changes_nothing_and_adds_no_key(digits, config):
    class Bare(Callback):
        name = "bare"

    assert loop.fit(config, digits, callbacks=[Bare]) == loop.fit(config, digits)


def test_no_callback_may_have_the_name_of_a_key_of_the_result(digits):
    results = [loop.fit(config, digits) for config in (STAGED, replace(SMALL, drops=(0.5,)))]
    keys = {key for result in results for key in result}
    keys |= {key for stage in results[0]["stages"] for key in stage} | {"parts"}
    assert {"curves", "last", "flip_ratio", "stages", "phases", "start"} <= keys
    for key in keys:
        with pytest.raises(ValueError, match=f"callbacks must .* names?.*, got '{key}'"):
            loop.fit(SMALL, digits, callbacks=[partial(Named, name=key)])


def test_callbacks_of_one_name_are_refused_before_a_step(digits, monkeypatch):
    monkeypatch.setattr(loop.Run, "epoch", lambda run: pytest.fail("a step was made"))
    with pytest.raises(ValueError, match="callbacks must have distinct names, got 'bare' twice"):
        loop.fit(SMALL, digits, callbacks=[Named, partial(Named, name="other"), Named])


def test_a_curve_called_as_a_runs_own_is_refused_before_a_step(digits, monkeypatch):
    class Doubled(Named):
        def curves(self):
            return {"validation_accuracy": []}

    monkeypatch.setattr(loop.Run, "epoch", lambda run: pytest.fail("a step was made"))
    with pytest.raises(ValueError, match="must not be called as a run's own, 'validation_accuracy'"):
        loop.fit(SMALL, digits, callbacks=[Doubled])


def test_two_callbacks_cannot_have_one_part(digits):
    class Parted(Named):
        def parts(self):
            return {"anew": {"test_accuracy": 0.5}}

    pair = [partial(Parted, name=name) for name in ("one", "other")]
    with pytest.raises(ValueError, match="callbacks must have distinct parts, got 'anew' twice"):
        loop.fit(SMALL, digits, callbacks=pair)
    early = procedures.stopped_early(SMALL, digits, callbacks=pair[:1], patience=1)
    assert set(early["parts"]) == {"anew", "stopped early"}


def ended(digits, config, callback):
    """The parameters at the start of a run, and at its end."""
    starts = []

    class Start(Named):
        def __init__(self, context):
            super().__init__(context, "start of it")
            starts.append([p.detach().clone() for p in context.model.parameters()])

    _, model = loop.fit(config, digits, callbacks=[Start, callback], with_model=True)
    return starts[0], list(model.parameters())


@pytest.mark.parametrize(("real", "count"), [("", 1), ("adam", 2)])
def test_callbacks_are_given_the_optimizers_that_move_the_network(digits, real, count):
    config = replace(STAGED, schedule="constant", optimizer="sgd", real_optimizer=real)
    seen = []

    class Halt(Named):
        def before_step(self, step):
            seen.append(len(self.context.optimizers))
            for optimizer in self.context.optimizers:
                for group in optimizer.param_groups:
                    group["lr"] = 0.0

    # No rate, no move: neither in the first stage nor in the second.
    start, end = ended(digits, config, Halt)
    assert all(torch.equal(a, b) for a, b in zip(start, end, strict=True))
    assert set(seen) == {count}
    start, end = ended(digits, config, Named)
    assert not any(torch.equal(a, b) for a, b in zip(start, end, strict=True))


@pytest.mark.parametrize("config", [SMALL, STAGED])
def test_callbacks_are_told_their_stage_its_steps_and_the_recorded_losses(digits, config):
    told, seen = [], []

    class Told(Named):
        def __init__(self, context):
            super().__init__(context)
            told.append(context)
            seen.append({"before": [], "after": [], "epochs": [], "losses": []})

        def before_step(self, step):
            seen[-1]["before"].append(step)

        def after_step(self, step):
            seen[-1]["after"].append(step)
            assert self.context.model[1].weight.grad is not None

        def after_epoch(self, epoch, loss):
            assert seen[-1]["after"][-1] == epoch * STEPS
            seen[-1]["epochs"].append(epoch)
            seen[-1]["losses"].append(loss)

    result = loop.fit(config, digits, callbacks=[Told])
    assert [context.config for context in told] == list(config.plan())
    for context, each in zip(told, seen, strict=True):
        assert context.steps == context.config.epochs * STEPS
        assert context.dataset is digits
        assert each["before"] == each["after"] == list(range(1, context.steps + 1))
        assert each["epochs"] == list(range(1, context.config.epochs + 1))
    losses = [loss for each in seen for loss in each["losses"]]
    assert losses == result["curves"]["train_loss"]


def test_a_diverged_epoch_has_no_loss(digits):
    losses = []

    class Losses(Named):
        def after_epoch(self, epoch, loss):
            losses.append(loss)

    result = loop.fit(WILD, digits, callbacks=[Losses])
    assert result["diverged"]
    assert losses == result["curves"]["train_loss"]
    assert losses[-1] is None


class Everything(Named):
    """Gives a result, a curve and a part that say of which stage they are."""

    def __init__(self, context):
        super().__init__(context, "everything")
        self.losses = []

    def after_epoch(self, epoch, loss):
        self.losses.append(loss)

    def result(self):
        return {"epochs": self.context.config.epochs}

    def curves(self):
        return {"own": self.losses}

    def parts(self):
        return {"of": {"clamp": self.context.config.clamp}}


def test_curves_of_stages_follow_one_another_and_parts_are_the_last_ones(digits):
    result = loop.fit(STAGED, digits, callbacks=[Everything])
    assert result["curves"]["own"] == result["curves"]["train_loss"]
    assert len(result["curves"]["own"]) == 3
    assert result["parts"] == {"of": {"clamp": True}}
    assert result["everything"] == {"epochs": 2}
    assert [stage["everything"] for stage in result["stages"]] == [{"epochs": 1}, {"epochs": 2}]


def test_where_a_run_diverges_early_its_last_stage_is_the_one_that_it_came_to(digits):
    config = tricks.pretraining(replace(WILD, binary_weights=True), 2)
    result = loop.fit(config, digits, callbacks=[Everything])
    assert result["diverged"]
    assert len(result["stages"]) == 1
    assert result["curves"]["own"] == result["curves"]["train_loss"]
    assert result["parts"] == {"of": {"clamp": False}}


@pytest.mark.parametrize("given", [None, {}])
def test_a_result_of_none_leaves_no_key(digits, given):
    class Gives(Named):
        def result(self):
            return given

    found = loop.fit(STAGED, digits, callbacks=[Gives])
    for result in (found, *found["stages"]):
        assert ("bare" in result) == (given is not None)


# A run that is cut goes on with the same callbacks

WATCHED = replace(
    LATENT, width=4, model="cnn", batch_size=200, batch_norm_momentum=1.0,
    stages=(Stage(epochs=1), Stage(epochs=3)),
)  # fmt: skip
"""A run that every callback may look at; its first cut lies between two stages."""

OPTIONS = {
    "Averages": {"momenta": {"0.8": 0.2, "0.99": 0.01}},
    "FlipBudget": {"control": "additive"},
}
KINDS = [name for name in callbacks.__all__ if name not in ("Callback", "Context")]


class Cut(Exception):
    """Stands for a kill."""


class CutCheckpoint(Checkpoint):
    """One whose run is killed after an epoch."""

    left: int

    def save(self, state):
        super().save(state)
        self.left -= 1
        if not self.left:
            raise Cut


def plain(value):
    """A result without tensors, so that two can be compared."""
    if isinstance(value, torch.Tensor):
        return value.tolist()
    if isinstance(value, dict):
        return {name: plain(v) for name, v in value.items()}
    return [plain(v) for v in value] if isinstance(value, list) else value


@pytest.fixture(scope="module")
def few(digits):
    """Enough to tell results apart, and no more."""
    parts = {
        name: replace(part, images=part.images[:600], labels=part.labels[:600])
        for name, part in (("train", digits.train), ("validation", digits.validation))
    }
    return replace(digits, **parts)


@pytest.mark.parametrize("name", KINDS)
def test_a_callback_survives_a_cut_after_any_epoch(few, tmp_path, monkeypatch, name):
    monkeypatch.setattr(checkpoints, "EVERY", 0.0)
    make = partial(getattr(callbacks, name), **OPTIONS.get(name, {}))
    looking = [make] if name != "FlipRatio" else []  # every run has that one
    undisturbed = plain(loop.fit(WATCHED, few, callbacks=looking))
    for epoch in (1, 2, 3):
        checkpoint = CutCheckpoint(tmp_path / f"{epoch}.checkpoint")
        checkpoint.left = epoch
        with pytest.raises(Cut):
            loop.fit(WATCHED, few, callbacks=looking, checkpoint=checkpoint)
        resumed = loop.fit(WATCHED, few, callbacks=looking, checkpoint=Checkpoint(checkpoint.file))
        assert plain(resumed) == undisturbed


@pytest.mark.parametrize("name", KINDS)
def test_a_finished_checkpoint_can_be_read(few, tmp_path, monkeypatch, name):
    monkeypatch.setattr(checkpoints, "EVERY", 0.0)
    make = partial(getattr(callbacks, name), **OPTIONS.get(name, {}))
    looking, file = [make] if name != "FlipRatio" else [], tmp_path / "run.checkpoint"
    first = plain(loop.fit(WATCHED, few, callbacks=looking, checkpoint=Checkpoint(file)))
    monkeypatch.setattr(loop.Run, "epoch", lambda run: pytest.fail("an epoch was trained again"))
    # One that could not be read would be warned of.
    assert plain(loop.fit(WATCHED, few, callbacks=looking, checkpoint=Checkpoint(file))) == first


# What each of them measures


def test_the_flip_ratio_of_some_steps_is_the_ratio(digits):
    model, context = begun(replace(SMALL, width=4), digits, 6)
    weights = observed_weights(model)
    callback = callbacks.FlipRatio(context)
    expected, of_last = [], []
    last = list(weights)[-1]
    for step in range(1, 7):
        before = {name: w.detach().clone() for name, w in weights.items()}
        callback.before_step(step)
        with torch.no_grad():
            for w in weights.values():
                w.copy_(torch.randn_like(w))
        callback.after_step(step)
        expected.append(metrics.flip_ratio([*before.values()], [*weights.values()]))
        of_last.append(metrics.flip_ratio([before[last]], [weights[last]]))
    result = callback.result()
    assert result["steps"] == [1, 2, 3, 4, 5, 6]
    assert result["all"] == pytest.approx(expected, rel=1e-3)
    assert result["layer_steps"] == [2, 6]
    assert set(result["layers"]) == set(weights)
    assert result["layers"][last] == pytest.approx([of_last[1], of_last[5]], rel=1e-3)


class Kept(Callback):
    """Every sign and gradient after every step, as they are."""

    name = "kept"

    def __init__(self, context):
        self.weights = list(observed_weights(context.model).values())
        self.signs, self.gradients = [], []

    def after_step(self, step):
        self.signs.append(torch.cat([torch.signbit(w.detach()).flatten() for w in self.weights]))
        self.gradients.append(torch.cat([w.grad.flatten() for w in self.weights]))

    def result(self):
        return {"signs": torch.stack(self.signs), "gradients": torch.stack(self.gradients)}


def test_flips_by_epoch_are_those_of_all_steps(digits):
    config = replace(LATENT, weight_decay=1e-2, surrogate="identity", epochs=3)
    found = loop.fit(config, digits, callbacks=[callbacks.FlipsByEpoch, Kept])
    signs, curve = found["kept"]["signs"], found["curves"]["flips"]
    ratios = (signs[1:] != signs[:-1]).double().mean(1)
    per_epoch = len(signs) // 3
    for epoch in (1, 2):
        expected = ratios[epoch * per_epoch - 1 : (epoch + 1) * per_epoch - 1].mean().item()
        assert curve[epoch] == pytest.approx(expected, rel=1e-3)
    # The first step turns about half of all weights, which no difference above holds.
    assert curve[0] * per_epoch > 0.4
    assert found["flips"]["last"] == pytest.approx(curve[-1], rel=1e-3)
    assert found["flips"]["mean"] == pytest.approx(sum(curve) / 3, rel=1e-3)
    assert found["flips"]["late"] == pytest.approx(sum(curve[1:]) / 2, rel=1e-3)


@pytest.mark.parametrize("start", [0.0, 0.05])
def test_silent_weights_are_those_that_no_step_turned(digits, start):
    config = replace(LATENT, surrogate="identity", epochs=3, init_scale=start)
    first = []

    class Start(Named):
        def __init__(self, context):
            super().__init__(context, "start of it")
            weights = observed_weights(context.model).values()
            first.append(torch.cat([torch.signbit(w.detach()).flatten() for w in weights]))

    found = loop.fit(config, digits, callbacks=[Start, callbacks.SilentWeights, Kept])
    signs, silent = found["kept"]["signs"], found["silent"]
    per_epoch = len(signs) // 3
    shares = []
    for steps in (per_epoch, 2 * per_epoch, len(signs)):
        turned = torch.stack([each != first[0] for each in signs[:steps]]).any(0)
        shares.append(1 - turned.double().mean().item())
    assert found["curves"]["silent"] == pytest.approx(shares, rel=1e-3)
    assert (silent["first"], silent["last"]) == pytest.approx((shares[0], shares[-1]))
    same = (signs[-1] == first[0]).double().mean().item()
    assert silent["as_at_start"] == pytest.approx(same)
    # Some flip and flip back, and more in time: neither figure is the other.
    assert shares[0] > shares[-1] > 0
    assert same > shares[-1]
    sizes = {"1.weight": 64 * 16, "4.weight": 160}
    total = sum(share * sizes[name] for name, share in silent["layers"].items())
    assert total / sum(sizes.values()) == pytest.approx(shares[-1], rel=1e-3)


def test_a_weight_that_flips_and_flips_back_is_not_silent(digits):
    model, context = begun(replace(SMALL, width=4), digits, 3)
    callback = callbacks.SilentWeights(context)
    weight = model[1].weight
    for _ in range(2):
        with torch.no_grad():
            weight[0].neg_()
        callback.after_step(1)
    found = callback.result()
    assert found["as_at_start"] == 1
    assert found["layers"]["1.weight"] == pytest.approx(0.75)


def test_packed_signs_are_the_signs(digits):
    found = loop.fit(LATENT, digits, callbacks=[callbacks.Signs, Kept])
    packed, size = found["signs"]["steps"], found["signs"]["size"]
    unpacked = np.stack([np.unpackbits(step.numpy(), count=size) for step in packed])
    assert np.array_equal(unpacked, found["kept"]["signs"].numpy())


def test_digests_tell_weights_apart_and_nothing_else(digits):
    model, context = begun(SMALL, digits, 4)
    callback = callbacks.WeightDigests(context)
    weight, real = model[1].weight, model[2].weight

    def changed(tensor, by):
        with torch.no_grad():
            tensor.add_(by)
        callback.after_step(1)

    for tensor, by in ((weight, 0.0), (weight, 1.0), (real, 1.0), (weight, -0.5)):
        changed(tensor, by)
    digests = callback.result()["by_step"]
    assert digests[1] == digests[2]
    assert len(set(digests)) == 3


def test_the_first_update_of_adam_is_one_rate(digits):
    found = loop.fit(replace(SMALL, drops=(0.5,)), digits, callbacks=[callbacks.UpdateSize])
    sizes = found["update_size"]["sizes"]
    assert len(sizes) == 33
    # Pixels that are never lit have no gradient and do not move.
    assert 0.8 < sizes[0] <= 1.0001
    assert found["update_size"]["mean"] == pytest.approx(sum(sizes) / 33)


def test_under_sgd_the_update_is_the_gradient(digits):
    config = replace(SMALL, optimizer="sgd", schedule="linear")
    found = loop.fit(config, digits, callbacks=[Kept, callbacks.UpdateSize])
    sizes = found["kept"]["gradients"].abs().mean(1).tolist()
    assert found["update_size"]["sizes"] == pytest.approx(sizes, rel=5e-3)


def test_a_run_that_diverges_keeps_the_sizes_that_are_finite(digits):
    found = loop.fit(WILD, digits, callbacks=[callbacks.UpdateSize])
    assert found["diverged"]
    assert None in found["update_size"]["sizes"]
    json.dumps(found, allow_nan=False)


def test_a_check_of_weights_counts_those_that_are_not_binary(digits):
    layer = BinaryLinear(3, 4, bias=False)
    with torch.no_grad():
        layer.weight.copy_(torch.tensor([[1.0, -1.0, 0.5], [1.0, 1.0, 1.0]] * 2))
    _, context = begun(SMALL, digits, 1)
    model = nn.Sequential(layer, nn.Linear(4, 2))
    found = callbacks.WeightCheck(replace(context, model=model)).result()
    assert found == {
        "effective": {"differing": 0, "compared": 12},
        "stored": {"differing": 2, "compared": 12},
    }


def test_positive_inputs_are_those_of_the_later_convolutions(digits):
    config = RunConfig(model="cnn", width=4, activation="sign", epochs=1)
    model, context = begun(config, digits, 1)
    shares = callbacks.PositiveInputs(context, images=100).result()
    model.eval()
    images = digits.inputs(digits.validation.images[:100])
    expected = [(model[:end](images) > 0).double().mean().item() for end in (4, 8)]
    assert shares["layers"] == pytest.approx(expected, rel=1e-3)
    assert shares["mean"] == pytest.approx(sum(expected) / 2, rel=1e-3)


@pytest.mark.parametrize("config", [SMALL, STAGED])
def test_sums_of_losses_are_the_mean_times_the_batches(digits, config):
    curves = loop.fit(config, digits, callbacks=[callbacks.LossSums])["curves"]
    assert curves["train_loss_sum"] == [loss * STEPS for loss in curves["train_loss"]]


def test_a_diverged_epoch_has_no_sum_of_losses(digits):
    curves = loop.fit(WILD, digits, callbacks=[callbacks.LossSums])["curves"]
    assert curves["train_loss_sum"][-1] is None


def test_the_recorded_gradients_are_those_of_the_weights(digits):
    config = RunConfig(
        width=16, depth=1, epochs=3, view="filter", optimizer="filter", alpha=0.1, gamma=0.1,
        activation="sign", real_optimizer="adam", loss="cross_entropy",
    )  # fmt: skip
    result = loop.fit(config, digits, callbacks=[callbacks.Gradients, Kept])
    values = result["gradients"]["values"].numpy()
    everything = result["kept"]["gradients"].numpy()
    assert len(values) == len(everything)
    columns = {column.tobytes() for column in everything.astype(np.float64).T}
    assert 400 < values.shape[1] <= 512
    assert all(np.ascontiguousarray(column).tobytes() in columns for column in values.T)
    assert np.all(np.any(values, axis=0))


def test_averaged_weights_are_the_mean_over_the_second_half(digits):
    model, context = begun(LATENT, digits, 6)
    weights = list(observed_weights(model).values())
    watch = callbacks.AveragedWeights(context)
    kept = []
    for step in range(1, 7):
        with torch.no_grad():
            for w in weights:
                w.copy_(torch.randn(w.shape))
        watch.after_step(step)
        kept.append([w.detach().clone() for w in weights])
    for total, *seen in zip(watch._sums, *kept[3:], strict=True):
        torch.testing.assert_close(total, sum(seen))
    before = {name: value.clone() for name, value in model.state_dict().items()}
    watch.parts()
    assert all(torch.equal(value, before[name]) for name, value in model.state_dict().items())


def test_averaged_weights_leave_the_run_as_it_is_and_stand_among_its_parts(digits):
    found = loop.fit(LATENT, digits, callbacks=[callbacks.AveragedWeights])
    parts = found.pop("parts")
    assert found == loop.fit(LATENT, digits)
    assert set(parts) == {"averaged", "anew"}
    assert parts["averaged"] != parts["anew"]
    for part in parts.values():
        assert {name: part[name] for name in part["last"]} == part["last"]


def test_averaged_weights_need_the_latent_view(digits):
    latent = {"lr": 1e-3, "weight_decay": 0.0, "init_scale": 1.0}
    filtered = replace(LATENT, view="filter", optimizer="filter", **latent)
    with pytest.raises(ValueError, match="view must be 'latent' with AveragedWeights"):
        loop.fit(filtered, digits, callbacks=[callbacks.AveragedWeights])
