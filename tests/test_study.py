"""A study as a value: its arms are told apart, found by name, and say what they are given."""

from dataclasses import replace

import pytest

from bnnstudy.config.run import RunConfig
from bnnstudy.experiments.study import Arm, Study, Tuned, named

CONFIG = RunConfig()


def two_networks():
    """An arm on two networks, and one on the first of them alone."""
    arms = (
        Arm(name="a", config=CONFIG),
        Arm(name="b", config=replace(CONFIG, clamp=True)),
        Arm(name="a", config=replace(CONFIG, model="cnn")),
    )
    return Study(name="x", title="", claims=(), arms={"quick": arms}, seeds={"quick": 1}), arms


def test_an_arm_is_found_by_its_name_and_task():
    study, (on_mlp, other, on_cnn) = two_networks()
    assert study.arm("quick", "a") is on_mlp
    assert study.arm("quick", "a", "digits mlp") is on_mlp
    assert study.arm("quick", "a", "digits cnn") is on_cnn
    assert study.arm("quick", "b") is other


@pytest.mark.parametrize(
    ("asked", "message"),
    [
        (("quick", "c"), r"^arm of study 'x' must be one of a, b; got 'c'$"),
        (("quick", "b", "digits cnn"), r"^arm of study 'x' on digits cnn must be .*; got 'b'$"),
        (("quick", "a", "mnist mlp"), r"^arm of study 'x' on mnist mlp must be .*; got 'a'$"),
        (("paper", "a"), r"^preset must be one of quick, got 'paper'$"),
    ],
)
def test_an_arm_that_is_not_there_is_refused(asked, message):
    study, _ = two_networks()
    with pytest.raises(ValueError, match=message):
        study.arm(*asked)


def test_arms_must_be_told_apart():
    arm = Arm(name="a", config=CONFIG)
    for twin, message in (
        (replace(arm, config=RunConfig(lr=1.0)), "distinct names"),
        (replace(arm, name="b"), "distinct configurations"),
        (replace(arm, name="b", config=RunConfig(preset="desk")), "bear their preset"),
    ):
        with pytest.raises(ValueError, match=message):
            Study(name="x", title="", claims=(), arms={"quick": (arm, twin)})


@pytest.mark.parametrize(
    ("published", "message"),
    [
        ({"digits": {"c": 90.0}}, r"^published of study 'x' must be of its arms, got 'c' on 'digits'$"),
        ({"digits": {"ab": 90.0}}, r"must be of its arms, got 'ab' on 'digits'$"),
        ({"mnist": {"a": 90.0}}, r"must be of its arms, got 'a' on 'mnist'$"),
        ({"digits": {"a": 101.0}}, r"^published of 'a' on 'digits' must be .*100, got 101"),
        ({"digits": [90.0]}, r"^published of 'digits' must be a Mapping, got"),
    ],
)
def test_what_a_paper_published_is_of_arms_that_are_there(published, message):
    study, _ = two_networks()
    assert replace(study, published={"digits": {"a": 97.0, "a, a part": 97.5}})
    with pytest.raises(ValueError, match=message):
        replace(study, published=published)


@pytest.mark.parametrize(("follows", "model"), [("c", "mlp"), ("b", "mlp"), ("a", "cnn")])
def test_whom_an_arm_follows_must_be_tuned_and_of_its_task(follows, model):
    config = RunConfig(preset="desk")
    leader = Arm(name="a", config=config, tuned=Tuned(field="lr", grid=(1.0,)))
    other = Arm(name="b", config=replace(config, clamp=True, model=model), follows=follows)
    with pytest.raises(ValueError, match="must follow an arm of their task that follows none"):
        Study(name="led", title="", claims=(), arms={"desk": (leader, other)}, seeds={"desk": 1})


def test_options_of_callbacks_and_procedure_are_one_record_and_part_of_the_key():
    averages = named("Averages", momenta={"0.9": 0.1}, images=300)
    stopped = named("procedures.stopped_early", patience=2)
    arm = Arm(name="a", config=CONFIG, callbacks=(averages, named("LossSums")), procedure=stopped)
    assert arm.options == {"momenta": {"0.9": 0.1}, "images": 300, "patience": 2}
    bare = Arm(name="a", config=CONFIG)
    # Looking on without options changes no key: the records are of the same training.
    assert replace(bare, callbacks=(named("LossSums"),)).key == bare.key
    assert arm.key != bare.key
    assert replace(arm, procedure=named("procedures.stopped_early", patience=3)).key != arm.key


@pytest.mark.parametrize("second", ["callbacks", "procedure"])
def test_two_options_of_one_name_are_refused(second):
    averages = named("Averages", momenta={"0.9": 0.1}, images=300)
    other = named("AveragedWeights", images=200)
    uses = {"callbacks": (averages, other)}
    if second == "procedure":
        uses = {"callbacks": (averages,), "procedure": other}
    message = r"options of arm 'a' must have distinct names, got \['momenta', 'images', 'images'\]"
    with pytest.raises(ValueError, match=message):
        Arm(name="a", config=CONFIG, **uses)
