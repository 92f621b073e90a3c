"""Every public class and function: which target fuzzes it, or why none does."""

import inspect
import sys
from collections.abc import Iterable
from types import CodeType, FrameType
from typing import Any

from fuzzing.engine import Target

ELSEWHERE = {
    "evidence.Provenance": "record, forged",
    "evidence.Record": "record, forged",
    "evidence.RecordError": "record, forged",
    "evidence.Result": "record, forged",
    "nn.load_packed": "packed network",
    "training.Checkpoint": "checkpoint",
    "training.load_teacher": "teacher",
}
"""What a target of another name fuzzes."""

_BASE = "a base class, which is not made itself"
_NOTHING = "takes no argument"
_RECORDS = "takes records or views of them, which are checked when they are read: 'record, forged'"
_DRAWN = "takes a figure, its axes or numbers to draw there, which matplotlib checks"
_STEP = "is called with tensors of a network at each of its steps, and asks nothing of them"
_LONG = "a training on a folder of images; its parts are checked as they are made: FolderRun"

WITHOUT = {
    "data.crop_flip": _STEP,
    "data.default_root": _NOTHING,
    "devices.compiler_error": "says of whatever name it is given what torch says of it",
    "devices.drawing": _NOTHING,
    "devices.is_compiling": _NOTHING,
    "devices.reproducible": _NOTHING,
    "evidence.Contrast": _BASE,
    "evidence.by_task": _RECORDS,
    "evidence.equal_arms": _RECORDS,
    "evidence.same_course": _RECORDS,
    "evidence.seeds_alike": _RECORDS,
    "experiments.WorkerLost": "an error that is raised",
    "nn.per_channel": _STEP,
    "studies.ledger": _NOTHING,
    "training.ProcessLost": "an error that is raised",
    "training.time_steps": _LONG,
    "training.train": _LONG,
    "report.cost.ahead": _RECORDS,
    "report.cost.measured": _RECORDS,
    "report.cost.pace": _RECORDS,
    "report.figures.BookFigure": _DRAWN,
    "report.figures.came_out": _DRAWN,
    "report.figures.data": _DRAWN,
    "report.figures.html": _DRAWN,
    "report.figures.message": _DRAWN,
    "report.figures.shown_axes": _DRAWN,
    "report.figures.svgs": _DRAWN,
    "report.figures.texts": _DRAWN,
    "report.ladder.acts": _RECORDS,
    "report.ladder.foresee": "writes forecasts from what is recorded: ladder.recorded, file_of",
    "report.ladder.measured": _RECORDS,
    "report.ladder.run_of": _RECORDS,
    "report.ladder.scores": _RECORDS,
    "report.ladder.seeds_of": _RECORDS,
    "report.plotting.accuracies": _RECORDS,
    "report.plotting.against": _RECORDS,
    "report.plotting.curves": _RECORDS,
    "report.plotting.differing_signs": _RECORDS,
    "report.plotting.dots": _DRAWN,
    "report.plotting.fan": _DRAWN,
    "report.plotting.figure": _DRAWN,
    "report.plotting.histogram": _DRAWN,
    "report.plotting.interval": _DRAWN,
    "report.plotting.line": _DRAWN,
    "report.plotting.panels": _DRAWN,
    "report.plotting.rates": _RECORDS,
    "report.plotting.signs_apart": _DRAWN,
    "report.scoreboard.decided": "as scoreboard.lines, which is fuzzed",
    "report.scoreboard.story": "as scoreboard.lines, which is fuzzed",
    "report.scoreboard.told": "takes an Answer of the ledger: Answer",
    "report.scoreboard.undecided": "as scoreboard.lines, which is fuzzed",
    "report.tables.accuracies": _RECORDS,
    "report.tables.arms_in": _RECORDS,
    "report.tables.beside": "takes a Verdict: Verdict",
    "report.tables.caption": _RECORDS,
    "report.tables.conclusion": "takes a Study and its verdicts: Study, Verdict",
    "report.tables.gains": _RECORDS,
    "report.tables.provenance": _RECORDS,
    "report.tables.second_look": "takes verdicts: Verdict",
    "report.tables.shadows": _RECORDS,
    "report.tables.tuned": _RECORDS,
    "report.tables.verdicts": _RECORDS,
}
"""What no target fuzzes, each with the reason."""


def code_of(found: Any) -> CodeType | None:
    """What runs when a function is called or a class is made; None of what has no code of its own."""
    made = found.__init__ if inspect.isclass(found) else inspect.unwrap(found)
    return getattr(made, "__code__", None)


def reached(target: Target) -> set[CodeType]:
    """The code that a target's seeds run."""
    seen: set[CodeType] = set()

    def note(frame: FrameType, event: str, argument: object) -> None:
        if event == "call":
            seen.add(frame.f_code)

    before = sys.getprofile()
    sys.setprofile(note)
    try:
        for seed in target.seeds:
            try:
                target.call(seed)
            except target.errors:
                continue  # of what is not there: it was called all the same
    finally:
        sys.setprofile(before)
    return seen


def targets_of(name: str, targets: Iterable[Target]) -> list[Target]:
    """The targets that bear the name of something public, in whole or its end."""
    other = ELSEWHERE.get(name)
    return [t for t in targets if t.name == other or f".{name}".endswith(f".{t.name}")]


def without_a_target(public: dict[str, Any], targets: Iterable[Target]) -> list[str]:
    """What is public and no target that bears its name reaches."""
    every, known = list(targets), dict[str, set[CodeType]]()
    missing = []
    for name, found in public.items():
        named = targets_of(name, every)
        for target in named:
            if target.name not in known:
                known[target.name] = reached(target)
        code = code_of(found)
        if not any(code is None or code in known[target.name] for target in named):
            missing.append(name)
    return missing
