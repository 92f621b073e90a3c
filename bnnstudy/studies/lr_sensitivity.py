"""Does the learning rate matter? Paper B, Figure 4 (alpha constant)."""

from collections.abc import Iterable
from dataclasses import replace
from typing import Any

from bnnstudy.config.run import RunConfig
from bnnstudy.evidence.claims import Equivalence, Every, Spread
from bnnstudy.evidence.readings import Reading
from bnnstudy.experiments.study import Arm, Study
from bnnstudy.studies._paper_a import reached
from bnnstudy.studies._paper_b import claim, latent, networks, ours

ALPHA = 1e-2
"""lr * weight_decay, the same for all."""

RATES = {"1e-4": 1e-4, "1e-2": 1e-2, "1": 1.0, "100": 1e2, "1e4": 1e4}

FAMILIES: dict[str, dict[str, Any]] = {
    "standard": {"surrogate": "clip", "scaling": "mean_forward", "init_scale": 1.0},
    "independent": {"init_scale": 1.0},
    "zero start": {},
}
"""The paper's three panels, as differences from latent SGD with a zero start, no clip, no scaling."""

AUDIT: dict[str, dict[str, Any]] = {
    "scaling alone": {"scaling": "mean_forward", "init_scale": 1.0},
    "scaling, gradient too": {"scaling": "mean", "init_scale": 1.0},
    "gradient clip alone": {"surrogate": "clip", "init_scale": 1.0},
    "weight clip alone": {"clamp": True, "init_scale": 1.0},
    "standard, weights clipped too": {
        "surrogate": "clip", "scaling": "mean_forward", "clamp": True, "init_scale": 1.0,
    },
}  # fmt: skip
"""The standard setting taken apart; the last has the clamp that paper A calls weight clipping."""

CLAIMS = (
    claim(
        "rate-standard-low",
        source="Figure 4",
        text="With clipping and scaling, too small a rate costs accuracy: the start dominates.",
        arm="standard, 1e-4",
        control="standard, 1",
        value="curve with one optimum",
        direction=-1,
        margin=1.0,
    ),
    claim(
        "rate-standard-high",
        source="Figure 4",
        text=(
            "With clipping and scaling, too large a rate costs accuracy: weights stop in the clipped "
            "region."
        ),
        arm="standard, 1e4",
        control="standard, 1",
        value="curve with one optimum",
        direction=-1,
        margin=1.0,
    ),
    # Written down when runs at desk were known: only the two ends had claims.
    claim(
        "rate-standard-optimum",
        source="Figure 4",
        text=(
            "With clipping and scaling there is a single best rate: from 1 accuracy falls with each "
            "step to either side."
        ),
        value="curve with one optimum",
        kind=Every,
        compared=tuple(
            (f"standard, {near}", f"standard, {far}")
            for near, far in (("1e-2", "1e-4"), ("1", "1e-2"), ("1", "100"), ("100", "1e4"))
        ),
        metric="last.test_accuracy",
    ),
    claim(
        "rate-clip-flips",
        requires=(reached("independent, 1e4"),),
        source="section 5",
        text=(
            "The gradient's clip is a way to fewer flips: at a large rate fewer signs change with it, "
            "half way through the run."
        ),
        arm="gradient clip alone, 1e4",
        control="independent, 1e4",
        value="no number given",
        metric="flip_ratio.all.-6",
        direction=-1,
        margin=0.1,
        log=True,
        scale=1.0,
        unit="decades of flip ratio",
    ),
    claim(
        "rate-normal-start",
        source="Figure 4",
        text="Without clipping and scaling but with a normal start, a small rate costs even more.",
        arm="independent, 1e-2",
        control="standard, 1e-2",
        value="collapses at small rates",
        direction=-1,
        margin=1.0,
    ),
    claim(
        "rate-normal-high",
        source="Figure 4",
        text="Without clipping and scaling, large rates cost nothing.",
        arm="independent, 1e4",
        control="independent, 100",
        value="flat at large rates",
        kind=Equivalence,
    ),
    # Rewritten when runs at desk were known: it compared two of the five rates.
    claim(
        "rate-zero-start",
        source="Figure 4",
        text="From a zero start accuracy does not depend on the rate at all.",
        arms=tuple(f"zero start, {rate}" for rate in RATES),
        value="flat",
        kind=Spread,
        metric="last.test_accuracy",
        direction=-1,
        margin=-0.5,
    ),
    ours(
        "rate-clip-falls",
        source="audit of Figure 4",
        text="The gradient's clip alone brings about a fall at large rates.",
        arm="gradient clip alone, 1e4",
        control="gradient clip alone, 1",
        direction=-1,
        margin=1.0,
    ),
    ours(
        "rate-scaling-flat",
        source="audit of Figure 4",
        text="Scaling alone costs nothing at large rates.",
        arm="scaling alone, 1e4",
        control="scaling alone, 1",
        kind=Equivalence,
        margin=1.0,
    ),
    ours(
        "rate-scaling-helps",
        source="audit of Figure 4",
        text="Scaling alone is what keeps small rates alive: gradients are larger with it.",
        arm="scaling alone, 1e-2",
        control="independent, 1e-2",
        margin=1.0,
    ),
    ours(
        "rate-scaling-cancels",
        source="audit of Figure 4",
        text=(
            "Only because the released code leaves the scale out of the gradient: with it there, batch "
            "norm cancels it, and accuracy is as without scaling."
        ),
        arm="scaling, gradient too, 1e-2",
        control="independent, 1e-2",
        kind=Equivalence,
        margin=1.0,
    ),
    # Suggested by the run of the last one.
    ours(
        "rate-scaling-eps",
        source="audit of Figure 4",
        text=(
            "What is left of a difference is batch norm's epsilon: with next to none the scale cancels."
        ),
        arm="scaling, gradient too, tiny eps, 1e-2",
        control="independent, tiny eps, 1e-2",
        kind=Equivalence,
        margin=1.0,
    ),
    ours(
        "rate-weight-clip",
        source="audit of Figure 4",
        text=(
            "Weights that are clamped to [-1, 1] keep their gradients: with the clamp the fall is "
            "smaller."
        ),
        arm="standard, weights clipped too, 1e4",
        control="standard, 1e4",
        margin=1.0,
    ),
)

