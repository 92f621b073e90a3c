import json
import os
import subprocess
from pathlib import Path

import pytest

from bnnstudy import files
from bnnstudy.config.run import RunConfig
from bnnstudy.evidence import provenance, records
from bnnstudy.experiments import executors
from bnnstudy.experiments.options import RunOptions

CONFIG = RunConfig(lr=0.5, seed=3, preset="desk")
RESULT = {"test_accuracy": 0.1 + 0.2, "curves": {"train_loss": [1 / 3, None]}, "diverged": True}


def a_record(config=CONFIG):
    origin = provenance.collect(device="cpu", seconds=1.5, precision="float32", data="abc")
    return records.make("toy", "arm", config, RESULT, origin)


def saved(tmp_path, config=CONFIG):
    file = records.path(tmp_path, "toy", config)
    return records.save(a_record(config), file)


def test_a_record_comes_back_as_it_was(tmp_path):
    file = saved(tmp_path)
    assert file == tmp_path / "toy" / "desk" / f"{CONFIG.key()}-s3.json"
    record = records.load(file)
    assert record["result"] == RESULT
    assert RunConfig.from_dict(record["config"]) == CONFIG
    assert set(record["provenance"]) == {
        "versions", "device", "seconds", "precision", "commit", "source", "data",
    }  # fmt: skip


def test_seeds_of_one_configuration_are_found_in_order(tmp_path):
    for seed in (10, 2, 0):
        saved(tmp_path, RunConfig(lr=0.5, seed=seed, preset="desk"))
    saved(tmp_path, RunConfig(lr=0.6, preset="desk"))
    found = records.load_seeds(tmp_path, "toy", CONFIG)
    assert [record["config"]["seed"] for record in found] == [0, 2, 10]


@pytest.mark.parametrize("keep", [0, 1, 100, -2, -3])
def test_a_record_cut_short_is_refused_by_name(tmp_path, keep):
    file = saved(tmp_path)
    file.write_text(file.read_text()[:keep])
    with pytest.raises(records.RecordError, match=rf"{file.name} .*delete it to run again"):
        records.load(file)


@pytest.mark.parametrize("binary", [b"\xff\xfe\x00", b"[]", b"3", b"[" * 100_000, b'{"schema": NaN}'])
def test_what_is_no_record_at_all_is_refused_by_name(tmp_path, binary):
    file = saved(tmp_path)
    file.write_bytes(binary)
    with pytest.raises(records.RecordError, match=file.name):
        records.load(file)


def _edit(part, change):
    def edit(record):
        record[part] = change(record[part])
        return record

    return edit


@pytest.mark.parametrize(
    "edit",
    [
        _edit("result", lambda r: r | {"test_accuracy": 0.99}),
        _edit("config", lambda c: c | {"lr": 0.7}),
        _edit("arm", lambda a: "another"),
        _edit("schema", lambda s: 3),
        _edit("provenance", lambda p: None),
        _edit("provenance", lambda p: p | {"seconds": 99.0}),
        _edit("provenance", lambda p: p | {"seconds": "abc"}),
        _edit("provenance", lambda p: p | {"device": 3}),
        _edit("provenance", lambda p: p | {"versions": {"torch": 2}}),
        _edit("result", lambda r: [r]),
    ],
)
def test_a_record_edited_by_hand_is_refused_by_name(tmp_path, edit):
    file = saved(tmp_path)
    file.write_text(json.dumps(edit(json.loads(file.read_text()))))
    with pytest.raises(records.RecordError, match=file.name):
        records.load_seeds(tmp_path, "toy", CONFIG)


def test_a_configuration_of_another_version_is_refused_by_file(tmp_path):
    record = a_record()
    for change in ({"speed": 3}, {"width": 0}):
        config = record["config"] | change
        parts = {part: record[part] for part in records._PARTS} | {"config": config}
        newer = record | parts
        newer |= {"digest": records._digest(newer)}
        file = records.save(newer, tmp_path / f"{CONFIG.key()}-s3.json")
        with pytest.raises(records.RecordError, match=rf"{file.name} has a configuration that cannot"):
            records.load(file)


