"""Figures, drawn from records (and from functions that a chapter explains) alone."""

import contextlib
import math
from collections.abc import Callable, Iterable, Iterator, Mapping, Sequence
from itertools import cycle
from typing import Any

import matplotlib
import matplotlib.pyplot as plt
import numpy as np
import torch
from matplotlib.axes import Axes
from matplotlib.figure import Figure
from matplotlib.rcsetup import cycler

from bnnstudy.config import checks
from bnnstudy.config.checks import shown
from bnnstudy.config.fields import PRESETS
from bnnstudy.config.run import RunConfig
from bnnstudy.evidence.curves import Curve, Curves
from bnnstudy.evidence.records import parts
from bnnstudy.evidence.runs import Runs, read, task_of
from bnnstudy.evidence.statistics import paired_interval
from bnnstudy.nn.binarize import SURROGATES, slope
from bnnstudy.report.figures import BookFigure, extremes, number

COLOURS = ("#0072b2", "#d55e00", "#009e73", "#cc79a7", "#e69f00", "#56b4e9", "#000000")
"""Okabe and Ito's palette, told apart with any colour vision."""

ROW = 0.36
"""Inches of an arm's row, its name above its dots."""

NAMES = {"train_loss": "training loss", "train_loss_sum": "training loss, summed over an epoch"}
"""What curves are called where their own name would not do."""

STYLE: Any = {
    "figure.dpi": 110,
    "savefig.dpi": 160,
    "figure.facecolor": "white",
    "axes.spines.top": False,
    "axes.spines.right": False,
    "axes.prop_cycle": cycler(color=COLOURS),
    "font.size": 10,
    "legend.frameon": False,
}


@contextlib.contextmanager
def figure(
    rows: int = 1,
    columns: int = 1,
    size: tuple[float, float] = (8.0, 3.2),
    legend: str = "",
    message: str = "",
    **options: Any,
) -> Iterator[tuple[BookFigure, Any]]:
    """A figure in the book's style and its axes, as `plt.subplots` gives them; finished at the end.

        with plotting.figure(1, 2, (8, 3)) as (figure, (left, right)):
            left.plot(x, y)
        figure

    Args:
        size: width and height in inches.
        legend: "inside" the panel that has most to name, once "below" all, or "" for none. On a page of
            the book each figure has one below it.
        message: what it shows, in a sentence; one that ends in a colon is followed by what came out.
        options: as in `plt.subplots`.
    """
    with plt.rc_context(STYLE):
        made, axes = _subplots(rows, columns, figsize=size, **{"layout": "constrained", **options})
        made.message = message
        yield made, axes
        _name_lines(made, legend)
    plt.close(made)  # shown once, by the cell that returns it


def panels(
    groups: Mapping[tuple[str, str], Runs],
    draw: Callable[..., object],
    *,
    beside: int = 1,
    size: tuple[float, float] = (4.2, 3.2),
    legend: str = "inside",
    message: str = "",
    **options: Any,
) -> BookFigure:
    """One panel, or `beside` panels in a row, for each preset and task: `draw(runs, *axes)` fills them.

    The first of a row is titled with preset and task where `draw` set no title. Panels that it left
    empty are hidden. Where `beside` is 1, two groups stand side by side.

    Args:
        groups: results by preset and task, as `evidence.by_task` gives them.
        size: width and height in inches of one panel.
        legend, message: as in `figure`.
        options: as in `plt.subplots`.
    """
    across = beside if beside > 1 else min(max(len(groups), 1), 2)
    down = len(groups) if beside > 1 else math.ceil(len(groups) / across)
    whole = (size[0] * across, size[1] * max(down, 1) + (0.5 if legend == "below" else 0))
    grid = {"squeeze": False, **options}
    with figure(max(down, 1), across, whole, legend, message, **grid) as (made, axes):
        rows = axes.flat if beside == 1 else axes
        for row, ((preset, task), runs) in zip(rows, groups.items(), strict=False):
            own = [row] if beside == 1 else list(row)
            draw(runs, *own)
            if not own[0].get_title():
                own[0].set_title(f"{preset}, {task}")
        for axis in axes.flat:
            axis.set_visible(axis.has_data())
    return made


def _subplots(*args: Any, **options: Any) -> tuple[BookFigure, Any]:
    made, axes = plt.subplots(*args, FigureClass=BookFigure, **options)
    assert isinstance(made, BookFigure)
    return made, axes


