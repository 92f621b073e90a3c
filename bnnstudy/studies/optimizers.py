"""Which optimizer for a network with binary weights? Paper A, section 3.1, Table 2 and Appendix A.

The paper gives one rate to all parameters. The controls give batch norm, all that is real in these
networks, an optimizer of its own, at a rate that is not tuned, so that only the binary weights see the
named one: Adam, or plain SGD, which separates the rate from the kind of optimizer.
"""

from dataclasses import replace

from bnnstudy.config.run import RunConfig
from bnnstudy.config.tricks import (
    batch_norm_at_own_rate,
    batch_norm_on_adam,
    binary_activations,
    float_twin,
)
from bnnstudy.evidence.claims import Equivalence, Every, Speed
from bnnstudy.evidence.readings import Reading
from bnnstudy.experiments.study import Arm, Study
from bnnstudy.studies._paper_a import (
    CNN,
    HALF_A_POINT,
    MLP,
    TRAINING_LOSS,
    accuracies_of,
    at_rest,
    claim,
    ours,
    tuned,
)
from bnnstudy.studies._quick_rates import at_settled_rates

OPTIMIZERS = ("sgd", "momentum", "nesterov", "adagrad", "adadelta", "rmsprop", "adam")
NOT_ADAPTIVE = ("sgd", "momentum", "nesterov")
CONTROL = ", BN on Adam"
OWN_RATE = ", BN at its own rate"

BINARY, BINARY_BOTH, FLOAT = "1W/32A", "1W/1A", "32W/32A"


MIDDLES = {
    BINARY: {"sgd": 10**0.5, "momentum": 1.0, "nesterov": 1.0, "adagrad": 0.1, "adadelta": 10.0,
             "rmsprop": 0.01, "adam": 0.01},
    FLOAT: {"sgd": 1.0, "momentum": 10**-0.5, "nesterov": 10**-0.5, "adagrad": 0.1, "adadelta": 10.0,
            "rmsprop": 10**-2.5, "adam": 10**-2.5},
    CONTROL: {"sgd": 100.0, "momentum": 10**1.5, "nesterov": 10**1.5, "adam": 0.01},
}  # fmt: skip
"""Where the search for a rate begins, in steps of sqrt(10); it goes on until the best is inside."""


TABLE_2 = accuracies_of(
    {
        "mnist": (4.48, 1.87, 1.86, 1.28, 1.22, 1.21, 1.19),
        "cifar10": (17.98, 12.41, 12.42, 10.87, 10.34, 10.33, 10.30),
    },
    [f"{BINARY} {name}" for name in OPTIMIZERS],
)


def _gap(bits: str, suffix: str = "") -> tuple[str, str]:
    return f"{bits} adam{suffix}", f"{bits} sgd{suffix}"


