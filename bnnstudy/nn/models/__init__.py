"""Networks by name, each with its real-valued twin by an argument, and their `summary`."""

from bnnstudy.nn.models.registry import MODELS, ORDERED, PARTS, build
from bnnstudy.nn.models.summary import LayerSummary, summary

__all__ = ["build", "MODELS", "PARTS", "ORDERED", "summary", "LayerSummary"]
