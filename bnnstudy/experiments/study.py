"""What a study is made of: arms, what is tuned in them, and the claims that they decide. All values."""

from collections.abc import Mapping
from dataclasses import dataclass, field
from functools import partial
from typing import TYPE_CHECKING, Any, NoReturn, Protocol

from bnnstudy.config import checks
from bnnstudy.config.run import RunConfig
from bnnstudy.config.serialise import to_jsonable
from bnnstudy.evidence import records
from bnnstudy.evidence.claims import Claim

if TYPE_CHECKING:
    from bnnstudy.data import Dataset
    from bnnstudy.training.checkpoints import Checkpoint


class Measure(Protocol):
    """What a run does; `checkpoint` is for `training.fit`."""

    def __call__(
        self, config: RunConfig, dataset: "Dataset", /, *, device: str, checkpoint: "Checkpoint | None"
    ) -> dict: ...


@dataclass(frozen=True, kw_only=True)
class Tuned:
    """A field of an arm's configuration that validation accuracy settles.

    The grid is tried; while its best value stands at an end, that end is extended by `factor`, at most
    `max_extensions` times and as far as the field allows. Ties go to the smaller value.

    Raises:
        ValueError: naming the argument, its value and what is allowed.
    """

    field: str
    grid: tuple[float, ...]
    factor: float = 10**0.5
    max_extensions: int = 4
    seeds: int = 1

    def __post_init__(self) -> None:
        if self.field not in RunConfig.__dataclass_fields__ or self.field == "seed":
            raise ValueError(f"field must be one of RunConfig but its seed, got {self.field!r}")
        if not self.grid:
            raise ValueError("grid must have a value, got none")
        if not self.factor > 1:
            raise ValueError(f"factor must be above 1, got {self.factor!r}")
        checks.COUNT.checked("seeds", self.seeds)


@dataclass(frozen=True, kw_only=True)
class Arm:
    """One setting of a study, run with several seeds.

    Attributes:
        name: how claims and figures call it, unique in its study for one data set and network.
        config: the configuration; its seed is set by the sweep.
        tuned: a field that is settled before the final runs, if any.
        follows: name of a tuned arm of the same data set and network, whose choice this one takes.
        measure: what a run does; None means `bnnstudy.training.fit`. What it is given beside a run's
            own arguments (a `functools.partial`, by keywords) are its options, which name the run too.
        seeds: the number of final seeds, where it is not the study's.
    """

    name: str
    config: RunConfig
    tuned: Tuned | None = None
    follows: str = ""
    measure: Measure | None = None
    seeds: int | None = None

    @property
    def options(self) -> dict[str, Any]:
        """The options of what a run does, as the record has them; none for most."""
        return dict(to_jsonable(self.measure.keywords)) if isinstance(self.measure, partial) else {}

    @property
    def key(self) -> str:
        """Names the configuration and the options (`bnnstudy.records.key`)."""
        return records.key(self.config, self.options)


class Presets(dict[str, tuple[Arm, ...]]):
    """Arms by preset; one that is not there is refused in words."""

    def __missing__(self, preset: str) -> NoReturn:
        raise ValueError(f"preset must be one of {', '.join(self) or 'none yet'}, got {preset!r}")


@dataclass(frozen=True, kw_only=True)
class Study:
    """One finding: its question, the claims that it decides, and its arms for each preset.

    A study that is not built yet has claims and no arms.
    """

    name: str
    title: str
    claims: tuple[Claim, ...]
    arms: Mapping[str, tuple[Arm, ...]] = field(default_factory=dict)
    seeds: Mapping[str, int] = field(default_factory=dict)

    def leader(self, arm: Arm) -> Arm:
        """The arm whose choice `arm` takes: the one that it follows, else itself."""
        if not arm.follows:
            return arm
        task = (arm.follows, arm.config.dataset, arm.config.model)
        arms = self.arms[arm.config.preset]
        return next(a for a in arms if (a.name, a.config.dataset, a.config.model) == task)

    def __post_init__(self) -> None:
        object.__setattr__(self, "arms", Presets(self.arms))
        for preset, arms in self.arms.items():
            names = [(arm.name, arm.config.dataset, arm.config.model) for arm in arms]
            if len(set(names)) != len(names):
                raise ValueError(f"arms of study {self.name!r} must have distinct names in a task")
            leaders = {(arm.name, arm.config.dataset, arm.config.model) for arm in arms if arm.tuned}
            followed = {(a.follows, a.config.dataset, a.config.model) for a in arms if a.follows}
            if followed - leaders or any(arm.follows and arm.tuned for arm in arms):
                raise ValueError(f"arms of study {self.name!r} must follow a tuned arm of their task")
            if len({(arm.follows, arm.key) for arm in arms}) != len(arms):
                raise ValueError(f"arms of study {self.name!r} must have distinct configurations")
            if any(arm.config.preset != preset for arm in arms):
                raise ValueError(f"arms of study {self.name!r} must bear their preset, {preset!r}")
