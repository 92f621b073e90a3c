"""A run: its result, what it repeats, what it refuses."""

from dataclasses import replace

import pytest
import torch
from torch import nn

from bnnstudy import data, devices
from bnnstudy.config import tricks
from bnnstudy.config.run import RunConfig
from bnnstudy.config.stage import Stage
from bnnstudy.evidence import right
from bnnstudy.evidence import runs as views
from bnnstudy.training import checkpoints, evaluation, loop, stacked
from bnnstudy.training.callbacks import Callback
from bnnstudy.training.checkpoints import Checkpoint

SMALL = RunConfig(width=16, depth=1, batch_size=100, epochs=2, lr=1e-2)


def test_a_run_repeats_bit_for_bit_whatever_ran_before(digits):
    one = loop.fit(SMALL, digits)
    torch.rand(100)
    assert loop.fit(SMALL, digits) == one
    assert loop.fit(replace(SMALL, seed=1), digits) != one


def test_threads_of_the_caller_come_back(digits):
    torch.set_num_threads(2)
    loop.fit(SMALL, digits)
    threads = torch.get_num_threads()
    torch.set_num_threads(1)
    assert threads == 2


def test_a_network_learns(digits):
    result = loop.fit(replace(SMALL, width=64, epochs=5), digits)
    assert result["test_accuracy"] > 0.8
    assert result["curves"]["train_loss"][-1] < 0.5 * result["curves"]["train_loss"][0]


def test_the_epoch_is_chosen_on_validation_alone(digits):
    result = loop.fit(replace(SMALL, epochs=6), digits)
    validation = result["curves"]["validation_accuracy"]
    best = validation.index(max(validation))
    assert result["best_epoch"] == best + 1
    assert result["validation_accuracy"] == validation[best]
    assert result["test_accuracy"] == result["curves"]["test_accuracy"][best]
    assert result["last"]["test_accuracy"] == result["curves"]["test_accuracy"][-1]


def test_a_better_test_epoch_does_not_change_the_choice(digits, monkeypatch):
    # Validation and test accuracies by epoch, made to disagree.
    accuracies = iter([0.5, 0.9, 0.8, 0.1, 0.7, 0.2])
    monkeypatch.setattr(loop, "evaluate", lambda *arguments: next(accuracies))
    monkeypatch.setattr(loop, "share", lambda found: next(accuracies))
    result = loop.fit(replace(SMALL, epochs=3), digits)
    assert (result["best_epoch"], result["validation_accuracy"], result["test_accuracy"]) == (
        2,
        0.8,
        0.1,
    )


