"""A sweep on two warm workers, or with its seeds stacked, over the same sweep run by run."""

import tempfile
from collections.abc import Callable, Iterator
from pathlib import Path

from timing import Ratio, compare

from bnnstudy.config.run import RunConfig
from bnnstudy.experiments import sweep
from bnnstudy.experiments.options import RunOptions
from bnnstudy.experiments.study import Arm, Study

RUNS = 8


def measure() -> Iterator[Ratio]:
    """Eight runs on digits, about a second each, recorded in a new folder each time."""
    config = RunConfig(width=256, epochs=10, batch_size=50)
    arms = {"quick": (Arm(name="adam", config=config),)}
    study = Study(name="bench", title="", claims=(), arms=arms, seeds={"quick": RUNS})
    name = "sweep of eight runs: one worker / two warm workers"
    yield from compare(swept(study, 1), {name: swept(study, 2)}, {name: 1.8}, rounds=5, at_least=True)
    # Why a CPU has processes: below 1, a stack is slower.
    ways = {"sweep of eight runs: one by one / stacked": swept(study, 1, RUNS)}
    yield from compare(swept(study, 1), ways, rounds=5, at_least=True)


def swept(study: Study, workers: int, stack: int = 1) -> Callable[[], None]:
    """The whole sweep, as a function to be timed."""

    def run() -> None:
        with tempfile.TemporaryDirectory() as folder:
            options = RunOptions(results=Path(folder), workers=workers, stack=stack, progress=False)
            sweep.run(study, "quick", options=options)

    return run
