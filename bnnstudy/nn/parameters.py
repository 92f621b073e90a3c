"""Which parameters of a model are binary: said by the layers that own them."""

import contextlib
from collections.abc import Iterator
from typing import TypeVar

from torch import nn

from bnnstudy.config import checks
from bnnstudy.config.checks import shown
from bnnstudy.nn.binarize import not_signs

MADE = "a parametrisation, weight norm or pruning makes it; torch.nn.utils can remove these"
"""Why a layer may lack a parameter of its own."""


def split_parameters(model: nn.Module) -> tuple[list[nn.Parameter], list[nn.Parameter]]:
    """The model's parameters as two lists: (binary, real). Total and exclusive.

    A parameter is binary if the layer that owns it says so (its `binary_parameters`); all others are
    real. Each parameter stands in exactly one of the lists, once, in the model's order.

        >>> from bnnstudy.nn import BinaryLinear
        >>> network = nn.Sequential(BinaryLinear(4, 3, bias=False), nn.BatchNorm1d(3))
        >>> binary, real = split_parameters(network)
        >>> [tuple(p.shape) for p in binary], [tuple(p.shape) for p in real]
        ([(3, 4)], [(3,), (3,)])

    Raises:
        TypeError: if `model` is no `torch.nn.Module`.
        ValueError: if it has no parameters, if one parameter is claimed as binary by one layer and
            used as real by another, if a layer's binary parameter is no longer its own, or if a ±1
            weight is not ±1.
    """
    if not isinstance(model, nn.Module):
        raise TypeError(f"model must be a torch.nn.Module, got {type(model).__name__}")
    binary: dict[int, nn.Parameter] = {}
    real: dict[int, nn.Parameter] = {}
    for path, module in model.named_modules():
        own = own_binary(module, path)
        for name, parameter in module.named_parameters(recurse=False):
            kind = binary if name in own else real
            kind[id(parameter)] = parameter
    if not binary and not real:
        raise ValueError("model has no parameters to split")
    shared = binary.keys() & real.keys()
    if shared:
        names = [name for name, parameter in model.named_parameters() if id(parameter) in shared]
        raise ValueError(f"parameters {names} are shared by a binary and a real layer")
    return list(binary.values()), list(real.values())


def own_binary(module: nn.Module, path: str = "") -> tuple[str, ...]:
    """Names of a layer's binary parameters, which are its own, and ±1 where they have to be.

    >>> from bnnstudy.nn import BinaryLinear
    >>> own_binary(BinaryLinear(4, 3)), own_binary(nn.Linear(4, 3))
    (('weight',), ())

    Args:
        module: any layer; what is inside of it is not looked at.
        path: its name in its network, for errors.

    Raises:
        ValueError: naming the parameter, if it is made of others (by a parametrisation, weight norm or
            pruning), or is that of a ±1 layer and not ±1.
    """
    names = tuple(getattr(module, "binary_parameters", ()))
    there = dict(module.named_parameters(recurse=False))
    if lost := [name for name in names if name not in there]:
        raise ValueError(
            f"{path or 'model'} must have its {', '.join(lost)} as a parameter of its own, and has "
            f"none: {MADE}"
        )
    for name in names if getattr(module, "weights", None) == "binary" else ():
        if wrong := not_signs(there[name]):
            where = f"{path}.{name}".lstrip(".")
            raise ValueError(f"{where} must be ±1 (weights='binary'); {wrong} of its values are not")
    return names


@contextlib.contextmanager
def in_mode(model: nn.Module, *, training: bool) -> Iterator[None]:
    """A mode while it lasts; then each layer is in the mode it was in, frozen ones too."""
    checks.instance("model", model, nn.Module)
    modes = {module: module.training for module in model.modules()}
    model.train(training)
    try:
        yield
    finally:
        for module, mode in modes.items():
            module.training = mode


def evaluating(model: nn.Module) -> contextlib.AbstractContextManager[None]:
    """Evaluation mode while it lasts; then each layer is in the mode it was in.

    >>> network = nn.Dropout()
    >>> with evaluating(network):
    ...     network.training
    False
    >>> network.training
    True
    """
    return in_mode(model, training=False)


Layer = TypeVar("Layer", bound=nn.Module)


def mark_twin(layer: Layer) -> Layer:
    """Marks a real layer of a float twin that stands where the binary network has a binary one.

        >>> network = nn.Sequential(nn.Linear(4, 3), mark_twin(nn.Linear(3, 3)), nn.Linear(3, 2))
        >>> list(observed_weights(network))
        ['1.weight']

    Raises:
        ValueError: if it is no layer with a parameter `weight`.
    """
    if not isinstance(layer, nn.Module) or not isinstance(getattr(layer, "weight", None), nn.Parameter):
        raise ValueError(f"layer must be a layer with a parameter weight, got {shown(layer)}")
    object.__setattr__(layer, "twin_parameters", ("weight",))
    return layer


def observed_weights(model: nn.Module) -> dict[str, nn.Parameter]:
    """The binary weights by name; in a float twin, the weights that stand where they do.

    >>> from bnnstudy.nn import BinaryLinear
    >>> network = nn.Sequential(nn.Linear(4, 3), BinaryLinear(3, 3), nn.Linear(3, 2))
    >>> {name: tuple(weight.shape) for name, weight in observed_weights(network).items()}
    {'1.weight': (3, 3)}
    """
    checks.instance("model", model, nn.Module)
    marks = ("binary_parameters", "twin_parameters")
    chosen = {
        id(getattr(module, name))
        for module in model.modules()
        for mark in marks
        for name in getattr(module, mark, ())
    }
    return {name: p for name, p in model.named_parameters() if id(p) in chosen}
