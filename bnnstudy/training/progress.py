"""A bar that shows how far something is; none where the error stream is no terminal, or is closed."""

import sys
from typing import Any

from tqdm import tqdm


def bar(wanted: bool = True, **options: Any) -> tqdm:
    """`tqdm` with these options; shown only if `wanted` and the error stream is a terminal."""
    return tqdm(disable=None if wanted and sys.stderr is not None else True, **options)
