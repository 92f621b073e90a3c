"""What runs came to and how it is shown, given arguments of every wrong kind."""

import datetime
import functools
from collections.abc import Callable, Mapping
from typing import Any

from bnnstudy import evidence, experiments, studies, theory
from bnnstudy.config import schedule_factor
from bnnstudy.config.run import RunConfig
from bnnstudy.config.stage import Stage
from bnnstudy.evidence import Answer, Claim, Curve, Exact, Reading, RecordError, Verdict
from bnnstudy.evidence.forecasts import Forecast, Interval, Measured
from bnnstudy.experiments.markers import Owner
from bnnstudy.experiments.study import Arm, Study
from bnnstudy.nn.models import LayerSummary
from bnnstudy.report import (
    Chapter,
    cost,
    explorables,
    figures,
    ladder,
    plotting,
    predict,
    scoreboard,
    status,
    tables,
)  # fmt: skip
from bnnstudy.studies import STUDIES
from bnnstudy.studies.ladder import RUNGS
from bnnstudy.theory import Design, designs
from fuzzing.calls import of_call
from fuzzing.engine import Target
from fuzzing.loaders import folder

STUDY = STUDIES["binary_layers"]
CLAIM = Claim(id="x", paper="A", source="Table 1", text="Text.", contrast=Exact(arm="adam"))
VERDICT = Verdict(claim=STUDY.claims[1], verdict="supported", preset="desk", task="mnist mlp", n=8,
                  effect=1.2, low=0.8, high=1.6)  # fmt: skip
ANSWER = Answer(claim=VERDICT.claim, answer="holds", verdicts=(VERDICT,), p=0.01)
EMPTY = Study(name="toy", title="A toy", claims=(), arms={"quick": ()})
RESULT: dict[str, Any] = {
    "test_accuracy": 0.5, "curves": {"train_loss": [0.5, 0.25, 0.2]},
    "flip_ratio": {"steps": [1, 10], "all": [0.5, 0.25]},
}  # fmt: skip
RUNS = {arm: {0: RESULT, 1: RESULT} for arm in ("adam", "sgd")}
RARE: dict[str, Any] = {"share": 0.02}
SOME: dict[str, Any] = {"share": 0.3}


def _of_results() -> list[Target]:
    runs = {rate: {seed: {"result": {"validation_accuracy": share}} for seed in range(3)}
            for rate, share in ((0.01, 0.8), (0.1, 0.9))}  # fmt: skip
    curve = {"arm": "adam", "runs": runs, "field": "lr", "leader": None, "part": ""}
    answer = {"claim": CLAIM, "answer": "holds", "verdicts": (VERDICT,), "p": 0.01}
    paths = {"arm": "adam", "metric": "test_accuracy", "scale": 100.0}
    on_runs: Callable[[Any], Any] = lambda made: functools.partial(made, RUNS)  # noqa: E731
    both = {**paths, "control": "sgd", "log": True}
    return [
        of_call("Answer", Answer, answer, use=lambda a: (a.beyond_quick, a.where())),
        of_call("Transfer", evidence.Transfer, {"rank": 0.5, "error": 1.0, "spread": 2.0}, use=hash),
        of_call("Curve", Curve, curve, use=lambda c: (c.of, c.chooser)),
        of_call("decide", evidence.decide, {"claim": CLAIM, "curves": {}}, **SOME),
        of_call("decide_each", evidence.decide_each, {"claim": CLAIM, "curves": {}}, **SOME),
        of_call("answers", evidence.answers, {"verdicts": [VERDICT]}, **SOME),
        of_call("holm", evidence.holm, {"found": [ANSWER]}, **SOME),
        of_call("concluded", evidence.concluded, {
            "answer": ANSWER, "reading": Reading(holds="Yes.", fails="No.")}, **SOME),
        of_call("merge", evidence.merge, {"sources": [folder()], "results": folder()},
                names=("DIR",), **SOME),
        of_call("task_of", evidence.task_of, {"config": {"dataset": "mnist", "model": "mlp"}}),
        of_call("read", functools.partial(evidence.read, RESULT), {
            "metric": "curves.train_loss.-1"}, **SOME),
        of_call("values", on_runs(evidence.values), paths),
        of_call("mean", on_runs(evidence.mean), paths),
        of_call("evidence.differences", on_runs(evidence.differences), both),
        of_call("evidence.steps_of", evidence.steps_of, {
            "result": RESULT, "stages": (Stage(epochs=1), Stage(epochs=2))}),
    ]  # fmt: skip


