"""`summary`: what each layer of a network holds and computes, by precision."""

import math
from dataclasses import dataclass
from typing import Any

import torch
from torch import Tensor, nn
from torch.nn.modules.conv import _ConvNd, _ConvTransposeNd

from bnnstudy.config import checks
from bnnstudy.config.checks import shown
from bnnstudy.nn.layers import BinaryConv2d, BinaryLinear
from bnnstudy.nn.parameters import evaluating


@dataclass(frozen=True)
class LayerSummary:
    """What one layer holds and does for one image.

    `binary_macs` are multiply-accumulates of a binary weight with a binary input (XNOR and popcount
    on the right hardware), `mixed_macs` those with one binary factor (additions and subtractions),
    `real_macs` the rest. `memory` is in bytes, with one bit a binary weight. `kind` is the layer's
    class; in parentheses, where that is so, that it was not called, or that its operations are none
    that are counted here.

        >>> [row] = summary(nn.Sequential(nn.Flatten(), BinaryLinear(64, 10, bias=False)), (1, 8, 8))
        >>> row.name, row.kind, row.binary_weights, row.mixed_macs, row.memory
        ('1', 'BinaryLinear', 640, 640, 80.0)

    Raises:
        ValueError: naming the field, its value and what is allowed.
    """

    name: str
    kind: str
    binary_weights: int
    real_weights: int
    binary_macs: int
    mixed_macs: int
    real_macs: int
    memory: float

    def __post_init__(self) -> None:
        checks.settle(self, _RULES)


_RULES = {
    "name": checks.NAME,
    "kind": checks.NAME,
    **dict.fromkeys(("binary_weights", "real_weights"), checks.WHOLE),
    **dict.fromkeys(("binary_macs", "mixed_macs", "real_macs"), checks.WHOLE),
    "memory": checks.NOT_NEGATIVE,
}


def summary(model: nn.Module, shape: tuple[int, int, int]) -> list[LayerSummary]:
    """One row for each layer with parameters: bits, multiply-accumulates by precision, memory.

    Counts what a deployed network would need. Here nothing is saved: training *simulates* binary
    arithmetic, and every ±1 is stored and multiplied as a floating-point number. A layer with
    weights="binary" whose weight is not ±1 any more is counted as real, with a warning.

    A layer that is used several times computes as often and is held once; so is a parameter that
    several layers share, by the first of them that is used. Counted are the operations of linear
    layers, (transposed) convolutions and recurrent layers; what acts on single values (a batch norm, a
    PReLU), adds a bias or looks up counts as none. Products with the zeros around a padded image count
    as those inside it, as papers have it; on ±1 inputs they are a third value (`BinaryConv2d`).

    Args:
        model: a network whose layers are torch's or ours.
        shape: (C, H, W) of one image.

    Raises:
        ValueError: if the model has no parameters, or `shape` is none.

    Example:
        >>> [row] = summary(nn.Conv2d(2, 4, 3), (2, 5, 5))
        >>> row.real_weights, row.real_macs, row.memory
        (76, 648, 304.0)
    """
    checks.instance("model", model, nn.Module)
    if not isinstance(shape, tuple | list) or len(shape) != 3:
        raise ValueError(f"shape must be (C, H, W), got {shown(shape)}")
    shape = tuple(checks.SIZE.checked("a size of shape", size) for size in shape)
    layers = {
        name: layer for name, layer in model.named_modules() if list(layer.parameters(recurse=False))
    }
    if not layers:
        raise ValueError("model must have parameters, and has none")
    uses: dict[str, list[tuple[int, bool]]] = {}

    def note(name: str, layer: nn.Module, args: tuple[Any, ...], named: Any, output: Any) -> None:
        given = next((x for x in (*args, *named.values()) if isinstance(x, Tensor)), None)
        macs = _operations(layer, given, output)
        binary = macs > 0 and given is not None and bool((given.abs() == 1).all())
        uses.setdefault(name, []).append((macs, binary))

    handles = [
        layer.register_forward_hook(lambda *seen, name=name: note(name, *seen), with_kwargs=True)
        for name, layer in layers.items()
    ]
    try:
        with torch.no_grad(), evaluating(model):
            # Of zeros every sign is 1, and so is the average of them, which in general is not binary.
            draw = torch.Generator().manual_seed(0)
            image = torch.randn((1, *shape), generator=draw, dtype=torch.float32)
            model(image.to(next(model.parameters())))
    finally:
        for handle in handles:
            handle.remove()
    held: set[int] = set()
    return [_row(name, layers[name], uses.get(name, []), held) for name in {**uses, **layers}]


def _row(name: str, layer: nn.Module, uses: list[tuple[int, bool]], held: set[int]) -> LayerSummary:
    """A layer's row; `held` are the parameters of earlier ones, and then its own too."""
    own = getattr(layer, "binary_parameters", ())
    if isinstance(layer, BinaryLinear | BinaryConv2d) and layer.lost_signs():
        own = ()  # a ±1 layer that was made real: its weights take 32 bits
    counts = {True: 0, False: 0}
    for parameter, values in layer.named_parameters(recurse=False):
        if id(values) not in held:
            counts[parameter in own] += values.numel()
        held.add(id(values))
    macs = [0, 0, 0]  # by how many of the two factors are binary
    for operations, binary_input in uses:
        macs[int("weight" in own) + int(binary_input)] += operations
    remark = ""
    if not uses:
        remark = " (not called)"
    elif not _is_known(layer):
        remark = " (operations not counted)"
    return LayerSummary(
        name=name,
        kind=type(layer).__name__ + remark,
        binary_weights=counts[True],
        real_weights=counts[False],
        binary_macs=macs[2],
        mixed_macs=macs[1],
        real_macs=macs[0],
        memory=counts[True] / 8 + 4 * counts[False],
    )


_PRODUCTS = (nn.Linear, _ConvNd, nn.RNNBase)
_NO_PRODUCTS = (nn.Embedding, nn.EmbeddingBag, nn.LayerNorm, nn.RMSNorm)


def _is_known(layer: nn.Module) -> bool:
    """Whether a layer's operations are counted, or none: a matrix of some other layer may multiply."""
    if isinstance(layer, (*_PRODUCTS, *_NO_PRODUCTS)):
        return True
    return all(p.dim() < 2 for p in layer.parameters(recurse=False))


def _operations(layer: nn.Module, given: Tensor | None, output: Any) -> int:
    """Multiply-accumulates of one use of a layer; 0 where it has none, or none that are known."""
    if given is None or not isinstance(layer, _PRODUCTS):
        return 0
    if isinstance(layer, nn.RNNBase):
        # Each matrix once a step; a projection is one more.
        matrices = sum(p.numel() for p in layer.parameters(recurse=False) if p.dim() == 2)
        return matrices * given.numel() // layer.input_size
    weight = layer.weight
    # Each output value sums over one output channel's weights; transposed, each input value is spread
    # by one input channel's.
    values = given if isinstance(layer, _ConvTransposeNd) else output
    return math.prod(weight.shape[1:]) * values.numel()
