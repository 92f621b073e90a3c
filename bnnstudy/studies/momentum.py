"""How much momentum? Paper A, section 3.1 (Figure 2b) and Appendix A."""

from bnnstudy.claims import Claim, Contrast
from bnnstudy.study import Study

CLAIMS = (
    Claim(
        id="momentum-faster",
        paper="A",
        source="section 3.1, Figure 2b",
        text="The higher the momentum, the lower the training loss.",
        paper_value="end, CNN: about 1.2, .9, .5, .05 for .7, .8, .9, .99, read off the plot",
        contrast=Contrast(
            kind="trend",
            metric="log_loss",
            arms=(("0.7", 0.7), ("0.8", 0.8), ("0.9", 0.9), ("0.99", 0.99)),
            direction=-1,
            margin=0.0,
            unit="decades of training loss",
            scale=1.0,
        ),
    ),
    Claim(
        id="momentum-accuracy",
        paper="A",
        source="section 3.1",
        text="The higher the momentum, the worse the final accuracy.",
        paper_value="no number given",
        contrast=Contrast(
            kind="trend",
            metric="test_accuracy",
            arms=(("0.7", 0.7), ("0.8", 0.8), ("0.9", 0.9), ("0.99", 0.99)),
            direction=-1,
            margin=0.0,
            unit="points for each unit of momentum",
        ),
    ),
    Claim(
        id="momentum-float",
        paper="A",
        source="Appendix A",
        text="For real weights the momentum's rate matters far less.",
        paper_value="end of the float curves: about .005 to .02",
        contrast=Contrast(
            kind="difference",
            metric="log_loss",
            arm=("0.7", "0.99"),
            control=("float 0.7", "float 0.99"),
            margin=0.1,
            unit="decades of training loss",
            scale=1.0,
        ),
    ),
)

STUDY = Study(name="momentum", title="Momentum's rate", claims=CLAIMS)
