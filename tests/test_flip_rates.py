"""Flips of filters on gradients, counted the slow way and known beforehand."""

from itertools import pairwise

import numpy as np
import pytest
from scipy import signal

from bnnstudy.config.run import RunConfig
from bnnstudy.theory import factors, filters, flip_rates, memory


def test_flips_are_counted_weight_by_weight():
    gradients = np.random.default_rng(0).standard_normal((200, 7))
    gradients[50:60, 3] = 0.0
    for form in (filters.Filter((1.0,), (1.0,)), filters.ema(0.3), filters.cascade(0.1, 0.2)):
        outputs = signal.lfilter(form.b, form.a, gradients, axis=0)
        expected = 0
        for column in outputs.T:
            signs = [np.sign(y) for y in column if y != 0]
            expected += sum(a != b for a, b in pairwise(signs))
        assert flip_rates.flips(form, gradients) == pytest.approx(expected / 7)


def test_the_first_order_filter_with_as_few_flips_has_as_few():
    gradients = np.random.default_rng(1).standard_normal((2000, 50))
    second = filters.cascade(0.1, 0.1)
    wanted = flip_rates.flips(second, gradients)
    first = flip_rates.first_order_with(wanted, gradients)
    assert flip_rates.flips(first, gradients) == pytest.approx(wanted, rel=0.02)
    # Of white noise Rice's formula knows it beforehand.
    assert flip_rates.flip_rate(first) == pytest.approx(flip_rates.flip_rate(second), rel=0.2)
    assert flip_rates.first_order_with(0.0, gradients) is None


def test_late_flips_of_a_replay_are_those_of_the_second_half():
    gradients = np.random.default_rng(2).standard_normal((400, 9))
    form = filters.cascade(0.05, 0.3)
    outputs = signal.lfilter(form.b, form.a, gradients, axis=0)
    late = [np.sign(outputs[i]) != np.sign(outputs[i - 1]) for i in range(200, 400)]
    assert flip_rates.replayed_late(form, gradients) == pytest.approx(np.mean(late))


@pytest.mark.parametrize("pole", [-0.8, 0.0, 0.9])
def test_of_coloured_noise_the_spectrum_knows_what_white_noises_formula_does_not(pole):
    noise = np.random.default_rng(3).standard_normal((20_000, 20))
    coloured = signal.lfilter([1], [1, -pole], noise, axis=0)
    form = filters.cascade(0.05, 0.3)
    counted = flip_rates.replayed_late(form, coloured)
    assert flip_rates.spectral_flip_rate(form, coloured) == pytest.approx(counted, rel=0.06)
    # The colour is one more stage of the filter.
    whole = filters.Filter(form.b, tuple(np.convolve(form.a, [1, -pole])))
    assert flip_rates.flip_rate(whole) == pytest.approx(counted, rel=0.06)
    assert (flip_rates.flip_rate(form) == pytest.approx(counted, rel=0.06)) == (pole == 0.0)


def test_a_spectrum_with_less_noise_is_that_of_a_larger_batch():
    random = np.random.default_rng(4)
    drift = signal.lfilter([0.05], [1, -0.95], random.standard_normal((20_000, 20)), axis=0)
    small, large = (drift + s * random.standard_normal(drift.shape) for s in (1.0, 0.5))
    form = filters.ema(0.3)
    foretold = flip_rates.spectral_flip_rate(form, small, noise=0.25)
    assert foretold == pytest.approx(flip_rates.spectral_flip_rate(form, large), rel=0.05)
    assert foretold != pytest.approx(flip_rates.spectral_flip_rate(form, small), rel=0.05)


@pytest.mark.parametrize("direction", [0.05, 0.1, 0.15])
def test_a_direction_that_lasts_makes_flips_rarer_as_rice_has_it(direction):
    gradients = np.random.default_rng(5).standard_normal((40_000, 30)) + direction
    form = filters.cascade(0.01, 0.1)
    counted = flip_rates.replayed_late(form, gradients)
    assert flip_rates.spectral_flip_rate(form, gradients) == pytest.approx(counted, rel=0.1)
    assert counted < 0.8 * flip_rates.flip_rate(form)


def test_gradients_that_never_come_flip_nothing():
    assert flip_rates.spectral_flip_rate(filters.ema(0.1), np.zeros((100, 3))) == 0.0


def test_a_filters_rates_are_its_alpha_times_the_factors_of_its_schedule():
    cosine = factors("cosine", 1000)
    assert cosine[0] == 1
    assert np.all(np.diff(cosine) < 0)
    assert cosine.mean() == pytest.approx(0.5, abs=1e-3)
    config = RunConfig(view="filter", optimizer="filter", alpha=0.02, schedule="cosine")
    for rates in memory.rates(config, 1000):
        assert np.allclose(rates, 0.02 * cosine)
