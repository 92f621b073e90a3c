"""A callback that averages the weights: what averaging does that a falling rate does too."""

import copy
from typing import Any

import torch
from torch import nn

from bnnstudy.config import checks
from bnnstudy.evidence.results import Accuracies, Result
from bnnstudy.evidence.right import keep
from bnnstudy.nn.batch_norm import reestimate
from bnnstudy.nn.parameters import observed_weights
from bnnstudy.training.batch_norm import estimation_batches, require_batch
from bnnstudy.training.callbacks.base import Callback, Context
from bnnstudy.training.evaluation import evaluate, right, share


class AveragedWeights(Callback):
    """The mean of each latent weight over the second half of the run, and the network of its signs.

    Latent weights from a zero start are the filter's state, so this is one more filter behind it: a
    mean over half the run, whose sign flips less. The network trains on as if it were not there.

    Parts: `averaged`, the signs of the averages, and `anew`, the network as it ended; in both batch
    norm's statistics are re-estimated on the first `images` training images.

    Raises:
        ValueError: in the filter's view, whose state lies in the optimizer; or if `images` are fewer
            than a batch has.
    """

    name = "averaged_weights"

    def __init__(self, context: Context, images: int = 2000):
        super().__init__(context)
        if context.config.view == "filter":
            raise ValueError("view must be 'latent' with AveragedWeights: ±1 have no mean to sign")
        self._images = checks.COUNT.checked("images", images)
        require_batch(self._images, context.config.batch_size)
        self._half = context.steps // 2
        self._sums = [torch.zeros_like(w) for w in observed_weights(context.model).values()]

    @torch.no_grad()
    def after_step(self, step: int) -> None:
        if step > self._half:
            torch._foreach_add_(self._sums, list(observed_weights(self.context.model).values()))

    def parts(self) -> dict[str, Result]:
        averaged = copy.deepcopy(self.context.model)
        with torch.no_grad():
            for w, total in zip(observed_weights(averaged).values(), self._sums, strict=True):
                w.copy_(total)
        own = copy.deepcopy(self.context.model)
        return {"averaged": self._scores(averaged), "anew": self._scores(own)}

    def _scores(self, model: nn.Module) -> Result:
        dataset, dtype = self.context.dataset, next(model.parameters()).dtype
        batch = self.context.config.batch_size
        reestimate(model, estimation_batches(dataset, self._images, batch, dtype))
        validation, found = (
            evaluate(model, dataset, dataset.validation),
            right(model, dataset, dataset.test),
        )
        scores: Accuracies = {"validation_accuracy": validation, "test_accuracy": share(found)}
        bits = found.cpu().numpy()
        kept = keep({"test_accuracy": bits, "last.test_accuracy": bits})
        return {**scores, "last": scores, "right": kept}

    def state_dict(self) -> dict[str, Any]:
        return {"sums": self._sums}

    def load_state_dict(self, state: dict[str, Any]) -> None:
        for total, saved in zip(self._sums, state["sums"], strict=True):
            total.copy_(saved)
