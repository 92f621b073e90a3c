"""Does the learning rate matter? Paper B, Figure 4 (alpha constant)."""

from bnnstudy.claims import Claim, Contrast
from bnnstudy.study import Study

CLAIMS = (
    Claim(
        id="rate-standard-low",
        paper="B",
        source="Figure 4",
        text="With clipping and scaling, too small a rate costs accuracy: the start dominates.",
        paper_value="curve with one optimum",
        contrast=Contrast(
            kind="difference",
            metric="test_accuracy",
            arm="standard, 1",
            control="standard, 1e-4",
            margin=1.0,
        ),
    ),
    Claim(
        id="rate-standard-high",
        paper="B",
        source="Figure 4",
        text=(
            "With clipping and scaling, too large a rate costs accuracy: weights stop in the "
            "clipped region."
        ),
        paper_value="curve with one optimum",
        contrast=Contrast(
            kind="difference",
            metric="test_accuracy",
            arm="standard, 1",
            control="standard, 1e4",
            margin=1.0,
        ),
    ),
    Claim(
        id="rate-normal-start",
        paper="B",
        source="Figure 4",
        text=("Without clipping and scaling but with a normal start, a small rate costs even more."),
        paper_value="collapses at small rates",
        contrast=Contrast(
            kind="difference",
            metric="test_accuracy",
            arm="independent, 1e-2",
            control="standard, 1e-2",
            direction=-1,
            margin=1.0,
        ),
    ),
    Claim(
        id="rate-normal-high",
        paper="B",
        source="Figure 4",
        text="Without clipping and scaling, large rates cost nothing.",
        paper_value="flat at large rates",
        contrast=Contrast(
            kind="equivalence",
            metric="test_accuracy",
            arm="independent, 1e4",
            control="independent, 100",
            margin=0.5,
        ),
    ),
    Claim(
        id="rate-zero-start",
        paper="B",
        source="Figure 4",
        text="From a zero start accuracy does not depend on the rate at all.",
        paper_value="flat",
        contrast=Contrast(
            kind="equivalence",
            metric="test_accuracy",
            arm="zero start, 1e4",
            control="zero start, 1e-4",
            margin=0.5,
        ),
    ),
)

STUDY = Study(name="learning_rate", title="Sensitivity to the rate", claims=CLAIMS)
