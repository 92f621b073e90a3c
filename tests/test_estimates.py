"""Effects and their errors: seeds, the choice of the rate, and the sampling of test images."""

import math
from dataclasses import replace

import numpy as np
import pytest
from hypothesis import given
from hypothesis import strategies as st
from scipy import stats

from bnnstudy import data
from bnnstudy.evidence import right
from bnnstudy.evidence.claims import Claim, Difference, Equivalence, Requirement, Speed
from bnnstudy.evidence.curves import Curve, fixed, with_parts
from bnnstudy.evidence.estimates import effect
from bnnstudy.evidence.verdicts import Verdict, decide
from bnnstudy.report import tables


def record(seed, arm="a", value=None, **result):
    config = {"seed": seed, "dataset": "mnist"} | ({} if value is None else {"lr": value})
    return {"arm": arm, "preset": "desk", "config": config, "result": result}


def tuned(arm, table, **more):
    """A curve from validation and test accuracies by value and seed."""
    return Curve(
        arm,
        {
            value: {
                seed: record(seed, arm, value, validation_accuracy=v, score=t, **more)
                for seed, (v, t) in enumerate(pairs)
            }
            for value, pairs in table.items()
        },
        "lr",
    )


def flat(arm, scores):
    return Curve(arm, {None: {s: record(s, arm, score=v) for s, v in enumerate(scores)}})


SCORE = {"metric": "score", "arm": "a", "control": "b"}
scores = st.lists(st.floats(0, 1), min_size=3, max_size=8).filter(lambda v: np.std(v) > 1e-3)


@given(a=scores, b=scores)
def test_unpaired_is_welchs_test(a, b):
    contrast = Difference(**SCORE, paired=False, scale=1.0)
    found = effect(contrast, {"a": flat("a", a), "b": flat("b", b)})
    expected = stats.ttest_ind(a, b, equal_var=False)
    low, high = expected.confidence_interval(0.95)
    assert found.interval() == pytest.approx((low, high), abs=1e-9)
    assert found.p(contrast) == pytest.approx(expected.pvalue, rel=1e-6, abs=1e-9)
    assert found.n == min(len(a), len(b))


@given(pairs=st.lists(st.tuples(st.floats(0, 1), st.floats(0, 1)), min_size=3, max_size=8))
def test_paired_is_the_test_of_the_differences(pairs):
    a, b = zip(*pairs, strict=True)
    differences = np.subtract(a, b)
    if np.std(differences) < 1e-3:
        return
    found = effect(Difference(**SCORE, scale=1.0), {"a": flat("a", a), "b": flat("b", b)})
    expected = stats.ttest_1samp(differences, 0).confidence_interval(0.95)
    assert found.interval() == pytest.approx(tuple(expected), abs=1e-9)


def test_parts_of_one_run_are_paired_whatever_is_declared():
    runs = [
        record(s, parts={"x": {"score": 0.5 + 0.1 * s}, "y": {"score": 0.4 + 0.1 * s}})
        for s in range(4)
    ]
    curves = with_parts(fixed(runs)["desk", "mnist mlp"])
    contrast = Difference(metric="score", arm="a, x", control="a, y", paired=False)
    assert effect(contrast, curves).error == pytest.approx(0, abs=1e-9)


def test_no_seed_judges_the_value_that_it_chose():
    # Seed 0 alone makes 0.1 the best: it is judged at 1.0, where the others are best.
    table = {0.1: [(0.99, 0.9), (0.5, 0.1), (0.5, 0.1)], 1.0: [(0.55, 0.5), (0.6, 0.6), (0.6, 0.7)]}
    curve = tuned("a", table)
    assert np.mean([v for v, _ in table[0.1]]) > np.mean([v for v, _ in table[1.0]])
    assert curve.chosen(curve.seeds) == [1.0, 0.1, 0.1]
    found = effect(Difference(metric="score", arm="a", control=None, scale=1.0), {"a": curve})
    assert found.values == (0.5, 0.1, 0.1)


