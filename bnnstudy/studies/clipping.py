"""What does clipping do? Paper A, section 3.2 (Table 3) and section 4 (Figure 5)."""

from collections.abc import Iterable
from dataclasses import replace
from typing import Any

from bnnstudy.config.run import RunConfig
from bnnstudy.config.tricks import binary_activations, float_twin
from bnnstudy.evidence.claims import Equivalence, exact
from bnnstudy.evidence.readings import Reading
from bnnstudy.experiments.study import Arm, Study, named
from bnnstudy.studies._paper_a import (
    STEPS_APART,
    TRAINING_LOSS,
    accuracies_of,
    arms,
    claim,
    flat,
    is_small_cnn,
    longer,
    ours,
    reached,
    tuned,
)

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
        requires=(reached("none"),),
        source="Table 3",
        text="Clipping gradients ends better than the vanilla straight-through estimator.",
        arm="gradients",
        control="none",
        value="test error 1.17 and 1.28 on MNIST; 10.53 and 10.79 on CIFAR-10",
        margin=0.05,
    ),
    # Written down when runs at desk were known: a column of the table had no claim.
    claim(
        "clipping-weights",
        requires=(reached("none"),),
        source="section 3.2, Table 3",
        text="Clipping weights ends better than the vanilla straight-through estimator.",
        arm="weights",
        control="none",
        value="test error 1.22 and 1.28 on MNIST; 10.73 and 10.79 on CIFAR-10",
        margin=0.05,
    ),
    claim(
        "clipping-both",
        requires=(reached("none"),),
        source="section 3.2, Table 3",
        text="Clipping both ends better than clipping nothing.",
        arm="both",
        control="none",
        value=(
            "test error 1.18 and 1.28 on MNIST; 10.38 and 10.79 on CIFAR-10 (the text says gains of "
            "0.07 and 0.54)"
        ),
        margin=0.05,
    ),
    claim(
        "clipping-weights-alone",
        requires=(reached("none"),),
        source="section 3.2, Table 3",
        text="Clipping weights helps more beside gradient clipping than alone.",
        arm=("both", "gradients"),
        control=("weights", "none"),
        value=(
            "gains of -0.01 (beside gradient clipping) and 0.06 (alone) on MNIST; 0.15 and 0.06 on "
            "CIFAR-10"
        ),
        margin=0.0,
    ),
    claim(
        "clipping-sgd-speed",
        requires=(reached("sgd, none", "curves.saturation.0"),),
        source="section 3.2",
        text=(
            "Clipping has next to no effect on the speed of plain SGD: after the first epoch it is "
            "level."
        ),
        arm="sgd, both",
        control="sgd, none",
        kind=Equivalence,
        metric="curves.validation_accuracy.0",
        margin=0.5,
    ),
    claim(
        "clipping-momentum-speed",
        requires=(reached("momentum, none", "curves.saturation.0"),),
        source="section 3.2",
        text="Clipping has next to no effect on the speed of momentum either.",
        arm="momentum, both",
        control="momentum, none",
        kind=Equivalence,
        metric="curves.validation_accuracy.0",
        margin=0.5,
    ),
    claim(
        "clipping-adam",
        requires=(reached("none"), reached("momentum, none")),
        source="section 3.2",
        text="Adam is the one that is sensitive to clipping: it gains more from it than momentum does.",
        arm=("both", "none"),
        control=("momentum, both", "momentum, none"),
        margin=0.05,
    ),
    exact(
        "clipping-same",
        paper="ours",
        source="audit of Table 3",
        text="With <= at the boundary, clipping weights and clipping both are one algorithm.",
        arm="weights against both",
        unit=STEPS_APART,
    ),
    ours(
        "clipping-strict",
        requires=(reached("none, high rate"),),
        source="audit of Table 3",
        text=(
            "With < in the mask a clamped weight never moves again: more of them end at ±1 than with "
            "<=."
        ),
        arm="both, strict, high rate",
        control="both, high rate",
        **_BOUND,
    ),
    ours(
        "clipping-strict-accuracy",
        requires=(reached("none, high rate"),),
        source="audit of Table 3",
        text="The strict mask costs accuracy: with it clipping both ends lower.",
        arm="both, strict, high rate",
        control="both, high rate",
        direction=-1,
    ),
    # Written down when runs at desk were known, but before any that measured flips.
    ours(
        "clipping-flips",
        requires=(reached("none, high rate"),),
        source="audit of Figure 5",
        text="Clipping keeps weights near zero, and so lets more of them flip late in training.",
        arm="both, high rate",
        control="none, high rate",
        metric="flips.late",
        margin=0.1,
        log=True,
        scale=1.0,
        unit="decades of flip ratio",
    ),
    claim(
        "speed-vanilla",
        source="section 4",
        text=(
            "Without clipping a binary network trains about as fast as its float twin: after the first "
            "epoch it is level."
        ),
        arm="none",
        control="float",
        kind=Equivalence,
        metric="curves.validation_accuracy.0",
        margin=1.0,
    ),
    claim(
        "speed-clipping",
        requires=(reached("none, high rate"), flat("none, high rate")),
        source="section 4",
        text=(
            "Clipping slows training: at a high rate, before its first drop, clipping both is behind "
            "none."
        ),
        arm="both, high rate",
        control="none, high rate",
        value="at epoch 49 of Figure 5: about 4 (fastest curve) and 77 (two others)",
        **_EARLY,
    ),
    claim(
        "speed-legend",
        requires=(reached("none, high rate"), flat("none, high rate")),
        source="Figure 5, legend",
        text=(
            "At a high rate training without clipping is stuck, and with both kinds it is not, as the "
            "legend of Figure 5 has it."
        ),
        arm="none, high rate",
        control="both, high rate",
        value="end: about 60 (legend: no clipping) and .04 (legend: both), read off the plot",
        **_STUCK,
    ),
    claim(
        "speed-halt",
        requires=(reached("none, high rate"), flat("none, high rate")),
        source="section 4, Figure 5",
        text="At a large rate, clipping gradients without clipping weights halts training.",
        arm="gradients, high rate",
        control="weights, high rate",
        value="stuck at about 60 to 65, read off the plot; the legend calls this curve 'no clipping'",
        **_STUCK,
    ),
    ours(
        "clipping-one-rate",
        requires=(reached("none, high rate"),),
        source="audit of Table 3",
        text="At one high rate for all, clipping gradients ends better than the vanilla estimator.",
        arm="gradients, high rate",
        control="none, high rate",
        margin=0.05,
    ),
    claim(
        "speed-cost",
        requires=(reached("none, high rate"), flat("none, high rate")),
        source="section 4",
        text=(
            "At a high rate the vanilla estimator ends at a slightly lower accuracy than clipping both."
        ),
        arm="none, high rate",
        control="both, high rate",
        value="'small'; none given at this rate",
        direction=-1,
        margin=0.05,
    ),
    ours(
        "clipping-binary-activations",
        requires=(reached("1W/1A none"),),
        source="audit of Table 3",
        text="With binary activations too, clipping both ends better than clipping nothing.",
        arm="1W/1A both",
        control="1W/1A none",
        margin=0.05,
    ),
)

