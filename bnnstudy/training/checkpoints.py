"""Checkpoints: a run half-way, in one file, to go on from after it was cut.

A checkpoint is no record: it is tied to the code, data and torch that made it; where it does not fit
or is damaged the run starts anew. It holds plain values and tensors, written at once or not at all.
"""

import contextlib
import hashlib
import io
import os
import time
import warnings
from collections.abc import Callable, Sequence
from pathlib import Path
from typing import Any

import torch

from bnnstudy import files
from bnnstudy.config import serialise
from bnnstudy.config.run import RunConfig
from bnnstudy.evidence import provenance

EVERY = 30.0
"""Seconds between two checkpoints of a run, at least; so short runs write none."""


class Checkpoint:
    """The checkpoint of one run, at `file`.

        >>> from tempfile import TemporaryDirectory
        >>> from bnnstudy.training import fit
        >>> with TemporaryDirectory() as folder:
        ...     checkpoint = Checkpoint(f"{folder}/run.checkpoint")
        ...     result = fit(RunConfig(width=16, depth=1, epochs=1), checkpoint=checkpoint)
        ...     checkpoint.remove()  # once the result is safe
        >>> result["best_epoch"], checkpoint.earlier
        (1, 0.0)

    Attributes:
        earlier: seconds that earlier sittings spent on the run, once it is loaded; 0 if it is new.
    """

    def __init__(self, file: str | os.PathLike[str]):
        self.file = Path(file)
        self.earlier = 0.0
        self._run: dict[str, Any] = {}
        self._begun = self._written = time.monotonic()
        self._warned = False

    def load(
        self, config: RunConfig, data: str, device: str, callbacks: Sequence[str]
    ) -> dict[str, Any] | None:
        """The state that was saved last; None, with a warning, if there is none that fits this run.

        Args:
            config, data, device, callbacks: what the run is; another one's checkpoint is not used.
        """
        self._run = {
            "config": serialise.to_jsonable(config),
            "data": data,
            "device": device,
            "callbacks": list(callbacks),
            "source": provenance.source_fingerprint(),
            "torch": str(torch.__version__),
        }
        try:
            content = self.file.read_bytes()
        except (FileNotFoundError, NotADirectoryError):
            return None
        except OSError as error:
            warnings.warn(f"{self.file} cannot be read ({error}): the run starts anew", stacklevel=2)
            return None
        digest, _, payload = content.partition(b"\n")
        if hashlib.sha256(payload).hexdigest().encode() != digest:
            warnings.warn(f"{self.file} is damaged: the run starts anew", stacklevel=2)
            return None
        try:
            saved = torch.load(io.BytesIO(payload), map_location="cpu", weights_only=True)
            run, seconds, state = saved["run"], saved["seconds"], saved["state"]
        except Exception as error:  # torch, pickle: what it does not load comes in many ways
            warnings.warn(
                f"{self.file} cannot be used ({type(error).__name__}): the run starts anew",
                stacklevel=2,
            )
            return None
        if run != self._run:
            warnings.warn(
                f"{self.file} is of another run, code or torch: the run starts anew", stacklevel=2
            )
            return None
        self.earlier = seconds
        return state

    def save(self, state: Callable[[], dict[str, Any]]) -> None:
        """Write what `state()` gives, if the last time is `EVERY` seconds ago.

        A folder that takes no checkpoint is no reason to stop a run: there is a warning, once.
        """
        now = time.monotonic()
        if now - self._written < EVERY:
            return
        self._written = now
        seconds = self.earlier + now - self._begun
        stream = io.BytesIO()
        torch.save({"run": self._run, "seconds": seconds, "state": state()}, stream)
        payload = stream.getvalue()
        digest = hashlib.sha256(payload).hexdigest().encode()
        try:
            files.write_atomically(self.file, digest + b"\n" + payload)
        except OSError as error:
            if not self._warned:
                warnings.warn(f"no checkpoint: {error}; the run goes on without", stacklevel=2)
            self._warned = True

    def remove(self) -> None:
        """Remove the file, if it is there."""
        with contextlib.suppress(OSError):
            self.file.unlink()


def beside(record: Path) -> Checkpoint:
    """The checkpoint of a run whose record is not written yet: it lies where the record will."""
    return Checkpoint(record.with_suffix(files.CHECKPOINT))
