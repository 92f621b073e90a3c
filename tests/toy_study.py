"""A study small enough to be run, killed and run again in a test.

As a script it runs the study: `python toy_study.py RESULTS WORKERS [KILL_AFTER]`. With the last
argument the first run that ends when so many are recorded kills its whole process group.
"""

import functools
import os
import signal
import sys
from dataclasses import replace
from pathlib import Path

from bnnstudy.config.run import RunConfig
from bnnstudy.evidence.claims import Claim, Difference
from bnnstudy.experiments import sweep
from bnnstudy.experiments.options import RunOptions
from bnnstudy.experiments.study import Arm, Study, Tuned
from bnnstudy.training import loop

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
                tuned=Tuned(field="lr", grid=(0.01, 0.1), factor=10.0, seeds=2),
            ),
        )
    },
    seeds={"quick": 4},
)


def fit_or_kill(results: Path, kill_after: int, config, dataset, *, device, checkpoint):
    result = loop.fit(config, dataset, device=device, checkpoint=checkpoint)
    if len(list(results.rglob("*-s*.json"))) >= kill_after:
        os.killpg(0, signal.SIGKILL)
    return result


if __name__ == "__main__":
    results, workers = Path(sys.argv[1]), int(sys.argv[2])
    study = STUDY
    if len(sys.argv) > 3:
        measure = functools.partial(fit_or_kill, results, int(sys.argv[3]))
        arms = tuple(replace(arm, measure=measure) for arm in STUDY.arms["quick"])
        study = replace(STUDY, arms={"quick": arms})
    sweep.run(study, "quick", place=RunOptions(results=results, workers=workers, progress=False))
