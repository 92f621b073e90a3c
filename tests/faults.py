"""What happens to a sweep, in a process of its own: a kill at a counted moment, a full disk, no rights.

Imported once by a server that forks the processes, so that each starts at once.
"""

import os
import resource
import signal
import sys
from collections.abc import Callable
from pathlib import Path

from toy_study import STUDY

from bnnstudy import data, files
from bnnstudy.experiments import sweep
from bnnstudy.experiments.options import RunOptions
from bnnstudy.training import checkpoints

data.load("digits")


def sweep_toy(results: Path) -> None:
    """Run the toy study with two seeds, and a checkpoint after each epoch."""
    checkpoints.EVERY = 0.0
    sweep.run(STUDY, "quick", 2, RunOptions(results=results, workers=1, progress=False))


def sweep_and_die(results: Path, moment: int) -> None:
    """Run the toy study and die at a moment of it."""
    _die_at(moment, results / "count", lambda: sweep_toy(results))


def write_and_die(file: Path, content: bytes, moment: int) -> None:
    """Write a file and die at a moment of it."""
    _die_at(moment, file.with_name("count"), lambda: files.write_atomically(file, content))


def _die_at(moment: int, counted: Path, work: Callable[[], object]) -> None:
    """Die of SIGKILL at the `moment`-th call or return of some work; 0: never, but count them.

    Calls are of Python and C functions alike, so that death may come inside a run, between two writes,
    or between a write and the renaming that completes it; and it comes at the same place again.
    """
    count = 0

    def watch(frame, event, argument):
        nonlocal count
        count += 1
        if count == moment:
            os.kill(os.getpid(), signal.SIGKILL)

    sys.setprofile(watch)
    try:
        work()
    finally:
        sys.setprofile(None)
    if not moment:
        counted.write_text(str(count))


def sweep_on_a_full_disk(results: Path, size: int) -> None:
    """Run it where no file can grow beyond `size` bytes; exit status 3 if the error names the file."""
    resource.setrlimit(resource.RLIMIT_FSIZE, (size, size))
    try:
        sweep_toy(results)
    except OSError as error:
        named = str(results) in str(error) and "cannot be written (File too large)" in str(error)
        raise SystemExit(3 if named else 4) from None


def sweep_without_rights(results: Path) -> None:
    """Run it as somebody who may not write there; exit status 3 if the error names the folder."""
    if os.getuid() == 0:
        os.setuid(65534)
    try:
        sweep_toy(results)
    except ValueError as error:
        named = "results must be a folder that can be written" in str(error)
        raise SystemExit(3 if named and str(results) in str(error) else 4) from None
