"""Layers with binary weights or activations, and the split of a model's parameters into two kinds."""

from bnnstudy.layers.activations import BinaryActivation, RPReLU, RSign, per_channel, set_steepness
from bnnstudy.layers.parameters import evaluating, mark_twin, observed_weights, split_parameters
from bnnstudy.layers.weights import BinaryConv2d, BinaryLinear

__all__ = [
    "BinaryActivation",
    "BinaryConv2d",
    "BinaryLinear",
    "RPReLU",
    "RSign",
    "evaluating",
    "mark_twin",
    "observed_weights",
    "per_channel",
    "set_steepness",
    "split_parameters",
]
