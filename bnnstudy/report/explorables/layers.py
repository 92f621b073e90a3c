"""The flip ratio by layer over a training: how many of a layer's weights change sign in a step.

A list chooses the training, a slider the step. Shown are the layers' ratios in percent against the
step, both in decades, and in a table those of all trainings at that step, with the ratio of all layers
together, which is the mean of theirs weighted with their sizes.
"""

from collections.abc import Mapping, Sequence
from typing import Any

import numpy as np

from bnnstudy.config import checks
from bnnstudy.config.checks import shown
from bnnstudy.report import plotting
from bnnstudy.report.explorables.frame import Explorable, finite, png


def flips_by_layer(runs: Mapping[str, Mapping[str, Any]], sizes: Mapping[str, int]) -> Explorable:
    """The flips of trainings of one network, layer by layer.

        >>> ratios = {"layer_steps": [1, 10], "layers": {"0.weight": [0.5, 0.1]}}
        >>> flips_by_layer({"cosine": ratios}, sizes={"0.weight": 64})
        Explorable(name='layers', values={'at': 1})

    Args:
        runs: by name of a training what its record has as `flip_ratio`: `layer_steps`, and `layers`, by
            name the share of their weights that changed sign in each of those steps.
        sizes: number of weights of each layer, by the same names.

    Raises:
        ValueError: naming the argument, its value and what is allowed.
    """
    steps, tables = _tables(runs, sizes)
    layers = [{"name": _short(name), "size": size} for name, size in sizes.items()]
    data = {
        "steps": steps,
        "layers": layers,
        "runs": [{"name": name, "ratios": table.tolist()} for name, table in tables.items()],
    }
    says = f"The share of each layer's weights that flip, in {max(steps)} steps: {', '.join(tables)}."
    picture = _drawn(steps, tables, list(map(_short, sizes)))
    return Explorable("layers", {"at": len(steps) - 1}, data, picture, says)


def _tables(
    runs: Mapping[str, Any], sizes: Mapping[str, int]
) -> tuple[list[int], dict[str, np.ndarray]]:
    """The steps, and for each training its ratios, (layers, steps)."""
    for name, given in (("runs", runs), ("sizes", sizes)):
        checks.instance(name, given, Mapping)
    try:
        for layer, size in sizes.items():
            checks.COUNT.checked(f"the size in sizes of {checks.NAME.checked('a layer', layer)}", size)
        every = [run["layer_steps"] for run in runs.values()]
        tables = {
            checks.NAME.checked("a name of runs", name): finite(
                f"layers of runs, {name},", [run["layers"][layer] for layer in sizes], axes=2
            )
            for name, run in runs.items()
        }
        steps = [checks.COUNT.checked("a step of runs", step) for step in every[0]]
    except (AttributeError, IndexError, KeyError, TypeError) as error:
        raise ValueError(
            "runs must be what records have as flip_ratio, by name, with the layers of sizes, got "
            f"{shown(runs):.60} and {shown(sizes):.60}"
        ) from error
    for name, table in tables.items():
        if table.shape[1] != len(steps) or table.min() < 0 or table.max() > 1:
            raise ValueError(f"layers of runs, {name}, must be {len(steps)} shares from 0 to 1 each")
    if any(list(own) != steps for own in every):
        raise ValueError(f"runs must have the same steps, got {shown(every):.60}")
    return steps, tables


def _short(layer: str) -> str:
    """A layer as it is called on the page."""
    return f"layer {layer.removesuffix('.weight')}"


def _drawn(steps: Sequence[int], ratios: dict[str, np.ndarray], layers: list[str]) -> bytes:
    """A panel for each training, a line for each layer."""
    shape = (3.8 * len(ratios), 3.2)
    with plotting.figure(1, len(ratios), shape, "below", sharey=True, squeeze=False) as (figure, axes):
        for axis, (name, of) in zip(axes[0], ratios.items(), strict=True):
            for layer, values in zip(layers, of, strict=True):
                axis.plot(steps, 100 * values, label=layer)
            axis.set(title=name, xscale="log", xlabel="step")
            axis.set_yscale("symlog", linthresh=1e-3)
        axes[0, 0].set(ylabel="flips in a step, %")
    return png(figure)
