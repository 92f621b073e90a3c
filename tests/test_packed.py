"""A packed network comes back bit for bit, takes a bit a weight, and every damage is refused."""

import json

import pytest
import torch
from hypothesis import HealthCheck, given, settings
from hypothesis import strategies as st
from torch import nn

from bnnstudy.config.run import RunConfig
from bnnstudy.nn import BinaryLinear, load_packed, models, save_packed, to_signs


def network(seed: int = 0, **changes) -> nn.Module:
    config = RunConfig(**{"model": "cnn", "width": 8, "scaling": "mean", "seed": seed, **changes})
    made = models.build(config, (1, 8, 8), 10)
    images = torch.randn(9, 1, 8, 8, generator=torch.Generator().manual_seed(seed))
    made(images.to(getattr(torch, config.precision)))
    return to_signs(made).eval()


@pytest.mark.parametrize("precision", ["float32", "float64"])
@pytest.mark.parametrize("model", ["mlp", "cnn", "resnet18"])
def test_a_network_comes_back_bit_for_bit(tmp_path, model, precision):
    one, other = (network(seed, model=model, precision=precision) for seed in (0, 1))
    save_packed(one, tmp_path / "net")
    load_packed(other, tmp_path / "net")
    before, after = one.state_dict(), other.state_dict()
    assert all(torch.equal(before[name], after[name]) for name in before)
    weights = sum(p.numel() for n, p in one.named_parameters() if p.abs().eq(1).all())
    real = sum(v.numel() * v.element_size() for v in before.values()) - weights * (
        8 if precision == "float64" else 4
    )
    assert (tmp_path / "net").stat().st_size < weights / 8 + real + 400 * len(before)
    assert [file.name for file in tmp_path.iterdir()] == ["net"]


@pytest.fixture(scope="module")
def saved(tmp_path_factory):
    file = tmp_path_factory.mktemp("packed") / "net"
    save_packed(network(), file)
    return file.read_bytes()


@given(data=st.data())
@settings(suppress_health_check=[HealthCheck.function_scoped_fixture], max_examples=60, deadline=None)
def test_every_damage_is_refused_and_leaves_the_network(saved, tmp_path, data):
    at = data.draw(st.integers(0, len(saved) - 1))
    kind = data.draw(st.sampled_from(["flip", "cut", "drop", "more"]))
    changed = {
        "flip": saved[:at] + bytes([saved[at] ^ data.draw(st.integers(1, 255))]) + saved[at + 1 :],
        "cut": saved[:at],
        "drop": saved[:at] + saved[at + 1 :],
        "more": saved + b"\0",
    }[kind]
    file, other = tmp_path / "net", network(1)
    file.write_bytes(changed)
    before = {name: value.clone() for name, value in other.state_dict().items()}
    refused = ""
    try:
        load_packed(other, file)
    except ValueError as error:
        refused = str(error)
    # What is taken all the same is a byte of the header that says nothing, such as a space.
    expected = before if refused else network().state_dict()
    assert not refused or str(file) in refused
    assert all(torch.equal(value, expected[name]) for name, value in other.state_dict().items())


def test_another_network_is_refused_by_name(saved, tmp_path):
    (tmp_path / "net").write_bytes(saved)
    others = {
        "is of another network: 0.weight is": network(width=9),
        "is of another network: one of them alone has": network(model="mlp"),
        "float32 there, and .* torch.float64 here": network(precision="float64"),
    }
    for message, other in others.items():
        with pytest.raises(ValueError, match=message):
            load_packed(other, tmp_path / "net")
    with pytest.raises(FileNotFoundError):
        load_packed(network(), tmp_path / "none")


def test_what_is_not_of_signs_is_not_packed(tmp_path):
    with pytest.raises(ValueError, match=r"^0.weight must be ±1 and is latent"):
        save_packed(nn.Sequential(BinaryLinear(3, 2)), tmp_path / "net")
    drifted = nn.Sequential(BinaryLinear(3, 2, weights="binary"))
    with torch.no_grad():
        drifted[0].weight[0, 0] = 0.5
    with pytest.raises(ValueError, match=r"0.weight must be ±1 .*; 1 of its values are not"):
        save_packed(drifted, tmp_path / "net")
    assert not list(tmp_path.iterdir())


def test_the_manifest_says_what_is_packed(saved):
    length = int.from_bytes(saved[:8], "little")
    manifest = json.loads(json.loads(saved[8 : 8 + length])["__metadata__"]["bnnstudy"])
    assert manifest["packed"]["0.weight"] == {"shape": [8, 1, 3, 3], "dtype": "float32"}
