"""What is binary in a binary network, and what the surrogate gradient does. Groundwork, our claims."""

from dataclasses import replace

from bnnstudy.config.run import RunConfig
from bnnstudy.evidence.claims import Claim, Difference, Equivalence, Exact
from bnnstudy.evidence.readings import Reading
from bnnstudy.experiments.study import Arm, Study, named

CLAIMS = (
    Claim(
        id="layers-effective",
        paper="ours",
        source="What is binary here",
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
        source="What is binary here",
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
        source="What is binary here",
        text="ApproxSign and the plain clip, as surrogates of the activations, end alike.",
        contrast=Equivalence(
            metric="test_accuracy",
            arm="approx",
            control="clip",
            margin=1.0,
        ),
    ),
)

HEADLINES = {
    "layers-mask": Reading(
        holds="A surrogate has to mask: one that passes every gradient ends lower.",
        fails="The mask of the surrogate is not needed: one that passes every gradient ends as well.",
        open="Whether the surrogate's mask raises accuracy is open.",
        untested="The two surrogates never differed, so the mask was not tested.",
    ),
    "layers-approx": Reading(
        holds="As surrogates of the activations, the polynomial and the plain clip are equally good.",
        fails="The polynomial and the plain clip are not equally good.",
        open="Whether the polynomial or the plain clip is better is open.",
        untested="The two surrogates never differed, so they were not compared.",
    ),
    "layers-effective": Reading(
        holds="Every weight that is used is 1 or -1, after training too.",
        fails="Some weights that are used are neither 1 nor -1: the layers are at fault.",
    ),
}


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
    headlines=HEADLINES,
    arms={
        "quick": _arms(RunConfig(preset="quick", batch_size=50, epochs=8)),
        "desk": _arms(
            RunConfig(preset="desk", dataset="mnist", train_size=15_000, width=256, epochs=8)
        ),
    },
    seeds={"quick": 2, "desk": 8},
)
