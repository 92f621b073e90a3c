"""Should alpha decay? Paper B, Figure 6."""

from bnnstudy.claims import Claim, Contrast
from bnnstudy.study import Study

CLAIMS = (
    Claim(
        id="decay-early",
        paper="B",
        source="Figure 6",
        text="Early on, training with and without decay look alike.",
        paper_value="curves only",
        contrast=Contrast(
            kind="equivalence",
            metric="early_accuracy",
            arm="cosine",
            control="constant",
            margin=1.0,
        ),
    ),
    Claim(
        id="decay-flips",
        paper="B",
        source="Figure 6",
        text="With a constant alpha flips go on to the end; with decay they die out.",
        paper_value="flip ratio to 0 with decay",
        contrast=Contrast(
            kind="difference",
            metric="flip_ratio.last",
            arm="cosine",
            control="constant",
            direction=-1,
            margin=0.0,
            unit="percent of weights a step",
        ),
    ),
    Claim(
        id="decay-accuracy",
        paper="B",
        source="Figure 6",
        text="With decay the final accuracy is higher.",
        paper_value="curves only",
        contrast=Contrast(
            kind="difference",
            metric="last.test_accuracy",
            arm="cosine",
            control="constant",
            margin=0.2,
        ),
    ),
)

STUDY = Study(name="alpha_decay", title="Decaying alpha", claims=CLAIMS)
