"""The comparison itself is tested: it sees what differs, and only that."""

from dataclasses import replace

import pytest
import torch

from bnnstudy import BinaryLinear
from bnnstudy.config import tricks
from bnnstudy.config.run import RunConfig
from bnnstudy.optim import LatentSGD
from bnnstudy.training import loop
from bnnstudy.training.callbacks import Context, ShadowOptimizers, shadow_optimizers

CONFIG = tricks.zero_start(
    RunConfig(width=16, depth=1, batch_size=100, epochs=5, activation="sign", surrogate="identity",
              optimizer="latent_sgd", lr=1.0, weight_decay=1e-2, real_optimizer="adam",
              loss="cross_entropy", precision="float64")
)  # fmt: skip


def differing(config, digits) -> dict[str, int]:
    found = loop.fit(config, digits, callbacks=[ShadowOptimizers])["shadows"]
    size = (64 * 16 + 160) * 5 * (1197 // 100)
    assert {counts["compared"] for counts in found.values()} == {size}
    return {name: counts["differing"] for name, counts in found.items()}


def test_at_a_constant_rate_from_zero_all_forms_agree(digits):
    found = differing(CONFIG, digits)
    other = {"torch_sgd_same_numbers", "torch_sgd_dampened"}
    assert {name for name, count in found.items() if count} <= other
    assert found["torch_sgd_same_numbers"] > 0


def test_under_a_schedule_the_cascade_holds_and_the_direct_form_does_not(digits):
    found = differing(replace(CONFIG, schedule="cosine", epochs=5), digits)
    assert found["filter"] == found["filter_twin"] == found["latent_twin"] == 0
    for name in ("direct_form", "lfilter", "swapped", "torch_sgd", "linear_filter"):
        assert found[name] > 0, name


def test_from_another_start_only_the_right_state_holds(digits):
    found = differing(replace(CONFIG, init_scale=1.0), digits)
    assert found["filter"] == found["filter_twin"] == found["latent_twin"] == 0
    assert found["filter_zero_state"] > 0


def test_a_shadow_with_wrong_numbers_is_seen(monkeypatch, digits):
    def wrong(lr, weight_decay, w0=0.0):
        return 1.1 * lr * weight_decay, -weight_decay * w0

    monkeypatch.setattr(shadow_optimizers.filters, "latent_to_filter", wrong)
    assert differing(CONFIG, digits)["filter"] > 0


def beside(config, model, steps, dataset):
    return ShadowOptimizers(
        Context(config=config, model=model, optimizers=(), steps=steps, dataset=dataset)
    )


def test_counts_say_where_the_first_difference_is(digits):
    layer = BinaryLinear(3, 1, bias=False, dtype=torch.float64)
    weight = layer.weight
    with torch.no_grad():
        weight.zero_()
    optimizer = LatentSGD([weight], 1.0, 0.1, 1e-2)
    callback = beside(CONFIG, layer, 4, digits)
    for step in (1, 2, 3, 4):
        weight.grad = torch.randn(1, 3, dtype=torch.float64)
        optimizer.step()
        if step == 3:
            with torch.no_grad():
                weight.neg_()
        callback.after_step(step)
    counts = callback.result()["filter"]
    assert counts["first_step"] == 3
    assert counts["differing"] >= 3
    assert counts["compared"] == 12


def test_shadows_need_latent_sgd(digits):
    message = "optimizer must be 'latent_sgd' with ShadowOptimizers, got 'adam'"
    with pytest.raises(ValueError, match=message):
        beside(RunConfig(), BinaryLinear(3, 1), 1, digits)
