"""Images from `<name>.npz`, from torchvision's files or from scikit-learn, checked."""

import hashlib
import math
import zipfile
from collections.abc import Callable, Iterable, Iterator
from dataclasses import dataclass
from pathlib import Path
from typing import TYPE_CHECKING, Any

import numpy as np

if TYPE_CHECKING:
    from torchvision.datasets import CIFAR10, MNIST

Parts = tuple[tuple[np.ndarray, np.ndarray], ...]
"""(images, labels) for training, validation and test."""

CLASSES = 10
"""Every data set here has ten classes."""

VALIDATION_SHARE = 0.1
"""The last tenth of the training images is the validation set (paper A, section 3)."""

ADVICE = "put one of them there, or name another folder with --data or BNNSTUDY_DATA"


@dataclass(frozen=True)
class Source:
    """What a published data set looks like.

    `shape` is (H, W) or (H, W, C); `torchvision` the name of its class there. Other data
    under its name is recognised by `mean` and `test_mean`, the published means of training and test
    images by channel (black 0, white 1), and by `counts` and `test_counts`, the images of each class.
    """

    shape: tuple[int, ...]
    train: int
    test: int
    torchvision: str
    mean: tuple[float, ...] = ()
    test_mean: tuple[float, ...] = ()
    counts: tuple[int, ...] = ()
    test_counts: tuple[int, ...] = ()


SOURCES = {
    "mnist": Source(
        (28, 28), 60_000, 10_000, "MNIST", mean=(0.1307,), test_mean=(0.1325,),
        counts=(5923, 6742, 5958, 6131, 5842, 5421, 5918, 6265, 5851, 5949),
        test_counts=(980, 1135, 1032, 1010, 982, 892, 958, 1028, 974, 1009),
    ),
    "cifar10": Source(
        (32, 32, 3), 50_000, 10_000, "CIFAR10", mean=(0.4914, 0.4822, 0.4465),
        test_mean=(0.4942, 0.4851, 0.4504), counts=(5000,) * 10, test_counts=(1000,) * 10,
    ),
}  # fmt: skip
"""The published data sets of images by name."""


DIGITS = (1197, 200, 400)
"""Of scikit-learn's digits those for training, validation and test."""


def sizes_of(name: str) -> tuple[int, int, int]:
    """Training, validation and test images of a data set."""
    if name == "digits":
        return DIGITS
    source = SOURCES[name]
    validation = round(VALIDATION_SHARE * source.train)
    return source.train - validation, validation, source.test


def shape_of(name: str) -> tuple[int, int, int]:
    """(C, H, W) of an image of a data set."""
    height, width, *channels = (8, 8) if name == "digits" else SOURCES[name].shape
    return (channels or [1])[0], height, width


def digest(parts: Parts) -> str:
    """sha256 (16 hex digits) of training, validation and test images with their labels, in any order.

    Of each part the sha256 of every label and image (its height, width and channels before its pixels)
    are sorted and digested. So the digest is the same wherever the data was read from, in whatever
    order it lay there.
    """
    return digest_of([_digests(*part) for part in parts])


def digest_of(parts: Iterable[Iterable[bytes]]) -> str:
    """sha256 (16 hex digits) over the digests of the items of each part, whatever their order."""
    whole = hashlib.sha256()
    for part in parts:
        whole.update(hashlib.sha256(b"".join(sorted(part))).digest())
    return whole.hexdigest()[:16]


def _digests(images: np.ndarray, labels: np.ndarray) -> Iterator[bytes]:
    images = images[..., None] if images.ndim == 3 else images  # grey, with or without its channel
    shape = str(images.shape[1:]).encode()
    for image, label in zip(np.ascontiguousarray(images), labels.tolist(), strict=True):
        yield hashlib.sha256(b"%d %b " % (label, shape) + image.tobytes()).digest()


def digits() -> Parts:
    """scikit-learn's 1,797 handwritten digits, shuffled once: 1,197 / 200 / 400."""
    from sklearn.datasets import load_digits

    digits = load_digits()
    order = np.random.default_rng(0).permutation(len(digits.target))
    images = (digits.images[order] * 15).astype(np.uint8)  # 0 to 16 becomes 0 to 240
    labels = digits.target[order].astype(np.uint8)
    ends = np.cumsum(DIGITS[:2])
    return tuple(zip(np.split(images, ends), np.split(labels, ends), strict=True))


