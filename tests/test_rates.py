"""Rates as curves: what is run, what judges, and at which value each seed is judged."""

import tempfile
from dataclasses import replace

import numpy as np
import pytest
from hypothesis import given
from hypothesis import strategies as st
from test_sweep import options

from bnnstudy.config.run import RunConfig
from bnnstudy.evidence import curves as evidence
from bnnstudy.evidence import records
from bnnstudy.evidence.curves import EVERYWHERE, Curve, leave_one_out
from bnnstudy.experiments import lookup, sweep, tasks
from bnnstudy.experiments.study import Arm, Study, Tuned
from bnnstudy.report import plotting, tables


@pytest.fixture
def runs(monkeypatch):
    """By an arm's name, or its model's: from a configuration to its validation accuracy.

    The test accuracy is worst where the validation accuracy is best.
    """
    accuracies = {}

    def run_arm(arm, config, dataset, *, device, checkpoint):
        of = accuracies[config.model if config.model in accuracies else arm.name]
        return {"validation_accuracy": of(config), "test_accuracy": 1 - of(config)}

    monkeypatch.setattr(tasks, "run_arm", run_arm)
    return accuracies


def peaked(peak: float):
    """Best at a rate, a little different for every seed."""
    return lambda config: 0.9 / (1 + abs(config.lr - peak)) + 1e-6 * (config.seed % 3)


def study_of(*arms, seeds=5):
    return Study(name="toy", title="", claims=(), arms={"desk": arms}, seeds={"desk": seeds})


def tuned(name="a", grid=(1.0, 2.0, 4.0), extensions=10, **config):
    field = Tuned(field="lr", grid=grid, factor=2.0, max_extensions=extensions)
    return Arm(name=name, config=RunConfig(preset="desk", **config), tuned=field)


def curve_of(study, folder, arm="a", task="digits mlp"):
    return lookup.curves(study, "desk", folder)["desk", task][arm]


@pytest.mark.parametrize("peak", [0.1, 1.0, 2.0, 3.9, 60.0])
def test_a_grid_grows_until_its_best_is_inside(runs, tmp_path, peak):
    runs["a"], study = peaked(peak), study_of(tuned())
    found = sweep.run(study, "desk", options=options(tmp_path))
    curve = curve_of(study, tmp_path)
    values = list(curve.runs)
    best = min(values, key=lambda v: abs(v - peak))
    assert curve.best == best
    assert {run["config"]["lr"] for run in found} == {best}
    assert values[0] < best < values[-1]
    assert not curve.at_edge


def test_few_seeds_are_run_everywhere_and_all_near_the_best(runs, tmp_path):
    runs["a"], study = peaked(2.0), study_of(tuned(grid=(0.5, 1.0, 2.0, 4.0, 8.0)), seeds=7)
    sweep.run(study, "desk", options=options(tmp_path))
    curve = curve_of(study, tmp_path)
    assert curve.near == (1.0, 2.0, 4.0)  # the best and both neighbours: the others are far below
    assert {value: len(by_seed) for value, by_seed in curve.runs.items()} == {
        value: 7 if value in curve.near else EVERYWHERE for value in (0.5, 1.0, 2.0, 4.0, 8.0)
    }
    assert curve.seeds == tuple(range(7))


def test_a_second_hump_as_high_as_the_first_judges_too(runs, tmp_path):
    heights = {1.0: 0.5, 2.0: 0.9, 4.0: 0.6, 8.0: 0.91, 16.0: 0.3}
    runs["a"] = lambda config: heights[config.lr] + 0.02 * (config.seed % 3)
    study = study_of(tuned(grid=tuple(heights)))
    sweep.run(study, "desk", options=options(tmp_path))
    assert curve_of(study, tmp_path).near == (2.0, 4.0, 8.0, 16.0)


def test_a_grid_that_runs_out_of_extensions_says_so(runs, tmp_path):
    runs["a"], study = peaked(1e6), study_of(tuned(extensions=2))
    sweep.run(study, "desk", options=options(tmp_path))
    curve = curve_of(study, tmp_path)
    assert curve.at_edge
    assert curve.best == 16.0


