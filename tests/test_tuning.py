"""The search for a tuned value: where it goes, what it sees, where it stops."""

from dataclasses import replace

import pytest
from test_sweep import options

from bnnstudy.config.run import RunConfig
from bnnstudy.experiments import executors, lookup, sweep, tuning
from bnnstudy.experiments.study import Arm, Study, Tuned


@pytest.fixture
def runs(monkeypatch):
    """By an arm's name, or its model's: from a configuration to its validation accuracy.

    The test accuracy is worst where the validation accuracy is best.
    """
    accuracies = {}

    def run_arm(arm, config, dataset, *, device, checkpoint):
        of = accuracies[config.model if config.model in accuracies else arm.name]
        return {"validation_accuracy": of(config), "test_accuracy": -of(config)}

    monkeypatch.setattr(executors, "run_arm", run_arm)
    return accuracies


def _peaked(peak: float):
    return lambda config: 1 / (1 + abs(config.lr - peak))


def _tuned(runs, tmp_path, peak, grid=(1.0, 2.0, 4.0), extensions=10):
    runs["a"] = _peaked(peak)
    arm = Arm(
        name="a",
        config=RunConfig(preset="desk"),
        tuned=Tuned(field="lr", grid=grid, factor=2.0, max_extensions=extensions, seeds=3),
    )
    study = Study(name="peak", title="", claims=(), arms={"desk": (arm,)}, seeds={"desk": 1})
    found = sweep.run(study, "desk", options=options(tmp_path))
    (choice,) = tuning.choices(study, "desk", tmp_path)
    return found, choice


@pytest.mark.parametrize("peak", [0.1, 1.0, 2.0, 3.9, 60.0])
def test_a_search_goes_on_until_its_best_is_inside(runs, tmp_path, peak):
    found, choice = _tuned(runs, tmp_path, peak)
    values = sorted({trial["value"] for trial in choice["trials"]})
    best = min(values, key=lambda v: abs(v - peak))
    assert choice["chosen"] == best == RunConfig.from_dict(found[0]["config"]).lr
    assert values[0] < best < values[-1]
    assert not choice["at_edge"]


def test_a_search_that_runs_out_of_extensions_says_so(runs, tmp_path):
    _, choice = _tuned(runs, tmp_path, peak=1e6, extensions=2)
    assert choice["at_edge"]
    assert choice["chosen"] == 16.0


def test_a_search_stops_where_the_field_does(runs, tmp_path):
    runs["a"] = lambda config: config.gamma
    arm = Arm(
        name="a",
        config=RunConfig(preset="desk", optimizer="latent_sgd"),
        tuned=Tuned(field="gamma", grid=(0.25, 0.5, 1.0), factor=2.0),
    )
    study = Study(name="edge", title="", claims=(), arms={"desk": (arm,)}, seeds={"desk": 1})
    sweep.run(study, "desk", options=options(tmp_path))
    (choice,) = tuning.choices(study, "desk", tmp_path)
    assert (choice["chosen"], choice["at_edge"]) == (1.0, True)


@pytest.mark.parametrize(
    ("arguments", "message"),
    [
        ({"field": "speed"}, "field must be one of RunConfig but its seed, got 'speed'"),
        ({"field": "seed"}, "field must be one of RunConfig but its seed, got 'seed'"),
        ({"grid": ()}, "grid must have a value"),
        ({"factor": 1.0}, "factor must be above 1, got 1.0"),
        ({"seeds": 0}, "seeds must be a whole number of 1 or more, got 0"),
    ],
)
def test_what_cannot_be_tuned_is_refused(arguments, message):
    with pytest.raises(ValueError, match=message):
        Tuned(**{"field": "lr", "grid": (0.1,), **arguments})


def test_tuning_sees_validation_alone_and_seeds_that_final_runs_do_not_use(runs, tmp_path):
    found, choice = _tuned(runs, tmp_path, peak=2.0)
    # Test accuracies are worst where validation is best.
    assert choice["chosen"] == 2.0
    assert {trial["seed"] for trial in choice["trials"]} == {1000, 1001, 1002}
    assert [r["config"]["seed"] for r in found] == [0]


def test_networks_that_share_the_names_of_their_arms_are_tuned_apart(runs, tmp_path):
    peaks = {"mlp": 0.5, "cnn": 8.0}
    runs |= {model: _peaked(peak) for model, peak in peaks.items()}
    arms = tuple(
        Arm(
            name="a",
            config=RunConfig(preset="desk", model=model),
            tuned=Tuned(field="lr", grid=(1.0, 2.0, 4.0), factor=2.0),
        )
        for model in peaks
    )
    study = Study(name="two", title="", claims=(), arms={"desk": arms}, seeds={"desk": 2})
    for _ in range(2):  # the second time from what is recorded
        found = sweep.run(study, "desk", options=options(tmp_path))
        rates = {(run["config"].get("model", "mlp"), run["config"]["lr"]) for run in found}
        assert rates == set(peaks.items())
        assert len(found) == 4
    assert {c["task"]: c["chosen"] for c in tuning.choices(study, "desk", tmp_path)} == {
        f"digits {model}": peak for model, peak in peaks.items()
    }


def test_an_arm_that_follows_takes_its_leaders_value_and_is_not_searched(runs, tmp_path):
    runs |= {"a": _peaked(2.1), "b": _peaked(9.0)}
    config = RunConfig(preset="desk")
    tuned = Tuned(field="lr", grid=(1.0, 2.0, 4.0), factor=2.0)
    leader = Arm(name="a", config=config, tuned=tuned)
    other = Arm(name="b", config=replace(config, clamp=True), follows="a")
    study = Study(name="led", title="", claims=(), arms={"desk": (leader, other)}, seeds={"desk": 2})
    found = sweep.run(study, "desk", options=options(tmp_path))
    assert [(run["arm"], run["config"]["lr"]) for run in found] == [(n, 2.0) for n in "aabb"]
    assert len(tuning.choices(study, "desk", tmp_path)) == 1
    assert lookup.recorded(study, "desk", tmp_path) == found
