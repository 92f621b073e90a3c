"""How fast should batch norm's average move? Paper A, section 3.3 and Table 4.

The average touches evaluation only, so one training is evaluated at every momentum, and with statistics
that are measured again. Momenta are named as in the paper: the weight of the *old* average.
"""

from collections.abc import Iterable
from dataclasses import replace

from bnnstudy.config.run import RunConfig
from bnnstudy.config.tricks import float_twin, two_stages
from bnnstudy.evidence.claims import Equivalence, Every, exact, in_order
from bnnstudy.evidence.readings import Reading
from bnnstudy.experiments.study import Arm, Named, Study, named
from bnnstudy.studies._paper_a import (
    NO_NUMBER,
    STEPS_APART,
    accuracies_of,
    arms,
    claim,
    is_small_cnn,
    ours,
    tuned,
)

MOMENTA = {"0.8": 0.2, "0.85": 0.15, "0.9": 0.1, "0.99": 0.01}
"""The paper's name of each momentum, and torch's value: the weight of the new batch."""

BINARY, FLOAT, STAGES = "1W/32A", "32W/32A", "two stages"
_FIRST = "curves.validation_accuracy.0"

CLAIMS = (
    claim(
        "batch-norm-average",
        source="section 3.3, Table 4",
        text="A faster moving average (0.85 in the paper's count) ends better than a slow one (0.99).",
        arm=f"{BINARY}, 0.85",
        control=f"{BINARY}, 0.99",
        value="test error 1.19 and 1.23 on MNIST; 10.35 and 10.61 on CIFAR-10",
        margin=0.0,
    ),
    claim(
        "batch-norm-trend",
        source="section 3.3, Table 4",
        text="The effect is consistent over four values: the faster the average, the better the end.",
        value=("test error 1.21, 1.19, 1.22, 1.23 on MNIST; 10.31, 10.35, 10.53, 10.61 on CIFAR-10"),
        kind=Every,
        compared=in_order(f"{BINARY}, {name}" for name in MOMENTA),
        metric="test_accuracy",
        direction=-1,
        margin=0.0,
    ),
    claim(
        "batch-norm-second-stage",
        source="section 5",
        text="A faster average helps in the second of two stages.",
        arm=f"{STAGES}, 0.85",
        control=f"{STAGES}, 0.99",
        value=NO_NUMBER,
        margin=0.0,
    ),
    exact(
        "batch-norm-evaluation-only",
        paper="ours",
        source="audit of Table 4",
        text=(
            "The momentum touches evaluation only: trained with 0.8 and with 0.99 the weights are "
            "equal."
        ),
        arm="trained twice",
        unit=STEPS_APART,
    ),
    ours(
        "batch-norm-test-time",
        source="audit of Table 4",
        text="Statistics measured again before the test do as well as the average at 0.85.",
        arm=f"{BINARY}, anew",
        control=f"{BINARY}, 0.85",
        kind=Equivalence,
    ),
    ours(
        "batch-norm-early",
        source="audit of Table 4",
        text=(
            "It is early in training that the slow average misleads: after the first epoch 0.99 is "
            "behind."
        ),
        arm=f"{BINARY}, 0.85",
        control=f"{BINARY}, 0.99",
        metric=_FIRST,
        margin=1.0,
    ),
    ours(
        "batch-norm-flips",
        source="audit of Table 4",
        text=(
            "Weights that flip make the average late: freed of its start, the slow one still costs the "
            "binary network more after the first epoch than the float twin."
        ),
        arm=(f"{BINARY}, 0.85", f"{BINARY}, 0.99 without start"),
        control=(f"{FLOAT}, 0.85", f"{FLOAT}, 0.99 without start"),
        metric=_FIRST,
        margin=1.0,
    ),
    ours(
        "batch-norm-start",
        source="audit of Table 4",
        text=(
            "What the slow average loses early is due to its start, 0 and 1, which it forgets slowly: "
            "without it the first epoch is at most a point behind 0.85."
        ),
        arm=f"{BINARY}, 0.99 without start",
        control=f"{BINARY}, 0.85",
        metric=_FIRST,
        margin=-1.0,
    ),
)

HEADLINES = {
    "batch-norm-early": Reading(
        holds="A slow average misleads early in training, by points of accuracy.",
        fails="A slow average does not mislead early in training.",
        open="Whether a slow average misleads early is open.",
        untested="Averages were not told apart.",
    ),
    "batch-norm-average": Reading(
        holds="At the end of training a faster average is still better.",
        fails="At the end of training a faster average is no better.",
        open=(
            "Whether the average's speed matters at the end is open: the effect is smaller than these"
            " runs can tell."
        ),
        untested="Averages were not told apart.",
    ),
    "batch-norm-test-time": Reading(
        holds="Statistics measured again before the test do as well as any average.",
        fails="Statistics measured again before the test do not do as well as a fast average.",
        open="Whether statistics measured again do as well is open.",
        untested="Averages were not told apart.",
    ),
}


def _arms(network: RunConfig) -> Iterable[Arm]:
    # Momentum 1, the last batch alone, is what the averages are taken over.
    binary = replace(network, optimizer="adam", batch_norm_momentum=1.0)
    averages = (named("Averages", momenta=MOMENTA),)
    yield tuned(BINARY, binary, callbacks=averages)
    if not is_small_cnn(network):
        yield from _further(binary, averages)
    twice = named("paired.weight_by_weight", changes={"batch_norm_momentum": MOMENTA["0.99"]})
    short = replace(binary, lr=0.01, batch_norm_momentum=MOMENTA["0.8"], epochs=min(binary.epochs, 10))
    yield Arm(name="trained twice", config=short, procedure=twice)


def _further(binary: RunConfig, averages: tuple[Named, ...]) -> Iterable[Arm]:
    yield tuned(FLOAT, float_twin(binary), 10**-2.5, callbacks=averages)
    constant = replace(binary, schedule="constant")
    yield tuned(STAGES, two_stages(constant, binary.epochs // 2), callbacks=averages)


STUDY = Study(
    name="batch_norm",
    title="Batch norm's moving average",
    claims=CLAIMS,
    headlines=HEADLINES,
    arms=arms("batch_norm", _arms),
    seeds={"quick": 2, "desk": 8, "paper": 5},
    published=accuracies_of(
        {"mnist": (1.21, 1.19, 1.22, 1.23), "cifar10": (10.31, 10.35, 10.53, 10.61)},
        [f"{BINARY}, {momentum}" for momentum in MOMENTA],
    ),
)
