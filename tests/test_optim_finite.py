"""Gradients that are no numbers, or infinite: refused by name, with nothing changed; late on a GPU."""

import copy
import math
import pickle

import pytest
import torch
from driving import parameters
from torch import nn

from bnnstudy.config import RunConfig
from bnnstudy.nn import models
from bnnstudy.nn.binarize import sign
from bnnstudy.nn.parameters import observed_weights
from bnnstudy.optim import (
    Bop,
    FilterOptimizer,
    FIRFilter,
    LatentSGD,
    LinearFilter,
    NormalisedFilter,
    OvSW,
    SecondOrderBop,
    build,
    finite,
)
from bnnstudy.training import Step

MAKERS = {
    "filter": lambda p, **o: FilterOptimizer(p, 0.1, bias_correction=True, **o),
    "latent": lambda p, **o: LatentSGD(p, 0.1, **o),
    "bop": lambda p, **o: Bop(p, 1e-5, 0.1, **o),
    "second order bop": lambda p, **o: SecondOrderBop(p, 1e-5, 0.1, **o),
    "normalised": lambda p, **o: NormalisedFilter(p, 0.1, **o),
    "ovsw": lambda p, **o: OvSW(p, 0.1, **o),
    "linear": lambda p, **o: LinearFilter(p, [0.1, 0.05], [1, -0.5], **o),
    "window": lambda p, **o: FIRFilter(p, [0.125] * 8, **o),
    **{
        f"build {name}": lambda p, name=name, **o: build(name, p, RunConfig(), **o)
        for name in (
            "latent_sgd",
            "filter",
            "filter_pole",
            "filter_normalised",
            "designed",
            "bop",
            "second_order_bop",
        )
    },
}
every = pytest.mark.parametrize("make", MAKERS.values(), ids=MAKERS)
WRONG = (math.nan, math.inf, -math.inf)


def signs_of(seed, *shapes):
    random = torch.Generator().manual_seed(seed)
    return [sign(torch.randn(shape, generator=random)) for shape in shapes]


def everything(optimizer, params):
    return repr(([*params], optimizer.state_dict()))


@every
@pytest.mark.parametrize("wrong", WRONG)
def test_a_step_that_is_refused_has_changed_nothing(make, wrong):
    params = parameters(signs_of(0, (7,), (3, 4)))
    optimizer = make([{"params": params[:1]}, {"params": params[1:]}])
    for step in range(4):
        for p in params:
            p.grad = torch.ones_like(p)
        if step in (0, 2):  # before there is a state, and after
            params[1].grad[1, 2] = wrong
            before = everything(optimizer, params)
            message = (
                r"gradient of parameter 0 of group 1, of shape \(3, 4\), must be finite, got 1 of 12"
            )
            with pytest.raises(ValueError, match=message):
                optimizer.step()
            assert everything(optimizer, params) == before
        else:
            optimizer.step()


@every
def test_a_parameter_with_a_name_is_called_by_it(make):
    model = nn.Sequential(nn.Linear(3, 2), nn.Linear(2, 2))
    for p in model.parameters():
        p.data = torch.ones_like(p)
        p.grad = torch.full_like(p, math.nan)
    model[0].weight.grad = None
    optimizer = make(model.named_parameters())
    with pytest.raises(
        ValueError, match=r"gradient of 0\.bias .* 2 of 2 .* those of 2 more parameters"
    ):
        optimizer.step()


@every
@pytest.mark.parametrize("again", [copy.copy, copy.deepcopy, lambda o: pickle.loads(pickle.dumps(o))])
@pytest.mark.parametrize("check", [True, False])
def test_a_copy_looks_where_the_original_does(make, again, check):
    other = again(make(parameters(signs_of(0, (3,))), check_finite=check))
    other.load_state_dict(other.state_dict())
    other.param_groups[0]["params"][0].grad = torch.full((3,), math.nan)
    if check:
        with pytest.raises(ValueError, match="must be finite"):
            other.step()
    else:
        other.step()


def test_it_is_asked_for_in_words_that_are_checked():
    with pytest.raises(ValueError, match="check_finite must be True or False, got 'no'"):
        LatentSGD(parameters(signs_of(0, (3,))), 0.1, check_finite="no")


@pytest.mark.parametrize("dtype", [torch.float16, torch.bfloat16, torch.float32, torch.float64])
def test_finite_gradients_whose_sum_is_not_are_taken(dtype):
    weight = nn.Parameter(torch.ones(8, dtype=dtype))
    optimizer = FilterOptimizer([weight], 0.1)
    weight.grad = torch.full_like(weight, torch.finfo(dtype).max)
    optimizer.step()
    assert (weight == -1).all()


