"""`Stage`: a part of a run in which some of its configuration is another."""

from collections.abc import Mapping
from dataclasses import dataclass
from typing import Any

from bnnstudy.config import checks, fields
from bnnstudy.config.checks import shown


@dataclass(frozen=True, kw_only=True)
class Stage:
    """A part of a run: `epochs` epochs with `changes` made to the run's configuration.

    `changes` is a tuple of (field, value) pairs, `rate` multiplies the rates `lr` and `real_lr`. The
    weights go on from the stage before; the optimizers start afresh. A pre-training is a first stage
    with `binary_weights` False.

        >>> from bnnstudy.config import RunConfig
        >>> pretraining = Stage(epochs=2, changes=(("binary_weights", False),))
        >>> config = RunConfig(epochs=10, stages=(pretraining, Stage(epochs=8, rate=0.1)))
        >>> [(part.bits, part.epochs) for part in config.plan()]
        [('32W/32A', 2), ('1W/32A', 8)]

    Raises:
        ValueError: if `epochs` is no count, `rate` not above 0, or a change is of what a run has once.
    """

    epochs: int
    changes: tuple[tuple[str, object], ...] = ()
    rate: float = 1.0

    def __post_init__(self) -> None:
        epochs = checks.COUNT.checked("epochs of a stage", self.epochs)
        object.__setattr__(self, "epochs", epochs)
        rate = checks.POSITIVE.checked("rate of a stage", self.rate)
        object.__setattr__(self, "rate", rate)
        if not isinstance(self.changes, tuple) or not all(
            isinstance(change, tuple) and len(change) == 2 and isinstance(change[0], str)
            for change in self.changes
        ):
            raise ValueError(
                f"changes of a stage must be pairs (field, value), got {shown(self.changes)}"
            )
        for name, value in self.changes:
            if name not in fields.CHANGEABLE:
                raise ValueError(f"changes of a stage cannot be of {shown(name)}")
            items = value if isinstance(value, tuple) else () if value is None else (value,)
            if not all(isinstance(item, bool | int | float | str) for item in items):
                raise ValueError(f"{name} of a stage must be a plain value, got {shown(value)}")
            if name in ("lr", "real_lr") and rate != 1:
                raise ValueError(f"rate of a stage must be 1 where it changes {name}, got {rate!r}")

    @classmethod
    def from_dict(cls, fields: Mapping[str, Any]) -> "Stage":
        """The stage that a configuration's `to_dict` wrote: `epochs`, `changes` and `rate`.

        Raises:
            ValueError: if `fields` is no dictionary of these three; and as the class says.
        """
        if not isinstance(fields, Mapping) or fields.keys() != {"epochs", "changes", "rate"}:
            raise ValueError(
                f"a stage must be a dictionary of epochs, changes and rate, got {shown(fields)}"
            )
        changes = fields["changes"]
        if not isinstance(changes, list) or not all(
            isinstance(change, list) and len(change) == 2 for change in changes
        ):
            raise ValueError(f"changes of a stage must be pairs (field, value), got {shown(changes)}")
        pairs = ((n, tuple(value) if isinstance(value, list) else value) for n, value in changes)
        return cls(epochs=fields["epochs"], changes=tuple(pairs), rate=fields["rate"])
