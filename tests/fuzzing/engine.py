"""One target after another: mutate, call, judge; what reaches new lines of the package is built on."""

import contextlib
import resource
import sys
import traceback
import tracemalloc
import warnings
from collections.abc import Callable, Iterator, Sequence
from dataclasses import dataclass, field
from pathlib import Path
from random import Random
from types import FrameType
from typing import Any

import bnnstudy

PACKAGE = str(Path(bnnstudy.__file__).parent)

MEMORY = 2**30
"""Bytes by which a process may grow over its size at the start of a target."""

SPARE, PER_BYTE = 8 * 2**20, 40
"""What a bounded target may take: so many bytes as a rule, and so many for each byte of its input."""

CORPUS = 500
"""Inputs that are kept to be mutated further, at most."""


class Unnamed(Exception):
    """An error of the right kind whose message names neither file nor argument."""


class Hungry(Exception):
    """An input took more memory than its size allows."""


@dataclass(frozen=True)
class Target:
    """What is fuzzed.

    Attributes:
        name: in the table.
        seeds: valid inputs.
        mutate: (random, input) -> another input.
        call: gives an input to the package; whatever it returns is fine.
        errors: the kinds that may come out, exactly; no subclass that is not listed.
        names: texts of which an error's message must have one.
        guided: whether inputs that reach new lines are kept to be mutated further.
        bounded: bytes that a call may take whatever its input; 0 does not measure them.
        share: inputs in proportion to other targets.
    """

    name: str
    seeds: Sequence[Any]
    mutate: Callable[[Random, Any], Any]
    call: Callable[[Any], object]
    errors: tuple[type[BaseException], ...] = (ValueError,)
    names: tuple[str, ...] = ()
    guided: bool = False
    bounded: int = 0
    share: float = 1.0


@dataclass
class Report:
    """What came of a target's inputs; `faults` are by kind: how many, and one of them in words."""

    target: str
    inputs: int = 0
    accepted: int = 0
    refused: int = 0
    faults: dict[str, tuple[int, str]] = field(default_factory=dict)
    lines: set[tuple[str, int]] = field(default_factory=set)

    @property
    def faulty(self) -> int:
        """Inputs that ended in a fault."""
        return sum(count for count, _ in self.faults.values())

    def add(self, other: "Report") -> None:
        """Count another report of the same target in."""
        self.inputs += other.inputs
        self.accepted += other.accepted
        self.refused += other.refused
        self.lines |= other.lines
        for kind, (count, said) in other.faults.items():
            before, first = self.faults.get(kind, (0, said))
            self.faults[kind] = (before + count, first)


class _Lines:
    """The lines of the package that were reached."""

    def __init__(self) -> None:
        self.seen: set[tuple[str, int]] = set()

    def frame(self, frame: FrameType, event: str, argument: object) -> Any:
        return self.line if frame.f_code.co_filename.startswith(PACKAGE) else None

    def line(self, frame: FrameType, event: str, argument: object) -> Any:
        self.seen.add((frame.f_code.co_filename, frame.f_lineno))
        return self.line

    @contextlib.contextmanager
    def watching(self, wanted: bool) -> Iterator[None]:
        before = sys.gettrace()
        if wanted:
            sys.settrace(self.frame)
        try:
            yield
        finally:
            sys.settrace(before)


def run(target: Target, inputs: int, seed: int) -> Report:
    """Give a target so many inputs, its seeds first; the same seed makes the same ones."""
    random, report, lines = Random(f"{target.name} {seed}"), Report(target.name), _Lines()
    corpus = list(target.seeds)
    if target.guided or target.bounded:
        with contextlib.suppress(Exception):
            target.call(
                target.seeds[0]
            )  # what it imports at its first call is neither traced nor measured
    with _limited(MEMORY), warnings.catch_warnings():
        warnings.simplefilter("error")
        for number in range(inputs):
            fresh = number < len(target.seeds)
            given = target.seeds[number] if fresh else target.mutate(random, random.choice(corpus))
            known = len(lines.seen)
            with lines.watching(target.guided):
                fault = _judged(target, given, report)
            report.inputs += 1
            if fault:
                kind, said = fault
                count, first = report.faults.get(kind, (0, said))
                report.faults[kind] = (count + 1, first)
            elif len(lines.seen) > known and len(corpus) < CORPUS and not fresh:
                corpus.append(given)
    report.lines = lines.seen
    return report


def _judged(target: Target, given: Any, report: Report) -> tuple[str, str] | None:
    """Count an input as accepted or refused; else the kind of its fault, and the fault in words."""
    try:
        with _measured(given, target.bounded):
            target.call(given)
    except KeyboardInterrupt:
        raise
    except BaseException as error:
        if type(error) in target.errors and not _starved(error):
            if any(name in str(error) for name in target.names):
                report.refused += 1
                return None
            unnamed = Unnamed(f"{type(error).__name__}: {error}")
            return _kind(unnamed, error), _said(given, unnamed)
        return _kind(error, error), _said(given, error)
    report.accepted += 1
    return None


def _starved(error: BaseException | None) -> bool:
    """Whether it is for want of memory, whatever the error was made of it."""
    while error:
        if isinstance(error, MemoryError) or "MemoryError" in str(error):
            return True
        error = error.__cause__
    return False


def _kind(error: BaseException, raised: BaseException) -> str:
    """Faults of one kind are of one type, from one place in the package."""
    frames = traceback.extract_tb(raised.__traceback__)
    own = [frame for frame in frames if frame.filename.startswith(PACKAGE)]
    at = own[-1] if own else frames[-1]
    return f"{type(error).__name__} at {Path(at.filename).name}:{at.lineno}"


def _said(given: Any, error: BaseException) -> str:
    return f"{_short(given)}\n      {type(error).__name__}: {str(error)[:200]}"


def _short(given: Any) -> str:
    try:
        text = repr(given)
    except RecursionError:
        text = f"{type(given).__name__}, nested too deep to be shown"
    except ValueError as error:  # a number of more digits than Python writes
        text = f"{type(given).__name__} ({error})"
    return text if len(text) < 300 else f"{text[:200]} … {text[-80:]}"


@contextlib.contextmanager
def _measured(given: Any, spare: int) -> Iterator[None]:
    if not spare:
        yield
        return
    size = len(given) if isinstance(given, bytes) else sum(map(len, given.values()))
    allowed = spare + PER_BYTE * size
    tracemalloc.start()
    try:
        yield
        peak = tracemalloc.get_traced_memory()[1]
    except BaseException as error:
        peak = tracemalloc.get_traced_memory()[1]
        if peak <= allowed:
            raise
        raise Hungry(f"{peak:,} bytes for an input of {size:,}") from error
    finally:
        tracemalloc.stop()
    if peak > allowed:
        raise Hungry(f"{peak:,} bytes for an input of {size:,}")


@contextlib.contextmanager
def _limited(more: int) -> Iterator[None]:
    """While it lasts the process cannot grow by more than so many bytes (on Linux)."""
    try:
        pages = int(Path("/proc/self/statm").read_text().split()[0])
    except OSError:
        yield
        return
    before = resource.getrlimit(resource.RLIMIT_AS)
    resource.setrlimit(resource.RLIMIT_AS, (pages * resource.getpagesize() + more, before[1]))
    try:
        yield
    finally:
        resource.setrlimit(resource.RLIMIT_AS, before)
