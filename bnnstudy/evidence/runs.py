"""Views of records: results by task, arm and seed, and what stands in one at a path."""

import math
import re
from collections.abc import Iterable, Mapping, Sequence
from typing import Any

from bnnstudy.config import checks
from bnnstudy.config.checks import shown
from bnnstudy.config.run import RunConfig
from bnnstudy.config.stage import Stage
from bnnstudy.evidence import records as recording
from bnnstudy.evidence.results import Result

Runs = dict[str, dict[int, Result]]
"""Results by arm and seed, of one preset and task."""

_PLACE = re.compile(r"-?[0-9]{1,18}")

FLOOR = 1e-6
"""The smallest value that a logarithm tells from zero."""


def by_task(records: Iterable[Mapping[str, Any]]) -> dict[tuple[str, str], Runs]:
    """Results by (preset, task), then arm and seed; tasks in the order in which they come.

    >>> record = {"preset": "desk", "arm": "adam", "config": {"dataset": "mnist", "seed": 0},
    ...           "result": {"test_accuracy": 0.9}}
    >>> by_task([record])
    {('desk', 'mnist mlp'): {'adam': {0: {'test_accuracy': 0.9}}}}
    """
    grouped: dict[tuple[str, str], Runs] = {}
    for record in records:
        for run in (record, *recording.parts(record)):
            runs = grouped.setdefault((run["preset"], task_of(run["config"])), {})
            runs.setdefault(run["arm"], {})[run["config"]["seed"]] = run["result"]
    return grouped


def task_of(config: RunConfig | Mapping[str, Any]) -> str:
    """Data set and network of a configuration, or of one as a record has it, such as "mnist mlp".

    >>> task_of(RunConfig(dataset="cifar10", model="cnn")), task_of({"dataset": "mnist"})
    ('cifar10 cnn', 'mnist mlp')
    """
    if isinstance(config, RunConfig):
        return f"{config.dataset} {config.model}"
    checks.instance("config", config, Mapping)
    names = [config.get(name, getattr(RunConfig, name)) for name in ("dataset", "model")]
    return " ".join(checks.NAME.checked("dataset and model of config", name) for name in names)


def read(result: Any, metric: str) -> Any:
    """What stands in a result at a path such as "curves.test_accuracy.-1"; None if nothing does.

    >>> result = {"curves": {"test_accuracy": [0.8, 0.9]}}
    >>> read(result, "curves.test_accuracy.-1"), read(result, "curves.flips")
    (0.9, None)
    """
    if not isinstance(metric, str):
        raise ValueError(
            f"metric must be a path such as 'curves.test_accuracy.-1', got {shown(metric)}"
        )
    for part in metric.split("."):
        if isinstance(result, list) and _PLACE.fullmatch(part):
            place = int(part)
            if not -len(result) <= place < len(result):
                return None
            result = result[place]
        elif isinstance(result, Mapping) and part in result:
            result = result[part]
        else:
            return None
    return result


def steps_of(result: Result, stages: Sequence[Stage] = ()) -> int:
    """The length of a run in steps: the last at which its flips were counted, which is its end.

        >>> result = {"flip_ratio": {"steps": [1, 10, 100], "all": [0.2, 0.1, 0.05]}}
        >>> steps_of(result)
        100
        >>> stages = [Stage(epochs=2), Stage(epochs=4)]
        >>> steps_of({**result, "curves": {"train_loss": [0.5] * 6}}, stages)
        150

    Args:
        stages: of its configuration. Flips are counted anew in each, so the last one's steps are there.

    Raises:
        ValueError: if the result has no `flip_ratio`, as of a run that counted none.
    """
    checks.instance("result", result, Mapping)
    steps = read(result, "flip_ratio.steps.-1")
    if not isinstance(steps, int):
        there = ", ".join(map(str, result)) or "none"
        raise ValueError(f"result must have a flip_ratio with steps, got {there}")
    before = sum(stage.epochs for stage in checks.each("stages", stages, Stage)[:-1])
    losses = read(result, "curves.train_loss") if before else []
    if not isinstance(losses, list):
        raise ValueError(f"result must have a train_loss by epoch, got {shown(losses)}")
    epochs = len(losses)
    return steps * epochs // (epochs - before) if epochs > before else steps


def same_course(one: Result, other: Result) -> bool:
    """Whether two results are of one course of training, as far as records tell.

    They are if the training loss of every epoch and all flip ratios are equal, to the last digit. A
    result without training losses has no course that could be the same.

        >>> one = {"test_accuracy": 0.8, "curves": {"train_loss": [0.9, 0.5]}}
        >>> other = {"test_accuracy": 0.8, "curves": {"train_loss": [0.9, 0.4]}}
        >>> same_course(one, one), same_course(one, other)
        (True, False)
    """
    if read(one, "curves.train_loss") is None:
        return False
    course = ("curves.train_loss", "flip_ratio.all")
    return all(read(one, path) == read(other, path) for path in course)


