"""What is binary in a binary network, and what the surrogate gradient does. Groundwork, our claims."""

from collections.abc import Sequence
from dataclasses import replace

import torch

from bnnstudy import data
from bnnstudy.config.run import RunConfig
from bnnstudy.evidence.claims import Claim, Difference, Equivalence, Exact
from bnnstudy.experiments.study import Arm, Study
from bnnstudy.nn.layers import BinaryConv2d, BinaryLinear
from bnnstudy.training import loop, metrics
from bnnstudy.training.checkpoints import Checkpoint


class WeightCheck:
    """Observes whether what the layers multiply with is ±1, and whether the parameters are."""

    name = "weights"

    def __init__(self, layers: Sequence[BinaryLinear | BinaryConv2d]):
        self._layers = layers

    def before(self, step: int) -> None:
        """Nothing to do before a step."""

    def after(self, step: int) -> None:
        """Nothing to do after a step: the check is at the end."""

    def report(self) -> dict:
        """Of all binary weights after training: effective ones and stored ones that are not ±1."""
        stored = [layer.weight for layer in self._layers]
        effective = [layer.effective_weight() for layer in self._layers]
        size = sum(w.numel() for w in stored)
        return {
            "effective": {"differing": metrics.not_binary(effective), "compared": size},
            "stored": {"differing": metrics.not_binary(stored), "compared": size},
        }

    def state_dict(self) -> dict:
        """Nothing to keep: what is reported is read off the layers."""
        return {}

    def load_state_dict(self, state: dict) -> None:
        """Nothing was kept."""


def binary_layers_of(model: torch.nn.Module) -> list[BinaryLinear | BinaryConv2d]:
    """The layers of a model that have binary weights."""
    return [layer for layer in model.modules() if isinstance(layer, BinaryLinear | BinaryConv2d)]


def fit_and_check(
    config: RunConfig,
    dataset: data.Dataset,
    *,
    device: str = "cpu",
    checkpoint: Checkpoint | None = None,
) -> dict:
    """`training.fit`, then a look at every binary weight."""
    return loop.fit(
        config,
        dataset,
        device=device,
        checkpoint=checkpoint,
        observers=[lambda stage, model, steps: WeightCheck(binary_layers_of(model))],
    )


CLAIMS = (
    Claim(
        id="layers-effective",
        paper="ours",
        source="chapter 1",
        text="After training, every weight that a binary layer multiplies with is 1 or -1.",
        contrast=Exact(
            metric="weights.effective",
            arm="clip",
            unit="weights that are not ±1",
        ),
    ),
    Claim(
        id="layers-mask",
        paper="ours",
        source="chapter 1",
        text=(
            "With sign activations, a surrogate that masks (clip) ends at a better test accuracy than "
            "one that passes every gradient (identity)."
        ),
        contrast=Difference(
            metric="test_accuracy",
            arm="clip",
            control="identity",
            margin=0.5,
        ),
    ),
    Claim(
        id="layers-approx",
        paper="ours",
        source="chapter 1",
        text="ApproxSign and the plain clip, as surrogates of the activations, end alike.",
        contrast=Equivalence(
            metric="test_accuracy",
            arm="approx",
            control="clip",
            margin=1.0,
        ),
    ),
)


def _arms(sizes: RunConfig) -> tuple[Arm, ...]:
    base = replace(sizes, activation="sign", clamp=True, lr=1e-2)
    return tuple(
        Arm(
            name=name,
            config=replace(base, activation_surrogate=name),
            measure=fit_and_check,
        )
        for name in ("identity", "clip", "approx", "ede")
    )


STUDY = Study(
    name="binary_layers",
    title="What is binary here",
    claims=CLAIMS,
    arms={
        "quick": _arms(RunConfig(preset="quick", batch_size=50, epochs=15)),
        "desk": _arms(
            RunConfig(preset="desk", dataset="mnist", train_size=15_000, width=256, epochs=8)
        ),
    },
    seeds={"quick": 5, "desk": 8},
)
