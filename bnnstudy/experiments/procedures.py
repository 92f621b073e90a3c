"""What a run does where `fit` with callbacks is not enough: its result is read in parts afterwards.

A procedure is a function (configuration, data set, device, checkpoint, callbacks, options) -> result.
What it measured in several ways stands under `parts`, each a result of its own
(`bnnstudy.evidence.records.parts`).
"""

from collections.abc import Mapping, Sequence
from typing import Any, cast

import numpy as np

from bnnstudy.config.run import RunConfig
from bnnstudy.config.serialise import significant
from bnnstudy.data import Dataset
from bnnstudy.evidence.results import Result, of_curves, stopped
from bnnstudy.theory.filters import Filter, cascade
from bnnstudy.theory.flip_rates import (
    compared,
    flips_from_zero,
    measured,
    replayed_late,
    sign_changes,
    spectral_flip_rate,
)
from bnnstudy.training import loop
from bnnstudy.training.callbacks.base import MakeCallback
from bnnstudy.training.callbacks.batch_norm import ReestimatedStart
from bnnstudy.training.callbacks.flips import FlipsByEpoch
from bnnstudy.training.callbacks.gradients import Gradients
from bnnstudy.training.checkpoints import Checkpoint


def phases_as_parts(
    config: RunConfig,
    dataset: Dataset,
    *,
    device: str = "cpu",
    checkpoint: Checkpoint | None = None,
    callbacks: Sequence[MakeCallback] = (),
) -> Result:
    """`fit`; each phase between drops of the rate is a part, `phase 1` and so on."""
    result = loop.fit(config, dataset, device=device, callbacks=callbacks, checkpoint=checkpoint)
    phases = {f"phase {k}": phase for k, phase in enumerate(result.get("phases", ()), start=1)}
    return cast(Result, {**result, "parts": {**result.get("parts", {}), **phases}})


def stopped_early(
    config: RunConfig,
    dataset: Dataset,
    *,
    device: str = "cpu",
    checkpoint: Checkpoint | None = None,
    callbacks: Sequence[MakeCallback] = (),
    patience: int,
) -> Result:
    """`fit`, and as a part, `stopped early`, what stopping after `patience` flat epochs leaves."""
    result = loop.fit(config, dataset, device=device, callbacks=callbacks, checkpoint=checkpoint)
    early = stopped(result["curves"], patience)
    parts = {**result.get("parts", {}), "stopped early": early}
    return cast(Result, {**result, "parts": parts})


