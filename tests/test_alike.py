"""Which runs are one and the same training, and how far two are apart; values of all seeds."""

import pytest

from bnnstudy.evidence import seeds_alike, values
from bnnstudy.report import plotting


def run(*losses):
    return {"curves": {"train_loss": list(losses)}, "flip_ratio": {"all": [0.1]}}


RUNS = {
    "one": {0: run(2.0, 1.0), 1: run(2.0, 1.5), 2: run(3.0, 1.0)},
    "other": {0: run(2.0, 1.0), 1: run(2.0, 1.4), 2: run(3.0, 1.0)},
    "third": {0: run(2.0, 1.0), 2: run(3.0, 1.5), 3: run(9.0, 9.0)},
}


@pytest.mark.parametrize(
    ("arms", "expected"),
    [
        (("one",), (3, 3)),
        (("one", "other"), (2, 3)),
        (("one", "other", "third"), (1, 2)),
        (("one", "none"), (0, 0)),
        ((), (0, 0)),
    ],
)
def test_seeds_are_alike_where_all_arms_have_one_course(arms, expected):
    assert seeds_alike(RUNS, *arms) == expected


def test_values_are_by_seed_as_recorded_or_scaled():
    runs = {"one": {1: run(2.0, 1.5), 0: run(2.0, 1.0), 2: {}}}
    assert values(runs, "one", "curves.train_loss") == [[2.0, 1.0], [2.0, 1.5]]
    assert values(runs, "one", "curves.train_loss.-1", 100) == [100.0, 150.0]
    assert values(runs, "none", "curves.train_loss") == []


def test_signs_apart_are_drawn_as_a_share_of_all_signs_at_a_step_one_line_a_seed():
    steps = {"compared": 800, "steps": [1, 2, 4]}
    seeds = [{**steps, "differing_at": [0, 20, 200]}, {**steps, "differing_at": [0, 0, 2]}]
    with plotting.figure(legend="inside") as (_, axis):
        plotting.signs_apart(axis, seeds, plotting.COLOURS[0], "a pair", least=0.1)
    assert [list(line.get_xdata()) for line in axis.lines] == [[1, 2, 4], [1, 2, 4]]
    assert [list(line.get_ydata()) for line in axis.lines] == [[0.0, 10.0, 100.0], [0.0, 0.0, 1.0]]
    assert [text.get_text() for text in axis.get_legend().get_texts()] == ["a pair"]
    bottom, top = axis.get_ylim()
    assert -0.1 < bottom < 0  # zero is seen, in the linear part
    assert top == 100


def test_a_figure_names_its_lines_where_it_is_asked_to():
    named = {}
    for place in ("", "inside", "below"):
        with plotting.figure(1, 2, legend=place) as (figure, axes):
            for axis, names in zip(axes, ("a", "ab"), strict=True):
                for name in names:
                    axis.plot([1, 2], label=name)
        legends = [*(axis.get_legend() for axis in axes), *figure.legends]
        named[place] = [[t.get_text() for t in one.get_texts()] if one else None for one in legends]
    assert named == {"": [None, None], "inside": [None, ["a", "b"]], "below": [None, None, ["a", "b"]]}


def test_shades_go_from_dark_to_light():
    found = [sum(colour[:3]) for colour in plotting.shades(7)]
    assert len(found) == 7
    assert found == sorted(found)
