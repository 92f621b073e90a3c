"""What looks on at a run."""

from typing import Protocol


class Observer(Protocol):
    """Looks on at a run: called around each step, while the gradients are in place.

    What `state_dict` gives goes into the run's checkpoint: tensors and plain values.
    """

    name: str

    def before(self, step: int) -> None: ...

    def after(self, step: int) -> None: ...

    def report(self) -> dict: ...

    def state_dict(self) -> dict: ...

    def load_state_dict(self, state: dict) -> None: ...
