"""The optimizers by name: what each reads, what it may be given, and torch's fused kernels."""

import dataclasses
import warnings

import pytest
import torch
from driving import apply, gradients, parameters, starts
from torch import nn

from bnnstudy.config import READS, RunConfig
from bnnstudy.config.fields import BINARY_OPTIMIZERS, REAL_OPTIMIZERS
from bnnstudy.nn import models
from bnnstudy.optim import (
    NAMES,
    TORCH,
    Bop,
    FilterOptimizer,
    FIRFilter,
    LatentSGD,
    LinearFilter,
    OvSW,
    SOSFilter,
    build,
    build_optimizers,
    registry,
)


class Asked:
    """A configuration that notes which of its fields are read."""

    def __init__(self):
        self.names = set()

    def __getattr__(self, name):
        self.names.add(name)
        return getattr(RunConfig(), name)


@pytest.mark.parametrize("name", NAMES)
def test_an_optimizer_reads_what_the_configuration_says_that_it_reads(name):
    asked = Asked()
    build(name, [nn.Parameter(torch.ones(2))], asked)
    assert asked.names == set(READS[name])


def test_optimizers_and_configurations_have_one_list_of_names():
    assert sorted(READS) == sorted([*registry.TORCH, *registry.OURS])
    assert {name for name in NAMES if issubclass(_kind(name), _signs())} == {*BINARY_OPTIMIZERS}


def _kind(name: str) -> type:
    return type(build(name, [nn.Parameter(torch.ones(2))], RunConfig()))


def _signs() -> tuple[type, ...]:
    names = ("filter", "filter_normalised", "designed", "bop", "second_order_bop")
    return tuple({_kind(name) for name in names})


OTHER = {"lr": 0.25, "momentum": 0.5, "betas": (0.5, 0.5), "gamma": 0.25, "weight_decay": 0.125}


def _groups(config: RunConfig) -> list:
    """The numbers of all groups of the second optimizer of a run."""
    model = models.build(config, (1, 8, 8), 10)
    return [
        {name: value for name, value in group.items() if name != "params"}
        for group in build_optimizers(config, model)[1].param_groups
    ]


@pytest.mark.parametrize("name", REAL_OPTIMIZERS)
def test_a_real_optimizer_reads_the_same_but_its_own_rate_and_decay(name):
    base = RunConfig(
        width=8, depth=2, real_last=True, view="filter", optimizer="bop", real_optimizer=name
    )
    own = {"lr": "real_lr"}
    for number in READS[name]:
        changed = dataclasses.replace(base, **{own.get(number, number): OTHER[number]})
        assert _groups(changed) != _groups(base), number
        assert any(
            OTHER[number] in (group.get(number), 1 - group.get("momentum", 2))
            for group in _groups(changed)
        ), number
    decayed = dataclasses.replace(base, real_weight_decay=0.5)
    assert {group["weight_decay"] for group in _groups(decayed)} == {0.0, 0.5}


@pytest.mark.parametrize(
    ("name", "arguments"),
    [
        ("filter", {"scheduled": "both", "bias_correction": False}),
        ("filter_pole", {"scheduled": "pole", "bias_correction": False}),
        ("filter_increment", {"scheduled": "increment", "bias_correction": False}),
        ("filter_corrected", {"scheduled": "both", "bias_correction": True}),
    ],
)
def test_the_filters_names_are_arguments_of_one_filter(name, arguments):
    optimizer = build(name, [nn.Parameter(torch.ones(2))], RunConfig())
    assert type(optimizer) is FilterOptimizer
    assert {key: optimizer.defaults[key] for key in arguments} == arguments


@pytest.mark.parametrize(
    ("name", "off"), [("ovsw", set()), ("ovsw_ags", {"silent_decay"}), ("ovsw_sad", {"delta"})]
)
def test_the_names_of_ovsw_are_its_parts_with_the_sources_numbers(name, off):
    optimizer = build(name, [nn.Parameter(torch.ones(2))], RunConfig())
    assert type(optimizer) is OvSW
    numbers = {"delta": 0.04, "silent_decay": 9e-4, "memory": 0.999, "threshold": 1e-4}
    assert numbers | dict.fromkeys(off, 0.0) == {key: optimizer.defaults[key] for key in numbers}


@pytest.mark.parametrize(("design", "kind"), [("hann", FIRFilter), ("bessel 4", SOSFilter)])
def test_a_design_is_run_as_sections_or_as_a_window(design, kind):
    config = RunConfig(view="filter", optimizer="designed", real_optimizer="adam", design=design)
    assert type(build("designed", [nn.Parameter(torch.ones(2))], config)) is kind


