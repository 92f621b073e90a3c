"""What a study may look at while a network trains: observers for `training.fit`."""

import hashlib
import math

import torch
from torch import Tensor, nn

from bnnstudy import data
from bnnstudy.config import RunConfig
from bnnstudy.layers import BinaryConv2d, evaluating, observed_weights
from bnnstudy.steps import weight_factor


class Trace:
    """A digest of the binary weights after each step: two runs are one if their digests are."""

    name = "trace"

    def __init__(self, config: RunConfig, model: nn.Module, steps: int):
        self._weights = list(observed_weights(model).values())
        self._digests: list[str] = []

    def before(self, step: int) -> None:
        """Nothing to do before a step."""

    def after(self, step: int) -> None:
        """Add this step's digest."""
        digest = hashlib.sha256()
        for weight in self._weights:
            digest.update(weight.detach().cpu().contiguous().numpy().data)
        self._digests.append(digest.hexdigest()[:16])

    def report(self) -> dict:
        """The digests by step."""
        return {"digests": self._digests}

    def state_dict(self) -> dict:
        """The digests so far."""
        return {"digests": self._digests}

    def load_state_dict(self, state: dict) -> None:
        """Go on from what `state_dict` gave."""
        self._digests = state["digests"]


class UpdateSize:
    """How far a step moves a latent weight, in units of the rate: mean |w_i - w_{i-1}| / lr_i.

    1 is Adam's step for a gradient that is always the same; noise makes it smaller. About `points`
    steps are looked at, evenly spaced.
    """

    name = "update_size"

    def __init__(self, config: RunConfig, model: nn.Module, steps: int, points: int = 100):
        self._weights = list(observed_weights(model).values())
        self._lr, self._factor = config.lr, weight_factor(config, steps)
        self._every = max(1, steps // points)
        self._sizes: list[float | None] = []
        self._before: list[Tensor] = []

    def before(self, step: int) -> None:
        """Keep the weights as they are before a step that is looked at."""
        if step % self._every == 0:
            self._before = [w.detach().clone() for w in self._weights]

    def after(self, step: int) -> None:
        """Measure how far the step went."""
        if step % self._every == 0:
            moved = sum(
                (w.detach() - b).abs().sum().item()
                for w, b in zip(self._weights, self._before, strict=True)
            )
            count = sum(w.numel() for w in self._weights)
            size = moved / count / (self._lr * self._factor(step - 1))
            self._sizes.append(float(f"{size:.4g}") if math.isfinite(size) else None)

    def report(self) -> dict:
        """The sizes (None where they are not finite), and the mean of the others over the run."""
        finite = [size for size in self._sizes if size is not None]
        return {"sizes": self._sizes, "mean": sum(finite) / len(finite) if finite else None}

    def state_dict(self) -> dict:
        """The sizes so far."""
        return {"sizes": self._sizes}

    def load_state_dict(self, state: dict) -> None:
        """Go on from what `state_dict` gave."""
        self._sizes = state["sizes"]


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


class PositiveInputs:
    """The share of positive values among what the binary convolutions multiply with, at the end.

    The first convolution, which sees the image, is left out. For activations that are ±1 it is the
    share of +1. Measured on the first `images` validation images.
    """

    name = "positive_inputs"

    def __init__(
        self, config: RunConfig, model: nn.Module, steps: int, dataset: data.Dataset, images: int = 500
    ):
        self._model, self._dataset, self._images = model, dataset, images

    def before(self, step: int) -> None:
        """Nothing to do before a step."""

    def after(self, step: int) -> None:
        """Nor after it."""

    @torch.no_grad()
    def report(self) -> dict:
        """The share by layer and its mean."""
        layers = [module for module in self._model.modules() if isinstance(module, BinaryConv2d)][1:]
        shares: list[float] = []

        def look(layer: nn.Module, inputs: tuple[Tensor, ...]) -> None:
            shares.append(float(f"{(inputs[0] > 0).double().mean().item():.4g}"))

        hooks = [layer.register_forward_pre_hook(look) for layer in layers]
        images = self._dataset.validation.images[: self._images]
        with evaluating(self._model):
            self._model(self._dataset.inputs(images, next(self._model.parameters()).dtype))
        for hook in hooks:
            hook.remove()
        return {"layers": shares, "mean": sum(shares) / max(len(shares), 1)}

    def state_dict(self) -> dict:
        """Nothing: all is measured at the end."""
        return {}

    def load_state_dict(self, state: dict) -> None:
        """Nothing to go on from."""
