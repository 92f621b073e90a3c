"""One GPU for each process of a sweep on a machine that has several, while it is at a task."""

import contextlib
import fcntl
import os
import tempfile
import time
from collections.abc import Iterator
from pathlib import Path

import torch

LOOKS = 20
"""How often a process looks for a GPU: others may go from one to the next just as it looks."""
POLL = 0.05
"""Seconds between two looks."""

_last: list[int] = []
"""The GPU that this process had last, where its memory and kernels are: it looks there first."""


@contextlib.contextmanager
def held(number: int, sweep: str) -> Iterator[int]:
    """A GPU that no other process of the sweep has while it lasts; `"cuda"` means it then.

    What a process has, it gives back with its task: another sweep of the same process may use another
    number of GPUs, or none, and other processes, or this very one.

    Args:
        number: how many the sweep uses, from the first on.
        sweep: names the sweep on this machine.

    Raises:
        RuntimeError: if all are taken.
    """
    with first_free(number, sweep) as place, torch.cuda.device(place):
        yield place


@contextlib.contextmanager
def first_free(number: int, sweep: str) -> Iterator[int]:
    """The first place from 0 whose lock is free, or that which this process had last; held meanwhile.

    The lock is the system's: it is free again when the process is gone, however it ended.

    Raises:
        RuntimeError: if all are taken.
    """
    folder = Path(tempfile.gettempdir()) / f"bnnstudy-{os.getuid()}"
    folder.mkdir(mode=0o700, exist_ok=True)
    places = sorted(range(number), key=lambda place: place not in _last)
    for look in range(LOOKS * number):
        place = places[look % number]
        with open(folder / f"{sweep}-{place}.lock", "wb") as stream:
            try:
                fcntl.flock(stream, fcntl.LOCK_EX | fcntl.LOCK_NB)
            except BlockingIOError:
                if place == places[-1]:
                    time.sleep(POLL)
                continue
            _last[:] = [place]
            try:
                yield place
            finally:
                # By itself it would stay with a child that was forked meanwhile.
                fcntl.flock(stream, fcntl.LOCK_UN)
            return
    raise RuntimeError(f"all {number} GPUs of this sweep are taken")
