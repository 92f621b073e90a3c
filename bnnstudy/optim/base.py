"""Parameter groups: what may be given as parameters, and the walk over groups that optimizers share."""

from collections.abc import Callable, Iterable, Iterator, Sequence
from itertools import zip_longest
from typing import Any, overload

import torch
from torch import Tensor
from torch.optim import Optimizer
from torch.optim.optimizer import ParamsT

from bnnstudy.config import checks
from bnnstudy.optim.finite import FiniteGradients

LARGEST_SQUARE = torch.finfo(torch.float32).max
"""Of an average of squares: one that overflowed to infinity would stop its weight for ever."""


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


def state_dtype(weight: Tensor) -> torch.dtype:
    """The dtype of a weight's state: the weight's, and float32 for a narrower one.

    An average that moves by a share alpha of its input stands still where alpha is below half a unit in
    the last place: at 2e-3 in bfloat16, at 2e-4 in float16.
    """
    return torch.promote_types(weight.dtype, torch.float32)


def zero_state(weight: Tensor) -> Tensor:
    """Zeros of a weight's shape, layout and device, in its `state_dtype`."""
    return torch.zeros_like(weight, dtype=state_dtype(weight))


def require_held(weights: Iterable[Tensor], **numbers: float) -> None:
    """Refuses numbers that are too large for the states of the weights.

    Raises:
        ValueError: naming the number, its value and the largest.
    """
    for w in weights:
        highest = torch.finfo(state_dtype(w)).max
        for name, number in numbers.items():
            if abs(number) > highest:
                raise ValueError(f"{name} must be at most {highest:.4g} ({w.dtype}), got {number!r}")


def _widened(gradient: Tensor) -> Tensor:
    wide = gradient.dtype in (torch.float32, torch.float64)
    return gradient if wide else gradient.to(state_dtype(gradient))


