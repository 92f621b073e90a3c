"""What a study is made of: arms, what is tuned in them, and the claims that they decide. All values."""

import math
from collections.abc import Mapping
from dataclasses import dataclass, field
from typing import Any, NoReturn

from bnnstudy.config import checks, serialise
from bnnstudy.config.checks import shown
from bnnstudy.config.run import RunConfig
from bnnstudy.evidence import records
from bnnstudy.evidence.claims import Claim
from bnnstudy.evidence.readings import Reading
from bnnstudy.evidence.runs import task_of

PILOT_SEED = 1000
"""First seed of pilot runs, which judge nothing; the others count from 0."""

SEEDS = checks.Rule(
    int, f"a whole number from 1 to {PILOT_SEED}", lambda value: 1 <= value <= PILOT_SEED
)
"""How many seeds may judge."""


@dataclass(frozen=True)
class Named:
    """A callback or a procedure by its name, with options.

    So that a study is a value, listed and compared without importing torch.

        >>> use = Named("Averages", {"momenta": {"0.9": 0.1}})
        >>> Arm(name="adam", config=RunConfig(), callbacks=(use,)).options
        {'momenta': {'0.9': 0.1}}

    Attributes:
        name: a class of `bnnstudy.training.callbacks`, such as "FlipsByEpoch", or a function of
            `bnnstudy.experiments`, such as "paired.sign_by_sign".
        options: what it is given by keyword; recorded with the run, and part of its key.

    Raises:
        ValueError: if the name is none, or the options are not such as JSON has.
    """

    name: str
    options: Mapping[str, Any] = field(default_factory=dict)

    def __post_init__(self) -> None:
        checks.settle(self, {"name": checks.NAME})
        checks.instance("options", self.options, Mapping)
        try:
            serialise.digest(serialise.to_jsonable(self.options))
        except (TypeError, ValueError, RecursionError) as error:
            raise ValueError(
                f"options of {self.name!r} must be values that JSON has, got {shown(self.options)}"
            ) from error


def named(name: str, /, **options: Any) -> Named:
    """A callback or a procedure by its name, with options by keyword.

    >>> named("Averages", momenta={"0.9": 0.1})
    Named(name='Averages', options={'momenta': {'0.9': 0.1}})
    """
    return Named(name, options)


_PERCENT = checks.Rule(float, "from 0 to 100", lambda value: 0 <= value <= 100)
_FACTOR = checks.Rule(float, "above 1 and finite", lambda value: 1 < value < math.inf)
_TUNABLE = checks.Rule(
    str,
    "one of RunConfig but its seed",
    lambda value: value in RunConfig.__dataclass_fields__ and value != "seed",
)


@dataclass(frozen=True, kw_only=True)
class Tuned:
    """A field of an arm's configuration that validation accuracy settles, over a grid of values.

    While the best value stands at an end of the grid, that end is extended by `factor`, at most
    `max_extensions` times and as far as the field allows (`bnnstudy.experiments.rates`).

        >>> tuned = Tuned(field="lr", grid=(0.1, 1.0), factor=10.0)
        >>> arm = Arm(name="sgd", config=RunConfig(optimizer="sgd"), tuned=tuned)
        >>> arm.tuned.grid, arm.tuned.max_extensions
        ((0.1, 1.0), 4)

    Raises:
        ValueError: naming the argument, its value and what is allowed.
    """

    field: str
    grid: tuple[float, ...]
    factor: float = 10**0.5
    max_extensions: int = 4

    def __post_init__(self) -> None:
        checks.settle(self, {"field": _TUNABLE, "factor": _FACTOR, "max_extensions": checks.WHOLE})
        if not isinstance(self.grid, tuple) or not self.grid:
            raise ValueError(f"grid must have a value or more, as a tuple, got {shown(self.grid)}")
        # Whole numbers stay whole: a field may want them so.
        numbers = (checks.FINITE.checked("a value of grid", value) for value in self.grid)
        grid = tuple(v if isinstance(v, int) else n for v, n in zip(self.grid, numbers, strict=True))
        object.__setattr__(self, "grid", grid)


@dataclass(frozen=True, kw_only=True)
class Arm:
    """One setting of a study, run with several seeds.

        >>> arm = Arm(name="filter", callbacks=(named("FlipsByEpoch"),), config=RunConfig(
        ...     view="filter", optimizer="filter", real_optimizer="adam", alpha=1e-4))
        >>> arm.config.alpha, arm.key == arm.config.key()
        (0.0001, True)

    Attributes:
        name: how claims and figures call it, unique in its study for one data set and network.
        config: the configuration; its seed is set by the sweep.
        tuned: a field that is settled before the final runs, if any.
        follows: name of an arm of the same data set and network whose choice this one takes; where
            that arm has a fixed value, this one has it in its configuration.
        callbacks: what looks on at a run; by their names.
        procedure: what a run does where `training.fit` is not enough, if anything.
        seeds: the number of final seeds, where it is not the study's.

    Raises:
        ValueError: naming the argument, its value and what is allowed.
    """

    name: str
    config: RunConfig
    tuned: Tuned | None = None
    follows: str = ""
    callbacks: tuple[Named, ...] = ()
    procedure: Named | None = None
    seeds: int | None = None

    def __post_init__(self) -> None:
        checks.settle(self, {"name": checks.TEXT, "follows": checks.NAME})
        checks.settle(self, {"seeds": SEEDS}, or_none=("seeds",))
        checks.instance("config", self.config, RunConfig)
        checks.instance("tuned", self.tuned, Tuned, or_none=True)
        checks.all_of("callbacks", self.callbacks, Named)
        checks.instance("procedure", self.procedure, Named, or_none=True)
        options = [name for use in self._uses() for name in use.options]
        if len(set(options)) != len(options):
            raise ValueError(f"options of arm {self.name!r} must have distinct names, got {options}")

    def _uses(self) -> tuple[Named, ...]:
        return (*self.callbacks, *((self.procedure,) if self.procedure else ()))

    @property
    def options(self) -> dict[str, Any]:
        """The options of what a run does, as the record has them; none for most."""
        return {
            name: serialise.to_jsonable(v) for use in self._uses() for name, v in use.options.items()
        }

    @property
    def key(self) -> str:
        """Names the configuration and the options (`bnnstudy.evidence.records.key`)."""
        return records.key(self.config, self.options)


