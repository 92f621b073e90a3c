"""The optimizers of a run: which parameters each of them moves, at which rate and decay."""

import math
from functools import partial
from types import SimpleNamespace
from typing import Any, cast

import torch
from torch import Tensor, nn

from bnnstudy.config import checks
from bnnstudy.config.run import RunConfig
from bnnstudy.nn.parameters import observed_weights
from bnnstudy.optim import registry


def build_optimizers(
    config: RunConfig, model: nn.Module, *, check_finite: bool = True
) -> list[torch.optim.Optimizer]:
    """One optimizer for all parameters, or two where `real_optimizer` names a second one.

    The first then moves the binary weights, in a float twin those that stand where they do; the second
    all others, real layers included. Weight decay acts on weights, never on batch norm.

        >>> from bnnstudy.nn import models
        >>> config = RunConfig(width=16, view="filter", optimizer="filter", real_optimizer="adam")
        >>> network = models.build(config, (1, 8, 8), 10)
        >>> [type(optimizer).__name__ for optimizer in build_optimizers(config, network)]
        ['FilterOptimizer', 'Adam']

    Args:
        check_finite: whether ours refuse gradients that are not finite.

    Raises:
        ValueError: if there is nothing binary (nor what stands for it) in the network, or no
            `real_optimizer` where the view is the filter's; or an argument is none of its kind.
    """
    checks.instance("config", config, RunConfig)
    check_finite = checks.FLAG.checked("check_finite", check_finite)
    weights = list(observed_weights(model).values())
    chosen = {id(w) for w in weights}
    others = [p for p in model.parameters() if id(p) not in chosen]
    if not weights:
        raise ValueError(
            "real_first and real_last must leave a layer between them, "
            f"got both with depth {config.depth} of model {config.model!r}"
        )
    own, build = _rates(weights, config), partial(registry.build, check_finite=check_finite)
    if config.real_optimizer:
        return [
            build(config.optimizer, own, config),
            build(config.real_optimizer, _groups(others), _real_numbers(config)),
        ]
    if config.view == "filter":
        raise ValueError(
            f"optimizer {config.optimizer!r} moves binary weights only: name a real_optimizer too"
        )
    if config.lr_scaling == "update":
        return [build(config.optimizer, [*own, *_groups(others)], config)]
    return [build(config.optimizer, _groups([*weights, *others]), config)]


def _real_numbers(config: RunConfig) -> registry.Numbers:
    """The numbers of `real_optimizer`: the configuration's, with the real parameters' rate and decay.

    Not a `RunConfig`, which refuses a rate that its own `optimizer` does not read.
    """
    decay = config.weight_decay if config.real_weight_decay is None else config.real_weight_decay
    numbers = {**vars(config), "lr": config.real_lr, "weight_decay": decay}
    return cast(registry.Numbers, SimpleNamespace(**numbers))


def _rates(weights: list[nn.Parameter], config: RunConfig) -> list[Any]:
    """The weights; with `lr_scaling` "update" each a group of its own, at its layer's rate.

    All of torch's updates that are used here are proportional to the rate, so scaling the rate scales
    the update.
    """
    if config.lr_scaling != "update":
        return weights
    return [{"params": [w], "lr": config.lr * glorot_factor(w)} for w in weights]


def glorot_factor(weight: Tensor) -> float:
    """sqrt((fan_in + fan_out) / 1.5), fans with the kernel's area: BinaryConnect's scale of a rate.

    Courbariaux et al. 2015, released code. Paper A's code counts no area, and has 3 in place of 1.5.
    """
    area = weight[0][0].numel()
    fans = (weight.shape[0] + weight.shape[1]) * area
    return math.sqrt(fans / 1.5)


def _groups(parameters: list[nn.Parameter]) -> list[dict[str, Any]]:
    weights = [p for p in parameters if p.dim() > 1]
    others = [p for p in parameters if p.dim() <= 1]
    groups: list[dict[str, Any]] = [{"params": weights}, {"params": others, "weight_decay": 0.0}]
    return [group for group in groups if group["params"]]
