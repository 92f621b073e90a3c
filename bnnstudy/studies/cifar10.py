"""What does the filter reach on CIFAR-10? Paper B, Table 2 (BiRealNet-20, 1W/1A)."""

from bnnstudy.claims import Claim, Contrast
from bnnstudy.study import Study

CLAIMS = (
    Claim(
        id="cifar10-filter",
        paper="B",
        source="Table 2",
        text="One-step training with the filter ends better than Bi-Real training in one step.",
        paper_value="86.5 and 85.0",
        contrast=Contrast(
            kind="difference",
            metric="last.test_accuracy",
            arm="filter",
            control="bi-real",
            margin=0.5,
        ),
    ),
    Claim(
        id="cifar10-two-step",
        paper="B",
        source="Table 2",
        text="It comes close to two-step training.",
        paper_value="86.5 and 86.7",
        contrast=Contrast(
            kind="equivalence",
            metric="last.test_accuracy",
            arm="filter",
            control="bi-real, two steps",
            margin=0.5,
        ),
    ),
    Claim(
        id="cifar10-fair",
        paper="ours",
        source="audit of Table 2",
        text=(
            "Latent SGD at the filter's own numbers, from zero and without clip or scaling, "
            "ends like the filter."
        ),
        contrast=Contrast(
            kind="equivalence",
            metric="last.test_accuracy",
            arm="latent at the filter's numbers",
            control="filter",
            margin=0.5,
        ),
    ),
)

STUDY = Study(name="cifar10", title="CIFAR-10", claims=CLAIMS)
