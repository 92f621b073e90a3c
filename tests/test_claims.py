import dataclasses
import math

import numpy as np
import pytest
from hypothesis import given
from hypothesis import strategies as st
from scipy import stats

from bnnstudy.evidence import verdicts
from bnnstudy.evidence.answers import answers, holm
from bnnstudy.evidence.claims import (
    Claim,
    Contrast,
    Difference,
    Equivalence,
    Every,
    Exact,
    FactorialEffect,
    Requirement,
    Shorthand,
    Speed,
    Spread,
    Trend,
    exact,
    in_order,
)
from bnnstudy.evidence.curves import fixed
from bnnstudy.evidence.statistics import paired_interval
from bnnstudy.evidence.verdicts import Verdict


def decide(claim, records):
    """The only verdict there is."""
    (verdict,) = verdicts.decide(claim, fixed(records))
    return verdict


def decide_each(claim, records):
    return verdicts.decide_each(claim, fixed(records))


def record(arm, seed, value, preset="desk", metric="score"):
    return {"arm": arm, "preset": preset, "config": {"seed": seed}, "result": {metric: value}}


def runs(preset="desk", **arms):
    return [record(a, seed, v, preset) for a, values in arms.items() for seed, v in enumerate(values)]


SIDES = {"arm": "a", "control": "b"}
USUAL = {
    Difference: {"metric": "score", **SIDES},
    Equivalence: {"metric": "score", **SIDES},
    Trend: {"metric": "score", "arms": (("a", 0.0), ("b", 1.0), ("c", 3.0))},
    FactorialEffect: {"metric": "score", "high": ("a",), "low": ("b", "c")},
    Every: {"metric": "score", "compared": (("a", "b"), ("a", "c"))},
    Spread: {"metric": "score", "arms": ("a", "b", "c")},
    Speed: SIDES,
    Exact: {"arm": "a"},
}
"""What of each kind of contrast has no default."""


def claim(paper="A", id="toy", kind=Difference, **contrast):
    contrast = kind(**USUAL[kind] | contrast)
    return Claim(id=id, paper=paper, source="Table 0", text="a beats b", contrast=contrast)


values = st.lists(st.floats(-10, 10), min_size=3, max_size=12)


@given(values=values)
def test_the_interval_is_students(values):
    if len(set(values)) == 1:
        values = [*values, values[0] + 1]
    mean, low, high = paired_interval(values)
    expected = stats.ttest_1samp(values, 0).confidence_interval(0.95)
    np.testing.assert_allclose((mean, low, high), (np.mean(values), *expected), atol=1e-9)


@given(differences=values, margin=st.floats(0, 5), direction=st.sampled_from([1, -1]))
def test_a_difference_is_decided_by_its_interval_and_its_margin(differences, margin, direction):
    control = [0.5] * len(differences)
    arm = [0.5 + d / 100 for d in differences]
    verdict = decide(claim(margin=margin, direction=direction), runs(a=arm, b=control))
    low, high = sorted((direction * verdict.low, direction * verdict.high))
    expected = "inconclusive"
    if low > margin:
        expected = "reproduced"
    elif high < margin and arm != control:  # arms that are one are no test
        expected = "not reproduced"
    assert verdict.verdict == expected
    assert verdict.n == len(differences)
    assert verdict.effect == pytest.approx(np.mean(differences), abs=1e-9)


@given(differences=values, margin=st.floats(0, 5))
def test_an_equivalence_needs_the_whole_interval_inside(differences, margin):
    arm = [0.5 + d / 100 for d in differences]
    verdict = decide(claim(kind=Equivalence, margin=margin), runs(a=arm, b=[0.5] * len(arm)))
    if max(abs(verdict.low), abs(verdict.high)) <= margin:
        assert verdict.verdict == "reproduced"
    elif verdict.low > margin or verdict.high < -margin:
        assert verdict.verdict == "not reproduced"
    else:
        assert verdict.verdict == "inconclusive"


def test_flipping_the_data_flips_the_verdict():
    better, worse = [0.9, 0.91, 0.92], [0.8, 0.81, 0.82]
    assert decide(claim(), runs(a=better, b=worse)).verdict == "reproduced"
    assert decide(claim(), runs(a=worse, b=better)).verdict == "not reproduced"
    assert decide(claim(direction=-1), runs(a=worse, b=better)).verdict == "reproduced"


