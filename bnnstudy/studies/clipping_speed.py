"""Does the estimator or clipping slow training? Paper A, section 4, Figure 5."""

from bnnstudy.claims import Claim, Contrast
from bnnstudy.study import Study

CLAIMS = (
    Claim(
        id="speed-vanilla",
        paper="A",
        source="section 4",
        text="Without clipping a binary network trains about as fast as its float twin.",
        paper_value="no number given",
        contrast=Contrast(
            kind="equivalence",
            metric="curves.validation_accuracy.0",
            arm="none",
            control="float",
            margin=1.0,
        ),
    ),
    Claim(
        id="speed-clipping",
        paper="A",
        source="section 4, Figure 5",
        text="Clipping weights and gradients slows training.",
        paper_value=(
            "at epoch 49: about 4 (fastest curve) and 77 (two others); legend and text disagree"
        ),
        contrast=Contrast(
            kind="difference",
            metric="log_loss",
            arm="both",
            control="none",
            margin=0.1,
            unit="decades of training loss",
            scale=1.0,
        ),
    ),
    Claim(
        id="speed-halt",
        paper="A",
        source="section 4, Figure 5",
        text="At a large rate, training without weight clipping halts.",
        paper_value="stuck at about 60 to 65, read off the plot",
        contrast=Contrast(
            kind="difference",
            metric="log_loss",
            arm="gradients",
            control="weights",
            margin=0.1,
            unit="decades of training loss",
            scale=1.0,
        ),
    ),
    Claim(
        id="speed-cost",
        paper="A",
        source="section 4",
        text="The vanilla estimator ends at a slightly lower accuracy.",
        paper_value="test error 10.79 and 10.38 on CIFAR-10 (Table 3)",
        contrast=Contrast(
            kind="difference",
            metric="test_accuracy",
            arm="none",
            control="both",
            direction=-1,
            margin=0.05,
        ),
    ),
)

STUDY = Study(name="clipping_speed", title="What slows training down", claims=CLAIMS)
