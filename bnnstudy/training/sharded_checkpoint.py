"""Checkpoints of several processes: each writes its share, any number of them goes on from it.

A checkpoint is a folder `step-<number>` of `torch.distributed.checkpoint`. It is written under another,
hidden name and renamed when all of it is on the disk; older ones are removed after that. So whatever
ends the processes, the newest folder of that name is whole.
"""

import contextlib
import json
import math
import os
import shutil
from collections.abc import Mapping
from pathlib import Path
from typing import Any

import torch
from torch import Tensor
from torch.distributed import checkpoint as dcp
from torch.distributed.checkpoint.api import CheckpointException
from torch.distributed.checkpoint.metadata import TensorStorageMetadata

from bnnstudy.config import checks
from bnnstudy.config.checks import shown
from bnnstudy.files import make_folder, sync_folder
from bnnstudy.training.distributed import Processes

_NAME, _PLAIN = "step-", "plain"


class ShardedCheckpoint:
    """The checkpoints of one training, in one folder that all of its processes see.

        >>> from tempfile import TemporaryDirectory
        >>> from bnnstudy.training.distributed import processes
        >>> with TemporaryDirectory() as folder, processes("cpu") as group:
        ...     checkpoint = ShardedCheckpoint(folder, {"seed": 1}, group)
        ...     _ = checkpoint.save(20, {"weights": torch.ones(3), "losses": [0.5, 0.25]})
        ...     checkpoint.load()
        {'weights': tensor([1., 1., 1.]), 'losses': [0.5, 0.25]}

    Args:
        folder: where they lie.
        run: what the training is, in JSON's types: another one's checkpoints are refused.
        group: its processes.

    Raises:
        ValueError: naming the argument that is none of its kind.
    """

    def __init__(self, folder: str | os.PathLike[str], run: Mapping[str, Any], group: Processes):
        if not isinstance(folder, str | os.PathLike):
            raise ValueError(f"folder must be a folder's path, got {shown(folder)}")
        checks.instance("run", run, Mapping)
        checks.instance("group", group, Processes)
        try:
            self.run = json.loads(json.dumps(run))
        except (TypeError, ValueError, RecursionError) as error:
            raise ValueError(f"run must be in JSON's types, got {shown(run)}") from error
        self.folder, self.group = Path(folder), group

    def save(self, number: int, state: Mapping[str, Any]) -> Path:
        """Write a state, which is the same in all processes; returns its folder.

        Args:
            number: of the step, larger than that of any before.
            state: dictionaries, lists and tuples of tensors and plain values.
        """
        held: dict[str, list[Tensor]] = {}
        plain = json.dumps({"run": self.run, "state": _packed(dict(state), held, {})})
        # One tensor a type: each costs a millisecond, and there are hundreds.
        tensors = {kind: torch.cat(values) for kind, values in held.items()}
        tensors[_PLAIN] = torch.frombuffer(bytearray(plain.encode()), dtype=torch.uint8)
        whole, half = (self.folder / f"{mark}{_NAME}{number:09d}" for mark in ("", "."))
        if self.group.is_first:
            make_folder(self.folder)
            shutil.rmtree(half, ignore_errors=True)
        self.group.from_first(None)  # nobody writes before the folder is clear
        # It ends in all processes together, once every file is on the disk.
        dcp.save(tensors, checkpoint_id=half)  # type: ignore[attr-defined]
        if self.group.is_first:
            sync_folder(half)
            shutil.rmtree(whole, ignore_errors=True)
            os.rename(half, whole)
            sync_folder(self.folder)
            self._remove_but(whole)
        return whole

    def load(self) -> dict[str, Any] | None:
        """The newest state, the same in all processes; None where there is none.

        Raises:
            ValueError: naming the folder, if it is another training's, or cannot be read.
        """
        name = self.group.from_first(self._newest() if self.group.is_first else None)
        if name is None:
            return None
        folder = self.folder / str(name)
        try:
            reader = dcp.FileSystemReader(folder)  # type: ignore[attr-defined]
            known = reader.read_metadata().state_dict_metadata
            tensors = {
                name: torch.empty(found.size, dtype=found.properties.dtype)
                for name, found in known.items()
                if isinstance(found, TensorStorageMetadata)
            }
            dcp.load(tensors, checkpoint_id=folder)  # type: ignore[attr-defined]
            plain = json.loads(tensors[_PLAIN].numpy().tobytes())
        # Torch, pickle, JSON: what is damaged fails in many ways, one of which is no `Exception`.
        except (Exception, CheckpointException) as error:
            reason = f"{type(error).__name__}: {error}".splitlines()[0]
            raise ValueError(
                f"checkpoint {folder} cannot be read ({reason}); remove it to start anew"
            ) from error
        self._require_own(folder, plain["run"])
        found = _unpacked(plain["state"], tensors)
        assert isinstance(found, dict)
        return found

    def remove(self) -> None:
        """Remove all of them, when the result is safe."""
        if self.group.is_first:
            shutil.rmtree(self.folder, ignore_errors=True)

    def _newest(self) -> str | None:
        if not self.folder.is_dir():
            return None
        whole = sorted(entry.name for entry in self.folder.iterdir() if entry.name.startswith(_NAME))
        return whole[-1] if whole else None

    def _remove_but(self, kept: Path) -> None:
        for entry in self.folder.iterdir():
            if entry != kept and entry.name.lstrip(".").startswith(_NAME):
                # A folder that is removed half-way must not bear the name of a whole one.
                hidden = entry.with_name(f".{entry.name.lstrip('.')}")
                with contextlib.suppress(OSError):
                    entry.rename(hidden)
                shutil.rmtree(hidden, ignore_errors=True)

    def _require_own(self, folder: Path, run: Mapping[str, Any]) -> None:
        differs = [name for name in self.run if run.get(name) != self.run[name]]
        if differs:
            raise ValueError(
                f"checkpoint {folder} is of another training: its {', '.join(differs)} differ from "
                "what runs here; run it with what it was begun with, or remove it to start anew"
            )


