"""The presets `short` and `paper`, tried: every kind of arm takes steps on images of its data's shape.

No test has the hours that these presets take. But the network of each study is tried at its own width,
and every kind of arm in a narrower one: two steps a stage, a few images, and all that is measured.
"""

import math
from collections.abc import Iterator
from dataclasses import replace

import pytest
import torch

from bnnstudy import data, studies
from bnnstudy.config.run import RunConfig
from bnnstudy.data import Dataset, Split
from bnnstudy.experiments.arms import run_arm
from bnnstudy.experiments.study import Arm, Study

SHAPES = {"mnist": (1, 28, 28), "cifar10": (3, 32, 32), "audiomnist": (1, 32, 32)}
BATCH, NARROW = 4, 16
LARGE = [
    pytest.param(study, preset, id=f"{study.name}-{preset}")
    for study in studies.STUDIES.values()
    for preset in ("short", "paper")
    # ImageNet's arms are trained from a folder; tests/test_imagenet_training.py tries them.
    if preset in study.arms and study.name != "imagenet"
]


def some(name: str) -> Dataset:
    """Random images of the shape of a data set: two batches to train on, as many to measure."""
    random = torch.Generator().manual_seed(0)
    shape = SHAPES[name]
    parts = [
        Split(
            torch.randint(256, (2 * BATCH, *shape), dtype=torch.uint8, generator=random),
            torch.randint(10, (2 * BATCH,), generator=random),
        )
        for _ in range(3)
    ]
    moments = (torch.full((shape[0], 1, 1), value, dtype=torch.float64) for value in (128.0, 74.0))
    return Dataset(name, *parts, 10, *moments, fingerprint="random")


def shortened(config: RunConfig) -> RunConfig:
    """One epoch of two steps a stage."""
    stages = tuple(replace(stage, epochs=1) for stage in config.stages)
    return replace(config, train_size=0, batch_size=BATCH, epochs=max(len(stages), 1), stages=stages)


def kind(arm: Arm) -> str:
    """What an arm is but for its numbers."""
    named = {n: v for n, v in arm.config.to_dict().items() if isinstance(v, str | bool | list)}
    named["stages"] = [[name for name, _ in stage.changes] for stage in arm.config.stages]
    for name, default in (("betas", None), ("drops", ()), ("steepness", (1.0, 1.0))):
        named[name] = default is not None and getattr(arm.config, name) != default
    uses = (*arm.callbacks, *((arm.procedure,) if arm.procedure else ()))
    return f"{named} {[use.name for use in uses]}"


def tried(study: Study, preset: str) -> Iterator[Arm]:
    """One arm of each kind, narrow; the first of each network as wide as it is."""
    kinds, networks = set(), set()
    for arm in study.arms[preset]:
        network = (arm.config.dataset, arm.config.model)
        if network not in networks:
            yield arm
        elif kind(arm) not in kinds:
            width = max(2, arm.config.width // NARROW)
            yield replace(arm, config=replace(arm.config, width=width))
        networks.add(network)
        kinds.add(kind(arm))


@pytest.mark.parametrize("name", SHAPES)
def test_the_random_images_have_the_shape_of_the_data(name):
    if name in data.audio.SOURCES:
        assert SHAPES[name] == (1, data.audio.BANDS, data.audio.FRAMES)
    else:
        height, width, *channels = data.images.SOURCES[name].shape
        assert SHAPES[name] == ((channels or [1])[0], height, width)


@pytest.mark.parametrize(("study", "preset"), LARGE)
def test_every_kind_of_arm_of_a_large_preset_takes_steps(study, preset):
    for arm in tried(study, preset):
        config = shortened(arm.config)
        result = run_arm(arm, config, some(config.dataset))
        measured = [*result["curves"].get("train_loss", []), *result["curves"]["validation_accuracy"]]
        assert all(value is not None and math.isfinite(value) for value in measured), arm.name
