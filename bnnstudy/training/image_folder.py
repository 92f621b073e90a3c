"""Training on a folder of images, by one process or by several: ImageNet, or a reader's own images.

`fit` is for data that a device holds. Here images come from a folder, batch by batch, each process
reads its own part of every batch, and gradients are averaged over them (`DistributedDataParallel`).
"""

import math
import time
from collections.abc import Callable, Iterator, Mapping
from contextlib import nullcontext
from dataclasses import dataclass
from typing import Any, cast

import numpy as np
import torch
from torch import Tensor, nn
from torch.nn.parallel import DistributedDataParallel

from bnnstudy import devices
from bnnstudy.config import checks
from bnnstudy.config.run import RunConfig
from bnnstudy.config.serialise import significant
from bnnstudy.data.imagenet import ImageFolder, standardised
from bnnstudy.evidence.results import Result
from bnnstudy.evidence.right import keep
from bnnstudy.nn import losses
from bnnstudy.nn.parameters import evaluating, observed_weights
from bnnstudy.training import metrics
from bnnstudy.training.callbacks.base import Context
from bnnstudy.training.callbacks.flips import FlipRatio
from bnnstudy.training.distributed import Processes
from bnnstudy.training.handover import network_of
from bnnstudy.training.sharded_checkpoint import ShardedCheckpoint
from bnnstudy.training.step import Step

TOP = 5
"""Of how many guesses one has to be right for the second accuracy that ImageNet is reported by."""

_CURVES = ("train_loss", "test_accuracy", "top5_accuracy", "saturation", "beyond")


@dataclass(frozen=True, kw_only=True)
class Loading:
    """How a training is computed, which changes no result but for rounding.

        >>> Loading(workers=8).every
        500

    Attributes:
        workers: processes that read images, for each process that trains; 0 reads in that one.
        compile: whether the network is compiled.
        every: steps from one checkpoint to the next; there is one at the end of each epoch besides.

    Raises:
        ValueError: naming the argument, its value and what is allowed.
    """

    workers: int = 0
    compile: bool = False
    every: int = 500

    def __post_init__(self) -> None:
        checks.settle(self, {"workers": checks.WHOLE, "compile": checks.FLAG, "every": checks.COUNT})


def require_shares(config: RunConfig, folder: ImageFolder, processes: int) -> None:
    """Refuses a training whose batches the images do not fill or the processes cannot share equally.

    Raises:
        ValueError: naming both numbers.
    """
    images = folder.count("train")
    for stage in config.plan():
        if stage.batch_size > images:
            raise ValueError(
                f"batch_size must be at most the {images} training images, got {stage.batch_size}"
            )
        if stage.batch_size % processes or stage.batch_size // processes < 2:
            raise ValueError(
                f"batch_size must be a multiple of the {processes} processes, and 2 or more for each "
                f"of them (batch norm), got {stage.batch_size}"
            )


def epoch_seed(seed: int, epoch: int) -> int:
    """What decides the order of an epoch (from 0) and its images' draws, from a run's seed.

    >>> epoch_seed(0, 1) == epoch_seed(0, 1), epoch_seed(0, 1) == epoch_seed(1, 0)
    (True, False)
    """
    return int(np.random.SeedSequence((seed, epoch)).generate_state(1, np.uint64)[0] >> np.uint64(1))


