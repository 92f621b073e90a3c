"""Figures, drawn from records (and from functions that a chapter explains) alone."""

import math
from collections.abc import Iterable, Mapping, Sequence
from itertools import cycle

import matplotlib.pyplot as plt
import numpy as np
import torch
from matplotlib.axes import Axes
from matplotlib.figure import Figure
from matplotlib.rcsetup import cycler

from bnnstudy.config.fields import PRESETS
from bnnstudy.evidence.records import parts
from bnnstudy.evidence.runs import read, task_of
from bnnstudy.evidence.statistics import paired_interval
from bnnstudy.nn.binarize import SURROGATES

COLOURS = ("#0072b2", "#d55e00", "#009e73", "#cc79a7", "#e69f00", "#56b4e9", "#000000")
"""Okabe and Ito's palette, told apart with any colour vision."""

NAMES = {"train_loss": "training loss", "train_loss_sum": "training loss, summed over an epoch"}
"""What curves are called where their own name would not do."""

STYLE: dict = {
    "figure.dpi": 110,
    "savefig.dpi": 160,
    "figure.facecolor": "white",
    "axes.spines.top": False,
    "axes.spines.right": False,
    "axes.prop_cycle": cycler(color=COLOURS),
    "font.size": 10,
    "legend.frameon": False,
}


def surrogates(names: Sequence[str] = tuple(SURROGATES)) -> Figure:
    """Each surrogate's forward (the same sign for all) beside the gradient that it passes back."""
    x = torch.linspace(-2, 2, 801, dtype=torch.float64)
    with plt.rc_context(STYLE):
        figure, axes = plt.subplots(
            2, len(names), figsize=(2.3 * len(names), 4), sharex=True, sharey="row", squeeze=False
        )
        for (top, bottom), name, colour in zip(axes.T, names, cycle(COLOURS), strict=False):
            inputs = x.clone().requires_grad_()
            outputs = SURROGATES[name](inputs)
            outputs.sum().backward()
            top.plot(x, outputs.detach(), ".", markersize=1, color=colour)
            top.set_title(name)
            bottom.plot(x, inputs.grad, color=colour)
            bottom.set_xlabel("x")
        axes[0, 0].set_ylabel("forward")
        axes[1, 0].set_ylabel("gradient passed")
    return _done(figure)


def histogram(stored: torch.Tensor, effective: torch.Tensor) -> Figure:
    """What a layer stores (latent weights) beside what it multiplies with."""
    with plt.rc_context(STYLE):
        figure, axes = plt.subplots(1, 2, figsize=(8, 2.8))
        for axis, values, title in zip(
            axes, (stored, effective), ("stored (latent)", "multiplied with"), strict=True
        ):
            axis.hist(values.detach().flatten().numpy(), bins=81)
            axis.set(title=title, xlabel="weight", ylabel="count")
    return _done(figure)


def accuracies(
    records: Iterable[Mapping],
    arms: Sequence[str],
    metric: str = "test_accuracy",
    label: str = "test accuracy, %",
    scale: float = 100.0,
) -> Figure:
    """A row for each arm (or "arm, part"): one dot a seed, the mean, its 95 % interval.

    One panel for each preset, data set and network. `metric` is a path into a result.
    """
    with plt.rc_context(STYLE):
        names = 0.07 * max((len(arm) for arm in arms), default=0)
        height = 1.0 + 0.23 * len(arms)
        figure, panels = _panels(records, 2.8, height, sharey=True, beside=names)
        for axis, title, runs in panels:
            for row, arm in enumerate(arms):
                found = [read(run["result"], metric) for run in runs if run["arm"] == arm]
                values = [scale * value for value in found if value is not None]
                if values:
                    _dots(axis, row, values)
            axis.set_yticks(range(len(arms)), arms)
            axis.set(title=title, xlabel=label)
            axis.set_ylim(len(arms) - 0.5, -0.5)
            axis.grid(axis="y", alpha=0.3)
    return _done(figure)


def curves(
    records: Iterable[Mapping],
    arms: Sequence[str],
    metric: str = "validation_accuracy",
    log: bool = False,
) -> Figure:
    """A curve by epoch: seeds thin, their mean thick; one panel for each preset, data and network."""
    times = 100 if metric.endswith("accuracy") else 1
    name = NAMES.get(metric, metric.replace("_", " ")) + (", %" if times == 100 else "")
    with plt.rc_context(STYLE):
        figure, panels = _panels(records, 4.2, 3.4)
        for axis, title, runs in panels:
            for arm, colour in zip(arms, cycle(COLOURS), strict=False):
                found = [run["result"]["curves"] for run in runs if run["arm"] == arm]
                of_seeds = [c[metric] for c in found if metric in c]
                _fan(axis, [[v and times * v for v in values] for values in of_seeds], arm, colour)
            axis.set(title=title, xlabel="epoch", ylabel=name)
            if log:
                axis.set_yscale("log")
        _legend(figure)
    return _done(figure)


