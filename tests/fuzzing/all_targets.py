"""Every target there is."""

import functools

from fuzzing import arguments
from fuzzing.engine import Target


@functools.cache
def all_targets() -> tuple[Target, ...]:
    """Every target, loaders first."""
    return tuple(arguments.targets())