def test_an_arm_that_follows_is_judged_at_its_leaders_choice_and_draws_with_it():
    leader = tuned("a", {1.0: [(0.9, 0.5)] * 4, 2.0: [(0.89, 0.7)] * 4})
    own = tuned("b", {1.0: [(0.1, 0.4)] * 4, 2.0: [(0.9, 0.3)] * 4})
    follower = Curve("b", own.runs, "lr", leader)
    found = effect(Difference(**SCORE, scale=1.0), {"a": leader, "b": follower})
    assert found.values == pytest.approx([0.1] * 4)


def test_the_choices_own_noise_is_in_the_error():
    # Which of two values wins on validation is a toss-up, and they differ by far on the test set. Where
    # all seeds were judged at one of them, their own spread knows nothing of the other.
    contrast = Difference(metric="score", arm="a", control=None, scale=1.0)
    wider = []
    for seed in range(40):
        noise = np.random.default_rng(seed).normal(0, 0.01, (2, 8))
        table = {
            value: [(0.9 + noise[k, s], level + 0.001 * s) for s in range(8)]
            for k, (value, level) in enumerate(((1.0, 0.5), (2.0, 0.7)))
        }
        found = effect(contrast, {"a": tuned("a", table)})
        own = np.std(found.values, ddof=1) / math.sqrt(8)
        assert found.error >= own * (1 - 1e-9)
        wider.append(found.error / own)
    assert np.mean(np.array(wider) > 2) > 0.5


def kept(bits, **more):
    accuracy = float(np.mean(bits))
    return {"test_accuracy": accuracy, "right": right.keep({"test_accuracy": bits}), **more}


ACCURACY = Difference(metric="test_accuracy", arm="a", control="b")


def test_other_test_images_count():
    generator = np.random.default_rng(1)
    hard = generator.random(10_000) < 0.1  # images that both arms find hard
    bits = {
        arm: [~(hard & (generator.random(10_000) < miss)) for _ in range(6)]
        for arm, miss in (("a", 0.5), ("b", 0.6))
    }
    curves = fixed(
        record(s, arm, **kept(b)) for arm, found in bits.items() for s, b in enumerate(found)
    )
    curves = curves["desk", "mnist mlp"]
    found = effect(ACCURACY, curves)
    differences = 100 * np.array([x.mean() - y.mean() for x, y in zip(*bits.values(), strict=True)])
    seeds = differences.var(ddof=1) / 6
    images = (100 * (np.mean(bits["a"], axis=0) - np.mean(bits["b"], axis=0))).var(ddof=1) / 10_000
    assert found.error == pytest.approx(math.sqrt(seeds + images), rel=1e-6)
    # Without single images each arm is taken to err on images of its own: far wider.
    bare = {
        name: Curve(name, {None: {s: {**r, "result": {"test_accuracy": r["result"]["test_accuracy"]}}
                                  for s, r in curve.runs[None].items()}})
        for name, curve in curves.items()
    }  # fmt: skip
    p, q = (np.mean(bits[arm]) for arm in "ab")
    alone = 1e4 * (p * (1 - p) + q * (1 - q)) / 10_000
    assert effect(ACCURACY, bare).error == pytest.approx(math.sqrt(seeds + alone), rel=1e-6)
    assert effect(ACCURACY, bare).error > 1.5 * found.error


def test_unpaired_arms_that_choose_together_may_have_other_seeds():
    def arm(name, seeds, leader=None):
        runs = {
            s: record(s, name, 1.0, validation_accuracy=0.9, test_accuracy=0.9 - 0.01 * s)
            for s in seeds
        }
        return Curve(name, {1.0: runs}, "lr", leader)

    leader = arm("a", range(6))
    contrast = Difference(metric="test_accuracy", arm="b", control="a", paired=False)
    found = effect(contrast, {"a": leader, "b": arm("b", range(3), leader)})
    assert found.n == 3
    assert math.isfinite(found.error)


@given(bits=st.lists(st.booleans(), min_size=1, max_size=70), last=st.booleans())
def test_images_come_back_as_they_were_kept(bits, last):
    metric = "last.test_accuracy" if last else "test_accuracy"
    result = {"right": right.keep({metric: np.array(bits)})}
    assert right.unpack(result, metric).tolist() == bits
    assert right.unpack(result, "curves.test_accuracy.0") is None


