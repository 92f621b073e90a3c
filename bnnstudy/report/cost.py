"""What a study costs: planned by its operations, measured by its records."""

import functools
import statistics
from collections.abc import Iterable, Mapping
from dataclasses import dataclass
from types import MappingProxyType
from typing import Any

from bnnstudy import data
from bnnstudy.config import checks
from bnnstudy.config.fields import PRESETS
from bnnstudy.config.run import RunConfig
from bnnstudy.evidence.curves import EVERYWHERE
from bnnstudy.evidence.runs import task_of
from bnnstudy.experiments.study import Study
from bnnstudy.nn import models
from bnnstudy.report.tables import plain, rounded, table

BACKWARD = 2
"""A backward pass over a forward pass: one for the gradients of inputs, one for those of weights."""


@dataclass(frozen=True)
class Cost:
    """What a study takes on one network at a preset: runs that judge, others of rate curves, work.

    `operations` are multiply-accumulates of all of them. `trials` and so `operations` are those of the
    grids as they stand, with one value judging: a best value at an end extends them, and values near
    the best judge too. What a procedure trains beside the run
    itself, such as its twin, is not in them; the trainings of a hyperparameter search are.

        >>> Cost(runs=3).trials
        0

    Raises:
        ValueError: naming the field, its value and what is allowed.
    """

    runs: int = 0
    trials: int = 0
    operations: float = 0.0

    def __post_init__(self) -> None:
        checks.settle(self, {"runs": checks.WHOLE, "trials": checks.WHOLE})
        checks.settle(self, {"operations": checks.NOT_NEGATIVE})


def planned(study: Study, preset: str) -> dict[str, Cost]:
    """What a study takes at a preset, by task (data set and network).

    Raises:
        ValueError: if the study has no such preset.
    """
    checks.instance("study", study, Study)
    if checks.NAME.checked("preset", preset) not in study.arms:
        raise ValueError(
            f"preset must be one of {', '.join(study.arms) or 'none'} for study {study.name!r}, "
            f"got {preset!r}"
        )
    found: dict[str, Cost] = {}
    for arm in study.arms[preset]:
        task = task_of(arm.config)
        seeds = arm.seeds or study.seeds[preset]
        trials = (len(arm.tuned.grid) - 1) * min(seeds, EVERYWHERE) if arm.tuned else 0
        before = found.get(task, Cost())
        work = (seeds + trials) * run_operations(arm.config, arm.options)
        found[task] = Cost(before.runs + seeds, before.trials + trials, before.operations + work)
    return found


def run_operations(config: RunConfig, options: Mapping[str, Any] = MappingProxyType({})) -> float:
    """Multiply-accumulates of one run: its steps, and the measurement after each epoch.

    Args:
        options: what the run is given besides; a search trains `trials` times.

    Raises:
        ValueError: naming the argument that is none of its kind.
    """
    checks.instance("config", config, RunConfig)
    checks.instance("options", options, Mapping)
    train, *measured = data.sizes_of(config.dataset)
    images = (config.train_size or train) * (1 + BACKWARD) + sum(measured)
    trainings = checks.COUNT.checked("trials of options", options.get("trials", 1))
    return float(trainings * images * config.epochs * image_operations(network(config)))


def network(config: RunConfig) -> RunConfig:
    """All that decides how many operations an image takes, other fields at their defaults.

        >>> network(RunConfig(width=16, lr=0.1)).differences()
        {'width': 16}

    Raises:
        ValueError: if it is no `RunConfig`.
    """
    checks.instance("config", config, RunConfig)
    names = ("dataset", "model", "width", "depth", "block", "pool", "parts", "real_first", "real_last")
    return RunConfig(**{name: getattr(config, name) for name in names})


def image_operations(config: RunConfig) -> int:
    """Multiply-accumulates of one image's forward pass, binary ones counted as any other.

        >>> image_operations(RunConfig(width=16, depth=1))  # 64 pixels, 16 hidden units, 10 classes
        1184

    Raises:
        ValueError: if it is no `RunConfig`.
    """
    checks.instance("config", config, RunConfig)
    return _image_operations(config)


