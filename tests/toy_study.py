"""A study small enough to be run, killed and run again in a test.

As a script it runs the study: `python toy_study.py RESULTS WORKERS`.
"""

import sys
from pathlib import Path

from bnnstudy import sweeps
from bnnstudy.claims import Claim, Contrast
from bnnstudy.config import RunConfig
from bnnstudy.study import Arm, Study, Tuned

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
            contrast=Contrast(kind="difference", metric="test_accuracy", arm="adam", control="sgd"),
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

if __name__ == "__main__":
    place = sweeps.Place(results=Path(sys.argv[1]), workers=int(sys.argv[2]), progress=False)
    sweeps.run(STUDY, "quick", place=place)
