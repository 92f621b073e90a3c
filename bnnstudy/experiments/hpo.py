"""A search for hyperparameters as one run: many short trainings, each trial chosen after the last."""

import dataclasses
import warnings
from collections.abc import Mapping, Sequence
from typing import TYPE_CHECKING, Any

from bnnstudy import data
from bnnstudy.config.run import RunConfig
from bnnstudy.evidence.results import Accuracies, Result
from bnnstudy.training import loop
from bnnstudy.training.callbacks.base import MakeCallback
from bnnstudy.training.checkpoints import Checkpoint

if TYPE_CHECKING:
    import optuna

SAMPLERS = ("gp", "random")
"""Optuna's Gaussian-process sampler, which is Bayesian optimisation, and random search."""

STARTUP = 5
"""Trials at random before the first one that a Gaussian process chooses."""

Space = Mapping[str, tuple[Any, ...]]
"""By field of the configuration: (low, high), searched in logarithm, or ("one of", value, …)."""


def searched(
    config: RunConfig,
    dataset: data.Dataset,
    *,
    device: str = "cpu",
    checkpoint: Checkpoint | None = None,
    callbacks: Sequence[MakeCallback] = (),
    space: Space,
    sampler: str,
    trials: int,
) -> Result:
    """A search of `trials` trainings over `space`; the seed decides its draws and all trainings' seeds.

    Each trial is judged by its validation accuracy at the last epoch, measured once, as in a search by
    hand. The curves are by trial: the best validation accuracy so far, and the test accuracy of that
    trial. `trials` lists what was tried. It goes on from no checkpoint: a search that was cut
    starts anew.

    Raises:
        ValueError: if `sampler` is none of `SAMPLERS`, or its library is not installed.
    """
    study = _study(sampler, config.seed)
    found: list[dict[str, Any]] = []
    for k in range(trials):
        trial = study.ask()
        chosen = {name: _suggest(trial, name, allowed) for name, allowed in space.items()}
        seed = config.seed * trials + k
        run = dataclasses.replace(config, **chosen, seed=seed)
        result = loop.fit(run, dataset, device=device, callbacks=callbacks)
        last = result["last"]
        found.append({"chosen": chosen, **last, "diverged": result["diverged"]})
        with warnings.catch_warnings():
            warnings.simplefilter("ignore")
            study.tell(trial, last["validation_accuracy"])
    return _result(found)


def shared(one: Result, other: Result) -> int:
    """How many first trials two searches have in common, in what they chose."""
    equal = [a["chosen"] == b["chosen"] for a, b in zip(one["trials"], other["trials"], strict=False)]
    return [*equal, False].index(False)


def _result(found: list[dict[str, Any]]) -> Result:
    """Best so far by trial, the earlier of equals."""
    names = ("validation_accuracy", "test_accuracy")
    curves: dict[str, list[float]] = {name: [] for name in names}
    best = found[0]
    for trial in found:
        if trial["validation_accuracy"] > best["validation_accuracy"]:
            best = trial
        for name in names:
            curves[name].append(best[name])
    last = Accuracies(
        validation_accuracy=best["validation_accuracy"], test_accuracy=best["test_accuracy"]
    )
    return {
        **last,
        "last": last,
        "best_trial": found.index(best) + 1,
        "curves": curves,
        "trials": found,
    }


def _study(sampler: str, seed: int) -> "optuna.Study":
    if sampler not in SAMPLERS:
        raise ValueError(f"sampler must be one of {', '.join(SAMPLERS)}; got {sampler!r}")
    try:
        with warnings.catch_warnings():
            # In a notebook without widgets its progress bar complains; none is shown.
            warnings.simplefilter("ignore")
            import optuna
    except ImportError as error:
        raise ValueError(
            f"sampler {sampler!r} needs the library optuna, which is not installed: pip install optuna"
        ) from error
    optuna.logging.set_verbosity(optuna.logging.ERROR)
    with warnings.catch_warnings():
        warnings.simplefilter("ignore", optuna.exceptions.ExperimentalWarning)
        kind: optuna.samplers.BaseSampler = optuna.samplers.RandomSampler(seed=seed)
        if sampler == "gp":
            kind = optuna.samplers.GPSampler(seed=seed, n_startup_trials=STARTUP)
        return optuna.create_study(direction="maximize", sampler=kind)


def _suggest(trial: "optuna.Trial", name: str, allowed: tuple[Any, ...]) -> Any:
    if allowed[0] == "one of":
        return trial.suggest_categorical(name, list(allowed[1:]))
    low, high = allowed
    return trial.suggest_float(name, low, high, log=True)
