"""Callbacks that follow the training loss."""

from typing import Any

from bnnstudy.training.callbacks.base import Callback, Context


class LossSums(Callback):
    """The *sum* of an epoch's losses beside their mean, as paper A plots it: `train_loss_sum`."""

    name = "loss_sums"

    def __init__(self, context: Context):
        super().__init__(context)
        self._sums: list[float | None] = []

    def after_epoch(self, epoch: int, loss: float | None) -> None:
        batches = self.context.steps // self.context.config.epochs
        self._sums.append(None if loss is None else loss * batches)

    def curves(self) -> dict[str, list[Any]]:
        return {"train_loss_sum": self._sums}

    def state_dict(self) -> dict[str, list[Any]]:
        return {"sums": self._sums}

    def load_state_dict(self, state: dict[str, list[Any]]) -> None:
        self._sums = state["sums"]
