"""A Python whose imports are done: eighty processes of a build need the same six seconds of them.

    python book/warm.py --server COMMAND ...  # runs a command, and a server beside it for as long
    python book/warm.py MODULE ARGUMENT ...   # as `python -m MODULE ARGUMENT ...`

The server imports what all need, once it is asked, and has no threads. For each process that is asked
for it forks, and the fork takes the caller's arguments, folder, environment and standard streams. The
caller waits, hands on its signals, and ends as the fork ends; a caller that is killed takes its fork
along. Where there is no server, the module is run in the caller itself: nothing needs one.
"""

import atexit
import contextlib
import gc
import importlib
import json
import multiprocessing
import multiprocessing.connection
import os
import runpy
import signal
import socket
import subprocess
import sys
import tempfile
from collections.abc import Sequence
from functools import cache
from multiprocessing.process import BaseProcess
from pathlib import Path
from typing import IO, Any

ADDRESS = "BNNSTUDY_WARM"
"""The environment variable with the server's socket."""

# `torch._dynamo` is imported by the first step of any optimizer. Left out is `ipykernel.kernelapp`: it
# reads from the environment, as it is imported, whose kernel it is.
IMPORTS = (
    "torch",
    "torch._dynamo",
    "scipy.optimize",
    "scipy.signal",
    "sklearn.datasets",
    "ipykernel.zmqshell",
    "papermill.cli",
    "matplotlib.pyplot",
    "bnnstudy.experiments.sweep",
    "bnnstudy.report",
)

_LARGEST = 1 << 17
"""Bytes of a request: arguments and the environment."""


Closable = socket.socket | IO[bytes]


def serve(listening: socket.socket, owner: IO[bytes]) -> None:
    """Fork for each that asks, until the owner of the socket is gone, which ends all forks."""
    forks: dict[socket.socket, BaseProcess] = {}
    while True:
        ended = {fork.sentinel: caller for caller, fork in forks.items()}
        for ready in multiprocessing.connection.wait([owner, listening, *forks, *ended]):
            if ready is owner:
                for fork in forks.values():
                    fork.kill()
                return
            if ready is listening:
                _import()
                _begin(listening, owner, forks)
                continue
            # A fork has ended, or its caller was killed.
            caller = ended.get(ready, ready)
            if caller in forks:
                _end(caller, forks.pop(caller))


@cache
def _import() -> None:
    # Where figures go is read as Matplotlib is imported; only kernels draw.
    os.environ["MPLBACKEND"] = "module://matplotlib_inline.backend_inline"
    for name in IMPORTS:
        importlib.import_module(name)
    gc.freeze()  # what is imported stays: no fork has to look through it, which would copy it


def _begin(listening: socket.socket, owner: IO[bytes], forks: dict[socket.socket, BaseProcess]) -> None:
    """Fork for who asks, and tell it the process."""
    caller, _ = listening.accept()
    request, streams, _, _ = socket.recv_fds(caller, _LARGEST, 3)
    if not request:  # it was killed before it had asked
        return caller.close()
    fork = multiprocessing.get_context("fork").Process(
        target=_become, args=(json.loads(request), streams, (listening, owner, caller, *forks))
    )
    fork.start()
    forks[caller] = fork
    for stream in streams:
        os.close(stream)
    with contextlib.suppress(OSError):
        caller.send(str(fork.pid).encode())


def _become(request: dict[str, Any], streams: Sequence[int], inherited: Sequence[Closable]) -> None:
    """Run the module as the caller would have."""
    for one in inherited:
        one.close()
    os.setsid()
    for stream, number in zip(streams, (0, 1, 2), strict=True):
        os.dup2(stream, number)
        os.close(stream)
    # What the server's own could do, such as to seek, these need not.
    sys.stdin, sys.stdout, sys.stderr = os.fdopen(0), os.fdopen(1, "w"), os.fdopen(2, "w", 1)
    # A caller that a shell put in the background is deaf to Ctrl-C, and so is what it started.
    signal.signal(signal.SIGINT, signal.SIG_IGN if request["deaf"] else signal.default_int_handler)
    os.chdir(request["folder"])
    os.environ.clear()
    os.environ.update(request["environment"])
    sys.argv[1:], sys.path[0] = request["arguments"], request["folder"]
    try:
        runpy.run_module(request["module"], run_name="__main__", alter_sys=True)
    finally:
        atexit._run_exitfuncs()  # a fork of this kind does not


def _end(caller: socket.socket, fork: BaseProcess) -> None:
    """Tell the caller how its fork ended; where the caller is gone, end the fork."""
    if fork.exitcode is None:
        fork.kill()
    fork.join()
    with contextlib.suppress(OSError), caller:
        caller.send(str(fork.exitcode).encode())


def call(address: str, module: str, arguments: Sequence[str]) -> int:
    """Have the server run a module; returns its exit status, negative where a signal ended it."""
    handed_on = (signal.SIGINT, signal.SIGTERM, signal.SIGHUP)
    signal.pthread_sigmask(signal.SIG_BLOCK, handed_on)  # until there is whom to hand them to
    with socket.socket(socket.AF_UNIX, socket.SOCK_SEQPACKET) as server:
        server.connect(address)
        request = {
            "module": module,
            "arguments": list(arguments),
            "folder": os.getcwd(),
            "environment": dict(os.environ),
            "deaf": signal.getsignal(signal.SIGINT) == signal.SIG_IGN,
        }
        socket.send_fds(server, [json.dumps(request).encode()], [0, 1, 2])
        process = int(server.recv(64))
        for number in handed_on:
            signal.signal(number, lambda number, _: os.kill(process, number))
        signal.pthread_sigmask(signal.SIG_UNBLOCK, handed_on)
        parent = os.getppid()
        server.settimeout(1)
        while os.getppid() == parent:
            with contextlib.suppress(TimeoutError):
                return int(server.recv(64) or -signal.SIGKILL)
        return -signal.SIGKILL


def beside(command: Sequence[str]) -> int:
    """Run a command with a server beside it, where forks are safe; returns its exit status."""
    if sys.platform != "linux":
        return subprocess.call(command)
    with tempfile.TemporaryDirectory() as folder:
        address = str(Path(folder) / "socket")
        with socket.socket(socket.AF_UNIX, socket.SOCK_SEQPACKET) as listening:
            listening.bind(address)
            listening.listen(64)
            number = listening.fileno()
            server = subprocess.Popen(
                [sys.executable, __file__, "--serve", str(number)],
                stdin=subprocess.PIPE,
                pass_fds=[number],
            )
        with server:  # which ends when its input does
            return subprocess.call(command, env={**os.environ, ADDRESS: address})


def main() -> int | None:
    """As the first lines of this file say."""
    match sys.argv[1:]:
        case ["--server", *command] if command:
            return beside(command)
        case ["--serve", number]:
            serve(socket.socket(fileno=int(number)), sys.stdin.buffer)
            os._exit(0)  # all that it had is what it imported
        case [module, *arguments] if ADDRESS in os.environ:
            return call(os.environ[ADDRESS], module, arguments)
        case [module, *arguments]:
            sys.argv[1:], sys.path[0] = arguments, os.getcwd()
            return runpy.run_module(module, run_name="__main__", alter_sys=True) and None
    print(__doc__, file=sys.stderr)
    return 2


if __name__ == "__main__":
    sys.exit(main())
