"""`Callback`: what looks on at a run, measures it and adds to its result."""

from collections.abc import Callable, Sequence
from dataclasses import dataclass
from typing import Any

import torch
from torch import nn

from bnnstudy.config import checks
from bnnstudy.config.checks import shown
from bnnstudy.config.run import RunConfig
from bnnstudy.data import Dataset
from bnnstudy.evidence.results import Result


@dataclass(frozen=True, kw_only=True)
class Context:
    """What a callback is given when a run begins, and again at the start of each of its stages.

        >>> from bnnstudy.training import fit
        >>> class Steps(Callback):
        ...     name = "steps"
        ...     def result(self):
        ...         return {"number": self.context.steps}
        >>> fit(RunConfig(width=16, depth=1, epochs=2, train_size=500), callbacks=[Steps])["steps"]
        {'number': 10}

    Attributes:
        config: the configuration, of the stage where there are stages.
        model: the network, on its device.
        optimizers: one for all parameters, or one for the binary and one for the real ones.
        steps: length of the stage in steps.
        dataset: the data, on the network's device; of a training on a folder, the folder.

    Raises:
        ValueError: naming the field, its value and what is allowed.
    """

    config: RunConfig
    model: nn.Module
    optimizers: Sequence[torch.optim.Optimizer]
    steps: int
    dataset: Dataset

    def __post_init__(self) -> None:
        checks.instance("config", self.config, RunConfig)
        checks.instance("model", self.model, nn.Module)
        checks.settle(self, {"steps": checks.WHOLE})
        if not isinstance(self.optimizers, Sequence) or not all(
            isinstance(one, torch.optim.Optimizer) for one in self.optimizers
        ):
            raise ValueError(f"optimizers must be torch's, in a list, got {shown(self.optimizers)}")


class Callback:
    """Looks on at a run. Every method has a default that does nothing: write those that are needed.

    `fit` makes a callback from its class, or from any function of a `Context`, at the start of a run
    and of each of its stages:

        >>> from bnnstudy.training import fit
        >>> class LossFell(Callback):
        ...     name = "loss_fell"
        ...     losses = ()
        ...     def after_epoch(self, epoch, loss):
        ...         self.losses = (*self.losses, loss)
        ...     def result(self):
        ...         return {"fell": self.losses[-1] < self.losses[0]}
        >>> fit(RunConfig(width=16, depth=1, lr=0.01, epochs=3), callbacks=[LossFell])["loss_fell"]
        {'fell': True}

    Attributes:
        name: the key of its result; unique in a run, and no key that every result has.

    Raises:
        ValueError: if it is not given a `Context`.
    """

    name: str

    def __init__(self, context: Context):
        checks.instance("context", context, Context)
        self.context = context

    def before_step(self, step: int) -> None:
        """Called before step number `step` (from 1 in each stage)."""

    def after_step(self, step: int) -> None:
        """Called after the optimizers have moved, while the step's gradients are still in place."""

    def after_epoch(self, epoch: int, loss: float | None) -> None:
        """Called after epoch number `epoch` (from 1 in each stage) with its mean loss.

        The loss is None where the run has diverged.
        """

    def result(self) -> dict[str, Any] | None:
        """What stands under its name in the result; None for nothing."""

    def curves(self) -> dict[str, list[Any]]:
        """Curves by epoch that stand among those of the result; stages follow one another."""
        return {}

    def parts(self) -> dict[str, Result]:
        """What it measured in several ways, each as a result of its own; the last stage's count."""
        return {}

    def state_dict(self) -> dict[str, Any]:
        """All that a run which goes on from a checkpoint needs: tensors and plain values."""
        return {}

    def load_state_dict(self, state: dict[str, Any]) -> None:
        """Go on from what `state_dict` gave."""


MakeCallback = Callable[[Context], Callback]
"""A class of callbacks, or any function that makes one from a context."""
