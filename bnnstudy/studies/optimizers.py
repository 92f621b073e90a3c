"""Which optimizer for a network with binary weights? Paper A, section 3.1, Table 2 and Appendix A.

The paper gives one rate to all parameters. The controls give batch norm, all that is real in these
networks, an optimizer of its own, at a rate that is not tuned, so that only the binary weights see the
named one: Adam, or plain SGD, which separates the rate from the kind of optimizer.
"""

from dataclasses import replace

from bnnstudy.claims import Claim, Contrast, Side
from bnnstudy.config import RunConfig
from bnnstudy.study import Arm, Study, Tuned
from bnnstudy.tricks import batch_norm_at_own_rate, batch_norm_on_adam, binary_activations, float_twin

OPTIMIZERS = ("sgd", "momentum", "nesterov", "adagrad", "adadelta", "rmsprop", "adam")
CONTROL = ", BN on Adam"
OWN_RATE = ", BN at its own rate"

BINARY, BINARY_BOTH, FLOAT = "1W/32A", "1W/1A", "32W/32A"


def _around(middle: float) -> tuple[float, ...]:
    # In six digits, as a search extends a grid.
    return tuple(float(f"{middle * factor:.6g}") for factor in (10**-0.5, 1.0, 10**0.5))


MIDDLES = {
    BINARY: {"sgd": 10**0.5, "momentum": 1.0, "nesterov": 1.0, "adagrad": 0.1, "adadelta": 10.0,
             "rmsprop": 0.01, "adam": 0.01},
    FLOAT: {"sgd": 1.0, "momentum": 10**-0.5, "nesterov": 10**-0.5, "adagrad": 0.1, "adadelta": 10.0,
            "rmsprop": 10**-2.5, "adam": 10**-2.5},
    CONTROL: {"sgd": 100.0, "momentum": 10**1.5, "nesterov": 10**1.5, "adam": 0.01},
}  # fmt: skip
"""Where the search for a rate begins, in steps of sqrt(10); it goes on until the best is inside."""


def _difference(
    id: str,
    source: str,
    text: str,
    arm: Side,
    control: Side,
    *,
    paper: str = "A",
    value: str | None = None,
    kind: str = "difference",
    metric: str = "test_accuracy",
    margin: float = 0.2,
    unit: str = Contrast.unit,
    scale: float = Contrast.scale,
) -> Claim:
    return Claim(
        id=id,
        paper=paper,
        source=source,
        text=text,
        paper_value=value,
        contrast=Contrast(
            kind=kind, metric=metric, arm=arm, control=control, margin=margin, unit=unit, scale=scale
        ),
    )


def _gap(bits: str, suffix: str = "") -> tuple[str, str]:
    return f"{bits} adam{suffix}", f"{bits} sgd{suffix}"


