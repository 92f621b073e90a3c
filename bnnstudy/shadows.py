"""Shadows: optimizers that are fed the gradients of a run they have no part in.

One network trains with `LatentSGD`. At each step its gradients also go to other optimizers, each with
weights of its own that no network uses, and the signs are compared, for every binary weight. So the
comparison is of the update rules alone; two networks would drift apart after the first sign that
differs.
"""

from collections.abc import Callable, Mapping

import torch
from scipy import signal
from torch import Tensor, nn

from bnnstudy import filters
from bnnstudy.binarize import sign
from bnnstudy.config import RunConfig
from bnnstudy.metrics import log_spaced
from bnnstudy.optim import FilterOptimizer, LinearFilter
from bnnstudy.optim.reference import DirectFormTwin, FilterTwin, LatentSGDTwin

Shadow = Callable[[Tensor, float], Tensor]
"""(gradient, what the schedule multiplies rates with) -> signs."""


class Shadows:
    """Observes a run of `LatentSGD` and counts, for each shadow, the signs that differ from its own.

    Args:
        config: the run's configuration, with optimizer `"latent_sgd"`.
        weights: the observed latent weights by name.
        steps: length of the run.
        factor: what the schedule multiplies the rate with at a step (from 0).
    """

    name = "shadows"

    def __init__(
        self,
        config: RunConfig,
        weights: Mapping[str, nn.Parameter],
        steps: int,
        factor: Callable[[int], float],
    ):
        if config.optimizer != "latent_sgd":
            raise ValueError(f"shadows need optimizer 'latent_sgd', got {config.optimizer!r}")
        self._weights, self._factor = list(weights.values()), factor
        start = _flat(self._weights)
        self._shadows = make_shadows(config, start)
        self._pair = _complex_pair(config, start)
        # One table, made at once: a small tensor kept from each step would pin the heap between the
        # large ones and keep it growing.
        self._names = [*self._shadows, "complex_poles"]
        self._differing = torch.zeros((len(self._names), steps), dtype=torch.int64, device=start.device)

    def before(self, step: int) -> None:
        """Nothing to do before a step."""

    def after(self, step: int) -> None:
        """Feed this step's gradients to all shadows and count."""
        gradient = _flat([w.grad for w in self._weights])
        theirs = sign(_flat(self._weights))
        factor = self._factor(step - 1)
        for k, shadow in enumerate(self._shadows.values()):
            self._differing[k, step - 1] = (shadow(gradient, factor) != theirs).sum()
        left, right = (shadow(gradient, factor) for shadow in self._pair)
        self._differing[-1, step - 1] = (left != right).sum()

    def report(self) -> dict:
        """For each shadow: how many signs differ of how many compared, from which step, and when."""
        size = sum(w.numel() for w in self._weights)
        counts = self._differing.cpu().tolist()
        return {name: _counted(row, size) for name, row in zip(self._names, counts, strict=True)}


def make_shadows(config: RunConfig, w0: Tensor) -> dict[str, Shadow]:
    """All shadows by name, for latent weights that start at `w0` (flat).

    Those with `_zero_state` in their name ignore where the latent weights start. Shadows of fixed
    coefficients (`linear_filter`) ignore the schedule.
    """
    alpha, initial = filters.latent_to_filter(config.lr, config.weight_decay, w0)
    gamma, decay = config.gamma, config.weight_decay
    theta0 = sign(w0)
    coefficients = filters.cascade(alpha, gamma)
    latent = LatentSGDTwin(w0, config.lr, gamma, decay)
    cascade = FilterTwin(theta0, alpha, gamma, initial)
    direct = DirectFormTwin(theta0, alpha, gamma)
    swapped = FilterTwin(theta0, gamma, alpha)
    return {
        "latent_twin": lambda grad, factor: latent.step(grad, config.lr * factor),
        "filter": _optimizer(FilterOptimizer, theta0, alpha, gamma, [initial]),
        "filter_zero_state": _optimizer(FilterOptimizer, theta0, alpha, gamma),
        "filter_twin": lambda grad, factor: cascade.step(grad, alpha * factor),
        "linear_filter": _optimizer(LinearFilter, theta0, coefficients.b, coefficients.a),
        "direct_form": lambda grad, factor: direct.step(grad, alpha * factor),
        "lfilter": _scipy(theta0, alpha, gamma),
        "swapped": _swapped(swapped, alpha),
        "torch_sgd": _torch_sgd(w0, alpha * gamma / decay, (1 - alpha) * (1 - gamma), decay),
        "torch_sgd_same_numbers": _torch_sgd(w0, config.lr, 1 - gamma, decay),
        "torch_sgd_dampened": _torch_sgd(w0, config.lr, 1 - gamma, decay, dampening=1 - gamma),
    }


