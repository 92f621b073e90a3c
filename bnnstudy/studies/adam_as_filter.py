"""What is left of "second moments are crucial"? Adam as a filter, and paper A's gap by its causes.

Ours. Four things differ between a usual training with Adam and one with SGD that does well in paper B:
the gradient's normalisation, the start, batch norm's own rate, and clipping. Here they are crossed.
"""

import functools
import itertools
from collections.abc import Iterable, Iterator
from dataclasses import replace
from typing import Any

from bnnstudy.config.run import RunConfig
from bnnstudy.config.tricks import batch_norm_at_own_rate, batch_norm_on_adam, no_clipping, zero_start
from bnnstudy.evidence.claims import Equivalence
from bnnstudy.evidence.readings import Reading
from bnnstudy.experiments.study import Arm, Study, Tuned
from bnnstudy.studies import _paper_a
from bnnstudy.studies._paper_a import around, longer, reached
from bnnstudy.studies._paper_b import MLP, TINY, Sized, forgets, ours

FACTORS = {
    "optimizer": ("sgd", "adam"),
    "start": ("drawn", "zero"),
    "batch norm": ("one rate", "own rate"),
    "clipping": ("clipped", "free"),
}
"""By factor its two levels: paper A's usual one, and the other. SGD averages gradients as Adam does."""

RATES = {"sgd": 10.0, "adam": 0.0316228}
"""The middle of the rates that are tried, in half decades."""

MEMORIES = 32
"""Of the filters, alpha times the steps."""

SHORT = 0.2
"""sigma of a second moment that remembers five steps."""

NETWORKS = {
    "quick": _paper_a.MLP["quick"],
    "desk": longer(_paper_a.MLP["desk"]),
}
"""Paper A's, at desk long enough for weights to reach ±1."""

FILTERED = {"quick": TINY, "desk": Sized(replace(MLP["desk"], width=64, epochs=50), 5000)}
"""The network of the filters."""


def corner(optimizer: str, start: str, batch_norm: str, clipping: str) -> str:
    """What an arm of the factorial is called.

    >>> corner("adam", "zero", "own rate", "free")
    'adam, zero, own rate, free'
    """
    return f"{optimizer}, {start}, {batch_norm}, {clipping}"


def corners() -> Iterator[tuple[str, str, str, str]]:
    """The levels of all sixteen arms."""
    yield from itertools.product(*FACTORS.values())


def _gap(start: str, batch_norm: str, clipping: str) -> tuple[str, str]:
    """Adam minus SGD, all else alike."""
    return corner("adam", start, batch_norm, clipping), corner("sgd", start, batch_norm, clipping)


USUAL = ("drawn", "one rate", "clipped")

PLAIN = "sgd, drawn, plain sgd at its own rate, clipped"
"""Beside the sixteen: batch norm neither divides nor shares a rate."""

_ours = functools.partial(ours, source="after paper A, Table 2", metric="test_accuracy")
_filters = functools.partial(ours, source="after paper B's discussion")

# All of these were written down before the first run at desk.
CLAIMS = (
    _ours(
        "normalised-gap",
        text="In the usual setting, one rate for all, Adam leads SGD.",
        arm=corner("adam", *USUAL),
        control=corner("sgd", *USUAL),
    ),
    _ours(
        "normalised-batch-norm",
        text="Batch norm on an Adam of its own takes from that lead.",
        arm=_gap(*USUAL),
        control=_gap("drawn", "own rate", "clipped"),
    ),
    _ours(
        "normalised-batch-norm-rate",
        text="It is the rate: with batch norm on plain SGD, at a rate of its own, SGD gains, too.",
        arm=PLAIN,
        control=corner("sgd", *USUAL),
    ),
    _ours(
        "normalised-start",
        text="So does a start at zero, with one rate for all.",
        arm=_gap(*USUAL),
        control=_gap("zero", "one rate", "clipped"),
    ),
    _ours(
        "normalised-clipping",
        text="Clipping plays no part in it.",
        kind=Equivalence,
        arm=_gap(*USUAL),
        control=_gap("drawn", "one rate", "free"),
        requires=(reached(corner("adam", "drawn", "one rate", "free")),),
    ),
    _ours(
        "normalised-nothing-left",
        text="From zero, with batch norm on its own rate and nothing clipped, no lead is left.",
        kind=Equivalence,
        arm=corner("adam", "zero", "own rate", "free"),
        control=corner("sgd", "zero", "own rate", "free"),
    ),
    _filters(
        "normalised-filter",
        text="In the filter's view, with alpha's decay, to normalise gradients changes little.",
        kind=Equivalence,
        arm="normalised",
        control="filter",
        requires=(forgets("filter"),),
    ),
    _filters(
        "normalised-memory",
        text="Nor does it matter whether the second moment remembers five steps or a thousand.",
        kind=Equivalence,
        arm="normalised, five steps",
        control="normalised",
        requires=(forgets("filter"),),
    ),
    _filters(
        "normalised-forgets",
        text=(
            "A sum that forgets nothing gains by it: late gradients, which are small, count for more."
        ),
        arm="normalised, a sum",
        control="filter, a sum",
        margin=0.3,
    ),
)

