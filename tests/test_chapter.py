"""A notebook's chapter shows what the records say, of the runs that it names."""

import pytest

from bnnstudy.config.run import RunConfig
from bnnstudy.evidence.curves import Curve
from bnnstudy.report import Chapter


def record(preset: str, arm: str, seed: int, accuracy: float, dataset: str = "digits") -> dict:
    config = RunConfig(dataset=dataset, width=16, epochs=2, seed=seed).to_dict()
    result = {"last": {"test_accuracy": accuracy}, "loss": 2 * accuracy}
    return {
        "study": "alpha",
        "preset": preset,
        "arm": arm,
        "config": config,
        "result": result,
        "provenance": {"device": "cpu"},
    }


@pytest.fixture
def chapter(tmp_path):
    """Two presets: by seed the arm is 1 or 3 points better in one, and 2 points worse in the other."""
    chapter = Chapter("alpha", results=tmp_path)
    chapter.records = [
        record("quick", "arm", 0, 0.91),
        record("quick", "arm", 1, 0.95),
        record("quick", "control", 0, 0.90),
        record("quick", "control", 1, 0.92),
        record("desk", "arm", 0, 0.70, "mnist"),
        record("desk", "control", 0, 0.72, "mnist"),
    ]
    return chapter


FOLD = (
    '<details class="runs"><summary>Of which runs: quick, desk</summary>\n\n'
    "quick: digits mlp, all training images, width 16, 2 epochs, n = 2 seeds, cpu; "
    "desk: mnist mlp, all training images, width 16, 2 epochs, n = 1 seed, cpu\n\n</details>"
)


@pytest.mark.parametrize(
    ("said", "caption"),
    [
        ((), FOLD),
        (("A loss.",), f"*A loss.*\n\n{FOLD}"),
        (("A loss.", "Means over seeds."), f"*A loss. Means over seeds.*\n\n{FOLD}"),
        (("", "Means over seeds"), f"*Means over seeds.*\n\n{FOLD}"),
    ],
)
def test_a_caption_says_what_is_shown_and_folded_of_which_runs(chapter, said, caption):
    assert chapter.caption(*said).data == caption


def test_titled_runs_are_the_groups_by_preset_and_task_in_words(chapter):
    assert list(chapter.titled) == ["quick, digits mlp", "desk, mnist mlp"]
    assert list(chapter.titled.values()) == list(chapter.groups.values())
    assert chapter.titled["desk, mnist mlp"]["arm"][0]["last"] == {"test_accuracy": 0.70}


def test_each_run_and_arm_comes_in_the_order_asked_for_and_only_where_it_has_results(chapter):
    chapter.records.append(record("desk", "other", 0, 0.60, "mnist"))
    found = list(chapter.each("other", "nothing", "arm"))
    places = [("quick, digits mlp", "arm"), ("desk, mnist mlp", "other"), ("desk, mnist mlp", "arm")]
    assert [(where, arm) for where, _, arm in found] == places
    assert [runs for _, runs, _ in found] == [chapter.titled[where] for where, _ in places]


def test_gains_are_paired_by_seed_arm_minus_control_in_points(chapter):
    lines = chapter.gains({"better by": ("arm", "control"), "none": ("arm", "nothing")}).data
    head, _, quick, desk = lines.splitlines()
    assert head == "| Run | better by | none |"
    # The mean of 1 and 3 points; Student's t of one degree of freedom is 12.71, the error 1 point.
    assert quick == "| quick, digits mlp | +2.00 [-10.71, +14.71] | – |"
    assert desk == "| desk, mnist mlp | -2.00 | – |"


def test_gains_are_of_the_metric_that_is_named(chapter):
    lines = chapter.gains({"loss": ("control", "arm")}, "loss").data
    assert "| quick, digits mlp | -4.00 [" in lines
    assert "| desk, mnist mlp | +4.00 |" in lines


def test_a_curve_of_rates_has_a_dot_a_seed_and_a_ring_where_it_judges(chapter):
    runs = {
        rate: {
            seed: record("desk", "arm", seed, 0.5, "mnist")
            | {"result": {"validation_accuracy": a + seed / 1000}}
            for seed in range(3)
        }
        for rate, a in ((0.01, 0.5), (0.1, 0.9), (1.0, 0.899), (10.0, 0.4))
    }
    chapter.curves = {("desk", "mnist mlp"): {"arm": Curve("arm", runs, "lr")}}
    figure = chapter.rates()
    (axis,) = (axis for axis in figure.axes if axis.get_visible())
    dots, rings = [], []
    for drawn in axis.lines:
        if drawn.get_linestyle() == "None":
            (rings if drawn.get_markerfacecolor() == "none" else dots).extend(drawn.get_xdata())
    assert sorted(dots) == [0.01] * 3 + [0.1] * 3 + [1.0] * 3 + [10.0] * 3
    assert tuple(rings) == chapter.curves["desk", "mnist mlp"]["arm"].near == (0.01, 0.1, 1.0)


@pytest.mark.parametrize(("rates", "partial"), [((0.1,), False), ((0.1, 0.2), True)])
def test_where_no_arm_has_a_curve_that_is_said(chapter, rates, partial):
    curve = Curve("arm", {rate: {} for rate in rates}, "lr", partial=partial)
    chapter.curves = {("desk", "mnist mlp"): {"arm": curve}}
    assert "No arm's curve of rates is run yet" in chapter.rates().data
