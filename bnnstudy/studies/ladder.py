"""From small to large: how ten headline effects of both papers move with length and width. Our own.

A rung is a length and a width of one network on all of MNIST. Before a rung is run, what those below
say of it is written down (`bnnstudy.evidence.forecasts`), so that the step towards the papers' scale
is itself put to the test.
"""

from collections.abc import Iterable, Mapping
from dataclasses import dataclass, field, replace
from typing import Any

from bnnstudy.config.run import RunConfig
from bnnstudy.config.serialise import significant
from bnnstudy.config.stage import Stage
from bnnstudy.config.tricks import batch_norm_at_own_rate, no_clipping, two_stages
from bnnstudy.evidence.claims import Claim, Difference, Equivalence, Requirement
from bnnstudy.evidence.readings import Reading
from bnnstudy.experiments.study import Arm, Study, Tuned, named
from bnnstudy.studies import _paper_a, _paper_b
from bnnstudy.studies._paper_a import TRAINING_LOSS, flat, ours, reached, stopped
from bnnstudy.studies._paper_b import forgets, latent


@dataclass(frozen=True)
class Rung:
    """One size of network and run.

    Attributes:
        preset: whose arms are run at it.
        name: width and length in words, such as "narrow x4".
        width: of the hidden layers.
        epochs: passes over the images.
    """

    preset: str
    name: str
    width: int
    epochs: int

    def arm(self, name: str) -> str:
        """What an arm is called at this rung."""
        return f"{self.name}: {name}"


SIZES = {
    "quick": (
        ("narrow x1", 16, 2),
        ("narrow x4", 16, 8),
        ("narrow x16", 16, 32),
        ("wide x1", 32, 2),
    ),
    "desk": (
        ("narrow x1", 128, 2),
        ("narrow x4", 128, 8),
        ("wide x1", 512, 2),
        ("narrow x16", 128, 32),
        ("wide x4", 512, 8),
        ("widest x1", 2048, 2),
        ("wide x16", 512, 32),
        ("narrow x64", 128, 128),
        ("widest x4", 2048, 8),
    ),
    "paper": (("paper", 2048, 250),),
}
RUNGS = {preset: tuple(Rung(preset, *size) for size in sizes) for preset, sizes in SIZES.items()}
"""By preset, in the order in which they are run. At `desk`, 54,000 images in batches of 100, two epochs
are 1,080 steps. The rung of `paper` has the size of paper A's network, and its length."""

TASK = {"quick": "digits mlp", "desk": "mnist mlp", "paper": "mnist mlp"}
"""By preset the data set and network."""

HIGH = 0.1
DROP = 0.5
"""Figure 5's rate, and the share of the run after which it falls to a tenth."""

ALPHA = 1e-3


@dataclass(frozen=True, kw_only=True)
class HeadlineEffect:
    """A difference of two arms that is followed from rung to rung.

    Attributes:
        id: a short name.
        text: what it is, in words.
        arm, control: names of arms without their rung.
        reading: further fields of the contrast, such as its metric.
        requires: from the name of the rung, what has to act there.
    """

    id: str
    text: str
    arm: str
    control: str
    reading: Mapping[str, Any] = field(default_factory=lambda: {"metric": "test_accuracy"})
    requires: tuple[Requirement, ...] = ()

    @property
    def unit(self) -> str:
        """The contrast's."""
        return str(self.reading.get("unit", "points of test accuracy"))

    def at(self, rung: Rung) -> Difference:
        """The contrast at a rung."""
        arm, control = rung.arm(self.arm), rung.arm(self.control)
        return Difference(arm=arm, control=control, **self.reading)

    def acts_at(self, rung: Rung) -> tuple[Requirement, ...]:
        """What has to act at a rung for the effect to be tested there."""
        return tuple(replace(need, arm=rung.arm(need.arm)) for need in self.requires)


_LAST = {"metric": "last.test_accuracy"}
_BEFORE_DROP = {"metric": "phases.0.train_loss", **TRAINING_LOSS}


def _memories(arm: str) -> Requirement:
    says = "the run is {:.1f} memories of the second moment long"
    return Requirement(figure="@second memories", arm=arm, at_least=3.0, says=says)


