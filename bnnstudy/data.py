"""Data sets as tensors that stay on the device, with a fixed train, validation and test split.

A data set is looked for under one root folder: `<name>.npz` (train_images, train_labels, test_images,
test_labels; uint8 images (N, H, W) or (N, H, W, C)), else torchvision's own files, else torchvision
downloads them there. `digits` comes with scikit-learn and needs no folder.
"""

import functools
import hashlib
import os
from dataclasses import dataclass
from pathlib import Path

import numpy as np
import torch
from torch import Tensor


@dataclass(frozen=True)
class _Source:
    shape: tuple[int, ...]  # (H, W) or (H, W, C)
    train: int
    test: int
    torchvision: str
    classes: int = 10


SOURCES = {
    "mnist": _Source((28, 28), 60_000, 10_000, "MNIST"),
    "cifar10": _Source((32, 32, 3), 50_000, 10_000, "CIFAR10"),
}
NAMES = ("digits", *SOURCES)
"""The data sets by name."""

VALIDATION_SHARE = 0.1
"""The last tenth of the training images is the validation set (paper A, section 3)."""


@dataclass(frozen=True)
class Split:
    """Images (N, C, H, W) as uint8 and their labels (N) as int64, on one device."""

    images: Tensor
    labels: Tensor

    def __len__(self) -> int:
        return len(self.labels)


@dataclass(frozen=True)
class Dataset:
    """A data set in three parts, with what is needed to standardise and to identify it.

    `mean` and `std` are those of the training images, one number each, in units of a pixel (0-255).
    `fingerprint` is the sha256 (16 hex digits) of all images and labels, before any are left out.
    """

    name: str
    train: Split
    validation: Split
    test: Split
    classes: int
    mean: float
    std: float
    fingerprint: str

    @property
    def shape(self) -> tuple[int, int, int]:
        """(C, H, W) of one image."""
        return tuple(self.train.images.shape[1:])

    def inputs(self, images: Tensor, dtype: torch.dtype = torch.float32) -> Tensor:
        """Images as the network sees them: real, standardised by the training set."""
        return images.to(dtype).sub_(self.mean).div_(self.std)


def default_root() -> Path:
    """`BNNSTUDY_DATA`, else `~/.cache/bnnstudy`."""
    return Path(os.environ.get("BNNSTUDY_DATA") or Path.home() / ".cache" / "bnnstudy")


def load(name: str, root=None, *, train_size: int = 0, device="cpu") -> Dataset:
    """The data set called `name`, on `device`.

    Args:
        root: folder to look in; None means `default_root()`.
        train_size: keep only the first so many training images; 0 keeps all.

    Raises:
        ValueError: for an unknown name, too large a `train_size`, or data that is not as it should be
            (truncated, mis-shaped, empty, not finite, labels out of range), naming the file.
        FileNotFoundError: if the data is nowhere and cannot be downloaded: what was looked for, where.
    """
    if name not in NAMES:
        raise ValueError(f"dataset must be one of {', '.join(NAMES)}; got {name!r}")
    arrays, fingerprint = _arrays(name, str(Path(root) if root else default_root()))
    train, validation, test = (_split(*pair) for pair in arrays)
    if not 0 <= train_size <= len(train):
        raise ValueError(f"train_size must be 0 to {len(train)} for {name}, got {train_size}")
    if train_size:
        train = Split(train.images[:train_size], train.labels[:train_size])
    pixels = train.images.double()
    mean, std = pixels.mean().item(), pixels.std().item()
    parts = (Split(s.images.to(device), s.labels.to(device)) for s in (train, validation, test))
    return Dataset(name, *parts, classes=10, mean=mean, std=std, fingerprint=fingerprint)


@functools.lru_cache(maxsize=4)
def _arrays(name: str, root: str):
    """((train), (validation), (test)) as (images, labels) in numpy, and the fingerprint."""
    if name == "digits":
        parts = _digits()
    else:
        images, labels, *test = _read(name, Path(root))
        cut = len(labels) - round(VALIDATION_SHARE * len(labels))
        parts = (images[:cut], labels[:cut]), (images[cut:], labels[cut:]), tuple(test)
    digest = hashlib.sha256()
    for part in parts:
        for array in part:
            digest.update(np.ascontiguousarray(array))
    return parts, digest.hexdigest()[:16]


