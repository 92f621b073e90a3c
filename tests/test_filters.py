import numpy as np
import pytest
from hypothesis import given
from hypothesis import strategies as st
from scipy import signal

from bnnstudy.theory import filters, flip_rates

rates = st.floats(1e-4, 1.0)


@given(alpha=rates, gamma=rates)
def test_the_cascade_is_one_average_after_another(alpha, gamma):
    x = np.random.default_rng(0).standard_normal(200)
    inner, outer, both = filters.ema(gamma), filters.ema(alpha), filters.cascade(alpha, gamma)
    apart = signal.lfilter(outer.b, outer.a, signal.lfilter(inner.b, inner.a, x))
    np.testing.assert_allclose(signal.lfilter(both.b, both.a, x), apart, rtol=1e-6, atol=1e-12)


@given(alpha=rates, gamma=rates)
def test_the_cascade_has_the_coefficients_of_eq_16(alpha, gamma):
    both = filters.cascade(alpha, gamma)
    np.testing.assert_allclose(both.b, [alpha * gamma])
    expected = [1, (alpha - 1) + (gamma - 1), (alpha - 1) * (gamma - 1)]
    np.testing.assert_allclose(both.a, expected, atol=1e-15)


@given(mu=st.floats(0, 0.99), product=st.floats(1e-6, 1.0))
def test_torch_sgd_is_the_cascade_until_its_poles_turn_complex(mu, product):
    limit = (1 - mu**0.5) ** 2
    if product > limit:
        with pytest.raises(ValueError, match="must be at most"):
            filters.torch_to_cascade(1.0, mu, product)
        return
    alpha, gamma = filters.torch_to_cascade(1.0, mu, product)
    assert 0 < alpha <= gamma <= 1 + 1e-12
    np.testing.assert_allclose(alpha + gamma, 1 - mu + product, rtol=1e-9)
    np.testing.assert_allclose(alpha * gamma, product, rtol=1e-9)
    np.testing.assert_allclose(
        filters.cascade(alpha, gamma).a, filters.torch_sgd(1.0, mu, product).a, atol=1e-12
    )


def test_the_two_views_meet_at_the_papers_numbers():
    alpha, state = filters.latent_to_filter(0.1, 1e-4, w0=np.array([2.0, -3.0]))
    assert alpha == pytest.approx(1e-5)
    np.testing.assert_allclose(state, [-2e-4, 3e-4])
    with pytest.raises(ValueError, match=r"lr \* weight_decay must be in \(0, 1\]"):
        filters.latent_to_filter(0.1, 0.0)


@given(pole_rates=st.lists(st.floats(0.01, 1.0), min_size=1, max_size=4))
def test_noise_gain_is_the_energy_of_the_impulse_response(pole_rates):
    cascade = filters.cascade(*pole_rates)
    impulse = np.zeros(20_000)
    impulse[0] = 1
    energy = np.sum(signal.lfilter(cascade.b, cascade.a, impulse) ** 2)
    assert filters.noise_gain(cascade) == pytest.approx(energy, rel=1e-4)


@given(alpha=st.floats(1e-3, 0.9))
def test_an_average_has_gain_one_at_rest_and_a_known_memory(alpha):
    ema = filters.ema(alpha)
    assert filters.response(ema, [0.0])[0] == pytest.approx(1)
    assert filters.response(ema, [0.5])[0] == pytest.approx(alpha / (2 - alpha))
    assert filters.time_constant(ema) == pytest.approx(-1 / np.log(1 - alpha))


def test_a_filter_that_does_not_die_out_has_no_finite_noise_gain():
    assert filters.noise_gain(filters.Filter((1.0,), (1.0, -1.0))) == float("inf")
    assert filters.noise_gain(filters.torch_sgd(0.1, 0.9, 0.0)) == float("inf")


def test_a_very_long_memory_is_still_finite():
    assert filters.time_constant(filters.ema(1e-8)) == pytest.approx(1e8, rel=1e-6)


@pytest.mark.parametrize(
    ("call", "message"),
    [
        (lambda: filters.ema(5.0), r"alpha must be in \(0, 1\], got 5.0"),
        (lambda: filters.torch_to_cascade(0.1, 1.5, 1e-4), r"momentum must be in \[0, 1\), got 1.5"),
        (lambda: filters.torch_to_cascade(-0.1, 0.5, 1e-4), "lr and weight_decay must be above 0"),
        (lambda: filters.torch_to_cascade(0.1, 0.9, 0.0), "lr and weight_decay must be above 0"),
    ],
)
def test_numbers_out_of_range_are_refused(call, message):
    with pytest.raises(ValueError, match=message):
        call()


