"""ImageNet from a folder, a batch at a time, as it does not fit into memory.

The folder has torchvision's ImageFolder layout: `train/<class>/*.JPEG` and `val/<class>/*.JPEG`, the
same classes in both; a class's label is its place in their sorted names. torchvision reads and crops.
"""

import functools
import hashlib
import io
import os
import warnings
from collections.abc import Callable, Iterator
from pathlib import Path
from typing import TYPE_CHECKING, Any

import numpy as np
import torch
from torch import Tensor
from torch.utils.data import DataLoader, Dataset

from bnnstudy.config import checks
from bnnstudy.config.checks import shown
from bnnstudy.devices import drawing

if TYPE_CHECKING:
    from PIL.Image import Image

SPLITS = ("train", "val")
"""The folders of training images and of those to evaluate on."""

SUFFIXES = (".jpg", ".jpeg", ".png", ".ppm", ".bmp", ".pgm", ".tif", ".tiff", ".webp")
"""How an image's name ends, in any case; other files are left alone."""

MEAN, STD = (0.485, 0.456, 0.406), (0.229, 0.224, 0.225)
"""By which each channel (red, green, blue; 0 to 1) is standardised."""

LIGHTING = 0.1
"""Standard deviation of the draws of `lighting`."""

_AXES = torch.tensor(
    [[-0.5675, 0.7192, 0.4009], [-0.5808, -0.0045, -0.8140], [-0.5836, -0.6948, 0.4203]],
    dtype=torch.float32,
)
_LENGTHS = torch.tensor([0.2175, 0.0188, 0.0045], dtype=torch.float32)


def classes(folder: str | os.PathLike[str]) -> tuple[str, ...]:
    """The names of the classes, in the order of their labels.

    Raises:
        FileNotFoundError: if the folder, its `train` or its `val` is not there.
        ValueError: if one of them has no classes, or they have different ones.
    """
    if not isinstance(folder, str | os.PathLike):
        raise ValueError(f"folder must be a folder's path, got {shown(folder)}")
    found = {}
    for split in SPLITS:
        path = Path(folder) / split
        if not checks.is_folder(path):
            raise FileNotFoundError(f"no data: there is no folder {path}; {_expected(folder)}")
        found[split] = {entry.name for entry in path.iterdir() if entry.is_dir()}
        if not found[split]:
            raise ValueError(f"{path} has no folder of a class; {_expected(folder)}")
    for here, other in (SPLITS, SPLITS[::-1]):
        alone = sorted(found[here] - found[other])
        if alone:
            raise ValueError(
                f"train and val of {folder} must have the same classes: {', '.join(alone[:3])} "
                f"({len(alone)} in all) in {here} alone; {_expected(folder)}"
            )
    return tuple(sorted(found["train"]))


def files(folder: str | os.PathLike[str], split: str) -> list[tuple[str, int]]:
    """The images of a split with their labels, sorted by class, folder and name, as torchvision's are.

    Args:
        split: `"train"` or `"val"`.

    Raises:
        FileNotFoundError, ValueError: as `classes`; for another split, or a class without images.
    """
    checks.one_of("split", split, SPLITS)
    found: list[tuple[str, int]] = []
    for label, name in enumerate(classes(folder)):
        path = os.path.join(folder, split, name)
        images = [
            os.path.join(inside, entry)
            for inside, _, entries in sorted(os.walk(path, followlinks=True))
            for entry in sorted(entries)
            if entry.lower().endswith(SUFFIXES)
        ]
        if not images:
            raise ValueError(f"{path} has no images; {_expected(folder)}")
        found += [(image, label) for image in images]
    return found


def batches(
    folder: str | os.PathLike[str],
    split: str,
    batch_size: int,
    size: int = 224,
    seed: int = 0,
    workers: int = 0,
) -> Iterator[tuple[Tensor, Tensor]]:
    """One epoch of a split: (images (N, 3, size, size) float32, labels (N) int64), batch by batch.

    Training: in an order drawn from `seed`, without the last incomplete batch (batch norm). Each image
    is cropped at random (0.08 to 1 of its area) and scaled to `size`, lit (`lighting`), and mirrored
    half of the time. Evaluation: all images in the order of `files`, their shorter side scaled to
    size * 256 / 224 and their middle cropped. Both are standardised by `MEAN` and `STD`.

    Args:
        folder, split: as in `files`.
        batch_size: images in a batch.
        size: side of the images.
        seed: decides order and draws; give each epoch another. They do not depend on `workers`, nor on
            torch's own random state, which stays as it is.
        workers: processes that read ahead; 0 reads in this one.

    Source: the released ImageNet code of paper B (Quist et al. 2023) and of ReActNet (Liu et al. 2020).

    Raises:
        FileNotFoundError, ValueError: as `files`; for an argument out of range; and, when its turn
            comes, for an image that cannot be read, naming the file.
        ImportError: if torchvision is not installed.
    """
    checks.COUNT.checked("size", size)
    images = _Listed(files(folder, split))
    read = _epoch(images, split, batch_size, size, seed, workers)
    return ((standardised(found), labels) for found, labels in read)