HEADLINES = {
    "clipping-both": Reading(
        holds="Clipping weights and gradients raises the accuracy, at tuned rates.",
        fails="Clipping weights and gradients gains less than the smallest gain that would matter.",
        open=(
            "Whether clipping raises the accuracy is open: the gain is smaller than these runs can "
            "tell."
        ),
        untested="Hardly a weight reached ±1, so clipping had nothing to do and was not tested.",
    ),
    "clipping-same": Reading(
        holds=(
            "With <= at the boundary, clipping weights alone and clipping both are one algorithm: the"
            " paper's gap between them is noise, if its mask has the boundary."
        ),
        fails="Clipping weights alone and clipping both are two algorithms.",
    ),
    "speed-clipping": Reading(
        holds="At a high rate clipping slows training before the rate falls.",
        fails="At a high rate clipping does not slow training.",
        open="Whether clipping slows training at a high rate is open.",
        untested="The loss was not on the plateau that the claim speaks of, so slowing was not tested.",
    ),
    "speed-legend": Reading(
        holds="Without clipping training is stuck, as the legend of Figure 5 has it.",
        fails="Without clipping training is not stuck: the legend of Figure 5 and its text contradict "
        "each other, and in these runs it is the text that holds.",
        open="Whether the legend of Figure 5 is right is open.",
        untested="The loss was not on the plateau of Figure 5, so its legend was not tested.",
    ),
    "clipping-adam": Reading(
        holds="Adam gains more from clipping than momentum does.",
        fails="Adam does not gain more from clipping than momentum does.",
        open="Whether Adam gains more from clipping than momentum is open.",
        untested="Hardly a weight reached ±1, so this was not tested.",
    ),
}


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
    high = replace(longer(adam), lr=RATE, schedule="constant", drops=DROPS)
    if network.model == "binaryconnect":
        high = replace(high, epochs=200)  # Figure 5's own length
    for kind, changes in {**KINDS, "both, strict": _STRICT}.items():
        config = replace(high, **changes)
        yield Arm(name=f"{kind}, high rate", config=config, callbacks=(named("FlipsByEpoch"),))
    # A run of its own, so that its configuration is no other arm's: without drops of the rate.
    short = replace(adam, lr=RATE, schedule="constant", epochs=min(network.epochs, 10))
    weights = replace(short, **KINDS["weights"])
    pair = named("paired.weight_by_weight", changes=KINDS["both"])
    yield Arm(name="weights against both", config=weights, procedure=pair)


STUDY = Study(
    name="clipping",
    title="Clipping",
    claims=CLAIMS,
    headlines=HEADLINES,
    arms=arms("clipping", _arms),
    seeds={"quick": 2, "desk": 8, "paper": 5},
    published=accuracies_of(
        {"mnist": (1.28, 1.22, 1.17, 1.18), "cifar10": (10.79, 10.73, 10.53, 10.38)},
        ("none", "weights", "gradients", "both"),
    ),
)
