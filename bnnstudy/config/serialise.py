"""Values in JSON's own types, and their digest: what records and names of files are made of."""

import dataclasses
import hashlib
import json
from collections.abc import Mapping
from typing import Any


def digest(value: object) -> str:
    """sha256, in hex, of a value as JSON with sorted keys and no spaces."""
    text = json.dumps(value, sort_keys=True, separators=(",", ":"), allow_nan=False)
    return hashlib.sha256(text.encode()).hexdigest()


def to_jsonable(value: object) -> Any:
    """A value in JSON's own types: dataclasses become dicts, tuples lists."""
    if dataclasses.is_dataclass(value):
        return {f.name: to_jsonable(getattr(value, f.name)) for f in dataclasses.fields(value)}
    if isinstance(value, Mapping):
        return {name: to_jsonable(item) for name, item in value.items()}
    if isinstance(value, list | tuple):
        return [to_jsonable(item) for item in value]
    return value


def significant(value: float, digits: int = 4) -> float:
    """A number rounded to so many significant digits, as records keep what needs no more."""
    return float(f"{value:.{digits}g}")
