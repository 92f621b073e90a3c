"""What studies cost: operations that are planned, seconds that are measured."""

from dataclasses import replace

import pytest

from bnnstudy import data, studies
from bnnstudy.config.run import RunConfig
from bnnstudy.evidence import provenance, records
from bnnstudy.experiments.study import Arm, Study, Tuned
from bnnstudy.report import cost

MLP = RunConfig(width=5, depth=2, epochs=3)
PER_IMAGE = 64 * 5 + 5 * 5 + 5 * 10


def toy(*arms: Arm, seeds: int = 4) -> Study:
    return Study(name="toy", title="", claims=(), arms={"quick": arms}, seeds={"quick": seeds})


def record(config: RunConfig, seconds: float, **more) -> dict:
    origin = provenance.collect(device="cpu (x)", seconds=seconds, precision="float32", data="", **more)
    return records.make("toy", "one", config, {}, origin)


def test_sizes_and_shapes_are_those_of_the_data(digits):
    parts = (digits.train, digits.validation, digits.test)
    assert data.sizes_of("digits") == tuple(map(len, parts))
    assert data.shape_of("digits") == digits.shape
    assert data.sizes_of("mnist") == (54_000, 6_000, 10_000)
    assert data.sizes_of("cifar10") == (45_000, 5_000, 10_000)
    assert data.sizes_of("fsdd") == (2_400, 300, 300)
    assert (data.shape_of("cifar10"), data.shape_of("fsdd")) == ((3, 32, 32), (1, 32, 32))
    for lookup in (data.sizes_of, data.shape_of):
        with pytest.raises(ValueError, match=r"dataset must be one of .*got 'cifar'"):
            lookup("cifar")


def test_sizes_are_those_that_are_loaded(tiny_mnist):
    root, _ = tiny_mnist
    loaded = data.load("mnist", root)
    parts = (loaded.train, loaded.validation, loaded.test)
    assert data.sizes_of("mnist") == tuple(map(len, parts)) == (36, 4, 10)


def test_a_training_is_its_steps_and_what_is_measured_after_each_epoch():
    assert cost.run_operations(MLP) == PER_IMAGE * 3 * (3 * 1197 + 200 + 400)
    assert cost.run_operations(replace(MLP, train_size=100)) == PER_IMAGE * 3 * (300 + 600)
    # Rates, views and seeds change nothing.
    other = replace(MLP, alpha=0.5, seed=3, optimizer="filter", view="filter", real_optimizer="adam")
    assert cost.run_operations(other) == cost.run_operations(MLP)


def test_a_plan_has_the_final_runs_and_the_trials_of_a_search():
    tuned = Arm(name="tuned", config=MLP, tuned=Tuned(field="lr", grid=(0.1, 0.2, 0.3)))
    twice = Arm(name="twice", config=replace(MLP, epochs=6))
    one = cost.run_operations(MLP)
    assert cost.planned(toy(tuned), "quick") == {"digits mlp": cost.Cost(4, 6, 10 * one)}
    both = cost.planned(toy(tuned, twice), "quick")
    assert both == {"digits mlp": cost.Cost(8, 6, (10 + 8) * one)}
    more = replace(twice, seeds=7)
    assert cost.planned(toy(more), "quick") == {"digits mlp": cost.Cost(7, 0, 14 * one)}
    other = Arm(name="cnn", config=replace(MLP, model="cnn"))
    assert list(cost.planned(toy(twice, other), "quick")) == ["digits mlp", "digits cnn"]
    with pytest.raises(ValueError, match="preset must be one of quick for study 'toy', got 'desk'"):
        cost.planned(toy(tuned), "desk")


def test_what_was_measured_is_told_by_preset_and_device():
    study = toy(Arm(name="one", config=MLP))
    runs = [record(MLP, 2.0), record(replace(MLP, seed=1), 4.0), record(MLP, 1.0, compiled=True)]
    _, _, *rows = cost.measured([(study, runs)]).splitlines()
    eager, compiled = map(cells, rows)
    rate = f"{2 * cost.run_operations(MLP) / 6 / 1e9:.2g}"
    assert eager == ["toy", "quick", "digits mlp", "cpu (x)", "2", "3 (2 to 4)", "0.1", rate]
    assert compiled[3:6] == ["cpu (x), compiled", "1", "1 (1 to 1)"]


def cells(row: str) -> list[str]:
    return [cell.strip() for cell in row.strip("|").split("|")]


def test_what_lies_ahead_is_what_is_not_recorded():
    arms = {p: (Arm(name="one", config=replace(MLP, preset=p)),) for p in ("desk", "paper")}
    study = Study(name="toy", title="", claims=(), arms=arms, seeds={"desk": 2, "paper": 1000})
    desk = replace(MLP, preset="desk")
    pace = f"{cost.run_operations(MLP) / 18 / 1e9:.2g} (digits mlp)"
    runs = [record(desk, 18.0)]
    half, paper = map(cells, cost.ahead([(study, runs)]).splitlines()[2:])
    assert half[:5] == ["toy", "desk", "digits mlp", "1 of 2", "0"]
    assert paper[:5] == ["toy", "paper", "digits mlp", "1,000", "0"]
    assert paper[-2:] == [pace, "5"]  # 1,000 runs of 18 seconds.
    # Compiled runs are another pace, and what is whole is not ahead.
    runs.append(record(replace(desk, seed=1), 99.0, compiled=True))
    (paper,) = map(cells, cost.ahead([(study, runs)]).splitlines()[2:])
    assert paper[-2:] == [pace, "5"]
    assert cells(cost.ahead([(study, [])]).splitlines()[-1])[-2:] == ["–", "–"]


def test_a_pace_is_the_networks_own_where_desk_has_it():
    configs = [replace(MLP, model=model, preset="desk") for model in ("mlp", "cnn")]
    runs = [record(configs[0], 1.0), record(configs[1], 4.0)]
    own = cost.run_operations(configs[1]) / 4
    assert cost.pace(runs, "digits cnn") == ("digits cnn", own)
    both = sum(map(cost.run_operations, configs)) / 5
    assert cost.pace(runs, "mnist mlp") == ("digits cnn, digits mlp", both)


def test_a_search_trains_as_often_as_it_tries():
    assert cost.run_operations(MLP, {"trials": 25}) == 25 * cost.run_operations(MLP)
    arm = studies.STUDIES["search"].arms["desk"][0]
    found = cost.planned(toy(replace(arm, config=replace(MLP))), "quick")
    assert found["digits mlp"].operations == 4 * 25 * cost.run_operations(MLP)


def test_every_preset_of_every_study_has_a_plan():
    for study in studies.STUDIES.values():
        for preset in study.arms:
            for found in cost.planned(study, preset).values():
                assert found.runs > 0
                assert found.operations > 0
