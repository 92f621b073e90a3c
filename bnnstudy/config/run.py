"""`RunConfig`: one value that says everything that decides a run's result.

What does not decide a result (device, number of workers, folders) is not here. No torch either, so
that lists of runs can be made, hashed and compared at once.
"""

import dataclasses
import functools
from collections.abc import Mapping
from dataclasses import dataclass
from typing import Any

from bnnstudy.config import checks
from bnnstudy.config.checks import shown
from bnnstudy.config.fields import ALLOWED, BINARY_OPTIMIZERS, READERS, RULES, numbers_read
from bnnstudy.config.serialise import digest, to_jsonable
from bnnstudy.config.stage import Stage

SCHEMA = 1
"""Version of the configuration's meaning; raised only when an existing field changes its meaning."""


@dataclass(frozen=True, kw_only=True)
class RunConfig:
    """Everything that decides a run's result.

    Data: `dataset` by name; `train_size` training images (the first ones; 0 means all);
    `augmentation` is `"none"` or `"crop_flip"` (pad 4, random crop, random mirror image).

    Network: `model` by name with `width` and `depth`; `binary_weights` False gives the float twin;
    `activation` is `"sign"` (binary), `"relu"` or `"hardtanh"`; `real_first` and `real_last` keep
    the first and the last layer real. 1W/32A is binary weights with `"relu"`, 1W/1A with `"sign"`.
    `block` is the order of a convolution's neighbours (`cnn` and `binaryconnect` alone) and `pool`
    how they halve the image: `"max"`, `"average"`, or the convolution's own `"stride"`. `parts` names
    what is changed of a network (`models.PARTS`).

    Gradients: `surrogate` for the weights' sign and `activation_surrogate` for the activations',
    both by name (`bnnstudy.nn.binarize`); `steepness` is that of the surrogate `"ede"`, at the first
    step and at the last; `scaling` None or one of `bnnstudy.nn.scaling`; `clamp` keeps latent weights
    in [-1, 1] after each step; `init_scale` multiplies the Xavier draw (0: signed zeros).

    View: `"latent"` (real weights, their sign is the network) or `"filter"` (weights are ±1).

    Optimizer: `optimizer` by name. `lr` is its rate (latent view); `gamma` and `weight_decay` are
    those of paper B's Eq 2-3; `alpha` is the filter's rate, `threshold` and `gamma` are Bop's,
    `sigma` is the rate of a second moment beside them; `momentum` and `betas` are torch's.
    `design` is the family of the filter "designed" (`fields.DESIGNS`), and `matched` the property that
    it has of the cascade at `alpha` and `gamma`: `"noise gain"`, `"delay"` or `"flips"`.
    `real_optimizer` drives the real parameters (here: batch norm); empty means the same optimizer
    and rate as the weights. `real_lr` is its rate, `real_weight_decay` its decay (None: the same one).
    `schedule` acts on all rates, step by step; at each of `drops`, shares of the run in rising order,
    they fall to a tenth besides. `weight_schedule` is that of the binary weights where it is another
    than the real ones', `floor` the share of their rate that it ends at in place of 0. `lr_scaling`
    multiplies each binary layer's `"gradient"` or its `"update"` by `steps.glorot_factor`.

    `batch_norm_momentum` follows torch: the weight of the new batch (papers often give 1 minus it).

    A number that neither optimizer reads (`fields.READS`), nor the view, has to be its default. A stage
    drops what its own optimizers do not read, unless its `changes` name it.

    `precision` is that of parameters, optimizer states and arithmetic; with `"bfloat16"` they are
    float32 but for training's forward and backward pass (autocast), where ±1 is exact. On a GPU torch's
    own settings hold, by which float32 convolutions round their factors (TF32, where ±1 is exact, too).

        >>> config = RunConfig(dataset="mnist", width=512, activation="sign", seed=3)
        >>> config.bits, config.differences()
        ('1W/1A', {'activation': 'sign', 'dataset': 'mnist', 'seed': 3, 'width': 512})
        >>> RunConfig.from_dict(config.to_dict()) == config
        True

    Raises:
        ValueError: naming the field, its value and what is allowed.
    """

    dataset: str = "digits"
    train_size: int = 0
    augmentation: str = "none"
    model: str = "mlp"
    width: int = 128
    depth: int = 3
    block: str = "conv_pool_norm_act"
    pool: str = "max"
    parts: tuple[str, ...] = ()
    binary_weights: bool = True
    activation: str = "relu"
    real_first: bool = False
    real_last: bool = False
    surrogate: str = "clip"
    activation_surrogate: str = "clip"
    steepness: tuple[float, float] = (1.0, 1.0)
    scaling: str | None = None
    clamp: bool = False
    init_scale: float = 1.0
    view: str = "latent"
    optimizer: str = "adam"
    lr: float = 1e-3
    momentum: float = 0.9
    betas: tuple[float, float] = (0.9, 0.999)
    gamma: float = 0.1
    alpha: float = 1e-3
    threshold: float = 1e-8
    sigma: float = 1e-3
    design: str = "cascade"
    matched: str = "flips"
    weight_decay: float = 0.0
    real_optimizer: str = ""
    real_lr: float = 1e-3
    real_weight_decay: float | None = None
    lr_scaling: str | None = None
    schedule: str = "constant"
    drops: tuple[float, ...] = ()
    weight_schedule: str = ""
    floor: float = 0.0
    stages: tuple[Stage, ...] = ()
    epochs: int = 10
    batch_size: int = 100
    loss: str = "squared_hinge"
    batch_norm_momentum: float = 0.1
    batch_norm_eps: float = 1e-4
    precision: str = "float32"
    preset: str = "quick"
    seed: int = 0

    def __post_init__(self) -> None:
        for name, allowed in ALLOWED.items():
            object.__setattr__(self, name, checks.one_of(name, getattr(self, name), allowed))
        checks.settle(self, RULES)
        checks.settle(self, {"real_weight_decay": checks.NOT_NEGATIVE}, or_none=("real_weight_decay",))
        for name, rule in (("betas", checks.MOMENTUM), ("steepness", checks.POSITIVE)):
            pair = getattr(self, name)
            if not isinstance(pair, tuple) or len(pair) != 2:
                raise ValueError(f"{name} must be a tuple of two numbers, got {shown(pair)}")
            object.__setattr__(self, name, tuple(rule.checked(name, value) for value in pair))
        names = isinstance(self.parts, tuple) and all(isinstance(part, str) for part in self.parts)
        if not names or list(self.parts) != sorted(set(self.parts)):
            raise ValueError(f"parts must be a tuple of names in order, got {shown(self.parts)}")
        self._check_schedules()
        self._check_view()
        if self.steepness != (1.0, 1.0) and "ede" not in (self.surrogate, self.activation_surrogate):
            raise ValueError(
                f"steepness must be (1.0, 1.0) without the surrogate 'ede', got {self.steepness!r} "
                f"with {shown(self.surrogate)} and {shown(self.activation_surrogate)}"
            )
        self._check_stages()
        self._check_numbers()

    def _check_schedules(self) -> None:
        drops = self.drops if isinstance(self.drops, tuple) else (None,)
        inside = all(isinstance(drop, float) and 0 < drop < 1 for drop in drops)
        if not inside or list(drops) != sorted(set(drops)):
            raise ValueError(
                f"drops must be shares of the run in rising order, got {shown(self.drops)}"
            )
        if (self.weight_schedule or self.floor) and not self.real_optimizer:
            raise ValueError(
                "weight_schedule and floor must be '' and 0 without a real_optimizer, which has the "
                f"schedule; got {shown(self.weight_schedule)} and {shown(self.floor)}"
            )
        moving = (self.weight_schedule or self.schedule) != "constant" or self.drops
        if self.optimizer == "designed" and moving:
            raise ValueError(
                "weight_schedule must be 'constant', and drops (), with optimizer 'designed', whose "
                f"filter stands still; got {shown(self.weight_schedule or self.schedule)} and "
                f"{shown(self.drops)}"
            )
        if self.drops and self.stages:
            raise ValueError(f"drops must be () with stages, which have rates, got {shown(self.drops)}")

    def _check_stages(self) -> None:
        if not isinstance(self.stages, tuple) or not all(isinstance(s, Stage) for s in self.stages):
            raise ValueError(f"stages must be a tuple of Stage objects, got {shown(self.stages)}")
        if self.stages and sum(stage.epochs for stage in self.stages) != self.epochs:
            raise ValueError(
                f"stages must be as long as epochs={self.epochs} together, got {shown(self.stages)}"
            )

    def _check_numbers(self) -> None:
        # `plan` also checks each stage as the configuration that it makes.
        read = frozenset().union(*(numbers_read(vars(stage)) for stage in self.plan()))
        defaults = self._defaults()
        for name in READERS:
            value = defaults[name]
            if getattr(self, name) != value and name not in read:
                optimizers = f"optimizer {self.optimizer!r} and real_optimizer {self.real_optimizer!r}"
                raise ValueError(
                    f"{name} must be {shown(value)}, its default, where nothing reads it, got "
                    f"{shown(getattr(self, name))} with view {shown(self.view)}, {optimizers}; "
                    f"what reads it: {READERS[name]}"
                )

    def _check_view(self) -> None:
        if (self.view == "filter") != (self.optimizer in BINARY_OPTIMIZERS):
            raise ValueError(
                f"view 'filter' must be used with an optimizer of {', '.join(BINARY_OPTIMIZERS)}, and "
                f"they with it, got view {shown(self.view)} and optimizer {shown(self.optimizer)}"
            )
        if self.view == "filter":
            # Weights that are ±1 have no magnitude to mask, scale or clamp, and no float twin.
            fixed = {"binary_weights": True, "scaling": None, "clamp": False, "surrogate": "clip",
                     "lr_scaling": None}  # fmt: skip
            for name, value in fixed.items():
                if getattr(self, name) != value:
                    raise ValueError(
                        f"{name} must be {shown(value)} with view 'filter', got {getattr(self, name)!r}"
                    )

    @property
    def bits(self) -> str:
        """Bits of weights and activations in the field's notation, such as `"1W/32A"`."""
        weights = 1 if self.binary_weights else 32
        return f"{weights}W/{1 if self.activation == 'sign' else 32}A"

    @property
    def storage(self) -> str:
        """Precision of parameters and optimizer states, by torch's name."""
        return "float32" if self.precision == "bfloat16" else self.precision

    def plan(self) -> tuple["RunConfig", ...]:
        """The stages as configurations of their own; the run itself where it has none."""
        if not self.stages:
            return (self,)
        return tuple(self._during(stage) for stage in self.stages)

    def _during(self, stage: Stage) -> "RunConfig":
        own = {
            "lr": self.lr * stage.rate,
            "real_lr": self.real_lr * stage.rate,
            **dict(stage.changes),
            "stages": (),
            "epochs": stage.epochs,
        }
        # What the stage's own optimizers do not read is the run's: other stages may read it.
        unread = READERS.keys() - numbers_read({**vars(self), **own}) - dict(stage.changes).keys()
        defaults = self._defaults()
        return dataclasses.replace(self, **{**own, **{name: defaults[name] for name in unread}})

    @classmethod
    @functools.cache
    def _defaults(cls) -> dict[str, Any]:
        """The fields with their defaults, sorted by name; listed once for each class."""
        fields = sorted(dataclasses.fields(cls), key=lambda field: field.name)
        return {field.name: field.default for field in fields}

    def differences(self, other: "RunConfig | None" = None) -> dict[str, object]:
        """Fields in which this configuration differs from `other` (default: from the defaults)."""
        own, defaults = vars(self), self._defaults()
        others = vars(other) if other else defaults
        return {name: own[name] for name in defaults if own[name] != others[name]}

    def key(self) -> str:
        """Twelve hex digits that name this configuration, whatever its seed.

        The hash is over the fields that differ from their defaults, sorted, and `SCHEMA`; so a new
        field with a default leaves the key of every recorded run as it was.

            >>> RunConfig(seed=1).key() == RunConfig(seed=2).key() != RunConfig(width=64).key()
            True
        """
        fields = {n: to_jsonable(value) for n, value in self.differences().items() if n != "seed"}
        return digest({"schema": SCHEMA, **fields})[:12]

    def to_dict(self) -> dict[str, object]:
        """The fields that differ from their defaults, in JSON's types, with the seed always."""
        fields = {**self.differences(), "seed": self.seed}
        return {name: to_jsonable(value) for name, value in fields.items()}

    @classmethod
    def from_dict(cls, fields: Mapping[str, Any]) -> "RunConfig":
        """The configuration that `to_dict` wrote. Lists become tuples again.

        Raises:
            ValueError: if `fields` is no dictionary, or names a field that does not exist; and as the
                class says.
        """
        if not isinstance(fields, Mapping):
            raise ValueError(f"fields must be a dictionary of RunConfig's fields, got {shown(fields)}")
        known = {field.name for field in dataclasses.fields(cls)}
        for name in fields:
            if name not in known:
                raise ValueError(f"{shown(name)} is no field of RunConfig; allowed: {sorted(known)}")
        values: dict[str, Any] = {
            name: tuple(value) if isinstance(value, list) else value for name, value in fields.items()
        }
        if isinstance(values.get("stages"), tuple):
            values["stages"] = tuple(map(Stage.from_dict, values["stages"]))
        return cls(**values)
