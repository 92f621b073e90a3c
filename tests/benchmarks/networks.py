"""Forward and backward of a binary network over its float twin: the same layers, hard tanh for sign.

bfloat16 is measured beside it. It is fast where a matrix product is most of the work, but it changes
results, so it is for a study to choose as its precision, not for the loop to take.
"""

import time
from collections.abc import Callable, Iterator
from dataclasses import replace

import torch
import torch.nn.functional as F
from timing import Ratio, compare
from torch import nn

from bnnstudy.config import tricks
from bnnstudy.config.run import RunConfig
from bnnstudy.nn import models

MLP = RunConfig(model="mlp", width=2048, depth=3, activation="sign")
BIREALNET = RunConfig(
    model="birealnet20", width=16, activation="sign", activation_surrogate="approx",
    real_first=True, real_last=True,
)  # fmt: skip
BINARYCONNECT = RunConfig(model="binaryconnect", width=128)
VIEWS = {
    "filter view": {"view": "filter", "optimizer": "filter"},
    "latent view, identity": {"surrogate": "identity"},
    "latent view, clip": {"surrogate": "clip"},
}


def measure() -> Iterator[Ratio]:
    """MLP of paper A, batch 100; BiRealNet-20, batch 128, channels-last; what bf16 would bring."""
    goals = {"filter view": 1.10, "latent view, identity": 1.25, "latent view, clip": 1.10}
    yield from _views("MLP 784-2048x3-10", MLP, (1, 28, 28), 100, goals, rounds=15)
    everywhere = dict.fromkeys(VIEWS, 1.15)
    yield from _views("BiRealNet-20", BIREALNET, (3, 32, 32), 128, everywhere, rounds=7)
    for name, config, shape, batch in (
        ("MLP 784-2048x3-10", MLP, (1, 28, 28), 100),
        ("BiRealNet-20", BIREALNET, (3, 32, 32), 128),
    ):
        full = step(replace(config, **VIEWS["filter view"]), shape, batch)
        half = step(replace(config, **VIEWS["filter view"]), shape, batch, torch.bfloat16)
        yield from compare(full, {f"{name}: bf16 autocast / float32, filter view": half}, rounds=7)


def _views(
    name: str,
    config: RunConfig,
    shape: tuple[int, int, int],
    batch: int,
    goals: dict[str, float],
    rounds: int,
) -> list[Ratio]:
    twin = step(tricks.float_twin(config), shape, batch)
    labels = {view: f"{name}: {view} / float twin" for view in VIEWS}
    steps = {
        labels[view]: step(replace(config, **change), shape, batch) for view, change in VIEWS.items()
    }
    named = {labels[view]: goal for view, goal in goals.items()}
    return compare(twin, steps, named, rounds=rounds, clock=time.process_time)


def step(
    config: RunConfig,
    shape: tuple[int, int, int],
    batch: int,
    autocast: torch.dtype | None = None,
) -> Callable[[], None]:
    """Forward and backward of one batch of random images, as a function to be timed."""
    network: nn.Module = models.build(config, shape, 10)
    images = torch.randn(batch, *shape).to(memory_format=torch.channels_last)
    labels = torch.randint(10, (batch,))

    def run() -> None:
        network.zero_grad(set_to_none=True)
        with torch.autocast("cpu", autocast, enabled=autocast is not None):
            loss = F.cross_entropy(network(images).float(), labels)
        loss.backward()

    return run