def test_a_grid_stops_where_the_field_does(runs, tmp_path):
    runs["a"] = lambda config: config.gamma
    arm = Arm(
        name="a",
        config=RunConfig(preset="desk", optimizer="latent_sgd"),
        tuned=Tuned(field="gamma", grid=(0.25, 0.5, 1.0), factor=2.0),
    )
    study = study_of(arm)
    sweep.run(study, "desk", options=options(tmp_path))
    curve = curve_of(study, tmp_path)
    assert (curve.best, curve.at_edge) == (1.0, True)


@pytest.mark.parametrize(
    ("arguments", "message"),
    [
        ({"field": "speed"}, "field must be one of RunConfig but its seed, got 'speed'"),
        ({"field": "seed"}, "field must be one of RunConfig but its seed, got 'seed'"),
        ({"grid": ()}, "grid must have a value or more"),
        ({"factor": 1.0}, "factor must be above 1 and finite, got 1.0"),
    ],
)
def test_what_cannot_be_tuned_is_refused(arguments, message):
    with pytest.raises(ValueError, match=message):
        Tuned(**{"field": "lr", "grid": (0.1,), **arguments})


def test_the_choice_sees_validation_alone(runs, tmp_path):
    runs["a"], study = peaked(2.0), study_of(tuned())
    found = sweep.run(study, "desk", options=options(tmp_path))
    # Test accuracies are worst where validation is best.
    assert {run["config"]["lr"] for run in found} == {2.0}
    assert [run["config"]["seed"] for run in found] == list(range(5))


def test_networks_that_share_the_names_of_their_arms_are_tuned_apart(runs, tmp_path):
    peaks = {"mlp": 0.5, "cnn": 8.0}
    runs |= {model: peaked(peak) for model, peak in peaks.items()}
    study = study_of(*(tuned(model=model) for model in peaks), seeds=2)
    for _ in range(2):  # the second time from what is recorded
        found = sweep.run(study, "desk", options=options(tmp_path))
        rates = {(run["config"].get("model", "mlp"), run["config"]["lr"]) for run in found}
        assert rates == set(peaks.items())
        assert len(found) == 4
    for model, peak in peaks.items():
        assert curve_of(study, tmp_path, task=f"digits {model}").best == peak


def test_an_arm_that_follows_is_run_where_its_leader_is_judged(runs, tmp_path):
    runs |= {"a": peaked(2.1), "b": peaked(9.0)}
    leader = tuned()
    other = Arm(name="b", config=replace(leader.config, clamp=True), follows="a")
    study = study_of(leader, other, seeds=4)
    found = sweep.run(study, "desk", options=options(tmp_path))
    assert [(run["arm"], run["config"]["lr"]) for run in found] == [(n, 2.0) for n in "aaaabbbb"]
    led, following = (curve_of(study, tmp_path, arm) for arm in "ab")
    assert set(following.runs) == set(led.near)
    assert all(len(by_seed) == 4 for by_seed in following.runs.values())
    assert evidence.judged(lookup.curves(study, "desk", tmp_path)) == found


def test_a_grid_that_is_half_run_judges_nothing(runs, tmp_path):
    runs["a"], study = peaked(2.0), study_of(tuned(), seeds=EVERYWHERE)
    sweep.run(study, "desk", options=options(tmp_path))
    arm = study.arms["desk"][0]
    file = records.path(tmp_path, "toy", replace(arm.config, lr=1.0, seed=1))
    file.unlink()
    assert lookup.curves(study, "desk", tmp_path) == {}
    sweep.run(study, "desk", options=options(tmp_path))
    assert file.exists()


