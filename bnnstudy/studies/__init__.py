"""The studies: one file a finding, with the claims it decides and its arms; `ledger()` gathers all."""

import os

from bnnstudy import records, sweeps
from bnnstudy.claims import Claim, Verdict, decide
from bnnstudy.studies import (
    adam_betas,
    alpha,
    alpha_decay,
    batch_norm,
    batch_size,
    binary_layers,
    cifar10,
    clipping,
    clipping_speed,
    early_stopping,
    filter_order,
    glorot,
    imagenet,
    learning_rate,
    momentum,
    optimizers,
    pooling,
    pretraining,
    search,
    start,
    two_stages,
    two_views,
)
from bnnstudy.study import Study

STUDIES: dict[str, Study] = {
    module.STUDY.name: module.STUDY
    for module in (
        binary_layers,
        two_views,
        optimizers,
        batch_size,
        momentum,
        adam_betas,
        early_stopping,
        clipping,
        clipping_speed,
        batch_norm,
        pooling,
        glorot,
        two_stages,
        pretraining,
        filter_order,
        start,
        learning_rate,
        alpha,
        alpha_decay,
        cifar10,
        imagenet,
        search,
    )
}
"""All studies by name, in the order of the book."""


def ledger() -> tuple[Claim, ...]:
    """Every claim of every study."""
    return tuple(claim for study in STUDIES.values() for claim in study.claims)


def verdicts(results: str | os.PathLike | None = None) -> list[Verdict]:
    """The verdict of every claim in the ledger, from the records under `results` (None: the default).

    Raises:
        RecordError: naming a record that cannot be used.
    """
    return [v for study in STUDIES.values() for v in verdicts_of(study, recorded(study, results))]


def verdicts_of(study: Study, runs: list[dict]) -> list[Verdict]:
    """The verdict of each claim of one study, from its records."""
    return [decide(claim, runs) for claim in study.claims]


def recorded(study: Study, results: str | os.PathLike | None = None) -> list[dict]:
    """The records of a study's present arms, at every preset."""
    place = records.DEFAULT_RESULTS if results is None else results
    return [run for preset in study.arms for run in sweeps.recorded(study, preset, place)]
