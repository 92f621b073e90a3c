"""Views of records: what a run is of, how long it was, and whether two were one."""

from dataclasses import replace

import pytest
from hypothesis import given
from hypothesis import strategies as st

import bnnstudy.evidence
from bnnstudy import data
from bnnstudy.config.run import RunConfig
from bnnstudy.evidence.results import best_epoch, of_curves
from bnnstudy.evidence.runs import mean, same_course, steps_of, task_of, values
from bnnstudy.training import loop

SMALL = RunConfig(width=16, depth=1, epochs=2, batch_size=100)


@pytest.mark.parametrize(
    ("config", "task"),
    [
        (RunConfig(), "digits mlp"),
        (RunConfig(dataset="mnist"), "mnist mlp"),
        (RunConfig(dataset="cifar10", model="cnn", width=4), "cifar10 cnn"),
    ],
)
def test_a_configuration_and_its_record_are_of_one_task(config, task):
    assert task_of(config) == task_of(config.to_dict()) == task


def test_a_run_is_as_long_as_its_epochs_have_batches_and_has_one_course():
    digits = data.load("digits")
    first, second = (loop.fit(SMALL, digits) for _ in range(2))
    assert steps_of(first) == SMALL.epochs * (len(digits.train.labels) // SMALL.batch_size)
    assert steps_of(first) == SMALL.epochs * data.steps_of_epoch(SMALL)
    fewer = replace(SMALL, train_size=250)
    assert data.steps_of_epoch(fewer) == len(data.load("digits", train_size=250).train) // 100
    assert same_course(first, second)
    other = loop.fit(RunConfig(**{**SMALL.to_dict(), "seed": 1}), digits)
    assert not same_course(first, other)


def test_a_course_is_losses_and_flips():
    run = {"curves": {"train_loss": [1.0, 0.5]}, "flip_ratio": {"steps": [1, 9], "all": [0.1, 0.0]}}
    assert same_course(run, {**run, "test_accuracy": 0.9})
    assert not same_course(run, {**run, "curves": {"train_loss": [1.0, 0.25]}})
    assert not same_course(run, {**run, "flip_ratio": {"steps": [1, 9], "all": [0.1, 0.1]}})
    assert not same_course({"pair": 1}, {"pair": 1})  # nothing was recorded that could tell


def test_what_counted_no_flips_has_no_length():
    with pytest.raises(ValueError, match="result must have a flip_ratio with steps, got pair"):
        steps_of({"pair": {}})


@given(curve=st.lists(st.sampled_from([0.1, 0.2, 0.3]), min_size=1, max_size=8))
def test_the_best_epoch_is_the_earliest_of_equals(curve):
    best = best_epoch(curve)
    assert curve[best - 1] == max(curve)
    assert max(curve) not in curve[: best - 1]
    late = best_epoch(curve, among=[len(curve)])
    assert late == len(curve)
    result = of_curves({"validation_accuracy": curve, "test_accuracy": [1 - v for v in curve]})
    assert result["best_epoch"] == best
    assert (result["validation_accuracy"], result["test_accuracy"]) == (max(curve), 1 - max(curve))


def test_a_best_epoch_is_one_that_counts():
    assert best_epoch([0.9, 0.1, 0.3, 0.3], among=[4, 2, 3]) == 3
    with pytest.raises(ValueError, match="must have an epoch that counts, got none"):
        best_epoch([])
    with pytest.raises(ValueError, match=r"among must be epochs from 1 to 2, got \[0\]"):
        best_epoch([0.1, 0.2], among=[0])


def test_the_room_offers_what_it_lists():
    names = bnnstudy.evidence.__all__
    assert len(set(names)) == len(names)
    assert names[:2] == ["Claim", "Contrast"]
    assert all(hasattr(bnnstudy.evidence, name) for name in names)


def test_a_mean_is_over_the_seeds_that_have_a_value():
    runs = {"a": {0: {"x": 1.0}, 1: {"x": 4.0}, 2: {}}}
    assert mean(runs, "a", "x", 10) == sum(values(runs, "a", "x", 10)) / 2 == 25
    assert mean(runs, "a", "y") is None
    assert mean(runs, "b", "x") is None
