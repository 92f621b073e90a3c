"""What a study may look at while a network trains: observers for `training.fit`."""

import hashlib
import math

import numpy as np
import torch
from torch import Tensor, nn

from bnnstudy.config.run import RunConfig
from bnnstudy.nn.parameters import observed_weights
from bnnstudy.training.step import weight_factor


class Trace:
    """A digest of the binary weights after each step: two runs are one if their digests are."""

    name = "trace"

    def __init__(self, config: RunConfig, model: nn.Module, steps: int):
        self._weights = list(observed_weights(model).values())
        self._digests: list[str] = []

    def before(self, step: int) -> None:
        """Nothing to do before a step."""

    def after(self, step: int) -> None:
        """Add this step's digest."""
        digest = hashlib.sha256()
        for weight in self._weights:
            digest.update(weight.detach().cpu().contiguous().numpy().data)
        self._digests.append(digest.hexdigest()[:16])

    def report(self) -> dict:
        """The digests by step."""
        return {"digests": self._digests}

    def state_dict(self) -> dict:
        """The digests so far."""
        return {"digests": self._digests}

    def load_state_dict(self, state: dict) -> None:
        """Go on from what `state_dict` gave."""
        self._digests = state["digests"]


class UpdateSize:
    """How far a step moves a latent weight, in units of the rate: mean |w_i - w_{i-1}| / lr_i.

    1 is Adam's step for a gradient that is always the same; noise makes it smaller. About `points`
    steps are looked at, evenly spaced.
    """

    name = "update_size"

    def __init__(self, config: RunConfig, model: nn.Module, steps: int, points: int = 100):
        self._weights = list(observed_weights(model).values())
        self._lr, self._factor = config.lr, weight_factor(config, steps)
        self._every = max(1, steps // points)
        self._sizes: list[float | None] = []
        self._before: list[Tensor] = []

    def before(self, step: int) -> None:
        """Keep the weights as they are before a step that is looked at."""
        if step % self._every == 0:
            self._before = [w.detach().clone() for w in self._weights]

    def after(self, step: int) -> None:
        """Measure how far the step went."""
        if step % self._every == 0:
            moved = sum(
                (w.detach() - b).abs().sum().item()
                for w, b in zip(self._weights, self._before, strict=True)
            )
            count = sum(w.numel() for w in self._weights)
            size = moved / count / (self._lr * self._factor(step - 1))
            self._sizes.append(float(f"{size:.4g}") if math.isfinite(size) else None)

    def report(self) -> dict:
        """The sizes (None where they are not finite), and the mean of the others over the run."""
        finite = [size for size in self._sizes if size is not None]
        return {"sizes": self._sizes, "mean": sum(finite) / len(finite) if finite else None}

    def state_dict(self) -> dict:
        """The sizes so far."""
        return {"sizes": self._sizes}

    def load_state_dict(self, state: dict) -> None:
        """Go on from what `state_dict` gave."""
        self._sizes = state["sizes"]


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
