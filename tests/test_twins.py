"""Every optimizer against its slow twin in the papers' symbols, fed the same gradients."""

import numpy as np
import torch
from driving import SHAPES, apply, gradients, parameters, rates, seeds, signs, starts
from hypothesis import given
from hypothesis import strategies as st
from scipy import signal

from bnnstudy import optim
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
    ovsw,
    reference,
)
from bnnstudy.optim.reference import (
    BopTwin,
    FilterTwin,
    FIRFilterTwin,
    LatentSGDTwin,
    LinearFilterTwin,
    NormalisedFilterTwin,
    OvSWTwin,
    SecondOrderBopTwin,
    SOSFilterTwin,
)


@given(
    lr=st.floats(1e-3, 10),
    gamma=rates,
    decay=st.floats(0, 0.09),
    scale=st.sampled_from([0, 1]),
    seed=seeds,
)
def test_latent_sgd_follows_its_twin(lr, gamma, decay, scale, seed):
    w0 = starts(seed, scale)
    params = parameters(w0)
    optimizer = LatentSGD(params, lr, gamma, decay)
    twins = [LatentSGDTwin(w, lr, gamma, decay) for w in w0]
    for step in gradients(seed):
        apply(optimizer, params, step)
        for p, twin, gradient in zip(params, twins, step, strict=True):
            theta = twin.step(gradient)
            torch.testing.assert_close(p.detach(), twin.w, rtol=1e-9, atol=1e-12)
            assert torch.equal(sign(p), theta)


@given(alpha=rates, gamma=rates, scale=st.sampled_from([0, 1]), seed=seeds)
def test_the_filter_follows_its_twin(alpha, gamma, scale, seed):
    w0 = starts(seed, scale)
    theta0, g0 = [sign(w) for w in w0], [-0.01 * w for w in w0]
    params = parameters(theta0)
    optimizer = FilterOptimizer(params, alpha, gamma, initial_state=g0)
    twins = [FilterTwin(t, alpha, gamma, g) for t, g in zip(theta0, g0, strict=True)]
    for step in gradients(seed):
        apply(optimizer, params, step)
        for p, twin, gradient in zip(params, twins, step, strict=True):
            assert torch.equal(p.detach(), twin.step(gradient))
            torch.testing.assert_close(optimizer.filtered(p), twin.g, rtol=1e-9, atol=1e-12)


inside = st.floats(-0.95, 0.95)


@given(
    poles=st.lists(inside, max_size=4),
    pairs=st.lists(st.tuples(inside, st.floats(0.05, 3.0)), max_size=2),
    b=st.lists(st.floats(-2, 2), min_size=1, max_size=9).filter(lambda b: abs(b[0]) > 0.1),
    a0=st.sampled_from([1.0, 2.0, -0.5]),
    seed=seeds,
)
def test_a_linear_filter_of_any_order_follows_its_twin_and_scipy(poles, pairs, b, a0, seed):
    every = [*poles, *(abs(r) * np.exp(s * 1j * angle) for r, angle in pairs for s in (1, -1))]
    a = a0 * np.real(np.poly(every)) if every else np.array([a0])
    steps = gradients(seed)
    theta0 = [sign(w) for w in starts(seed, 1)]
    params = parameters(theta0)
    optimizer = LinearFilter(params, b, a)
    twins = [LinearFilterTwin(t, b, a) for t in theta0]
    outputs = [
        signal.lfilter(b, a, np.stack([s[k].numpy() for s in steps]), axis=0)
        for k in range(len(SHAPES))
    ]
    for i, step in enumerate(steps):
        apply(optimizer, params, step)
        for p, twin, gradient, output in zip(params, twins, step, outputs, strict=True):
            theta = twin.step(gradient)
            # Signs are compared where rounding cannot decide them, which is nearly everywhere.
            clear = torch.from_numpy(np.abs(output[i]) > 1e-9)
            expected = -torch.from_numpy(np.sign(output[i]))
            assert torch.equal(p.detach()[clear], theta[clear])
            assert torch.equal(p.detach()[clear], expected[clear])


