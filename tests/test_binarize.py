import math

import pytest
import torch
from hypothesis import given
from hypothesis import strategies as st

from bnnstudy.nn import binarize

numbers = st.floats(-4, 4, allow_nan=False)
points = st.lists(numbers, min_size=1, max_size=30).map(lambda x: [*x, 0.0, -0.0, 1.0, -1.0])

CLOSED_FORMS = {
    "identity": lambda x: 1.0,
    "clip": lambda x: 1.0 if abs(x) <= 1 else 0.0,
    "clip_strict": lambda x: 1.0 if abs(x) < 1 else 0.0,
    "approx": lambda x: max(0.0, 2 - 2 * abs(x)),
    "ede": lambda x: 1 - math.tanh(x) ** 2,
}


def test_every_surrogate_has_a_closed_form_here():
    assert set(CLOSED_FORMS) == set(binarize.SURROGATES)


@pytest.mark.parametrize("name", binarize.SURROGATES)
@given(values=points)
def test_forward_is_the_sign_and_backward_the_closed_form(name, values):
    x = torch.tensor(values, dtype=torch.float64, requires_grad=True)
    incoming = torch.linspace(-3, 3, len(values), dtype=torch.float64)
    y = binarize.surrogate(name)(x)
    y.backward(incoming)
    expected = torch.tensor([CLOSED_FORMS[name](v) for v in values], dtype=torch.float64) * incoming
    assert torch.equal(y, binarize.sign(x))
    torch.testing.assert_close(x.grad, expected, rtol=1e-12, atol=1e-15)
    slopes = binarize.slope(name, x) * incoming
    torch.testing.assert_close(slopes, expected, rtol=1e-12, atol=1e-15)
    assert not slopes.requires_grad


@given(values=points, t=st.floats(0.05, 10))
def test_ede_follows_its_steepness(values, t):
    x = torch.tensor(values, dtype=torch.float64, requires_grad=True)
    binarize.ede(x, t).sum().backward()
    k = max(1 / t, 1)
    expected = [k * t * (1 - math.tanh(t * v) ** 2) for v in values]
    torch.testing.assert_close(
        x.grad, torch.tensor(expected, dtype=torch.float64), rtol=1e-9, atol=1e-12
    )


@pytest.mark.parametrize("dtype", [torch.float32, torch.float64])
def test_the_sign_at_its_boundaries(dtype):
    x = torch.tensor([0.0, -0.0, 1.0, -1.0, 1e-40, -1e-40], dtype=dtype)
    assert binarize.sign(x).tolist() == [1, -1, 1, -1, 1, -1]
    assert binarize.sign(x).dtype == dtype


@given(values=points)
def test_the_sign_is_never_zero_and_odd(values):
    x = torch.tensor(values)
    assert set(binarize.sign(x).tolist()) <= {1.0, -1.0}
    assert torch.equal(binarize.sign(-x), -binarize.sign(x))


@pytest.mark.parametrize("dtype", [torch.float32, torch.float64])
def test_clip_passes_at_one_and_not_at_the_next_number(dtype):
    one = torch.ones((), dtype=dtype)
    beyond = torch.nextafter(one, torch.tensor(2.0, dtype=dtype))
    x = torch.stack([one, -one, beyond, -beyond]).requires_grad_()
    binarize.clip(x).sum().backward()
    assert x.grad.tolist() == [1, 1, 0, 0]


@pytest.mark.parametrize("beyond", [None, 1 + 2**-23, -2.0, math.nan, math.inf])
@pytest.mark.parametrize("row", [0, -1])
def test_clip_of_a_large_tensor_is_that_of_its_rows(beyond, row):
    # Large enough that clip looks whether all of it lies inside, which a row is not.
    draw = torch.Generator().manual_seed(0)
    x = torch.rand(64, binarize.LARGE // 64, generator=draw).mul_(2).sub_(1)
    x[0, :4] = torch.tensor([1.0, -1.0, 0.0, -0.0])
    if beyond is not None:
        x[row, -1] = beyond
    incoming = torch.randn(x.shape, generator=draw)
    (whole,) = torch.autograd.grad(binarize.clip(x.requires_grad_()), x, incoming)
    rows = [part.detach().requires_grad_() for part in x]
    for part, gradient in zip(rows, incoming, strict=True):
        binarize.clip(part).backward(gradient)
    assert torch.equal(whole, torch.stack([part.grad for part in rows]))


def test_the_gradient_of_a_large_clip_can_be_mapped():
    x = torch.linspace(-2, 2, 2 * binarize.LARGE).view(2, -1)
    one_by_one = torch.vmap(torch.func.grad(lambda part: binarize.clip(part).sum()))(x)
    assert torch.equal(one_by_one, (x.abs() <= 1).float())


def test_multiplying_by_zero_keeps_the_sign():
    x = torch.randn(1000, generator=torch.Generator().manual_seed(0))
    assert torch.equal(binarize.sign(0.0 * x), binarize.sign(x))


@pytest.mark.parametrize("name", binarize.SURROGATES)
def test_every_surrogate_can_be_differentiated_twice(name):
    x = torch.linspace(-2, 2, 9, requires_grad=True)
    out = (binarize.SURROGATES[name](x) * x).sum()
    (once,) = torch.autograd.grad(out, x, create_graph=True)
    (once * x).sum().backward()
    assert x.grad.isfinite().all()


def test_an_unknown_surrogate_and_a_bad_steepness_are_refused():
    with pytest.raises(ValueError, match=r"surrogate must be one of identity, .*'step'"):
        binarize.surrogate("step")
    with pytest.raises(ValueError, match="t must be above 0 and finite, got 0"):
        binarize.ede(torch.ones(1), 0)
