"""Who runs what: a marker beside the record that is to come. It is advice, and guards nothing.

A marker lies at `<record without .json>.running` while a process is at that run, and is touched every
few seconds. Whoever meets one does something else first. That no run is lost and none recorded twice
rests on the records alone: where two processes are at one run after all, the first record stays.

No clock is compared with another machine's: a process of this machine is asked for itself, one of
another is given up when its marker has not changed for `SILENT` seconds of the onlooker's own clock.
"""

import contextlib
import datetime
import json
import os
import platform
import threading
import time
from collections.abc import Iterable, Iterator
from dataclasses import asdict, dataclass
from pathlib import Path

from bnnstudy import files

SUFFIX = files.MARKER
BEAT = 10.0
"""Seconds between two touches of a marker."""
SILENT = 90.0
"""Seconds without a touch after which the process of another machine is taken to be gone."""
POLL = 1.0
"""Seconds between two looks at markers that are waited for."""


def beside(record: Path) -> Path:
    """The marker of a record's file."""
    return Path(record).with_suffix(SUFFIX)


@dataclass(frozen=True)
class Owner:
    """The process that a marker is of.

    Attributes:
        host: the machine's name, and where the system tells it, which of its sets of process numbers.
        pid: the process's number there.
        born: what tells it from a later process of that number; empty where the system does not say.
        since: when it began, in UTC.
        job: SLURM's job that it is of, and which start of it; empty without one.
    """

    host: str
    pid: int
    born: str
    since: str
    job: str

    @classmethod
    def here(cls) -> "Owner":
        """This process."""
        now = datetime.datetime.now(datetime.UTC).isoformat(timespec="seconds")
        return cls(_host(), os.getpid(), _born(os.getpid()), now, _job())

    @classmethod
    def of(cls, marker: Path) -> "Owner | None":
        """Whose a marker is; None if it does not say, as it is gone or half-written."""
        try:
            found = cls(**json.loads(marker.read_text()))
            datetime.datetime.fromisoformat(found.since)
        except (OSError, ValueError, TypeError, RecursionError):
            return None
        types = (str, int, str, str, str)
        fits = all(type(v) is t for v, t in zip(asdict(found).values(), types, strict=True))
        return found if fits else None

    def is_gone(self) -> bool:
        """Whether it is known to have ended; of other machines nothing is known."""
        if self.host != _host():
            return False
        try:
            os.kill(self.pid, 0)
        except (ProcessLookupError, OverflowError):
            return True
        except PermissionError:
            return False
        return _born(self.pid) != self.born

    def is_earlier_start(self) -> bool:
        """Whether it is of an earlier start of this process's own job, which the queue has ended."""
        job, _, start = self.job.rpartition(" ")
        own, _, now = _job().rpartition(" ")
        return bool(own) and job == own and start != now

    def name(self) -> str:
        """Machine and number, as `status` shows them."""
        return f"{self.host.partition(' ')[0]}:{self.pid}"

    def line(self) -> str:
        """Its name, and since when it is at its run."""
        begun = datetime.datetime.fromisoformat(self.since)
        return f"{self.name()} since {begun:%Y-%m-%d %H:%M} UTC"


@contextlib.contextmanager
def claimed(records: Iterable[Path]) -> Iterator[bool]:
    """Marks runs as this process's while it lasts; yields whether they are.

    They are not where another process, which is not known to be gone, has marked one of them.
    """
    own: list[Path] = []
    try:
        ours = all(_claim(beside(record), own) for record in records)
        with _beating(own if ours else []):
            yield ours
    finally:
        for marker in own:
            with contextlib.suppress(OSError):
                marker.unlink()


@contextlib.contextmanager
def awaited(records: Iterable[Path]) -> Iterator[bool]:
    """As `claimed`, but it waits until it is known whether who has marked the runs is still there.

    Of this machine that is known at once. Another machine's process shows that it is there by a touch,
    within `BEAT` seconds; one that shows nothing for `SILENT` seconds is gone, and its run is taken
    over. So a start on another node, after a kill, waits for that long and goes on. An earlier start of
    this process's own job of a queue is waited for also while it touches its marker: the queue has
    ended it, and nobody but this start would go on with its run.
    """
    runs, watch = list(records), Watch()
    while True:
        left = [record for record in runs if not watch.is_over(record)]
        if any(map(watch.is_there, left)):
            yield False
            return
        if not left:
            with claimed(runs) as ours:
                if ours:
                    yield True
                    return
        time.sleep(POLL)


def _claim(marker: Path, own: list[Path]) -> bool:
    for _ in range(2):
        try:
            with open(marker, "x") as stream:
                own.append(marker)
                json.dump(asdict(Owner.here()), stream)
            return True
        except FileExistsError:
            if not ((owner := Owner.of(marker)) and owner.is_gone()):
                return False
            with contextlib.suppress(OSError):
                marker.unlink()
        except OSError:
            return True  # a folder that takes no marker may still take the record
    return False


@contextlib.contextmanager
def _beating(markers: list[Path]) -> Iterator[None]:
    if not markers:
        yield
        return
    over = threading.Event()

    def beat() -> None:
        while not over.wait(BEAT):
            for marker in markers:
                with contextlib.suppress(OSError):
                    os.utime(marker)

    thread = threading.Thread(target=beat, daemon=True)
    thread.start()
    try:
        yield
    finally:
        over.set()
        thread.join()


class Watch:
    """Looks at the markers of others until they are over."""

    def __init__(self) -> None:
        self._seen: dict[Path, tuple[int, float]] = {}
        self._touched: set[Path] = set()

    def is_over(self, record: Path) -> bool:
        """Whether nobody is known to be at a run any more; then its marker is gone, too."""
        marker, now = beside(record), time.monotonic()
        try:
            stamp = marker.stat().st_mtime_ns
        except OSError:
            return True
        owner = Owner.of(marker)
        last, since = self._seen.get(marker, (None, now))
        if last != stamp:
            since = now
            if last is not None:
                self._touched.add(marker)
        self._seen[marker] = (stamp, since)
        if not (owner and owner.is_gone()) and now - since < SILENT:
            return False
        with contextlib.suppress(OSError):
            marker.unlink()
        return True

    def is_there(self, record: Path) -> bool:
        """Whether somebody is known to be at a run, and to stay; of what `is_over` looked at."""
        marker = beside(record)
        owner = Owner.of(marker)
        if owner and owner.is_earlier_start():
            return False
        if owner and owner.host == _host():
            return not owner.is_gone()
        return marker in self._touched


def _job() -> str:
    """SLURM's number of the job that this process is of, and how often that was queued again."""
    job = os.environ.get("SLURM_JOB_ID", "")
    return f"{job} {os.environ.get('SLURM_RESTART_COUNT', '0')}" if job else ""


def _host() -> str:
    # Containers of one name have process numbers of their own.
    try:
        return f"{platform.node()} {os.stat('/proc/self/ns/pid').st_ino}"
    except OSError:
        return platform.node()


def _born(pid: int) -> str:
    """When a process began, in the system's own count since it was started; of a dead one nothing."""
    try:
        state, *others = Path(f"/proc/{pid}/stat").read_text().rpartition(")")[2].split()
        return "" if state == "Z" else others[18]
    except (OSError, ValueError, IndexError):
        return ""