def seeds_alike(runs: Runs, *arms: str) -> tuple[int, int]:
    """In how many seeds all these arms are one course of training (`same_course`), and of how many.

    Counted are the seeds that all of them have: none if an arm is missing, or none is named.

        >>> one, other = ({"curves": {"train_loss": [0.9, loss]}} for loss in (0.5, 0.4))
        >>> seeds_alike({"clip": {0: one, 1: one}, "none": {0: one, 1: other}}, "clip", "none")
        (1, 2)
    """
    results = [runs.get(arm, {}) for arm in arms]
    common = set.intersection(*map(set, results)) if results else set()
    alike = (all(same_course(results[0][s], other[s]) for other in results) for s in common)
    return sum(alike), len(common)


def equal_arms(runs: Runs, arms: Iterable[str]) -> list[list[str]]:
    """Groups of two arms or more that are one: with the same seeds, and the same course in every seed.

        >>> one, other = ({"curves": {"train_loss": [0.9, loss]}} for loss in (0.5, 0.4))
        >>> runs = {"clip": {0: one}, "none": {0: one}, "clamp": {0: other}}
        >>> equal_arms(runs, ("clip", "none", "clamp"))
        [['clip', 'none']]

    Args:
        arms: names of those that are compared, in the order in which they come back; those without
            runs are left out.
    """
    groups: list[list[str]] = []
    for arm in (arm for arm in arms if runs.get(arm)):
        for group in groups:
            first, own = runs[group[0]], runs[arm]
            if first.keys() == own.keys() and all(same_course(first[s], own[s]) for s in own):
                group.append(arm)
                break
        else:
            groups.append([arm])
    return [group for group in groups if len(group) > 1]


def values(runs: Runs, arm: str, metric: str, scale: float = 1) -> list[Any]:
    """What stands at a path in each result of an arm, by seed; seeds without a value are left out.

        >>> runs = {"adam": {0: {"test_accuracy": 0.75}, 1: {"test_accuracy": 0.5}}}
        >>> values(runs, "adam", "test_accuracy", scale=100)
        [75.0, 50.0]

    Args:
        metric: a path into a result, as in `read`.
        scale: what each value is multiplied with; at 1 values may be of any kind, such as curves.

    Raises:
        ValueError: naming the argument, its value and what is allowed.
    """
    arm, scale = checks.NAME.checked("arm", arm), checks.FINITE.checked("scale", scale)
    every = (read(result, metric) for _, result in sorted(runs.get(arm, {}).items()))
    found = [value for value in every if value is not None]
    return found if scale == 1 else [scale * value for value in _numbers(metric, found)]


def mean(runs: Runs, arm: str, metric: str, scale: float = 1) -> float | None:
    """The mean over seeds of what stands at a path in an arm's results; None where nothing does.

    >>> runs = {"adam": {0: {"test_accuracy": 0.75}, 1: {"test_accuracy": 0.5}}}
    >>> mean(runs, "adam", "test_accuracy"), mean(runs, "sgd", "test_accuracy")
    (0.625, None)
    """
    found = _numbers(metric, values(runs, arm, metric, scale))
    return math.fsum(found) / len(found) if found else None


def _numbers(metric: str, found: Sequence[Any]) -> Sequence[Any]:
    """What stood at a path, if it is numbers."""
    for value in found:
        if not isinstance(value, int | float):
            raise ValueError(f"metric must be of numbers, got {metric!r} with {shown(value)}")
    return found


def differences(
    runs: Runs, arm: str, control: str, metric: str, scale: float = 100.0, *, log: bool = False
) -> list[float]:
    """Arm minus control in a metric, for each seed that both have and where neither lacks a value.

        >>> runs = {"adam": {0: {"test_accuracy": 0.75}, 1: {"test_accuracy": 0.5}},
        ...         "sgd": {0: {"test_accuracy": 0.5}, 1: {"test_accuracy": 0.5}}}
        >>> differences(runs, "adam", "sgd", "test_accuracy")
        [25.0, 0.0]

    Args:
        metric: a path into a result, as in `read`.
        scale: what each difference is multiplied with; 100 makes points of shares.
        log: decimal logarithms are subtracted; what is below `FLOOR` counts as that, as in a claim.
            At a scale of 1 the differences are decades, and 10 to their power the ratios.

    Raises:
        ValueError: naming the argument, its value and what is allowed.
    """
    for name, value in (("arm", arm), ("control", control)):
        checks.NAME.checked(name, value)
    scale, log = checks.FINITE.checked("scale", scale), checks.FLAG.checked("log", log)
    arms, controls = runs.get(arm, {}), runs.get(control, {})
    both = [[read(side[seed], metric) for side in (arms, controls)]
            for seed in sorted(arms.keys() & controls.keys())]  # fmt: skip
    paired = [pair for pair in both if pair[0] is not None and pair[1] is not None]
    for pair in paired:
        _numbers(metric, pair)
    if log:
        paired = [[math.log10(max(value, FLOOR)) for value in pair] for pair in paired]
    return [scale * (one - other) for one, other in paired]
