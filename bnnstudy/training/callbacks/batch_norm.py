"""TODO training.callbacks.batch_norm."""

from collections.abc import Sequence
from functools import partial

import torch
from torch import Tensor, nn

from bnnstudy import data
from bnnstudy.config.run import RunConfig
from bnnstudy.training.batch_norm import measure_anew, norms_of
from bnnstudy.training.evaluation import evaluate


class Averages:
    """Batch norm's running averages of one training at several momenta, each with its own accuracies.

    The network must train with `batch_norm_momentum=1`, so that batch norm's own average is the last
    batch. Each average starts where the network's stands; the slowest is also read without that start,
    (a_t - k^t a_0) / (1 - k^t) with k = 1 - momentum, as "NAME without start". `anew` counts training
    images on which the statistics are measured again after each epoch.

    Args:
        momenta: by name, the weight of the new batch (torch's convention).
    """

    name = "averages"

    def __init__(
        self,
        config: RunConfig,
        model: nn.Module,
        steps: int,
        dataset: data.Dataset,
        momenta: dict[str, float],
        anew: int = 2000,
    ):
        if config.batch_norm_momentum != 1:
            raise ValueError(
                f"batch_norm_momentum must be 1 with Averages, got {config.batch_norm_momentum!r}"
            )
        self._model, self._dataset, self._momenta = model, dataset, momenta
        self._norms = norms_of(model)
        self._steps, self._epoch = steps, steps // config.epochs
        self._batch, self._images = config.batch_size, dataset.train.images[:anew]
        self._averages = {name: self._own() for name in momenta}
        self._start, self._slowest = self._own(), min(momenta, key=momenta.__getitem__)
        names = (*momenta, f"{self._slowest} without start", "anew")
        self._curves: dict[str, dict[str, list]] = {
            name: {"validation_accuracy": [], "test_accuracy": []} for name in names
        }

    def before(self, step: int) -> None:
        """Nothing to do before a step."""

    @torch.no_grad()
    def after(self, step: int) -> None:
        """Move the averages; after an epoch, evaluate the network with each."""
        for name, momentum in self._momenta.items():
            for average, own in zip(self._averages[name], self._own(copy=False), strict=True):
                average.lerp_(own, momentum)
        if step % self._epoch:
            return
        kept = self._own()
        for name, averages in self._averages.items():
            self._set(averages)
            self._evaluate(name, step)
        self._set(self._without_start(step))
        self._evaluate(f"{self._slowest} without start", step)
        measure_anew(self._model, self._dataset, self._images, self._batch)
        self._evaluate("anew", step)
        self._set(kept)

    def report(self) -> dict:
        """Accuracies by momentum and epoch; on the test set where the validation's is best, or last."""
        return {name: dict(curves) for name, curves in self._curves.items()}

    def state_dict(self) -> dict:
        """The averages and the accuracies so far."""
        return {"averages": self._averages, "start": self._start, "curves": self._curves}

    def load_state_dict(self, state: dict) -> None:
        """Go on from what `state_dict` gave."""
        pairs = [(self._averages[name], saved) for name, saved in state["averages"].items()]
        for own, saved in (*pairs, (self._start, state["start"])):
            for statistic, value in zip(own, saved, strict=True):
                statistic.copy_(value)
        self._curves = state["curves"]

    def _own(self, copy: bool = True) -> list[Tensor]:
        # Batch norm of these networks keeps its statistics.
        pairs = [
            s for norm in self._norms for s in (norm.running_mean, norm.running_var) if s is not None
        ]
        return [s.clone() for s in pairs] if copy else pairs

    def _set(self, statistics: Sequence[Tensor]) -> None:
        for own, value in zip(self._own(copy=False), statistics, strict=True):
            own.copy_(value)

    def _without_start(self, step: int) -> list[Tensor]:
        left = (1 - self._momenta[self._slowest]) ** step
        averages = self._averages[self._slowest]
        return [(a - left * s) / (1 - left) for a, s in zip(averages, self._start, strict=True)]

    def _evaluate(self, name: str, step: int) -> None:
        curves, score = self._curves[name], partial(evaluate, self._model, self._dataset)
        accuracy = score(self._dataset.validation)
        best = max(curves["validation_accuracy"], default=-1.0)
        curves["validation_accuracy"].append(accuracy)
        needed = accuracy > best or step == self._steps
        curves["test_accuracy"].append(score(self._dataset.test) if needed else None)


class StartAnew:
    """The accuracies at a stage's start, before any step, with batch norm's statistics measured anew.

    The first `anew` training images are measured on; the network's own statistics come back.
    """

    name = "start_anew"

    def __init__(
        self, config: RunConfig, model: nn.Module, steps: int, dataset: data.Dataset, anew: int = 2000
    ):
        kept = {name: value.clone() for name, value in model.state_dict().items()}
        momenta = [norm.momentum for norm in norms_of(model)]
        measure_anew(model.train(), dataset, dataset.train.images[:anew], config.batch_size)
        parts = {"validation": dataset.validation, "test": dataset.test}
        self._found = {f"{n}_accuracy": evaluate(model, dataset, part) for n, part in parts.items()}
        model.load_state_dict(kept)
        for norm, momentum in zip(norms_of(model), momenta, strict=True):
            norm.momentum = momentum

    def before(self, step: int) -> None:
        """Nothing to do before a step."""

    def after(self, step: int) -> None:
        """Nor after it."""

    def report(self) -> dict:
        """Validation and test accuracy."""
        return self._found

    def state_dict(self) -> dict:
        """What was found at the start."""
        return self._found

    def load_state_dict(self, state: dict) -> None:
        """Go on from what `state_dict` gave."""
        self._found = state
