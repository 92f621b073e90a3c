"""Five claims of the last three years, put to the test at our scale. Ours.

Averaging is incompatible with binary weights; weight decay collapses them; momentum .80 beats .95;
gradient estimators for weights are all the straight-through estimator at small rates; weights that flip
to and fro spoil batch norm's statistics.
"""

from collections.abc import Iterable
from dataclasses import replace

from bnnstudy.evidence.claims import Equivalence, Spread
from bnnstudy.evidence.readings import Reading
from bnnstudy.experiments.study import Arm, Study, named
from bnnstudy.studies._paper_a import reached
from bnnstudy.studies._paper_b import AUDIO_NET, MLP, TINY, Sized, forgets, latent, ours

MEMORIES = 32
"""alpha times the steps, where weights decay."""

MOMENTA = {"momentum 0.8": 0.2, "momentum 0.95": 0.05}
"""By arm its gamma."""

SMALL, LARGE = 1.0, 100.0
"""Rates at which latent weights that were drawn stay within ±1, and at which they leave it."""

ESTIMATORS = ("identity", "clip", "ede")


SIZES = {
    "quick": (TINY,),
    "desk": (
        Sized(replace(MLP["desk"], width=64, epochs=30), 3000),
        Sized(replace(AUDIO_NET["desk"], epochs=125), 3000),
    ),
}

_THREADS = "training threads of 2025"
_MOVES = (forgets("constant"),)

# All of these were written down before the first run at desk. Averages are held against the network as
# it ended, with its statistics measured anew, too: so averaging alone differs.
CLAIMS = (
    ours(
        "contested-averaging",
        source=_THREADS,
        text="Averaging goes with binary weights: average latent ones, then take signs, and it gains.",
        arm="constant, averaged",
        control="constant, anew",
        requires=_MOVES,
    ),
    ours(
        "contested-averaging-decay",
        source=_THREADS,
        text="Where the rate falls averaging costs nothing, either.",
        arm="decay, averaged",
        control="decay, anew",
        requires=_MOVES,
        margin=-0.5,
    ),
    ours(
        "contested-decay",
        source=_THREADS,
        text="Weight decay does not collapse binary weights: with 32 memories they end no worse.",
        arm="decay",
        control="no decay",
        requires=(forgets("decay"),),
        margin=-0.5,
    ),
    ours(
        "contested-momentum",
        source=_THREADS,
        text="Momentum .80 beats .95.",
        arm="momentum 0.8",
        control="momentum 0.95",
        margin=0.2,
    ),
    ours(
        "contested-estimators-small",
        source="Schoenbauer et al. 2024",
        text="At a small rate all gradient estimators for weights end alike.",
        kind=Spread,
        arms=tuple(f"small rate, {name}" for name in ESTIMATORS),
        direction=-1,
        margin=-0.5,
        metric="last.test_accuracy",
    ),
    ours(
        "contested-estimators-large",
        source="Schoenbauer et al. 2024",
        text="At a rate at which weights leave ±1 they do not.",
        kind=Spread,
        arms=tuple(f"large rate, {name}" for name in ESTIMATORS),
        requires=(reached("large rate, identity"),),
        metric="last.test_accuracy",
    ),
    ours(
        "contested-statistics",
        source="Nagel et al. 2022",
        text="Weights that flip to and fro spoil batch norm's statistics: measured anew they gain.",
        arm="constant, anew",
        control="constant",
        requires=_MOVES,
    ),
    ours(
        "contested-statistics-decay",
        source="Nagel et al. 2022",
        text="Where the rate falls there is nothing to repair.",
        kind=Equivalence,
        arm="decay, anew",
        control="decay",
        requires=_MOVES,
    ),
)

HEADLINES = {
    "contested-averaging": Reading(
        holds="Averaging goes with binary weights, if latent ones are averaged and then signed.",
        fails="Averaging latent weights gains nothing here.",
        open="Whether averaging latent weights gains is open.",
        untested="These runs are shorter than the filter's memory, so averaging was not tested.",
    ),
    "contested-decay": Reading(
        holds="Weight decay does not collapse binary weights.",
        fails="Weight decay costs accuracy here.",
        open="Whether weight decay costs accuracy is open.",
        untested="The decay had no time to act.",
    ),
    "contested-momentum": Reading(
        holds="Momentum .80 beats .95.",
        fails="Momentum .80 does not beat .95.",
        open="Whether momentum .80 beats .95 is open.",
        untested="The two momenta were one training.",
    ),
    "contested-estimators-small": Reading(
        holds="At a small rate estimators for weights end alike.",
        fails="Even at a small rate estimators for weights do not end alike.",
        open="Whether estimators for weights end alike at a small rate is open.",
        untested="At a small rate all estimators were the same training.",
    ),
    "contested-statistics": Reading(
        holds="Part of what flipping costs is batch norm's statistics.",
        fails="Batch norm's statistics have no part in what flipping costs.",
        open="Whether batch norm's statistics have a part in what flipping costs is open.",
        untested="Whether batch norm's statistics have a part in it was not tested.",
    ),
}


def _arms(size: Sized) -> Iterable[Arm]:
    base = replace(size.network, alpha=size.rate(MEMORIES))
    state = latent(base, 1.0)
    averaged = (named("AveragedWeights"),)
    yield Arm(name="decay", config=state, callbacks=averaged)
    constant = replace(state, weight_schedule="constant")
    yield Arm(name="constant", config=constant, callbacks=averaged)
    yield Arm(name="no decay", config=replace(state, weight_decay=0.0))
    for name, gamma in MOMENTA.items():
        yield Arm(name=name, config=replace(base, gamma=gamma))
    for word, rate in {"small": SMALL, "large": LARGE}.items():
        for estimator in ESTIMATORS:
            drawn = replace(state, init_scale=1.0, weight_decay=0.0, lr=rate, surrogate=estimator)
            yield Arm(name=f"{word} rate, {estimator}", config=drawn)


STUDY = Study(
    name="contested",
    title="Five contested claims",
    claims=CLAIMS,
    headlines=HEADLINES,
    arms={preset: tuple(a for size in sizes for a in _arms(size)) for preset, sizes in SIZES.items()},
    seeds={"quick": 2, "desk": 5},
)