@given(
    poles=st.lists(st.tuples(inside, st.floats(0.05, 3.0)), min_size=1, max_size=3),
    zeros=st.tuples(st.floats(-2, 2), st.floats(-2, 2)),
    a0=st.sampled_from([1.0, 2.0, -0.5]),
    single=st.booleans(),
    seed=seeds,
)
def test_sections_follow_their_twin(poles, zeros, a0, single, seed):
    rows = [[1.0, *zeros, a0, -2 * a0 * r * np.cos(w), a0 * r**2] for r, w in poles]
    rows += [[0.5, 0.25, 0.0, a0, -0.9 * a0, 0.0]] * single
    params = parameters([sign(w) for w in starts(seed, 1)])
    optimizer, twins = SOSFilter(params, rows), [SOSFilterTwin(p.detach(), rows) for p in params]
    wide = [signal.sosfilt(np.array(rows) / a0, g, axis=0) for g in _by_tensor(gradients(seed))]
    for i, step in enumerate(gradients(seed)):
        apply(optimizer, params, step)
        for p, twin, gradient, output in zip(params, twins, step, wide, strict=True):
            theta, clear = twin.step(gradient), torch.from_numpy(np.abs(output[i]) > 1e-9)
            assert torch.equal(p.detach()[clear], theta[clear])
            assert torch.equal(theta[clear], -torch.from_numpy(np.sign(output[i]))[clear])


@given(taps=st.lists(st.floats(-2, 2), min_size=1, max_size=40).filter(any), seed=seeds)
def test_a_window_follows_its_twin(taps, seed):
    params = parameters([sign(w) for w in starts(seed, 1)])
    optimizer, twins = FIRFilter(params, taps), [FIRFilterTwin(p.detach(), taps) for p in params]
    wide = [signal.lfilter(taps, [1.0], g, axis=0) for g in _by_tensor(gradients(seed))]
    for i, step in enumerate(gradients(seed)):
        apply(optimizer, params, step)
        for p, twin, gradient, output in zip(params, twins, step, wide, strict=True):
            theta, clear = twin.step(gradient), torch.from_numpy(np.abs(output[i]) > 1e-9)
            assert torch.equal(p.detach()[clear], theta[clear])
            assert torch.equal(theta[clear], -torch.from_numpy(np.sign(output[i]))[clear])


def _by_tensor(steps: list[list[torch.Tensor]]) -> list[np.ndarray]:
    return [np.stack([step[k].numpy() for step in steps]) for k in range(len(SHAPES))]


@given(threshold=st.one_of(st.just(0.0), st.floats(1e-4, 1.0)), gamma=rates, seed=seeds)
def test_bop_follows_its_twin(threshold, gamma, seed):
    theta0 = [sign(w) for w in starts(seed, 1)]
    params = parameters(theta0)
    optimizer = Bop(params, threshold, gamma)
    twins = [BopTwin(t, threshold, gamma) for t in theta0]
    for step in gradients(seed):
        apply(optimizer, params, step)
        for p, twin, gradient in zip(params, twins, step, strict=True):
            twin.step(gradient)
            # Where rounding cannot decide whether the average passes the threshold.
            clear = (twin.m.abs() - threshold).abs() > 1e-12
            assert torch.equal(p.detach()[clear], twin.theta[clear])


@given(
    threshold=st.one_of(st.just(0.0), st.floats(1e-3, 1.0)),
    gamma=rates,
    sigma=st.floats(1e-4, 1.0),
    seed=seeds,
)
def test_second_order_bop_follows_its_twin(threshold, gamma, sigma, seed):
    theta0 = [sign(w) for w in starts(seed, 1)]
    params = parameters(theta0)
    optimizer = SecondOrderBop(params, threshold, gamma, sigma)
    twins = [SecondOrderBopTwin(t, threshold, gamma, sigma) for t in theta0]
    for step in gradients(seed):
        apply(optimizer, params, step)
        for p, twin, gradient in zip(params, twins, step, strict=True):
            twin.step(gradient)
            # Where rounding cannot decide whether the average passes the threshold.
            clear = (twin.loudness - threshold).abs() > 1e-9
            assert torch.equal(p.detach()[clear], twin.theta[clear])


@given(alpha=rates, gamma=rates, sigma=st.floats(1e-4, 1.0), seed=seeds)
def test_the_normalised_filter_follows_its_twin(alpha, gamma, sigma, seed):
    theta0 = [sign(w) for w in starts(seed, 1)]
    params = parameters(theta0)
    optimizer = NormalisedFilter(params, alpha, gamma, sigma)
    twins = [NormalisedFilterTwin(t, alpha, gamma, sigma) for t in theta0]
    for step in gradients(seed):
        apply(optimizer, params, step)
        for p, twin, gradient in zip(params, twins, step, strict=True):
            theta = twin.step(gradient)
            clear = twin.g.abs() > 1e-12
            assert torch.equal(p.detach()[clear], theta[clear])
            torch.testing.assert_close(optimizer.filtered(p), twin.g, rtol=1e-9, atol=1e-12)


