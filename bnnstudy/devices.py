"""How a run is computed: its device by name, one thread where that is a CPU, compiled or not."""

import contextlib
import functools
import platform
import warnings
from collections.abc import Callable, Iterator
from contextvars import ContextVar
from pathlib import Path
from typing import Any, TypeVar, cast

import torch

from bnnstudy.config import checks
from bnnstudy.config.checks import shown

NAMES = ("auto", "cpu", "cuda")
"""What a device may be called."""


def device_of(name: str) -> str:
    """`"cpu"` or `"cuda"`; `"auto"` takes the latter where there is one.

        >>> device_of("cpu"), device_of("auto") in ("cpu", "cuda")
        ('cpu', True)

    Raises:
        ValueError: for another name, or `"cuda"` where there is none.
    """
    name, here = checks.one_of("device", name, NAMES), torch.cuda.is_available()
    if name == "auto":
        return "cuda" if here else "cpu"
    if name == "cuda" and not here:
        raise ValueError("device must be auto or cpu here: torch finds no GPU for 'cuda'")
    return name


def place_of(device: str | torch.device) -> torch.device:
    """A device as torch has it.

        >>> place_of("cpu"), place_of("cuda:1")
        (device(type='cpu'), device(type='cuda', index=1))

    Raises:
        ValueError: if torch knows no such device.
    """
    try:
        return torch.device(device)
    except (RuntimeError, TypeError, ValueError) as error:
        raise ValueError(
            f"device must be one that torch knows, such as 'cpu' or 'cuda:0'; got {shown(device)}"
        ) from error


def place_here(device: str | torch.device) -> torch.device:
    """`place_of` a device that is here: a tensor can be put there.

        >>> place_here("cpu")
        device(type='cpu')

    Raises:
        ValueError: as there; and if there is no such device here.
    """
    place = place_of(device)
    try:
        torch.empty(0, device=place)
    except (RuntimeError, AssertionError) as error:
        raise ValueError(f"device must be one that is here, got {shown(device)}") from error
    return place


def require_gpus(number: int, device: str) -> None:
    """Refuses more GPUs than there are, or any for another device.

        >>> require_gpus(2, "cpu")
        Traceback (most recent call last):
        ValueError: gpus must be at most the 0 that device 'cpu' has here, got 2

    Raises:
        ValueError: naming the number and what there is.
    """
    number, device = checks.WHOLE.checked("gpus", number), checks.NAME.checked("device", device)
    there = torch.cuda.device_count() if device == "cuda" else 0
    if number > there:
        raise ValueError(
            f"gpus must be at most the {there} that device {device!r} has here, got {number}"
        )


def device_name(device: str | torch.device) -> str:
    """What a record calls the device: the GPU's name, or `cpu (processor)`.

        >>> device_name("cpu")
        'cpu (...)'

    Raises:
        ValueError: as `place_here`.
    """
    if place_here(device).type == "cuda":
        return torch.cuda.get_device_name(device)
    try:
        lines = Path("/proc/cpuinfo").read_text().splitlines()
    except OSError:
        lines = []
    models = [line.split(":")[1].strip() for line in lines if line.startswith("model name")]
    return f"cpu ({(models or [platform.processor() or platform.machine()])[0]})"


@contextlib.contextmanager
def one_thread(device: str | torch.device) -> Iterator[None]:
    """One thread while it lasts, if the device is a CPU; then as many as before.

        >>> with one_thread("cpu"):
        ...     torch.get_num_threads()
        1

    Raises:
        ValueError: as `place_of`.
    """
    place, threads = place_of(device), torch.get_num_threads()
    if place.type == "cpu":
        torch.set_num_threads(1)
    try:
        yield
    finally:
        torch.set_num_threads(threads)


@contextlib.contextmanager
def reproducible() -> Iterator[None]:
    """While it lasts two trainings take the same kernels: none chosen by timing, nothing compiled.

    >>> with reproducible():
    ...     torch.backends.cudnn.deterministic, is_compiling()
    (True, False)
    """
    with (
        torch.backends.cudnn.flags(enabled=True, deterministic=True, benchmark=False),
        compiling(False),
    ):
        yield


