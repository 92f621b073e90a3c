"""What a study may look at while a network trains: observers for `training.fit`."""

import hashlib
from collections.abc import Sequence
from functools import partial
from typing import Any

import torch
from torch import Tensor, nn

from bnnstudy import data
from bnnstudy.config import RunConfig
from bnnstudy.layers import BinaryConv2d, evaluating, observed_weights
from bnnstudy.schedules import schedule_factor
from bnnstudy.training import evaluate

NORMS = (nn.BatchNorm1d, nn.BatchNorm2d)


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
        self._rate = lambda step: (
            config.lr * schedule_factor(config.schedule, step - 1, steps, config.drops)
        )
        self._every = max(1, steps // points)
        self._sizes: list[float] = []
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
            self._sizes.append(float(f"{moved / count / self._rate(step):.4g}"))

    def report(self) -> dict:
        """The sizes, and their mean over the run."""
        return {"sizes": self._sizes, "mean": sum(self._sizes) / max(len(self._sizes), 1)}

    def state_dict(self) -> dict:
        """The sizes so far."""
        return {"sizes": self._sizes}

    def load_state_dict(self, state: dict) -> None:
        """Go on from what `state_dict` gave."""
        self._sizes = state["sizes"]


class PositiveInputs:
    """The share of positive values among what the binary convolutions multiply with, at the end.

    The first convolution, which sees the image, is left out. For activations that are ±1 it is the
    share of +1. Measured on the first `images` validation images.
    """

    name = "positive_inputs"

    def __init__(
        self, config: RunConfig, model: nn.Module, steps: int, dataset: data.Dataset, images: int = 500
    ):
        self._model, self._dataset, self._images = model, dataset, images

    def before(self, step: int) -> None:
        """Nothing to do before a step."""

    def after(self, step: int) -> None:
        """Nor after it."""

    @torch.no_grad()
    def report(self) -> dict:
        """The share by layer and its mean."""
        layers = [module for module in self._model.modules() if isinstance(module, BinaryConv2d)][1:]
        shares: list[float] = []

        def look(layer: nn.Module, inputs: tuple[Tensor, ...]) -> None:
            shares.append(float(f"{(inputs[0] > 0).double().mean().item():.4g}"))

        hooks = [layer.register_forward_pre_hook(look) for layer in layers]
        images = self._dataset.validation.images[: self._images]
        with evaluating(self._model):
            self._model(self._dataset.inputs(images, next(self._model.parameters()).dtype))
        for hook in hooks:
            hook.remove()
        return {"layers": shares, "mean": sum(shares) / max(len(shares), 1)}

    def state_dict(self) -> dict:
        """Nothing: all is measured at the end."""
        return {}

    def load_state_dict(self, state: dict) -> None:
        """Nothing to go on from."""


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
        self._norms = _norms(model)
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
        momenta = [norm.momentum for norm in _norms(model)]
        measure_anew(model.train(), dataset, dataset.train.images[:anew], config.batch_size)
        parts = {"validation": dataset.validation, "test": dataset.test}
        self._found = {f"{n}_accuracy": evaluate(model, dataset, part) for n, part in parts.items()}
        model.load_state_dict(kept)
        for norm, momentum in zip(_norms(model), momenta, strict=True):
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


@torch.no_grad()
def measure_anew(model: nn.Module, dataset: data.Dataset, images: Tensor, batch: int) -> None:
    """Sets batch norm's statistics to their mean over the batches of `images`; momenta become 1.

    The network must be in training mode. Batches that are not full are left out.
    """
    dtype = next(model.parameters()).dtype
    for count, part in enumerate((p for p in images.split(batch) if len(p) == batch), start=1):
        for norm in _norms(model):
            norm.momentum = 1 / count
        model(dataset.inputs(part, dtype))
    for norm in _norms(model):
        norm.momentum = 1.0


def _norms(model: nn.Module) -> list[Any]:
    return [module for module in model.modules() if isinstance(module, NORMS)]
