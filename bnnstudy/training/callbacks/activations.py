"""Callbacks that look at activations."""

import torch
from torch import Tensor, nn

from bnnstudy import data
from bnnstudy.config.run import RunConfig
from bnnstudy.nn.layers import BinaryConv2d
from bnnstudy.nn.parameters import evaluating


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
