"""A GPU's part: training against an ordinary loop, many runs at once, the filter's step against bytes.

Beside each ratio stands a floor that was reasoned, not measured: the time that the operations take at
the fastest matrix product measured here, or the bytes at the fastest copy.
"""

import os
import tempfile
import time
from collections.abc import Callable, Iterator
from dataclasses import replace
from pathlib import Path

import torch
import torch.nn.functional as F
from optimizers import ALPHA, GAMMA
from timing import Ratio, compare
from torch import nn
from torch.utils.data import DataLoader
from torch.utils.data import Dataset as Images

from bnnstudy import data, devices
from bnnstudy.config.run import RunConfig
from bnnstudy.experiments import sweep
from bnnstudy.experiments.options import RunOptions
from bnnstudy.experiments.study import Arm, Study
from bnnstudy.nn import models
from bnnstudy.nn.binarize import sign
from bnnstudy.optim import FilterOptimizer
from bnnstudy.report import cost
from bnnstudy.studies._paper_a import CNN, MLP
from bnnstudy.studies._paper_b import BIREALNET20
from bnnstudy.training.step import Step

MEMBERS = 32
BATCHES = 100
"""Batches that are timed at once, about what an epoch has."""


def measure(device: str = "cuda", batches: int = BATCHES) -> Iterator[Ratio]:
    """All ratios; nothing, and a line that says so, without a GPU."""
    if device == "cuda" and not torch.cuda.is_available():
        print("gpu: there is none here")
        return
    pace = product_pace(device)
    for name, config in (
        ("BiRealNet-20", replace(BIREALNET20["paper"], precision="bfloat16")),
        ("CNN of paper A", replace(CNN["paper"], precision="bfloat16", augmentation="crop_flip")),
    ):
        yield from training(name, config, device, batches, pace)
    yield from many(device)
    yield from filter_step(device)


def synchronised(run: Callable[[], object], device: str) -> Callable[[], None]:
    """The function, until the device has done what it was told."""

    def wait() -> None:
        run()
        if device == "cuda":
            torch.cuda.synchronize()

    return wait


def training(name: str, config: RunConfig, device: str, batches: int, pace: float) -> Iterator[Ratio]:
    """Images a second of our loop, compiled in bfloat16, over an ordinary eager loop."""
    images, size = batches * config.batch_size, config.batch_size
    pixels = torch.randint(256, (images, *data.shape_of(config.dataset)), dtype=torch.uint8)
    labels = torch.randint(10, (images,))
    what = f"{name}: ordinary loop / ours"
    ours = synchronised(our_loop(config, pixels, labels, device), device)
    ordinary = synchronised(ordinary_loop(config, pixels, labels, device), device)
    for ratio in compare(ordinary, {what: ours}, {what: 8.0}, rounds=5, at_least=True):
        yield ratio
        operations = images * (1 + cost.BACKWARD) * cost.image_operations(cost.network(config))
        print(
            f"    {images / ratio.seconds:,.0f} images a second in batches of {size}; the products "
            f"alone would take {1e3 * operations / pace:.1f} of {1e3 * ratio.seconds:.1f} ms"
        )


def our_loop(
    config: RunConfig, pixels: torch.Tensor, labels: torch.Tensor, device: str
) -> Callable[[], None]:
    """An epoch of ours: images on the device, augmented there in one pass, the step compiled."""
    model = models.build(config, tuple(pixels.shape[1:]), 10).to(device).train()
    pixels, labels = pixels.to(device), labels.to(device)
    order = torch.Generator().manual_seed(0)
    with devices.compiling():
        step = Step(config, model, 10**6, [])

    def run() -> None:
        total = torch.zeros((), device=device)
        augment = data.augmentation(config.augmentation, len(labels), order, pixels.device)
        shuffled = torch.randperm(len(labels), generator=order).to(device)
        for batch in shuffled.view(-1, config.batch_size):
            inputs = augment(pixels[batch], batch).to(torch.float32).sub_(120.0).div_(64.0)
            total += step(inputs, labels[batch])
        total.item()

    return run


