"""Markdown tables and sentences computed from records, so that no number is typed by hand."""

import dataclasses
import html
import re
import statistics
from collections import Counter
from collections.abc import Iterable, Mapping, Sequence
from typing import Any

from bnnstudy.config import checks
from bnnstudy.config.checks import shown
from bnnstudy.config.fields import PRESETS
from bnnstudy.config.run import RunConfig
from bnnstudy.evidence.answers import ANSWERS, Answer, answers
from bnnstudy.evidence.claims import Claim
from bnnstudy.evidence.curves import Curves
from bnnstudy.evidence.readings import called, concluded
from bnnstudy.evidence.runs import Runs, by_task, task_of
from bnnstudy.evidence.runs import differences as differences_of
from bnnstudy.evidence.statistics import paired_interval
from bnnstudy.evidence.verdicts import NOT_RUN, Verdict, decide_each
from bnnstudy.experiments.study import Arm, Study
from bnnstudy.nn.models import LayerSummary
from bnnstudy.studies import history


def table(head: str | Iterable[str], rows: Iterable[Iterable[object]]) -> str:
    """A Markdown table.

        >>> print(table("Arm | Loss {:.3f}", [("a", 0.12345), ("b", None)]))
        | Arm | Loss |
        | --- | --- |
        | a | 0.123 |
        | b | – |

    Args:
        head: the columns, or a text in which bars part them. In a text a column may end with how its
            numbers are written, as `str.format` has it; there None is "–", and words stay as they are.
        rows: as many cells each as there are columns.

    Raises:
        ValueError: if `head` or `rows` are none, a row has another number of cells, or a cell cannot be
            written as its column says.
    """
    cells = [_cells(row) for row in _rows_of(rows)]
    if isinstance(head, str):
        columns = [column.partition("{") for column in head.split("|")]
        names = [name.strip() for name, _, _ in columns]
        forms = [(brace + form).strip() for _, brace, form in columns]
    else:
        names = checks.each("head", head, str)
        forms = [""] * len(names)
    for row in cells:
        if len(row) != len(names):
            raise ValueError(f"rows must have {len(names)} cells each, as head has, got {shown(row)}")
    lines = [_row(names), "|" + " --- |" * len(names)]
    return "\n".join([*lines, *(_row(map(_written, forms, row)) for row in cells)])


def _rows_of(rows: object) -> list[object]:
    try:
        return list(rows)  # type: ignore[call-overload]
    except Exception as error:  # whatever such a thing raises
        raise ValueError(f"rows must be rows of cells, got {shown(rows)}") from error


def _cells(row: object) -> list[object]:
    """The cells of a row, which is no text: one would be its letters."""
    if isinstance(row, str):
        raise ValueError(f"rows must be rows of cells, got {shown(row)}")
    return _rows_of(row)


def _written(form: str, cell: object) -> str:
    if isinstance(cell, str):
        return cell
    if form and cell is None:
        return "–"
    try:
        return form.format(cell) if form else str(cell)
    except Exception as error:  # whatever such a form, or such a cell, raises
        how = f"that {form!r} of head can write" if form else "that have a text"
        raise ValueError(f"rows must have cells {how}, got {shown(cell)}") from error


def plain(text: object) -> str:
    """A text that a record holds, such as a device's name, as Markdown that says just that.

    >>> print(plain("a_b"))
    a\\_b
    """
    try:
        text = str(text)
    except Exception as error:  # whatever such a thing raises
        raise ValueError(f"text must have one, got {shown(text)}") from error
    return html.escape(re.sub(r"([\\`*_\[\]#!$~])", r"\\\1", text), quote=False)


_NUMBER = checks.Rule(float, "a number")


def rounded(value: float, digits: int = 2) -> str:
    """So many digits that count, written out: 74,000, and not 7.4e+04.

        >>> rounded(74_321)
        '74,000'

    Raises:
        ValueError: naming the argument, its value and what is allowed.
    """
    value, digits = _NUMBER.checked("value", value), checks.DIGITS.checked("digits", digits)
    return f"{float(f'{value:.{digits}g}'):,.10g}"


def percent(share: float, least: float = 0.001, digits: int = 2) -> str:
    """A share in percent, such as "12 %", or "under 0.1 %" where it is below `least`, which counts.

        >>> percent(0.1234), percent(0.0001)
        ('12 %', 'under 0.1 %')

    Raises:
        ValueError: naming the argument, its value and what is allowed.
    """
    share, least = _NUMBER.checked("share", share), _NUMBER.checked("least", least)
    digits = checks.DIGITS.checked("digits", digits)
    return f"{rounded(100 * share, digits)} %" if share >= least else f"under {rounded(100 * least)} %"


