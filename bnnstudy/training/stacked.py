"""Several seeds of one configuration trained at once: their networks stacked, one kernel for all.

A small network does not fill a GPU: most of a step's time goes to starting kernels. Stacked, N networks
take as many kernels as one, on tensors with one more dimension (`torch.func`). What is measured after
an epoch is measured network by network. Each has its own draw, order of images and record, as if it had
been trained alone, but for rounding. On a CPU the products of a stack are no faster than one after
another (`make bench` measures it); there, processes help.
"""

from collections.abc import Callable, Sequence
from dataclasses import replace
from typing import Any

import torch
from torch import Tensor, nn
from torch.func import functional_call, stack_module_state

from bnnstudy import data, devices
from bnnstudy.config import checks
from bnnstudy.config.checks import shown
from bnnstudy.config.run import RunConfig
from bnnstudy.evidence.results import Result
from bnnstudy.training.handover import require_stages
from bnnstudy.training.loop import Run, batches_of
from bnnstudy.training.step import Loss, Step


def obstacle(config: RunConfig) -> str:
    """What keeps runs of a configuration from being stacked, in a few words; empty if nothing does."""
    if config.stages:
        return "stages, between which networks change"
    if config.lr_scaling:
        return "rates by layer, which are read off a weight's shape"
    if config.steepness != (1.0, 1.0):
        return "a steepness that moves"
    if config.precision == "bfloat16":
        return "precision bfloat16, in which torch stacks batch norm with float32 outputs"
    return ""


def fit_stacked(
    config: RunConfig,
    seeds: Sequence[int],
    dataset: data.Dataset,
    *,
    device: str | torch.device = "cpu",
) -> list[Result]:
    """Train `config` with each of `seeds` at once; returns `training.fit`'s results in their order.

    A member that diverges ends there; the others go on. There are no checkpoints, the callbacks are
    those that every run has, and nothing is compiled.

        >>> config, digits = RunConfig(width=16, depth=1, epochs=1), data.load("digits")
        >>> results = fit_stacked(config, [0, 1, 2], digits)
        >>> [result["best_epoch"] for result in results]
        [1, 1, 1]

    Raises:
        ValueError: if there are no seeds, the configuration cannot be stacked (`obstacle`) or has
            larger batches than there are images, or an argument is none of its kind.
    """
    checks.instance("config", config, RunConfig)
    checks.instance("dataset", dataset, data.Dataset)
    if not isinstance(seeds, Sequence) or isinstance(seeds, str | bytes):
        raise ValueError(f"seeds must be whole numbers, in a list, got {shown(seeds)}")
    seeds = [checks.WHOLE.checked("a value of seeds", seed) for seed in seeds]
    if not seeds:
        raise ValueError("seeds must be one or more, got none")
    if why := obstacle(config):
        raise ValueError(f"config cannot be stacked: it has {why}")
    require_stages(config, dataset)
    place = devices.place_here(device)
    with devices.one_thread(device), devices.compiling(False):
        runs = [Run(replace(config, seed=seed), dataset, place, ()) for seed in seeds]
        steps = config.epochs * (len(dataset.train) // config.batch_size)
        step = StackedStep(config, [run.model for run in runs], steps)
        results: dict[int, Result] = {}
        while len(results) < len(runs):
            losses = _epoch(step, config, dataset, runs)
            for k, (run, loss) in enumerate(zip(runs, losses, strict=True)):
                if k in results:
                    continue
                run.close_epoch(loss)
                if run.finished:
                    results[k] = run.result()
        return [results[k] for k in range(len(runs))]


class StackedStep(Step):
    """A `Step` of several networks of one configuration at once, on stacked images and labels.

    The networks' parameters and buffers become views of the stacks, so that each can be measured by
    itself. Optimizers are elementwise: one moves the stacks as it would move each network's tensors.

    Shapes: inputs (networks, batch, C, H, W), labels (networks, batch); losses (networks).
    """

    def __init__(self, config: RunConfig, models: Sequence[nn.Module], steps: int):
        super().__init__(config, models[0], steps)
        # A stack has no channels-last: torch cannot ask a batched tensor for it.
        self.model = nn.ModuleList(models).to(memory_format=torch.contiguous_format)
        parameters, buffers = stack_module_state(list(models))
        # What to move and what to clamp was found by the shapes of one network's own tensors.
        stacks = {id(p): parameters[name] for name, p in models[0].named_parameters()}
        for optimizer in self.optimizers:
            for group in optimizer.param_groups:
                group["params"] = [stacks[id(p)] for p in group["params"]]
            _stack_state(optimizer, stacks)
        self.clamped = [stacks[id(p)] for p in self.clamped]
        for k, model in enumerate(models):
            _look_at(model, k, {**parameters, **buffers})
        skeleton = Loss(config, models[0])
        named = {
            kind: {f"model.{name}": tensor for name, tensor in tensors.items()}
            for kind, tensors in (("parameters", parameters), ("buffers", buffers))
        }
        every = torch.vmap(_loss_of(skeleton))
        self.loss = lambda inputs, labels: every(named["parameters"], named["buffers"], inputs, labels)


def _stack_state(optimizer: torch.optim.Optimizer, stacks: dict[int, Tensor]) -> None:
    """Gives stacks what an optimizer, such as Adagrad, has for a parameter before its first step."""
    for p, state in list(optimizer.state.items()):
        stack = stacks[id(p)]
        optimizer.state[stack] = {
            name: value.expand_as(stack).clone() if getattr(value, "shape", None) == p.shape else value
            for name, value in state.items()
        }
        del optimizer.state[p]


def _loss_of(skeleton: nn.Module) -> Callable[[dict[str, Any], dict[str, Any], Tensor, Tensor], Tensor]:
    def loss(
        parameters: dict[str, Any], buffers: dict[str, Any], inputs: Tensor, labels: Tensor
    ) -> Tensor:
        return functional_call(skeleton, (parameters, buffers), (inputs, labels))

    return loss


@torch.no_grad()
def _look_at(model: nn.Module, k: int, stacks: dict[str, Tensor]) -> None:
    """Make a network's tensors views of the stacks' k-th parts."""
    for name, tensor in (*model.named_parameters(), *model.named_buffers()):
        tensor.data = stacks[name].detach()[k]


def _epoch(
    step: StackedStep, config: RunConfig, dataset: data.Dataset, runs: Sequence[Run]
) -> list[float]:
    """Mean loss of each network over an epoch; their callbacks look on."""
    step.model.train()
    dtype = getattr(torch, config.storage)
    images, labels = dataset.train.images, dataset.train.labels
    device, size = images.device, len(labels)
    orders = [batches_of(size, config.batch_size, run.order, device) for run in runs]
    augment = data.augmentation_of_many(config.augmentation, size, [run.order for run in runs], device)
    total = torch.zeros(len(runs), dtype=dtype, device=images.device)
    for batch in torch.stack(orders, dim=1):
        callbacks = [callback for run in runs if not run.finished for callback in run.callbacks]
        drawn = augment(images[batch], batch)
        for callback in callbacks:
            callback.before_step(step.count + 1)
        total += step(dataset.inputs(drawn, dtype), labels[batch])
        for callback in callbacks:
            callback.after_step(step.count)
    return (total / len(orders[0])).tolist()
