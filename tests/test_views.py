"""Where optimizers are one and the same: both views, all forms of the filter, scipy's, torch's, Bop."""

import numpy as np
import pytest
import torch
from driving import apply, gradients, parameters, rates, seeds, signs, starts
from hypothesis import given
from hypothesis import strategies as st
from torch import nn

from bnnstudy.nn.binarize import sign
from bnnstudy.optim import Bop, FilterOptimizer, LatentSGD, LinearFilter
from bnnstudy.optim.reference import DirectFormTwin, FilterTwin
from bnnstudy.theory import filters


@given(lr=st.floats(0.05, 10), gamma=rates, alpha=st.floats(1e-3, 0.5), scale=st.sampled_from([0, 1]),
       schedule=st.sampled_from(["constant", "cosine"]), seed=seeds)  # fmt: skip
def test_the_two_views_agree_in_every_sign(lr, gamma, alpha, scale, schedule, seed):
    decay = alpha / lr
    w0 = starts(seed, scale)
    latent, binary = parameters(w0), parameters([sign(w) for w in w0])
    sgd = LatentSGD(latent, lr, gamma, decay)
    averages = FilterOptimizer(binary, alpha, gamma, [-decay * w for w in w0])
    for i, step in enumerate(gradients(seed)):
        if schedule == "cosine":
            factor = 0.5 * (1 + np.cos(np.pi * i / 100))
            sgd.param_groups[0]["lr"] = lr * factor
            averages.param_groups[0]["lr"] = factor
        apply(sgd, latent, step)
        apply(averages, binary, step)
        assert signs(latent) == signs(binary)


@given(alpha=rates, gamma=rates, seed=seeds)
def test_all_forms_of_the_filter_agree_at_a_constant_rate(alpha, gamma, seed):
    theta0 = [sign(w) for w in starts(seed, 1)]
    cascade = filters.cascade(alpha, gamma)
    sets = [parameters(theta0) for _ in range(2)]
    optimizers = [FilterOptimizer(sets[0], alpha, gamma), LinearFilter(sets[1], cascade.b, cascade.a)]
    direct = [DirectFormTwin(t, alpha, gamma) for t in theta0]
    swapped = [FilterTwin(t, gamma, alpha) for t in theta0]
    for step in gradients(seed):
        for optimizer, params in zip(optimizers, sets, strict=True):
            apply(optimizer, params, step)
        assert signs(sets[0]) == signs(sets[1])
        for twins in (direct, swapped):
            assert signs(sets[0]) == signs([t.step(g) for t, g in zip(twins, step, strict=True)])


@given(mu=st.floats(0, 0.95), share=st.floats(0.05, 1.0), seed=seeds)
def test_torch_sgd_is_the_cascade_to_the_last_sign(mu, share, seed):
    decay = share * (1 - mu**0.5) ** 2
    alpha, gamma = filters.torch_to_cascade(1.0, mu, decay)
    w0 = starts(seed, 0)
    latent, binary = parameters(w0), parameters([sign(w) for w in w0])
    sgd = torch.optim.SGD(latent, 1.0, momentum=mu, weight_decay=decay)
    averages = FilterOptimizer(binary, alpha, min(gamma, 1.0))
    for step in gradients(seed):
        apply(sgd, latent, step)
        apply(averages, binary, step)
        for w, theta in zip(latent, binary, strict=True):
            clear = w.detach().abs() > 1e-9
            assert torch.equal(sign(w)[clear], theta.detach()[clear])


@given(gamma=rates, seed=seeds)
def test_bop_without_a_threshold_is_the_first_order_filter_in_every_sign(gamma, seed):
    theta0 = [sign(w) for w in starts(seed, 1)]
    average = filters.ema(gamma)
    sets = [parameters(theta0) for _ in range(3)]
    optimizers = [Bop(sets[0], 0.0, gamma), FilterOptimizer(sets[1], gamma, 1.0),
                  LinearFilter(sets[2], average.b, average.a)]  # fmt: skip
    for step in gradients(seed):
        for optimizer, params in zip(optimizers, sets, strict=True):
            apply(optimizer, params, step)
        assert signs(sets[0]) == signs(sets[1]) == signs(sets[2])


@pytest.mark.parametrize("exponent", [-20, -3, 10, 30])
def test_without_decay_signs_do_not_depend_on_powers_of_two(exponent):
    scale = 2.0**exponent
    w0 = starts(0, 1)
    one, other = parameters(w0), parameters([scale * w for w in w0])
    sgd, scaled = LatentSGD(one, 0.5, 0.1), LatentSGD(other, 0.5 * scale, 0.1)
    for step in gradients(0):
        apply(sgd, one, step)
        apply(scaled, other, step)
        for w, v in zip(one, other, strict=True):
            assert torch.equal(scale * w, v)


def test_a_state_of_zero_forgets_the_start_where_the_right_one_does_not():
    w0 = starts(0, 1)
    latent, binary = parameters(w0), parameters([sign(w) for w in w0])
    sgd, forgetful = LatentSGD(latent, 1.0, 0.1, 1e-2), FilterOptimizer(binary, 1e-2, 0.1)
    apply(sgd, latent, gradients(0)[0])
    apply(forgetful, binary, gradients(0)[0])
    assert signs(latent) != signs(binary)


@pytest.mark.parametrize("scale", [0, 1])
def test_a_weight_without_gradient_keeps_its_sign_in_every_view(scale):
    w0 = starts(3, scale)
    kept = [sign(w).view(-1)[0] for w in w0]
    cascade = filters.cascade(1e-2, 0.1)
    sets = [parameters(w0)] + [parameters([sign(w) for w in w0]) for _ in range(2)]
    optimizers = [LatentSGD(sets[0], 1.0, 0.1, 1e-2), FilterOptimizer(sets[1], 1e-2, 0.1),
                  LinearFilter(sets[2], cascade.b, cascade.a)]  # fmt: skip
    for step in gradients(3):
        for optimizer, params in zip(optimizers, sets, strict=True):
            apply(optimizer, params, step)
    for params in sets:
        assert [sign(p).view(-1)[0] for p in params] == kept


def test_an_exact_cancellation_gives_one_in_both_views():
    latent, binary = nn.Parameter(torch.tensor([-0.0])), nn.Parameter(torch.tensor([-1.0]))
    sgd, averages = LatentSGD([latent], 0.5, 1.0, 1.0), FilterOptimizer([binary], 0.5, 1.0)
    for gradient in (1.0, -0.5):
        apply(sgd, [latent], [torch.tensor([gradient])])
        apply(averages, [binary], [torch.tensor([gradient])])
    assert latent.item() == averages.filtered(binary).item() == 0
    assert sign(latent).item() == binary.item() == 1