@functools.lru_cache(maxsize=64)
def _image_operations(config: RunConfig) -> int:
    shape = data.shape_of(config.dataset)
    rows = models.summary(models.build(config, shape, data.classes_of(config.dataset)), shape)
    return sum(row.binary_macs + row.mixed_macs + row.real_macs for row in rows)


def measured(studies: Iterable[tuple[Study, list[dict[str, Any]]]]) -> str:
    """What final runs took, as a table: a row for each study, preset, network and device.

    Args:
        studies: studies with their records.
    """
    head = ("Study", "Preset", "Network", "Device", "Runs", "Seconds a run", "Minutes in all",
            "1e9 operations a second")  # fmt: skip
    return table(head, (row for study, records in studies for row in _measured(study, records)))


def _measured(study: Study, records: Iterable[Mapping[str, Any]]) -> list[tuple[Any, ...]]:
    groups: dict[tuple[Any, ...], list[Mapping[str, Any]]] = {}
    for record in records:
        config = RunConfig.from_dict(record["config"])
        device = plain(record["provenance"]["device"]) + _how(record["provenance"])
        key = (PRESETS.index(config.preset), task_of(record["config"]), device)
        groups.setdefault(key, []).append(record)
    rows = []
    for (preset, task, device), runs in sorted(groups.items(), key=lambda item: item[0]):
        seconds = [run["provenance"]["seconds"] for run in runs]
        operations = sum(map(_operations_of, runs))
        middle, least, most = map(rounded, (statistics.median(seconds), min(seconds), max(seconds)))
        spread = f"{middle} ({least} to {most})"
        rate = f"{operations / sum(seconds) / 1e9:.2g}"
        minutes = f"{sum(seconds) / 60:.3g}"
        rows.append((study.name, PRESETS[preset], task, device, len(runs), spread, minutes, rate))
    return rows


def ahead(studies: Iterable[tuple[Study, list[dict[str, Any]]]]) -> str:
    """What is planned and not recorded, as a table: a row for each study, preset and network.

    The hours are those of one core, were it to go on at the operations a second of the study's own desk
    runs: of the same network where there are any, of all where not; eager ones where there are any.
    """
    rows = []
    for study, records in studies:
        for preset in study.arms:
            for task, cost in planned(study, preset).items():
                done = sum(r["preset"] == preset and task_of(r["config"]) == task for r in records)
                if done >= cost.runs:
                    continue
                desk = [record for record in records if record["preset"] == "desk"]
                source, speed = pace(desk, task)
                left = cost.operations * (1 - done / cost.runs)
                hours = rounded(left / speed / 3600) if speed else "–"
                runs = f"{cost.runs - done:,}" + (f" of {cost.runs:,}" if done else "")
                paces = f"{speed / 1e9:.2g} ({source})" if speed else "–"
                rows.append(
                    (study.name, preset, task, runs, cost.trials, rounded(left / 1e15), paces, hours)
                )
    head = ("Study", "Preset", "Network", "Final runs", "Trials", "1e15 operations",
            "1e9 a second at desk", "Hours of a core")  # fmt: skip
    return table(head, rows)


def pace(records: Iterable[Mapping[str, Any]], task: str) -> tuple[str, float]:
    """On which networks these runs reached how many operations a second; 0 where there are none.

    Those of the task's own network count where there are any, and eager ones where there are any.
    """
    runs = list(records)
    runs = [record for record in runs if task_of(record["config"]) == task] or runs
    runs = [record for record in runs if not record["provenance"].get("compiled")] or runs
    if not runs:
        return "", 0.0
    names = {task_of(r["config"]) + _how(r["provenance"]) for r in runs}
    seconds = sum(record["provenance"]["seconds"] for record in runs)
    return ", ".join(sorted(names)), sum(map(_operations_of, runs)) / seconds


def _operations_of(record: Mapping[str, Any]) -> float:
    return run_operations(RunConfig.from_dict(record["config"]), record.get("options", {}))


def _how(provenance: Mapping[str, Any]) -> str:
    parts = ["compiled"] if provenance.get("compiled") else []
    parts += [f"{provenance['stack']} at once"] if "stack" in provenance else []
    return "".join(f", {part}" for part in parts)
