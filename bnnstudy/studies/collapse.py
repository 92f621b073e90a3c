"""Is alpha a number, or a number of memories? Ours, after paper B, Figures 5 and 6.

A run of T steps at rate alpha is alpha T of its own memories long. If that is what counts, curves of
accuracy over alpha, taken at several T, fall on one when they are drawn over alpha T.
"""

import functools
from collections.abc import Iterable, Mapping
from dataclasses import dataclass, replace

from bnnstudy.config.run import RunConfig
from bnnstudy.config.serialise import significant
from bnnstudy.evidence.claims import Equivalence, Every
from bnnstudy.evidence.readings import Reading
from bnnstudy.experiments.study import Arm, Study, named
from bnnstudy.studies._paper_b import AUDIO_NET, MLP, forgets, ours


@dataclass(frozen=True, kw_only=True)
class Series:
    """Runs of one network at several lengths, each at several numbers of memories.

    Attributes:
        network: all but its alpha, its schedule and its length.
        steps_an_epoch: the training images over the batch, rounded down.
        epochs: by the name of a length.
        memories: alpha times the steps at the start of a run. Where alpha would pass 0.9, there is no
            such run.
        name: what the lengths' names are followed by, such as ", batch 25".
        schedules: of alpha, by what an arm's name ends in.
    """

    network: RunConfig
    steps_an_epoch: int
    epochs: Mapping[str, int]
    memories: tuple[float, ...]
    name: str = ""
    schedules: Mapping[str, str]

    def steps(self, length: str) -> int:
        """The steps of a run."""
        return self.epochs[length] * self.steps_an_epoch

    def arms(self) -> Iterable[Arm]:
        """An arm for each length, number of memories and schedule."""
        for length, epochs in self.epochs.items():
            for memories in self.memories:
                alpha = significant(memories / self.steps(length), 6)
                if alpha > 0.9:
                    continue
                for ending, schedule in self.schedules.items():
                    config = replace(self.network, epochs=epochs, alpha=alpha, weight_schedule=schedule)
                    name = arm(length + self.name, memories, ending)
                    yield Arm(name=name, config=config, callbacks=(named("FlipsByEpoch"),))


def arm(length: str, memories: float, ending: str = "") -> str:
    """What an arm is called.

    >>> arm("x4", 32), arm("x4, batch 25", 0.5, ", constant")
    ('x4, 32 memories', 'x4, batch 25, 0.5 memories, constant')
    """
    return f"{length}, {memories:g} memories{ending}"


CONSTANT = ", constant"
BOTH = {"": "cosine", CONSTANT: "constant"}
MEMORIES = (0.5, 2, 8, 32, 128)
WIDER = (0.125, *MEMORIES, 512)

_WIDTH = 64
_MLP = replace(MLP["desk"], width=_WIDTH)
_QUICK = replace(MLP["quick"], width=32, train_size=500, batch_size=10)

SERIES: dict[str, tuple[Series, ...]] = {
    "quick": (
        Series(
            network=_QUICK,
            steps_an_epoch=50,
            epochs={"x1": 1, "x4": 4},
            memories=MEMORIES,
            schedules=BOTH,
        ),
        Series(
            network=_QUICK,
            steps_an_epoch=50,
            epochs={"x16": 16},
            memories=(0.5, *MEMORIES[2:]),
            schedules={CONSTANT: "constant"},
        ),
    ),
    "desk": (
        Series(
            network=_MLP,
            steps_an_epoch=100,
            epochs={"x1": 4, "x4": 16, "x16": 64, "x64": 256},
            memories=WIDER,
            schedules=BOTH,
        ),
        Series(
            network=replace(_MLP, batch_size=25),
            steps_an_epoch=400,
            epochs={"x4": 4},
            memories=MEMORIES[1:],
            name=", batch 25",
            schedules={"": "cosine"},
        ),
        Series(
            network=replace(_MLP, width=4 * _WIDTH),
            steps_an_epoch=100,
            epochs={"x4": 16},
            memories=MEMORIES[1:],
            name=f", width {4 * _WIDTH}",
            schedules={"": "cosine"},
        ),
        Series(
            network=AUDIO_NET["desk"],
            steps_an_epoch=24,
            epochs={"x1": 17, "x4": 67, "x16": 267},
            memories=MEMORIES,
            schedules=BOTH,
        ),
    ),
}
"""By preset. At `desk` a length of x1 is 400 steps of the MLP and 408 of the audio net."""

RULE = 32
"""The number of memories that is held against all others. In `alpha`, at 5,000 steps, alpha 1e-2 was
the best of six, which is 50; this is the nearest of ours."""

_ours = functools.partial(ours, source="after Figure 5", metric="last.test_accuracy")

_LENGTHS = ("x1", "x4", "x16")


def _better(
    best_of: Mapping[str, float], among: Iterable[float] = MEMORIES
) -> tuple[tuple[str, str], ...]:
    """At each length, one number of memories against the others.

    At x1 128 memories are an alpha of 0.3 at `desk`, above gamma, and none at `quick`.
    """
    return tuple(
        (arm(length, best), arm(length, other))
        for length, best in best_of.items()
        for other in among
        if other != best and not (length == "x1" and other >= 128)
    )


