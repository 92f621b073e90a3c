"""The scoreboard: one line a claim, its answer, where it was tested, and the effect on a common axis.

HTML, as Markdown has neither anchors in tables nor pictures in lines. It is a table without JavaScript;
`scoreboard.js` of the book adds filters and sorting.
"""

import dataclasses
import html
import itertools
import math
import re
import shlex
from collections import Counter
from collections.abc import Container, Iterable
from typing import Any

from bnnstudy.config import checks
from bnnstudy.data import sizes_of
from bnnstudy.data.datasets import COMMAND, FOLDERS
from bnnstudy.evidence.answers import ANSWERS, HOLDS, OPEN, STATES, Answer, answers, holm
from bnnstudy.evidence.claims import Directed, Equivalence, Exact
from bnnstudy.evidence.readings import called, concluded
from bnnstudy.evidence.verdicts import NOT_RUN, NOT_TESTED, Verdict
from bnnstudy.experiments.study import Study
from bnnstudy.report.tables import beside
from bnnstudy.studies import history
from bnnstudy.studies.ledger import STUDIES, paper_scale

PAPERS = {"A": "paper A", "B": "paper B", "ours": "ours"}

SMALLEST = {"percentage points": 0.2}
"""By unit what counts as 1 on the axis where a claim has no margin; 0.1 for all others (decades)."""

EDGE = 100.0
"""How many times the smallest effect that matters the axis reaches to."""

TOGETHER = "stands when all claims are judged together (Holm 1979)"

WIDTH, ROW = 150, 14
"""Pixels of an axis, and of a verdict on it."""


def table(found: Iterable[Verdict]) -> str:
    """All claims as a table, a line each, in the order of the ledger.

    Args:
        found: the verdicts of all claims, which are judged together.
    """
    every = judged(found)
    held = holm(every)
    rows = "".join(_row(one, one.claim.id in held) for one in every)
    head = "".join(f'<th scope="col">{name}</th>' for name in ("Claim", "Answer", "Effect"))
    caption = "Every claim, its answer, where it was tested, and what was measured"
    return (
        f'<table class="scoreboard" id="claims"><caption>{caption}</caption>'
        f"<thead><tr>{head}</tr></thead><tbody>{rows}</tbody></table>"
    )


def lines(found: Iterable[Verdict], ids: Iterable[str]) -> str:
    """Claims as a list: words and answer, a forest plot with its numbers, a link to the scoreboard."""
    items = []
    for one in _asked(found, ids):
        numbers = "<br>".join(_measured(one))
        link = f'<a href="scoreboard.html#{one.claim.id}">evidence</a>'
        items.append(
            f"<li>{_chip(one.answer)} {_words(one.claim.text)}{_mark(one)} {link}"
            f'<span class="measured">{_forest(one)}<small>{numbers}</small></span></li>'
        )
    return f'<ul class="findings">{"".join(items)}</ul>'


def judged(found: Iterable[Verdict]) -> list[Answer]:
    """Answers as this book counts them: of a claim that ran at `quick` alone, that it was not run.

    Such runs show that code works. Their verdicts stay with the claim, to be looked at.
    """
    none: dict[str, Any] = {"answer": NOT_RUN, "p": None}
    return [one if one.beyond_quick else dataclasses.replace(one, **none) for one in answers(found)]


def story(found: Iterable[Verdict], *ids: str) -> str:
    """Headline claims as a list: a sentence each, its numbers, and a link to its chapter.

    Those that were not run, or at `quick` alone, are no story: their chapters are named at the end.
    """
    asked = _asked(found, ids)
    said: list[str] = []
    for one in asked:
        if one.answer == NOT_RUN:
            continue
        numbers = f" <small>({'; '.join(shown)})</small>" if (shown := _measured(one)) else ""
        said.append(f"{told(one)}{_mark(one)}{numbers} {_chapter(one)}.")
    said += _waiting(asked)
    return f'<ul class="story">{"".join(f"<li>{each}</li>" for each in said)}</ul>'


def undecided(found: Iterable[Verdict], *ids: str) -> str:
    """Headline claims as a paragraph: a sentence each, with a link to its evidence; else as `story`."""
    asked = _asked(found, ids)
    said = [
        f'{told(one)} <a href="scoreboard.html#{one.claim.id}">Evidence</a>.'
        for one in asked
        if one.answer != NOT_RUN
    ]
    return f"<p>{' '.join(said + _waiting(asked))}</p>"


