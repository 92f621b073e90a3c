"""Records: one run is one small JSON file, written at once or not at all.

A record lies at `<results>/<study>/<preset>/<key>-s<seed>.json` and holds `schema`, `study`, `arm`,
`preset`, `config`, `result`, `provenance` and `digest`, the hash of all the others. Where what a run
does has options (`study.Arm.options`), they are its `options` and in its key. Two records are the same
if their `config`, `options` and `result` are. Records of schema 1, whose digest leaves provenance out,
are read as well.
"""

import json
import math
import os
from collections.abc import Iterable, Mapping
from pathlib import Path
from typing import Any, NoReturn, NotRequired, TypedDict, cast

from bnnstudy import files
from bnnstudy.config import serialise
from bnnstudy.config.checks import shown
from bnnstudy.config.run import RunConfig
from bnnstudy.evidence import provenance
from bnnstudy.evidence.provenance import Provenance
from bnnstudy.evidence.results import Result, require_types

VARIABLE = "BNNSTUDY_RESULTS"
"""The environment variable that names the folder of records."""

SCHEMA = 2
_PARTS = ("schema", "study", "arm", "preset", "config", "result")
_DIGESTED = {1: _PARTS, 2: (*_PARTS, "provenance")}
"""By schema the parts that the digest is of; `options` too, where there are some."""

CARRIED = {
    "2d7c94c01932ffc1": "1cf1f67f93a81ea0",  # digits
    "152e1f0d077b104c": "7a9a4e57533a9a9f",  # mnist
    "da27fb252ebe3f52": "b30a26ee7fcb9a71",  # cifar10
    "ef178a1d2632432d": "78134d7452e1ea4f",  # fsdd
}
"""Fingerprints of data by which records of schema 1 name what today bears another: the same data."""

_TYPES: dict[str, tuple[type, ...]] = {
    "study": (str,), "arm": (str,), "preset": (str,), "config": (dict,), "options": (dict,),
    "result": (dict,), "provenance": (dict,), "digest": (str,),
}  # fmt: skip
_ORIGIN: dict[str, tuple[type, ...]] = {
    "versions": (dict,), "device": (str,), "seconds": (int, float), "precision": (str,),
    "commit": (str, type(None)), "source": (str,), "data": (str,), "compiled": (bool,),
    "stack": (int,), "processes": (int,),
}  # fmt: skip
_MAY_LACK = ("options", "compiled", "stack", "processes")


class Record(TypedDict):
    """One run, as its file has it.

        >>> from tempfile import TemporaryDirectory
        >>> origin = provenance.collect(device="cpu", seconds=1.5, precision="float32", data="digits")
        >>> record = make("example", "adam", RunConfig(lr=0.01), {"test_accuracy": 0.9}, origin)
        >>> with TemporaryDirectory() as folder:
        ...     file = save(record, path(folder, "example", RunConfig(lr=0.01)))
        ...     load(file) == record, record["config"]
        (True, {'lr': 0.01, 'seed': 0})

    Attributes:
        schema: the version of this form, `SCHEMA`.
        study, arm, preset: whose run it is.
        config: the fields of the configuration that are not at their defaults, and the seed.
        options: what else the run was given, and there only if it was.
        result: what it measured.
        provenance: where it comes from.
        digest: hash of all the others.
    """

    schema: int
    study: str
    arm: str
    preset: str
    config: dict[str, Any]
    options: NotRequired[dict[str, Any]]
    result: Result
    provenance: Provenance
    digest: str


class RecordError(ValueError):
    """A record that cannot be used: cut short, edited, or of another schema. Names the file.

    >>> load(Path("no such record.json"))
    Traceback (most recent call last):
    bnnstudy.evidence.records.RecordError: no such record.json cannot be read (...)
    """


def in_checkout() -> bool:
    """Whether the package lies in its repository, beside the book, and is not installed elsewhere."""
    root = provenance.PACKAGE.parent
    return (root / "pyproject.toml").is_file() and (root / "book").is_dir()


def default_results() -> Path:
    """Where records are if no folder is named.

    The folder that `BNNSTUDY_RESULTS` names; else, in a checkout, `book/results`, from wherever one
    works; else `bnnstudy-results` in the working folder.

    Raises:
        ValueError: if the variable is set and empty.
    """
    if (named := os.environ.get(VARIABLE)) is not None:
        if not named:
            raise ValueError(f"{VARIABLE} must name a folder, got ''")
        return Path(named)
    if in_checkout():
        return provenance.PACKAGE.parent / "book" / "results"
    return Path("bnnstudy-results")


