"""Two whole trainings compared sign by sign: each network makes its own gradients."""

from collections.abc import Mapping
from dataclasses import replace
from itertools import zip_longest
from typing import Any

import numpy as np
from torch import Tensor

from bnnstudy import data, devices
from bnnstudy.config.run import RunConfig
from bnnstudy.training import loop
from bnnstudy.training.callbacks.weights import Signs, Trace
from bnnstudy.training.checkpoints import Checkpoint
from bnnstudy.training.metrics import counted


def sign_by_sign(
    config: RunConfig,
    dataset: data.Dataset,
    *,
    device: str,
    checkpoint: Checkpoint | None,
    changes: Mapping[str, Any],
    seeds_apart: int = 0,
) -> dict:
    """Two trainings, the second with `changes` and another seed: how many signs differ, step by step.

    `pair` counts them; `apart` has the distance of the two in test accuracy at the last epoch and the
    share of signs that differ at the end. The second training is the part `other`. It goes on from no
    checkpoint, as there are two runs.
    """
    other = replace(config, **{**dict(changes), "seed": config.seed + seeds_apart})
    with devices.reproducible():
        results = [loop.fit(c, dataset, device=device, observers=[Signs]) for c in (config, other)]
    first, second = (result.pop("signs") for result in results)
    by_step = _differing(first["steps"], second["steps"], first["size"])
    ends = [result["last"]["test_accuracy"] for result in results]
    apart = {"test_accuracy": abs(ends[0] - ends[1]), "signs": by_step[-1] / first["size"]}
    return {
        **results[0],
        "pair": counted(by_step, first["size"]),
        "apart": apart,
        "parts": {"other": results[1]},
    }


def _differing(first: list[Tensor], second: list[Tensor], size: int) -> list[int]:
    """Signs that differ after each step; where one training has ended (it diverged), all of them."""
    return [
        size if a is None or b is None else int(np.bitwise_count((a ^ b).numpy()).sum())
        for a, b in zip_longest(first, second)
    ]


def side_by_side(
    config: RunConfig,
    dataset: data.Dataset,
    *,
    device: str,
    checkpoint: Checkpoint | None,
    changes: Mapping[str, Any],
) -> dict:
    """Two trainings, the second with `changes`: after how many steps a binary weight differs (`pair`).

    It goes on from no checkpoint, as there are two runs.
    """
    both = (config, replace(config, **dict(changes)))
    with devices.reproducible():
        results = [loop.fit(c, dataset, device=device, observers=[Trace]) for c in both]
    first, second = (result.pop("trace")["digests"] for result in results)
    # A training that diverged is shorter; the steps that the other one has differ.
    differing = sum(a != b for a, b in zip_longest(first, second))
    return {**results[0], "pair": {"differing": differing, "compared": max(len(first), len(second))}}
