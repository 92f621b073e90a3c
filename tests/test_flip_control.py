"""The loop that holds flips: its linear form is the model's, it is stable, and how far."""

import math

import numpy as np
import pytest
import torch
from hypothesis import given
from hypothesis import strategies as st
from torch import nn

from bnnstudy.optim import FilterOptimizer, LatentSGD
from bnnstudy.theory.flip_control import (
    critical_gain,
    largest_gain,
    loop_poles,
    rates_without_decay,
)
from bnnstudy.theory.flip_rates import flip_ratio_by_step

shares = st.floats(1e-4, 1.0)


@given(smoothing=st.floats(1e-4, 0.9))
def test_the_critical_gain_is_where_two_poles_become_one(smoothing):
    gain = critical_gain(smoothing)
    total = 2 - smoothing - gain * smoothing
    assert total**2 == pytest.approx(4 * (1 - smoothing), abs=1e-9)
    above = 2 - smoothing - 1.01 * gain * smoothing
    assert above**2 < 4 * (1 - smoothing)


@given(alpha=st.floats(1e-5, 0.999), smoothing=shares, share=st.floats(0.01, 1.0))
def test_the_loop_is_stable_up_to_the_critical_gain_at_every_alpha(alpha, smoothing, share):
    poles = loop_poles(alpha, smoothing, share * critical_gain(smoothing))
    assert max(abs(poles)) < 1


@given(alpha=st.floats(1e-3, 0.5), smoothing=st.floats(0.01, 0.5))
def test_the_largest_gain_is_the_last_stable_one(alpha, smoothing):
    largest = largest_gain(alpha, smoothing)
    assert max(abs(loop_poles(alpha, smoothing, 0.999 * largest))) < 1
    assert max(abs(loop_poles(alpha, smoothing, 1.001 * largest))) >= 1
    assert largest > 2 * critical_gain(smoothing)


def test_an_open_loop_keeps_its_trim_and_forgets_the_rest():
    poles = sorted(abs(loop_poles(0.01, 0.05, gain=0.0)))
    assert poles == pytest.approx([0.95, 0.99**2, 1.0])


def simulated(alpha, smoothing, gain, steps, disturbed):
    """The loop on the model itself: no linear form, flips that are `disturbed` times its own."""
    spread, measured, trim, trims = alpha / (2 - alpha), 1.0, 1.0, []
    steady = alpha / spread**0.5
    for _ in range(steps):
        rate = min(alpha * trim, 1.0)
        spread = (1 - rate) ** 2 * spread + rate**2
        measured += smoothing * (disturbed * rate / spread**0.5 / steady - measured)
        trim = min(max(trim * measured**-gain, 1e-3), 1e3)
        trims.append(trim)
    return np.array(trims)


@pytest.mark.parametrize("alpha", [0.003, 0.03, 0.2])
def test_poles_are_those_of_the_model(alpha):
    # A small disturbance, then the course of the linear form, step by step.
    smoothing, small = 0.1, 1e-4
    gain = critical_gain(smoothing)
    found = np.log(simulated(alpha, smoothing, gain, 400, math.exp(small)))
    kept, hand = (1 - alpha) ** 2, 0.0
    variance = measured = 0.0
    for step in range(400):
        variance = kept * variance + 2 * alpha * hand
        measured += smoothing * (small + hand - variance / 2 - measured)
        hand -= gain * measured
        assert hand == pytest.approx(found[step], rel=2e-3, abs=1e-9)
    # In the end the disturbance is made up for: in full at once, by half when the state has followed.
    slowest = max(abs(loop_poles(alpha, smoothing, gain)))
    rest = slowest**400
    assert abs(found[-1] + small * (2 - alpha) / (1 - alpha)) <= 4 * small * rest + 1e-7


def test_beyond_the_largest_gain_the_model_swings():
    alpha, smoothing = 0.05, 0.5
    largest = largest_gain(alpha, smoothing)
    calm = simulated(alpha, smoothing, 0.7 * largest, 3000, 1.01)
    wild = simulated(alpha, smoothing, 1.3 * largest, 3000, 1.01)
    assert np.ptp(np.log(calm[-200:])) < 1e-6
    assert np.ptp(np.log(wild[-200:])) > 0.1


def test_the_linear_form_is_that_of_the_flip_ratio():
    # A trim of one percent, seen at once in full and late by half.
    alpha, gamma, up = 0.01, 0.1, 1.01
    factors = np.append(np.ones(3000), np.full(3000, up))
    ratios = flip_ratio_by_step(alpha, gamma, factors)
    steady = ratios[2999]
    assert math.log(ratios[3000] / steady) == pytest.approx(math.log(up), rel=0.03)
    assert math.log(ratios[-1] / steady) == pytest.approx(math.log(up) / 2, rel=0.03)


@given(seed=st.integers(0, 99), low=st.floats(0.01, 0.2), high=st.floats(0.01, 0.2))
def test_a_rate_without_decay_moves_signs_as_alphas_do(seed, low, high):
    steps, size = 60, 50
    alphas = np.linspace(low, high, steps)
    alphas[0] = 1.0
    rates = rates_without_decay(alphas)
    random = torch.Generator().manual_seed(seed)
    gradients = torch.randn(steps, size, generator=random, dtype=torch.float64)
    drawn = torch.randn(size, generator=random, dtype=torch.float64).sign()
    weight, latent = nn.Parameter(drawn.clone()), nn.Parameter(0 * drawn)
    filtering, plain = FilterOptimizer([weight], 1.0, 0.3), LatentSGD([latent], 1.0, 0.3, 0.0)
    for gradient, alpha, rate in zip(gradients, alphas, rates, strict=True):
        filtering.param_groups[0]["alpha"], plain.param_groups[0]["lr"] = alpha, rate
        weight.grad, latent.grad = gradient.clone(), gradient.clone()
        filtering.step()
        plain.step()
        assert torch.equal(torch.where(latent >= 0, 1.0, -1.0).double(), weight.detach())


@pytest.mark.parametrize(
    ("call", "says"),
    [
        (lambda: critical_gain(0.0), r"smoothing must be in \(0, 1\], got 0.0"),
        (lambda: loop_poles(2.0, 0.1), r"alpha must be in \(0, 1\], got 2.0"),
        (lambda: loop_poles(0.1, 0.1, -1.0), "gain must be 0 or more and finite, got -1.0"),
        (lambda: largest_gain(0.1, "x"), r"smoothing must be in \(0, 1\], got 'x'"),
        (
            lambda: rates_without_decay(np.array([0.5, 1.0])),
            r"alphas must be a row of numbers, each in \(0, 1\)",
        ),
        (
            lambda: rates_without_decay(np.array(0.5)),
            r"alphas must be a row of numbers, each in \(0, 1\)",
        ),
        (lambda: rates_without_decay("x"), r"alphas must be a row of numbers, each in \(0, 1\)"),
    ],
)
def test_bad_numbers_are_refused(call, says):
    with pytest.raises(ValueError, match=says):
        call()
