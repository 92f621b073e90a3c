"""What does the filter reach on ImageNet? Paper B, Table 3 (ReActNet-A)."""

from bnnstudy.experiments.study import Study
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
)

STUDY = Study(name="imagenet", title="ImageNet", claims=CLAIMS)
