"""Figures by which a claim says what has to act, by hand."""

import pytest

from bnnstudy import studies
from bnnstudy.evidence.requirements import FIGURES, figure


def run(result, **config):
    return {"config": {"seed": 0, **config}, "result": result}


def test_alpha_times_the_steps_follows_the_schedule():
    config = {"view": "filter", "optimizer": "filter", "alpha": 0.01, "gamma": 0.1}
    result = {"flip_ratio": {"steps": [1, 1000]}}
    constant = figure("@alpha times steps", run(result, **config, schedule="constant"))
    assert constant == pytest.approx(10.0)
    halved = figure("@alpha times steps", run(result, **config, schedule="cosine"))
    assert halved == pytest.approx(5.0, rel=1e-2)


def test_a_second_moments_memories_are_counted_in_steps():
    result = {"flip_ratio": {"steps": [500, 4000]}}
    assert figure("@second memories", run(result, betas=[0.9, 0.999])) == pytest.approx(4.0)
    assert figure("@second memories", run(result, betas=[0.9, 0.8])) == pytest.approx(800.0)


@pytest.mark.parametrize(
    ("losses", "fell"),
    [
        ([1.0, 0.5, 0.5, 0.5, 0.5, 0.5, 0.5, 0.5, *[0.01] * 8], 0.0),
        ([8.0, 7.0, 6.0, 5.0, 4.0, 1.0, 1.0, 0.1, *[0.01] * 8], 1.0),
        ([1.0] * 5 + [None] * 11, None),  # it diverged before the drop
    ],
)
def test_a_fall_before_the_drop_is_that_of_its_last_quarter(losses, fell):
    config = {"epochs": 16, "drops": [0.5], "schedule": "constant"}
    found = figure("@fall before drop", run({"curves": {"train_loss": losses}}, **config))
    assert found == (None if fell is None else pytest.approx(fell))


@pytest.mark.parametrize(
    ("losses", "fell"), [([9.0, 1, 1, 1, 0.5, 0.9, 0.3, 0.09], 1.0), ([1.0], None), ([1.0, None], None)]
)
def test_a_fall_at_the_end_is_that_of_the_last_quarter(losses, fell):
    found = figure("@fall at the end", run({"curves": {"train_loss": losses}}, epochs=8))
    assert found == (None if fell is None else pytest.approx(fell))


@pytest.mark.parametrize(
    ("fields", "left"),
    [
        ({"schedule": "constant"}, 1.0),
        ({"schedule": "exponential"}, 0.003**0.75),
        ({"schedule": "constant", "drops": [0.5]}, 0.1),
        ({"schedule": "linear"}, 0.25),
    ],
)
def test_what_is_left_of_a_rate_is_that_of_the_last_quarter(fields, left):
    assert figure("@rate left", run({}, **fields)) == pytest.approx(left)


def test_the_steps_of_all_stages_are_a_runs_length():
    result = {"flip_ratio": {"steps": [1, 700]}, "curves": {"train_loss": [0.5] * 20}}
    stages = [{"epochs": n, "changes": [], "rate": 1.0} for n in (13, 7)]
    assert figure("@second memories", run(result, epochs=20, stages=stages)) == pytest.approx(2.0)


def test_what_has_no_drop_has_no_fall_before_it():
    assert figure("@fall before drop", run({"curves": {"train_loss": [1.0]}})) is None


def test_an_early_stop_comes_after_a_share_of_the_run():
    assert figure("@share of the run", run({"epochs": 5}, epochs=20)) == 0.25
    assert figure("@share of the run", run({}, epochs=20)) is None


def test_of_a_curve_the_largest_value_counts_and_a_gap_does_not():
    result = {"curves": {"saturation": [0.1, None, 0.3, 0.2]}}
    assert figure("curves.saturation", run(result)) == 0.3
    assert figure("curves.saturation.0", run(result)) == 0.1
    assert figure("curves.nothing", run(result)) is None


def test_an_unknown_figure_is_named():
    with pytest.raises(ValueError, match=r"figure must be one of @alpha times steps, .*; got '@speed'"):
        figure("@speed", run({}))


def test_every_requirement_of_the_ledger_can_be_read_and_is_of_an_arm_that_there_is():
    for study in studies.STUDIES.values():
        names = {arm.name for arms in study.arms.values() for arm in arms}
        for claim in study.claims:
            for need in claim.requires:
                assert need.figure[1:] in FIGURES or not need.figure.startswith("@")
                assert any(need.arm == name or need.arm.startswith(f"{name}, ") for name in names)
                assert need.says.format(0.5)