class Presets(dict[str, tuple[Arm, ...]]):
    """Arms by preset; an unknown preset raises a `ValueError` that lists the known ones."""

    def __missing__(self, preset: str) -> NoReturn:
        raise ValueError(f"preset must be one of {', '.join(self) or 'none yet'}, got {shown(preset)}")


@dataclass(frozen=True, kw_only=True)
class Study:
    """One finding: its question, the claims that it decides, and its arms for each preset.

    A study that is not built yet has claims and no arms.

        >>> arms = [Arm(name=name, config=RunConfig(optimizer=name)) for name in ("adam", "sgd")]
        >>> study = Study(name="example", title="Adam or SGD", claims=(), arms={"quick": tuple(arms)})
        >>> study.arm("quick", "sgd").config.optimizer
        'sgd'
        >>> study.arm("desk", "sgd")
        Traceback (most recent call last):
        ValueError: preset must be one of quick, got 'desk'

    Attributes:
        headlines: ids of the claims that its conclusion rests on, in its order, with what they mean.
        published: by data set and arm (or "arm, part") the paper's own test accuracy in percent.

    Raises:
        ValueError: naming the argument, or the study, and what is wrong.
    """

    name: str
    title: str
    claims: tuple[Claim, ...]
    headlines: Mapping[str, Reading] = field(default_factory=dict)
    arms: Mapping[str, tuple[Arm, ...]] = field(default_factory=dict)
    seeds: Mapping[str, int] = field(default_factory=dict)
    published: Mapping[str, Mapping[str, float]] = field(default_factory=dict)

    def arm(self, preset: str, name: str, task: str | None = None) -> Arm:
        """The arm of a name at a preset; the first of them where several tasks have one.

        Args:
            task: data set and network, such as "mnist mlp".

        Raises:
            ValueError: if there is no such preset or arm.
        """
        arms = self.arms[preset]
        for arm in arms:
            if arm.name == name and task in (None, task_of(arm.config)):
                return arm
        names = ", ".join(dict.fromkeys(arm.name for arm in arms))
        where = f" on {task}" if task else ""
        raise ValueError(f"arm of study {self.name!r}{where} must be one of {names}; got {shown(name)}")

    def leader(self, arm: Arm) -> Arm:
        """The arm whose choice `arm` takes: the one that it follows, else itself."""
        if not arm.follows:
            return arm
        return self.arm(arm.config.preset, arm.follows, task_of(arm.config))

    def _check_types(self) -> None:
        checks.settle(self, {"name": checks.TEXT, "title": checks.NAME})
        checks.all_of("claims", self.claims, Claim)
        for name in ("headlines", "arms", "seeds", "published"):
            checks.instance(name, getattr(self, name), Mapping)
        for id, reading in self.headlines.items():
            checks.instance(f"headlines of {id!r}", reading, Reading)
        for preset, arms in self.arms.items():
            checks.all_of(f"arms of {preset!r}", arms, Arm)
        for preset, number in self.seeds.items():
            SEEDS.checked(f"seeds of {preset!r}", number)
        for dataset, accuracies in self.published.items():
            checks.instance(f"published of {dataset!r}", accuracies, Mapping)
            for arm, percent in accuracies.items():
                _PERCENT.checked(f"published of {arm!r} on {dataset!r}", percent)

    def _check_published(self) -> None:
        arms = {(arm.config.dataset, arm.name) for each in self.arms.values() for arm in each}
        for dataset, accuracies in self.published.items():
            known = [name for of, name in arms if of == dataset]
            for arm in accuracies:
                if not any(f"{arm}, ".startswith(f"{name}, ") for name in known):
                    raise ValueError(
                        f"published of study {self.name!r} must be of its arms, got {shown(arm)} on "
                        f"{shown(dataset)}"
                    )

    def __post_init__(self) -> None:
        self._check_types()
        object.__setattr__(self, "arms", Presets(self.arms))
        if unknown := set(self.headlines) - {claim.id for claim in self.claims}:
            raise ValueError(f"headlines of study {self.name!r} must be claims of it, got {unknown}")
        self._check_published()
        for preset, arms in self.arms.items():
            names = [(arm.name, task_of(arm.config)) for arm in arms]
            if len(set(names)) != len(names):
                raise ValueError(f"arms of study {self.name!r} must have distinct names in a task")
            leaders = {(a.name, task_of(a.config)) for a in arms if not a.follows}
            followed = {(a.follows, task_of(a.config)) for a in arms if a.follows}
            if followed - leaders or any(arm.follows and arm.tuned for arm in arms):
                raise ValueError(
                    f"arms of study {self.name!r} must follow an arm of their task that follows none"
                )
            if len({(arm.follows, arm.key) for arm in arms}) != len(arms):
                raise ValueError(f"arms of study {self.name!r} must have distinct configurations")
            if any(arm.config.preset != preset for arm in arms):
                raise ValueError(f"arms of study {self.name!r} must bear their preset, {preset!r}")
