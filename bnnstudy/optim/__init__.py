"""Optimizers: the two views of paper B, any linear filter, Bop, and torch's own by name.

All are `torch.optim.Optimizer`s and know parameters only, never layers or models.
"""

from bnnstudy.optim.bop import Bop
from bnnstudy.optim.filter import FilterOptimizer
from bnnstudy.optim.latent_sgd import LatentSGD
from bnnstudy.optim.linear_filter import LinearFilter
from bnnstudy.optim.registry import NAMES, TORCH, build

__all__ = ["NAMES", "TORCH", "Bop", "FilterOptimizer", "LatentSGD", "LinearFilter", "build"]
