"""From a recipe of SGD to (alpha, gamma): against torch's own SGD, and what it refuses."""

import numpy as np
import pytest
import torch
from hypothesis import given
from hypothesis import strategies as st
from scipy import signal
from torch import nn

from bnnstudy import __main__ as command_line
from bnnstudy.theory import filters
from bnnstudy.theory.conversion import RECIPES, conversion_of, convert


@given(
    lr=st.floats(1e-3, 1.0),
    decay=st.floats(1e-5, 1e-2),
    momentum=st.floats(0, 0.95),
    seed=st.integers(0, 99),
)
def test_the_converted_cascade_moves_every_sign_as_torch_does(lr, decay, momentum, seed):
    found = convert(lr, decay, momentum)
    if found.alpha is None:
        assert lr * decay > found.limit
        return
    gradients = torch.randn(300, 20, dtype=torch.float64, generator=torch.Generator().manual_seed(seed))
    weight = nn.Parameter(torch.zeros(20, dtype=torch.float64))
    optimizer = torch.optim.SGD([weight], lr=lr, momentum=momentum, weight_decay=decay)
    same = filters.cascade(found.alpha, found.gamma)
    state = torch.from_numpy(signal.lfilter(same.b, same.a, gradients.numpy(), axis=0))
    for gradient, g in zip(gradients, state, strict=True):
        weight.grad = gradient
        optimizer.step()
        assert torch.equal(torch.sign(weight.detach()), -torch.sign(g))


def test_without_decay_the_state_is_a_running_sum():
    found = convert(0.1, 0.0, 0.9, steps=100)
    assert (found.alpha, found.gamma) == (0.0, pytest.approx(0.1))
    assert found.memories == 0
    assert "running sum" in " ".join(found.lines())


def test_beyond_the_limit_there_is_no_cascade():
    inside, outside = (convert(1.0, decay, 0.9) for decay in (0.0026, 0.0027))
    assert inside.alpha is not None
    assert outside.alpha is None
    assert outside.memories is None
    assert "complex" in " ".join(outside.lines())


@pytest.mark.parametrize(
    ("lr", "decay", "momentum", "says"),
    [(1.0, 1.0, 0.9, "rings"), (1.0, 3.798, 0.9, "alternates"), (1.0, 5.0, 0.9, "grows"),
     (0.1, 15.0, 0.0, "alternates")],
)  # fmt: skip
def test_beyond_the_limit_the_poles_are_as_said(lr, decay, momentum, says):
    poles = np.roots([1, -(1 + momentum - lr * decay), momentum])
    kinds = {"rings": poles.imag.any(), "grows": (abs(poles) > 1).any()}
    kinds["alternates"] = not any(kinds.values()) and (poles <= 0).all()
    assert [name for name, is_so in kinds.items() if is_so] == [says]
    assert says in " ".join(convert(lr, decay, momentum).lines())


@pytest.mark.parametrize(
    ("steps", "says"), [(100, "too short"), (10_000, "about as long"), (1_000_000, "is forgotten")]
)
def test_the_length_of_the_run_is_told_in_memories(steps, says):
    found = convert(0.1, 1e-4, 0.9, steps=steps)
    assert found.memories == pytest.approx(steps * 1e-4, rel=2e-3)
    assert says in " ".join(found.lines())


@pytest.mark.parametrize("recipe", RECIPES, ids=lambda recipe: recipe.name)
def test_every_recipe_has_a_source_and_converts(recipe):
    assert recipe.source
    found = conversion_of(recipe)
    assert found.literal == (recipe.lr * recipe.weight_decay, pytest.approx(1 - recipe.momentum))


@pytest.mark.parametrize(
    ("numbers", "message"),
    [
        ((0.0, 1e-4), "lr must be above 0 and finite, got 0.0"),
        ((0.1, -1.0), "weight_decay must be 0 or more and finite, got -1.0"),
        ((0.1, 1e-4, 1.0), r"momentum must be in \[0, 1\), got 1.0"),
        ((0.1, 1e-4, 0.9, 0), "steps must be a whole number of 1 or more, got 0"),
    ],
)
def test_numbers_out_of_range_are_refused(numbers, message):
    with pytest.raises(ValueError, match=message):
        convert(*numbers)


def test_the_command_line_prints_the_same(capsys):
    arguments = ["convert", "--lr", "0.1", "--weight-decay", "1e-4", "--steps", "78000"]
    assert command_line.main(arguments) == 0
    assert capsys.readouterr().out.splitlines() == convert(0.1, 1e-4, 0.9, 78_000).lines()
    assert "alpha 0.0001001, gamma 0.09991" in " ".join(convert(0.1, 1e-4).lines())
