"""What the book shows: chapters, tables, figures, costs, explorables. Imported when asked for."""

from typing import TYPE_CHECKING

from bnnstudy._lazy import lazy

if TYPE_CHECKING:
    from bnnstudy.report import (
        cost,
        explorables,
        figures,
        ladder,
        plotting,
        predict,
        scoreboard,
        status,
        tables,
    )
    from bnnstudy.report.chapter import Chapter

__all__ = ["Chapter", "tables", "plotting", "figures", "predict", "scoreboard", "cost", "ladder",
           "status", "explorables"]  # fmt: skip

if not TYPE_CHECKING:  # a type checker would let every name pass
    __getattr__ = lazy(__name__, {"Chapter": "chapter"})
