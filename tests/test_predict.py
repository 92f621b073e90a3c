"""A question that the reader answers, and what came out beside the answer."""

import ast
import html
import re
from pathlib import Path

import nbformat
import pytest

from bnnstudy.evidence import provenance
from bnnstudy.report import Chapter
from bnnstudy.report.predict import UNDECIDED, Predictions, Result

NOTEBOOKS = sorted((Path(provenance.PACKAGE).parent / "notebooks").glob("*.ipynb"))
OPTIONS = ("none", "half & more", "all")


@pytest.fixture
def predictions():
    predictions = Predictions("lr_vs_init")
    predictions.ask("gap", "How much < before?", OPTIONS)
    return predictions


def test_a_question_is_a_group_of_radio_buttons_with_a_legend():
    shown = Predictions("lr_vs_init").ask("gap", "How much < before?", OPTIONS).data
    assert "<legend>How much &lt; before?</legend>" in shown
    buttons = re.findall(r'<label><input type="radio" name="([\w-]+)" value="([^"]+)">', shown)
    assert [name for name, _ in buttons] == ["lr-vs-init-gap"] * 3
    assert tuple(html.unescape(value) for _, value in buttons) == OPTIONS
    assert 'id="predict-lr-vs-init-gap"' in shown


def test_a_result_is_named_by_its_option_and_escaped(predictions):
    shown = predictions.resolve("gap", [Result("half & more", "<b>48</b> %.", "desk, mnist mlp")]).data
    assert "In desk, mnist mlp it was: <strong>half &amp; more</strong>. &lt;b&gt;48" in shown
    assert 'id="resolve-lr-vs-init-gap"' in shown
    assert 'href="#predict-lr-vs-init-gap"' in shown
    # Nothing is claimed of the reader before the script knows.
    assert re.search(r'<p class="predicted" hidden>', shown)


def test_runs_that_decide_for_nothing_say_so(predictions):
    shown = predictions.resolve("gap", [Result.of(dict.fromkeys(OPTIONS, False), "0.1 [-1, 1].")])
    assert UNDECIDED in shown.data
    assert "it was" not in shown.data.lower()
    assert "0.1 [-1, 1]." in repr(shown)
    assert "No run" in predictions.resolve("gap", []).data


@pytest.mark.parametrize(
    ("act", "says"),
    [
        (lambda p: p.ask("x", "?", ("one",)), "options must be two"),
        (lambda p: p.ask("x", "?", ("one", "one")), "options must be two"),
        (lambda p: p.resolve("other", []), "name must be one of gap; got 'other'"),
        (lambda p: p.resolve("gap", [Result("some", "")]), "answer must be one of none.*'some'"),
        (lambda p: Result.of({"none": True, "all": True}, ""), "holds must be true for one"),
    ],
)
def test_what_contradicts_the_question_is_refused(predictions, act, says):
    with pytest.raises(ValueError, match=says):
        act(predictions)


def test_the_experiment_resolves_a_question_by_run_and_leaves_out_those_that_cannot(tmp_path):
    chapter = Chapter("alpha", results=tmp_path)
    chapter.groups = {("quick", "digits mlp"): {"a": {0: {"x": 1}}}, ("desk", "mnist mlp"): {}}
    chapter.predict("x", "Which?", "one", "two")
    judged = chapter.resolve_runs("x", lambda runs: ({"one": True}, "x is 1.") if runs else None)
    assert repr(judged) == "Which? In quick, digits mlp it was: one. x is 1."


def calls(file: Path) -> list[tuple[str, list[str]]]:
    """The questions asked and resolved in a notebook, in order: method and texts."""
    found = []
    for cell in nbformat.read(file, as_version=4).cells:
        if cell.cell_type != "code":
            continue
        for node in ast.walk(ast.parse(cell.source)):
            if isinstance(node, ast.Call) and isinstance(node.func, ast.Attribute) and node.args:
                first = node.args[0]
                if isinstance(first, ast.Constant) and isinstance(first.value, str):
                    found.append((node.func.attr, first.value))
    return [(what, name) for what, name in found if what in ("predict", "ask") or "resolve" in what]


@pytest.mark.parametrize("file", NOTEBOOKS, ids=lambda file: file.stem)
def test_every_chapter_that_has_one_predict_resolves_each_question_once(file):
    text = "\n".join(c.source for c in nbformat.read(file, as_version=4).cells)
    asked = [name for what, name in calls(file) if what in ("predict", "ask")]
    resolved = [name for what, name in calls(file) if "resolve" in what]
    assert bool(asked) == ("## Predict" in text)
    assert len(set(asked)) == len(asked)
    assert sorted(asked) == sorted(resolved)
