"""The filter optimizer's step on 10 M weights in 20 tensors, and other ways of writing it.

Block by block is as fast as a flat buffer. Compiled, it saves a few per cent of a training step on a
CPU, which is mostly forward and backward, and needs a C++ compiler; so the optimizer stays eager.
"""

import time
from collections.abc import Callable, Iterator
from functools import partial

import torch
from timing import Ratio, compare
from torch import Tensor, nn

from bnnstudy.nn.binarize import sign
from bnnstudy.optim import FilterOptimizer

TENSORS, SIZE = 20, 500_000
ALPHA, GAMMA = 1e-3, 0.1


def measure() -> Iterator[Ratio]:
    """Over torch's SGD with momentum and decay, over the published kind of loop; flat and compiled."""
    timed = partial(compare, clock=time.process_time)
    ours = optimizer(TENSORS, SIZE, filter_optimizer)
    name = "filter step / torch SGD(momentum, weight_decay, foreach)"
    yield from timed(optimizer(TENSORS, SIZE, torch_sgd), {name: ours}, {name: 0.7})
    name = "filter step / a loop with a mask and a concatenation"
    yield from timed(published_loop(TENSORS, SIZE), {name: ours}, {name: 0.4})
    variants = {"one flat buffer / filter step": optimizer(1, TENSORS * SIZE, filter_optimizer)}
    if compiler_at_hand():
        variants["one flat buffer, compiled / filter step"] = compiled(TENSORS * SIZE)
    yield from timed(ours, variants)


def filter_optimizer(weights: list[nn.Parameter]) -> torch.optim.Optimizer:
    """Ours."""
    return FilterOptimizer(weights, ALPHA, GAMMA)


def torch_sgd(weights: list[nn.Parameter]) -> torch.optim.Optimizer:
    """torch's, as fast as it is without fusing."""
    return torch.optim.SGD(weights, 0.1, momentum=0.9, weight_decay=1e-4, foreach=True)


def optimizer(
    tensors: int, size: int, make: Callable[[list[nn.Parameter]], torch.optim.Optimizer]
) -> Callable[[], None]:
    """A step of an optimizer with gradients of its own, as a function to be timed."""
    weights = [nn.Parameter(sign(torch.randn(size))) for _ in range(tensors)]
    for w in weights:
        w.grad = torch.randn(size)
    return make(weights).step


def published_loop(tensors: int, size: int) -> Callable[[], None]:
    """Tensor by tensor, averages made anew, flips by a mask, all flips put together to be counted."""
    weights = [sign(torch.randn(size)) for _ in range(tensors)]
    gradients = [torch.randn(size) for _ in range(tensors)]
    momenta, averages = ([torch.zeros(size) for _ in range(tensors)] for _ in range(2))

    def run() -> None:
        flipped: list[Tensor] = []
        for k, (w, gradient) in enumerate(zip(weights, gradients, strict=True)):
            momenta[k] = (1 - GAMMA) * momenta[k] + GAMMA * gradient
            averages[k] = (1 - ALPHA) * averages[k] + ALPHA * momenta[k]
            flips = averages[k] * w > 0
            w[flips] = -w[flips]
            flipped.append(flips)
        torch.cat(flipped).sum()

    return run


def compiler_at_hand() -> bool:
    """Whether torch can compile here: it needs a C++ compiler."""
    try:
        torch.compile(lambda x: x + 1)(torch.zeros(1))
    except Exception:  # its own kinds of error, some of which are private
        return False
    return True


def compiled(size: int) -> Callable[[], None]:
    """The whole update of one flat buffer as one compiled function."""
    weight, gradient = sign(torch.randn(size)), torch.randn(size)
    momentum, descent = torch.zeros(size), torch.zeros(size)

    @torch.compile
    def update(weight: Tensor, gradient: Tensor, momentum: Tensor, descent: Tensor) -> None:
        momentum.lerp_(gradient, GAMMA)
        descent.mul_(1 - ALPHA).add_(momentum, alpha=-ALPHA)
        weight.copy_(torch.copysign(torch.ones_like(descent), descent))

    return lambda: update(weight, gradient, momentum, descent)
