"""Tasks, parts, logarithms, speeds: what verdicts are read from."""

import math
from unittest import mock

import numpy as np
import pytest
from hypothesis import given
from hypothesis import strategies as st
from test_claims import claim, decide, record, runs

from bnnstudy.evidence import runs as views
from bnnstudy.evidence import verdicts
from bnnstudy.evidence.claims import Equivalence, Speed
from bnnstudy.evidence.curves import fixed
from bnnstudy.studies import history


def test_data_sets_and_networks_are_judged_apart():
    found = runs(a=[0.9, 0.91], b=[0.8, 0.81])
    for record_ in runs(a=[0.5, 0.51], b=[0.8, 0.81]):
        record_["config"] |= {"dataset": "cifar10", "model": "cnn"}
        found.append(record_)
    by_task = {v.task: v.verdict for v in verdicts.decide(claim(), fixed(found))}
    assert by_task == {"digits mlp": "reproduced", "cifar10 cnn": "not reproduced"}
    quick = verdicts.decide(claim(), fixed(found + runs("quick", a=[0.1, 0.1], b=[0.8, 0.81])))
    assert {v.preset for v in quick} == {"desk"}


def test_a_part_of_a_run_is_an_arm():
    found = runs(a=[0.9, 0.91], b=[0.8, 0.81])
    for record_ in found[:2]:
        record_["result"]["parts"] = {"early": {"score": 0.6}}
    verdict = decide(claim(arm="a, early", control="a"), found)
    assert verdict.effect == pytest.approx(np.mean([60 - 90, 60 - 91]))


def test_logarithms_are_decimal_and_stop_at_the_floor():
    found = runs(a=[0.01, 0.01], b=[0.1, 0.0])
    verdict = decide(claim(log=True, scale=1.0), found)
    assert verdict.effect == pytest.approx(np.mean([-1.0, -2.0 - math.log10(views.FLOOR)]))


@pytest.mark.parametrize(
    ("arm", "below", "expected"),
    [
        ([0.5, 0.9, 0.9], 0.0, 2 - 3),
        ([0.5, 0.6, 0.7], 0.0, 4 - 3),  # never: one epoch more than it has
        ([0.5, 0.6, 0.7], 0.15, 3 - 2),
        ([0.9], 0.0, 1 - 3),
    ],
)
def test_a_speed_counts_epochs_to_the_level_of_the_controls_end(arm, below, expected):
    curves = {"a": arm, "b": [0.2, 0.66, 0.8]}
    found = [record(name, s, c, metric="curve") for name, c in curves.items() for s in (0, 1)]
    verdict = decide(claim(kind=Speed, metric="curve", below=below), found)
    assert verdict.effect == expected


@pytest.mark.parametrize(
    ("arm", "below", "expected"),
    [([0.5, 0.9, 0.9], 0.0, 2 - 3), ([0.5, 0.6, 0.7], 0.0, 3 - 3), ([0.5, 0.6, 0.7], 0.05, 3 - 2)],
)
def test_a_speed_may_count_to_the_lower_of_both_ends(arm, below, expected):
    curves = {"a": arm, "b": [0.2, 0.66, 0.8]}
    found = [record(name, s, c, metric="curve") for name, c in curves.items() for s in (0, 1)]
    contrast = {"metric": "curve", "below": below, "level": "lower"}
    verdict = decide(claim(kind=Speed, **contrast), found)
    assert verdict.effect == expected


def test_a_speed_may_count_to_each_curves_own_end():
    curves = {"a": [0.5, 0.9, 0.91], "b": [0.2, 0.3, 0.31, 0.5]}
    found = [record(name, s, c, metric="curve") for name, c in curves.items() for s in (0, 1)]
    contrast = {"metric": "curve", "below": 0.02, "level": "own"}
    assert decide(claim(kind=Speed, **contrast), found).effect == 2 - 4


def test_an_arm_may_be_held_against_nothing_but_the_margin():
    found = runs(a=[0.9, 0.91, 0.92], b=[0.1, 0.1, 0.1])
    alone = decide(claim(control=None, margin=80.0), found)
    assert (alone.effect, alone.verdict) == (pytest.approx(91), "reproduced")
    assert decide(claim(control=None, margin=95.0), found).verdict == "not reproduced"


def test_a_controls_value_may_stand_elsewhere():
    found = runs(a=[0.9, 0.91], b=[0.8, 0.81])
    for record_ in found:
        record_["result"]["other"] = 0.2
    verdict = decide(claim(control_metric="other"), found)
    assert verdict.effect == pytest.approx(100 * (0.905 - 0.2))


def test_a_larger_preset_without_an_interval_leaves_the_verdict_to_a_smaller_one():
    found = runs(a=[0.9, 0.91, 0.92], b=[0.8, 0.81, 0.82])
    verdict = decide(claim(), [*found, *runs("paper", a=[0.8], b=[0.9])])
    assert (verdict.preset, verdict.verdict) == ("desk", "reproduced")
    assert decide(claim(), runs("paper", a=[0.8], b=[0.9])).preset == "paper"


def test_differences_without_spread_have_no_p_value_below_one():
    # Each is one image of 400, and to the last bit they are not equal.
    values = {"a": [381 / 400, 371 / 400, 391 / 400], "b": [380 / 400, 370 / 400, 390 / 400]}
    assert len({x - y for x, y in zip(*values.values(), strict=True)}) > 1
    assert decide(claim(margin=0.0), runs(**values)).p == 1.0


