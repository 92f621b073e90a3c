"""The ladder: a rung is predicted before it is run, and scored by what came."""

from dataclasses import replace

import pytest
from test_sweep import options

from bnnstudy.evidence import forecasts
from bnnstudy.experiments import sweep, tasks
from bnnstudy.report import ladder
from bnnstudy.studies.ladder import EFFECTS, RUNGS, STUDY


def test_each_rung_has_every_arm_that_an_effect_names():
    for preset, rungs in RUNGS.items():
        names = {arm.name for arm in STUDY.arms[preset]}
        for rung in rungs:
            for effect in EFFECTS:
                for name in effect.at(rung).named():
                    assert name.removesuffix(", stopped early") in names


def test_rungs_are_what_their_names_say():
    for preset in ("quick", "desk"):
        first, *rungs = RUNGS[preset]
        widths = {"narrow": first.width}
        for rung in rungs:
            width, _, times = rung.name.partition(" x")
            assert rung.epochs == int(times) * first.epochs
            assert widths.setdefault(width, rung.width) == rung.width
    assert ladder.steps_of(RUNGS["desk"][0]) == 1080
    assert ladder.steps_of(RUNGS["paper"][0]) == 135_000


@pytest.fixture
def climb(monkeypatch, tmp_path):
    """Runs the arms of a rung with results that are made up: better by the logarithm of the epochs."""

    def run_arm(arm, config, dataset, *, device, checkpoint):
        accuracy = 0.5 + 0.05 * len(arm.name) / 10 + 0.001 * config.epochs + 0.01 * config.seed
        result = {"validation_accuracy": accuracy, "test_accuracy": accuracy, "diverged": False}
        own = {**result, "last": {"test_accuracy": accuracy}, "phases": [{"train_loss": accuracy}]}
        curves = {"train_loss": [1.0] * config.epochs, "saturation": [0.0] * config.epochs}
        own |= {"curves": curves, "flip_ratio": {"steps": [10 * config.epochs]}}
        return {**own, "parts": {"stopped early": {**result, "epochs": 1}}}

    def on_digits(arm):
        return replace(arm, config=replace(arm.config, dataset="digits"))

    study = replace(STUDY, arms={"desk": tuple(map(on_digits, STUDY.arms["desk"]))})
    monkeypatch.setattr(ladder, "STUDY", replace(study, arms={**STUDY.arms, **study.arms}))
    monkeypatch.setattr(ladder, "TASK", dict.fromkeys(RUNGS, "digits mlp"))
    monkeypatch.setattr(tasks, "run_arm", run_arm)

    def run(patterns, seeds=None):
        return sweep.run(study, "desk", seeds, options(tmp_path), patterns)

    return run


def test_a_rung_is_predicted_before_it_is_run_and_scored_after(climb, tmp_path):
    with pytest.raises(ValueError, match="must have a complete rung, got none"):
        ladder.foresee(tmp_path)
    climb(["narrow x1: *"])
    made = ladder.foresee(tmp_path)
    assert {one.rung for one in made} == {"narrow x4", "paper"}
    assert len(made) == 2 * len(EFFECTS)
    assert ladder.scores(tmp_path) == []
    climb(["narrow x4: *"], seeds=2)
    assert ladder.scores(tmp_path) == []  # a rung that is half run says nothing yet
    climb(["narrow x4: *"])
    scored = ladder.scores(tmp_path)
    assert {score.forecast.effect for score in scored} == {effect.id for effect in EFFECTS}
    for score in scored:
        mean = score.measured.mean
        assert score.missed_by[1] == pytest.approx(abs(mean - score.forecast.no_change.mean))
        assert score.covered[1] == score.forecast.no_change.covers(mean)
    assert {one.rung for one in ladder.foresee(tmp_path)} == {"wide x1", "paper"}


def test_a_half_run_rung_says_how_much_of_it_was_run(climb, tmp_path):
    climb(["narrow x1: *"])
    climb(["narrow x4: *"], seeds=2)
    whole, half = ladder.Ladder(tmp_path).acting().splitlines()[0].split("|")[2:4]
    arms = len(ladder.arms_of(RUNGS["desk"][1]))
    assert "runs so far" not in whole
    assert f"({2 * arms} of {STUDY.seeds['desk'] * arms} runs so far)" in half


def test_what_was_seen_is_not_predicted(climb, tmp_path):
    climb(["narrow x1: *"])
    climb(["narrow x4: filter"], seeds=1)
    with pytest.raises(
        ValueError, match="must not have been run when it is predicted, got 'narrow x4'"
    ):
        ladder.foresee(tmp_path)
    assert not ladder.file_of(tmp_path).exists()


def test_every_recorded_rung_was_predicted_from_those_below():
    """What is kept in the repository: no rung but the first without a forecast that came before it."""
    found = ladder.recorded()
    kept = forecasts.load(ladder.file_of())
    done = [rung.name for rung in ladder.run_of(found)]
    for k, name in enumerate(done):
        if k:
            before = [one for one in kept if one.rung == name]
            assert {one.effect for one in before} == {effect.id for effect in EFFECTS}
            assert all(one.rungs == tuple(done[:k]) for one in before)
    assert list(kept) == sorted(kept, key=lambda one: one.date)


def test_a_forecast_is_what_the_records_below_say():
    """Recomputed from the records that are there; so that no line of the file is anybody's wish."""
    found = ladder.recorded()
    rungs = ladder.FORESEEN
    for one in forecasts.load(ladder.file_of()):
        effect = next(each for each in EFFECTS if each.id == one.effect)
        below = [ladder.measured(effect, rungs[name], found) for name in one.rungs]
        seen = [at for at in below if at]
        rung = rungs[one.rung]
        size = ladder.steps_of(rung), rung.width
        if one.unit == "rungs":
            made = forecasts.over_rungs(seen, *size)
        else:
            made = forecasts.over_seeds(seen, *size, STUDY.seeds[rung.preset])
        assert made.mean == pytest.approx(one.trend.mean, abs=1e-9)
        if made.low is not None:
            assert (made.low, made.high) == pytest.approx((one.trend.low, one.trend.high))


def test_the_chapter_says_what_is_recorded(climb, tmp_path):
    climb(["narrow x1: *"])
    ladder.foresee(tmp_path)
    climb(["narrow x4: *"])
    made = ladder.Ladder(tmp_path)
    assert [rung.name for rung in made.rungs] == ["narrow x1", "narrow x4"]
    lines = made.acting().splitlines()
    assert len(lines) == 2 + len(EFFECTS)
    rung, count, *_ = (cell.strip() for cell in made.scored().splitlines()[2].strip("|").split("|"))
    assert (rung, count) == ("narrow x4", str(len(EFFECTS)))
    # From a single rung the line has no interval, so none is counted as inside.
    assert "| 0 of 0 |" in made.scored()
    assert [line.split("|")[4].strip() for line in made.cost().splitlines()[2:]] == ["63", "63"]
    assert "nobody can know from here" in made.outlook()
    assert len(made.figure().axes) >= len(EFFECTS)
