"""A study small enough to be run, killed and run again in a test.

As a script it runs the study: `python toy_study.py RESULTS WORKERS [KILL_AFTER]`. With the last
argument the first run that ends when so many are recorded kills its whole process group.
"""

import functools
import os
import signal
import sys
from pathlib import Path

import joblib

from bnnstudy.config.run import RunConfig
from bnnstudy.evidence.claims import Claim, Difference
from bnnstudy.experiments import arms, executors, sweep, tasks
from bnnstudy.experiments.options import RunOptions
from bnnstudy.experiments.study import Arm, Study, Tuned

SMALL = {"width": 16, "depth": 1, "epochs": 2, "batch_size": 100, "clamp": True}

STUDY = Study(
    name="toy",
    title="A toy for the tests",
    claims=(
        Claim(
            id="toy-adam",
            paper="ours",
            source="tests",
            text="Adam beats SGD.",
            contrast=Difference(metric="test_accuracy", arm="adam", control="sgd"),
        ),
    ),
    arms={
        "quick": (
            Arm(name="adam", config=RunConfig(**SMALL, lr=1e-2)),
            Arm(
                name="sgd",
                config=RunConfig(**SMALL, optimizer="sgd"),
                tuned=Tuned(field="lr", grid=(0.01, 0.1), factor=10.0),
            ),
        )
    },
    seeds={"quick": 4},
)


def run_or_kill(results: Path, kill_after: int, arm, config, dataset, *, device, checkpoint):
    result = arms.run_arm(arm, config, dataset, device=device, checkpoint=checkpoint)
    if len(list(results.rglob("*-s*.json"))) >= kill_after:
        os.killpg(0, signal.SIGKILL)
    return result


def kill_in(results: Path, kill_after: int) -> None:
    """Has the runs of this process kill its group; a worker is another process than the sweep's."""
    tasks.run_arm = functools.partial(run_or_kill, results, kill_after)


def work_or_kill(results: Path, kill_after: int, *task):
    kill_in(results, kill_after)
    return executors._work(*task)


if __name__ == "__main__":
    results, workers = Path(sys.argv[1]), int(sys.argv[2])
    if len(sys.argv) > 3:
        kill_after = int(sys.argv[3])
        kill_in(results, kill_after)
        worker = functools.partial(work_or_kill, results, kill_after)
        executors.delayed = lambda work: joblib.delayed(worker)
    sweep.run(STUDY, "quick", options=RunOptions(results=results, workers=workers, progress=False))
