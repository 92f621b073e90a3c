"""The studies: one file a finding, with the claims it decides and its arms; `ledger()` gathers all."""

from bnnstudy.studies.ledger import (
    STUDIES,
    curves,
    ledger,
    paper_scale,
    recorded,
    verdicts,
    verdicts_of,
)

__all__ = ["STUDIES", "ledger", "verdicts", "verdicts_of", "curves", "recorded", "paper_scale"]