class FolderRun:
    """A training on a folder of images, between two steps: all that its end depends on.

    The last incomplete batch of an epoch is left out. No images are held out to choose an epoch by, so
    the last one counts: that is what its result has as `test_accuracy` (top-1), with `top5_accuracy`
    beside it, both of the split `val`. Every order and every draw follows from the seed, the number of
    the epoch and the image's own number; torch's random state plays no part.

    Batch norm averages over a process's own share of the batch, and its running statistics are those of
    the first process, as in the released codes. So other numbers of processes give other results, while
    gradients are those of the whole batch.

        >>> from unittest.mock import Mock
        >>> from bnnstudy.training.distributed import processes
        >>> images = Mock(shape=(3, 32, 32), classes=10, count=lambda split: 40)  # an `ImageFolder`
        >>> with processes("cpu") as group:
        ...     run = FolderRun(RunConfig(model="resnet18", width=2, batch_size=20), images, group)
        >>> run.per_epoch, run.finished, sorted(run.curves)[-1]
        (2, False, 'train_loss')

    Args:
        config: the configuration; `dataset`, `train_size` and `augmentation` play no part.
        folder: the images.
        group: the processes.
        teacher: what gives the distribution that the outputs are to have, in place of the labels; the
            loss is then `losses.distillation`.
        loading: how it is computed.

    Raises:
        ValueError: as `require_shares`; if an argument is none of its kind, or the network cannot be
            built for these images.
    """

    def __init__(
        self,
        config: RunConfig,
        folder: ImageFolder,
        group: Processes,
        teacher: nn.Module | None = None,
        loading: Loading | None = None,
    ):
        checks.instance("config", config, RunConfig)
        checks.instance("group", group, Processes)
        checks.instance("teacher", teacher, nn.Module, or_none=True)
        checks.instance("loading", loading, Loading, or_none=True)
        require_shares(config, folder, group.size)
        self._begun, self._earlier = time.perf_counter(), 0.0
        self.folder, self.group, self.loading = folder, group, loading or Loading()
        if self.loading.compile:
            devices.require_compiler(group.device.type)
        self.plan = config.plan()
        self.teacher = teacher.to(group.device, memory_format=torch.channels_last) if teacher else None  # type: ignore[call-overload]
        self.curves: dict[str, list[Any]] = {name: [] for name in _CURVES}
        self.stages: list[dict[str, Any]] = []
        self.right = np.zeros(folder.count("val"), dtype=bool)
        self.diverged = False
        self._enter(0, None)
        self.start = self._measured() if len(self.plan) > 1 else {}

    def _enter(self, stage: int, previous: nn.Module | None) -> None:
        config = self.plan[stage]
        self.stage, self.epochs, self.position = stage, 0, 0
        self.model = network_of(config, self.folder, self.group.device, previous)
        if self.loading.compile:
            self.model.compile(dynamic=False)
        on_gpu = self.group.device.type == "cuda"
        self.wrapped = DistributedDataParallel(
            self.model, device_ids=[self.group.device.index] if on_gpu else None
        )
        self.per_epoch = self.folder.count("train") // config.batch_size
        steps = config.epochs * self.per_epoch
        self.step = Step(
            config, self.wrapped, steps, loss=losses.distillation if self.teacher else None
        )
        context = Context(
            config=config,
            model=self.model,
            optimizers=self.step.optimizers,
            steps=steps,
            dataset=cast(Any, self.folder),
        )
        self.flips = FlipRatio(context)
        self.step.callbacks = [self.flips]
        self.losses = torch.zeros((), dtype=torch.float64, device=self.group.device)

    @property
    def epoch_number(self) -> int:
        """Epochs of all stages that are behind it."""
        return len(self.curves["train_loss"])

    @property
    def count(self) -> int:
        """Steps of all stages that are behind it."""
        before = sum(stage["epochs"] for stage in self.stages)
        return before * self.per_epoch + self.step.count

    @property
    def seconds(self) -> float:
        """How long it has taken, in all sittings up to the last checkpoint and in this one."""
        return self._earlier + time.perf_counter() - self._begun

    @property
    def finished(self) -> bool:
        """Whether the run is at its end, or diverged."""
        return self.diverged or len(self.stages) == len(self.plan)

    def batches(self) -> Iterator[tuple[Tensor, Tensor]]:
        """What is left of the epoch: this process's share of each batch, (bytes, labels)."""
        config = self.plan[self.stage]
        return self.folder.batches(
            "train",
            config.batch_size,
            seed=epoch_seed(config.seed, self.epoch_number),
            workers=self.loading.workers,
            part=(self.group.rank, self.group.size),
            first=self.position,
        )

    def inputs(self, images: Tensor) -> Tensor:
        """Images as the network sees them, on its device."""
        moved = images.to(self.group.device, non_blocking=True)
        dtype = getattr(torch, self.plan[self.stage].storage)
        return standardised(moved).to(dtype, memory_format=torch.channels_last)

    @torch.no_grad()
    def targets(self, inputs: Tensor, labels: Tensor) -> Tensor:
        """What the outputs are to be: the labels, or the teacher's outputs where there is one."""
        if self.teacher is None:
            return labels.to(self.group.device, non_blocking=True)
        autocast = self.plan[self.stage].precision == "bfloat16"
        with torch.autocast(inputs.device.type, torch.bfloat16, enabled=autocast):
            outputs = self.teacher(inputs.float())
        return outputs.to(inputs.dtype)

    def epoch(self, checkpoint: ShardedCheckpoint | None = None) -> None:
        """Train to the end of the epoch, measure, and enter the next stage where this one ends."""
        self.wrapped.train()
        for images, labels in self.batches():
            inputs = self.inputs(images)
            self.losses += self.step(inputs, self.targets(inputs, labels))
            self.position += 1
            due = self.position % self.loading.every == 0 and self.position < self.per_epoch
            if checkpoint and due:
                checkpoint.save(self.count, self.state_dict())
        self._close_epoch()
        if checkpoint:
            checkpoint.save(self.count, self.state_dict())

    def _close_epoch(self) -> None:
        loss = (self.group.sum(self.losses) / (self.per_epoch * self.group.size)).item()
        self.group.require_same("weights", self.model.parameters())
        self.diverged = not (math.isfinite(loss) and self.step.finite())
        weights = list(observed_weights(self.model).values())
        measured = {
            "train_loss": None if self.diverged else loss,
            **self._measured(),
            "saturation": significant(metrics.saturation(weights)),
            "beyond": significant(metrics.beyond(weights)),
        }
        for name, value in measured.items():
            self.curves[name].append(value)
        self.epochs, self.position = self.epochs + 1, 0
        self.losses.zero_()
        if self.diverged or self.epochs == self.plan[self.stage].epochs:
            found = {"flip_ratio": self.flips.result(), "epochs": self.epochs, "start": self.start}
            self.stages.append(found)
            if not self.finished:
                self._enter(self.stage + 1, self.model)
                self.start = self._measured()

    @torch.no_grad()
    def _measured(self) -> dict[str, float]:
        """Top-1 and top-5 accuracy on the split `val`, each image in one of the processes."""
        rank, size = self.group.rank, self.group.size
        self.group.share_buffers(self.model)
        # Of each image how often it was looked at, whether it was right at once, and among the first.
        found = torch.zeros(3, self.folder.count("val"), dtype=torch.int32)
        batch = self.plan[self.stage].batch_size
        at = rank
        with evaluating(self.model):
            for images, labels in self.folder.batches(
                "val", batch, workers=self.loading.workers, part=(rank, size)
            ):
                outputs = self.model(self.inputs(images)).float().cpu()
                places = slice(at, at + size * len(labels), size)
                guesses = outputs.topk(min(TOP, outputs.shape[1])).indices
                found[0, places] += 1
                found[1, places] = metrics.right(outputs, labels).int()
                found[2, places] = (guesses == labels[:, None]).any(1).int()
                at += size * len(labels)
        seen, right, among = self.group.sum(found.to(self.group.device)).cpu()
        assert bool((seen == 1).all()), "every image is looked at once"
        self.right = right.bool().numpy()
        return {name: share.double().mean().item()
                for name, share in (("test_accuracy", right), ("top5_accuracy", among))}  # fmt: skip

    def result(self) -> Result:
        """What the run leaves; accuracies are those after the last epoch."""
        last = {name: self.curves[name][-1] for name in ("test_accuracy", "top5_accuracy")}
        stages = {"stages": self.stages} if len(self.plan) > 1 else {}
        found: dict[str, Any] = {
            **last,
            "best_epoch": self.epoch_number,
            "last": last,
            "curves": self.curves,
            "saturation": metrics.saturation(list(observed_weights(self.model).values())),
            "diverged": self.diverged,
            "right": keep(dict.fromkeys(("test_accuracy", "last.test_accuracy"), self.right)),
            "flip_ratio": self.stages[-1]["flip_ratio"],
            **stages,
        }
        return cast(Result, found)

    def state_dict(self) -> dict[str, Any]:
        """All that the run's end depends on, the same in all processes."""
        self.group.share_buffers(self.model)
        return {
            "stage": self.stage,
            "seconds": self.group.from_first(self.seconds),
            "epochs": self.epochs,
            "position": self.position,
            "losses": self.group.each(self.losses).cpu(),
            "curves": self.curves,
            "stages": self.stages,
            "start": self.start,
            "diverged": self.diverged,
            "right": torch.from_numpy(np.packbits(self.right)),
            "flips": self.flips.state_dict(),
            "step": self.step.state_dict(),
            "model": dict(self.model.state_dict()),
        }

    def load_state_dict(self, state: Mapping[str, Any]) -> None:
        """Go on from what `state_dict` gave, on this or another number of processes."""
        self._enter(state["stage"], None)
        self._earlier = state["seconds"]
        self.epochs, self.position = state["epochs"], state["position"]
        self.curves, self.stages, self.start = state["curves"], state["stages"], state["start"]
        self.diverged = state["diverged"]
        self.right = np.unpackbits(state["right"].numpy(), count=len(self.right)).astype(bool)
        self.flips.load_state_dict(state["flips"])
        self.step.load_state_dict(state["step"])
        self.model.load_state_dict(state["model"])
        parts = state["losses"]
        same = len(parts) == self.group.size
        # Else each takes the mean: the mean over the processes is what counts, whatever their number.
        self.losses.copy_(parts[self.group.rank] if same else parts.mean())


