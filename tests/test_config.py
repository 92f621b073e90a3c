import dataclasses
import json

import numpy as np
import pytest
from hypothesis import given, settings
from hypothesis import strategies as st

from bnnstudy.config import tricks
from bnnstudy.config.fields import BINARY_OPTIMIZERS, READERS, READS, RULES
from bnnstudy.config.run import RunConfig
from bnnstudy.config.stage import Stage


def _ten_configurations() -> list[RunConfig]:
    return [
        RunConfig(),
        RunConfig(dataset="mnist", train_size=20_000),
        RunConfig(model="cnn", width=32),
        RunConfig(binary_weights=False, activation="hardtanh"),
        RunConfig(activation="sign", activation_surrogate="approx", scaling="mean"),
        RunConfig(optimizer="sgd", lr=3.16228, schedule="exponential", clamp=True),
        RunConfig(optimizer="latent_sgd", weight_decay=1e-2, init_scale=0.0, precision="float64"),
        RunConfig(view="filter", optimizer="filter", alpha=1e-2, real_optimizer="adam"),
        RunConfig(betas=(0.0, 0.999), preset="desk", loss="cross_entropy"),
        RunConfig(epochs=5, stages=(Stage(epochs=2), Stage(epochs=3, changes=(("lr", 0.1),)))),
    ]


KEYS = [
    "67d6291b3014",
    "2901c567a5fa",
    "e9515679192f",
    "246e7dc9a1d9",
    "12a3692b15e5",
    "601bc8d12b51",
    "a980fa7e0d0b",
    "f9e104ac36a1",
    "edf31f0a8627",
    "17ab487defee",
]


def test_ten_keys_are_pinned():
    # A change here orphans every record that exists. Add fields with defaults instead.
    assert [config.key() for config in _ten_configurations()] == KEYS


def test_a_new_field_with_a_default_changes_no_key():
    Wider = dataclasses.make_dataclass(
        "Wider", [("label_smoothing", float, 0.0)], bases=(RunConfig,), frozen=True, kw_only=True
    )
    # `differences` compares with the class's own defaults, so the new field does not show.
    for config in _ten_configurations():
        fields = {f.name: getattr(config, f.name) for f in dataclasses.fields(config)}
        wider = Wider(**fields)
        assert wider.key() == config.key()
        assert Wider(**fields, label_smoothing=0.1).key() != config.key()


def test_the_seed_is_in_no_key_and_every_other_field_is():
    base = RunConfig(real_optimizer="adam", activation_surrogate="ede")
    readers = {"momentum": "momentum", "gamma": "latent_sgd", "alpha": "filter", "threshold": "bop",
               "sigma": "filter_normalised", "design": "designed", "matched": "designed"}  # fmt: skip
    bases = {
        name: dataclasses.replace(
            base, optimizer=optimizer, view="filter" if optimizer in BINARY_OPTIMIZERS else "latent"
        )
        for name, optimizer in readers.items()
    }
    assert dataclasses.replace(base, seed=7).key() == base.key()
    others = {
        "dataset": "mnist", "train_size": 5, "augmentation": "crop_flip", "model": "cnn",
        "width": 5, "depth": 5, "binary_weights": False, "activation": "sign",
        "real_first": True, "real_last": True,
        "surrogate": "identity", "activation_surrogate": "identity", "scaling": "mean", "clamp": True,
        "init_scale": 0.5, "threshold": 0.5, "sigma": 0.5, "optimizer": "sgd", "lr": 0.5,
        "momentum": 0.5,
        "betas": (0.5, 0.5), "gamma": 0.5, "alpha": 0.5, "weight_decay": 0.5, "real_optimizer": "sgd",
        "real_lr": 0.5, "schedule": "cosine", "stages": (Stage(epochs=10),), "epochs": 5,
        "batch_size": 5, "loss": "cross_entropy", "batch_norm_momentum": 0.5, "batch_norm_eps": 0.5,
        "precision": "float64", "preset": "desk", "block": "conv_norm_act_pool", "pool": "average",
        "lr_scaling": "update", "drops": (0.5,), "steepness": (0.5, 0.5), "floor": 0.5,
        "real_weight_decay": 0.5, "weight_schedule": "cosine", "parts": ("shifts",),
        "design": "hann", "matched": "delay",
    }  # fmt: skip
    assert set(others) == {f.name for f in dataclasses.fields(RunConfig)} - {"seed", "view"}
    keys = {
        dataclasses.replace(bases.get(name, base), **{name: value}).key()
        for name, value in others.items()
    }
    keys |= {each.key() for each in (base, *bases.values())}  # the filter's view is among them
    assert len(keys) == len(others) + 1 + len(set(bases.values()))


