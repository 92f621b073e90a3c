"""One answer a claim, and Holm's correction over claims."""

import itertools

import pytest
from hypothesis import given
from hypothesis import strategies as st
from test_claims import claim

from bnnstudy.evidence.answers import ANSWERS, answer, answers, holm
from bnnstudy.evidence.verdicts import WORDS, Verdict


def verdict(word, p=None, id="toy", task="mnist mlp", preset="desk"):
    preset = None if word == "not run" else preset
    return Verdict(claim=claim(id=id), verdict=word, p=p, task=task, preset=preset)


def answered(*words):
    tasks = (f"{name} mlp" for name in ("mnist", "digits", "cifar10"))
    return answer(claim(), [verdict(w, task=t) for w, t in zip(words, tasks, strict=False)])


@pytest.mark.parametrize(
    ("words", "expected"),
    [
        (("reproduced",), "holds"),
        (("reproduced", "reproduced"), "holds"),
        (("reproduced", "inconclusive"), "holds in some"),
        (("reproduced", "not reproduced"), "mixed"),
        (("reproduced", "not reproduced", "inconclusive"), "mixed"),
        (("not reproduced", "inconclusive"), "fails in some"),
        (("not reproduced", "not reproduced"), "fails"),
        (("inconclusive", "inconclusive"), "open"),
        (("not tested", "not tested"), "not tested"),
        (("not tested", "reproduced"), "holds"),
        (("not tested", "inconclusive"), "open"),
        (("not run",), "not run"),
        ((), "not run"),
    ],
)
def test_an_answer_is_what_the_verdicts_come_to(words, expected):
    assert answered(*words).answer == expected


def test_every_combination_of_words_has_an_answer_and_every_answer_comes_up():
    words = [word for word in WORDS if word not in ("supported", "refuted")]
    found = {answered(*pair).answer for pair in itertools.product(words, repeat=2)}
    assert found == set(ANSWERS)


def test_an_answer_names_the_places_where_they_differ():
    one = answered("reproduced", "inconclusive")
    assert one.where() == "reproduced on desk, mnist mlp; inconclusive on desk, digits mlp"
    assert answered("reproduced", "reproduced").where() == ""


def test_presets_stand_side_by_side():
    one = answer(claim(), [verdict("reproduced"), verdict("inconclusive", preset="short")])
    assert one.answer == "holds in some"
    assert "desk, mnist mlp" in one.where()
    assert "short, mnist mlp" in one.where()


@pytest.mark.parametrize(
    ("cases", "p"),
    [
        ([("reproduced", 0.01), ("reproduced", 0.04)], 0.04),  # in all: the largest
        ([("reproduced", 0.01), ("inconclusive", 1.0)], 0.02),  # in some: times their number
        ([("not reproduced", 0.001), ("reproduced", 0.01)], 0.002),
        ([("inconclusive", 1.0), ("inconclusive", 1.0)], 1.0),
        (
            [("reproduced", 0.01), ("not tested", 0.0001)],
            0.01,
        ),  # untested, it counts for nothing
        ([("reproduced", None)], None),
        ([("not tested", 0.01)], None),
    ],
)
def test_a_claims_p_value_is_that_of_what_its_answer_says(cases, p):
    found = answer(claim(), [verdict(word, p, task=f"{k} mlp") for k, (word, p) in enumerate(cases)])
    assert found.p == p


def test_holm_steps_down_over_claims_and_stops_at_the_first_that_fails():
    def kept(**p_values):
        return holm(answers(verdict("reproduced", p, id=name) for name, p in p_values.items()))

    # 0.001 <= 0.05/3, 0.02 <= 0.05/2, 0.03 <= 0.05; an exact claim has no p-value.
    assert kept(a=0.001, b=0.03, c=0.02, d=None) == {"a", "b", "c"}
    assert kept(a=0.02, b=0.026) == {"a", "b"}
    assert kept(a=0.026, b=0.026) == set()


@given(p_values=st.lists(st.floats(0, 1), min_size=1, max_size=6), tasks=st.integers(1, 4))
def test_that_a_claim_has_more_verdicts_makes_no_other_claim_stand_or_fall(p_values, tasks):
    def kept(number):
        return holm(
            answers(
                verdict("reproduced", p, id=str(k), task=f"{task} mlp")
                for k, p in enumerate(p_values)
                for task in range(number)
            )
        )

    assert kept(tasks) == kept(1)
