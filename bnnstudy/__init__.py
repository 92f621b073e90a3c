"""bnnstudy: how binary neural networks are optimised, reproduced from two papers and measured.

Ten rooms, imports downward: `config`, `devices`; `theory`; `nn`, `optim`, `data`; `evidence`;
`training`; `experiments`; `studies`; `report`. Each room's `__init__` is the list of what it offers.
"""

from typing import TYPE_CHECKING

from bnnstudy import _moved
from bnnstudy._lazy import lazy

if TYPE_CHECKING:
    from bnnstudy.config import RunConfig, Stage
    from bnnstudy.nn import BinaryActivation, BinaryConv2d, BinaryLinear, split_parameters

__version__ = "0.2.0"

__all__ = [
    "RunConfig",
    "Stage",
    "BinaryLinear",
    "BinaryConv2d",
    "BinaryActivation",
    "split_parameters",
]

_ROOMS = {"RunConfig": "config", "Stage": "config"}

if not TYPE_CHECKING:  # a type checker would let every name pass
    # On demand, so that the command line can list and report without waiting for torch.
    __getattr__ = lazy(__name__, {name: _ROOMS.get(name, "nn") for name in __all__})

_moved.install()
