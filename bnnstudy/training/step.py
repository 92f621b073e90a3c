"""One update of a network: forward, backward, optimizers, schedule, clamp; callbacks around it."""

from collections.abc import Callable, Sequence
from typing import Any

import torch
from torch import Tensor, nn

from bnnstudy import devices
from bnnstudy.config import checks
from bnnstudy.config.checks import shown
from bnnstudy.config.run import RunConfig
from bnnstudy.config.schedules import real_factor, weight_factor
from bnnstudy.nn import losses
from bnnstudy.nn.activations import set_steepness
from bnnstudy.nn.parameters import observed_weights, split_parameters
from bnnstudy.optim.param_groups import build_optimizers, glorot_factor
from bnnstudy.training.callbacks.base import Callback


def steepness_at(config: RunConfig, steps: int) -> Callable[[int], float]:
    """From a step (from 0) of `steps` to the steepness of the surrogate `"ede"` there.

    t = first^(1 - done) last^done with done = step / (steps - 1): even steps of its logarithm. A run of
    one step has the first. Qin et al. 2020 raise it by the epoch, and end one epoch short of the last.
    """
    (first, last), way = config.steepness, max(steps - 1, 1)
    return lambda step: first ** (1 - step / way) * last ** (step / way)


LossFunction = Callable[[Tensor, Tensor], Tensor]
"""From a network's outputs and what they should be to a mean over the batch."""


class Loss(nn.Module):
    """The loss of a batch as one function of network, images and labels: what is compiled.

    Args:
        loss: what is asked of the outputs; None is the configuration's loss.
    """

    def __init__(self, config: RunConfig, model: nn.Module, loss: LossFunction | None = None):
        super().__init__()
        self.model, self.loss = model, loss or losses.LOSSES[config.loss]
        self.autocast = config.precision == "bfloat16"

    def forward(self, inputs: Tensor, labels: Tensor) -> Tensor:
        with torch.autocast(inputs.device.type, torch.bfloat16, enabled=self.autocast):
            outputs = self.model(inputs)
        return self.loss(outputs.to(inputs.dtype), labels)


def require_callable(name: str, value: object, *, or_none: bool = False) -> None:
    """Refuses what cannot be called.

    Raises:
        ValueError: naming the argument and its value.
    """
    if not callable(value) and not (or_none and value is None):
        raise ValueError(f"{name} must be a function{' or None' * or_none}, got {shown(value)}")


class Step:
    """One update: forward, backward, optimizers, schedule, clamp; callbacks around it.

        >>> from bnnstudy.nn import models
        >>> config = RunConfig(width=16, depth=1)
        >>> step = Step(config, models.build(config, (1, 8, 8), 10), steps=100)
        >>> loss = step(torch.randn(20, 1, 8, 8), torch.arange(20) % 10)
        >>> loss.shape, step.count
        (torch.Size([]), 1)

    Args:
        callbacks: what looks on; `fit` sets them once they have seen the optimizers.
        loss: as in `Loss`; beside the outputs it is given the step's `labels`, whatever they are, such
            as a teacher's outputs.

    Raises:
        ValueError: naming the argument that is none of its kind; as `optim.build_optimizers`.
    """

    def __init__(
        self,
        config: RunConfig,
        model: nn.Module,
        steps: int,
        callbacks: Sequence[Callback] = (),
        loss: LossFunction | None = None,
    ):
        checks.instance("config", config, RunConfig)
        steps = checks.WHOLE.checked("steps", steps)
        require_callable("loss", loss, or_none=True)
        if not isinstance(callbacks, Sequence) or not all(isinstance(c, Callback) for c in callbacks):
            raise ValueError(f"callbacks must be callbacks, in a list, got {shown(callbacks)}")
        self.model, self.callbacks = model, callbacks
        # A run that diverges is a result: `finite` looks at it after an epoch.
        self.optimizers = build_optimizers(config, model, check_finite=False)
        self.schedulers = []
        if config.schedule != "constant" or config.drops or config.weight_schedule:
            # Without a second optimizer the first one moves all; its schedule is then that of all.
            factors = (weight_factor(config, steps), real_factor(config, steps))
            self.schedulers = [
                torch.optim.lr_scheduler.LambdaLR(optimizer, factor)
                for optimizer, factor in zip(self.optimizers, factors, strict=False)
            ]
        self.clamped: list[Tensor] = [*split_parameters(model)[0]] if config.clamp else []
        self.scaled = [*observed_weights(model).values()] if config.lr_scaling == "gradient" else []
        self.steepness = steepness_at(config, steps)
        self.steepens = config.steepness != (1.0, 1.0)
        whole = Loss(config, model, loss)
        # A steepness that moves would be compiled anew at each step.
        self.loss: Callable[[Tensor, Tensor], Tensor]
        self.loss = whole if self.steepens else devices.compiled(whole, replay=True)
        self.count = 0

    def _scaled(self) -> list[tuple[Tensor, float]]:
        return [(w.grad, glorot_factor(w)) for w in self.scaled if w.grad is not None]

    def __call__(self, inputs: Tensor, labels: Tensor) -> Tensor:
        self.count += 1
        for callback in self.callbacks:
            callback.before_step(self.count)
        if self.steepens:
            # From the count alone, so that a run that was cut goes on with the same.
            set_steepness(self.model, self.steepness(self.count - 1))
        for optimizer in self.optimizers:
            optimizer.zero_grad(set_to_none=True)
        loss = self.loss(inputs, labels)
        loss.sum().backward()
        for gradient, factor in self._scaled():
            gradient.mul_(factor)
        for optimizer in self.optimizers:
            optimizer.step()
        if self.clamped:
            _clamp(self.clamped)
        for callback in self.callbacks:
            callback.after_step(self.count)
        for scheduler in self.schedulers:
            scheduler.step()
        return loss.detach()

    def finite(self) -> bool:
        """Whether all parameters are finite, and no optimizer's state holds what is no number."""
        states = [s for o in self.optimizers for state in o.state.values() for s in state.values()]
        wrong = [p.isfinite().logical_not().any() for p in self.model.parameters()]
        wrong += [s.isnan().any().to(wrong[0].device) for s in states if isinstance(s, Tensor)]
        return not torch.stack(wrong).any()

    def state_dict(self) -> dict[str, Any]:
        return {
            "count": self.count,
            "optimizers": [optimizer.state_dict() for optimizer in self.optimizers],
            "schedulers": [scheduler.state_dict() for scheduler in self.schedulers],
        }

    def load_state_dict(self, state: dict[str, Any]) -> None:
        self.count = state["count"]
        for optimizer, saved in zip(self.optimizers, state["optimizers"], strict=True):
            optimizer.load_state_dict(saved)
        for scheduler, saved in zip(self.schedulers, state["schedulers"], strict=True):
            scheduler.load_state_dict(saved)


@torch.no_grad()
def _clamp(weights: list[Tensor]) -> None:
    """Keep weights in [-1, 1]: one pass over each on a CPU, two kernels for all on a GPU."""
    if weights[0].is_cuda:
        torch._foreach_clamp_min_(weights, -1.0)
        torch._foreach_clamp_max_(weights, 1.0)
        return
    for w in weights:
        w.clamp_(-1.0, 1.0)
