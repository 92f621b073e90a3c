"""Data collapse: whether curves taken at several lengths of a run are one curve, on which axis."""

import numpy as np
from numpy.typing import ArrayLike

from bnnstudy.config import checks
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
        ValueError: if there are fewer scores than the model has numbers, or one is not finite.

    Source: finite-size scaling, as physics has it (Fisher and Barber 1972).
    """
    log_alpha, log_steps = np.log(_flat("alphas", alphas)), np.log(_flat("steps", steps))
    scores = np.asarray(scores, dtype=float).ravel()
    degree = _DEGREE.checked("degree", degree)
    lengths = np.unique(log_steps)
    if not len(log_alpha) == len(log_steps) == len(scores):
        sizes = len(log_alpha), len(log_steps), len(scores)
        raise ValueError(f"alphas, steps and scores must be as many, got {sizes}")
    if len(lengths) < 2:
        raise ValueError(f"steps must have two values or more, got {shown(np.unique(steps).tolist())}")
    if len(scores) <= len(lengths) + degree or not np.isfinite(scores).all():
        raise ValueError(
            f"scores must be more than {len(lengths) + degree} finite numbers, got {shown(scores)}"
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


def _flat(name: str, given: ArrayLike) -> np.ndarray:
    values = np.asarray(given, dtype=float).ravel()
    if not (np.isfinite(values) & (values > 0)).all():
        raise ValueError(f"{name} must be finite and above 0, got {shown(values)}")
    return values
