"""A figure on a page: panels of SVG, one legend, a text of what came out, and its data."""

import csv
import io
import re
import xml.etree.ElementTree as ET

import pytest
from matplotlib.colors import to_rgb

from bnnstudy.report import figures, plotting


@pytest.fixture
def figure():
    """Two panels that share an axis; in the second, one of two lines is missing."""
    with plotting.figure(1, 2, (8, 3), legend="inside", sharey=True) as (made, (left, right)):
        plotting.fan(left, [[3.0, 1.0], [5.0, 2.0]], plotting.COLOURS[0], "sgd")
        plotting.fan(left, [[4.0, 0.5]], plotting.COLOURS[1], "adam")
        plotting.fan(right, [[4.0, 0.001]], plotting.COLOURS[1], "adam")
        left.set(title="quick, <digits> & more", xlabel="epoch", ylabel="loss", yscale="log")
        left.axhline(1, color="grey")
        right.set(title="desk", xlabel="epoch")
    return made


def rows(figure):
    return list(csv.DictReader(io.StringIO(figures.data(figure))))


def test_the_data_have_every_point_under_its_series_and_no_mark_that_spans_a_panel(figure):
    found = [tuple(row.values()) for row in rows(figure)]
    quick, desk = "quick, <digits> & more", "desk"
    for seeds in ([3, 1], [5, 2]):
        assert all((quick, "sgd", "line", str(k), str(y)) in found for k, y in enumerate(seeds, 1))
    assert (quick, "sgd", "line", "1", "4") in found  # the mean
    assert (desk, "adam", "line", "2", "0.001") in found
    assert len(found) == 3 * 2 + 2 * 2 + 2 * 2  # each fan: its seeds, then their mean
    assert list(rows(figure)[0])[3:] == ["epoch", "loss"]


def test_panels_with_other_axes_say_what_they_are():
    with plotting.figure(1, 2) as (made, (left, right)):
        for axis, name in ((left, "loss"), (right, "flips")):
            axis.plot([1], [2], "o", label="a")
            axis.set(title="quick", xlabel="epoch", ylabel=name)
    assert [(row["panel"], row["drawn as"], row["x"]) for row in rows(made)] == [
        ("quick: loss by epoch", "points", "1"),
        ("quick: flips by epoch", "points", "1"),
    ]


def test_a_long_line_is_thinned_in_the_data_and_says_so():
    with plotting.figure() as (made, axis):
        axis.plot(range(1000), range(1000))
    assert len(rows(made)) == 250
    assert {row["drawn as"] for row in rows(made)} == {"line, every 4 points"}


def test_bars_are_data():
    with plotting.figure() as (made, axis):
        axis.hist([0.1, 0.1, 0.9], bins=2)
    assert [row["y"] for row in rows(made)] == ["2", "1"]
    assert figures.texts(made)[0].endswith("most, 2, at 0.3.")


def test_a_text_says_what_is_shown_and_what_came_out(figure):
    left, right = figures.texts(figure)
    assert left == (
        "quick, <digits> & more: loss by epoch, 1 to 2: "
        "at the right end highest sgd (1.5); lowest adam (0.5)."
    )
    assert right.startswith("desk: loss by epoch, 1 to 2: from 4 to 0.001; lowest 0.001 at 2")
    assert figures.message(figure).startswith("Loss (desk): from 4")


def test_a_message_of_ones_own_is_the_title():
    with plotting.figure(message="Adam & co win.") as (made, axis):
        axis.plot([1, 2])
    assert figures.message(made) == "Adam & co win."
    assert "<strong>Adam &amp; co win.</strong>" in figures.html(made)


def test_a_message_that_ends_in_a_colon_is_followed_by_what_came_out(figure):
    figure.message = "What each one loses:"
    assert figures.message(figure).startswith("What each one loses. Loss (desk): from 4")
    assert "<strong>What each one loses.</strong> Loss (desk)" in figures.html(figure)
    figure.message = ""
    assert figures.html(figure).startswith('<figure class="plot"><p class="message"><strong>Loss')


def test_what_a_panel_is_said_to_show_goes_before_what_its_lines_say(figure):
    figure.say(figure.axes[1], "it fell.")
    assert figures.texts(figure)[1].endswith("1 to 2: it fell.")


def test_each_panel_is_an_svg_of_its_own_that_names_nothing_twice(figure):
    page = figures.html(figure)
    found = figures.svgs(figure)
    assert len(found) == 2
    roots = [ET.fromstring(svg) for svg in found]
    for root, text in zip(roots, figures.texts(figure), strict=True):
        assert root.get("role") == "img"
        assert root.get("aria-label") == text
    ids = re.findall(r' id="([^"]*)"', page)
    assert len(ids) == len(set(ids))
    assert set(re.findall(r"[\"(]#([^\")]*)[\")]", page)) <= set(ids)
    shown, _, rest = page.partition("<script")
    inert, *_ = rest.split("</script>")
    assert ET.fromstring(f"{shown}</figure>") is not None  # whatever stands in titles and labels
    assert inert == f' type="text/csv">{figures.data(figure)}'


