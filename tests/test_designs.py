"""Filters of other designs: what is matched is equal, and what runs them agrees with scipy."""

import copy
import math

import numpy as np
import pytest
import scipy.signal
import torch
from driving import SHAPES, apply, gradients, parameters, starts
from hypothesis import given, settings
from hypothesis import strategies as st
from torch import nn

from bnnstudy.config import RunConfig
from bnnstudy.config.fields import DESIGNS, MATCHED
from bnnstudy.nn.binarize import sign
from bnnstudy.optim import FilterOptimizer, FIRFilter, LinearFilter, SOSFilter, build
from bnnstudy.theory import designs, filters, flip_rates
from bnnstudy.theory.designs import Design, designed

EACH = [(family, matched) for family in DESIGNS for matched in MATCHED]


def test_configurations_and_theory_have_one_list_of_families_and_properties():
    assert {*designs.FAMILIES, "cascade"} == {*DESIGNS}
    assert {*designs.PROPERTIES} == {*MATCHED}


@pytest.mark.parametrize(("family", "matched"), EACH)
@pytest.mark.parametrize("rates", [(0.02, 0.1), (0.3, 0.5), (0.004, 0.1)])
def test_what_is_matched_is_the_cascades_and_the_gain_at_0_is_1(family, matched, rates):
    made = designed(family, matched, *rates)
    cascade = filters.cascade(*rates)
    known = {
        "noise gain": filters.noise_gain(cascade),
        "delay": 1 / rates[0] - 1 + 1 / rates[1] - 1,
        "flips": flip_rates.flip_rate(cascade),
    }
    assert designs.PROPERTIES[matched](made) == pytest.approx(known[matched], rel=1e-6)
    assert abs(designs.response(made, [0.0])[0] - 1) < 1e-9
    for row in made.sections:  # each by itself, so that no state is far smaller than another
        assert sum(row[:3]) / sum(row[3:]) == pytest.approx(1, abs=1e-9)


@pytest.mark.parametrize(("family", "matched"), EACH)
def test_properties_are_those_of_the_impulse_response(family, matched):
    made = designed(family, matched, 0.03, 0.1)
    h = designs.impulse_response(made, len(made.taps) or 20_000)
    assert designs.noise_gain(made) == pytest.approx(h @ h, rel=1e-9)
    assert designs.delay(made) == pytest.approx(h @ np.arange(len(h)), rel=1e-7)
    rho = h[1:] @ h[:-1] / (h @ h)
    assert designs.flip_rate(made) == pytest.approx(math.acos(rho) / math.pi, rel=1e-6)
    step = np.abs(np.cumsum(h) - 1) > 0.02
    assert designs.settling_time(made) == step.nonzero()[0].max() + 1


@given(log_alpha=st.floats(-4, 0), gamma=st.floats(0.01, 1), place=st.sampled_from(EACH))
@settings(max_examples=60, deadline=None)
def test_every_design_has_the_property_or_says_that_it_has_not(log_alpha, gamma, place):
    alpha, (family, matched) = 10**log_alpha, place
    wanted = designs.PROPERTIES[matched](designed("cascade", matched, alpha, gamma))
    try:
        made = designed(family, matched, alpha, gamma)
    except ValueError:
        with pytest.raises(ValueError, match=f"got {family!r}, which would take"):
            designed(family, matched, alpha, gamma)
        return
    # Filters that let nearly all pass are as near as the shortest stretch is.
    assert designs.PROPERTIES[matched](made) == pytest.approx(wanted, rel=1e-6, abs=2e-5)


def test_one_average_is_an_average_and_the_first_order_of_all_averages_agree():
    one = designed("average 1", "noise gain", 0.2, 1.0)
    assert one.sections[0][0] == pytest.approx(0.2)
    h = filters.impulse_response(filters.ema(0.2), 100)
    assert np.allclose(designs.impulse_response(one, 100), h)
    equal = designed("average 2", "delay", 0.1, 0.1)  # of two equal rates it is the cascade itself
    assert np.allclose(
        designs.impulse_response(equal, 300), filters.impulse_response(filters.cascade(0.1, 0.1), 300)
    )


