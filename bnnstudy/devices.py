"""The device of a run: by name, its own name for records, and one thread where it is a CPU."""

import contextlib
import platform
from collections.abc import Iterator
from pathlib import Path

import torch


def device_of(name: str) -> str:
    """`"cpu"` or `"cuda"`; `"auto"` takes the latter where there is one.

    Raises:
        ValueError: for another name, or `"cuda"` where there is none.
    """
    here = torch.cuda.is_available()
    if name == "auto":
        return "cuda" if here else "cpu"
    if name not in ("cpu", "cuda"):
        raise ValueError(f"device must be one of auto, cpu, cuda; got {name!r}")
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
