"""The surrogates of the sign and the gradients that they pass back, at an input that can be moved.

Two sliders move the input x and the steepness t of `ede`. Shown are the sign with the functions whose
slopes stand in for its own, the slopes, and how much of the gradient each lets through, as the mean
over recorded inputs. What it computes, `bnnstudy.nn.binarize` computes as well.
"""

import numpy as np
import torch
from numpy.typing import ArrayLike

from bnnstudy.config import checks
from bnnstudy.config.serialise import significant
from bnnstudy.report import plotting
from bnnstudy.report.explorables.frame import Explorable, finite, png

SHOWN = ("identity", "clip", "approx", "ede")
"""The surrogates shown; `clip_strict` is `clip` but for two points."""

MOST = 500
"""Recorded inputs that go on a page: of more, as many at even ranks."""


def surrogate_explorer(inputs: ArrayLike | torch.Tensor, x: float = 0.5, t: float = 1.0) -> Explorable:
    """The surrogates `identity`, `clip`, `approx` and `ede`, over the `inputs` of a sign in a network.

        >>> surrogate_explorer([0.1, -0.7, 1.2])
        Explorable(name='surrogates', values={'x': 0.5, 't': 1.0})

    Args:
        inputs: what the sign was given, such as a layer's activations or its latent weights.
        x: where the slider of the input starts, -2 to 2.
        t: the same for the steepness of `ede`, 0.01 to 10.

    Raises:
        ValueError: naming the argument, its value and what is allowed.
    """
    given = inputs.detach().flatten().tolist() if isinstance(inputs, torch.Tensor) else inputs
    kept = np.sort(finite("inputs", given))
    if len(kept) > MOST:
        kept = kept[np.linspace(0, len(kept) - 1, MOST).round().astype(int)]
    values = {"x": checks.FINITE.checked("x", x), "t": checks.POSITIVE.checked("t", t)}
    if not abs(values["x"]) <= 2:
        raise ValueError(f"x must be from -2 to 2, got {x!r}")
    if not 0.01 <= values["t"] <= 10:
        raise ValueError(f"t must be from 0.01 to 10, got {t!r}")
    says = "Each surrogate's forward, the same sign for all, above the slope that it passes back."
    data = {"inputs": [significant(float(one)) for one in kept]}
    return Explorable("surrogates", values, data, png(plotting.surrogates(SHOWN)), says)
