"""Paper B's networks and settings at each preset, and shorthand for the claims of its studies."""

from dataclasses import dataclass, replace
from typing import Any

from bnnstudy.config.run import RunConfig
from bnnstudy.config.serialise import significant
from bnnstudy.config.tricks import zero_start
from bnnstudy.evidence.claims import Requirement, Shorthand

CURVES = "curves only"
"""What the paper gives where it gives a figure and no number."""

_SHORTHAND = Shorthand(
    paper="B", value=CURVES, accuracy={"metric": "last.test_accuracy", "margin": 0.5}
)
claim, ours = _SHORTHAND.claim, _SHORTHAND.ours


def forgets(arm: str) -> Requirement:
    """That a run is longer than its memory: alpha times the steps, with its schedule, is 3 or more."""
    says = "alpha times the steps is {:.2g}"
    return Requirement(figure="@alpha times steps", arm=arm, at_least=3.0, says=says)


def _network(**sizes: Any) -> RunConfig:
    """The filter's view, binary activations; batch norm on Adam, at a rate that is not tuned."""
    fields: dict[str, Any] = {
        "view": "filter",
        "optimizer": "filter",
        "alpha": 1e-3,
        "gamma": 0.1,
        "activation": "sign",
        "activation_surrogate": "approx",
        "loss": "cross_entropy",
        "schedule": "cosine",
        "real_optimizer": "adam",
        "real_lr": 3e-3,
    }
    return RunConfig(**{**fields, **sizes})


MLP = {
    "quick": _network(preset="quick", width=64, batch_size=50, epochs=8),
    "desk": _network(preset="desk", dataset="mnist", train_size=10_000, width=128, epochs=10),
}
"""1W/1A, fully connected, every layer binary: there is no real layer that could make up for flips."""


AUDIO_NET = {
    "quick": replace(MLP["quick"], model="audio_net", real_first=True, epochs=3),
    "desk": replace(
        MLP["desk"], dataset="fsdd", train_size=0, model="audio_net", real_first=True, epochs=10
    ),
    "paper": replace(
        MLP["desk"], preset="paper", dataset="audiomnist", train_size=0, model="audio_net", width=512,
        real_first=True, epochs=20,
    ),
}  # fmt: skip
"""Four layers, the first one real; width and epochs are ours, as the paper gives none."""


def _birealnet20(**sizes: Any) -> RunConfig:
    """Batch norm, stem and head on SGD with momentum 0.9 at 0.1, decay 1e-4, as all real ones there."""
    real = {"real_optimizer": "momentum", "real_lr": 0.1, "real_weight_decay": 1e-4}
    fields = {"dataset": "cifar10", "model": "birealnet20", "augmentation": "crop_flip"}
    ends = {"real_first": True, "real_last": True}
    return _network(**{**real, **fields, **ends, **sizes})


BIREALNET20 = {
    "quick": _birealnet20(
        preset="quick", dataset="digits", augmentation="none", width=4, batch_size=100, epochs=2
    ),
    "desk": _birealnet20(preset="desk", train_size=5_000, width=8, batch_size=64, epochs=10),
    "short": _birealnet20(preset="short", width=16, batch_size=256, epochs=40),
    "paper": _birealnet20(preset="paper", width=16, batch_size=256, epochs=400),
}
"""Paper B's own network on CIFAR-10; its numbers of epochs are given for Table 2 alone."""


@dataclass(frozen=True)
class Sized:
    """A network with the length of its run.

        >>> Sized(MLP["desk"], steps=1000).rate(50)
        0.05

    Attributes:
        network: its epochs among its fields.
        steps: of the run, which data that need not be there would tell.
    """

    network: RunConfig
    steps: int

    def rate(self, memories: float) -> float:
        """The alpha, or Bop's gamma, that makes a run of so many memories."""
        return significant(memories / self.steps, 6)


TINY = Sized(replace(MLP["quick"], width=32, train_size=500, batch_size=20, epochs=5), 125)
"""At `quick`, where steps count."""


def networks(epochs: int = 100) -> dict[str, RunConfig]:
    """The network of a figure's study at each preset: fully connected ones, and at `paper` its own.

    `epochs` are those of the preset `paper`, as the paper does not give them.
    """
    return {**MLP, "paper": replace(BIREALNET20["paper"], epochs=epochs)}


def latent(config: RunConfig, lr: float, alpha: float | None = None) -> RunConfig:
    """The same training in the latent view: Eq 2-3 at rate `lr`, the decay such that alpha is kept.

    Latent weights start at zero magnitude; `alpha` None keeps the configuration's own. No clip, no
    scaling.
    """
    alpha = config.alpha if alpha is None else alpha
    plain = replace(
        config, view="latent", optimizer="latent_sgd", surrogate="identity", lr=lr, alpha=1e-3,
        weight_decay=alpha / lr,
        real_weight_decay=config.real_weight_decay or 0.0,
    )  # fmt: skip
    return zero_start(plain)
