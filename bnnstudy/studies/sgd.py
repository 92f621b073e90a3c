"""Batch size and momentum under SGD. Paper A, section 3.1 (Figures 2a, 2b) and Appendix A."""

from collections.abc import Iterable
from dataclasses import replace
from typing import Any

from bnnstudy.config.run import RunConfig
from bnnstudy.config.serialise import significant
from bnnstudy.config.tricks import float_twin
from bnnstudy.evidence.claims import Equivalence, Every, in_order
from bnnstudy.evidence.readings import Reading
from bnnstudy.experiments.study import Arm, Study, named
from bnnstudy.studies._paper_a import NO_NUMBER, TRAINING_LOSS, arms, claim, is_small_cnn, ours, tuned

BATCHES = (50, 100, 150, 200)
MOMENTA = (0.7, 0.8, 0.9, 0.99)

_BY_MOMENTUM: dict[str, Any] = {
    "kind": Every,
    "direction": -1,
    "compared": in_order(f"momentum {momentum}" for momentum in MOMENTA),
}
"""An order of all four; rewritten when runs at desk were known, where a slope was one arm's doing."""
_SUM: dict[str, Any] = {"log": True, "scale": 1.0, "unit": "decades of the loss summed over an epoch"}


CLAIMS = (
    claim(
        "batch-size-early",
        source="section 3.1, Figure 2a",
        text="With plain SGD a larger batch lowers the training error of the first epoch, as plotted.",
        arm="batch 200",
        control="batch 50",
        value="about 300 (batch 50) and 80 (batch 200), CNN, read off the plot",
        metric="curves.train_loss_sum.0",
        direction=-1,
        margin=0.1,
        **_SUM,
    ),
    claim(
        "batch-size-final",
        source="section 3.1",
        text=(
            "No batch size brings plain SGD to the best accuracy: Adam stays ahead of batch 50, "
            "which has the most updates."
        ),
        arm="adam",
        control="batch 50",
        value="test error 17.98 (SGD) and 10.30 (Adam), CIFAR-10",
        margin=0.5,
    ),
    claim(
        "batch-size-float",
        source="Appendix A",
        text=(
            "At the end the larger batch has brought the plotted error down further for binary weights "
            "than for real ones, for which it matters far less."
        ),
        arm=("batch 50", "batch 200"),
        control=("float, batch 50", "float, batch 200"),
        value="end of the float curves: about .07, .02, .005, .002 (CNN), read off the plot",
        metric="curves.train_loss_sum.-1",
        margin=0.1,
        **_SUM,
        with_control="batch-size-mean-end",
    ),
    ours(
        "batch-size-mean-loss",
        source="audit of Figure 2a",
        text=(
            "The plotted error is a sum over batches; as a mean over images the first epoch of "
            "batch 200 is no better than that of batch 50."
        ),
        arm="batch 200",
        control="batch 50",
        metric="curves.train_loss.0",
        margin=0.0,
        **TRAINING_LOSS,
    ),
    ours(
        "batch-size-mean-end",
        source="audit of Figure 2a",
        text="As a mean over images, batch sizes 50 and 200 end at the same loss.",
        arm="batch 200",
        control="batch 50",
        kind=Equivalence,
        metric="curves.train_loss.-1",
        margin=0.1,
        **TRAINING_LOSS,
    ),
    claim(
        "momentum-faster",
        source="section 3.1, Figure 2b",
        text="The higher the momentum, the lower the training loss at the end.",
        value="CNN: about 1.2, .9, .5, .05 for .7, .8, .9, .99, read off the plot",
        **_BY_MOMENTUM,
        metric="curves.train_loss.-1",
        log=True,
        scale=1.0,
        unit="decades of training loss",
        with_control="momentum-rate",
    ),
    claim(
        "momentum-early",
        source="section 3.1, Figure 2b",
        text="Higher momentum trains faster: the higher it is, the lower the loss of the first epoch.",
        value=NO_NUMBER,
        **_BY_MOMENTUM,
        metric="curves.train_loss.0",
        log=True,
        scale=1.0,
        unit="decades of training loss",
        with_control="momentum-rate",
    ),
    claim(
        "momentum-accuracy",
        source="section 3.1, Figure 2b",
        text="The higher the momentum, the worse the final accuracy.",
        value=NO_NUMBER,
        **_BY_MOMENTUM,
        metric="test_accuracy",
    ),
    claim(
        "momentum-float",
        source="Appendix A",
        text=(
            "High momentum brings the training loss down further for binary weights than for real "
            "ones, for which it matters far less."
        ),
        arm=("momentum 0.7", "momentum 0.99"),
        control=("float, momentum 0.7", "float, momentum 0.99"),
        value="end of the float curves: about .005 to .02",
        metric="curves.train_loss.-1",
        margin=0.1,
        **TRAINING_LOSS,
    ),
    ours(
        "momentum-rate",
        source="audit of Figure 2b",
        text=(
            "It is the rate, lr / (1 - momentum), that counts: each at its own rate, momentum .7 "
            "and .99 end at the same accuracy."
        ),
        arm="momentum 0.99",
        control="momentum 0.7",
        kind=Equivalence,
        margin=0.3,
    ),
)

