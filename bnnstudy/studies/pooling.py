"""Should pooling come before the sign? Paper A, section 3.4, Figure 3."""

from bnnstudy.claims import Claim, Contrast
from bnnstudy.study import Study

CLAIMS = (
    Claim(
        id="pooling-order",
        paper="A",
        source="section 3.4, Figure 3",
        text=("Pooling values that are not binary ends better than pooling after the activation."),
        paper_value="'significant', no number given",
        contrast=Contrast(
            kind="difference",
            metric="test_accuracy",
            arm="conv, pool, norm, sign",
            control="conv, norm, sign, pool",
            margin=0.5,
        ),
    ),
    Claim(
        id="pooling-ones",
        paper="A",
        source="section 3.4",
        text="Max-pooling binary values gives almost only ones.",
        paper_value="no number given",
        contrast=Contrast(
            kind="difference",
            metric="share_of_ones",
            arm="conv, norm, sign, pool",
            control="conv, pool, norm, sign",
            margin=20.0,
        ),
    ),
    Claim(
        id="pooling-relu",
        paper="ours",
        source="audit of Figure 3",
        text=("With ReLU activations, as in the released code, the order matters less than with sign."),
        contrast=Contrast(
            kind="difference",
            metric="test_accuracy",
            arm=("conv, pool, norm, sign", "conv, norm, sign, pool"),
            control=("conv, pool, norm, relu", "conv, norm, relu, pool"),
            margin=0.2,
        ),
    ),
)

STUDY = Study(name="pooling", title="Where to pool", claims=CLAIMS)
