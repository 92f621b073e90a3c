"""ImageNet: paper B's Table 3 (ReActNet-A), and the third row of paper A's Table 5 (AlexNet)."""

from bnnstudy.evidence.claims import Equivalence, Speed
from bnnstudy.experiments.study import Study
from bnnstudy.studies import _paper_a
from bnnstudy.studies._paper_b import claim

CLAIMS = (
    claim(
        "imagenet-one-step",
        source="Table 3",
        text=(
            "ReActNet-A trained in one step with the filter ends no worse than in two steps with Adam."
        ),
        arm="filter, one step",
        control="reactnet, two steps",
        value="top-1 69.7 and 69.4",
        margin=-0.2,
    ),
    claim(
        "imagenet-adambnn",
        source="Table 3",
        text="The filter stays behind AdamBNN's two steps.",
        arm="filter, one step",
        control="adambnn, two steps",
        value="top-1 69.7 and 70.5",
        direction=-1,
        margin=0.0,
    ),
    claim(
        "imagenet-rivals",
        source="Table 3",
        text="Among networks that are trained in one step it is ahead of all earlier ones.",
        arm="filter, one step",
        control=None,
        value="top-1 69.7, and 54.4 to 65.8 (MeliusNet29)",
        margin=65.8,
    ),
    _paper_a.claim(
        "imagenet-alexnet",
        source="Table 5",
        text="An AlexNet that starts from a real network ends where one from scratch does.",
        arm="alexnet, from real",
        control="alexnet, from scratch",
        value="best validation accuracy 51.85 and 51.98",
        kind=Equivalence,
        metric="validation_accuracy",
        margin=0.3,
    ),
    _paper_a.claim(
        "imagenet-alexnet-epochs",
        source="Table 5",
        text="It needs far fewer binary epochs for that.",
        arm="alexnet, from real",
        control="alexnet, from scratch",
        value="best epoch 30 and 88",
        kind=Speed,
        below=_paper_a.HALF_A_POINT,
        direction=-1,
        margin=1.0,
    ),
)

STUDY = Study(name="imagenet", title="ImageNet", claims=CLAIMS)
