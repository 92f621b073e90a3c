"""A run that is cut anywhere and resumed equals one that was not, bit for bit."""

import hashlib
import io
import random
from dataclasses import replace

import pytest
import torch

from bnnstudy import data
from bnnstudy.config import tricks
from bnnstudy.config.run import RunConfig
from bnnstudy.config.stage import Stage
from bnnstudy.evidence import provenance
from bnnstudy.studies import two_views
from bnnstudy.training import checkpoints, loop
from bnnstudy.training.callbacks import Callback, ShadowOptimizers
from bnnstudy.training.checkpoints import Checkpoint

SMALL = RunConfig(width=12, depth=1, epochs=6, lr=1e-2, activation="sign")
BINARY = {"view": "filter", "lr": 1e-3, "real_optimizer": "adam", "schedule": "cosine"}
TO_FILTER = (("view", "filter"), ("optimizer", "filter"), ("real_optimizer", "adam"))
CONFIGS = {
    "adam": SMALL,
    "nesterov, exponential": replace(SMALL, optimizer="nesterov", schedule="exponential", clamp=True),
    "filter and adam, cosine": replace(SMALL, optimizer="filter", alpha=1e-2, **BINARY),
    "bop and adam, cosine": replace(SMALL, optimizer="bop", gamma=1e-2, **BINARY),
    "normalised and adam, cosine": replace(SMALL, optimizer="filter_normalised", alpha=1e-2, **BINARY),
    "window and adam": replace(
        SMALL, optimizer="designed", design="hann", alpha=0.2, weight_schedule="constant", **BINARY
    ),
    "second order bop": replace(SMALL, optimizer="second_order_bop", gamma=1e-2, **BINARY),
    "float64, sgd on batch norm": tricks.batch_norm_at_own_rate(replace(SMALL, precision="float64")),
    "two stages": tricks.two_stages(SMALL, 3),
    "pre-training": tricks.pretraining(SMALL, 2),
    "rates by layer, with drops": tricks.rate_scaled_by_layer(
        replace(SMALL, drops=(0.3, 0.7)), "update"
    ),
    "a change of view": replace(SMALL, stages=(Stage(epochs=2), Stage(epochs=4, changes=TO_FILTER))),
    "augmented cnn": replace(SMALL, model="cnn", width=4, augmentation="crop_flip", epochs=4),
    "birealnet20": replace(
        SMALL, model="birealnet20", width=2, real_first=True, real_last=True, epochs=3, batch_size=400
    ),
    "libra, ede ever steeper": replace(
        SMALL, scaling="libra", surrogate="ede", activation_surrogate="ede", steepness=(0.1, 10.0)
    ),
    "diverging": tricks.float_twin(replace(SMALL, optimizer="sgd", lr=1e4)),
}


class Cut(Exception):
    """Stands for a kill."""


def cut_at(step: int):
    """A callback that ends the run at a step, counted over all stages."""
    seen = 0

    class Cutter(Callback):
        name = "cutter"

        def before_step(self, at):
            nonlocal seen
            seen += 1
            if seen == step:
                raise Cut

    return Cutter


@pytest.fixture(autouse=True)
def every_epoch(monkeypatch):
    monkeypatch.setattr(checkpoints, "EVERY", 0.0)


