"""Other people's networks, made binary where they stand, and trained."""

import copy

import pytest
import torch
import torch.nn.functional as F
from driving import MADE_OF_OTHERS
from torch import nn
from torchvision.models import resnet18

from bnnstudy.nn import BinaryConv2d, BinaryLinear, binarize_layers, split_parameters
from bnnstudy.nn.binarize import not_signs, sign
from bnnstudy.optim import FilterOptimizer


def small(**changes) -> nn.Sequential:
    return nn.Sequential(
        nn.Conv2d(3, 4, 3, stride=2, padding=1, groups=1, padding_mode="reflect", **changes),
        nn.Conv2d(4, 4, 3, groups=2, bias=False, dilation=2, **changes),
        nn.Flatten(),
        nn.Linear(64, 8, **changes),
        nn.Linear(8, 2, **changes),
    )


@pytest.mark.parametrize("dtype", [torch.float32, torch.float64])
def test_layers_become_ours_and_keep_all_that_they_have(dtype):
    torch.manual_seed(0)
    network = small(dtype=dtype)
    modules, parameters = list(network), list(network.parameters())
    twin, seen = copy.deepcopy(network), []
    network[1].register_forward_hook(lambda *args: seen.append(1))
    random = torch.get_rng_state()
    assert binarize_layers(network, surrogate="approx", scaling="mean") == ["1", "3"]
    assert torch.equal(torch.get_rng_state(), random)
    assert list(network) == modules
    assert all(a is b for a, b in zip(network.parameters(), parameters, strict=True))
    kinds = [nn.Conv2d, BinaryConv2d, nn.Flatten, BinaryLinear, nn.Linear]
    assert [type(layer) for layer in network] == kinds
    assert all((network[k].surrogate, network[k].scaling) == ("approx", "mean") for k in (1, 3))
    binary, real = split_parameters(network)
    assert [p.shape for p in binary] == [(4, 2, 3, 3), (8, 64)]
    assert len(real) == 5
    # What it computes is what the twin does with these weights.
    x = torch.randn(2, 3, 16, 16, dtype=dtype)
    for k in (1, 3):
        twin[k].weight.data = network[k].effective_weight().detach()
    torch.testing.assert_close(network(x), twin(x))
    assert seen == [1]


def test_what_is_skipped_is_named():
    assert binarize_layers(small(), skip=()) == ["0", "1", "3", "4"]
    assert binarize_layers(small(), skip=["0", "3", "4"]) == ["1"]
    assert binarize_layers(small(), skip="3") == ["0", "1", "4"]
    with pytest.raises(ValueError, match="skip must be of 0, 1, 3, 4; got 2"):
        binarize_layers(small(), skip=["2"])
    with pytest.raises(ValueError, match="model must have a linear layer"):
        binarize_layers(small(), skip=["0", "1", "3", "4"])
    network = small()
    with pytest.raises(ValueError, match="surrogate must be one of"):
        binarize_layers(network, surrogate="none")
    assert not any(isinstance(layer, BinaryLinear | BinaryConv2d) for layer in network)


@pytest.mark.parametrize("skip", [["g"], ["g", "f"]])
def test_a_weight_that_a_real_layer_has_too_is_not_made_its_signs(skip):
    network = nn.ModuleDict({"e": nn.Embedding(5, 4), "f": nn.Linear(4, 4), "h": nn.Linear(4, 5)})
    network["g"] = nn.Linear(5, 2)
    network["h"].weight = network["e"].weight
    before = network["e"].weight.clone()
    with pytest.raises(
        ValueError, match=r"must not share the weight of h, which becomes ±1.*e\.weight"
    ):
        binarize_layers(network, skip, weights="binary")
    assert torch.equal(network["e"].weight, before)
    assert type(network["h"]) is nn.Linear


@pytest.mark.filterwarnings("ignore:.*weight_norm. is deprecated:FutureWarning")
@pytest.mark.parametrize("made", MADE_OF_OTHERS.values(), ids=MADE_OF_OTHERS)
@pytest.mark.parametrize("weights", ["latent", "binary"])
def test_a_weight_that_each_pass_makes_of_others_is_refused_by_name_or_skipped(made, weights):
    network = nn.Sequential(nn.Linear(3, 3), made(nn.Linear(3, 3)), nn.Linear(3, 3), nn.Linear(3, 3))
    kinds = [type(layer) for layer in network]
    with pytest.raises(ValueError, match="model must have the weight of '1' as a parameter of its own"):
        binarize_layers(network, weights=weights)
    assert [type(layer) for layer in network] == kinds
    assert binarize_layers(network, ["0", "1", "3"], weights=weights) == ["2"]


def test_attention_keeps_its_projection_whose_weight_it_reads_itself():
    layer = nn.TransformerEncoderLayer(8, 2, 16, batch_first=True)
    assert binarize_layers(layer, skip=()) == ["linear1", "linear2"]


def trained(network: nn.Module, optimizers: list, digits, steps: int = 10) -> list[float]:
    images = F.interpolate(digits.train.images[:256].float().view(-1, 1, 8, 8) / 16, size=24)
    labels, losses = digits.train.labels[:256], []
    for step in range(steps):
        part = slice(32 * (step % 8), 32 * (step % 8) + 32)
        loss = F.cross_entropy(network(images[part].expand(-1, 3, -1, -1)), labels[part])
        for optimizer in optimizers:
            optimizer.zero_grad()
        loss.backward()
        for optimizer in optimizers:
            optimizer.step()
        losses.append(loss.item())
    return losses


def test_torchvisions_resnet_trains_with_binary_layers(digits):
    torch.manual_seed(0)
    network = resnet18(num_classes=10)
    assert len(binarize_layers(network)) == 19
    binary, real = split_parameters(network)
    before = [sign(weight) for weight in binary]
    losses = trained(
        network, [torch.optim.Adam([{"params": binary, "lr": 1e-2}, {"params": real}])], digits
    )
    assert sum(losses[-3:]) < 0.7 * sum(losses[:3])
    assert any(not torch.equal(sign(w), b) for w, b in zip(binary, before, strict=True))


def test_and_without_a_touch_by_the_filter_on_signs(digits):
    torch.manual_seed(0)
    network = resnet18(num_classes=10)
    weights = [m.weight for m in network.modules() if isinstance(m, nn.Conv2d)][1:]
    with torch.no_grad():
        for weight in weights:
            weight.copy_(sign(weight))
    chosen = {id(weight) for weight in weights}
    others = [p for p in network.parameters() if id(p) not in chosen]
    optimizers = [FilterOptimizer(weights, alpha=1e-2), torch.optim.Adam(others)]
    losses = trained(network, optimizers, digits)
    assert sum(losses[-3:]) < 0.7 * sum(losses[:3])
    assert not any(not_signs(weight) for weight in weights)
