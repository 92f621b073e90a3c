"""The command line running the toy study in two workers, one of which crashes: where, and how.

As a script: `python toy_crash.py RESULTS [WHERE HOW]`; without the last two nothing crashes.
"""

import functools
import os
import signal
import sys
import threading
from pathlib import Path

import joblib
from toy_study import STUDY

from bnnstudy import __main__ as command_line
from bnnstudy import files, studies
from bnnstudy.experiments import arms, executors, tasks

WHERE = ("start", "middle", "recording")
SIGNALS = {"killed": signal.SIGKILL, "segfault": signal.SIGSEGV}
SEED = 1
"""Whose runs crash."""


def crash(how: str) -> None:
    if how in SIGNALS:
        os.kill(os.getpid(), SIGNALS[how])
    elif how == "exit":
        os._exit(3)
    elif how == "memory":
        raise MemoryError


def run_and_crash(how, arm, config, dataset, *, device, checkpoint):
    """A run that comes to its end, and no further."""
    result = arms.run_arm(arm, config, dataset, device=device, checkpoint=checkpoint)
    crash(how)
    return {**result, "lock": threading.Lock()} if how == "unpicklable" else result


def write_and_crash(how, file, content):
    """Half of a record, under the name that it has until it is whole."""
    Path(file).with_name(f".{Path(file).name}.half{files.TEMPORARY}").write_bytes(content[:99])
    crash(how)


def work(where, how, task, *given):
    """A task as a worker does it, or up to its crash."""
    tasks.run_arm, write = arms.run_arm, files.write_atomically
    if task[0][1].config.seed == SEED:
        if where == "start":
            crash(how)
        elif where == "middle":
            tasks.run_arm = functools.partial(run_and_crash, how)
        else:
            files.write_atomically = functools.partial(write_and_crash, how)
    try:
        return executors._work(task, *given)
    finally:
        files.write_atomically = write


if __name__ == "__main__":
    if len(sys.argv) > 2:
        worker = functools.partial(work, *sys.argv[2:])
        executors.delayed = lambda work: joblib.delayed(worker)
    studies.STUDIES["toy"] = STUDY
    arguments = ["run", "toy", "--arms", "adam", "--seeds", "3", "--workers", "2"]
    sys.exit(command_line.main([*arguments, "--results", sys.argv[1]]))
