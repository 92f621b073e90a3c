"""A small seeded part of `make fuzz`: what is damaged, forged or of a wrong kind is refused by name."""

import pytest
import test_examples
from fuzzing import engine, mutation, public
from fuzzing.all_targets import all_targets
from fuzzing.engine import Target

from bnnstudy.studies import history

INPUTS = 40
"""Inputs of each target; of those that take long, in proportion to their share, fewer."""

TAKEN_NEVER = ("mnist idx.gz", "cifar10 batch", "fsdd names", "imagenet.batches")
"""Targets whose files would have to be the published ones, or in a folder that is not there."""


@pytest.mark.parametrize("target", all_targets(), ids=lambda target: target.name)
def test_mutated_inputs_are_taken_or_refused_by_name(target):
    report = engine.run(target, max(5, round(INPUTS * min(target.share, 1))), seed=0)
    said = [f"{kind}: {one}" for kind, (_, one) in report.faults.items()]
    assert not said, "\n".join(said)
    assert report.inputs == report.accepted + report.refused


@pytest.mark.parametrize("target", all_targets(), ids=lambda target: target.name)
def test_what_is_mutated_is_good_itself(target):
    report = engine.run(target, len(target.seeds), seed=0)
    assert report.accepted == (0 if target.name in TAKEN_NEVER else len(target.seeds))


def test_what_is_forged_stays_with_its_target():
    before = history.entries()
    (forged,) = (target for target in all_targets() if target.name == "history, forged")
    forged.call(forged.seeds[0])
    assert history.entries() == before


def ends_in(error: Exception | None) -> engine.Report:
    def call(given):
        if error:
            raise error

    toy = Target("toy", [{"alpha": 1}], mutation.of_arguments, call, names=("alpha",))
    return engine.run(toy, 3, seed=0)


def test_what_counts_as_a_fault():
    assert ends_in(None).accepted == 3
    assert ends_in(ValueError("alpha must be 1, got 2")).refused == 3
    hidden = ValueError("alpha cannot be read")
    hidden.__cause__ = MemoryError()
    for fault in (
        TypeError("alpha must be 1, got 2"),
        ValueError("could not convert string to float"),
        UnicodeError("alpha"),  # a ValueError too, but none that was declared
        UserWarning("alpha"),
        hidden,
    ):
        assert ends_in(fault).faulty == 3


@pytest.mark.parametrize(("takes", "accepted"), [(10**3, 1), (10**6, 0)])
def test_memory_is_bounded_by_the_size_of_an_input(takes, accepted):
    toy = Target("toy", [b"x" * 100], mutation.of_bytes, lambda given: bytes(takes), bounded=10_000)
    assert engine.run(toy, 1, seed=0).accepted == accepted


@pytest.mark.parametrize("guided", [True, False])
def test_inputs_that_reach_new_lines_are_built_on(monkeypatch, guided):
    """What stands behind three letters is found step by step, and not at one blow."""
    monkeypatch.setattr(engine, "PACKAGE", __file__)

    def call(given):
        if given[:1] != b"b":
            return
        if given[1:2] != b"n":
            return
        if given[2:3] == b"n":
            raise LookupError("found")

    toy = Target("toy", [b"..."], mutation.of_bytes, call, guided=guided)
    assert bool(engine.run(toy, 30_000, seed=0).faults) == guided


FILES = ("config.tricks", "theory.designs", "training.callbacks", "report.tables", "report.plotting",
         "report.figures", "report.predict", "report.scoreboard", "report.cost", "report.ladder",
         "report.status", "report.explorables")  # fmt: skip
"""Files and rooms that a room offers as such: what is made in them is public too."""

PUBLIC = test_examples.PUBLIC | {
    f"{room}.{name}": found
    for room in FILES
    for name, found in test_examples.offered(room)
    if test_examples.is_code(found)
}


def test_all_that_is_public_is_fuzzed_or_says_why_not():
    left = public.without_a_target(PUBLIC, all_targets())
    assert sorted(left) == sorted(public.WITHOUT)
    assert not public.ELSEWHERE.keys() - PUBLIC.keys()


def test_what_is_new_has_to_have_a_target_that_reaches_it():
    def fresh(alpha):
        return alpha

    def target(call):
        return Target("fresh", [{"alpha": 1}], mutation.of_arguments, call)

    new = {"theory.fresh": fresh}
    assert public.without_a_target(new, all_targets()) == ["theory.fresh"]
    assert public.without_a_target(new, [target(lambda given: None)]) == ["theory.fresh"]
    assert not public.without_a_target(new, [target(lambda given: fresh(**given))])
