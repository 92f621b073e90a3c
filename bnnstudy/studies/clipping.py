"""Do weight and gradient clipping improve accuracy? Paper A, section 3.2, Table 3."""

from bnnstudy.claims import Claim, Contrast
from bnnstudy.study import Study

CLAIMS = (
    Claim(
        id="clipping-gradients",
        paper="A",
        source="Table 3",
        text="Clipping gradients ends better than the vanilla straight-through estimator.",
        paper_value="test error 1.17 and 1.28 on MNIST; 10.53 and 10.79 on CIFAR-10",
        contrast=Contrast(
            kind="difference",
            metric="test_accuracy",
            arm="gradients",
            control="none",
            margin=0.05,
        ),
    ),
    Claim(
        id="clipping-both",
        paper="A",
        source="section 3.2, Table 3",
        text="Clipping both ends better than clipping nothing.",
        paper_value=(
            "test error 1.18 and 1.28 on MNIST; 10.38 and 10.79 on CIFAR-10 (the text says "
            "gains of 0.07 and 0.54)"
        ),
        contrast=Contrast(
            kind="difference",
            metric="test_accuracy",
            arm="both",
            control="none",
            margin=0.05,
        ),
    ),
    Claim(
        id="clipping-weights-alone",
        paper="A",
        source="section 3.2, Table 3",
        text="Clipping weights helps beside gradient clipping, and less alone.",
        paper_value=(
            "gains of -0.01 (beside gradient clipping) and 0.06 (alone) on MNIST; 0.15 and "
            "0.06 on CIFAR-10"
        ),
        contrast=Contrast(
            kind="difference",
            metric="test_accuracy",
            arm=("both", "gradients"),
            control=("weights", "none"),
            margin=0.0,
        ),
    ),
    Claim(
        id="clipping-sgd-speed",
        paper="A",
        source="section 3.2",
        text="Clipping has next to no effect on the speed of SGD and momentum.",
        paper_value="no number given",
        contrast=Contrast(
            kind="equivalence",
            metric="curves.validation_accuracy.0",
            arm="momentum, both",
            control="momentum, none",
            margin=0.5,
        ),
    ),
    Claim(
        id="clipping-adam",
        paper="A",
        source="section 3.2",
        text="Adam is more sensitive to clipping than momentum.",
        paper_value="no number given",
        contrast=Contrast(
            kind="difference",
            metric="test_accuracy",
            arm=("both", "none"),
            control=("momentum, both", "momentum, none"),
            margin=0.05,
        ),
    ),
    Claim(
        id="clipping-same",
        paper="ours",
        source="audit of Table 3",
        text=(
            "With <= at the boundary, clipping weights and clipping both are one algorithm: "
            "no weight differs."
        ),
        contrast=Contrast(
            kind="exact",
            metric="pairs.weights_both",
            arm="weights against both",
            unit="weights that differ",
            scale=1.0,
        ),
    ),
)

STUDY = Study(name="clipping", title="Clipping", claims=CLAIMS)
