"""Callbacks on batch norm's statistics: at several momenta in one training, and re-estimated."""

from collections.abc import Mapping, Sequence
from typing import Any, cast

import torch
from torch import Tensor

from bnnstudy.config import checks
from bnnstudy.evidence.results import Accuracies, Result, of_curves
from bnnstudy.evidence.right import keep
from bnnstudy.nn.batch_norm import norms_of, reestimated
from bnnstudy.training.batch_norm import estimation_batches
from bnnstudy.training.callbacks.base import Callback, Context
from bnnstudy.training.evaluation import accuracies, evaluate, right, share


class Averages(Callback):
    """Batch norm's running averages of one training at several momenta, each a part of the result.

    The network must train with `batch_norm_momentum=1`, so that batch norm's own average is the last
    batch. Each average starts where the network's stands; the slowest is also read without that start,
    (a_t - k^t a_0) / (1 - k^t) with k = 1 - momentum, as "NAME without start". The part `anew` has the
    statistics re-estimated on the first `images` training images after each epoch.

    Args:
        momenta: by name, the weight of the new batch (torch's convention).
        images: how many training images `anew` is estimated on.

    Raises:
        ValueError: if the network trains with another momentum, or an argument is none of its kind.
    """

    name = "averages"

    def __init__(self, context: Context, momenta: Mapping[str, float], images: int = 2000):
        super().__init__(context)
        config, model = context.config, context.model
        if config.batch_norm_momentum != 1:
            raise ValueError(
                f"batch_norm_momentum must be 1 with Averages, got {config.batch_norm_momentum!r}"
            )
        checks.instance("momenta", momenta, Mapping)
        if not momenta:
            raise ValueError("momenta must have one or more, got none")
        for name, momentum in momenta.items():
            checks.NAME.checked("a name of momenta", name)
            checks.SHARE.checked(f"momenta of {name!r}", momentum)
        self._norms, self._momenta = norms_of(model), dict(momenta)
        dtype = next(model.parameters()).dtype
        self._batches = estimation_batches(context.dataset, images, config.batch_size, dtype)
        self._averages = {name: self._copied() for name in momenta}
        self._start, self._slowest = self._copied(), min(momenta, key=momenta.__getitem__)
        names = (*momenta, f"{self._slowest} without start", "anew")
        self._curves: dict[str, dict[str, list[Any]]] = {
            name: {"validation_accuracy": [], "test_accuracy": []} for name in names
        }
        # Which test images are right with each, at its best epoch so far and after the last.
        self._right: dict[str, dict[str, Tensor]] = {name: {} for name in names}

    @torch.no_grad()
    def after_step(self, step: int) -> None:
        for name, momentum in self._momenta.items():
            for average, own in zip(self._averages[name], self._own(), strict=True):
                average.lerp_(own, momentum)

    @torch.no_grad()
    def after_epoch(self, epoch: int, loss: float | None) -> None:
        """Evaluate the network with each average."""
        kept = self._copied()
        for name, averages in self._averages.items():
            self._set(averages)
            self._evaluate(name, epoch)
        self._set(self._without_start(epoch))
        self._evaluate(f"{self._slowest} without start", epoch)
        with reestimated(self.context.model, self._batches):
            self._evaluate("anew", epoch)
        self._set(kept)

    def parts(self) -> dict[str, Result]:
        """On the test set an epoch has a value where its validation's is best so far, or the last."""
        return {
            name: {
                **of_curves(curves),
                "right": keep({metric: bits.numpy() for metric, bits in self._right[name].items()}),
            }
            for name, curves in self._curves.items()
        }

    def state_dict(self) -> dict[str, Any]:
        own = {"averages": self._averages, "start": self._start}
        return {**own, "curves": self._curves, "right": self._right}

    def load_state_dict(self, state: dict[str, Any]) -> None:
        pairs = [(self._averages[name], saved) for name, saved in state["averages"].items()]
        for own, saved in (*pairs, (self._start, state["start"])):
            for statistic, value in zip(own, saved, strict=True):
                statistic.copy_(value)
        self._curves, self._right = state["curves"], state["right"]

    def _own(self) -> list[Tensor]:
        return [s for norm in self._norms for s in (norm.running_mean, norm.running_var)]

    def _copied(self) -> list[Tensor]:
        return [statistic.clone() for statistic in self._own()]

    def _set(self, statistics: Sequence[Tensor]) -> None:
        for own, value in zip(self._own(), statistics, strict=True):
            own.copy_(value)

    def _without_start(self, epoch: int) -> list[Tensor]:
        steps = epoch * self.context.steps // self.context.config.epochs
        left = (1 - self._momenta[self._slowest]) ** steps
        averages = self._averages[self._slowest]
        return [(a - left * s) / (1 - left) for a, s in zip(averages, self._start, strict=True)]

    def _evaluate(self, name: str, epoch: int) -> None:
        curves, model, dataset = self._curves[name], self.context.model, self.context.dataset
        accuracy = evaluate(model, dataset, dataset.validation)
        best = max(curves["validation_accuracy"], default=-1.0)
        curves["validation_accuracy"].append(accuracy)
        last = epoch == self.context.config.epochs
        score = None
        if accuracy > best or last:
            found = right(model, dataset, dataset.test)
            score, bits = share(found), found.cpu()
            if accuracy > best:
                self._right[name]["test_accuracy"] = bits
            if last:
                self._right[name]["last.test_accuracy"] = bits
        curves["test_accuracy"].append(score)


class ReestimatedStart(Callback):
    """The accuracies at a stage's start, before any step, with batch norm's statistics re-estimated.

    They are the part `anew`, estimated on the first `images` training images. The network's own
    statistics come back.
    """

    name = "reestimated_start"

    def __init__(self, context: Context, images: int = 2000):
        super().__init__(context)
        model, dataset = context.model, context.dataset
        dtype = next(model.parameters()).dtype
        batches = estimation_batches(dataset, images, context.config.batch_size, dtype)
        with reestimated(model, batches):
            self._found = accuracies(model, dataset)

    def parts(self) -> dict[str, Result]:
        return {"anew": Result(**self._found)}

    def state_dict(self) -> dict[str, Any]:
        return {**self._found}

    def load_state_dict(self, state: dict[str, Any]) -> None:
        self._found = cast(Accuracies, state)
