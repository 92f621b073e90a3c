"""Callbacks that count flips: weights whose sign a step changed."""

from collections.abc import Iterator, Mapping

import torch
from torch import Tensor, nn

from bnnstudy.config.run import RunConfig
from bnnstudy.nn.parameters import observed_weights
from bnnstudy.training.metrics import flips, log_spaced


class FlipRatio:
    """Observes the flip ratio of a training run at about `points` log-spaced steps, by layer at some.

    Args:
        weights: the observed weights by layer name.
        steps: length of the run in steps.
        points: how many steps to look at, at most.
    """

    def __init__(self, weights: Mapping[str, Tensor], steps: int, points: int = 50):
        self._weights = weights
        self._at = log_spaced(steps, points)
        self._steps: list[int] = []
        self._counts: list[Tensor] = []
        self._before: list[Tensor] = []

    def before(self, step: int) -> None:
        """To be called before step number `step` (from 1)."""
        if step in self._at:
            self._before = [w.detach().clone() for w in self._weights.values()]

    def after(self, step: int) -> None:
        """To be called after it."""
        if step in self._at:
            pairs = zip(self._before, self._weights.values(), strict=True)
            self._counts.append(torch.stack([flips(b, w.detach()) for b, w in pairs]))
            self._steps.append(step)

    def report(self) -> dict:
        """Steps, FF ratio over all weights, and by layer at `layer_steps`, every fourth and the last.

        So records stay small: in a deep network the layers would be most of one. Four digits are kept.
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

    def state_dict(self) -> dict:
        """What was counted so far."""
        return {"steps": self._steps, "counts": self._counts}

    def load_state_dict(self, state: dict) -> None:
        """Go on from what `state_dict` gave."""
        device = next(iter(self._weights.values())).device
        self._steps = state["steps"]
        self._counts = [counts.to(device) for counts in state["counts"]]


def _thinned(values: list) -> list:
    return values[::-4][::-1]


def _short(values: list[float]) -> list[float]:
    return [float(f"{value:.4g}") for value in values]


class FlipsByEpoch:
    """The flip ratio of every step, as its mean over each epoch: paper B's curve of it.

    Unlike `metrics.FlipRatio`, which looks at some steps, it compares all weights at every step.
    """

    name = "flips"

    def __init__(self, config: RunConfig, model: nn.Module, steps: int):
        self._weights = list(observed_weights(model).values())
        self._per_epoch = steps // config.epochs
        self._size = sum(w.numel() for w in self._weights)
        self._signs = [torch.signbit(w.detach()) for w in self._weights]
        device = self._weights[0].device
        self._counts = torch.zeros(config.epochs, dtype=torch.int64, device=device)
        self._steps = 0

    def before(self, step: int) -> None:
        """Nothing to do before a step."""

    def after(self, step: int) -> None:
        """Count the signs that this step turned."""
        for k, w in enumerate(self._weights):
            signs = torch.signbit(w.detach())
            self._counts[(step - 1) // self._per_epoch] += (signs != self._signs[k]).sum()
            self._signs[k] = signs
        self._steps = step

    def report(self) -> dict:
        """The mean by epoch (`epochs`), over all of them, over their second half (`late`), the last."""
        done = max(self._steps // self._per_epoch, 1)
        ratios = (self._counts[:done].double() / (self._size * self._per_epoch)).tolist()
        late = ratios[done // 2 :]
        means = {"mean": sum(ratios) / done, "late": sum(late) / len(late), "last": ratios[-1]}
        return {"epochs": ratios, **means}

    def state_dict(self) -> dict:
        """The counts and the signs so far."""
        return {"counts": self._counts, "signs": self._signs, "steps": self._steps}

    def load_state_dict(self, state: dict) -> None:
        """Go on from what `state_dict` gave."""
        self._counts.copy_(state["counts"])
        self._signs = [signs.to(self._counts.device) for signs in state["signs"]]
        self._steps = state["steps"]


class _Flips(FlipRatio):
    name = "flip_ratio"

    def __init__(self, config: RunConfig, model: nn.Module, steps: int):
        standardised = config.binary_weights and config.scaling == "libra"
        super().__init__(_Used(model) if standardised else observed_weights(model), steps)


class _Used(Mapping[str, Tensor]):
    """The binary weights as they are used whenever they are read: their signs need not be w's own."""

    def __init__(self, model: nn.Module):
        layers = {f"{name}.weight": layer for name, layer in model.named_modules()}
        self._layers = {name: layers[name] for name in observed_weights(model)}

    def __getitem__(self, name: str) -> Tensor:
        return self._layers[name].effective_weight().detach()

    def __iter__(self) -> Iterator[str]:
        return iter(self._layers)

    def __len__(self) -> int:
        return len(self._layers)
