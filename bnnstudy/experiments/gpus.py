"""One GPU for each worker process of a machine that has several."""

import fcntl
import functools
import os
import tempfile
from pathlib import Path
from typing import IO

import torch

_held: list[IO[bytes]] = []
"""Locks that this process holds until it ends, however it does."""


@functools.cache
def take(number: int, sweep: str) -> int:
    """Takes for the rest of this process the first GPU that no other process of the sweep has.

    From then on `"cuda"` means it. A lock of the system's says which is taken: it is free again when
    the process is gone.

    Args:
        number: how many the sweep uses, from the first on.
        sweep: names the sweep on this machine.

    Raises:
        RuntimeError: if all are taken.
    """
    place = first_free(number, sweep)
    torch.cuda.set_device(place)
    return place


def first_free(number: int, sweep: str) -> int:
    """The first place from 0 whose lock is free; it is held until this process ends.

    Raises:
        RuntimeError: if all are taken.
    """
    folder = Path(tempfile.gettempdir()) / f"bnnstudy-{os.getuid()}"
    folder.mkdir(mode=0o700, exist_ok=True)
    for place in range(number):
        stream = open(folder / f"{sweep}-{place}.lock", "wb")  # noqa: SIM115 (held, not closed)
        try:
            fcntl.flock(stream, fcntl.LOCK_EX | fcntl.LOCK_NB)
        except BlockingIOError:
            stream.close()
            continue
        _held.append(stream)
        return place
    raise RuntimeError(f"all {number} GPUs of this sweep are taken")