def _waiting(asked: Iterable[Answer]) -> list[str]:
    """A sentence that names the chapters of claims that were not run, if there are any."""
    links = dict.fromkeys(_chapter(one) for one in asked if one.answer == NOT_RUN)
    return [f"Not run yet: {', '.join(links)}."] if links else []


def _chapter(one: Answer) -> str:
    """A link to a claim's chapter; a title that asks does not where it stands in a sentence."""
    study = _study(one)
    return f'<a href="{study.name}.html">{study.title.removesuffix("?")}</a>'


def decided(found: Iterable[Verdict], ids: Iterable[str]) -> dict[bool, list[str]]:
    """Ids of claims, by whether runs decide them anywhere: the rest is open, not tested or not run."""
    parts: dict[bool, list[str]] = {True: [], False: []}
    for one in _asked(found, ids):
        parts[one.answer not in (OPEN, NOT_TESTED, NOT_RUN)].append(one.claim.id)
    return parts


def _asked(found: Iterable[Verdict], ids: Iterable[str]) -> list[Answer]:
    by_id = {one.claim.id: one for one in judged(found)}
    return [
        by_id[checks.one_of("a value of ids", name, by_id)] for name in checks.each("ids", ids, str)
    ]


def _mark(one: Answer) -> str:
    return " <em>post hoc</em>" if history.is_post_hoc(one.claim.id) else ""


def _measured(one: Answer) -> list[str]:
    """What each verdict measured, with its data set and network, as HTML."""
    shown = [v for v in one.verdicts if v.effect is not None]
    return [html.escape(f"{called(v.task or '')}: {v.measured()}") for v in shown]


def told(one: Answer) -> str:
    """What a headline claim comes to, in words; that it was not run, if so."""
    reading = _study(one).headlines[one.claim.id]
    return _words(concluded(one, reading) or f"Not run yet: {one.claim.text}")


def best(found: Iterable[Verdict], answer: str = HOLDS, number: int = 5) -> list[str]:
    """Ids of the headline claims that have an answer most firmly: one a chapter, both papers in turn.

    Those first that are exact or stand when all claims are judged together, then those that were tested
    on most data sets and networks, then by the size of the effect in multiples of what matters. Runs at
    `quick` alone count for nothing here.
    """
    answer, number = checks.one_of("answer", answer, ANSWERS), checks.COUNT.checked("number", number)
    every = judged(found)
    held = holm(every)
    by_id = {one.claim.id: one for one in every}
    by_paper: dict[str, list[tuple[bool, int, float, str]]] = {}
    for study in STUDIES.values():
        own = [
            (_is_firm(one, held), _tested(one), abs(_strength(one)), name)
            for name in study.headlines
            if (one := by_id.get(name)) and one.answer == answer
        ]
        paper = min(claim.paper for claim in study.claims)
        by_paper.setdefault(paper, []).extend([max(own)] if own else [])
    ranked = [sorted(rows, reverse=True) for _, rows in sorted(by_paper.items())]
    in_turn = itertools.chain.from_iterable(itertools.zip_longest(*ranked))
    return [row[-1] for row in in_turn if row][:number]


def _is_firm(one: Answer, held: Container[str]) -> bool:
    return one.claim.id in held or isinstance(one.claim.contrast, Exact)


def _tested(one: Answer) -> int:
    return sum(verdict.verdict in STATES for verdict in one.verdicts)


def reach(found: Iterable[Verdict]) -> str:
    """How far the runs reach: by data set and network their sizes beside the paper's, a table."""
    sizes: dict[str, dict[str, list[tuple[float, float]]]] = {}
    for verdict in checks.each("found", found, Verdict):
        task = verdict.task
        if not task or not verdict.scale:
            continue
        paper = paper_scale(verdict.claim, task)
        ours = {**verdict.scale, "images": verdict.scale["images"] or sizes_of(task.split()[0])[0]}
        for name in ("images", "width", "steps"):
            if name in ours and paper and paper["dataset"] == task.split()[0]:
                pair = float(ours[name]), float(paper[name])
                sizes.setdefault(task, {}).setdefault(name, []).append(pair)
    rows = []
    for task, by_name in sizes.items():
        cells = [
            f"<td>{_span(ours for ours, _ in pairs)} of {_span(paper for _, paper in pairs)}</td>"
            if (pairs := by_name.get(name))
            else "<td>–</td>"
            for name in ("images", "width", "steps")
        ]
        rows.append(f'<tr><th scope="row">{html.escape(called(task))}</th>{"".join(cells)}</tr>')
    names = ("Data and network", "Training images", "Width", "Steps of a run")
    head = "".join(f'<th scope="col">{name}</th>' for name in names)
    return (
        '<table class="tally"><caption>The runs of this book, of the papers\' own</caption>'
        f"<thead><tr>{head}</tr></thead><tbody>{''.join(rows)}</tbody></table>"
    )