def late_accuracies(
    config: RunConfig,
    dataset: Dataset,
    *,
    device: str = "cpu",
    checkpoint: Checkpoint | None = None,
    callbacks: Sequence[MakeCallback] = (),
) -> Result:
    """`fit`; `late` is the mean of each accuracy over the second half of the epochs.

    Where a filter is constant the accuracy of one epoch is a matter of the last few steps.
    """
    result = loop.fit(config, dataset, device=device, callbacks=callbacks, checkpoint=checkpoint)
    late = {}
    for name in ("validation_accuracy", "test_accuracy"):
        curve = result["curves"][name]
        half = curve[len(curve) // 2 :]
        late[name] = sum(half) / len(half)
    return cast(Result, {**result, "late": late})


def pretrained(
    config: RunConfig,
    dataset: Dataset,
    *,
    device: str = "cpu",
    checkpoint: Checkpoint | None = None,
    callbacks: Sequence[MakeCallback] = (),
) -> Result:
    """`fit` of a run whose first stage has real weights.

    Parts: `binary epochs`, the last stage alone; `all epochs`, in which those of the first stage have
    accuracy 0, since there was no binary network; `before` and `at once`, the end of the first stage
    and the binary network before its first step; `anew`, that network with batch norm's statistics
    re-estimated. A run that diverged before it was binary has no part.
    """
    looking = (*callbacks, ReestimatedStart)
    result = loop.fit(config, dataset, device=device, callbacks=looking, checkpoint=checkpoint)
    curves, first = result["curves"], config.plan()[0].epochs
    found = result.pop("parts")
    if len(result["stages"]) == 1:
        return result
    binary = {name: curve[first:] for name, curve in curves.items()}
    whole = {name: [0.0] * first + curve for name, curve in binary.items()}
    names = ("validation_accuracy", "test_accuracy")
    parts = {
        "binary epochs": of_curves(binary),
        "all epochs": of_curves(whole),
        "before": {name: curves[name][first - 1] for name in names},
        "at once": result["stages"][-1]["start"],
    }
    return cast(Result, {**result, "parts": {**parts, **found}})


SHOWN = 1000
"""Steps of the one gradient that a record keeps, to be drawn."""

FIRST = 10
"""Steps that are the first ones, where gradients are said to be large."""


def filtered_gradients(
    config: RunConfig,
    dataset: Dataset,
    *,
    device: str = "cpu",
    checkpoint: Checkpoint | None = None,
    callbacks: Sequence[MakeCallback] = (),
) -> Result:
    """`fit`, and what filters make of its gradients, with the run's own alpha and gamma.

    The filters get the same gradients and move no network, so that only they differ. Paper B, Figure 2.

    Parts: `raw`, the gradients themselves; `second order`, the cascade; `first order`, the average with
    the same alpha; `as few flips`, the one that flips as often as the cascade; `as little noise`, the
    one with the cascade's noise gain. `as few flips` is missing where no average flips as seldom.
    `gradient` is one weight's, to be drawn. `first_gradients` is how large gradients are in the first
    `FIRST` steps, as a multiple of their size in the second half of the run; None where there is none.
    `never_more` counts weights whose sign changes more often with the second average than without;
    `flips` are those of the training (`FlipsByEpoch`).
    """
    looking = (*callbacks, Gradients, FlipsByEpoch)
    trained = loop.fit(config, dataset, device=device, callbacks=looking, checkpoint=checkpoint)
    result: dict[str, Any] = {**trained}
    del result["curves"]["flips"]  # its means are enough
    values = result.pop("gradients")["values"].numpy()
    largest = int(np.abs(values).sum(0).argmax())
    shown = [significant(value) for value in values[:SHOWN, largest]]
    forms = compared(values, config)
    counts = [sign_changes(forms[name], values) for name in ("second order", "first order")]
    more = int((counts[0] > counts[1]).sum())
    parts = {name: measured(form, values) for name, form in forms.items()}
    parts = {**result.get("parts", {}), **parts}
    never_more = {"differing": more, "compared": values.shape[1]}
    sizes = [float(size) for size in np.abs(values).mean(1)]
    later = sum(sizes[len(sizes) // 2 :])
    ratio = sum(sizes[:FIRST]) / FIRST / (later / len(sizes[len(sizes) // 2 :])) if later else None
    found = {"gradient": shown, "first_gradients": ratio, "never_more": never_more, "parts": parts}
    return cast(Result, {**result, **found})


def flip_forecast(
    config: RunConfig,
    dataset: Dataset,
    *,
    device: str = "cpu",
    checkpoint: Checkpoint | None = None,
    callbacks: Sequence[MakeCallback] = (),
    targets: Mapping[str, Sequence[float]],
) -> Result:
    """`fit`, and how often weights would flip in other trainings, as this one's gradients have it.

    `forecast` has by name of a target the flip ratio in the second half of a run as long as this one:
    `white`, as if gradients were white noise; `spectrum`, from their own spectra; and `replay`, counted
    on these very gradients. Where gradients did not answer to flips, the last would be exact.

    Args:
        targets: by name (alpha, gamma, noise); `noise` is the factor of the noise's variance, which
            the spectrum alone knows of.
    """
    looking = (*callbacks, Gradients, FlipsByEpoch)
    trained = loop.fit(config, dataset, device=device, callbacks=looking, checkpoint=checkpoint)
    result: dict[str, Any] = {**trained}
    gradients = result.pop("gradients")["values"].numpy()
    result["forecast"] = {
        name: _foretold(cascade(alpha, gamma), gradients, noise)
        for name, (alpha, gamma, noise) in targets.items()
    }
    return cast(Result, result)


def _foretold(form: Filter, gradients: np.ndarray, noise: float) -> dict[str, float | None]:
    steps = len(gradients)
    white = flips_from_zero(form, steps) - flips_from_zero(form, steps // 2)
    found = {
        "white": white / (steps - steps // 2),
        "spectrum": spectral_flip_rate(form, gradients, noise),
        "replay": replayed_late(form, gradients) if noise == 1 else None,
    }
    return {name: None if value is None else significant(value, 6) for name, value in found.items()}
