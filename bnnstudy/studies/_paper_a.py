"""Paper A's networks and settings at each preset, and shorthand for the claims of its studies."""

from collections.abc import Callable, Iterable, Mapping, Sequence
from dataclasses import replace
from typing import Any

from bnnstudy.config.run import RunConfig
from bnnstudy.config.serialise import significant
from bnnstudy.evidence.claims import Requirement, Shorthand
from bnnstudy.experiments.study import Arm, Tuned
from bnnstudy.studies._quick_rates import at_settled_rates

TRAINING_LOSS: dict[str, Any] = {"log": True, "unit": "decades of training loss", "scale": 1.0}
"""For a contrast of losses: decimal logarithms."""

HALF_A_POINT = 0.005
"""Of a validation accuracy: how far below a curve's end the level lies to which a `Speed` counts."""

STEPS_APART = "steps after which a weight differs"
"""Unit of an exact claim that two trainings are one (`paired.weight_by_weight`)."""

NO_NUMBER = "no number given"


def reached(arm: str, metric: str = "curves.saturation") -> Requirement:
    """That clipping has something to clip: 5 % of an unclipped arm's latent weights get to ±1."""
    says = "at most {:.1%} of the latent weights reached ±1"
    return Requirement(figure=metric, arm=arm, at_least=0.05, says=says)


def flat(arm: str) -> Requirement:
    """That the loss is on a plateau before the first drop of the rate, as the paper's is."""
    says = "the loss still fell by {:.2f} decades in the last quarter before the first drop"
    return Requirement(figure="@fall before drop", arm=arm, at_most=0.1, says=says)


def at_rest(arm: str) -> tuple[Requirement, Requirement]:
    """That the loss has come to rest, wherever that is, and at a rate that could still move it."""
    falls = "the loss still fell by {:.2f} decades in the last quarter of the run"
    fades = (
        "by its last quarter the rate had fallen to {:.1%} of its first, which brings any loss to rest"
    )
    return (
        Requirement(figure="@fall at the end", arm=arm, at_most=0.1, says=falls),
        Requirement(figure="@rate left", arm=arm, at_least=0.1, says=fades),
    )


def stopped(arm: str) -> Requirement:
    """That an early stop came before the end."""
    says = "it stopped after {:.0%} of the run"
    return Requirement(figure="@share of the run", arm=arm, at_most=0.9, says=says)


_ACCURACY = {"metric": "test_accuracy", "margin": 0.2}
_SHORTHAND = Shorthand(paper="A", value=NO_NUMBER, accuracy=_ACCURACY)
claim, ours = _SHORTHAND.claim, _SHORTHAND.ours


def _network(batch_norm_momentum: float, **sizes: Any) -> RunConfig:
    return RunConfig(
        surrogate="clip",
        clamp=True,
        schedule="exponential",
        batch_norm_momentum=batch_norm_momentum,
        **sizes,
    )


MLP = {
    "quick": _network(0.15, preset="quick", batch_size=50, epochs=5),
    "desk": _network(0.15, preset="desk", dataset="mnist", train_size=10_000, width=256, epochs=10),
    "paper": _network(0.15, preset="paper", dataset="mnist", width=2048, epochs=250),
}
"""1W/32A, fully connected; both kinds of clipping, as in the released code."""

CNN = {
    "quick": _network(0.1, preset="quick", model="cnn", width=8, batch_size=50, epochs=4),
    "desk": _network(
        0.1, preset="desk", dataset="cifar10", train_size=5_000, model="cnn", width=16,
        batch_size=50, epochs=5,
    ),
    "paper": _network(
        0.1, preset="paper", dataset="cifar10", model="binaryconnect", width=128, batch_size=50,
        epochs=500,
    ),
}  # fmt: skip
"""1W/32A, convolutional: BinaryConnect's network, at smaller presets a smaller one of its kind."""


def both(preset: str) -> tuple[RunConfig, ...]:
    """The networks of a preset: the fully connected one, and where it is more than quick the other."""
    return (MLP[preset],) if preset == "quick" else (MLP[preset], CNN[preset])


def arms(
    study: str,
    build: Callable[[RunConfig], Iterable[Arm]],
    networks: Callable[[str], Iterable[RunConfig]] = both,
    presets: Iterable[str] = ("quick", "desk", "paper"),
) -> dict[str, tuple[Arm, ...]]:
    """The arms of a study at each preset: what `build` makes of each network there.

    At `quick` the rates are settled (`_quick_rates`).
    """
    found = {p: tuple(arm for network in networks(p) for arm in build(network)) for p in presets}
    return {**found, "quick": at_settled_rates(study, found["quick"])}


def accuracies_of(
    errors: Mapping[str, Iterable[float]], arms: Sequence[str]
) -> dict[str, dict[str, float]]:
    """The paper's test errors in percent, by data set in the order of the arms, as accuracies."""
    return {
        dataset: {arm: round(100 - error, 2) for arm, error in zip(arms, of_arms, strict=True)}
        for dataset, of_arms in errors.items()
    }


def is_small_cnn(network: RunConfig) -> bool:
    """Whether this is the CNN of the presets `quick` and `desk`, whose arms are kept to the needed."""
    return network.model == "cnn"


LONG = 40
"""Epochs of the fully connected network at desk where what a claim speaks of acts late."""


def longer(network: RunConfig) -> RunConfig:
    """The network, at desk, long enough for clipping, stages and Adam's averages to act.

    Four thousand steps at half the width: pilots (seed 1000) had 14 % of the latent weights at ±1 with
    Adam at .01 and 53 % at .0316, where a thousand steps have none; at .1 the loss is level after five
    epochs; and the memory of beta2 .999 passes four times.
    """
    if network.preset != "desk" or network.model != "mlp":
        return network
    return replace(network, width=128, epochs=LONG)


def stage_epochs(network: RunConfig) -> int:
    """Length of a run in stages: twice the network's own where that is short, so that each has time."""
    return network.epochs if network.epochs >= LONG else 2 * network.epochs


def around(middle: float) -> tuple[float, ...]:
    """Five rates around `middle`, in half decades, in six digits as a curve extends them."""
    return tuple(significant(middle * 10 ** (step / 2), 6) for step in range(-2, 3))


def tuned(name: str, config: RunConfig, middle: float = 0.01, **run: Any) -> Arm:
    """An arm whose rate is tuned, on a grid of five around `middle`.

    Args:
        run: `callbacks` and `procedure`, as in `Arm`.
    """
    return Arm(name=name, config=config, tuned=Tuned(field="lr", grid=around(middle)), **run)