@given(
    lr=st.floats(1e-3, 1.0),
    alpha=st.floats(1e-4, 0.9),
    beta1=st.floats(0.0, 0.99),
    beta2=st.floats(0.5, 0.9999),
    seed=seeds,
)
def test_adamw_from_zero_is_the_normalised_filter(lr, alpha, beta1, beta2, seed):
    latent = parameters([torch.zeros_like(w) for w in starts(seed, 1)])
    adamw = torch.optim.AdamW(latent, lr, (beta1, beta2), weight_decay=alpha / lr)
    params = parameters([sign(w) for w in starts(seed, 1)])
    ours = NormalisedFilter(params, alpha, 1 - beta1, 1 - beta2)
    for step in gradients(seed):
        apply(adamw, latent, step)
        apply(ours, params, step)
        for w, p in zip(latent, params, strict=True):
            torch.testing.assert_close(ours.filtered(p) * lr / alpha, -w, rtol=1e-6, atol=1e-9)
            clear = w.abs() > 1e-9
            assert torch.equal(p.detach()[clear], sign(w.detach())[clear])


@given(alpha=rates, gamma=rates, seed=seeds, power=st.integers(0, 20))
def test_the_normalised_filter_does_not_see_the_unit_of_a_gradient(alpha, gamma, seed, power):
    made = []
    for unit in (1.0, 2.0**power):
        params = parameters([sign(w) for w in starts(seed, 1)])
        optimizer = NormalisedFilter(params, alpha, gamma)
        for step in gradients(seed):
            apply(optimizer, params, [100 * unit * gradient for gradient in step])
        made.append([optimizer.filtered(p) for p in params])
    for one, other in zip(*made, strict=True):
        torch.testing.assert_close(one, other, rtol=1e-4, atol=1e-6)


@given(gamma=rates, sigma=rates, seed=seeds)
def test_at_threshold_0_the_second_order_is_bop(gamma, sigma, seed):
    params, others = (parameters([sign(w) for w in starts(seed, 1)]) for _ in range(2))
    optimizers = SecondOrderBop(params, 0.0, gamma, sigma), Bop(others, 0.0, gamma)
    for step in gradients(seed):
        apply(optimizers[0], params, step)
        apply(optimizers[1], others, step)
        assert all(torch.equal(p, q) for p, q in zip(params, others, strict=True))


@given(rate=rates, seed=seeds)
def test_no_gradient_is_louder_than_1_where_both_averages_are_as_long(rate, seed):
    params = parameters([sign(w) for w in starts(seed, 1)])
    before = signs(params)
    optimizer = SecondOrderBop(params, 1.0 + 1e-9, rate, rate)
    for step in gradients(seed):
        apply(optimizer, params, step)
    assert signs(params) == before


@given(
    lr=st.floats(1e-2, 1.0),
    gamma=rates,
    delta=st.sampled_from([0.0, 1.0, 3.0]),
    silent_decay=st.sampled_from([0.0, 0.3]),
    memory=st.floats(0.0, 0.99),
    threshold=st.sampled_from([0.0, 1e-4, 0.2]),
    scale=st.sampled_from([0, 1]),
    seed=seeds,
)
def test_ovsw_follows_its_twin(lr, gamma, delta, silent_decay, memory, threshold, scale, seed):
    w0 = starts(seed, scale)
    params = parameters(w0)
    numbers = {"delta": delta, "threshold": threshold}
    optimizer = OvSW(params, lr, gamma, 0.1, silent_decay=silent_decay, memory=memory, **numbers)
    twins = [OvSWTwin(w, lr, gamma, 0.1, dampen=silent_decay, m=memory, **numbers) for w in w0]
    for step in gradients(seed):
        apply(optimizer, params, step)
        for p, twin, gradient in zip(params, twins, step, strict=True):
            theta = twin.step(gradient)
            torch.testing.assert_close(p.detach(), twin.sgd.w, rtol=1e-8, atol=1e-11)
            assert torch.equal(sign(p), theta)


