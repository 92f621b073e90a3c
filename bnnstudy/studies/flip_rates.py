"""Can one know how often weights will flip, from the gradients of another training? Ours.

A theory of flips that can be wrong: gradients recorded in one training say how often weights flip in
another, at another alpha, gamma or batch size. What it misses is that there the gradients are others.
"""

from collections.abc import Iterable
from dataclasses import dataclass, replace
from typing import Any

from bnnstudy.config.run import RunConfig
from bnnstudy.evidence.claims import Claim, Equivalence
from bnnstudy.evidence.readings import Reading
from bnnstudy.experiments.study import Arm, Study, named
from bnnstudy.studies._paper_b import AUDIO_NET, MLP, TINY, forgets, ours

BASE = "1e-2"
"""The arm at alpha 1e-2 and gamma 0.1, constant."""

RECORDED = "recorded"
"""The same training once more, its gradients recorded."""


@dataclass(frozen=True, kw_only=True)
class Size:
    """A network of a preset.

    Attributes:
        network: all but its alpha.
        batches: by name what changes the batch at about as many steps, such as half the epochs.
    """

    network: RunConfig
    batches: dict[str, dict[str, Any]]


CHANGES: dict[str, dict[str, Any]] = {
    "1e-3": {"alpha": 1e-3},
    "1e-1": {"alpha": 1e-1},
    "gamma 1e-2": {"gamma": 1e-2},
    "gamma 1": {"gamma": 1.0},
}
"""By arm what it changes of the base."""

SIZES = {
    "quick": (
        Size(
            network=replace(TINY.network, epochs=8),
            batches={
                "batch x 1/4": {"batch_size": 5, "epochs": 2},
                "batch x 4": {"batch_size": 80, "epochs": 33},
            },
        ),
    ),
    "desk": (
        Size(
            network=replace(MLP["desk"], width=64, epochs=30),
            batches={
                "batch x 1/4": {"batch_size": 25, "epochs": 8},
                "batch x 4": {"batch_size": 400, "epochs": 120},
            },
        ),
        Size(
            network=replace(AUDIO_NET["desk"], epochs=125),
            batches={
                "batch x 1/4": {"batch_size": 25, "epochs": 31},
                "batch x 4": {"batch_size": 400, "epochs": 500},
            },
        ),
    ),
}
"""Three thousand steps at `desk`."""

NOISE = {"batch x 1/4": 4.0, "batch x 4": 0.25}
"""By arm the factor of the noise's variance."""


def _flips(id: str, text: str, arm: str, how: str, **fields: Any) -> Claim:
    """A claim on an arm's flips, beside what the recorded gradients say of them."""
    decades = {"metric": "flips.late", "log": True, "scale": 1.0, "unit": "decades of flip ratio"}
    sides = {"arm": arm, "control": RECORDED, "control_metric": f"forecast.{arm}.{how}"}
    source = "after paper B, Figures 2 and 5"
    return ours(id, source=source, text=text, **{"margin": 0.1, **decades, **sides, **fields})


_LONG_ENOUGH = (forgets(BASE),)

# All of these were written down before the first run at desk.
CLAIMS = (
    _flips(
        "flips-replay",
        "Counted on its own gradients, a training's flips are what they were.",
        kind=Equivalence,
        arm=BASE,
        how="replay",
    ),
    _flips(
        "flips-white",
        "White noise's formula gives a training's flips within a tenth of a decade.",
        kind=Equivalence,
        requires=_LONG_ENOUGH,
        arm=BASE,
        how="white",
    ),
    _flips(
        "flips-slower",
        "From the spectra of its gradients one knows the flips at a tenth of its alpha.",
        kind=Equivalence,
        requires=_LONG_ENOUGH,
        arm="1e-3",
        how="spectrum",
    ),
    _flips(
        "flips-faster",
        "From the spectra of its gradients one knows the flips at ten times its alpha.",
        kind=Equivalence,
        requires=_LONG_ENOUGH,
        arm="1e-1",
        how="spectrum",
    ),
    _flips(
        "flips-inner",
        "From the spectra of its gradients one knows the flips without the inner average.",
        kind=Equivalence,
        requires=_LONG_ENOUGH,
        arm="gamma 1",
        how="spectrum",
    ),
    _flips(
        "flips-batch",
        "From the spectra of its gradients one knows the flips in batches four times as large.",
        kind=Equivalence,
        requires=_LONG_ENOUGH,
        arm="batch x 4",
        how="spectrum",
    ),
    _flips(
        "flips-answer",
        (
            "What it misses is that gradients become others: where weights flip more often than in the "
            "training that was recorded, they flip still more than its gradients say."
        ),
        requires=_LONG_ENOUGH,
        arm="1e-1",
        how="replay",
        margin=0.05,
    ),
)

HEADLINES = {
    "flips-white": Reading(
        holds="Weights flip as often as the formula for white noise says, to a quarter.",
        fails="Weights do not flip as white noise would make them.",
        open="Whether weights flip as white noise would make them is open.",
        untested="These runs are shorter than the filter's memory, so the formula was not tested.",
    ),
    "flips-slower": Reading(
        holds="From the gradients of one training one knows the flips at a tenth of its alpha.",
        fails="From the gradients of one training one does not know the flips at a tenth of its alpha.",
        open="Whether one knows the flips at a tenth of alpha beforehand is open.",
        untested="The flips at a tenth of alpha were not tested.",
    ),
    "flips-faster": Reading(
        holds="At ten times its alpha one knows the flips.",
        fails="At ten times its alpha one does not know the flips.",
        open="Whether one knows the flips at ten times its alpha is open.",
        untested="The flips at ten times alpha were not tested.",
    ),
    "flips-answer": Reading(
        holds="At ten times its alpha gradients make more flips than were foretold.",
        fails="At ten times its alpha gradients make no more flips than were foretold.",
        open="Whether gradients make more flips at ten times its alpha than were foretold is open.",
        untested="Whether gradients make more flips than were foretold was not tested.",
    ),
}


def _arms(size: Size) -> Iterable[Arm]:
    base = replace(size.network, alpha=1e-2, weight_schedule="constant")
    others = {
        BASE: base,
        **{name: replace(base, **change) for name, change in CHANGES.items()},
        **{name: replace(base, **change) for name, change in size.batches.items()},
    }
    targets = {
        name: (config.alpha, config.gamma, NOISE.get(name, 1.0)) for name, config in others.items()
    }
    recorded = named("procedures.flip_forecast", targets=targets)
    yield Arm(name=RECORDED, config=base, procedure=recorded)
    for name, config in others.items():
        yield Arm(name=name, config=config, callbacks=(named("FlipsByEpoch"),))


STUDY = Study(
    name="flip_rates",
    title="Flips foretold",
    claims=CLAIMS,
    headlines=HEADLINES,
    arms={preset: tuple(a for size in sizes for a in _arms(size)) for preset, sizes in SIZES.items()},
    seeds={"quick": 2, "desk": 5},
)