def _name_lines(made: Figure, legend: str) -> None:
    shown = [axis for axis in made.axes if axis.get_visible()]
    if legend == "inside" and shown:
        axis = max(shown, key=lambda axis: len(axis.get_legend_handles_labels()[0]))
        if axis.get_legend_handles_labels()[0]:
            axis.legend(fontsize=8)
    elif legend == "below":
        named: dict[str, Any] = {}
        for axis in shown:
            named |= dict(zip(*reversed(axis.get_legend_handles_labels()), strict=True))
        if named:
            lines, names = list(named.values()), list(named)
            made.legend(lines, names, loc="outside lower center", ncols=3, fontsize=8)


def fan(
    axis: Axes,
    curves: Iterable[Sequence[float | None]],
    colour: str,
    label: str = "",
    *,
    scale: float = 1.0,
    seeds: bool = True,
    at: Sequence[float] | None = None,
    **style: Any,
) -> None:
    """Curves by epoch (or trial) of an arm's seeds: each thin (unless not `seeds`), their mean thick.

    An epoch without a value, whose loss was not finite, is a gap. The mean is over the runs that
    reached the epoch.

    Args:
        at: where the values stand, if not at 1, 2, 3 ….
        seeds: whether each seed's curve is drawn, too.
    """
    lines = [[np.nan if v is None else scale * v for v in values] for values in curves]
    longest = max(map(len, lines), default=0)
    places = list(range(1, longest + 1) if at is None else at)
    for values in lines if seeds else ():
        axis.plot(places[: len(values)], values, color=colour, alpha=0.25, linewidth=0.8)
    if lines:
        means = [np.mean([s[k] for s in lines if k < len(s)]) for k in range(longest)]
        axis.plot(places[:longest], means, color=colour, label=label, **style)


def dots(axis: Axes, x: float, values: Sequence[float], colour: str, **style: Any) -> None:
    """One dot for each seed's value at the position `x`."""
    style = {"marker": "o", "linestyle": "", "markersize": 3, "alpha": 0.4, **style}
    axis.plot([x] * len(values), values, color=colour, **style)


def line(
    axis: Axes, points: Mapping[float, Sequence[float]], colour: str, label: str = "", **style: Any
) -> None:
    """A line through the means at each position, and a dot for each seed's value.

    Args:
        points: by position, the values of its seeds; positions without any are left out.
    """
    there = {x: found for x, found in points.items() if len(found)}
    for x, found in there.items():
        dots(axis, x, found, colour)
    if there:
        axis.plot(list(there), [np.mean(v) for v in there.values()], color=colour, label=label, **style)


def interval(
    axis: Axes, x: float, values: Sequence[float], colour: str, label: str = "", **style: Any
) -> None:
    """A mean over seeds at the position `x`, with its 95 % interval as a bar."""
    if not len(values):
        return
    mean, low, high = paired_interval(list(values))
    bar = [[mean - low], [high - mean]] if len(values) > 1 else None
    look: dict[str, Any] = {"fmt": "o", "markersize": 4, "capsize": 2, **style}
    axis.errorbar([x], [mean], bar, color=colour, label=label or None, **look)


def signs_apart(
    axis: Axes,
    seeds: Iterable[Mapping[str, Any]],
    colour: str,
    label: str = "",
    *,
    least: float = 1e-4,
    **style: Any,
) -> None:
    """The share of signs that differ, in percent, by step: one line a seed; zero is at the bottom.

    Args:
        seeds: the counts of each, as a record has them (`pair`).
        least: percent from which the axis is logarithmic; below, down to zero, it is linear.
    """
    for k, counts in enumerate(seeds):
        size = counts["compared"] / max(counts["steps"])
        share = [100 * differing / size for differing in counts["differing_at"]]
        axis.plot(counts["steps"], share, color=colour, label="" if k else label, **style)
    axis.set_yscale("symlog", linthresh=least)
    axis.set(xlabel="step", ylabel="signs that differ, %", ylim=(-least / 5, 100))


_COUNT = checks.Rule(int, "a whole number from 0 to 1,000", lambda value: 0 <= value <= 1000)


def shades(count: int) -> list[tuple[float, ...]]:
    """Colours for a series with an order, from dark to light: viridis, but for its bright end.

        >>> len(shades(3))
        3

    Raises:
        ValueError: if `count` is not from 0 to 1,000.
    """
    count = _COUNT.checked("count", count)
    return [tuple(colour) for colour in matplotlib.colormaps["viridis"](np.linspace(0, 0.9, count))]


