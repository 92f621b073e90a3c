"""Does scaling each layer's rate by Glorot's factor help? Paper A, section 3.4.

Paper A's code multiplies the gradient, BinaryConnect's the update. Under SGD that is the same; Adam
divides the former away. The factor reaches the binary weights and not batch norm, so it also sets
their rates apart: the control gives batch norm a rate of its own.
"""

from collections.abc import Iterable
from dataclasses import replace

from bnnstudy.config.run import RunConfig
from bnnstudy.config.tricks import batch_norm_at_own_rate, rate_scaled_by_layer
from bnnstudy.evidence.claims import Equivalence
from bnnstudy.evidence.readings import Reading
from bnnstudy.experiments.study import Arm, Study
from bnnstudy.studies._paper_a import arms, claim, is_small_cnn, ours, tuned

SOURCE, AUDIT = "section 3.4", "audit of section 3.4"
APART = ", BN at its own rate"

CLAIMS = (
    claim(
        "scaling-sgd",
        source=SOURCE,
        text="Scaling the rate of each layer by the inverse Glorot factor helps SGD.",
        arm="sgd, scaled gradient",
        control="sgd",
    ),
    claim(
        "scaling-adam",
        source=SOURCE,
        text="Scaling by layer makes no difference with Adam.",
        arm="adam, scaled gradient",
        control="adam",
        kind=Equivalence,
    ),
    claim(
        "scaling-momentum",
        source=SOURCE,
        text="Scaling by layer makes no difference with momentum.",
        arm="momentum, scaled gradient",
        control="momentum",
        kind=Equivalence,
    ),
    ours(
        "scaling-update-accuracy",
        source=AUDIT,
        text=(
            "Scaling the update, as BinaryConnect does, is not divided away; with its rate tuned it "
            "still ends where Adam without it does."
        ),
        arm="adam, scaled update",
        control="adam",
        kind=Equivalence,
        margin=0.3,
    ),
    ours(
        "scaling-rates-apart",
        source=AUDIT,
        text=(
            "What helps SGD is that batch norm keeps a lower rate: with batch norm at a rate of its "
            "own, scaling by layer adds nothing."
        ),
        arm=f"sgd, scaled gradient{APART}",
        control=f"sgd{APART}",
        kind=Equivalence,
        margin=0.3,
    ),
    # Written down when runs at desk were known: the strongest case for SGD among them.
    ours(
        "scaling-beats-adam",
        source=AUDIT,
        text=(
            "With both, rates scaled by layer and one of its own for batch norm, SGD ends better than "
            "Adam."
        ),
        arm=f"sgd, scaled gradient{APART}",
        control="adam",
    ),
    ours(
        "scaling-own-rate",
        source=AUDIT,
        text=(
            "A rate of its own for batch norm, without scaling, does at least what scaling does for "
            "SGD."
        ),
        arm=f"sgd{APART}",
        control="sgd, scaled gradient",
        margin=-0.2,
    ),
)

HEADLINES = {
    "scaling-sgd": Reading(
        holds="Scaling the rate of each layer helps plain SGD.",
        fails="Scaling the rate of each layer does not help plain SGD.",
        open="Whether scaling by layer helps plain SGD is open.",
        untested="Scaling was not told apart from none.",
    ),
    "scaling-adam": Reading(
        holds="With Adam, scaling by layer makes no difference.",
        fails="With Adam, too, scaling by layer makes a difference.",
        open="Whether scaling by layer makes a difference with Adam is open.",
        untested="Scaling was not told apart from none.",
    ),
    "scaling-own-rate": Reading(
        holds="A rate of its own for batch norm does at least as much for plain SGD.",
        fails="A rate of its own for batch norm does less for plain SGD than scaling.",
        open="Whether a rate of its own for batch norm does as much is open.",
        untested="The two were not told apart.",
    ),
    "scaling-beats-adam": Reading(
        holds="With scaling and a rate of its own for batch norm, plain SGD ends *above* Adam.",
        fails="With scaling and a rate of its own for batch norm, plain SGD does not end above Adam.",
        open="Whether plain SGD with scaling and two rates ends above Adam is open.",
        untested="SGD and Adam were not told apart.",
    ),
}


def _arms(network: RunConfig) -> Iterable[Arm]:
    sgd, momentum, adam = (replace(network, optimizer=n) for n in ("sgd", "momentum", "adam"))
    yield tuned("sgd", sgd, 10**0.5)
    yield tuned("sgd, scaled gradient", rate_scaled_by_layer(sgd, "gradient"), 10**0.5)
    if not is_small_cnn(network):
        yield tuned("momentum", momentum, 1.0)
        heavy = rate_scaled_by_layer(momentum, "gradient")
        yield tuned("momentum, scaled gradient", heavy, 10**-0.5)
    yield tuned("adam", adam)
    yield tuned("adam, scaled gradient", rate_scaled_by_layer(adam, "gradient"))
    yield tuned("adam, scaled update", rate_scaled_by_layer(adam, "update"), 1e-3)
    apart = batch_norm_at_own_rate(sgd)
    yield tuned(f"sgd{APART}", apart, 100.0)
    yield tuned(f"sgd, scaled gradient{APART}", rate_scaled_by_layer(apart, "gradient"), 10.0)


STUDY = Study(
    name="lr_scaling",
    title="Rates scaled by layer",
    claims=CLAIMS,
    headlines=HEADLINES,
    arms=arms("lr_scaling", _arms),
    seeds={"quick": 2, "desk": 8, "paper": 5},
)
