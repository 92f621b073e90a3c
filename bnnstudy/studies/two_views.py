"""Latent SGD and the filter are one optimizer, on the same gradients. Paper B, Eq 1-17."""

from dataclasses import replace

from bnnstudy.config.run import RunConfig
from bnnstudy.config.tricks import zero_start
from bnnstudy.evidence.claims import exact
from bnnstudy.experiments.study import Arm, Study, named

CLAIMS = (
    exact(
        "views-filter",
        "B",
        "Eq 1-13",
        "Latent SGD with damped momentum and decoupled decay, from a zero start, moves every sign as "
        "the cascade of two moving averages does, with alpha = lr x weight decay.",
        "constant",
        metric="shadows.filter",
    ),
    exact(
        "views-direct-form",
        "B",
        "Eq 16-17",
        "The cascade is the second-order filter of Eq 17: same signs at a constant rate.",
        "constant",
        metric="shadows.direct_form",
    ),
    exact(
        "views-swap",
        "B",
        "text with Eq 16-17",
        "At a constant rate alpha and gamma can be swapped without changing a sign.",
        "constant",
        metric="shadows.swapped",
    ),
    exact(
        "views-schedule",
        "ours",
        "Eq 3 with a schedule",
        "The two views also agree in every sign under a cosine schedule, alpha following the rate.",
        "cosine",
        metric="shadows.filter",
    ),
    exact(
        "views-start",
        "ours",
        "Eq 7 with w0",
        "They agree from Xavier's start if the filter's state starts at -weight decay x w0.",
        "start",
        metric="shadows.filter",
    ),
    exact(
        "views-linear-filter",
        "ours",
        "Eq 14, 16",
        "At a constant rate from a zero start, `LinearFilter` with the cascade's coefficients moves "
        "every sign alike.",
        "constant",
        metric="shadows.linear_filter",
    ),
    exact(
        "views-lfilter",
        "ours",
        "Eq 16",
        "At a constant rate from a zero start `scipy.signal.lfilter`, which knows nothing of training, "
        "moves every sign alike, too.",
        "constant",
        metric="shadows.lfilter",
    ),
    exact(
        "views-torch-sgd",
        "ours",
        "chapter 2",
        "torch's own SGD (undamped momentum mu, coupled decay), at a constant rate from a zero start, "
        "is the same cascade at alpha + gamma = 1 - mu + lr wd, alpha gamma = lr wd.",
        "constant",
        metric="shadows.torch_sgd",
    ),
    exact(
        "views-complex-poles",
        "ours",
        "chapter 2",
        "Beyond lr wd = (1 - sqrt(mu))^2 torch's SGD is still a linear filter, with complex poles "
        "(constant rate, zero start).",
        "constant",
        metric="shadows.complex_poles",
    ),
)


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
    arms={
        "quick": _arms(RunConfig(preset="quick", width=64, batch_size=50, epochs=22)),
        "desk": _arms(RunConfig(preset="desk", dataset="mnist", width=256, epochs=2)),
    },
    seeds={"quick": 3, "desk": 5},
)
