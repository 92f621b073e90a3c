"""Two whole trainings compared sign by sign: each network makes its own gradients."""

from collections.abc import Mapping
from dataclasses import replace
from itertools import zip_longest
from typing import Any

import numpy as np
import torch
from torch import Tensor, nn

from bnnstudy import data, devices, training
from bnnstudy.checkpoints import Checkpoint
from bnnstudy.config import RunConfig
from bnnstudy.layers import observed_weights
from bnnstudy.metrics import counted


class Signs:
    """The sign of every binary weight after each step, eight to a byte.

    Kept in memory: a bit a weight and step, 17 MB for 134,000 weights and 1,000 steps.
    """

    name = "signs"

    def __init__(self, config: RunConfig, model: nn.Module, steps: int):
        self._weights = list(observed_weights(model).values())
        self._steps: list[Tensor] = []

    def before(self, step: int) -> None:
        """Nothing to do before a step."""

    def after(self, step: int) -> None:
        """Keep this step's signs."""
        signs = torch.cat([torch.signbit(w.detach()).reshape(-1) for w in self._weights])
        self._steps.append(torch.from_numpy(np.packbits(signs.cpu().numpy())))

    def report(self) -> dict:
        """The packed signs by step, and how many weights there are."""
        return {"steps": self._steps, "size": sum(w.numel() for w in self._weights)}

    def state_dict(self) -> dict:
        """The signs so far."""
        return {"steps": self._steps}

    def load_state_dict(self, state: dict) -> None:
        """Go on from what `state_dict` gave."""
        self._steps = state["steps"]


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
        results = [training.fit(c, dataset, device=device, observers=[Signs]) for c in (config, other)]
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