def folder(results: str | os.PathLike[str], study: str, preset: str) -> Path:
    """Where the records of a study at a preset lie."""
    return Path(results) / study / preset


def key(config: RunConfig, options: Mapping[str, Any] | None = None) -> str:
    """Twelve hex digits that name a configuration and what its runs do; without options its own key."""
    if not options:
        return config.key()
    return serialise.digest({"config": config.key(), "options": serialise.to_jsonable(dict(options))})[
        :12
    ]


def path(
    results: str | os.PathLike[str],
    study: str,
    config: RunConfig,
    options: Mapping[str, Any] | None = None,
) -> Path:
    """The file of one run."""
    return folder(results, study, config.preset) / f"{key(config, options)}-s{config.seed}.json"


def make(
    study: str,
    arm: str,
    config: RunConfig,
    result: Mapping[str, Any],
    provenance: Provenance,
    options: Mapping[str, Any] | None = None,
) -> Record:
    """A record, complete with its digest.

    Raises:
        ValueError: if the result has what JSON has not, such as a number that is not finite.
    """
    record: dict[str, Any] = {
        "schema": SCHEMA,
        "study": study,
        "arm": arm,
        "preset": config.preset,
        "config": config.to_dict(),
        **({"options": serialise.to_jsonable(dict(options))} if options else {}),
        "result": result,
        "provenance": provenance,
    }
    try:
        digest = _digest(record)
    except (TypeError, ValueError, RecursionError) as error:
        raise ValueError(
            f"result of {study} {arm!r} must be of values that JSON has: {error}"
        ) from error
    return cast(Record, {**record, "digest": digest})


def save(record: Record, file: Path) -> Path:
    """Write a record atomically: at any moment `file` is either absent, the old one or the new one.

    Raises:
        OSError: as `bnnstudy.files.write_atomically`.
    """
    return files.write_atomically(file, _text(record).encode())


def load(file: Path) -> Record:
    """Read one record.

    Raises:
        RecordError: naming the file, if it is cut short, edited by hand or of another schema.
    """
    record = cast(Record, _read(file))
    try:
        config = RunConfig.from_dict(record["config"])
    except (TypeError, ValueError) as error:
        raise RecordError(f"{file} has a configuration that cannot be read: {error}") from error
    try:
        require_types(record["result"])
    except (ValueError, RecursionError) as error:
        raise RecordError(f"{file} has a result that cannot be read: {error}") from error
    name = key(config, record.get("options"))
    if Path(file).name != f"{name}-s{config.seed}.json":
        raise RecordError(f"{file} does not bear the name of its configuration, {name}")
    data = record["provenance"]["data"]
    record["provenance"]["data"] = CARRIED.get(data, data)
    return record


def load_seeds(
    results: str | os.PathLike[str],
    study: str,
    config: RunConfig,
    options: Mapping[str, Any] | None = None,
) -> list[Record]:
    """The usable records of one configuration, whatever its seed, by seed.

    Raises:
        RecordError: naming the first file that cannot be used.
    """
    files = files_by_key(folder(results, study, config.preset)).get(key(config, options), [])
    return load_files(study, files)


def load_files(study: str, files: Iterable[Path], *, checked: bool = True) -> list[Record]:
    """The usable records of some files of a study's folder, by seed.

    Args:
        checked: whether each is checked as `load` does. Else they are read alone, several times as
            fast: enough to count them, not to judge by them.

    Raises:
        RecordError: naming the first file that cannot be used.
    """
    read = load_of if checked else _glance
    found = [record for file in files if is_current(record := read(study, file))]
    return sorted(found, key=lambda record: record["config"]["seed"])


def files_by_key(folder: Path) -> dict[str, list[Path]]:
    """The files of records in a folder, by what names their configuration and what its runs do.

    Raises:
        RecordError: naming the folder, if it cannot be read.
    """
    found: dict[str, list[Path]] = {}
    for name in _listed(folder):
        key, of, _ = name.partition("-s")
        if of and name.endswith(".json"):
            found.setdefault(key, []).append(folder / name)
    return found


def _glance(study: str, file: Path) -> Record:
    """A record as it is in its file: all its parts are there, and that is all that is known."""
    try:
        record = json.loads(file.read_text())
    except (OSError, ValueError, RecursionError) as error:
        raise RecordError(f"{file} is no complete record of {study} ({error})") from error
    _require_parts(file, record)
    return cast(Record, record)


def _listed(folder: Path) -> list[str]:
    try:
        return os.listdir(folder)
    except (FileNotFoundError, NotADirectoryError):
        return []
    except OSError as error:
        raise RecordError(f"{folder} cannot be read ({error.strerror})") from error


