"""A whole run over the same run written by hand: same network, batches, updates and evaluations.

The loop by hand has what its result needs and nothing else: no observers, no counts of weights, no
checkpoints, images standardised once. Both end with the same accuracies, or the ratio would be of two
different runs.
Beside it stands the memory that each takes at its most, in processes of their own.
"""

import multiprocessing
import time
from collections.abc import Callable, Iterator
from concurrent.futures import ProcessPoolExecutor
from dataclasses import replace
from pathlib import Path

import torch
from timing import Ratio, compare
from torch import Tensor, nn

from bnnstudy import data
from bnnstudy.config.run import RunConfig
from bnnstudy.config.schedules import schedule_factor
from bnnstudy.nn import losses, models
from bnnstudy.nn.layers import BinaryLinear
from bnnstudy.studies._paper_a import MLP
from bnnstudy.training import loop

EVALUATED = 500
"""Images evaluated at once, as ours does on a CPU: another number would be no overhead of ours."""


def measure() -> Iterator[Ratio]:
    """Paper A's MLP at the size of a desk, and the smallest run of the book; then the desk's memory."""
    for name, config, shape, sizes, rounds in (
        ("784-256x3-10, 4,000 images", replace(MLP["desk"], epochs=5), (1, 28, 28), (4_000,) * 3, 7),
        ("64-128x3-10, 1,400 images", MLP["quick"], (1, 8, 8), (1_400, 180, 180), 9),
    ):
        dataset = pictures(shape, sizes)
        ours, bare = whole(config, dataset), by_hand(config, dataset)
        require_equal(ours(), bare())
        what = f"run of the MLP {name}: ours / by hand"
        yield from compare(bare, {what: ours}, {what: 1.10}, rounds=rounds, clock=time.process_time)
    memory()


def pictures(shape: tuple[int, int, int], sizes: tuple[int, int, int]) -> data.Dataset:
    """Random images that look like their label, in three parts."""
    draw = torch.Generator().manual_seed(0)
    patterns = torch.rand(10, *shape, generator=draw)

    def part(size: int) -> data.Split:
        labels = torch.randint(10, (size,), generator=draw)
        noise = torch.rand(size, *shape, generator=draw)
        return data.Split((40 * patterns[labels] + 215 * noise).to(torch.uint8), labels)

    train, validation, test = map(part, sizes)
    values = train.images.double()
    mean, std = values.mean().view(1, 1, 1), values.std().view(1, 1, 1)
    return data.Dataset("pictures", train, validation, test, 10, mean, std, "")


def whole(config: RunConfig, dataset: data.Dataset) -> Callable[[], list[list[float]]]:
    """Our run, as a function to be timed; gives the accuracies by epoch."""

    def run() -> list[list[float]]:
        curves = loop.fit(config, dataset)["curves"]
        return [curves["validation_accuracy"], curves["test_accuracy"]]

    return run


def by_hand(config: RunConfig, dataset: data.Dataset) -> Callable[[], list[list[float]]]:
    """The same training, written for it alone: Adam, a schedule, latent weights clamped."""
    size, loss_of = config.batch_size, losses.LOSSES[config.loss]

    def run() -> list[list[float]]:
        order = torch.Generator().manual_seed(config.seed)
        model = models.build(config, dataset.shape, dataset.classes)
        binary = [layer.weight for layer in model.modules() if isinstance(layer, BinaryLinear)]
        optimizer = torch.optim.Adam(model.parameters(), config.lr, config.betas)
        parts = [dataset.train, dataset.validation, dataset.test]
        images, *others = (dataset.inputs(part.images) for part in parts)
        labels, batches = dataset.train.labels, len(images) // size
        curves: list[list[float]] = [[], []]
        for epoch in range(config.epochs):
            model.train()
            shuffled = torch.randperm(len(images), generator=order)[: batches * size].view(-1, size)
            for k, batch in enumerate(shuffled, start=epoch * batches):
                optimizer.param_groups[0]["lr"] = config.lr * schedule_factor(
                    config.schedule, k, config.epochs * batches
                )
                optimizer.zero_grad()
                loss_of(model(images[batch]), labels[batch]).backward()
                optimizer.step()
                with torch.no_grad():
                    for w in binary:
                        w.clamp_(-1, 1)
            for curve, inputs, part in zip(curves, others, parts[1:], strict=True):
                curve.append(accuracy(model, inputs, part.labels))
        return curves

    return run


@torch.no_grad()
def accuracy(model: nn.Module, inputs: Tensor, labels: Tensor) -> float:
    """Share of inputs that the model takes for what they are."""
    model.eval()
    outputs = torch.cat([model(part) for part in inputs.split(EVALUATED)])
    return (outputs.argmax(1) == labels).double().mean().item()


def require_equal(ours: object, bare: object) -> None:
    """Refuses to time two runs against each other that are not the same one."""
    if ours != bare:
        raise RuntimeError(f"the run by hand must be ours, got accuracies {bare} and {ours}")


def memory() -> None:
    """Prints what a run adds to the memory of its process, at its most: ours and the one by hand."""
    if not Path("/proc/self/status").exists():
        return
    found = {}
    for name in ("ours", "by hand"):
        # A process of its own: the most that one ever took never falls again.
        with ProcessPoolExecutor(1, multiprocessing.get_context("spawn")) as pool:
            found[name] = pool.submit(_peak, name).result()
    shown = ", ".join(f"{name} {peak:.1f} MiB" for name, peak in found.items())
    print(f"    memory that a run of the wide MLP takes at its most: {shown}")


def _peak(name: str) -> float:
    """MiB by which a run of paper A's own width raises the most that this process took."""
    torch.set_num_threads(1)
    config = replace(MLP["paper"], width=1024, epochs=1)
    dataset = pictures((1, 28, 28), (2_000, 2_000, 2_000))
    tiny = pictures((1, 28, 28), (100, 100, 100))
    make = {"ours": whole, "by hand": by_hand}[name]
    make(replace(config, width=8), tiny)()  # what torch itself takes once
    before = _most()
    make(config, dataset)()
    return _most() - before


def _most() -> float:
    """MiB that this process ever took. `getrusage` would say no less than what its parent took."""
    lines = Path("/proc/self/status").read_text().splitlines()
    return next(int(line.split()[1]) / 1024 for line in lines if line.startswith("VmHWM"))
