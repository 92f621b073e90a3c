"""What does a threshold add to a filter? Bop and its second-order kin beside the filter. Ours.

Bop (Helwegen et al. 2019) is a first-order filter whose weight turns only when the average passes a
threshold. The other Bop (Suarez-Ramirez et al. 2021) gives the threshold in units of each weight's own
gradient. A public reproduction of the first ended two points lower, with a rate and a threshold ten
times as large by a slip of the pen.
"""

import functools
from collections.abc import Iterable
from dataclasses import replace
from typing import Any

from bnnstudy.config.run import RunConfig
from bnnstudy.config.serialise import significant
from bnnstudy.evidence.claims import Equivalence, Every, Requirement, exact, in_order
from bnnstudy.evidence.readings import Reading
from bnnstudy.experiments.study import Arm, Study, named
from bnnstudy.studies._paper_b import AUDIO_NET, MLP, TINY, Sized, ours

MEMORIES = {"quick": 10, "desk": 50}
"""gamma times the steps at the start, by preset; a gamma ten times as large may not pass 1 at `quick`.
The source trains 500 epochs of 1,000 steps, a fifth of them at gamma 1e-4 and each fifth after it at a
tenth of the one before: 50 at the first rate."""

PUBLISHED = 1e-8
"""The source's threshold, in units of a gradient of the mean loss."""

SLIP = 10
"""By what factor the reproduction's rate and threshold were too large."""

THRESHOLDS = ("0.03", "0.1", "0.3")
"""Of the second order, in units of sqrt(v). White noise's average has sqrt(gamma / 2) of them, 0.09."""


SIZES = {
    "quick": (TINY,),
    "desk": (
        Sized(replace(MLP["desk"], epochs=30), 3000),
        Sized(replace(AUDIO_NET["desk"], epochs=125), 3000),
    ),
}

CONSTANT = ", constant"


def second(threshold: str, ending: str = "") -> str:
    """What an arm of the second order is called.

    >>> second("0.1", ", constant")
    'second order, 0.1, constant'
    """
    return f"second order, {threshold}{ending}"


def _acts(arm: str) -> Requirement:
    """That weights flip late in the run, so that there is something to stop."""
    says = "{:.2g} of all weights flip a step in its second half"
    return Requirement(figure="flips.late", arm=arm, at_least=1e-6, says=says)


_ours = functools.partial(ours, source="Helwegen et al. 2019, in the filter's view")

# All of these were written down before the first run at desk.
CLAIMS = (
    exact(
        "bop-zero",
        paper="ours",
        source="Helwegen et al. 2019, in the filter's view",
        text="At threshold 0 Bop is the first-order filter: the same training, sign by sign.",
        arm="threshold 0, in float64",
    ),
    _ours(
        "bop-published",
        text="The published threshold hardly acts: without it the run ends alike.",
        kind=Equivalence,
        arm="published",
        control="threshold 0",
        requires=(_acts("threshold 0"),),
    ),
    _ours(
        "bop-slip",
        text="A rate and a threshold ten times as large cost accuracy.",
        arm="published",
        control="both x 10",
        requires=(_acts("both x 10"),),
    ),
    _ours(
        "bop-slip-rate",
        text="It is the rate: as much too large alone, it costs as much.",
        kind=Equivalence,
        arm="gamma x 10",
        control="both x 10",
        requires=(_acts("both x 10"),),
    ),
    _ours(
        "bop-hysteresis-flips",
        text="The higher the threshold, the fewer flips.",
        kind=Every,
        compared=in_order(second(t, CONSTANT) for t in ("0", *THRESHOLDS)),
        metric="flips.late",
        log=True,
        scale=1.0,
        direction=-1,
        margin=0.05,
        unit="decades of flip ratio",
    ),
    _ours(
        "bop-hysteresis",
        text="At a constant rate a threshold of the noise's own size gains.",
        arm=second("0.1", CONSTANT),
        control=second("0", CONSTANT),
        requires=(_acts(second("0", CONSTANT)),),
    ),
    _ours(
        "bop-hysteresis-decay",
        text="Where the rate falls a threshold adds nothing.",
        kind=Equivalence,
        arm=second("0.1"),
        control=second("0"),
        requires=(_acts(second("0", CONSTANT)),),
    ),
    _ours(
        "bop-no-decay",
        text="No threshold replaces the rate's fall.",
        kind=Every,
        compared=tuple((second("0"), second(t, CONSTANT)) for t in ("0", *THRESHOLDS)),
        metric="last.test_accuracy",
        margin=0.0,
        requires=(_acts(second("0", CONSTANT)),),
    ),
    _ours(
        "bop-filter",
        text="The filter at as many memories ends no worse than Bop as published.",
        arm="filter",
        control="published",
        margin=-0.5,
    ),
)

