"""A sweep on two warm workers, or with its seeds stacked; and `status` of ten thousand records."""

import json
import tempfile
from collections.abc import Callable, Iterator
from dataclasses import replace
from pathlib import Path

from timing import Ratio, compare

from bnnstudy.config.run import RunConfig
from bnnstudy.evidence import records
from bnnstudy.experiments import sweep
from bnnstudy.experiments.options import RunOptions
from bnnstudy.experiments.study import Arm, Study
from bnnstudy.report.status import status

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
    with tempfile.TemporaryDirectory() as folder:
        yield from told(Path(folder))


MANY, WITHIN = 10_000, 2.0
"""Records that `status` is asked about, and the seconds that it should take at most."""


def told(folder: Path, many: int = MANY) -> Iterator[Ratio]:
    """What `status` says of many records, over reading one as JSON as many times."""
    arms = tuple(
        Arm(name=str(k), config=RunConfig(lr=0.001 * k, preset="desk"))
        for k in range(1, many // 100 + 1)
    )
    study = Study(name="bench", title="", claims=(), arms={"desk": arms}, seeds={"desk": 100})
    record = _record(study, arms[0])
    for arm in arms:
        for seed in range(100):
            config = replace(arm.config, seed=seed)
            made = {**record, "arm": arm.name, "config": config.to_dict()}
            file = records.path(folder, "bench", config)
            file.parent.mkdir(parents=True, exist_ok=True)
            file.write_text(json.dumps(made))
    text = json.dumps(record)
    ways = {f"status of {many:,} records / reading one as often": lambda: status(study, "desk", folder)}
    for ratio in compare(lambda: [json.loads(text) for _ in range(many)], ways, rounds=3):
        yield replace(ratio, within=WITHIN)


def _record(study: Study, arm: Arm) -> records.Record:
    """A run of ten epochs, as it is recorded."""
    with tempfile.TemporaryDirectory() as folder:
        options = RunOptions(results=Path(folder), workers=1, progress=False)
        one = Study(name=study.name, title="", claims=(), seeds={"desk": 1}, arms={"desk": (arm,)})
        (found,) = sweep.run(one, "desk", options=options)
        return found


def swept(study: Study, workers: int, stack: int = 1) -> Callable[[], None]:
    """The whole sweep, as a function to be timed."""

    def run() -> None:
        with tempfile.TemporaryDirectory() as folder:
            options = RunOptions(results=Path(folder), workers=workers, stack=stack, progress=False)
            sweep.run(study, "quick", options=options)

    return run
