"""What the optimizers of the filter view ask of their parameters."""

from collections.abc import Iterable

from torch import Tensor

from bnnstudy.nn import binarize


def require_signs(weights: Iterable[Tensor]) -> None:
    """Refuses weights that are not all ±1.

    Raises:
        ValueError: saying how many are not.
    """
    for w in weights:
        wrong = binarize.not_signs(w)
        if wrong:
            raise ValueError(
                f"params must be ±1 (layers with weights='binary'); {wrong} of {w.numel()} are not"
            )