@given(seed=seeds, silent_decay=st.sampled_from([0.0, 0.1]))
def test_ovsw_without_its_parts_is_latent_sgd_and_silence_of_all_is_one_decay(seed, silent_decay):
    # With no momentum a decay that is added to the gradient is one that is not.
    w0, shape = starts(seed, 1), (2, 3, 3, 3)
    gamma = 1.0 if silent_decay else 0.2
    one, other = parameters(w0[2:]), parameters(w0[2:])
    made = OvSW(one, 0.5, gamma, 0.1, delta=0.0, silent_decay=silent_decay, threshold=2.0)
    plain = LatentSGD(other, 0.5, gamma, 0.1 + silent_decay)
    for step in gradients(seed, shapes=[shape]):
        apply(made, one, step)
        apply(plain, other, step)
        torch.testing.assert_close(one[0], other[0], rtol=1e-9, atol=1e-12)


def test_a_channel_without_size_or_gradient_is_scaled_from_the_sources_least_norms():
    weight = torch.tensor([[0.0, 0.0], [3.0, 4.0], [3.0, 4.0]])
    gradient = torch.tensor([[0.0, 1e-5], [0.0, 1e-8], [0.0, 100.0]])
    found = ovsw.scaled(gradient, weight, delta=2.0)
    # 2 * 1e-3 for no weight; 1e-8 times 2 * 5 / 1e-6; and a gradient that is large stays.
    torch.testing.assert_close(found, torch.tensor([[0.0, 2e-3], [0.0, 0.1], [0.0, 100.0]]))


def test_a_weight_is_silent_below_the_threshold_and_decays_by_it():
    # A flip lifts the average to a half. It halves with each step, and is below a quarter at the third.
    (weight,) = parameters([torch.tensor([[1.0, 1.0]])])
    optimizer = OvSW([weight], 0.1, 1.0, delta=0.0, silent_decay=1.0, memory=0.5, threshold=0.25)
    for push, factors in ((30.0, (0.9, 0.9)), (0.0, (1.0, 0.9)), (0.0, (1.0, 0.9)), (0.0, (0.9, 0.9))):
        before = weight.detach().clone()
        apply(optimizer, [weight], [torch.tensor([[push, 0.0]])])
        expected = before * torch.tensor([factors]) - 0.1 * torch.tensor([[push, 0.0]])
        torch.testing.assert_close(weight.detach(), expected)


@given(seed=seeds, power=st.integers(-3, 8))
def test_scaled_gradients_forget_the_size_of_the_start(seed, power):
    # Where every channel is scaled, weights and gradients have one size: a power of two is exact.
    w0, factor = starts(seed, 1)[:1], 2.0**power
    small, large = parameters(w0), parameters([factor * w0[0]])
    pair = [OvSW(p, 0.5, 0.1, 0.1, delta=1e3) for p in (small, large)]
    for step in gradients(seed, steps=20):
        apply(pair[0], small, step[:1])
        apply(pair[1], large, step[:1])
        assert torch.equal(factor * small[0], large[0])
    assert signs(small) != signs(w0)


def test_a_torch_scheduler_drives_bops_gamma():
    theta0 = [sign(w) for w in starts(1, 1)]
    params = parameters(theta0)
    optimizer = Bop(params, 1e-3, 0.5)
    scheduler = torch.optim.lr_scheduler.LambdaLR(optimizer, lambda i: 0.5**i)
    twins = [BopTwin(t, 1e-3, 0.5) for t in theta0]
    for i, step in enumerate(gradients(1, steps=20)):
        apply(optimizer, params, step)
        scheduler.step()
        expected = [t.step(g, 0.5 * 0.5**i) for t, g in zip(twins, step, strict=True)]
        assert signs(params) == signs(expected)


def test_a_torch_scheduler_drives_alpha_down_to_zero():
    theta = [sign(w) for w in starts(1, 1)]
    params = parameters(theta)
    optimizer = FilterOptimizer(params, 0.5, 0.1)
    scheduler = torch.optim.lr_scheduler.LambdaLR(optimizer, lambda i: max(0.0, 1 - i / 10))
    twins = [FilterTwin(t, 0.5, 0.1) for t in theta]
    for i, step in enumerate(gradients(1, steps=20)):
        apply(optimizer, params, step)
        scheduler.step()
        alpha = 0.5 * max(0.0, 1 - i / 10)
        expected = [t.step(g, alpha) for t, g in zip(twins, step, strict=True)]
        assert signs(params) == signs(expected)
    frozen = signs(params)
    apply(optimizer, params, gradients(2)[0])
    assert signs(params) == frozen


def test_every_optimizer_has_a_twin():
    ours = {name for name in optim.__all__ if isinstance(getattr(optim, name), type)}
    twins = {f"{name.removesuffix('Optimizer')}Twin" for name in ours}
    assert len(ours) == 9
    assert twins <= vars(reference).keys()
