"""How one configuration becomes one result: `fit`, its callbacks, checkpoints, stacked seeds."""

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
]
