"""How far does BiRealNet-20 go with the filter, by one change at a time? Ours, after paper B, Table 2.

A change may add no number that has to be chosen: alpha, gamma and alpha's decay are all there are.
What to keep is decided on the validation images of some seeds, and judged on the test images of others.
"""

from collections.abc import Iterable
from dataclasses import replace
from typing import Any

from bnnstudy.config.run import RunConfig
from bnnstudy.evidence.claims import Equivalence
from bnnstudy.evidence.readings import Reading
from bnnstudy.experiments.study import Arm, Study, Tuned
from bnnstudy.studies._paper_b import BIREALNET20, ours

BASELINE = "filter"

CHANGES: dict[str, dict[str, Any]] = {
    "first order": {"gamma": 1.0},
    "clip": {"activation_surrogate": "clip"},
    "average shortcut": {"parts": ("average_shortcut",)},
    "shifts": {"parts": ("shifts",)},
    "adam": {"real_optimizer": "adam", "real_lr": 3e-3},
}
"""The changes by name, each as what it changes of the baseline."""

KEPT = ("first order", "average shortcut", "shifts", "adam")
"""Those that gained at desk, by mean accuracy on validation images over `CHOOSING` seeds."""

CHOOSING, JUDGING = 5, 5
"""Seeds at desk that chose what is kept, and seeds after them that judge all of it together."""

LOWER_RATE = "sgd at 0.03"
"""A control of `adam`, which changes the rate as well; suggested by its runs."""

CONTROLS: dict[str, dict[str, Any]] = {
    LOWER_RATE: {"real_lr": 0.03},
    "bfloat16": {"precision": "bfloat16"},
}
"""What is run beside the changes, and never kept."""

SOURCE = "after Table 2"

CLAIMS = (
    ours(
        "further-first-order",
        source=SOURCE,
        text="The inner average is not needed: a first-order filter ends no worse.",
        arm="first order",
        control=BASELINE,
        margin=-0.5,
    ),
    ours(
        "further-clip",
        source=SOURCE,
        text="The clipped surrogate for activations ends no worse than the polynomial.",
        arm="clip",
        control=BASELINE,
        margin=-0.5,
    ),
    ours(
        "further-average-shortcut",
        source=SOURCE,
        text="A shortcut that averages 2 x 2 pixels, where every second one was taken, gains.",
        arm="average shortcut",
        control=BASELINE,
    ),
    ours(
        "further-shifts",
        source=SOURCE,
        text="Learned shifts around sign and PReLU, as in ReActNet, gain.",
        arm="shifts",
        control=BASELINE,
    ),
    ours(
        "further-adam",
        source=SOURCE,
        text="Adam at our usual rate for the real parameters, in place of the paper's SGD, gains.",
        arm="adam",
        control=BASELINE,
    ),
    ours(
        "further-sgd-rate",
        source=SOURCE,
        text="It is the rate: SGD at 0.03, in place of 0.1, ends no worse than Adam.",
        arm=LOWER_RATE,
        control="adam",
        margin=-0.5,
    ),
    ours(
        "further-together",
        source=SOURCE,
        text=(
            "What gained on validation images at desk gains on test images, all together, in new runs."
        ),
        arm="together",
        control=BASELINE,
        spent=("desk", CHOOSING),
    ),
    ours(
        "further-bfloat16",
        source=SOURCE,
        text="Forward and backward pass in bfloat16 cost no accuracy.",
        arm="bfloat16",
        control=BASELINE,
        kind=Equivalence,
    ),
)

HEADLINES = {
    "further-together": Reading(
        holds="What gained on validation images gains on test images, taken together.",
        fails="What gained on validation images does not gain on test images.",
        open="Whether what gained on validation images gains on test images is open.",
        untested="The networks were not told apart.",
    ),
    "further-first-order": Reading(
        holds="The inner average can go.",
        fails="Without the inner average training ends lower.",
        open="Whether the inner average can go is open.",
        untested="The filters were not told apart.",
    ),
    "further-clip": Reading(
        holds="The plain clip does as well as the polynomial for activations.",
        fails="The plain clip ends lower than the polynomial for activations.",
        open="Whether the plain clip does as well is open.",
        untested="The surrogates were not told apart.",
    ),
}


def _arms(network: RunConfig) -> Iterable[Arm]:
    # In the 780 steps of a desk run the paper's alpha keeps two thirds of the first gradients, so one
    # is searched for.
    settles = network.preset == "desk"
    tuned = Tuned(field="alpha", grid=(1e-3, 3e-3, 1e-2), factor=3.0) if settles else None
    seeds = CHOOSING + JUDGING if settles else None
    yield Arm(name=BASELINE, config=network, tuned=tuned, seeds=seeds)
    follows = BASELINE if settles else ""
    for name, change in {**CHANGES, **CONTROLS}.items():
        yield Arm(name=name, config=replace(network, **change), follows=follows)
    config = replace(network, **together())
    yield Arm(name="together", config=config, follows=follows, seeds=seeds)


def together() -> dict[str, Any]:
    """The changes that were kept, as one."""
    merged: dict[str, Any] = {}
    for name in KEPT:
        change = CHANGES[name]
        parts = tuple(sorted({*merged.get("parts", ()), *change.get("parts", ())}))
        merged |= {**change, **({"parts": parts} if parts else {})}
    return merged


STUDY = Study(
    name="going_further",
    title="Going further",
    claims=CLAIMS,
    headlines=HEADLINES,
    arms={preset: tuple(_arms(network)) for preset, network in BIREALNET20.items()},
    seeds={"quick": 2, "desk": 5, "short": 3, "paper": 3},
)