def train(
    run: FolderRun,
    checkpoint: ShardedCheckpoint | None = None,
    said: Callable[[str], None] | None = None,
) -> Result:
    """Go on from the newest checkpoint, if there is one, to the end; the result.

    A training that is cut at any time and started again ends as one that was not: bit for bit on a CPU
    with the same number of processes.

        >>> from tempfile import TemporaryDirectory
        >>> from pathlib import Path
        >>> from PIL import Image
        >>> from bnnstudy.training.distributed import processes
        >>> with TemporaryDirectory() as name, processes("cpu") as group:
        ...     for file in ("train/a/1.png", "train/b/1.png", "val/a/1.png", "val/b/1.png"):
        ...         path = Path(name, file)
        ...         path.parent.mkdir(parents=True)
        ...         Image.new("RGB", (40, 40), (200 * file.count("a/"), 0, 90)).save(path)
        ...     config = RunConfig(model="resnet18", width=2, epochs=2, batch_size=2)
        ...     result = train(FolderRun(config, ImageFolder(name, size=32), group))
        >>> len(result["curves"]["train_loss"]), result["best_epoch"]
        (2, 2)

    Args:
        checkpoint: where to go on from, and what is written on the way; it stays.
        said: what is told, in the first process, after each epoch.
    """
    with devices.one_thread(run.group.device), _fastest(run.group.device):
        if checkpoint and (state := checkpoint.load()):
            run.load_state_dict(state)
            if said and run.group.is_first:
                said(f"goes on after step {run.count:,}")
        while not run.finished:
            begun, images = time.perf_counter(), run.per_epoch - run.position
            images *= run.plan[run.stage].batch_size
            run.epoch(checkpoint)
            if said and run.group.is_first:
                said(_line(run, images / (time.perf_counter() - begun)))
    return run.result()


def _line(run: FolderRun, rate: float) -> str:
    loss, top1, top5 = (run.curves[name][-1] for name in _CURVES[:3])
    shown = "not finite" if loss is None else f"{loss:.4f}"
    total = sum(stage.epochs for stage in run.plan)
    return (
        f"epoch {run.epoch_number} of {total}: loss {shown}, top-1 {100 * top1:.2f} %, top-5 "
        f"{100 * top5:.2f} %, {rate:,.0f} images a second"
    )


def _fastest(device: torch.device) -> Any:
    """cuDNN tries its kernels once, as all batches have one shape; nothing to do on a CPU."""
    if device.type != "cuda":
        return nullcontext()
    return torch.backends.cudnn.flags(enabled=True, benchmark=True)
