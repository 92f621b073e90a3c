"""Data collapse: whether curves taken at several lengths of a run are one curve, on which axis."""

import numpy as np
from numpy.typing import ArrayLike

from bnnstudy.config import arrays, checks
from bnnstudy.config.checks import shown

EXPONENTS = np.linspace(-1.0, 2.0, 301)
"""Exponents that are tried."""

_DEGREE = checks.Rule(int, "a whole number of 2 or more", lambda value: value >= 2)


def collapse_exponent(alphas: ArrayLike, steps: ArrayLike, scores: ArrayLike, degree: int = 3) -> float:
    """The p at which scores over alpha, taken at several lengths T, fall on one curve over alpha T^p.

    Each length may lie higher or lower as a whole; the shape is what is shared. So

        score = c_T + f(log alpha + p log T)

    with a polynomial f, by least squares; p is that of `EXPONENTS` which leaves the least. 0 says that
    alpha itself counts, 1 that the number of its memories does.

        >>> alphas, steps = np.meshgrid(2.0 ** -np.arange(1, 8), [256, 1024, 4096])
        >>> scores = steps / 4096 - (np.log2(alphas * steps) - 5) ** 2
        >>> round(collapse_exponent(alphas, steps, scores), 2)
        1.0

    Args:
        alphas, steps: above 0, one for each score; `steps` has two values or more.
        scores: of any unit; a curve that is straight in log alpha tells nothing of p.
        degree: of f, from 2.

    Raises:
        ValueError: naming the argument, its value and what is allowed; if there are no more scores than
            the model has numbers.

    Source: finite-size scaling, as physics has it (Fisher and Barber 1972).
    """
    log_alpha, log_steps = (
        np.log(arrays.numbers(name, given, dims=None, holds=_positive, what="above 0 and finite"))
        for name, given in (("alphas", alphas), ("steps", steps))
    )
    log_alpha, log_steps = log_alpha.ravel(), log_steps.ravel()
    scores = arrays.numbers("scores", scores, dims=None).ravel()
    degree = _DEGREE.checked("degree", degree)
    lengths = np.unique(log_steps)
    if not len(log_alpha) == len(log_steps) == len(scores):
        sizes = len(log_alpha), len(log_steps), len(scores)
        raise ValueError(f"alphas, steps and scores must be as many, got {sizes}")
    if len(lengths) < 2:
        raise ValueError(f"steps must have two values or more, got {shown(np.unique(steps).tolist())}")
    if len(scores) <= len(lengths) + degree:
        raise ValueError(
            f"scores must be more than {len(lengths) + degree} numbers, got {shown(scores.tolist())}"
        )
    heights = (log_steps[:, None] == lengths).astype(float)
    left = [_left(heights, log_alpha + p * log_steps, scores, degree) for p in EXPONENTS]
    return float(EXPONENTS[int(np.argmin(left))])


def _left(heights: np.ndarray, at: np.ndarray, scores: np.ndarray, degree: int) -> float:
    """The sum of squares that heights and a polynomial leave."""
    centred = 2 * (at - at.min()) / (np.ptp(at) or 1.0) - 1
    rows = np.hstack([heights, *(centred[:, None] ** k for k in range(1, degree + 1))])
    fitted, *_ = np.linalg.lstsq(rows, scores, rcond=None)
    return float(np.square(scores - rows @ fitted).sum())


def _positive(values: np.ndarray) -> np.ndarray:
    return np.isfinite(values) & (values > 0)
