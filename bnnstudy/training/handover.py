"""The stages of a run: checked before the first of them, networks handed on from one to the next."""

from itertools import pairwise
from typing import Protocol

import torch
from torch import nn

from bnnstudy import data, devices
from bnnstudy.config.run import RunConfig
from bnnstudy.nn import models
from bnnstudy.nn.binarize import sign
from bnnstudy.nn.export import OutputScale, to_signs
from bnnstudy.nn.parameters import observed_weights
from bnnstudy.training.step import Step


class Images(Protocol):
    """What a network is built for: the shape (C, H, W) of an image, the number of classes."""

    @property
    def shape(self) -> tuple[int, int, int]: ...

    @property
    def classes(self) -> int: ...


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
        for before, stage in pairwise(plan):
            if before.scaling and before.view == "latent" and stage.view == "filter":
                _require_norms(before, models.build(before, dataset.shape, dataset.classes))


def _require_norms(config: RunConfig, model: nn.Module) -> None:
    """Refuses what a stage of ±1 weights could not take over: factors that no batch norm takes in."""
    left = [name for name, m in to_signs(model).named_modules() if isinstance(m, OutputScale)]
    if left:
        raise ValueError(
            "scaling must be None in a stage before one with view 'filter' where no batch norm follows "
            f"a binary layer ({len(left)} of model {config.model!r}), got {config.scaling!r}"
        )


def network_of(
    config: RunConfig, dataset: Images, device: torch.device, previous: nn.Module | None
) -> nn.Module:
    """The network of a stage on its device, with the weights of the one before, if there is one."""
    model = models.build(config, dataset.shape, dataset.classes)
    if previous is not None:
        # A latent weight's sign is not all of it: what scales it goes into the batch norm that follows.
        state = (to_signs(previous) if config.view == "filter" else previous).state_dict()
        if config.view == "filter":
            state |= {name: sign(state[name].detach()) for name in observed_weights(model)}
        model.load_state_dict(state)
    return model.to(device)
