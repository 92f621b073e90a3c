import dataclasses
from dataclasses import replace

import pytest
import torch
from torch import nn

from bnnstudy import devices, models, steps, training, tricks
from bnnstudy.config import RunConfig, Stage
from bnnstudy.layers import observed_weights
from bnnstudy.losses import squared_hinge
from bnnstudy.schedules import schedule_factor

SMALL = RunConfig(width=16, depth=1, batch_size=100, epochs=2, lr=1e-2)


def test_a_run_repeats_bit_for_bit_whatever_ran_before(digits):
    one = training.fit(SMALL, digits)
    torch.rand(100)
    assert training.fit(SMALL, digits) == one
    assert training.fit(replace(SMALL, seed=1), digits) != one


def test_threads_of_the_caller_come_back(digits):
    torch.set_num_threads(2)
    training.fit(SMALL, digits)
    threads = torch.get_num_threads()
    torch.set_num_threads(1)
    assert threads == 2


def test_a_network_learns(digits):
    result = training.fit(replace(SMALL, width=64, epochs=5), digits)
    assert result["test_accuracy"] > 0.8
    assert result["curves"]["train_loss"][-1] < 0.5 * result["curves"]["train_loss"][0]


def test_the_epoch_is_chosen_on_validation_alone(digits):
    result = training.fit(replace(SMALL, epochs=6), digits)
    validation = result["curves"]["validation_accuracy"]
    best = validation.index(max(validation))
    assert result["best_epoch"] == best + 1
    assert result["validation_accuracy"] == validation[best]
    assert result["test_accuracy"] == result["curves"]["test_accuracy"][best]
    assert result["last"]["test_accuracy"] == result["curves"]["test_accuracy"][-1]


def test_a_better_test_epoch_does_not_change_the_choice(digits, monkeypatch):
    # Validation and test accuracies by epoch, made to disagree.
    accuracies = iter([0.5, 0.9, 0.8, 0.1, 0.7, 0.2])
    monkeypatch.setattr(training, "evaluate", lambda *arguments: next(accuracies))
    result = training.fit(replace(SMALL, epochs=3), digits)
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

    monkeypatch.setattr(training.data.Dataset, "inputs", remember)
    orders = []
    for seed in (0, 0, 1):
        seen.clear()
        training.fit(replace(SMALL, epochs=1, seed=seed), digits)
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
        surrogate="clip",
    )
    latent, filtered = training.fit(base, digits), training.fit(as_filter, digits)
    assert latent["curves"] == filtered["curves"]
    assert latent["flip_ratio"] == filtered["flip_ratio"]


def test_a_clamp_keeps_latent_weights_inside(digits):
    wild = replace(SMALL, optimizer="sgd", lr=100.0, real_optimizer="adam")
    assert training.fit(wild, digits)["saturation"] > 0
    seen = []

    class Largest:
        name = "largest"

        def __init__(self, config, model, steps):
            self.weights = observed_weights(model).values()

        def before(self, step):
            seen.append(max(w.abs().max().item() for w in self.weights))

        def after(self, step):
            pass

        def report(self):
            return {}

    training.fit(replace(wild, clamp=True), digits, observers=[Largest])
    assert max(seen) == 1.0


def test_a_diverged_run_is_a_result(digits):
    result = training.fit(tricks.float_twin(replace(SMALL, optimizer="sgd", lr=1e20, epochs=5)), digits)
    assert result["diverged"]
    assert result["curves"]["train_loss"][-1] is None
    assert len(result["curves"]["train_loss"]) < 5
    assert not training.fit(SMALL, digits)["diverged"]


