"""Parameter groups: what may be given as parameters, and the walk over groups that optimizers share."""

from collections.abc import Callable, Iterator, Sequence
from typing import Any, overload

import torch
from torch import Tensor
from torch.optim import Optimizer
from torch.optim.optimizer import ParamsT


def listed(params: ParamsT) -> ParamsT:
    """The same parameters with generators as lists, so that they can be gone through more than once.

    What torch refuses or warns of (a lone tensor, or a set, as its order is not fixed) stays as it is.
    """
    if isinstance(params, Tensor | set):
        return params
    items: list[Any] = [
        {**item, "params": _as_list(item["params"])} if isinstance(item, dict) else item
        for item in params
    ]
    return items


def _as_list(params: Any) -> Any:
    return params if isinstance(params, Tensor | Sequence | set) else list(params)


def tensors_of(params: ParamsT) -> Iterator[Tensor]:
    """All tensors of `listed` parameters, without their names."""
    for item in params:
        inner: Any = item["params"] if isinstance(item, dict) else [item]
        for each in [inner] if isinstance(inner, Tensor) else inner:
            tensor = each[-1] if isinstance(each, tuple) else each
            if isinstance(tensor, Tensor):
                yield tensor


class GroupedOptimizer(Optimizer):
    """An optimizer that updates the parameters of a group together.

    Subclasses write `_update`, and `_check`, which a new group has to pass to become one.
    """

    def add_param_group(self, param_group: dict[str, Any]) -> None:
        """Add a group, its numbers and weights checked; one that is refused is not added."""
        super().add_param_group(param_group)
        try:
            self._check(self.param_groups[-1])
        except Exception:
            self.param_groups.pop()
            raise

    @overload
    def step(self, closure: None = None) -> None: ...

    @overload
    def step(self, closure: Callable[[], float]) -> float: ...

    @torch.no_grad()
    def step(self, closure: Callable[[], float] | None = None) -> float | None:
        """One update of all parameters that have a gradient; returns the closure's loss, if any."""
        loss = None
        if closure is not None:
            with torch.enable_grad():
                loss = closure()
        for group in self.param_groups:
            weights = [p for p in group["params"] if p.grad is not None]
            if any(w.grad.is_sparse for w in weights):
                raise ValueError(f"{type(self).__name__} takes no sparse gradients")
            if weights:
                self._update(group, weights, [w.grad for w in weights])
        return loss

    def _check(self, group: dict[str, Any]) -> None:
        raise NotImplementedError

    def _update(self, group: dict[str, Any], weights: list[Tensor], gradients: list[Tensor]) -> None:
        raise NotImplementedError
