"""A callback that feeds a run's gradients to other optimizers, which have no part in it.

One network trains with `LatentSGD`. At each step its gradients also go to other optimizers, each with
weights of its own that no network uses, and the signs are compared, for every binary weight. So the
comparison is of the update rules alone; two networks would drift apart after the first sign that
differs.
"""

from collections.abc import Callable, Sequence
from functools import partial
from typing import Any, Protocol, cast

import scipy  # its own rooms are imported when first used: `scipy.signal` takes a second
import torch
from torch import Tensor, nn

from bnnstudy.config.run import RunConfig
from bnnstudy.config.schedules import weight_factor
from bnnstudy.nn.binarize import sign
from bnnstudy.nn.parameters import observed_weights
from bnnstudy.optim import FilterOptimizer, LinearFilter
from bnnstudy.optim.reference import DirectFormTwin, FilterTwin, LatentSGDTwin
from bnnstudy.theory import filters
from bnnstudy.training.callbacks.base import Callback, Context
from bnnstudy.training.metrics import counted


class Shadow(Protocol):
    """An update rule with weights of its own."""

    def __call__(self, gradient: Tensor, factor: float) -> Tensor:
        """One step; `factor` is what the schedule multiplies rates with. Returns the signs."""
        ...

    def state_dict(self) -> dict[str, Any]:
        """All that later steps depend on."""
        ...

    def load_state_dict(self, state: dict[str, Any]) -> None:
        """Go on from what `state_dict` gave."""
        ...


class ShadowOptimizers(Callback):
    """Feeds each gradient of a run of `LatentSGD` to other optimizers and counts signs that differ.

    Raises:
        ValueError: if the run's optimizer is not `"latent_sgd"`.
    """

    name = "shadows"

    def __init__(self, context: Context):
        super().__init__(context)
        config, steps = context.config, context.steps
        if config.optimizer != "latent_sgd":
            raise ValueError(
                f"optimizer must be 'latent_sgd' with ShadowOptimizers, got {config.optimizer!r}"
            )
        self._weights = list(observed_weights(context.model).values())
        self._factor = weight_factor(config, steps)
        start = _flat(self._weights)
        self._shadows = make_shadows(config, start)
        self._pair = _complex_pair(config, start)
        # One table, made at once: a small tensor kept from each step would pin the heap between the
        # large ones and keep it growing.
        self._names = [*self._shadows, "complex_poles"]
        self._differing = torch.zeros((len(self._names), steps), dtype=torch.int64, device=start.device)

    def after_step(self, step: int) -> None:
        # There was a backward pass: there is a gradient.
        gradient = _flat([cast(Tensor, w.grad) for w in self._weights])
        theirs = sign(_flat(self._weights))
        factor = self._factor(step - 1)
        for k, shadow in enumerate(self._shadows.values()):
            self._differing[k, step - 1] = (shadow(gradient, factor) != theirs).sum()
        left, right = (shadow(gradient, 1.0) for shadow in self._pair)
        self._differing[-1, step - 1] = (left != right).sum()

    def result(self) -> dict[str, Any]:
        """For each shadow: how many signs differ of how many compared, from which step, and when."""
        size = sum(w.numel() for w in self._weights)
        counts = self._differing.cpu().tolist()
        return {name: counted(row, size) for name, row in zip(self._names, counts, strict=True)}

    def state_dict(self) -> dict[str, Any]:
        return {"differing": self._differing, "shadows": [s.state_dict() for s in self._everyone()]}

    def load_state_dict(self, state: dict[str, Any]) -> None:
        """Go on from what `state_dict` gave."""
        self._differing.copy_(state["differing"])
        for shadow, saved in zip(self._everyone(), state["shadows"], strict=True):
            shadow.load_state_dict(saved)

    def _everyone(self) -> list[Shadow]:
        return [*self._shadows.values(), *self._pair]


# A shadow of a run that diverges goes on with it.
_FILTER = partial(FilterOptimizer, check_finite=False)
_LINEAR = partial(LinearFilter, check_finite=False)


def make_shadows(config: RunConfig, w0: Tensor) -> dict[str, Shadow]:
    """All shadows by name, for latent weights that start at `w0` (flat).

    Those with `_zero_state` in their name ignore where the latent weights start. Shadows of fixed
    coefficients (`linear_filter`) ignore the schedule.
    """
    alpha, initial = filters.latent_to_filter(config.lr, config.weight_decay, w0)
    gamma, decay = config.gamma, config.weight_decay
    theta0 = sign(w0)
    coefficients = filters.cascade(alpha, gamma)
    return {
        "latent_twin": _Twin(LatentSGDTwin(w0, config.lr, gamma, decay), config.lr),
        "filter": _Optimizer(theta0, _FILTER, 1.0, alpha, gamma, [initial]),
        "filter_zero_state": _Optimizer(theta0, _FILTER, 1.0, alpha, gamma),
        "filter_twin": _Twin(FilterTwin(theta0, alpha, gamma, initial), alpha),
        "linear_filter": _Optimizer(theta0, _LINEAR, None, coefficients.b, coefficients.a),
        "direct_form": _Twin(DirectFormTwin(theta0, alpha, gamma), alpha),
        "lfilter": _Scipy(theta0, alpha, gamma),
        "swapped": _Swapped(FilterTwin(theta0, gamma, alpha), alpha),
        "torch_sgd": _torch_sgd(w0, alpha * gamma / decay, (1 - alpha) * (1 - gamma), decay),
        "torch_sgd_same_numbers": _torch_sgd(w0, config.lr, 1 - gamma, decay),
        "torch_sgd_dampened": _torch_sgd(w0, config.lr, 1 - gamma, decay, dampening=1 - gamma),
    }


