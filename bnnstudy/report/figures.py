"""Figures on a page: each panel an SVG of its own, one legend, a text for who cannot see it, the data.

A panel is as wide as a phone, so that panels stand beside each other where there is room and under one
another where there is none, with text of one size. Its ground is transparent; its text and axes have
the colour of the text around it, so that one SVG serves a light and a dark page.
"""

import csv
import io
import math
import pickle
import re
import textwrap
import zlib
from collections.abc import Iterator, Mapping, Sequence
from html import escape
from typing import Any

import matplotlib
import numpy as np
from matplotlib.artist import Artist
from matplotlib.axes import Axes
from matplotlib.colors import to_hex, to_rgb
from matplotlib.container import BarContainer
from matplotlib.figure import Figure
from matplotlib.gridspec import GridSpec
from matplotlib.lines import Line2D
from matplotlib.text import Text
from matplotlib.ticker import Formatter, LogFormatter

from bnnstudy.config import checks
from bnnstudy.config.checks import shown

WIDTH = 3.3
"""Inches of a panel; it is scaled to what there is: 1.4 times on a phone of 360 px."""
PIXELS = 98
"""Pixels of an inch where a page says nothing else."""
SIZE = 9
"""Points of all text in a panel: more than 12 px once it is scaled."""
INK = "#010203"
"""Stands for the colour of the text around a figure until the SVG is written."""
MOST = 250
"""Points of a line in the data of a figure; of a longer one every second is there, or every third …."""
BLACK = ("#000000", INK)

# What a dark page is, and the contrast that a line needs there (WCAG 2.2, 1.4.11).
DARK, CONTRAST = "#14181e", 3.0

_KEPT = re.compile(r"<svg.*</svg>", re.DOTALL)
_DROPPED = re.compile(
    r"<metadata>.*?</metadata>|<!--.*?-->|<style.*?</style>|<defs>\s*</defs>|\n\s*", re.DOTALL
)
_TAG = re.compile(r"<[^>]*>")
_LONG = re.compile(r"-?\d+\.\d{3,}")
_COLOUR = re.compile(r"(fill|stroke): (#[0-9a-f]{6})")
_FONT = re.compile(r"font(?:-family)?: ([^;\"]*?)('DejaVu[^;\"]*)")
# In a notebook there is no style sheet of the book.
_BESIDE = 'style="display: flex; flex-wrap: wrap; gap: 0.25rem 1rem; list-style: none; padding: 0"'
_UNNAMED = re.compile(r"_child\d+|_nolegend_|")


class BookFigure(Figure):
    """A figure that a notebook shows as panels in HTML, with its data; else it is matplotlib's own.

    Args:
        message: what it shows, in a sentence: its title on the page. One that ends in a colon is
            followed by what came out in the last panel; without one the title is that alone.
    """

    def __init__(self, *args: Any, message: str = "", **options: Any):
        super().__init__(*args, **options)
        self.message = message
        self.said: dict[int, str] = {}
        self.heights: dict[int, float] = {}  # of panels, in inches, where they are not all alike

    def say(self, axis: Axes, came_out: str) -> None:
        """Have what came out in a panel said so, rather than as its lines say."""
        self.said[self.axes.index(axis)] = came_out

    def _ipython_display_(self) -> None:
        from IPython.display import display  # there where this is asked for

        display({"text/html": html(self), "text/plain": "\n".join(texts(self))}, raw=True)


def shown_axes(figure: Figure) -> list[Axes]:
    """The panels that are visible and have something in them."""
    return [axis for axis in figure.axes if axis.get_visible() and axis.has_data()]


def _drawn(axis: Axes) -> Iterator[tuple[Line2D, np.ndarray, np.ndarray]]:
    """The lines of a panel that show data: with what they show; not those that span it as a mark."""
    for line in axis.lines:
        x, y = (np.asarray(one, dtype=float) for one in (line.get_xdata(), line.get_ydata()))
        if line.get_transform() == axis.transData and len(x):
            yield line, x, y


def _names(axis: Axes) -> dict[Artist, str]:
    """The series that each line of a panel belongs to: its label's, or its colour's in the legend."""
    by_colour: dict[str, str] = {}
    figure = axis.get_figure()
    for of in (axis, *(figure.axes if figure else ())):
        for handle, name in zip(*of.get_legend_handles_labels(), strict=True):
            if isinstance(line := _line_of(handle), Line2D):
                by_colour.setdefault(to_hex(line.get_color()), name)
        if by_colour:
            break
    own = {line: str(line.get_label()) for line in axis.lines}
    return {
        line: by_colour.get(to_hex(line.get_color()), "")
        if _UNNAMED.fullmatch(name)
        else name.lstrip("_")
        for line, name in own.items()
    }


