"""Which of Adam's averages matters? Paper A, section 3.1 (Figure 2c) and Appendix A.

As published, the betas share one rate (0.1, which the flat start of the paper's curves points to) with
three drops to a tenth. The controls tune the rate for each value.
"""

from collections.abc import Iterable
from dataclasses import replace
from typing import Any

from bnnstudy.config.run import RunConfig
from bnnstudy.config.tricks import float_twin
from bnnstudy.evidence.claims import Equivalence, Requirement
from bnnstudy.evidence.readings import Reading
from bnnstudy.experiments.study import Arm, Study, named
from bnnstudy.studies._paper_a import (
    TRAINING_LOSS,
    arms,
    claim,
    flat,
    is_small_cnn,
    longer,
    ours,
    tuned,
)

RATE = 0.1
DROPS = (0.2, 0.4, 0.5)
"""Epochs 50, 100 and 125 of 250."""

SECOND = (0.8, 0.9, 0.99, 0.999, 0.9999)
FIRST = (0.0, 0.8, 0.9)

_OVERLAP = "all overlap at about .005 to .01"
_END: dict[str, Any] = {"metric": "curves.train_loss.-1", "margin": 0.1, **TRAINING_LOSS}
_FIGURE = "section 3.1, Figure 2c"


def _remembered(arm: str) -> Requirement:
    """That the run is longer than the memory it is about: three times 1 / (1 - beta2) steps."""
    says = "the run is {:.1f} memories of its second moment long"
    return Requirement(figure="@second memories", arm=arm, at_least=3.0, says=says)


_LONG = (_remembered("beta2 0.999"),)

SIZES: dict[str, Any] = {
    "callbacks": (named("UpdateSize"),),
    "procedure": named("procedures.phases_as_parts"),
}
"""What the runs measure besides: the size of updates, and each phase by itself."""

CLAIMS = (
    claim(
        "betas-second",
        requires=_LONG,
        source=_FIGURE,
        text=(
            "The memory of the second moment matters: beta2 .999 ends at a lower training loss than .8."
        ),
        arm="beta2 0.999",
        control="beta2 0.8",
        value="end: about .03 (.999) and .3 to .4 (.8, .9), read off the plot",
        direction=-1,
        **_END,
        with_control="betas-tuned-loss",
    ),
    claim(
        "betas-first",
        source="Figure 2c",
        text="The memory of the first moment hardly matters: beta1 0 ends at the loss of .9.",
        arm="beta1 0.0",
        control="beta2 0.999",
        value="beta1 0 marginally lowest at the end",
        kind=Equivalence,
        **_END,
    ),
    claim(
        "betas-before-drop",
        requires=(*_LONG, flat("beta2 0.999")),
        source="Figure 2c",
        text="Before the first drop of the rate the values of beta2 train alike.",
        arm="beta2 0.8, phase 1",
        control="beta2 0.999, phase 1",
        value="all at about 75 to 80, chance for its batch size",
        kind=Equivalence,
        metric="train_loss",
        margin=0.1,
        **TRAINING_LOSS,
    ),
    claim(
        "betas-after-drop",
        requires=(*_LONG, flat("beta2 0.999")),
        source="Figure 2c",
        text="The gap between values of beta2 opens after the first drop of the rate, not before.",
        arm=("beta2 0.8, phase 2", "beta2 0.999, phase 2"),
        control=("beta2 0.8, phase 1", "beta2 0.999, phase 1"),
        value="before: all at about 75 to 80; after: about 4 (.999) and 12 (.8, .9)",
        metric="train_loss",
        margin=0.1,
        **TRAINING_LOSS,
    ),
    ours(
        "betas-accuracy",
        requires=_LONG,
        source="audit of Figure 2c",
        text=(
            "The second moment's significant role shows in accuracy, too: beta2 .999 ends higher than "
            ".8."
        ),
        arm="beta2 0.999",
        control="beta2 0.8",
    ),
    # The figure shows losses alone; suggested by the accuracies of its runs.
    ours(
        "betas-first-accuracy",
        source="audit of Figure 2c",
        text=(
            "The memory of the first moment hardly matters to accuracy either: beta1 0 ends as .9 does."
        ),
        arm="beta1 0.0",
        control="beta2 0.999",
        kind=Equivalence,
        margin=0.3,
    ),
    claim(
        "betas-float-second",
        requires=(_remembered("float, beta2 0.999"),),
        source="Appendix A",
        text="For real weights the memory of the second moment does not matter.",
        arm="float, beta2 0.999",
        control="float, beta2 0.8",
        value=_OVERLAP,
        kind=Equivalence,
        **_END,
    ),
    claim(
        "betas-float-first",
        source="Appendix A",
        text="For real weights the memory of the first moment does not matter either.",
        arm="float, beta1 0.0",
        control="float, beta2 0.999",
        value=_OVERLAP,
        kind=Equivalence,
        **_END,
    ),
    ours(
        "betas-step-size",
        source="audit of Figure 2c",
        text="At the same rate a shorter second moment takes larger steps.",
        arm="beta2 0.8",
        control="beta2 0.999",
        metric="update_size.mean",
        margin=0.0,
        scale=1.0,
        unit="rates a step",
    ),
    ours(
        "betas-tuned-loss",
        requires=(_remembered("beta2 0.999, tuned"),),
        source="audit of Figure 2c",
        text="With a rate of its own for each, beta2 .8 ends at the training loss of .999.",
        arm="beta2 0.8, tuned",
        control="beta2 0.999, tuned",
        kind=Equivalence,
        **_END,
    ),
    ours(
        "betas-tuned-accuracy",
        requires=(_remembered("beta2 0.999, tuned"),),
        source="audit of Figure 2c",
        text="With a rate of its own for each, beta2 .8 ends at the accuracy of .999.",
        arm="beta2 0.8, tuned",
        control="beta2 0.999, tuned",
        kind=Equivalence,
        margin=0.3,
    ),
)

