"""What a run of a study may do besides `training.fit`: more to look at, or one training read in parts.

A measure is what an arm's runs do: (configuration, data set, device, checkpoint) -> result. What it
measures in several ways stands under `parts`, each a result of its own (`bnnstudy.records.parts`).
"""

from collections.abc import Mapping
from functools import partial

import numpy as np

from bnnstudy import data
from bnnstudy.config.run import RunConfig
from bnnstudy.evidence.results import of_curves, stop
from bnnstudy.theory.flip_rates import compared, measured, sign_changes
from bnnstudy.training import loop
from bnnstudy.training.callbacks.activations import PositiveInputs
from bnnstudy.training.callbacks.averaging import AveragedWeights
from bnnstudy.training.callbacks.batch_norm import Averages, StartAnew
from bnnstudy.training.callbacks.flips import FlipsByEpoch
from bnnstudy.training.callbacks.gradients import Gradients
from bnnstudy.training.callbacks.weights import UpdateSize
from bnnstudy.training.checkpoints import Checkpoint


def with_update_size(
    config: RunConfig, dataset: data.Dataset, *, device: str, checkpoint: Checkpoint | None
) -> dict:
    """`fit`, with the size of its updates; each phase between drops of the rate is a part."""
    result = loop.fit(config, dataset, device=device, observers=[UpdateSize], checkpoint=checkpoint)
    phases = {f"phase {k}": phase for k, phase in enumerate(result.get("phases", ()), start=1)}
    return {**result, "parts": phases}


def with_flips(
    config: RunConfig, dataset: data.Dataset, *, device: str, checkpoint: Checkpoint | None
) -> dict:
    """`fit`, with the flip ratio of all steps (`flips`); its mean by epoch is a curve of that name."""
    look = [FlipsByEpoch]
    result = loop.fit(config, dataset, device=device, observers=look, checkpoint=checkpoint)
    by_epoch = [float(f"{ratio:.4g}") for ratio in result["flips"].pop("epochs")]
    return {**result, "curves": {**result["curves"], "flips": by_epoch}}


def with_positive_inputs(
    config: RunConfig, dataset: data.Dataset, *, device: str, checkpoint: Checkpoint | None
) -> dict:
    """`fit`, with the share of positive values that enter its binary convolutions."""
    look = partial(PositiveInputs, dataset=dataset)
    return loop.fit(config, dataset, device=device, observers=[look], checkpoint=checkpoint)


def with_loss_sums(
    config: RunConfig, dataset: data.Dataset, *, device: str, checkpoint: Checkpoint | None
) -> dict:
    """`fit`, with the *sum* of an epoch's losses beside their mean, as paper A's code plots it."""
    result = loop.fit(config, dataset, device=device, checkpoint=checkpoint)
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
    result = loop.fit(config, dataset, device=device, observers=[look], checkpoint=checkpoint)
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
    result = loop.fit(config, dataset, device=device, checkpoint=checkpoint)
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
    result = loop.fit(config, dataset, device=device, observers=[look], checkpoint=checkpoint)
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


def with_averaged_weights(
    config: RunConfig, dataset: data.Dataset, *, device: str, checkpoint: Checkpoint | None
) -> dict:
    """`fit` in the latent view; parts: `averaged`, the signs of the weights' mean, and `anew`.

    `anew` is the network as it ended, with batch norm's statistics measured as those of `averaged` are.
    """
    look = [partial(AveragedWeights, dataset=dataset)]
    result = loop.fit(config, dataset, device=device, observers=look, checkpoint=checkpoint)
    return {**result, "parts": result.pop("averaged")}


SHOWN = 1000
"""Steps of the one gradient that a record keeps, to be drawn."""


def with_recorded_gradients(
    config: RunConfig, dataset: data.Dataset, *, device: str, checkpoint: Checkpoint | None
) -> dict:
    """`fit`, and what filters make of its gradients, with the run's own alpha and gamma.

    Parts: `raw`, the gradients themselves; `second order`, the cascade; `first order`, the average with
    the same alpha; `as few flips`, the one that flips as often as the cascade; `as little noise`, the
    one with the cascade's noise gain. `as few flips` is missing where no average flips as seldom.
    `gradient` is one weight's, to be drawn. `never_more` counts weights whose sign changes more often
    with the second average than without; `flips` are those of the training, as in `with_flips`.
    """
    look = [Gradients, FlipsByEpoch]
    result = loop.fit(config, dataset, device=device, observers=look, checkpoint=checkpoint)
    del result["flips"]["epochs"]
    values = result.pop("gradients")["values"].numpy()
    largest = int(np.abs(values).sum(0).argmax())
    shown = [float(f"{value:.4g}") for value in values[:SHOWN, largest]]
    forms = compared(values, config)
    counts = [sign_changes(forms[name], values) for name in ("second order", "first order")]
    more = int((counts[0] > counts[1]).sum())
    parts = {name: measured(form, values) for name, form in forms.items()}
    never_more = {"differing": more, "compared": values.shape[1]}
    return {**result, "gradient": shown, "never_more": never_more, "parts": parts}