@pytest.mark.parametrize(
    "make",
    [
        lambda p: SecondOrderBop(p, 1e-5, 0.1, 0.1),
        lambda p: NormalisedFilter(p, 0.01, 0.1, 0.1),
    ],
    ids=["second order bop", "normalised"],
)
def test_a_square_that_overflows_does_not_stop_a_weight_for_ever(make):
    weight = nn.Parameter(torch.ones(1))
    optimizer = make([weight])
    weight.grad = torch.tensor([1e25])
    optimizer.step()
    (state,) = optimizer.state.values()
    assert state["squares"].isfinite().all()
    flipped = False
    for step in range(2000):
        weight.grad = torch.full_like(weight, 1.0 if step < 1000 else -1.0)
        optimizer.step()
        flipped |= bool(weight < 0)
    assert flipped
    assert weight > 0


def test_gradients_of_several_dtypes_are_looked_at():
    params = [nn.Parameter(torch.ones(3, dtype=d)) for d in (torch.float64, torch.float16)]
    optimizer = LatentSGD(params, 0.1)
    for p in params:
        p.grad = torch.ones_like(p)
    optimizer.step()
    params[1].grad[0] = math.inf
    with pytest.raises(ValueError, match="parameter 1 of group 0"):
        optimizer.step()


@every
def test_a_step_that_the_scaler_skips_is_no_error(make):
    (weight,) = params = parameters(signs_of(0, (5,)))
    optimizer = make(params)
    scaler = torch.amp.GradScaler("cpu", init_scale=4.0)
    before = weight.detach().clone()
    for value, scale in ((math.inf, 2.0), (math.nan, 1.0), (1.0, 1.0)):
        optimizer.zero_grad()
        scaler.scale((weight * value).sum()).backward()
        scaler.step(optimizer)
        scaler.update()
        assert scaler.get_scale() == scale
        if value != 1:
            assert torch.equal(weight.detach(), before)
            assert not optimizer.state
    assert optimizer.state


def test_the_step_of_a_run_takes_them_as_a_run_that_diverges_is_a_result():
    config = RunConfig(width=4, depth=2, optimizer="filter", view="filter", real_optimizer="latent_sgd")
    model = models.build(config, (1, 8, 8), 10)
    step = Step(config, model, 5)
    images, labels = torch.full((4, 1, 8, 8), math.nan), torch.zeros(4, dtype=torch.int64)
    step(images, labels)
    assert not step.finite()
    assert all((w.abs() == 1).all() for w in observed_weights(model).values())


class Slow(finite.Largest):
    """A number of a GPU that is played by the CPU: what is copied arrives two steps later."""

    def _landing(self):
        return torch.zeros(()), self

    def record(self, stream):
        self.left = 2

    def query(self):
        self.left -= 1
        return self.left <= 0

    def _capturing(self):
        return False


@pytest.fixture
def gpu(monkeypatch):
    monkeypatch.setattr(finite, "LATE", ("cpu",))
    monkeypatch.setattr(finite, "Largest", Slow)
    monkeypatch.setattr(torch.cuda, "current_stream", lambda device: None)


def driven(optimizer, weight, wrong_at, steps=12):
    """The step, from 0, that raises; None if none does."""
    for step in range(steps):
        weight.grad = torch.ones_like(weight)
        if step == wrong_at:
            weight.grad[0] = math.nan
        try:
            optimizer.step()
        except ValueError as error:
            return step if "gradient of w must be finite, and in an earlier step" in str(error) else -1
    return None


@every
@pytest.mark.parametrize("wrong_at", [0, 1, 2, 3])
def test_on_a_gpu_a_later_step_says_so_and_none_is_missed(make, wrong_at, gpu):
    (weight,) = parameters(signs_of(0, (5,)))
    other = nn.Parameter(torch.ones(2))
    optimizer = make([("other", other), ("w", weight)])
    assert wrong_at < driven(optimizer, weight, wrong_at) <= wrong_at + 4
    with pytest.raises(ValueError, match="gradient of w must be finite"):
        optimizer.state_dict()
    (weight,) = parameters(signs_of(0, (5,)))
    assert driven(make([("w", weight)]), weight, None) is None


@every
def test_on_a_gpu_no_state_that_holds_one_is_saved_and_one_that_was_saved_before_is_loaded(make, gpu):
    (weight,) = parameters(signs_of(0, (5,)))
    optimizer, start = make([("w", weight)]), weight.detach().clone()
    weight.grad = torch.ones_like(weight)
    optimizer.step()
    saved = copy.deepcopy(optimizer.state_dict())
    weight.grad[0] = math.inf
    optimizer.step()
    with pytest.raises(ValueError, match="gradient of w must be finite"):
        optimizer.state_dict()
    optimizer.load_state_dict(saved)
    weight.data.copy_(start)
    assert driven(optimizer, weight, None) is None
    optimizer.state_dict()
