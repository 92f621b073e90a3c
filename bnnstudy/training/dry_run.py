"""What a training on a folder of images will take: some of its steps, timed part by part."""

import math
import resource
import sys
import time
from collections.abc import Callable, Iterator
from dataclasses import dataclass
from typing import Any

import torch
from torch import Tensor

from bnnstudy import devices
from bnnstudy.config import checks
from bnnstudy.config.checks import shown
from bnnstudy.training.image_folder import FolderRun

PARTS = ("decode", "copy", "forward", "backward", "all-reduce", "optimizer")
"""The parts of a step, in their order. The forward pass has the teacher's in it."""

BANDWIDTH = 25e9
"""Bytes a second from one GPU to the next where it was not measured: an assumption, 200 Gbit/s."""


@dataclass(frozen=True, kw_only=True)
class Timing:
    """What a step takes, and what follows for the whole training.

        >>> timing = Timing(
        ...     seconds={"decode": 2.0, "copy": 0.0, "forward": 0.1, "backward": 0.2,
        ...              "all-reduce": 0.0, "optimizer": 0.1},
        ...     share=100, batch=100, processes=1, workers=4, gradients=4_000, steps=3_600, memory=1)
        >>> timing.step(1), timing.binds(1)  # four workers decode 100 images in half a second
        (0.5, 'decode')
        >>> timing.hours(1), timing.batch_of(8), timing.steps_of(8)
        (0.5, 96, 3750)

    Attributes:
        seconds: of each part, for one process's share of a batch; to decode, by one worker.
        share: images of that share; `batch` of the whole batch.
        processes: how many ran; `workers` how many read images for each of them.
        gradients: bytes that are averaged over the processes at each step.
        steps: of the whole training.
        memory: bytes at the peak, of the GPU where there is one, else of the process.

    Raises:
        ValueError: naming the field, its value and what is allowed.
    """

    seconds: dict[str, float]
    share: int
    batch: int
    processes: int
    workers: int
    gradients: int
    steps: int
    memory: int

    def __post_init__(self) -> None:
        checks.instance("seconds", self.seconds, dict)
        if set(self.seconds) != set(PARTS):
            raise ValueError(f"seconds must be of {', '.join(PARTS)}, got {shown(self.seconds)}")
        seconds = {
            name: checks.NOT_NEGATIVE.checked(f"seconds of {name!r}", taken)
            for name, taken in self.seconds.items()
        }
        object.__setattr__(self, "seconds", seconds)
        checks.settle(self, dict.fromkeys(("share", "batch", "processes"), checks.COUNT))
        checks.settle(self, dict.fromkeys(("workers", "gradients", "steps", "memory"), checks.WHOLE))
        if self.processes > 1 and self.gradients and not seconds["all-reduce"]:
            raise ValueError("seconds of 'all-reduce' must be above 0 with several processes, got 0")

    def batch_of(self, processes: int) -> int:
        """Images of a step on another number of processes: the most, up to `batch`, that can be shared.

        0 where they cannot have two each, which batch norm needs.
        """
        share = self.batch // processes
        return share * processes if share > 1 else 0

    def steps_of(self, processes: int) -> int:
        """Steps in which another number of processes sees as many images; not where `batch_of` is 0."""
        return math.ceil(self.steps * self.batch / self.batch_of(processes))

    def part(self, name: str, processes: int) -> float:
        """Seconds of a part of a step on another number of processes that share a batch (`batch_of`).

        What is done for each image shrinks with its share; the optimizer's part stays. A sum over P
        processes sends 2 (P - 1) / P of the gradients, at the pace measured or at `BANDWIDTH`.
        """
        images = self.batch_of(processes) / processes
        if name == "optimizer":
            return self.seconds[name]
        if name == "all-reduce":
            sent = 2 * (processes - 1) / processes * self.gradients
            measured = 2 * (self.processes - 1) / self.processes * self.gradients
            return sent / (measured / self.seconds[name] if measured else BANDWIDTH)
        readers = max(self.workers, 1) if name == "decode" else 1
        return self.seconds[name] / self.share * images / readers

    def step(self, processes: int) -> float:
        """Seconds of a step: workers decode while the rest is computed, and the slower counts."""
        computed = sum(self.part(name, processes) for name in PARTS[1:])
        decoded = self.part("decode", processes)
        # Without workers nothing is read ahead.
        return max(decoded, computed) if self.workers else decoded + computed

    def binds(self, processes: int) -> str:
        """The part that decides the length of a step: decoding, or the longest of the others."""
        longest = max(PARTS[1:], key=lambda name: self.part(name, processes))
        computed = sum(self.part(name, processes) for name in PARTS[1:])
        return "decode" if self.part("decode", processes) > computed else longest

    def hours(self, processes: int) -> float:
        """Hours of the whole training, without what is measured after each epoch."""
        return self.steps_of(processes) * self.step(processes) / 3600

    def _line(self, processes: int) -> str:
        """What the whole training takes on a number of processes, and how that was counted."""
        batch = self.batch_of(processes)
        if not batch:
            return (
                f"{processes:>2} processes: not with batches of {self.batch}, two images each or more"
            )
        lower = f" of {batch} images, as {self.batch} cannot be shared by {processes}"
        return (
            f"{processes:>2} processes: {self.hours(processes):,.3g} hours for "
            f"{self.steps_of(processes):,} steps{lower if batch < self.batch else ''}, bound by "
            f"{self.binds(processes)}"
        )

    def _readers(self) -> str:
        workers = f"{self.workers} worker{'s' * (self.workers > 1)} decode"
        return f"in a run {workers if self.workers else 'it decodes and trains in turn'}"

    def lines(self) -> list[str]:
        """What a dry run says."""
        found = [f"{'part':<10}  {'ms a step':>9}  {'images a second':>15}"]
        for name in PARTS:
            taken = self.seconds[name]
            rate = f"{self.share / taken:,.0f}" if taken else "–"
            note = f" (by one process; {self._readers()})" if name == "decode" else ""
            found.append(f"{name:<10}  {1e3 * taken:9.1f}  {rate:>15}{note}")
        found.append(
            f"{self.share} images a process and step, {self.processes} processes, peak memory "
            f"{self.memory / 2**30:.2f} GiB, {self.gradients / 1e6:.1f} MB of gradients"
        )
        found += [self._line(number) for number in (1, 8, 64)]
        pace = "as measured here" if self.processes > 1 else f"at {BANDWIDTH / 1e9:.0f} GB/s (assumed)"
        found.append(
            "measured: the parts of a step as they stand above. Inferred, for other numbers of "
            "processes: decoding, copy, forward and backward, each as fast an image as here, however "
            f"small the share, with as many workers, reading ahead; the all-reduce {pace}, not hidden "
            "behind the backward pass"
        )
        return found