@pytest.mark.parametrize("order", [2, 4])
@pytest.mark.parametrize("stretch", [3.0, 40.0])
def test_butterworth_and_bessel_are_scipys(order, stretch):
    cutoff = math.atan(1 / (2 * stretch)) / math.pi
    at = np.linspace(0, 0.5, 50)
    for made, wanted in (
        (designs.butterworth(stretch, order), scipy.signal.butter(order, cutoff, output="sos", fs=1)),
        (
            designs.bessel(stretch, order),
            scipy.signal.bessel(order, cutoff, output="sos", fs=1, norm="phase"),
        ),
    ):
        expected = scipy.signal.freqz_sos(wanted, at, fs=1)[1]
        assert np.allclose(designs.response(made, at), expected, atol=1e-9)
    half = designs.response(designs.butterworth(stretch, order), [cutoff])
    assert abs(half[0]) == pytest.approx(0.5**0.5)


def test_the_notch_takes_out_its_frequency_and_is_scipys_by_the_bilinear_transform():
    stretch = 20.0
    at = math.atan(1 / (2 * stretch)) / math.pi
    assert abs(designs.response(designs.notch(stretch), [at])[0]) < 1e-12
    b, a = scipy.signal.bilinear([stretch**2, 0, 1], [stretch**2, stretch, 1])
    two = designs.average(stretch, 2)
    grid = np.linspace(0, 0.5, 50)
    expected = designs.response(two, grid) * scipy.signal.freqz(b, a, grid, fs=1)[1]
    assert np.allclose(designs.response(designs.notch(stretch), grid), expected)


@pytest.mark.parametrize("length", [1, 2, 9, 64])
def test_windows_are_scipys_where_their_length_is_whole(length):
    windows = scipy.signal.windows
    hann = windows.hann(length + 2)[1:-1]
    assert np.allclose(designs.hann((length - 1) / 2).taps, hann / hann.sum())
    assert np.allclose(designs.boxcar((length - 1) / 2).taps, windows.boxcar(length) / length)


@pytest.mark.parametrize("window", [designs.boxcar, designs.hann])
def test_windows_stretch_without_jumps(window):
    found = [designs.delay(window(stretch)) for stretch in np.linspace(0, 3, 1000)]
    assert min(np.diff(found)) > 0
    assert max(np.diff(found)) < 0.02


def test_the_phase_crossover_of_averages_is_that_of_the_textbook():
    # k equal averages turn by half at tan(pi / k) of their corner, where cos(pi / k)^k is left.
    for order in (3, 4, 5):
        frequency, gain = designs.crossover(designs.average(1e4, order))
        assert gain == pytest.approx(math.cos(math.pi / order) ** order, rel=1e-2)
        assert frequency * 2 * math.pi * 1e4 == pytest.approx(math.tan(math.pi / order), rel=1e-2)
    # One never does before half the sampling rate, where it leaves alpha / (2 - alpha).
    frequency, gain = designs.crossover(designed("average 1", "noise gain", 0.1, 1.0))
    assert (frequency, gain) == (0.5, pytest.approx(0.1 / 1.9))
    # A whole turn is no half turn.
    for family in MATCHED_TURNS:
        frequency, gain = designs.crossover(designed(family, "delay", 0.02, 0.1))
        value = designs.response(designed(family, "delay", 0.02, 0.1), [frequency])[0]
        value *= np.exp(-2j * math.pi * frequency)
        assert value.real == pytest.approx(-gain, rel=1e-3)
        assert abs(value.imag) < 1e-3 * gain


MATCHED_TURNS = ("average 4", "butterworth 4", "bessel 4", "hann")


def loop(family: str, gain: float, steps: int = 3000) -> np.ndarray:
    """What a linear loop puts out after a kick: the filter gets minus `gain` times its last output."""
    made = designed(family, "delay", 0.02, 0.1)
    state, outputs = [np.zeros(2) for _ in made.sections], [1.0]
    for _ in range(steps):
        value = -gain * outputs[-1]
        for (b0, b1, b2, _, a1, a2), z in zip(made.sections, state, strict=True):
            out = b0 * value + z[0]
            z[:] = b1 * value - a1 * out + z[1], b2 * value - a2 * out
            value = out
        outputs.append(value)
    return np.abs(outputs)


@pytest.mark.parametrize("family", ["average 3", "average 5", "butterworth 4", "bessel 4"])
def test_a_loop_is_stable_below_the_gain_margin_and_not_above(family):
    _, gain = designs.crossover(designed(family, "delay", 0.02, 0.1))
    calm, wild = loop(family, 0.9 / gain), loop(family, 1.1 / gain)
    assert calm[-500:].max() < 0.5 * calm[1000:1500].max()
    assert wild[-500:].max() > 2 * wild[1000:1500].max()


