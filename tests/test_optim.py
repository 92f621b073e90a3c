"""Optimizers as torch's: states, groups, closures, and what they refuse."""

import copy
import pickle

import numpy as np
import pytest
import torch
from driving import apply, gradients, parameters, starts
from torch import nn

from bnnstudy.nn.binarize import sign
from bnnstudy.optim import (
    Bop,
    FilterOptimizer,
    FIRFilter,
    LatentSGD,
    LinearFilter,
    NormalisedFilter,
    OvSW,
    SecondOrderBop,
    SOSFilter,
)


def test_bop_flips_what_passes_the_threshold_and_agrees_and_nothing_else():
    weight = nn.Parameter(torch.tensor([1.0, 1.0, 1.0, -1.0, -1.0]))
    optimizer = Bop([weight], threshold=0.5, gamma=1.0)
    apply(optimizer, [weight], [torch.tensor([0.6, 0.5, -0.6, -0.6, 0.6])])
    assert weight.tolist() == [-1, 1, 1, 1, -1]


def _all():
    w0 = starts(5, 1)
    theta = [sign(w) for w in w0]
    return {
        "latent": (w0, lambda p: LatentSGD(p, 0.5, 0.1, 1e-2)),
        "filter": (theta, lambda p: FilterOptimizer(p, 1e-2, 0.1)),
        "linear": (theta, lambda p: LinearFilter(p, [0.1, 0.05], [1, -1.5, 0.6])),
        "sections": (
            theta,
            lambda p: SOSFilter(p, [[0.1, 0.05, 0, 1, -1.5, 0.6], [0.1, 0, 0, 1, -0.9, 0]]),
        ),
        "window": (theta, lambda p: FIRFilter(p, [0.1, 0.3, 0.4, 0.2])),
        "bop": (theta, lambda p: Bop(p, 1e-2, 0.1)),
        "second order bop": (theta, lambda p: SecondOrderBop(p, 1e-2, 0.1, 0.01)),
        "normalised": (theta, lambda p: NormalisedFilter(p, 1e-2, 0.1, 0.01)),
        "ovsw": (w0, lambda p: OvSW(p, 0.5, 0.1, 1e-2, delta=2.0, memory=0.5, threshold=0.2)),
    }


MADE = tuple(_all())


def half_way(name):
    """What makes an optimizer, one after 50 steps, its parameters, and the steps that are left."""
    values, make = _all()[name]
    params = parameters(values)
    optimizer = make(params)
    steps = gradients(5)
    for step in steps[:50]:
        apply(optimizer, params, step)
    return make, optimizer, params, steps[50:]


@pytest.mark.parametrize("name", MADE)
def test_a_saved_state_continues_bit_for_bit(name):
    make, optimizer, params, steps = half_way(name)
    saved = copy.deepcopy(optimizer.state_dict())
    others = parameters([p.detach() for p in params])
    resumed = make(others)
    resumed.load_state_dict(saved)
    for step in steps:
        apply(optimizer, params, step)
        apply(resumed, others, step)
        for p, q in zip(params, others, strict=True):
            assert torch.equal(p, q)


@pytest.mark.parametrize("name", MADE)
@pytest.mark.parametrize("copied", [copy.deepcopy, lambda o: pickle.loads(pickle.dumps(o))])
def test_a_copy_steps_as_the_original_does(name, copied):
    _, optimizer, params, steps = half_way(name)
    other = copied(optimizer)
    others = other.param_groups[0]["params"]
    for step in steps:
        apply(optimizer, params, step)
        apply(other, others, step)
    assert all(torch.equal(p, q) for p, q in zip(params, others, strict=True))


@pytest.mark.parametrize(
    "name", [name for name in MADE if name not in ("linear", "sections", "window")]
)
def test_a_rate_of_zero_moves_no_sign(name):
    _, make = _all()[name]
    drawn = torch.randn(1000, generator=torch.Generator().manual_seed(2)).sign()
    weight = nn.Parameter(drawn * (0.0 if name in ("latent", "ovsw") else 1.0))
    optimizer = make([weight])
    optimizer.param_groups[0]["lr"] = 0.0
    for step in range(3):
        draw = torch.Generator().manual_seed(step)
        apply(optimizer, [weight], [torch.randn(1000, generator=draw)])
    assert torch.equal(sign(weight), drawn)