CLAIMS = (
    claim(
        "optimizers-sgd",
        source="section 3.1, Table 2",
        text="Plain SGD ends at a lower accuracy than Adam when weights are binary.",
        arm=f"{BINARY} adam",
        control=f"{BINARY} sgd",
        value="test error 4.48 (SGD) and 1.19 (Adam) on MNIST; 17.98 and 10.30 on CIFAR-10",
        margin=0.5,
    ),
    claim(
        "optimizers-momentum",
        source="section 3.1, Table 2",
        text="Momentum, with its rate tuned, ends better than plain SGD.",
        arm=f"{BINARY} momentum",
        control=f"{BINARY} sgd",
        value="test error 1.87 and 4.48 on MNIST; 12.41 and 17.98 on CIFAR-10",
    ),
    claim(
        "optimizers-nesterov",
        source="Table 2",
        text="Nesterov's momentum ends like plain momentum.",
        arm=f"{BINARY} nesterov",
        control=f"{BINARY} momentum",
        value="test error 1.86 and 1.87 on MNIST; 12.42 and 12.41 on CIFAR-10",
        kind=Equivalence,
        margin=0.3,
    ),
    claim(
        "optimizers-second-moment",
        source="section 3.1, Table 2",
        text="Second-moment scaling is crucial: Adam ends better than momentum.",
        arm=f"{BINARY} adam",
        control=f"{BINARY} momentum",
        value="test error 1.19 and 1.87 on MNIST; 10.30 and 12.41 on CIFAR-10",
    ),
    claim(
        "optimizers-adaptive",
        source="Table 2",
        text="RMSProp ends almost as well as Adam.",
        arm=f"{BINARY} rmsprop",
        control=f"{BINARY} adam",
        value="test error 1.21 and 1.19 on MNIST; 10.33 and 10.30 on CIFAR-10",
        kind=Equivalence,
        margin=0.3,
    ),
    # Rewritten when runs at desk were known: it compared Adam with the weakest adaptive one alone.
    claim(
        "optimizers-best",
        source="Table 2",
        text="Adam is the best of the seven: it ends better than each of the others.",
        kind=Every,
        compared=tuple((f"{BINARY} adam", f"{BINARY} {other}") for other in OPTIMIZERS[:-1]),
        value="test error 1.19 on MNIST, the others 1.21 to 4.48; 10.30 and 10.33 to 17.98 on CIFAR-10",
        metric="test_accuracy",
    ),
    # Written down when runs at desk were known, as was the next one.
    claim(
        "optimizers-stuck",
        requires=tuple(need for name in NOT_ADAPTIVE for need in at_rest(f"{BINARY} {name}")),
        source="section 3.1",
        text=(
            "The others get stuck in local minima: SGD, momentum and Nesterov's end at a higher "
            "training loss than Adam."
        ),
        kind=Every,
        compared=tuple((f"{BINARY} {name}", f"{BINARY} adam") for name in NOT_ADAPTIVE),
        value="no number given",
        metric="curves.train_loss.-1",
        margin=0.1,
        **TRAINING_LOSS,
    ),
    # A row of the table had no claim.
    claim(
        "optimizers-adadelta",
        source="Table 2",
        text="AdaDelta, too, ends almost as well as Adam.",
        arm=f"{BINARY} adadelta",
        control=f"{BINARY} adam",
        value="test error 1.22 and 1.19 on MNIST; 10.34 and 10.30 on CIFAR-10",
        kind=Equivalence,
        margin=0.3,
    ),
    claim(
        "optimizers-faster",
        source="section 3.1",
        text="Adaptive optimizers are faster as well: after the first epoch Adam is ahead of SGD.",
        arm=f"{BINARY} adam",
        control=f"{BINARY} sgd",
        value="no number given",
        metric="curves.validation_accuracy.0",
        margin=1.0,
    ),
    # Rewritten when runs at desk were known: it compared best epochs, which are noise on flat curves.
    claim(
        "optimizers-epochs",
        source="section 3.1",
        text=(
            "With momentum a binary network needs more epochs than its float twin, each to half a "
            "point below its own end."
        ),
        arm=f"{BINARY} momentum",
        control=f"{FLOAT} momentum",
        value="no number given",
        kind=Speed,
        level="own",
        below=HALF_A_POINT,
        margin=0.5,
    ),
    claim(
        "optimizers-spread",
        source="section 3.1, Appendix A",
        text=(
            "The optimizers lie further apart for binary weights than for the float twin: the gap "
            "between Adam and SGD is wider."
        ),
        arm=_gap(BINARY),
        control=_gap(FLOAT),
        value="no number given",
        margin=0.3,
    ),
    ours(
        "optimizers-binary-activations",
        source="audit of Table 2",
        text="With binary activations too, SGD ends below Adam.",
        arm=f"{BINARY_BOTH} adam",
        control=f"{BINARY_BOTH} sgd",
        margin=0.5,
    ),
    ours(
        "optimizers-rate-conflict",
        source="audit of Table 2",
        text="SGD's gap to Adam shrinks when batch norm is trained by Adam beside either.",
        arm=_gap(BINARY),
        control=_gap(BINARY, CONTROL),
        margin=0.1,
    ),
    ours(
        "optimizers-rate-conflict-binary-activations",
        source="audit of Table 2",
        text="SGD's gap to Adam shrinks with batch norm on Adam when activations are binary, too.",
        arm=_gap(BINARY_BOTH),
        control=_gap(BINARY_BOTH, CONTROL),
        margin=0.1,
    ),
    ours(
        "optimizers-own-rate",
        source="audit of Table 2",
        text=(
            "Plain SGD with a rate of its own for batch norm ends better than plain SGD at one rate "
            "for both."
        ),
        arm=f"{BINARY} sgd{OWN_RATE}",
        control=f"{BINARY} sgd",
    ),
    ours(
        "optimizers-own-rate-binary-activations",
        source="audit of Table 2",
        text="With binary activations too, plain SGD at two rates ends better than at one.",
        arm=f"{BINARY_BOTH} sgd{OWN_RATE}",
        control=f"{BINARY_BOTH} sgd",
    ),
    ours(
        "optimizers-level",
        source="audit of Table 2",
        text="With batch norm on Adam beside both, plain SGD on the weights ends level with Adam.",
        arm=f"{BINARY} adam{CONTROL}",
        control=f"{BINARY} sgd{CONTROL}",
        kind=Equivalence,
        margin=0.3,
    ),
)

