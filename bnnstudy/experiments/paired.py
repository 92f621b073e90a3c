"""Two trainings compared step by step: each network makes its own gradients."""

from collections.abc import Mapping, Sequence
from dataclasses import replace
from itertools import zip_longest
from typing import Any, cast

import numpy as np
from torch import Tensor

from bnnstudy import devices
from bnnstudy.config.run import RunConfig
from bnnstudy.data import Dataset
from bnnstudy.evidence.results import Result
from bnnstudy.training import loop
from bnnstudy.training.callbacks.base import MakeCallback
from bnnstudy.training.callbacks.weights import Signs, WeightDigests
from bnnstudy.training.checkpoints import Checkpoint
from bnnstudy.training.metrics import counted


def weight_by_weight(
    config: RunConfig,
    dataset: Dataset,
    *,
    device: str = "cpu",
    checkpoint: Checkpoint | None = None,
    callbacks: Sequence[MakeCallback] = (),
    changes: Mapping[str, Any],
) -> Result:
    """Two trainings, the second with `changes`: after how many steps a binary weight differs (`pair`).

    It goes on from no checkpoint, as there are two runs.
    """
    both = (config, replace(config, **dict(changes)))
    results = _trained(both, dataset, device, (*callbacks, WeightDigests))
    first, second = (result.pop("weight_digests")["by_step"] for result in results)
    # A training that diverged is shorter; the steps that the other one has differ.
    differing = sum(a != b for a, b in zip_longest(first, second))
    pair = {"differing": differing, "compared": max(len(first), len(second))}
    return cast(Result, {**results[0], "pair": pair})


def sign_by_sign(
    config: RunConfig,
    dataset: Dataset,
    *,
    device: str = "cpu",
    checkpoint: Checkpoint | None = None,
    callbacks: Sequence[MakeCallback] = (),
    changes: Mapping[str, Any],
    seeds_apart: int = 0,
) -> Result:
    """Two trainings, the second with `changes` and another seed: how many signs differ, step by step.

    `pair` counts them; `apart` has the distance of the two in test accuracy at the last epoch and the
    share of signs that differ at the end. The second training is the part `other`. It goes on from no
    checkpoint, as there are two runs.
    """
    other = replace(config, **{**dict(changes), "seed": config.seed + seeds_apart})
    results = _trained((config, other), dataset, device, (*callbacks, Signs))
    first, second = (result.pop("signs") for result in results)
    by_step = _differing(first["steps"], second["steps"], first["size"])
    ends = [result["last"]["test_accuracy"] for result in results]
    apart = {"test_accuracy": abs(ends[0] - ends[1]), "signs": by_step[-1] / first["size"]}
    found = {
        "pair": counted(by_step, first["size"]),
        "apart": apart,
        "parts": {**results[0].get("parts", {}), "other": results[1]},
    }
    return cast(Result, {**results[0], **found})


def _trained(
    configs: Sequence[RunConfig], dataset: Dataset, device: str, callbacks: Sequence[MakeCallback]
) -> list[dict[str, Any]]:
    with devices.reproducible():
        return [{**loop.fit(c, dataset, device=device, callbacks=callbacks)} for c in configs]


def _differing(first: list[Tensor], second: list[Tensor], size: int) -> list[int]:
    """Signs that differ after each step; where one training has ended (it diverged), all of them."""
    return [
        size if a is None or b is None else int(np.bitwise_count((a ^ b).numpy()).sum())
        for a, b in zip_longest(first, second)
    ]