def test_a_group_that_is_refused_is_not_added():
    weight, other = (nn.Parameter(torch.ones(3)) for _ in range(2))
    optimizer = FilterOptimizer([weight], 0.1)
    for group, message in (
        ({"params": [other], "scheduled": "typo"}, "scheduled must be one of both"),
        ({"params": [other], "lr": -3.0}, "lr must be 0 or more and finite, got -3"),
        ({"params": [other], "alpha": 2.0}, "alpha must be in"),
        ({"params": [other], "bias_correction": "no"}, "bias_correction must be True or False"),
    ):
        with pytest.raises(ValueError, match=message):
            optimizer.add_param_group(group)
        assert len(optimizer.param_groups) == 1


@pytest.mark.parametrize("name", MADE)
def test_sparse_gradients_are_refused_in_words(name):
    values, make = _all()[name]
    params = parameters(values)
    optimizer = make(params)
    params[0].grad = torch.ones_like(params[0]).detach().to_sparse()
    with pytest.raises(ValueError, match="takes no sparse gradients"):
        optimizer.step()


def test_no_schedule_moves_a_linear_filter():
    weight = nn.Parameter(torch.ones(3))
    optimizer = LinearFilter([weight], [1], [1, -0.9])
    schedule = torch.optim.lr_scheduler.StepLR(optimizer, 1, gamma=0.5)
    apply(optimizer, [weight], [torch.ones(3)])
    schedule.step()
    with pytest.raises(ValueError, match=r"lr must stay 1 .*, got 0\.5"):
        apply(optimizer, [weight], [torch.ones(3)])


@pytest.mark.parametrize("name", MADE)
def test_a_parameter_without_gradient_is_left_alone(name):
    values, make = _all()[name]
    params = parameters(values)
    optimizer = make(params)
    before = params[1].detach().clone()
    params[0].grad = torch.randn_like(params[0])
    optimizer.step()
    assert torch.equal(params[1].detach(), before)


@pytest.mark.parametrize("name", MADE)
def test_a_closure_is_called_with_gradients_on(name):
    values, make = _all()[name]
    params = parameters(values)
    optimizer = make(params)

    def closure():
        optimizer.zero_grad()
        loss = sum(p.square().sum() for p in params)
        loss.backward()
        return loss

    assert optimizer.step(closure).item() > 0
    assert params[0].grad is not None


@pytest.mark.parametrize("name", MADE)
def test_a_group_added_later_is_optimised_like_one_from_the_start(name):
    values, make = _all()[name]
    together, apart = parameters(values), parameters(values)
    whole, grown = make(together), make(apart[:1])
    grown.add_param_group({"params": apart[1:]})
    for step in gradients(5):
        apply(whole, together, step)
        apply(grown, apart, step)
        for p, q in zip(together, apart, strict=True):
            assert torch.equal(p, q)


@pytest.mark.parametrize(
    ("make", "message"),
    [
        (lambda p: LatentSGD([{"params": p, "lr": -1.0}], 0.1), "lr must be above 0"),
        (lambda p: FilterOptimizer([{"params": p, "alpha": -1.0}], 0.1), "alpha must be in"),
        (lambda p: LinearFilter([{"params": p, "a": [2, -5, 3]}], [1], [1, -0.9]), "no pole outside"),
        (lambda p: OvSW([{"params": p, "delta": -1.0}], 0.1), "delta must be 0 or more"),
        (lambda p: LatentSGD(p, 2.0, 0.1, 0.6), "lr . weight_decay must be at most 1"),
    ],
)
def test_the_numbers_of_a_group_are_checked_too(make, message):
    with pytest.raises(ValueError, match=message):
        make([nn.Parameter(torch.tensor([1.0, 1.0, -1.0]))])


def test_each_group_has_its_own_filter():
    theta = [sign(w) for w in starts(5, 1)]
    params, alone = parameters(theta), parameters(theta[1:])
    groups = [{"params": params[:1]}, {"params": params[1:], "b": [2, 1], "a": [2, -1, 0.4]}]
    mixed = LinearFilter(groups, [0.1], [1, -0.9])
    single = LinearFilter(alone, [2, 1], [2, -1, 0.4])
    for step in gradients(5):
        apply(mixed, params, step)
        apply(single, alone, step[1:])
        for p, q in zip(params[1:], alone, strict=True):
            assert torch.equal(p, q)


