"""Optimizers: the two views of paper B, any linear filter, Adam's, Bop, OvSW, and torch's by name.

All are `torch.optim.Optimizer`s and know parameters only, never layers or models. `build` makes one by
its name, `build_optimizers` those of a run, and `trace` drives one over given gradients.
"""

from bnnstudy.optim.bop import Bop, SecondOrderBop
from bnnstudy.optim.filter import FilterOptimizer
from bnnstudy.optim.fir_filter import FIRFilter
from bnnstudy.optim.latent_sgd import LatentSGD
from bnnstudy.optim.linear_filter import LinearFilter
from bnnstudy.optim.normalised_filter import NormalisedFilter
from bnnstudy.optim.ovsw import OvSW
from bnnstudy.optim.param_groups import build_optimizers
from bnnstudy.optim.registry import NAMES, TORCH, build
from bnnstudy.optim.sos_filter import SOSFilter
from bnnstudy.optim.trace import flip_ratios, trace

__all__ = [
    "FilterOptimizer",
    "LatentSGD",
    "NormalisedFilter",
    "LinearFilter",
    "SOSFilter",
    "FIRFilter",
    "Bop",
    "SecondOrderBop",
    "OvSW",
    "build",
    "NAMES",
    "TORCH",
    "build_optimizers",
    "trace",
    "flip_ratios",
]
