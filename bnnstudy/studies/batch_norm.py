"""How fast should batch norm's average move? Paper A, section 3.3 and Table 4; momentum as there."""

from bnnstudy.claims import Claim, Contrast
from bnnstudy.study import Study

CLAIMS = (
    Claim(
        id="batch-norm-average",
        paper="A",
        source="section 3.3, Table 4",
        text=(
            "A faster moving average (0.85 in the paper's count) ends better than a slow one (0.99)."
        ),
        paper_value="test error 1.19 and 1.23 on MNIST; 10.35 and 10.61 on CIFAR-10",
        contrast=Contrast(
            kind="difference",
            metric="test_accuracy",
            arm="0.85",
            control="0.99",
            margin=0.0,
        ),
    ),
    Claim(
        id="batch-norm-trend",
        paper="A",
        source="section 3.3, Table 4",
        text="The effect is small but consistent over four values.",
        paper_value="test error 10.31, 10.35, 10.53, 10.61 on CIFAR-10",
        contrast=Contrast(
            kind="trend",
            metric="test_accuracy",
            arms=(("0.8", 0.8), ("0.85", 0.85), ("0.9", 0.9), ("0.99", 0.99)),
            direction=-1,
            margin=0.0,
            unit="points for each unit of momentum",
        ),
    ),
    Claim(
        id="batch-norm-second-stage",
        paper="A",
        source="section 5",
        text="A faster average helps in the second of two stages.",
        paper_value="no number given",
        contrast=Contrast(
            kind="difference",
            metric="test_accuracy",
            arm="two stages, 0.85",
            control="two stages, 0.99",
            margin=0.0,
        ),
    ),
    Claim(
        id="batch-norm-test-time",
        paper="ours",
        source="audit of Table 4",
        text="It is a matter of test time: with statistics measured anew the values end alike.",
        contrast=Contrast(
            kind="equivalence",
            metric="test_accuracy",
            arm="0.99, measured anew",
            control="0.85, measured anew",
            margin=0.2,
        ),
    ),
)

STUDY = Study(name="batch_norm", title="Batch norm's moving average", claims=CLAIMS)
