"""The rates of the preset `quick`, as its own searches chose them once: a quick run searches no more.

Each was the best of a grid of three rates, extended at its ends, by validation accuracy with one seed.
Runs of `quick` have become shorter since. The rates do for showing on the digits what an arm does. No
larger preset uses them: `desk` and up search.
"""

from collections.abc import Iterable
from dataclasses import replace

from bnnstudy.evidence.runs import task_of
from bnnstudy.experiments.study import Arm

RATES: dict[str, dict[str, dict[str, float]]] = {
    "adam_betas": {
        "digits mlp": {
            "beta2 0.8, tuned": 0.0316228,
            "beta2 0.999, tuned": 0.0316228,
        },
    },
    "batch_norm": {
        "digits mlp": {
            "1W/32A": 0.0316228,
            "32W/32A": 0.0316228,
            "two stages": 0.1,
        },
    },
    "clipping": {
        "digits mlp": {
            "none": 0.0316228,
            "weights": 0.0316228,
            "gradients": 0.0316228,
            "both": 0.0316228,
            "sgd, none": 10.0,
            "momentum, none": 10.0,
            "1W/1A none": 0.01,
            "sgd, both": 10.0,
            "momentum, both": 10.0,
            "1W/1A both": 0.01,
            "float": 0.0316228,
        },
    },
    "lr_scaling": {
        "digits mlp": {
            "sgd": 10.0,
            "sgd, scaled gradient": 3.16228,
            "momentum": 10.0,
            "momentum, scaled gradient": 1.0,
            "adam": 0.0316228,
            "adam, scaled gradient": 0.0316228,
            "adam, scaled update": 0.00316228,
            "sgd, BN at its own rate": 31.6228,
            "sgd, scaled gradient, BN at its own rate": 10.0,
        },
    },
    "optimizers": {
        "digits mlp": {
            "1W/32A sgd": 10.0,
            "1W/32A momentum": 10.0,
            "1W/32A adam": 0.0316228,
            "1W/32A sgd, BN on Adam": 100.0,
            "1W/32A sgd, BN at its own rate": 31.6228,
            "1W/32A momentum, BN on Adam": 31.6228,
            "1W/32A adam, BN on Adam": 0.01,
            "1W/1A sgd": 10.0,
            "1W/1A momentum": 10.0,
            "1W/1A adam": 0.01,
            "1W/1A sgd, BN on Adam": 100.0,
            "1W/1A sgd, BN at its own rate": 316.228,
            "1W/1A momentum, BN on Adam": 31.6228,
            "1W/1A adam, BN on Adam": 0.0316228,
            "32W/32A sgd": 3.16228,
            "32W/32A momentum": 1.0,
            "32W/32A adam": 0.0316228,
        },
    },
    "pooling_order": {
        "digits cnn": {
            "conv, pool, norm, sign": 0.0316228,
            "conv, norm, sign, pool": 0.0316228,
            "norm, sign, conv, pool": 0.0316228,
            "conv, pool, norm, sign (average)": 0.0316228,
            "conv, norm, sign, pool (average)": 0.0316228,
            "conv at stride 2, norm, sign": 0.0316228,
            "conv, pool, norm, relu": 0.01,
            "conv, norm, relu, pool": 0.01,
        },
    },
    "pretraining": {
        "digits mlp": {
            "from scratch": 0.0316228,
            "from real": 0.0316228,
            "from real, long": 0.0316228,
        },
        "digits cnn": {
            "from scratch": 0.01,
            "from real": 0.0316228,
            "from real, long": 0.316228,
        },
        "digits resnet18": {
            "from scratch": 0.0316228,
            "from real": 0.01,
            "from real, long": 0.01,
        },
    },
    "recipe": {
        "digits mlp": {
            "all five": 0.01,
            "momentum for Adam": 1.0,
            "one stage": 0.01,
            "none": 1.0,
        },
    },
    "sgd": {
        "digits mlp": {
            "adam": 0.0316228,
            "batch 50": 10.0,
            "batch 100": 10.0,
            "batch 150": 10.0,
            "batch 200": 10.0,
            "float, batch 50": 3.16228,
            "float, batch 200": 1.0,
            "momentum 0.7": 9.48683,
            "momentum 0.8": 6.32456,
            "momentum 0.9": 10.0,
            "momentum 0.99": 1.0,
            "float, momentum 0.7": 2.84605,
            "float, momentum 0.99": 0.3,
        },
    },
    "two_stage": {
        "digits mlp": {
            "two stages": 0.01,
            "clipped, one rate": 0.01,
        },
    },
}
"""By study, then by task (data set and network), then by arm."""


def at_settled_rates(study: str, arms: Iterable[Arm]) -> tuple[Arm, ...]:
    """A study's quick arms with their rates fixed; those that follow one have its rate.

    Raises:
        ValueError: if an arm that is tuned has no settled rate.
    """
    return tuple(_settled(study, arm) for arm in arms)


def _settled(study: str, arm: Arm) -> Arm:
    leader = arm.follows or (arm.name if arm.tuned else "")
    if not leader:
        return arm
    rates = RATES.get(study, {}).get(task_of(arm.config), {})
    if leader not in rates:
        raise ValueError(f"RATES of study {study!r} must have the arm {leader!r}, which is tuned")
    config = replace(arm.config, lr=rates[leader])
    return replace(arm, config=config, tuned=None)
