"""What is recorded of a study. Nothing is run here, and torch is not imported."""

import os

from bnnstudy.config import checks
from bnnstudy.evidence.curves import Curves, require_one_data
from bnnstudy.evidence.runs import task_of
from bnnstudy.experiments import rates
from bnnstudy.experiments.study import Study


def curves(study: Study, preset: str, results: str | os.PathLike[str] | None = None) -> Curves:
    """The curves of a study's present arms at a preset, as far as they are recorded; runs nothing.

    What other configurations left in the folder is not looked at.

        >>> from tempfile import TemporaryDirectory
        >>> from bnnstudy.config import RunConfig
        >>> from bnnstudy.experiments import Arm, RunOptions, run
        >>> arm = Arm(name="adam", config=RunConfig(width=16, depth=1, epochs=1))
        >>> study = Study(name="example", title="One arm", claims=(), arms={"quick": (arm,)},
        ...               seeds={"quick": 1})
        >>> with TemporaryDirectory() as folder:
        ...     _ = run(study, "quick", None, RunOptions.of(device="cpu", workers=1, results=folder))
        ...     found = curves(study, "quick", folder)
        >>> found["quick", "digits mlp"]["adam"].seeds
        (0,)

    Args:
        results: the folder of records; None is `records.default_results`.

    Raises:
        ValueError: if the study has no such preset, or an argument is none of its kind.
        RecordError: naming a record that cannot be used, or two that are of different data.
    """
    checks.instance("study", study, Study)
    preset = checks.NAME.checked("preset", preset)
    checks.path("results", results)
    found: Curves = {}
    for plan in rates.recorded(study, preset, results):
        curve = plan.curve()
        if plan.settled and curve.seeds:
            found.setdefault((preset, task_of(plan.arm.config)), {})[plan.arm.name] = curve
    for arms in found.values():
        require_one_data(arms)
    return found
