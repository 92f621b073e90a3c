"""`fit`: one configuration in, one result out.

On a CPU a run uses one thread, so that a result does not depend on how many others run beside it;
many runs go side by side instead (`bnnstudy.experiments.sweep`).
"""

import math
import os
from collections.abc import Mapping, Sequence
from typing import Any, Literal, cast, overload

import numpy as np
import torch
from torch import Tensor, nn

from bnnstudy import data, devices
from bnnstudy.config import checks
from bnnstudy.config.checks import shown
from bnnstudy.config.run import RunConfig
from bnnstudy.config.serialise import significant
from bnnstudy.evidence.results import Accuracies, Result, best_epoch
from bnnstudy.evidence.right import keep
from bnnstudy.nn.parameters import observed_weights
from bnnstudy.training import metrics
from bnnstudy.training.callbacks.base import Callback, Context, MakeCallback
from bnnstudy.training.callbacks.flips import FlipRatio
from bnnstudy.training.checkpoints import Checkpoint
from bnnstudy.training.evaluation import evaluate, right, share
from bnnstudy.training.handover import network_of, require_stages
from bnnstudy.training.progress import bar
from bnnstudy.training.step import Step


@overload
def fit(
    config: RunConfig,
    dataset: data.Dataset | None = None,
    *,
    root: str | os.PathLike[str] | None = None,
    device: str | torch.device = "cpu",
    callbacks: Sequence[MakeCallback] = (),
    progress: bool = False,
    checkpoint: Checkpoint | None = None,
    with_model: Literal[False] = False,
) -> Result: ...


@overload
def fit(
    config: RunConfig,
    dataset: data.Dataset | None = None,
    *,
    root: str | os.PathLike[str] | None = None,
    device: str | torch.device = "cpu",
    callbacks: Sequence[MakeCallback] = (),
    progress: bool = False,
    checkpoint: Checkpoint | None = None,
    with_model: Literal[True],
) -> tuple[Result, nn.Module]: ...


def fit(
    config: RunConfig,
    dataset: data.Dataset | None = None,
    *,
    root: str | os.PathLike[str] | None = None,
    device: str | torch.device = "cpu",
    callbacks: Sequence[MakeCallback] = (),
    progress: bool = False,
    checkpoint: Checkpoint | None = None,
    with_model: bool = False,
) -> Result | tuple[Result, nn.Module]:
    """Train the network that `config` describes and measure it after each epoch.

    The last incomplete batch of an epoch is left out (batch norm). The epoch is chosen on validation
    accuracy alone, the earliest of equals. A run whose loss is not finite ends there and says so
    (`diverged`); what it measured counts.

        >>> result = fit(RunConfig(width=64, depth=1, lr=0.01, epochs=3))
        >>> result["test_accuracy"] > 0.5, len(result["curves"]["train_loss"])
        (True, 3)

    Args:
        dataset: the data, on `device`; None loads it from `root`.
        device: a torch device.
        callbacks: what else to measure, as classes of `Callback` or functions of a `Context`; each adds
            its result under its name.
        progress: show a bar over epochs (quiet where the error stream is no terminal).
        checkpoint: a `bnnstudy.training.Checkpoint` to go on from, written after an epoch when the
            last time is half a minute ago. A run that was cut anywhere ends with the same result, bit
            for bit on a CPU, as one that was not. The file stays: remove it when the result is safe.
        with_model: return the network too, as it is after the last epoch.

    Returns:
        `validation_accuracy` and `test_accuracy` (shares, 0 to 1) at `best_epoch` (from 1), the same
        two under `last`, `curves` by epoch, `flip_ratio`, `saturation`, `diverged`. The curves hold the
        shares of weights with |w| >= 1 (`saturation`) and with |w| > 1 (`beyond`) too. `right` says of
        each test image whether the network was right, at the best epoch and after the last.

        A run of several stages has the callbacks' results of the last one, and under `stages` those of
        each, with its `epochs` and the accuracies at its `start`, before any step. Epochs in which the
        network has other bits than at the end (a pre-training) are never the best.

        A run with drops of the rate has `phases`: loss and accuracies after the last whole epoch of
        each phase; nothing where there is none. What callbacks measured in several ways is `parts`.

        With `with_model` a pair: this result and the network.

    Raises:
        ValueError: if the configuration names something unknown or does not fit the data, if two
            callbacks have one name, or one that a result has already, or an argument is none of its
            kind.
        TypeError: if `checkpoint` is none, such as a bare path.
    """
    if not isinstance(checkpoint, Checkpoint | None):
        raise TypeError(f"checkpoint must be a Checkpoint or None, got {shown(checkpoint)}")
    place = devices.place_here(device)
    checks.instance("config", config, RunConfig)
    checks.instance("dataset", dataset, data.Dataset, or_none=True)
    progress = checks.FLAG.checked("progress", progress)
    with_model = checks.FLAG.checked("with_model", with_model)
    if dataset is None:
        dataset = data.load(config.dataset, root, train_size=config.train_size, device=device)
    require_stages(config, dataset)
    with devices.one_thread(device):
        run = Run(config, dataset, place, callbacks)
        if checkpoint:
            names = [callback.name for callback in run.callbacks]
            sizes = [len(part) for part in (dataset.train, dataset.validation, dataset.test)]
            where = f"{device}{', compiled' if devices.is_compiling() else ''}"
            state = checkpoint.load(config, f"{dataset.fingerprint} {sizes}", where, names)
            if state:
                run.load_state_dict(state)
        done = len(run.curves["train_loss"])
        with bar(progress, total=config.epochs, initial=done, unit="epoch", leave=False) as shown_bar:
            while not run.finished:
                run.epoch()
                shown_bar.update()
                if checkpoint:
                    checkpoint.save(run.state_dict)
        return (run.result(), run.model) if with_model else run.result()


