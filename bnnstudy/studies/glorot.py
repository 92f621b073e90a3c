"""Does scaling each layer's rate by Glorot's factor help? Paper A, section 3.4."""

from bnnstudy.claims import Claim, Contrast
from bnnstudy.study import Study

CLAIMS = (
    Claim(
        id="glorot-sgd",
        paper="A",
        source="section 3.4",
        text="Scaling the rate of each layer by the inverse Glorot factor helps SGD.",
        paper_value="no number given",
        contrast=Contrast(
            kind="difference",
            metric="test_accuracy",
            arm="sgd, scaled gradient",
            control="sgd",
            margin=0.2,
        ),
    ),
    Claim(
        id="glorot-adam",
        paper="A",
        source="section 3.4",
        text="It makes no difference with other optimizers.",
        paper_value="no number given",
        contrast=Contrast(
            kind="equivalence",
            metric="test_accuracy",
            arm="adam, scaled gradient",
            control="adam",
            margin=0.2,
        ),
    ),
    Claim(
        id="glorot-update",
        paper="ours",
        source="audit of section 3.4",
        text=(
            "That is so because Adam divides a scaled gradient away; scaling the update, as "
            "BinaryConnect does, raises its accuracy."
        ),
        contrast=Contrast(
            kind="difference",
            metric="test_accuracy",
            arm="adam, scaled update",
            control="adam",
            margin=0.1,
        ),
    ),
)

STUDY = Study(name="glorot", title="Rates scaled by layer", claims=CLAIMS)
