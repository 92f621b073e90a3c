"""Checkpoints: a run half-way, in one file, to go on from after it was cut.

A checkpoint is no record: it is tied to the code, data and torch that made it; where it does not fit
or is damaged the run starts anew. It holds plain values and tensors, written at once or not at all.
"""

import hashlib
import io
import os
import time
import warnings
from collections.abc import Callable
from pathlib import Path

import torch

from bnnstudy import config as configuration
from bnnstudy import records
from bnnstudy.config import RunConfig

EVERY = 30.0
"""Seconds between two checkpoints of a run, at least; so short runs write none."""


class Checkpoint:
    """The checkpoint of one run, at `file`.

    Args:
        file: where it is; its folder is made when it is first written.
        config, data, device: of the run: another run's checkpoint is not used.
    """

    def __init__(self, file: str | os.PathLike, config: RunConfig, data: str, device: str):
        self.file = Path(file)
        self._run = {
            "config": configuration.plain(config),
            "data": data,
            "device": device,
            "source": records.source_fingerprint(),
            "torch": str(torch.__version__),
        }
        self._written, self._warned = time.monotonic(), False

    def load(self) -> dict | None:
        """The state that was saved last; None, with a warning, if there is none that fits this run."""
        try:
            content = self.file.read_bytes()
        except (FileNotFoundError, NotADirectoryError):
            return None
        digest, _, payload = content.partition(b"\n")
        if hashlib.sha256(payload).hexdigest().encode() != digest:
            warnings.warn(f"{self.file} is damaged: the run starts anew", stacklevel=2)
            return None
        saved = torch.load(io.BytesIO(payload), map_location="cpu", weights_only=True)
        if saved["run"] != self._run:
            warnings.warn(
                f"{self.file} is of another run, code or torch: the run starts anew", stacklevel=2
            )
            return None
        return saved["state"]

    def save(self, state: Callable[[], dict]) -> None:
        """Write what `state()` gives, if the last time is `EVERY` seconds ago.

        A folder that takes no checkpoint is no reason to stop a run: there is a warning, once.
        """
        if time.monotonic() - self._written < EVERY:
            return
        stream = io.BytesIO()
        torch.save({"run": self._run, "state": state()}, stream)
        payload = stream.getvalue()
        digest = hashlib.sha256(payload).hexdigest().encode()
        try:
            records.write_atomically(self.file, digest + b"\n" + payload)
        except OSError as error:
            if self._warned:
                return
            self._warned = True
            warnings.warn(f"no checkpoint: {error}; the run goes on without", stacklevel=2)
        self._written = time.monotonic()


def path(record: Path) -> Path:
    """Where the checkpoint of a run lies while its record is not written yet: beside it."""
    return record.with_suffix(".checkpoint")
