"""Are silent weights the size of the start? Ours, after OvSW (Xiang et al. 2024) and paper B, Figure 3.

In units of the rate a latent weight is what is left of its start, (1 - alpha)^i w0 / lr, minus its
filtered gradients. It is silent until these outweigh the start. So w0 / lr tells how many weights are
silent, and after a few 1 / alpha steps the start is forgotten.
"""

import functools
from collections.abc import Iterable
from dataclasses import replace

from bnnstudy.config.run import RunConfig
from bnnstudy.evidence.claims import Equivalence, Every, Requirement, exact, in_order
from bnnstudy.evidence.readings import Reading
from bnnstudy.experiments.study import Arm, Study, named
from bnnstudy.studies._paper_b import BIREALNET20, MLP, latent, ours

ALPHA = 5e-4
"""Of the recipe: torch's SGD at rate 0.1, momentum 0.9 and decay 5e-4 averages as the latent view does
at rate 0.1 / (1 - 0.9) = 1, with as large a decay."""

SILENT_DECAY = 9e-4
"""OvSW's, `optim.ovsw.SILENT_DECAY`: to list studies needs no torch, which that room does."""

KAIMING = 2**0.5
"""The recipe's start over Xavier's, in a square layer: the gain of the Kaiming draw of the source."""

FORGETFUL = 0.05
"""An alpha whose memories are short beside the run: 50 of them at `desk`. In the source it is 30."""

SILENT = "silent.last"


def _memories(arm: str, least: float) -> Requirement:
    """That decay has had the steps to act."""
    says = "alpha times the steps is {:.2g}"
    return Requirement(figure="@alpha times steps", arm=arm, at_least=least, says=says)


def _silent_first(arm: str, share: float) -> Requirement:
    """That there are silent weights after the first epoch."""
    says = "{:.0%} of the weights are silent after the first epoch"
    return Requirement(figure="silent.first", arm=arm, at_least=share, says=says)


def _silent_last(arm: str, share: float) -> Requirement:
    """That there are silent weights at the end."""
    says = "{:.0%} of the weights never flip"
    return Requirement(figure=SILENT, arm=arm, at_least=share, says=says)


_LEARNS = Requirement(
    figure="last.test_accuracy",
    arm="momentum",
    at_least=0.2,
    says="it gets {:.0%} of the test images right",
)

_ours = functools.partial(ours, source="after OvSW")

# All of these were written down before the first run at desk, after what the theory says. Runs at
# quick had shown by then that four memories do not forget a start of 10 times Xavier's draw, which
# "silent-forgotten" had; that a decay of a fifth of a memory wakes nothing, alone or for all; and that
# ten times start and rate round alike, so that "silent-ratio" is asked sign by sign.
CLAIMS = (
    ours(
        "silent-half",
        source="OvSW, abstract",
        text="With the usual recipe over half of the weights never flip in training.",
        arm="momentum",
        control=None,
        requires=(_LEARNS,),
        metric=SILENT,
        margin=50.0,
    ),
    _ours(
        "silent-order",
        text=(
            "At one rate, the larger the start the more weights are silent after the first epoch: 0, "
            "0.1, 1 and 10 times Xavier's draw."
        ),
        kind=Every,
        compared=in_order(f"start {size}" for size in ("0", "0.1", "1", "10")),
        requires=(_silent_last("start 10", 0.1),),
        metric="silent.first",
        margin=2.0,
    ),
    exact(
        "silent-ratio",
        paper="ours",
        source="after OvSW",
        text="What counts is the start over the rate: eight times both is the same training.",
        arm="start 8, rate 8",
    ),
    _ours(
        "silent-zero",
        text="From a start at zero fewer than a fifth of the weights never flip.",
        arm="start 0",
        control=None,
        direction=-1,
        requires=(_silent_first("recipe", 0.3),),
        metric=SILENT,
        margin=-20.0,
    ),
    _ours(
        "silent-forgotten",
        text=(
            "A start that is forgotten keeps no weight silent: at an alpha of many memories Xavier's "
            "draw ends with as many silent weights as a start at zero."
        ),
        kind=Equivalence,
        arm="start 1, alpha 0.05",
        control="start 0, alpha 0.05",
        requires=(_memories("start 1, alpha 0.05", 4.0),),
        metric=SILENT,
        margin=5.0,
    ),
    _ours(
        "silent-wakes",
        text="OvSW wakes weights: fewer never flip with it.",
        arm="AGS and SAD",
        control="recipe",
        direction=-1,
        requires=(_silent_first("recipe", 0.3),),
        metric=SILENT,
        margin=3.0,
    ),
    _ours(
        "silent-alpha",
        text=(
            "The decay of silent weights is an alpha of each weight's own: the same decay for all "
            "weights leaves as many silent."
        ),
        kind=Equivalence,
        arm="SAD",
        control="more decay",
        requires=(_silent_first("recipe", 0.3), _memories("more decay", 1.0)),
        metric=SILENT,
        margin=2.0,
    ),
    _ours(
        "silent-gain",
        text="OvSW gains accuracy over the recipe without it.",
        arm="AGS and SAD",
        control="recipe",
        requires=(_silent_last("recipe", 0.3),),
    ),
    _ours(
        "silent-zero-gain",
        text="A start at zero, without OvSW, is no worse than the recipe with it.",
        arm="start 0",
        control="AGS and SAD",
        requires=(_silent_last("recipe", 0.3),),
        margin=-0.5,
    ),
)

