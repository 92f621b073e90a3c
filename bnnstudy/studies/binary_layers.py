"""What is binary in a binary network, and what the surrogate gradient does. Groundwork, our claims."""

from dataclasses import replace

from bnnstudy.config.run import RunConfig
from bnnstudy.evidence.claims import Claim, Difference, Equivalence, Exact
from bnnstudy.experiments.study import Arm, Study, named

CLAIMS = (
    Claim(
        id="layers-effective",
        paper="ours",
        source="chapter 1",
        text="After training, every weight that a binary layer multiplies with is 1 or -1.",
        contrast=Exact(
            metric="weights.effective",
            arm="clip",
            unit="weights that are not ±1",
        ),
    ),
    Claim(
        id="layers-mask",
        paper="ours",
        source="chapter 1",
        text=(
            "With sign activations, a surrogate that masks (clip) ends at a better test accuracy than "
            "one that passes every gradient (identity)."
        ),
        contrast=Difference(
            metric="test_accuracy",
            arm="clip",
            control="identity",
            margin=0.5,
        ),
    ),
    Claim(
        id="layers-approx",
        paper="ours",
        source="chapter 1",
        text="ApproxSign and the plain clip, as surrogates of the activations, end alike.",
        contrast=Equivalence(
            metric="test_accuracy",
            arm="approx",
            control="clip",
            margin=1.0,
        ),
    ),
)


def _arms(sizes: RunConfig) -> tuple[Arm, ...]:
    base = replace(sizes, activation="sign", clamp=True, lr=1e-2)
    return tuple(
        Arm(
            name=name,
            config=replace(base, activation_surrogate=name),
            callbacks=(named("WeightCheck"),),
        )
        for name in ("identity", "clip", "approx", "ede")
    )


STUDY = Study(
    name="binary_layers",
    title="What is binary here",
    claims=CLAIMS,
    arms={
        "quick": _arms(RunConfig(preset="quick", batch_size=50, epochs=15)),
        "desk": _arms(
            RunConfig(preset="desk", dataset="mnist", train_size=15_000, width=256, epochs=8)
        ),
    },
    seeds={"quick": 3, "desk": 8},
)
