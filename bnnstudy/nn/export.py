"""From a trained network of latent weights to one whose weights are ±1, and which computes the same.

The sign of a latent weight is not all of it: a scaling multiplies each output, and Libra's sign is that
of the standardised weight. `to_signs` takes both along.
"""

import copy
from collections.abc import Iterable
from typing import TYPE_CHECKING

import torch
from torch import Tensor, nn

from bnnstudy.config import checks
from bnnstudy.config.checks import shown
from bnnstudy.nn.batch_norm import NORMS, reestimate_on
from bnnstudy.nn.binarize import sign
from bnnstudy.nn.layers import BinaryConv2d, BinaryLinear
from bnnstudy.nn.parameters import own_binary

if TYPE_CHECKING:
    from torch import fx

BinaryLayer = BinaryLinear | BinaryConv2d

PASSING = (
    nn.MaxPool2d,
    nn.AvgPool2d,
    nn.AdaptiveAvgPool2d,
    nn.AdaptiveMaxPool2d,
    nn.Identity,
    nn.Dropout,
)
"""Layers that a factor of each channel, 0 or more, can be taken through."""


_DIM = checks.Rule(int, "a dimension")


class OutputScale(nn.Module):
    """A real factor, and a bias, for each output of a layer: y = s x + b.

        >>> OutputScale(torch.tensor([0.5, 2.0]))(torch.tensor([[1.0, -1.0]])).tolist()
        [[0.5, -2.0]]

    Args:
        scale: the factors, one an output.
        bias: the biases; None for none.
        dim: the dimension of the outputs: -1 after a linear layer, -3 after a convolution, whose images
            may come in batches or alone.

    Shapes: input and output of any size but along `dim`.

    Raises:
        ValueError: naming the argument, its value and what is allowed.
    """

    def __init__(self, scale: Tensor, bias: Tensor | None = None, dim: int = -1):
        super().__init__()
        for name, values in (("scale", scale), ("bias", bias)):
            row = isinstance(values, Tensor) and values.dim() == 1 and values.is_floating_point()
            if not row and (name == "scale" or values is not None):
                raise ValueError(f"{name} must be a row of real numbers, got {shown(values)}")
        if bias is not None and len(bias) != len(scale):
            raise ValueError(f"bias must be one for each of {len(scale)} factors, got {len(bias)}")
        self.dim = _DIM.checked("dim", dim)
        self.scale = nn.Parameter(scale.detach().clone())
        self.bias = None if bias is None else nn.Parameter(bias.detach().clone())

    def forward(self, input: Tensor) -> Tensor:
        shape = [1] * input.dim()
        shape[self.dim] = -1
        output = input * self.scale.view(shape)
        return output if self.bias is None else output + self.bias.view(shape)

    def extra_repr(self) -> str:
        return f"{len(self.scale)}, bias={self.bias is not None}"


def to_signs(model: nn.Module, images: Tensor | Iterable[Tensor] | None = None) -> nn.Module:
    """A copy of a network in which each latent binary layer is one of ±1 weights, all else the same.

    A latent layer computes s (x * v) + b with v = ±1. Where a batch norm follows, the factor s goes
    into its running statistics: with mean' = mean / s and var' = (var + eps) / s^2 - eps it gives for
    x * v + b / s what it gave before. Where none does, s stays, as an `OutputScale` after the layer.
    So it does in a network that `torch.fx` cannot trace, as then what follows what is not known.
    A batch norm after a linear layer that has as many features is taken to be over its outputs.

        >>> network = nn.Sequential(BinaryLinear(4, 3, scaling="mean"), nn.BatchNorm1d(3)).eval()
        >>> signs = to_signs(network)
        >>> x = torch.randn(5, 4)
        >>> torch.allclose(network(x), signs(x), atol=1e-5)
        True

    Args:
        model: a network with layers of ours, in any mode; it stays as it is.
        images: inputs, one batch or several, on which batch norm's statistics are re-estimated first,
            as `reestimate` does it in the model.

    Returns:
        The copy, in the same mode. Its outputs in evaluation are the model's but for rounding.

    Raises:
        ValueError: if `model` is no network of layers (a graph that was traced from one has bare
            parameters, of which nothing says that they are binary), if a binary weight is made of
            others, as by pruning, or is that of a ±1 layer and not ±1, or if `images` has no batch.
    """
    checks.instance("model", model, nn.Module)
    for path, module in model.named_modules():
        own_binary(module, path)
    signs = copy.deepcopy(model)
    if images is not None:
        reestimate_on("images", signs, [images] if isinstance(images, Tensor) else images)
    layers = {n: m for n, m in signs.named_modules() if _is_latent(m)}
    if not layers and _is_graph(model):
        raise ValueError(
            "model must be a network of layers, not a graph traced from one; take its signs, then trace"
        )
    scales = {name: _scale(layer) for name, layer in layers.items()}
    norms = _norms_after(signs, layers)
    weights = {name: sign(layer.effective_weight()) for name, layer in layers.items()}
    made: dict[int, tuple[Tensor, nn.Parameter]] = {}
    for name, layer in layers.items():
        _take(layer, weights[name], made)
        scale = scales[name]
        if scale is None:
            continue
        if name in norms:
            _fold(layer, scale, norms[name])
        else:
            signs = _replaced(signs, name, _with_factor(layer, scale))
    return signs


def _is_graph(model: nn.Module) -> bool:
    from torch import fx

    return isinstance(model, fx.GraphModule)


def _is_latent(module: nn.Module) -> bool:
    return isinstance(module, BinaryLayer) and module.weights == "latent"


