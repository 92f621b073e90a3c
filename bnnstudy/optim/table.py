"""One table of optimizers by name: paper A's seven are torch's own; none is written again."""

from collections.abc import Iterable

import torch
from torch.optim import Optimizer

from bnnstudy.optim.bop import Bop
from bnnstudy.optim.filtering import FilterOptimizer
from bnnstudy.optim.latent import LatentSGD

TORCH = {
    "sgd": lambda params, c: torch.optim.SGD(params, c.lr, weight_decay=c.weight_decay),
    "momentum": lambda params, c: torch.optim.SGD(
        params, c.lr, momentum=c.momentum, weight_decay=c.weight_decay
    ),
    "nesterov": lambda params, c: torch.optim.SGD(
        params, c.lr, momentum=c.momentum, weight_decay=c.weight_decay, nesterov=True
    ),
    "adagrad": lambda params, c: torch.optim.Adagrad(params, c.lr, weight_decay=c.weight_decay),
    "adadelta": lambda params, c: torch.optim.Adadelta(params, c.lr, weight_decay=c.weight_decay),
    "rmsprop": lambda params, c: torch.optim.RMSprop(params, c.lr, weight_decay=c.weight_decay),
    "adam": lambda params, c: torch.optim.Adam(
        params, c.lr, betas=c.betas, weight_decay=c.weight_decay
    ),
}
"""The seven optimizers of paper A, Table 2, as (parameters, configuration) -> optimizer."""

OURS = {
    "latent_sgd": lambda params, c: LatentSGD(params, c.lr, c.gamma, c.weight_decay),
    "filter": lambda params, c: FilterOptimizer(params, c.alpha, c.gamma),
    "bop": lambda params, c: Bop(params, c.threshold, c.gamma),
}
"""The two views of paper B, and Bop. `filter` and `bop` need weights that are ±1."""


def build(name: str, params: Iterable, config) -> Optimizer:
    """The optimizer called `name` over `params`, with the numbers of `config`.

    Args:
        config: anything with `lr`, `momentum`, `betas`, `weight_decay`, `gamma`, `alpha` and
            `threshold`.

    Raises:
        ValueError: if there is no optimizer of that name.
    """
    table = {**TORCH, **OURS}
    if name not in table:
        raise ValueError(f"optimizer must be one of {', '.join(table)}; got {name!r}")
    return table[name](list(params), config)