HEADLINES = {
    "normalised-gap": Reading(
        holds="Adam leads SGD as it is usually used.",
        fails="Adam does not lead SGD even as it is usually used.",
        open="Whether Adam leads SGD as it is usually used is open.",
        untested="Adam and SGD were one training.",
    ),
    "normalised-batch-norm": Reading(
        holds="Much of that lead goes where batch norm has an Adam of its own.",
        fails="None of that lead goes where batch norm has an Adam of its own.",
        open="Whether that lead goes where batch norm has an Adam of its own is open.",
        untested="Whether batch norm has a part in it was not tested.",
    ),
    "normalised-nothing-left": Reading(
        holds="With batch norm at its own rate and a start at zero nothing is left of it.",
        fails="With batch norm at its own rate and a start at zero a difference is left.",
        open="Whether batch norm at its own rate and a start at zero leave anything of it is open.",
        untested="Whether anything is left of it was not tested.",
    ),
    "normalised-filter": Reading(
        holds="As a filter, Adam's division by the gradient's size changes little.",
        fails="As a filter, Adam's division by the gradient's size makes a difference.",
        open="Whether Adam's division changes a filter is open.",
        untested="The filters forgot nothing, so Adam's division was not tested.",
    ),
}


def _factorial(network: RunConfig) -> Iterable[Arm]:
    for optimizer, start, batch_norm, clipping in corners():
        config = replace(network, optimizer="latent_sgd" if optimizer == "sgd" else "adam")
        if start == "zero":
            config = zero_start(config)
        if batch_norm == "own rate":
            config = batch_norm_on_adam(config)
        if clipping == "free":
            config = no_clipping(config)
        yield _tuned(corner(optimizer, start, batch_norm, clipping), config, RATES[optimizer])
    plain = batch_norm_at_own_rate(replace(network, optimizer="latent_sgd"))
    yield _tuned(PLAIN, plain, RATES["sgd"])


def _tuned(name: str, config: RunConfig, middle: float) -> Arm:
    """An arm with a curve of rates; at `quick` at the middle one."""
    if config.preset == "quick":
        return Arm(name=name, config=replace(config, lr=middle))
    return Arm(name=name, config=config, tuned=Tuned(field="lr", grid=around(middle)))


def _filter_arms(size: Sized) -> Iterable[Arm]:
    alpha = size.rate(MEMORIES)
    arms: dict[str, dict[str, Any]] = {
        "filter": {"alpha": alpha},
        "normalised": {"alpha": alpha, "optimizer": "filter_normalised"},
        "normalised, five steps": {
            "alpha": alpha, "optimizer": "filter_normalised", "sigma": SHORT,
        },
        "filter, a sum": {"alpha": 1e-6},
        "normalised, a sum": {"alpha": 1e-6, "optimizer": "filter_normalised"},
    }  # fmt: skip
    for name, fields in arms.items():
        yield Arm(name=name, config=replace(size.network, **fields))


STUDY = Study(
    name="adam_as_filter",
    title="Adam as a filter",
    claims=CLAIMS,
    headlines=HEADLINES,
    arms={
        preset: (*_factorial(network), *_filter_arms(FILTERED[preset]))
        for preset, network in NETWORKS.items()
    },
    seeds={"quick": 2, "desk": 5},
)
