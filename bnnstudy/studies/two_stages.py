"""Do two stages save epochs? Paper A, section 4."""

from bnnstudy.claims import Claim, Contrast
from bnnstudy.study import Study

CLAIMS = (
    Claim(
        id="two-stages-epochs",
        paper="A",
        source="section 4",
        text=(
            "A first stage without clipping and a second with it, at a lower rate, reach the "
            "accuracy of clipped training in fewer epochs."
        ),
        paper_value="no number given",
        contrast=Contrast(
            kind="difference",
            metric="epochs_to_target",
            arm="two stages",
            control="one stage, same rates",
            direction=-1,
            margin=0.5,
            unit="epochs",
            scale=1.0,
        ),
    ),
    Claim(
        id="two-stages-accuracy",
        paper="A",
        source="sections 4 and 5",
        text="Two stages end at no lower accuracy.",
        paper_value="no number given",
        contrast=Contrast(
            kind="difference",
            metric="test_accuracy",
            arm="two stages",
            control="one stage, same rates",
            margin=-0.3,
        ),
    ),
)

STUDY = Study(name="two_stages", title="Two stages", claims=CLAIMS)