HEADLINES = {
    "optimizers-sgd": Reading(
        holds="At one rate for all parameters, plain SGD ends below Adam.",
        fails="At one rate for all parameters, plain SGD does not end below Adam.",
        open="Whether plain SGD ends below Adam is open.",
        untested="SGD and Adam were not told apart by these runs.",
    ),
    "optimizers-own-rate": Reading(
        holds="The shared rate is to blame: give batch norm a rate of its own, and plain SGD gains.",
        fails="A rate of its own for batch norm does not help plain SGD.",
        open="Whether a rate of its own for batch norm helps plain SGD is open.",
        untested="The two rates made no difference to test.",
    ),
    "optimizers-level": Reading(
        holds="With batch norm on Adam, plain SGD on the weights is as good as Adam.",
        fails="With batch norm on Adam, plain SGD on the weights is still not level with Adam.",
        open="Whether plain SGD is level with Adam once batch norm is on Adam is open.",
        untested="Whether plain SGD is level with Adam once batch norm is on Adam was not tested.",
    ),
    "optimizers-best": Reading(
        holds="Adam is the best of the seven optimizers.",
        fails="Adam is not the best of the seven optimizers.",
        open=(
            "Whether Adam is better than each of the other six is open; its closest rivals are "
            "adaptive, too."
        ),
        untested="The optimizers were not told apart by these runs.",
    ),
}


def _arms(binary: RunConfig, optimizers: tuple[str, ...] = OPTIMIZERS) -> list[Arm]:
    """1W/32A and 1W/1A with both controls, and the float twin of the first."""
    signs = binary_activations(binary)
    found = []
    for bits, config in ((BINARY, binary), (BINARY_BOTH, signs)):
        found += _named(bits, config, optimizers, MIDDLES[BINARY])
        controlled = tuple(name for name in optimizers if name in MIDDLES[CONTROL])
        found += _controls(bits, config, controlled)
    return found + _named(FLOAT, float_twin(binary), optimizers, MIDDLES[FLOAT])


def _hardtanh_arms(binary: RunConfig) -> list[Arm]:
    """The float twin of 1W/1A, to look at: no claim is about it."""
    twin = float_twin(binary_activations(binary))
    return _named(f"{FLOAT} hardtanh", twin, ("sgd", "momentum", "adam"), MIDDLES[FLOAT])


def _cnn_arms(binary: RunConfig) -> list[Arm]:
    """Of the dear network the paper's own comparison, and what the claims on 1W/32A compare it with."""
    compared = ("sgd", "momentum", "adam")
    return [
        *_named(BINARY, binary, OPTIMIZERS, MIDDLES[BINARY]),
        *_named(FLOAT, float_twin(binary), compared, MIDDLES[FLOAT]),
        *_controls(BINARY, binary, ("sgd", "adam")),
    ]


def _named(
    bits: str, config: RunConfig, names: tuple[str, ...], middles: dict[str, float]
) -> list[Arm]:
    return [tuned(f"{bits} {name}", replace(config, optimizer=name), middles[name]) for name in names]


def _controls(bits: str, config: RunConfig, names: tuple[str, ...]) -> list[Arm]:
    found = []
    for name in names:
        middle, named = MIDDLES[CONTROL][name], replace(config, optimizer=name)
        found.append(tuned(f"{bits} {name}{CONTROL}", batch_norm_on_adam(named), middle))
        if name == "sgd":
            found.append(tuned(f"{bits} {name}{OWN_RATE}", batch_norm_at_own_rate(named), middle))
    return found


_DESK = replace(MLP["desk"], train_size=20_000)

STUDY = Study(
    name="optimizers",
    title="Which optimizer for binary weights?",
    claims=CLAIMS,
    headlines=HEADLINES,
    arms={
        "quick": at_settled_rates("optimizers", _arms(MLP["quick"], ("sgd", "momentum", "adam"))),
        "desk": (
            *_arms(_DESK),
            *_hardtanh_arms(_DESK),
            *_cnn_arms(CNN["desk"]),
        ),
        "paper": (*_arms(MLP["paper"]), *_hardtanh_arms(MLP["paper"]), *_cnn_arms(CNN["paper"])),
    },
    seeds={"quick": 2, "desk": 8, "paper": 5},
    published=TABLE_2,
)