def parts(record: Mapping[str, Any]) -> list[Record]:
    """What a run measured in several ways, each as a record of its own, its arm called "arm, part".

    A part is a result under the name `parts` in the run's result; most runs have none.
    """
    return [
        {**cast(Record, record), "arm": f"{record['arm']}, {name}", "result": result}
        for name, result in record["result"].get("parts", {}).items()
    ]


def is_current(record: Record) -> bool:
    """Whether a record may be used with the present code: `quick` ones only if the code is the same."""
    if record["preset"] != "quick":
        return True
    return record["provenance"].get("source") == provenance.source_fingerprint()


def finished(
    results: str | os.PathLike[str],
    study: str,
    config: RunConfig,
    options: Mapping[str, Any] | None = None,
) -> Record | None:
    """The record of this very run if there is one to use, else None."""
    file = path(results, study, config, options)
    if not file.exists():
        return None
    record = load_of(study, file)
    return record if is_current(record) else None


def load_of(study: str, file: Path) -> Record:
    """`load`, of a record that is its folder's own: of this study, and of the preset so called.

    Raises:
        RecordError: as `load`, and where it lies in a folder of another study or preset.
    """
    record = load(file)
    for part, own in (("study", study), ("preset", file.parent.name)):
        found: str = record[part]  # type: ignore[literal-required]
        if found != own:
            raise RecordError(f"{file} is of {part} {shown(found)}, its folder of {own!r}: move it")
    return record


def _text(record: Mapping[str, Any]) -> str:
    # One part a line: small, and still readable as a difference.
    lines = [
        f"{json.dumps(part)}: {json.dumps(value, allow_nan=False)}" for part, value in record.items()
    ]
    return "{\n" + ",\n".join(lines) + "\n}\n"


def _read(file: Path) -> dict[str, Any]:
    try:
        text = Path(file).read_text()
        record = json.loads(text, parse_constant=_refuse_constant, parse_float=_finite)
    except OSError as error:
        raise RecordError(f"{file} cannot be read ({error.strerror})") from error
    except (ValueError, RecursionError) as error:  # not JSON, or not even text
        raise RecordError(f"{file} is no complete record ({error}); delete it to run again") from error
    _require_parts(file, record)
    try:
        whole = record["digest"] == _digest(record)
    except RecursionError as error:
        raise RecordError(f"{file} is nested too deep; delete it to run again") from error
    if not whole:
        raise RecordError(f"{file} was changed after it was written; delete it to run again")
    return record


def _require_parts(file: Path, record: Any) -> None:
    """That a record has all its parts, of the types that they should be."""
    needed = (*_PARTS, "provenance", "digest")
    missing = [part for part in needed if not isinstance(record, dict) or part not in record]
    if missing:
        raise RecordError(f"{file} lacks {', '.join(missing)}; delete it to run again")
    if type(record["schema"]) is not int or record["schema"] not in _DIGESTED:
        readable = " and ".join(map(str, _DIGESTED))
        raise RecordError(f"{file} has schema {shown(record['schema'])}, this version reads {readable}")
    _require_types(file, "", record, _TYPES)
    _require_types(file, "provenance.", record["provenance"], _ORIGIN)
    versions = record["provenance"]["versions"]
    if not all(isinstance(version, str | None) for version in versions.values()):
        raise RecordError(f"{file}: provenance.versions must be texts, got {shown(versions)}")


def _require_types(
    file: Path, where: str, values: Mapping[str, Any], types: Mapping[str, tuple[type, ...]]
) -> None:
    lacking = [where + name for name in types if name not in values and name not in _MAY_LACK]
    if lacking:
        raise RecordError(f"{file} lacks {', '.join(lacking)}; delete it to run again")
    for name, allowed in types.items():
        # A bool is an int to Python, and no number of seconds.
        if name in values and type(values[name]) not in allowed:
            names = " or ".join("null" if kind is type(None) else kind.__name__ for kind in allowed)
            raise RecordError(
                f"{file}: {where}{name} must be of type {names}, got {shown(values[name])}"
            )


def _finite(text: str) -> float:
    value = float(text)
    if not math.isfinite(value):
        raise ValueError(f"{text} is no number that a float can hold")
    return value


def _refuse_constant(name: str) -> NoReturn:
    raise ValueError(f"{name} is no number of JSON")


def _digest(record: Mapping[str, Any]) -> str:
    parts = [*_DIGESTED[record["schema"]], *(["options"] if "options" in record else [])]
    return serialise.digest({part: record[part] for part in parts})[:16]
