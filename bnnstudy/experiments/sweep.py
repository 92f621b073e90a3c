"""Many runs: what is recorded is not run again, rates are curves, seeds are paired.

Each run is recorded as soon as it ends, by the process that made it; a kill loses what the runs in
progress did since their last checkpoint, and nothing else. Two sweeps may work on one folder side by
side: at worst they do a run twice, with the same result.
"""

from bnnstudy.config import checks
from bnnstudy.evidence.provenance import Code
from bnnstudy.evidence.records import Record
from bnnstudy.experiments import rates
from bnnstudy.experiments.executors import Job, run_all
from bnnstudy.experiments.options import RunOptions
from bnnstudy.experiments.study import Study

PILOT_SEED = 1000
"""First seed of pilot runs, which judge nothing; the others count from 0."""

_SEEDS = checks.Rule(
    int, f"a whole number from 1 to {PILOT_SEED}", lambda value: 1 <= value <= PILOT_SEED
)


def run(
    study: Study, preset: str, seeds: int | None = None, options: RunOptions | None = None
) -> list[Record]:
    """Run what is missing of a study at a preset; returns the records that judge, by arm and seed.

    All curves are run at once, round by round: their grids, what extends them, all seeds near the best,
    and then the arms that follow.

    Args:
        seeds: number of seeds that judge (0 to seeds - 1); None means the preset's own.

    Raises:
        ValueError: if the study has no arms at this preset, a run fails on bad input, or the package's
            files changed since they were imported.
        RecordError: if a record in the way cannot be used; it names the file.
    """
    if preset not in study.arms:
        ready = ", ".join(study.arms) or "none yet"
        raise ValueError(f"study {study.name!r} has no preset {preset!r}; allowed: {ready}")
    if seeds is not None:
        _SEEDS.checked("seeds", seeds)
    code, options = Code.started(), (options or RunOptions()).resolved()
    plans = rates.plans(study, preset, seeds)
    label = f"{study.name} {preset}"
    while wanted := [(plan, *run) for plan in plans for run in plan.pending()]:
        jobs = [Job(study.name, plan.arm, plan.config(value, seed)) for plan, value, seed in wanted]
        for (plan, value, _), record in zip(wanted, run_all(jobs, options, code, label), strict=True):
            plan.tell(value, record)
    return [record for plan in plans for record in plan.curve().judged(sorted(plan.seeds))]
