"""What was run and what it says: claims, the contrasts that decide them, records, verdicts."""

from bnnstudy.evidence.answers import ANSWERS, Answer, answers, holm
from bnnstudy.evidence.claims import (
    Claim,
    Contrast,
    Difference,
    Equivalence,
    Every,
    Exact,
    FactorialEffect,
    Requirement,
    Speed,
    Spread,
    Trend,
)
from bnnstudy.evidence.curves import Curve, Curves
from bnnstudy.evidence.merge import merge
from bnnstudy.evidence.provenance import Provenance
from bnnstudy.evidence.readings import Reading, concluded
from bnnstudy.evidence.records import Record, RecordError
from bnnstudy.evidence.results import Result, best_epoch
from bnnstudy.evidence.runs import (
    by_task,
    differences,
    equal_arms,
    mean,
    read,
    same_course,
    seeds_alike,
    steps_of,
    task_of,
    values,
)
from bnnstudy.evidence.statistics import first_reach, paired_interval
from bnnstudy.evidence.transfer import Transfer, transfer
from bnnstudy.evidence.verdicts import WORDS, Verdict, decide, decide_each

__all__ = [
    # What is claimed, and what decides it.
    "Claim",
    "Contrast",
    "Difference",
    "Equivalence",
    "Trend",
    "FactorialEffect",
    "Every",
    "Spread",
    "Speed",
    "Exact",
    "Requirement",
    # What records say of it.
    "Verdict",
    "WORDS",
    "decide",
    "decide_each",
    "Answer",
    "ANSWERS",
    "answers",
    "holm",
    "Reading",
    "concluded",
    # Records, and views of them.
    "Record",
    "Result",
    "Provenance",
    "Curve",
    "Curves",
    "RecordError",
    "merge",
    "by_task",
    "task_of",
    "read",
    "values",
    "mean",
    "differences",
    "steps_of",
    "same_course",
    "seeds_alike",
    "equal_arms",
    # Numbers.
    "paired_interval",
    "first_reach",
    "transfer",
    "Transfer",
    "best_epoch",
]