def test_flips_are_looked_at_from_the_first_step_to_the_last(digits):
    flips = training.fit(SMALL, digits)["flip_ratio"]
    assert flips["steps"][0] == 1
    assert flips["steps"][-1] == 2 * (1197 // 100)
    assert set(flips["layers"]) == {"1.weight", "4.weight"}


def test_stages_carry_the_weights_on(digits):
    starts = []

    class Start:
        name = "start"

        def __init__(self, config, model, steps):
            starts.append({k: v.clone() for k, v in model.state_dict().items()})
            self.model = model

        def before(self, step):
            pass

        def after(self, step):
            pass

        def report(self):
            starts.append({k: v.clone() for k, v in self.model.state_dict().items()})
            return {}

    config = tricks.pretraining(replace(SMALL, epochs=3), first=2)
    result = training.fit(config, digits, observers=[Start])
    _, end_of_first, start_of_second, _ = starts
    assert all(torch.equal(v, start_of_second[k]) for k, v in end_of_first.items())
    assert len(result["curves"]["train_loss"]) == 3
    flips = [stage["flip_ratio"] for stage in result["stages"]]
    assert [f["steps"][-1] for f in flips] == [2 * (1197 // 100), 1197 // 100]
    assert result["flip_ratio"] == flips[-1]


def test_a_stage_may_change_the_view(digits):
    to_filter = (("view", "filter"), ("optimizer", "filter"), ("real_optimizer", "adam"))
    config = replace(SMALL, stages=(Stage(epochs=1), Stage(epochs=1, changes=to_filter)))
    assert not training.fit(config, digits)["diverged"]


@pytest.mark.parametrize("name", ["constant", "cosine", "linear", "exponential"])
def test_schedules_start_at_one_and_never_rise(name):
    factors = [schedule_factor(name, i, 100) for i in range(101)]
    assert factors[0] == 1
    assert factors == sorted(factors, reverse=True)
    ends = {"constant": 1, "cosine": 0, "linear": 0, "exponential": 0.003}
    assert factors[-1] == pytest.approx(ends[name], abs=1e-12)


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
    (optimizer,) = steps.build_optimizers(config, network)
    for group in optimizer.param_groups:
        decayed = {p.dim() > 1 for p in group["params"]}
        assert decayed == {group["weight_decay"] > 0}
    apart = steps.build_optimizers(tricks.batch_norm_on_adam(replace(config, optimizer="sgd")), network)
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
        optimizers = steps.build_optimizers(each, network)
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


def test_a_second_optimizer_with_nothing_left_for_the_first_is_refused(digits):
    config = replace(SMALL, real_first=True, real_last=True, real_optimizer="adam")
    with pytest.raises(ValueError, match="real_optimizer must be empty for a network without binary"):
        training.fit(config, digits)


def test_an_unknown_second_optimizer_is_refused_by_its_own_name(digits):
    with pytest.raises(ValueError, match=r"real_optimizer must be one of sgd, .*; got 'lion'"):
        training.fit(replace(SMALL, real_optimizer="lion"), digits)


def test_a_bare_path_is_no_checkpoint(digits):
    with pytest.raises(TypeError, match="checkpoint must be a Checkpoint or None, got 'here'"):
        training.fit(SMALL, digits, checkpoint="here")


def test_a_filter_without_an_optimizer_for_the_rest_is_refused(digits):
    with pytest.raises(ValueError, match="name a real_optimizer too"):
        training.fit(replace(SMALL, view="filter", optimizer="filter"), digits)


def test_a_batch_larger_than_the_data_is_refused(digits):
    with pytest.raises(ValueError, match=r"batch_size must be at most the 1197 .* got 2000"):
        training.fit(replace(SMALL, batch_size=2000), digits)


def test_evaluation_is_the_same_in_any_batch_and_keeps_the_mode(digits):
    network = nn.Sequential(nn.Flatten(), nn.Linear(64, 10), nn.BatchNorm1d(10))
    whole = training.evaluate(network, digits, digits.test)
    assert training.evaluate(network, digits, digits.test, batch=7) == whole
    assert network.training


def test_devices_are_named_or_refused():
    assert devices.device_of("cpu") == "cpu"
    assert devices.device_of("auto") in ("cpu", "cuda")
    with pytest.raises(ValueError, match="device must be"):
        devices.device_of("tpu")


def test_every_trick_says_what_it_changes():
    base = RunConfig(epochs=10)
    changed = {
        "float_twin": tricks.float_twin(base),
        "weight_clipping": tricks.weight_clipping(base),
        "gradient_clipping": tricks.gradient_clipping(replace(base, surrogate="identity")),
        "binary_activations": tricks.binary_activations(base),
        "batch_norm_on_adam": tricks.batch_norm_on_adam(base),
        "batch_norm_at_own_rate": tricks.batch_norm_at_own_rate(base),
        "zero_start": tricks.zero_start(base),
        "two_stages": tricks.two_stages(base, 4),
        "pretraining": tricks.pretraining(base, 4),
    }
    assert changed["float_twin"].differences() == {"binary_weights": False}
    assert changed["weight_clipping"].differences() == {"clamp": True}
    assert changed["gradient_clipping"].surrogate == "clip"
    assert changed["binary_activations"].bits == "1W/1A"
    assert changed["batch_norm_on_adam"].differences() == {"real_optimizer": "adam", "real_lr": 1e-2}
    assert changed["batch_norm_at_own_rate"].differences() == {"real_optimizer": "sgd", "real_lr": 3.0}
    assert changed["zero_start"].differences() == {"init_scale": 0.0}
    free, clipped = changed["two_stages"].plan()
    assert (free.surrogate, free.clamp, clipped.surrogate, clipped.clamp) == (
        "identity",
        False,
        "clip",
        True,
    )
    assert (free.epochs, clipped.epochs, clipped.lr) == (4, 6, pytest.approx(0.1 * base.lr))
    tuned_later = replace(changed["two_stages"], lr=0.5).plan()
    assert [stage.lr for stage in tuned_later] == [0.5, pytest.approx(0.05)]
    real, binary = changed["pretraining"].plan()
    assert (real.binary_weights, binary.binary_weights) == (False, True)
    names = {n for n, v in vars(tricks).items() if callable(v) and v.__module__ == tricks.__name__}
    assert names == set(changed)
    assert dataclasses.is_dataclass(base)