def surrogates(names: Sequence[str] = tuple(SURROGATES)) -> BookFigure:
    """The forward that all surrogates share, the sign, beside the gradient that each passes back.

        >>> surrogates(("clip", "approx")).message
        'Forward both are the sign: clip and approx differ in the gradient that they pass back.'

    Raises:
        ValueError: if `names` has none, or one that is unknown.
    """
    if not isinstance(names, Sequence) or not len(names):
        raise ValueError(f"names must be of surrogates, one or more, got {shown(names)}")
    names = [checks.one_of("a value of names", name, SURROGATES) for name in names]
    x = torch.linspace(-2, 2, 161, dtype=torch.float64)
    signs = SURROGATES[names[0]](x).masked_fill(
        x == 0, torch.nan
    )  # so that the jump is none of its line
    listed = " and ".join(filter(None, (", ".join(names[:-1]), names[-1])))
    every = "both" if len(names) == 2 else "all"
    said = f"Forward {every} are the sign: {listed} differ in the gradient that they pass back."
    with figure(1, 2, (7.2, 3.0), "below", said, sharex=True) as (made, (forward, backward)):
        for name, colour in zip(names, cycle(COLOURS), strict=False):
            backward.plot(x, slope(name, x), color=colour, label=name)
        forward.plot(x, signs, color="black")
        forward.set(title="forward", xlabel="x", ylabel="sign")
        backward.set(title="backward", xlabel="x", ylabel="gradient passed")
    return made


def histogram(stored: torch.Tensor, effective: torch.Tensor) -> BookFigure:
    """What a layer stores (latent weights) beside what it multiplies with."""
    apart = effective.unique().numel()
    said = f"{stored.unique().numel():,} stored values, {apart} that it multiplies with."
    with figure(1, 2, (8, 2.8), message=said) as (made, axes):
        for axis, values, title in zip(
            axes, (stored, effective), ("stored (latent)", "multiplied with"), strict=True
        ):
            axis.hist(values.detach().flatten().numpy(), bins=81)
            axis.set(title=title, xlabel="weight", ylabel="count")
    return made


def accuracies(
    records: Iterable[Mapping[str, Any]],
    arms: Sequence[str],
    metric: str = "test_accuracy",
    label: str = "",
    scale: float = 100.0,
    *,
    published: Mapping[str, Mapping[str, float]] | None = None,
    message: str = "",
) -> BookFigure:
    """A row for each arm (or "arm, part"): one dot a seed, the mean, its 95 % interval.

    One panel for each preset, data set and network. `metric` is a path into a result; without a `label`
    it is a test accuracy, of the last epoch if the path begins there. `published` are a paper's own
    numbers, by data set and arm (`Study.published`), drawn hollow. For `message` see `figure`.
    """
    label = label or f"test accuracy,{' last epoch,' * metric.startswith('last.')} %"
    with plt.rc_context(STYLE):
        figure, panels = _panels(records, 3.3, 1.0 + ROW * len(arms))
        for axis, title, runs in panels:
            found = {
                arm: [read(run["result"], metric) for run in runs if run["arm"] == arm] for arm in arms
            }
            rows = {arm: [scale * v for v in got if v is not None] for arm, got in found.items()}
            shown = {arm: values for arm, values in rows.items() if values}
            _rows(axis, shown, _colours(arms))
            dataset = RunConfig.from_dict(runs[0]["config"]).dataset
            _hollow(axis, list(shown), (published or {}).get(dataset, {}))
            axis.set(title=title, xlabel=label)
            if label.endswith("%"):
                _in_percent(axis)
            if means := {arm: float(np.mean(values)) for arm, values in rows.items() if values}:
                figure.say(axis, extremes(means))
                figure.heights[figure.axes.index(axis)] = 0.7 + ROW * len(means)
    return _done(figure, message)


