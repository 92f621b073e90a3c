"""`summary`: what each layer of a network holds and computes, by precision."""

from dataclasses import dataclass

import torch
from torch import Tensor, nn

from bnnstudy.nn.layers import BinaryConv2d, BinaryLinear
from bnnstudy.nn.parameters import evaluating


@dataclass(frozen=True)
class LayerSummary:
    """What one layer holds and does for one image.

    `binary_macs` are multiply-accumulates of a binary weight with a binary input (XNOR and popcount
    on the right hardware), `mixed_macs` those with one binary factor (additions and subtractions),
    `real_macs` the rest. `memory` is in bytes, with one bit a binary weight.
    """

    name: str
    kind: str
    binary_weights: int
    real_weights: int
    binary_macs: int
    mixed_macs: int
    real_macs: int
    memory: float


def summary(model: nn.Module, shape: tuple[int, int, int]) -> list[LayerSummary]:
    """One row for each layer with parameters: bits, multiply-accumulates by precision, memory.

    Counts what a deployed network would need. Here nothing is saved: training *simulates* binary
    arithmetic, and every ±1 is stored and multiplied as a floating-point number. A layer with
    weights="binary" whose weight is not ±1 any more is counted as real, with a warning.

    Args:
        model: a network whose layers are torch's or ours.
        shape: (C, H, W) of one image.
    """
    rows: list[LayerSummary] = []
    handles = [
        layer.register_forward_hook(lambda *args, name=name: rows.append(_row(name, *args)))
        for name, layer in model.named_modules()
        if list(layer.parameters(recurse=False))
    ]
    device = next(model.parameters())
    try:
        with torch.no_grad(), evaluating(model):
            # Of zeros every sign is 1, and so is the average of them, which in general is not binary.
            image = torch.randn((1, *shape), generator=torch.Generator().manual_seed(0))
            model(image.to(device))
    finally:
        for handle in handles:
            handle.remove()
    return rows


def _row(name: str, layer: nn.Module, inputs: tuple[Tensor, ...], output: Tensor) -> LayerSummary:
    own = getattr(layer, "binary_parameters", ())
    if isinstance(layer, BinaryLinear | BinaryConv2d) and layer.lost_signs():
        own = ()  # a ±1 layer that was made real: its weights take 32 bits
    counts = {True: 0, False: 0}
    for parameter, values in layer.named_parameters(recurse=False):
        counts[parameter in own] += values.numel()
    macs = 0
    if isinstance(layer, nn.Linear | nn.Conv2d):
        # Each output value sums over one output channel's weights.
        macs = layer.weight[0].numel() * output[0].numel()
    binary_input = bool((inputs[0].abs() == 1).all())
    which = int("weight" in own) + int(binary_input)
    return LayerSummary(
        name=name,
        kind=type(layer).__name__,
        binary_weights=counts[True],
        real_weights=counts[False],
        binary_macs=macs if which == 2 else 0,
        mixed_macs=macs if which == 1 else 0,
        real_macs=macs if which == 0 else 0,
        memory=counts[True] / 8 + 4 * counts[False],
    )
