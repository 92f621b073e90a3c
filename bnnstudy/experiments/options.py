"""`RunOptions`: where and how runs are computed, which changes no result but for rounding."""

import contextlib
import os
from collections.abc import Mapping
from dataclasses import dataclass, field, replace
from pathlib import Path

from joblib import cpu_count

from bnnstudy import devices
from bnnstudy.config import checks, serialise
from bnnstudy.config.checks import shown
from bnnstudy.data.datasets import default_root
from bnnstudy.evidence import records

EXECUTORS = ("", "slurm", "local")
"""What may run a sweep: joblib here, a cluster's queue, or submitit's stand-in for it here."""


@dataclass(frozen=True, kw_only=True)
class RunOptions:
    """Where and how a sweep works: what does not change a result, but for rounding.

    `workers` is the number of runs side by side, None one a core, on a GPU one. `compile` has networks
    compiled first (`bnnstudy.devices.compiling`): worth it for long runs. `stack` is the number of
    seeds of an arm that are trained at once (`bnnstudy.training.stacked`), where that can be done: for
    small networks on a GPU. What is stacked has no checkpoints and is not compiled.

    `gpus` is a number of GPUs, for a process each. `executor` is `"slurm"` for a cluster, `"local"` for
    submitit's stand-in on this machine, `""` for joblib; `cluster` is what submitit is told then, such
    as `{"timeout_min": 240}`. `shard`, as (i, n), runs the i-th of n shares of what is missing.

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
    gpus: int | None = None
    executor: str = ""
    cluster: Mapping[str, str | int | float] = field(default_factory=dict)
    shard: tuple[int, int] = (1, 1)
    progress: bool = True

    @property
    def side_by_side(self) -> int:
        """The number of runs side by side."""
        return self.gpus or self.workers or (1 if self.device.startswith("cuda") else cpu_count())

    def in_shard(self, name: str) -> bool:
        """Whether a run, by a name of its own, is of this shard: the same on every machine."""
        part, parts = self.shard
        return int(serialise.digest(name)[:12], 16) % parts == part - 1

    def __post_init__(self) -> None:
        checks.settle(self, {"stack": checks.COUNT, "workers": checks.COUNT}, or_none=("workers",))
        checks.settle(self, {"device": checks.TEXT, "compile": checks.FLAG, "progress": checks.FLAG})
        checks.settle(self, {"gpus": checks.COUNT}, or_none=("gpus",))
        checks.one_of("executor", self.executor, EXECUTORS)
        checks.instance("cluster", self.cluster, Mapping)
        self._check_devices()
        for name in ("results", "data"):
            checks.instance(name, getattr(self, name), Path, or_none=name == "data")

    def _check_devices(self) -> None:
        whole = isinstance(self.shard, tuple) and list(map(type, self.shard)) == [int, int]
        if not whole or not 1 <= self.shard[0] <= self.shard[1]:
            raise ValueError(f"shard must be (i, n) with i from 1 to n, got {shown(self.shard)}")
        if self.cluster and not self.executor:
            raise ValueError(f"cluster must be empty without an executor, got {shown(self.cluster)}")
        parallel = self.cluster.get("slurm_array_parallelism")
        if parallel is not None and self.workers:
            raise ValueError(
                "workers must be None where cluster has slurm_array_parallelism, which says how many "
                f"tasks run at a time, too; got {self.workers} and {shown(parallel)}"
            )
        if self.gpus and (self.executor or self.workers):
            raise ValueError(f"gpus must be None with an executor or workers, got {self.gpus}")

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
        gpus: int | None = None,
        executor: str = "",
        cluster: Mapping[str, str | int | float] | None = None,
        shard: tuple[int, int] = (1, 1),
    ) -> "RunOptions":
        """Options as people name them: a device by name, folders as text, None for the default.

        Raises:
            ValueError: if the device, so many GPUs or a compiler are not there, `data` is no folder or
                `workers` no count. With an executor the device has to be a name here; what is there of
                it, and a compiler for it, each task looks for where it runs.
        """
        for name, folder in (("results", results), ("data", data)):
            # An empty text, such as a variable that is not set, would be the working folder.
            if folder is not None and not (isinstance(folder, str | os.PathLike) and str(folder)):
                raise ValueError(f"{name} must be a folder, got {shown(folder)}")
        if data is not None and not checks.is_folder(data):
            raise ValueError(f"data must be a folder, got {str(data)!r}")
        checks.one_of("device", device, devices.NAMES)
        if not executor:
            device = devices.device_of("cuda" if gpus and device == "auto" else device)
            if compile:
                devices.require_compiler(device)
        if gpus:
            devices.require_gpus(gpus, device)
        return cls(
            results=records.default_results() if results is None else Path(results),
            data=None if data is None else Path(data),
            device=device,
            workers=workers,
            compile=compile,
            stack=stack,
            gpus=gpus,
            executor=executor,
            cluster=dict(cluster or {}),
            shard=shard,
        )