@pytest.mark.parametrize(
    ("result", "says"),
    [
        ({"test_accuracy": "0.9"}, "result.test_accuracy must be from 0 to 1, got '0.9'"),
        ({"last": {"test_accuracy": 90.0}}, "result.last.test_accuracy must be from 0 to 1, got 90.0"),
        (
            {"curves": {"train_loss": [1.0, "a"]}},
            "result.curves.train_loss must be of numbers, got 'a'",
        ),
        ({"parts": {"x": {"diverged": 1}}}, "result.parts.x.diverged must be True or False, got 1"),
        (
            {"flip_ratio": {"steps": [[]]}},
            r"result.flip_ratio.steps must be a whole number .* got \[\]",
        ),
    ],
)
def test_a_result_of_wrong_types_is_refused_by_file_and_path(tmp_path, result, says):
    record = records.make("toy", "arm", CONFIG, result, a_record()["provenance"])
    file = records.save(record, records.path(tmp_path, "toy", CONFIG))
    with pytest.raises(records.RecordError, match=rf"{file.name} has a result .*{says}"):
        records.load(file)


def test_a_folder_in_a_records_place_is_refused_by_name(tmp_path):
    file = records.path(tmp_path, "toy", CONFIG)
    file.mkdir(parents=True)
    with pytest.raises(records.RecordError, match=rf"{file.name} cannot be read"):
        records.load(file)


def test_what_may_not_be_read_is_not_called_damaged_nor_passed_over(tmp_path, monkeypatch):
    def refused(*arguments):
        raise PermissionError(13, "Permission denied")

    file = saved(tmp_path)
    with monkeypatch.context() as patch:
        patch.setattr("pathlib.Path.read_text", refused)
        with pytest.raises(records.RecordError, match=r"cannot be read \(Permission denied\)$"):
            records.load(file)
    monkeypatch.setattr(os, "listdir", refused)
    with pytest.raises(records.RecordError, match=r"desk cannot be read \(Permission denied\)"):
        records.load_seeds(tmp_path, "toy", CONFIG)


def test_a_record_without_its_origin_is_refused(tmp_path):
    record = a_record()
    file = records.path(tmp_path, "toy", CONFIG)
    del record["provenance"]["versions"]
    records.save(record, file)
    with pytest.raises(records.RecordError, match=r"lacks provenance\.versions"):
        records.load(file)


def test_a_record_under_another_name_is_refused(tmp_path):
    file = saved(tmp_path)
    other = file.with_name(f"{CONFIG.key()}-s4.json")
    file.rename(other)
    with pytest.raises(records.RecordError, match="does not bear the name"):
        records.load(other)


def test_a_failed_write_leaves_the_old_record_and_no_litter(tmp_path, monkeypatch):
    file = saved(tmp_path)
    before = file.read_text()

    def fail(*arguments):
        raise OSError("disk full")

    monkeypatch.setattr(os, "fsync", fail)
    with pytest.raises(OSError, match="disk full"):
        records.save(a_record() | {"arm": "new"}, file)
    assert file.read_text() == before
    assert [f.name for f in file.parent.iterdir()] == [file.name]


def test_a_number_that_is_not_finite_is_never_written(tmp_path):
    with pytest.raises(ValueError, match="not JSON compliant"):
        records.make("toy", "arm", CONFIG, {"loss": float("nan")}, {})


def test_quick_records_are_current_only_with_the_same_source(tmp_path, monkeypatch):
    quick = RunConfig(seed=1)
    saved(tmp_path, quick)
    saved(tmp_path, CONFIG)
    assert records.finished(tmp_path, "toy", quick)
    monkeypatch.setattr(provenance, "source_fingerprint", lambda: "another source")
    assert records.finished(tmp_path, "toy", quick) is None
    assert records.load_seeds(tmp_path, "toy", quick) == []
    assert records.finished(tmp_path, "toy", CONFIG)


def test_the_source_fingerprint_follows_every_file_of_the_package(tmp_path, monkeypatch):
    package = tmp_path / "package"
    (package / "deep").mkdir(parents=True)
    (package / "a.py").write_text("a = 1\n")
    (package / "deep" / "b.py").write_text("b = 1\n")
    monkeypatch.setattr(provenance, "PACKAGE", package)

    fingerprint = provenance.fingerprint_of_files
    first = fingerprint()
    (package / "deep" / "b.py").write_text("b = 2\n")
    second = fingerprint()
    (package / "deep" / "b.py").rename(package / "deep" / "c.py")
    third = fingerprint()
    assert len({first, second, third}) == 3


