"""Control the flips themselves? Ours, after paper B, Figure 6, and Lee et al. 2025.

Alpha's decay is there to bring the flips down. So the flips may as well be what is chosen: a budget,
the share of weights that may turn at each step, and a loop that moves alpha until they do. The budget
is the curve that white noise would give at an alpha and its decay: a plain run at that alpha is the
loop left open.
"""

import functools
from collections.abc import Iterable, Mapping
from dataclasses import replace
from typing import Any

from bnnstudy.config.run import RunConfig
from bnnstudy.evidence.claims import Equivalence, Requirement, Speed
from bnnstudy.evidence.readings import Reading
from bnnstudy.experiments.study import Arm, Named, Study, Tuned, named
from bnnstudy.studies._paper_b import AUDIO_NET, BIREALNET20, MLP, latent, ours

ALPHA = 0.01
"""Of the one budget that all networks get: white noise turns one weight in a hundred at a step."""

GRID = (1e-3, 3.16228e-3, 1e-2, 3.16228e-2, 1e-1)
"""Alphas to choose from. The grid grows where its end is the best."""

AT_QUICK = 1e-3
"""The best of the grid in three pilot runs at `quick`, where nothing is tuned."""

RATE, RATES = 0.0316228, (3.16228e-3, 1e-2, 3.16228e-2, 1e-1)
"""Adam's, on weights from a zero start: `adam_as_filter` chooses among the same."""

SPACE = {"alpha": (1e-6, 1.0)}
"""What a search draws alpha from, as in `search`."""

TRIALS = {"quick": 6, "desk": 12}
SEARCHES = {"quick": 2, "desk": 16}

ERROR = "budget.error"

_ours = functools.partial(ours, source="after Lee et al. 2025")


_ERROR: dict[str, Any] = {"metric": ERROR, "unit": "decades", "scale": 1.0, "direction": -1}
"""Of a claim on how far flips are from their budget."""


def _follows(arm: str) -> Requirement:
    """That an arm's flips are near their budget: a factor of 1.4."""
    return Requirement(
        figure=ERROR, arm=arm, at_most=0.15, says="flips are {:.2g} decades from the budget"
    )


def _strays(arm: str) -> Requirement:
    """That there is something to mend: in some epoch flips are off by more than a quarter."""
    return Requirement(
        figure="budget.farthest",
        arm=arm,
        at_least=0.1,
        says="without a loop flips are up to {:.2g} decades off",
    )


# All of these were written down before the first run at desk. One pilot run (seed 1000) had shown by
# then how far flips are from the budget without a loop, on each network: 0.02 to 0.27 decades.
CLAIMS = (
    _ours(
        "budget-foretold",
        text="White noise tells the flips of a training within a quarter, without any control.",
        arm="alpha",
        control=None,
        margin=-0.1,
        **_ERROR,
    ),
    _ours(
        "budget-held",
        text="The loop holds flips to their budget, within a quarter.",
        arm="budget",
        control=None,
        margin=-0.1,
        **_ERROR,
    ),
    _ours(
        "budget-mends",
        text="Where flips stray from the budget, the loop brings them nearer.",
        arm="budget",
        control="alpha",
        requires=(_strays("alpha"),),
        margin=0.03,
        **_ERROR,
    ),
    _ours(
        "budget-additive",
        text="An additive update of the latent rate holds flips less well than the trim of alpha.",
        arm="budget",
        control="transition rate",
        margin=0.1,
        **_ERROR,
    ),
    _ours(
        "budget-decay",
        text="What helps is that the budget falls: a constant one ends lower.",
        arm="budget",
        control="constant budget",
        requires=(_follows("constant budget"),),
        margin=1.0,
    ),
    _ours(
        "budget-gain",
        text="To hold the flips changes no accuracy: the same alpha and decay, left alone, end alike.",
        kind=Equivalence,
        arm="budget",
        control="alpha",
        margin=1.0,
    ),
    _ours(
        "budget-untuned",
        text="One budget serves every network, untuned, as well as an alpha tuned for it.",
        arm="budget",
        control="alpha, tuned",
        margin=-0.5,
    ),
    _ours(
        "budget-alpha-untuned",
        text="One alpha for every network does not: tuning it gains half a point.",
        arm="alpha, tuned",
        control="alpha",
        margin=0.5,
    ),
    _ours(
        "budget-one-curve",
        text="Same flips, same accuracy: Adam held to the filter's budget ends as the filter does.",
        kind=Equivalence,
        arm="Adam, budget",
        control="budget",
        requires=(_follows("Adam, budget"), _follows("budget")),
        margin=1.0,
    ),
    _ours(
        "budget-rate",
        source="Lee et al. 2025, abstract",
        text="To schedule the flips of Adam is better than to schedule its rate.",
        arm="Adam, transition rate",
        control="Adam",
    ),
    _ours(
        "budget-trials",
        text="A search among budgets needs fewer trials than one among alphas.",
        kind=Speed,
        arm="search, budget",
        control="search, alpha",
        direction=-1,
        margin=1.0,
        metric="curves.validation_accuracy",
        below=0.005,
        level="lower",
        unit="trials",
    ),
)

