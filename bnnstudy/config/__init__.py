"""What a run is, as values: its configuration, stages, schedules and tricks. No torch.

In the order in which a reader wants them: the value that decides a run, its parts, the named changes of
papers, what multiplies a rate at a step, and the names that fields may have.
"""

from bnnstudy.config import tricks
from bnnstudy.config.fields import PRESETS, READS
from bnnstudy.config.run import RunConfig
from bnnstudy.config.schedules import SCHEDULES, schedule_factor
from bnnstudy.config.stage import Stage

__all__ = [
    "RunConfig",
    "Stage",
    "tricks",
    "schedule_factor",
    "PRESETS",
    "SCHEDULES",
    "READS",
]
