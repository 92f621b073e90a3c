"""Should alpha decay? Paper B, Figure 6."""

from collections.abc import Iterable
from dataclasses import replace

from bnnstudy.config.run import RunConfig
from bnnstudy.evidence.claims import Equivalence
from bnnstudy.evidence.readings import Reading
from bnnstudy.experiments.study import Arm, Study, named
from bnnstudy.studies._paper_b import claim, forgets, latent, networks, ours

ALPHA = 1e-2
FINAL = 0.01
"""Where schedules that end alike end, as a share of alpha."""

CLAIMS = (
    claim(
        "decay-early",
        source="Figure 6",
        text="Early on, training with and without decay look alike.",
        arm="cosine",
        control="constant",
        kind=Equivalence,
        metric="curves.test_accuracy.1",
        margin=1.0,
    ),
    claim(
        "decay-flips",
        requires=(forgets("constant"),),
        source="Figure 6",
        text="With a constant alpha flips go on to the end; with decay they die out.",
        arm="cosine",
        control="constant",
        value="flip ratio to 0 with decay",
        metric="flips.last",
        direction=-1,
        margin=0.0,
        unit="percent of weights a step",
    ),
    claim(
        "decay-accuracy",
        requires=(forgets("constant"),),
        source="Figure 6",
        text="With decay the final accuracy is higher.",
        arm="cosine",
        control="constant",
        margin=0.2,
    ),
    ours(
        "decay-shape",
        source="audit of Figure 6",
        text="The shape of the decay plays no part: linear and cosine to the same alpha end alike.",
        arm="linear to 1/100",
        control="cosine to 1/100",
        kind=Equivalence,
    ),
    ours(
        "decay-step",
        source="audit of Figure 6",
        text="Two steps down to the same alpha end no worse than a cosine.",
        arm="step to 1/100",
        control="cosine to 1/100",
        margin=-0.5,
    ),
    ours(
        "decay-final",
        requires=(forgets("constant"),),
        source="audit of Figure 6",
        text="The final alpha alone does not do it: constant at that value from the start ends worse.",
        arm="cosine to 1/100",
        control="constant at 1/100",
    ),
    ours(
        "decay-averaging",
        requires=(forgets("constant"),),
        source="audit of Figure 6",
        text=(
            "Decay is averaging: the signs of the state's mean over the second half, alpha "
            "constant, end no worse than with decay."
        ),
        arm="constant, latent, averaged",
        control="cosine",
        margin=-0.5,
    ),
    ours(
        "decay-increment",
        source="audit of Figure 6",
        text=(
            "A sign does not see the size of its state: to schedule the increment alone changes little."
        ),
        arm="increment alone",
        control="constant",
        kind=Equivalence,
        margin=1.0,
    ),
    ours(
        "decay-pole",
        source="audit of Figure 6",
        text="Scheduling the pole alone ends no worse than scheduling pole and increment.",
        arm="pole alone",
        control="cosine",
        margin=-0.5,
    ),
    ours(
        "decay-memories",
        source="audit of Figure 6",
        text="In a run of many memories the pole alone does better than the increment alone.",
        arm="pole alone at 1/2",
        control="increment alone at 1/2",
    ),
    # The next two were written down when their numbers at quick and desk were known.
    ours(
        "decay-statistics",
        requires=(forgets("constant"),),
        source="audit of Figure 6",
        text=(
            "Part of what decay gains is batch norm's: its statistics measured anew, and no sign "
            "changed, make up for some of it."
        ),
        arm="constant, latent, anew",
        control="constant, latent",
    ),
    ours(
        "decay-averaging-itself",
        requires=(forgets("constant"),),
        source="audit of Figure 6",
        text=(
            "Averaging the state does most of the rest: beside statistics measured anew it helps, too."
        ),
        arm="constant, latent, averaged",
        control="constant, latent, anew",
    ),
)

HEADLINES = {
    "decay-flips": Reading(
        holds="At a constant alpha weights flip to the end; with decay they come to rest.",
        fails="Decay does not bring flips to rest.",
        open="Whether decay brings flips to rest is open.",
        untested="The schedules were not told apart.",
    ),
    "decay-accuracy": Reading(
        holds="Alpha's decay is worth accuracy.",
        fails="Alpha's decay is worth no accuracy.",
        open="Whether alpha's decay is worth accuracy is open.",
        untested="The schedules were not told apart.",
    ),
    "decay-shape": Reading(
        holds="The shape of the decay plays no part.",
        fails="The shape of the decay matters.",
        open="Whether the shape of the decay matters is open.",
        untested="The shapes were not told apart.",
    ),
    "decay-averaging": Reading(
        holds="Averaging the state instead does as well.",
        fails="Averaging the state instead does less well.",
        open="Whether averaging the state does as well is open.",
        untested="This was not tested.",
    ),
}


def _arms(network: RunConfig) -> Iterable[Arm]:
    base = replace(network, alpha=ALPHA)
    constant = replace(base, weight_schedule="constant")
    arms = {
        "cosine": base,
        "constant": constant,
        "linear": replace(base, weight_schedule="linear"),
        "cosine to 1/100": replace(base, floor=FINAL),
        "linear to 1/100": replace(base, weight_schedule="linear", floor=FINAL),
        "step to 1/100": replace(base, weight_schedule="step"),
        "constant at 1/100": replace(constant, alpha=ALPHA * FINAL),
        "pole alone": replace(base, optimizer="filter_pole"),
        "increment alone": replace(base, optimizer="filter_increment"),
    }
    many = replace(base, alpha=0.5)
    arms |= {
        "cosine at 1/2": many,
        "pole alone at 1/2": replace(many, optimizer="filter_pole"),
        "increment alone at 1/2": replace(many, optimizer="filter_increment"),
    }
    for name, config in arms.items():
        yield Arm(name=name, config=config, callbacks=(named("FlipsByEpoch"),))
    # Latent weights are the state; the filter's own lies in its optimizer.
    state = latent(constant, 1.0)
    yield Arm(name="constant, latent", config=state, callbacks=(named("AveragedWeights"),))


STUDY = Study(
    name="alpha_decay",
    title="Decaying alpha",
    claims=CLAIMS,
    headlines=HEADLINES,
    arms={preset: tuple(_arms(network)) for preset, network in networks().items()},
    seeds={"quick": 2, "desk": 16, "paper": 3},
)