def test_tuples_survive_in_a_stage_and_drops_are_no_stages_business():
    config = RunConfig(epochs=2, stages=(Stage(epochs=2, changes=(("betas", (0.0, 0.9)),)),))
    assert RunConfig.from_dict(json.loads(json.dumps(config.to_dict()))) == config
    with pytest.raises(ValueError, match="cannot be of 'drops'"):
        Stage(epochs=1, changes=(("drops", (0.5,)),))
    with pytest.raises(ValueError, match=r"drops must be \(\) with stages"):
        RunConfig(epochs=2, drops=(0.5,), stages=(Stage(epochs=2),))


@pytest.mark.parametrize("config", _ten_configurations())
def test_a_configuration_survives_its_dictionary(config):
    assert RunConfig.from_dict(config.to_dict()) == config


def test_differences_name_what_a_reader_wants_to_see():
    config = RunConfig(lr=0.5, seed=3)
    assert config.differences() == {"lr": 0.5, "seed": 3}
    assert config.differences(RunConfig(lr=0.5)) == {"seed": 3}


def test_stages_become_configurations_that_add_up():
    config = RunConfig(epochs=5, stages=(Stage(epochs=2, changes=(("lr", 0.5),)), Stage(epochs=3)))
    first, second = config.plan()
    assert (first.epochs, first.lr, second.epochs, second.lr) == (2, 0.5, 3, 1e-3)
    stages = (Stage(epochs=1), Stage(epochs=2, rate=0.1))
    for real_optimizer, real_lr in (("adam", 1e-4), ("", 1e-3)):  # without one nothing reads the rate
        _, slower = RunConfig(epochs=3, stages=stages, real_optimizer=real_optimizer).plan()
        assert (slower.lr, slower.real_lr) == (pytest.approx(1e-4), pytest.approx(real_lr))
    assert RunConfig().plan() == (RunConfig(),)


@pytest.mark.parametrize(
    ("field", "value"),
    [
        ("lr", 0.0),
        ("lr", float("nan")),
        ("lr", float("inf")),
        ("alpha", -0.1),
        ("alpha", 0.0),
        ("gamma", 1.5),
        ("momentum", 1.0),
        ("betas", (0.9, 1.0)),
        ("epochs", 0),
        ("width", -1),
        ("width", 2.5),
        ("epochs", True),
        ("alpha", "0.1"),
        ("lr", None),
        ("train_size", -1),
        ("weight_decay", -1e-4),
        ("schedule", "stairs"),
        ("precision", "float16"),
        ("loss", "mse"),
        ("view", "both"),
        ("preset", "big"),
        ("batch_norm_momentum", 0.0),
        ("stages", (Stage(epochs=3),)),
        ("stages", (3,)),
        ("lr", 10**400),
        ("parts", ("shifts", 1)),
        ("betas", 0.9),
        ("betas", [0.9, 0.999]),
        ("betas", (0.9,)),
        ("clamp", "no"),
        ("scaling", "max"),
        ("model", ["mlp"]),
        ("batch_size", 1),
        ("seed", 2**63),
        ("stages", [Stage(epochs=10)]),
        ("stages", Stage(epochs=10)),
        ("real_optimizer", None),
        ("real_optimizer", "bop"),
        ("real_optimizer", "lion"),
        ("optimizer", "lion"),
        ("optimizer", ["adam"]),
        ("lr", "1e-3"),
        ("lr", True),
        ("augmentation", "mixup"),
        ("threshold", -1.0),
        ("block", "conv"),
        ("pool", "median"),
        ("lr_scaling", "weight"),
        ("drops", (0.5, 0.2)),
        ("drops", (0.0, 0.2)),
        ("drops", 0.5),
        ("parts", ("shifts", "average_shortcut")),
        ("parts", "shifts"),
    ],
)
def test_bad_values_are_refused_by_name(field, value):
    with pytest.raises(ValueError, match=f"^{field} must be"):
        RunConfig(**{field: value})


@pytest.mark.parametrize(
    ("changes", "message"),
    [
        ({"optimizer": "adam"}, "view 'filter' must be used with an optimizer of filter, .*bop"),
        ({"binary_weights": False}, "binary_weights must be True with view 'filter'"),
        ({"scaling": "mean"}, "scaling must be None with view 'filter'"),
        ({"clamp": True}, "clamp must be False with view 'filter'"),
        ({"surrogate": "ede"}, "surrogate must be 'clip' with view 'filter'"),
    ],
)
def test_the_filter_view_has_no_magnitude_to_touch(changes, message):
    with pytest.raises(ValueError, match=message):
        RunConfig(**{"view": "filter", "optimizer": "filter", **changes})


