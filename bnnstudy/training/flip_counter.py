"""The flip ratio in a training loop of one's own."""

from collections.abc import Iterable, Iterator, Mapping
from types import TracebackType
from typing import Any

import torch
from torch import Tensor, nn

from bnnstudy.config import checks
from bnnstudy.config.checks import shown
from bnnstudy.nn.parameters import observed_weights
from bnnstudy.training.metrics import flips


class FlipCounter:
    """Counts binary weights whose sign changes in a step of the optimizer.

    FF = (weights whose sign the step changed) / (all binary weights), 0 to 1.

        >>> from bnnstudy.nn import BinaryLinear
        >>> model = nn.Sequential(BinaryLinear(4, 3), nn.ReLU(), BinaryLinear(3, 2))
        >>> optimizer = torch.optim.SGD(model.parameters(), lr=10.0)
        >>> counter = FlipCounter(model)
        >>> for step in range(3):
        ...     loss = model(torch.randn(8, 4)).square().mean()
        ...     optimizer.zero_grad()
        ...     loss.backward()
        ...     with counter:
        ...         optimizer.step()
        >>> counter.steps, list(counter.layers)
        (3, ['0.weight', '2.weight'])
        >>> 0 <= counter.last <= 1 and 0 <= counter.mean <= 1
        True

    `with counter:` is `counter.before()`, then `counter.after()`; what is between them may be a step, a
    step and a clamp, or an epoch, whose weights are compared at its two ends. Nothing waits for a GPU
    but `last`, `mean` and `layers`, when they are read. Between the two it keeps a copy of the weights.

    A sign is the one that a layer multiplies with: with scaling "libra" the standardised weight's.
    Under `DistributedDataParallel` give it the wrapped model or the one inside: all ranks have the same
    weights and so count the same flips, and nothing has to be reduced. Where weights are in parts on
    several devices (FSDP) it counts a rank's own part.

    Args:
        model: a network with layers of `bnnstudy.nn`; of any layers where `weights` are given.
        weights: the parameters of the model to count, such as those that a `FilterOptimizer` moves in a
            network of torch's own layers; None means those that its layers say are binary.

    Attributes:
        steps: how many steps were counted since the start or the last `reset`.

    Raises:
        ValueError: if the model has no binary weights, or `weights` are none or not the model's.

    Source: Liu et al. 2021 (AdamBNN); paper B, Figures 3 to 7.
    """

    def __init__(self, model: nn.Module, weights: Iterable[Tensor] | None = None):
        checks.instance("model", model, nn.Module)
        self._weights: Mapping[str, Tensor] = (
            SignedWeights(model) if weights is None else _chosen(model, weights)
        )
        if not self._weights:
            raise ValueError(
                "model must have binary layers to count flips of, and has none; `weights` may name "
                "parameters of other layers"
            )
        self._before: list[Tensor] | None = None
        self._last: list[Tensor] = []
        self._sums: list[Tensor] = []
        self.steps = 0

    def before(self) -> None:
        """Keep the weights as they are."""
        self._before = [w.detach().clone() for w in self._weights.values()]

    def after(self) -> None:
        """Count the weights whose sign is not what it was.

        Raises:
            ValueError: if `before` was not called first.
        """
        if self._before is None:
            raise ValueError("before must be called first, and then after, for each step")
        now = self._weights.values()
        self._last = [flips(b, w.detach()) for b, w in zip(self._before, now, strict=True)]
        if self.steps:
            self._sums = [s + c for s, c in zip(self._sums, self._last, strict=True)]
        else:
            self._sums = self._last
        self._before = None
        self.steps += 1

    def __enter__(self) -> "FlipCounter":
        self.before()
        return self

    def __exit__(
        self,
        kind: type[BaseException] | None,
        error: BaseException | None,
        trace: TracebackType | None,
    ) -> None:
        if error is None:
            self.after()
        self._before = None

    def reset(self) -> None:
        """Forget what was counted, as at the start of an epoch."""
        self.steps, self._last, self._sums = 0, [], []

    @property
    def last(self) -> float:
        """FF of the last step; no number before the first."""
        return self._share(self._last, 1)

    @property
    def mean(self) -> float:
        """The mean of FF over the steps that were counted; no number before the first."""
        return self._share(self._sums, self.steps)

    @property
    def layers(self) -> dict[str, float]:
        """FF of the last step by weight, as `named_parameters` calls it; empty before the first."""
        sizes = [w.numel() for w in self._weights.values()]
        return {
            name: int(count) / size
            for name, count, size in zip(self._weights, self._last, sizes, strict=False)
        }

    def _share(self, counts: list[Tensor], steps: int) -> float:
        size = sum(w.numel() for w in self._weights.values())
        return sum(int(count) for count in counts) / (size * steps) if counts else float("nan")


def _chosen(model: nn.Module, weights: Iterable[Tensor]) -> dict[str, Tensor]:
    """Parameters of a model by their names in it."""
    try:
        weights = list(weights)
    except TypeError as error:
        raise ValueError(f"weights must be parameters of the model, got {shown(weights)}") from error
    chosen = {id(weight) for weight in weights}
    named: dict[str, Tensor] = {name: p for name, p in model.named_parameters() if id(p) in chosen}
    if not chosen or len(named) != len(chosen):
        raise ValueError(
            f"weights must be parameters of the model, at least one; of {len(chosen)} given "
            f"{len(named)} are"
        )
    return named


class SignedWeights(Mapping[str, Tensor]):
    """The tensors whose signs are those that a model multiplies with, by the name of their weight.

    With scaling "libra" they are computed anew whenever they are read; elsewhere they are the weights.
    """

    def __init__(self, model: nn.Module):
        # A shared weight is read through the layer that `named_parameters` names it after.
        layers = {f"{path}.weight".lstrip("."): layer for path, layer in model.named_modules()}
        self._weights = observed_weights(model)
        self._layers = {name: layers.get(name) for name in self._weights}

    def __getitem__(self, name: str) -> Tensor:
        layer: Any = self._layers[name]
        if getattr(layer, "scaling", None) == "libra":
            with torch.no_grad():
                return layer.effective_weight()
        return self._weights[name]

    def __iter__(self) -> Iterator[str]:
        return iter(self._weights)

    def __len__(self) -> int:
        return len(self._weights)
