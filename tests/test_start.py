"""What a network has before its first step."""

from dataclasses import replace

import pytest
import torch

from bnnstudy.config.run import RunConfig
from bnnstudy.training import first_gradients, fit
from bnnstudy.training.callbacks import Callback

SMALL = RunConfig(width=16, depth=1, epochs=1, optimizer="sgd", lr=0.5, loss="cross_entropy")


def test_a_first_gradient_is_what_a_first_step_moves_weights_by(digits):
    whole = replace(SMALL, batch_size=len(digits.train))
    found = first_gradients(whole, digits, images=len(digits.train))

    class Weights(Callback):
        name = "weights"

        def after_step(self, step):
            parameters = dict(self.context.model.named_parameters())
            self.after = {name: parameters[name].detach().clone() for name in found}

        def result(self):
            return self.after

    moved = fit(whole, digits, callbacks=[Weights])["weights"]
    assert len(found) == 2
    for name, (weight, gradient) in found.items():
        assert gradient.abs().max() > 0
        assert torch.allclose(moved[name], weight - 0.5 * gradient, atol=1e-6)


def test_first_gradients_are_of_the_loss_the_precision_and_the_images_asked_for(digits):
    few, more = (first_gradients(SMALL, digits, images=n) for n in (50, 500))
    hinge = first_gradients(replace(SMALL, loss="squared_hinge"), digits, images=50)
    double = first_gradients(replace(SMALL, precision="float64"), digits, images=50)
    for name, (weight, gradient) in few.items():
        assert torch.equal(weight, more[name][0])
        assert not torch.allclose(gradient, more[name][1])
        assert not torch.allclose(gradient, hinge[name][1])
        assert double[name][1].dtype == torch.float64
    with pytest.raises(ValueError, match="images must be a whole number of 1 or more, got 0"):
        first_gradients(SMALL, digits, images=0)


@pytest.mark.parametrize(
    "changes",
    [
        {"init_scale": 0.0, "activation": "sign"},
        {"precision": "float64"},
        {"model": "cnn", "width": 4, "augmentation": "crop_flip", "batch_size": 200},
        {
            "view": "filter",
            "optimizer": "filter",
            "alpha": 1e-2,
            "real_optimizer": "sgd",
            "real_lr": 0.1,
            "lr": 1e-3,
        },
    ],
)
def test_a_run_does_not_depend_on_torchs_default_type(changes, digits, double_by_default):
    config = replace(SMALL, **changes)
    found = fit(config, digits, with_model=True)
    torch.set_default_dtype(torch.float32)
    usual = fit(config, digits, with_model=True)
    assert found[0] == usual[0]
    for p, q in zip(found[1].parameters(), usual[1].parameters(), strict=True):
        assert p.dtype == q.dtype
        assert torch.equal(p, q)
