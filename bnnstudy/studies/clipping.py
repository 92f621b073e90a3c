"""What does clipping do? Paper A, section 3.2 (Table 3) and section 4 (Figure 5)."""

from collections.abc import Iterable
from dataclasses import replace
from typing import Any

from bnnstudy.config.run import RunConfig
from bnnstudy.config.tricks import binary_activations, float_twin
from bnnstudy.evidence.claims import exact
from bnnstudy.experiments.study import Arm, Study, named
from bnnstudy.studies._paper_a import STEPS_APART, TRAINING_LOSS, arms, claim, is_small_cnn, ours, tuned

RATE = 0.1
DROPS = (0.25, 0.5, 0.625)
"""Figure 5: rate 0.1, to a tenth at epochs 50, 100 and 125 of 200."""

KINDS: dict[str, dict[str, Any]] = {
    "none": {"surrogate": "identity", "clamp": False},
    "weights": {"surrogate": "identity", "clamp": True},
    "gradients": {"surrogate": "clip", "clamp": False},
    "both": {"surrogate": "clip", "clamp": True},
}
"""Gradient clipping is the surrogate's mask, weight clipping the clamp."""

_STRICT: dict[str, Any] = {"surrogate": "clip_strict", "clamp": True}
_EARLY: dict[str, Any] = {"metric": "phases.0.train_loss", "margin": 0.1, **TRAINING_LOSS}
_STUCK: dict[str, Any] = {**_EARLY, "metric": "curves.train_loss.-1", "margin": 1.0}
"""Stuck is a loss ten times that of another arm, or more; the paper's curves end two decades apart."""
_BOUND: dict[str, Any] = {"metric": "saturation", "margin": 1.0, "unit": "points of the weights at ±1"}

