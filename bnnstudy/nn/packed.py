"""A network of ±1 weights on disk, one bit a weight."""

import hashlib
import json
import os
from pathlib import Path
from typing import Any

import numpy as np
import torch
from torch import Tensor, nn

from bnnstudy.config import checks
from bnnstudy.config.checks import shown
from bnnstudy.files import write_atomically
from bnnstudy.nn.parameters import own_binary

FORMAT = "bnnstudy packed 1"
"""What the manifest calls the format."""


def _require_path(file: object) -> None:
    """Refuses what is no name of a file."""
    if not isinstance(file, str | os.PathLike) or not os.fspath(file):
        raise ValueError(f"file must be a path, got {shown(file)}")


def save_packed(model: nn.Module, file: str | os.PathLike[str]) -> None:
    """Write a network's parameters and buffers, its ±1 weights as bits, in safetensors' format.

    A weight of n values takes ceil(n / 8) bytes, its bits from the first value on, 1 for +1. The file's
    metadata hold a manifest: the shape and dtype of each packed weight, and a digest of all tensors.
    The file is written whole or not at all.

        >>> from tempfile import TemporaryDirectory
        >>> from bnnstudy.nn import BinaryLinear, to_signs
        >>> network = nn.Sequential(BinaryLinear(800, 100, scaling="mean"), nn.BatchNorm1d(100))
        >>> with TemporaryDirectory() as folder:
        ...     save_packed(to_signs(network), f"{folder}/network.safetensors")
        ...     Path(folder, "network.safetensors").stat().st_size < 13_000  # 80,000 weights
        True

    Args:
        model: a network without latent layers (`bnnstudy.nn.to_signs` makes one).
        file: where to.

    Raises:
        ValueError: naming a layer that is latent or has a weight that is not ±1; or if `safetensors` is
            not installed.
    """
    checks.instance("model", model, nn.Module)
    _require_path(file)
    packed = _packed_names(model)
    tensors, kept = {}, {}
    for name, value in model.state_dict().items():
        if name in packed:
            kept[name] = {"shape": list(value.shape), "dtype": str(value.dtype).removeprefix("torch.")}
            bits = np.packbits(value.detach().cpu().reshape(-1).float().numpy() > 0)
            tensors[name] = torch.from_numpy(bits)
        else:
            tensors[name] = value.detach().cpu().contiguous().clone()
    manifest = {"format": FORMAT, "packed": kept, "digest": _digest(tensors)}
    written = _safetensors().save(tensors, metadata={"bnnstudy": json.dumps(manifest)})
    write_atomically(Path(file), written)


def load_packed(model: nn.Module, file: str | os.PathLike[str]) -> None:
    """Read what `save_packed` wrote into a network of the same shape, bit for bit.

        >>> from tempfile import TemporaryDirectory
        >>> from bnnstudy.nn import BinaryLinear
        >>> one, other = (BinaryLinear(64, 8, weights="binary") for _ in range(2))
        >>> with TemporaryDirectory() as folder:
        ...     save_packed(one, f"{folder}/network.safetensors")
        ...     load_packed(other, f"{folder}/network.safetensors")
        >>> torch.equal(one.weight, other.weight)
        True

    Args:
        model: a network whose binary layers have `weights="binary"`; it stays as it was if anything is
            refused.
        file: where from.

    Raises:
        ValueError: naming the file, if it is damaged or of another network; or if
            `safetensors` is not installed.
        OSError: if it cannot be read.
    """
    checks.instance("model", model, nn.Module)
    _require_path(file)
    tensors, manifest = _read(file)
    own, kept = model.state_dict(), manifest["packed"]
    packed = _packed_names(model)
    if kept.keys() != packed or tensors.keys() != own.keys():
        apart = sorted({*(kept.keys() ^ packed), *(tensors.keys() ^ own.keys())})
        raise ValueError(f"{file} is of another network: one of them alone has {', '.join(apart)}")
    state = {
        name: _unpacked(value, kept[name]) if name in kept else value for name, value in tensors.items()
    }
    for name, here in own.items():
        there = state[name]
        if (there.shape, there.dtype) != (here.shape, here.dtype):
            raise ValueError(
                f"{file} is of another network: {name} is {tuple(there.shape)}, {there.dtype} there, "
                f"and {tuple(here.shape)}, {here.dtype} here"
            )
    model.load_state_dict(state)


def _packed_names(model: nn.Module) -> set[str]:
    """Names of the ±1 weights in the state of a network.

    Raises:
        ValueError: naming a layer that is latent, or whose weight is not ±1.
    """
    names = set()
    for path, module in model.named_modules(remove_duplicate=False):
        for own in own_binary(module, path):
            name = f"{path}.{own}".lstrip(".")
            if getattr(module, "weights", None) != "binary":
                raise ValueError(f"{name} must be ±1 and is latent: `to_signs` makes it so")
            names.add(name)
    return names


def _read(file: str | os.PathLike[str]) -> tuple[dict[str, Tensor], dict[str, Any]]:
    library, raw = _safetensors(), Path(file).read_bytes()
    try:
        tensors = library.load(raw)
        length = int.from_bytes(raw[:8], "little")
        manifest = json.loads(json.loads(raw[8 : 8 + length])["__metadata__"]["bnnstudy"])
        if manifest["format"] != FORMAT or manifest["digest"] != _digest(tensors):
            raise ValueError("format or digest")
        for name, kind in manifest["packed"].items():
            _unpacked(tensors[name], kind)
    except Exception as error:  # of the library's own, of JSON, or of what stands there
        raise ValueError(f"{file} is damaged, or was not written by save_packed") from error
    return tensors, manifest


def _unpacked(bits: Tensor, kind: dict[str, Any]) -> Tensor:
    shape, dtype = torch.Size(kind["shape"]), getattr(torch, kind["dtype"])
    values = np.unpackbits(bits.numpy())[: shape.numel()]
    return torch.from_numpy(values).to(dtype).mul_(2).sub_(1).reshape(shape)


def _digest(tensors: dict[str, Tensor]) -> str:
    found = hashlib.sha256()
    for name in sorted(tensors):
        value = tensors[name]
        found.update(f"{name} {value.dtype} {tuple(value.shape)} ".encode())
        found.update(value.reshape(-1).view(torch.uint8).numpy().tobytes())
    return found.hexdigest()


def _safetensors() -> Any:
    try:
        import safetensors.torch
    except ImportError as error:
        raise ValueError("safetensors must be installed to pack a network (extra `export`)") from error
    return safetensors.torch