def test_a_filter_made_before_the_weights_are_loaded_keeps_what_is_loaded():
    weight = nn.Parameter(torch.ones(4))
    optimizer = FilterOptimizer([weight], 0.1)
    with torch.no_grad():
        weight.copy_(torch.tensor([1.0, -1.0, -1.0, 1.0]))
    weight.grad = torch.zeros(4)
    optimizer.step()
    assert weight.tolist() == [1, -1, -1, 1]
    assert optimizer.filtered(weight).abs().max() == 0


@pytest.mark.parametrize("kind", [FilterOptimizer, LinearFilter, Bop])
def test_weights_that_are_not_signs_are_refused(kind):
    arguments = ([0.1], [1, -0.9]) if kind is LinearFilter else (0.1,)
    with pytest.raises(ValueError, match=r"params must be ±1 .*; 1 of 3 are not"):
        kind([nn.Parameter(torch.tensor([1.0, -1.0, 0.5]))], *arguments)


@pytest.mark.parametrize(
    ("make", "message"),
    [
        (lambda p: LatentSGD(p, 0.0), "lr must be above 0 and finite, got 0.0"),
        (lambda p: LatentSGD(p, float("nan")), "lr must be above 0 and finite, got nan"),
        (lambda p: LatentSGD(p, 0.1, 0.0), r"gamma must be in \(0, 1\], got 0.0"),
        (
            lambda p: LatentSGD(p, 0.1, 0.1, -1e-4),
            "weight_decay must be 0 or more and finite, got -0.0001",
        ),
        (lambda p: FilterOptimizer(p, 0.0), r"alpha must be in \(0, 1\], got 0.0"),
        (lambda p: FilterOptimizer(p, -0.1), r"alpha must be in \(0, 1\], got -0.1"),
        (lambda p: OvSW(p, 0.0), "lr must be above 0 and finite, got 0.0"),
        (lambda p: OvSW(p, 0.1, delta=-0.1), "delta must be 0 or more and finite, got -0.1"),
        (
            lambda p: OvSW(p, 0.1, silent_decay="x"),
            "silent_decay must be 0 or more and finite, got 'x'",
        ),
        (lambda p: OvSW(p, 0.1, memory=1.0), r"memory must be in \[0, 1\), got 1.0"),
        (lambda p: OvSW(p, 0.1, threshold=-1.0), "threshold must be 0 or more and finite, got -1.0"),
        (
            lambda p: OvSW(p, 1.0, 0.1, 0.5, silent_decay=0.6),
            r"lr . \(weight_decay \+ silent_decay\) must be at most 1, got 1.0 . \(0.5 \+ 0.6\)",
        ),
        (lambda p: Bop(p, -1e-8), "threshold must be 0 or more and finite, got -1e-08"),
        (lambda p: Bop(p, float("nan")), "threshold must be 0 or more and finite, got nan"),
        (lambda p: Bop(p, "1"), "threshold must be 0 or more and finite, got '1'"),
        (lambda p: SecondOrderBop(p, -1e-8), "threshold must be 0 or more and finite, got -1e-08"),
        (lambda p: SecondOrderBop(p, sigma=0.0), r"sigma must be in \(0, 1\], got 0"),
        (lambda p: NormalisedFilter(p, 0.1, sigma=1.5), r"sigma must be in \(0, 1\], got 1.5"),
        (lambda p: NormalisedFilter(p, 0.1, gamma=1e-17), "gamma must be 2\\^-53 or more"),
        (lambda p: NormalisedFilter(p, 0.0), r"alpha must be in \(0, 1\], got 0"),
        (lambda p: Bop(p, True), "threshold must be 0 or more and finite, got True"),
        (lambda p: FilterOptimizer(p, None), r"alpha must be in \(0, 1\], got None"),
        (lambda p: LatentSGD(p, "0.1"), "lr must be above 0 and finite, got '0.1'"),
        (lambda p: FilterOptimizer(p, 0.1, 0.1, 5), "initial_state must be one tensor"),
        (lambda p: FilterOptimizer(p, 0.1, 0.1, ["a"]), "initial_state must be one tensor"),
        (
            lambda p: FilterOptimizer(p, 0.1, 0.1, [torch.tensor([-1, -np.inf, 1])]),
            "initial_state must be finite",
        ),
        (lambda p: LinearFilter(p, None, [1]), "b and a must be sequences of numbers"),
        (lambda p: LinearFilter(p, ["x"], [1]), "b and a must be sequences of numbers"),
        (lambda p: LinearFilter(p, [1e308], [1e-308]), "must be finite once divided by a_0"),
        (lambda p: Bop(p, 0.0, 0.0), r"gamma must be in \(0, 1\], got 0.0"),
        (lambda p: FilterOptimizer(p, 0.1, 2.0), r"gamma must be in \(0, 1\], got 2.0"),
        (lambda p: FilterOptimizer(p, 0.1, 0.1, [torch.zeros(7)]), "initial_state must be one tensor"),
        (lambda p: FilterOptimizer(p, 0.1, 0.1, []), "initial_state must be one tensor"),
        (lambda p: FilterOptimizer(p, 0.1, 0.1, [torch.ones(3)]), "opposite sign .* 2 of 3"),
        (lambda p: LinearFilter(p, [], [1]), "b must have a coefficient"),
        (lambda p: LinearFilter(p, [0.0], [1]), "b must have a coefficient"),
        (lambda p: LinearFilter(p, [1], [0, 1]), "a must start with"),
        (lambda p: LinearFilter(p, [1], [1, float("nan")]), "must be finite"),
        (lambda p: LinearFilter(p, [1], [1] + [0] * 8 + [0.1]), "order must be at most 8, got 9"),
        (lambda p: LinearFilter(p, [1], [1, -1.1]), "no pole outside the unit circle"),
        (lambda p: LinearFilter(p, [1], [1, -2, 1]), "no multiple pole"),
    ],
)
def test_bad_numbers_are_refused_by_name(make, message):
    with pytest.raises(ValueError, match=message):
        make([nn.Parameter(torch.tensor([1.0, 1.0, -1.0]))])