def test_a_running_sum_is_allowed_and_has_no_time_constant():
    running_sum = filters.Filter((1.0,), (1.0, -1.0))
    filters.require_stable(running_sum)
    assert filters.time_constant(running_sum) == float("inf")


@pytest.mark.parametrize("poles", [[1.01], [-1.2, 0.5], [0.9 + 0.6j, 0.9 - 0.6j]])
def test_poles_outside_the_circle_are_refused(poles):
    with pytest.raises(ValueError, match="no pole outside the unit circle"):
        filters.require_stable(filters.Filter((1.0,), tuple(np.real(np.poly(poles)))))


def test_multiple_poles_on_the_circle_are_refused_and_simple_ones_are_not():
    with pytest.raises(ValueError, match="no multiple pole on the unit circle"):
        filters.require_stable(filters.Filter((1.0,), tuple(np.poly([1, 1]))))
    for others in ([0.99], [0.999, 0.998], [0.5, 0.4, 0.3], [0.99, 0.99]):
        with pytest.raises(ValueError, match="multiple pole on the unit circle"):
            filters.require_stable(filters.Filter((1.0,), tuple(np.poly([1, 1, *others]))))
    with pytest.raises(ValueError, match="multiple pole on the unit circle"):
        filters.require_stable(filters.Filter((1.0,), tuple(np.poly([-1, -1, 0.9]))))
    for rates_ in ([1e-4, 1e-4], [1e-3] * 3, [1e-5, 0.1, 0.1], [1e-7, 0.5]):
        filters.require_stable(filters.cascade(*rates_))
    filters.require_stable(filters.Filter((1.0,), tuple(np.poly([1, 0.99999]))))
    filters.require_stable(filters.Filter((1.0,), tuple(np.poly([1, -1, 0.5]))))
    filters.require_stable(filters.Filter((1.0,), tuple(np.real(np.poly([1j, -1j])))))


@given(alpha=st.floats(0.01, 0.9), gamma=st.floats(0.01, 1.0))
def test_white_noise_flips_signs_as_often_as_rice_says(alpha, gamma):
    cascade = filters.cascade(alpha, gamma)
    impulse = filters.impulse_response(cascade, 5000)
    # Of the output's correlation from one step to the next, the definition.
    rho = (impulse[1:] * impulse[:-1]).sum() / (impulse**2).sum()
    assert flip_rates.flip_rate(cascade) == pytest.approx(np.arccos(rho) / np.pi, rel=1e-4, abs=1e-7)


def test_noise_itself_flips_at_every_second_step_and_a_running_sum_never():
    assert flip_rates.flip_rate(filters.Filter((1.0,), (1.0,))) == pytest.approx(0.5)
    assert flip_rates.flip_rate(filters.Filter((1.0,), (1.0, -1.0))) == 0.0


@given(alpha=st.floats(0.005, 0.9), gamma=st.floats(0.005, 1.0))
def test_a_step_response_is_the_sum_of_impulses_and_settles_when_it_says(alpha, gamma):
    cascade = filters.cascade(alpha, gamma)
    steps = filters.step_response(cascade, 6000)
    np.testing.assert_allclose(steps, np.cumsum(filters.impulse_response(cascade, 6000)), rtol=1e-9)
    settled = int(filters.settling_time(cascade))
    assert np.all(np.abs(steps[settled:] - 1) <= 0.02)
    assert settled == 0 or abs(steps[settled - 1] - 1) > 0.02


@given(alpha=st.floats(0.01, 0.9))
def test_the_delay_of_a_slow_wave_is_the_mean_age_of_what_an_average_holds(alpha):
    delay = filters.group_delay(filters.ema(alpha), [1e-5])[0]
    assert delay == pytest.approx((1 - alpha) / alpha, rel=1e-3)


def test_what_never_settles_takes_forever():
    assert filters.settling_time(filters.Filter((1.0,), (1.0, -1.0))) == float("inf")


@pytest.mark.parametrize("lr", [0.01, 0.1, 0.3])
def test_torchs_sgd_without_decay_is_a_running_sum_however_its_root_is_rounded(lr):
    running_sum = filters.torch_sgd(lr, 0.9, 0.0)
    assert filters.time_constant(running_sum) == float("inf")
    assert filters.settling_time(running_sum) == float("inf")
