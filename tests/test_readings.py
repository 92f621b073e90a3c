"""What an answer means, in words: a sentence for each state, and places where they differ."""

import itertools

import pytest

from bnnstudy import studies
from bnnstudy.evidence.answers import STATES, answer
from bnnstudy.evidence.claims import Claim, Difference, Exact
from bnnstudy.evidence.readings import Reading, concluded
from bnnstudy.evidence.verdicts import NOT_RUN, NOT_TESTED, WORDS, Verdict
from bnnstudy.experiments.study import Study
from bnnstudy.report import tables

CLAIM = Claim(
    id="toy", paper="A", source="Table 0", text="a beats b",
    contrast=Difference(metric="score", arm="a", control="b"),
)  # fmt: skip
READING = Reading(holds="It holds.", fails="It fails.", open="It is open.", untested="It slept.")
SAID = {
    "reproduced": "It holds.",
    "supported": "It holds.",
    "not reproduced": "It fails.",
    "refuted": "It fails.",
    "inconclusive": "It is open.",
    NOT_TESTED: "It slept.",
    NOT_RUN: "",
}
STUDIES = [study for study in studies.STUDIES.values() if study.arms]


def verdict(word, task="mnist mlp", preset="desk"):
    if word == NOT_RUN:
        return Verdict(claim=CLAIM, verdict=word)
    return Verdict(claim=CLAIM, verdict=word, preset=preset, task=task, n=5, effect=1.0)


@pytest.mark.parametrize("word", WORDS)
def test_every_word_has_its_sentence(word):
    assert READING.of(verdict(word)) == SAID[word]
    assert concluded(answer(CLAIM, [verdict(word)]), READING) == SAID[word]


@pytest.mark.parametrize(("one", "other"), list(itertools.product(STATES, STATES)))
def test_places_are_named_where_they_differ(one, other):
    found = answer(CLAIM, [verdict(one), verdict(other, "cifar10 cnn")])
    said = concluded(found, READING)
    if SAID[one] == SAID[other]:
        assert said == SAID[one]
    else:
        assert said == f"On MNIST (MLP): {SAID[one]} On CIFAR-10 (small CNN): {SAID[other]}"


def test_presets_are_named_where_there_are_several():
    found = answer(CLAIM, [verdict("reproduced"), verdict("inconclusive", preset="short")])
    assert concluded(found, READING) == (
        "On MNIST (MLP), desk: It holds. On MNIST (MLP), short: It is open."
    )


@pytest.mark.parametrize(
    "change", [{"holds": ""}, {"fails": "no stop"}, {"open": "x."}, {"untested": "X."}]
)
def test_what_is_no_sentence_is_refused(change):
    usual = {"holds": "It holds.", "fails": "It fails."}
    with pytest.raises(ValueError, match="must be a sentence, got"):
        Reading(**{**usual, **change})


def test_a_headline_is_a_claim_of_its_study():
    with pytest.raises(ValueError, match="headlines of study 'toy' must be claims of it"):
        Study(name="toy", title="", claims=(CLAIM,), headlines={"other": READING})


@pytest.mark.parametrize("study", STUDIES, ids=lambda study: study.name)
def test_a_study_has_three_to_five_headlines_with_all_their_sentences(study):
    claims = {claim.id: claim for claim in study.claims}
    assert 3 <= len(study.headlines) <= 5
    for name, reading in study.headlines.items():
        assert bool(reading.open) != isinstance(claims[name].contrast, Exact)
    found = studies.verdicts_of(study, studies.curves(study))
    run = {v.claim.id for v in found if v.verdict != NOT_RUN} & set(study.headlines)
    said = tables.conclusion(study, found)
    assert len(said.splitlines()) == max(len(run), 1)


def test_a_conclusion_has_the_claims_that_were_run_with_what_was_measured():
    study = Study(name="toy", title="", claims=(CLAIM,), headlines={"toy": READING})
    said = "The runs that this conclusion rests on have not been made yet."
    assert tables.conclusion(study, [verdict(NOT_RUN)]) == said
    said = tables.conclusion(study, [verdict("inconclusive")])
    link = '<a href="scoreboard.html#toy">evidence</a>'
    assert said == f"- It is open. <small>(+1.00 percentage points, n = 5; {link})</small>"
