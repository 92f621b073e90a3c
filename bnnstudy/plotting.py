"""Figures, drawn from records (and from functions that a chapter explains) alone."""

from collections.abc import Iterable, Mapping, Sequence

import matplotlib.pyplot as plt
import numpy as np
import torch
from matplotlib.axes import Axes
from matplotlib.figure import Figure
from matplotlib.rcsetup import cycler

from bnnstudy.binarize import SURROGATES
from bnnstudy.claims import paired_interval
from bnnstudy.config import PRESETS

COLOURS = ("#0072b2", "#d55e00", "#009e73", "#cc79a7", "#e69f00", "#56b4e9", "#000000")
"""Okabe and Ito's palette, told apart with any colour vision."""

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
            2, len(names), figsize=(2.3 * len(names), 4), sharex=True, sharey="row"
        )
        for (top, bottom), name, colour in zip(axes.T, names, COLOURS, strict=False):
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
    records: Iterable[Mapping], arms: Sequence[str], metric: str = "test_accuracy"
) -> Figure:
    """A row for each arm: one dot a seed, the mean, its 95 % interval; one panel for each preset."""
    with plt.rc_context(STYLE):
        figure, panels = _panels(records, 4.0, 0.8 + 0.23 * len(arms), sharey=True)
        for axis, preset, runs in panels:
            for row, arm in enumerate(arms):
                values = [100 * run["result"][metric] for run in runs if run["arm"] == arm]
                if values:
                    _dots(axis, row, values)
            axis.set_yticks(range(len(arms)), arms)
            axis.set(title=preset, xlabel=f"{metric.replace('_', ' ')}, %")
            axis.set_ylim(len(arms) - 0.5, -0.5)
            axis.grid(axis="y", alpha=0.3)
    return _done(figure)


def curves(
    records: Iterable[Mapping], arms: Sequence[str], metric: str = "validation_accuracy"
) -> Figure:
    """A metric by epoch: seeds thin, their mean thick; one panel for each preset."""
    with plt.rc_context(STYLE):
        figure, panels = _panels(records, 4.8, 3.4)
        for axis, preset, runs in panels:
            for arm, colour in zip(arms, COLOURS, strict=False):
                seeds = [run["result"]["curves"][metric] for run in runs if run["arm"] == arm]
                _fan(axis, seeds, arm, colour)
            axis.set(title=preset, xlabel="epoch", ylabel=metric.replace("_", " "))
        figure.axes[0].legend(fontsize=8)
    return _done(figure)


def differing_signs(records: Iterable[Mapping], arm: str, shadows: Sequence[str]) -> Figure:
    """Share of signs that differ from latent SGD's, by step; zero is drawn at the bottom."""
    chosen = [record for record in records if record["arm"] == arm]
    with plt.rc_context(STYLE):
        figure, panels = _panels(chosen, 4.8, 3.4)
        for axis, preset, runs in panels:
            for shadow, colour in zip(shadows, COLOURS, strict=False):
                for k, run in enumerate(runs):
                    found = run["result"]["shadows"][shadow]
                    size = found["compared"] / max(found["steps"])
                    share = 100 * np.array(found["differing_at"]) / size
                    label = shadow.replace("_", " ") if k == 0 else None
                    axis.plot(found["steps"], share, color=colour, alpha=0.6, label=label)
            axis.set_xscale("log")
            axis.set_yscale("symlog", linthresh=1e-4)
            axis.set(
                title=f"{arm}, {preset}",
                xlabel="step",
                ylabel="signs that differ, %",
                ylim=(-2e-5, 100),
            )
        figure.axes[0].legend(fontsize=8)
    return _done(figure)


def _panels(
    records: Iterable[Mapping], width: float, height: float, sharey: bool = False
) -> tuple[Figure, list[tuple[Axes, str, list[Mapping]]]]:
    """A figure with one panel for each preset that has records: (axes, preset, its records)."""
    records = list(records)
    by_preset = {p: [record for record in records if record["preset"] == p] for p in PRESETS}
    found = [(preset, runs) for preset, runs in by_preset.items() if runs]
    count = max(len(found), 1)
    figure, axes = plt.subplots(1, count, figsize=(width * count, height), squeeze=False, sharey=sharey)
    return figure, [(axis, *panel) for axis, panel in zip(axes[0], found, strict=False)]


def _dots(axis: Axes, row: int, values: list[float]) -> None:
    mean, low, high = paired_interval(values)
    axis.plot(values, [row] * len(values), "o", color=COLOURS[0], markersize=3, alpha=0.5)
    if np.isfinite(low):
        axis.plot([low, high], [row, row], color=COLOURS[1], linewidth=2)
    axis.plot([mean], [row], "|", color=COLOURS[1], markersize=12, markeredgewidth=2)


def _fan(axis: Axes, seeds: list[list[float]], label: str, colour: str) -> None:
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