def test_our_own_claims_have_words_of_their_own():
    better, worse = [0.9, 0.91, 0.92], [0.8, 0.81, 0.82]
    assert decide(claim("ours"), runs(a=better, b=worse)).verdict == "supported"
    assert decide(claim("ours"), runs(a=worse, b=better)).verdict == "refuted"


def test_only_paired_seeds_count():
    found = runs(a=[0.9, 0.91, 0.92]) + [record("b", seed, 0.8 + seed / 100) for seed in (1, 2, 7)]
    verdict = decide(claim(), found)
    assert verdict.n == 2
    assert verdict.effect == pytest.approx(10.0)


def test_seeds_without_a_value_are_counted():
    verdict = decide(claim(), [*runs(a=[0.9, 0.8, 0.85], b=[0.7, 0.6]), record("b", 2, None)])
    assert (verdict.n, verdict.missing) == (2, 1)
    assert "(seeds without a value: 1), n = 2" in verdict.measured()


def test_one_seed_gives_an_effect_and_no_interval():
    verdict = decide(claim(), runs(a=[0.9], b=[0.5]))
    assert (verdict.verdict, verdict.low, verdict.high, verdict.n) == ("inconclusive", None, None, 1)
    assert verdict.effect == pytest.approx(40)


def test_what_lacks_an_arm_or_a_metric_is_not_run():
    assert decide(claim(), runs(a=[0.9, 0.8])).verdict == "not run"
    assert decide(claim(metric="speed"), runs(a=[0.9, 0.8], b=[0.1, 0.2])).verdict == "not run"
    assert decide(claim(), []).verdict == "not run"


def test_the_largest_preset_decides_and_the_others_stand_beside_it():
    found = runs("quick", a=[0.9, 0.91], b=[0.8, 0.81]) + runs("desk", a=[0.5, 0.51], b=[0.8, 0.81])
    assert [(v.preset, v.verdict) for v in decide_each(claim(), found)] == [
        ("quick", "reproduced"),
        ("desk", "not reproduced"),
    ]
    assert decide(claim(), found).preset == "desk"


def test_a_pair_is_a_difference_of_its_own():
    found = runs(a=[0.9, 0.92], b=[0.8, 0.81], c=[0.7, 0.72], d=[0.65, 0.66])
    verdict = decide(claim(arm=("a", "b"), control=("c", "d")), found)
    assert verdict.effect == pytest.approx(np.mean([10 - 5, 11 - 6]))


def test_an_arm_may_stand_on_both_sides():
    found = runs(a=[0.9, 0.92], b=[0.8, 0.81], c=[0.7, 0.72])
    verdict = decide(claim(arm=("a", "c"), control=("b", "c")), found)
    assert verdict.effect == pytest.approx(np.mean([10, 11]))


@given(slope=st.floats(-3, 3), noise=st.floats(0, 0.1))
def test_a_trend_is_a_least_squares_slope(slope, noise):
    positions = {"x": 0.0, "y": 1.0, "z": 3.0}
    random = np.random.default_rng(0)
    table = {
        arm: [slope * x + noise * random.standard_normal() for _ in range(4)]
        for arm, x in positions.items()
    }
    verdict = decide(claim(kind=Trend, arms=tuple(positions.items()), scale=1.0), runs(**table))
    fits = [
        np.polyfit(list(positions.values()), [table[a][s] for a in positions], 1)[0] for s in range(4)
    ]
    assert verdict.effect == pytest.approx(np.mean(fits), abs=1e-9)


@given(seed=st.integers(0, 99), main=st.floats(-3, 3), both=st.floats(-3, 3))
def test_a_factorial_effect_is_what_a_factor_does_whatever_the_others_do(seed, main, both):
    # Two factors in all four arms: what the second does cancels, and so does what the seed does.
    random = np.random.default_rng(seed)
    other, level = random.standard_normal(2)
    table = {
        f"{'p' if p > 0 else 'm'}{'p' if q > 0 else 'm'}": [
            level + noise + p * main / 2 + q * other + p * q * both / 2 for noise in (-1.0, 0.5, 2.0)
        ]
        for p in (-1, 1)
        for q in (-1, 1)
    }
    fields = {"kind": FactorialEffect, "scale": 1.0}
    first = decide(claim(**fields, high=("pm", "pp"), low=("mm", "mp")), runs(**table))
    interaction = decide(claim(**fields, high=("pp", "mm"), low=("pm", "mp")), runs(**table))
    assert first.effect == pytest.approx(main, abs=1e-9)
    assert interaction.effect == pytest.approx(both, abs=1e-9)
    assert first.high - first.low < 1e-6


