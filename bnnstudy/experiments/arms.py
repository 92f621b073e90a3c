"""One run of an arm: its callbacks and its procedure, found by the names that the study gives them."""

import importlib
import inspect
from collections.abc import Callable
from functools import partial
from typing import Any

from bnnstudy.config import checks
from bnnstudy.config.run import RunConfig
from bnnstudy.data import Dataset
from bnnstudy.evidence.results import Result
from bnnstudy.experiments.study import Arm, Named
from bnnstudy.training import callbacks as callbacks_room
from bnnstudy.training import loop
from bnnstudy.training.checkpoints import Checkpoint

_PROCEDURES = ("procedures", "paired", "hpo", "image_folder")
"""Files of this room that have procedures."""


def run_arm(
    arm: Arm,
    config: RunConfig,
    dataset: Dataset,
    *,
    device: str = "cpu",
    checkpoint: Checkpoint | None = None,
) -> Result:
    """Train `config` as a run of `arm` does; returns its result.

        >>> from bnnstudy import data
        >>> arm = Arm(name="adam", config=RunConfig(width=16, depth=1, epochs=1),
        ...           callbacks=(Named("FlipsByEpoch"),))
        >>> result = run_arm(arm, arm.config, data.load("digits"))
        >>> result["best_epoch"], "flips" in result["curves"]
        (1, True)

    Args:
        config: the arm's configuration, with the seed and the value of its tuned field.

    Raises:
        ValueError: if a callback or the procedure is unknown by its name, or `arm` is none; as
            `training.fit`.
    """
    checks.instance("arm", arm, Arm)
    callbacks = [found(use) for use in arm.callbacks]
    procedure = found(arm.procedure) if arm.procedure else loop.fit
    return procedure(config, dataset, device=device, checkpoint=checkpoint, callbacks=callbacks)


def found(use: Named) -> Callable[..., Any]:
    """What a name stands for, given its options: a class of callbacks, or "file.function" of this room.

    Raises:
        ValueError: if there is nothing of that name.
    """
    file = use.name.rpartition(".")[0]
    known: dict[str, Any] = {
        name: getattr(callbacks_room, name)
        for name in callbacks_room.__all__
        if name not in ("Callback", "Context")
    }
    named = ", ".join(known)
    if file in _PROCEDURES:
        module = importlib.import_module(f"bnnstudy.experiments.{file}")
        functions = inspect.getmembers(module, inspect.isfunction)
        known |= {f"{file}.{n}": f for n, f in functions if f.__module__ == module.__name__}
    if use.name not in known:
        raise ValueError(
            f"name must be a callback's ({named}) or a procedure's, as in 'paired.sign_by_sign'; "
            f"got {use.name!r}"
        )
    what = known[use.name]
    return partial(what, **use.options) if use.options else what