HEADLINES = {
    "silent-half": Reading(
        holds="With the usual recipe over half of the weights never flip.",
        fails="With the usual recipe fewer than half of the weights never flip.",
        open="Whether over half of the weights never flip with the usual recipe is open.",
        untested="Whether over half never flip was not tested: the network did not learn.",
    ),
    "silent-order": Reading(
        holds="At one rate it is the size of the start that keeps them silent.",
        fails="At one rate the size of the start does not order how many are silent.",
        open="Whether the size of the start keeps them silent is open.",
        untested="Whether the size of the start keeps them silent was not tested.",
    ),
    "silent-alpha": Reading(
        holds="OvSW's decay of silent weights wakes as many as the same decay for all weights.",
        fails="OvSW's decay of silent weights wakes others than the same decay for all weights.",
        open="Whether a decay for silent weights alone wakes as many as one for all is open.",
        untested="A decay for silent weights alone was not tested.",
    ),
    "silent-gain": Reading(
        holds="OvSW gains accuracy.",
        fails="OvSW gains no accuracy.",
        open="Whether OvSW gains accuracy, half a point or more, is open.",
        untested="Whether OvSW gains accuracy was not tested: too few weights were silent.",
    ),
    "silent-zero-gain": Reading(
        holds="A start at zero, without a remedy, is no worse than OvSW.",
        fails="A start at zero, without a remedy, is worse than OvSW.",
        open="Whether a start at zero, without a remedy, is worse than OvSW is open.",
        untested="A start at zero was not held against OvSW.",
    ),
}


def _recipe(
    network: RunConfig, start: float = KAIMING, *, rate: float = 1.0, alpha: float = ALPHA
) -> RunConfig:
    return replace(latent(network, rate, alpha), init_scale=start)


def _configs(network: RunConfig) -> dict[str, RunConfig]:
    """The arms that every network has, by name."""
    recipe = _recipe(network)
    return {
        "recipe": recipe,
        "momentum": replace(recipe, optimizer="momentum", lr=0.1),
        "AGS": replace(recipe, optimizer="ovsw_ags"),
        "SAD": replace(recipe, optimizer="ovsw_sad"),
        "AGS and SAD": replace(recipe, optimizer="ovsw"),
        "more decay": _recipe(network, alpha=ALPHA + SILENT_DECAY),
        **{f"start {size}": _recipe(network, float(size)) for size in ("0", "0.1", "1", "10")},
        **{
            f"start {size}, alpha {FORGETFUL}": _recipe(network, float(size), alpha=FORGETFUL)
            for size in ("0", "1")
        },
    }


def _more(network: RunConfig) -> dict[str, RunConfig]:
    """The arms of the cheaper network alone."""
    return {
        "adam": replace(_recipe(network), optimizer="adam", lr=1e-3, weight_decay=0.0),
        "start 100": _recipe(network, 100.0),
        f"start 10, alpha {FORGETFUL}": _recipe(network, 10.0, alpha=FORGETFUL),
    }


def _arms(configs: dict[str, RunConfig]) -> Iterable[Arm]:
    for name, config in configs.items():
        yield Arm(name=name, config=config, callbacks=(named("SilentWeights"),))


def _flat(network: RunConfig) -> Iterable[Arm]:
    yield from _arms({**_configs(network), **_more(network)})
    small = _recipe(network, 1.0)
    changes = {name: getattr(small, name) for name in ("lr", "weight_decay", "init_scale")}
    yield Arm(
        name="start 8, rate 8",
        config=_recipe(network, 8.0, rate=8.0),
        procedure=named("paired.sign_by_sign", changes=changes),
    )


QUICK = replace(MLP["quick"], epochs=5)
FLAT = replace(MLP["desk"], epochs=20)
DEEP = replace(BIREALNET20["desk"], epochs=5)
"""At `desk` the fully connected network makes 2,000 steps, the convolutional one 390."""

STUDY = Study(
    name="silent_weights",
    title="Silent weights",
    claims=CLAIMS,
    headlines=HEADLINES,
    arms={
        "quick": tuple(_flat(QUICK)),
        "desk": (*_flat(FLAT), *_arms(_configs(DEEP))),
    },
    seeds={"quick": 2, "desk": 5},
)
