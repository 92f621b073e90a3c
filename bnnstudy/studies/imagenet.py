"""ImageNet: paper B's Table 3 (ReActNet-A), and the third row of paper A's Table 5 (AlexNet).

Its arms are trained from a folder of images, by `python -m bnnstudy imagenet` under `torchrun`, with a
ResNet-34 as their teacher. Those of AlexNet are not built.
"""

from dataclasses import replace

from bnnstudy.config.run import RunConfig
from bnnstudy.config.stage import Stage
from bnnstudy.evidence.claims import Equivalence, Speed
from bnnstudy.evidence.readings import Reading
from bnnstudy.experiments.study import Arm, Study, named
from bnnstudy.studies import _paper_a
from bnnstudy.studies._paper_b import claim

CLAIMS = (
    claim(
        "imagenet-one-step",
        source="Table 3",
        text=(
            "ReActNet-A trained in one step with the filter ends no worse than in two steps with Adam."
        ),
        arm="filter, one step",
        control="reactnet, two steps",
        value="top-1 69.7 and 69.4",
        margin=-0.2,
    ),
    claim(
        "imagenet-adambnn",
        source="Table 3",
        text="The filter stays behind AdamBNN's two steps.",
        arm="filter, one step",
        control="adambnn, two steps",
        value="top-1 69.7 and 70.5",
        direction=-1,
        margin=0.0,
    ),
    claim(
        "imagenet-rivals",
        source="Table 3",
        text="Among networks that are trained in one step it is ahead of all earlier ones.",
        arm="filter, one step",
        control=None,
        value="top-1 69.7, and 54.4 to 65.8 (MeliusNet29)",
        margin=65.8,
    ),
    _paper_a.claim(
        "imagenet-alexnet",
        source="Table 5",
        text="An AlexNet that starts from a real network ends where one from scratch does.",
        arm="alexnet, from real",
        control="alexnet, from scratch",
        value="best validation accuracy 51.85 and 51.98",
        kind=Equivalence,
        metric="validation_accuracy",
        margin=0.3,
    ),
    _paper_a.claim(
        "imagenet-alexnet-epochs",
        source="Table 5",
        text="An AlexNet that starts from a real network needs far fewer binary epochs.",
        arm="alexnet, from real",
        control="alexnet, from scratch",
        value="best epoch 30 and 88",
        kind=Speed,
        below=_paper_a.HALF_A_POINT,
        direction=-1,
        margin=1.0,
    ),
)

ONE_STEP = RunConfig(
    preset="paper", dataset="imagenet", model="reactnet_a", width=32, activation="sign",
    activation_surrogate="approx", real_first=True, real_last=True, view="filter", optimizer="filter",
    alpha=1e-5, gamma=0.1, real_optimizer="adam", real_lr=0.0025, schedule="linear",
    loss="cross_entropy", batch_size=510, epochs=239, batch_norm_eps=1e-5,
)  # fmt: skip
"""Paper B, Table 3: 239 epochs of 2,512 steps are its 600,000 iterations. `loss` is to the teacher."""


def _two_steps(epochs: int, lr: float, decay: float) -> RunConfig:
    """Adam on latent weights in batches of 256: real weights with decay, then binary ones without.

    Both steps have binary activations and a rate that falls linearly to 0. Binary weights are signs
    times their mean magnitude going forward, with the slope of clip(w, -1, 1) going back, as in the
    released code. Its decay leaves the last layer out too, which has 3.5 % of the real step's weights.
    """
    real = (("binary_weights", False), ("weight_decay", decay))
    stages = (Stage(epochs=epochs, changes=real), Stage(epochs=epochs))
    return replace(
        ONE_STEP, view="latent", optimizer="adam", lr=lr, alpha=1e-3, real_optimizer="", real_lr=1e-3,
        scaling="mean_forward", batch_size=256, epochs=2 * epochs, stages=stages,
    )  # fmt: skip


TWO_STEPS = {
    # The paper gives 600,000 iterations; taken as those of each step, 120 epochs of 5,004 steps.
    "reactnet, two steps": _two_steps(120, 5e-4, 1e-5),
    # The released scripts.
    "adambnn, two steps": _two_steps(256, 1.25e-3, 5e-6),
}
"""Recipes of Liu et al. 2020 and 2021. What is assumed: the start (Glorot's draw for both, where their
code draws from 0 to 0.001), and that the second step goes on from the first one's last epoch."""

_DISTILLED = named("image_folder.distilled", teacher="resnet34")

ARMS = tuple(
    Arm(name=name, config=config, procedure=_DISTILLED)
    for name, config in {"filter, one step": ONE_STEP, **TWO_STEPS}.items()
)

HEADLINES = {
    "imagenet-one-step": Reading(
        holds="On ImageNet one step with the filter ends no worse than ReActNet's two steps.",
        fails="On ImageNet one step with the filter ends behind ReActNet's two steps.",
        open="Whether one step with the filter ends behind ReActNet's two steps is open.",
        untested="One step and two were not told apart on ImageNet.",
    ),
    "imagenet-adambnn": Reading(
        holds="The filter stays behind AdamBNN's two steps.",
        fails="The filter does not stay behind AdamBNN's two steps.",
        open="Whether the filter stays behind AdamBNN's two steps is open.",
        untested="The filter and AdamBNN were not told apart on ImageNet.",
    ),
    "imagenet-rivals": Reading(
        holds="On ImageNet the filter is ahead of all networks trained in one step before it.",
        fails="On ImageNet the filter is not ahead of all networks trained in one step before it.",
        open="Whether the filter is ahead of earlier networks trained in one step on ImageNet is open.",
        untested="The filter's one step on ImageNet was not what the claim speaks of.",
    ),
}

STUDY = Study(
    name="imagenet",
    title="ImageNet",
    claims=CLAIMS,
    headlines=HEADLINES,
    arms={"paper": ARMS},
    seeds={"paper": 3},
)
