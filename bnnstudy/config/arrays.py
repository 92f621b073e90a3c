"""Arrays as arguments: what has to be numbers, how many, in how many dimensions."""

from collections.abc import Callable
from typing import Any

import numpy as np

from bnnstudy.config.checks import Rule, shown

STEPS = Rule(int, "a whole number from 1 to 10^8", lambda value: 1 <= value <= 10**8)
"""So many numbers a function here may make: 0.8 GB of them."""

LARGEST = 1e100
"""A number whose square, and sums of many such, are finite."""


def is_rate(values: Any) -> Any:
    """Whether a number, or each of an array, is a rate whose square is not 0, up to 1."""
    return (values >= 1 / LARGEST) & (values <= 1)


RATE = Rule(float, f"from {1 / LARGEST:g} to 1", is_rate)
"""Such a rate."""

_SIZES = {None: "numbers", 1: "a row of numbers", 2: "a table of numbers"}


def numbers(
    name: str,
    value: Any,
    *,
    dims: int | None = 1,
    least: int = 1,
    holds: Callable[[np.ndarray], np.ndarray] = lambda found: np.abs(found) <= LARGEST,
    what: str = f"from {-LARGEST:g} to {LARGEST:g}",
) -> np.ndarray:
    """The value as an array of 64-bit floats.

        >>> numbers("gradients", [[1, 2], [3, 4]], dims=2).tolist()
        [[1.0, 2.0], [3.0, 4.0]]
        >>> numbers("gradients", [1.0, float("nan")])
        Traceback (most recent call last):
        ValueError: gradients must be a row of numbers, each from -1e+100 to 1e+100, got [1.0, nan]

    Args:
        dims: how many dimensions it has, one or two; None means any number of them.
        least: of its first dimension; the others have one or more.
        holds: of each number, whether it is allowed; `what` says it in words.

    Raises:
        ValueError: naming the argument, what is allowed and the value.
    """
    several = f", {least} or more," if least > 1 else ","
    refusal = f"{name} must be {_SIZES[dims]}{several} each {what}, got {shown(value)}"
    try:
        found = np.asarray(value, dtype=float).copy()
    except Exception as error:  # whatever such a thing raises
        raise ValueError(refusal) from error
    enough = found.ndim == 0 or (len(found) >= least and (found.size > 0 or not least))
    if (dims is not None and found.ndim != dims) or not enough or not np.all(holds(found)):
        raise ValueError(refusal)
    return found
