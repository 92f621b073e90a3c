"""What the fields of a `RunConfig` may be, each by itself, and which optimizer reads which number."""

from collections.abc import Mapping
from typing import Any

from bnnstudy.config import checks
from bnnstudy.config.schedules import SCHEDULES

PRESETS = ("quick", "desk", "short", "paper")
"""Names of the presets, from the cheapest to the papers' own settings."""

READS: dict[str, tuple[str, ...]] = {
    "sgd": ("lr", "weight_decay"),
    "momentum": ("lr", "momentum", "weight_decay"),
    "nesterov": ("lr", "momentum", "weight_decay"),
    "adagrad": ("lr", "weight_decay"),
    "adadelta": ("lr", "weight_decay"),
    "rmsprop": ("lr", "weight_decay"),
    "adam": ("lr", "betas", "weight_decay"),
    "latent_sgd": ("lr", "gamma", "weight_decay"),
    "ovsw": ("lr", "gamma", "weight_decay"),
    "ovsw_ags": ("lr", "gamma", "weight_decay"),
    "ovsw_sad": ("lr", "gamma", "weight_decay"),
    "filter": ("alpha", "gamma"),
    "filter_pole": ("alpha", "gamma"),
    "filter_increment": ("alpha", "gamma"),
    "filter_corrected": ("alpha", "gamma"),
    "filter_normalised": ("alpha", "gamma", "sigma"),
    "designed": ("alpha", "gamma", "design", "matched"),
    "bop": ("threshold", "gamma"),
    "second_order_bop": ("threshold", "gamma", "sigma"),
}
"""All optimizers by name, each with the numbers (and names) that it reads.

A `real_optimizer` reads `real_lr` where an `optimizer` reads `lr`, and `real_weight_decay`, if given,
where it reads `weight_decay`."""

BINARY_OPTIMIZERS = ("filter", "filter_pole", "filter_increment", "filter_corrected",
                     "filter_normalised", "designed", "bop", "second_order_bop")  # fmt: skip
"""Optimizers of the filter view: they move weights that are ±1."""

DESIGNS = (*(f"average {order}" for order in range(1, 6)), "cascade", "butterworth 2", "butterworth 4",
           "bessel 2", "bessel 4", "boxcar", "hann", "notch")  # fmt: skip
"""Families of filters that a weight may be moved by (`theory.designs`)."""

MATCHED = ("noise gain", "delay", "flips")
"""Properties of a filter by which one of a family is chosen."""

REAL_OPTIMIZERS = tuple(name for name in READS if name not in BINARY_OPTIMIZERS)
"""Optimizers that move real weights."""

READERS = {
    **{
        number: ", ".join(name for name, reads in READS.items() if number in reads)
        for number in (
            "lr",
            "momentum",
            "betas",
            "gamma",
            "alpha",
            "threshold",
            "sigma",
            "weight_decay",
            "design",
            "matched",
        )
    },
    "real_lr": "a real_optimizer",
    "real_weight_decay": "a real_optimizer",
    "init_scale": "binary weights in the latent view",
}
"""The numbers that not every run reads, each with what reads it."""


def numbers_read(config: Mapping[str, Any]) -> frozenset[str]:
    """The numbers of `READERS` that a run with these fields reads, its stages aside.

    An optimizer whose name is unknown is taken to read all: the name is what has to be refused.
    """
    optimizer, real_optimizer = config["optimizer"], config["real_optimizer"]
    numbers = {*_reads(optimizer)}
    if real_optimizer != "":
        decay = "weight_decay" if config["real_weight_decay"] is None else "real_weight_decay"
        own = {"lr": "real_lr", "weight_decay": decay}
        numbers |= {own.get(number, number) for number in _reads(real_optimizer)}
    if config["view"] == "latent" and config["binary_weights"]:
        numbers.add("init_scale")
    return frozenset(numbers)


def _reads(optimizer: object) -> tuple[str, ...]:
    # Compared and not looked up: what is no name may have no hash.
    return next((reads for name, reads in READS.items() if name == optimizer), tuple(READERS))


ALLOWED = {
    "view": ("latent", "filter"),
    "design": DESIGNS,
    "matched": MATCHED,
    "optimizer": tuple(READS),
    "real_optimizer": ("", *REAL_OPTIMIZERS),
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
    **dict.fromkeys(("binary_weights", "real_first", "real_last", "clamp"), checks.FLAG),
    **dict.fromkeys(("width", "depth", "epochs"), checks.COUNT),
    "batch_size": checks.Rule(
        int, "a whole number of 2 or more (batch norm)", lambda value: value >= 2
    ),
    "train_size": checks.Rule(int, "a whole number of 0 or more", lambda value: value >= 0),
    "seed": checks.Rule(int, "a whole number from 0 to 2^63 - 1", lambda value: 0 <= value < 2**63),
    **dict.fromkeys(("lr", "real_lr", "batch_norm_eps"), checks.POSITIVE),
    **dict.fromkeys(("weight_decay", "threshold", "init_scale"), checks.NOT_NEGATIVE),
    **dict.fromkeys(("alpha", "gamma", "sigma", "batch_norm_momentum"), checks.SHARE),
    **dict.fromkeys(("momentum", "floor"), checks.MOMENTUM),
}
"""Fields that follow a rule."""

ONCE = ("dataset", "train_size", "model", "width", "depth", "block", "pool", "parts", "real_last",
        "precision", "preset", "seed", "epochs", "drops", "stages")  # fmt: skip
"""Fields that hold for a whole run: no stage can change them."""

OWN = ("parts", "steepness", "betas", "real_weight_decay", "drops", "stages")
"""Fields that `RunConfig` checks by itself."""

CHANGEABLE = frozenset({*ALLOWED, *RULES, *OWN} - {*ONCE})
"""What a stage may change."""
