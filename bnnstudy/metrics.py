"""What is measured of a binary network: accuracy, flips, saturation. Tensors in, numbers out."""

from collections.abc import Mapping, Sequence

import torch
from torch import Tensor

from bnnstudy.binarize import not_signs


def accuracy(outputs: Tensor, labels: Tensor) -> Tensor:
    """Share of rows of `outputs` (N, classes) whose largest value stands at `labels` (N)."""
    return (outputs.argmax(1) == labels).double().mean()


def flips(before: Tensor, after: Tensor) -> Tensor:
    """Number of weights whose sign differs between two tensors of one shape (no host sync)."""
    return (torch.signbit(before) != torch.signbit(after)).sum()


def flip_ratio(before: Sequence[Tensor], after: Sequence[Tensor]) -> float:
    """FF ratio: the share of all binary weights that changed sign in one update.

    FF = sum |sign(w_{i+1}) - sign(w_i)| / 2 / N. Liu et al. 2021 (AdamBNN); paper B, Figures 3 to 7.

    Raises:
        ValueError: if the lists are empty or do not match.
    """
    if not before or [b.shape for b in before] != [a.shape for a in after]:
        raise ValueError("before and after must be lists of tensors of the same shapes, not empty")
    changed = sum(int(flips(b, a)) for b, a in zip(before, after, strict=True))
    return changed / sum(b.numel() for b in before)


def correlation_to_start(start: Sequence[Tensor], end: Sequence[Tensor]) -> float:
    """C2I: mean product of final and initial signs, 1 (nothing changed) to -1; 0 is chance."""
    return 1 - 2 * flip_ratio(start, end)


def saturation(weights: Sequence[Tensor]) -> float:
    """Share of latent weights with |w| >= 1, where `clip` passes a gradient at most on the edge."""
    beyond = sum(int((w.detach().abs() >= 1).sum()) for w in weights)
    return beyond / sum(w.numel() for w in weights)


def beyond(weights: Sequence[Tensor]) -> float:
    """Share of latent weights with |w| > 1: with the surrogate `clip` no gradient reaches them."""
    past = sum(int((w.detach().abs() > 1).sum()) for w in weights)
    return past / sum(w.numel() for w in weights)


def not_binary(weights: Sequence[Tensor]) -> int:
    """Number of values that are neither 1 nor -1."""
    return sum(map(not_signs, weights))


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


def log_spaced(steps: int, points: int) -> frozenset[int]:
    """At most `points` whole numbers from 1 to `steps`, both included, evenly spaced in logarithm."""
    return frozenset(round(steps ** (k / max(points - 1, 1))) for k in range(points))


def counted(by_step: Sequence[int], size: int) -> dict:
    """What differs of `size` signs after each step: how many of how many, from which step, and when."""
    shown = sorted(log_spaced(len(by_step), 30))
    first = next((k for k, count in enumerate(by_step, start=1) if count), None)
    return {
        "differing": sum(by_step),
        "compared": size * len(by_step),
        "first_step": first,
        "steps": shown,
        "differing_at": [by_step[k - 1] for k in shown],
    }


def _thinned(values: list) -> list:
    return values[::-4][::-1]


def _short(values: list[float]) -> list[float]:
    return [float(f"{value:.4g}") for value in values]