CLAIMS = (
    claim(
        "clipping-gradients",
        "Table 3",
        "Clipping gradients ends better than the vanilla straight-through estimator.",
        "gradients",
        "none",
        "test error 1.17 and 1.28 on MNIST; 10.53 and 10.79 on CIFAR-10",
        margin=0.05,
    ),
    claim(
        "clipping-both",
        "section 3.2, Table 3",
        "Clipping both ends better than clipping nothing.",
        "both",
        "none",
        "test error 1.18 and 1.28 on MNIST; 10.38 and 10.79 on CIFAR-10 (the text says gains of 0.07 "
        "and 0.54)",
        margin=0.05,
    ),
    claim(
        "clipping-weights-alone",
        "section 3.2, Table 3",
        "Clipping weights helps more beside gradient clipping than alone.",
        ("both", "gradients"),
        ("weights", "none"),
        "gains of -0.01 (beside gradient clipping) and 0.06 (alone) on MNIST; 0.15 and 0.06 on "
        "CIFAR-10",
        margin=0.0,
    ),
    claim(
        "clipping-sgd-speed",
        "section 3.2",
        "Clipping has next to no effect on the speed of plain SGD: after the first epoch it is level.",
        "sgd, both",
        "sgd, none",
        kind="equivalence",
        metric="curves.validation_accuracy.0",
        margin=0.5,
    ),
    claim(
        "clipping-momentum-speed",
        "section 3.2",
        "Clipping has next to no effect on the speed of momentum either.",
        "momentum, both",
        "momentum, none",
        kind="equivalence",
        metric="curves.validation_accuracy.0",
        margin=0.5,
    ),
    claim(
        "clipping-adam",
        "section 3.2",
        "Adam is the one that is sensitive to clipping: it gains more from it than momentum does.",
        ("both", "none"),
        ("momentum, both", "momentum, none"),
        margin=0.05,
    ),
    exact(
        "clipping-same",
        "ours",
        "audit of Table 3",
        "With <= at the boundary, clipping weights and clipping both are one algorithm.",
        "weights against both",
        unit=STEPS_APART,
    ),
    ours(
        "clipping-strict",
        "audit of Table 3",
        "With < in the mask a clamped weight never moves again: more of them end at ±1 than with <=.",
        "both, strict, high rate",
        "both, high rate",
        **_BOUND,
    ),
    ours(
        "clipping-strict-accuracy",
        "audit of Table 3",
        "The strict mask costs accuracy: with it clipping both ends lower.",
        "both, strict, high rate",
        "both, high rate",
        direction=-1,
    ),
    claim(
        "speed-vanilla",
        "section 4",
        "Without clipping a binary network trains about as fast as its float twin: after the first "
        "epoch it is level.",
        "none",
        "float",
        kind="equivalence",
        metric="curves.validation_accuracy.0",
        margin=1.0,
    ),
    claim(
        "speed-clipping",
        "section 4",
        "Clipping slows training: at a high rate, before its first drop, clipping both is behind none.",
        "both, high rate",
        "none, high rate",
        "at epoch 49 of Figure 5: about 4 (fastest curve) and 77 (two others)",
        **_EARLY,
    ),
    claim(
        "speed-legend",
        "Figure 5, legend",
        "As the legend has it, the opposite: without clipping training is stuck, with both it is not.",
        "none, high rate",
        "both, high rate",
        "end: about 60 (legend: no clipping) and .04 (legend: both), read off the plot",
        **_STUCK,
    ),
    claim(
        "speed-halt",
        "section 4, Figure 5",
        "At a large rate, clipping gradients without clipping weights halts training.",
        "gradients, high rate",
        "weights, high rate",
        "stuck at about 60 to 65, read off the plot; the legend calls this curve 'no clipping'",
        **_STUCK,
    ),
    ours(
        "clipping-one-rate",
        "audit of Table 3",
        "At one high rate for all, clipping gradients ends better than the vanilla estimator.",
        "gradients, high rate",
        "none, high rate",
        margin=0.05,
    ),
    claim(
        "speed-cost",
        "section 4",
        "At a high rate the vanilla estimator ends at a slightly lower accuracy than clipping both.",
        "none, high rate",
        "both, high rate",
        "'small'; none given at this rate",
        direction=-1,
        margin=0.05,
    ),
    ours(
        "clipping-binary-activations",
        "audit of Table 3",
        "With binary activations too, clipping both ends better than clipping nothing.",
        "1W/1A both",
        "1W/1A none",
        margin=0.05,
    ),
)


def _arms(network: RunConfig) -> Iterable[Arm]:
    adam, momentum = (replace(network, optimizer=name) for name in ("adam", "momentum"))
    for kind, changes in KINDS.items():
        yield tuned(kind, replace(adam, **changes))
    plain = replace(network, optimizer="sgd")
    for kind in () if is_small_cnn(network) else ("none", "both"):
        yield tuned(f"sgd, {kind}", replace(plain, **KINDS[kind]), 10**0.5)
        yield tuned(f"momentum, {kind}", replace(momentum, **KINDS[kind]), 1.0)
        yield tuned(f"1W/1A {kind}", replace(binary_activations(adam), **KINDS[kind]))
    yield tuned("float", float_twin(adam), 10**-2.5)
    high = replace(adam, lr=RATE, schedule="constant", drops=DROPS)
    if network.model == "binaryconnect":
        high = replace(high, epochs=200)  # Figure 5's own length
    for kind, changes in {**KINDS, "both, strict": _STRICT}.items():
        yield Arm(name=f"{kind}, high rate", config=replace(high, **changes))
    # A run of its own, so that its configuration is no other arm's: without drops of the rate.
    weights = replace(high, drops=(), epochs=min(high.epochs, 10), **KINDS["weights"])
    pair = named("paired.weight_by_weight", changes=KINDS["both"])
    yield Arm(name="weights against both", config=weights, procedure=pair)


STUDY = Study(
    name="clipping",
    title="Clipping",
    claims=CLAIMS,
    arms=arms(_arms),
    seeds={"quick": 5, "desk": 5, "paper": 5},
)