# All of these were written down before the first run, after what the theory says: with a decay to zero
# the weights of gradients in the last state are a curve over the run that alpha T alone shapes; at a
# constant alpha flips come to a level that alpha alone sets.
CLAIMS = (
    _ours(
        "collapse-memories",
        text=(
            f"With alpha's decay {RULE} memories are at every length no worse than any other number."
        ),
        kind=Every,
        compared=_better(dict.fromkeys(_LENGTHS, RULE)),
        requires=(forgets(arm("x16", RULE)),),
        margin=-0.3,
    ),
    _ours(
        "collapse-one-alpha",
        text=(
            "One alpha serves as well: that which is 8, 32 and 128 memories long at the three lengths "
            "is at none of them worse than another."
        ),
        kind=Every,
        compared=_better({"x1": 8, "x4": 32, "x16": 128}),
        requires=(forgets(arm("x16", 128)),),
        margin=-0.3,
    ),
    _ours(
        "collapse-long",
        text=f"At the longest, too, {RULE} memories are no worse than any other number of them.",
        kind=Every,
        compared=_better({"x64": RULE}, WIDER),
        requires=(forgets(arm("x64", RULE)),),
        margin=-0.3,
    ),
    _ours(
        "collapse-excess",
        text="What too many memories cost is told by their number: as much at four times the steps.",
        kind=Equivalence,
        arm=(arm("x64", 512), arm("x64", RULE)),
        control=(arm("x16", 512), arm("x16", RULE)),
        requires=(forgets(arm("x64", 512)),),
    ),
    _ours(
        "collapse-constant-alpha",
        text="A constant alpha is a number: the same one ends alike at four times the steps.",
        kind=Equivalence,
        arm=arm("x16", 128, CONSTANT),
        control=arm("x4", 32, CONSTANT),
        requires=(forgets(arm("x4", 32, CONSTANT)),),
        margin=1.0,
    ),
    _ours(
        "collapse-constant-memories",
        text=(
            "A constant alpha is no number of memories: as many end better in sixteen times the steps."
        ),
        arm=arm("x16", 32, CONSTANT),
        control=arm("x1", 32, CONSTANT),
        requires=(forgets(arm("x1", 32, CONSTANT)),),
        margin=2.0,
    ),
    _ours(
        "collapse-constant-fewest",
        text="Without decay the fewer memories the better, at every length.",
        kind=Every,
        compared=tuple(
            (arm(length, few, CONSTANT), arm(length, many, CONSTANT))
            for length in _LENGTHS
            for few, many in ((0.5, 8), (8, 32))
        ),
        requires=(forgets(arm("x16", 8, CONSTANT)),),
        margin=0.0,
    ),
    _ours(
        "collapse-batch",
        text=(
            f"Memories are counted in steps: in as many steps of a quarter of the images {RULE} are no "
            "worse than any other number."
        ),
        kind=Every,
        compared=_better({"x4, batch 25": RULE}, MEMORIES[1:]),
        requires=(forgets(arm("x4, batch 25", RULE)),),
        margin=-0.3,
    ),
    _ours(
        "collapse-width",
        text=f"Width does not move the best memories: at four times the width {RULE} are no worse.",
        kind=Every,
        compared=_better({"x4, width 256": RULE}, MEMORIES[1:]),
        requires=(forgets(arm("x4, width 256", RULE)),),
        margin=-0.3,
    ),
)

HEADLINES = {
    "collapse-memories": Reading(
        holds="With its decay alpha may be chosen by the memories of a run: 32 serve at every length.",
        fails="With its decay no one number of memories serves at every length.",
        open="Whether 32 memories serve at every length, with alpha's decay, is open.",
        untested="These runs are shorter than the filter's memory, so memories were not tested.",
    ),
    "collapse-one-alpha": Reading(
        holds="One alpha for all lengths does as well.",
        fails="One alpha for all lengths does not.",
        open="Whether one alpha for all lengths does as well is open.",
        untested="One alpha for all lengths was not tested.",
    ),
    "collapse-constant-alpha": Reading(
        holds="Without decay a longer run ends where a shorter one at the same alpha does.",
        fails="Without decay a longer run does not end where a shorter one at the same alpha does.",
        open="Whether a longer run at the same constant alpha ends alike is open.",
        untested="Constant alphas were not tested.",
    ),
    "collapse-constant-memories": Reading(
        holds="There it is alpha itself that has to be small.",
        fails="There, too, a number of memories is what counts.",
        open="Whether there alpha itself has to be small is open.",
        untested="Whether there alpha itself has to be small was not tested.",
    ),
}

STUDY = Study(
    name="collapse",
    title="Alpha in memories",
    claims=CLAIMS,
    headlines=HEADLINES,
    arms={
        preset: tuple(one for series in found for one in series.arms())
        for preset, found in SERIES.items()
    },
    seeds={"quick": 2, "desk": 5},
)