def span(values: Iterable[float], form: str = "{}") -> str:
    """From the least value to the largest, such as "3 to 7"; one number where both are written alike.

        >>> span([7, 3, 5]), span([0.51, 0.49], "{:.1f}")
        ('3 to 7', '0.5')

    Args:
        form: how a number is written, as `str.format` has it.

    Raises:
        ValueError: naming the argument, its value and what is allowed.
    """
    found = _rows_of_numbers(values)
    form = checks.NAME.checked("form", form)
    try:
        low, high = form.format(min(found)), form.format(max(found))
    except Exception as error:  # whatever such a form raises
        raise ValueError(f"form must be one that can write a number, got {shown(form)}") from error
    return low if low == high else f"{low} to {high}"


def _rows_of_numbers(values: object) -> list[float]:
    """One number or more, whole ones as they are."""
    try:
        found = list(values)  # type: ignore[call-overload]
    except Exception as error:  # whatever such a thing raises
        raise ValueError(f"values must be numbers, got {shown(values)}") from error
    for value in found:
        _NUMBER.checked("a value of values", value)
    if not found:
        raise ValueError("values must be one or more, got none")
    return found


def interval(values: Sequence[float], digits: int = 2) -> str:
    """A mean over seeds with its 95 % interval, such as "+1.21 [+0.82, +1.60]"; "–" without values.

        >>> interval([1.0, 1.5, 2.0])
        '+1.50 [+0.26, +2.74]'

    Raises:
        ValueError: naming the argument, its value and what is allowed.
    """
    digits = checks.PLACES.checked("digits", digits)
    if not isinstance(values, Sequence):
        raise ValueError(f"values must be numbers, got {shown(values)}")
    if not len(values):
        return "–"
    mean, low, high = paired_interval(list(values))
    bounds = f" [{low:+.{digits}f}, {high:+.{digits}f}]" if len(values) > 1 else ""
    return f"{mean:+.{digits}f}{bounds}"


def gains(
    groups: Mapping[tuple[str, str], Runs],
    contrasts: Mapping[str, tuple[str, str]],
    metric: str = "last.test_accuracy",
    scale: float = 100.0,
) -> str:
    """Paired gains, a row for each preset and task: mean and 95 % interval over seeds.

    Args:
        groups: results by preset and task, as `evidence.by_task` gives them.
        contrasts: by head of a column, (arm, control).
        metric: a path into a result.
        scale: what it is multiplied with; 100 makes points of shares.
    """
    rows = [
        (
            f"{preset}, {task}",
            *(interval(differences_of(runs, *pair, metric, scale)) for pair in contrasts.values()),
        )
        for (preset, task), runs in groups.items()
    ]
    return table(("Run", *contrasts), rows)


FEW = 5
"""Seeds with which no test of signs comes below .05: with five the least is 2/32."""

_RESTS_ON_NORMALITY = (
    f"\n\n<small>With n of {FEW} or less an interval rests on the normal distribution of what is "
    "measured: a test of signs, which needs none, comes to no less than .0625 with five.</small>"
)


def verdicts(study: Study, curves: Curves) -> str:
    """The claims of one study: what is claimed and how it is decided, the paper's number, ours."""
    rows, found = [], list[Verdict]()
    for claim in study.claims:
        ours = decide_each(claim, curves, history.known(claim.id)) or [
            Verdict(claim=claim, verdict="not run")
        ]
        found += ours
        measured = "<br>".join(
            f"**{v.verdict}** ({v.where()}): {v.measured()}{beside(v)}" if v.preset else v.verdict
            for v in ours
        )
        link = f'<a href="scoreboard.html#{claim.id}"><code>{claim.id}</code></a>'
        claimed = f"{source(claim)}{_mark(claim)}<br>{claim.contrast.declared()}<br>{link}"
        rows.append((claimed, claim.paper_value or "–", measured))
    few = any(v.low is not None and v.n is not None and v.n <= FEW for v in found)
    return table(("Claim", "Paper's number", "Ours"), rows) + (_RESTS_ON_NORMALITY if few else "")


def conclusion(study: Study, found: Iterable[Verdict]) -> str:
    """What a study comes to: a sentence for each of its headline claims, with what was measured.

    Args:
        found: the verdicts of its claims.
    """
    every = {one.claim.id: one for one in answers(found)}
    lines = []
    for name, reading in study.headlines.items():
        if sentence := concluded(every[name], reading):
            # What later runs bear out needs no mark.
            post_hoc = any(verdict.post_hoc for verdict in every[name].verdicts)
            mark = _mark(every[name].claim) if post_hoc else ""
            lines.append(f"- {sentence}{mark} {_measurements(every[name])}")
    return "\n".join(lines) or "The runs that this conclusion rests on have not been made yet."