def test_a_running_sum_is_a_filter_too():
    params = parameters([sign(w) for w in starts(0, 1)])
    optimizer = LinearFilter(params, [1.0], [1.0, -1.0])
    total = [torch.zeros_like(p) for p in params]
    for step in gradients(0):
        apply(optimizer, params, step)
        total = [t + g for t, g in zip(total, step, strict=True)]
    for p, t in zip(params, total, strict=True):
        clear = t.abs() > 1e-9
        assert torch.equal(p.detach()[clear], -t.sign()[clear])


@pytest.mark.parametrize("scheduled", ["both", "pole", "increment"])
@pytest.mark.parametrize("corrected", [False, True])
def test_a_schedule_acts_on_the_pole_or_the_increment_or_both(scheduled, corrected):
    weight = nn.Parameter(sign(torch.randn(50, dtype=torch.float64)))
    optimizer = FilterOptimizer([weight], 0.3, 0.2, scheduled=scheduled, bias_correction=corrected)
    m, g = torch.zeros(50, dtype=torch.float64), torch.zeros(50, dtype=torch.float64)
    for i in range(30):
        factor = 1 - i / 30
        pole = 0.3 * (1.0 if scheduled == "increment" else factor)
        increment = 0.3 * (1.0 if scheduled == "pole" else factor)
        weight.grad = torch.randn(50, dtype=torch.float64)
        m = 0.8 * m + 0.2 * weight.grad
        g = (1 - pole) * g + increment * m / (1 - 0.8 ** (i + 1) if corrected else 1)
        optimizer.param_groups[0]["lr"] = factor
        optimizer.step()
        torch.testing.assert_close(optimizer.filtered(weight), g)
        assert torch.equal(weight.detach(), -torch.sign(g))


def test_another_place_for_the_schedule_is_refused():
    with pytest.raises(ValueError, match="scheduled must be one of both, pole, increment; got 'zero'"):
        FilterOptimizer([nn.Parameter(torch.ones(2))], 0.1, scheduled="zero")
