"""What does the second average add? Paper B, Figure 2, and the same filters in training."""

from collections.abc import Iterable
from dataclasses import replace

from bnnstudy.config.run import RunConfig
from bnnstudy.config.serialise import significant
from bnnstudy.evidence.claims import Equivalence, exact
from bnnstudy.evidence.readings import Reading
from bnnstudy.experiments.study import Arm, Study, named
from bnnstudy.studies._paper_b import claim, networks, ours
from bnnstudy.theory.filters import cascade_noise_gain, cascade_step_correlation

ALPHAS = {"1e-1": 1e-1, "1e-2": 1e-2, "1e-3": 1e-3}

CLAIMS = (
    claim(
        "order-smoother",
        source="Figure 2",
        text=(
            "At equal alpha the second-order filter gives a smoother output than the first-order one: "
            "fewer sign changes."
        ),
        arm="1e-1, second order",
        control="1e-1, first order",
        metric="flips",
        direction=-1,
        log=True,
        margin=0.1,
        unit="decades of flips a weight",
        scale=1.0,
    ),
    exact(
        "order-never-more",
        paper="ours",
        source="audit of Figure 2",
        text=(
            "No weight changes sign more often with the second average than without it, whatever its "
            "gradients."
        ),
        arm="1e-1",
        metric="never_more",
        unit="weights with more sign changes",
    ),
    claim(
        "order-response",
        source="Figure 2",
        text="As smooth a first-order filter needs a smaller alpha, and so responds more slowly.",
        arm="1e-1, as few flips",
        control="1e-1, second order",
        metric="settling_time",
        margin=0.0,
        unit="steps to settle",
        scale=1.0,
    ),
    ours(
        "order-noise",
        source="audit of Figure 2",
        text=(
            "Flips are not noise: of a first-order and a second-order filter that let the same noise "
            "through, the second flips less."
        ),
        arm="1e-1, second order",
        control="1e-1, as little noise",
        metric="flips",
        direction=-1,
        log=True,
        margin=0.1,
        unit="decades of flips a weight",
        scale=1.0,
    ),
    # Written down when runs at desk were known, but before any that measured it.
    claim(
        "order-first-gradients",
        source="text with Eq 9-13",
        text="Gradients are large in the first iterations: twice as large as later on, or more.",
        value="no number given",
        arm="1e-3",
        control=None,
        metric="first_gradients",
        margin=0.3,
        log=True,
        scale=1.0,
        unit="decades of gradient size",
    ),
    ours(
        "order-training",
        source="audit of Figure 2",
        text="Trained at equal alpha, constant, the second-order filter ends better.",
        arm="1e-1",
        control="first order",
    ),
    ours(
        "order-training-flips",
        source="audit of Figure 2",
        text=(
            "A first-order filter that flips white noise as seldom ends as well; it also remembers "
            "longer."
        ),
        arm="first order, as few flips",
        control="1e-1",
        margin=-0.5,
    ),
    ours(
        "order-training-small",
        source="audit of Figure 2",
        text="At paper B's own alpha, 1e-3, the second average adds nothing.",
        arm="1e-3",
        control="first order, 1e-3",
        kind=Equivalence,
        margin=1.0,
    ),
    ours(
        "order-training-gap",
        source="audit of Figure 2",
        text="What the second average adds shrinks with alpha.",
        arm=("1e-1", "first order"),
        control=("1e-3", "first order, 1e-3"),
        margin=1.0,
    ),
)

HEADLINES = {
    "order-smoother": Reading(
        holds="A second average makes a smoother output: weights flip less at equal alpha.",
        fails="A second average does not make weights flip less.",
        open="Whether a second average makes weights flip less is open.",
        untested="The filters were not told apart.",
    ),
    "order-training": Reading(
        holds="At a large alpha a second average ends better.",
        fails="At a large alpha a second average does not end better.",
        open="Whether a second average ends better at a large alpha is open.",
        untested="The filters were not told apart.",
    ),
    "order-training-small": Reading(
        holds="At the paper's own alpha a second average adds nothing.",
        fails="At the paper's own alpha, too, a second average makes a difference.",
        open="Whether a second average adds anything at the paper's own alpha is open.",
        untested="The filters were not told apart.",
    ),
}


def _arms(network: RunConfig) -> Iterable[Arm]:
    base = replace(network, weight_schedule="constant")
    for name, alpha in ALPHAS.items():
        yield Arm(
            name=name,
            config=replace(base, alpha=alpha),
            procedure=named("procedures.filtered_gradients"),
        )
    first = replace(base, gamma=1.0, alpha=ALPHAS["1e-1"])
    second = ALPHAS["1e-1"], base.gamma
    gain = cascade_noise_gain(*second)
    alphas = {
        "first order": ALPHAS["1e-1"],
        "first order, 1e-2": ALPHAS["1e-2"],
        "first order, 1e-3": ALPHAS["1e-3"],
        "first order, as little noise": 2 * gain / (1 + gain),
        # An average's output is correlated by 1 - alpha from step to step.
        "first order, as few flips": cascade_step_correlation(*second),
    }
    for name, alpha in alphas.items():
        config = replace(first, alpha=significant(alpha, 6))
        yield Arm(name=name, config=config, callbacks=(named("FlipsByEpoch"),))


STUDY = Study(
    name="filters",
    title="Filters on gradients",
    claims=CLAIMS,
    headlines=HEADLINES,
    arms={preset: tuple(_arms(network)) for preset, network in networks(20).items()},
    seeds={"quick": 2, "desk": 8, "paper": 3},
)
