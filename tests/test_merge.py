"""Shares of a sweep on several machines, brought together again."""

import json
from dataclasses import replace

import pytest
from test_sweep import contents, options
from toy_study import STUDY

from bnnstudy import __main__ as command_line
from bnnstudy import studies
from bnnstudy.config.run import RunConfig
from bnnstudy.evidence import provenance, records
from bnnstudy.evidence.merge import Merged, merge
from bnnstudy.evidence.records import RecordError
from bnnstudy.experiments import lookup, markers, sweep, tasks
from bnnstudy.experiments.tasks import Job
from bnnstudy.report.status import status


@pytest.fixture(scope="module")
def whole(tmp_path_factory):
    folder = tmp_path_factory.mktemp("whole")
    sweep.run(STUDY, "quick", 4, options(folder))
    return folder


@pytest.fixture(scope="module")
def shards(tmp_path_factory, whole):
    """The first two rounds' shares of three machines, each in a folder of its own."""
    folders = [tmp_path_factory.mktemp(f"shard{k}") for k in range(3)]
    for k, folder in enumerate(folders):
        sweep.run(STUDY, "quick", 4, options(folder, shard=(k + 1, 3)), ["adam"])
    return folders


def test_shards_are_disjoint_and_add_up_to_the_whole(shards, whole, tmp_path):
    adam = {name: r for name, r in contents(whole).items() if r["config"].get("optimizer") is None}
    parts = [contents(folder) for folder in shards]
    assert sum(map(len, parts)) == len(adam) == 4
    assert parts[0] | parts[1] | parts[2] == adam
    assert merge(shards, tmp_path) == Merged(copied=4, there=0, older=0)
    assert contents(tmp_path) == adam
    assert merge([*shards, whole], tmp_path).there == 8


def test_seeds_that_are_stacked_stay_together(tmp_path):
    chosen = [options(tmp_path, stack=2, shard=(k, 2)) for k in (1, 2)]
    for key in ("a", "b", "c", "d"):
        for pair in range(3):
            owners = {
                k for k, one in enumerate(chosen) for _ in (0, 1) if one.in_shard(f"{key} {pair}")
            }
            assert len(owners) == 1


def test_a_record_is_copied_byte_for_byte(shards, tmp_path):
    merge(shards, tmp_path)
    for folder in shards:
        for file in folder.rglob("*.json"):
            assert (tmp_path / file.relative_to(folder)).read_bytes() == file.read_bytes()


def test_what_contradicts_is_refused_by_both_names_and_nothing_is_copied(shards, whole, tmp_path):
    odd = next(file for folder in shards for file in folder.rglob("*.json"))
    record = records.load(odd)
    result = {**record["result"], "test_accuracy": 0.123}
    other = tmp_path / "other" / odd.parent.parent.name / "quick" / odd.name
    config = RunConfig.from_dict(record["config"])
    records.save(records.make("toy", "adam", config, result, record["provenance"]), other)
    with pytest.raises(RecordError, match=r"are of one run, and differ in result: keep one") as error:
        merge([*shards, tmp_path / "other"], tmp_path / "out")
    assert odd.name in str(error.value)
    assert str(other) in str(error.value)
    assert not (tmp_path / "out").exists()
    # And against what is there.
    merge([whole], tmp_path / "out")
    with pytest.raises(RecordError, match="differ in result"):
        merge([tmp_path / "other"], tmp_path / "out")


def test_a_damaged_record_stops_it_before_anything_is_written(shards, tmp_path):
    merge(shards, tmp_path / "one")
    victim = next((tmp_path / "one").rglob("*.json"))
    victim.write_text(victim.read_text()[:-20])
    with pytest.raises(RecordError, match=victim.name):
        merge([tmp_path / "one"], tmp_path / "out")
    assert not (tmp_path / "out").exists()


def test_quick_records_of_other_code_stay_where_they_are(shards, tmp_path, monkeypatch):
    monkeypatch.setattr(provenance, "source_fingerprint", lambda: "another source")
    assert merge(shards, tmp_path) == Merged(copied=0, there=0, older=4)


def test_the_command_says_what_it_did_and_refuses_what_is_no_folder(shards, tmp_path, capsys):
    arguments = ["merge", *map(str, shards), "--results", str(tmp_path)]
    assert command_line.main(arguments) == 0
    assert capsys.readouterr().out == f"4 records copied to {tmp_path}, 0 there already\n"
    assert command_line.main(["merge", str(tmp_path / "none"), "--results", str(tmp_path)]) == 2
    assert "DIR must be a folder of records, got '" in capsys.readouterr().err


def test_status_counts_what_is_there_running_and_missing(shards, whole, tmp_path, monkeypatch, capsys):
    assert status(STUDY, "quick", whole).line().endswith("0 missing")
    empty = status(STUDY, "quick", tmp_path)
    assert (empty.recorded, empty.hours) == (0, None)
    # Four seeds of one arm, three of two rates of the other, whose curve asks for more then.
    assert (empty.missing, empty.open) == (4 + 2 * 3, 1)
    merge(shards, tmp_path)
    some = status(STUDY, "quick", tmp_path)
    assert (some.recorded, some.missing, some.open) == (4, 6, 1)
    assert some.hours > 0
    monkeypatch.setitem(studies.STUDIES, "toy", STUDY)
    assert command_line.main(["status", "toy", "--results", str(tmp_path)]) == 0
    assert "4 recorded    0 running      6 missing, " in capsys.readouterr().out


def test_status_says_who_is_at_a_run_and_since_when(tmp_path):
    adam = STUDY.arms["quick"][0]
    file = tasks.file_of(Job("toy", adam, replace(adam.config, seed=2)), options(tmp_path))
    file.parent.mkdir(parents=True)
    with markers.claimed([file]):
        (run,) = status(STUDY, "quick", tmp_path).running
        owner = markers.Owner.of(markers.beside(file))
    assert (run.arm, run.seed, run.owner) == ("digits mlp: adam", 2, owner)
    assert run.line().startswith(f"digits mlp: adam, seed 2: {owner.name()} since ")
    dead = json.dumps({"host": owner.host, "pid": owner.pid, "born": "1", "since": owner.since})
    markers.beside(file).write_text(dead)
    assert status(STUDY, "quick", tmp_path).running == ()


@pytest.mark.parametrize("text", ["", "{", "[]", "{}", '{"schema": 2, "preset": "quick"}'])
def test_status_names_what_is_no_record(text, shards, tmp_path):
    merge(shards, tmp_path)
    victim = next(tmp_path.rglob("*-s0.json"))
    victim.write_text(text)
    with pytest.raises(RecordError, match=victim.name):
        status(STUDY, "quick", tmp_path)


def test_a_copy_of_a_record_under_another_name_is_refused(shards, tmp_path):
    merge(shards, tmp_path)
    file = next(tmp_path.rglob("*-s0.json"))
    copy = file.with_name(file.name.replace("-s0", "-s0 (1)"))
    copy.write_bytes(file.read_bytes())
    with pytest.raises(RecordError, match="does not bear the name"):
        lookup.curves(STUDY, "quick", tmp_path)
