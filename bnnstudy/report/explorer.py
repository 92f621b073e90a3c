"""An interactive explorer of the second-order filter on the gradient of one weight, as HTML for a page.

    m_i = (1 - gamma) m_{i-1} + gamma x_i,   m_{-1} = 0
    g_i = (1 - alpha) g_{i-1} + alpha m_i,   g_{-1} = 0

with x_i the gradient at step i and -sign(g_i) the weight. Its transfer function is

    H(z) = alpha gamma / ((1 - (1 - alpha) z^-1) (1 - (1 - gamma) z^-1)):

poles at 1 - alpha and 1 - gamma, two zeros at 0. With gamma = 1 it is of first order.

Two sliders move alpha and gamma (shares a step). Shown are the poles in the z plane, the gain |H| in dB
against frequency in cycles a step, and a recorded gradient before and after the filters of first and
second order, with time constant (steps, -1 / ln of the largest pole), noise gain (output variance for
white noise of variance 1) and number of sign flips of each. The page's part is in `explorer.html`; it
needs no network and no kernel. What it computes, `bnnstudy.theory.filters` computes as well.

Source: Quist et al. 2023, Figure 2 and Eq 14-17.
"""

import json
from collections.abc import Sequence
from dataclasses import dataclass, field
from pathlib import Path

import numpy as np

from bnnstudy.config import checks
from bnnstudy.config.checks import shown
from bnnstudy.report.plotting import COLOURS

TEMPLATE = Path(__file__).with_suffix(".html")

# The palette's darker blue and red are hard to see on a dark page.
_COLOURS = {("outer", "light"): 0, ("outer", "dark"): 5, ("inner", "light"): 1, ("inner", "dark"): 4}


@dataclass(frozen=True)
class Explorer:
    """What `explorer` returns: a notebook shows it when it is the value of a cell."""

    gradient: tuple[float, ...] = field(repr=False)
    alpha: float
    gamma: float

    def _repr_html_(self) -> str:
        data = {
            "gradient": self.gradient,
            "rates": {"alpha": self.alpha, "gamma": self.gamma},
            "colours": {f"{of}-{theme}": COLOURS[at] for (of, theme), at in _COLOURS.items()},
        }
        # Inside a script element `</` would end it; as an escape JSON reads it back unchanged.
        text = json.dumps(data, allow_nan=False).replace("</", "<\\/")
        return TEMPLATE.read_text(encoding="utf-8").replace("{{data}}", text)


def explorer(gradient: Sequence[float], alpha: float = 1e-3, gamma: float = 0.1) -> Explorer:
    """An explorer of the filter with `alpha` and `gamma`, on the recorded `gradient` of one weight.

    Args:
        gradient: one number a step, in any unit: each line is divided by its own maximum. A few hundred
            to two thousand are seen best.
        alpha: where the slider of the outer average starts, in (0, 1].
        gamma: the same for the inner average.

    Raises:
        ValueError: naming the argument, its value and what is allowed.
    """
    return Explorer(
        _finite(gradient), checks.SHARE.checked("alpha", alpha), checks.SHARE.checked("gamma", gamma)
    )


def _finite(gradient: Sequence[float]) -> tuple[float, ...]:
    allowed = "gradient must be a flat list of one or more finite numbers"
    try:
        values = np.asarray(gradient, dtype=float)
    except (TypeError, ValueError, OverflowError, RecursionError) as error:
        raise ValueError(f"{allowed}, got {shown(gradient):.60}") from error
    if values.ndim != 1 or not values.size:
        raise ValueError(f"{allowed}, got the shape {values.shape}")
    if (wrong := np.flatnonzero(~np.isfinite(values))).size:
        raise ValueError(f"{allowed}, got {values[wrong[0]]} at index {wrong[0]}")
    return tuple(values.tolist())