@pytest.mark.parametrize(
    ("arguments", "message"),
    [
        ({"epochs": 0}, "epochs of a stage must be a whole number of 1 or more, got 0"),
        ({"epochs": 1, "rate": 0.0}, "rate of a stage must be above 0"),
        ({"epochs": 1, "changes": (("seed", 3),)}, "changes of a stage cannot be of 'seed'"),
        ({"epochs": 1, "changes": (("speed", 3),)}, "changes of a stage cannot be of 'speed'"),
        ({"epochs": 1, "changes": (("width", 3),)}, "changes of a stage cannot be of 'width'"),
        ({"epochs": 1, "changes": "lr"}, "changes of a stage must be pairs .*, got 'lr'"),
        ({"epochs": 1, "changes": (([], 1),)}, "changes of a stage must be pairs"),
        ({"epochs": 1, "changes": (("lr", object()),)}, "lr of a stage must be a plain value"),
        ({"epochs": 1, "rate": 0.5, "changes": (("lr", 0.1),)}, "rate of a stage must be 1 where it"),
        ({"epochs": True}, "epochs of a stage must be a whole number of 1 or more, got True"),
    ],
)
def test_a_stage_changes_only_what_a_stage_can(arguments, message):
    with pytest.raises(ValueError, match=message):
        Stage(**arguments)


OTHER = {
    "lr": 0.5, "momentum": 0.5, "betas": (0.5, 0.5), "gamma": 0.5, "alpha": 0.5, "threshold": 0.5,
    "weight_decay": 0.5, "real_lr": 0.5, "real_weight_decay": 0.5, "init_scale": 0.5, "sigma": 0.5,
    "design": "hann", "matched": "delay",
}  # fmt: skip
"""Another value than the default for each number that not every run reads."""


def _refusal(name: str, **chosen) -> str:
    """What a configuration says of another value of a number; empty if it takes it."""
    try:
        RunConfig(**chosen, **{name: OTHER[name]})
    except ValueError as error:
        return str(error)
    return ""


@pytest.mark.parametrize("optimizer", READS)
@pytest.mark.parametrize("real_optimizer", ["", "sgd", "momentum", "adam", "latent_sgd"])
def test_a_number_that_nothing_reads_is_refused(optimizer, real_optimizer):
    binary = optimizer in BINARY_OPTIMIZERS
    chosen = {"optimizer": optimizer, "real_optimizer": real_optimizer}
    expected = {*READS[optimizer]} | ({"init_scale"} if not binary else set())
    if real_optimizer:
        rest = {*READS[real_optimizer]} - {"lr", "weight_decay"}
        expected |= {"real_lr", "weight_decay", "real_weight_decay"} | rest
    assert set(OTHER) == set(READERS)
    for name, value in OTHER.items():
        refusal = _refusal(name, view="filter" if binary else "latent", **chosen)
        assert (refusal == "") == (name in expected), name
        if refusal:
            assert refusal.startswith(f"{name} must be ")
            assert f"got {value!r}" in refusal
            assert refusal.endswith(f"what reads it: {READERS[name]}")


def test_a_decay_of_the_real_weights_leaves_the_other_one_unread():
    filtered = {"view": "filter", "optimizer": "filter", "real_optimizer": "sgd"}
    assert RunConfig(**filtered, weight_decay=0.5).weight_decay == 0.5
    with pytest.raises(ValueError, match=r"weight_decay must be 0\.0, its default, .* got 0\.5"):
        RunConfig(**filtered, real_weight_decay=0.1, weight_decay=0.5)


@pytest.mark.parametrize(
    "moving", [{"schedule": "cosine"}, {"weight_schedule": "step"}, {"drops": (0.5,)}]
)
def test_no_schedule_may_move_a_designed_filter(moving):
    fields = {"view": "filter", "optimizer": "designed", "real_optimizer": "adam"}
    with pytest.raises(ValueError, match="weight_schedule must be 'constant', and drops"):
        RunConfig(**fields, **moving)
    assert RunConfig(**fields, schedule="cosine", weight_schedule="constant").design == "cascade"


def test_a_float_twin_has_no_start_to_scale():
    with pytest.raises(ValueError, match=r"init_scale must be 1\.0"):
        RunConfig(binary_weights=False, init_scale=0.5)
    assert tricks.float_twin(tricks.zero_start(RunConfig())).init_scale == 1.0


