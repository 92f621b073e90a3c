"""What a run of a study may do besides `training.fit`: more to look at, or one training read in parts.

A measure is what an arm's runs do: (configuration, data set, device, checkpoint) -> result. What it
measures in several ways stands under `parts`, each a result of its own (`bnnstudy.records.parts`).
"""

from collections.abc import Mapping, Sequence
from dataclasses import replace
from functools import partial
from itertools import zip_longest
from typing import Any

from bnnstudy import data, devices, training
from bnnstudy.checkpoints import Checkpoint
from bnnstudy.config import RunConfig
from bnnstudy.observers import FlipsByEpoch, PositiveInputs, Trace, UpdateSize
from bnnstudy.running_statistics import Averages, StartAnew


def with_update_size(
    config: RunConfig, dataset: data.Dataset, *, device: str, checkpoint: Checkpoint | None
) -> dict:
    """`fit`, with the size of its updates; each phase between drops of the rate is a part."""
    result = training.fit(config, dataset, device=device, observers=[UpdateSize], checkpoint=checkpoint)
    phases = {f"phase {k}": phase for k, phase in enumerate(result.get("phases", ()), start=1)}
    return {**result, "parts": phases}


def with_flips(
    config: RunConfig, dataset: data.Dataset, *, device: str, checkpoint: Checkpoint | None
) -> dict:
    """`fit`, with the flip ratio of all steps (`flips`); its mean by epoch is a curve of that name."""
    look = [FlipsByEpoch]
    result = training.fit(config, dataset, device=device, observers=look, checkpoint=checkpoint)
    by_epoch = [float(f"{ratio:.4g}") for ratio in result["flips"].pop("epochs")]
    return {**result, "curves": {**result["curves"], "flips": by_epoch}}


def with_positive_inputs(
    config: RunConfig, dataset: data.Dataset, *, device: str, checkpoint: Checkpoint | None
) -> dict:
    """`fit`, with the share of positive values that enter its binary convolutions."""
    look = partial(PositiveInputs, dataset=dataset)
    return training.fit(config, dataset, device=device, observers=[look], checkpoint=checkpoint)


def with_loss_sums(
    config: RunConfig, dataset: data.Dataset, *, device: str, checkpoint: Checkpoint | None
) -> dict:
    """`fit`, with the *sum* of an epoch's losses beside their mean, as paper A's code plots it."""
    result = training.fit(config, dataset, device=device, checkpoint=checkpoint)
    batches = len(dataset.train) // config.batch_size
    curves = result["curves"]
    sums = [None if loss is None else loss * batches for loss in curves["train_loss"]]
    return {**result, "curves": {**curves, "train_loss_sum": sums}}


def with_averages(
    config: RunConfig,
    dataset: data.Dataset,
    *,
    device: str,
    checkpoint: Checkpoint | None,
    momenta: Mapping[str, float],
) -> dict:
    """`fit`, evaluated with batch norm's average at several momenta; each is a part, `anew` another.

    Of a run in stages the parts are of the last stage.
    """
    look = partial(Averages, dataset=dataset, momenta=dict(momenta))
    result = training.fit(config, dataset, device=device, observers=[look], checkpoint=checkpoint)
    curves = result.pop("averages")
    for stage in result.get("stages", ()):
        del stage["averages"]
    return {**result, "parts": {name: of_curves(found) for name, found in curves.items()}}


def with_stops(
    config: RunConfig,
    dataset: data.Dataset,
    *,
    device: str,
    checkpoint: Checkpoint | None,
    patience: int,
) -> dict:
    """`fit`, and as a part, `stopped early`, what stopping after `patience` flat epochs leaves."""
    result = training.fit(config, dataset, device=device, checkpoint=checkpoint)
    curves = result["curves"]
    end = stop(curves["validation_accuracy"], patience)
    stopped = of_curves({name: curve[:end] for name, curve in curves.items()})
    return {**result, "parts": {"stopped early": {**stopped, "epochs": end}}}


def pretrained(
    config: RunConfig, dataset: data.Dataset, *, device: str, checkpoint: Checkpoint | None
) -> dict:
    """`fit` of a run whose first stage has real weights.

    Parts: `binary epochs`, the last stage alone; `all epochs`, in which those of the first stage have
    accuracy 0, since there was no binary network; `before` and `at once`, the end of the first stage
    and the binary network before its first step; `anew`, that network with batch norm's statistics
    measured again.
    """
    look = partial(StartAnew, dataset=dataset)
    result = training.fit(config, dataset, device=device, observers=[look], checkpoint=checkpoint)
    anew = result.pop("start_anew")
    for stage in result["stages"]:
        del stage["start_anew"]
    curves, first = result["curves"], config.plan()[0].epochs
    if len(result["stages"]) == 1:
        return result  # it diverged before it was binary: there is no other part
    binary = {name: curve[first:] for name, curve in curves.items()}
    whole = {name: [0.0] * first + curve for name, curve in binary.items()}
    names = ("validation_accuracy", "test_accuracy")
    parts = {
        "binary epochs": of_curves(binary),
        "all epochs": of_curves(whole),
        "before": {name: curves[name][first - 1] for name in names},
        "at once": result["stages"][-1]["start"],
        "anew": anew,
    }
    return {**result, "parts": parts}


def side_by_side(
    config: RunConfig,
    dataset: data.Dataset,
    *,
    device: str,
    checkpoint: Checkpoint | None,
    changes: Mapping[str, Any],
) -> dict:
    """Two trainings, the second with `changes`: after how many steps a binary weight differs (`pair`).

    It goes on from no checkpoint, as there are two runs.
    """
    both = (config, replace(config, **dict(changes)))
    with devices.reproducible():
        results = [training.fit(c, dataset, device=device, observers=[Trace]) for c in both]
    first, second = (result.pop("trace")["digests"] for result in results)
    # A training that diverged is shorter; the steps that the other one has differ.
    differing = sum(a != b for a, b in zip_longest(first, second))
    return {**results[0], "pair": {"differing": differing, "compared": max(len(first), len(second))}}


def of_curves(curves: Mapping[str, list]) -> dict:
    """A result from curves by epoch alone: the accuracies at the best validation epoch and the last."""
    accuracies = curves["validation_accuracy"]
    best = max(range(len(accuracies)), key=accuracies.__getitem__)
    names = ("validation_accuracy", "test_accuracy")
    return {
        **{name: curves[name][best] for name in names},
        "best_epoch": best + 1,
        "last": {name: curves[name][-1] for name in names},
        "curves": dict(curves),
    }


def stop(curve: Sequence[float], patience: int) -> int:
    """The number of epochs trained when `patience` of them have brought no better value than before."""
    best, at = -1.0, 0
    for epoch, value in enumerate(curve, start=1):
        if value > best:
            best, at = value, epoch
        elif epoch - at >= patience:
            return epoch
    return len(curve)
