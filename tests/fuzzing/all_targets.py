"""Every target there is."""

import functools

from fuzzing import arguments, findings, loaders, trainings
from fuzzing.engine import Target


@functools.cache
def all_targets() -> tuple[Target, ...]:
    """Every target, loaders first."""
    rooms = (loaders, arguments, trainings, findings)
    return tuple(target for room in rooms for target in room.targets())
