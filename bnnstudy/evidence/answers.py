"""One answer a claim: what its verdicts on all data sets and networks come to, and Holm's correction.

A claim has a verdict for each preset and task that tested it. Its answer says whether it holds in all
of them, in some, in none. Claims, and not verdicts, are what is judged together: that one claim was run
on three networks does not make it three claims.
"""

from collections.abc import Iterable, Sequence
from dataclasses import dataclass

from bnnstudy.config import checks
from bnnstudy.evidence.claims import Claim
from bnnstudy.evidence.statistics import holm_rejections
from bnnstudy.evidence.verdicts import NOT_RUN, NOT_TESTED, Verdict

HOLDS, HOLDS_IN_SOME, MIXED = "holds", "holds in some", "mixed"
FAILS_IN_SOME, FAILS, OPEN = "fails in some", "fails", "open"

ANSWERS = {
    HOLDS: "✓",
    HOLDS_IN_SOME: "(✓)",
    MIXED: "±",
    FAILS_IN_SOME: "(✗)",
    FAILS: "✗",
    OPEN: "?",
    NOT_TESTED: "○",
    NOT_RUN: "–",
}
"""Every answer there may be, in the order of tables, with a sign for each.

`holds`: wherever it was tested. `holds in some`: open elsewhere. `mixed`: it holds in some and fails in
others. `fails in some`: open elsewhere. `fails`: wherever it was tested. `open`: no interval decides.
"""

STATES = {
    "reproduced": True, "supported": True, "not reproduced": False, "refuted": False,
    "inconclusive": None,
}  # fmt: skip
"""By word of a verdict that tested its claim, whether the claim holds; None where that is open."""


_SHARE = checks.Rule(float, "from 0 to 1", lambda value: 0 <= value <= 1)


@dataclass(frozen=True, kw_only=True)
class Answer:
    """What the verdicts on one claim come to.

        >>> from bnnstudy.studies import STUDIES
        >>> claim = STUDIES["binary_layers"].claims[1]
        >>> yes = Verdict(claim=claim, verdict="supported", preset="desk", task="mnist mlp")
        >>> open_ = Verdict(claim=claim, verdict="inconclusive", preset="desk", task="cifar10 cnn")
        >>> [found] = answers([yes, open_])
        >>> found.answer, found.where()
        ('holds in some', 'supported on desk, mnist mlp; inconclusive on desk, cifar10 cnn')

    Attributes:
        claim: the claim.
        answer: one of `ANSWERS`.
        verdicts: what it rests on, by preset and task.
        p: the claim's p-value among all claims: the largest of its verdicts where they agree, their
            number times the smallest where it holds or fails in some; 1 where it is open; None where
            there is none, as for an exact claim.

    Raises:
        ValueError: naming the field, its value and what is allowed.
    """

    claim: Claim
    answer: str
    verdicts: tuple[Verdict, ...]
    p: float | None = None

    def __post_init__(self) -> None:
        checks.instance("claim", self.claim, Claim)
        checks.one_of("answer", self.answer, ANSWERS)
        checks.all_of("verdicts", self.verdicts, Verdict)
        checks.settle(self, {"p": _SHARE}, or_none=("p",))

    @property
    def beyond_quick(self) -> bool:
        """Whether it rests on more than runs at `quick`, which show that code works."""
        ran = (verdict for verdict in self.verdicts if verdict.verdict != NOT_RUN)
        return any(verdict.preset != "quick" for verdict in ran)

    def where(self) -> str:
        """The words of the verdicts with their places, where they differ; else empty."""
        words = [verdict.verdict for verdict in self.verdicts]
        if len(set(words)) < 2:
            return ""
        return "; ".join(
            f"{word} on {', '.join(v.where() for v in self.verdicts if v.verdict == word)}"
            for word in dict.fromkeys(words)
        )


def answer(claim: Claim, verdicts: Iterable[Verdict]) -> Answer:
    """The answer that the verdicts on a claim come to."""
    own = tuple(verdicts)
    tested = [v for v in own if v.verdict in STATES]
    states = [STATES[v.verdict] for v in tested]
    if not tested:
        word = NOT_TESTED if any(v.verdict == NOT_TESTED for v in own) else NOT_RUN
        return Answer(claim=claim, answer=word, verdicts=own)
    return Answer(claim=claim, answer=_word(states), verdicts=own, p=_p(tested, states))


def _word(states: Sequence[bool | None]) -> str:
    yes, no, open_ = (states.count(state) for state in (True, False, None))
    if yes and no:
        return MIXED
    if yes:
        return HOLDS_IN_SOME if open_ else HOLDS
    if no:
        return FAILS_IN_SOME if open_ else FAILS
    return OPEN


def _p(tested: Sequence[Verdict], states: Sequence[bool | None]) -> float | None:
    found = [verdict.p for verdict in tested if verdict.p is not None]
    if not found:
        return None
    if all(state is None for state in states):
        return 1.0
    if len(set(states)) == 1:
        return max(found)
    return min(1.0, len(found) * min(found))


def answers(verdicts: Iterable[Verdict]) -> list[Answer]:
    """The answer of each claim that has verdicts, in the order of its first one.

    >>> from bnnstudy.studies import STUDIES
    >>> claims = STUDIES["binary_layers"].claims
    >>> words = ("supported", "refuted", "supported")
    >>> found = [Verdict(claim=claim, verdict=word) for claim, word in zip(claims, words)]
    >>> [(one.claim.id, one.answer) for one in answers(found)]
    [('layers-effective', 'holds'), ('layers-mask', 'fails'), ('layers-approx', 'holds')]
    """
    by_claim: dict[str, list[Verdict]] = {}
    for verdict in checks.each("verdicts", verdicts, Verdict):
        by_claim.setdefault(verdict.claim.id, []).append(verdict)
    return [answer(found[0].claim, found) for found in by_claim.values()]


def holm(found: Iterable[Answer]) -> set[str]:
    """Ids of the claims whose answer stands when all claims are judged together (Holm 1979).

    All that have a p-value are counted, the open ones too, with p = 1.

        >>> from bnnstudy.studies import STUDIES
        >>> claims = STUDIES["binary_layers"].claims
        >>> found = [Answer(claim=claim, answer="holds", verdicts=(), p=p)
        ...          for claim, p in zip(claims, (0.01, 0.04, 0.03))]
        >>> holm(found)
        {'layers-effective'}
    """
    judged = [one for one in checks.each("found", found, Answer) if one.p is not None]
    kept = holm_rejections([one.p for one in judged if one.p is not None])
    return {judged[place].claim.id for place in kept}