def _span(values: Iterable[float]) -> str:
    found = sorted(set(values))
    ends = found[:1] if len(found) == 1 else [found[0], found[-1]]
    return " to ".join(f"{value:,.0f}" for value in ends)


def tally(found: Iterable[Verdict]) -> str:
    """How many claims of each paper got which answer: links that filter the table."""
    every = judged(found)
    counts = Counter((one.claim.paper, one.answer) for one in every)
    head = "".join(f'<th scope="col">{name}</th>' for name in ("Answer", *PAPERS.values()))
    rows = []
    for word in ANSWERS:
        cells = "".join(
            f'<td><a href="?paper={paper}&amp;answer={_slug(word)}">{counts[paper, word]}</a></td>'
            if counts[paper, word]
            else "<td>–</td>"
            for paper in PAPERS
        )
        rows.append(f'<tr><th scope="row">{_chip(word)}</th>{cells}</tr>')
    return (
        '<table class="tally"><caption>Claims by answer</caption>'
        f"<thead><tr>{head}</tr></thead><tbody>{''.join(rows)}</tbody></table>"
    )


def _row(one: Answer, held: bool) -> str:
    claim = one.claim
    fields = {
        "id": claim.id,
        "data-paper": claim.paper,
        "data-answer": _slug(one.answer),
        "data-holm": "yes" if held else "no",
        "data-effect": f"{_strength(one):.4g}",
    }
    attributes = " ".join(f'{name}="{html.escape(value)}"' for name, value in fields.items())
    star = f' <abbr title="{TOGETHER}">*</abbr>' if held else ""
    cells = (
        ("Claim", f"{_words(claim.text)}{_mark(one)}{_details(one)}"),
        ("Answer", f"{_chip(one.answer)}{star}<br>{_where(one)}"),
        ("Effect", _forest(one)),
    )
    row = "".join(f'<td data-label="{label}">{cell}</td>' for label, cell in cells)
    return f"<tr {attributes}>{row}</tr>"


def _details(one: Answer) -> str:
    """What is folded: how the claim is decided, the paper's number, every verdict in words."""
    claim = one.claim
    of = f"{PAPERS[claim.paper]}, " if claim.paper != "ours" else ""
    link = f'<a href="#{claim.id}" title="permanent address">{claim.id}</a>'
    parts = [f"<dt>Source</dt><dd>{html.escape(of + claim.source)}; {link}</dd>"]
    parts.append(f"<dt>Decided by</dt><dd>{_words(claim.contrast.declared())}</dd>")
    if claim.paper_value:
        parts.append(f"<dt>Paper's number</dt><dd>{_words(claim.paper_value)}</dd>")
    for verdict in one.verdicts:
        if verdict.preset:
            said = f"{verdict.verdict}, {verdict.measured()}{beside(verdict)}"
            parts.append(f"<dt>{html.escape(verdict.where())}</dt><dd>{_words(said)}</dd>")
    study = _study(one)
    command = html.escape(_command(one))
    parts.append(f"<dt>Run it</dt><dd><code>{command}</code></dd>")
    parts.append(f'<dt>Chapter</dt><dd><a href="{study.name}.html">{study.title}</a></dd>')
    return f"<details><summary>How</summary><dl>{''.join(parts)}</dl></details>"


def _command(one: Answer) -> str:
    """What runs the arms of a claim, at the largest preset that has them recorded, else at `desk`."""
    study = _study(one)
    preset = next((v.preset for v in reversed(one.verdicts) if v.preset), "desk")
    known = {arm.name for arms in study.arms.values() for arm in arms}
    named = one.claim.contrast.named()
    arms = dict.fromkeys(name if name in known else name.rpartition(", ")[0] for name in named)
    if arms and study.name in FOLDERS:
        (arm, *_) = arms
        if arm not in known:
            return "not built"
        return f"{COMMAND} --arm {shlex.quote(arm)}"
    quoted = " ".join(f"--arms {shlex.quote(name)}" for name in arms)
    return f"bnnstudy run {study.name} --preset {preset} {quoted}"


def _study(one: Answer) -> Study:
    by_claim = {claim.id: study for study in STUDIES.values() for claim in study.claims}
    return by_claim[one.claim.id]


