"""ImageNet from a folder, a batch at a time, as it does not fit into memory.

The folder has torchvision's ImageFolder layout: `train/<class>/*.JPEG` and `val/<class>/*.JPEG`, the
same classes in both; a class's label is its place in their sorted names. torchvision reads and crops.
"""

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
    """The images of a split with their labels, sorted by class and name.

    Args:
        split: `"train"` or `"val"`.

    Raises:
        FileNotFoundError, ValueError: as `classes`; for another split, or a class without images.
    """
    checks.one_of("split", split, SPLITS)
    found: list[tuple[str, int]] = []
    for label, name in enumerate(classes(folder)):
        path = os.path.join(folder, split, name)
        images = sorted(entry for entry in os.listdir(path) if entry.lower().endswith(SUFFIXES))
        if not images:
            raise ValueError(f"{path} has no images; {_expected(folder)}")
        found += [(os.path.join(path, image), label) for image in images]
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
    given = {"batch_size": batch_size, "size": size, "seed": seed, "workers": workers}
    for name, value in given.items():
        least = 1 if name in ("batch_size", "size") else 0
        if not isinstance(value, int) or isinstance(value, bool) or value < least:
            raise ValueError(f"{name} must be a whole number of {least} or more, got {shown(value)}")
    images = files(folder, split)
    order = torch.arange(len(images))
    if split == "train":
        if batch_size > len(images):
            raise ValueError(
                f"batch_size must be at most the {len(images)} training images, got {batch_size}"
            )
        order = torch.randperm(len(images), generator=torch.Generator().manual_seed(seed))
        order = order[: len(images) - len(images) % batch_size]
    return _stream(_Batches(images, order.split(batch_size), _transform(split, size), seed), workers)


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
        from torchvision import transforms
    except ImportError as error:
        raise ImportError(
            "ImageNet is read by torchvision, which is not installed: bnnstudy[downloads] has it"
        ) from error
    crop = [transforms.Resize(round(size * 256 / 224)), transforms.CenterCrop(size)]
    steps = [*crop, transforms.PILToTensor()]
    if split == "train":
        crop = [transforms.RandomResizedCrop(size, scale=(0.08, 1.0))]
        steps = [*crop, transforms.PILToTensor(), _lit, transforms.RandomHorizontalFlip()]
    standard = [transforms.ConvertImageDtype(torch.float32), transforms.Normalize(MEAN, STD)]
    return transforms.Compose([*steps, *standard])


class _Batches(Dataset[Any]):
    """An epoch's batches by number: a batch, or what is wrong with one of its images, in words.

    Words and no exception, which would come out of another process with all of its traceback.
    """

    def __init__(
        self,
        images: list[tuple[str, int]],
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
            image = _read(self.images[number][0])
            if isinstance(image, str):
                return image
            # An image's draws are its own, so that it does not matter which process reads it.
            draws = np.random.SeedSequence((self.seed, number)).generate_state(1, np.uint64)
            with torch.random.fork_rng(devices=[]), drawing():
                # Not torch.manual_seed, which seeds the GPUs too.
                torch.default_generator.manual_seed(int(draws[0]))
                inputs.append(self.transform(image))
        return torch.stack(inputs), torch.tensor([self.images[number][1] for number in numbers])


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
    loader = DataLoader(source, batch_size=None, num_workers=workers, generator=torch.Generator())
    for batch in loader:
        if isinstance(batch, str):
            raise ValueError(batch)
        images, labels = batch
        yield images, labels


def _expected(folder: str | os.PathLike[str]) -> str:
    return f"expected are {folder}/train/<class>/*.JPEG and {folder}/val/<class>/*.JPEG"
