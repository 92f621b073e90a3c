"""Wrong inputs made of right ones: bytes, values of JSON, and arguments of every kind."""

import copy
import math
import re
from collections.abc import Callable
from decimal import Decimal
from fractions import Fraction
from pathlib import Path
from random import Random
from typing import Any

import numpy as np
import torch

from bnnstudy.config.run import RunConfig
from bnnstudy.config.stage import Stage

HUGE = (0, 1, 127, 128, 255, 2**15 - 1, 2**16 - 1, 2**31 - 1, 2**32 - 1, 10**12, 2**63 - 1, 2**64 - 1)
"""What a length in a header may claim."""


def _deep(depth: int = 5_000) -> list[Any]:
    inner: list[Any] = []
    for _ in range(depth):
        inner = [inner]
    return inner


NUMBERS = (0, 1, -1, 2, 3, 7, 1000, 2**31, 2**63, 2**64, -(2**63), 10**400, -(10**400), 10**5000,
           0.0, -0.0, 0.5,
           1.0, 1.5, -0.5, 1e-320, 1e-9, 1e308, -1e308, math.nan, math.inf, -math.inf)  # fmt: skip
TEXTS = ("", "a", "adam", "filter", "digits", "lr", "0", "{}", "{:.1%}", "{0[a]}", "{0.a}", "{", "{:d}",
         "é",
         "\0", "a\0b", "\ud800", "x" * 10_000, "../..", "a.b", "-1", "None", "nan")  # fmt: skip
PLAIN = (None, True, False, *NUMBERS, *TEXTS, [], [1], [[]], ["a", 1], [None, math.nan], {}, {"a": 1},
         {"": {}}, {"differing": "a", "compared": 1})  # fmt: skip
"""Values that JSON has."""

ANYTHING = (
    *PLAIN, b"", b"abc", (), (1,), (1, 2), ("a", "b"), ("a", "a"), ("a", 1), ("quick", -1), (0.5, 0.5),
    (("a", 1), ("b", 2), ("c", 3)), (("a", "b"),), ("a", ("b",)), (math.nan,), (10**400, 1),
    (1e308, 1e308),
    ([],), ({},), {1, 2}, frozenset(), object, int, len, 1j, Fraction(1, 3), Decimal("NaN"),
    Decimal("0.1"),
    np.float32(0.5), np.float64("nan"), np.int64(3), np.bool_(True), np.str_("adam"), np.array(3.0),
    np.array([1.0, 2.0]), np.array(["adam", "sgd"]), np.zeros((0,)), torch.tensor(1.0),
    torch.ones(2, 2), torch.float32, Path("x"), range(3), slice(1), Ellipsis, NotImplemented,
    _deep(), RunConfig(), Stage(epochs=1), RunConfig, ValueError("no"),
)  # fmt: skip
"""Values of every kind."""


def of_bytes(random: Random, content: bytes) -> bytes:
    """One to four changes of a file's bytes."""
    for _ in range(random.choice((1, 1, 1, 2, 4))):
        content = random.choice(_BYTES)(random, content)
    return content


def _at(random: Random, content: bytes) -> int:
    # Headers stand at the ends: half of the changes are there.
    near = min(len(content), 200)
    where = random.choice((len(content), near))
    at = random.randrange(where + 1)
    return at if random.random() < 0.7 else len(content) - at


def _flip(random: Random, content: bytes) -> bytes:
    at = _at(random, content)
    return content[:at] + bytes([random.randrange(256)]) + content[at + 1 :]


def _cut(random: Random, content: bytes) -> bytes:
    return content[: _at(random, content)]


def _insert(random: Random, content: bytes) -> bytes:
    at = _at(random, content)
    return content[:at] + random.randbytes(random.choice((1, 2, 4, 100))) + content[at:]


def _drop(random: Random, content: bytes) -> bytes:
    at = _at(random, content)
    return content[:at] + content[at + random.choice((1, 2, 4, 100)) :]


def _repeat(random: Random, content: bytes) -> bytes:
    at = _at(random, content)
    return content[:at] + content[at : at + random.choice((1, 4, 30, 1000))] * 2 + content[at:]


def _claim(random: Random, content: bytes) -> bytes:
    width, order = random.choice((1, 2, 4, 8)), random.choice(("little", "big"))
    number = random.choice(HUGE) % 256**width
    at = _at(random, content)
    return content[:at] + number.to_bytes(width, order) + content[at + width :]


def _number(random: Random, content: bytes) -> bytes:
    """A number that stands there in digits becomes another."""
    found = list(re.finditer(rb"\d+", content))
    if not found:
        return content
    match = random.choice(found)
    number = random.choice((*HUGE, 10**400, -1))
    return content[: match.start()] + str(number).encode() + content[match.end() :]


_BYTES: tuple[Callable[[Random, bytes], bytes], ...] = (
    _flip, _cut, _insert, _drop, _repeat, _claim, _claim, _number,
)  # fmt: skip


def of_json(random: Random, value: Any) -> Any:
    """One to three changes somewhere inside a value of JSON."""
    changed = copy.deepcopy(value)
    for _ in range(random.choice((1, 1, 2, 3))):
        changed = _inside(random, changed)
    return changed


def _inside(random: Random, value: Any) -> Any:
    if isinstance(value, dict) and value and random.random() < 0.9:
        name = random.choice(list(value))
        kind = random.random()
        if kind < 0.08:
            del value[name]
        elif kind < 0.16:
            value[random.choice(TEXTS)] = value.pop(name)
        elif kind < 0.24:
            value[random.choice(TEXTS)] = copy.deepcopy(random.choice(PLAIN))
        else:
            value[name] = _inside(random, value[name])
        return value
    if isinstance(value, list) and value and random.random() < 0.8:
        at = random.randrange(len(value))
        value[at] = _inside(random, value[at])
        return value if random.random() < 0.8 else value[:at]
    other = copy.deepcopy(random.choice(PLAIN))
    return random.choice((other, other, [value], {"a": value}, "text"))


def of_arguments(random: Random, arguments: dict[str, Any]) -> dict[str, Any]:
    """One to three of the arguments become another value."""
    changed = dict(arguments)
    for name in random.sample(list(changed), min(len(changed), random.choice((1, 1, 1, 2, 3)))):
        changed[name] = of_anything(random, changed[name])
    return changed


def of_anything(random: Random, value: Any) -> Any:
    """Another value: of any kind, or a neighbour of this one."""
    if isinstance(value, tuple | list) and value and random.random() < 0.6:
        items = list(value)
        at = random.randrange(len(items))
        kind = random.random()
        if kind < 0.7:
            items[at] = of_anything(random, items[at])
        elif kind < 0.85:
            items = [*items, items[at]]
        else:
            del items[at]
        return type(value)(items) if type(value) in (tuple, list) else items
    if isinstance(value, dict) and value and random.random() < 0.6:
        name = random.choice(list(value))
        return {**value, name: of_anything(random, value[name])}
    if isinstance(value, int | float) and random.random() < 0.3:
        factors = (-1, 0, 0.1, 10, 1e6, 1e300, np.float64(1), np.float32(1))
        return value * random.choice(factors) if abs(value) < 1e300 else random.choice(NUMBERS)
    if isinstance(value, str) and random.random() < 0.2:
        return random.choice(
            (value.upper(), value + " ", value * 2, value[:-1], [value], value.encode())
        )
    if random.random() < 0.1:
        return [value]
    return random.choice(ANYTHING)