def test_the_commit_comes_from_git_else_the_environment_else_nowhere(tmp_path, monkeypatch):
    monkeypatch.setattr(provenance, "PACKAGE", tmp_path / "bnnstudy")
    monkeypatch.setenv("GIT_CEILING_DIRECTORIES", str(tmp_path.parent))
    monkeypatch.setenv("BNNSTUDY_COMMIT", "abc123")
    provenance.commit.cache_clear()
    assert provenance.commit() == "abc123"
    monkeypatch.delenv("BNNSTUDY_COMMIT")
    provenance.commit.cache_clear()
    assert provenance.commit() is None
    provenance.commit.cache_clear()


def test_an_environment_inside_another_repository_has_not_its_commit(tmp_path, monkeypatch):
    subprocess.run(["git", "init", "-q", str(tmp_path)], check=True)
    who = ["-c", "user.name=a", "-c", "user.email=a@b.c"]
    subprocess.run(
        ["git", "-C", str(tmp_path), *who, "commit", "-qm", "x", "--allow-empty"], check=True
    )
    package = tmp_path / "env" / "bnnstudy"
    package.mkdir(parents=True)
    (package / "__init__.py").touch()
    monkeypatch.setattr(provenance, "PACKAGE", package)
    monkeypatch.setenv("BNNSTUDY_COMMIT", "abc123")
    provenance.commit.cache_clear()
    assert provenance.commit() == "abc123"
    provenance.commit.cache_clear()


def test_the_default_folder_is_the_projects_own_wherever_one_works(tmp_path, monkeypatch):
    monkeypatch.delenv(records.VARIABLE, raising=False)
    monkeypatch.chdir(tmp_path)
    found = records.default_results()
    assert found.parts[-2:] == ("book", "results")
    assert (found.parent.parent / "bnnstudy").is_dir()


def test_installed_elsewhere_it_is_where_one_works_and_a_variable_names_another(tmp_path, monkeypatch):
    monkeypatch.delenv(records.VARIABLE, raising=False)
    monkeypatch.setattr(provenance, "PACKAGE", tmp_path / "site-packages" / "bnnstudy")
    assert records.default_results() == Path("bnnstudy-results")
    monkeypatch.setenv(records.VARIABLE, str(tmp_path / "mine"))
    assert records.default_results() == tmp_path / "mine" == RunOptions.of().results
    monkeypatch.setenv(records.VARIABLE, "")
    with pytest.raises(ValueError, match="BNNSTUDY_RESULTS must name a folder, got ''"):
        records.default_results()


def test_records_of_schema_1_are_read_and_their_data_bears_todays_name(tmp_path):
    record = a_record()
    record["provenance"]["data"] = old = next(iter(records.CARRIED))
    older = record | {"schema": 1}
    older["digest"] = records._digest(older)
    file = records.save(older, records.path(tmp_path, "toy", CONFIG))
    assert records.load(file)["provenance"]["data"] == records.CARRIED[old]
    # Its digest leaves provenance out.
    file.write_text(file.read_text().replace('"seconds": 1.5', '"seconds": 2.5'))
    assert records.load(file)["provenance"]["seconds"] == 2.5


KEPT = Path(__file__).parent / "records"
"""A record of each schema that was ever written, as it was written then."""


@pytest.mark.parametrize("schema", range(1, records.SCHEMA + 1))
def test_a_record_of_every_schema_that_was_ever_written_is_read(tmp_path, schema):
    text = (KEPT / f"schema-{schema}.json").read_text()
    written = json.loads(text)
    assert written["schema"] == schema
    config = RunConfig.from_dict(written["config"])
    file = records.path(tmp_path, written["study"], config)
    file.parent.mkdir(parents=True)
    file.write_text(text)
    read = records.finished(tmp_path, written["study"], config)
    assert {**read, "provenance": None} == {**written, "provenance": None}
    assert read["provenance"].keys() == written["provenance"].keys()
    file.write_text(text.replace('"diverged": false', '"diverged": true'))
    with pytest.raises(records.RecordError, match="was changed after it was written"):
        records.load(file)