EFFECTS = (
    HeadlineEffect(id="adam", text="Adam minus SGD, one rate for all", arm="adam", control="sgd"),
    HeadlineEffect(
        id="adam-own-rate",
        text="Adam minus SGD, batch norm at its own rate",
        arm="adam",
        control="sgd, BN at its own rate",
    ),
    HeadlineEffect(
        id="clipping",
        text="clipping weights and gradients minus clipping nothing",
        arm="adam",
        control="adam, none",
        requires=(reached("adam, none"),),
    ),
    HeadlineEffect(
        id="plateau",
        text="clipping both minus nothing: loss before the drop of a high rate",
        arm="both, high rate",
        control="none, high rate",
        reading=_BEFORE_DROP,
        requires=(reached("none, high rate"), flat("none, high rate")),
    ),
    HeadlineEffect(
        id="beta2",
        text="a memory of the second moment of 1,000 steps minus one of 5",
        arm="adam",
        control="adam, beta2 0.8",
        requires=(_memories("adam"),),
    ),
    HeadlineEffect(
        id="stages",
        text="two stages minus clipping throughout, both with the same fall of the rate",
        arm="two stages",
        control="clipped, same rates",
        requires=(reached("two stages"),),
    ),
    HeadlineEffect(
        id="early-stop",
        text="stopping early minus going on",
        arm="two stages, stopped early",
        control="two stages",
        requires=(stopped("two stages, stopped early"),),
    ),
    HeadlineEffect(
        id="decay",
        text="decaying alpha minus keeping it",
        arm="filter",
        control="filter, constant",
        reading=_LAST,
        requires=(forgets("filter, constant"),),
    ),
    HeadlineEffect(
        id="recipe",
        text="the filter minus latent weights in torch's SGD at the same alpha",
        arm="filter",
        control="recipe, alpha matched",
        reading=_LAST,
    ),
    HeadlineEffect(
        id="start",
        text="starting at zero minus starting at a hundred times the draw",
        arm="filter",
        control="start 100",
        reading=_LAST,
    ),
    HeadlineEffect(
        id="alpha",
        text="alpha .001 minus alpha .1, which is too large",
        arm="filter",
        control="filter, alpha 0.1",
        reading=_LAST,
    ),
)
"""Ten effects that the book's chapters lead with, Adam against SGD in both its forms."""


def _moves(effect: str, text: str, direction: int, margin: float) -> Claim:
    """The claim that an effect moves from the first rung to the longest of its width."""
    found, (first, last) = _followed(effect)
    at = {"arm": found.at(last), "control": found.at(first)}
    sides: dict[str, Any] = {side: (each.arm, each.control) for side, each in at.items()}
    changes: dict[str, Any] = {"direction": direction} if direction else {"kind": Equivalence}
    return ours(
        f"ladder-{effect}",
        # What stays as it is has to be there at the start: where nothing acts, nothing stays.
        requires=found.acts_at(last) + (() if direction else found.acts_at(first)),
        source="the step to the papers' scale",
        text=text,
        margin=margin,
        **sides,
        **found.reading,
        **changes,
    )


def _followed(effect: str) -> tuple[HeadlineEffect, tuple[Rung, Rung]]:
    (found,) = (each for each in EFFECTS if each.id == effect)
    by_name = {rung.name: rung for rung in RUNGS["desk"]}
    return found, (by_name["narrow x1"], by_name["narrow x16"])


# All of these were written down before the first rung was run.
CLAIMS = (
    _moves(
        "adam", "Adam's lead over SGD at one rate for all shrinks in sixteen times the steps.", -1, 0.2
    ),
    _moves(
        "adam-own-rate",
        "Where batch norm has its own rate, SGD draws nearer to Adam in sixteen times the steps.",
        -1,
        0.2,
    ),
    _moves("clipping", "What clipping gains grows in sixteen times the steps.", 1, 0.05),
    _moves(
        "plateau",
        "At a high rate clipping falls further behind on the plateau of a run sixteen times as long.",
        1,
        0.1,
    ),
    _moves(
        "beta2", "A long memory of the second moment gains more in sixteen times the steps.", 1, 0.05
    ),
    _moves("stages", "What two stages gain stays what it is in sixteen times the steps.", 0, 0.2),
    _moves(
        "early-stop", "What stopping early costs stays what it is in sixteen times the steps.", 0, 0.2
    ),
    _moves("decay", "What alpha's decay gains shrinks in sixteen times the steps.", -1, 0.5),
    _moves(
        "recipe", "The filter and torch's recipe at its alpha stay as they are to each other.", 0, 0.5
    ),
    _moves("start", "What too large a start costs shrinks in sixteen times the steps.", -1, 0.5),
    _moves("alpha", "What too large an alpha costs shrinks in sixteen times the steps.", -1, 0.5),
)

