"""Does starting from a real network save epochs? Paper A, section 4, Figure 4, Table 5."""

from bnnstudy.claims import Claim, Contrast
from bnnstudy.study import Study

CLAIMS = (
    Claim(
        id="pretraining-accuracy",
        paper="A",
        source="Table 5",
        text=("From a real network, binary training ends at the accuracy of training from scratch."),
        paper_value="test accuracy 89.32 and 89.18 (VGG-10), 91.18 and 91.16 (ResNet-18)",
        contrast=Contrast(
            kind="equivalence",
            metric="test_accuracy",
            arm="from real",
            control="from scratch",
            margin=0.3,
        ),
    ),
    Claim(
        id="pretraining-epochs",
        paper="A",
        source="Figure 4, Table 5",
        text="It gets there in far fewer epochs.",
        paper_value=(
            "best epoch 24 and 391 (VGG-10), 17 and 457 (ResNet-18), 30 and 88 (AlexNet-like)"
        ),
        contrast=Contrast(
            kind="difference",
            metric="best_epoch",
            arm="from real",
            control="from scratch",
            direction=-1,
            margin=1.0,
            unit="epochs",
            scale=1.0,
        ),
    ),
    Claim(
        id="pretraining-drop",
        paper="A",
        source="section 4",
        text="Accuracy drops sharply when the weights are made binary.",
        paper_value="no number given",
        contrast=Contrast(
            kind="difference",
            metric="validation_accuracy",
            arm="from real, before",
            control="from real, at once",
            margin=5.0,
        ),
    ),
    Claim(
        id="pretraining-recovery",
        paper="A",
        source="section 4, Figure 4",
        text=(
            "A few steps recover most of the drop: the first epoch is ahead of training from scratch."
        ),
        paper_value="no number given",
        contrast=Contrast(
            kind="difference",
            metric="curves.validation_accuracy.0",
            arm="from real",
            control="from scratch",
            margin=1.0,
        ),
    ),
    Claim(
        id="pretraining-last-mile",
        paper="A",
        source="section 4",
        text=(
            "The last small gap to training from scratch closes only with many epochs: more "
            "of them still help."
        ),
        paper_value="no number given",
        contrast=Contrast(
            kind="difference",
            metric="test_accuracy",
            arm="from real, long",
            control="from real, short",
            margin=0.0,
        ),
    ),
)

STUDY = Study(name="pretraining", title="Pre-training", claims=CLAIMS)
