"""Do two stages save epochs, and does stopping early cost accuracy? Paper A, sections 3.1, 4 and 5.

Stage 2 brings clipping *and* a lower rate. The same rates with clipping throughout, and without any,
tell the two apart, at tuned rates and at a high one, where clipping has more to do.
"""

from collections.abc import Iterable
from dataclasses import replace

from bnnstudy.config.run import RunConfig
from bnnstudy.config.stage import Stage
from bnnstudy.config.tricks import no_clipping, two_stages
from bnnstudy.experiments.study import Arm, Study, named
from bnnstudy.studies._paper_a import EPOCHS, NO_NUMBER, arms, claim, ours, stage_epochs, tuned

STAGES, CLIPPED, VANILLA = "two stages", "clipped, same rates", "vanilla, same rates"
ONE, HIGH = "clipped, one rate", ", high rate"
KEPT = "clipped, rate never lowered"

RATE = 0.1
"""A rate at which weights reach ±1, so that clipping acts; tuned rates may be lower."""

CLAIMS = (
    claim(
        "two-stages-epochs",
        "section 4",
        "Two stages, the second with clipping at a lower rate, reach the accuracy of clipped training "
        "at one rate in fewer epochs.",
        STAGES,
        ONE,
        NO_NUMBER,
        direction=-1,
        margin=0.5,
        **EPOCHS,
    ),
    claim(
        "two-stages-first-stage",
        "section 4",
        "The first stage is faster without clipping: at its end validation accuracy is ahead of "
        "clipped training at the same rate.",
        STAGES,
        CLIPPED,
        NO_NUMBER,
        metric="stages.1.start.validation_accuracy",
    ),
    claim(
        "two-stages-accuracy",
        "sections 4 and 5",
        "Two stages end at no lower accuracy than training clipped throughout at the same rates.",
        STAGES,
        CLIPPED,
        NO_NUMBER,
        margin=-0.3,
    ),
    claim(
        "two-stages-better",
        "sections 4 and 5",
        "Two stages end better than clipped training at one rate.",
        STAGES,
        ONE,
        NO_NUMBER,
    ),
    ours(
        "two-stages-drop",
        "audit of section 4",
        "The fall of the rate is what helps: with clipping throughout it raises the accuracy.",
        CLIPPED,
        ONE,
    ),
    ours(
        "two-stages-clipping",
        "audit of section 4",
        "Clipping in the second stage adds nothing to the fall of the rate.",
        STAGES,
        VANILLA,
        kind="equivalence",
        margin=0.3,
    ),
    ours(
        "two-stages-first",
        "audit of section 4",
        "Leaving clipping out of the first stage neither helps nor harms the end.",
        STAGES,
        CLIPPED,
        kind="equivalence",
        margin=0.3,
    ),
    claim(
        "two-stages-high-rate",
        "section 4",
        "At a high rate (0.1) too the first stage is faster without clipping.",
        f"{STAGES}{HIGH}",
        f"{CLIPPED}{HIGH}",
        NO_NUMBER,
        metric="stages.1.start.validation_accuracy",
    ),
    ours(
        "two-stages-high-first",
        "audit of section 4",
        "At a high rate too, where many weights reach ±1, leaving clipping out of the first stage "
        "neither helps nor harms the end.",
        f"{STAGES}{HIGH}",
        f"{CLIPPED}{HIGH}",
        kind="equivalence",
        margin=0.3,
    ),
    ours(
        "two-stages-high-clipping",
        "audit of section 4",
        "At a high rate clipping in the second stage adds nothing to the fall of the rate.",
        f"{STAGES}{HIGH}",
        f"{VANILLA}{HIGH}",
        kind="equivalence",
        margin=0.3,
    ),
    claim(
        "early-stopping-late",
        "section 3.1, Table 5",
        "The best validation epochs come late, though accuracy looks flat for long: stopping early "
        "costs accuracy.",
        ONE,
        f"{ONE}, stopped early",
        "best epochs 391 and 457 of 500",
    ),
    # Rewritten when runs at desk were known: its arms began at different rates.
    claim(
        "early-stopping-rate",
        "section 3.1",
        "Lowering the rate late, when accuracy looks flat, does not help (here after two thirds of the "
        "run, flat or not).",
        CLIPPED,
        KEPT,
        NO_NUMBER,
        kind="equivalence",
    ),
    ours(
        "early-stopping-drop",
        "audit of section 3.1",
        "Part of what an early stop costs is the lower rate that it never sees: it costs more when the "
        "rate falls late than when it never falls.",
        (CLIPPED, f"{CLIPPED}, stopped early"),
        (ONE, f"{ONE}, stopped early"),
    ),
)


def _arms(network: RunConfig) -> Iterable[Arm]:
    epochs = stage_epochs(network)
    clipped = replace(network, optimizer="adam", schedule="constant", epochs=epochs)
    vanilla, first = no_clipping(clipped), 2 * epochs // 3
    rates = (Stage(epochs=first), Stage(epochs=epochs - first, rate=0.1))
    stops = named("procedures.stopped_early", patience=max(2, epochs // 20))
    yield tuned(STAGES, two_stages(clipped, first), procedure=stops)
    for name, config in ((CLIPPED, clipped), (VANILLA, vanilla)):
        yield Arm(name=name, config=replace(config, stages=rates), follows=STAGES, procedure=stops)
    yield Arm(name=KEPT, config=clipped, follows=STAGES, procedure=stops)
    yield tuned(ONE, clipped, procedure=stops)
    high, free = replace(clipped, lr=RATE), replace(vanilla, lr=RATE)
    yield Arm(name=f"{STAGES}{HIGH}", config=two_stages(high, first), procedure=stops)
    yield Arm(name=f"{CLIPPED}{HIGH}", config=replace(high, stages=rates), procedure=stops)
    yield Arm(name=f"{VANILLA}{HIGH}", config=replace(free, stages=rates), procedure=stops)


STUDY = Study(
    name="two_stage",
    title="Two stages, and early stopping",
    claims=CLAIMS,
    arms=arms(_arms),
    seeds={"quick": 5, "desk": 5, "paper": 5},
)
