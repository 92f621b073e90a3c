"""Optimizers as linear filters on gradients: numpy and scipy only."""

from bnnstudy.theory import designs
from bnnstudy.theory.collapse import collapse_exponent
from bnnstudy.theory.conversion import RECIPES, Conversion, Recipe, conversion_of, convert, rates_of
from bnnstudy.theory.designs import Design, designed
from bnnstudy.theory.filters import (
    Filter,
    cascade,
    ema,
    latent_to_filter,
    noise_gain,
    require_stable,
    settling_time,
    time_constant,
    torch_sgd,
    torch_to_cascade,
)
from bnnstudy.theory.flip_control import (
    critical_gain,
    largest_gain,
    loop_poles,
    rates_without_decay,
)
from bnnstudy.theory.flip_rates import (
    flip_rate,
    flip_ratio_by_step,
    flips_from_zero,
    replayed_late,
    spectral_flip_rate,
)
from bnnstudy.theory.memory import averaged_over, factors, weights, weights_of_mean

__all__ = [
    "convert",
    "conversion_of",
    "Conversion",
    "Recipe",
    "RECIPES",
    "rates_of",
    "Filter",
    "ema",
    "cascade",
    "torch_sgd",
    "latent_to_filter",
    "torch_to_cascade",
    "Design",
    "designed",
    "time_constant",
    "settling_time",
    "noise_gain",
    "flip_rate",
    "flips_from_zero",
    "flip_ratio_by_step",
    "spectral_flip_rate",
    "replayed_late",
    "factors",
    "weights",
    "weights_of_mean",
    "averaged_over",
    "require_stable",
    "collapse_exponent",
    "critical_gain",
    "loop_poles",
    "largest_gain",
    "rates_without_decay",
    "designs",
]