def _packed(value: Any, held: dict[str, list[Tensor]], sizes: dict[str, int]) -> Any:
    """A value in JSON's types; its tensors go into `held`, by type, and leave their places in it."""
    if isinstance(value, Tensor):
        kind = str(value.dtype).removeprefix("torch.")
        own = held.setdefault(kind, [])
        at, sizes[kind] = sizes.get(kind, 0), sizes.get(kind, 0) + value.numel()
        own.append(value.detach().cpu().reshape(-1))
        # The file has no strides, and sums depend on them.
        last = value.dim() == 4 and value.is_contiguous(memory_format=torch.channels_last)
        return {"tensor": kind, "at": at, "shape": list(value.shape), "channels_last": last}
    if isinstance(value, Mapping):
        # As pairs: optimizers count their parameters, and JSON's keys are texts.
        return {"pairs": [[key, _packed(item, held, sizes)] for key, item in value.items()]}
    if isinstance(value, list | tuple):
        return {type(value).__name__: [_packed(item, held, sizes) for item in value]}
    return value


def _unpacked(value: Any, tensors: Mapping[str, Tensor]) -> Any:
    if not isinstance(value, dict):
        return value
    if "tensor" in value:
        size = math.prod(value["shape"])
        found = tensors[value["tensor"]][value["at"] : value["at"] + size].view(value["shape"])
        layout = torch.channels_last if value["channels_last"] else torch.contiguous_format
        return found.clone(memory_format=layout)
    if "pairs" in value:
        return {key: _unpacked(item, tensors) for key, item in value["pairs"]}
    ((kind, items),) = value.items()
    listed = [_unpacked(item, tensors) for item in items]
    return tuple(listed) if kind == "tuple" else listed