HEADLINES = {
    "batch-size-mean-loss": Reading(
        holds=(
            "The gain of a large batch in the first epoch is one of plotting: the curve sums losses "
            "over fewer steps."
        ),
        fails="A larger batch does lower the mean loss of the first epoch.",
        open="Whether a larger batch lowers the mean loss of the first epoch is open.",
        untested="Batch sizes were not told apart.",
    ),
    "batch-size-final": Reading(
        holds="No batch size brings plain SGD, at one rate, to Adam's accuracy.",
        fails="With the right batch size plain SGD is level with Adam.",
        open="Whether a batch size brings plain SGD to Adam's accuracy is open.",
        untested="Batch sizes were not told apart.",
    ),
    "momentum-faster": Reading(
        holds="Each higher momentum brings the training loss lower.",
        fails="Higher momentum does not bring the training loss lower, step for step.",
        open="Whether each higher momentum brings the loss lower is open.",
        untested="Momenta were not told apart.",
    ),
    "momentum-accuracy": Reading(
        holds="Each higher momentum costs accuracy.",
        fails="Higher momentum does not cost accuracy, step for step.",
        open="Whether each higher momentum costs accuracy is open.",
        untested="Momenta were not told apart.",
    ),
}


def _arms(binary: RunConfig) -> Iterable[Arm]:
    real = float_twin(binary)
    yield tuned("adam", replace(binary, optimizer="adam"))
    small = is_small_cnn(binary)
    for batch in (50, 200) if small else BATCHES:
        plain = replace(binary, optimizer="sgd", batch_size=batch)
        yield tuned(f"batch {batch}", plain, 10**0.5, callbacks=(named("LossSums"),))
    for batch in (50, 200):
        plain = replace(real, optimizer="sgd", batch_size=batch)
        yield tuned(f"float, batch {batch}", plain, 1.0, callbacks=(named("LossSums"),))
    # Figure 2b has 300 epochs where Figure 2a has 500.
    long = replace(binary, epochs=300) if binary.model == "binaryconnect" else binary
    # The rate at which latent weights keep the pace of plain SGD: lr / (1 - momentum).
    for momentum in () if small else MOMENTA:
        heavy = replace(long, optimizer="momentum", momentum=momentum)
        yield tuned(f"momentum {momentum}", heavy, significant(10 * (1 - momentum), 6))
    for momentum in () if small else (0.7, 0.99):
        heavy = replace(float_twin(long), optimizer="momentum", momentum=momentum)
        yield tuned(f"float, momentum {momentum}", heavy, significant(3 * (1 - momentum), 6))


STUDY = Study(
    name="sgd",
    title="Batch size and momentum under SGD",
    claims=CLAIMS,
    headlines=HEADLINES,
    arms=arms("sgd", _arms),
    seeds={"quick": 2, "desk": 8, "paper": 5},
)
