"""Every optimizer against its slow twin, against scipy, and against the others where they meet."""

import copy

import numpy as np
import pytest
import torch
from hypothesis import given
from hypothesis import strategies as st
from scipy import signal
from torch import nn

from bnnstudy import filters, optim
from bnnstudy.binarize import sign
from bnnstudy.config import RunConfig
from bnnstudy.optim import TORCH, Bop, FilterOptimizer, LatentSGD, LinearFilter, build, reference
from bnnstudy.optim.reference import (
    BopTwin,
    DirectFormTwin,
    FilterTwin,
    LatentSGDTwin,
    LinearFilterTwin,
)

SHAPES = [(7, 5), (11,), (2, 3, 3, 3)]
rates = st.floats(1e-3, 1.0)
seeds = st.integers(0, 2**16)


def gradients(seed: int, steps: int = 100, shapes=SHAPES) -> list[list[torch.Tensor]]:
    """Random gradients in float64; the first weight of each tensor never gets one (exactly 0)."""
    random = torch.Generator().manual_seed(seed)
    made = [
        [torch.randn(s, dtype=torch.float64, generator=random) for s in shapes] for _ in range(steps)
    ]
    for step in made:
        for gradient in step:
            gradient.view(-1)[0] = 0
    return made


def starts(seed: int, scale: float) -> list[torch.Tensor]:
    random = torch.Generator().manual_seed(seed + 1)
    return [scale * torch.randn(s, dtype=torch.float64, generator=random) for s in SHAPES]


def parameters(values: list[torch.Tensor]) -> list[nn.Parameter]:
    return [nn.Parameter(value.clone()) for value in values]


def apply(optimizer, params, step: list[torch.Tensor]) -> None:
    for p, gradient in zip(params, step, strict=True):
        p.grad = gradient.clone()
    optimizer.step()


def signs(params) -> list[list[float]]:
    return [sign(p).flatten().tolist() for p in params]


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


def test_bop_flips_what_passes_the_threshold_and_agrees_and_nothing_else():
    weight = nn.Parameter(torch.tensor([1.0, 1.0, 1.0, -1.0, -1.0]))
    optimizer = Bop([weight], threshold=0.5, gamma=1.0)
    apply(optimizer, [weight], [torch.tensor([0.6, 0.5, -0.6, -0.6, 0.6])])
    assert weight.tolist() == [-1, 1, 1, 1, -1]


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


def _all():
    w0 = starts(5, 1)
    theta = [sign(w) for w in w0]
    return {
        "latent": (w0, lambda p: LatentSGD(p, 0.5, 0.1, 1e-2)),
        "filter": (theta, lambda p: FilterOptimizer(p, 1e-2, 0.1)),
        "linear": (theta, lambda p: LinearFilter(p, [0.1, 0.05], [1, -1.5, 0.6])),
        "bop": (theta, lambda p: Bop(p, 1e-2, 0.1)),
    }


@pytest.mark.parametrize("name", ["latent", "filter", "linear", "bop"])
def test_a_saved_state_continues_bit_for_bit(name):
    values, make = _all()[name]
    params = parameters(values)
    optimizer = make(params)
    steps = gradients(5)
    for step in steps[:50]:
        apply(optimizer, params, step)
    saved = copy.deepcopy(optimizer.state_dict())
    others = parameters([p.detach() for p in params])
    resumed = make(others)
    resumed.load_state_dict(saved)
    for step in steps[50:]:
        apply(optimizer, params, step)
        apply(resumed, others, step)
        for p, q in zip(params, others, strict=True):
            assert torch.equal(p, q)


@pytest.mark.parametrize("name", ["latent", "filter", "linear", "bop"])
def test_a_parameter_without_gradient_is_left_alone(name):
    values, make = _all()[name]
    params = parameters(values)
    optimizer = make(params)
    before = params[1].detach().clone()
    params[0].grad = torch.randn_like(params[0])
    optimizer.step()
    assert torch.equal(params[1].detach(), before)


@pytest.mark.parametrize("name", ["latent", "filter", "linear", "bop"])
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


@pytest.mark.parametrize("name", ["latent", "filter", "linear", "bop"])
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


def test_an_exact_cancellation_gives_one_in_both_views():
    latent, binary = nn.Parameter(torch.tensor([-0.0])), nn.Parameter(torch.tensor([-1.0]))
    sgd, averages = LatentSGD([latent], 0.5, 1.0, 1.0), FilterOptimizer([binary], 0.5, 1.0)
    for gradient in (1.0, -0.5):
        apply(sgd, [latent], [torch.tensor([gradient])])
        apply(averages, [binary], [torch.tensor([gradient])])
    assert latent.item() == averages.filtered(binary).item() == 0
    assert sign(latent).item() == binary.item() == 1


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
        (lambda p: Bop(p, -1e-8), "threshold must be 0 or more and finite, got -1e-08"),
        (lambda p: Bop(p, float("nan")), "threshold must be 0 or more and finite, got nan"),
        (lambda p: Bop(p, "1"), "threshold must be 0 or more and finite, got '1'"),
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


def test_every_optimizer_has_a_twin():
    ours = {name for name in optim.__all__ if isinstance(getattr(optim, name), type)}
    twins = {f"{name.removesuffix('Optimizer')}Twin" for name in ours}
    assert len(ours) == 4
    assert twins <= vars(reference).keys()


def test_the_table_holds_paper_as_seven_from_torch_itself():
    params = [nn.Parameter(torch.zeros(2))]
    made = {name: build(name, params, RunConfig()) for name in TORCH}
    assert len(made) == 7
    for name, optimizer in made.items():
        assert type(optimizer).__module__.startswith("torch.optim"), name
    assert made["nesterov"].defaults["nesterov"]
    assert made["momentum"].defaults["momentum"] == 0.9
    assert made["sgd"].defaults["momentum"] == 0
    with pytest.raises(ValueError, match=r"optimizer must be one of sgd, .*got 'lion'"):
        build("lion", params, RunConfig())
