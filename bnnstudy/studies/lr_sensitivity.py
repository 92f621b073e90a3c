"""Does the learning rate matter? Paper B, Figure 4 (alpha constant)."""

from collections.abc import Iterable
from dataclasses import replace
from typing import Any

from bnnstudy.config.run import RunConfig
from bnnstudy.experiments.study import Arm, Study
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
        "Figure 4",
        "With clipping and scaling, too small a rate costs accuracy: the start dominates.",
        "standard, 1e-4",
        "standard, 1",
        "curve with one optimum",
        direction=-1,
        margin=1.0,
    ),
    claim(
        "rate-standard-high",
        "Figure 4",
        "With clipping and scaling, too large a rate costs accuracy: weights stop in the clipped "
        "region.",
        "standard, 1e4",
        "standard, 1",
        "curve with one optimum",
        direction=-1,
        margin=1.0,
    ),
    claim(
        "rate-normal-start",
        "Figure 4",
        "Without clipping and scaling but with a normal start, a small rate costs even more.",
        "independent, 1e-2",
        "standard, 1e-2",
        "collapses at small rates",
        direction=-1,
        margin=1.0,
    ),
    claim(
        "rate-normal-high",
        "Figure 4",
        "Without clipping and scaling, large rates cost nothing.",
        "independent, 1e4",
        "independent, 100",
        "flat at large rates",
        kind="equivalence",
    ),
    claim(
        "rate-zero-start",
        "Figure 4",
        "From a zero start accuracy does not depend on the rate at all.",
        "zero start, 1e4",
        "zero start, 1e-4",
        "flat",
        kind="equivalence",
    ),
    ours(
        "rate-clip-falls",
        "audit of Figure 4",
        "The gradient's clip alone brings about a fall at large rates.",
        "gradient clip alone, 1e4",
        "gradient clip alone, 1",
        direction=-1,
        margin=1.0,
    ),
    ours(
        "rate-scaling-flat",
        "audit of Figure 4",
        "Scaling alone costs nothing at large rates.",
        "scaling alone, 1e4",
        "scaling alone, 1",
        kind="equivalence",
        margin=1.0,
    ),
    ours(
        "rate-scaling-helps",
        "audit of Figure 4",
        "Scaling alone is what keeps small rates alive: gradients are larger with it.",
        "scaling alone, 1e-2",
        "independent, 1e-2",
        margin=1.0,
    ),
    ours(
        "rate-scaling-cancels",
        "audit of Figure 4",
        "Only because the released code leaves the scale out of the gradient: with it there, batch "
        "norm cancels it, and accuracy is as without scaling.",
        "scaling, gradient too, 1e-2",
        "independent, 1e-2",
        kind="equivalence",
        margin=1.0,
    ),
    # Suggested by the run of the last one.
    ours(
        "rate-scaling-eps",
        "audit of Figure 4",
        "What is left of a difference is batch norm's epsilon: with next to none the scale cancels.",
        "scaling, gradient too, tiny eps, 1e-2",
        "independent, tiny eps, 1e-2",
        kind="equivalence",
        margin=1.0,
    ),
    ours(
        "rate-weight-clip",
        "audit of Figure 4",
        "Weights that are clamped to [-1, 1] keep their gradients: with the clamp the fall is smaller.",
        "standard, weights clipped too, 1e4",
        "standard, 1e4",
        margin=1.0,
    ),
)


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
NETWORKS["quick"] = replace(NETWORKS["quick"], epochs=12)

STUDY = Study(
    name="lr_sensitivity",
    title="Sensitivity to the rate",
    claims=CLAIMS,
    arms={preset: tuple(_arms(network)) for preset, network in NETWORKS.items()},
    seeds={"quick": 3, "desk": 5, "paper": 3},
)
