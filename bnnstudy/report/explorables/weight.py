"""One weight's life: its gradient, its state and its flips, replayed from a recorded run.

Sliders choose a weight and a step, and move alpha and gamma (shares a step) of the filter through which
the recorded gradients go once more:

    m_i = (1 - gamma) m_{i-1} + gamma x_i,   g_i = (1 - alpha) g_{i-1} + alpha m_i,   w_i = -sign(g_i).

At the rates of the run it replays the weight as it was; at others the gradients are still those that
answered to the recorded signs (open loop). What it computes, `bnnstudy.optim.FilterOptimizer` computes
as well.

Source: Quist et al. 2023, Eq 11-13.
"""

from typing import Any

import numpy as np
import scipy
from numpy.typing import ArrayLike

from bnnstudy.config import checks
from bnnstudy.config.serialise import significant
from bnnstudy.report import plotting
from bnnstudy.report.explorables.frame import Explorable, finite, png


def weight_life(
    gradients: ArrayLike, signs: ArrayLike, alpha: float, gamma: float = 0.1, count: int = 9
) -> Explorable:
    """The lives of `count` weights, from the one that flipped least to the one that flipped most.

        >>> weight_life([[0.1], [-0.2]], signs=[[1], [-1], [1]], alpha=0.5).values["weight"]
        1

    Args:
        gradients: one row a step, one column a weight.
        signs: ±1 in the same columns, of the weights before the first step and after each.
        alpha: the outer rate of the run, in (0, 1], where its slider starts.
        gamma: the same for the inner rate.
        count: how many weights go on the page, at even ranks by their flips.

    Raises:
        ValueError: naming the argument, its value and what is allowed.
    """
    found, recorded = finite("gradients", gradients, axes=2), finite("signs", signs, axes=2)
    steps, width = found.shape
    if recorded.shape != (steps + 1, width) or not np.isin(recorded, (-1, 1)).all():
        raise ValueError(
            f"signs must be 1 or -1 in a row more than gradients, {(steps + 1, width)}, "
            f"got the shape {recorded.shape} with values from {recorded.min():g} to {recorded.max():g}"
        )
    rates = {"alpha": checks.SHARE.checked("alpha", alpha)}
    rates["gamma"] = checks.SHARE.checked("gamma", gamma)
    count = min(checks.COUNT.checked("count", count), width)
    ranked = np.argsort((np.diff(recorded, axis=0) != 0).sum(0), kind="stable")
    chosen = ranked[np.linspace(0, width - 1, count).round().astype(int)]
    lives = [_life(found[:, at], recorded[:, at]) for at in chosen]
    # At first one that neither sits still nor flickers, at the end of its run.
    values = {"weight": (count + 1) // 2, "step": steps, **rates}
    middle = int(chosen[(count - 1) // 2])
    says = f"The gradient of a weight over {steps} steps, its state, and the weight, ±1, that follows."
    picture = _drawn(found[:, middle], recorded[1:, middle], rates)
    return Explorable("weight", values, {"weights": lives}, picture, says, shares=("averages",))


def _life(gradient: np.ndarray, signs: np.ndarray) -> dict[str, Any]:
    """One weight as a page gets it; `turns` are the steps at which its sign changed."""
    turns = np.flatnonzero(np.diff(signs)) + 1
    return {
        "gradient": [significant(float(value), 9) for value in gradient],
        "first": int(signs[0]),
        "turns": turns.tolist(),
    }


def _drawn(gradient: np.ndarray, signs: np.ndarray, rates: dict[str, float]) -> bytes:
    """Three rows: the gradient, the state and the weight as it was."""
    inner = scipy.signal.lfilter([rates["gamma"]], [1, rates["gamma"] - 1], gradient)
    state = scipy.signal.lfilter([rates["alpha"]], [1, rates["alpha"] - 1], inner)
    steps = np.arange(1, len(gradient) + 1)
    rows = {
        "gradient": (gradient, "0.6"),
        "state": (state, plotting.COLOURS[0]),
        "weight": (signs, "black"),
    }
    with plotting.figure(3, 1, (7.6, 4.2), sharex=True) as (figure, axes):
        for axis, (name, (values, colour)) in zip(axes, rows.items(), strict=True):
            axis.plot(steps, values, color=colour)
            axis.axhline(0, color="0.6", linewidth=0.8)
            axis.set(ylabel=name)
        axes[-1].set(xlabel="step")
    return png(figure)
