"""Data sets as tensors that stay on the device, augmentation, and folders of images."""

from bnnstudy.data.augment import augmentation, augmentation_of_many, crop_flip
from bnnstudy.data.datasets import (
    NAMES,
    Dataset,
    Split,
    classes_of,
    default_root,
    load,
    shape_of,
    sizes_of,
    steps_of_epoch,
)
from bnnstudy.data.imagenet import ImageFolder

__all__ = [
    "load",
    "Dataset",
    "Split",
    "NAMES",
    "shape_of",
    "sizes_of",
    "classes_of",
    "steps_of_epoch",
    "default_root",
    "augmentation",
    "augmentation_of_many",
    "crop_flip",
    "ImageFolder",
]
