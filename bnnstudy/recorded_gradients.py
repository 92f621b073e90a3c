"""Gradients of single weights, recorded while a network trains, and what filters make of them.

The filters get the same gradients and move no network, so that only they differ. Paper B, Figure 2.
"""

import numpy as np
import torch
from scipy import signal
from torch import nn

from bnnstudy import data, filters, training
from bnnstudy.checkpoints import Checkpoint
from bnnstudy.config import RunConfig
from bnnstudy.filters import Filter
from bnnstudy.layers import observed_weights
from bnnstudy.observers import FlipsByEpoch

SHOWN = 1000
"""Steps of the one gradient that a record keeps, to be drawn."""


class Gradients:
    """The gradients of `count` binary weights, drawn at random over all layers, at every step."""

    name = "gradients"

    def __init__(self, config: RunConfig, model: nn.Module, steps: int, count: int = 512):
        self._weights = list(observed_weights(model).values())
        sizes = [w.numel() for w in self._weights]
        draw = torch.Generator().manual_seed(config.seed)
        chosen = torch.randperm(sum(sizes), generator=draw)[:count].sort().values
        ends = torch.tensor(sizes).cumsum(0)
        self._places = [
            chosen[(chosen >= end - size) & (chosen < end)] - (end - size)
            for size, end in zip(sizes, ends, strict=True)
        ]
        self._values = np.zeros((steps, len(chosen)))
        self._steps = 0

    def before(self, step: int) -> None:
        """Nothing to do before a step."""

    def after(self, step: int) -> None:
        """Keep this step's gradients."""
        found = [
            torch.zeros(len(at)) if w.grad is None else w.grad.reshape(-1)[at.to(w.device)].cpu()
            for w, at in zip(self._weights, self._places, strict=True)
        ]
        self._values[step - 1] = torch.cat(found).numpy()
        self._steps = step

    def report(self) -> dict:
        """The gradients, (steps, weights), of the weights that ever had one other than 0."""
        values = torch.from_numpy(self._values[: self._steps])
        # A training that diverges ends in values that are none.
        values = values[values.isfinite().all(1)]
        return {"values": values[:, (values != 0).any(0)]}

    def state_dict(self) -> dict:
        """The gradients so far."""
        return {"values": torch.from_numpy(self._values), "steps": self._steps}

    def load_state_dict(self, state: dict) -> None:
        """Go on from what `state_dict` gave."""
        self._values, self._steps = state["values"].numpy(), state["steps"]


def with_recorded_gradients(
    config: RunConfig, dataset: data.Dataset, *, device: str, checkpoint: Checkpoint | None
) -> dict:
    """`fit`, and what filters make of its gradients, with the run's own alpha and gamma.

    Parts: `raw`, the gradients themselves; `second order`, the cascade; `first order`, the average with
    the same alpha; `as few flips`, the one that flips as often as the cascade; `as little noise`, the
    one with the cascade's noise gain. `as few flips` is missing where no average flips as seldom.
    `gradient` is one weight's, to be drawn. `never_more` counts weights whose sign changes more often
    with the second average than without; `flips` are those of the training, as in `with_flips`.
    """
    look = [Gradients, FlipsByEpoch]
    result = training.fit(config, dataset, device=device, observers=look, checkpoint=checkpoint)
    del result["flips"]["epochs"]
    values = result.pop("gradients")["values"].numpy()
    largest = int(np.abs(values).sum(0).argmax())
    shown = [float(f"{value:.4g}") for value in values[:SHOWN, largest]]
    forms = compared(values, config)
    counts = [sign_changes(forms[name], values) for name in ("second order", "first order")]
    more = int((counts[0] > counts[1]).sum())
    parts = {name: measured(form, values) for name, form in forms.items()}
    never_more = {"differing": more, "compared": values.shape[1]}
    return {**result, "gradient": shown, "never_more": never_more, "parts": parts}


def compared(gradients: np.ndarray, config: RunConfig) -> dict[str, Filter]:
    """The filters that are laid side by side, by name."""
    second = filters.cascade(config.alpha, config.gamma)
    gain = filters.noise_gain(second)
    found = {
        "raw": Filter((1.0,), (1.0,)),
        "second order": second,
        "first order": filters.ema(config.alpha),
        "as little noise": filters.ema(2 * gain / (1 + gain)),
    }
    few = first_order_with(flips(second, gradients), gradients)
    return {**found, "as few flips": few} if few else found


def measured(filter: Filter, gradients: np.ndarray) -> dict:
    """What one filter makes of gradients (steps, weights), beside what theory says of it.

    `flips` a weight, and `expected_flips` if gradients were white and Gaussian; `roughness`, the mean
    over weights of sd(y_i - y_{i-1}) / sd(y_i); `time_constant` and `settling_time` in steps.
    """
    outputs = signal.lfilter(filter.b, filter.a, gradients, axis=0)
    spread = outputs.std(0)
    steps = np.diff(outputs, axis=0).std(0)
    found = {
        "flips": flips(filter, gradients),
        "expected_flips": filters.flip_rate(filter) * (len(gradients) - 1),
        "roughness": np.mean(steps[spread > 0] / spread[spread > 0]) if spread.any() else None,
        "alpha": 1 + filter.a[1] if len(filter.a) == 2 else None,
        "noise_gain": filters.noise_gain(filter),
        "time_constant": filters.time_constant(filter),
        "settling_time": filters.settling_time(filter),
    }
    return {name: None if v is None else float(f"{v:.6g}") for name, v in found.items()}


def flips(filter: Filter, gradients: np.ndarray) -> float:
    """Mean number of sign changes of the output, over weights."""
    return float(sign_changes(filter, gradients).mean())


def sign_changes(filter: Filter, gradients: np.ndarray) -> np.ndarray:
    """Number of sign changes of the output for each weight; where it is 0 the sign stays."""
    outputs = signal.lfilter(filter.b, filter.a, gradients, axis=0)
    changes = np.zeros(outputs.shape[1], dtype=int)
    signs = np.sign(outputs[0])
    for row in np.sign(outputs[1:]):
        changes += row * signs < 0
        signs = np.where(row == 0, signs, row)
    return changes


def first_order_with(wanted: float, gradients: np.ndarray) -> Filter | None:
    """The moving average whose output changes sign `wanted` times, by bisection in log alpha.

    None if no alpha is small enough: a running sum of these gradients flips more often than that.
    """
    low, high = 0.01 / len(gradients), 1.0
    if flips(filters.ema(low), gradients) > wanted:
        return None
    for _ in range(40):
        middle = (low * high) ** 0.5
        if flips(filters.ema(middle), gradients) > wanted:
            high = middle
        else:
            low = middle
    return filters.ema(low)