def read(name: str, root: Path) -> Parts:
    """A published data set from `root`; the last tenth of the training images validates.

    Raises:
        ValueError, FileNotFoundError: as `bnnstudy.data.load`.
    """
    path = root / f"{name}.npz"
    if path.exists():
        arrays, origin = _read_npz(path, SOURCES[name]), str(path)
    else:
        arrays = _from_torchvision(name, root)
        origin = f"torchvision's {SOURCES[name].torchvision} under {root}"
    images, labels, *test = _checked(arrays, name, origin)
    cut, _, _ = sizes_of(name)
    return (images[:cut], labels[:cut]), (images[cut:], labels[cut:]), (test[0], test[1])


_KEYS = ("train_images", "train_labels", "test_images", "test_labels")


def _read_npz(path: Path, source: Source) -> list[np.ndarray]:
    try:
        with path.open("rb") as stream, zipfile.ZipFile(stream) as archive:
            missing = [key for key in _KEYS if f"{key}.npy" not in archive.namelist()]
            kept = [key for key in _KEYS if key not in missing]
            # Headers before bodies: a damaged one may claim any size.
            forms = {key: _header(archive, key) for key in kept}
            wrong = [text for key in kept if (text := _wrong_form(key, *forms[key], source))]
            arrays = [] if wrong else [_member(archive, key) for key in kept]
    except PermissionError as error:
        raise ValueError(f"{path} cannot be read ({error.strerror})") from error
    except Exception as error:  # zipfile, zlib, numpy: a damaged file fails in many ways
        raise ValueError(
            f"{path} cannot be read ({type(error).__name__}: {error}); "
            "it is damaged or cut short: replace it"
        ) from error
    if missing:
        raise ValueError(f"{path} must hold {', '.join(_KEYS)}; {', '.join(missing)} missing")
    if wrong:
        raise ValueError(f"{path}: {wrong[0]}")
    return arrays


def _header(archive: zipfile.ZipFile, key: str) -> tuple[tuple[int, ...], np.dtype[Any]]:
    """Shape and type of an array in numpy's format, of which no more is read."""
    with archive.open(f"{key}.npy") as member:
        version = np.lib.format.read_magic(member)
        if version == (1, 0):
            shape, _, dtype = np.lib.format.read_array_header_1_0(member)
        elif version == (2, 0):
            shape, _, dtype = np.lib.format.read_array_header_2_0(member)
        else:
            raise ValueError(f"version {version} of numpy's format")
    return shape, dtype


def _member(archive: zipfile.ZipFile, key: str) -> np.ndarray:
    with archive.open(f"{key}.npy") as member:
        return np.lib.format.read_array(member, allow_pickle=False)


def _wrong_form(key: str, shape: tuple[int, ...], dtype: np.dtype[Any], source: Source) -> str:
    """What is wrong with an array's shape or type; empty if nothing is."""
    if 0 in shape:
        return f"{key} is empty; replace it"
    size = source.train if key.startswith("train") else source.test
    wanted = (size, *source.shape) if key.endswith("images") else (size,)
    if shape != wanted:
        return f"{key} must have shape {wanted}, got {shape}; replace it"
    if key.endswith("images") and dtype != np.uint8:
        return f"{key} must be uint8 (0 to 255), got {dtype}"
    if key.endswith("labels") and not np.issubdtype(dtype, np.integer):
        return f"{key} must be integers, got {dtype}"
    return ""


def _checked(arrays: list[np.ndarray], name: str, origin: str) -> list[np.ndarray]:
    source = SOURCES[name]
    for key, array in zip(_KEYS, arrays, strict=True):
        if wrong := _wrong_form(key, array.shape, array.dtype, source):
            raise ValueError(f"{origin}: {wrong}")
        if key.endswith("labels"):
            _check_labels(array, f"{origin}: {key}")
    # One type, so that the same data has the same fingerprint wherever it was read from.
    arrays = [np.asarray(array, dtype=np.uint8) for array in arrays]
    for part, mean, counts, (pixels, labels) in (
        ("training", source.mean, source.counts, arrays[:2]),
        ("test", source.test_mean, source.test_counts, arrays[2:]),
    ):
        what = f"{origin}: this is not {name}: the {part} images'"
        if mean:
            _check_mean(pixels, mean, what)
        if counts and np.bincount(labels, minlength=len(counts)).tolist() != list(counts):
            raise ValueError(f"{what} labels are not {list(counts)} of each class; replace it")
    return arrays