def test_every_data_set_says_how_many_test_images_it_has():
    names = (*data.NAMES, *data.datasets.FOLDERS)
    assert {name: data.sizes_of(name)[2] for name in names} == right.TEST_IMAGES


def claim(contrast, *requires):
    return Claim(id="x", paper="A", source="s", text="t", contrast=contrast, requires=requires)


def course(seed, arm, losses, score, **more):
    result = {"curves": {"train_loss": losses, **more}, "flip_ratio": {"all": [0.1]}, "score": score}
    return record(seed, arm, **result)


@pytest.mark.parametrize("kind", [Difference, Equivalence])
def test_arms_that_are_one_training_test_nothing(kind):
    both = [course(s, arm, [1.0, 0.5 + s], 0.9) for arm in "ab" for s in range(4)]
    (verdict,) = decide(claim(kind(**SCORE, margin=0.5)), fixed(both))
    assert verdict.verdict == "not tested"
    assert "the same training" in verdict.why
    assert verdict.otherwise == ("reproduced" if kind is Equivalence else "inconclusive")
    both[0] = course(0, "a", [1.0, 0.6], 0.9)
    (verdict,) = decide(claim(kind(**SCORE, margin=0.5)), fixed(both))
    assert verdict.verdict != "not tested"


def test_one_training_that_is_measured_in_two_ways_tests_how_it_is_measured():
    both = [course(s, arm, [1.0, 0.5 + s], 0.9 + (0.01 + 0.001 * s) * (arm == "a"))
            for arm in "ab" for s in range(4)]  # fmt: skip
    (verdict,) = decide(claim(Difference(**SCORE)), fixed(both))
    assert verdict.verdict == "reproduced"


CLIPPED = Requirement(
    figure="curves.saturation", arm="b", at_least=0.05, says="{:.1%} of the weights reached ±1"
)


@pytest.mark.parametrize("reached", [0, 2, 3, 4])
def test_what_did_not_act_in_most_seeds_was_not_tested(reached):
    found = [course(s, "a", [1.0], 0.9 + 0.01 * s) for s in range(4)]
    found += [
        course(s, "b", [0.9], 0.5 + 0.01 * s * s, saturation=[0.0, 0.06 if s < reached else 0.01])
        for s in range(4)
    ]
    (verdict,) = decide(claim(Difference(**SCORE), CLIPPED), fixed(found))
    if reached > 2:
        assert (verdict.verdict, verdict.why) == ("reproduced", "")
    else:
        assert (verdict.verdict, verdict.otherwise) == ("not tested", "reproduced")
        assert verdict.why == f"`b`: {'6.0%' if reached == 2 else '1.0%'} of the weights reached ±1"
    (said,) = verdict.summary()["requires"]
    assert said == {
        "arm": "b", "figure": "curves.saturation", "at_least": 0.05, "at_most": None,
        "median": 0.06 if reached > 1 else 0.01, "held": reached, "of": 4,
    }  # fmt: skip


def test_a_seed_without_the_figure_is_one_in_which_it_did_not_act():
    found = [course(s, "a", [1.0], 0.9 + 0.01 * s) for s in range(4)]
    found += [
        course(s, "b", [0.9], 0.5 + 0.01 * s * s, saturation=[0.06] if s < 2 else [None])
        for s in range(4)
    ]
    (verdict,) = decide(claim(Difference(**SCORE), CLIPPED), fixed(found))
    assert (verdict.verdict, verdict.otherwise) == ("not tested", "reproduced")
    assert [(one.held, one.of) for one in verdict.looked] == [(2, 4)]


def test_a_speed_that_is_mostly_censored_was_not_tested():
    curves = {"a": [0.1, 0.2, 0.3], "b": [0.1, 0.8, 0.9]}
    found = [
        course(
            s,
            arm,
            [1.0 + s + 9 * (arm == "b")],
            0.5,
            validation_accuracy=[v + 0.001 * s for v in curve],
        )
        for arm, curve in curves.items()
        for s in range(4)
    ]
    (verdict,) = decide(claim(Speed(arm="a", control="b")), fixed(found))
    assert (verdict.verdict, verdict.why) == ("not tested", "100% of the runs never came to the level")


