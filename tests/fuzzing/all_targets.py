"""Every target there is."""

import functools

from fuzzing import arguments, loaders, trainings
from fuzzing.engine import Target


@functools.cache
def all_targets() -> tuple[Target, ...]:
    """Every target, loaders first."""
    return (*loaders.targets(), *arguments.targets(), *trainings.targets())
