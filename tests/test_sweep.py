"""Many runs: none is done twice, none is lost."""

import json
import signal
import subprocess
import sys
from dataclasses import replace
from pathlib import Path

import pytest
from toy_study import SMALL, STUDY

from bnnstudy import studies
from bnnstudy.config.run import RunConfig
from bnnstudy.evidence import provenance, records, verdicts
from bnnstudy.evidence.curves import judged
from bnnstudy.experiments import executors, lookup, sweep, tasks
from bnnstudy.experiments.options import RunOptions
from bnnstudy.experiments.study import Arm, Study, Tuned
from bnnstudy.training import loop

SCRIPT = Path(__file__).with_name("toy_study.py")


def options(folder, **changes):
    return RunOptions(**{"results": Path(folder), "workers": 1, "progress": False, **changes})


def contents(folder: Path) -> dict:
    """What decides whether two folders hold the same records: config and result."""
    found = {}
    for file in sorted(folder.rglob("*.json")):
        record = json.loads(file.read_text())
        found[str(file.relative_to(folder))] = {part: record[part] for part in ("config", "result")}
    return found


def recorded(study, folder):
    """The records that judge a study at `quick`."""
    return judged(lookup.curves(study, "quick", folder))


@pytest.fixture(scope="module")
def undisturbed(tmp_path_factory):
    folder = tmp_path_factory.mktemp("undisturbed")
    sweep.run(STUDY, "quick", options=options(folder))
    return folder


def test_a_sweep_records_every_run(undisturbed):
    files = list((undisturbed / "toy" / "quick").glob("*.json"))
    (curve,) = [c for c in lookup.curves(STUDY, "quick", undisturbed)["quick", "digits mlp"].values()
                if c.field]  # fmt: skip
    assert len(files) == 4 + sum(len(runs) for runs in curve.runs.values())
    assert not list(undisturbed.rglob("*.tmp"))


def test_what_is_recorded_is_not_run_again(undisturbed, monkeypatch):
    monkeypatch.setattr(loop, "fit", None)  # any run would fail
    found = sweep.run(STUDY, "quick", options=options(undisturbed))
    assert [(r["arm"], r["config"]["seed"]) for r in found] == [
        (arm, seed) for arm in ("adam", "sgd") for seed in range(4)
    ]


def test_more_seeds_run_only_the_new_ones(undisturbed, monkeypatch):
    ran = []
    fit = loop.fit
    monkeypatch.setattr(loop, "fit", lambda c, d, **k: ran.append(c.seed) or fit(c, d, **k))
    sweep.run(STUDY, "quick", 5, options(undisturbed))
    assert set(ran) == {4}
    for file in (undisturbed / "toy" / "quick").glob("*-s4.json"):
        file.unlink()


def test_workers_change_no_record(undisturbed, tmp_path):
    sweep.run(STUDY, "quick", options=options(tmp_path, workers=2))
    assert contents(tmp_path) == contents(undisturbed)


@pytest.mark.parametrize(("after", "workers"), [(1, "1"), (5, "2"), (12, "2")])
def test_a_sweep_killed_half_way_and_run_again_gives_the_same_records(
    undisturbed, tmp_path, after, workers
):
    command = [sys.executable, str(SCRIPT), str(tmp_path), workers]
    killed = subprocess.run([*command, str(after)], start_new_session=True, check=False)
    assert killed.returncode == -signal.SIGKILL
    assert after <= len(list(tmp_path.rglob("*-s*.json"))) < len(contents(undisturbed))
    sweep.run(STUDY, "quick", options=options(tmp_path))
    assert contents(tmp_path) == contents(undisturbed)


def test_two_sweeps_side_by_side_give_the_same_records(undisturbed, tmp_path):
    command = [sys.executable, str(SCRIPT), str(tmp_path), "1"]
    sweeps_ = [subprocess.Popen(command) for _ in range(2)]
    assert [sweep.wait() for sweep in sweeps_] == [0, 0]
    assert contents(tmp_path) == contents(undisturbed)