def _optimizer(kind: type, theta0: Tensor, *arguments) -> Shadow:
    weight = nn.Parameter(theta0.clone())
    optimizer = kind([weight], *arguments)

    def step(gradient: Tensor, factor: float) -> Tensor:
        if "lr" in optimizer.param_groups[0]:
            optimizer.param_groups[0]["lr"] = factor
        weight.grad = gradient
        optimizer.step()
        return weight.detach()

    return step


def _torch_sgd(w0: Tensor, lr: float, momentum: float, decay: float, dampening: float = 0) -> Shadow:
    weight = nn.Parameter(w0.clone())
    optimizer = torch.optim.SGD([weight], lr, momentum, dampening, decay)

    def step(gradient: Tensor, factor: float) -> Tensor:
        optimizer.param_groups[0]["lr"] = lr * factor
        weight.grad = gradient
        optimizer.step()
        return sign(weight)

    return step


def _scipy(theta0: Tensor, alpha: float, gamma: float) -> Shadow:
    """`scipy.signal.lfilter` one sample at a time, its state carried on; moving rates move (b, a)."""
    state = torch.zeros((2, theta0.numel()), dtype=theta0.dtype).numpy()
    theta = theta0

    def step(gradient: Tensor, factor: float) -> Tensor:
        nonlocal state, theta
        rates = filters.cascade(alpha * factor, gamma)
        y, state = signal.lfilter(rates.b, rates.a, gradient.cpu().numpy()[None], axis=0, zi=state)
        y = torch.from_numpy(y[0]).to(theta)
        theta = torch.where(y == 0, theta, -sign(y))
        return theta

    return step


def _swapped(twin: FilterTwin, alpha: float) -> Shadow:
    def step(gradient: Tensor, factor: float) -> Tensor:
        twin.gamma = alpha * factor
        return twin.step(gradient)

    return step


def _complex_pair(config: RunConfig, w0: Tensor) -> tuple[Shadow, Shadow]:
    """torch's SGD at four times the decay at which its poles turn complex, twice: itself and (b, a)."""
    momentum = 1 - config.gamma
    decay = 4 * (1 - momentum**0.5) ** 2
    form = filters.torch_sgd(1.0, momentum, decay)
    zero = torch.copysign(torch.zeros_like(w0), w0)
    constant = _torch_sgd(zero, 1.0, momentum, decay)
    return (
        lambda gradient, factor: constant(gradient, 1.0),
        _optimizer(LinearFilter, sign(w0), form.b, form.a),
    )


def _flat(tensors: list[Tensor]) -> Tensor:
    return torch.cat([t.detach().reshape(-1) for t in tensors])


def _counted(by_step: list[int], size: int) -> dict:
    shown = sorted(log_spaced(len(by_step), 30))
    first = next((k for k, count in enumerate(by_step, start=1) if count), None)
    return {
        "differing": sum(by_step),
        "compared": size * len(by_step),
        "first_step": first,
        "steps": shown,
        "differing_at": [by_step[k - 1] for k in shown],
    }
