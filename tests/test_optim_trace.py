"""The path of an optimizer over given gradients."""

from functools import partial

import pytest
import torch
from hypothesis import given
from hypothesis import strategies as st
from torch import nn

from bnnstudy.config import RunConfig, schedule_factor
from bnnstudy.nn.binarize import sign
from bnnstudy.optim import (
    NAMES,
    FilterOptimizer,
    LatentSGD,
    LinearFilter,
    build,
    flip_ratios,
    trace,
)

ADAM = partial(torch.optim.Adam, lr=0.1)


def _drawn(*shape: int, seed: int = 0) -> torch.Tensor:
    return torch.randn(shape, generator=torch.Generator().manual_seed(seed), dtype=torch.float64)


@pytest.mark.parametrize("name", NAMES)
@given(seed=st.integers(0, 2**16), steps=st.integers(0, 20))
def test_a_path_is_that_of_a_loop_written_by_hand(name, seed, steps):
    def make(weights):
        return build(name, weights, RunConfig(optimizer="adam", lr=0.1))

    start, gradients = sign(_drawn(3, 4, seed=seed)), _drawn(steps, 3, 4, seed=seed + 1)
    weight = nn.Parameter(start.clone())
    optimizer, places = make([weight]), [start]
    for gradient in gradients:
        weight.grad = gradient.clone()
        optimizer.step()
        places.append(weight.detach().clone())
    before = start.clone(), gradients.clone()
    assert torch.equal(trace(make, start, gradients), torch.stack(places))
    assert torch.equal(start, before[0])  # nothing of the caller's is moved
    assert torch.equal(gradients, before[1])


@pytest.mark.parametrize(
    "make", [ADAM, partial(LatentSGD, lr=0.5, weight_decay=0.1), partial(FilterOptimizer, alpha=0.1)]
)
def test_factors_are_the_schedule_of_torchs_scheduler(make):
    start, gradients = sign(_drawn(5)), _drawn(30, 5, seed=1)
    factors = [schedule_factor("cosine", step, 30) for step in range(30)]
    weight = nn.Parameter(start.clone())
    optimizer, places = make([weight]), [start]
    scheduler = torch.optim.lr_scheduler.LambdaLR(optimizer, lambda step: (*factors, 0.0)[step])
    for gradient in gradients:
        weight.grad = gradient.clone()
        optimizer.step()
        scheduler.step()
        places.append(weight.detach().clone())
    path = trace(make, start, gradients, factors)
    assert torch.equal(path, torch.stack(places))
    assert not torch.equal(path, trace(make, start, gradients))


def test_every_group_has_its_own_rate_for_the_factor():
    def make(weights):
        optimizer = torch.optim.SGD(weights, lr=1.0)
        optimizer.add_param_group({"params": [nn.Parameter(torch.zeros(1))], "lr": 5.0})
        made.append(optimizer)
        return optimizer

    made: list = []
    path = trace(make, torch.zeros(1), torch.ones(3, 1), (1.0, 0.5, 0.25))
    assert path.flatten().tolist() == [0, -1, -1.5, -1.75]
    assert [group["lr"] for group in made[0].param_groups] == [0.25, 1.25]


def test_gradients_and_factors_may_be_generators():
    gradients = _drawn(10, 4)
    factors = [1 / (step + 1) for step in range(10)]
    lazy = trace(ADAM, torch.zeros(4).double(), iter(gradients), iter(factors))
    assert torch.equal(lazy, trace(ADAM, torch.zeros(4).double(), [*gradients], factors))


def test_a_gradient_may_depend_on_the_weights():
    def gradient(weight):
        (found,) = torch.autograd.grad(weight.square().sum() / 2, weight)
        return found

    path = trace(partial(torch.optim.SGD, lr=0.5), torch.tensor([8.0, -4.0]), [gradient] * 3)
    assert path.tolist() == [[8, -4], [4, -2], [2, -1], [1, -0.5]]


def test_a_clamp_acts_after_each_step_and_the_next_goes_on_from_there():
    path = trace(
        partial(torch.optim.SGD, lr=1.0), torch.zeros(2), torch.tensor([[-3.0, 3.0], [0.5, -0.5]]),
        clamp=True,
    )  # fmt: skip
    assert path.tolist() == [[0, 0], [1, -1], [0.5, -0.5]]


def test_a_state_may_be_kept_in_place_of_the_weights():
    start, gradients = sign(_drawn(50)), _drawn(100, 50, seed=1)
    make = partial(FilterOptimizer, alpha=0.02, gamma=0.1)
    states = trace(make, start, gradients, keep=FilterOptimizer.filtered)
    latent = trace(partial(LatentSGD, lr=1.0, gamma=0.1, weight_decay=0.02), 0 * start, gradients)
    assert states[0].count_nonzero() == 0
    torch.testing.assert_close(states, -0.02 * latent)
    assert torch.equal(-sign(states[1:]), trace(make, start, gradients)[1:])


def test_signed_zeros_of_a_start_are_kept():
    start = torch.tensor([0.0, -0.0])
    path = trace(partial(LatentSGD, lr=1.0), start, torch.zeros(3, 2))
    assert sign(path).tolist() == [[1, -1]] * 4


@given(seed=st.integers(0, 2**16))
def test_flip_ratios_count_signs_that_a_step_changed(seed):
    path = _drawn(6, 2, 3, seed=seed)
    path[2, 0] = torch.tensor([0.0, -0.0, 0.0])
    ratios = flip_ratios(path)
    assert ratios.shape == (5,)
    for ratio, before, after in zip(ratios, path, path[1:], strict=False):
        flipped = torch.signbit(before) != torch.signbit(after)
        assert ratio.item() == pytest.approx(flipped.sum().item() / 6)
    assert flip_ratios(path[:1]).shape == (0,)
    assert flip_ratios(torch.tensor([1.0, -1.0, -0.0])).tolist() == [1, 0]


@pytest.mark.parametrize(
    ("arguments", "message"),
    [
        ((torch.zeros(2).int(), []), "start must be of a floating-point dtype, got torch.int32"),
        ((torch.zeros(2), torch.zeros(3, 1)), r"gradients must have .* got \(1,\) and .* at step 0"),
        ((torch.zeros(2), torch.zeros(3, 2).double()), "gradients must .* torch.float64 at step 0"),
        ((torch.zeros(2), torch.zeros(3, 2), [1.0]), "factors must be one .* got fewer factors"),
        ((torch.zeros(2), torch.zeros(1, 2), [1.0, 1.0]), "factors must be one .* fewer gradients"),
    ],
)
def test_what_cannot_be_driven_is_refused_in_words(arguments, message):
    with pytest.raises(ValueError, match=f"^{message}"):
        trace(ADAM, *arguments)


def test_a_linear_filter_stands_still_where_no_schedule_may_move_it():
    start = torch.ones(2)
    make = partial(LinearFilter, b=[0.1], a=[1, -0.9])
    assert trace(make, start, torch.ones(2, 2), (1.0, 1.0))[-1].tolist() == [-1, -1]
    with pytest.raises(ValueError, match="lr must stay 1"):
        trace(make, start, torch.ones(2, 2), (1.0, 0.5))
