"""Studies and their sweeps: many runs, tuned, seeded, recorded. Imported as they are asked for."""

from typing import TYPE_CHECKING

from bnnstudy._lazy import lazy

if TYPE_CHECKING:
    from bnnstudy.experiments.arms import run_arm
    from bnnstudy.experiments.lookup import curves
    from bnnstudy.experiments.options import RunOptions
    from bnnstudy.experiments.study import Arm, Named, Study, Tuned, named
    from bnnstudy.experiments.sweep import run
    from bnnstudy.experiments.tasks import WorkerLost

_FILES = {
    "Study": "study",
    "Arm": "study",
    "Tuned": "study",
    "Named": "study",
    "named": "study",
    "RunOptions": "options",
    "run": "sweep",
    "curves": "lookup",
    "run_arm": "arms",
    "WorkerLost": "tasks",
}

__all__ = ["Study", "Arm", "Tuned", "Named", "named", "RunOptions", "run", "curves", "run_arm",
           "WorkerLost"]  # fmt: skip

if not TYPE_CHECKING:  # a type checker would let every name pass
    __getattr__ = lazy(__name__, _FILES)
