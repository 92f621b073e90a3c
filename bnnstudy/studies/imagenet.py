"""What does the filter reach on ImageNet? Paper B, Table 3 (ReActNet-A)."""

from bnnstudy.evidence.claims import Claim, Contrast
from bnnstudy.experiments.study import Study

CLAIMS = (
    Claim(
        id="imagenet-one-step",
        paper="B",
        source="Table 3",
        text=(
            "ReActNet-A trained in one step with the filter ends no worse than in two steps with Adam."
        ),
        paper_value="top-1 69.7 and 69.4",
        contrast=Contrast(
            kind="difference",
            metric="last.test_accuracy",
            arm="filter, one step",
            control="reactnet, two steps",
            margin=-0.2,
        ),
    ),
    Claim(
        id="imagenet-adambnn",
        paper="B",
        source="Table 3",
        text="The filter stays behind AdamBNN's two steps.",
        paper_value="top-1 69.7 and 70.5",
        contrast=Contrast(
            kind="difference",
            metric="last.test_accuracy",
            arm="filter, one step",
            control="adambnn, two steps",
            direction=-1,
            margin=0.0,
        ),
    ),
)

STUDY = Study(name="imagenet", title="ImageNet", claims=CLAIMS)
