import numpy as np
import pytest
from hypothesis import given
from hypothesis import strategies as st

from bnnstudy.studies.collapse import SERIES
from bnnstudy.theory import collapse_exponent
from bnnstudy.theory.collapse import EXPONENTS

STEPS = np.array([256.0, 1024.0, 4096.0])[:, None]
ALPHAS = 2.0 ** -np.arange(1.0, 9.0)[None, :]
SHAPES = {
    "a hill": lambda x: -((x + 1) ** 2),
    "a cliff": lambda x: x - 0.3 * x**2 - 0.1 * x**3,
}


@given(st.integers(0, 300), st.sampled_from(sorted(SHAPES)), st.floats(-5, 5), st.floats(-5, 5))
def test_a_collapse_that_is_there_is_found_whatever_the_heights(at, shape, second, third):
    p = EXPONENTS[at]
    scores = SHAPES[shape](np.log2(ALPHAS) + p * np.log2(STEPS / 1024))
    scores = scores + np.array([0.0, second, third])[:, None]
    found = collapse_exponent(*np.broadcast_arrays(ALPHAS, STEPS), scores)
    assert found == pytest.approx(p, abs=0.011)


@given(st.randoms(use_true_random=False), st.floats(0.1, 10), st.floats(0.1, 10))
def test_units_and_order_play_no_part(random, unit, factor):
    alphas, steps = (each.ravel() for each in np.broadcast_arrays(ALPHAS, STEPS))
    scores = np.sin(np.log2(alphas)) + 0.1 * np.log2(steps) + np.cos(np.log(alphas * steps))
    order = np.array(random.sample(range(len(scores)), len(scores)))
    other = collapse_exponent(alphas[order] * factor, steps[order] * unit, scores[order] * unit)
    assert other == pytest.approx(collapse_exponent(alphas, steps, scores), abs=0.011)


@pytest.mark.parametrize(
    ("change", "message"),
    [
        ({"alphas": -ALPHAS.repeat(3, 0)}, "alphas must be numbers, each above 0 and finite"),
        ({"steps": np.full((3, 8), 100.0)}, r"steps must have two values or more, got \[100.0\]"),
        ({"scores": np.zeros((3, 7))}, r"must be as many, got \(24, 24, 21\)"),
        ({"scores": np.full((3, 8), np.nan)}, r"scores must be numbers, each from -1e\+100 to 1e\+100"),
        ({"degree": 1}, "degree must be a whole number of 2 or more, got 1"),
    ],
    ids=["alphas", "steps", "sizes", "scores", "degree"],
)
def test_what_cannot_be_fitted_is_refused(change, message):
    alphas, steps = np.broadcast_arrays(ALPHAS, STEPS)
    given = {"alphas": alphas, "steps": steps, "scores": np.zeros((3, 8))}
    with pytest.raises(ValueError, match=message):
        collapse_exponent(**{**given, **change})


@pytest.mark.parametrize("preset", SERIES)
def test_an_arm_has_as_many_memories_as_its_name_says(preset):
    from bnnstudy.data.datasets import steps_of_epoch

    for series in SERIES[preset]:
        for arm in series.arms():
            steps = arm.config.epochs * steps_of_epoch(arm.config)
            memories = float(arm.name.split(" memories")[0].split()[-1])
            assert arm.config.alpha * steps == pytest.approx(memories, rel=1e-5)
            assert ("constant" in arm.name) == (arm.config.weight_schedule == "constant")