HEADLINES = {
    "ladder-adam": Reading(
        holds="Adam's lead over SGD shrinks as runs get longer.",
        fails="Adam's lead over SGD does not shrink as runs get longer.",
        open="Whether Adam's lead over SGD shrinks in longer runs is open.",
        untested="Adam and SGD were one training, so this was not tested.",
    ),
    "ladder-clipping": Reading(
        holds="Clipping gains more in longer runs.",
        fails="Clipping does not gain more in longer runs.",
        open="Whether clipping gains more in longer runs is open.",
        untested="Hardly a weight reached ±1, so whether clipping gains more was not tested.",
    ),
    "ladder-decay": Reading(
        holds="What alpha's decay gains shrinks as runs get longer.",
        fails="What alpha's decay gains does not shrink as runs get longer.",
        open="Whether alpha's decay gains less in longer runs is open.",
        untested="The runs were shorter than alpha's memory, so its decay was not tested.",
    ),
    "ladder-start": Reading(
        holds="Too large a start costs less as runs get longer.",
        fails="Too large a start does not cost less in longer runs.",
        open="Whether too large a start costs less in longer runs is open.",
        untested="Both starts were one training, so this was not tested.",
    ),
}


def _arms(rung: Rung, paper_a: RunConfig, paper_b: RunConfig) -> Iterable[Arm]:
    """All arms of a rung, from the papers' networks at its size."""
    found = [*_of_paper_a(paper_a), *_of_paper_b(paper_b)]
    for arm in found:
        follows = rung.arm(arm.follows) if arm.follows else ""
        yield replace(arm, name=rung.arm(arm.name), follows=follows)


def _of_paper_a(network: RunConfig) -> Iterable[Arm]:
    adam, sgd = (replace(network, optimizer=name) for name in ("adam", "sgd"))
    yield _tuned("adam", adam, 0.01, 0.1)
    yield _tuned("adam, none", no_clipping(adam), 0.01, 0.1)
    yield _tuned("adam, beta2 0.8", replace(adam, betas=(0.9, 0.8)), 0.01, 0.1)
    yield _tuned("sgd", sgd, 3.16228, 10.0)
    yield _tuned("sgd, BN at its own rate", batch_norm_at_own_rate(sgd), 31.6228, 100.0)
    clipped, first = replace(adam, schedule="constant"), 2 * network.epochs // 3
    falls = (Stage(epochs=first), Stage(epochs=network.epochs - first, rate=0.1))
    stops = named("procedures.stopped_early", patience=max(2, network.epochs // 20))
    leads = _tuned("two stages", two_stages(clipped, first), 0.01, 0.1, procedure=stops)
    yield leads
    yield Arm(
        name="clipped, same rates",
        config=replace(clipped, stages=falls, lr=leads.config.lr),
        follows=leads.name if leads.tuned else "",
        procedure=stops,
    )
    high = replace(clipped, lr=HIGH, drops=(DROP,))
    yield Arm(name="both, high rate", config=high)
    yield Arm(name="none, high rate", config=no_clipping(high))


def _of_paper_b(network: RunConfig) -> Iterable[Arm]:
    base = replace(network, alpha=ALPHA)
    weights = latent(base, 1.0)
    # In torch's recipe alpha and gamma are such that alpha + gamma = 1 - momentum + lr * decay and
    # alpha * gamma = lr * decay; a step of 1 - momentum is one of 1 for an average of gradients.
    rate = 1 - RunConfig.momentum
    decay = significant(ALPHA * (rate - ALPHA) / (1 - ALPHA) / rate, 6)
    recipe = replace(
        weights,
        optimizer="momentum",
        surrogate="clip",
        init_scale=1.0,
        lr=significant(rate, 6),
        weight_decay=decay,
        gamma=RunConfig.gamma,
    )
    yield Arm(name="filter", config=base)
    yield Arm(name="filter, constant", config=replace(base, weight_schedule="constant"))
    yield Arm(name="filter, alpha 0.1", config=replace(base, alpha=0.1))
    yield Arm(name="recipe, alpha matched", config=recipe)
    yield Arm(name="start 100", config=replace(weights, init_scale=100.0))


def _tuned(name: str, config: RunConfig, *rates: float, **run: Any) -> Arm:
    """An arm at two rates of its curve at desk; at `quick` at the first of them."""
    if config.preset == "quick":
        return Arm(name=name, config=replace(config, lr=rates[0]), **run)
    return Arm(name=name, config=config, tuned=Tuned(field="lr", grid=rates, max_extensions=0), **run)


def _at(preset: str) -> tuple[Arm, ...]:
    found: list[Arm] = []
    source = "quick" if preset == "quick" else "desk"
    for rung in RUNGS[preset]:
        size: dict[str, Any] = {"width": rung.width, "epochs": rung.epochs, "preset": preset}
        size |= {"train_size": 500, "batch_size": 100} if preset == "quick" else {"train_size": 0}
        sizes = (replace(paper.MLP[source], **size) for paper in (_paper_a, _paper_b))
        found += _arms(rung, *sizes)
    return tuple(found)


STUDY = Study(
    name="ladder",
    title="From small to large",
    claims=CLAIMS,
    headlines=HEADLINES,
    arms={preset: _at(preset) for preset in RUNGS},
    seeds={"quick": 2, "desk": 3, "paper": 3},
)
