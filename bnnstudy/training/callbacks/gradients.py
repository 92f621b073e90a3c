"""A callback that records gradients of single weights."""

from typing import Any

import numpy as np
import torch

from bnnstudy.config import checks
from bnnstudy.nn.parameters import observed_weights
from bnnstudy.training.callbacks.base import Callback, Context


class Gradients(Callback):
    """The gradients of `count` binary weights, drawn at random over all layers, at every step.

    The result has a tensor: a procedure that uses it takes it out before recording.
    """

    name = "gradients"

    def __init__(self, context: Context, count: int = 512):
        super().__init__(context)
        count = checks.COUNT.checked("count", count)
        self._weights = list(observed_weights(context.model).values())
        sizes = [w.numel() for w in self._weights]
        draw = torch.Generator().manual_seed(context.config.seed)
        chosen = torch.randperm(sum(sizes), generator=draw)[:count].sort().values
        ends = torch.tensor(sizes).cumsum(0)
        self._places = [
            chosen[(chosen >= end - size) & (chosen < end)] - (end - size)
            for size, end in zip(sizes, ends, strict=True)
        ]
        self._values = np.zeros((context.steps, len(chosen)))
        self._steps = 0

    def after_step(self, step: int) -> None:
        found = [
            torch.zeros(len(at), dtype=torch.float32)
            if w.grad is None
            else w.grad.reshape(-1)[at.to(w.device)].cpu()
            for w, at in zip(self._weights, self._places, strict=True)
        ]
        self._values[step - 1] = torch.cat(found).numpy()
        self._steps = step

    def result(self) -> dict[str, Any]:
        """The gradients, (steps, weights), of the weights that ever had one other than 0."""
        values = torch.from_numpy(self._values[: self._steps])
        # A training that diverges ends in values that are none.
        values = values[values.isfinite().all(1)]
        return {"values": values[:, (values != 0).any(0)]}

    def state_dict(self) -> dict[str, Any]:
        return {"values": torch.from_numpy(self._values), "steps": self._steps}

    def load_state_dict(self, state: dict[str, Any]) -> None:
        self._values, self._steps = state["values"].numpy(), state["steps"]
