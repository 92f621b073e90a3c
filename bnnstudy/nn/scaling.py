"""How a layer's real weights become signs times a scale, by name; each output has a scale of its own.

A scaling takes the weight (outputs, ...) and what binarises it, a sign with a surrogate gradient
(`bnnstudy.nn.binarize`), and gives a weight of the same shape. Here w are the n weights of one output,
g is the gradient that arrives at its binary weights, and surrogate(x) the surrogate's slope at x.
"""

from collections.abc import Callable
from functools import partial

import torch
from torch import Tensor
from torch.overrides import handle_torch_function, has_torch_function_unary

from bnnstudy.config import checks
from bnnstudy.nn import binarize as surrogates


def mean(weight: Tensor, binarize: Callable[[Tensor], Tensor]) -> Tensor:
    """Signs times the mean magnitude of each output's weights.

    Forward s sign(w) with s = mean |w|; backward d/dw = s g surrogate(w): the scale has no gradient of
    its own. Rastegari et al. 2016; Liu et al. 2018.

    Example:
        >>> mean(torch.tensor([[1.0, -3.0]]), surrogates.clip)
        tensor([[ 2., -2.]])
    """
    scale = weight.detach().abs().mean(dim=_others(weight), keepdim=True)
    return binarize(weight) * scale


def mean_forward(weight: Tensor, binarize: Callable[[Tensor], Tensor]) -> Tensor:
    """The same scale where signals go forward, and none where gradients come back.

    Forward s sign(w) with s = mean |w|; backward d/dw = g surrogate(w). Before a batch norm g is
    proportional to 1/s, so small weights get large gradients; with `mean` the two factors cancel, while
    s^2 times the variance is far above batch norm's epsilon. The released code of Liu et al. 2018 and
    of paper B.

    Example:
        >>> mean_forward(torch.tensor([[1.0, -3.0]]), surrogates.clip)
        tensor([[ 2., -2.]])
    """
    signs = binarize(weight)
    # The difference is exactly 0 and carries the gradient.
    return mean(weight, binarize).detach() + (signs - signs.detach())


def libra(weight: Tensor, binarize: Callable[[Tensor], Tensor]) -> Tensor:
    """IR-Net's Libra: signs of the standardised weights of each output, times a power of two.

    Forward s sign(v) with v = (w - mean(w)) / std(w), std over n - 1, and s = 2^round(log2 mean |v|).
    Without the mean about as many signs are +1 as -1. s is 1 at most, and is 1 unless mean |v| is below
    2^-0.5 (it is 0.80 for normal weights).

    Backward d/dw = (h - mean(h) - v sum(h v) / (n - 1)) / std(w) with h = s g surrogate(v): through the
    standardisation, while s has no gradient of its own. So a gradient neither moves an output's mean
    nor, to first order, its spread.

    Weights of one output that are all equal, or a single one, have no spread: they stay as they are,
    v = w and s = 1, and their gradient is g surrogate(w).

    Source: Qin et al. 2020; their released code has the std over n - 1 and the scale without gradient,
    and ends in NaN without spread.

    Example:
        >>> libra(torch.tensor([[1.0, 2.0, 6.0]]), surrogates.clip)
        tensor([[-1., -1.,  1.]])
    """
    others = _others(weight)
    centred = weight - weight.mean(dim=others, keepdim=True)
    variance = centred.square().sum(dim=others, keepdim=True) / max(weight[0].numel() - 1, 1)
    # Rounding of the mean can leave a variance where all weights are equal, and squares can vanish.
    highest, lowest = (f(weight.detach(), others, keepdim=True) for f in (torch.amax, torch.amin))
    flat = (highest == lowest) | (variance.detach() == 0)
    # Inside the root too: its slope at 0 is infinite, and would be NaN even where it is not used.
    standard = torch.where(flat, weight, centred / torch.where(flat, 1.0, variance).sqrt())
    magnitude = standard.detach().abs().mean(dim=others, keepdim=True)
    scale = torch.where(flat, 1.0, magnitude.log2().round().exp2())
    return binarize(standard) * scale


def _others(weight: Tensor) -> tuple[int, ...]:
    return tuple(range(1, weight.dim()))


SCALINGS: dict[str, Callable[[Tensor, Callable[[Tensor], Tensor]], Tensor]] = {
    "mean": mean,
    "mean_forward": mean_forward,
    "libra": libra,
}
"""The scalings by name, as layers and configurations spell them."""


def scaled(weight: Tensor, scaling: str, surrogate: str, t: float = 1.0) -> Tensor:
    """A scaling of a weight, all by name: what a graph of `torch.fx` has as one node.

    Forward and backward as `SCALINGS[scaling]` with the surrogate of that name.

    Args:
        weight: (outputs, ...).
        scaling: one of `SCALINGS`.
        surrogate: one of `bnnstudy.nn.binarize.SURROGATES`.
        t: the steepness of the surrogate `"ede"`; others have none.

    Raises:
        ValueError: if there is no scaling or surrogate of that name.

    Example:
        >>> scaled(torch.tensor([[1.0, -3.0]]), "mean", "clip")
        tensor([[ 2., -2.]])
    """
    if has_torch_function_unary(weight):
        return handle_torch_function(scaled, (weight,), weight, scaling, surrogate, t)
    scaling = checks.one_of("scaling", scaling, SCALINGS)
    chosen = surrogates.surrogate(surrogate)
    if surrogate == "ede":
        chosen = partial(surrogates.ede, t=t)
    return SCALINGS[scaling](weight, chosen)
