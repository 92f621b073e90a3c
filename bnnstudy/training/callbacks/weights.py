"""Callbacks that follow the binary weights from step to step."""

import hashlib
import math
from typing import Any

import numpy as np
import torch
from torch import Tensor

from bnnstudy.config.schedules import weight_factor
from bnnstudy.config.serialise import significant
from bnnstudy.nn.layers import BinaryConv2d, BinaryLinear
from bnnstudy.nn.parameters import observed_weights
from bnnstudy.training.callbacks.base import Callback, Context
from bnnstudy.training.metrics import POINTS, not_binary


class WeightDigests(Callback):
    """A digest of the binary weights after each step: two runs are one if their digests are."""

    name = "weight_digests"

    def __init__(self, context: Context):
        super().__init__(context)
        self._weights = list(observed_weights(context.model).values())
        self._digests: list[str] = []

    def after_step(self, step: int) -> None:
        digest = hashlib.sha256()
        for weight in self._weights:
            digest.update(weight.detach().cpu().contiguous().numpy().data)
        self._digests.append(digest.hexdigest()[:16])

    def result(self) -> dict[str, Any]:
        return {"by_step": self._digests}

    def state_dict(self) -> dict[str, Any]:
        return {"digests": self._digests}

    def load_state_dict(self, state: dict[str, Any]) -> None:
        self._digests = state["digests"]


class Signs(Callback):
    """The sign of every binary weight after each step, eight to a byte.

    Kept in memory: a bit a weight and step, 17 MB for 134,000 weights and 1,000 steps. The result has
    tensors: a procedure that uses it takes it out before recording.
    """

    name = "signs"

    def __init__(self, context: Context):
        super().__init__(context)
        self._weights = list(observed_weights(context.model).values())
        self._steps: list[Tensor] = []

    def after_step(self, step: int) -> None:
        signs = torch.cat([torch.signbit(w.detach()).reshape(-1) for w in self._weights])
        self._steps.append(torch.from_numpy(np.packbits(signs.cpu().numpy())))

    def result(self) -> dict[str, Any]:
        """The packed signs by step, and how many weights there are."""
        return {"steps": self._steps, "size": sum(w.numel() for w in self._weights)}

    def state_dict(self) -> dict[str, Any]:
        return {"steps": self._steps}

    def load_state_dict(self, state: dict[str, Any]) -> None:
        self._steps = state["steps"]


class UpdateSize(Callback):
    """How far a step moves a latent weight, in units of the rate: mean |w_i - w_{i-1}| / lr_i.

    1 is Adam's step for a gradient that is always the same; noise makes it smaller. About `points`
    steps are looked at, evenly spaced.
    """

    name = "update_size"

    def __init__(self, context: Context, points: int = 100):
        super().__init__(context)
        self._weights = list(observed_weights(context.model).values())
        self._factor = weight_factor(context.config, context.steps)
        self._every = max(1, context.steps // POINTS.checked("points", points))
        self._sizes: list[float | None] = []
        self._before: list[Tensor] = []

    def before_step(self, step: int) -> None:
        if step % self._every == 0:
            self._before = [w.detach().clone() for w in self._weights]

    def after_step(self, step: int) -> None:
        if step % self._every == 0:
            moved = sum(
                (w.detach() - b).abs().sum().item()
                for w, b in zip(self._weights, self._before, strict=True)
            )
            count = sum(w.numel() for w in self._weights)
            size = moved / count / (self.context.config.lr * self._factor(step - 1))
            self._sizes.append(significant(size) if math.isfinite(size) else None)

    def result(self) -> dict[str, Any]:
        """The sizes (None where they are not finite), and the mean of the others over the run."""
        finite = [size for size in self._sizes if size is not None]
        return {"sizes": self._sizes, "mean": sum(finite) / len(finite) if finite else None}

    def state_dict(self) -> dict[str, Any]:
        return {"sizes": self._sizes}

    def load_state_dict(self, state: dict[str, Any]) -> None:
        self._sizes = state["sizes"]


class WeightCheck(Callback):
    """Whether what the binary layers multiply with is ±1 after training, and whether they store it."""

    name = "weights"

    def result(self) -> dict[str, Any]:
        """Of all binary weights: effective ones and stored ones that are not ±1."""
        kinds = BinaryLinear | BinaryConv2d
        layers = [layer for layer in self.context.model.modules() if isinstance(layer, kinds)]
        stored = [layer.weight for layer in layers]
        effective = [layer.effective_weight() for layer in layers]
        size = sum(w.numel() for w in stored)
        return {
            "effective": {"differing": not_binary(effective), "compared": size},
            "stored": {"differing": not_binary(stored), "compared": size},
        }
