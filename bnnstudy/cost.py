"""What a study costs: planned by its operations, measured by its records."""

import functools
import statistics
from collections.abc import Iterable, Mapping
from dataclasses import dataclass

from bnnstudy import data, models
from bnnstudy.config import PRESETS, RunConfig
from bnnstudy.study import Arm, Study
from bnnstudy.tables import table

BACKWARD = 2
"""A backward pass over a forward pass: one for the gradients of inputs, one for those of weights."""

CLASSES = 10


@dataclass(frozen=True)
class Cost:
    """What a study takes at a preset: final runs, trials of searches for a rate, and operations.

    `operations` are multiply-accumulates of all of them. `trials` and so `operations` are those of the
    grids as they stand: a best value at an end extends them. What a measure trains beside the run
    itself, such as the trials of a hyperparameter search, is not in them.
    """

    runs: int
    trials: int
    operations: float


def planned(study: Study, preset: str) -> Cost:
    """What a study takes at a preset.

    Raises:
        ValueError: if the study has no such preset.
    """
    if preset not in study.arms:
        raise ValueError(
            f"preset must be one of {', '.join(study.arms) or 'none'} for study {study.name!r}, "
            f"got {preset!r}"
        )
    arms, seeds = study.arms[preset], study.seeds[preset]
    operations = sum((seeds + _trials(arm)) * run_operations(arm.config) for arm in arms)
    return Cost(len(arms) * seeds, sum(map(_trials, arms)), operations)


def _trials(arm: Arm) -> int:
    return len(arm.tuned.grid) * arm.tuned.seeds if arm.tuned else 0


def run_operations(config: RunConfig) -> float:
    """Multiply-accumulates of one training: its steps, and the measurement after each epoch."""
    train, *measured = data.sizes_of(config.dataset)
    images = (config.train_size or train) * (1 + BACKWARD) + sum(measured)
    return float(images * config.epochs * image_operations(network(config)))


def network(config: RunConfig) -> RunConfig:
    """All that decides how many operations an image takes."""
    names = ("dataset", "model", "width", "depth", "block", "pool", "parts", "real_first", "real_last")
    return RunConfig(**{name: getattr(config, name) for name in names})


@functools.lru_cache(maxsize=64)
def image_operations(config: RunConfig) -> int:
    """Multiply-accumulates of one image's forward pass, binary ones counted as any other."""
    shape = data.shape_of(config.dataset)
    rows = models.summary(models.build(config, shape, CLASSES), shape)
    return sum(row.binary_macs + row.mixed_macs + row.real_macs for row in rows)


def measured(studies: Iterable[tuple[Study, list[dict]]]) -> str:
    """What final runs took, as a table: a row for each study, preset, network and device.

    Args:
        studies: studies with their records.
    """
    head = ("Study", "Preset", "Network", "Device", "Runs", "Seconds a run", "Minutes in all",
            "1e9 operations a second")  # fmt: skip
    return table(head, (row for study, records in studies for row in _measured(study, records)))


def _measured(study: Study, records: Iterable[Mapping]) -> list[tuple]:
    groups: dict[tuple, list[Mapping]] = {}
    for record in records:
        config = RunConfig.from_dict(record["config"])
        origin = record["provenance"]
        device = origin["device"] + (", compiled" if origin.get("compiled") else "")
        device += f", {origin['stack']} at once" if "stack" in origin else ""
        key = (PRESETS.index(config.preset), f"{config.dataset} {config.model}", device)
        groups.setdefault(key, []).append(record)
    rows = []
    for (preset, task, device), runs in sorted(groups.items(), key=lambda item: item[0]):
        seconds = [run["provenance"]["seconds"] for run in runs]
        operations = sum(run_operations(RunConfig.from_dict(run["config"])) for run in runs)
        spread = f"{statistics.median(seconds):.3g} ({min(seconds):.3g} to {max(seconds):.3g})"
        rate = f"{operations / sum(seconds) / 1e9:.2g}"
        minutes = f"{sum(seconds) / 60:.3g}"
        rows.append((study.name, PRESETS[preset], task, device, len(runs), spread, minutes, rate))
    return rows


def ahead(studies: Iterable[tuple[Study, list[dict]]]) -> str:
    """The presets that nothing is recorded of, as a table: runs, operations, and hours at desk's pace.

    The hours are those of one core of the machine of the desk runs, were it to go on at the operations
    a second that it reached there.
    """
    rows = []
    for study, records in studies:
        pace = _pace([r for r in records if r["preset"] == "desk"])
        for preset in study.arms:
            if any(record["preset"] == preset for record in records):
                continue
            cost = planned(study, preset)
            hours = f"{cost.operations / pace / 3600:,.0f}" if pace else "–"
            rows.append(
                (study.name, preset, cost.runs, cost.trials, f"{cost.operations / 1e15:.3g}", hours)
            )
    head = ("Study", "Preset", "Final runs", "Trials", "Operations, 1e15", "Hours of a core")
    return table(head, rows)


def _pace(records: list[dict]) -> float:
    seconds = sum(record["provenance"]["seconds"] for record in records)
    configs = [RunConfig.from_dict(record["config"]) for record in records]
    return sum(map(run_operations, configs)) / seconds if seconds else 0.0