class GroupedOptimizer(Optimizer):
    """An optimizer that updates the parameters of a group together.

    Subclasses write `_update`, which is given gradients in the `state_dtype` of their weights, and
    `_check`, which a new group has to pass to become one. A step that is refused has changed nothing.

    A gradient that is no number, or infinite, would stay in an average for ever: the weight would never
    move again, and its sign would not show it. So it is refused, by the name of its parameter. On a CPU
    `step` raises before it changes anything. A GPU is not waited for: `step` raises a few steps later,
    when states hold it already, and `state_dict` waits and raises, so none is saved; load one that was
    saved before, and the weights, to go on. What `torch.amp.GradScaler` skips is not looked at.

    Args:
        check_finite: whether gradients are looked at; one pass over them. False takes what comes.
    """

    def __init__(self, params: ParamsT, defaults: dict[str, Any], check_finite: bool = True):
        self.check_finite = checks.FLAG.checked("check_finite", check_finite)
        self._finite = FiniteGradients()
        super().__init__(params, defaults)

    def __getstate__(self) -> dict[str, Any]:
        return {**super().__getstate__(), "check_finite": self.check_finite}

    def __setstate__(self, state: dict[str, Any]) -> None:
        # Of a copy, and of what has been loaded. What was seen before is of other states.
        self._finite = FiniteGradients()
        super().__setstate__(state)

    def state_dict(self) -> dict[str, Any]:
        """The state as torch gives it; on a GPU once it is known that all gradients were finite.

        Raises:
            ValueError: if one was not, naming its parameter.
        """
        if self._finite.arrived():
            self._refuse_late()
        return super().state_dict()

    def add_param_group(self, param_group: dict[str, Any]) -> None:
        """Add a group, its numbers and weights checked; one that is refused is not added."""
        super().add_param_group(param_group)
        try:
            self._check(self.param_groups[-1])
        except Exception:
            self.param_groups.pop()
            raise

    def load_state_dict(self, state_dict: dict[str, Any]) -> None:
        """Load what `state_dict` gave, as torch does, but keep states in float32 or wider.

        Torch casts states to the dtype of their weight, which would narrow those of a half-precision
        one. States that were saved narrow are widened.

        Raises:
            ValueError: if the groups are not as many, or not as large.
        """
        given: dict[str, Any] = {}

        def look(_: Optimizer, state: dict[str, Any]) -> None:
            given.update(state)

        def restore(_: Optimizer) -> None:
            ids = [number for group in given["param_groups"] for number in group["params"]]
            weights = [w for group in self.param_groups for w in group["params"]]
            for number, w in zip(ids, weights, strict=True):
                if number in given["state"] and w.dtype != state_dtype(w):
                    self.state[w] = _moved(given["state"][number], w)

        # After the hooks that alter what is loaded, before those that look at what was.
        hooks = (
            self.register_load_state_dict_pre_hook(look),
            self.register_load_state_dict_post_hook(restore, prepend=True),
        )
        try:
            super().load_state_dict(state_dict)
        finally:
            for hook in hooks:
                hook.remove()

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
        moved = [(g, [p for p in g["params"] if p.grad is not None]) for g in self.param_groups]
        moved = [(group, weights) for group, weights in moved if weights]
        for group, weights in moved:
            if any(w.grad.is_sparse for w in weights):
                raise ValueError(f"{type(self).__name__} takes no sparse gradients")
            self._require_ready(group)
        if self.check_finite:
            self._require_finite([w for _, weights in moved for w in weights])
        for group, weights in moved:
            self._update(group, weights, [_widened(w.grad) for w in weights])
        return loss

    def _require_finite(self, weights: list[Tensor]) -> None:
        gradients = [w.grad for w in weights if w.grad is not None]
        if spoilt := self._finite.spoilt(gradients):
            wrong, name = gradients[spoilt[0]].isfinite().logical_not(), self._named(weights[spoilt[0]])
            more = f", and those of {len(spoilt) - 1} more parameters" if spoilt[1:] else ""
            raise ValueError(
                f"gradient of {name} must be finite, got {int(wrong.sum())} of {wrong.numel()} values "
                f"that are not{more} (check_finite=False takes them)"
            )
        if self._finite.look_later(gradients):
            self._refuse_late()

    def _refuse_late(self) -> None:
        weights = [w for group in self.param_groups for w in group["params"]]
        spoilt = [self._named(w) for w in weights if self._holds_no_number(w)]
        raise ValueError(
            f"gradient of {spoilt[0] if spoilt else 'a parameter'} must be finite, and in an earlier "
            "step it was not: states and weights hold it, so load what was saved before "
            "(check_finite=False takes them)"
        )

    def _holds_no_number(self, weight: Tensor) -> bool:
        held: list[Any] = [weight, *self.state.get(weight, {}).values()]
        tensors = [t for value in held for t in (value if isinstance(value, list) else [value])]
        return any(not t.isfinite().all() for t in tensors if isinstance(t, Tensor))

    def _named(self, weight: Tensor) -> str:
        for k, group in enumerate(self.param_groups):
            for i, (p, name) in enumerate(zip_longest(group["params"], group.get("param_names", ()))):
                if p is weight:
                    return name or f"parameter {i} of group {k}, of shape {tuple(weight.shape)},"
        raise KeyError("weight")

    def _require_ready(self, group: dict[str, Any]) -> None:
        """Refuses a step of a group that cannot be made as the group stands."""

    def _check(self, group: dict[str, Any]) -> None:
        raise NotImplementedError

    def _update(self, group: dict[str, Any], weights: list[Tensor], gradients: list[Tensor]) -> None:
        raise NotImplementedError


def _moved(value: Any, weight: Tensor) -> Any:
    """A state's tensors on a weight's device and in its `state_dtype`."""
    if isinstance(value, Tensor):
        dtype = state_dtype(weight) if value.is_floating_point() else value.dtype
        return value.to(weight.device, dtype)
    if isinstance(value, dict):
        return {name: _moved(inner, weight) for name, inner in value.items()}
    return [_moved(inner, weight) for inner in value] if isinstance(value, list) else value
