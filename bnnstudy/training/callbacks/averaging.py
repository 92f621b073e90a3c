"""What averaging does that a falling rate does too: the signs of averaged latent weights."""

import copy
from functools import partial

import torch
from torch import nn

from bnnstudy import data
from bnnstudy.config.run import RunConfig
from bnnstudy.nn.parameters import observed_weights
from bnnstudy.training import evaluation
from bnnstudy.training.batch_norm import measure_anew


class AveragedWeights:
    """The mean of each latent weight over the second half of the run, and the network of its signs.

    Latent weights from a zero start are the filter's state, so this is one more filter behind it: a
    mean over half the run, whose sign flips less. The network trains on as if it were not there.

    Args:
        anew: training images on which batch norm's statistics are measured for other signs.

    Raises:
        ValueError: in the filter's view, whose state lies in the optimizer.
    """

    name = "averaged"

    def __init__(
        self, config: RunConfig, model: nn.Module, steps: int, dataset: data.Dataset, anew: int = 2000
    ):
        if config.view == "filter":
            raise ValueError("view must be 'latent' with AveragedWeights: ±1 have no mean to sign")
        self._model, self._dataset, self._half = model, dataset, steps // 2
        self._images, self._batch = dataset.train.images[:anew], config.batch_size
        self._sums = [torch.zeros_like(w) for w in observed_weights(model).values()]

    def before(self, step: int) -> None:
        """Nothing to do before a step."""

    @torch.no_grad()
    def after(self, step: int) -> None:
        """Add this step's weights, in the second half."""
        if step > self._half:
            torch._foreach_add_(self._sums, list(observed_weights(self._model).values()))

    def report(self) -> dict:
        """Accuracies of the averaged weights' signs, and of the last ones, statistics measured anew."""
        averaged = copy.deepcopy(self._model)
        with torch.no_grad():
            for w, total in zip(observed_weights(averaged).values(), self._sums, strict=True):
                w.copy_(total)
        return {"averaged": self._scores(averaged), "anew": self._scores(copy.deepcopy(self._model))}

    def _scores(self, model: nn.Module) -> dict:
        measure_anew(model.train(), self._dataset, self._images, self._batch)
        parts = {"validation": self._dataset.validation, "test": self._dataset.test}
        score = partial(evaluation.evaluate, model, self._dataset)
        found = {f"{name}_accuracy": score(part) for name, part in parts.items()}
        return {**found, "last": found}

    def state_dict(self) -> dict:
        """The sums so far."""
        return {"sums": self._sums}

    def load_state_dict(self, state: dict) -> None:
        """Go on from what `state_dict` gave."""
        for total, saved in zip(self._sums, state["sums"], strict=True):
            total.copy_(saved)