def against(
    records: Iterable[Mapping],
    families: Mapping[str, Mapping[str, float]],
    metric: str,
    xlabel: str,
    ylabel: str,
    scale: float = 1.0,
    log: str = "",
) -> Figure:
    """A metric against a position of arms: each family (name, {arm: position}) a line over the means.

    One dot a seed; one panel for each preset, data set and network. `log` names the axes, such as "xy".
    """
    with plt.rc_context(STYLE):
        figure, panels = _panels(records, 4.2, 3.4)
        for axis, title, runs in panels:
            for (name, arms), colour in zip(families.items(), cycle(COLOURS), strict=False):
                found = {
                    x: [scale * v for run in runs if run["arm"] == arm
                        if (v := read(run["result"], metric)) is not None]
                    for arm, x in arms.items()
                }  # fmt: skip
                found = {x: values for x, values in found.items() if values}
                for x, values in found.items():
                    axis.plot([x] * len(values), values, "o", color=colour, markersize=3, alpha=0.4)
                axis.plot(list(found), [np.mean(v) for v in found.values()], color=colour, label=name)
            axis.set(title=title, xlabel=xlabel, ylabel=ylabel)
            axis.set_xscale("log" if "x" in log else "linear")
            axis.set_yscale("log" if "y" in log else "linear")
        _legend(figure)
    return _done(figure)


def differing_signs(records: Iterable[Mapping], arm: str, shadows: Sequence[str]) -> Figure:
    """Share of signs that differ from latent SGD's, by step; zero is drawn at the bottom."""
    chosen = [record for record in records if record["arm"] == arm]
    with plt.rc_context(STYLE):
        figure, panels = _panels(chosen, 4.8, 3.4)
        for axis, title, runs in panels:
            for shadow, colour in zip(shadows, cycle(COLOURS), strict=False):
                for k, run in enumerate(runs):
                    found = run["result"]["shadows"][shadow]
                    size = found["compared"] / max(found["steps"])
                    share = 100 * np.array(found["differing_at"]) / size
                    label = shadow.replace("_", " ") if k == 0 else None
                    axis.plot(found["steps"], share, color=colour, alpha=0.6, label=label)
            axis.set_xscale("log")
            axis.set_yscale("symlog", linthresh=1e-4)
            axis.set(
                title=f"{arm}, {title}",
                xlabel="step",
                ylabel="signs that differ, %",
                ylim=(-2e-5, 100),
            )
        figure.axes[0].legend(fontsize=8)
    return _done(figure)


def _panels(
    records: Iterable[Mapping], width: float, height: float, sharey: bool = False, beside: float = 0.0
) -> tuple[Figure, list[tuple[Axes, str, list[Mapping]]]]:
    """A figure with one panel for each preset and task that has records: (axes, title, its records).

    Two panels stand side by side at most, so that a narrow screen shows them at a size to read. What a
    run measured in several parts stands there as records of their own, too. `beside` is the room in
    inches that names beside the panels take.
    """
    found: dict[tuple[str, str], list[Mapping]] = {}
    for record in records:
        group = found.setdefault((record["preset"], task_of(record["config"])), [])
        group += [record, *parts(record)]
    panels = sorted(found.items(), key=lambda panel: PRESETS.index(panel[0][0]))
    columns = min(max(len(panels), 1), 2)
    rows = max(math.ceil(len(panels) / columns), 1)
    size = (width * columns + beside, height * rows)
    figure, axes = plt.subplots(rows, columns, figsize=size, squeeze=False, sharey=sharey)
    for axis in axes.flat[len(panels) :]:
        axis.set_visible(False)
    titled = [(f"{preset}, {task}", runs) for (preset, task), runs in panels]
    return figure, [(axis, *panel) for axis, panel in zip(axes.flat, titled, strict=False)]


def _legend(figure: Figure) -> None:
    axes = max(figure.axes, key=lambda axis: len(axis.get_legend_handles_labels()[0]))
    axes.legend(fontsize=8)


def _dots(axis: Axes, row: int, values: list[float]) -> None:
    mean, low, high = paired_interval(values)
    axis.plot(values, [row] * len(values), "o", color=COLOURS[0], markersize=3, alpha=0.5)
    if np.isfinite(low):
        axis.plot([low, high], [row, row], color=COLOURS[1], linewidth=2)
    axis.plot([mean], [row], "|", color=COLOURS[1], markersize=12, markeredgewidth=2)


def _fan(axis: Axes, seeds: list[list[float]], label: str, colour: str) -> None:
    # An epoch whose loss was not finite has none.
    seeds = [[np.nan if value is None else value for value in values] for values in seeds]
    for values in seeds:
        axis.plot(range(1, len(values) + 1), values, color=colour, alpha=0.25, linewidth=0.8)
    if seeds:
        longest = max(map(len, seeds))
        # A run that diverged is shorter; the mean is over those that reached the epoch.
        columns = [[s[k] for s in seeds if k < len(s)] for k in range(longest)]
        axis.plot(range(1, longest + 1), [np.mean(c) for c in columns], color=colour, label=label)


def _done(figure: Figure) -> Figure:
    figure.tight_layout()
    plt.close(figure)  # shown once, by the cell that returns it
    return figure
