"""How sensitive is training to alpha? Paper B, Figure 5 and the text with Eq 9-13."""

from bnnstudy.claims import Claim, Contrast
from bnnstudy.study import Study

CLAIMS = (
    Claim(
        id="alpha-flips",
        paper="B",
        source="Figure 5",
        text="The larger alpha, the more flips.",
        paper_value="curves only",
        contrast=Contrast(
            kind="trend",
            metric="flip_ratio.log_mean",
            arms=(("1e-4", -4.0), ("1e-3", -3.0), ("1e-2", -2.0), ("1e-1", -1.0)),
            margin=0.0,
            unit="decades of flip ratio a decade of alpha",
            scale=1.0,
        ),
    ),
    Claim(
        id="alpha-large",
        paper="B",
        source="Figure 5",
        text="Too large an alpha flips too much to converge.",
        paper_value="curves only",
        contrast=Contrast(
            kind="difference",
            metric="test_accuracy",
            arm="1e-3",
            control="1e-1",
            margin=1.0,
        ),
    ),
    Claim(
        id="alpha-small",
        paper="B",
        source="Figure 5",
        text="Too small an alpha converges too fast, to a worse result.",
        paper_value="curves only",
        contrast=Contrast(
            kind="difference",
            metric="test_accuracy",
            arm="1e-3",
            control="1e-6",
            margin=0.3,
        ),
    ),
    Claim(
        id="alpha-tiny",
        paper="B",
        source="text with Eq 9-13",
        text="alpha cannot be 0; 1e-20 behaves like any alpha that is small enough.",
        paper_value="same behaviour, no number given",
        contrast=Contrast(
            kind="equivalence",
            metric="test_accuracy",
            arm="1e-20",
            control="1e-10",
            margin=0.2,
        ),
    ),
    Claim(
        id="alpha-bias",
        paper="B",
        source="text with Eq 9-13",
        text="Correcting the averages for their bias at the start hurts.",
        paper_value="no number given",
        contrast=Contrast(
            kind="difference",
            metric="test_accuracy",
            arm="1e-3, bias corrected",
            control="1e-3",
            direction=-1,
            margin=0.1,
        ),
    ),
)

STUDY = Study(name="alpha", title="The outer average", claims=CLAIMS)
