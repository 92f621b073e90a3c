"""The stages of a run: checked before the first of them, networks handed on from one to the next."""

import torch
from torch import nn

from bnnstudy import data, devices
from bnnstudy.config.run import RunConfig
from bnnstudy.nn import models
from bnnstudy.nn.binarize import sign
from bnnstudy.nn.parameters import observed_weights
from bnnstudy.training.step import Step


def require_stages(config: RunConfig, dataset: data.Dataset) -> None:
    """Refuses a run of which any stage cannot be trained, before its first one.

    Raises:
        ValueError: naming what is wrong: batches larger than there are images, a name that is unknown,
            numbers that an optimizer does not take.
    """
    plan, images = config.plan(), len(dataset.train)
    largest = max(stage.batch_size for stage in plan)
    if images < largest:
        raise ValueError(f"batch_size must be at most the {images} training images, got {largest}")
    with devices.compiling(False):
        for stage in plan[1:]:  # the first is about to be built
            Step(stage, models.build(stage, dataset.shape, dataset.classes), 1)


def network_of(
    config: RunConfig, dataset: data.Dataset, device: torch.device, previous: nn.Module | None
) -> nn.Module:
    """The network of a stage on its device, with the weights of the one before, if there is one."""
    model = models.build(config, dataset.shape, dataset.classes)
    if previous is not None:
        state = previous.state_dict()
        if config.view == "filter":
            state |= {name: sign(state[name].detach()) for name in observed_weights(model)}
        model.load_state_dict(state)
    return model.to(device)