@pytest.mark.parametrize(
    ("arguments", "message"),
    [
        (("ema", "flips", 0.1, 0.1), "family must be one of average 1, .*; got 'ema'"),
        (("hann", "noise", 0.1, 0.1), "matched must be one of noise gain, delay, flips; got 'noise'"),
        (("hann", "flips", 0.0, 0.1), "alpha must be from 1e-6 to 1, got 0.0"),
        (("hann", "flips", 0.1, 2.0), "gamma must be from 1e-6 to 1, got 2.0"),
        (
            ("boxcar", "flips", 1e-3, 0.1),
            "the flips of alpha 0.001 and gamma 0.1, 0.00326658; got 'boxcar', which would take more "
            "than 10,000 taps",
        ),
        (("bessel 4", "delay", 1e-6, 0.1), "got 'bessel 4', which would take a stretch beyond 1"),
    ],
)
def test_what_no_design_can_be_is_refused_by_name(arguments, message):
    with pytest.raises(ValueError, match=message):
        designed(*arguments)


@pytest.mark.parametrize("both", [{}, {"sections": ((1, 0, 0, 1, 0, 0),), "taps": (1.0,)}])
def test_a_design_is_sections_or_taps(both):
    with pytest.raises(ValueError, match="sections or taps must be given, and not both"):
        Design(**both)


def _outputs(optimizer, weight, steps) -> list[np.ndarray]:
    found = []
    for gradient in steps:
        apply(optimizer, [weight], [gradient])
        found.append(weight.detach().numpy().copy())
    return found


STEPS = 4000


def _noise(dtype=torch.float64, seed=0):
    random = torch.Generator().manual_seed(seed)
    return torch.randn(STEPS, 30, generator=random).to(dtype)


def _signs_of(design: Design, steps: torch.Tensor) -> tuple[np.ndarray, np.ndarray]:
    outputs = designs.filtered(design, steps.double().numpy())
    size = np.sqrt(np.mean(outputs**2))
    return -np.sign(outputs), np.abs(outputs) > 1e-4 * size


@pytest.mark.parametrize(("family", "matched"), [(f, m) for f, m in EACH if f != "boxcar"])
@pytest.mark.parametrize("dtype", [torch.float32, torch.float64])
def test_weights_are_minus_the_signs_of_scipys_output_in_both_precisions(family, matched, dtype):
    config = RunConfig(view="filter", optimizer="designed", real_optimizer="adam", design=family,
                       matched=matched, alpha=0.02)  # fmt: skip
    steps = _noise(dtype)
    weight = nn.Parameter(torch.ones(30, dtype=dtype))
    found = np.array(_outputs(build("designed", [weight], config), weight, steps))
    expected, clear = _signs_of(designed(family, matched, 0.02, 0.1), steps)
    assert clear.mean() > 0.99
    assert np.array_equal(found[clear], expected[clear])


