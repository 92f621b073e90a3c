"""What the tests share: one thread, no stray records, small real data."""

import multiprocessing
import os
from multiprocessing import forkserver
from pathlib import Path

import hypothesis
import numpy as np
import pytest
import torch
from browsing import started

from bnnstudy import data
from bnnstudy.data import datasets, images

# No deadline: these machines are shared, and no test may depend on time.
hypothesis.settings.register_profile("bnnstudy", deadline=None, max_examples=50, derandomize=True)
hypothesis.settings.load_profile("bnnstudy")

torch.set_num_threads(1)


PRELOADED = (
    "faults", "bnnstudy.__main__", "bnnstudy.studies", "bnnstudy.experiments.image_folder", "pytest",
    "torch._dynamo", "torchvision.transforms.v2", "PIL.Image", "PIL.JpegImagePlugin",
)  # fmt: skip
"""What processes of tests need that are many, or are to start at once."""


@pytest.fixture(scope="session")
def forking():
    """Starts processes forked from one that has imported what they need, and has no threads.

    There is one such server in a process of tests, whichever test asks first: what it has not imported,
    each of some hundred processes would.
    """
    context = multiprocessing.get_context("forkserver")
    context.set_forkserver_preload(list(PRELOADED))
    with pytest.MonkeyPatch.context() as patch:
        # The server looks for what it preloads where Python does, not where pytest does.
        patch.setenv("PYTHONPATH", str(Path(__file__).parent), prepend=os.pathsep)
        forkserver.ensure_running()
    return context


@pytest.fixture(scope="session")
def digits() -> data.Dataset:
    return data.load("digits")


@pytest.fixture(scope="module")
def browser():
    with started() as browser:
        yield browser


@pytest.fixture
def tiny_mnist(tmp_path, monkeypatch):
    """A folder with a complete `mnist.npz` of 40 + 10 images, of the size then expected."""
    monkeypatch.setitem(images.SOURCES, "mnist", images.Source((28, 28), 40, 10, "MNIST"))
    forget()
    random = np.random.default_rng(0)
    arrays = {
        "train_images": random.integers(0, 256, (40, 28, 28), dtype=np.uint8),
        "train_labels": random.integers(0, 10, 40, dtype=np.uint8),
        "test_images": random.integers(0, 256, (10, 28, 28), dtype=np.uint8),
        "test_labels": random.integers(0, 10, 10, dtype=np.uint8),
    }
    np.savez(tmp_path / "mnist.npz", **arrays)
    yield tmp_path, arrays
    forget()


def forget() -> None:
    """Have the next `data.load` read its files again."""
    datasets._parts.cache_clear()
    datasets._standard.cache_clear()


@pytest.fixture
def double_by_default():
    """torch's default type is float64 during a test."""
    torch.set_default_dtype(torch.float64)
    yield
    torch.set_default_dtype(torch.float32)
