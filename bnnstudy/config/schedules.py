"""Schedules by name: what multiplies all rates of a run, step by step."""

import math
from collections.abc import Callable, Sequence

SCHEDULES: dict[str, Callable[[float], float]] = {
    "constant": lambda done: 1.0,
    "cosine": lambda done: 0.5 * (1 + math.cos(math.pi * done)),
    "linear": lambda done: 1 - done,
    "step": lambda done: 1.0 if done < 0.5 else 0.1 if done < 0.75 else 0.01,
    "exponential": lambda done: 0.003**done,
}
"""The schedules by name, as functions of the share of the run that is done."""


def schedule_factor(
    name: str, step: int, steps: int, drops: Sequence[float] = (), floor: float = 0.0
) -> float:
    """What a schedule multiplies the rates with at `step` (from 0) of `steps`; 1 at the start.

    cosine and linear end at 0; step is a tenth from half of the run and a hundredth from three
    quarters; exponential ends at 0.003 (paper A's code: 1e-3 to 3e-6). At each of `drops`, shares of
    the run, the rates fall to a tenth besides (paper A, Figures 2c and 5). With a `floor` what falls
    to f falls to floor + (1 - floor) f.
    """
    passed = sum(step >= round(drop * steps) for drop in drops)
    return (floor + (1 - floor) * SCHEDULES[name](step / steps)) * 0.1**passed