def _measurements(one: Answer) -> str:
    shown = [(called(v.task or ""), v.measured()) for v in one.verdicts if v.effect is not None]
    texts = [f"{task}: {text}" if len(shown) > 1 else text for task, text in shown]
    link = f'<a href="scoreboard.html#{one.claim.id}">evidence</a>'
    return f"<small>({'; '.join([*texts, link])})</small>"


def second_look(found: Iterable[Verdict]) -> str:
    """What did not hold of the papers' claims: whether it stands at second-best rates, with a control.

    Args:
        found: all verdicts, those on claims that add a control among them.
    """
    found = list(found)
    there = {(v.claim.id, v.preset, v.task): v for v in found}
    rows = []
    for verdict in found:
        if verdict.verdict != "not reproduced":
            continue
        claim = verdict.claim
        stands = "stands" if verdict.runners_up else "no second rate was run"
        text = f"{claim.text} ({claim.source}; {claim.id}){_mark(claim)}"
        asked = there.get((claim.with_control, verdict.preset, verdict.task))
        control = f"{asked.claim.text} {asked.verdict}: {asked.measured()}" if asked else "–"
        rows.append((text, verdict.where(), verdict.measured(), verdict.turns or stands, control))
    rates = "At the second-best rate of each arm in turn"
    return table(("Claim", "Where", "Effect", rates, "With the control that it lacks"), rows)


def _mark(claim: Claim) -> str:
    return " *Post hoc.*" if history.is_post_hoc(claim.id) else ""


def beside(verdict: Verdict) -> str:
    """Why a claim was not tested, and what it would have been; what turns the verdict; who judges."""
    why = f"{verdict.why} (it would have been: {verdict.otherwise})" if verdict.why else ""
    post_hoc = "judged by the runs that may have suggested it" if verdict.post_hoc else ""
    return "".join(f"; {text}" for text in (why, verdict.turns, post_hoc) if text)


_PLURAL = {
    "holds": "hold",
    "holds in some": "hold in some",
    "fails": "fail",
    "fails in some": "fail in some",
}
"""Answers that are verbs, of several claims."""


def tally_sentence(found: Iterable[Verdict]) -> str:
    """How many claims there are, how many were run, and what came out, in a sentence or two."""
    every = answers(found)
    counts = Counter(one.answer for one in every if one.beyond_quick)
    run, at_quick = counts.total(), sum(not one.beyond_quick and one.answer != NOT_RUN for one in every)
    told = ", ".join(f"{n} {_PLURAL.get(w, w) if n > 1 else w}" for w in ANSWERS if (n := counts[w]))
    said = f"Of {len(every)} claims {run} were run: {told or 'none yet'}."
    more = f" {at_quick} more ran at the smallest preset alone, which decides nothing."
    return said + more if at_quick else said


def provenance(records: Iterable[Mapping[str, Any]]) -> str:
    """Where runs come from: one row for each study, preset, device and version of torch."""
    groups: dict[tuple[Any, ...], list[Mapping[str, Any]]] = {}
    for record in records:
        versions = record["provenance"]["versions"]
        key = (record["study"], record["preset"], record["provenance"]["device"], versions["torch"])
        groups.setdefault(key, []).append(record)
    rows = []
    for (study, preset, device, torch), runs in sorted(
        groups.items(), key=lambda item: (item[0][0], PRESETS.index(item[0][1]))
    ):
        data = ", ".join(sorted({RunConfig.from_dict(r["config"]).dataset for r in runs}))
        seeds = len({r["config"]["seed"] for r in runs})
        minutes = sum(r["provenance"]["seconds"] for r in runs) / 60
        commits = ", ".join(sorted({(r["provenance"]["commit"] or "none")[:8] for r in runs}))
        if preset == "quick":
            commits = "this build"
        origin = (plain(device), plain(torch), plain(commits))
        rows.append((study, preset, data, len(runs), seeds, f"{minutes:.1f}", *origin))
    head = ("Study", "Preset", "Data", "Runs", "Seeds", "Minutes", "Device", "torch", "Commit")
    return table(head, rows)


