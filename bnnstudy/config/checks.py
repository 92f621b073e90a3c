"""What a value may be, said once: for the fields of a configuration and the arguments of optimizers."""

import contextlib
import math
from collections.abc import Callable
from dataclasses import dataclass
from numbers import Integral, Real
from typing import Any

_KINDS = {float: Real, int: Integral, str: str, bool: bool}


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
        if known and self.holds(value):
            with contextlib.suppress(OverflowError):  # a whole number beyond all floating-point ones
                return self.kind(value)
        raise ValueError(f"{name} must be {self.text}, got {value!r}")


NAME = Rule(str, "a name")
FLAG = Rule(bool, "True or False")
COUNT = Rule(int, "a whole number of 1 or more", lambda value: value >= 1)
POSITIVE = Rule(float, "above 0 and finite", lambda value: 0 < value < math.inf)
NOT_NEGATIVE = Rule(float, "0 or more and finite", lambda value: 0 <= value < math.inf)
SHARE = Rule(float, "in (0, 1]", lambda value: 0 < value <= 1)
MOMENTUM = Rule(float, "in [0, 1)", lambda value: 0 <= value < 1)