def test_slow_filters_of_high_order_keep_their_digits_in_float32_and_the_direct_form_does_not():
    rate = 1e-3
    design = designs.average(1 / rate - 1, 5)
    steps = _noise(torch.float32)
    weights = [nn.Parameter(torch.ones(30)) for _ in range(2)]
    sections = SOSFilter([weights[0]], scipy.signal.zpk2sos([], [1 - rate] * 5, rate**5))
    b, a = scipy.signal.zpk2tf([], [1 - 0.02] * 5, 0.02**5)
    direct = LinearFilter([weights[1]], b, a)
    slow, clear = _signs_of(design, steps)
    late = slice(STEPS // 2, None)
    found = np.array(_outputs(sections, weights[0], steps))
    assert (found == slow)[late][clear[late]].mean() > 0.999
    quick, clear = _signs_of(designs.average(49, 5), steps)
    found = np.array(_outputs(direct, weights[1], steps))
    assert (found == quick)[late].mean() < 0.95  # even at a rate twenty times as large


def test_the_cascade_as_sections_is_the_filter():
    theta = [sign(w) for w in starts(3, 1)]
    one, two = parameters(theta), parameters(theta)
    config = RunConfig(view="filter", optimizer="designed", real_optimizer="adam", alpha=0.02)
    pair = (build("designed", one, config), one), (FilterOptimizer(two, 0.02, 0.1), two)
    for step in gradients(3, 300):
        for optimizer, params in pair:
            apply(optimizer, params, step)
        assert all(torch.equal(p, q) for p, q in zip(one, two, strict=True))


@pytest.mark.parametrize("make", [lambda p: FIRFilter(p, [0.5, 0.0, 0.5]),
                                  lambda p: SOSFilter(p, [[0.1, 0, 0, 1, -0.9, 0]])])  # fmt: skip
def test_where_the_output_is_0_a_weight_stays(make):
    weight = nn.Parameter(torch.tensor([1.0, -1.0]))
    apply(make([weight]), [weight], [torch.zeros(2)])
    assert weight.tolist() == [1, -1]


def test_a_window_forgets_what_is_older_than_it():
    weight = nn.Parameter(torch.ones(1))
    optimizer = FIRFilter([weight], [0.25] * 4)
    found = []
    for value in (100.0, -1.0, -1.0, -1.0, -1.0):
        apply(optimizer, [weight], [torch.tensor([value])])
        found.append(weight.item())
    assert found == [-1, -1, -1, -1, 1]


def test_a_group_may_have_sections_of_its_own_and_a_state_goes_on_after_a_pause():
    params = parameters([torch.ones(s).double() for s in SHAPES])
    groups = [{"params": params[:1]}, {"params": params[1:], "taps": [1.0]}]
    optimizer = FIRFilter(groups, [0.5, 0.5])
    step = [torch.full(s, 1.0).double() for s in SHAPES]
    apply(optimizer, params, step)
    params[0].grad = None
    params[1].grad, params[2].grad = (-3 * g for g in step[1:])
    optimizer.step()
    apply(optimizer, params[:1], [-0.5 * step[0]])  # 0.5 * (-0.5) + 0.5 * 1: its ring stood still
    assert [p.flatten()[0].item() for p in params] == [-1, 1, 1]
    saved = copy.deepcopy(optimizer.state_dict())
    assert [saved["state"][k]["place"] for k in range(3)] == [0, 0, 0]


@pytest.mark.parametrize(
    ("make", "message"),
    [
        (lambda p: SOSFilter(p, None), "sections must be rows of numbers, got None"),
        (lambda p: SOSFilter(p, []), "sections must be one or more rows"),
        (lambda p: SOSFilter(p, [[1, 0, 0, 1, 0]]), r"sections must be one or more rows \(b0, b1"),
        (lambda p: SOSFilter(p, [[1, 0, 0, 0, 0, 0]]), "an a0 that is not 0"),
        (lambda p: SOSFilter(p, [[1, 0, 0, 1, -1, 0]]), "no pole on the unit circle or outside"),
        (lambda p: SOSFilter(p, [[1, 0, 0, 1, 0, 1.1]]), "no pole on the unit circle or outside"),
        (lambda p: SOSFilter(p, [[0, 0, 0, 1, 0, 0.1]]), "must let something through"),
        (lambda p: SOSFilter(p, [[1, math.nan, 0, 1, 0, 0]]), "must be a finite number, got nan"),
        (lambda p: FIRFilter(p, 3), "taps must be a sequence of numbers, got 3"),
        (lambda p: FIRFilter(p, []), "taps must have one that is not 0"),
        (lambda p: FIRFilter(p, [math.inf]), "a value of taps must be a finite number, got inf"),
        (lambda p: FIRFilter(p, [1e300]), "a value of taps must be at most"),
    ],
)
def test_bad_sections_and_taps_are_refused_by_name(make, message):
    with pytest.raises(ValueError, match=message):
        make([nn.Parameter(torch.ones(3))])


@pytest.mark.parametrize("make", [lambda p: FIRFilter(p, [1.0]),
                                  lambda p: SOSFilter(p, [[0.1, 0, 0, 1, -0.9, 0]])])  # fmt: skip
def test_no_schedule_moves_them_and_weights_have_to_be_signs(make):
    weight = nn.Parameter(torch.ones(2))
    optimizer = make([weight])
    optimizer.param_groups[0]["lr"] = 0.5
    with pytest.raises(ValueError, match=r"lr must stay 1 \(no schedule moves a (FIR|SOS)Filter\)"):
        apply(optimizer, [weight], [torch.ones(2)])
    with pytest.raises(ValueError, match="1 of 2 are not"):
        make([nn.Parameter(torch.tensor([1.0, 0.5]))])
