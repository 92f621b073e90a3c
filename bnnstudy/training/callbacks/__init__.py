"""What looks on at a run, measures it and adds to its result."""

from bnnstudy.training.callbacks.activations import PositiveInputs
from bnnstudy.training.callbacks.averaging import AveragedWeights
from bnnstudy.training.callbacks.base import Callback, Context
from bnnstudy.training.callbacks.batch_norm import Averages, ReestimatedStart
from bnnstudy.training.callbacks.flip_budget import FlipBudget
from bnnstudy.training.callbacks.flips import FlipRatio, FlipsByEpoch, SilentWeights
from bnnstudy.training.callbacks.gradients import Gradients
from bnnstudy.training.callbacks.losses import LossSums
from bnnstudy.training.callbacks.shadow_optimizers import ShadowOptimizers
from bnnstudy.training.callbacks.weights import Signs, UpdateSize, WeightCheck, WeightDigests

__all__ = [
    "Callback",
    "Context",
    "FlipRatio",
    "FlipsByEpoch",
    "SilentWeights",
    "UpdateSize",
    "Signs",
    "WeightDigests",
    "WeightCheck",
    "PositiveInputs",
    "LossSums",
    "Gradients",
    "AveragedWeights",
    "Averages",
    "ReestimatedStart",
    "ShadowOptimizers",
    "FlipBudget",
]