def test_quick_records_of_other_code_are_replaced(undisturbed, tmp_path, monkeypatch):
    sweep.run(STUDY, "quick", options=options(tmp_path))
    for name in ("source_fingerprint", "fingerprint_of_files"):
        monkeypatch.setattr(provenance, name, lambda: "another source")
    assert recorded(STUDY, tmp_path) == []
    found = sweep.run(STUDY, "quick", options=options(tmp_path))
    assert {r["provenance"]["source"] for r in found} == {"another source"}


def test_a_sweep_says_when_the_code_that_lies_there_is_not_the_imported_one(tmp_path, monkeypatch):
    monkeypatch.setattr(provenance, "fingerprint_of_files", lambda: "edited since")
    with pytest.raises(ValueError, match="must be those that this process imported, and they changed"):
        sweep.run(STUDY, "quick", options=options(tmp_path))
    assert not list(tmp_path.rglob("*.json"))


def test_a_worker_that_imported_other_code_is_refused(monkeypatch):
    code = provenance.Code.started()
    code.require_here()
    monkeypatch.setattr(provenance, "source_fingerprint", lambda: "edited since")
    with pytest.raises(ValueError, match="must not change while a sweep starts its processes"):
        code.require_here()


def test_a_commit_made_during_a_sweep_is_not_taken_for_what_ran(tmp_path, monkeypatch):
    commits = iter(["first", *["later"] * 100])
    monkeypatch.setattr(provenance, "commit", lambda: next(commits))
    found = sweep.run(STUDY, "quick", options=options(tmp_path, workers=1))
    assert {r["provenance"]["commit"] for r in found} == {"first"}


def test_reused_workers_look_where_the_sweep_looks(tmp_path, monkeypatch):
    for name in ("one", "two"):
        (tmp_path / name).mkdir()
        monkeypatch.chdir(tmp_path / name)
        monkeypatch.setenv("BNNSTUDY_DATA", str(tmp_path / name))
        sweep.run(STUDY, "quick", 1, RunOptions(results=Path("out"), workers=2, progress=False))
        assert list((tmp_path / name / "out").rglob("*.json"))
        assert RunOptions().resolved().data == tmp_path / name


def test_a_finished_run_survives_a_later_failure(tmp_path, monkeypatch):
    def fail_on_two(arm, config, dataset, *, device, checkpoint):
        if config.seed == 2:
            raise ValueError("labels out of range")
        return {"test_accuracy": 0.5}

    monkeypatch.setattr(tasks, "run_arm", fail_on_two)
    arm = Arm(name="a", config=RunConfig())
    study = Study(name="failing", title="", claims=(), arms={"quick": (arm,)}, seeds={"quick": 4})
    with pytest.raises(ValueError, match="labels out of range"):
        sweep.run(study, "quick", options=options(tmp_path))
    assert len(recorded(study, tmp_path)) == 2


def test_a_record_counts_the_seconds_of_all_sittings(tmp_path, monkeypatch):
    def resumed(arm, config, dataset, *, device, checkpoint):
        checkpoint.earlier = 1e6
        return {"test_accuracy": 0.5}

    monkeypatch.setattr(tasks, "run_arm", resumed)
    arm = Arm(name="a", config=RunConfig())
    study = Study(name="long", title="", claims=(), arms={"quick": (arm,)}, seeds={"quick": 1})
    (record,) = sweep.run(study, "quick", options=options(tmp_path))
    assert record["provenance"]["seconds"] >= 1e6