def test_until_there_is_a_curve_the_one_value_that_all_seeds_have_stands_for_it(runs, tmp_path):
    runs["a"] = runs["b"] = peaked(2.0)
    study = study_of(tuned(), seeds=4)
    plain = RunConfig(preset="desk", lr=4.0)
    # All seeds of this arm at 2; another arm, at a fixed rate, left all of its own at 4.
    ran = study_of(Arm(name="a", config=replace(plain, lr=2.0)), Arm(name="b", config=plain), seeds=4)
    sweep.run(ran, "desk", options=options(tmp_path))
    curve = curve_of(study, tmp_path)
    assert (list(curve.runs), curve.near, len(curve.seeds)) == ([2.0], (2.0,), 4)
    # It stands until the curve is complete: also while the grid is run and its neighbours lack seeds.
    sweep.run(study, "desk", 3, options(tmp_path))
    assert len(curve_of(study, tmp_path).seeds) == 4
    assert list(curve_of(study, tmp_path).runs) == [2.0]
    sweep.run(study, "desk", options=options(tmp_path))
    assert set(curve_of(study, tmp_path).runs) == {1.0, 2.0, 4.0}


@given(gone=st.sets(st.tuples(st.sampled_from((1.0, 4.0)), st.integers(0, 6))))
def test_a_curve_that_is_not_complete_takes_no_seed_from_the_value_of_most(gone):
    with pytest.MonkeyPatch.context() as patch, tempfile.TemporaryDirectory() as folder:
        of = peaked(2.0)

        def run_arm(arm, config, dataset, *, device, checkpoint):
            return {"validation_accuracy": of(config), "test_accuracy": 0.0}

        patch.setattr(tasks, "run_arm", run_arm)
        study = study_of(tuned(), seeds=7)
        sweep.run(study, "desk", options=options(folder))
        arm = study.arms["desk"][0]
        for value, seed in gone:
            records.path(folder, "toy", replace(arm.config, lr=value, seed=seed)).unlink()
        curve = curve_of(study, folder)
        assert curve.seeds == tuple(range(7))
        whole = {value for value in (1.0, 4.0) if value not in {value for value, _ in gone}}
        assert set(curve.runs) == {2.0, *whole}
        # Two rates that most seeds have are no curve: it waits for runs, and says so.
        groups = {("desk", "digits mlp"): {"a": curve}}
        assert tables.tuned(groups).endswith("| curve to come |" if gone else "| no |")
        if gone:
            assert plotting.rates(groups) is None


accuracies = st.integers(2, 5).flatmap(
    lambda seeds: st.lists(
        st.lists(st.integers(0, 4).map(lambda v: v / 4), min_size=seeds, max_size=seeds),
        min_size=1,
        max_size=4,
    )
)


@given(table=accuracies)
def test_each_seed_is_judged_where_the_others_are_best(table):
    table = np.array(table)
    found = leave_one_out(table, np.ones((1, table.shape[1]), int))[0]
    for seed, place in enumerate(found):
        others = np.delete(table, seed, axis=1).mean(1)
        assert others[place] == pytest.approx(others.max())
        assert not any(others[:place] > others[place] - 1e-9)  # of equals the smallest value


@given(table=accuracies, data=st.data())
def test_a_draw_leaves_out_all_copies_of_a_seed(table, data):
    table = np.array(table)
    n = table.shape[1]
    drawn = data.draw(st.lists(st.integers(0, n - 1), min_size=n, max_size=n))
    counts = np.bincount(drawn, minlength=n)[None]
    found = leave_one_out(table, counts)[0]
    for seed in set(drawn):
        others = [other for other in drawn if other != seed] or [seed]
        means = table[:, others].mean(1)
        assert means[found[seed]] == pytest.approx(means.max())


@pytest.mark.parametrize("values", [{}, {1.0: {}}])
def test_a_curve_without_runs_has_no_seeds(values):
    assert Curve("a", values, "lr").seeds == ()


def test_records_of_other_data_are_refused_by_name(runs, tmp_path):
    runs["a"], study = peaked(2.0), study_of(tuned())
    sweep.run(study, "desk", options=options(tmp_path))
    file = sorted((tmp_path / "toy" / "desk").glob("*-s1.json"))[0]
    record = records.load(file)
    origin = {**record["provenance"], "data": "transposed"}
    config = RunConfig.from_dict(record["config"])
    records.save(records.make("toy", "a", config, record["result"], origin), file)
    with pytest.raises(records.RecordError, match=r"same data, got toy/desk, arm 'a', seed"):
        lookup.curves(study, "desk", tmp_path)