class _Pictures(Images):
    """Images as torchvision's transforms take them, augmented one by one."""

    def __init__(self, pixels: torch.Tensor, labels: torch.Tensor):
        from torchvision import transforms

        self.pictures, self.labels = pixels.permute(0, 2, 3, 1).numpy(), labels
        self.transform = transforms.Compose(
            [
                transforms.ToPILImage(),
                transforms.RandomCrop(pixels.shape[-1], padding=4),
                transforms.RandomHorizontalFlip(),
                transforms.ToTensor(),
                transforms.Normalize((0.47,), (0.25,)),
            ]
        )

    def __len__(self) -> int:
        return len(self.labels)

    def __getitem__(self, k: int) -> tuple[torch.Tensor, torch.Tensor]:
        return self.transform(self.pictures[k]), self.labels[k]


def ordinary_loop(
    config: RunConfig, pixels: torch.Tensor, labels: torch.Tensor, device: str
) -> Callable[[], None]:
    """An epoch as it is usually written: torchvision, a `DataLoader`, eager, loss printed by batch."""
    config = replace(config, precision="float32")
    model = models.build(config, tuple(pixels.shape[1:]), 10).to(device).train()
    workers = min(16, os.cpu_count() or 1) if device == "cuda" else 0
    loader = DataLoader(
        _Pictures(pixels, labels), config.batch_size, shuffle=True, num_workers=workers,
        pin_memory=device == "cuda", persistent_workers=workers > 0,
    )  # fmt: skip
    step = Step(config, model, 10**6, [])

    def run() -> None:
        for images, targets in loader:
            step(images.to(device, non_blocking=True), targets.to(device, non_blocking=True)).item()

    return run


def many(device: str, members: int = MEMBERS, epochs: int = 20, rounds: int = 3) -> Iterator[Ratio]:
    """A sweep of members of paper A's MLP one after another, over processes and over a stack."""
    # Narrow, as the sweeps of the book's desk are: of wide ones one alone keeps the memory busy.
    config = replace(MLP["quick"], width=256, epochs=epochs)
    arms = {"quick": (Arm(name="one", config=config),)}
    study = Study(name="bench", title="", claims=(), arms=arms, seeds={"quick": members})
    processes = min(members, os.cpu_count() or 1)

    def swept(workers: int, stack: int) -> Callable[[], None]:
        def run() -> None:
            with tempfile.TemporaryDirectory() as folder:
                options = RunOptions(
                    results=Path(folder), device=device, workers=workers, stack=stack, progress=False
                )
                sweep.run(study, "quick", options=options)

        return run

    what = f"MLP, {members} runs: one after another / "
    ways = {f"{what}{processes} processes": swept(processes, 1), f"{what}stacked": swept(1, members)}
    goals = {f"{what}stacked": 10.0}
    yield from compare(swept(1, 1), ways, goals, rounds=rounds, at_least=True)


def filter_step(device: str, tensors: int = 20, size: int = 5_000_000) -> Iterator[Ratio]:
    """The filter optimizer's step over the time its bytes take at the pace of a copy.

    Bytes of a value: the gradient is read (4), momentum and state are read and written (16), the
    weight is written (4).
    """
    weights = [nn.Parameter(sign(torch.randn(size, device=device))) for _ in range(tensors)]
    for w in weights:
        w.grad = torch.randn(size, device=device)
    with devices.compiling():
        optimizer = FilterOptimizer(weights, ALPHA, GAMMA)
    source = torch.randn(tensors * size * 3, device=device)
    target = torch.empty_like(source)
    # A copy of 12 bytes a value reads and writes 24: what the step has to.
    copy = synchronised(lambda: target.copy_(source), device)
    name = f"filter step of {tensors * size:,} weights / a copy of as many bytes"
    yield from compare(copy, {name: synchronised(optimizer.step, device)}, {name: 1.3})


def product_pace(device: str, size: int = 4096) -> float:
    """Multiply-accumulates a second of a large product of bfloat16 matrices."""
    size = size if device == "cuda" else 512
    a, b = (torch.randn(size, size, device=device, dtype=torch.bfloat16) for _ in range(2))
    times = []
    for _ in range(10):
        run = synchronised(lambda: F.linear(a, b), device)
        start = time.perf_counter()
        run()
        times.append(time.perf_counter() - start)
    return size**3 / min(times)