def test_the_bar_says_the_hours_that_are_left(tmp_path, monkeypatch):
    said = []

    class Shown:
        def __init__(self, *_, **options):
            self.total, self.done = options["total"], 0

        def __enter__(self):
            return self

        def __exit__(self, *_):
            assert self.done == self.total

        def set_postfix_str(self, text):
            said.append(text)

        def update(self):
            self.done += 1

    monkeypatch.setattr(executors, "bar", Shown)
    records = sweep.run(STUDY, "quick", 1, RunOptions(results=tmp_path, workers=1))
    assert len(said) >= len(records) > 1
    assert said[-1] == "0 h left"
    assert all(text.endswith(" h left") for text in said)


def test_hours_left_are_those_of_the_arm_or_of_all():
    def record(arm, seconds, dataset="digits"):
        return {"arm": arm, "config": {"dataset": dataset}, "provenance": {"seconds": seconds}}

    def job(arm, dataset="digits"):
        config = RunConfig(dataset=dataset)
        return tasks.Job("toy", Arm(name=arm, config=config), config)

    found = [
        record("slow", 7200.0),
        record("slow", 3600.0),
        record("slow", 3600.0),
        record("fast", 36.0),
    ]
    assert executors.hours_left([job("slow"), job("fast"), job("fast")], found) == pytest.approx(1.02)
    assert executors.hours_left([job("slow")] * 4, found, workers=2) == pytest.approx(2.0)
    # One of another network or name counts as the median of all.
    assert executors.hours_left([job("slow", "mnist"), job("new")], found) == pytest.approx(2.0)
    assert executors.hours_left([job("slow")], []) is None
    assert executors.hours_left([], found) == 0


def test_a_damaged_record_stops_a_sweep_by_name(undisturbed, tmp_path):
    sweep.run(STUDY, "quick", options=options(tmp_path))
    victim = next((tmp_path / "toy" / "quick").glob("*-s2.json"))
    victim.write_text(victim.read_text()[:50])
    with pytest.raises(records.RecordError, match=victim.name):
        sweep.run(STUDY, "quick", options=options(tmp_path))


def test_arms_that_came_to_one_configuration_have_one_run_between_them(tmp_path, monkeypatch):
    """A tuned arm, and one at the rate that its search cannot but choose."""
    config = RunConfig(**SMALL)
    tuned = Tuned(field="lr", grid=(0.02,), max_extensions=0)
    alike = (Arm(name="tuned", config=config, tuned=tuned),
             Arm(name="fixed", config=replace(config, lr=0.02)))  # fmt: skip
    fit, trained = loop.fit, []
    monkeypatch.setattr(loop, "fit", lambda c, *a, **k: trained.append(c) or fit(c, *a, **k))
    study = Study(name="toy", title="", claims=(), arms={"quick": alike}, seeds={"quick": 2})
    found = sweep.run(study, "quick", options=options(tmp_path))
    assert [record["arm"] for record in found] == ["tuned", "tuned", "fixed", "fixed"]
    assert [c.seed for c in trained] == [0, 1]


def test_some_arms_and_some_seeds_add_up_to_the_whole_study(undisturbed, tmp_path):
    parts = ((range(2, 4), ["adam"]), (range(3), []), (range(3, 4), ["digits mlp: s*"]))
    for seeds, arms in parts:
        found = sweep.run(STUDY, "quick", seeds, options(tmp_path), arms)
        assert {r["config"]["seed"] for r in found} <= set(range(seeds.stop))
    assert [r["arm"] for r in sweep.run(STUDY, "quick", 4, options(tmp_path), ["sgd"])] == ["sgd"] * 4
    whole = sweep.run(STUDY, "quick", options=options(tmp_path))
    assert judged_alike(tmp_path) == judged_alike(undisturbed)
    assert len(whole) == 8


def judged_alike(folder):
    return [(r["arm"], r["config"], r["result"]["test_accuracy"]) for r in recorded(STUDY, folder)]