def _split(images: np.ndarray, labels: np.ndarray) -> Split:
    images = images[..., None] if images.ndim == 3 else images
    images = torch.from_numpy(np.ascontiguousarray(images.transpose(0, 3, 1, 2)))
    return Split(images, torch.from_numpy(labels.astype(np.int64)))


def _digits():
    """scikit-learn's 1,797 handwritten digits, shuffled once: 1,197 / 200 / 400."""
    from sklearn.datasets import load_digits

    digits = load_digits()
    order = np.random.default_rng(0).permutation(len(digits.target))
    images = (digits.images[order] * 15).astype(np.uint8)  # 0 to 16 becomes 0 to 240
    labels = digits.target[order].astype(np.uint8)
    ends = np.cumsum([1197, 200])
    return tuple(zip(np.split(images, ends), np.split(labels, ends), strict=True))


def _read(name: str, root: Path):
    path = root / f"{name}.npz"
    if path.exists():
        arrays = _read_npz(path)
        origin = str(path)
    else:
        arrays = _from_torchvision(name, root)
        origin = f"torchvision's {SOURCES[name].torchvision} under {root}"
    return _checked(arrays, SOURCES[name], origin)


_KEYS = ("train_images", "train_labels", "test_images", "test_labels")


def _read_npz(path: Path) -> list[np.ndarray]:
    try:
        # Opened here: numpy leaves a file open that turns out not to be an archive.
        with path.open("rb") as stream, np.load(stream) as file:
            missing = [key for key in _KEYS if key not in file]
            arrays = [file[key] for key in _KEYS if key not in missing]
    except Exception as error:  # zipfile, zlib, numpy: a damaged file fails in many ways
        raise ValueError(
            f"{path} cannot be read ({type(error).__name__}: {error}); "
            "it is damaged or cut short: replace it"
        ) from error
    if missing:
        raise ValueError(f"{path} must hold {', '.join(_KEYS)}; {', '.join(missing)} missing")
    return arrays


def _checked(arrays, source: _Source, origin: str) -> list[np.ndarray]:
    sizes = (source.train, source.train, source.test, source.test)
    for key, array, size in zip(_KEYS, arrays, sizes, strict=True):
        if array.size == 0:
            raise ValueError(f"{origin}: {key} is empty")
        if np.issubdtype(array.dtype, np.floating) and not np.isfinite(array).all():
            raise ValueError(f"{origin}: {key} has values that are not finite")
        shape = (size, *source.shape) if key.endswith("images") else (size,)
        if array.shape != shape:
            raise ValueError(f"{origin}: {key} must have shape {shape}, got {array.shape}")
        if key.endswith("images") and array.dtype != np.uint8:
            raise ValueError(f"{origin}: {key} must be uint8 (0 to 255), got {array.dtype}")
        if key.endswith("labels"):
            if not np.issubdtype(array.dtype, np.integer):
                raise ValueError(f"{origin}: {key} must be integers, got {array.dtype}")
            low, high = int(array.min()), int(array.max())
            if low < 0 or high >= source.classes:
                raise ValueError(
                    f"{origin}: {key} must be 0 to {source.classes - 1}, got {low} to {high}"
                )
    return list(arrays)


def _from_torchvision(name: str, root: Path) -> list[np.ndarray]:
    wanted = f"{root / name}.npz, nor torchvision's files of {SOURCES[name].torchvision} in {root}"
    advice = "put one of them there, or name another folder with --data or BNNSTUDY_DATA"
    try:
        # Here and not above: it costs seconds, and only this path needs it.
        from torchvision import datasets
    except ImportError as error:
        raise FileNotFoundError(
            f"no data: neither {wanted}, and torchvision is not installed; {advice}"
        ) from error
    make = getattr(datasets, SOURCES[name].torchvision)
    arrays = []
    for train in (True, False):
        try:
            part = make(root, train=train, download=True)
        except Exception as error:  # urllib, hashes, tar files, read-only folders
            raise FileNotFoundError(
                f"no data: neither {wanted}, and the download failed "
                f"({type(error).__name__}: {error}); {advice}"
            ) from error
        arrays += [np.asarray(part.data), np.asarray(part.targets)]
    return arrays
