"""bnnstudy: how binary neural networks are optimised, reproduced from two papers and measured.

Rooms, from the ground up: `rules`, `serial`, `files`, `binarize`, `scalings`, `filters`, `data`,
`losses`, `schedules`, `devices`; `config`, `metrics`, `layers`, `optim`, `conversion`; `records`,
`claims`, `models`, `tricks`, `shadows`, `steps`; `checkpoints`, `verdicts`; `study`, `training`;
`tuning`, what runs measure, `paper_a`, `paper_b`; `sweeps`; `studies`; `tables`, `plotting`,
`explorer` and the command line.
"""

import importlib
from typing import TYPE_CHECKING

if TYPE_CHECKING:
    from bnnstudy.config.run import RunConfig
    from bnnstudy.config.stage import Stage
    from bnnstudy.nn.activations import BinaryActivation
    from bnnstudy.nn.layers import BinaryConv2d, BinaryLinear
    from bnnstudy.nn.parameters import split_parameters

__version__ = "0.1.0"

__all__ = [
    "BinaryActivation",
    "BinaryConv2d",
    "BinaryLinear",
    "RunConfig",
    "Stage",
    "split_parameters",
]


if not TYPE_CHECKING:  # a type checker would let every name pass

    def __getattr__(name: str) -> object:
        # On demand, so that the command line can list and report without waiting for torch.
        if name in __all__:
            room = "config" if name in ("RunConfig", "Stage") else "nn"
            return getattr(importlib.import_module(f"bnnstudy.{room}"), name)
        raise AttributeError(f"module {__name__!r} has no attribute {name!r}")
