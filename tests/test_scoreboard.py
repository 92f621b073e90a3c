"""The scoreboard shows each claim once, with its answer, its places and its effect to scale."""

import re
import shlex
from collections import Counter
from dataclasses import replace
from html.parser import HTMLParser

import pytest

from bnnstudy import __main__ as command_line
from bnnstudy import studies
from bnnstudy.evidence.answers import ANSWERS, answers, holm
from bnnstudy.evidence.claims import Difference, Equivalence
from bnnstudy.evidence.verdicts import Verdict
from bnnstudy.report import scoreboard

CLAIM = next(c for c in studies.ledger() if c.id == "optimizers-sgd")


def verdict(task="mnist mlp", contrast=None, **fields):
    claim = replace(CLAIM, contrast=contrast) if contrast else CLAIM
    usual = {"verdict": "reproduced", "preset": "desk", "n": 5, "effect": 2.0, "low": 1.0, "high": 3.0}
    return Verdict(claim=claim, task=task, **{**usual, "p": 0.001, **fields})


class Page(HTMLParser):
    """Rows with their attributes, the lines of their pictures, and whether all tags are closed."""

    EMPTY = {"br", "line", "circle"}

    def __init__(self, text):
        super().__init__()
        self.open, self.rows, self.lines, self.links = [], [], [], []
        self.feed(text)
        self.close()
        assert self.open == []

    def handle_starttag(self, tag, attributes):
        found = dict(attributes)
        if tag not in self.EMPTY:
            self.open.append(tag)
        if tag == "tr" and "id" in found:
            self.rows.append(found)
        if tag == "line":
            self.lines.append(found)
        if tag == "a":
            self.links.append(found["href"])

    def handle_endtag(self, tag):
        assert self.open.pop() == tag

    def handle_startendtag(self, tag, attributes):
        if tag == "line":
            self.lines.append(dict(attributes))


@pytest.fixture(scope="module")
def found():
    return studies.verdicts()


def test_every_claim_has_one_line_with_its_address_and_answer(found):
    page = Page(scoreboard.table(found))
    every = {one.claim.id: one for one in scoreboard.judged(found)}
    assert [row["id"] for row in page.rows] == [claim.id for claim in studies.ledger()]
    held = holm(every.values())
    for row in page.rows:
        one = every[row["id"]]
        assert row["data-answer"].replace("-", " ") == one.answer
        assert row["data-paper"] == one.claim.paper
        assert (row["data-holm"] == "yes") == (one.claim.id in held)


def test_the_tally_counts_what_the_table_has(found):
    rows = Page(scoreboard.table(found)).rows
    counts = Counter((row["data-paper"], row["data-answer"]) for row in rows)
    told = re.findall(r'\?paper=(\w+)&amp;answer=([\w-]+)">(\d+)<', scoreboard.tally(found))
    assert {(paper, answer): int(count) for paper, answer, count in told} == counts
    assert len(re.findall('class="answer', scoreboard.tally(found))) == len(ANSWERS)


def x_of(lines, kind=None):
    return [float(line["x1"]) for line in lines if line.get("class") == kind]


def test_the_axis_has_zero_in_the_middle_the_margin_at_one_and_the_claimed_side_right():
    below = Difference(metric="m", arm="a", control="b", direction=-1, margin=0.5)
    shown = verdict(contrast=below, effect=-5.0, low=-50.0, high=0.5)
    lines = Page(scoreboard.table([shown])).lines
    (zero,), (margin,) = x_of(lines, "zero"), x_of(lines, "margin")
    bar = next(line for line in lines if "class" not in line)
    assert zero == scoreboard.WIDTH / 2 < margin
    # Of -50 to 0.5, in margins of 0.5: one margin on the wrong side, and the edge of the axis.
    ends = sorted((float(bar["x1"]), float(bar["x2"])))
    assert ends[0] == pytest.approx(2 * zero - margin, abs=0.2)
    assert ends[1] == pytest.approx(scoreboard.WIDTH - 5, abs=0.2)


def test_an_equivalence_has_two_margins_and_no_worse_has_one_on_the_other_side():
    same = Equivalence(metric="m", arm="a", control="b", margin=0.5)
    lines = Page(scoreboard.table([verdict(contrast=same)])).lines
    left, right = x_of(lines, "margin")
    assert left + right == pytest.approx(scoreboard.WIDTH, abs=0.2)
    no_worse = Difference(metric="m", arm="a", control="b", margin=-0.5)
    (margin,) = x_of(Page(scoreboard.table([verdict(contrast=no_worse)])).lines, "margin")
    assert margin < scoreboard.WIDTH / 2


def test_what_a_record_says_stays_text():
    shown = verdict(verdict="not tested", why="<script>alert(1)</script>", otherwise="reproduced")
    text = scoreboard.table([shown])
    assert "<script" not in text
    assert "it would have been: reproduced" in text


def test_the_best_are_headlines_that_have_the_answer_one_a_chapter(found):
    every = {one.claim.id: one for one in answers(found)}
    for answer in ("holds", "fails"):
        ids = scoreboard.best(found, answer)
        assert len(ids) == 5
        assert {every[name].answer for name in ids} == {answer}
        chapters = {s.name for s in studies.STUDIES.values() if set(ids) & set(s.headlines)}
        assert len(chapters) == 5
    papers = {every[name].claim.paper for name in scoreboard.best(found)}
    assert len(papers) > 1