_ACCURACIES = ("validation_accuracy", "test_accuracy")
_MEASURED = ("train_loss", *_ACCURACIES)
_CURVES = (*_MEASURED, "saturation", "beyond")
_TAKEN = frozenset(
    {*_ACCURACIES, "best_epoch", "last", "curves", "saturation", "diverged", "stages", "phases",
     "parts", "epochs", "start", "right"}
)  # fmt: skip
"""Keys of every result and of its stages: no callback may have one for its name."""


class Run:
    """A run between two epochs: all that its end depends on.

        >>> config = RunConfig(width=16, depth=1, epochs=2)
        >>> run = Run(config, data.load("digits"), torch.device("cpu"), callbacks=())
        >>> while not run.finished:
        ...     run.epoch()
        >>> run.epochs, len(run.result()["curves"]["test_accuracy"])
        (2, 2)

    Raises:
        ValueError: naming the argument that is none of its kind.
    """

    def __init__(
        self,
        config: RunConfig,
        dataset: data.Dataset,
        device: torch.device,
        callbacks: Sequence[MakeCallback],
    ):
        checks.instance("config", config, RunConfig)
        checks.instance("dataset", dataset, data.Dataset)
        self.dataset, self.device = dataset, devices.place_here(device)
        if not isinstance(callbacks, Sequence) or not all(map(callable, callbacks)):
            allowed = "classes or functions of a Context, in a list"
            raise ValueError(f"callbacks must be {allowed}, got {shown(callbacks)}")
        self.plan, self.makers = config.plan(), (FlipRatio, *callbacks)
        self.order = torch.Generator().manual_seed(config.seed)
        self.curves: dict[str, list[Any]] = {name: [] for name in _CURVES}
        self.stages: list[dict[str, Any]] = []
        self.parts: dict[str, Result] = {}
        self.right: list[Tensor] = []
        self.diverged = False
        self._enter(0, None)
        self.start: Mapping[str, object] = {}
        if len(self.plan) > 1:
            self.start = self._accuracies()

    def _enter(self, stage: int, previous: nn.Module | None) -> None:
        config, dataset = self.plan[stage], self.dataset
        self.stage, self.epochs = stage, 0
        self.model = network_of(config, dataset, self.device, previous)
        steps = config.epochs * (len(dataset.train) // config.batch_size)
        self.step = Step(config, self.model, steps)
        context = Context(
            config=config,
            model=self.model,
            optimizers=self.step.optimizers,
            steps=steps,
            dataset=dataset,
        )
        self.callbacks = [make(context) for make in self.makers]
        for callback in self.callbacks:
            if not isinstance(callback, Callback):
                raise ValueError(f"callbacks must each give a Callback, got {shown(callback)}")
        _require_names(self.callbacks)
        self.step.callbacks = self.callbacks

    @property
    def finished(self) -> bool:
        """Whether the run is at its end, or diverged."""
        return self.diverged or len(self.stages) == len(self.plan)

    def epoch(self) -> None:
        """Train for an epoch and measure."""
        self.close_epoch(_epoch(self.step, self.plan[self.stage], self.dataset, self.order))

    def close_epoch(self, loss: float) -> None:
        """Measure after an epoch of mean loss `loss`; where its stage ends, enter the next one."""
        # A sign hides a weight that is no number: the loss alone would not tell.
        self.diverged = not (math.isfinite(loss) and self.step.finite())
        self.epochs += 1
        recorded = None if self.diverged else loss
        self.curves["train_loss"].append(recorded)
        for callback in self.callbacks:
            callback.after_epoch(self.epochs, recorded)
        for name, value in (self._accuracies() | self._magnitudes()).items():
            self.curves[name].append(value)
        self.right.append(torch.from_numpy(np.packbits(self._test_images)))
        if self.diverged or self.epochs == self.plan[self.stage].epochs:
            self._close_stage()

    def _close_stage(self) -> None:
        found = {callback.name: callback.result() for callback in self.callbacks}
        results = {name: result for name, result in found.items() if result is not None}
        self.stages.append({**results, "epochs": self.epochs, "start": self.start})
        for callback in self.callbacks:
            for name, values in callback.curves().items():
                self.curves.setdefault(name, []).extend(values)
        if self.finished:
            for callback in self.callbacks:
                found_parts = callback.parts()
                for name in self.parts.keys() & found_parts.keys():
                    raise ValueError(f"callbacks must have distinct parts, got {name!r} twice")
                self.parts |= found_parts
        else:
            self._enter(self.stage + 1, self.model)
            self.start = self._accuracies()

    def _accuracies(self) -> Accuracies:
        # A steepness that moves would be compiled anew after each epoch.
        with devices.compiling(devices.is_compiling() and not self.step.steepens):
            validation = evaluate(self.model, self.dataset, self.dataset.validation)
            found = right(self.model, self.dataset, self.dataset.test)
        self._test_images = found.cpu().numpy()
        return {"validation_accuracy": validation, "test_accuracy": share(found)}

    def _right(self, epochs: Mapping[str, int]) -> dict[str, Any]:
        """By metric which test images were right after an epoch, from 0."""
        size = len(self.dataset.test)
        return keep(
            {name: np.unpackbits(self.right[k].numpy(), count=size) for name, k in epochs.items()}
        )

    def _magnitudes(self) -> dict[str, float]:
        weights = list(observed_weights(self.model).values())
        shares = {"saturation": metrics.saturation(weights), "beyond": metrics.beyond(weights)}
        return {name: significant(share) for name, share in shares.items()}

    def result(self) -> Result:
        """What `fit` returns."""
        curves, last = self.curves, dict(self.stages[-1])
        best = best_epoch(curves["validation_accuracy"], self._own_epochs())
        for name in ("epochs", "start"):
            del last[name]
        found: dict[str, Any] = {
            **_at(curves, best - 1, _ACCURACIES),
            "best_epoch": best,
            "last": _at(curves, -1, _ACCURACIES),
            "curves": curves,
            "saturation": metrics.saturation(list(observed_weights(self.model).values())),
            "diverged": self.diverged,
            "right": self._right({"test_accuracy": best - 1, "last.test_accuracy": -1}),
            **last,
            **({"stages": self.stages} if len(self.plan) > 1 else {}),
            **({"phases": self._phases()} if self.plan[0].drops else {}),
            **({"parts": self.parts} if self.parts else {}),
        }
        return cast(Result, found)

    def _own_epochs(self) -> list[int]:
        """The epochs, from 1, in which the network has the bits that it ends with."""
        stages = [stage.bits for stage in self.plan for _ in range(stage.epochs)]
        done = len(self.curves["train_loss"])
        return [k for k in range(1, done + 1) if stages[k - 1] == stages[done - 1]]

    def _phases(self) -> list[dict[str, Any]]:
        config, done = self.plan[0], len(self.curves["train_loss"])
        # The last epoch that lies wholly before a drop; 1e-9 for products such as 0.7 * 10.
        ends = [int(drop * config.epochs + 1e-9) for drop in (*config.drops, 1.0)]
        return [
            {
                **_at(self.curves, end - 1, _MEASURED),
                "right": self._right({"test_accuracy": end - 1}),
            }
            if 0 < end <= done
            else {}
            for end in ends
        ]

    def state_dict(self) -> dict[str, Any]:
        """All that the run's end depends on."""
        return {
            "stage": self.stage,
            "epochs": self.epochs,
            "order": self.order.get_state(),
            "curves": self.curves,
            "stages": self.stages,
            "parts": self.parts,
            "right": self.right,
            "start": self.start,
            "diverged": self.diverged,
            "model": self.model.state_dict(),
            "step": self.step.state_dict(),
            "callbacks": [callback.state_dict() for callback in self.callbacks],
        }

    def load_state_dict(self, state: dict[str, Any]) -> None:
        """Go on from what `state_dict` gave."""
        self._enter(state["stage"], None)
        self.epochs, self.diverged = state["epochs"], state["diverged"]
        self.curves, self.stages, self.parts = state["curves"], state["stages"], state["parts"]
        self.start, self.right = state["start"], state["right"]
        self.order.set_state(state["order"])
        self.model.load_state_dict(state["model"])
        self.step.load_state_dict(state["step"])
        for callback, saved in zip(self.callbacks, state["callbacks"], strict=True):
            callback.load_state_dict(saved)


def _require_names(callbacks: Sequence[Callback]) -> None:
    names = [callback.name for callback in callbacks]
    for name in names:
        if name in _TAKEN:
            raise ValueError(f"callbacks must not have the name of a key of the result, got {name!r}")
        if names.count(name) > 1:
            raise ValueError(f"callbacks must have distinct names, got {name!r} twice")
    for callback in callbacks:
        for name in set(callback.curves()) & set(_CURVES):
            raise ValueError(f"curves of {callback.name!r} must not be called as a run's own, {name!r}")


def _epoch(step: Step, config: RunConfig, dataset: data.Dataset, order: torch.Generator) -> float:
    step.model.train()
    dtype = getattr(torch, config.storage)
    images, labels = dataset.train.images, dataset.train.labels
    total = torch.zeros((), dtype=dtype, device=images.device)
    batches = batches_of(len(labels), config.batch_size, order, images.device)
    augment = data.augmentation(config.augmentation, len(labels), order, images.device)
    for batch in batches:
        total += step(dataset.inputs(augment(images[batch], batch), dtype), labels[batch])
    return total.item() / len(batches)


def batches_of(size: int, batch: int, order: torch.Generator, device: torch.device) -> Tensor:
    """Indices of an epoch's images in random order, (batches, batch); an incomplete one is left out.

    Drawn on the CPU, so that the order is the same on every device.
    """
    shuffled = torch.randperm(size, generator=order).to(device)
    return shuffled[: size - size % batch].view(-1, batch)


def _at(curves: Mapping[str, list[Any]], epoch: int, names: Sequence[str]) -> dict[str, Any]:
    return {name: curves[name][epoch] for name in names}