def _of_theory() -> list[Target]:
    recipe = theory.Recipe(lr=0.1, weight_decay=1e-4)
    conversion = {"recipe": recipe, "alpha": 0.1, "gamma": 0.5, "literal": (0.1, 0.2), "limit": 0.1}
    row = (0.1, 0.2, 0.0, 1.0, -0.5, 0.01)
    of_rows = {"sections": (row, row), "taps": ()}
    made = Design(taps=(0.5, 0.5))
    schedule = {"name": "cosine", "step": 3, "steps": 10, "drops": (0.5,), "floor": 0.1}
    alone = ("crossover", "noise_gain", "delay", "flip_rate")
    families = {"average": {"order": 2}, "butterworth": {"order": 2}, "bessel": {"order": 2},
                "notch": {}, "boxcar": {}, "hann": {}}  # fmt: skip
    return [
        of_call("schedule_factor", schedule_factor, schedule),
        of_call("Conversion", theory.Conversion, conversion, use=lambda c: (c.lines(), c.memories)),
        of_call("conversion_of", theory.conversion_of, {"recipe": recipe}, **SOME),
        of_call("rates_of", theory.rates_of, {"config": RunConfig(
            view="filter", optimizer="filter", real_optimizer="adam")}, names=("optimizer",), **SOME),
        of_call("Design", Design, of_rows, {"sections": (), "taps": (0.5, 0.5)}, use=hash),
        *(of_call(f"designs.{name}", getattr(designs, name), {"design": made}, **SOME)
          for name in alone),
        *(of_call(f"designs.{name}", getattr(designs, name), {"stretch": 2.0, **more}, use=hash,
                  **SOME) for name, more in families.items()),
        of_call("designs.settling_time", designs.settling_time, {"design": made, "share": 0.02},
                **SOME),
        of_call("impulse_response", designs.impulse_response, {"design": made, "steps": 10}, **SOME),
        of_call("filtered", designs.filtered, {"design": made, "inputs": (0.1, -0.2)}),
        of_call("designs.response", designs.response, {"design": made, "frequencies": (0.0, 0.5)}),
        of_call("increments", designs.increments, {"row": row}),
    ]  # fmt: skip


def _of_studies() -> list[Target]:
    on_empty = {"study": EMPTY, "preset": "quick", "results": folder()}
    sweep = {"study": EMPTY, "preset": "quick", "seeds": 1, "arms": (),
             "options": experiments.RunOptions(progress=False)}  # fmt: skip
    in_a_folder: dict[str, Any] = {"errors": (ValueError, RecordError), "names": ("too long",)}
    of_study = {"study": EMPTY, "results": folder()}
    chapter = {"name": "alpha", "preset": "quick", "device": "cpu", "seeds": 2, "results": "results",
               "data": None}  # fmt: skip
    return [
        of_call("named", lambda name, **options: experiments.named(name, **options), {
            "name": "FlipsByEpoch", "every": 2}, names=("options",)),
        of_call("experiments.run", experiments.run, sweep, share=0.1),
        of_call("experiments.curves", experiments.curves, on_empty, **SOME, **in_a_folder),
        of_call("studies.curves", studies.curves, of_study, **SOME),
        of_call("recorded", studies.recorded, of_study, **SOME),
        of_call("studies.verdicts", studies.verdicts, {"results": folder()}, **RARE),
        of_call("verdicts_of", studies.verdicts_of, {"study": STUDY, "found": {}},
                names=("curves",), share=0.1),
        of_call("paper_scale", studies.paper_scale, {
            "claim": STUDIES["optimizers"].claims[0], "task": "mnist mlp"}, **SOME),
        of_call("Chapter", Chapter, chapter, **SOME),
    ]  # fmt: skip