def test_a_stage_drops_what_it_does_not_read_and_is_refused_what_it_names():
    handover = (("view", "filter"), ("optimizer", "filter"))
    stages = (Stage(epochs=1, rate=0.5), Stage(epochs=1, changes=handover))
    both = RunConfig(
        epochs=2, optimizer="latent_sgd", lr=0.5, weight_decay=0.1, alpha=0.2, gamma=0.3,
        surrogate="clip", real_optimizer="adam", real_lr=0.1, real_weight_decay=0.0, stages=stages,
    )  # fmt: skip
    latent, binary = both.plan()
    assert (latent.lr, latent.weight_decay, latent.gamma, latent.alpha) == (0.25, 0.1, 0.3, 1e-3)
    assert (binary.lr, binary.weight_decay, binary.gamma, binary.alpha) == (1e-3, 0.0, 0.3, 0.2)
    assert (latent.real_lr, binary.real_lr) == (0.05, 0.1)
    with pytest.raises(ValueError, match=r"threshold must be 1e-08, .* got 0\.5"):
        dataclasses.replace(both, threshold=0.5)
    named = Stage(epochs=1, changes=(*handover, ("lr", 0.5)))
    with pytest.raises(ValueError, match=r"lr must be 0\.001, .* got 0\.5"):
        dataclasses.replace(both, stages=(stages[0], named))
    with pytest.raises(ValueError, match="optimizer must be one of sgd"):
        dataclasses.replace(both, stages=(Stage(epochs=2, changes=(("optimizer", (1,)),)),))
    with pytest.raises(ValueError, match=r"optimizer of a stage must be a plain value, got \(\[\],\)"):
        Stage(epochs=2, changes=(("optimizer", ([],)),))


JSON = st.recursive(
    st.none() | st.booleans() | st.integers() | st.floats() | st.text(max_size=5),
    lambda inner: st.lists(inner, max_size=3) | st.dictionaries(st.text(max_size=5), inner, max_size=3),
    max_leaves=8,
)
STAGES = st.lists(
    st.fixed_dictionaries(
        {
            "epochs": st.just(10) | JSON,
            "changes": st.lists(
                st.tuples(st.sampled_from(sorted(OTHER)) | JSON, JSON).map(list) | JSON, max_size=2
            )
            | JSON,
            "rate": st.just(1.0) | JSON,
        }
    )
    | JSON,
    max_size=2,
)
NAMES = [field.name for field in dataclasses.fields(RunConfig)]
FIELDS = st.dictionaries(st.sampled_from(NAMES), JSON, max_size=3) | st.builds(
    lambda fields, stages: {**fields, "stages": stages},
    st.dictionaries(st.sampled_from(NAMES), JSON, max_size=1),
    STAGES,
)


@given(FIELDS | JSON)
@settings(max_examples=1000)
def test_whatever_json_holds_is_a_configuration_or_refused(fields):
    try:
        config = RunConfig.from_dict(fields)
    except ValueError:
        return
    assert isinstance(fields, dict)
    assert RunConfig.from_dict(json.loads(json.dumps(config.to_dict()))) == config


@pytest.mark.parametrize(
    ("fields", "message"),
    [
        ("", "fields must be a dictionary of RunConfig's fields, got ''"),
        ([], r"fields must be a dictionary of RunConfig's fields, got \[\]"),
        (None, "fields must be a dictionary of RunConfig's fields, got None"),
        ({"stages": 3}, "stages must be a tuple of Stage objects, got 3"),
        ({"stages": [3]}, "a stage must be a dictionary of epochs, changes and rate, got 3"),
        ({"stages": [{}]}, "a stage must be a dictionary of epochs, changes and rate, got {}"),
        (
            {"stages": [{"epochs": 10, "changes": 3, "rate": 1.0}]},
            r"changes of a stage must be pairs \(field, value\), got 3",
        ),
        (
            {"stages": [{"epochs": 10, "changes": [["lr"]], "rate": 1.0}]},
            r"changes of a stage must be pairs \(field, value\), got \[\['lr'\]\]",
        ),
    ],
)
def test_what_is_no_configuration_is_refused_in_words(fields, message):
    with pytest.raises(ValueError, match=f"^{message}"):
        RunConfig.from_dict(fields)


def test_an_unknown_field_is_refused_by_name():
    with pytest.raises(ValueError, match="'speed' is no field"):
        RunConfig.from_dict({"speed": 3})


def test_equal_configurations_have_one_key_however_their_numbers_are_written():
    written = RunConfig(
        lr=1, width=np.int64(64), betas=(np.float64(0.5), 0), init_scale=np.float32(0.5)
    )
    plain = RunConfig(lr=1.0, width=64, betas=(0.5, 0.0), init_scale=0.5)
    assert written == plain
    assert written.key() == plain.key()
    assert written.to_dict() == plain.to_dict()
    assert Stage(epochs=2, rate=1) == Stage(epochs=2, rate=1.0)


def test_a_stage_whose_changes_do_not_fit_is_refused_with_the_run():
    with pytest.raises(ValueError, match="lr must be above 0"):
        RunConfig(epochs=1, stages=(Stage(epochs=1, changes=(("lr", -1.0),)),))


def test_defaults_obey_their_rules_and_so_need_no_check():
    for name, rule in RULES.items():
        default = getattr(RunConfig, name)
        checked = rule.checked(name, default)
        assert (checked, type(checked)) == (default, type(default))
