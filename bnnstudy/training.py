"""`fit`: one configuration in, one result out.

On a CPU a run uses one thread, so that a result does not depend on how many others run beside it;
many runs go side by side instead (`bnnstudy.sweeps`).
"""

import contextlib
import dataclasses
import math
from collections.abc import Callable, Sequence
from typing import Protocol

import torch
import torch.nn.functional as F
from torch import Tensor, nn
from tqdm import tqdm

from bnnstudy import data, metrics, models, optim
from bnnstudy.binarize import sign
from bnnstudy.config import RunConfig
from bnnstudy.layers import split_parameters


class Observer(Protocol):
    """Looks on at a run: called around each step, while the gradients are in place."""

    name: str

    def before(self, step: int) -> None: ...

    def after(self, step: int) -> None: ...

    def report(self) -> dict: ...


MakeObserver = Callable[[RunConfig, nn.Module, int], Observer]
"""From (configuration, model, number of steps) to an observer."""


def fit(
    config: RunConfig,
    dataset: data.Dataset | None = None,
    *,
    root=None,
    device: str = "cpu",
    observers: Sequence[MakeObserver] = (),
    progress: bool = False,
) -> dict:
    """Train the network that `config` describes and measure it after each epoch.

    The last incomplete batch of an epoch is left out (batch norm). The epoch is chosen on validation
    accuracy alone, the earliest of equals. A run whose loss is not finite ends there and says so
    (`diverged`); what it measured counts.

    Args:
        dataset: the data, on `device`; None loads it from `root`.
        device: a torch device.
        observers: what else to measure; each adds its report to the result, under its name.
        progress: show a bar over epochs (quiet where the error stream is no terminal).

    Returns:
        `validation_accuracy` and `test_accuracy` (shares, 0 to 1) at `best_epoch` (from 1), the same
        two under `last`, `curves` by epoch, `flip_ratio`, `saturation`, `diverged`. A run of several
        stages has the observers' reports of the last one, and under `stages` those of each.

    Raises:
        ValueError: if the configuration names something unknown or does not fit the data.
    """
    if dataset is None:
        dataset = data.load(config.dataset, root, train_size=config.train_size, device=device)
    largest = max(stage.batch_size for stage in config.plan())
    if len(dataset.train) < largest:
        raise ValueError(
            f"batch_size must be at most the {len(dataset.train)} training images, got {largest}"
        )
    with _one_thread(device):
        return _fit(config, dataset, torch.device(device), observers, progress)