def time_steps(run: FolderRun, steps: int = 10) -> Timing:
    """Time some steps of a training part by part, after one that warms up. It changes the network.

    Images are decoded by this process, so that the figure is that of one worker.

        >>> from unittest.mock import Mock
        >>> from bnnstudy.config import RunConfig
        >>> from bnnstudy.training.distributed import processes
        >>> batch = torch.zeros(4, 3, 32, 32, dtype=torch.uint8), torch.arange(4)
        >>> images = Mock(shape=(3, 32, 32), classes=10)  # an `ImageFolder` of nothing but black ones
        >>> images.count, images.batches = lambda split: 40, lambda *_, **given: iter([batch])
        >>> with processes("cpu") as group:
        ...     config = RunConfig(model="resnet18", width=2, batch_size=4, epochs=3)
        ...     timing = time_steps(FolderRun(config, images, group), steps=1)
        >>> timing.steps, sorted(timing.seconds) == sorted(PARTS)
        (30, True)

    Args:
        run: a training that nothing was done with yet.
        steps: how many.

    Raises:
        ValueError: if `steps` is not 1 or more; what the training itself raises.
    """
    checks.COUNT.checked("steps", steps)
    clock = _Clock(run.group.device)
    with devices.one_thread(run.group.device):
        read = _endless(run)
        run.wrapped.train()
        for k in range(steps + 1):
            _one(run, read, clock)
            if k == 0:
                clock.seconds.clear()
    config = run.plan[0]
    own = torch.tensor([clock.seconds[name] / steps for name in PARTS], dtype=torch.float64)
    # Each process waits for the others, in one part or another: the mean is what all of them take.
    mean = run.group.sum(own.to(run.group.device)) / run.group.size
    weights = sum(p.numel() * p.element_size() for p in run.model.parameters())
    return Timing(
        seconds=dict(zip(PARTS, mean.tolist(), strict=True)),
        share=config.batch_size // run.group.size,
        batch=config.batch_size,
        processes=run.group.size,
        workers=run.loading.workers,
        gradients=weights,
        steps=sum(stage.epochs for stage in run.plan) * run.per_epoch,
        memory=_peak(run.group.device),
    )


class _Clock:
    """Seconds by part; a GPU is waited for before each look."""

    def __init__(self, device: torch.device):
        self.device = device
        self.seconds: dict[str, float] = {}

    def time(self, name: str, does: Callable[[], Any]) -> Any:
        self._wait()
        begun = time.perf_counter()
        found = does()
        self._wait()
        self.seconds[name] = self.seconds.get(name, 0.0) + time.perf_counter() - begun
        return found

    def _wait(self) -> None:
        if self.device.type == "cuda":
            torch.cuda.synchronize(self.device)


def _endless(run: FolderRun) -> Iterator[tuple[Tensor, Tensor]]:
    config = run.plan[0]
    while True:
        yield from run.folder.batches("train", config.batch_size, part=(run.group.rank, run.group.size))


def _one(run: FolderRun, read: Iterator[tuple[Tensor, Tensor]], clock: _Clock) -> None:
    """One step, its parts one after the other: what `Step` does, nothing hidden behind anything."""
    step = run.step
    found: list[Tensor] = []

    def decode() -> None:
        found.extend(next(read))

    clock.time("decode", decode)
    inputs = clock.time("copy", lambda: run.inputs(found[0]))
    for optimizer in step.optimizers:
        optimizer.zero_grad(set_to_none=True)
    with run.wrapped.no_sync():
        loss = clock.time("forward", lambda: step.loss(inputs, run.targets(inputs, found[1])))
        clock.time("backward", loss.backward)
    gradients = [p.grad for p in run.model.parameters() if p.grad is not None]
    whole = torch.cat([gradient.flatten() for gradient in gradients])
    clock.time("all-reduce", lambda: run.group.sum(whole).div_(run.group.size))
    for gradient, mean in zip(gradients, whole.split([g.numel() for g in gradients]), strict=True):
        gradient.copy_(mean.view_as(gradient))
    clock.time("optimizer", lambda: [optimizer.step() for optimizer in step.optimizers])


def _peak(device: torch.device) -> int:
    if device.type == "cuda":
        return torch.cuda.max_memory_allocated(device)
    # Kilobytes, but on a Mac.
    unit = 1 if sys.platform == "darwin" else 1024
    return resource.getrusage(resource.RUSAGE_SELF).ru_maxrss * unit
