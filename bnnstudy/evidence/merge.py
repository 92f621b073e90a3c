"""Records of several folders brought together, as machines without a shared disk leave them."""

import os
from collections.abc import Iterable
from dataclasses import dataclass
from pathlib import Path

from bnnstudy import files
from bnnstudy.config import checks
from bnnstudy.config.checks import shown
from bnnstudy.evidence import records
from bnnstudy.evidence.records import Record, RecordError


@dataclass(frozen=True)
class Merged:
    """What became of the records of the folders: copied, there already, of older code (`quick`)."""

    copied: int
    there: int
    older: int


def merge(sources: Iterable[str | os.PathLike[str]], results: str | os.PathLike[str]) -> Merged:
    """Copies the records of all sources into `results`, byte for byte; returns how many.

    All are read and compared before the first is written. Two records of one run agree if their
    configuration, options and result do; then the one that is there stays. Records of `quick` count for
    the present code alone: others are left where they are.

        >>> from tempfile import TemporaryDirectory
        >>> with TemporaryDirectory() as one, TemporaryDirectory() as other:
        ...     merge([one], other)
        Merged(copied=0, there=0, older=0)

    Raises:
        ValueError: if a source is no folder.
        RecordError: if a record cannot be used, or two contradict each other; it names the files.
    """
    found: dict[Path, tuple[Path, Record]] = {}
    there = older = 0
    checks.path("results", results)
    for source in checks.iterator("sources", sources, "folders of records"):
        if not isinstance(source, str | os.PathLike) or not checks.is_folder(source):
            given = str(source) if isinstance(source, Path) else source
            raise ValueError(f"DIR must be a folder of records, got {shown(given)}")
        for file in sorted(Path(source).glob("*/*/*-s*.json")):
            own = Path(results, file.relative_to(source))
            record = records.load_of(file.parts[-3], file)
            if not records.is_current(record):
                older += 1
                continue
            earlier = found.get(own)
            if not earlier and own.exists():
                before = records.load_of(file.parts[-3], own)
                earlier = (own, before) if records.is_current(before) else None
            if earlier:
                _require_same(*earlier, file, record)
                there += 1
            else:
                found[own] = (file, record)
    for own, (file, _) in found.items():
        files.write_atomically(own, file.read_bytes())
    return Merged(len(found), there, older)


def _require_same(one: Path, first: Record, other: Path, second: Record) -> None:
    for part in ("config", "options", "result"):
        if first.get(part) != second.get(part):
            raise RecordError(f"{one} and {other} are of one run, and differ in {part}: keep one")