_compiling: ContextVar[list[Callable[..., Any]] | None] = ContextVar("compiling", default=None)

VARIANTS = 256
"""Compiled forms of one function (of one network in two modes, of networks) that are kept, at most."""


@contextlib.contextmanager
def compiling(wanted: bool = True, device: str = "auto") -> Iterator[list[Callable[..., Any]]]:
    """While it lasts, what goes through `compiled` is, if `wanted`; gives the list of what did.

        >>> with compiling(False) as made:  # True compiles, where there is a compiler
        ...     _ = compiled(torch.nn.Linear(4, 3))
        >>> made
        []

    Raises:
        ValueError: if it is wanted and torch cannot compile here for the device.
    """
    wanted = checks.FLAG.checked("wanted", wanted)
    if wanted:
        require_compiler(device)
    made: list[Callable[..., Any]] = []
    token = _compiling.set(made if wanted else None)
    try:
        yield made
    finally:
        _compiling.reset(token)
        if wanted and not is_compiling() and device_of("auto") == "cuda":
            # What was recorded for one network is of no use to the next, and would be searched through.
            # Not inside another such block, where it is of use.
            torch.compiler.reset()


def is_compiling() -> bool:
    """Whether what goes through `compiled` is at present.

    >>> is_compiling()
    False
    """
    return _compiling.get() is not None


@contextlib.contextmanager
def drawing() -> Iterator[None]:
    """torch's default type is float32 while it lasts: of one seed, float64 gives other draws.

    >>> with drawing():
    ...     torch.rand(3).dtype
    torch.float32
    """
    usual = torch.get_default_dtype()
    torch.set_default_dtype(torch.float32)
    try:
        yield
    finally:
        torch.set_default_dtype(usual)


Function = TypeVar("Function", bound=Callable[..., Any])


def compiled(function: Function, *, replay: bool = False) -> Function:
    """The function as one compiled graph while `compiling`; else the function itself.

    The same arithmetic in another order, so results agree to rounding (which a binary network blows
    up: one sign that turns changes what follows).

        >>> layer = torch.nn.Linear(4, 3)
        >>> with compiling(False):
        ...     compiled(layer) is layer
        True

    Args:
        replay: on a GPU record its kernels once and replay them (CUDA graphs), which saves the time to
            launch each. What it returned last is then overwritten by its next call.

    Raises:
        ValueError: if it is no function.
    """
    if not callable(function):
        raise ValueError(f"function must be one, got {shown(function)}")
    made = _compiling.get()
    if made is None:
        return function
    made.append(function)
    import torch._dynamo

    torch._dynamo.config.recompile_limit = max(VARIANTS, torch._dynamo.config.recompile_limit)
    mode = "reduce-overhead" if replay and torch.cuda.is_available() else None
    # `torch.compile` is annotated to return any callable, not the kind that it was given.
    return cast(Function, torch.compile(function, mode=mode, dynamic=False))


def require_compiler(device: str = "auto") -> None:
    """Refuses to go on where torch cannot compile for a device.

        >>> from unittest.mock import patch
        >>> with patch("bnnstudy.devices.compiler_error", return_value="no g++"):
        ...     require_compiler("cpu")
        Traceback (most recent call last):
        ValueError: compile must be False here: torch cannot compile, ... got True (no g++)

    Raises:
        ValueError: saying what is needed, and what torch says.
    """
    if why := compiler_error(device_of(device)):
        raise ValueError(
            "compile must be False here: torch cannot compile, which needs a C++ compiler (for a GPU "
            f"triton and a C compiler), got True ({why})"
        )


@functools.cache
def compiler_error(device: str) -> str:
    """What torch says when it is to compile for a device; empty if it can. Found by trying.

    >>> compiler_error("tpu")
    'RuntimeError: ...'
    """
    try:
        with warnings.catch_warnings():
            # Even where warnings are errors, one is no lack of a compiler.
            warnings.simplefilter("ignore")
            torch.compile(lambda x: x + 1)(torch.zeros(1, device=device))
    except Exception as error:  # its own kinds of error, some of which are private
        return f"{type(error).__name__}: {error}".splitlines()[0]
    return ""
