"""Schedules by name: what multiplies all rates of a run, step by step."""

import math
from collections.abc import Callable, Sequence
from typing import Protocol

from bnnstudy.config import checks
from bnnstudy.config.checks import shown

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

        >>> [schedule_factor("linear", step, steps=4) for step in range(5)]
        [1.0, 0.75, 0.5, 0.25, 0.0]
        >>> [round(schedule_factor("constant", step, 4, drops=(0.5,)), 3) for step in range(4)]
        [1.0, 1.0, 0.1, 0.1]

    Raises:
        ValueError: naming the argument, its value and what is allowed.
    """
    name, steps = checks.one_of("name", name, SCHEDULES), checks.COUNT.checked("steps", steps)
    step, floor = checks.WHOLE.checked("step", step), checks.FINITE.checked("floor", floor)
    if not isinstance(drops, Sequence):
        raise ValueError(f"drops must be shares of the run, in a list, got {shown(drops)}")
    drops = [checks.SHARE.checked("a value of drops", drop) for drop in drops]
    if step > steps:
        raise ValueError(f"step must be at most steps, {steps}, got {step}")
    return factor_at(name, step, steps, drops, floor)


def factor_at(name: str, step: int, steps: int, drops: Sequence[float], floor: float) -> float:
    """`schedule_factor` of numbers that were looked at: a run asks for it at each step."""
    passed = sum(step >= round(drop * steps) for drop in drops)
    return (floor + (1 - floor) * SCHEDULES[name](step / steps)) * 0.1**passed


class Scheduled(Protocol):
    """What the schedules of a run are read from: a `RunConfig`."""

    @property
    def schedule(self) -> str: ...

    @property
    def weight_schedule(self) -> str: ...

    @property
    def floor(self) -> float: ...

    @property
    def drops(self) -> tuple[float, ...]: ...


def weight_factor(config: Scheduled, steps: int) -> Callable[[int], float]:
    """From a step (from 0) of `steps` to what multiplies the rate of the binary weights there."""
    name = config.weight_schedule or config.schedule
    return lambda step: factor_at(name, step, steps, config.drops, config.floor)


def real_factor(config: Scheduled, steps: int) -> Callable[[int], float]:
    """The same for the real parameters."""
    return lambda step: factor_at(config.schedule, step, steps, config.drops, 0.0)
