"""Is the filter easier to tune? Paper B, section 4.2, Figure 8 and Table 1."""

from bnnstudy.claims import Claim, Contrast
from bnnstudy.study import Study

CLAIMS = (
    Claim(
        id="search-best",
        paper="B",
        source="Figure 8",
        text="Searches in either view end at the same best accuracy.",
        paper_value="same",
        contrast=Contrast(
            kind="equivalence",
            metric="best_so_far.last",
            arm="filter",
            control="latent",
            margin=0.3,
        ),
    ),
    Claim(
        id="search-trials",
        paper="B",
        source="Figure 8",
        text=(
            "The latent view's six hyperparameters need about ten more trials than the filter's two."
        ),
        paper_value="about 10 more of 25",
        contrast=Contrast(
            kind="difference",
            metric="trials_to_target",
            arm="latent",
            control="filter",
            margin=5.0,
            unit="trials",
            scale=1.0,
        ),
    ),
    Claim(
        id="search-decay",
        paper="B",
        source="section 4.2",
        text="Decaying the rate made no difference in this task.",
        paper_value="no effect",
        contrast=Contrast(
            kind="equivalence",
            metric="test_accuracy",
            arm="filter, cosine",
            control="filter",
            margin=0.3,
        ),
    ),
    Claim(
        id="search-zero-start",
        paper="ours",
        source="audit of Figure 8",
        text=(
            "The gain comes from dropping start, clip and scaling: latent SGD from zero "
            "without them needs no more trials than the filter."
        ),
        contrast=Contrast(
            kind="difference",
            metric="trials_to_target",
            arm="latent from zero",
            control="filter",
            direction=-1,
            margin=-3.0,
            unit="trials",
            scale=1.0,
        ),
    ),
)

STUDY = Study(name="search", title="Searching hyperparameters", claims=CLAIMS)
