"""Callbacks that look at what the layers are given."""

from typing import Any

import torch
from torch import Tensor, nn

from bnnstudy.config import checks
from bnnstudy.config.serialise import significant
from bnnstudy.nn.layers import BinaryConv2d
from bnnstudy.nn.parameters import evaluating
from bnnstudy.training.callbacks.base import Callback, Context


class PositiveInputs(Callback):
    """The share of positive values among what the binary convolutions multiply with, at the end.

    The first convolution, which sees the image, is left out. For activations that are ±1 it is the
    share of +1. Measured on the first `images` validation images.
    """

    name = "positive_inputs"

    def __init__(self, context: Context, images: int = 500):
        super().__init__(context)
        self._images = checks.COUNT.checked("images", images)

    @torch.no_grad()
    def result(self) -> dict[str, Any]:
        """The share by layer, and their mean."""
        model, dataset = self.context.model, self.context.dataset
        layers = [module for module in model.modules() if isinstance(module, BinaryConv2d)][1:]
        shares: list[float] = []

        def look(layer: nn.Module, inputs: tuple[Tensor, ...]) -> None:
            shares.append(significant((inputs[0] > 0).double().mean().item()))

        hooks = [layer.register_forward_pre_hook(look) for layer in layers]
        images = dataset.validation.images[: self._images]
        with evaluating(model):
            model(dataset.inputs(images, next(model.parameters()).dtype))
        for hook in hooks:
            hook.remove()
        return {"layers": shares, "mean": sum(shares) / max(len(shares), 1)}
