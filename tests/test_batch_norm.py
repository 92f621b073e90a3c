"""Batch norm's statistics: re-estimated as by hand, and averaged at several momenta in one training."""

import copy
from dataclasses import replace
from functools import partial

import pytest
import torch

from bnnstudy.config.run import RunConfig
from bnnstudy.nn import models
from bnnstudy.nn.batch_norm import norms_of, reestimate, reestimated
from bnnstudy.training import evaluation, loop
from bnnstudy.training.batch_norm import estimation_batches
from bnnstudy.training.callbacks import Averages, Context, ReestimatedStart

SMALL = RunConfig(width=16, depth=1, epochs=3, lr=1e-2, schedule="cosine")
LAST_BATCH = replace(SMALL, batch_norm_momentum=1.0)
MOMENTA = {"0.8": 0.2, "0.99": 0.01}


def built(config, digits):
    return models.build(config, digits.shape, digits.classes).train()


def begun(config, digits, steps=30):
    """A network, and what a callback is given when its run begins."""
    model = built(config, digits)
    return model, Context(config=config, model=model, optimizers=(), steps=steps, dataset=digits)


def averaged(config, digits, **options):
    return loop.fit(config, digits, callbacks=[partial(Averages, momenta=MOMENTA, **options)])


def kept(model):
    """All that re-estimation must leave as it is: momenta, modes, parameters."""
    norms = norms_of(model)
    modes = [module.training for module in model.modules()]
    return [norm.momentum for norm in norms], modes, [p.tolist() for p in model.parameters()]


def buffers(model):
    return [buffer.clone() for norm in norms_of(model) for buffer in norm.buffers()]


@pytest.fixture
def odd(digits):
    """A network in training whose batch norms differ in momentum, one of them frozen."""
    model = built(replace(SMALL, depth=2), digits)
    model(digits.inputs(digits.train.images[:50]))
    for norm, momentum in zip(norms_of(model), (0.1, 0.3, None), strict=True):
        norm.momentum = momentum
    norms_of(model)[1].eval()
    return model


def by_hand(model, batches):
    """Each batch norm's mean and unbiased variance of each batch, averaged over the batches."""
    model = copy.deepcopy(model).train()
    found = [([], []) for _ in norms_of(model)]
    for norm, (means, variances) in zip(norms_of(model), found, strict=True):

        def look(norm, inputs, means=means, variances=variances):
            means.append(inputs[0].double().mean(0))
            variances.append(inputs[0].double().var(0, correction=1))

        norm.register_forward_pre_hook(look)
    for inputs in batches:
        model(inputs)
    return [[torch.stack(values).mean(0).float() for values in pair] for pair in found]


def test_the_batches_are_the_first_images_in_full_batches(digits):
    batches = estimation_batches(digits, 250, 100, torch.float64)
    assert [len(batch) for batch in batches] == [100, 100]
    assert torch.equal(torch.cat(batches), digits.inputs(digits.train.images[:200], torch.float64))


def test_reestimated_statistics_are_the_means_over_the_batches(digits, odd):
    batches = estimation_batches(digits, 300, 100, torch.float32)
    expected = by_hand(odd, batches)
    reestimate(odd, batches)
    for norm, (mean, variance) in zip(norms_of(odd), expected, strict=True):
        torch.testing.assert_close(norm.running_mean, mean, rtol=1e-4, atol=1e-4)
        torch.testing.assert_close(norm.running_var, variance, rtol=1e-4, atol=1e-4)


@pytest.mark.parametrize("training", [True, False])
def test_reestimation_moves_nothing_but_the_statistics(digits, odd, training):
    if not training:
        odd.eval()
    before, old = kept(odd), buffers(odd)
    reestimate(odd, estimation_batches(digits, 300, 100, torch.float32))
    assert kept(odd) == before
    assert not torch.equal(buffers(odd)[0], old[0])


def test_momenta_and_modes_come_back_though_a_batch_cannot_be_had(digits, odd):
    def batches():
        yield digits.inputs(digits.train.images[:100])
        yield digits.inputs(digits.train.images[:100])
        raise OSError("no more")

    before = kept(odd)
    with pytest.raises(OSError, match="no more"):
        reestimate(odd, batches())
    assert kept(odd) == before


