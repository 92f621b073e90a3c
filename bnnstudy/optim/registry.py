"""One table of optimizers by name: paper A's seven are torch's own; none is written again."""

from collections.abc import Callable, Iterable
from typing import Any, Protocol, cast

import torch
from torch.optim import Optimizer
from torch.optim.optimizer import ParamsT

from bnnstudy.optim.bop import Bop
from bnnstudy.optim.filter import FilterOptimizer
from bnnstudy.optim.latent_sgd import LatentSGD


class Numbers(Protocol):
    """What the optimizers read of a configuration."""

    @property
    def lr(self) -> float: ...

    @property
    def momentum(self) -> float: ...

    @property
    def betas(self) -> tuple[float, float]: ...

    @property
    def weight_decay(self) -> float: ...

    @property
    def gamma(self) -> float: ...

    @property
    def alpha(self) -> float: ...

    @property
    def threshold(self) -> float: ...


def _fused(params: ParamsT) -> bool | None:
    """Whether torch's fused kernels serve: one pass over memory in place of many, on a GPU."""
    groups: list[Iterable[Any]]
    groups = [item["params"] if isinstance(item, dict) else [item] for item in params]
    return all(p.is_cuda for group in groups for p in group) or None


def _sgd(params: ParamsT, c: Numbers, **momentum: Any) -> Optimizer:
    return torch.optim.SGD(params, c.lr, weight_decay=c.weight_decay, fused=_fused(params), **momentum)


TORCH: dict[str, Callable[[ParamsT, Numbers], Optimizer]] = {
    "sgd": _sgd,
    "momentum": lambda params, c: _sgd(params, c, momentum=c.momentum),
    "nesterov": lambda params, c: _sgd(params, c, momentum=c.momentum, nesterov=True),
    "adagrad": lambda params, c: torch.optim.Adagrad(params, c.lr, weight_decay=c.weight_decay),
    "adadelta": lambda params, c: torch.optim.Adadelta(params, c.lr, weight_decay=c.weight_decay),
    "rmsprop": lambda params, c: torch.optim.RMSprop(params, c.lr, weight_decay=c.weight_decay),
    "adam": lambda params, c: torch.optim.Adam(
        params, c.lr, betas=c.betas, weight_decay=c.weight_decay, fused=_fused(params)
    ),
}
"""The seven optimizers of paper A, Table 2, as (parameters, configuration) -> optimizer."""

OURS: dict[str, Callable[[ParamsT, Numbers], Optimizer]] = {
    "latent_sgd": lambda params, c: LatentSGD(params, c.lr, c.gamma, c.weight_decay),
    "filter": lambda params, c: FilterOptimizer(params, c.alpha, c.gamma),
    "filter_pole": lambda params, c: FilterOptimizer(params, c.alpha, c.gamma, scheduled="pole"),
    "filter_increment": lambda params, c: FilterOptimizer(
        params, c.alpha, c.gamma, scheduled="increment"
    ),
    "filter_corrected": lambda params, c: FilterOptimizer(
        params, c.alpha, c.gamma, bias_correction=True
    ),
    "bop": lambda params, c: Bop(params, c.threshold, c.gamma),
}
"""The two views of paper B, and Bop. `filter…` and `bop` need weights that are ±1.

`filter_pole` and `filter_increment` have the schedule act there alone, `filter_corrected` has its inner
average corrected for its start."""


NAMES = (*TORCH, *OURS)
"""All optimizers by name."""


def build(name: str, params: ParamsT, config: Numbers) -> Optimizer:
    """The optimizer called `name` over `params`, with the numbers of `config`.

    Args:
        config: anything with `lr`, `momentum`, `betas`, `weight_decay`, `gamma`, `alpha` and
            `threshold`.

    Raises:
        ValueError: if there is no optimizer of that name.
    """
    table = {**TORCH, **OURS}
    if name not in table:
        raise ValueError(f"optimizer must be one of {', '.join(NAMES)}; got {name!r}")
    # mypy takes the list for one of all three kinds of items; it is of one kind, as `params` is.
    return table[name](cast(ParamsT, list(params)), config)
