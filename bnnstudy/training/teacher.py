"""The teacher of a distillation: torchvision's ResNet-34 with weights from a file."""

import os
from collections.abc import Mapping
from pathlib import Path

import torch
from torch import Tensor, nn

from bnnstudy.config import checks

NAME = "resnet34"
"""The teacher of ReActNet, of AdamBNN and of paper B."""


def load_teacher(file: str | os.PathLike[str], classes: int) -> nn.Module:
    """ResNet-34 with the weights of a file, in evaluation mode and without gradients.

        >>> load_teacher("no such file.pt", 1000)
        Traceback (most recent call last):
        FileNotFoundError: teacher must be a file of weights of resnet34, ... no such file.pt

    Args:
        file: a state dict as `torch.save(model.state_dict(), file)` writes it, such as torchvision's
            own `resnet34-b627a593.pth`. It is loaded with `weights_only=True`: it cannot run code.
        classes: of the images.

    Raises:
        FileNotFoundError, ValueError: if there is no such file, it is no state dict of a ResNet-34, or
            it knows another number of classes.
        ImportError: if torchvision is not installed.
    """
    checks.path("file", file, or_none=False)
    classes = checks.SIZE.checked("classes", classes)
    if not checks.is_file(file):
        raise FileNotFoundError(f"teacher must be a file of weights of {NAME}, and there is no {file}")
    file = Path(file)
    try:
        from torchvision.models import resnet34
    except ImportError as error:
        raise ImportError(
            "the teacher is torchvision's, which is not installed: bnnstudy[downloads] has it"
        ) from error
    try:
        found = torch.load(file, map_location="cpu", weights_only=True)
    except Exception as error:  # torch, pickle, zip: what is no such file fails in many ways
        raise ValueError(
            f"teacher must be a state dict, and {file} is none ({type(error).__name__})"
        ) from error
    if not isinstance(found, Mapping) or not all(isinstance(v, Tensor) for v in found.values()):
        raise ValueError(f"teacher must be a state dict of tensors alone, and {file} is none")
    model = resnet34(weights=None, num_classes=classes)
    _require_fit(file, found, model.state_dict())
    model.load_state_dict(found)
    return model.eval().requires_grad_(False)


def _require_fit(file: Path, found: Mapping[str, Tensor], wanted: Mapping[str, Tensor]) -> None:
    missing, other = wanted.keys() - found.keys(), found.keys() - wanted.keys()
    if missing or other:
        raise ValueError(
            f"teacher must be a state dict of {NAME}: {file} lacks {len(missing)} of its "
            f"{len(wanted)} names and has {len(other)} others"
        )
    known, classes = len(found["fc.bias"]), len(wanted["fc.bias"])
    if known != classes:
        raise ValueError(
            f"teacher must know the {classes} classes of the images, and {file} knows {known}"
        )
    if wrong := [name for name in wanted if found[name].shape != wanted[name].shape]:
        raise ValueError(
            f"teacher must be a state dict of {NAME}: in {file} {wrong[0]} has another shape"
        )
