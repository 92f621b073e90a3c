"""Records: one run is one small JSON file, written at once or not at all.

A record lies at `<results>/<study>/<preset>/<key>-s<seed>.json` and holds `schema`, `study`, `arm`,
`preset`, `config`, `result`, `provenance` and `digest`, the hash of all the others but provenance.
Where what a run does has options (`study.Arm.options`), they are its `options` and in its key. Two
records are the same if their `config`, `options` and `result` are. What a tuning chose lies beside
them, as `<key>-tuned.json`.
"""

import json
import os
from collections.abc import Mapping
from pathlib import Path
from typing import Any, NoReturn, NotRequired, TypedDict, cast

from bnnstudy.config import serialise
from bnnstudy.config.run import RunConfig
from bnnstudy.evidence import files, provenance
from bnnstudy.evidence.provenance import Provenance
from bnnstudy.evidence.results import Result

DEFAULT_RESULTS = provenance.PACKAGE.parent / "book" / "results"
"""`book/results` beside the package: found from the package's own place, not from where one works."""

SCHEMA = 1
_PARTS = ("schema", "study", "arm", "preset", "config", "result")
_OPTIONAL = ("options",)
_CHOICE_PARTS = ("schema", "study", "arm", "preset", "field", "chosen", "at_edge", "trials")
_ORIGIN = ("versions", "device", "seconds", "precision", "commit", "source", "data")


class Record(TypedDict):
    """One run, as its file has it.

    Attributes:
        schema: the version of this form, `SCHEMA`.
        study, arm, preset: whose run it is.
        config: the fields of the configuration that are not at their defaults, and the seed.
        options: what else the run was given, and there only if it was.
        result: what it measured.
        provenance: where it comes from; no part of the digest.
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


class Choice(TypedDict):
    """What the tuning of an arm chose.

    Attributes:
        schema, study, arm, preset, provenance, digest: as in `Record`; there when it is recorded.
        field: the field of the configuration that was tuned.
        chosen: the value that was best.
        at_edge: whether that lies at an end of what was tried.
        trials: by trial its `value`, `seed` and `validation_accuracy`.
        task: data set and network, where `tuning.choices` adds them.
    """

    schema: NotRequired[int]
    study: str
    arm: str
    preset: str
    field: str
    chosen: Any
    at_edge: bool
    trials: list[dict[str, float]]
    provenance: Provenance
    digest: NotRequired[str]
    task: NotRequired[str]


class RecordError(ValueError):
    """A record that cannot be used: cut short, edited, or of another schema. Names the file."""


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
    *,
    trial: bool = False,
) -> Path:
    """The file of one run; runs made for tuning (`trial`) lie one folder deeper."""
    place = folder(results, study, config.preset)
    return (place / "trials" if trial else place) / f"{key(config, options)}-s{config.seed}.json"


def make(
    study: str,
    arm: str,
    config: RunConfig,
    result: Mapping[str, Any],
    provenance: Provenance,
    options: Mapping[str, Any] | None = None,
) -> Record:
    """A record, complete with its digest."""
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
    return cast(Record, {**record, "digest": _digest(record, _PARTS)})


def save(record: Record, file: Path) -> Path:
    """Write a record atomically: at any moment `file` is either absent, the old one or the new one.

    Raises:
        OSError: as `bnnstudy.evidence.files.write_atomically`.
    """
    return files.write_atomically(file, _text(record).encode())


def load(file: Path) -> Record:
    """Read one record.

    Raises:
        RecordError: naming the file, if it is cut short, edited by hand or of another schema.
    """
    record = cast(Record, _read(file, _PARTS, _ORIGIN))
    try:
        config = RunConfig.from_dict(record["config"])
    except (TypeError, ValueError) as error:
        raise RecordError(f"{file} has a configuration that cannot be read: {error}") from error
    name = key(config, record.get("options"))
    if Path(file).name != f"{name}-s{config.seed}.json":
        raise RecordError(f"{file} does not bear the name of its configuration, {name}")
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
    folder, start = path(results, study, config).parent, f"{key(config, options)}-s"
    names = [n for n in _listed(folder) if n.startswith(start) and n.endswith(".json")]
    found = [record for name in names if is_current(record := load(folder / name))]
    return sorted(found, key=lambda record: record["config"]["seed"])


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


def save_choice(choice: Choice, file: Path) -> Path:
    """Write what a tuning chose, with its digest, atomically."""
    complete = {"schema": SCHEMA, **choice}
    complete["digest"] = _digest(complete, _CHOICE_PARTS)
    return files.write_atomically(file, _text(complete).encode())


def load_choice(file: Path) -> Choice:
    """Read what a tuning chose.

    Raises:
        RecordError: as `load`.
    """
    return cast(Choice, _read(file, _CHOICE_PARTS))


def is_current(record: Record | Choice) -> bool:
    """Whether a record may be used with the present code: `quick` ones only if the code is the same."""
    if record["preset"] != "quick":
        return True
    return record["provenance"].get("source") == provenance.source_fingerprint()


def finished(
    results: str | os.PathLike[str],
    study: str,
    config: RunConfig,
    options: Mapping[str, Any] | None = None,
    *,
    trial: bool = False,
) -> Record | None:
    """The record of this very run if there is one to use, else None."""
    file = path(results, study, config, options, trial=trial)
    if not file.exists():
        return None
    record = load(file)
    return record if is_current(record) else None


def _text(record: Mapping[str, Any]) -> str:
    # One part a line: small, and still readable as a difference.
    lines = [
        f"{json.dumps(part)}: {json.dumps(value, allow_nan=False)}" for part, value in record.items()
    ]
    return "{\n" + ",\n".join(lines) + "\n}\n"


def _read(file: Path, parts: tuple[str, ...], needs: tuple[str, ...] = ()) -> dict[str, Any]:
    try:
        record = json.loads(Path(file).read_text(), parse_constant=_refuse_constant)
    except OSError as error:
        raise RecordError(f"{file} cannot be read ({error.strerror})") from error
    except (ValueError, RecursionError) as error:  # not JSON, or not even text
        raise RecordError(f"{file} is no complete record ({error}); delete it to run again") from error
    needed = (*parts, "provenance", "digest")
    missing = [part for part in needed if not isinstance(record, dict) or part not in record]
    if missing:
        raise RecordError(f"{file} lacks {', '.join(missing)}; delete it to run again")
    if not isinstance(record["provenance"], dict):
        raise RecordError(f"{file} has no provenance; delete it to run again")
    lacking = [part for part in needs if part not in record["provenance"]]
    if lacking:
        raise RecordError(
            f"{file} lacks {', '.join(lacking)} in its provenance; delete it to run again"
        )
    if record["schema"] != SCHEMA:
        raise RecordError(f"{file} has schema {record['schema']!r}, this version reads {SCHEMA}")
    if record["digest"] != _digest(record, parts):
        raise RecordError(f"{file} was changed after it was written; delete it to run again")
    return record


def _refuse_constant(name: str) -> NoReturn:
    raise ValueError(f"{name} is no number of JSON")


def _digest(record: Mapping[str, Any], parts: tuple[str, ...]) -> str:
    present = [*parts, *(part for part in _OPTIONAL if part in record)]
    return serialise.digest({part: record[part] for part in present})[:16]
