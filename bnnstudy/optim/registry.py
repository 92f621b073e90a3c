"""The optimizers by name: paper A's seven are torch's own, the others are those of this room."""

from collections.abc import Callable
from typing import Any, Protocol

import torch
from torch.optim import Optimizer
from torch.optim.optimizer import ParamsT

from bnnstudy.config import checks
from bnnstudy.config.checks import shown
from bnnstudy.config.fields import READS
from bnnstudy.optim.base import listed, require_held, tensors_of
from bnnstudy.optim.bop import Bop, SecondOrderBop
from bnnstudy.optim.filter import FilterOptimizer
from bnnstudy.optim.fir_filter import FIRFilter
from bnnstudy.optim.latent_sgd import LatentSGD
from bnnstudy.optim.normalised_filter import NormalisedFilter
from bnnstudy.optim.ovsw import OvSW
from bnnstudy.optim.sos_filter import SOSFilter
from bnnstudy.theory.designs import designed


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

    @property
    def sigma(self) -> float: ...

    @property
    def design(self) -> str: ...

    @property
    def matched(self) -> str: ...


def _fused(params: ParamsT) -> bool | None:
    """Whether torch's fused kernels serve: one pass over memory in place of many, on a GPU."""
    return all(p.is_cuda for p in tensors_of(params)) or None


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

FILTERS: dict[str, dict[str, Any]] = {
    "filter": {},
    "filter_pole": {"scheduled": "pole"},
    "filter_increment": {"scheduled": "increment"},
    "filter_corrected": {"bias_correction": True},
}
"""The names that a configuration has for the filter, each with the arguments of `FilterOptimizer`."""


OVSW: dict[str, dict[str, Any]] = {
    "ovsw": {},
    "ovsw_ags": {"silent_decay": 0.0},
    "ovsw_sad": {"delta": 0.0},
}
"""OvSW and its two parts alone, each with the arguments of `OvSW`; the others are its defaults."""


def _ovsw(arguments: dict[str, Any]) -> Callable[..., Optimizer]:
    return lambda params, c, **check: OvSW(params, c.lr, c.gamma, c.weight_decay, **arguments, **check)


def _filter(arguments: dict[str, Any]) -> Callable[..., Optimizer]:
    return lambda params, c, **check: FilterOptimizer(params, c.alpha, c.gamma, **arguments, **check)


def _designed(params: ParamsT, c: Numbers, **check: bool) -> Optimizer:
    """A filter of another family, with a property of the cascade at alpha and gamma."""
    design = designed(c.design, c.matched, c.alpha, c.gamma)
    if design.taps:
        return FIRFilter(params, design.taps, **check)
    return SOSFilter(params, design.sections, **check)


OURS: dict[str, Callable[..., Optimizer]] = {
    "latent_sgd": lambda params, c, **check: LatentSGD(params, c.lr, c.gamma, c.weight_decay, **check),
    **{name: _ovsw(arguments) for name, arguments in OVSW.items()},
    **{name: _filter(arguments) for name, arguments in FILTERS.items()},
    "filter_normalised": lambda params, c, **check: NormalisedFilter(
        params, c.alpha, c.gamma, c.sigma, **check
    ),
    "designed": _designed,
    "bop": lambda params, c, **check: Bop(params, c.threshold, c.gamma, **check),
    "second_order_bop": lambda params, c, **check: SecondOrderBop(
        params, c.threshold, c.gamma, c.sigma, **check
    ),
}
"""The two views of paper B, other filters, Adam's, OvSW and Bop. Filters and Bops need weights ±1."""

NAMES = tuple(READS)
"""All optimizers by name."""


def build(name: str, params: ParamsT, config: Numbers, *, check_finite: bool = True) -> Optimizer:
    """The optimizer called `name` over `params`, with the numbers of `config`.

        >>> from bnnstudy.config import RunConfig
        >>> optimizer = build("adam", [torch.nn.Parameter(torch.ones(2))], RunConfig(lr=0.01))
        >>> type(optimizer).__name__, optimizer.param_groups[0]["lr"]
        ('Adam', 0.01)

    Args:
        params: as for any torch optimizer: tensors, (name, tensor) pairs or groups of them, in lists or
            generators.
        config: anything with the numbers that the optimizer reads (`config.READS`), such as a
            `RunConfig`.
        check_finite: whether ours refuse gradients that are not finite; torch's own take them all.

    Raises:
        ValueError: if there is no optimizer of that name; and as the optimizer says.
    """
    name = checks.one_of("optimizer", name, NAMES)
    if lacking := [number for number in READS[name] if not hasattr(config, number)]:
        raise ValueError(f"config must have {', '.join(lacking)} for {name!r}, got {shown(config)}")
    if name in TORCH:
        params = listed(params)
        require_held(tensors_of(params), lr=checks.FINITE.checked("lr", config.lr))
        return TORCH[name](params, config)
    return OURS[name](listed(params), config, check_finite=check_finite)
