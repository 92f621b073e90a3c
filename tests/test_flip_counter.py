"""The flip ratio in a training loop of one's own: one process, and two that train one network."""

import math

import pytest
import torch
import torch.distributed as dist
from torch import multiprocessing, nn
from torch.nn.parallel import DistributedDataParallel

from bnnstudy import BinaryLinear
from bnnstudy.config import RunConfig
from bnnstudy.nn import models
from bnnstudy.optim import Bop, LatentSGD
from bnnstudy.training import FlipCounter, Step
from bnnstudy.training.callbacks import Context, FlipRatio


def test_it_counts_the_signs_that_a_step_changed_by_layer_and_over_all():
    model = nn.Sequential(BinaryLinear(4, 2), nn.Linear(2, 2), BinaryLinear(2, 1))
    for p in model.parameters():
        nn.init.ones_(p)
    counter = FlipCounter(model)
    assert math.isnan(counter.last)
    assert math.isnan(counter.mean)
    assert counter.layers == {}
    with counter:
        model[0].weight.data[0, :3] = -0.5
        model[1].weight.data.neg_()
    assert counter.layers == {"0.weight": 3 / 8, "2.weight": 0.0}
    assert (counter.last, counter.mean, counter.steps) == (0.3, 0.3, 1)
    model[0].weight.data.neg_()  # not between the two: not counted
    counter.before()
    model[2].weight.data.zero_().neg_()  # -0 is a sign too
    counter.after()
    assert counter.layers == {"0.weight": 0.0, "2.weight": 1.0}
    assert (counter.last, counter.mean, counter.steps) == (0.2, 0.25, 2)
    counter.reset()
    assert (counter.steps, counter.layers) == (0, {})


def test_a_step_that_fails_is_not_counted():
    counter = FlipCounter(BinaryLinear(2, 2))
    with pytest.raises(KeyError), counter:
        raise KeyError("a step that fails")
    assert counter.steps == 0
    with pytest.raises(ValueError, match="before must be called first"):
        counter.after()


def test_a_network_without_binary_weights_is_refused():
    with pytest.raises(ValueError, match="model must have binary layers"):
        FlipCounter(nn.Linear(2, 2))


def test_weights_of_torchs_own_layers_are_counted_where_they_are_given():
    model = nn.Sequential(nn.Linear(4, 2), nn.Linear(2, 2), nn.Linear(2, 1))
    for p in model.parameters():
        nn.init.ones_(p)
    counter = FlipCounter(model, weights=(layer.weight for layer in (model[2], model[0])))
    with counter:
        model[0].weight.data[0, :3] = -1
        model[1].weight.data.neg_()
    assert counter.layers == {"0.weight": 3 / 8, "2.weight": 0.0}
    assert (counter.last, counter.steps) == (0.3, 1)
    binary = nn.Sequential(BinaryLinear(4, 2), BinaryLinear(2, 1))
    with FlipCounter(binary, weights=[binary[1].weight]) as one:
        binary[1].weight.data.neg_()
    assert one.layers == {"1.weight": 1.0}
    for weights, found in (([], 0), ([model[0].weight, torch.ones(2)], 1)):
        with pytest.raises(
            ValueError, match=rf"weights must be .* of {len(weights)} given {found} are"
        ):
            FlipCounter(model, weights=weights)


@pytest.mark.parametrize("scaling", [None, "mean", "libra"])
def test_it_counts_as_a_run_does(scaling):
    config = RunConfig(width=16, depth=2, optimizer="latent_sgd", lr=30.0, scaling=scaling)
    model = models.build(config, (1, 8, 8), 10)
    steps = 5
    step = Step(config, model, steps)
    context = Context(config=config, model=model, optimizers=step.optimizers, steps=steps, dataset=None)
    step.callbacks = [FlipRatio(context)]
    counter, found = FlipCounter(model), []
    for k in range(steps):
        draw = torch.Generator().manual_seed(k)
        images = torch.randn(32, 1, 8, 8, generator=draw)
        labels = torch.randint(10, (32,), generator=draw)
        with counter:
            step(images, labels)
        found.append(counter.last)
    result = step.callbacks[0].result()
    assert found == pytest.approx(result["all"], abs=1e-4)
    assert any(found)
    assert counter.mean == pytest.approx(sum(found) / steps)
    assert list(counter.layers) == list(result["layers"])


def _trained(model, optimizer, images):
    counter, found = FlipCounter(model), []
    for step in images:
        optimizer.zero_grad()
        model(step).square().mean().backward()
        with counter:
            optimizer.step()
        found.append((counter.last, counter.layers))
    return found


def _images():
    return torch.randn(6, 8, 4, generator=torch.Generator().manual_seed(0))


def _network(weights):
    torch.manual_seed(0)
    return nn.Sequential(
        BinaryLinear(4, 6, weights=weights), nn.Tanh(), BinaryLinear(6, 2, weights=weights)
    )


def _optimizer(model, weights):
    signed = [model[0].weight, model[2].weight]
    return Bop(signed, 0, 0.5) if weights == "binary" else LatentSGD(signed, 5.0)


def _rank(rank, folder):
    dist.init_process_group("gloo", f"file://{folder}/meet", world_size=2, rank=rank)
    found = {}
    for weights in ("latent", "binary"):
        model = _network(weights)
        optimizer = _optimizer(model, weights)
        own = _images().chunk(2, dim=1)[rank]
        found[weights] = _trained(DistributedDataParallel(model), optimizer, own)
    torch.save(found, f"{folder}/{rank}")
    dist.destroy_process_group()


def test_two_processes_count_what_one_counts_on_all_images(tmp_path):
    multiprocessing.spawn(_rank, (str(tmp_path),), nprocs=2)
    one, other = (torch.load(tmp_path / str(rank)) for rank in range(2))
    assert one == other
    for weights, found in one.items():
        model = _network(weights)
        alone = _trained(model, _optimizer(model, weights), _images())
        assert [last for last, _ in found] == [last for last, _ in alone]
        assert any(last for last, _ in found)
        assert list(found[0][1]) == ["module.0.weight", "module.2.weight"]