HEADLINES = {
    "bop-published": Reading(
        holds="Bop's published threshold moves the end by less than half a point: what is left is a "
        "first-order filter whose rate falls.",
        fails="Bop's published threshold changes where a run ends.",
        open="Whether Bop's published threshold acts is open.",
        untested="No weight flipped late, so no threshold was tested.",
    ),
    "bop-slip": Reading(
        holds="Ten times too large a rate and threshold cost accuracy, as they did a reproduction.",
        fails="Ten times too large a rate and threshold do not cost accuracy here.",
        open="Whether ten times too large a rate and threshold cost accuracy is open.",
        untested="No weight flipped late, so the slip was not tested.",
    ),
    "bop-hysteresis": Reading(
        holds="A threshold of the noise's size gains where the rate is constant.",
        fails="A threshold of the noise's size does not gain where the rate is constant.",
        open="Whether a threshold gains where the rate is constant is open.",
        untested="No weight flipped late, so no threshold was tested.",
    ),
    "bop-no-decay": Reading(
        holds="A threshold does not replace the rate's fall.",
        fails="A threshold does replace the rate's fall.",
        open="Whether a threshold replaces the rate's fall is open.",
        untested="Whether a threshold replaces the rate's fall was not tested.",
    ),
}


def _arms(size: Sized) -> Iterable[Arm]:
    base = size.network
    rate = size.rate(MEMORIES[base.preset])
    bop = replace(base, optimizer="bop", alpha=RunConfig.alpha, gamma=rate, weight_schedule="step")
    fast: dict[str, Any] = {"gamma": significant(SLIP * rate, 6)}
    high: dict[str, Any] = {"threshold": significant(SLIP * PUBLISHED, 6)}
    for name, config in {
        "published": bop,
        "threshold 0": replace(bop, threshold=0.0),
        "both x 10": replace(bop, **fast, **high),
        "gamma x 10": replace(bop, **fast),
        "threshold x 10": replace(bop, **high),
        "filter": replace(base, alpha=rate),
    }.items():
        yield Arm(name=name, config=config, callbacks=(named("FlipsByEpoch"),))
    loud = replace(bop, optimizer="second_order_bop", sigma=rate)
    for threshold in ("0", *THRESHOLDS):
        config = replace(loud, threshold=float(threshold))
        for ending, schedule in {"": "step", CONSTANT: "constant"}.items():
            own = replace(config, weight_schedule=schedule)
            yield Arm(name=second(threshold, ending), config=own, callbacks=(named("FlipsByEpoch"),))
    first_order = {"optimizer": "filter", "alpha": rate, "gamma": 1.0,
                   "threshold": RunConfig.threshold}  # fmt: skip
    yield Arm(
        name="threshold 0, in float64",
        config=replace(bop, threshold=0.0, precision="float64"),
        procedure=named("paired.sign_by_sign", changes=first_order),
    )


STUDY = Study(
    name="bop",
    title="Bop and its threshold",
    claims=CLAIMS,
    headlines=HEADLINES,
    arms={preset: tuple(a for size in sizes for a in _arms(size)) for preset, sizes in SIZES.items()},
    seeds={"quick": 2, "desk": 5},
)
