"""Is early stopping harmful? Paper A, sections 3.1 and 4."""

from bnnstudy.claims import Claim, Contrast
from bnnstudy.study import Study

CLAIMS = (
    Claim(
        id="early-stopping-late",
        paper="A",
        source="section 3.1, Table 5",
        text=(
            "The best validation epochs come late, though accuracy looks flat for long: "
            "stopping early costs accuracy."
        ),
        paper_value="best epochs 391 and 457 of 500",
        contrast=Contrast(
            kind="difference",
            metric="test_accuracy",
            arm="to the end",
            control="stopped after 20 flat epochs",
            margin=0.2,
        ),
    ),
    Claim(
        id="early-stopping-rate",
        paper="A",
        source="section 3.1",
        text="Lowering the rate once accuracy is flat does not help.",
        paper_value="no number given",
        contrast=Contrast(
            kind="equivalence",
            metric="test_accuracy",
            arm="rate lowered when flat",
            control="rate kept",
            margin=0.2,
        ),
    ),
)

STUDY = Study(name="early_stopping", title="Early stopping", claims=CLAIMS)