three = st.builds(
    lambda means, rows: [tuple(map(sum, zip(means, row, strict=True))) for row in rows],
    st.tuples(*[st.integers(-6, 6)] * 3),
    st.lists(st.tuples(*[st.floats(-1, 1)] * 3), min_size=3, max_size=8),
)


@given(scores=three, margin=st.floats(-1, 1), direction=st.sampled_from([1, -1]))
def test_an_order_holds_where_each_of_its_steps_does(scores, margin, direction):
    found = runs(**dict(zip("abc", map(list, zip(*scores, strict=True)), strict=True)))
    fields = {"metric": "score", "margin": margin, "direction": direction, "scale": 1.0}
    order = Every(compared=in_order("abc"), **fields)
    assert order.pairs() == (("b", "a"), ("c", "b"))
    whole = decide(claim(kind=Every, **fields, compared=order.compared), found)
    steps = [decide(claim(**fields, arm=arm, control=control), found) for arm, control in order.pairs()]
    worst = min(steps, key=lambda step: direction * step.effect)
    assert whole.effect == pytest.approx(worst.effect)
    assert direction * whole.effect <= min(direction * step.effect for step in steps) + 1e-9
    words = {step.verdict for step in steps}
    if words == {"reproduced"}:
        assert whole.verdict == "reproduced"
        assert whole.p == max(step.p for step in steps)
    if whole.verdict == "reproduced":
        assert words == {"reproduced"}
    if whole.verdict == "not reproduced":  # Bonferroni's level is stricter than a step's own
        assert "not reproduced" in words
        short = [step for step in steps if direction * step.effect < margin]
        if all(step.verdict == "not reproduced" for step in short):
            assert whole.p == pytest.approx(min(1.0, 2 * min(step.p for step in short)))


@given(scores=three, margin=st.floats(0.1, 2))
def test_a_spread_is_that_of_the_two_arms_furthest_apart(scores, margin):
    columns = dict(zip("abc", map(list, zip(*scores, strict=True)), strict=True))
    fields = {"metric": "score", "scale": 1.0, "arms": ("a", "b", "c"), "kind": Spread}
    far = decide(claim(**fields, margin=margin), runs(**columns))
    near = decide(claim(**fields, margin=-margin, direction=-1), runs(**columns))
    means = [np.mean(column) for column in columns.values()]
    assert far.effect == pytest.approx(max(means) - min(means), abs=1e-9)
    assert (far.low, far.high) == (near.low, near.high)
    assert {far.verdict, near.verdict} in ({"reproduced", "not reproduced"}, {"inconclusive"})
    assert (far.verdict == "reproduced") == (far.low > margin)


@pytest.mark.parametrize("means", [(0.0, 0.3, 0.3, 0.3, 0.3), (0.0,) * 5])
def test_the_interval_of_an_extreme_covers_what_it_should(means):
    # Arms that are equal are the worst case: the extreme of them is none of their own.
    generator = np.random.default_rng(0)
    steps = tuple(zip("bcde", "abcd", strict=True))
    fields = {Every: {"compared": steps}, Spread: {"arms": tuple("abcde")}}
    true = {Every: 0.0, Spread: means[-1]}
    missed = {Every: 0, Spread: 0}
    for _ in range(300):
        scores = {
            arm: list(m + generator.normal(0, 0.5, 6)) for arm, m in zip("abcde", means, strict=True)
        }
        for kind in missed:
            verdict = decide(claim(kind=kind, scale=1.0, **fields[kind]), runs(**scores))
            missed[kind] += not verdict.low <= true[kind] <= verdict.high
    assert max(missed.values()) <= 0.05 * 300


def test_an_exact_claim_counts_counterexamples():
    def counted(*differing):
        return [
            record("a", seed, {"differing": d, "compared": 100}, metric="signs")
            for seed, d in enumerate(differing)
        ]

    exact = claim(kind=Exact, metric="signs")
    good, bad = decide(exact, counted(0, 0)), decide(exact, counted(0, 3))
    assert (good.verdict, good.effect, good.n, good.low) == ("reproduced", 0, 200, None)
    assert (bad.verdict, bad.effect) == ("not reproduced", 3)


