"""One run of an arm: its callbacks and its procedure, found by the names that the study gives them."""

import importlib
from collections.abc import Callable
from functools import partial
from typing import Any

from bnnstudy.config.run import RunConfig
from bnnstudy.data import Dataset
from bnnstudy.evidence.results import Result
from bnnstudy.experiments.study import Arm, Named
from bnnstudy.training import callbacks as callbacks_room
from bnnstudy.training import loop
from bnnstudy.training.checkpoints import Checkpoint


def run_arm(
    arm: Arm,
    config: RunConfig,
    dataset: Dataset,
    *,
    device: str = "cpu",
    checkpoint: Checkpoint | None = None,
) -> Result:
    """Train `config` as a run of `arm` does; returns its result.

    Args:
        config: the arm's configuration, with the seed and the value of its tuned field.

    Raises:
        ValueError: if a callback or the procedure is unknown by its name; as `training.fit`.
    """
    callbacks = [found(use) for use in arm.callbacks]
    procedure = found(arm.procedure) if arm.procedure else loop.fit
    return procedure(config, dataset, device=device, checkpoint=checkpoint, callbacks=callbacks)


def found(use: Named) -> Callable[..., Any]:
    """What a name stands for, given its options: a class of callbacks, or "file.function" of this room.

    Raises:
        ValueError: if there is nothing of that name.
    """
    file, _, function = use.name.rpartition(".")
    try:
        if file:
            what = getattr(importlib.import_module(f"bnnstudy.experiments.{file}"), function)
        else:
            what = getattr(callbacks_room, use.name)
    except (ImportError, AttributeError) as error:
        names = ", ".join(callbacks_room.__all__)
        raise ValueError(
            f"name must be a callback's ({names}) or a procedure's, as in 'paired.sign_by_sign'; "
            f"got {use.name!r}"
        ) from error
    return partial(what, **use.options) if use.options else what
