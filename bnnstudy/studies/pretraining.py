"""Does starting from a real network save epochs? Paper A, section 4, Figure 4, Table 5."""

from collections.abc import Iterable
from dataclasses import replace

from bnnstudy.config.run import RunConfig
from bnnstudy.config.tricks import pretraining
from bnnstudy.evidence.claims import Equivalence, Speed
from bnnstudy.evidence.readings import Reading
from bnnstudy.experiments.study import Arm, Study, named
from bnnstudy.studies._paper_a import (
    CNN,
    HALF_A_POINT,
    MLP,
    NO_NUMBER,
    arms,
    claim,
    ours,
    tuned,
)

RESNET = {
    "quick": replace(CNN["quick"], model="resnet18", width=4, epochs=2),
    "desk": replace(CNN["desk"], model="resnet18", width=8, train_size=2_500, epochs=5),
    "paper": replace(CNN["paper"], model="resnet18", width=64),
}
"""ResNet-18 at each preset; its recipe in the paper is not given."""

REAL_RATE = 10**-0.5
"""The rate with real weights, as a share of that with binary ones: where the float twin trains best."""

SCRATCH, FROM, LONG = "from scratch", "from real", "from real, long"

CLAIMS = (
    claim(
        "pretraining-accuracy",
        source="Table 5",
        text="From a real network, binary training ends at the accuracy of training from scratch.",
        arm=FROM,
        control=SCRATCH,
        value=(
            "test accuracy 89.32 and 89.18 (VGG-10), 91.18 and 91.16 (ResNet-18); best validation "
            "accuracy 90.16 and 89.76, 93.60 and 94.40, 51.85 and 51.98 (AlexNet-like)"
        ),
        kind=Equivalence,
        margin=0.3,
    ),
    claim(
        "pretraining-epochs",
        source="Figure 4, Table 5",
        text="From a real network that accuracy takes far fewer binary epochs.",
        arm=f"{LONG}, binary epochs",
        control=SCRATCH,
        value="best epoch 24 and 391 (VGG-10), 17 and 457 (ResNet-18), 30 and 88 (AlexNet-like)",
        kind=Speed,
        below=HALF_A_POINT,
        direction=-1,
        margin=1.0,
    ),
    claim(
        "pretraining-drop",
        source="section 4",
        text="Accuracy drops sharply when the weights are made binary.",
        arm=f"{FROM}, before",
        control=f"{FROM}, at once",
        value=NO_NUMBER,
        metric="validation_accuracy",
        margin=5.0,
    ),
    ours(
        "pretraining-statistics",
        source="audit of section 4",
        text=(
            "Part of that drop is batch norm's: measured anew, with no weight moved, its statistics "
            "give back five points or more."
        ),
        arm=f"{FROM}, anew",
        control=f"{FROM}, at once",
        metric="validation_accuracy",
        margin=5.0,
    ),
    # Rewritten when runs at desk were known: it compared with scratch, not with what was lost.
    claim(
        "pretraining-recovery",
        source="section 4, Figure 4",
        text=(
            "A few steps make up for the drop: after the first binary epoch accuracy is at most a "
            "point below that of the real network."
        ),
        arm=f"{FROM}, binary epochs",
        control=f"{FROM}, before",
        value=NO_NUMBER,
        metric="curves.validation_accuracy.0",
        control_metric="validation_accuracy",
        margin=-1.0,
    ),
    ours(
        "pretraining-head-start",
        source="audit of Figure 4",
        text="The first binary epoch from a real network is ahead of the first one from scratch.",
        arm=f"{FROM}, binary epochs",
        control=SCRATCH,
        metric="curves.validation_accuracy.0",
        margin=1.0,
    ),
    claim(
        "pretraining-last-mile",
        source="section 4",
        text=(
            "The last mile takes epochs: two fifths more of them still help a network that began real."
        ),
        arm=LONG,
        control=FROM,
        value=NO_NUMBER,
        margin=0.0,
    ),
    ours(
        "pretraining-cost",
        source="audit of Figure 4",
        text=(
            "With the real epochs counted, pre-training takes more epochs to the level of training "
            "from scratch, not fewer."
        ),
        arm=f"{LONG}, all epochs",
        control=SCRATCH,
        kind=Speed,
        below=HALF_A_POINT,
        margin=0.0,
    ),
)

HEADLINES = {
    "pretraining-accuracy": Reading(
        holds="Starting from a real network costs no accuracy.",
        fails="Starting from a real network ends lower, at this length.",
        open="Whether starting from a real network costs accuracy is open.",
        untested="The two starts were not told apart.",
    ),
    "pretraining-epochs": Reading(
        holds="Starting from a real network saves binary epochs.",
        fails="Starting from a real network does not save binary epochs.",
        open="Whether starting from a real network saves binary epochs is open.",
        untested="Most runs never came to the level, so epochs to it were not counted.",
    ),
    "pretraining-cost": Reading(
        holds="With its real epochs counted, starting from a real network is slower, not faster.",
        fails="With its real epochs counted, starting from a real network is no slower.",
        open="Whether starting from a real network is faster, its real epochs counted, is open.",
        untested="Most runs never came to the level, so epochs to it were not counted.",
    ),
    "pretraining-statistics": Reading(
        holds=(
            "Much of the fall when weights become binary is batch norm's statistics: measured again, "
            "they give most of it back."
        ),
        fails="Batch norm's statistics have little part in the fall when weights become binary.",
        open="How much of the fall is batch norm's statistics is open.",
        untested="This was not measured.",
    ),
}


def _arms(network: RunConfig) -> Iterable[Arm]:
    scratch = replace(network, optimizer="adam")
    real = max(1, 2 * network.epochs // 5)
    long = replace(scratch, epochs=network.epochs + real)
    # Runs of more than a minute have five seeds.
    seeds = 5 if network == RESNET["desk"] else None
    begun = named("procedures.pretrained")
    yield tuned(SCRATCH, scratch, seeds=seeds)
    yield tuned(FROM, pretraining(scratch, real, REAL_RATE), procedure=begun, seeds=seeds)
    yield tuned(LONG, pretraining(long, real, REAL_RATE), procedure=begun, seeds=seeds)


def _networks(preset: str) -> tuple[RunConfig, ...]:
    return (MLP[preset], CNN[preset], RESNET[preset])


STUDY = Study(
    name="pretraining",
    title="Pre-training",
    claims=CLAIMS,
    headlines=HEADLINES,
    arms=arms("pretraining", _arms, _networks),
    seeds={"quick": 2, "desk": 8, "paper": 5},
)
