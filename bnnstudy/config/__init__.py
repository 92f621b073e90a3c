"""What a run is, as values: its configuration, stages, schedules and tricks. No torch."""

from bnnstudy.config.fields import PRESETS
from bnnstudy.config.run import RunConfig
from bnnstudy.config.stage import Stage

__all__ = ["PRESETS", "RunConfig", "Stage"]
