"""The frame of an explorable: one HTML element with its style, data and program, and a fixed picture.

`NAME.html`, `NAME.css` and `NAME.js` are an explorable's own, `frame.*` is what all share. The program
needs no kernel and no network. Where none runs the picture stands; else it makes way. Each output has
all it needs and nothing global, so that many on one page, or one twice, do not meet. (Style is global:
rules of the frame begin with `.explorable`, an explorable's own with `.explorable.explore-NAME`, which
is stronger wherever it stands.)
"""

import base64
import html
import io
import json
import re
from collections.abc import Mapping, Sequence
from dataclasses import dataclass, field
from pathlib import Path
from typing import Any

import numpy as np
from matplotlib.figure import Figure
from numpy.typing import ArrayLike

from bnnstudy.config import checks
from bnnstudy.config.checks import shown
from bnnstudy.report.plotting import COLOURS

FOLDER = Path(__file__).parent

LINES = {"blue": (0, 5), "orange": (1, 4), "green": (2, 2), "pink": (3, 3)}
"""Colours of lines by name, as places in the palette: on a light page, and on a dark one, where the
darker blue and red are hard to see."""


@dataclass(frozen=True)
class Explorable:
    """What the functions of this room return: a notebook shows it when it is the value of a cell.

    Attributes:
        name: whose files it is made of.
        values: where its sliders stand at first, by name.
        data: what its program gets besides.
        picture: shown where no program runs, a PNG.
        says: the picture in words.
        shares: further programs that it has in common with others.

    Raises:
        ValueError: naming the field, its value and what is allowed.
    """

    name: str
    values: Mapping[str, float]
    data: Mapping[str, Any] = field(repr=False)
    picture: bytes = field(repr=False)
    says: str = field(repr=False)
    shares: Sequence[str] = field(default=(), repr=False)

    def __post_init__(self) -> None:
        checks.one_of("name", self.name, _files("html"))
        for name in ("values", "data"):
            checks.instance(name, getattr(self, name), Mapping)
            try:
                json.dumps(getattr(self, name), allow_nan=False)
            except (TypeError, ValueError, RecursionError) as error:
                raise ValueError(
                    f"{name} must be in JSON's types, got {shown(getattr(self, name))}"
                ) from error
        checks.instance("picture", self.picture, bytes)
        checks.settle(self, {"says": checks.NAME})
        for name in checks.each("shares", self.shares, str):
            checks.one_of("a value of shares", name, _files("js"))

    def _repr_html_(self) -> str:
        data = json.dumps({**self.data, "values": self.values}, allow_nan=False)
        parts = {
            "name": self.name,
            "colours": _colours(),
            "style": _read("frame.css") + _read(f"{self.name}.css"),
            "says": html.escape(self.says),
            "picture": base64.b64encode(self.picture).decode(),
            "markup": _read(f"{self.name}.html"),
            # Inside a script element `</` would end it; as an escape JSON reads it back unchanged.
            "data": data.replace("</", "<\\/"),
            "script": "".join(_read(f"{name}.js") for name in ("frame", *self.shares, self.name)),
        }
        return re.sub(r"{{(\w+)}}", lambda found: parts[found[1]], _read("frame.html"))


def _files(kind: str) -> list[str]:
    return sorted(file.stem for file in FOLDER.glob(f"*.{kind}"))


def png(figure: Figure) -> bytes:
    """A figure as the fixed picture that it is."""
    file = io.BytesIO()
    figure.savefig(file, format="png", dpi=110, metadata={"Software": None})
    return file.getvalue()


def finite(name: str, values: ArrayLike, axes: int = 1) -> np.ndarray:
    """`values` as an array of finite numbers with so many axes, one number or more.

    Raises:
        ValueError: naming the argument, its value and what is allowed.
    """
    kind = {1: "a flat list", 2: "a table"}[axes]
    allowed = f"{name} must be {kind} of one or more finite numbers"
    try:
        found = np.asarray(values, dtype=float)
    except (TypeError, ValueError, OverflowError, RecursionError) as error:
        raise ValueError(f"{allowed}, got {shown(values):.60}") from error
    if found.ndim != axes or not found.size:
        raise ValueError(f"{allowed}, got the shape {found.shape}")
    if (wrong := np.argwhere(~np.isfinite(found))).size:
        at = ", ".join(map(str, wrong[0]))
        raise ValueError(f"{allowed}, got {found[tuple(wrong[0])]} at index {at}")
    return found


def _read(name: str) -> str:
    return (FOLDER / name).read_text(encoding="utf-8")


def _colours() -> str:
    """The palette as properties of CSS."""
    places = [(f"--{of}-{theme}", at) for of, both in LINES.items()
              for theme, at in zip(("light", "dark"), both, strict=True)]  # fmt: skip
    return "; ".join(f"{name}: {COLOURS[at]}" for name, at in places)