def curves(
    records: Iterable[Mapping[str, Any]],
    arms: Sequence[str],
    metric: str = "validation_accuracy",
    log: bool = False,
    *,
    message: str = "",
) -> BookFigure:
    """A curve by epoch: seeds thin, their mean thick; one panel for each preset, data and network.

    For `message` see `figure`.
    """
    times = 100 if metric.endswith("accuracy") else 1
    name = NAMES.get(metric, metric.replace("_", " ")) + (", %" if times == 100 else "")
    with plt.rc_context(STYLE):
        figure, panels = _panels(records, 4.2, 3.4)
        for axis, title, runs in panels:
            for arm, colour in zip(arms, cycle(COLOURS), strict=False):
                found = [run["result"]["curves"] for run in runs if run["arm"] == arm]
                of_seeds = [c[metric] for c in found if metric in c]
                fan(axis, of_seeds, colour, arm, scale=times)
            axis.set(title=title, xlabel="epoch", ylabel=name)
            if log:
                axis.set_yscale("log")
        _legend(figure)
    return _done(figure, message)


def against(
    records: Iterable[Mapping[str, Any]],
    families: Mapping[str, Mapping[str, float]],
    metric: str,
    xlabel: str,
    ylabel: str,
    scale: float = 1.0,
    log: str = "",
    *,
    message: str = "",
) -> BookFigure:
    """A metric against a position of arms: each family (name, {arm: position}) a line over the means.

    One dot a seed; one panel for each preset, data set and network. `log` names the axes, such as "xy".
    For `message` see `figure`.
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
                line(axis, found, colour, name)
            axis.set(title=title, xlabel=xlabel, ylabel=ylabel)
            axis.set_xscale("log" if "x" in log else "linear")
            axis.set_yscale("log" if "y" in log else "linear")
        _legend(figure)
    return _done(figure, message)


def rates(curves: Curves) -> BookFigure | None:
    """Validation accuracy over the tuned value: dots are seeds, the line their mean, rings what judges.

    Panels for each preset, data set and network, of as many arms as there are colours. None where no
    curve is complete.
    """
    found = [
        (f"{preset}, {task}", tuned[at : at + len(COLOURS)])
        for (preset, task), arms in curves.items()
        if (tuned := [c for c in arms.values() if c.field and not c.leader and _is_whole(c)])
        for at in range(0, len(tuned), len(COLOURS))
    ]
    if not found:
        return None
    across, down = min(len(found), 2), math.ceil(len(found) / 2)
    said, size = "Accuracy over what is tuned:", (4.2 * across, 3.6 * down)
    with figure(down, across, size, message=said, squeeze=False) as (made, axes):
        for axis, (title, tuned) in zip(axes.flat, found, strict=False):
            best = [
                f"{curve.arm} at {number(_rate_curve(axis, curve, colour))}"
                for curve, colour in zip(tuned, COLOURS, strict=False)
            ]
            axis.set(title=title, xlabel=tuned[0].field, ylabel="validation accuracy, %", xscale="log")
            axis.legend(fontsize=7)
            made.say(axis, f"most accurate is {', '.join(best)}.")
        for axis in axes.flat:
            axis.set_visible(axis.has_data())
    return made


def _is_whole(curve: Curve) -> bool:
    return len(curve.runs) > 1 and not curve.partial


def _rate_curve(axis: Axes, curve: Curve, colour: str) -> float:
    """Draw one; the value whose mean is highest."""
    accuracies = {
        value: [100 * run["result"].get("validation_accuracy", 0.0) for run in runs.values()]
        for value, runs in curve.runs.items()
        if value is not None
    }
    line(axis, accuracies, colour, curve.arm)
    near = [value for value in accuracies if value in curve.near]
    means = [np.mean(accuracies[value]) for value in near]
    axis.plot(near, means, "o", color=colour, markerfacecolor="none", markersize=8)
    return max(accuracies, key=lambda value: float(np.mean(accuracies[value])), default=math.nan)


def differing_signs(
    records: Iterable[Mapping[str, Any]], arm: str, shadows: Sequence[str]
) -> BookFigure:
    """Share of signs that differ from latent SGD's, by step; zero is drawn at the bottom."""
    chosen = [record for record in records if record["arm"] == arm]
    with plt.rc_context(STYLE):
        figure, panels = _panels(chosen, 4.8, 3.4)
        for axis, title, runs in panels:
            for shadow, colour in zip(shadows, cycle(COLOURS), strict=False):
                counts = [run["result"]["shadows"][shadow] for run in runs]
                signs_apart(axis, counts, colour, shadow.replace("_", " "), alpha=0.6)
            axis.set(title=f"{arm}, {title}", xscale="log")
        figure.axes[0].legend(fontsize=8)
    return _done(figure, "How many signs differ from latent SGD's:")