WAYS = {
    "a list": lambda model: [*model.parameters()],
    "a generator": lambda model: model.parameters(),
    "a tuple": lambda model: tuple(model.parameters()),
    "a ParameterList": lambda model: nn.ParameterList(model.parameters()),
    "values of a dictionary": lambda model: dict(model.named_parameters()).values(),
    "names": lambda model: model.named_parameters(),
    "groups": lambda model: [{"params": [p]} for p in model.parameters()],
    "groups of one tensor": lambda model: [{"params": p} for p in model.parameters()],
    "a generator of groups": lambda model: ({"params": p} for p in model.parameters()),
    "a group of a generator": lambda model: [{"params": model.parameters(), "lr": 1.0}],
    "a group of a ParameterList": lambda model: [{"params": nn.ParameterList(model.parameters())}],
    "a group of names": lambda model: [{"params": model.named_parameters()}],
    "a generator of groups of names": lambda model: (
        {"params": layer.named_parameters(prefix=name)} for name, layer in model.named_children()
    ),
}
MAKERS = {
    "FilterOptimizer": lambda params: FilterOptimizer(params, 0.1),
    "LatentSGD": lambda params: LatentSGD(params, 0.1),
    "Bop": Bop,
    "OvSW": lambda params: OvSW(params, 0.1),
    "LinearFilter": lambda params: LinearFilter(params, [1, 0.5], [1, -0.5]),
    "FIRFilter": lambda params: FIRFilter(params, [0.5, 0.5]),
    **{f"build {name}": lambda params, name=name: build(name, params, RunConfig()) for name in NAMES},
}


@pytest.mark.parametrize("make", MAKERS)
@pytest.mark.parametrize("way", WAYS)
def test_no_parameter_is_lost_however_they_are_given(make, way):
    model = nn.Sequential(nn.Linear(3, 2), nn.Linear(2, 2))
    with torch.no_grad():
        for p in model.parameters():
            p.fill_(1)
            p.grad = torch.ones_like(p)
    optimizer = MAKERS[make](WAYS[way](model))
    groups = optimizer.param_groups
    assert [id(p) for group in groups for p in group["params"]] == [id(p) for p in model.parameters()]
    if "names" in way:
        names = [name for group in groups for name in group["param_names"]]
        assert names == [name for name, _ in model.named_parameters()]
    if way == "a group of a generator":
        assert groups[0]["lr"] == 1
    optimizer.step()
    optimizer.step()
    assert all((p < 1).all() for p in model.parameters())


@pytest.mark.parametrize("name", NAMES)
def test_what_torch_refuses_stays_refused(name):
    weight = nn.Parameter(torch.ones(2))
    for params in (weight, [{"params": {weight}}], [3]):
        with pytest.raises(TypeError):
            build(name, params, RunConfig())
    with pytest.raises(ValueError, match="empty parameter list"):
        build(name, iter([]), RunConfig())
    # Of a set torch warns from some version on; older ones take it.
    assert warned(lambda: build(name, {weight}, RunConfig())) == warned(
        lambda: torch.optim.SGD({weight}, lr=0.1)
    )


def warned(make) -> list[tuple[type[Warning], str]]:
    with warnings.catch_warnings(record=True) as said:
        warnings.simplefilter("always")
        make()
    return [(one.category, str(one.message)) for one in said]


def test_kernels_are_fused_where_every_parameter_is_on_a_gpu():
    class OnGpu(nn.Parameter):
        is_cuda = True

    here, there = nn.Parameter(torch.ones(2)), OnGpu(torch.ones(2))
    for params in ([there], [("w", there)], [{"params": there}], [{"params": [("w", there), there]}]):
        assert registry._fused(params) is True
    for params in (
        [there, here],
        [("w", here)],
        [{"params": here}],
        [{"params": [("w", here), there]}],
    ):
        assert registry._fused(params) is None


def test_a_group_that_is_given_stays_as_it_was():
    group = {"params": [nn.Parameter(torch.ones(2))]}
    build("adam", [group], RunConfig())
    assert group.keys() == {"params"}


@pytest.mark.parametrize("name", ["sgd", "momentum", "nesterov", "adam"])
def test_the_fused_kernels_of_a_gpu_are_the_same_optimizer(name, monkeypatch):
    values, steps = starts(5, 1), gradients(5)
    plain, fused = parameters(values), parameters(values)
    config = RunConfig(lr=0.01, weight_decay=1e-3)
    optimizers = [build(name, [{"params": plain}], config)]
    monkeypatch.setattr("bnnstudy.optim.registry._fused", lambda params: True)
    optimizers.append(build(name, [{"params": fused}], config))
    assert [optimizer.defaults["fused"] for optimizer in optimizers] == [None, True]
    for step in steps[:50]:
        for optimizer, params in zip(optimizers, (plain, fused), strict=True):
            apply(optimizer, params, step)
    for p, q in zip(plain, fused, strict=True):
        torch.testing.assert_close(p, q)


def test_the_table_holds_paper_as_seven_from_torch_itself():
    params = [nn.Parameter(torch.zeros(2))]
    made = {name: build(name, params, RunConfig()) for name in TORCH}
    assert len(made) == 7
    for name, optimizer in made.items():
        assert type(optimizer).__module__.startswith("torch.optim"), name
    assert made["nesterov"].defaults["nesterov"]
    assert made["momentum"].defaults["momentum"] == 0.9
    assert made["sgd"].defaults["momentum"] == 0
    with pytest.raises(ValueError, match=r"optimizer must be one of sgd, .*got 'lion'"):
        build("lion", params, RunConfig())