@pytest.mark.parametrize("name", CONFIGS)
def test_a_run_cut_anywhere_and_resumed_equals_an_undisturbed_one(digits, tmp_path, name):
    config, file = CONFIGS[name], tmp_path / "run.checkpoint"
    never = cut_at(-1)
    undisturbed = loop.fit(config, digits, callbacks=[never])
    steps = len(undisturbed["curves"]["train_loss"]) * (len(digits.train) // config.batch_size)
    draw = random.Random(name)
    cuts = 0
    # Cut again and again, each time somewhere in what is left, until nothing is.
    while cuts < 4:
        try:
            loop.fit(
                config, digits, callbacks=[cut_at(draw.randint(1, steps))], checkpoint=Checkpoint(file)
            )
            break
        except Cut:
            cuts += 1
    assert cuts
    assert loop.fit(config, digits, callbacks=[never], checkpoint=Checkpoint(file)) == undisturbed


def test_a_run_goes_on_from_its_checkpoint_and_does_not_start_anew(digits, tmp_path):
    file, seen = tmp_path / "run.checkpoint", []
    epochs = len(digits.train) // 100
    with pytest.raises(Cut):
        loop.fit(SMALL, digits, callbacks=[cut_at(4 * epochs + 3)], checkpoint=Checkpoint(file))

    class Counter(cut_at(-1)):
        def after_step(self, at):
            seen.append(at)

    loop.fit(SMALL, digits, callbacks=[Counter], checkpoint=Checkpoint(file))
    assert seen == list(range(4 * epochs + 1, 6 * epochs + 1))
    # And a finished one is only measured.
    assert loop.fit(SMALL, digits, callbacks=[Counter], checkpoint=Checkpoint(file))["best_epoch"]
    assert len(seen) == 2 * epochs


def test_callbacks_that_count_go_on_counting(digits, tmp_path, monkeypatch):
    (arm, *_) = two_views.STUDY.arms["quick"]
    config = replace(arm.config, width=8, depth=1, epochs=3, stages=())
    undisturbed = loop.fit(config, digits, callbacks=[ShadowOptimizers])
    file = tmp_path / "run.checkpoint"
    evaluate, calls = loop.evaluate, 0

    def fail_late(*arguments):
        nonlocal calls
        calls += 1
        if calls == 3:  # once an epoch
            raise Cut
        return evaluate(*arguments)

    with monkeypatch.context() as patch:
        patch.setattr(loop, "evaluate", fail_late)
        with pytest.raises(Cut):
            loop.fit(config, digits, callbacks=[ShadowOptimizers], checkpoint=Checkpoint(file))
    assert file.exists()
    again = loop.fit(config, digits, callbacks=[ShadowOptimizers], checkpoint=Checkpoint(file))
    assert again == undisturbed


def interrupted(digits, file, config=SMALL):
    with pytest.raises(Cut):
        loop.fit(config, digits, callbacks=[cut_at(30)], checkpoint=Checkpoint(file))
    return file


@pytest.mark.parametrize("keep", [0, 10, 64, 65, 1000, -1])
def test_a_damaged_checkpoint_is_not_used(digits, tmp_path, keep):
    file = interrupted(digits, tmp_path / "run.checkpoint")
    file.write_bytes(file.read_bytes()[:keep])
    with pytest.warns(UserWarning, match=r"run\.checkpoint is damaged: the run starts anew"):
        result = loop.fit(SMALL, digits, callbacks=[cut_at(-1)], checkpoint=Checkpoint(file))
    assert result == loop.fit(SMALL, digits, callbacks=[cut_at(-1)])


def test_one_flipped_bit_is_damage(digits, tmp_path):
    file = interrupted(digits, tmp_path / "run.checkpoint")
    content = bytearray(file.read_bytes())
    content[len(content) // 2] ^= 1
    file.write_bytes(content)
    with pytest.warns(UserWarning, match="is damaged"):
        loop.fit(SMALL, digits, callbacks=[cut_at(-1)], checkpoint=Checkpoint(file))


@pytest.mark.parametrize(
    "change",
    [
        lambda patch: replace(SMALL, lr=0.5),
        lambda patch: replace(SMALL, seed=1),
        lambda patch: patch.setattr(provenance, "source_fingerprint", lambda: "other") or SMALL,
        lambda patch: patch.setattr(torch, "__version__", "0.0") or SMALL,
    ],
)
def test_a_checkpoint_of_another_run_code_or_torch_is_not_used(digits, tmp_path, monkeypatch, change):
    file = interrupted(digits, tmp_path / "run.checkpoint")
    config = change(monkeypatch)
    with pytest.warns(UserWarning, match="is of another run, code or torch: the run starts anew"):
        loop.fit(config, digits, callbacks=[cut_at(-1)], checkpoint=Checkpoint(file))


def test_short_runs_write_none_and_a_folder_that_takes_none_stops_no_run(digits, tmp_path, monkeypatch):
    nowhere = tmp_path / "file"
    nowhere.touch()
    message = r"no checkpoint: .*run\.checkpoint cannot be written .*; the run goes on without"
    with pytest.warns(UserWarning, match=message) as warned:
        result = loop.fit(SMALL, digits, checkpoint=Checkpoint(nowhere / "run.checkpoint"))
    assert len(warned) == 1
    assert result == loop.fit(SMALL, digits)
    monkeypatch.setattr(checkpoints, "EVERY", 1e9)
    loop.fit(SMALL, digits, checkpoint=Checkpoint(tmp_path / "run.checkpoint"))
    assert not (tmp_path / "run.checkpoint").exists()


def test_a_checkpoint_with_other_callbacks_is_not_used(digits, tmp_path):
    file = interrupted(digits, tmp_path / "run.checkpoint")
    with pytest.warns(UserWarning, match="is of another run"):
        assert loop.fit(SMALL, digits, checkpoint=Checkpoint(file)) == loop.fit(SMALL, digits)


def test_a_folder_in_the_way_stops_no_run(digits, tmp_path):
    (tmp_path / "run.checkpoint").mkdir()
    with pytest.warns(UserWarning, match="the run starts anew|goes on without") as warned:
        loop.fit(SMALL, digits, checkpoint=Checkpoint(tmp_path / "run.checkpoint"))
    assert len(warned) == 2


def test_the_seconds_of_earlier_sittings_count(digits, tmp_path, monkeypatch):
    clock = [0.0]
    monkeypatch.setattr(checkpoints.time, "monotonic", lambda: clock[0])

    def slow_until(step):
        class Slow(cut_at(step)):
            def after_step(self, at):
                clock[0] += 1.0

        return Slow

    file, epoch = tmp_path / "run.checkpoint", len(digits.train) // 100
    for cut in (epoch + 5, 2 * epoch + 5):  # of what is left: after one epoch, then after two more
        with pytest.raises(Cut):
            loop.fit(SMALL, digits, callbacks=[slow_until(cut)], checkpoint=Checkpoint(file))
    third = Checkpoint(file)
    loop.fit(SMALL, digits, callbacks=[cut_at(-1)], checkpoint=third)
    assert third.earlier == 3 * epoch


def test_a_checkpoint_of_fewer_images_is_not_used(digits, tmp_path):
    few, file = data.load("digits", train_size=300), tmp_path / "run.checkpoint"
    loop.fit(SMALL, few, checkpoint=Checkpoint(file))
    with pytest.warns(UserWarning, match="is of another run"):
        assert loop.fit(SMALL, digits, checkpoint=Checkpoint(file)) == loop.fit(SMALL, digits)


def test_what_torch_will_not_load_is_not_used(digits, tmp_path):
    stream, file = io.BytesIO(), tmp_path / "run.checkpoint"
    torch.save({"run": Cut}, stream)
    payload = stream.getvalue()
    file.write_bytes(hashlib.sha256(payload).hexdigest().encode() + b"\n" + payload)
    with pytest.warns(UserWarning, match=r"cannot be used \(UnpicklingError\): the run starts anew"):
        loop.fit(SMALL, digits, checkpoint=Checkpoint(file))