def _line_of(handle: Any) -> Any:
    """The line of what a legend names, which may be a mean with its interval."""
    parts = handle if isinstance(handle, Sequence) else ()
    return next((part for part in parts if isinstance(part, Line2D)), handle)


def number(value: float, digits: int = 4) -> str:
    """A number as texts have it; none where it is not finite.

        >>> number(0.123456), number(float("nan"))
        ('0.1235', '')

    Raises:
        ValueError: naming the argument, its value and what is allowed.
    """
    digits = checks.DIGITS.checked("digits", digits)
    try:
        return f"{value:.{digits}g}" if math.isfinite(value) else ""
    except (TypeError, ValueError, OverflowError) as error:
        raise ValueError(f"value must be a number, got {shown(value)}") from error


def _title(axis: Axes) -> str:
    return " ".join(axis.get_title().split())


def _label(axis: Axes, which: str) -> str:
    """The name of an axis, which may stand at another panel that shares it."""
    own: str = getattr(axis, f"get_{which}label")()
    shared = getattr(axis, f"get_shared_{which}_axes")()
    others = (getattr(one, f"get_{which}label")() for one in shared.get_siblings(axis))
    return own or next(filter(None, others), "")


def data(figure: Figure) -> str:
    """What a figure shows as CSV: a row for each point, by panel and series.

        >>> from bnnstudy.report import plotting
        >>> with plotting.figure() as (figure, axis):
        ...     _ = axis.plot([1, 2], [0.5, 0.25], label="sgd")
        ...     _ = axis.set(title="quick", xlabel="epoch", ylabel="loss")
        >>> print(data(figure))
        panel,series,drawn as,epoch,loss
        quick,sgd,line,1,0.5
        quick,sgd,line,2,0.25
        <BLANKLINE>

    Where panels differ in what their axes are, the last columns are `x` and `y`, and the panel's name
    says what they are.
    """
    panels = shown_axes(figure)
    heads = {(_label(axis, "x"), _label(axis, "y")) for axis in panels}
    same = len(heads) == 1 and all(next(iter(heads)))
    text = io.StringIO()
    write = csv.writer(text, lineterminator="\n").writerow
    write(["panel", "series", "drawn as", *(next(iter(heads)) if same else ("x", "y"))])
    for axis in panels:
        by = " by ".join(filter(None, (_label(axis, "y"), _label(axis, "x"))))
        panel = _title(axis) if same else ": ".join(filter(None, (_title(axis), by)))
        for row in _rows(axis):
            write([panel, *row])
    return text.getvalue()


def _rows(axis: Axes) -> Iterator[list[str]]:
    names = _names(axis)
    for line, xs, ys in _drawn(axis):
        kind = "points" if line.get_linestyle() in ("None", "", " ") else "line"
        every = math.ceil(len(xs) / MOST)
        kind = kind if every == 1 else f"{kind}, every {every} points"
        for x, y in zip(xs[::every], ys[::every], strict=True):
            yield [names[line], kind, number(x, 6), number(y, 6)]
    for bars in axis.containers:
        if isinstance(bars, BarContainer):
            for bar in bars.patches:
                yield ["", "bar", number(bar.get_x() + bar.get_width() / 2), number(bar.get_height())]


def texts(figure: Figure) -> list[str]:
    """For each panel what it shows and what came out, computed from what is drawn."""
    return [f"{_shows(axis)}: {came_out(figure, axis)}".strip() for axis in shown_axes(figure)]


def _shows(axis: Axes) -> str:
    name = " by ".join(filter(None, (_label(axis, "y"), _label(axis, "x"))))
    of = [x[np.isfinite(x)] for _, x, _ in _drawn(axis)]
    ends = [f(np.concatenate(of)) for f in (np.min, np.max)] if any(map(len, of)) else []
    span = f", {number(ends[0])} to {number(ends[1])}" if ends and _label(axis, "y") else ""
    return ": ".join(filter(None, (_title(axis), name + span)))