CLAIMS = (
    _difference(
        "optimizers-sgd",
        "section 3.1, Table 2",
        "Plain SGD ends at a lower accuracy than Adam when weights are binary.",
        *_gap(BINARY),
        value="test error 4.48 (SGD) and 1.19 (Adam) on MNIST; 17.98 and 10.30 on CIFAR-10",
        margin=0.5,
    ),
    _difference(
        "optimizers-momentum",
        "section 3.1, Table 2",
        "Momentum, with its rate tuned, ends better than plain SGD.",
        f"{BINARY} momentum",
        f"{BINARY} sgd",
        value="test error 1.87 and 4.48 on MNIST; 12.41 and 17.98 on CIFAR-10",
    ),
    _difference(
        "optimizers-nesterov",
        "Table 2",
        "Nesterov's momentum ends like plain momentum.",
        f"{BINARY} nesterov",
        f"{BINARY} momentum",
        value="test error 1.86 and 1.87 on MNIST; 12.42 and 12.41 on CIFAR-10",
        kind="equivalence",
        margin=0.3,
    ),
    _difference(
        "optimizers-second-moment",
        "section 3.1, Table 2",
        "Second-moment scaling is crucial: Adam ends better than momentum.",
        f"{BINARY} adam",
        f"{BINARY} momentum",
        value="test error 1.19 and 1.87 on MNIST; 10.30 and 12.41 on CIFAR-10",
    ),
    _difference(
        "optimizers-adaptive",
        "Table 2",
        "RMSProp ends almost as well as Adam.",
        f"{BINARY} rmsprop",
        f"{BINARY} adam",
        value="test error 1.21 and 1.19 on MNIST; 10.33 and 10.30 on CIFAR-10",
        kind="equivalence",
        margin=0.3,
    ),
    _difference(
        "optimizers-best",
        "Table 2",
        "Adam, which the table has best, ends better than AdaGrad, the weakest of the adaptive ones.",
        f"{BINARY} adam",
        f"{BINARY} adagrad",
        value="test error 1.19 and 1.28 on MNIST; 10.30 and 10.87 on CIFAR-10",
        margin=0.0,
    ),
    _difference(
        "optimizers-faster",
        "section 3.1",
        "Adaptive optimizers are faster as well: after the first epoch Adam is ahead of SGD.",
        *_gap(BINARY),
        value="no number given",
        metric="curves.validation_accuracy.0",
        margin=1.0,
    ),
    _difference(
        "optimizers-epochs",
        "section 3.1",
        "With momentum a binary network needs more epochs than its float twin.",
        f"{BINARY} momentum",
        f"{FLOAT} momentum",
        value="no number given",
        metric="best_epoch",
        unit="epochs",
        scale=1.0,
        margin=0.5,
    ),
    _difference(
        "optimizers-spread",
        "section 3.1, Appendix A",
        "The optimizers lie further apart for binary weights than for the float twin: the gap "
        "between Adam and SGD is wider.",
        _gap(BINARY),
        _gap(FLOAT),
        value="no number given",
        margin=0.3,
    ),
    _difference(
        "optimizers-binary-activations",
        "chapter 3",
        "With binary activations too, SGD ends below Adam.",
        *_gap(BINARY_BOTH),
        paper="ours",
        margin=0.5,
    ),
    _difference(
        "optimizers-rate-conflict",
        "chapter 3",
        "SGD's gap to Adam shrinks when batch norm is trained by Adam beside either.",
        _gap(BINARY),
        _gap(BINARY, CONTROL),
        paper="ours",
        margin=0.1,
    ),
    _difference(
        "optimizers-rate-conflict-binary-activations",
        "chapter 3",
        "The same with binary activations.",
        _gap(BINARY_BOTH),
        _gap(BINARY_BOTH, CONTROL),
        paper="ours",
        margin=0.1,
    ),
    _difference(
        "optimizers-own-rate",
        "chapter 3",
        "It is the rate: plain SGD for weights and batch norm, each at a rate of its own, ends better "
        "than plain SGD at one rate for both.",
        f"{BINARY} sgd{OWN_RATE}",
        f"{BINARY} sgd",
        paper="ours",
    ),
    _difference(
        "optimizers-own-rate-binary-activations",
        "chapter 3",
        "The same with binary activations.",
        f"{BINARY_BOTH} sgd{OWN_RATE}",
        f"{BINARY_BOTH} sgd",
        paper="ours",
    ),
    _difference(
        "optimizers-level",
        "chapter 3",
        "With batch norm on Adam beside both, plain SGD on the weights ends level with Adam.",
        *_gap(BINARY, CONTROL),
        paper="ours",
        kind="equivalence",
        margin=0.3,
    ),
)


def _arms(sizes: RunConfig, optimizers: tuple[str, ...], tuning_seeds: int = 1) -> tuple[Arm, ...]:
    binary = replace(
        sizes, surrogate="clip", clamp=True, schedule="exponential", batch_norm_momentum=0.15
    )
    both = binary_activations(binary)
    networks = {
        BINARY: (binary, BINARY),
        FLOAT: (float_twin(binary), FLOAT),
        BINARY_BOTH: (both, BINARY),
        f"{FLOAT} hardtanh": (float_twin(both), FLOAT),
    }
    arms = []
    for network, (config, rates) in networks.items():
        for name in optimizers:
            if "hardtanh" in network and name not in ("sgd", "momentum", "adam"):
                continue
            named = replace(config, optimizer=name)
            arms.append(_arm(f"{network} {name}", named, MIDDLES[rates][name], tuning_seeds))
            if network in (BINARY, BINARY_BOTH) and name in MIDDLES[CONTROL]:
                middle = MIDDLES[CONTROL][name]
                control = batch_norm_on_adam(named)
                arms.append(_arm(f"{network} {name}{CONTROL}", control, middle, tuning_seeds))
                if name == "sgd":
                    apart = batch_norm_at_own_rate(named)
                    arms.append(_arm(f"{network} {name}{OWN_RATE}", apart, middle, tuning_seeds))
    return tuple(arms)


def _arm(name: str, config: RunConfig, middle: float, seeds: int) -> Arm:
    return Arm(name=name, config=config, tuned=Tuned(field="lr", grid=_around(middle), seeds=seeds))


STUDY = Study(
    name="optimizers",
    title="Which optimizer for binary weights?",
    claims=CLAIMS,
    arms={
        "quick": _arms(RunConfig(preset="quick", batch_size=50, epochs=8), ("sgd", "momentum", "adam")),
        "desk": _arms(
            RunConfig(preset="desk", dataset="mnist", train_size=20_000, width=256, epochs=10),
            OPTIMIZERS,
            tuning_seeds=2,
        ),
        "paper": _arms(RunConfig(preset="paper", dataset="mnist", width=2048, epochs=250), OPTIMIZERS),
    },
    seeds={"quick": 8, "desk": 8, "paper": 5},
)