def _fit(config, dataset, device, observers, progress) -> dict:
    order = torch.Generator().manual_seed(config.seed)
    curves = {"train_loss": [], "validation_accuracy": [], "test_accuracy": []}
    reports: list[dict[str, dict]] = []
    diverged, model = False, None
    bar = tqdm(total=config.epochs, unit="epoch", leave=False, disable=None if progress else True)
    for stage in config.plan():
        model = _next_model(stage, dataset, device, model)
        steps = stage.epochs * (len(dataset.train) // stage.batch_size)
        watching = [make(stage, model, steps) for make in (_Flips, *observers)]
        step = _Step(stage, model, steps, watching)
        for _ in range(stage.epochs):
            loss = _epoch(step, stage, dataset, order)
            curves["train_loss"].append(loss if math.isfinite(loss) else None)
            curves["validation_accuracy"].append(evaluate(model, dataset, dataset.validation))
            curves["test_accuracy"].append(evaluate(model, dataset, dataset.test))
            bar.update()
            diverged = not math.isfinite(loss)
            if diverged:
                break
        reports.append({observer.name: observer.report() for observer in watching})
        if diverged:
            break
    bar.close()
    best = max(range(len(curves["train_loss"])), key=curves["validation_accuracy"].__getitem__)
    return {
        **_accuracies(curves, best),
        "best_epoch": best + 1,
        "last": _accuracies(curves, -1),
        "curves": curves,
        "saturation": metrics.saturation(list(observed_weights(model).values())),
        "diverged": diverged,
        **reports[-1],
        **({"stages": reports} if len(reports) > 1 else {}),
    }


def observed_weights(model: nn.Module) -> dict[str, nn.Parameter]:
    """The binary weights by name; in a float twin, the weights of its linear layers."""
    binary, real = split_parameters(model)
    chosen = {id(p) for p in binary or real if p.dim() > 1}
    return {name: p for name, p in model.named_parameters() if id(p) in chosen}


def build_optimizers(config: RunConfig, model: nn.Module) -> list[torch.optim.Optimizer]:
    """One optimizer for all parameters, or two where `real_optimizer` names a second one.

    Weight decay acts on weights, never on batch norm. In a float twin the weights of the linear layers
    stand where the binary weights do.

    Raises:
        ValueError: if the filter view lacks a `real_optimizer`.
    """
    binary, real = split_parameters(model)
    if not binary:
        binary, real = [p for p in real if p.dim() > 1], [p for p in real if p.dim() <= 1]
    if config.real_optimizer:
        others = dataclasses.replace(config, lr=config.real_lr)
        return [
            optim.build(config.optimizer, binary, config),
            optim.build(config.real_optimizer, _groups(real), others),
        ]
    if config.optimizer == "filter":
        raise ValueError("optimizer 'filter' moves binary weights only: name a real_optimizer too")
    return [optim.build(config.optimizer, _groups([*binary, *real]), config)]


def _groups(parameters: list[nn.Parameter]) -> list[dict]:
    weights = [p for p in parameters if p.dim() > 1]
    others = [p for p in parameters if p.dim() <= 1]
    groups = [{"params": weights}, {"params": others, "weight_decay": 0.0}]
    return [group for group in groups if group["params"]]


def schedule_factor(name: str, step: int, steps: int) -> float:
    """What a schedule multiplies the rates with at `step` (from 0) of `steps`; 1 at the start.

    cosine and linear end at 0, exponential at 0.003 (paper A's code: 1e-3 to 3e-6).
    """
    done = step / steps
    factors = {
        "constant": 1.0,
        "cosine": 0.5 * (1 + math.cos(math.pi * done)),
        "linear": 1 - done,
        "exponential": 0.003**done,
    }
    return factors[name]


def squared_hinge(outputs: Tensor, labels: Tensor) -> Tensor:
    """mean over batch and classes of max(0, 1 - t y)^2, t = 1 for the label and -1 for the others."""
    targets = F.one_hot(labels, outputs.shape[1]).to(outputs.dtype).mul_(2).sub_(1)
    return F.relu(1 - targets * outputs).square().mean()


LOSSES = {"squared_hinge": squared_hinge, "cross_entropy": F.cross_entropy}


class _Flips(metrics.FlipRatio):
    name = "flip_ratio"

    def __init__(self, config: RunConfig, model: nn.Module, steps: int):
        super().__init__(observed_weights(model), steps)


class _Step:
    """One update: forward, backward, optimizers, schedule, clamp; observers around it."""

    def __init__(self, config: RunConfig, model: nn.Module, steps: int, observers: list[Observer]):
        self.model, self.observers = model, observers
        self.loss = LOSSES[config.loss]
        self.optimizers = build_optimizers(config, model)
        self.schedulers = []
        if config.schedule != "constant":
            self.schedulers = [
                torch.optim.lr_scheduler.LambdaLR(
                    optimizer, lambda i: schedule_factor(config.schedule, i, steps)
                )
                for optimizer in self.optimizers
            ]
        self.clamped = split_parameters(model)[0] if config.clamp else []
        self.count = 0

    def __call__(self, inputs: Tensor, labels: Tensor) -> Tensor:
        self.count += 1
        for observer in self.observers:
            observer.before(self.count)
        for optimizer in self.optimizers:
            optimizer.zero_grad(set_to_none=True)
        loss = self.loss(self.model(inputs), labels)
        loss.backward()
        for optimizer in self.optimizers:
            optimizer.step()
        if self.clamped:
            with torch.no_grad():
                torch._foreach_clamp_min_(self.clamped, -1.0)
                torch._foreach_clamp_max_(self.clamped, 1.0)
        for observer in self.observers:
            observer.after(self.count)
        for scheduler in self.schedulers:
            scheduler.step()
        return loss.detach()


def _epoch(step: _Step, config: RunConfig, dataset: data.Dataset, order: torch.Generator) -> float:
    step.model.train()
    dtype = getattr(torch, config.precision)
    images, labels = dataset.train.images, dataset.train.labels
    total = torch.zeros((), dtype=dtype, device=images.device)
    batches = _batches(len(labels), config.batch_size, order, images.device)
    for batch in batches:
        total += step(dataset.inputs(images[batch], dtype), labels[batch])
    return total.item() / len(batches)


def _batches(size: int, batch: int, order: torch.Generator, device) -> Tensor:
    # Drawn on the CPU, so that the order is the same on every device.
    shuffled = torch.randperm(size, generator=order).to(device)
    return shuffled[: size - size % batch].view(-1, batch)


@torch.no_grad()
def evaluate(model: nn.Module, dataset: data.Dataset, split: data.Split, batch: int = 2000) -> float:
    """Accuracy (0 to 1) of the model in evaluation mode on one split."""
    dtype = next(model.parameters()).dtype
    training = model.training
    model.eval()
    outputs = [model(dataset.inputs(images, dtype)) for images in split.images.split(batch)]
    model.train(training)
    return metrics.accuracy(torch.cat(outputs), split.labels).item()


def _next_model(config, dataset, device, previous: nn.Module | None) -> nn.Module:
    model = models.build(config, dataset.shape, dataset.classes)
    if previous is not None:
        binary, _ = split_parameters(model)
        model.load_state_dict(previous.state_dict())
        if config.view == "filter":
            with torch.no_grad():
                for weight in binary:
                    weight.copy_(sign(weight))
    return model.to(device)


def _accuracies(curves: dict, epoch: int) -> dict:
    names = ("validation_accuracy", "test_accuracy")
    return {name: curves[name][epoch] for name in names}


@contextlib.contextmanager
def _one_thread(device: str):
    threads = torch.get_num_threads()
    if torch.device(device).type == "cpu":
        torch.set_num_threads(1)
    try:
        yield
    finally:
        torch.set_num_threads(threads)


def device_of(name: str) -> str:
    """`"cpu"` or `"cuda"`; `"auto"` takes the latter where there is one.

    Raises:
        ValueError: for another name, or `"cuda"` where there is none.
    """
    here = torch.cuda.is_available()
    if name == "auto":
        return "cuda" if here else "cpu"
    if name not in ("cpu", "cuda"):
        raise ValueError(f"device must be one of auto, cpu, cuda; got {name!r}")
    if name == "cuda" and not here:
        raise ValueError("device must be auto or cpu here: torch finds no GPU for 'cuda'")
    return name
