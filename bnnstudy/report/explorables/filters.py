"""The second-order filter on the gradient of one weight, to be moved.

    m_i = (1 - gamma) m_{i-1} + gamma x_i,   m_{-1} = 0
    g_i = (1 - alpha) g_{i-1} + alpha m_i,   g_{-1} = 0

with x_i the gradient at step i and -sign(g_i) the weight. Its transfer function is

    H(z) = alpha gamma / ((1 - (1 - alpha) z^-1) (1 - (1 - gamma) z^-1)):

poles at 1 - alpha and 1 - gamma, two zeros at 0. With gamma = 1 it is of first order.

Two sliders move alpha and gamma (shares a step). Shown are the poles in the z plane, the gain |H| in dB
against frequency in cycles a step, and a recorded gradient before and after the filters of first and
second order, with time constant (steps, -1 / ln of the largest pole), noise gain (output variance for
white noise of variance 1) and number of sign flips of each. What it computes,
`bnnstudy.theory.filters` computes as well.

Source: Quist et al. 2023, Figure 2 and Eq 14-17.
"""

import numpy as np
import scipy
from numpy.typing import ArrayLike

from bnnstudy.config import checks
from bnnstudy.report import plotting
from bnnstudy.report.explorables.frame import Explorable, finite, png


def filter_explorer(gradient: ArrayLike, alpha: float = 1e-3, gamma: float = 0.1) -> Explorable:
    """The filter with `alpha` and `gamma`, on the recorded `gradient` of one weight, to be moved.

        >>> filter_explorer([0.1, -0.2, 0.3], alpha=0.5)
        Explorable(name='filters', values={'alpha': 0.5, 'gamma': 0.1})

    Args:
        gradient: one number a step, in any unit: each line is divided by its own maximum. A few hundred
            to two thousand are seen best.
        alpha: where the slider of the outer average starts, in (0, 1].
        gamma: the same for the inner average.

    Raises:
        ValueError: naming the argument, its value and what is allowed.
    """
    inputs = finite("gradient", gradient)
    rates = {"alpha": checks.SHARE.checked("alpha", alpha)}
    rates["gamma"] = checks.SHARE.checked("gamma", gamma)
    says = (
        f"The gradient of one weight over {len(inputs)} steps, and its averages of first and second "
        f"order at alpha {rates['alpha']:.3g} and gamma {rates['gamma']:.3g}."
    )
    return Explorable("filters", rates, {"gradient": inputs.tolist()}, _drawn(inputs, rates), says,
                      shares=("averages",))  # fmt: skip


def _drawn(inputs: np.ndarray, rates: dict[str, float]) -> bytes:
    """Gradient and averages, each divided by its own maximum."""
    alpha, gamma = rates.values()
    first = scipy.signal.lfilter([alpha], [1, alpha - 1], inputs)
    second = scipy.signal.lfilter([gamma], [1, gamma - 1], first)
    lines = {"gradient": (inputs, "0.75"), "first order": (first, plotting.COLOURS[0]),
             "second order": (second, plotting.COLOURS[1])}  # fmt: skip
    with plotting.figure(size=(7.6, 3), legend="below") as (figure, axis):
        for name, (values, colour) in lines.items():
            steps = np.arange(1, len(values) + 1)
            axis.plot(steps, values / (np.abs(values).max() or 1), color=colour, label=name)
        axis.set(xlabel="step", ylabel="each divided by its maximum")
    return png(figure)
