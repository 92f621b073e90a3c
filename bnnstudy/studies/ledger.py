"""All studies by name, the ledger of their claims, and the verdicts of each."""

import os

from bnnstudy.config import checks
from bnnstudy.config.checks import shown
from bnnstudy.evidence import records
from bnnstudy.evidence.claims import Claim
from bnnstudy.evidence.curves import Curves, judged
from bnnstudy.evidence.records import Record
from bnnstudy.evidence.verdicts import Verdict, decide
from bnnstudy.experiments import lookup
from bnnstudy.experiments.study import Study
from bnnstudy.studies import (
    adam_as_filter,
    adam_betas,
    alpha,
    alpha_decay,
    batch_norm,
    binary_layers,
    bop,
    cifar10,
    clipping,
    collapse,
    contested,
    designed_filters,
    equivalence,
    filters,
    flip_budget,
    flip_rates,
    going_further,
    history,
    imagenet,
    ladder,
    lr_scaling,
    lr_sensitivity,
    lr_vs_init,
    optimizers,
    pooling_order,
    pretraining,
    recipe,
    search,
    sgd,
    silent_weights,
    two_stage,
    two_views,
)

STUDIES: dict[str, Study] = {
    module.STUDY.name: module.STUDY
    for module in (
        binary_layers,
        two_views,
        optimizers,
        sgd,
        adam_betas,
        clipping,
        batch_norm,
        pooling_order,
        lr_scaling,
        pretraining,
        two_stage,
        recipe,
        filters,
        lr_vs_init,
        lr_sensitivity,
        alpha,
        alpha_decay,
        equivalence,
        cifar10,
        search,
        ladder,
        imagenet,
        going_further,
        collapse,
        flip_rates,
        adam_as_filter,
        bop,
        designed_filters,
        contested,
        silent_weights,
        flip_budget,
    )
}
"""All studies by name, in the order of the book."""


def ledger() -> tuple[Claim, ...]:
    """Every claim of every study.

    >>> claim = ledger()[0]
    >>> claim.id, claim.contrast.kind
    ('layers-effective', 'exact')
    """
    return tuple(claim for study in STUDIES.values() for claim in study.claims)


def verdicts(results: str | os.PathLike[str] | None = None) -> list[Verdict]:
    """The verdicts of every claim in the ledger, from the records under `results` (None: the default).

    One for each data set and network that the claim was run on; "not run" where there is none.

        >>> from tempfile import TemporaryDirectory
        >>> with TemporaryDirectory() as folder:  # no records
        ...     {verdict.verdict for verdict in verdicts(folder)}
        {'not run'}

    Raises:
        RecordError: naming a record that cannot be used.
    """
    return [v for study in STUDIES.values() for v in verdicts_of(study, curves(study, results))]


def verdicts_of(study: Study, found: Curves) -> list[Verdict]:
    """The verdicts of each claim of one study, from its curves.

    >>> from bnnstudy.evidence.curves import fixed
    >>> result = {"weights": {"effective": {"differing": 0, "compared": 42_240}}}
    >>> record = {"arm": "clip", "preset": "quick", "config": {"seed": 0}, "result": result}
    >>> print(verdicts_of(STUDIES["binary_layers"], fixed([record]))[0].measured())
    0 of 42,240 weights that are not ±1 (1 trajectory)
    """
    checks.instance("study", study, Study)
    return [v for claim in study.claims for v in decide(claim, found, history.known(claim.id))]


def paper_scale(claim: Claim, task: str) -> dict[str, int | str]:
    """How much one run of a claim's first arm is at the preset `paper`; empty if it has no such arm.

    `dataset` (that of `task` where the paper has it), `images`, `network`, `width`, `epochs`, `steps`.

        >>> claim = STUDIES["optimizers"].claims[0]
        >>> scale = paper_scale(claim, "mnist mlp")
        >>> scale["width"], scale["epochs"], scale["steps"]
        (2048, 250, 135000)

    Raises:
        ValueError: if the claim is none of the ledger's, or `task` no data set and network.
    """
    checks.instance("claim", claim, Claim)
    if len(checks.NAME.checked("task", task).split()) != 2:
        raise ValueError(f"task must be a data set and a network, got {shown(task)}")
    # It imports torch, which the command line need not wait for.
    from bnnstudy.data import sizes_of, steps_of_epoch

    study = next((study for study in STUDIES.values() if claim in study.claims), None)
    if study is None:
        raise ValueError(f"claim must be one of the ledger's, got {claim.id!r}")
    first = claim.contrast.named()[0]
    arms = study.arms.get("paper", ())
    named = [arm.config for arm in arms if arm.name == first or first.startswith(f"{arm.name}, ")]
    if not named:
        return {}
    config = next((c for c in named if c.dataset == task.split()[0]), named[0])
    return {
        "dataset": config.dataset,
        "images": config.train_size or sizes_of(config.dataset)[0],
        "network": config.model,
        "width": config.width,
        "epochs": config.epochs,
        "steps": config.epochs * steps_of_epoch(config),
    }


def recorded(study: Study, results: str | os.PathLike[str] | None = None) -> list[Record]:
    """The records that judge, of a study's present arms at every preset; as `curves`.

    >>> from tempfile import TemporaryDirectory
    >>> from bnnstudy.experiments import RunOptions, run
    >>> study = STUDIES["binary_layers"]
    >>> with TemporaryDirectory() as folder:
    ...     options = RunOptions.of(device="cpu", workers=1, results=folder)
    ...     _ = run(study, "quick", seeds=1, options=options, arms=["clip"])
    ...     [(record["arm"], record["config"]["seed"]) for record in recorded(study, folder)]
    [('clip', 0)]
    """
    return judged(curves(study, results))


def curves(study: Study, results: str | os.PathLike[str] | None = None) -> Curves:
    """The curves of a study's present arms, at every preset.

        >>> from tempfile import TemporaryDirectory
        >>> from bnnstudy.experiments import RunOptions, run
        >>> study = STUDIES["binary_layers"]
        >>> with TemporaryDirectory() as folder:
        ...     options = RunOptions.of(device="cpu", workers=1, results=folder)
        ...     _ = run(study, "quick", seeds=1, options=options, arms=["clip"])
        ...     {group: list(arms) for group, arms in curves(study, folder).items()}
        {('quick', 'digits mlp'): ['clip']}

    Raises:
        ValueError: if `results` is named and is no folder.
        RecordError: naming a record that cannot be used.
    """
    checks.instance("study", study, Study)
    checks.path("results", results)
    if results is not None and not checks.is_folder(results):
        raise ValueError(f"results must be a folder, got {shown(results)}")
    place = records.default_results() if results is None else results
    found: Curves = {}
    for preset in study.arms:
        found |= lookup.curves(study, preset, place)
    return found
