"""How a run is computed: its device by name, one thread where that is a CPU, compiled or not."""

import contextlib
import functools
import platform
from collections.abc import Callable, Iterator
from contextvars import ContextVar
from pathlib import Path
from typing import Any, TypeVar, cast

import torch

NAMES = ("auto", "cpu", "cuda")
"""What a device may be called."""


def device_of(name: str) -> str:
    """`"cpu"` or `"cuda"`; `"auto"` takes the latter where there is one.

    Raises:
        ValueError: for another name, or `"cuda"` where there is none.
    """
    here = torch.cuda.is_available()
    if name == "auto":
        return "cuda" if here else "cpu"
    if name not in NAMES:
        raise ValueError(f"device must be one of {', '.join(NAMES)}; got {name!r}")
    if name == "cuda" and not here:
        raise ValueError("device must be auto or cpu here: torch finds no GPU for 'cuda'")
    return name


def device_name(device: str | torch.device) -> str:
    """What a record calls the device: the GPU's name, or `cpu (processor)`."""
    if torch.device(device).type == "cuda":
        return torch.cuda.get_device_name(device)
    try:
        lines = Path("/proc/cpuinfo").read_text().splitlines()
    except OSError:
        lines = []
    models = [line.split(":")[1].strip() for line in lines if line.startswith("model name")]
    return f"cpu ({(models or [platform.processor() or platform.machine()])[0]})"


@contextlib.contextmanager
def one_thread(device: str | torch.device) -> Iterator[None]:
    """One thread while it lasts, if the device is a CPU; then as many as before."""
    threads = torch.get_num_threads()
    if torch.device(device).type == "cpu":
        torch.set_num_threads(1)
    try:
        yield
    finally:
        torch.set_num_threads(threads)


_compiling: ContextVar[bool] = ContextVar("compiling", default=False)

VARIANTS = 256
"""Compiled forms of one function (of one network in two modes, of networks) that are kept, at most."""


@contextlib.contextmanager
def compiling(wanted: bool = True) -> Iterator[None]:
    """While it lasts, what goes through `compiled` is, if `wanted`.

    Raises:
        ValueError: if it is wanted and torch cannot compile here.
    """
    if wanted:
        require_compiler()
    token = _compiling.set(wanted)
    try:
        yield
    finally:
        _compiling.reset(token)
        if wanted and torch.cuda.is_available():
            # What was recorded for one network is of no use to the next, and would be searched through.
            torch.compiler.reset()


def is_compiling() -> bool:
    """Whether what goes through `compiled` is at present."""
    return _compiling.get()


Function = TypeVar("Function", bound=Callable[..., Any])


def compiled(function: Function, *, replay: bool = False) -> Function:
    """The function as one compiled graph while `compiling`; else the function itself.

    The same arithmetic in another order, so results agree to rounding (which a binary network blows
    up: one sign that turns changes what follows).

    Args:
        replay: on a GPU record its kernels once and replay them (CUDA graphs), which saves the time to
            launch each. What it returned last is then overwritten by its next call.
    """
    if not is_compiling():
        return function
    import torch._dynamo

    torch._dynamo.config.recompile_limit = max(VARIANTS, torch._dynamo.config.recompile_limit)
    mode = "reduce-overhead" if replay and torch.cuda.is_available() else None
    # Its annotations forget what kind of function went in.
    return cast(Function, torch.compile(function, mode=mode, dynamic=False))


def require_compiler() -> None:
    """Refuses to go on where torch cannot compile.

    Raises:
        ValueError: saying what is needed.
    """
    if not can_compile():
        raise ValueError(
            "compile must be False here: torch cannot compile, which needs a C++ compiler (for a GPU "
            "triton besides), got True"
        )


@functools.cache
def can_compile() -> bool:
    """Whether torch can compile here; found by trying."""
    try:
        for device in ("cpu", *(["cuda"] if torch.cuda.is_available() else [])):
            torch.compile(lambda x: x + 1)(torch.zeros(1, device=device))
    except Exception:  # its own kinds of error, some of which are private
        return False
    return True
