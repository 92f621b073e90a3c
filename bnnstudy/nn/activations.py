"""Binary activations, and the shifts that ReActNet puts around them."""

from collections.abc import Callable
from functools import partial

import torch
import torch.nn.functional as F
from torch import Tensor, nn
from torch.overrides import handle_torch_function, has_torch_function_variadic

from bnnstudy.config import checks
from bnnstudy.nn import binarize


class Binarizing(nn.Module):
    """Base class of modules that binarize: holds the surrogate's name and the function in use."""

    surrogate: str
    steepness = 1.0  # of the surrogate "ede"
    _binarize: Callable[[Tensor], Tensor]

    def _use(self, surrogate: str) -> None:
        self._binarize, self.surrogate = binarize.surrogate(surrogate), surrogate

    def extra_repr(self) -> str:
        sizes = super().extra_repr()  # of the layer of torch's that this one is too, if any
        return f"{sizes}, surrogate={self.surrogate!r}".removeprefix(", ")


class BinaryActivation(Binarizing):
    """The sign as an activation, elementwise, with a surrogate gradient by name.

    Forward y = sign(x); backward d/dx = surrogate(x), the surrogate's slope.

    Args:
        surrogate: one of `bnnstudy.nn.binarize.SURROGATES`.

    Raises:
        ValueError: if there is no surrogate of that name.

    Example:
        >>> BinaryActivation()(torch.tensor([0.3, -2.0]))
        tensor([ 1., -1.])
    """

    def __init__(self, surrogate: str = "clip"):
        super().__init__()
        self._use(surrogate)

    def forward(self, input: Tensor) -> Tensor:
        return self._binarize(input)


class RSign(Binarizing):
    """Sign with a learned threshold for each channel: y = sign(x - a_c), surrogate `"approx"`.

    Backward d/dx = surrogate(x - a_c) and d/da_c = -surrogate(x - a_c), summed over the channel.

    Args:
        channels: number of channels, the second dimension of the input.
        surrogate: as in `BinaryActivation`.
        device, dtype: of the thresholds, as in torch's own layers.

    Shapes: input (N, C, ...), output the same.

    Source: Liu et al. 2020 (ReActNet).

    Example:
        >>> RSign(2)(torch.tensor([[0.3, -2.0]])).tolist()
        [[1.0, -1.0]]
    """

    def __init__(
        self,
        channels: int,
        surrogate: str = "approx",
        device: str | torch.device | None = None,
        dtype: torch.dtype | None = None,
    ):
        super().__init__()
        channels = checks.SIZE.checked("channels", channels)
        self.threshold = nn.Parameter(torch.zeros(channels, device=device, dtype=dtype))
        self._use(surrogate)

    def forward(self, input: Tensor) -> Tensor:
        return self._binarize(input - per_channel(self.threshold, input))

    def extra_repr(self) -> str:
        return f"{len(self.threshold)}, {super().extra_repr()}"


class RPReLU(nn.Module):
    """PReLU with learned shifts: y = f(x - g_c) + z_c, f(u) = u for u > 0, else b_c u.

    Backward, with u = x - g_c: d/dx = f'(u), d/dg_c = -f'(u), d/dz_c = 1 and d/db_c = min(u, 0), the
    last three summed over the channel.

    Args:
        channels: number of channels, the second dimension of the input.
        slope: the slope b_c at the start.
        device, dtype: of the parameters, as in torch's own layers.

    Shapes: input (N, C, ...), output the same.

    Source: Liu et al. 2020 (ReActNet).

    Example:
        >>> RPReLU(2)(torch.tensor([[0.5, -2.0]])).tolist()
        [[0.5, -0.5]]
    """

    def __init__(
        self,
        channels: int,
        slope: float = 0.25,
        device: str | torch.device | None = None,
        dtype: torch.dtype | None = None,
    ):
        super().__init__()
        channels = checks.SIZE.checked("channels", channels)
        slope = checks.FINITE.checked("slope", slope)
        self.shift_in = nn.Parameter(torch.zeros(channels, device=device, dtype=dtype))
        self.shift_out = nn.Parameter(torch.zeros(channels, device=device, dtype=dtype))
        self.slope = nn.Parameter(torch.full((channels,), slope, device=device, dtype=dtype))

    def forward(self, input: Tensor) -> Tensor:
        moved = input - per_channel(self.shift_in, input)
        return F.prelu(moved, self.slope) + per_channel(self.shift_out, input)

    def extra_repr(self) -> str:
        return str(len(self.slope))


def set_steepness(model: nn.Module, t: float) -> None:
    """Make `t` the steepness of the surrogate `"ede"` wherever the model uses it; elsewhere nothing.

        >>> network = nn.Sequential(nn.Linear(4, 3), BinaryActivation("ede"))
        >>> set_steepness(network, 2.0)
        >>> network[1].steepness
        2.0

    Raises:
        ValueError: if `t` is not above 0 and finite.
    """
    t = checks.POSITIVE.checked("t", t)
    checks.instance("model", model, nn.Module)
    for module in model.modules():
        if isinstance(module, Binarizing) and module.surrogate == "ede":
            module._binarize, module.steepness = partial(binarize.ede, t=t), t


def per_channel(values: Tensor, input: Tensor) -> Tensor:
    """A value for each channel, shaped to be added to an input (N, C, ...).

    >>> images = torch.zeros(5, 2, 4, 4)
    >>> per_channel(torch.tensor([0.5, -1.0]), images).shape
    torch.Size([1, 2, 1, 1])
    """
    if has_torch_function_variadic(values, input):  # traced: it has no number of dimensions yet
        return handle_torch_function(per_channel, (values, input), values, input)
    return values.view(1, -1, *(1,) * (input.dim() - 2))