def caption(records: Iterable[Mapping[str, Any]]) -> str:
    """One line for a figure: for each preset and task the size of data and network, n and device."""
    parts = []
    groups: dict[tuple[str, str], list[Mapping[str, Any]]] = {}
    for record in records:
        groups.setdefault((record["preset"], task_of(record["config"])), []).append(record)
    for (preset, task), runs in sorted(groups.items(), key=lambda item: PRESETS.index(item[0][0])):
        configs = [RunConfig.from_dict(run["config"]) for run in runs]
        devices = ", ".join(sorted({plain(run["provenance"]["device"]) for run in runs}))
        seeds = sorted(set(Counter(run["arm"] for run in runs).values()))
        n = f"{seeds[0]}" if len(seeds) == 1 else f"{seeds[0]} to {seeds[-1]}"
        n += " seed" if n == "1" else " seeds"
        sizes = {(c.train_size, c.width, c.epochs) for c in configs}
        size = "; ".join(
            f"{images or 'all'} training images, width {width}, {epochs} epochs"
            for images, width, epochs in sorted(sizes)
        )
        parts.append(f"{preset}: {task}, {size}, n = {n}, {devices}")
    return "; ".join(parts) or "nothing recorded"


def accuracies(records: Iterable[Mapping[str, Any]]) -> str:
    """Test accuracy of each arm, best validation epoch and last: mean and sd over seeds."""
    rows = []
    for (preset, task), runs in by_task(records).items():
        for arm, by_seed in runs.items():
            pairs = [(r["test_accuracy"], r["last"]["test_accuracy"]) for r in by_seed.values()
                     if "last" in r]  # fmt: skip
            found = [pair for pair in pairs if None not in pair]
            if found:
                cells = (
                    _mean_and_sd([100 * value for value in each]) for each in zip(*found, strict=True)
                )
                rows.append((f"{preset}, {task}", arm, *cells, len(found)))
    return table(("Runs", "Arm", "Best epoch, %", "Last epoch, %", "Seeds"), rows)


def shadows(records: Iterable[Mapping[str, Any]], preset: str) -> str:
    """Signs that differ from latent SGD's: a row for each shadow, a column for each arm."""
    runs = [r for r in records if r["preset"] == preset and "shadows" in r["result"]]
    arms = list(dict.fromkeys(run["arm"] for run in runs))
    names = list(dict.fromkeys(name for run in runs for name in run["result"]["shadows"]))
    rows = []
    for name in names:
        cells = []
        for arm in arms:
            found = [r["result"]["shadows"][name] for r in runs if r["arm"] == arm]
            differing = sum(counts["differing"] for counts in found)
            first = min((c["first_step"] for c in found if c["first_step"]), default=None)
            cells.append(f"{differing:,}" + (f" (from step {first})" if first else ""))
        rows.append((f"`{name}`", *cells))
    compared = {
        arm: sum(r["result"]["shadows"][names[0]]["compared"] for r in runs if r["arm"] == arm)
        for arm in arms
    }
    return table(("Shadow", *(f"{arm}, of {compared[arm]:,}" for arm in arms)), rows)


def arms_in(study: Study, records: Iterable[Mapping[str, Any]]) -> list[str]:
    """Names of the arms that have records, in the order in which the study lists them."""
    names = [arm.name for preset in reversed(list(study.arms)) for arm in study.arms[preset]]
    there = {record["arm"] for record in records}
    return [name for name in dict.fromkeys(names) if name in there]


def differences(arms: Iterable[Arm], baseline: RunConfig) -> str:
    """Each arm as what it changes of a baseline; one that trains twice, also what changes then."""
    checks.instance("baseline", baseline, RunConfig)
    rows, arms = [], checks.each("arms", arms, Arm)
    fields = {arm.name: arm.tuned.field for arm in arms if arm.tuned}
    for arm in arms:
        changed = {n: v for n, v in arm.config.differences(baseline).items() if n != "seed"}
        if arm.tuned:
            grid = ", ".join(f"{value:.3g}" for value in arm.tuned.grid)
            changed[arm.tuned.field] = f"tuned from {grid}"
        if arm.follows in fields:
            changed[fields[arm.follows]] = f"that of {arm.follows}"
        if "stages" in changed:
            changed["stages"] = _stages(arm.config)
        rows.append((arm.name, (_named(changed) or "baseline") + _second(arm.options)))
    return table(("Arm", "Differs in"), rows)


