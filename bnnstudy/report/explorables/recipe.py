"""A recipe for torch's SGD in, the filter that it is out.

Four sliders move learning rate, weight decay, momentum and number of steps; a list has recipes in
common use. Shown are alpha and gamma, their memories in steps and how many the run has, beside what the
same numbers are in paper B's Eq 2-3; the poles; and what one gradient leaves in the state. Where no two
averages are the filter (complex poles and others) it says so. What it computes,
`bnnstudy.theory.convert` computes as well.
"""

import dataclasses

import numpy as np

from bnnstudy.report import plotting
from bnnstudy.report.explorables.frame import Explorable, png
from bnnstudy.theory import RECIPES, convert, filters
from bnnstudy.theory.conversion import Conversion

NUMBERS = ("lr", "weight_decay", "momentum", "steps")


def recipe_converter(
    lr: float = 0.1, weight_decay: float = 1e-4, momentum: float = 0.9, steps: int = 78_000
) -> Explorable:
    """The converter, with its sliders at these numbers at first.

        >>> recipe_converter(lr=0.05, momentum=0.0).values["lr"]
        0.05

    Args:
        lr: the learning rate, above 0.
        weight_decay: torch's, coupled; 0 or more.
        momentum: torch's, not damped, in [0, 1).
        steps: length of the run.

    Raises:
        ValueError: naming the argument, its value and what is allowed.
    """
    found = convert(lr, weight_decay, momentum, steps)
    if found.recipe.steps is None:
        raise ValueError("steps must be a whole number above 0, got None")
    recipes = [
        {"name": f"{one.name} ({one.source})", **{of: getattr(one, of) for of in NUMBERS}}
        for one in (dataclasses.replace(one, steps=one.steps or found.recipe.steps) for one in RECIPES)
    ]
    values = {of: getattr(found.recipe, of) for of in NUMBERS}
    says = "What one gradient leaves in the state. " + " ".join(line.strip() for line in found.lines())
    return Explorable("recipe", values, {"recipes": recipes}, _drawn(found), says)


def _drawn(found: Conversion) -> bytes:
    """The answer to one gradient, over decades of steps or, where it rings, over the first 200."""
    recipe = found.recipe
    form = filters.torch_sgd(recipe.lr, recipe.momentum, recipe.weight_decay)
    far = 200 if not found.alpha else int(np.clip(6 / found.alpha, 100, 1e6))
    with np.errstate(over="ignore", invalid="ignore"):  # a state may grow without end
        answer = filters.impulse_response(form, far)
    answer = answer[np.isfinite(answer)]
    with plotting.figure(size=(7.6, 3)) as (figure, axis):
        largest = np.abs(answer).max() or 1
        axis.plot(np.arange(1, len(answer) + 1), answer / largest, color=plotting.COLOURS[1])
        axis.axhline(0, color="0.6", linewidth=0.8)
        axis.set(xlabel="step", ylabel="state after one gradient", title="\n".join(found.lines()[2:4]))
        if found.alpha:
            axis.set_xscale("log")
        axis.title.set_fontsize(9)
    return png(figure)
