"""A run of an arm: what its names stand for, and what is refused."""

import inspect
from dataclasses import replace
from functools import partial

import pytest

from bnnstudy import studies
from bnnstudy.config.run import RunConfig
from bnnstudy.experiments import paired, procedures
from bnnstudy.experiments.arms import found, run_arm
from bnnstudy.experiments.study import Arm, named
from bnnstudy.training import callbacks, loop
from bnnstudy.training.callbacks import Callback

SMALL = RunConfig(width=8, depth=1, epochs=2, lr=1e-2)
ARMS = [
    pytest.param(study.arms[preset], id=f"{study.name}-{preset}")
    for study in studies.STUDIES.values()
    for preset in study.arms
]


def made_of(use):
    """What a name stands for, without its options."""
    what = found(use)
    return what.func if isinstance(what, partial) else what


@pytest.mark.parametrize("arms", ARMS)
def test_all_that_an_arm_names_is_there_and_takes_its_options(arms):
    for arm in arms:
        for use in arm.callbacks:
            assert issubclass(made_of(use), Callback), arm.name
            inspect.signature(made_of(use)).bind("context", **use.options)
        if use := arm.procedure:
            asked = {"device": "cpu", "checkpoint": None, "callbacks": ()}
            inspect.signature(made_of(use)).bind("config", "dataset", **asked, **use.options)


def test_names_stand_for_callbacks_and_procedures_with_their_options():
    assert found(named("LossSums")) is callbacks.LossSums
    assert found(named("paired.sign_by_sign")) is paired.sign_by_sign
    stopped = found(named("procedures.stopped_early", patience=3))
    assert (stopped.func, stopped.keywords) == (procedures.stopped_early, {"patience": 3})


@pytest.mark.parametrize(
    "name",
    ["", "Nothing", "paired.nothing", "nowhere.at_all", "sign_by_sign", "flips", "Context", "__doc__",
     "paired.np", "paired.replace"],
)  # fmt: skip
def test_an_unknown_name_is_refused_in_one_sentence(name, digits):
    message = (
        rf"^name must be a callback's \(.*LossSums.*\) or a procedure's, as in "
        rf"'paired\.sign_by_sign'; got '{name}'$"
    )
    with pytest.raises(ValueError, match=message):
        found(named(name))
    for use in ({"callbacks": (named(name),)}, {"procedure": named(name)}):
        with pytest.raises(ValueError, match=message):
            run_arm(Arm(name="a", config=SMALL, **use), SMALL, digits)


def test_an_arm_that_names_nothing_is_fit(digits):
    config = replace(SMALL, seed=3)
    assert run_arm(Arm(name="a", config=SMALL), config, digits) == loop.fit(config, digits)


def test_a_procedure_is_given_the_callbacks_of_its_arm(digits):
    arm = Arm(
        name="a",
        config=SMALL,
        callbacks=(named("LossSums"), named("UpdateSize", points=3)),
        procedure=named("procedures.stopped_early", patience=1),
    )
    looking = [callbacks.LossSums, partial(callbacks.UpdateSize, points=3)]
    expected = procedures.stopped_early(SMALL, digits, callbacks=looking, patience=1)
    assert run_arm(arm, SMALL, digits) == expected
    assert {"update_size", "parts"} <= set(expected)
    assert arm.options == {"points": 3, "patience": 1}
