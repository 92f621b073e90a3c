"""The filter's update goes block by block on a CPU; how large a block is changes nothing."""

import pytest
import torch
from torch import nn

from bnnstudy.nn.binarize import sign
from bnnstudy.optim import FilterOptimizer, filter

SHAPES = ((), (3,), (10, 7), (130, 33), (1, 5000), (20_000,), (128, 16, 3, 3))


def trained(dtype: torch.dtype, layout: torch.memory_format) -> list[torch.Tensor]:
    """Weights and states after a few steps in two groups."""
    draw = torch.Generator().manual_seed(0)
    weights = [nn.Parameter(sign(torch.randn(shape, generator=draw)).to(dtype)) for shape in SHAPES]
    weights[-1].data = weights[-1].data.to(memory_format=layout)
    groups = [{"params": weights[:3]}, {"params": weights[3:], "alpha": 0.01}]
    optimizer = FilterOptimizer(groups, 1e-3, 0.2)
    for _ in range(5):
        for w in weights:
            values = torch.randn(w.shape, generator=draw) * (torch.rand(w.shape, generator=draw) > 0.5)
            w.grad = values.to(dtype)
        optimizer.step()
    states = [optimizer.state[w][name] for w in weights for name in ("momentum", "descent")]
    return [*(w.detach() for w in weights), *states]


@pytest.mark.parametrize("size", [1, 64, 1000, 4097])
@pytest.mark.parametrize("dtype", [torch.float32, torch.float64, torch.bfloat16])
@pytest.mark.parametrize("layout", [torch.contiguous_format, torch.channels_last])
def test_blocks_of_any_size_give_the_same_bits(size, dtype, layout, monkeypatch):
    whole = trained(dtype, layout)
    monkeypatch.setattr(filter, "BLOCK", size)
    for one, other in zip(whole, trained(dtype, layout), strict=True):
        assert torch.equal(one, other)
        assert torch.equal(one.signbit(), other.signbit())


@pytest.mark.parametrize("size", [64, 1000, 10**6])
def test_every_value_is_in_one_block_and_none_is_larger_than_it_must_be(size, monkeypatch):
    monkeypatch.setattr(filter, "BLOCK", size)
    arrays = [torch.arange(100 * 30).view(100, 30), torch.arange(7), torch.arange(2000)]
    blocks = list(filter._blocks(arrays, [array + 1 for array in arrays]))
    for values, others in blocks:
        assert all(torch.equal(v + 1, other) for v, other in zip(values, others, strict=True))
        # 64 rows are the least that a tensor is split into.
        assert sum(v.numel() for v in values) <= max(size, 64 * values[0][0].numel())
    together = torch.cat([v.reshape(-1) for values, _ in blocks for v in values])
    assert torch.equal(together, torch.cat([array.reshape(-1) for array in arrays]))
