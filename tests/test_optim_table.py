"""The table of optimizers: torch's own by name, and their fused kernels."""

import pytest
import torch
from driving import apply, gradients, parameters, starts
from torch import nn

from bnnstudy.config.run import RunConfig
from bnnstudy.optim import TORCH, build


@pytest.mark.parametrize("name", ["sgd", "momentum", "nesterov", "adam"])
def test_the_fused_kernels_of_a_gpu_are_the_same_optimizer(name, monkeypatch):
    values, steps = starts(5, 1), gradients(5)
    plain, fused = parameters(values), parameters(values)
    config = RunConfig(lr=0.01, weight_decay=1e-3)
    optimizers = [build(name, [{"params": plain}], config)]
    monkeypatch.setattr("bnnstudy.optim.registry._fused", lambda params: True)
    optimizers.append(build(name, [{"params": fused}], config))
    assert [optimizer.defaults["fused"] for optimizer in optimizers] == [None, True]
    for step in steps[:50]:
        for optimizer, params in zip(optimizers, (plain, fused), strict=True):
            apply(optimizer, params, step)
    for p, q in zip(plain, fused, strict=True):
        torch.testing.assert_close(p, q)


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