def _where(one: Answer) -> str:
    """A chip for each data set and network, coloured by its verdict."""
    chips = [
        f'<span class="where {_state(verdict)}" title="{html.escape(verdict.where())}">'
        f"{_sign(verdict)} {html.escape(called(verdict.task))}</span>"
        for verdict in one.verdicts
        if verdict.task
    ]
    return " ".join(chips) or "–"


def _forest(one: Answer) -> str:
    """Effects and intervals of a claim's verdicts; right is the claimed side, dashes are the margin."""
    shown = [
        v for v in one.verdicts if v.effect is not None and not isinstance(one.claim.contrast, Exact)
    ]
    if not shown:
        return _counted(one)
    contrast = one.claim.contrast
    unit, height = _unit(one), ROW * len(shown) + 4
    margin = getattr(contrast, "margin", 0.0)
    edges = (-1, 1) if isinstance(contrast, Equivalence) else (math.copysign(1, margin),)
    marks = "".join(_vertical(edge, height, "margin") for edge in edges if margin)
    bars = "".join(_bar(v, unit, ROW * k + ROW / 2 + 2) for k, v in enumerate(shown))
    said = "; ".join(f"{called(v.task or '')}: {v.measured()}" for v in shown)
    return (
        f'<svg class="forest" viewBox="0 0 {WIDTH} {height}" width="{WIDTH}" height="{height}" '
        'role="img" '
        f'aria-label="{html.escape(said)}"><title>{html.escape(said)}</title>'
        f"{_vertical(0, height, 'zero')}{marks}{bars}</svg>"
    )


def _bar(verdict: Verdict, unit: float, y: float) -> str:
    assert verdict.effect is not None
    low = verdict.effect if verdict.low is None else verdict.low
    high = verdict.effect if verdict.high is None else verdict.high
    (start, middle, end) = (_x(value / unit) for value in (low, verdict.effect, high))
    return (
        f'<g class="{_state(verdict)}"><line x1="{start:.1f}" x2="{end:.1f}" y1="{y}" y2="{y}"/>'
        f'<circle cx="{middle:.1f}" cy="{y}" r="3"/></g>'
    )


def _vertical(value: float, height: float, kind: str) -> str:
    x = _x(value)
    return f'<line class="{kind}" x1="{x:.1f}" x2="{x:.1f}" y1="0" y2="{height}"/>'


def _x(value: float) -> float:
    """Where a multiple of the smallest effect that matters stands: 0 in the middle, far out a log."""
    share = math.asinh(max(-EDGE, min(EDGE, value))) / math.asinh(EDGE)
    return WIDTH / 2 + share * (WIDTH / 2 - 5)


def _unit(one: Answer) -> float:
    """What is 1 on the axis, in the contrast's unit; negative where the claim is of a lower value."""
    contrast = one.claim.contrast
    size = abs(getattr(contrast, "margin", 0.0)) or SMALLEST.get(contrast.unit, 0.1)
    return size * (contrast.direction if isinstance(contrast, Directed) else 1)


def _strength(one: Answer) -> float:
    """The largest effect of a claim in multiples of what matters, on the claimed side; for sorting."""
    found = [v.effect / _unit(one) for v in one.verdicts if v.effect is not None]
    return max(found, key=abs, default=0.0) if not isinstance(one.claim.contrast, Exact) else 0.0


def _counted(one: Answer) -> str:
    said = [v.measured() for v in one.verdicts if v.effect is not None]
    return "<br>".join(map(html.escape, said)) or "–"


def _chip(answer: str) -> str:
    return f'<span class="answer {_slug(answer)}">{ANSWERS[answer]} {answer}</span>'


def _sign(verdict: Verdict) -> str:
    return {"holds": "✓", "fails": "✗", "open": "?", "untested": "○"}[_state(verdict)]


def _state(verdict: Verdict) -> str:
    if verdict.verdict not in STATES:
        return "untested"
    return {True: "holds", False: "fails", None: "open"}[STATES[verdict.verdict]]


def _slug(word: str) -> str:
    return word.replace(" ", "-")


def _words(text: str) -> str:
    """A text as HTML, what stands between backquotes as code, between asterisks emphasised."""
    coded = re.sub(r"`([^`]+)`", r"<code>\1</code>", html.escape(text, quote=False))
    return re.sub(r"(?<!\w)\*(\w[^*]*)\*(?!\w)", r"<em>\1</em>", coded)