def _panels(
    records: Iterable[Mapping[str, Any]],
    width: float,
    height: float,
) -> tuple[BookFigure, list[tuple[Axes, str, list[Mapping[str, Any]]]]]:
    """A figure with one panel for each preset and task that has records: (axes, title, its records).

    Two panels stand side by side at most, so that a narrow screen shows them at a size to read. What a
    run measured in several parts stands there as records of their own, too.
    """
    found: dict[tuple[str, str], list[Mapping[str, Any]]] = {}
    for record in records:
        group = found.setdefault((record["preset"], task_of(record["config"])), [])
        group += [record, *parts(record)]
    panels = sorted(found.items(), key=lambda panel: PRESETS.index(panel[0][0]))
    columns = min(max(len(panels), 1), 2)
    rows = max(math.ceil(len(panels) / columns), 1)
    size = (width * columns, height * rows)
    figure, axes = _subplots(rows, columns, figsize=size, squeeze=False)
    for axis in axes.flat[len(panels) :]:
        axis.set_visible(False)
    titled = [(f"{preset}, {task}", runs) for (preset, task), runs in panels]
    return figure, [(axis, *panel) for axis, panel in zip(axes.flat, titled, strict=False)]


def _legend(figure: Figure) -> None:
    axes = max(figure.axes, key=lambda axis: len(axis.get_legend_handles_labels()[0]))
    axes.legend(fontsize=8)


def _rows(
    axis: Axes, values: Mapping[str, list[float]], colours: Mapping[str, tuple[str, str]]
) -> None:
    """A row for each arm, its name above it: beside it, a long name would leave its dots no room."""
    for row, (arm, of_seeds) in enumerate(values.items()):
        mean, low, high = paired_interval(of_seeds)
        seeds, colour = colours[arm]
        look: dict[str, Any] = {"color": colour, "label": f"_{arm}, mean"}
        axis.axhline(row, color="grey", alpha=0.3, linewidth=0.8, zorder=0)
        axis.plot(of_seeds, [row] * len(of_seeds), "o", color=seeds, markersize=3, alpha=0.5,
                  label=f"_{arm}")  # fmt: skip
        if np.isfinite(low):
            axis.plot(
                [low, high], [row, row], linewidth=2, **look | {"label": f"_{arm}, 95 % interval"}
            )
        axis.plot([mean], [row], "|", markersize=9, markeredgewidth=2, **look)
        axis.text(0, row - 0.42, arm, transform=axis.get_yaxis_transform(), fontsize=9, va="center")
    axis.set_yticks([])
    axis.set_ylim(len(values) - 0.5, -0.85)
    axis.spines["left"].set_visible(False)


def _hollow(axis: Axes, arms: Sequence[str], published: Mapping[str, float]) -> None:
    """A paper's number in the row of each arm that has one."""
    there = [(published[arm], row) for row, arm in enumerate(arms) if arm in published]
    if there:
        look: dict[str, Any] = {"color": "#56b4e9", "fillstyle": "none", "markersize": 7}
        axis.plot(*zip(*there, strict=True), "D", label="the paper's", **look)


def _in_percent(axis: Axes) -> None:
    """Ends the axis where shares end: an interval of two seeds goes far beyond."""
    low, high = axis.get_xlim()
    axis.set_xlim(max(low, -2.0), min(high, 102.0))


def _colours(arms: Sequence[str]) -> dict[str, tuple[str, str]]:
    """By arm the colours of its seeds and of its mean: one of its group, where arms have groups.

    >>> [seeds == mean for seeds, mean in _colours(["1W a", "1W b", "32W a", "32W b"]).values()]
    [True, True, True, True]
    >>> _colours(["a", "b"])["a"] == _colours(["a", "b"])["b"] == COLOURS[:2]
    True
    """
    groups = list(dict.fromkeys(arm.split()[0].rstrip(",") for arm in arms))
    if not 2 <= len(groups) <= len(arms) / 2 or len(groups) > 5:
        return dict.fromkeys(arms, COLOURS[:2])
    own = {arm: COLOURS[groups.index(arm.split()[0].rstrip(","))] for arm in arms}
    return {arm: (colour, colour) for arm, colour in own.items()}


def _done(figure: BookFigure, message: str = "") -> BookFigure:
    figure.message = message
    figure.tight_layout()
    plt.close(figure)  # shown once, by the cell that returns it
    return figure
