"""Are a larger rate and a smaller start the same? Paper B, Figure 3."""

from bnnstudy.claims import Claim, Contrast
from bnnstudy.study import Study

CLAIMS = (
    Claim(
        id="start-scale",
        paper="B",
        source="Figure 3",
        text=(
            "Multiplying the rate by s equals dividing the start by s: no flip differs (s a "
            "power of two)."
        ),
        paper_value="curves coincide",
        contrast=Contrast(
            kind="exact",
            metric="pairs.rate_start",
            arm="rate x 4 against start / 4",
            unit="flips that differ",
            scale=1.0,
        ),
    ),
    Claim(
        id="start-large",
        paper="B",
        source="Figure 3",
        text="At large rates the flip ratios coincide: the start no longer matters.",
        paper_value="curves coincide",
        contrast=Contrast(
            kind="equivalence",
            metric="flip_ratio.log_mean",
            arm="rate 1000",
            control="rate 100",
            margin=0.1,
            unit="decades of the flip ratio",
            scale=1.0,
        ),
    ),
    Claim(
        id="start-small",
        paper="B",
        source="Figure 3",
        text="With too small a rate or too large a start the flip ratio stays low.",
        paper_value="curves only",
        contrast=Contrast(
            kind="difference",
            metric="flip_ratio.mean",
            arm="rate 0.01",
            control="rate 1",
            direction=-1,
            margin=0.0,
            unit="percent of weights a step",
        ),
    ),
)

STUDY = Study(name="start", title="Rate and start", claims=CLAIMS)