class _Twin:
    """A reference twin whose rate follows the schedule."""

    def __init__(self, twin: LatentSGDTwin | FilterTwin | DirectFormTwin, rate: float):
        self.twin, self.rate = twin, rate

    def __call__(self, gradient: Tensor, factor: float) -> Tensor:
        return self.twin.step(gradient, self.rate * factor)

    def state_dict(self) -> dict[str, Any]:
        return dict(vars(self.twin))

    def load_state_dict(self, state: dict[str, Any]) -> None:
        device = next(v.device for v in vars(self.twin).values() if isinstance(v, Tensor))
        moved = {n: v.to(device) if isinstance(v, Tensor) else v for n, v in state.items()}
        vars(self.twin).update(moved)


class _Swapped(_Twin):
    """The cascade with its rates exchanged: the inner one follows the schedule."""

    def __call__(self, gradient: Tensor, factor: float) -> Tensor:
        self.twin.gamma = self.rate * factor
        return self.twin.step(gradient)


class _Optimizer:
    """An optimizer on one parameter; the group's rate is `rate` times the schedule, if it has one."""

    def __init__(
        self,
        start: Tensor,
        kind: Callable[..., torch.optim.Optimizer],
        rate: float | None,
        *arguments: object,
        **options: float,
    ):
        self.weight, self.rate = nn.Parameter(start.clone()), rate
        self.optimizer = kind([self.weight], *arguments, **options)

    def __call__(self, gradient: Tensor, factor: float) -> Tensor:
        if self.rate is not None:
            self.optimizer.param_groups[0]["lr"] = self.rate * factor
        self.weight.grad = gradient
        self.optimizer.step()
        return sign(self.weight)

    def state_dict(self) -> dict[str, Any]:
        return {"weight": self.weight.detach(), "optimizer": self.optimizer.state_dict()}

    def load_state_dict(self, state: dict[str, Any]) -> None:
        self.weight.detach().copy_(state["weight"])
        self.optimizer.load_state_dict(state["optimizer"])


def _torch_sgd(w0: Tensor, lr: float, momentum: float, decay: float, dampening: float = 0) -> Shadow:
    numbers = {"momentum": momentum, "dampening": dampening, "weight_decay": decay}
    return _Optimizer(w0, torch.optim.SGD, lr, lr, **numbers)


class _Scipy:
    """`scipy.signal.lfilter` one sample at a time, its state carried on; moving rates move (b, a)."""

    def __init__(self, theta0: Tensor, alpha: float, gamma: float):
        self.alpha, self.gamma, self.theta = alpha, gamma, theta0
        self.state = torch.zeros((2, theta0.numel()), dtype=theta0.dtype)

    def __call__(self, gradient: Tensor, factor: float) -> Tensor:
        rates = filters.cascade(self.alpha * factor, self.gamma)
        inputs, start = gradient.cpu().numpy()[None], self.state.numpy()
        y, state = scipy.signal.lfilter(rates.b, rates.a, inputs, axis=0, zi=start)
        self.state = torch.from_numpy(state)
        output = torch.from_numpy(y[0]).to(self.theta)
        self.theta = torch.where(output == 0, self.theta, -sign(output))
        return self.theta

    def state_dict(self) -> dict[str, Any]:
        return {"theta": self.theta, "state": self.state}

    def load_state_dict(self, state: dict[str, Any]) -> None:
        self.theta, self.state = state["theta"].to(self.theta), state["state"]


def _complex_pair(config: RunConfig, w0: Tensor) -> tuple[Shadow, Shadow]:
    """torch's SGD at four times the decay at which its poles turn complex, twice: itself and (b, a).

    Neither follows the schedule.
    """
    momentum = 1 - config.gamma
    decay = 4 * (1 - momentum**0.5) ** 2
    form = filters.torch_sgd(1.0, momentum, decay)
    zero = torch.copysign(torch.zeros_like(w0), w0)
    return (
        _torch_sgd(zero, 1.0, momentum, decay),
        _Optimizer(sign(w0), _LINEAR, None, form.b, form.a),
    )


def _flat(tensors: Sequence[Tensor]) -> Tensor:
    return torch.cat([t.detach().reshape(-1) for t in tensors])
