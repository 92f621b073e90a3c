"""Ratios of times measured in one process: interleaved, so that a busy machine is busy for both."""

import statistics
import time
from collections.abc import Callable
from dataclasses import dataclass


@dataclass(frozen=True)
class Ratio:
    """How long one thing takes over another: medians over rounds in which both ran in turn.

    `goal` is the most (`at_least`: the least) that the ratio should be, `within` the most that
    `seconds` should be; None where there is none.
    """

    what: str
    ratio: float
    low: float
    high: float
    seconds: float
    goal: float | None = None
    at_least: bool = False
    within: float | None = None

    def line(self) -> str:
        """One row: what, median ratio, quartiles, median time, the goals and whether they are met."""
        goals = []
        if self.goal is not None:
            met = self.ratio >= self.goal if self.at_least else self.ratio <= self.goal
            goals.append(
                f"{'>=' if self.at_least else '<='} {self.goal:<5g} {'met' if met else 'MISSED'}"
            )
        if self.within is not None:
            met = self.seconds <= self.within
            goals.append(f"<= {f'{self.within:g} s':<5} {'met' if met else 'MISSED'}")
        goal = ", ".join(goals)
        spread = f"[{self.low:.2f}, {self.high:.2f}]"
        return f"{self.what:<66} {self.ratio:5.2f} {spread:>13} {1e3 * self.seconds:9.1f} ms  {goal}"


def compare(
    base: Callable[[], object],
    others: dict[str, Callable[[], object]],
    goals: dict[str, float] | None = None,
    *,
    rounds: int = 15,
    at_least: bool = False,
    clock: Callable[[], float] = time.perf_counter,
) -> list[Ratio]:
    """The times of `others` over that of `base`; with `at_least`, base over others (a speed-up).

    In each round everything runs once, in turn; the ratio is taken round by round, then its median.
    On a busy machine `time.process_time` is steadier as a clock, where all work is this process's own.
    """
    everything = [base, *others.values()]
    for run in everything:
        run()
        run()
    times: list[list[float]] = [[] for _ in everything]
    for _ in range(rounds):
        for run, seconds in zip(everything, times, strict=True):
            start = clock()
            run()
            seconds.append(clock() - start)
    found = []
    for (name, _), seconds in zip(others.items(), times[1:], strict=True):
        pairs = zip(seconds, times[0], strict=True)
        ratios = [b / t if at_least else t / b for t, b in pairs]
        low, middle, high = statistics.quantiles(ratios, n=4)
        found.append(
            Ratio(
                name, middle, low, high, statistics.median(seconds), (goals or {}).get(name), at_least
            )
        )
    return found