def came_out(figure: Figure, axis: Axes) -> str:
    """What came out in a panel, words with numbers that end a sentence."""
    said: dict[int, str] = getattr(figure, "said", {})
    if own := said.get(figure.axes.index(axis)):
        return own
    series = {name: _finite(x, y) for name, (x, y) in _series(axis).items()}
    series = {name: (x, y) for name, (x, y) in series.items() if len(x)}
    if not series:
        bars = [
            (float(high), middle) for _, kind, middle, high in _rows(axis) if kind == "bar" and high
        ]
        return "most, {:g}, at {}.".format(*max(bars)) if bars else ""
    if len(series) == 1:
        ((x, y),) = series.values()
        low, high = np.argmin(y), np.argmax(y)
        return (
            f"from {number(y[0])} to {number(y[-1])}; lowest {number(y[low])} at {number(x[low])}, "
            f"highest {number(y[high])} at {number(x[high])}."
        )
    joined = any(kind.startswith("line") for name, kind, *_ in _rows(axis) if name)
    last = {name: float(y[-1] if joined else y.mean()) for name, (_, y) in series.items()}
    return f"{'at the right end' if joined else 'on average'} {extremes(last)}"


def extremes(values: Mapping[str, float]) -> str:
    """Which of several values is the highest and which the lowest, in words that end a sentence.

    >>> extremes({"sgd": 91.25, "adam": 97.5, "rmsprop": 97.0}), extremes({"sgd": 91.25})
    ('highest adam (97.5); lowest sgd (91.25).', 'sgd (91.25).')
    """
    checks.instance("values", values, Mapping)
    if not values:
        raise ValueError("values must have one or more, got none")
    values = {
        checks.NAME.checked("a name of values", name): checks.FINITE.checked("a value of values", value)
        for name, value in values.items()
    }
    ranked = sorted(values, key=lambda name: values[name])
    low, high = (f"{name} ({number(values[name])})" for name in (ranked[0], ranked[-1]))
    return f"highest {high}; lowest {low}." if len(values) > 1 else f"{low}."


def _series(axis: Axes) -> dict[str, tuple[np.ndarray, np.ndarray]]:
    """What a panel's legend names, from left to right; all that is drawn where it names nothing."""
    drawn, names = list(_drawn(axis)), _names(axis)
    handles, _ = axis.get_legend_handles_labels()
    found: dict[str, tuple[np.ndarray, np.ndarray]] = {}
    for line, x, y in drawn:
        if line in handles and len(x) > 1:
            found[names[line]] = x, y
    all_names = {names[line] for line, _, _ in drawn}
    for name in sorted(all_names - {*found} - {""}) or ([] if found else sorted(all_names)):
        of_it = [(x, y) for line, x, y in drawn if names[line] == name]
        xs, ys = (np.concatenate(part) for part in zip(*of_it, strict=True))
        order = np.argsort(xs, kind="stable")
        found[name] = xs[order], ys[order]
    return found


def _finite(x: np.ndarray, y: np.ndarray) -> tuple[np.ndarray, np.ndarray]:
    there = np.isfinite(x) & np.isfinite(y)
    return x[there], y[there]


def message(figure: Figure) -> str:
    """A figure's title on its page, with what came out where that belongs to it."""
    return " ".join(filter(None, _title_of(figure)))


def _title_of(figure: Figure) -> tuple[str, str]:
    """What stands out of a title, and what follows it."""
    own: str = getattr(figure, "message", "")
    if own.endswith(":"):
        return f"{own[:-1]}.", _finding(figure)
    return own or _finding(figure), ""


def _finding(figure: Figure) -> str:
    """What came out in the last panel, a sentence that says of what."""
    panels = shown_axes(figure)
    if not panels or not (said := came_out(figure, panels[-1])):
        return ""
    what = _label(panels[-1], "y") or _label(panels[-1], "x")
    where = next(filter(None, map(_title, reversed(panels))), "")
    head = f"{what} ({where})" if what and where else what or where
    return f"{head[:1].upper()}{head[1:]}: {said}" if head else said


def html(figure: Figure) -> str:
    """A figure as it stands in a notebook, with its data; `book/finish.py` puts these into a file."""
    panels = shown_axes(figure)
    entries = [_entries(axis) for axis in panels]
    looks: dict[str, set[str]] = {}
    for own in entries:
        for name, look in own.items():
            looks.setdefault(name, set()).add(look)
    common = all(len(found) == 1 for found in looks.values())
    drawn = [
        f'<div class="panel">{_above(axis)}{svg}{"" if common else _legend(own)}</div>'
        for axis, svg, own in zip(panels, svgs(figure), entries, strict=True)
    ]
    legend = _legend({name: min(found) for name, found in looks.items()}) if common else ""
    strong, rest = map(escape, _title_of(figure))
    title = f'<p class="message"><strong>{strong}</strong> {rest}</p>'
    beside = f'<div class="panels" {_BESIDE}>{"".join(drawn)}</div>'
    rows = f'<script type="text/csv">{data(figure).replace("</", "< /")}</script>'
    return f'<figure class="plot">{title}{beside}{legend}{rows}</figure>'