def _of_reports() -> list[Target]:
    row = LayerSummary("0", "Linear", 8, 1, 8, 0, 0, 5.0)
    arm = Arm(name="adam", config=RunConfig())
    config = {"config": RunConfig()}
    found = {"found": [VERDICT]}
    judged: dict[str, Any] = {"names": ("verdicts",)}
    return [
        of_call("tables.table", tables.table, {"head": "Arm | Loss {:.3f}", "rows": [("a", 0.1)]},
                names=("column",)),
        of_call("plain", tables.plain, {"text": "a_b"}, **SOME),
        of_call("rounded", tables.rounded, {"value": 0.5, "digits": 3}),
        of_call("percent", tables.percent, {"share": 0.5, "least": 0.1, "digits": 3}),
        of_call("span", tables.span, {"values": (0.5, 1.0), "form": "{:.2f}"}),
        of_call("tables.interval", tables.interval, {"values": (0.5, 1.0), "digits": 2}),
        of_call("settings", tables.settings, config, **SOME),
        of_call("source", tables.source, {"claim": CLAIM}, **SOME),
        of_call("layers", tables.layers, {"rows": [row]}, **SOME),
        of_call("tables.differences", tables.differences, {
            "arms": [arm], "baseline": RunConfig()}, **SOME),
        of_call("searches", tables.searches, {"study": STUDIES["search"]}, **SOME),
        of_call("shades", plotting.shades, {"count": 3}, **SOME),
        of_call("plotting.surrogates", plotting.surrogates, {"names": ("clip", "approx")}, **RARE),
        of_call("figures.number", figures.number, {"value": 0.5, "digits": 3}),
        of_call("extremes", figures.extremes, {"values": {"a": 0.5, "b": 0.25}}),
        of_call("luminance", figures.luminance, {"colour": "#d55e00"}, **SOME),
        of_call("in_both", figures.in_both, {"colour": "#d55e00", "of": "stroke"}, **SOME),
        of_call("scoreboard.table", scoreboard.table, found, **judged, **RARE),
        of_call("judged", scoreboard.judged, found, **judged, **SOME),
        of_call("tally", scoreboard.tally, found, **judged, **SOME),
        of_call("reach", scoreboard.reach, found, **SOME),
        of_call("scoreboard.lines", scoreboard.lines, {**found, "ids": ["layers-mask"]}, **judged,
                **SOME),
        of_call("best", scoreboard.best, {**found, "answer": "holds", "number": 2}, **judged, **SOME),
        of_call("tally_sentence", tables.tally_sentence, found, **judged, **SOME),
        of_call("cost.network", cost.network, config, **SOME),
        of_call("run_operations", cost.run_operations, {
            **config, "options": {"trials": 2}}, share=0.1),
        of_call("image_operations", cost.image_operations, config, share=0.1),
        of_call("planned", cost.planned, {"study": STUDY, "preset": "quick"}, share=0.1),
        of_call("status.status", status.status, {
            "study": EMPTY, "preset": "quick", "results": folder()}, **SOME,
                errors=(ValueError, RecordError), names=("too long",)),
    ]  # fmt: skip


def _of_report_values() -> list[Target]:
    owner = Owner(host="a", pid=1, born="", since="2025-01-01T00:00:00+00:00", job="")
    running = status.Running("adam", 0, owner, 1.0)
    score = {
        "forecast": Forecast("a", "narrow x1", datetime.date(2025, 1, 1).isoformat(), "0" * 40, ("a",),
                             Interval(1.0, 0.5, 1.5), Interval(1.0, None, None)),
        "measured": Measured(100, 16, (0.5, 1.0)),
    }  # fmt: skip
    state = {"study": "toy", "preset": "quick", "recorded": 1, "missing": 1, "open": 0,
             "running": (running,), "hours": 0.5}  # fmt: skip
    shown = {"name": "recipe", "values": {"lr": 0.1}, "data": {"recipes": []}, "picture": b"",
             "says": "A picture.", "shares": ()}  # fmt: skip
    rung = {"rung": RUNGS["quick"][0]}
    return [
        of_call("predict.Result", predict.Result, {"answer": "a", "said": "b.", "where": ""}, use=hash),
        of_call("Predictions", _asked, {"chapter": "sgd"}),
        of_call("Cost", cost.Cost, {"runs": 1, "trials": 2, "operations": 3.0}, use=hash),
        of_call("Score", ladder.Score, score, use=lambda s: (s.covered, s.missed_by, s.signs)),
        of_call("Running", status.Running, {
            "arm": "adam", "seed": 0, "owner": owner, "silent": 1.0}, use=lambda r: r.line()),
        of_call("Status", status.Status, state, use=lambda s: s.line()),
        of_call("Explorable", explorables.Explorable, shown, use=lambda e: e._repr_html_(), **SOME),
        of_call("arms_of", ladder.arms_of, rung, **SOME),
        of_call("ladder.steps_of", ladder.steps_of, rung, **SOME),
        of_call("file_of", ladder.file_of, {"results": folder()}, **SOME),
        of_call("ladder.recorded", ladder.recorded, {"results": folder(), "preset": "quick"}, **RARE),
        of_call("Ladder", ladder.Ladder, {"results": folder()}, **RARE),
    ]  # fmt: skip


def _asked(**arguments: Any) -> Mapping[str, Any]:
    predictions = predict.Predictions(**arguments)
    predictions.ask("gap", "How much?", ("none", "half"))
    return predictions.questions


def targets() -> list[Target]:
    """All of them."""
    return [
        *_of_results(),
        *_of_theory(),
        *_of_studies(),
        *_of_reports(),
        *_of_report_values(),
    ]
