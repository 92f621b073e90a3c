"""Runs that are read in parts: each part against a plainer way to the same numbers."""

import json
from dataclasses import replace

import pytest

from bnnstudy.config import tricks
from bnnstudy.config.run import RunConfig
from bnnstudy.evidence import results
from bnnstudy.experiments import procedures
from bnnstudy.training import loop
from bnnstudy.training.callbacks import LossSums, UpdateSize

SMALL = RunConfig(width=16, depth=1, epochs=3, lr=1e-2, schedule="cosine")
FILTER = RunConfig(
    width=16, depth=1, epochs=3, view="filter", optimizer="filter", alpha=0.1, gamma=0.1,
    activation="sign", real_optimizer="adam", loss="cross_entropy",
)  # fmt: skip


def test_the_phases_between_drops_are_parts(digits):
    config = replace(SMALL, drops=(0.5,))
    result = procedures.phases_as_parts(config, digits)
    plain = loop.fit(config, digits)
    assert result["parts"] == {"phase 1": plain["phases"][0], "phase 2": plain["phases"][1]}
    assert {name: result[name] for name in plain} == plain


def test_late_accuracies_are_means_of_the_second_half(digits):
    result = procedures.late_accuracies(SMALL, digits)
    for name in ("validation_accuracy", "test_accuracy"):
        curve = result["curves"][name]
        assert result["late"][name] == pytest.approx((curve[1] + curve[2]) / 2)
    plain = loop.fit(SMALL, digits)
    assert {name: result[name] for name in plain} == plain


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
    config = replace(SMALL, epochs=12, lr=0.3, schedule="constant")
    result = procedures.stopped_early(config, digits, patience=1)
    stopped = result["parts"]["stopped early"]
    assert stopped["epochs"] == results.stop(result["curves"]["validation_accuracy"], 1) < 12
    again = loop.fit(replace(config, epochs=stopped["epochs"]), digits)
    assert stopped["validation_accuracy"] == again["validation_accuracy"]
    assert stopped["test_accuracy"] == again["test_accuracy"]


def test_a_pre_training_is_read_in_parts(digits):
    config = tricks.pretraining(replace(SMALL, epochs=5, schedule="constant"), 3)
    result = procedures.pretrained(config, digits)
    parts, curves = result["parts"], result["curves"]
    assert parts["binary epochs"]["curves"]["test_accuracy"] == curves["test_accuracy"][3:]
    assert parts["all epochs"]["curves"]["test_accuracy"][:3] == [0.0] * 3
    assert parts["all epochs"]["best_epoch"] == parts["binary epochs"]["best_epoch"] + 3
    assert parts["all epochs"]["best_epoch"] == result["best_epoch"]
    assert parts["before"]["test_accuracy"] == curves["test_accuracy"][2]
    assert parts["at once"] != parts["before"]
    assert "reestimated_start" not in str(result)
    # Looking changes nothing.
    assert result["curves"] == loop.fit(config, digits)["curves"]


def test_a_run_with_filtered_gradients_is_the_run_and_its_filters(digits):
    found = procedures.filtered_gradients(FILTER, digits)
    plain = loop.fit(FILTER, digits)
    assert {name: found[name] for name in plain} == plain
    assert found["never_more"] == {"differing": 0, "compared": found["never_more"]["compared"]}
    assert set(found["flips"]) == {"mean", "late", "last"}
    parts = found["parts"]
    assert parts["second order"]["flips"] < parts["first order"]["flips"] < parts["raw"]["flips"]
    gains = [parts[name]["noise_gain"] for name in ("second order", "as little noise")]
    assert gains[0] == pytest.approx(gains[1], rel=1e-4)
    assert parts["first order"]["alpha"] == pytest.approx(0.1)
    assert len(found["gradient"]) == len(found["curves"]["train_loss"]) * 11


def test_a_run_that_diverges_is_recorded_all_the_same(digits):
    config = RunConfig(
        width=16, depth=1, batch_size=100, epochs=3, lr=1e30, alpha=1e-3, optimizer="sgd", clamp=False
    )
    found = procedures.filtered_gradients(config, digits)
    assert found["diverged"]
    json.dumps(found, allow_nan=False)


def test_a_run_that_diverged_before_it_was_binary_has_no_parts(digits):
    config = replace(SMALL, optimizer="sgd", lr=1e20, epochs=6, schedule="constant")
    assert "parts" not in procedures.pretrained(tricks.pretraining(config, 3), digits)


@pytest.mark.parametrize(
    ("procedure", "config", "options"),
    [
        (procedures.phases_as_parts, replace(SMALL, drops=(0.5,)), {}),
        (procedures.stopped_early, SMALL, {"patience": 1}),
        (procedures.pretrained, tricks.pretraining(SMALL, 1), {}),
        (procedures.filtered_gradients, FILTER, {}),
    ],
)
def test_a_procedure_hands_callbacks_on(digits, procedure, config, options):
    found = procedure(config, digits, callbacks=[LossSums, UpdateSize], **options)
    looked_at = loop.fit(config, digits, callbacks=[LossSums, UpdateSize])
    assert found["update_size"] == looked_at["update_size"]
    assert found["curves"] == looked_at["curves"]
