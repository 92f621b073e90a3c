"""Augmentation in one vectorised pass, on whatever device the images are."""

from collections.abc import Callable, Sequence

import torch
import torch.nn.functional as F
from torch import Tensor

from bnnstudy import devices
from bnnstudy.config import checks
from bnnstudy.config.checks import shown

PADDING = 4
"""Pixels of black around an image before it is cropped to its size again."""


def augmentation(
    name: str, size: int, generator: torch.Generator, device: str | torch.device
) -> Callable[[Tensor, Tensor], Tensor]:
    """What an epoch does to its images: (images of a batch, their numbers) -> images.

    The draws for all `size` images are made at once, on the CPU, so that they are the same on every
    device. `"none"` draws nothing and changes nothing.

        >>> order, images = torch.Generator().manual_seed(0), torch.ones(20, 1, 8, 8)
        >>> augment = augmentation("crop_flip", 20, order, "cpu")  # draws for an epoch of 20 images
        >>> augment(images[:10], torch.arange(10)).shape  # its first batch
        torch.Size([10, 1, 8, 8])

    Raises:
        ValueError: if there is no augmentation of that name, or another argument is none of its kind.
    """
    if not isinstance(generator, torch.Generator):
        raise ValueError(f"generator must be a torch.Generator, got {shown(generator)}")
    if _checked(name, size, device) == "none":
        return lambda images, numbers: images
    of_many = augmentation_of_many(name, size, [generator], device)
    return lambda images, numbers: of_many(images[None], numbers[None])[0]


def augmentation_of_many(
    name: str, size: int, generators: Sequence[torch.Generator], device: str | torch.device
) -> Callable[[Tensor, Tensor], Tensor]:
    """`augmentation` for several networks at once, each with draws of its own.

    What it returns takes images (networks, N, C, H, W) and their numbers (networks, N).

        >>> orders = [torch.Generator().manual_seed(seed) for seed in range(3)]
        >>> augment = augmentation_of_many("crop_flip", 20, orders, "cpu")
        >>> augment(torch.ones(3, 10, 1, 8, 8), torch.arange(10).expand(3, 10)).shape
        torch.Size([3, 10, 1, 8, 8])

    Raises:
        ValueError: as there.
    """
    drawn = isinstance(generators, Sequence) and all(isinstance(g, torch.Generator) for g in generators)
    if not drawn or not generators:
        raise ValueError(f"generators must be torch.Generators, in a list, got {shown(generators)}")
    if _checked(name, size, device) == "none":
        return lambda images, numbers: images
    draws = [
        (
            torch.randint(2 * PADDING + 1, (size, 2), generator=generator),
            torch.randint(2, (size,), generator=generator).bool(),
        )
        for generator in generators
    ]
    shifts, mirrored = (torch.stack(drawn).to(device) for drawn in zip(*draws, strict=True))
    network = torch.arange(len(draws), device=device)[:, None]

    def augment(images: Tensor, numbers: Tensor) -> Tensor:
        own = shifts[network, numbers].flatten(0, 1), mirrored[network, numbers].flatten()
        return crop_flip(images.flatten(0, 1), *own).view_as(images)

    return augment


def _checked(name: str, size: int, device: str | torch.device) -> str:
    """The augmentation's name, if what comes with it is good too."""
    checks.SIZE.checked("size", size)
    devices.place_here(device)
    found: str = checks.one_of("augmentation", name, ("none", "crop_flip"))
    return found


def crop_flip(images: Tensor, shifts: Tensor, mirrored: Tensor, padding: int = PADDING) -> Tensor:
    """Pad with black, crop to the old size at `shifts`, mirror left to right where `mirrored` says so.

        >>> image, shift = torch.tensor([[[[1, 2, 3]]]]), torch.tensor([[1, 2]])
        >>> crop_flip(image, shift, torch.tensor([False]), padding=1).tolist()
        [[[[2, 3, 0]]]]
        >>> crop_flip(image, shift, torch.tensor([True]), padding=1).tolist()
        [[[[0, 3, 2]]]]

    Args:
        images: (N, C, H, W).
        shifts: (N, 2), rows and columns from 0 to 2 padding; `padding` leaves an image where it was.
        mirrored: (N), bool.
        padding: pixels on each side.

    The recipe of He et al. 2016 for CIFAR-10, used by paper B for Table 2.
    """
    number, channels, height, width = images.shape
    padded = F.pad(images, (padding,) * 4)
    rows = shifts[:, :1] + torch.arange(height, device=images.device)
    columns = torch.arange(width, device=images.device).expand(number, width)
    columns = shifts[:, 1:] + torch.where(mirrored[:, None], columns.flip(1), columns)
    n = torch.arange(number, device=images.device)[:, None, None, None]
    c = torch.arange(channels, device=images.device)[None, :, None, None]
    return padded[n, c, rows[:, None, :, None], columns[:, None, None, :]]