@pytest.mark.parametrize("number", ["1e999", "-1e999", "NaN", "[" * 990 + "]" * 990])
def test_what_no_float_holds_and_what_is_nested_too_deep_is_refused_by_name(tmp_path, number):
    file = saved(tmp_path)
    file.write_text(file.read_text().replace("0.30000000000000004", number))
    with pytest.raises(records.RecordError, match=file.name):
        records.load(file)


def test_options_name_a_run_and_those_without_keep_their_name(tmp_path):
    origin = provenance.collect(device="cpu", seconds=1.0, precision="float32", data="0")
    plain = records.make("toy", "arm", CONFIG, RESULT, origin)
    assert "options" not in plain
    assert records.key(CONFIG) == records.key(CONFIG, {}) == CONFIG.key()
    names = {records.key(CONFIG, {"patience": p}) for p in (1, 2)} | {CONFIG.key()}
    assert len(names) == 3
    options = {"changes": {"lr": 0.5}, "names": ("a", "b")}
    file = records.path(tmp_path, "toy", CONFIG, options)
    records.save(records.make("toy", "arm", CONFIG, RESULT, origin, options), file)
    assert records.load(file)["options"] == {"changes": {"lr": 0.5}, "names": ["a", "b"]}
    assert records.finished(tmp_path, "toy", CONFIG, options)
    assert not records.finished(tmp_path, "toy", CONFIG)
    assert len(records.load_seeds(tmp_path, "toy", CONFIG, options)) == 1
    text = file.read_text()
    file.write_text(text.replace('"lr": 0.5', '"lr": 0.25', 1))
    with pytest.raises(records.RecordError, match="was changed after it was written"):
        records.load(file)


def test_parts_become_records_of_their_own():
    record = {
        "arm": "a",
        "preset": "quick",
        "config": {"seed": 1},
        "result": {"parts": {"x": {"y": 1}}},
    }
    assert records.parts(record) == [{**record, "arm": "a, x", "result": {"y": 1}}]
    assert records.parts({**record, "result": {}}) == []


def test_a_record_in_another_studys_folder_is_refused(tmp_path):
    file = saved(tmp_path)
    (tmp_path / "other" / "desk").mkdir(parents=True)
    moved = file.rename(tmp_path / "other" / "desk" / file.name)
    refused = rf"{moved.name} is of study 'toy', its folder of 'other'"
    with pytest.raises(records.RecordError, match=refused):
        records.finished(tmp_path, "other", CONFIG)
    with pytest.raises(records.RecordError, match="its folder of 'other'"):
        records.load_seeds(tmp_path, "other", CONFIG)


def test_a_new_file_has_the_permissions_that_the_umask_leaves(tmp_path):
    before = os.umask(0o027)
    try:
        file = saved(tmp_path)
    finally:
        os.umask(before)
    assert file.stat().st_mode & 0o777 == 0o640


@pytest.fixture
def synced(monkeypatch):
    """What is synced, by its path, in its order."""
    found, fsync = [], os.fsync

    def watch(handle):
        found.append(Path(os.readlink(f"/proc/self/fd/{handle}")))
        fsync(handle)

    monkeypatch.setattr(os, "fsync", watch)
    return found


def test_a_record_is_on_the_disk_with_its_folders(tmp_path, synced):
    folder = saved(tmp_path).parent
    # Each folder that is made is a name in the one above it; then the file, and its own name.
    made = [tmp_path, folder.parent]
    assert [path for path in synced if path.is_dir()] == [*made, folder]
    assert len(synced) == 4
    assert synced.index(folder) == 3
    synced.clear()
    saved(tmp_path)
    assert synced[1:] == [folder]


@pytest.mark.parametrize("make", [files.make_folder, executors._require_writable])
def test_folders_that_are_made_are_names_on_the_disk(make, tmp_path, synced):
    make(tmp_path / "a" / "b" / "c")
    assert synced == [tmp_path, tmp_path / "a", tmp_path / "a" / "b"]
    synced.clear()
    make(tmp_path / "a" / "b" / "c")
    assert synced == []


def test_a_folder_that_cannot_be_synced_takes_its_files_all_the_same(tmp_path, monkeypatch):
    opened = os.open

    def refuse(path, flags, *rest, **more):
        if Path(path).is_dir():
            raise PermissionError(13, "not yours to read")
        return opened(path, flags, *rest, **more)

    monkeypatch.setattr(os, "open", refuse)
    assert saved(tmp_path).exists()
