"""Networks of others, made binary: their layers become ours where they stand."""

from collections.abc import Iterable

from torch import nn
from torch.nn.utils import parametrize

from bnnstudy.config import checks
from bnnstudy.config.checks import shown
from bnnstudy.nn.layers import BinaryConv2d, BinaryLinear
from bnnstudy.nn.parameters import MADE

KINDS: dict[type[nn.Module], type[BinaryLinear] | type[BinaryConv2d]] = {
    nn.Linear: BinaryLinear,
    nn.Conv2d: BinaryConv2d,
}
"""What becomes what. Subclasses stay: what they do with their weight is not known."""


def binarize_layers(
    model: nn.Module,
    skip: Iterable[str] | None = None,
    *,
    surrogate: str = "clip",
    scaling: str | None = None,
    weights: str = "latent",
) -> list[str]:
    """Make the linear layers and 2-d convolutions of a network binary, in place.

    Each stays the object that it is, with its parameters, dtype, device and hooks; its class becomes
    `BinaryLinear` or `BinaryConv2d`. So an optimizer that has the parameters already still has them.

        >>> network = nn.Sequential(nn.Linear(9, 8), nn.Linear(8, 8), nn.Linear(8, 2))
        >>> binarize_layers(network)
        ['1']

    Args:
        model: any network; activations are left as they are.
        skip: names of layers that stay real, as `named_modules` has them; None means the first and the
            last of those that could become binary, in the order in which the network holds them.
        surrogate, scaling, weights: as in `BinaryLinear`; with `weights="binary"` the parameters become
            their signs.

    Returns:
        Names of the layers that became binary.

    Raises:
        ValueError: naming the argument, if a name of `skip` is no such layer, or none is left; if the
            weight of a layer is made of others, as by weight norm or pruning; if with
            `weights="binary"` a layer that stays as it is shares the parameter of one that does not.
    """
    checks.instance("model", model, nn.Module)
    found = {name: module for name, module in model.named_modules() if _kind(module) in KINDS}
    kept = {*list(found)[:1], *list(found)[-1:]} if skip is None else _names(skip)
    if unknown := sorted(kept - found.keys()):
        raise ValueError(f"skip must be of {', '.join(found) or 'no layer'}; got {', '.join(unknown)}")
    chosen = {name: module for name, module in found.items() if name not in kept}
    if not chosen:
        raise ValueError(
            f"model must have a linear layer or a 2-d convolution that skip leaves, got {len(found)} "
            f"such layers and skip {sorted(kept)}"
        )
    # Refused before the first layer is touched.
    BinaryLinear(1, 1, device="meta", surrogate=surrogate, scaling=scaling, weights=weights)
    _require_plain(chosen)
    if weights == "binary":
        _require_own(model, chosen)
    for module in chosen.values():
        module.__class__ = KINDS[type(module)]
        assert isinstance(module, BinaryLinear | BinaryConv2d)
        module._set_up(surrogate, scaling, weights)
    return list(chosen)


def _kind(module: nn.Module) -> type[nn.Module]:
    """Its class, but for what a parametrisation has made of it."""
    return parametrize.type_before_parametrizations(module)


def _require_plain(chosen: dict[str, nn.Module]) -> None:
    """Refuses weights that are made of others: each forward pass would make them anew, and real."""
    for name, module in chosen.items():
        if parametrize.is_parametrized(module) or "weight" not in module._parameters:
            raise ValueError(
                f"model must have the weight of {name!r} as a parameter of its own (or its name in "
                f"skip), and has none: {MADE}"
            )


def _require_own(model: nn.Module, chosen: dict[str, nn.Module]) -> None:
    """Refuses parameters that would become signs where a layer that stays real has them, too."""
    becoming = {id(module.weight): name for name, module in chosen.items()}
    for other, module in model.named_modules():
        if other in chosen:
            continue
        for own, parameter in module.named_parameters(recurse=False):
            if name := becoming.get(id(parameter)):
                raise ValueError(
                    f"model must not share the weight of {name}, which becomes ±1, with a layer that "
                    f"stays as it is, got {f'{other}.{own}' if other else own}"
                )


def _names(skip: Iterable[str]) -> set[str]:
    try:
        names = [skip] if isinstance(skip, str) else list(skip)
    except TypeError:  # nothing to go through, or an array without dimensions
        names = []
        wrong = True
    else:
        wrong = not all(isinstance(name, str) for name in names)
    if wrong:
        raise ValueError(f"skip must be names of layers, got {shown(skip)}")
    return set(names)