def _scale(layer: BinaryLayer) -> Tensor | None:
    """The factor of each output in float64; None where it is 1."""
    if layer.scaling is None:
        return None
    return layer.effective_weight().detach().flatten(1)[:, 0].abs().double()


def _take(layer: BinaryLayer, weight: Tensor, made: dict[int, tuple[Tensor, nn.Parameter]]) -> None:
    """Makes a layer one of ±1 weights; layers that shared a weight share its signs, if equal."""
    before = layer.weight
    kept = made.get(id(before))
    if kept is None or not torch.equal(kept[1], weight):
        # The old weight is kept as well, so that its id is not another's.
        kept = made[id(before)] = (before, nn.Parameter(weight, requires_grad=before.requires_grad))
    layer.weight = kept[1]
    layer.scaling, layer.weights = None, "binary"
    layer._use("clip")


@torch.no_grad()
def _fold(layer: BinaryLayer, scale: Tensor, norms: list[nn.BatchNorm1d | nn.BatchNorm2d]) -> None:
    """Takes the layer's factors into the batch norms that follow it."""
    bias = torch.zeros_like(scale) if layer.bias is None else layer.bias.double()
    some = scale > 0
    divisor = torch.where(some, scale, 1.0)
    for norm in norms:
        assert norm.running_mean is not None
        assert norm.running_var is not None
        mean, deviation = norm.running_mean.double(), (norm.running_var.double() + norm.eps).sqrt()
        variance = ((deviation / divisor).square() - norm.eps).clamp(min=0)
        # 1, but where a factor is so large that the variance would be negative.
        gain = (variance + norm.eps).sqrt() * divisor / deviation
        # Where the factor is 0 the output is the bias, whatever comes in.
        constant = norm.bias + norm.weight * (bias - mean) / deviation
        norm.bias.copy_(torch.where(some, norm.bias, constant))
        norm.weight.copy_(torch.where(some, norm.weight * gain, 0.0))
        norm.running_mean.copy_(mean / divisor)
        norm.running_var.copy_(variance)
    if layer.bias is not None:
        layer.bias.copy_(bias / divisor)


def _with_factor(layer: BinaryLayer, scale: Tensor) -> nn.Sequential:
    bias, layer.bias = layer.bias, None
    dim = -3 if isinstance(layer, BinaryConv2d) else -1
    return nn.Sequential(layer, OutputScale(scale.to(layer.weight.dtype), bias, dim))


def _replaced(model: nn.Module, name: str, by: nn.Module) -> nn.Module:
    """The model with another module of that name; the other itself where it is the whole model."""
    if not name:
        return by
    old = model.get_submodule(name)
    for parent in list(model.modules()):
        for child, module in list(parent._modules.items()):  # `named_children` names each once
            if module is old and parent is not by:
                setattr(parent, child, by)
    return model


def _graph(model: nn.Module) -> "fx.Graph":
    """The model's graph, with no module looked into but those with binary layers or norms inside."""
    from torch import fx  # a third of a second, which who converts nothing need not wait for

    class Tracer(fx.Tracer):
        def is_leaf_module(self, m: nn.Module, module_qualified_name: str) -> bool:
            inside = (module for module in m.modules() if module is not m)
            return not any(
                isinstance(module, (BinaryLinear, BinaryConv2d, *NORMS)) for module in inside
            )

    return Tracer().trace(model)


def _norms_after(
    model: nn.Module, layers: dict[str, BinaryLayer]
) -> dict[str, list[nn.BatchNorm1d | nn.BatchNorm2d]]:
    """By layer the batch norms that follow it, one at each use, where its factor can go into them."""
    try:
        graph = _graph(model)
    except Exception:  # whatever a network does that cannot be traced
        return {}
    modules = dict(model.named_modules(remove_duplicate=False))
    names = {id(layer): name for name, layer in layers.items()}
    calls = [node for node in graph.nodes if node.op == "call_module"]
    after: dict[str, list[fx.Node | None]] = {}
    for node in calls:
        if name := names.get(id(modules[str(node.target)])):
            after.setdefault(name, []).append(_norm_after(node, modules))
    fed_by = {node: name for name, nodes in after.items() for node in nodes if node}
    sources: dict[int, set[str | None]] = {}
    for node in calls:
        sources.setdefault(id(modules[str(node.target)]), set()).add(fed_by.get(node))
    found = {}
    for name, nodes in after.items():
        norms = {id(modules[str(n.target)]): modules[str(n.target)] for n in nodes if n}
        # A norm that something else feeds, too, must stay as it is.
        if None not in nodes and all(sources[key] == {name} for key in norms):
            found[name] = [norm for norm in norms.values() if isinstance(norm, NORMS)]
    read = [str(node.target) for node in graph.nodes if node.op == "get_attr"]
    return {
        name: norms
        for name, norms in found.items()
        if all(_takes(norm, layers[name]) for norm in norms)
        # What reads a norm's own numbers would read others.
        and not any(modules.get(path.rpartition(".")[0]) in norms for path in read)
    }


def _takes(norm: nn.BatchNorm1d | nn.BatchNorm2d, layer: BinaryLayer) -> bool:
    """Whether a norm may be over the layer's outputs: it has as many features."""
    return norm.num_features == len(layer.weight)


def _norm_after(node: "fx.Node", modules: dict[str, nn.Module]) -> "fx.Node | None":
    """The batch norm that alone gets what a layer gives, perhaps through a pooling."""
    while len(node.users) == 1:
        (node,) = node.users
        module = modules[str(node.target)] if node.op == "call_module" else None
        if isinstance(module, NORMS):
            # What a subclass computes is not known.
            usable = type(module) in NORMS and module.affine and module.running_mean is not None
            return node if usable else None
        if not isinstance(module, PASSING):
            return None
    return None
