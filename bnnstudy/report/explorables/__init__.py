"""Pictures to be moved: JavaScript that needs no kernel and no network, as HTML for a page."""

from bnnstudy.report.explorables.filters import filter_explorer
from bnnstudy.report.explorables.frame import Explorable
from bnnstudy.report.explorables.layers import flips_by_layer
from bnnstudy.report.explorables.recipe import recipe_converter
from bnnstudy.report.explorables.surrogates import surrogate_explorer
from bnnstudy.report.explorables.weight import weight_life

__all__ = ["filter_explorer", "surrogate_explorer", "recipe_converter", "weight_life", "flips_by_layer",
           "Explorable"]  # fmt: skip
