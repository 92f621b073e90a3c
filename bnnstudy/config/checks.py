"""What a value may be, said once: for the fields of a configuration and the arguments of optimizers."""

import contextlib
import math
import os
from collections.abc import Callable, Collection, Iterator, Mapping
from dataclasses import dataclass
from numbers import Integral, Real
from typing import Any

_KINDS = {float: Real, int: Integral, str: str, bool: bool}

LONGEST = 800
"""Characters of a value that a message shows."""


def shown(value: object) -> str:
    """A value as a message has it: its `repr`, without its middle where that is long.

    What has no `repr`, as it is nested too deep or has too many digits, is shown by its type.
    """
    try:
        text = repr(value)
    except Exception as error:  # RecursionError, ValueError, or whatever its class makes of it
        return f"a {type(value).__name__} that cannot be shown ({type(error).__name__})"
    return text if len(text) <= LONGEST else f"{text[: LONGEST - 100]} … {text[-97:]}"


@dataclass(frozen=True)
class Rule:
    """A value is of a kind (whole numbers pass as real ones, truth values as no number) and `holds`."""

    kind: type
    text: str
    holds: Callable[[Any], bool] = lambda value: True

    def checked(self, name: str, value: object) -> Any:
        """The value as its kind, so that 1 and 1.0 are one where a real number is wanted.

        Raises:
            ValueError: naming the argument, what is allowed and the value.
        """
        known = isinstance(value, _KINDS[self.kind]) and isinstance(value, bool) == (self.kind is bool)
        long = isinstance(value, int) and not -(2**63) <= value < 2**63
        if known and not (long and self.kind is int):
            with contextlib.suppress(OverflowError):  # a whole number beyond all floating-point ones
                if self.holds(found := self.kind(value)):
                    return found
        width = " that 64 bits can hold" if known and self.holds(value) else ""
        raise ValueError(f"{name} must be {self.text}{width}, got {shown(value)}")


NAME = Rule(str, "a name")
TEXT = Rule(str, "a text that is not empty", bool)
FLAG = Rule(bool, "True or False")
COUNT = Rule(int, "a whole number of 1 or more", lambda value: value >= 1)
WHOLE = Rule(int, "a whole number of 0 or more", lambda value: value >= 0)
SIZE = Rule(int, "a whole number from 1 to 2^31 - 1", lambda value: 1 <= value < 2**31)
FINITE = Rule(float, "a finite number", lambda value: abs(value) < math.inf)
POSITIVE = Rule(float, "above 0 and finite", lambda value: 0 < value < math.inf)
NOT_NEGATIVE = Rule(float, "0 or more and finite", lambda value: 0 <= value < math.inf)
SHARE = Rule(float, "in (0, 1]", lambda value: 0 < value <= 1)
DIGITS = Rule(int, "a whole number from 1 to 17", lambda value: 1 <= value <= 17)
PLACES = Rule(int, "a whole number from 0 to 17", lambda value: 0 <= value <= 17)
MOMENTUM = Rule(float, "in [0, 1)", lambda value: 0 <= value < 1)


def one_of(name: str, value: object, allowed: Collection[str | None]) -> Any:
    """The one of some names, None perhaps among them, that a value is.

    Raises:
        ValueError: naming the argument, the names and the value.
    """
    # Not asked before its type is known: arrays have an equality of their own, and lists no hash.
    if isinstance(value, str | None):
        for choice in allowed:
            if choice == value:
                return choice
    choices = ", ".join(str(choice) or "''" for choice in allowed)
    raise ValueError(f"{name} must be one of {choices}; got {shown(value)}")


def instance(name: str, value: object, kind: type, *, or_none: bool = False) -> None:
    """Refuses a value that is not of a class.

    Raises:
        ValueError: naming the argument, the class and the value.
    """
    if not (isinstance(value, kind) or (or_none and value is None)):
        other = " or None" if or_none else ""
        raise ValueError(f"{name} must be a {kind.__name__}{other}, got {shown(value)}")


def all_of(name: str, values: object, kind: type) -> None:
    """Refuses what is not a tuple of values of one class.

    Raises:
        ValueError: naming the argument, the class and what came.
    """
    if not isinstance(values, tuple) or not all(isinstance(value, kind) for value in values):
        raise ValueError(f"{name} must be a tuple of {kind.__name__}, got {shown(values)}")


def each(name: str, values: object, kind: type) -> list[Any]:
    """The values of anything that can be gone through, if all are of one class.

    Raises:
        ValueError: naming the argument, the class and what came.
    """
    try:
        found = list(values)  # type: ignore[call-overload]
    except Exception as error:  # whatever such a thing raises
        raise ValueError(f"{name} must be of {kind.__name__}, got {shown(values)}") from error
    for value in found:
        instance(f"a value of {name}", value, kind)
    return found


def iterator(name: str, values: Any, allowed: str) -> Iterator[Any]:
    """Goes through anything that can be gone through, without a look at what is in it.

    Raises:
        ValueError: naming the argument, what is allowed and what came.
    """
    try:
        return iter(values)
    except TypeError as error:
        raise ValueError(f"{name} must be {allowed}, got {shown(values)}") from error


def path(name: str, value: object, *, or_none: bool = True) -> None:
    """Refuses what is no name of a file or folder; None may stand for a default.

    Raises:
        ValueError: naming the argument and its value.
    """
    if value is None and or_none:
        return
    with contextlib.suppress(TypeError, UnicodeError):
        text = os.fspath(value)  # type: ignore[call-overload]
        if isinstance(text, str) and b"\0" not in os.fsencode(text):
            return
    raise ValueError(f"{name} must be a path, got {shown(value)}")


def is_file(path: str | os.PathLike[str]) -> bool:
    """Whether there is a file; no where the system takes no such name, as it is too long."""
    try:
        return os.path.isfile(path)
    except (OSError, ValueError):
        return False


def is_folder(path: str | os.PathLike[str]) -> bool:
    """Whether there is a folder; no where the system takes no such name, as it is too long."""
    try:
        return os.path.isdir(path)
    except (OSError, ValueError):
        return False


def settle(made: object, rules: Mapping[str, Rule], or_none: Collection[str] = ()) -> None:
    """Check fields of a frozen value that is being made; each becomes of its rule's kind.

    Args:
        or_none: fields that may be None.

    Raises:
        ValueError: as `Rule.checked`.
    """
    for name, rule in rules.items():
        value = getattr(made, name)
        # The default itself needs no look: most fields of most values have it, and there are many.
        if value is getattr(type(made), name, made):
            continue
        if value is not None or name not in or_none:
            object.__setattr__(made, name, rule.checked(name, value))
