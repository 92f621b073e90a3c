"""The ledger's history: what each claim's contrast was from which day on, and whether runs were known.

A claim that was made, or whose contrast was changed, after its study had its first records at `desk` is
*post hoc*: these runs may have suggested it. So it is judged by seeds that came later, where there are
some, and else says that it is not. `history.jsonl` has an entry for each contrast that a
claim ever had, in the order of time, and only grows: a test holds that the last one is the ledger's.
"""

import dataclasses
import functools
import json
from collections.abc import Mapping
from dataclasses import dataclass
from pathlib import Path
from typing import Any

from bnnstudy.config import checks
from bnnstudy.config.checks import shown
from bnnstudy.config.serialise import to_jsonable
from bnnstudy.evidence.claims import Claim
from bnnstudy.evidence.verdicts import Known, none_known

FILE = Path(__file__).with_name("history.jsonl")


@dataclass(frozen=True)
class Entry:
    """One contrast that a claim had.

    Attributes:
        claim: its id.
        date: when it was written down, in UTC, as ISO 8601 has it.
        contrast: what it was, as `described` has it; of entries that were superseded, the fields alone
            that they had then.
        known: seeds at `desk` that it could have been read off by then; 0 where it came before them, or
            is about what none of them had measured.
        anew: data sets and networks whose arms were changed since, so that all their runs came later.
        requires: what has to act, as `required` has it; entries that came before these were kept have
            none.
    """

    claim: str
    date: str
    contrast: Mapping[str, Any]
    known: int = 0
    anew: tuple[str, ...] = ()
    requires: tuple[Mapping[str, Any], ...] = ()


def described(claim: Claim) -> dict[str, Any]:
    """A claim's contrast in JSON's types: its kind, and the fields that are not at their defaults."""
    contrast = claim.contrast
    fields = {
        field.name: getattr(contrast, field.name)
        for field in dataclasses.fields(contrast)
        if getattr(contrast, field.name) != field.default
    }
    return {"kind": contrast.kind, **to_jsonable(fields)}


def required(claim: Claim) -> list[dict[str, Any]]:
    """What a claim requires, in JSON's types: the figures, the arms and the bounds."""
    needs = [need.declared() for need in claim.requires]
    return [{name: value for name, value in need.items() if value is not None} for need in needs]


@functools.cache
def entries() -> tuple[Entry, ...]:
    """All entries, the earliest first.

    Raises:
        ValueError: naming the file and the line that is no entry.
    """
    try:
        lines = FILE.read_text(encoding="utf-8").splitlines()
    except UnicodeDecodeError as error:
        raise ValueError(f"{FILE} is no text ({error})") from error
    return tuple(_entry(line, f"{FILE}, line {number}") for number, line in enumerate(lines, start=1))


def _entry(line: str, where: str) -> Entry:
    try:
        fields = json.loads(line)
        if not isinstance(fields, dict):
            raise TypeError("no object")
        anew, requires = fields.get("anew", []), fields.get("requires", [])
        entry = Entry(**{**fields, "anew": tuple(anew), "requires": tuple(requires)})
    except (ValueError, TypeError, RecursionError) as error:
        raise ValueError(f"{where} is no entry of the history ({error})") from error
    for name in ("claim", "date"):
        checks.TEXT.checked(f"{name} in {where}", getattr(entry, name))
    checks.instance(f"contrast in {where}", entry.contrast, dict)
    checks.WHOLE.checked(f"known in {where}", entry.known)
    if not isinstance(anew, list) or not all(isinstance(task, str) for task in anew):
        raise ValueError(f"anew in {where} must be a list of texts, got {shown(anew)}")
    if not isinstance(requires, list) or not all(isinstance(need, dict) for need in requires):
        raise ValueError(f"requires in {where} must be a list of objects, got {shown(requires)}")
    return entry


@functools.cache
def latest() -> dict[str, Entry]:
    """The last entry of each claim."""
    return {entry.claim: entry for entry in entries()}


def is_post_hoc(claim: str) -> bool:
    """Whether a claim's contrast was written down when runs of its study were known."""
    entry = latest().get(claim)
    return bool(entry and entry.known)


def known(claim: str) -> Known:
    """By preset and task, how many of the first seeds were known when a claim was written down."""
    entry = latest().get(claim)
    if entry is None:
        return none_known
    seeds, anew = entry.known, entry.anew
    return lambda preset, task: seeds if preset == "desk" and task not in anew else 0