def _above(axis: Axes) -> str:
    return f"<p>{escape(_title(axis))}</p>" if _title(axis) else ""


def _legend(entries: dict[str, str]) -> str:
    items = "".join(f"<li>{look} {escape(name)}</li>" for name, look in entries.items())
    return f'<ul class="legend" {_BESIDE}>{items}</ul>' if items else ""


def _entries(axis: Axes) -> dict[str, str]:
    """By name of what a panel shows: a small picture of how it is drawn."""
    found: dict[str, str] = {}
    for handle, name in zip(*axis.get_legend_handles_labels(), strict=True):
        found.setdefault(name, _swatch(handle))
    return found


def _swatch(handle: Any) -> str:
    handle = _line_of(handle)
    if isinstance(handle, Line2D):
        looks: dict[str, Any] = {"color": handle.get_color(), "linestyle": handle.get_linestyle()}
        looks |= {"linewidth": min(handle.get_linewidth(), 4), "marker": handle.get_marker()}
        looks |= {"markersize": 5, "fillstyle": handle.get_fillstyle()}
        looks |= {"markeredgewidth": handle.get_markeredgewidth()}
        looks |= {"markerfacecolor": handle.get_markerfacecolor()}
        line = Line2D([2, 12, 22], [5, 5, 5], markevery=[1], **looks)
    else:
        (colour, *_) = np.atleast_2d(handle.get_facecolor())
        line = Line2D([2, 22], [5, 5], color=to_hex(colour), linewidth=8, alpha=colour[3])
    with matplotlib.rc_context({"svg.fonttype": "none", "svg.hashsalt": "book"}):
        made = Figure((24 / 72, 10 / 72))
        made.add_artist(line).set_transform(matplotlib.transforms.Affine2D().translate(0, 0))
        return _written(made, "")


def svgs(figure: Figure) -> list[str]:
    """Each panel of a figure as an SVG of its own."""
    copied: Figure = pickle.loads(pickle.dumps(figure))
    copied.legends.clear()
    copied.suptitle("")
    copied.set_layout_engine("constrained")
    width, height = figure.get_size_inches()
    heights: dict[int, float] = getattr(figure, "heights", {})
    panels = shown_axes(copied)
    labels = [{f"{which}label": _label(axis, which) for which in "xy"} for axis in panels]
    for axis in copied.axes:
        axis.set_visible(False)
        axis.set_in_layout(False)
    found = []
    for axis, named, text in zip(panels, labels, texts(figure), strict=True):
        grid = axis.get_gridspec()
        rows, columns = grid.get_geometry() if grid else (1, 1)
        tall = heights.get(copied.axes.index(axis), WIDTH * (height / rows) / (width / columns))
        copied.set_size_inches(WIDTH, tall)
        axis.set_subplotspec(GridSpec(1, 1, copied)[0])
        room = {"xlabel": WIDTH, "ylabel": tall}
        axis.set(**{which: _wrapped(label, room[which]) for which, label in named.items()})
        _for_a_page(axis)
        axis.set_visible(True)
        axis.set_in_layout(True)
        found.append(_written(copied, text))
        axis.set_visible(False)
        axis.set_in_layout(False)
    return found


def _wrapped(label: str, inches: float) -> str:
    """A label in lines that are no longer than an axis of so many inches, with its ticks."""
    return textwrap.fill(label, max(int(0.75 * 72 * inches / (0.55 * SIZE)), 12))


def _for_a_page(axis: Axes) -> None:
    """A panel on its own: all its labels, in one size and in the colour of the page's text."""
    if legend := axis.get_legend():
        legend.remove()
    axis.tick_params(labelleft=True, labelbottom=True)
    for which in (axis.xaxis, axis.yaxis):
        for name in ("major", "minor"):
            of = getattr(which, f"get_{name}_formatter")()
            if isinstance(of, LogFormatter):
                getattr(which, f"set_{name}_formatter")(_Plain(of))
    axis.tick_params(which="both", color=INK, labelcolor=INK, labelsize=SIZE)
    for spine in axis.spines.values():
        spine.set_edgecolor(INK)
    for artist in axis.findobj(Text):
        artist.set_fontsize(SIZE)
        if to_hex(artist.get_color()) in BLACK:
            artist.set_color(INK)
    axis.set_title("")  # It stands above the panel, where it may have lines of its own.