def test_a_path_leads_into_lists():
    found = [
        {"arm": a, "preset": "desk", "config": {"seed": s}, "result": {"curves": {"loss": [v, v / 2]}}}
        for a, v in (("a", 0.4), ("b", 0.2))
        for s in (0, 1)
    ]
    assert decide(claim(metric="curves.loss.1"), found).effect == pytest.approx(10)
    assert decide(claim(metric="curves.loss.2"), found).verdict == "not run"


@given(differences=st.lists(st.floats(1, 3), min_size=4, max_size=8), margin=st.floats(0, 0.5))
def test_the_p_value_is_that_of_the_t_test_against_the_margin(differences, margin):
    differences = [*differences, 1.5, 2.5]
    arm = [0.5 + d / 100 for d in differences]
    verdict = decide(claim(margin=margin), runs(a=arm, b=[0.5] * len(arm)))
    if verdict.verdict == "reproduced":
        assert verdict.p == pytest.approx(stats.ttest_1samp(differences, margin).pvalue, rel=1e-6)


def test_a_negative_margin_says_no_worse():
    slightly_worse, much_worse = [0.798, 0.799, 0.797], [0.7, 0.71, 0.72]
    assert decide(claim(margin=-1.0), runs(a=slightly_worse, b=[0.8] * 3)).verdict == "reproduced"
    assert decide(claim(margin=-1.0), runs(a=much_worse, b=[0.8] * 3)).verdict == "not reproduced"


def test_what_is_inconclusive_or_without_spread_counts_among_those_judged():
    unclear = decide(claim(), runs(a=[0.9, 0.5, 0.7], b=[0.8, 0.6, 0.65]))
    flat = decide(claim(kind=Equivalence, margin=1.0), runs(a=[0.5] * 3, b=[0.5] * 3))
    assert (unclear.verdict, unclear.p) == ("inconclusive", 1.0)
    assert (flat.verdict, flat.p) == ("reproduced", 1.0)
    near = Verdict(claim=claim(id="near"), verdict="reproduced", p=0.03)
    assert holm(answers([near])) == {"near"}
    assert holm(answers([near, unclear])) == set()


def test_arms_that_are_equal_in_every_seed_leave_a_spread_to_the_others():
    fields = {"metric": "score", "scale": 1.0, "kind": Spread, "direction": -1, "margin": -1.0}
    found = runs(a=[0.9, 0.8, 0.7], b=[0.9, 0.8, 0.8 - 0.1], c=[0.95, 0.81, 0.72])
    three = decide(claim(arms=("a", "b", "c"), **fields), found)
    two = decide(claim(arms=("a", "c"), **fields), found)
    assert three.verdict == two.verdict == "reproduced"
    assert three.p == pytest.approx(two.p)
    assert two.p < 0.05


def test_a_report_line_and_its_object_say_the_same():
    verdict = decide(claim(), runs(a=[0.9, 0.91, 0.92], b=[0.8, 0.81, 0.83]))
    assert verdict.line().startswith("reproduced      toy: +9.67 [")
    assert verdict.line().endswith("percentage points, n = 3 (desk, digits mlp)")
    summary = verdict.summary()
    assert list(summary) == [
        "verdict", "preset", "task", "n", "effect",
        "low", "high", "unit", "p", "missing", "trajectories", "why", "otherwise", "turns",
        "runners_up", "post_hoc",
        "scale", "requires",
    ]  # fmt: skip
    assert math.isclose(summary["effect"], 9.6667, rel_tol=1e-3)


