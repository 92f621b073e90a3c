"""Whether what a claim speaks of acted in the runs that judge it, and the figure that shows it."""

import math
from collections.abc import Callable, Mapping, Sequence
from dataclasses import dataclass

from bnnstudy.config.checks import shown
from bnnstudy.config.run import RunConfig
from bnnstudy.config.schedules import weight_factor
from bnnstudy.evidence.claims import Requirement
from bnnstudy.evidence.curves import Curve
from bnnstudy.evidence.records import Record, RecordError
from bnnstudy.evidence.results import Result
from bnnstudy.evidence.runs import read, steps_of


@dataclass(frozen=True)
class Looked:
    """A requirement as the runs have it.

    Attributes:
        requirement: what was looked for.
        held: in how many seeds it held.
        of: how many seeds are judged; one without the figure does not hold.
        figure: the median over the seeds that have it; None where none has.
    """

    requirement: Requirement
    held: int
    of: int
    figure: float | None

    @property
    def met(self) -> bool:
        """Whether it held in more than half of the judged seeds."""
        return 2 * self.held > self.of

    def summary(self) -> dict[str, object]:
        """What a report says of it, in JSON's types."""
        found = {"median": self.figure, "held": self.held, "of": self.of}
        return {**self.requirement.declared(), **found}

    def __str__(self) -> str:
        if self.figure is None:
            return f"`{self.requirement.arm}`: what has to act was not measured"
        said = self.requirement.says.format(self.figure)
        return f"`{self.requirement.arm}`: {said}"


def look(requirement: Requirement, curves: Mapping[str, Curve], seeds: Sequence[int]) -> Looked:
    """Look whether a requirement holds in the judged runs of its arm; none if there is no such arm."""
    curve = curves.get(requirement.arm)
    there = [seed for seed in seeds if curve and seed in curve.seeds]
    figures = [figure(requirement.figure, record) for record in (curve.judged(there) if curve else [])]
    found = sorted(value for value in figures if value is not None)
    held = sum(requirement.holds(value) for value in found)
    middle = found[len(found) // 2] if found else None
    return Looked(requirement, held, len(seeds), middle)


def figure(name: str, record: Record) -> float | None:
    """A figure of one run: at a path, the largest value of a list there, or of a function by "@name".

    Raises:
        ValueError: if there is no function of that name.
        RecordError: if what stands there is no number.
    """
    if name.startswith("@"):
        if name[1:] not in FIGURES:
            raise ValueError(f"figure must be one of @{', @'.join(FIGURES)}; got {shown(name)}")
        return FIGURES[name[1:]](RunConfig.from_dict(record["config"]), record["result"])
    found = read(record["result"], name)
    values = found if isinstance(found, list) else [found]
    try:
        there = [float(value) for value in values if value is not None]
    except (TypeError, ValueError, OverflowError) as error:
        raise RecordError(
            f"a record of arm {record['arm']!r} must have numbers at {name}, got {shown(found)}"
        ) from error
    return max(there) if there else None


def alpha_times_steps(config: RunConfig, result: Result) -> float:
    """The sum of alpha over all steps: how many of its own memories a run is long."""
    from bnnstudy.theory import memory  # scipy, which the command line need not wait for

    pole, _ = memory.rates(config, steps_of(result, config.stages))
    return float(pole.sum())


def second_memories(config: RunConfig, result: Result) -> float:
    """The length of a run in memories of Adam's second moment, (1 - beta2) times the steps."""
    return (1 - config.betas[1]) * steps_of(result, config.stages)


def fall_before_drop(config: RunConfig, result: Result) -> float | None:
    """By how many decades the loss fell in the last quarter of the epochs before the first drop.

    0 on a plateau. None where there is no drop, or a loss that is not finite.
    """
    if not config.drops:
        return None
    end = int(config.drops[0] * config.epochs + 1e-9)
    losses = result["curves"]["train_loss"][:end]
    return _fall(losses) if len(losses) == end else None


def fall_at_the_end(config: RunConfig, result: Result) -> float | None:
    """By how many decades the loss fell in the last quarter of the epochs; None if it is not finite."""
    return _fall(result["curves"]["train_loss"])


def _fall(losses: Sequence[float | None]) -> float | None:
    start = len(losses) - max(1, len(losses) // 4) - 1
    first, last = (losses[start], losses[-1]) if start >= 0 else (None, None)
    return math.log10(first / last) if first and last else None


def rate_left(config: RunConfig, result: Result) -> float:
    """What is left of the binary weights' first rate when three quarters of the run are done.

    A loss that comes to rest while its rate fades is brought to rest by the rate.
    """
    return weight_factor(config, 4)(3)


def share_of_the_run(config: RunConfig, result: Result) -> float | None:
    """After what share of its epochs a run was stopped; None for one that was not meant to be."""
    stopped = read(result, "epochs")
    return None if stopped is None else stopped / config.epochs


FIGURES: dict[str, Callable[[RunConfig, Result], float | None]] = {
    "alpha times steps": alpha_times_steps,
    "second memories": second_memories,
    "fall before drop": fall_before_drop,
    "fall at the end": fall_at_the_end,
    "rate left": rate_left,
    "share of the run": share_of_the_run,
}
"""Figures of a run that stand at no path of its result, by name."""