def _check_labels(labels: np.ndarray, what: str) -> None:
    low, high = int(labels.min()), int(labels.max())
    if low < 0 or high >= CLASSES:
        raise ValueError(f"{what} must be 0 to {CLASSES - 1}, got {low} to {high}")


def _check_mean(pixels: np.ndarray, published: tuple[float, ...], what: str) -> None:
    found = pixels.reshape(*pixels.shape[:3], -1).mean(axis=(0, 1, 2)) / 255
    if not np.allclose(found, published, atol=1e-4):
        raise ValueError(f"{what} mean is {found.round(4).tolist()}, not {list(published)}; replace it")


def _from_torchvision(name: str, root: Path) -> list[np.ndarray]:
    source = SOURCES[name]
    wanted = f"{root / name}.npz, nor torchvision's files of {source.torchvision} in {root}"
    try:
        # Here and not above: it costs seconds, and only this path needs it.
        from torchvision import datasets
    except ImportError as error:
        raise FileNotFoundError(
            f"no data: neither {wanted}, and torchvision is not installed; {ADVICE}"
        ) from error
    make = getattr(datasets, source.torchvision)
    for file, whole in _files(make, source, root):
        if file.exists() and not whole(file):
            raise ValueError(
                f"{file} is damaged or half downloaded ({file.stat().st_size} bytes); "
                "delete it, so that it is downloaded again, or replace it"
            )
    arrays = []
    for train in (True, False):
        try:
            part = make(root, train=train, download=True)
        except (AssertionError, ValueError, LookupError, EOFError) as error:
            raise ValueError(
                f"torchvision's files of {source.torchvision} in {root} are damaged "
                f"({type(error).__name__}: {error}); delete them, so that they are downloaded again"
            ) from error
        except Exception as error:  # urllib, hashes, tar files, read-only folders
            raise FileNotFoundError(
                f"no data: neither {wanted}, and the download failed "
                f"({type(error).__name__}: {error}); {ADVICE}"
            ) from error
        arrays += [np.asarray(part.data), np.asarray(part.targets)]
    return arrays


def _files(
    kind: "type[MNIST] | type[CIFAR10]", source: Source, root: Path
) -> list[tuple[Path, Callable[[Path], bool]]]:
    """torchvision's files of a data set, each with what tells whether it is whole."""
    from torchvision.datasets.utils import check_integrity

    def sums(md5: str) -> Callable[[Path], bool]:
        return lambda file: check_integrity(file, md5)

    if hasattr(kind, "resources"):
        raw = root / kind.__name__ / "raw"
        packed = [(raw / name, sums(md5)) for name, md5 in kind.resources]
        # In the order of torchvision's list.
        shapes = [(n, *of) for n in (source.train, source.test) for of in (source.shape, ())]
        unpacked = [file.with_suffix("") for file, _ in packed]
        return [*packed, *zip(unpacked, map(_holds_idx, shapes), strict=True)]
    folder = root / kind.base_folder
    batches = [(folder / name, sums(md5)) for name, md5 in kind.train_list + kind.test_list]
    return [*batches, (root / kind.filename, sums(kind.tgz_md5))]


def _holds_idx(shape: tuple[int, ...]) -> Callable[[Path], bool]:
    """Whether a file is an array of bytes of this shape in the idx format: a header, then values."""
    # 8 stands for bytes; then the number of dimensions, and each of them, the highest byte first.
    header = bytes([0, 0, 8, len(shape)]) + np.array(shape, dtype=">i4").tobytes()

    def holds(file: Path) -> bool:
        with file.open("rb") as stream:
            begins = stream.read(len(header))
        return begins == header and file.stat().st_size == len(header) + math.prod(shape)

    return holds