def test_a_story_has_a_sentence_and_a_link_for_each_claim(found):
    ids = ("optimizers-sgd", "views-filter", "ladder-adam")
    text = scoreboard.story(found, *ids)
    assert Page(text).links == ["optimizers.html", "two_views.html", "ladder.html"]
    assert "At one rate for all parameters, plain SGD ends below Adam." in text


def test_a_story_has_the_interval_and_n_of_each_effect_and_marks_what_is_post_hoc():
    claims = {claim.id: claim for claim in studies.ledger()}
    measured = {"preset": "desk", "task": "mnist mlp", "n": 5, "effect": 1.234, "low": 1.0, "high": 1.5}
    after = Verdict(claim=claims["optimizers-own-rate"], verdict="supported", **measured)
    before = Verdict(claim=claims["optimizers-sgd"], verdict="reproduced", **measured)
    marked, plain = (scoreboard.story([one], one.claim.id) for one in (after, before))
    numbers = "(MNIST (MLP): +1.23 [+1.00, +1.50] percentage points, n = 5)"
    assert f"<em>post hoc</em> <small>{numbers}</small>" in marked
    assert numbers in plain
    assert "post hoc" not in plain
    exact = {"preset": "desk", "task": "mnist mlp", "n": 99, "effect": 0.0, "trajectories": 2}
    counted = Verdict(claim=claims["views-filter"], verdict="reproduced", **exact)
    assert "(MNIST (MLP): 0 of 99 signs that differ (2 trajectories))" in scoreboard.story(
        [counted], "views-filter"
    )


def test_what_runs_decide_is_told_apart_from_what_they_leave_open(found):
    every = {one.claim.id: one for one in scoreboard.judged(found)}
    ids = [name for study in studies.STUDIES.values() for name in study.headlines]
    parts = scoreboard.decided(found, ids)
    assert sorted(parts[True] + parts[False]) == sorted(ids)
    assert {every[name].answer for name in parts[False]} <= {"open", "not tested", "not run"}
    assert not {every[name].answer for name in parts[True]} & {"open", "not tested", "not run"}
    ran = [name for name in parts[False] if every[name].answer != "not run"][:3]
    assert Page(scoreboard.undecided(found, *ran)).links == [f"scoreboard.html#{name}" for name in ran]


def test_words_are_set_as_they_are_meant():
    assert scoreboard._words("`a*b*c` ends *above* 2 * 3 < 7 * 1") == (
        "<code>a*b*c</code> ends <em>above</em> 2 * 3 &lt; 7 * 1"
    )


def test_a_claim_that_ran_at_quick_alone_is_not_counted_as_run():
    first, second = studies.ledger()[:2]
    small = Verdict(claim=first, verdict="supported", preset="quick", task="digits mlp", n=2, p=0.001)
    large = Verdict(claim=second, verdict="supported", preset="desk", task="mnist mlp", n=5, p=0.001)
    answers = {one.claim.id: one for one in scoreboard.judged([small, large])}
    assert (answers[first.id].answer, answers[first.id].p) == ("not run", None)
    assert answers[first.id].verdicts == (small,)
    assert (answers[second.id].answer, answers[second.id].p) == ("holds", 0.001)
    assert "answer=holds" not in scoreboard.tally([small])
    assert "answer=holds" in scoreboard.tally([large])


def test_a_story_names_the_chapters_whose_claims_were_not_run_once_and_at_its_end():
    first, second, other = (
        next(c for c in studies.ledger() if c.id == name)
        for name in ("normalised-gap", "normalised-filter", "ladder-adam")
    )
    found = [Verdict(claim=claim, verdict="not run") for claim in (first, second)]
    found.append(Verdict(claim=other, verdict="supported", preset="desk", task="mnist mlp", n=3))
    # At `quick` alone is as good as not run.
    found[1] = Verdict(claim=second, verdict="supported", preset="quick", task="digits mlp", n=2)
    text = scoreboard.story(found, first.id, other.id, second.id)
    assert Page(text).links == ["ladder.html", "adam_as_filter.html"]
    assert text.endswith('Not run yet: <a href="adam_as_filter.html">Adam as a filter</a>.</li></ul>')
    text = scoreboard.undecided(found, first.id, other.id, second.id)
    assert Page(text).links == ["scoreboard.html#ladder-adam", "adam_as_filter.html"]


def test_the_reach_says_what_runs_have_of_what_the_paper_has():
    scale = {"images": 10_000, "width": 128, "epochs": 1, "steps": 1000}
    text = scoreboard.reach([verdict(scale=scale), verdict(scale={**scale, "steps": 4000})])
    assert "10,000 of 54,000" in text
    assert "128 of 2,048" in text
    assert re.search(r"1,000 to 4,000 of [\d,]+", text)


def test_a_headline_that_was_not_run_says_so():
    (one,) = answers([Verdict(claim=CLAIM, verdict="not run")])
    assert scoreboard.told(one).startswith("Not run yet: ")


def test_the_command_of_a_claim_is_one_that_runs_its_arms(found):
    for one in answers(found):
        command, *arguments = shlex.split(scoreboard._command(one))
        if one.claim in studies.STUDIES["imagenet"].claims:
            if one.claim.paper == "A":
                assert scoreboard._command(one) == "not built"
                continue
            assert command == "torchrun"
            options = command_line._parser().parse_args(arguments[3:])
            assert options.arm == one.claim.contrast.named()[0]
            continue
        assert command == "bnnstudy"
        options = command_line._parser().parse_args(arguments)
        study = studies.STUDIES[options.study]
        if not study.arms:
            continue
        arms = {arm.name for arm in study.arms.get(options.preset, ())}
        if arms:
            assert arms.issuperset(options.arms), one.claim.id
