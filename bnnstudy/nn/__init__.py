"""Pieces of binary networks: layers, surrogates, scalings, losses, the papers' networks."""

from bnnstudy.nn.activations import BinaryActivation, RPReLU, RSign, per_channel, set_steepness
from bnnstudy.nn.conversion import binarize_layers
from bnnstudy.nn.export import OutputScale, to_signs
from bnnstudy.nn.layers import BinaryConv2d, BinaryLinear
from bnnstudy.nn.packed import load_packed, save_packed
from bnnstudy.nn.parameters import evaluating, mark_twin, observed_weights, split_parameters

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
    "binarize_layers",
    "to_signs",
    "save_packed",
    "load_packed",
    "OutputScale",
]
