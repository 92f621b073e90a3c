"""Data sets as tensors that stay on the device, with a fixed train, validation and test split.

A data set is looked for under one root folder. Images: `<name>.npz` (train_images, train_labels,
test_images, test_labels; uint8 images, (N, H, W) grey or (N, H, W, C) in colour), else torchvision's
own files, else torchvision downloads them there. Recordings: a folder `<name>` of wav files. `digits`
comes with scikit-learn and needs no folder. What is damaged, incomplete or something else is refused
by name. ImageNet fits into no memory: `bnnstudy.data.imagenet` reads it batch by batch.
"""

import functools
import os
from dataclasses import dataclass
from pathlib import Path

import numpy as np
import torch
from torch import Tensor

from bnnstudy import devices
from bnnstudy.config import checks
from bnnstudy.config.checks import shown
from bnnstudy.config.run import RunConfig
from bnnstudy.data import audio, images

NAMES = ("digits", *images.SOURCES, *audio.SOURCES)
"""The data sets by name."""


FOLDERS = {"imagenet": ((1_281_167, 0, 50_000), (3, 224, 224), 1_000)}
"""Data that is read from a folder, batch by batch: its sizes, the shape of an image, its classes.

No part is held out of ImageNet to choose by: its second split is the one that is reported."""

COMMAND = (
    "torchrun --nproc-per-node=N -m bnnstudy imagenet --data DIR --teacher resnet34.pt --preset paper"
)
"""What trains on such data."""


@dataclass(frozen=True)
class Split:
    """Images (N, C, H, W) as uint8 and their labels (N) as int64, on one device.

    They are shared by all that load the same data: not to be changed in place.

        >>> part = load("digits").test
        >>> len(part), tuple(part.images.shape), part.images.dtype
        (400, (400, 1, 8, 8), torch.uint8)

    Raises:
        ValueError: naming the field, its value and what is allowed.
    """

    images: Tensor
    labels: Tensor

    def __post_init__(self) -> None:
        _require_tensor("images", self.images, dims=4, dtype=torch.uint8)
        _require_tensor("labels", self.labels, dims=1, dtype=torch.int64)
        if len(self.images) != len(self.labels):
            raise ValueError(
                f"labels must be one for each of the {len(self.images)} images, got {len(self.labels)}"
            )

    def __len__(self) -> int:
        return len(self.labels)


@dataclass(frozen=True)
class Dataset:
    """A data set in three parts, with what is needed to standardise and to identify it.

    `mean` and `std` are those of the training images, (C, 1, 1) in float64, in units of a pixel (0 to
    255). `fingerprint` (`images.digest`) is of all images and labels (of recordings: of all samples),
    before any are left out: other labels, or images turned, are other data; another order is not.

        >>> digits = load("digits")
        >>> digits.shape, digits.classes
        ((1, 8, 8), 10)
        >>> inputs = digits.inputs(digits.train.images)
        >>> abs(inputs.mean().item()) < 1e-4, round(inputs.std().item(), 3)
        (True, 1.0)

    Raises:
        ValueError: naming the field, its value and what is allowed.
    """

    name: str
    train: Split
    validation: Split
    test: Split
    classes: int
    mean: Tensor
    std: Tensor
    fingerprint: str

    def __post_init__(self) -> None:
        checks.settle(self, {"name": checks.NAME, "fingerprint": checks.NAME, "classes": checks.COUNT})
        for part in ("train", "validation", "test"):
            checks.instance(part, getattr(self, part), Split)
        for moment in ("mean", "std"):
            _require_tensor(moment, getattr(self, moment), dims=3)

    @property
    def shape(self) -> tuple[int, int, int]:
        """(C, H, W) of one image."""
        channels, height, width = self.train.images.shape[1:]
        return channels, height, width

    def inputs(self, images: Tensor, dtype: torch.dtype = torch.float32) -> Tensor:
        """Images as the network sees them: real, each channel standardised by the training set."""
        return images.to(dtype).sub_(self.mean.to(dtype)).div_(self.std.to(dtype))


def default_root() -> Path:
    """`BNNSTUDY_DATA`, else `~/.cache/bnnstudy`.

        >>> from unittest.mock import patch
        >>> with patch.dict(os.environ, BNNSTUDY_DATA="/data"):
        ...     default_root().as_posix()
        '/data'

    Raises:
        ValueError: if the folder lies in the home directory, and there is none.
    """
    try:
        return Path(os.environ.get("BNNSTUDY_DATA") or "~/.cache/bnnstudy").expanduser()
    except RuntimeError as error:
        raise ValueError(
            "BNNSTUDY_DATA (or --data) must name a folder, as there is no home directory"
        ) from error


