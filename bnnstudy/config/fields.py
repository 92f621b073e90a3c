"""What the fields of a `RunConfig` may be, each by itself."""

from bnnstudy.config import checks
from bnnstudy.config.schedules import SCHEDULES

PRESETS = ("quick", "desk", "short", "paper")
"""Names of the presets, from the cheapest to the papers' own settings."""

BINARY_OPTIMIZERS = ("filter", "filter_pole", "filter_increment", "filter_corrected", "bop")
"""Optimizers of the filter view: they move weights that are ±1."""

ALLOWED = {
    "view": ("latent", "filter"),
    "schedule": tuple(SCHEDULES),
    "weight_schedule": ("", *SCHEDULES),
    "loss": ("squared_hinge", "cross_entropy"),
    "precision": ("float32", "float64", "bfloat16"),
    "preset": PRESETS,
    "augmentation": ("none", "crop_flip"),
    "scaling": (None, "mean", "mean_forward", "libra"),
    "lr_scaling": (None, "gradient", "update"),
    "block": ("conv_pool_norm_act", "conv_norm_act_pool", "norm_act_conv_pool"),
    "pool": ("max", "average", "stride"),
}
"""Fields that are one of a few names."""

RULES = {
    **dict.fromkeys(
        ("dataset", "model", "activation", "surrogate", "activation_surrogate"), checks.NAME
    ),
    **dict.fromkeys(("optimizer", "real_optimizer"), checks.NAME),
    **dict.fromkeys(("binary_weights", "real_first", "real_last", "clamp"), checks.FLAG),
    **dict.fromkeys(("width", "depth", "epochs"), checks.COUNT),
    "batch_size": checks.Rule(
        int, "a whole number of 2 or more (batch norm)", lambda value: value >= 2
    ),
    "train_size": checks.Rule(int, "a whole number of 0 or more", lambda value: value >= 0),
    "seed": checks.Rule(int, "a whole number from 0 to 2^63 - 1", lambda value: 0 <= value < 2**63),
    **dict.fromkeys(("lr", "real_lr", "batch_norm_eps"), checks.POSITIVE),
    **dict.fromkeys(("weight_decay", "threshold", "init_scale"), checks.NOT_NEGATIVE),
    **dict.fromkeys(("alpha", "gamma", "batch_norm_momentum"), checks.SHARE),
    **dict.fromkeys(("momentum", "floor"), checks.MOMENTUM),
}
"""Fields that follow a rule."""

ONCE = ("dataset", "train_size", "model", "width", "depth", "block", "pool", "parts", "real_last",
        "precision", "preset", "seed", "epochs", "drops", "stages")  # fmt: skip
"""What a run has once: no stage can change it."""

OWN = ("parts", "steepness", "betas", "real_weight_decay", "drops", "stages")
"""Fields that `RunConfig` checks by itself."""

CHANGEABLE = frozenset({*ALLOWED, *RULES, *OWN} - {*ONCE})
"""What a stage may change."""
