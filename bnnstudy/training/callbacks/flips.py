"""Callbacks that count flips: weights whose sign a step changed."""

from typing import Any

import torch
from torch import Tensor

from bnnstudy.config.serialise import significant
from bnnstudy.nn.parameters import observed_weights
from bnnstudy.training.callbacks.base import Callback, Context
from bnnstudy.training.flip_counter import SignedWeights
from bnnstudy.training.metrics import POINTS, flips, log_spaced


class FlipRatio(Callback):
    """The flip ratio at about `points` log-spaced steps, by layer at every fourth of them.

    FF = (weights whose sign the step changed) / (all binary weights). Every run has it.

    Raises:
        ValueError: if `points` is not from 1 to 10,000.
    """

    name = "flip_ratio"

    def __init__(self, context: Context, points: int = 50):
        super().__init__(context)
        self._weights = SignedWeights(context.model)
        self._at = log_spaced(context.steps, POINTS.checked("points", points))
        self._steps: list[int] = []
        self._counts: list[Tensor] = []
        self._before: list[Tensor] = []

    def before_step(self, step: int) -> None:
        if step in self._at:
            self._before = [w.detach().clone() for w in self._weights.values()]

    def after_step(self, step: int) -> None:
        if step in self._at:
            pairs = zip(self._before, self._weights.values(), strict=True)
            self._counts.append(torch.stack([flips(b, w.detach()) for b, w in pairs]))
            self._steps.append(step)

    def result(self) -> dict[str, Any]:
        """Steps, FF over all weights, and by layer at `layer_steps`, every fourth and the last.

        So records stay small: in a deep network the layers would be most of one.
        """
        if not self._counts:
            return {"steps": [], "all": [], "layer_steps": [], "layers": {}}
        counts = torch.stack(self._counts).double().cpu()
        sizes = torch.tensor([w.numel() for w in self._weights.values()], dtype=torch.float64)
        layers = (counts / sizes).T.tolist()
        return {
            "steps": self._steps,
            "all": _short((counts.sum(1) / sizes.sum()).tolist()),
            "layer_steps": _thinned(self._steps),
            "layers": {n: _short(_thinned(v)) for n, v in zip(self._weights, layers, strict=True)},
        }

    def state_dict(self) -> dict[str, Any]:
        return {"steps": self._steps, "counts": self._counts}

    def load_state_dict(self, state: dict[str, Any]) -> None:
        device = next(iter(self._weights.values())).device
        self._steps = state["steps"]
        self._counts = [counts.to(device) for counts in state["counts"]]


class FlipsByEpoch(Callback):
    """The flip ratio of every step, as its mean over each epoch: paper B's curve of it.

    Unlike `FlipRatio`, which looks at some steps, it compares all weights at every step. Its means by
    epoch are the curve `flips`; its result has their mean, that of their second half (`late`) and the
    last.
    """

    name = "flips"

    def __init__(self, context: Context):
        super().__init__(context)
        self._weights = list(observed_weights(context.model).values())
        self._per_epoch = context.steps // context.config.epochs
        self._size = sum(w.numel() for w in self._weights)
        self._before = [w.detach().clone() for w in self._weights]
        device = self._weights[0].device
        self._counts = torch.zeros(context.config.epochs, dtype=torch.int64, device=device)
        self._steps = 0

    def after_step(self, step: int) -> None:
        epoch = (step - 1) // self._per_epoch
        for before, w in zip(self._before, self._weights, strict=True):
            self._counts[epoch] += flips(before, w.detach())
            before.copy_(w.detach())
        self._steps = step

    def _by_epoch(self) -> list[float]:
        done = max(self._steps // self._per_epoch, 1)
        return (self._counts[:done].double() / (self._size * self._per_epoch)).tolist()

    def result(self) -> dict[str, Any]:
        ratios = self._by_epoch()
        late = ratios[len(ratios) // 2 :]
        means = {"mean": sum(ratios) / len(ratios), "late": sum(late) / len(late)}
        return {**means, "last": ratios[-1]}

    def curves(self) -> dict[str, list[Any]]:
        return {"flips": _short(self._by_epoch())}

    def state_dict(self) -> dict[str, Any]:
        return {"counts": self._counts, "before": self._before, "steps": self._steps}

    def load_state_dict(self, state: dict[str, Any]) -> None:
        self._counts.copy_(state["counts"])
        for before, saved in zip(self._before, state["before"], strict=True):
            before.copy_(saved)
        self._steps = state["steps"]


class SilentWeights(Callback):
    """Silent weights: the share of binary weights whose sign no step since the start has changed.

    The start is that of the run, or of the stage where there are stages, before its first step. A start
    at zero has signs too, those that its zeros drew: the network multiplies with them. A weight that
    flips and flips back is not silent, so the share never grows. Its curve by epoch is `silent`; its
    result has the share after the first epoch (`first`), at the end (`last`), by layer at the end
    (`layers`), and the share whose sign at the end is that of the start, flipped in between or not
    (`as_at_start`), which is 1/2 where the start is forgotten.

    Source of the notion: Xiang et al. 2024.
    """

    name = "silent"

    def __init__(self, context: Context):
        super().__init__(context)
        self._weights = SignedWeights(context.model)
        self._start = [torch.signbit(w.detach()) for w in self._weights.values()]
        self._flipped = [torch.zeros_like(signs) for signs in self._start]
        self._size = sum(signs.numel() for signs in self._start)
        self._shares: list[float] = []

    def after_step(self, step: int) -> None:
        now = self._weights.values()
        for start, flipped, w in zip(self._start, self._flipped, now, strict=True):
            flipped |= torch.signbit(w.detach()) != start

    def after_epoch(self, epoch: int, loss: float | None) -> None:
        self._shares.append(self._silent(self._flipped))

    def _silent(self, flipped: list[Tensor]) -> float:
        return 1 - sum(int(each.sum()) for each in flipped) / self._size

    def result(self) -> dict[str, Any]:
        end = [torch.signbit(w.detach()) for w in self._weights.values()]
        changed = [s != e for s, e in zip(self._start, end, strict=True)]
        layers = [1 - int(each.sum()) / each.numel() for each in self._flipped]
        last = self._silent(self._flipped)
        return {
            "first": self._shares[0] if self._shares else last,
            "last": last,
            "as_at_start": self._silent(changed),
            "layers": dict(zip(self._weights, _short(layers), strict=True)),
        }

    def curves(self) -> dict[str, list[Any]]:
        return {"silent": _short(self._shares)}

    def state_dict(self) -> dict[str, Any]:
        return {"start": self._start, "flipped": self._flipped, "shares": self._shares}

    def load_state_dict(self, state: dict[str, Any]) -> None:
        for name, own in (("start", self._start), ("flipped", self._flipped)):
            for tensor, saved in zip(own, state[name], strict=True):
                tensor.copy_(saved)
        self._shares = state["shares"]


def _thinned(values: list[Any]) -> list[Any]:
    return values[::-4][::-1]


def _short(values: list[float]) -> list[float]:
    return [significant(value) for value in values]