def standardised(images: Tensor) -> Tensor:
    """Images of bytes as a network sees them: float32, from 0 to 1, then by `MEAN` and `STD`.

    Args:
        images: (N, 3, H, W) of uint8, on any device.
    """
    mean, std = (torch.tensor(v, dtype=torch.float32, device=images.device) for v in (MEAN, STD))
    found = images.to(torch.float32).div_(255)
    return found.sub_(mean.view(3, 1, 1)).div_(std.view(3, 1, 1))


class ImageFolder:
    """A folder of images, listed once, for many epochs and for several processes.

    Each of `parts[1]` processes reads its own images of every batch, with the draws that they have in a
    process alone: together they read what `batches` does.

        >>> ImageFolder("nowhere")
        Traceback (most recent call last):
        FileNotFoundError: no data: there is no folder nowhere/train; expected are ...

    Args:
        folder: as in `files`.
        size: side of the images that are read.

    Attributes:
        names: of the classes, in the order of their labels; `classes` is their number.
        shape: (3, size, size).

    Raises:
        FileNotFoundError, ValueError: as `files`, and for a size out of range.
    """

    def __init__(self, folder: str | os.PathLike[str], size: int = 224):
        checks.COUNT.checked("size", size)
        self.names = classes(folder)
        self.folder, self.size = Path(folder), size
        self._listed = {split: _Listed(files(folder, split)) for split in SPLITS}

    @property
    def classes(self) -> int:
        return len(self.names)

    @property
    def shape(self) -> tuple[int, int, int]:
        return 3, self.size, self.size

    def count(self, split: str) -> int:
        """Images of a split."""
        return len(self._listed[split])

    def labels(self, split: str) -> Tensor:
        """Labels of a split, in the order of `files`."""
        return self._listed[split].labels

    @functools.cached_property
    def fingerprint(self) -> str:
        """16 hex digits over names and sizes of all files; it looks at each of them, and opens none."""
        digest = hashlib.sha256()
        for split in SPLITS:
            for path in self._listed[split].paths:
                name = os.path.relpath(os.fsdecode(path), self.folder)
                digest.update(f"{name}\0{_bytes_in(path)}\n".encode(errors="surrogateescape"))
        return digest.hexdigest()[:16]

    def batches(
        self,
        split: str,
        batch_size: int,
        *,
        seed: int = 0,
        workers: int = 0,
        part: tuple[int, int] = (0, 1),
        first: int = 0,
    ) -> Iterator[tuple[Tensor, Tensor]]:
        """One epoch of a split, as bytes: (images (N, 3, size, size) uint8, labels (N) int64).

        As the function `batches`; `standardised` makes of it what a network sees.

        Args:
            batch_size: of a batch over all processes.
            part: (k, of): which of how many processes this one is. In training it reads the k-th of the
                equal slices of each batch, in evaluation every of-th image, from the k-th on.
            first: how many of the epoch's batches to leave out, as they were read before.

        Raises:
            ValueError: as there; if the processes cannot share a batch of training equally.
        """
        return _epoch(
            self._listed[split], split, batch_size, self.size, seed, workers, part=part, first=first
        )


def _bytes_in(path: bytes) -> int:
    # A link to nowhere is damage, which is named when its turn comes.
    try:
        return os.stat(path).st_size
    except OSError:
        return -1


class _Listed:
    """Paths and labels of a split's images, in two arrays: processes that read share them.

    A list of a million pairs is copied into each, as its counts of references change.
    """

    def __init__(self, images: list[tuple[str, int]]):
        self.paths = np.array([os.fsencode(path) for path, _ in images])
        self.labels = torch.tensor([label for _, label in images])

    def __len__(self) -> int:
        return len(self.labels)


