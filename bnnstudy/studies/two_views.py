"""Latent SGD and the filter are one optimizer, on the same gradients. Paper B, Eq 1-17."""

from dataclasses import replace

from bnnstudy.config.run import RunConfig
from bnnstudy.config.tricks import zero_start
from bnnstudy.evidence.claims import exact
from bnnstudy.evidence.readings import Reading
from bnnstudy.experiments.study import Arm, Study, named

CLAIMS = (
    exact(
        "views-filter",
        paper="B",
        source="Eq 1-13",
        text=(
            "Latent SGD with damped momentum and decoupled decay, from a zero start, moves every "
            "sign as the cascade of two moving averages does, with alpha = lr x weight decay."
        ),
        arm="constant",
        metric="shadows.filter",
    ),
    exact(
        "views-direct-form",
        paper="B",
        source="Eq 16-17",
        text="The cascade is the second-order filter of Eq 17: same signs at a constant rate.",
        arm="constant",
        metric="shadows.direct_form",
    ),
    exact(
        "views-swap",
        paper="B",
        source="text with Eq 16-17",
        text="At a constant rate alpha and gamma can be swapped without changing a sign.",
        arm="constant",
        metric="shadows.swapped",
    ),
    exact(
        "views-schedule",
        paper="ours",
        source="Eq 3 with a schedule",
        text=(
            "The two views also agree in every sign under a cosine schedule, alpha following the rate."
        ),
        arm="cosine",
        metric="shadows.filter",
    ),
    exact(
        "views-start",
        paper="ours",
        source="Eq 7 with w0",
        text="Both views agree from Xavier's start if the filter's state starts at -weight decay x w0.",
        arm="start",
        metric="shadows.filter",
    ),
    exact(
        "views-linear-filter",
        paper="ours",
        source="Eq 14, 16",
        text=(
            "At a constant rate from a zero start, `LinearFilter` with the cascade's coefficients "
            "moves every sign alike."
        ),
        arm="constant",
        metric="shadows.linear_filter",
    ),
    exact(
        "views-lfilter",
        paper="ours",
        source="Eq 16",
        text=(
            "At a constant rate from a zero start `scipy.signal.lfilter`, which knows nothing of "
            "training, moves every sign alike, too."
        ),
        arm="constant",
        metric="shadows.lfilter",
    ),
    exact(
        "views-torch-sgd",
        paper="ours",
        source="audit of Eq 2-9",
        text=(
            "torch's own SGD (undamped momentum mu, coupled decay), at a constant rate from a zero "
            "start, is the same cascade at alpha + gamma = 1 - mu + lr wd, alpha gamma = lr wd."
        ),
        arm="constant",
        metric="shadows.torch_sgd",
    ),
    exact(
        "views-complex-poles",
        paper="ours",
        source="audit of Eq 2-9",
        text=(
            "Beyond lr wd = (1 - sqrt(mu))^2 torch's SGD is still a linear filter, with complex poles "
            "(constant rate, zero start)."
        ),
        arm="constant",
        metric="shadows.complex_poles",
    ),
)

HEADLINES = {
    "views-filter": Reading(
        holds="Latent SGD and the filter of gradients are one algorithm: no sign differs.",
        fails="Latent SGD and the filter part: some signs differ.",
    ),
    "views-schedule": Reading(
        holds="Both views stay one under a schedule, as alpha follows the rate.",
        fails="Under a schedule the two views part.",
    ),
    "views-torch-sgd": Reading(
        holds="The SGD of torch is the same filter, at other numbers than the paper's formula gives.",
        fails="The SGD of torch is another algorithm.",
    ),
}


def _arms(sizes: RunConfig) -> tuple[Arm, ...]:
    # Magnitude plays no part: no mask on the weights, no scaling, no clamp.
    base = zero_start(
        replace(
            sizes,
            activation="sign",
            activation_surrogate="approx",
            surrogate="identity",
            optimizer="latent_sgd",
            lr=1.0,
            weight_decay=1e-2,
            gamma=0.1,
            real_optimizer="adam",
            real_lr=3e-3,
            loss="cross_entropy",
            precision="float64",
        )
    )
    cosine = replace(base, schedule="cosine")
    shadowed = {
        "constant": base,
        "cosine": cosine,
        "start": replace(base, init_scale=1.0),
        "float32": replace(base, precision="float32"),
    }
    return tuple(
        Arm(name=n, config=c, callbacks=(named("ShadowOptimizers"),)) for n, c in shadowed.items()
    )


STUDY = Study(
    name="two_views",
    title="Two views of one optimizer",
    claims=CLAIMS,
    headlines=HEADLINES,
    arms={
        "quick": _arms(RunConfig(preset="quick", width=64, batch_size=50, epochs=8)),
        "desk": _arms(RunConfig(preset="desk", dataset="mnist", width=256, epochs=2)),
    },
    seeds={"quick": 2, "desk": 5},
)
