"""Many runs: what is recorded is not run again, rates are curves, seeds are paired.

Each run is recorded as soon as it ends, by the process that made it; a kill loses what the runs in
progress did since their last checkpoint, and nothing else. Two sweeps may work on one folder side by
side: at worst they do a run twice, with the same result.
"""

from collections.abc import Iterable
from fnmatch import fnmatchcase

from bnnstudy import data
from bnnstudy.config import checks
from bnnstudy.config.checks import shown
from bnnstudy.evidence import records
from bnnstudy.evidence.provenance import Code
from bnnstudy.evidence.records import Record
from bnnstudy.evidence.runs import task_of
from bnnstudy.experiments import rates
from bnnstudy.experiments.executors import run_all
from bnnstudy.experiments.options import RunOptions
from bnnstudy.experiments.rates import Plan
from bnnstudy.experiments.study import PILOT_SEED, SEEDS, Study
from bnnstudy.experiments.tasks import Job, finished


def run(
    study: Study,
    preset: str,
    seeds: int | range | None = None,
    options: RunOptions | None = None,
    arms: Iterable[str] = (),
) -> list[Record]:
    """Run what is missing of a study at a preset; returns the records that judge, by arm and seed.

    All curves are run at once, round by round: their grids, what extends them, all seeds near the best,
    and then the arms that follow.

        >>> from tempfile import TemporaryDirectory
        >>> from bnnstudy.config import RunConfig
        >>> from bnnstudy.experiments import Arm
        >>> arm = Arm(name="adam", config=RunConfig(width=16, depth=1, epochs=1))
        >>> study = Study(name="example", title="One arm", claims=(), arms={"quick": (arm,)})
        >>> with TemporaryDirectory() as folder:
        ...     options = RunOptions.of(device="cpu", workers=1, results=folder)
        ...     records = run(study, "quick", 2, options)
        >>> [(record["arm"], record["config"]["seed"]) for record in records]
        [('adam', 0), ('adam', 1)]

    Args:
        seeds: number of seeds that judge (0 to seeds - 1), or which of them are run here; None means
            the preset's own. What waits for a seed that is neither run here nor recorded, waits.
        arms: patterns such as "adam*" or "mnist mlp: *"; an arm is run if its name, or its data set and
            network with its name, matches one. Those that it follows are run, too. None means all.

    Raises:
        ValueError: if the study has no arms at this preset or none that matches, a run fails on bad
            input, or the package's files changed since they were imported.
        RecordError: if a record in the way cannot be used; it names the file.
    """
    checks.instance("study", study, Study)
    checks.instance("options", options, RunOptions, or_none=True)
    preset, arms = checks.NAME.checked("preset", preset), checks.each("arms", arms, str)
    if preset not in study.arms:
        ready = ", ".join(study.arms) or "none yet"
        raise ValueError(f"study {shown(study.name)} has no preset {shown(preset)}; allowed: {ready}")
    number, here = _seeds(seeds)
    code, options = Code.started(), (options or RunOptions()).resolved()
    plans = _matching(rates.plans(study, preset, number), arms, study.name)
    for plan in plans:
        if plan.arm.config.dataset in data.datasets.FOLDERS:
            data.datasets.require_resident(plan.arm.config.dataset)
    label = f"{study.name} {preset}"
    while waiting := [(plan, *run) for plan in plans for run in plan.pending()]:
        jobs = [Job(study.name, plan.arm, plan.config(value, seed)) for plan, value, seed in waiting]
        mine = [
            job for job in jobs if job.config.seed in here and options.in_shard(_share(job, options))
        ]
        ran = dict(zip(map(id, mine), run_all(mine, options, code, label), strict=True))
        found = [ran.get(id(job)) or finished(job, options) for job in jobs]
        for (plan, value, _), record in zip(waiting, found, strict=True):
            if record:
                plan.tell(value, record)
        if not any(found):  # the rest waits for seeds that are run elsewhere
            break
    return [record for plan in plans for record in plan.curve().judged()]


def _share(job: Job, options: RunOptions) -> str:
    """What a run goes by when the runs are shared out: seeds that are stacked stay together."""
    return f"{records.key(job.config, job.arm.options)} {job.config.seed // options.stack}"


def _seeds(seeds: int | range | None) -> tuple[int | None, range]:
    """How many seeds judge, where it is not for the preset to say, and which of them are run here."""
    if seeds is None or not isinstance(seeds, range):
        return None if seeds is None else SEEDS.checked("seeds", seeds), range(PILOT_SEED)
    if seeds.start < 0 or len(seeds) < 1 or seeds.step != 1:
        raise ValueError(f"seeds must be a range from 0 on with at least one of them, got {seeds}")
    return SEEDS.checked("seeds", seeds.stop), seeds


def _matching(plans: list[Plan], patterns: Iterable[str], study: str) -> list[Plan]:
    """The plans of the arms that match a pattern, and of those that these follow; without any, all."""
    patterns = list(patterns)
    names = {id(p): (p.arm.name, f"{task_of(p.arm.config)}: {p.arm.name}") for p in plans}
    for pattern in patterns:
        if not any(fnmatchcase(name, pattern) for pair in names.values() for name in pair):
            known = ", ".join(pair[1] for pair in names.values())
            raise ValueError(f"arms must match some of study {study!r} ({known}); got {pattern!r}")
    if not patterns:
        return plans
    kept = [p for p in plans if any(fnmatchcase(n, x) for n in names[id(p)] for x in patterns)]
    wanted = {id(p) for plan in kept for p in (plan, plan.leader) if p}
    return [p for p in plans if id(p) in wanted]
