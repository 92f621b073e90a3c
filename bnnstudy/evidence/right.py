"""Which test images a run got right, one bit each: what tells chance among images from an effect.

A result keeps them under `right`, by metric, as text: the bits packed, compressed (zlib) and written in
base 85. An accuracy of 95 % on 10,000 images takes some 500 characters.
"""

import base64
import zlib
from collections.abc import Mapping
from typing import Any

import numpy as np

from bnnstudy.config import checks
from bnnstudy.config.checks import shown
from bnnstudy.config.run import RunConfig

TEST_IMAGES = {"digits": 400, "mnist": 10_000, "cifar10": 10_000, "fsdd": 300, "audiomnist": 3_000,
               "imagenet": 50_000}  # fmt: skip
"""Test images (recordings) of each data set: what runs that keep no single ones are judged by."""


def keep(bits: Mapping[str, np.ndarray]) -> dict[str, Any]:
    """What a result has under `right`: by metric which test images were right, (N) of bool each."""
    packed = {metric: _pack(found) for metric, found in bits.items()}
    return {"images": len(next(iter(bits.values()))), **packed}


def _pack(bits: np.ndarray) -> str:
    return base64.b85encode(zlib.compress(np.packbits(bits).tobytes(), 9)).decode()


def unpack(result: Mapping[str, Any], metric: str) -> np.ndarray | None:
    """Which test images a run got right, (N) of bool, at one of its test accuracies; None if not kept.

    Args:
        result: a run's result.
        metric: a path to a test accuracy, such as "last.test_accuracy".

    Raises:
        ValueError: if what is kept is no such bits.
    """
    kept = result.get("right", {})
    checks.instance("right", kept, Mapping)
    if metric not in kept:
        return None
    images, text = checks.SIZE.checked("images of right", kept.get("images")), kept[metric]
    size = -(-images // 8)
    try:
        # No more than is wanted: a few characters may stand for any number of bits.
        packed = zlib.decompressobj().decompress(base64.b85decode(text), size + 1)
    except (TypeError, ValueError, zlib.error) as error:
        raise ValueError(f"right must hold packed bits at {metric}, got {shown(text)}") from error
    if len(packed) != size:
        raise ValueError(f"right must hold {images} bits at {metric}, got {8 * len(packed)}")
    return np.unpackbits(np.frombuffer(packed, dtype=np.uint8), count=images).astype(bool)


def images_of(config: Mapping[str, Any]) -> int:
    """Test images of a configuration's data set, as a record has it."""
    return TEST_IMAGES.get(config.get("dataset", RunConfig.dataset), 0)