def test_seeds_that_chose_an_arm_do_not_judge_it_at_their_preset():
    values = {"a": [0.9, 0.9, 0.6, 0.61], "b": [0.5, 0.5, 0.55, 0.55]}
    for preset, effect, n in (("desk", 5.5, 2), ("quick", (40 + 40 + 5 + 6) / 4, 4)):
        verdict = decide(claim(spent=("desk", 2)), runs(preset, **values))
        assert (verdict.effect, verdict.n) == (pytest.approx(effect), n)
    few = {arm: by_seed[:2] for arm, by_seed in values.items()}
    assert decide(claim(spent=("desk", 2)), runs("desk", **few)).verdict == "not run"


@given(seeds=st.integers(2, 12), known=st.integers(0, 12))
def test_seeds_that_were_known_judge_only_where_there_are_too_few_others(seeds, known):
    a = [0.9 + 0.001 * seed for seed in range(seeds)]
    b = [0.5 + 0.002 * seed for seed in range(seeds)]
    (verdict,) = verdicts.decide(claim(), fixed(runs("desk", a=a, b=b)), lambda preset, task: known)
    later = max(0, seeds - known)
    assert verdict.n == (later if later >= verdicts.FRESH else seeds)
    assert verdict.post_hoc == (known > 0 and later < verdicts.FRESH)
    first = known if later >= verdicts.FRESH else 0
    expected = 100 * np.mean([one - other for one, other in zip(a[first:], b[first:], strict=True)])
    assert verdict.effect == pytest.approx(expected)


def test_only_desk_runs_were_known_and_not_those_of_arms_that_changed():
    entry = history.Entry("toy", "2026-01-01", {}, known=5, anew=("mnist mlp",))
    with mock.patch.object(history, "latest", return_value={"toy": entry}):
        known = history.known("toy")
    assert [known(*where) for where in (("desk", "mnist mlp"), ("desk", "cifar10 cnn"),
                                        ("short", "cifar10 cnn"))] == [0, 5, 0]  # fmt: skip
    assert history.known("none such")("desk", "mnist mlp") == 0


@pytest.mark.parametrize(("path", "expected"), [("x.-1", 3), ("x.0", 1), ("x.-4", None), ("x.3", None)])
def test_a_path_may_count_from_the_end(path, expected):
    assert views.read({"x": [1, 2, 3]}, path) == expected


def test_arms_that_are_equal_in_every_seed_are_said_to_be():
    same = decide(claim(margin=0.1), runs(a=[0.9, 0.8], b=[0.9, 0.8]))
    assert "(equal in every seed), n = 2" in same.measured()
    assert same.verdict == "inconclusive"  # no test of a difference,
    for kept in ({"kind": Equivalence, "margin": 0.1}, {"margin": -0.1}):
        assert decide(claim(**kept), runs(a=[0.9, 0.8], b=[0.9, 0.8])).verdict == "reproduced"
    assert "equal" not in decide(claim(), runs(a=[0.9, 0.8], b=[0.9, 0.81])).measured()


def test_differences_of_logarithms_are_ratios_of_the_seeds_that_both_arms_have():
    one, other = {0: 0.2, 1: 8.0, 2: None, 3: 0.0}, {1: 0.08, 0: 0.5, 2: 1.0, 3: 0.1, 4: 1.0}
    found = {
        arm: {seed: {"loss": value} for seed, value in by_seed.items()}
        for arm, by_seed in (("one", one), ("other", other))
    }
    decades = views.differences(found, "one", "other", "loss", 1, log=True)
    ratios = [0.2 / 0.5, 8.0 / 0.08, views.FLOOR / 0.1]
    assert [10**decade for decade in decades] == pytest.approx(ratios)
    assert views.differences(found, "one", "other", "loss", 1) == pytest.approx([-0.3, 7.92, -0.1])


def test_a_verdict_has_a_word_of_the_table():
    assert {verdicts.word(claim(paper), holds) for paper in "AB" for holds in (True, False, None)} == {
        "reproduced", "not reproduced", "inconclusive",
    }  # fmt: skip
    assert [verdicts.word(claim("ours"), holds) for holds in (True, False)] == ["supported", "refuted"]
    for answer in verdicts.WORDS:
        verdicts.Verdict(claim=claim(), verdict=answer)
    with pytest.raises(ValueError, match=r"verdict must be one of reproduced, .*; got 'perhaps'"):
        verdicts.Verdict(claim=claim(), verdict="perhaps")


def test_arms_are_one_if_every_seed_of_both_has_the_same_course():
    def result(loss: float, flips: float = 0.5) -> dict:
        return {"curves": {"train_loss": [1.0, loss]}, "flip_ratio": {"steps": [2], "all": [flips]}}

    found = {
        "a": {0: result(0.1), 1: result(0.2)},
        "other flips": {0: result(0.1), 1: result(0.2, flips=0.4)},
        "fewer seeds": {0: result(0.1)},
        "b": {1: result(0.2), 0: result(0.1)},
        "alone": {0: result(0.3), 1: result(0.2)},
        "no curves": {0: {"pair": {}}},
        "none either": {0: {"pair": {}}},
        "not asked for": {0: result(0.1), 1: result(0.2)},
    }
    asked = [arm for arm in found if arm != "not asked for"]
    assert views.equal_arms(found, ["never run", *asked]) == [["a", "b"]]
    assert views.equal_arms(found, reversed(asked)) == [["b", "a"]]