@pytest.mark.parametrize("fails", [False, True])
def test_while_it_lasts_statistics_are_reestimated_and_then_the_old_ones_bit_for_bit(
    digits, odd, fails
):
    batches = estimation_batches(digits, 300, 100, torch.float32)
    twin = copy.deepcopy(odd)
    reestimate(twin, batches)
    before, old = kept(odd), buffers(odd)
    try:
        with reestimated(odd, batches):
            inside = buffers(odd)
            if fails:
                raise KeyError
    except KeyError:
        assert fails
    # Among them is how many batches a norm has seen.
    assert all(torch.equal(a, b) for a, b in zip(inside, buffers(twin), strict=True))
    assert all(torch.equal(a, b) for a, b in zip(buffers(odd), old, strict=True))
    assert kept(odd) == before


@pytest.mark.parametrize("momentum", MOMENTA.values(), ids=MOMENTA)
def test_one_training_evaluated_at_a_momentum_is_the_training_with_it(digits, momentum):
    name = {v: k for k, v in MOMENTA.items()}[momentum]
    part = averaged(LAST_BATCH, digits)["parts"][name]
    own = loop.fit(replace(SMALL, batch_norm_momentum=momentum), digits)
    # Summed in another order: an image at the very boundary may go the other way.
    assert part["curves"]["validation_accuracy"] == pytest.approx(
        own["curves"]["validation_accuracy"], abs=0.0101
    )
    assert part["best_epoch"] == own["best_epoch"]
    assert part["test_accuracy"] == pytest.approx(own["test_accuracy"], abs=0.0051)
    assert part["last"]["test_accuracy"] == pytest.approx(own["last"]["test_accuracy"], abs=0.0051)


def test_an_average_without_its_start_is_a_weighted_mean_of_the_batches(digits):
    model, context = begun(LAST_BATCH, digits, steps=3 * 4)
    watch = Averages(context, MOMENTA)
    means, variances = [], []
    with torch.no_grad():
        for step, images in enumerate(digits.train.images[:400].split(100), start=1):
            model(digits.inputs(images))
            watch.after_step(step)
            means.append(model[2].running_mean.clone())
            variances.append(model[2].running_var.clone())
    weights = torch.tensor([0.99**age for age in (3, 2, 1, 0)])
    # Means started at 0, variances at 1.
    for found, batches in zip(watch._without_start(1), (means, variances), strict=False):
        expected = (weights[:, None] * torch.stack(batches)).sum(0) / weights.sum()
        torch.testing.assert_close(found, expected, rtol=1e-3, atol=1e-4)


def test_the_last_epoch_is_evaluated_with_each_average_though_it_is_not_the_best(digits):
    config = replace(LAST_BATCH, epochs=6, lr=0.3, schedule="constant")
    parts = averaged(config, digits)["parts"]
    assert any(part["best_epoch"] < 6 for part in parts.values())
    assert all(part["last"]["test_accuracy"] > 0 for part in parts.values())
    assert all(part["test_accuracy"] is not None for part in parts.values())


def test_averages_change_nothing_of_the_training(digits):
    found = averaged(LAST_BATCH, digits)
    del found["parts"]
    assert found == loop.fit(LAST_BATCH, digits)


def test_the_part_anew_is_the_network_with_reestimated_statistics(digits):
    found, model = loop.fit(
        LAST_BATCH, digits, callbacks=[partial(Averages, momenta=MOMENTA, images=300)], with_model=True
    )
    reestimate(model, estimation_batches(digits, 300, 100, torch.float32))
    assert found["parts"]["anew"]["last"] == evaluation.accuracies(model, digits)


def test_averages_need_the_last_batch_alone(digits):
    with pytest.raises(ValueError, match=r"batch_norm_momentum must be 1 .* got 0\.1"):
        averaged(SMALL, digits)


def test_a_start_reestimated_is_the_network_after_so_many_batches_without_a_step(digits):
    model, context = begun(replace(SMALL, batch_norm_momentum=0.1), digits)
    before = {name: value.clone() for name, value in model.state_dict().items()}
    found = ReestimatedStart(context, images=300).parts()["anew"]
    after = model.state_dict()
    assert all(torch.equal(before[name], after[name]) for name in before)
    assert [norm.momentum for norm in norms_of(model)] == [0.1, 0.1]
    reestimate(model, estimation_batches(digits, 300, 100, torch.float32))
    assert found == evaluation.accuracies(model, digits)