@pytest.mark.parametrize(
    ("kind", "change", "message"),
    [
        (Difference, {"direction": 0}, "direction must be 1 or -1, got 0"),
        (Difference, {"direction": True}, "direction must be 1 or -1, got True"),
        (Equivalence, {"margin": -1.0}, "margin must be 0 or more and finite, got -1.0"),
        (Trend, {"margin": -1.0}, "margin must be 0 or more and finite, got -1.0"),
        (Difference, {"margin": math.nan}, "margin must be a finite number, got nan"),
        (Speed, {"margin": math.inf}, "margin must be a finite number, got inf"),
        (Difference, {"scale": 0.0}, "scale must be finite and not 0"),
        (Difference, {"log": 1}, "log must be True or False, got 1"),
        (Difference, {"metric": ""}, "metric must be a text that is not empty"),
        (Difference, {"arm": ""}, "arm must be the name of an arm"),
        (Difference, {"arm": None}, "arm must be the name of an arm"),
        (Difference, {"arm": ["x", "y"]}, "arm must be the name of an arm"),
        (Difference, {"control": ("x", "x")}, "control must be the name of an arm, .* or None"),
        (Difference, {"arm": "b"}, "control must be another than the arm, got 'b'"),
        (Equivalence, {"control": None}, "control must be the name of an arm"),
        (Difference, {"control": None, "control_metric": "x"}, "control_metric must be empty"),
        (Equivalence, {"control": ("x", "y"), "control_metric": "x"}, "control_metric must be empty"),
        (Exact, {"arm": ("x", "y")}, "arm must be a text"),
        (Speed, {"arm": ("x", "y")}, "arm must be a text"),
        (Speed, {"below": -0.1}, "below must be 0 or more"),
        (Speed, {"level": "upper"}, "level must be 'control', 'lower' or 'own', got 'upper'"),
        (Trend, {"arms": ()}, "arms must be pairs"),
        (FactorialEffect, {"high": ()}, "high must be names of arms, one or more"),
        (FactorialEffect, {"low": ("x", 1)}, "low must be names of arms, one or more"),
        (FactorialEffect, {"low": ("a", "b")}, "high and low must have each arm once"),
        (Trend, {"arms": (("x", 1.0), ("y", 2.0), ("z", 2.0))}, "arms must be three or more"),
        (Trend, {"arms": (("x", 1.0), ("x", 2.0), ("y", 3.0))}, "arms must have different names"),
        (Trend, {"arms": (("x", 1e200), ("y", 2.0), ("z", 3.0))}, "whose squares are finite"),
        (Trend, {"arms": (("x", 0.0), ("y", 1e-200), ("z", 2e-200))}, "whose squares are finite"),
        (Every, {"compared": ()}, "compared must be pairs of arms"),
        (Every, {"compared": (("a", "b"), ("a", "b"))}, "compared must be different pairs of arms"),
        (Every, {"compared": (("a", "a"),)}, "compared must be the name of an arm, or a pair of two"),
        (Every, {"compared": ("ab", "ac")}, "compared must be pairs of arms"),
        (Spread, {"arms": ("a",)}, "arms must be two or more different names"),
        (Spread, {"arms": ("a", "b", "a")}, "arms must be two or more different names"),
        (Spread, {"arms": "ab"}, "arms must be names of arms"),
        (Spread, {"margin": -1.0}, "margin must have the sign of direction"),
        (Spread, {"margin": 1.0, "direction": -1}, "margin must have the sign of direction"),
        (Difference, {"spent": ("nowhere", 5)}, "spent must be"),
        (Difference, {"spent": ("desk", -1)}, "spent must be"),
    ],
)
def test_a_contrast_that_decides_nothing_is_refused(kind, change, message):
    with pytest.raises(ValueError, match=message):
        claim(kind=kind, **change)


class Hostile:
    """Equal to nothing, not even comparable."""

    def __eq__(self, other):
        raise TypeError("no comparison")

    __hash__ = None


anything = st.one_of(
    st.none(),
    st.booleans(),
    st.integers(),
    st.floats(),
    st.sampled_from([10**400, np.float32(1), np.zeros(2), Hostile(), object(), (), [], {}, b"x"]),
    st.text(max_size=3),
    st.sampled_from(["desk", "control", "own", "a", "b"]),
    st.tuples(st.sampled_from(["a", "b", "", 0]), st.sampled_from(["a", "desk", 3, -1])),
    st.lists(st.tuples(st.sampled_from("abcd"), st.floats()), max_size=4).map(tuple),
    st.tuples(st.sampled_from(["desk", "quick", 1]), st.integers()),
)


@given(data=st.data(), kind=st.sampled_from(list(USUAL)))
def test_a_contrast_takes_any_argument_or_names_it(data, kind):
    names = [field.name for field in dataclasses.fields(kind)]
    changed = data.draw(st.lists(st.sampled_from(names), min_size=1, max_size=2, unique=True))
    found = {name: data.draw(anything, label=name) for name in changed}
    try:
        contrast = kind(**{**USUAL[kind], **found})
    except ValueError as error:
        words = str(error)
        assert "must" in words
        assert any(name in words for name in names) or "arm of a trend" in words
        return
    assert contrast.named()
    assert contrast.declared()
    assert dataclasses.replace(contrast) == contrast
    assert decide(claim(kind=kind, **found), []).verdict == "not run"