HEADLINES = {
    "betas-second": Reading(
        holds="A long memory of the second moment brings the training loss lower.",
        fails="A long memory of the second moment does not bring the training loss lower.",
        open="Whether a long memory of the second moment brings the loss lower is open.",
        untested="These runs are too short for the second moment's memory to matter.",
    ),
    "betas-first": Reading(
        holds="The memory of the first moment hardly matters to the loss.",
        fails="The memory of the first moment does matter to the loss.",
        open="Whether the memory of the first moment matters to the loss is open.",
        untested="The memory of the first moment was not tested.",
    ),
    "betas-after-drop": Reading(
        holds="The gap between short and long memories opens when the rate falls.",
        fails="No gap between short and long memories opens when the rate falls.",
        open="Whether a gap opens when the rate falls is open.",
        untested=(
            "Whether a gap opens when the rate falls was not tested: there is no plateau before."
        ),
    ),
    "betas-tuned-accuracy": Reading(
        holds="At a rate of its own, a short memory ends as accurate as a long one.",
        fails="At a rate of its own, a short memory still does not end as accurate as a long one.",
        open="Whether a short memory ends as accurate, at a rate of its own, is open.",
        untested="These runs are too short for the second moment's memory to matter.",
    ),
}


def _arms(network: RunConfig) -> Iterable[Arm]:
    if network.model == "binaryconnect":
        # Figure 2c's own length, and the batch that the height of its flat start points to.
        network = replace(network, epochs=250, batch_size=200)
    elif not is_small_cnn(network):
        # Long enough for the drops to fall between epochs, at the preset `quick` too.
        network = longer(replace(network, epochs=max(network.epochs, 10)))
    binary = replace(network, optimizer="adam", lr=RATE, schedule="constant", drops=DROPS)
    real = float_twin(binary)
    for config, prefix in ((binary, ""), (real, "float, ")):
        for beta2 in (0.8, 0.999) if prefix or is_small_cnn(network) else SECOND:
            betas = replace(config, betas=(0.9, beta2))
            yield Arm(name=f"{prefix}beta2 {beta2}", config=betas, **SIZES)
        for beta1 in FIRST[:1] if prefix or is_small_cnn(network) else FIRST[:2]:
            betas = replace(config, betas=(beta1, 0.999))
            yield Arm(name=f"{prefix}beta1 {beta1}", config=betas, **SIZES)
    for beta2 in (0.8, 0.999):
        betas = replace(binary, betas=(0.9, beta2), lr=1e-3)
        yield tuned(f"beta2 {beta2}, tuned", betas, **SIZES)


STUDY = Study(
    name="adam_betas",
    title="Adam's two memories",
    claims=CLAIMS,
    headlines=HEADLINES,
    arms=arms("adam_betas", _arms),
    seeds={"quick": 2, "desk": 8, "paper": 5},
)
