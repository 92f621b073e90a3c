"""What does the second average add? Paper B, Figure 2."""

from bnnstudy.claims import Claim, Contrast
from bnnstudy.study import Study

CLAIMS = (
    Claim(
        id="order-smoother",
        paper="B",
        source="Figure 2",
        text=(
            "At equal alpha the second-order filter gives a smoother output than the first-"
            "order one: fewer sign changes."
        ),
        paper_value="curves only",
        contrast=Contrast(
            kind="difference",
            metric="log_flips_per_weight",
            arm="second order",
            control="first order",
            direction=-1,
            margin=0.1,
            unit="decades of sign changes a weight",
            scale=1.0,
        ),
    ),
    Claim(
        id="order-response",
        paper="B",
        source="Figure 2",
        text=("As smooth a first-order filter needs a smaller alpha, and so responds more slowly."),
        paper_value="curves only",
        contrast=Contrast(
            kind="difference",
            metric="time_constant",
            arm="first order, as smooth",
            control="second order",
            margin=0.0,
            unit="steps",
            scale=1.0,
        ),
    ),
)

STUDY = Study(name="filter_order", title="First or second order", claims=CLAIMS)
