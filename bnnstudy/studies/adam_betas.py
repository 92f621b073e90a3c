"""Which of Adam's averages matters? Paper A, section 3.1 (Figure 2c) and Appendix A."""

from bnnstudy.claims import Claim, Contrast
from bnnstudy.study import Study

CLAIMS = (
    Claim(
        id="betas-second",
        paper="A",
        source="section 3.1, Figure 2c",
        text=("The memory of the second moment matters: 0.999 ends at a lower training loss than 0.8."),
        paper_value="end: about .03 (.999) and .3 to .4 (.8, .9), read off the plot",
        contrast=Contrast(
            kind="difference",
            metric="log_loss",
            arm="beta2 0.999",
            control="beta2 0.8",
            direction=-1,
            margin=0.1,
            unit="decades of training loss",
            scale=1.0,
        ),
    ),
    Claim(
        id="betas-first",
        paper="A",
        source="Figure 2c",
        text="The memory of the first moment hardly matters: 0 ends like 0.9.",
        paper_value="beta1 0 marginally lowest at the end",
        contrast=Contrast(
            kind="equivalence",
            metric="log_loss",
            arm="beta1 0",
            control="beta1 0.9",
            margin=0.1,
            unit="decades of training loss",
            scale=1.0,
        ),
    ),
    Claim(
        id="betas-after-drop",
        paper="A",
        source="Figure 2c",
        text=("The gap between values of beta2 opens after the first drop of the rate, not before."),
        paper_value="before: all at about 75 to 80; after: about 4 (.999) and 12 (.8, .9)",
        contrast=Contrast(
            kind="difference",
            metric="log_loss",
            arm=("beta2 0.8, after drop", "beta2 0.999, after drop"),
            control=("beta2 0.8, before drop", "beta2 0.999, before drop"),
            margin=0.1,
            unit="decades of training loss",
            scale=1.0,
        ),
    ),
    Claim(
        id="betas-float-second",
        paper="A",
        source="Appendix A",
        text="For real weights the memory of the second moment does not matter.",
        paper_value="all overlap at about .005 to .01",
        contrast=Contrast(
            kind="equivalence",
            metric="log_loss",
            arm="float beta2 0.999",
            control="float beta2 0.8",
            margin=0.1,
            unit="decades of training loss",
            scale=1.0,
        ),
    ),
    Claim(
        id="betas-float-first",
        paper="A",
        source="Appendix A",
        text="Nor does that of the first.",
        paper_value="all overlap at about .005 to .01",
        contrast=Contrast(
            kind="equivalence",
            metric="log_loss",
            arm="float beta1 0",
            control="float beta1 0.9",
            margin=0.1,
            unit="decades of training loss",
            scale=1.0,
        ),
    ),
)

STUDY = Study(name="adam_betas", title="Adam's two memories", claims=CLAIMS)
