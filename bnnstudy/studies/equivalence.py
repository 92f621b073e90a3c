"""Two whole trainings, one in each view. Paper B, Eq 8 and Figure 7."""

from collections.abc import Iterable
from dataclasses import replace
from typing import Any

from bnnstudy.config.run import RunConfig
from bnnstudy.evidence.claims import Equivalence, exact
from bnnstudy.evidence.readings import Reading
from bnnstudy.experiments.study import Arm, Study, named
from bnnstudy.studies._paper_b import claim, latent, networks, ours

ALPHA = 1e-2

LATE = -6
"""Of the log-spaced steps at which flips are counted the sixth from the end: about half way."""

CLAIMS = (
    claim(
        "views-training",
        source="Figure 7",
        text="Trained side by side with matching numbers, the two views reach the same accuracy.",
        arm="float32, other",
        control="float32",
        value="curves overlap",
        kind=Equivalence,
    ),
    # Written down when the numbers at desk were known.
    claim(
        "views-flips",
        source="Figure 7",
        text="In 32 bits the two views have the same flip ratio, at a step half way through the run.",
        arm="float32, other",
        control="float32",
        value="curves overlap",
        kind=Equivalence,
        metric=f"flip_ratio.all.{LATE}",
        log=True,
        scale=1.0,
        unit="decades of the flip ratio",
        margin=0.1,
    ),
    exact(
        "views-closed-loop",
        paper="ours",
        source="audit of Figure 7",
        text="In 64 bits they are one training: no sign differs at any step, each network on its own.",
        arm="float64",
    ),
    ours(
        "views-drift",
        source="audit of Figure 7",
        text="In 32 bits they drift apart, in accuracy as far as two trainings from different seeds.",
        arm="float32",
        control="two seeds",
        kind=Equivalence,
        metric="apart.test_accuracy",
    ),
    # Written down when the numbers at desk were known.
    ours(
        "views-part",
        source="audit of Figure 7",
        text="In 32 bits they do part: at the end more than 1 % of the signs differ.",
        arm="float32",
        control="float64",
        metric="apart.signs",
        margin=1.0,
    ),
    exact(
        "views-rate",
        paper="B",
        source="Eq 8",
        text=(
            "The rate drops out of the sign: from a zero start, with lr x weight decay kept, 1024 "
            "times the rate is the same training."
        ),
        arm="rate x 1024",
    ),
    exact(
        "views-rate-ten",
        paper="ours",
        source="audit of Eq 8",
        text="With lr x weight decay kept, 10 times the rate is the same training, in 64 bits.",
        arm="rate x 10, float64",
    ),
)

HEADLINES = {
    "views-closed-loop": Reading(
        holds="Trained side by side in 64 bits, the two views are one training.",
        fails="Trained side by side in 64 bits, the two views part.",
    ),
    "views-part": Reading(
        holds="In 32 bits the two views drift apart in single signs.",
        fails="In 32 bits the two views hardly drift apart.",
        open="Whether the two views drift apart in 32 bits is open.",
        untested="They were the same training, to the last digit.",
    ),
    "views-training": Reading(
        holds="The two views reach the same accuracy all the same.",
        fails="The two views do not reach the same accuracy.",
        open="Whether the two views reach the same accuracy, to half a point, is open.",
        untested="They were the same training, to the last digit.",
    ),
    "views-rate": Reading(
        holds="The rate drops out: 1024 times the rate is the same training.",
        fails="The rate does not drop out.",
    ),
}


def _arms(network: RunConfig) -> Iterable[Arm]:
    base = replace(network, alpha=ALPHA)
    weights = latent(base, 1.0)
    wide = replace(weights, precision="float64")
    as_filter = {
        name: getattr(base, name)
        for name in weights.differences(base)
        if name not in ("seed", "precision")
    }
    yield _arm("float64", wide, changes=as_filter)
    yield _arm("float32", weights, changes=as_filter)
    yield _arm("two seeds", weights, changes={}, seeds_apart=500)
    for name, config, factor in (
        ("rate x 1024", weights, 1024.0),
        ("rate x 10", weights, 10.0),
        ("rate x 10, float64", wide, 10.0),
    ):
        changes = {"lr": config.lr * factor, "weight_decay": config.weight_decay / factor}
        yield _arm(name, config, changes=changes)


def _arm(name: str, config: RunConfig, **options: Any) -> Arm:
    return Arm(name=name, config=config, procedure=named("paired.sign_by_sign", **options))


NETWORKS = networks(20)
NETWORKS["quick"] = replace(NETWORKS["quick"], width=192, epochs=10)
"""Wider than elsewhere, so that there are weights enough for rounding to turn the sign of one."""

STUDY = Study(
    name="equivalence",
    title="Two trainings in two views",
    claims=CLAIMS,
    headlines=HEADLINES,
    arms={preset: tuple(_arms(network)) for preset, network in NETWORKS.items()},
    seeds={"quick": 2, "desk": 8, "paper": 3},
)