def test_the_seed_fixes_the_order_of_the_data_too(digits, monkeypatch):
    seen = []

    def remember(self, images, dtype):
        seen.append(images.double().sum().item())
        return images.to(dtype)

    monkeypatch.setattr(loop.data.Dataset, "inputs", remember)
    orders = []
    for seed in (0, 0, 1):
        seen.clear()
        loop.fit(replace(SMALL, epochs=1, seed=seed), digits)
        orders.append(seen[: 1197 // 100])
    assert orders[0] == orders[1] != orders[2]


def test_the_two_views_train_the_same_network_to_the_same_end(digits):
    base = tricks.zero_start(
        replace(SMALL, activation="sign", surrogate="identity", optimizer="latent_sgd", lr=1.0,
                weight_decay=2.0**-7, real_optimizer="adam", precision="float64", schedule="cosine")
    )  # fmt: skip
    as_filter = replace(
        base,
        view="filter",
        optimizer="filter",
        alpha=2.0**-7,
        lr=1e-3,
        weight_decay=0.0,
        init_scale=1.0,
        surrogate="clip",
    )
    latent, filtered = loop.fit(base, digits), loop.fit(as_filter, digits)
    for name in ("train_loss", "validation_accuracy", "test_accuracy"):
        assert latent["curves"][name] == filtered["curves"][name]
    assert latent["flip_ratio"] == filtered["flip_ratio"]


def test_a_diverged_run_is_a_result(digits):
    result = loop.fit(tricks.float_twin(replace(SMALL, optimizer="sgd", lr=1e20, epochs=5)), digits)
    assert result["diverged"]
    assert result["curves"]["train_loss"][-1] is None
    assert len(result["curves"]["train_loss"]) < 5
    assert not loop.fit(SMALL, digits)["diverged"]


def test_flips_are_looked_at_from_the_first_step_to_the_last(digits):
    flips = loop.fit(SMALL, digits)["flip_ratio"]
    assert flips["steps"][0] == 1
    assert flips["steps"][-1] == 2 * (1197 // 100)
    assert set(flips["layers"]) == {"1.weight", "4.weight"}


def test_stages_carry_the_weights_on(digits):
    starts = []

    class Ends(Callback):
        name = "ends"

        def __init__(self, context):
            super().__init__(context)
            self.keep()

        def keep(self):
            starts.append({k: v.clone() for k, v in self.context.model.state_dict().items()})

        def result(self):
            self.keep()

    config = tricks.pretraining(replace(SMALL, epochs=3), first=2)
    result = loop.fit(config, digits, callbacks=[Ends])
    _, end_of_first, start_of_second, _ = starts
    assert all(torch.equal(v, start_of_second[k]) for k, v in end_of_first.items())
    assert len(result["curves"]["train_loss"]) == 3
    flips = [stage["flip_ratio"] for stage in result["stages"]]
    assert [f["steps"][-1] for f in flips] == [2 * (1197 // 100), 1197 // 100]
    assert result["flip_ratio"] == flips[-1]


def test_a_stage_may_change_the_view(digits):
    to_filter = (("view", "filter"), ("optimizer", "filter"), ("real_optimizer", "adam"))
    config = replace(SMALL, stages=(Stage(epochs=1), Stage(epochs=1, changes=to_filter)))
    assert not loop.fit(config, digits)["diverged"]


@pytest.mark.parametrize(
    ("second", "message"),
    [
        (Stage(epochs=2, rate=100.0), "lr . weight_decay must be at most 1"),
        (Stage(epochs=2, changes=(("surrogate", "foo"),)), "surrogate must be one of"),
        (Stage(epochs=2, changes=(("batch_size", 2000),)), "batch_size must be at most the 1197"),
    ],
)
def test_a_later_stage_is_checked_before_the_first(digits, monkeypatch, second, message):
    monkeypatch.setattr(loop.Run, "epoch", lambda run: pytest.fail("a stage was trained"))
    config = replace(
        SMALL,
        optimizer="latent_sgd",
        lr=0.1,
        weight_decay=0.5,
        epochs=4,
        stages=(Stage(epochs=2), second),
    )
    with pytest.raises(ValueError, match=message):
        loop.fit(config, digits)


@pytest.mark.parametrize("stack", [False, True])
def test_weights_that_are_no_numbers_are_a_divergence_though_their_signs_are(digits, stack):
    config = RunConfig(
        width=32, depth=2, epochs=10, optimizer="sgd", lr=100.0, weight_decay=0.05,
        real_optimizer="adam", real_weight_decay=0.0,
    )  # fmt: skip
    (result,) = stacked.fit_stacked(config, [0], digits) if stack else [loop.fit(config, digits)]
    assert result["diverged"]
    assert len(result["curves"]["train_loss"]) < 10


def test_a_bare_path_is_no_checkpoint(digits):
    with pytest.raises(TypeError, match="checkpoint must be a Checkpoint or None, got 'here'"):
        loop.fit(SMALL, digits, checkpoint="here")


def test_a_batch_larger_than_the_data_is_refused(digits):
    with pytest.raises(ValueError, match=r"batch_size must be at most the 1197 .* got 2000"):
        loop.fit(replace(SMALL, batch_size=2000), digits)


def test_evaluation_is_the_same_in_any_batch_and_keeps_the_mode(digits):
    network = nn.Sequential(nn.Flatten(), nn.Linear(64, 10), nn.BatchNorm1d(10))
    whole = evaluation.evaluate(network, digits, digits.test)
    network[2].eval()  # a frozen batch norm stays frozen
    assert evaluation.evaluate(network, digits, digits.test, batch=7) == whole
    assert network.training
    assert not network[2].training


def test_devices_are_named_or_refused():
    assert devices.device_of("cpu") == "cpu"
    assert devices.device_of("auto") in ("cpu", "cuda")
    with pytest.raises(ValueError, match="device must be"):
        devices.device_of("tpu")


def test_what_is_no_data_and_no_device_is_refused_by_name(digits):
    config = RunConfig(width=16, depth=1, epochs=1)
    with pytest.raises(ValueError, match="dataset must be a Dataset or None, got 'digits'"):
        loop.fit(config, "digits")
    for wrong in (
        lambda: loop.fit(config, digits, device="gpu"),
        lambda: data.load("digits", device="gpu"),
    ):
        with pytest.raises(ValueError, match=r"device must be one that torch knows, .*; got 'gpu'"):
            wrong()


def test_drops_divide_the_rate_and_mark_phases(digits):
    config = replace(SMALL, epochs=4, drops=(0.25, 0.5))
    result = loop.fit(config, digits)
    curves = result["curves"]
    assert [phase["train_loss"] for phase in result["phases"]] == [
        curves["train_loss"][k] for k in (0, 1, 3)
    ]
    assert "phases" not in loop.fit(SMALL, digits)
    # A phase ends with its last whole epoch; one that has none says nothing.
    odd = loop.fit(replace(SMALL, epochs=5, drops=(0.1, 0.35)), digits)
    losses = odd["curves"]["train_loss"]
    assert [phase.get("train_loss") for phase in odd["phases"]] == [None, losses[0], losses[4]]


def test_the_shares_of_large_weights_are_curves(digits):
    wild = replace(SMALL, optimizer="sgd", lr=100.0, real_optimizer="adam")
    for clamp in (False, True):
        result = loop.fit(replace(wild, clamp=clamp), digits)
        at, beyond = result["curves"]["saturation"], result["curves"]["beyond"]
        assert at[-1] == pytest.approx(result["saturation"], rel=1e-3)
        assert max(beyond) == 0 if clamp else beyond[-1] == at[-1] > 0


def test_a_pre_training_says_where_it_leaves_off_and_is_never_the_best_epoch(digits):
    config = tricks.pretraining(replace(SMALL, epochs=5, lr=1e-4), 4)
    result = loop.fit(config, digits)
    assert result["best_epoch"] == 5
    real, binary = result["stages"]
    assert (real["epochs"], binary["epochs"]) == (4, 1)
    assert binary["start"] != {name: result["curves"][name][3] for name in binary["start"]}


@pytest.mark.parametrize(
    "config",
    [replace(SMALL, epochs=3), tricks.pretraining(replace(SMALL, epochs=3), 1)],
    ids=["one stage", "two stages"],
)
def test_the_network_that_is_returned_is_the_one_measured_last(digits, config):
    result, model = loop.fit(config, digits, with_model=True)
    assert result == loop.fit(config, digits)
    assert evaluation.accuracies(model, digits) == result["last"]
    # It is not that of the best epoch, nor of an earlier stage.
    curves = result["curves"]
    assert curves["test_accuracy"][-1] not in curves["test_accuracy"][:-1]


def test_the_network_of_a_run_that_was_finished_before_is_returned_too(digits, tmp_path, monkeypatch):
    monkeypatch.setattr(checkpoints, "EVERY", 0.0)
    file = tmp_path / "run.checkpoint"
    pairs = [loop.fit(SMALL, digits, with_model=True, checkpoint=Checkpoint(file)) for _ in range(2)]
    (result, first), (again, second) = pairs
    assert again == result
    state = second.state_dict()
    assert all(torch.equal(value, state[name]) for name, value in first.state_dict().items())


def test_accuracies_are_those_of_validation_and_test_by_name(digits):
    network = nn.Sequential(nn.Flatten(), nn.Linear(64, 10))
    assert evaluation.accuracies(network, digits) == {
        "validation_accuracy": evaluation.evaluate(network, digits, digits.validation),
        "test_accuracy": evaluation.evaluate(network, digits, digits.test),
    }


def test_a_result_says_of_each_test_image_whether_it_was_right(digits):
    # At so high a rate the best epoch is not the last.
    config = replace(SMALL, epochs=6, lr=0.3)
    result, model = loop.fit(config, digits, with_model=True)
    assert result["best_epoch"] < 6
    last = right.unpack(result, "last.test_accuracy")
    assert last.tolist() == evaluation.right(model, digits, digits.test).tolist()
    for metric in ("test_accuracy", "last.test_accuracy"):
        assert right.unpack(result, metric).mean() == pytest.approx(views.read(result, metric))
    assert result["right"]["test_accuracy"] != result["right"]["last.test_accuracy"]