def _epoch(
    images: _Listed,
    split: str,
    batch_size: int,
    size: int,
    seed: int,
    workers: int,
    *,
    part: tuple[int, int] = (0, 1),
    first: int = 0,
) -> Iterator[tuple[Tensor, Tensor]]:
    checks.COUNT.checked("batch_size", batch_size)
    for name, value in (("seed", seed), ("workers", workers), ("first", first)):
        checks.WHOLE.checked(name, value)
    place, parts = part
    order = torch.arange(len(images))
    if split == "train":
        if batch_size > len(images):
            raise ValueError(
                f"batch_size must be at most the {len(images)} training images, got {batch_size}"
            )
        if batch_size % parts:
            raise ValueError(
                f"batch_size must be a multiple of the {parts} processes, got {batch_size}"
            )
        order = torch.randperm(len(images), generator=torch.Generator().manual_seed(seed))
        chunks = order[: len(images) - len(images) % batch_size].view(-1, parts, batch_size // parts)
        own = tuple(chunks[first:, place])
    else:
        own = order[place::parts].split(max(batch_size // parts, 1)) if place < len(images) else ()
        own = own[first:]
    return _stream(_Batches(images, own, _transform(split, size), seed), workers)


def lighting(image: Tensor, draw: Tensor) -> Tensor:
    """Moves an image's colour along the principal axes of ImageNet's colours, as paper B's code does.

    Channel c of a pixel v becomes floor(v_c + sum_k axis_ck length_k draw_k), cut to 0 to 255 first.

    The lengths (Krizhevsky et al. 2012) are those of colours from 0 to 1, but the code adds them to
    values from 0 to 255 and then rounds down. With draws of 0.1 a channel moves by some hundredths of
    one such value: it stays, or gets darker by exactly one. The same is done here. (The code's reader
    by DALI, which the paper names, has no lighting at all.)

    Args:
        image: (3, H, W), uint8.
        draw: (3), normal with standard deviation `LIGHTING`.
    """
    moved = image + (_AXES @ (_LENGTHS * draw)).view(3, 1, 1)
    return moved.clamp(0, 255).to(torch.uint8)


def _lit(image: Tensor) -> Tensor:
    return lighting(image, LIGHTING * torch.randn(3))


def _transform(split: str, size: int) -> Callable[..., Any]:
    try:
        # Here and not above: it costs seconds, and the package runs without it.
        import torchvision.transforms.v2 as transforms
    except ImportError as error:
        raise ImportError(
            "ImageNet is read by torchvision, which is not installed: bnnstudy[downloads] has it"
        ) from error
    crop = [transforms.Resize(round(size * 256 / 224)), transforms.CenterCrop(size)]
    steps = [*crop, transforms.PILToTensor()]
    if split == "train":
        crop = [transforms.RandomResizedCrop(size, scale=(0.08, 1.0))]
        steps = [*crop, transforms.PILToTensor(), _lit, transforms.RandomHorizontalFlip()]
    return transforms.Compose(steps)


class _Batches(Dataset[Any]):
    """An epoch's batches by number: a batch, or what is wrong with one of its images, in words.

    Words and no exception, which would come out of another process with all of its traceback.
    """

    def __init__(
        self,
        images: _Listed,
        chunks: tuple[Tensor, ...],
        transform: Callable[..., Any],
        seed: int,
    ):
        self.images, self.chunks, self.transform, self.seed = images, chunks, transform, seed

    def __len__(self) -> int:
        return len(self.chunks)

    def __getitem__(self, batch: int) -> tuple[Tensor, Tensor] | str:
        numbers = self.chunks[batch].tolist()
        inputs = []
        for number in numbers:
            image = _read(os.fsdecode(self.images.paths[number]))
            if isinstance(image, str):
                return image
            # An image's draws are its own, so that it does not matter which process reads it.
            draws = np.random.SeedSequence((self.seed, number)).generate_state(1, np.uint64)
            with torch.random.fork_rng(devices=[]), drawing():
                # Not torch.manual_seed, which seeds the GPUs too.
                torch.default_generator.manual_seed(int(draws[0]))
                inputs.append(self.transform(image))
        return torch.stack(inputs), self.images.labels[self.chunks[batch]]


def _read(file: str) -> "Image | str":
    from PIL.Image import DecompressionBombWarning
    from PIL.Image import open as opened

    try:
        with warnings.catch_warnings():
            # Where a header claims more pixels than a photograph has.
            warnings.simplefilter("error", DecompressionBombWarning)
            # From memory: of a file as many bytes would be set aside as a header claims.
            with opened(io.BytesIO(Path(file).read_bytes())) as image:
                return image.convert("RGB")
    except Exception as error:  # damaged images fail in many ways
        return f"{file} cannot be read as an image ({type(error).__name__}: {error}); replace it"


def _stream(source: _Batches, workers: int) -> Iterator[tuple[Tensor, Tensor]]:
    # A generator of its own: the loader draws from it, and else from torch's random state.
    loader = DataLoader(
        source,
        batch_size=None,
        num_workers=workers,
        generator=torch.Generator(),
        pin_memory=torch.cuda.is_available(),
    )
    for batch in loader:
        if isinstance(batch, str):
            raise ValueError(batch)
        images, labels = batch
        yield images, labels


def _expected(folder: str | os.PathLike[str]) -> str:
    return f"expected are {folder}/train/<class>/*.JPEG and {folder}/val/<class>/*.JPEG"
