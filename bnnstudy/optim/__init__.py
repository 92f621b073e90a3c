"""Optimizers: the two views of paper B, any linear filter, and torch's own by name.

All are `torch.optim.Optimizer`s and know parameters only, never layers or models.
"""

from bnnstudy.optim.filtering import FilterOptimizer, LinearFilter
from bnnstudy.optim.latent import LatentSGD
from bnnstudy.optim.table import TORCH, build

__all__ = ["TORCH", "FilterOptimizer", "LatentSGD", "LinearFilter", "build"]
