"""The processes of one training: how many, which this one is, sums over all of them, one error.

`torchrun` starts them and says so in the environment. Without it there is one process, in a group of
its own, so that there is one course of things whatever their number.
"""

import contextlib
import datetime
import hashlib
import os
import re
import warnings
from collections.abc import Iterable, Iterator
from dataclasses import dataclass

import torch
import torch.distributed as dist
from torch import Tensor, nn
from torch.distributed import HashStore, PrefixStore, Store, TCPStore  # type: ignore[attr-defined]

from bnnstudy import devices
from bnnstudy.config import checks

WAIT = datetime.timedelta(minutes=30)
"""How long a process waits for the others: one of them may list a million files first."""

_LOST = re.compile(
    r"gloo|nccl|connection (closed|reset|refused|was)|broken pipe|socket|peer|store", re.IGNORECASE
)


class ProcessLost(RuntimeError):
    """Another process of the training ended before its time.

    >>> try:
    ...     raise ProcessLost("a process of the training ended")
    ... except ProcessLost as error:
    ...     print(f"{error}: start it again, and it goes on from its checkpoint")
    a process of the training ended: start it again, and it goes on from its checkpoint
    """


@dataclass(frozen=True)
class Processes:
    """The processes of a training, seen from one of them.

        >>> with processes("cpu") as group:
        ...     group.rank, group.size, group.sum(torch.tensor([2.0, 3.0])).tolist()
        (0, 1, [2.0, 3.0])

    Attributes:
        rank: which of them this one is, from 0.
        size: how many there are.
        device: where this one computes.
        store: what they all can write to and read from.

    Raises:
        ValueError: naming the field, its value and what is allowed.
    """

    rank: int
    size: int
    device: torch.device
    store: Store

    def __post_init__(self) -> None:
        checks.settle(self, {"rank": checks.WHOLE, "size": checks.COUNT})
        if self.rank >= self.size:
            raise ValueError(
                f"rank must be below the number of processes, {self.size}, got {self.rank}"
            )
        checks.instance("device", self.device, torch.device)
        checks.instance("store", self.store, Store)

    @property
    def is_first(self) -> bool:
        """Whether this is the one that writes records and says what there is to say."""
        return self.rank == 0

    def sum(self, values: Tensor) -> Tensor:
        """The sum of a tensor over all processes, in its own place."""
        dist.all_reduce(values)
        return values

    def each(self, value: Tensor) -> Tensor:
        """The scalars of all processes, (size), the same in each."""
        found = torch.zeros(self.size, dtype=value.dtype, device=self.device)
        found[self.rank] = value
        return self.sum(found)

    def from_first(self, value: object) -> object:
        """What the first process has, in all of them; a plain value."""
        held = [value]
        dist.broadcast_object_list(held, src=0)
        return held[0]

    @torch.no_grad()
    def share_buffers(self, model: nn.Module) -> None:
        """Give all processes the buffers (batch norm's statistics) of the first."""
        kinds: dict[torch.dtype, list[Tensor]] = {}
        for buffer in model.buffers():
            kinds.setdefault(buffer.dtype, []).append(buffer)
        for buffers in kinds.values():  # all of a type at once: each broadcast takes its time
            whole = torch.cat([buffer.flatten() for buffer in buffers])
            dist.broadcast(whole, src=0)
            for buffer, own in zip(buffers, whole.split([b.numel() for b in buffers]), strict=True):
                buffer.copy_(own.view_as(buffer))

    def require_same(self, name: str, tensors: Iterable[Tensor]) -> None:
        """That tensors are the same, bit for bit, in all processes.

        Raises:
            RuntimeError: naming them and the first process that differs.
        """
        digest = hashlib.sha256()
        for tensor in tensors:
            digest.update(tensor.detach().cpu().numpy().tobytes())
        own = int.from_bytes(digest.digest()[:7], "big")
        found = self.each(torch.tensor(own, dtype=torch.int64)).tolist()
        if other := [rank for rank, value in enumerate(found) if value != found[0]]:
            raise RuntimeError(
                f"{name} must be the same in all processes, and process {other[0]} has others than the "
                "first: a fault of the machine, or of this package"
            )

    def is_first_to_fail(self) -> bool:
        """Whether no other process said before that it failed, and so why the training ends."""
        try:
            return self.store.add("failed", 1) == 1
        except RuntimeError:  # the store went with the process that had it
            return True


@contextlib.contextmanager
def processes(device: str) -> Iterator[Processes]:
    """The processes that `torchrun` started, connected while it lasts; without it this one alone.

        >>> with processes("cpu") as group:
        ...     group.device, group.is_first
        (device(type='cpu'), True)

    Args:
        device: `"cpu"`, with the backend gloo, or `"cuda"`, with NCCL and a GPU for each process.

    Raises:
        ValueError: for another device.
        ProcessLost: if another one ended, in the first process that notices.
        SystemExit: where another process said why the training ends, so that it is said once.
    """
    group = _connected(device)
    try:
        with warnings.catch_warnings():
            # Of 1x1 convolutions, whose gradients have another name for the same layout.
            warnings.filterwarnings("ignore", "Grad strides do not match bucket view strides")
            yield group
    except Exception as error:
        first = group.is_first_to_fail()
        lost = isinstance(error, RuntimeError) and _LOST.search(str(error)) is not None
        if not first and (lost or isinstance(error, ValueError | OSError)):
            raise SystemExit(1) from None
        if lost:
            raise ProcessLost(
                "another process of the training ended; start the same command again to go on from "
                "the last checkpoint (torchrun --max-restarts does it by itself)"
            ) from error
        raise
    finally:
        with contextlib.suppress(RuntimeError):
            dist.destroy_process_group()


def _connected(device: str) -> Processes:
    rank, size = (int(os.environ.get(name, n)) for name, n in (("RANK", 0), ("WORLD_SIZE", 1)))
    place = devices.place_of(device)
    checks.one_of("device", place.type, ("cpu", "cuda"))
    if place.type == "cuda":
        local = int(os.environ.get("LOCAL_RANK", 0))
        if local >= torch.cuda.device_count():
            raise ValueError(
                "device must be one for each process of a machine, which has "
                f"{torch.cuda.device_count()} GPUs, got one of number {local + 1}"
            )
        place = torch.device("cuda", local)
        torch.cuda.set_device(place)
    store = _store(rank, size)
    backend = "cpu:gloo,cuda:nccl" if place.type == "cuda" else "gloo"
    dist.init_process_group(backend, store=store, rank=rank, world_size=size, timeout=WAIT)
    return Processes(rank, size, place, store)


def _store(rank: int, size: int) -> Store:
    if "MASTER_ADDR" not in os.environ:
        if size > 1:
            raise ValueError(
                "several processes must be started by torchrun, which says where they meet"
            )
        return HashStore()
    # torchrun keeps the store itself, so that it outlives any of the processes.
    kept = os.environ.get("TORCHELASTIC_USE_AGENT_STORE") == "True"
    host, port = os.environ["MASTER_ADDR"], int(os.environ["MASTER_PORT"])
    store = TCPStore(host, port, None, rank == 0 and not kept, WAIT)
    # After a restart nothing of the try before is to be found.
    return PrefixStore(f"bnnstudy/{os.environ.get('TORCHELASTIC_RESTART_COUNT', '0')}", store)
