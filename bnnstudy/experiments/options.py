"""`RunOptions`: where and how runs are computed, which changes no result but for rounding."""

import contextlib
import os
from dataclasses import dataclass, field, replace
from pathlib import Path

from joblib import cpu_count

from bnnstudy import devices
from bnnstudy.config import checks
from bnnstudy.config.checks import shown
from bnnstudy.data.datasets import default_root
from bnnstudy.evidence import records


@dataclass(frozen=True, kw_only=True)
class RunOptions:
    """Where and how a sweep works: what does not change a result, but for rounding.

    `workers` is the number of runs side by side, None one a core, on a GPU one. `compile` has networks
    compiled first (`bnnstudy.devices.compiling`): worth it for long runs. `stack` is the number of
    seeds of an arm that are trained at once (`bnnstudy.training.stacked`), where that can be done: for
    small networks on a GPU. What is stacked has no checkpoints and is not compiled.

        >>> options = RunOptions.of(device="cpu", workers=2, results="my results")
        >>> options.device, options.side_by_side, options.results.as_posix()
        ('cpu', 2, 'my results')

    Raises:
        ValueError: naming the argument, its value and what is allowed.
    """

    results: Path = field(default_factory=records.default_results)
    data: Path | None = None
    device: str = "cpu"
    workers: int | None = None
    compile: bool = False
    stack: int = 1
    progress: bool = True

    @property
    def side_by_side(self) -> int:
        """The number of runs side by side."""
        return self.workers or (cpu_count() if self.device == "cpu" else 1)

    def __post_init__(self) -> None:
        checks.settle(self, {"stack": checks.COUNT, "workers": checks.COUNT}, or_none=("workers",))
        checks.settle(self, {"device": checks.TEXT, "compile": checks.FLAG, "progress": checks.FLAG})
        for name in ("results", "data"):
            checks.instance(name, getattr(self, name), Path, or_none=name == "data")

    def resolved(self) -> "RunOptions":
        """The same with whole paths and the default data folder, for processes that work elsewhere.

        Reused workers have the folder and the environment of the sweep that started them.
        """
        data = self.data
        if data is None:
            with contextlib.suppress(ValueError):  # no home: a data set that needs a folder says so
                data = default_root()
        return replace(self, results=self.results.absolute(), data=data and data.absolute())

    @classmethod
    def of(
        cls,
        *,
        device: str = "auto",
        workers: int | None = None,
        results: str | os.PathLike[str] | None = None,
        data: str | os.PathLike[str] | None = None,
        compile: bool = False,
        stack: int = 1,
    ) -> "RunOptions":
        """Options as people name them: a device by name, folders as text, None for the default.

        Raises:
            ValueError: if the device or a compiler is not there, `data` is no folder or `workers` no
                count.
        """
        for name, folder in (("results", results), ("data", data)):
            # An empty text, such as a variable that is not set, would be the working folder.
            if folder is not None and not (isinstance(folder, str | os.PathLike) and str(folder)):
                raise ValueError(f"{name} must be a folder, got {shown(folder)}")
        if data is not None and not checks.is_folder(data):
            raise ValueError(f"data must be a folder, got {str(data)!r}")
        if compile:
            devices.require_compiler(device)
        return cls(
            results=records.default_results() if results is None else Path(results),
            data=None if data is None else Path(data),
            device=devices.device_of(device),
            workers=workers,
            compile=compile,
            stack=stack,
        )