class _Plain(Formatter):
    """Ticks of a logarithmic axis as 0.001 and 1e-5 are written, without a raised exponent."""

    def __init__(self, of: LogFormatter):
        self.of = of

    def set_axis(self, axis: Any) -> None:
        super().set_axis(axis)
        self.of.set_axis(axis)

    def set_locs(self, locs: Any) -> None:
        super().set_locs(locs)
        self.of.set_locs(locs)

    def __call__(self, x: float, pos: int | None = None) -> str:
        if not self.of(x, pos):
            return ""
        return re.sub(r"e([+-])0*", lambda found: f"e{found[1].strip('+')}", f"{x:g}")


def _written(figure: Figure, text: str) -> str:
    """A figure as SVG to stand in a page: small, without names that another one could have."""
    file = io.StringIO()
    with matplotlib.rc_context({"svg.fonttype": "none", "svg.hashsalt": "book"}):
        figure.savefig(file, format="svg", transparent=True, metadata={"Date": None})
    kept = _KEPT.search(file.getvalue())
    assert kept is not None
    svg = _DROPPED.sub("", kept[0]).replace("xlink:href", "href")
    used = set(re.findall(r"[\"(]#([\w.-]+)[\")]", svg))
    salt = f"f{zlib.crc32((svg + text).encode()):x}-"
    svg = re.sub(r' id="([\w.-]+)"', lambda f: f' id="{salt}{f[1]}"' if f[1] in used else "", svg)
    svg = re.sub(r"([\"(])#([\w.-]+)([\")])", rf"\1#{salt}\2\3", svg)
    svg = _TAG.sub(lambda tag: _LONG.sub(_rounded, tag[0]), svg)  # not in the text, as of a tick
    svg = _FONT.sub(lambda found: f"font-size: {found[1].strip() or f'{SIZE}px'}", svg)
    svg = _COLOUR.sub(lambda found: f"{found[1]}: {in_both(found[2], found[1])}", svg)
    named = f'role="img" aria-label="{escape(text)}"' if text else 'aria-hidden="true"'
    named += f' width="{figure.get_size_inches()[0] * PIXELS:.0f}"'
    return re.sub(
        r"<svg [^>]*?(viewBox=\"[^\"]*\")[^>]*>", lambda f: f"<svg {named} {f[1]}>", svg, count=1
    )


def _rounded(found: re.Match[str]) -> str:
    return f"{float(found[0]):.1f}".removesuffix(".0")


def _is_colour(colour: object) -> bool:
    try:
        to_rgb(colour)  # type: ignore[arg-type]
    except Exception:  # whatever such a thing raises
        return False
    return True


def luminance(colour: str) -> float:
    """Relative luminance, 0 to 1, as WCAG 2.2 has it.

        >>> luminance("#000000"), round(luminance("#ffffff"), 6)
        (0.0, 1.0)

    Raises:
        ValueError: if matplotlib knows no such colour.
    """
    if not _is_colour(colour):
        raise ValueError(f"colour must be one that matplotlib knows, got {shown(colour)}")
    linear = [v / 12.92 if v <= 0.04045 else ((v + 0.055) / 1.055) ** 2.4 for v in to_rgb(colour)]
    return float(np.dot((0.2126, 0.7152, 0.0722), linear))


def in_both(colour: str, of: str = "stroke") -> str:
    """What a colour is in CSS, so that it is seen on a light and on a dark page.

    >>> in_both(INK), in_both("#d55e00"), in_both("#440154")
    ('currentColor', '#d55e00', '#440154;stroke: light-dark(#440154, #855a90)')
    """
    of = checks.one_of("of", of, ("stroke", "fill"))
    if not isinstance(colour, str) or not _is_colour(colour):
        raise ValueError(f"colour must be one that matplotlib knows, got {shown(colour)}")
    if colour in BLACK:
        return "currentColor"
    if colour == "#ffffff":
        return "var(--pst-color-background, #fff)"
    if of == "fill" and luminance(colour) > 0.75:  # a band behind what is shown
        red, green, blue = (0.2 * value for value in to_rgb(colour))
        return f"{colour};fill: light-dark({colour}, {to_hex((red, green, blue))})"
    lit, least = colour, CONTRAST * (luminance(DARK) + 0.05) - 0.05
    for share in np.linspace(0.05, 1, 20):
        if luminance(lit) >= least:
            break
        red, green, blue = ((1 - share) * value + share for value in to_rgb(colour))
        lit = to_hex((red, green, blue))
    return colour if lit == colour else f"{colour};{of}: light-dark({colour}, {lit})"