HEADLINES = {
    "rate-normal-start": Reading(
        holds="Without clip and scaling, from a normal start, small rates collapse.",
        fails="Without clip and scaling small rates do not collapse.",
        open="Whether small rates collapse without clip and scaling is open.",
        untested="The settings were not told apart.",
    ),
    "rate-zero-start": Reading(
        holds="From a zero start the rate does not matter.",
        fails="From a zero start the rate matters.",
        open="Whether the rate matters at all from a zero start is open within half a point.",
        untested="The rates were not told apart.",
    ),
    "rate-standard-high": Reading(
        holds="With clip and scaling, too large a rate costs accuracy.",
        fails="With clip and scaling, large rates cost nothing.",
        open="Whether large rates cost accuracy is open.",
        untested="The rates were not told apart.",
    ),
    "rate-standard-optimum": Reading(
        holds="With clip and scaling, a single rate is best.",
        fails="With clip and scaling, no single rate is best.",
        open=(
            "With clip and scaling, it is open whether a single rate is best: the top of the curve is "
            "flat as far as these runs can tell."
        ),
        untested="The rates were not told apart.",
    ),
}


def _arms(network: RunConfig) -> Iterable[Arm]:
    for families, rates in ((FAMILIES, RATES), (AUDIT, ("1e-2", "1", "1e4"))):
        for family, changes in families.items():
            for name in rates:
                config = replace(latent(network, RATES[name], ALPHA), **changes)
                yield Arm(name=f"{family}, {name}", config=config)
    for family in ("scaling, gradient too", "independent"):
        changes = {**FAMILIES, **AUDIT}[family] | {"batch_norm_eps": 1e-12}
        config = replace(latent(network, RATES["1e-2"], ALPHA), **changes)
        yield Arm(name=f"{family}, tiny eps, 1e-2", config=config)


NETWORKS = networks()
NETWORKS["quick"] = replace(NETWORKS["quick"], epochs=5)

STUDY = Study(
    name="lr_sensitivity",
    title="Sensitivity to the rate",
    claims=CLAIMS,
    headlines=HEADLINES,
    arms={preset: tuple(_arms(network)) for preset, network in NETWORKS.items()},
    seeds={"quick": 2, "desk": 8, "paper": 3},
)