def test_a_requirement_is_read_on_another_metric():
    with pytest.raises(ValueError, match="another metric than the contrast's, got 'score'"):
        claim(Difference(**SCORE), Requirement(figure="score", arm="a", at_least=0.5, says="{}"))


@pytest.mark.parametrize(
    ("change", "message"),
    [
        ({"figure": ""}, "figure must be a text"),
        ({"at_least": None}, "at_least or at_most must be a number, got None for both"),
        ({"at_most": math.nan}, "at_most must be a finite number"),
        ({"says": "{} of {}"}, "says must be a text with one number"),
    ],
)
def test_a_requirement_that_requires_nothing_is_refused(change, message):
    whole = {"figure": "x", "arm": "a", "at_least": 0.5, "says": "{}"} | change
    with pytest.raises(ValueError, match=message):
        Requirement(**whole)


def test_a_verdict_says_what_turns_it():
    noise = [0.0, 0.001, 0.002, 0.001]
    table = {
        1.0: [(0.90 + n, 0.9 + n) for n in noise],
        2.0: [(0.899 + n, 0.3 + n) for n in noise],
    }
    curves = {("desk", "mnist mlp"): {"a": tuned("a", table), "b": flat("b", [0.5, 0.51, 0.5, 0.49])}}
    (verdict,) = decide(claim(Difference(**SCORE)), curves)
    assert verdict.verdict == "reproduced"
    assert (verdict.turns, verdict.runners_up) == ("not reproduced with `a` at 2", 1)
    said = tables.second_look([verdict, replace(verdict, verdict="not reproduced")]).splitlines()
    assert len(said) == 3
    assert said[-1].endswith("| not reproduced with `a` at 2 | – |")
    for runners_up, words in ((1, "stands"), (0, "no second rate was run")):
        failed = replace(verdict, verdict="not reproduced", turns="", runners_up=runners_up)
        assert tables.second_look([failed]).endswith(f"| {words} | – |")


def test_what_failed_stands_beside_the_claim_that_adds_the_control_it_lacks():
    lacking = replace(claim(Difference(**SCORE)), id="without", with_control="with")
    adding = replace(claim(Difference(**SCORE)), id="with", text="It is so at equal rates.")
    failed = Verdict(claim=lacking, verdict="not reproduced", preset="desk", task="mnist mlp")
    held = Verdict(
        claim=adding,
        verdict="supported",
        preset="desk",
        task="mnist mlp",
        n=5,
        effect=1.0,
        low=0.5,
        high=1.5,
    )
    elsewhere = replace(held, task="cifar10 cnn")
    ending = "| It is so at equal rates. supported: +1.00 [+0.50, +1.50] percentage points, n = 5 |"
    assert tables.second_look([failed, held]).endswith(ending)
    assert tables.second_look([failed, elsewhere]).endswith("| – |")


@pytest.mark.parametrize("paired", [True, False])
def test_intervals_cover_what_they_should_when_the_rate_is_chosen(paired):
    """Two arms that are equal at their best, over curves in half decades that seeds see with noise."""
    generator = np.random.default_rng(2)
    heights = np.array([0.90, 0.915, 0.92, 0.918, 0.90])
    rates = [10 ** (k / 2) for k in range(5)]
    contrast = Difference(**SCORE, paired=paired, scale=1.0)
    covered, trials, n = 0, 150, 8
    for _ in range(trials):
        curves = {}
        for arm in "ab":
            shared = generator.normal(0, 0.004, (5, n))
            validation = heights[:, None] + shared + generator.normal(0, 0.004, (5, n))
            test = heights[:, None] + shared + generator.normal(0, 0.004, (5, n))
            curves[arm] = tuned(arm, {r: list(zip(validation[k], test[k], strict=True))
                                      for k, r in enumerate(rates)})  # fmt: skip
        low, high = effect(contrast, curves).interval()
        covered += low <= 0 <= high
    assert covered / trials > 0.91