def test_a_panel_has_its_own_labels_and_a_tick_without_raised_digits(figure):
    texts = [[t.text for t in ET.fromstring(svg).iter() if t.text] for svg in figures.svgs(figure)]
    assert all({"epoch", "loss"} <= set(found) for found in texts)
    assert "0.001" in texts[1]


def test_an_svg_has_no_ground_and_its_text_the_colour_of_the_page(figure):
    for svg in figures.svgs(figure):
        assert figures.INK not in svg
        assert "#ffffff" not in svg
        assert "#000000" not in svg
        assert "DejaVu" not in svg
        assert "currentColor" in svg
        sizes = re.findall(r"font(?:-size)?: ([\d.]+)px", svg)
        assert {*map(float, sizes)} == {figures.SIZE}
        assert "<style" not in svg  # it would style the page


def test_the_legend_names_each_series_once_below_all_panels(figure):
    page = figures.html(figure)
    assert page.count('<ul class="legend"') == 1
    assert re.findall(r"<li>.*?</svg> (.*?)</li>", page) == ["sgd", "adam"]


def test_where_a_name_looks_different_in_two_panels_each_has_its_own_legend():
    with plotting.figure(1, 2) as (made, axes):
        for axis, colour in zip(axes, ("red", "green"), strict=True):
            axis.plot([1, 2], color=colour, label="a")
    assert figures.html(made).count('<ul class="legend"') == 2


def test_showing_a_figure_leaves_it_as_it_is(figure):
    before = figure.get_size_inches().tolist(), [axis.get_title() for axis in figure.axes]
    assert figures.html(figure) == figures.html(figure)
    assert before == (figure.get_size_inches().tolist(), [axis.get_title() for axis in figure.axes])
    assert figure.axes[0].get_legend() is not None


@pytest.mark.parametrize("colour", ["#440154", "#31688e", "#000080", *plotting.COLOURS])
def test_a_line_is_seen_on_a_dark_page(colour):
    *_, last = re.findall(r"#[0-9a-f]{6}|currentColor", figures.in_both(colour))
    if last != "currentColor":
        ground = figures.luminance(figures.DARK)
        assert (figures.luminance(last) + 0.05) / (ground + 0.05) >= figures.CONTRAST
        assert max(to_rgb(last)) > max(to_rgb(figures.DARK))


def record(arm, seed, accuracy):
    config = {"dataset": "digits", "model": "mlp"}
    return {"preset": "quick", "arm": arm, "config": config, "result": {"test_accuracy": accuracy}}


def test_accuracies_have_a_row_for_each_arm_that_ran_and_say_which_is_best():
    runs = [record(arm, seed, a + seed / 100) for arm, a in (("a", 0.5), ("b", 0.9)) for seed in (0, 1)]
    made = plotting.accuracies(runs, ["a", "never run", "b"])
    (axis,) = made.axes
    assert [text.get_text() for text in axis.texts] == ["a", "b"]
    assert "never run" not in figures.html(made)
    assert figures.came_out(made, axis) == "highest b (90.5); lowest a (50.5)."
    found = [(row["series"], row["test accuracy, %"]) for row in _by_x(made)]
    assert ("a", "50") in found
    assert ("a, mean", "50.5") in found


def test_shares_are_drawn_where_shares_can_be():
    runs = [record("a", seed, a) for seed, a in enumerate((0.1, 0.9))]  # an interval of ±5 times that
    (axis,) = plotting.accuracies(runs, ["a"]).axes
    assert axis.get_xlim() == (-2, 102)
    (axis,) = plotting.accuracies(runs, ["a"], label="decades").axes
    assert axis.get_xlim()[0] < -100


def test_a_papers_own_numbers_stand_hollow_in_the_rows_of_their_arms():
    runs = [record(arm, seed, a) for arm, a in (("a", 0.5), ("b", 0.9)) for seed in (0, 1)]
    published = {"digits": {"b": 97.5, "not run": 12.0}, "mnist": {"a": 33.0}}
    made = plotting.accuracies(runs, ["a", "b"], published=published)
    own = [row for row in rows(made) if row["series"] == "the paper's"]
    assert [(row["x"], row["y"]) for row in own] == [("97.5", "1")]
    (line,) = (line for line in made.axes[0].lines if line.get_label() == "the paper's")
    assert line.get_fillstyle() == "none"
    assert "the paper" in figures.html(made)
    assert "paper" not in figures.html(plotting.accuracies(runs, ["a", "b"]))


def _by_x(figure):
    """The data by the name of the axis across, as the other one only places rows."""
    return [{"series": row["series"], "test accuracy, %": row["x"]} for row in rows(figure)]
