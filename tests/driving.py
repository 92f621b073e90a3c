"""Optimizers driven by hand: parameters, random gradients, steps, signs."""

import torch
from hypothesis import strategies as st
from torch import nn
from torch.nn.utils import parametrizations, prune, weight_norm

from bnnstudy.nn.binarize import sign

SHAPES = [(7, 5), (11,), (2, 3, 3, 3)]


rates = st.floats(1e-3, 1.0)


seeds = st.integers(0, 2**16)


def gradients(seed: int, steps: int = 100, shapes=SHAPES) -> list[list[torch.Tensor]]:
    """Random gradients in float64; the first weight of each tensor never gets one (exactly 0)."""
    random = torch.Generator().manual_seed(seed)
    made = [
        [torch.randn(s, dtype=torch.float64, generator=random) for s in shapes] for _ in range(steps)
    ]
    for step in made:
        for gradient in step:
            gradient.view(-1)[0] = 0
    return made


def starts(seed: int, scale: float) -> list[torch.Tensor]:
    random = torch.Generator().manual_seed(seed + 1)
    return [scale * torch.randn(s, dtype=torch.float64, generator=random) for s in SHAPES]


def parameters(values: list[torch.Tensor]) -> list[nn.Parameter]:
    return [nn.Parameter(value.clone()) for value in values]


def apply(optimizer, params, step: list[torch.Tensor]) -> None:
    for p, gradient in zip(params, step, strict=True):
        p.grad = gradient.clone()
    optimizer.step()


def signs(params) -> list[list[float]]:
    return [sign(p).flatten().tolist() for p in params]


MADE_OF_OTHERS = {
    "weight norm": parametrizations.weight_norm,
    "older weight norm": weight_norm,
    "spectral norm": parametrizations.spectral_norm,
    "pruning": lambda layer: prune.random_unstructured(layer, "weight", 0.5),
}
"""By what it is called, what makes a layer's weight of other parameters, anew in each pass."""
