"""How one configuration becomes one result: `fit`, its callbacks, checkpoints, stacked seeds.

What trains on folders of images is imported when it is asked for, as it takes seconds.
"""

from typing import TYPE_CHECKING

from bnnstudy._lazy import lazy
from bnnstudy.nn.batch_norm import reestimate, reestimated
from bnnstudy.training.batch_norm import estimation_batches
from bnnstudy.training.callbacks import Callback, Context
from bnnstudy.training.checkpoints import Checkpoint
from bnnstudy.training.evaluation import accuracies, evaluate
from bnnstudy.training.flip_counter import FlipCounter
from bnnstudy.training.loop import Run, fit
from bnnstudy.training.stacked import fit_stacked
from bnnstudy.training.start import first_gradients
from bnnstudy.training.step import Step

if TYPE_CHECKING:
    from bnnstudy.training.distributed import Processes, ProcessLost, processes
    from bnnstudy.training.dry_run import Timing, time_steps
    from bnnstudy.training.image_folder import FolderRun, Loading, train
    from bnnstudy.training.sharded_checkpoint import ShardedCheckpoint
    from bnnstudy.training.teacher import load_teacher

_FILES = {
    "ProcessLost": "distributed",
    "Processes": "distributed",
    "processes": "distributed",
    "Timing": "dry_run",
    "time_steps": "dry_run",
    "FolderRun": "image_folder",
    "Loading": "image_folder",
    "train": "image_folder",
    "ShardedCheckpoint": "sharded_checkpoint",
    "load_teacher": "teacher",
}

__all__ = [
    "fit",
    "Callback",
    "Context",
    "Checkpoint",
    "fit_stacked",
    "FlipCounter",
    "Step",
    "Run",
    "evaluate",
    "accuracies",
    "reestimate",
    "reestimated",
    "estimation_batches",
    "first_gradients",
    "processes",
    "Processes",
    "ProcessLost",
    "FolderRun",
    "Loading",
    "train",
    "ShardedCheckpoint",
    "load_teacher",
    "time_steps",
    "Timing",
]

if not TYPE_CHECKING:  # a type checker would let every name pass
    __getattr__ = lazy(__name__, _FILES)