def test_only_what_is_asked_for_is_run_and_what_it_follows(tmp_path, monkeypatch):
    fit, trained = loop.fit, []
    monkeypatch.setattr(loop, "fit", lambda c, *a, **k: trained.append(c) or fit(c, *a, **k))
    adam, sgd = STUDY.arms["quick"]
    after = Arm(name="after", config=replace(sgd.config, width=17), follows="sgd")
    study = replace(STUDY, arms={"quick": (adam, sgd, after)})
    sweep.run(study, "quick", range(2, 4), options(tmp_path), ["sgd"])
    # A grid is for the first seeds, and these are run elsewhere: nothing can be judged yet.
    assert {c.seed for c in trained} == {2}
    trained.clear()
    sweep.run(study, "quick", 4, options(tmp_path), ["aft*"])
    assert {c.width for c in trained} == {16, 17}
    assert not any(c.optimizer == "adam" for c in trained)


def test_a_pattern_that_matches_nothing_is_refused(tmp_path):
    with pytest.raises(ValueError, match=r"arms must match some of study 'toy' \(.*\); got 'adm'"):
        sweep.run(STUDY, "quick", options=options(tmp_path), arms=["sgd", "adm"])
    for seeds in (range(2, 2), range(-1, 3), range(0, 8, 2)):
        with pytest.raises(ValueError, match="seeds must be a range from 0 on"):
            sweep.run(STUDY, "quick", seeds, options(tmp_path))


def test_records_of_other_configurations_are_not_looked_at(tmp_path):
    sweep.run(STUDY, "quick", 2, options(tmp_path))
    arms = tuple(replace(arm, config=replace(arm.config, width=17)) for arm in STUDY.arms["quick"])
    changed = replace(STUDY, arms={"quick": arms})
    assert len(recorded(STUDY, tmp_path)) == 4
    assert recorded(changed, tmp_path) == []


def test_a_renamed_arm_keeps_its_records(tmp_path):
    sweep.run(STUDY, "quick", 2, options(tmp_path))
    arms = tuple(replace(arm, name=f"new {arm.name}") for arm in STUDY.arms["quick"])
    renamed = replace(STUDY, arms={"quick": arms})
    expected = ["new adam", "new adam", "new sgd", "new sgd"]
    assert [r["arm"] for r in recorded(renamed, tmp_path)] == expected
    assert [r["arm"] for r in sweep.run(renamed, "quick", 2, options(tmp_path))] == expected


def test_bad_requests_are_refused_by_name(tmp_path):
    with pytest.raises(ValueError, match="study 'toy' has no preset 'paper'; allowed: quick"):
        sweep.run(STUDY, "paper", options=options(tmp_path))
    for seeds in (0, -1, 1001, 2.5, "3", True, 10**20):
        with pytest.raises(ValueError, match="seeds must be a whole number from 1 to 1000, got"):
            sweep.run(STUDY, "quick", seeds, options(tmp_path))
    for workers in (0, -3, "x", True):
        with pytest.raises(ValueError, match="workers must be a whole number of 1 or more"):
            RunOptions.of(workers=workers)
    file = tmp_path / "file"
    file.touch()
    with pytest.raises(ValueError, match="results must be a folder"):
        sweep.run(STUDY, "quick", options=options(file))
    for data in ("/nowhere", "", 123):
        with pytest.raises(ValueError, match=f"data must be a folder, got {data!r}"):
            RunOptions.of(data=data)
    for results in ("", 123):
        with pytest.raises(ValueError, match=f"results must be a folder, got {results!r}"):
            RunOptions.of(results=results)
    with pytest.raises(ValueError, match="preset must be one of quick, got 'paper'"):
        STUDY.arms["paper"]
    with pytest.raises(ValueError, match="results must be a folder, got '/nowhere'"):
        studies.verdicts("/nowhere")


def test_the_toys_claim_is_decided_from_its_records(undisturbed):
    (verdict,) = verdicts.decide(STUDY.claims[0], lookup.curves(STUDY, "quick", undisturbed))
    assert verdict.n == 4
