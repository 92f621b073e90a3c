"""Gradients of single weights, recorded while a network trains, and what filters make of them.

The filters get the same gradients and move no network, so that only they differ. Paper B, Figure 2.
"""

import numpy as np
import torch
from torch import nn

from bnnstudy.config.run import RunConfig
from bnnstudy.nn.parameters import observed_weights


class Gradients:
    """The gradients of `count` binary weights, drawn at random over all layers, at every step."""

    name = "gradients"

    def __init__(self, config: RunConfig, model: nn.Module, steps: int, count: int = 512):
        self._weights = list(observed_weights(model).values())
        sizes = [w.numel() for w in self._weights]
        draw = torch.Generator().manual_seed(config.seed)
        chosen = torch.randperm(sum(sizes), generator=draw)[:count].sort().values
        ends = torch.tensor(sizes).cumsum(0)
        self._places = [
            chosen[(chosen >= end - size) & (chosen < end)] - (end - size)
            for size, end in zip(sizes, ends, strict=True)
        ]
        self._values = np.zeros((steps, len(chosen)))
        self._steps = 0

    def before(self, step: int) -> None:
        """Nothing to do before a step."""

    def after(self, step: int) -> None:
        """Keep this step's gradients."""
        found = [
            torch.zeros(len(at)) if w.grad is None else w.grad.reshape(-1)[at.to(w.device)].cpu()
            for w, at in zip(self._weights, self._places, strict=True)
        ]
        self._values[step - 1] = torch.cat(found).numpy()
        self._steps = step

    def report(self) -> dict:
        """The gradients, (steps, weights), of the weights that ever had one other than 0."""
        values = torch.from_numpy(self._values[: self._steps])
        # A training that diverges ends in values that are none.
        values = values[values.isfinite().all(1)]
        return {"values": values[:, (values != 0).any(0)]}

    def state_dict(self) -> dict:
        """The gradients so far."""
        return {"values": torch.from_numpy(self._values), "steps": self._steps}

    def load_state_dict(self, state: dict) -> None:
        """Go on from what `state_dict` gave."""
        self._values, self._steps = state["values"].numpy(), state["steps"]