def load(
    name: str,
    root: str | os.PathLike[str] | None = None,
    *,
    train_size: int = 0,
    device: str | torch.device = "cpu",
) -> Dataset:
    """The data set called `name`, on `device`.

        >>> digits = load("digits", train_size=500)
        >>> len(digits.train), len(digits.validation), len(digits.test)
        (500, 200, 400)

    Args:
        root: folder to look in; None means `default_root()`.
        train_size: keep only the first so many training images; 0 keeps all.

    Raises:
        ValueError: for an unknown name or device, too large a `train_size`, or data that is not as it
            should be (cut short, half downloaded, mis-shaped, empty, labels out of range, other data
            under this name), naming the file and what to do.
        FileNotFoundError: if the data is nowhere and cannot be downloaded: what was looked for, where.
    """
    require_resident(name)
    place = devices.place_here(device)
    # Whole, so that another working folder means other data.
    root = "" if name == "digits" else str(Path(root or default_root()).absolute())
    (whole, *others), fingerprint = _parts(name, root)
    if not isinstance(train_size, int) or not 0 <= train_size <= len(whole):
        raise ValueError(f"train_size must be 0 to {len(whole)} for {name}, got {shown(train_size)}")
    train, mean, std = _standard(name, root, train_size or len(whole))
    train, validation, test = (Split(s.images.to(place), s.labels.to(place)) for s in (train, *others))
    mean, std = mean.to(place), std.to(place)
    return Dataset(name, train, validation, test, images.CLASSES, mean, std, fingerprint)


def sizes_of(name: str) -> tuple[int, int, int]:
    """Training, validation and test images of a data set, which need not be there.

        >>> sizes_of("mnist"), sizes_of("imagenet")
        ((54000, 6000, 10000), (1281167, 0, 50000))

    Raises:
        ValueError: for an unknown name.
    """
    if _is_folder(name):
        return FOLDERS[name][0]
    _require_known(name)
    if name in audio.SOURCES:
        return audio.SOURCES[name].sizes()
    return images.sizes_of(name)


def steps_of_epoch(config: RunConfig) -> int:
    """How many steps an epoch of a run has, full batches alone; its data need not be there.

        >>> steps_of_epoch(RunConfig(dataset="mnist", batch_size=100))
        540

    Raises:
        ValueError: if `config` is none, or its data set is unknown.
    """
    checks.instance("config", config, RunConfig)
    return (config.train_size or sizes_of(config.dataset)[0]) // config.batch_size


def shape_of(name: str) -> tuple[int, int, int]:
    """(C, H, W) of an image of a data set, which need not be there.

        >>> shape_of("cifar10")
        (3, 32, 32)

    Raises:
        ValueError: for an unknown name.
    """
    if _is_folder(name):
        return FOLDERS[name][1]
    _require_known(name)
    return audio.SHAPE if name in audio.SOURCES else images.shape_of(name)


def classes_of(name: str) -> int:
    """Classes of a data set, which need not be there.

    >>> classes_of("mnist"), classes_of("imagenet")
    (10, 1000)
    """
    if _is_folder(name):
        return FOLDERS[name][2]
    _require_known(name)
    return images.CLASSES


def require_resident(name: str) -> None:
    """Refuses data that is not held in memory, and names that are unknown.

    >>> require_resident("imagenet")
    Traceback (most recent call last):
    ValueError: dataset 'imagenet' is read from a folder, ...: torchrun ... -m bnnstudy imagenet ...

    Raises:
        ValueError: saying what trains on the former, and which names there are.
    """
    if _is_folder(name):
        raise ValueError(
            f"dataset {name!r} is read from a folder, by one or more processes: {COMMAND} trains on it"
        )
    _require_known(name)


def _is_folder(name: object) -> bool:
    return isinstance(name, str) and name in FOLDERS


def _require_known(name: str) -> None:
    checks.one_of("dataset", name, NAMES)


def _require_tensor(name: str, value: object, dims: int, dtype: torch.dtype | None = None) -> None:
    """That a field is a tensor of so many dimensions, and of one type where that is said."""
    right = isinstance(value, Tensor) and value.dim() == dims and dtype in (None, value.dtype)
    if not right:
        of_type = f" of {dtype}" if dtype else ""
        raise ValueError(f"{name} must be a tensor of {dims} dimensions{of_type}, got {shown(value)}")


@functools.lru_cache(maxsize=4)
def _parts(name: str, root: str) -> tuple[tuple[Split, Split, Split], str]:
    """(train, validation, test) in memory, and the fingerprint."""
    if name in audio.SOURCES:
        arrays, fingerprint = audio.read(name, Path(root))
    else:
        arrays = images.digits() if name == "digits" else images.read(name, Path(root))
        fingerprint = images.digest(arrays)
    train, validation, test = (_split(*pair) for pair in arrays)
    return (train, validation, test), fingerprint


@functools.lru_cache(maxsize=4)
def _standard(name: str, root: str, size: int) -> tuple[Split, Tensor, Tensor]:
    """The first `size` training images, with mean and standard deviation of each channel."""
    (whole, _, _), _ = _parts(name, root)
    train = Split(whole.images[:size], whole.labels[:size])
    # One channel at a time: in float64 all of CIFAR-10 would be a gigabyte.
    channels = [train.images[:, c].double() for c in range(train.images.shape[1])]
    mean = torch.stack([channel.mean() for channel in channels]).view(-1, 1, 1)
    return train, mean, torch.stack([channel.std() for channel in channels]).view(-1, 1, 1)


def _split(images: np.ndarray, labels: np.ndarray) -> Split:
    images = images[..., None] if images.ndim == 3 else images
    channels_first = torch.from_numpy(np.ascontiguousarray(images.transpose(0, 3, 1, 2)))
    return Split(channels_first, torch.from_numpy(labels.astype(np.int64)))