def concrete(cls) -> set[type]:
    return set().union(*map(concrete, cls.__subclasses__())) or {cls}


def test_every_kind_of_contrast_can_be_decided():
    assert concrete(Contrast) == set(USUAL)
    assert len({kind.kind for kind in USUAL}) == len(USUAL)
    counts = {"differing": 0, "compared": 10}
    for kind in USUAL:
        found = []
        for arm, value in (("a", 0.5), ("b", 0.7), ("c", 0.6)):
            for seed in (0, 1, 2):
                result = {
                    "score": value + 0.01 * seed,
                    "pair": counts,
                    "curves": {"validation_accuracy": [value] * (seed + 1)},
                }
                found.append(record(arm, seed, value) | {"result": result})
        verdict = decide(claim(kind=kind), found)
        assert verdict.verdict != "not run"
        assert verdict.n == (30 if kind is Exact else 3)
        assert verdict.measured()


@given(low=st.floats(-9, 9), high=st.floats(-9, 9), margin=st.floats(0, 5))
def test_a_claim_and_its_opposite_never_both_hold(low, high, margin):
    low, high = sorted((low, high))
    above, below = (claim(margin=margin, direction=d).contrast for d in (1, -1))
    assert above.holds(low, high) == below.holds(-high, -low)
    assert not (above.holds(low, high) and below.holds(low, high))
    within = claim(kind=Equivalence, margin=margin).contrast
    assert within.holds(low, high) == within.holds(-high, -low)
    assert not (within.holds(low, high) and above.holds(low, high))


def test_what_a_claim_lacks_is_refused():
    for change, message in (
        ({"paper": "C"}, "paper must be one of A, B, ours, got 'C'"),
        ({"id": ""}, "id must be a text"),
    ):
        with pytest.raises(ValueError, match=message):
            claim(**change)
    with pytest.raises(ValueError, match="contrast must be a Contrast, got 'difference'"):
        dataclasses.replace(claim(), contrast="difference")


def test_shorthand_says_which_arm_is_the_control_and_fills_in_accuracies_alone():
    short = Shorthand(paper="B", value="curves", accuracy={"metric": "last", "margin": 0.5})
    said = {"source": "Figure 1", "text": "It does."}
    plain = short.claim("x", **said, **SIDES)
    assert (plain.paper, plain.paper_value, plain.id) == ("B", "curves", "x")
    assert plain.contrast == Difference(metric="last", margin=0.5, **SIDES)
    mine = short.ours("x", **said, **SIDES, kind=Equivalence, margin=1.0)
    assert (mine.paper, mine.paper_value) == ("ours", None)
    assert mine.contrast == Equivalence(metric="last", margin=1.0, **SIDES)
    assert short.claim("x", **said, kind=Speed, **SIDES, value="9").contrast == Speed(**SIDES)
    assert exact("x", paper="A", **said, arm="a").contrast == Exact(arm="a")
    for write in (short.claim, short.ours, exact):
        with pytest.raises(TypeError, match="positional"):
            write("x", "Figure 1", "It does.", "a", "b")
    with pytest.raises(TypeError, match="control"):
        short.claim("x", **said, arm="a")


@pytest.mark.parametrize(
    ("figure", "good"),
    [
        ("curves.loss.3", False), ("curves.loss", False), ("curves.loss.3.first", False),
        ("silent.last", False), ("curves.loss.4", True), ("curves.accuracy", True),
        ("silent.first", True),
    ],
)  # fmt: skip
def test_what_has_to_act_is_read_elsewhere_than_what_is_compared(figure, good):
    contrast = Difference(metric="curves.loss.3", arm="a", control="b", control_metric="silent.last")
    need = Requirement(figure=figure, arm="a", says="{:g}", at_least=1.0)
    fields = {"id": "it", "paper": "ours", "source": "here", "text": "It is so.", "contrast": contrast}
    if good:
        assert Claim(**fields, requires=(need,)).requires == (need,)
        return
    with pytest.raises(ValueError, match=f"requires must be read on another metric.*'{figure}'"):
        Claim(**fields, requires=(need,))


def test_a_claim_adds_no_control_to_itself():
    contrast = Difference(metric="x", arm="a", control="b")
    with pytest.raises(ValueError, match="with_control must be another claim's id, got 'it'"):
        Claim(
            id="it", paper="ours", source="here", text="It is so.", contrast=contrast, with_control="it"
        )
