"""Each trick is a named change of a configuration."""

import dataclasses
from dataclasses import replace

import pytest

from bnnstudy.config import tricks
from bnnstudy.config.run import RunConfig


def test_every_trick_says_what_it_changes():
    base = RunConfig(epochs=10)
    changed = {
        "float_twin": tricks.float_twin(base),
        "weight_clipping": tricks.weight_clipping(base),
        "gradient_clipping": tricks.gradient_clipping(replace(base, surrogate="identity")),
        "binary_activations": tricks.binary_activations(base),
        "batch_norm_on_adam": tricks.batch_norm_on_adam(base),
        "batch_norm_at_own_rate": tricks.batch_norm_at_own_rate(base),
        "zero_start": tricks.zero_start(base),
        "two_stages": tricks.two_stages(base, 4),
        "no_clipping": tricks.no_clipping(replace(base, clamp=True)),
        "rate_scaled_by_layer": tricks.rate_scaled_by_layer(base, "update"),
        "pretraining": tricks.pretraining(base, 4),
    }
    assert changed["float_twin"].differences() == {"binary_weights": False}
    assert changed["weight_clipping"].differences() == {"clamp": True}
    assert changed["gradient_clipping"].surrogate == "clip"
    assert changed["binary_activations"].bits == "1W/1A"
    assert changed["batch_norm_on_adam"].differences() == {"real_optimizer": "adam", "real_lr": 1e-2}
    assert changed["batch_norm_at_own_rate"].differences() == {"real_optimizer": "sgd", "real_lr": 3.0}
    assert changed["zero_start"].differences() == {"init_scale": 0.0}
    assert changed["no_clipping"].differences() == {"surrogate": "identity"}
    assert changed["rate_scaled_by_layer"].differences() == {"lr_scaling": "update"}
    free, clipped = changed["two_stages"].plan()
    assert (free.surrogate, free.clamp, clipped.surrogate, clipped.clamp) == (
        "identity",
        False,
        "clip",
        True,
    )
    assert (free.epochs, clipped.epochs, clipped.lr) == (4, 6, pytest.approx(0.1 * base.lr))
    tuned_later = replace(changed["two_stages"], lr=0.5).plan()
    assert [stage.lr for stage in tuned_later] == [0.5, pytest.approx(0.05)]
    real, binary = changed["pretraining"].plan()
    assert (real.binary_weights, binary.binary_weights) == (False, True)
    slower, _ = tricks.pretraining(base, 4, 0.5).plan()
    assert slower.lr == 0.5 * base.lr
    names = {n for n, v in vars(tricks).items() if callable(v) and v.__module__ == tricks.__name__}
    assert {name for name in names if not name.startswith("_")} == set(changed)
    assert dataclasses.is_dataclass(base)
