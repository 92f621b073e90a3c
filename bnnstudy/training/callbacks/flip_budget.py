"""A callback that does not only look on: it moves a rate so that the flip ratio follows a curve."""

import math
from typing import Any, ClassVar

from bnnstudy.config import checks
from bnnstudy.config.schedules import weight_factor
from bnnstudy.config.serialise import significant
from bnnstudy.theory.conversion import rates_of
from bnnstudy.theory.filters import cascade
from bnnstudy.theory.flip_control import critical_gain
from bnnstudy.theory.flip_rates import flip_rate, flip_ratio_by_step
from bnnstudy.training.callbacks.base import Callback, Context
from bnnstudy.training.flip_counter import FlipCounter

SMOOTHING = 0.05
"""The weight of a step in what is measured: about its last twenty steps."""

GAIN = critical_gain(SMOOTHING)
"""Of the loop: the largest that does not ring."""

FARTHEST = 1e3
"""How far a trim may go from 1, either way."""


CONTROLS = ("none", "trim", "additive")
"""What `FlipBudget` may do about flips that are not on their budget."""


class FlipBudget(Callback):
    r"""Measures flips beside a budget, and moves a rate such that they follow it.

    The budget b_i is the flip ratio at each step that white noise gives at the run's alpha, gamma and
    schedule (`theory.flip_ratio_by_step`). What is measured is m, a moving average of flips over
    budget, 1 at the start. Each step is measured, which waits for a GPU.

    With control "trim" the rate is multiplied: that of the filter is alpha, which stays at most 1, that
    of any other optimizer its latent rate. `theory.flip_control` has the loop and shows that it is
    stable.

        log trim <- log trim - gain log m,   rate in force = rate * schedule * trim

    With "additive" it is the idea of transition-rate scheduling, on the latent rate U, lr at the start
    and without another schedule. F is the flip ratio of white noise at a constant alpha. Where U is lr
    and b is F it is as quick as the trim; elsewhere its loop is another, of gain (gain lr / F) b / U.

        U <- max(0, U + (gain lr / F) (b - b m))

    With "none" nothing is moved.

    Result: `error`, the root mean square over epochs, the first quarter left out, of log10(flips /
    budget); `bias`, its mean; `farthest`, the largest size of it in an epoch; `trim`, what the rate was
    multiplied with at the end. Curves by epoch: `flips`, `budget` and `trim`.

        >>> from functools import partial
        >>> from bnnstudy.config import RunConfig
        >>> from bnnstudy.training import fit
        >>> config = RunConfig(width=16, depth=1, epochs=8, view="filter", optimizer="filter",
        ...                    real_optimizer="adam", alpha=0.01)
        >>> found = fit(config, callbacks=[partial(FlipBudget, control="trim")])
        >>> found["budget"]["trim"] != 1, len(found["curves"]["budget"])
        (True, 8)

    Args:
        control: one of `CONTROLS`.
        alpha: of the budget; None means the run's own, which has to have one.
        gamma: of the budget; None means the run's own.

    Raises:
        ValueError: naming the argument, its value and what is allowed.

    Source: of "additive", Lee et al. 2025 (arXiv 2404.19248): a rate that is moved by the difference of
    a target and the measured share. Their text was not at hand; this update and its gain are ours.
    """

    name = "budget"

    def __init__(
        self,
        context: Context,
        *,
        control: str,
        alpha: float | None = None,
        gamma: float | None = None,
    ):
        super().__init__(context)
        config = context.config
        self._control = checks.one_of("control", control, CONTROLS)
        if config.lr_scaling == "update":
            raise ValueError("lr_scaling must not be 'update' with a budget, which moves one rate")
        own = (alpha, gamma) if alpha is not None and gamma is not None else rates_of(config)
        alpha = checks.SHARE.checked("alpha", own[0] if alpha is None else alpha)
        gamma = checks.SHARE.checked("gamma", own[1] if gamma is None else gamma)
        factor = weight_factor(config, context.steps)
        self._factors = [factor(step) for step in range(context.steps)]
        self.budget = flip_ratio_by_step(alpha, gamma, self._factors)
        self._steady = flip_rate(cascade(alpha, gamma))
        self._has_alpha = "alpha" in self._group
        if control == "additive" and self._has_alpha:
            raise ValueError(
                "control must be 'none' or 'trim' where there is no latent rate, got 'additive'"
            )
        self._counter = FlipCounter(context.model)
        self._per_epoch = context.steps // config.epochs
        self._shares: list[float] = []
        self._trims: list[float] = []
        self._measured, self._trim = 1.0, 1.0

    @property
    def _group(self) -> dict[str, Any]:
        # Read anew: an optimizer that goes on from a checkpoint has other groups.
        return self.context.optimizers[0].param_groups[0]

    def before_step(self, step: int) -> None:
        self._counter.before()
        config, factor = self.context.config, self._factors[step - 1]
        if self._control == "additive":
            self._group["lr"] = config.lr * self._trim
        elif self._control == "trim" and self._has_alpha:  # its schedule stands in `lr`
            self._group["alpha"] = min(config.alpha * self._trim, 1.0)
        elif self._control == "trim":
            self._group["lr"] = config.lr * factor * self._trim

    def after_step(self, step: int) -> None:
        self._counter.after()
        budget = float(self.budget[step - 1])
        if budget > 0:
            self._measured += SMOOTHING * (self._counter.last / budget - self._measured)
            self._trim = self._answer(budget)
        if step % self._per_epoch == 0:
            self._shares.append(significant(self._counter.mean))
            self._trims.append(significant(self._trim))
            self._counter.reset()

    def _answer(self, budget: float) -> float:
        """The trim after what was measured."""
        if self._control == "trim":
            over = max(self._measured, 1 / FARTHEST)
            return min(max(self._trim * over**-GAIN, 1 / FARTHEST), FARTHEST)
        if self._control == "additive":
            return max(self._trim + GAIN * budget * (1 - self._measured) / self._steady, 0.0)
        return self._trim

    def _budgets(self) -> list[float]:
        done = self.budget[: len(self._shares) * self._per_epoch]
        return [significant(float(b)) for b in done.reshape(-1, self._per_epoch).mean(1)]

    def result(self) -> dict[str, Any]:
        """As the class says; None where no epoch is left to be counted, or one has no flips."""
        found: dict[str, float | None] = dict.fromkeys(("error", "bias", "farthest"))
        pairs = list(zip(self._shares, self._budgets(), strict=True))[len(self._shares) // 4 :]
        if pairs and all(share > 0 and budget > 0 for share, budget in pairs):
            logs = [math.log10(share / budget) for share, budget in pairs]
            square = sum(log * log for log in logs) / len(logs)
            bias, farthest = sum(logs) / len(logs), max(map(abs, logs))
            found = {"error": square**0.5, "bias": bias, "farthest": farthest}
        return {
            name: None if value is None else significant(value)
            for name, value in {**found, "trim": self._trim}.items()
        }

    def curves(self) -> dict[str, list[Any]]:
        return {"flips": self._shares, "budget": self._budgets(), "trim": self._trims}

    _KEPT: ClassVar[tuple[str, ...]] = ("_shares", "_trims", "_measured", "_trim")

    def state_dict(self) -> dict[str, Any]:
        return {name: getattr(self, name) for name in self._KEPT}

    def load_state_dict(self, state: dict[str, Any]) -> None:
        for name in self._KEPT:
            setattr(self, name, state[name])