def searches(study: Study) -> str:
    """What each search of a study may choose, by which sampler, in how many trials at each preset.

    Arms that search nothing are left out. Ranges are those of the largest preset.
    """
    checks.instance("study", study, Study)
    found: dict[str, dict[str, dict[str, Any]]] = {}
    for preset, arms in study.arms.items():
        for arm in arms:
            if "space" in arm.options:
                found.setdefault(arm.name, {})[preset] = arm.options
    rows = []
    for name, presets in found.items():
        largest = list(presets.values())[-1]
        space = ", ".join(f"`{field}` {_range(allowed)}" for field, allowed in largest["space"].items())
        sampler = {"gp": "Gaussian process"}.get(largest["sampler"], largest["sampler"])
        trials = ", ".join(f"{options['trials']} at {preset}" for preset, options in presets.items())
        rows.append((name, len(largest["space"]), space, sampler, trials))
    return table("Search | Searched | Ranges | Sampler | Trials", rows)


def _range(allowed: Sequence[Any]) -> str:
    if allowed[0] == "one of":
        return " or ".join(map(str, allowed[1:]))
    low, high = allowed
    return f"{low:g} to {high:g}"


def _named(fields: Mapping[str, object]) -> str:
    return ", ".join(f"`{name}` = {value}" for name, value in fields.items())


def _second(options: Mapping[str, Any]) -> str:
    """What a second training differs in, of an arm that compares two (`experiments.paired`)."""
    parts = [_named(dict(sorted(options.get("changes", {}).items())))]
    parts += [f"`seed` + {options['seeds_apart']}"] if options.get("seeds_apart") else []
    named = ", ".join(filter(None, parts))
    return f"; a second time with {named}" if named else ""


def settings(config: RunConfig) -> str:
    """All fields of a configuration, one a row; the seed is left out."""
    checks.instance("config", config, RunConfig)
    fields = {f.name: getattr(config, f.name) for f in dataclasses.fields(config) if f.name != "seed"}
    return table(("Field", "Value"), ((f"`{name}`", f"`{value!r}`") for name, value in fields.items()))


def tuned(curves: Curves) -> str:
    """Rates as curves: what was tried, what came near the best, and which value judges each seed."""
    rows = []
    fields = set()
    for (preset, task), arms in curves.items():
        for curve in (curve for curve in arms.values() if curve.field and not curve.leader):
            fields.add(curve.field)
            tried = [value for value in curve.runs if value is not None]
            near = ", ".join(f"{value:.3g}" for value in curve.near)
            counts = Counter(curve.chosen(curve.seeds))
            chosen = ", ".join(f"{value:.3g} ({count})" for value, count in counts.most_common())
            edge = "curve to come" if curve.partial else "yes" if curve.at_edge else "no"
            shown = (span(tried, "{:.3g}"), near, chosen, edge)
            rows.append((f"{preset}, {task}", curve.arm, *shown))
    what = "Rates" if fields <= {"lr"} else "Values"
    head = ("Run", "Arm", f"{what} tried", "Near the best", "Judged at (seeds)", "Best at an edge")
    return table(head, rows)


def layers(rows: Iterable[LayerSummary]) -> str:
    """A model's summary: bits, multiply-accumulates by precision, memory, with the totals."""
    rows = checks.each("rows", rows, LayerSummary)
    numbers = ("binary_weights", "real_weights", "binary_macs", "mixed_macs", "real_macs", "memory")
    body = [(r.name, r.kind, *(f"{getattr(r, n):,.0f}" for n in numbers)) for r in rows]
    totals = (f"**{sum(getattr(r, n) for r in rows):,.0f}**" for n in numbers)
    head = ("Layer", "Kind", "1-bit weights", "32-bit weights", "1x1-bit MACs", "1x32-bit MACs",
            "32x32-bit MACs", "Bytes")  # fmt: skip
    return table(head, [*body, ("**all**", "", *totals)])


def _stages(config: RunConfig) -> str:
    parts = [
        f"{stage.epochs} epochs"
        + "".join(f", {name} {value}" for name, value in stage.changes)
        + (f", rate x {stage.rate:.3g}" if stage.rate != 1 else "")
        for stage in config.stages
    ]
    return f"({'; then '.join(parts)})" if parts else "none"


def _mean_and_sd(values: list[float]) -> str:
    if len(values) < 2:
        return f"{values[0]:.2f}"
    return f"{statistics.fmean(values):.2f} ± {statistics.stdev(values):.2f}"


def source(claim: Claim) -> str:
    """A claim in its words, with where it comes from."""
    checks.instance("claim", claim, Claim)
    where = "ours" if claim.paper == "ours" else f"paper {claim.paper}"
    return f"{claim.text} ({where}, {claim.source})"


def _row(cells: Iterable[object]) -> str:
    return "| " + " | ".join(str(cell).replace("|", "\\|") for cell in cells) + " |"