HEADLINES = {
    "budget-foretold": Reading(
        holds="Alpha and its decay set the flips: white noise tells them within a quarter.",
        fails="White noise does not tell the flips within a quarter.",
        open="Whether white noise tells the flips within a quarter is open.",
        untested="Flips were not held against white noise.",
    ),
    "budget-held": Reading(
        holds="A loop can hold them to a curve.",
        fails="The loop does not hold them to a curve.",
        open="Whether the loop holds them to a curve is open.",
        untested="The loop was not tested.",
    ),
    "budget-gain": Reading(
        holds="To hold flips to a curve changes no accuracy.",
        fails="To hold flips to a curve changes the accuracy.",
        open="Whether it changes the accuracy to hold flips to a curve is open.",
        untested="What it does to the accuracy to hold flips to a curve was not tested.",
    ),
    "budget-one-curve": Reading(
        holds="Adam held to the same flips ends as the filter does.",
        fails="Adam held to the same flips does not end as the filter does.",
        open="Whether Adam held to the same flips ends as the filter does is open.",
        untested="Adam was not held to the same flips: it did not follow.",
    ),
    "budget-untuned": Reading(
        holds="One budget, untuned, serves as well as an alpha that is tuned.",
        fails="One budget, untuned, serves less well than an alpha that is tuned.",
        open="Whether one budget, untuned, serves as well as a tuned alpha is open.",
        untested="One budget was not held against tuned alphas.",
    ),
}

OPEN = named("FlipBudget", control="none")
HELD = named("FlipBudget", control="trim")

_OF_ADAM: dict[str, Any] = {"alpha": ALPHA, "gamma": 0.1}
"""Adam has no alpha of its own: it gets the filter's budget."""


def _filter(network: RunConfig) -> RunConfig:
    return replace(network, alpha=ALPHA, weight_schedule="cosine")


def _adam(network: RunConfig) -> RunConfig:
    """Adam on latent weights that start at zero, without decay."""
    weights = latent(_filter(network), 1.0)
    return replace(weights, optimizer="adam", lr=RATE, gamma=0.1, weight_decay=0.0)


def _settings(network: RunConfig) -> Mapping[str, tuple[RunConfig, Named]]:
    """By arm its configuration and what looks on."""
    falls = _filter(network)
    return {
        "alpha": (falls, OPEN),
        "budget": (falls, HELD),
        "constant budget": (replace(falls, weight_schedule="constant"), HELD),
        "transition rate": (latent(falls, 1.0), named("FlipBudget", control="additive")),
    }


def _arms(network: RunConfig) -> Iterable[Arm]:
    """What every network has."""
    for name, (config, callback) in _settings(network).items():
        yield Arm(name=name, config=config, callbacks=(callback,))
    falls = _filter(network)
    if network.preset == "quick":
        falls, tuned = replace(falls, alpha=AT_QUICK), None
    else:
        tuned = Tuned(field="alpha", grid=GRID)
    yield Arm(name="alpha, tuned", config=falls, tuned=tuned)


def _adams(network: RunConfig) -> Iterable[Arm]:
    """Adam, its rate tuned where the rate's schedule is its own; the others take that rate."""
    config = _adam(network)
    tuned = Tuned(field="lr", grid=RATES) if network.preset != "quick" else None
    watched = named("FlipBudget", control="none", **_OF_ADAM)
    yield Arm(name="Adam", config=config, tuned=tuned, callbacks=(watched,))
    for name, callback in (
        ("Adam, budget", named("FlipBudget", control="trim", **_OF_ADAM)),
        ("Adam, transition rate", named("FlipBudget", control="additive", **_OF_ADAM)),
    ):
        yield Arm(name=name, config=config, follows="Adam" if tuned else "", callbacks=(callback,))


def _searches(network: RunConfig) -> Iterable[Arm]:
    """Searches at random for an alpha, and for the budget that goes by it."""
    preset = network.preset
    procedure = named("hpo.searched", space=dict(SPACE), sampler="random", trials=TRIALS[preset])
    for name, callback in (("search, alpha", OPEN), ("search, budget", HELD)):
        yield Arm(
            name=name,
            config=_filter(network),
            callbacks=(callback,),
            procedure=procedure,
            seeds=SEARCHES[preset],
        )


def _all(network: RunConfig) -> Iterable[Arm]:
    yield from _arms(network)
    yield from _adams(network)
    yield from _searches(network)


QUICK = replace(MLP["quick"], epochs=5)
CNN = replace(
    MLP["desk"], dataset="cifar10", train_size=5_000, model="cnn", width=16, batch_size=50, epochs=5
)
"""Paper A's convolutional network as the filter's, with binary activations: 500 steps."""

DEEP = replace(BIREALNET20["desk"], epochs=5)

STUDY = Study(
    name="flip_budget",
    title="A budget of flips",
    claims=CLAIMS,
    headlines=HEADLINES,
    arms={
        "quick": tuple(_all(QUICK)),
        "desk": (
            *_arms(MLP["desk"]),
            *_adams(MLP["desk"]),
            *_all(AUDIO_NET["desk"]),
            *_arms(CNN),
            *_arms(DEEP),
        ),
    },
    seeds={"quick": 2, "desk": 5},
)
