"""`book/warm.py`: a process whose imports are done is the process that Python would have started."""

import json
import os
import signal
import subprocess
import sys
import time
from pathlib import Path

import pytest

ROOT = Path(__file__).parents[1]
WARM = [sys.executable, str(ROOT / "book" / "warm.py")]

SAYS = """
import json, os, sys
print(json.dumps({
    "arguments": sys.argv[1:], "folder": os.getcwd(), "path": sys.path[0], "name": __name__,
    "asked": os.environ.get("ASKED"), "input": sys.stdin.read(), "warm": "torch" in sys.modules,
}))
print("to the other stream", file=sys.stderr)
sys.exit(int(sys.argv[1]))
"""

SLEEPS = """
import os, sys, time
try:
    print(os.getpid(), flush=True)
    time.sleep(60)
except KeyboardInterrupt:
    sys.exit(7)
"""


@pytest.fixture(scope="module")
def address(tmp_path_factory):
    """The environment's variable of a server that lives as long as these tests."""
    command = [*WARM, "--server", sys.executable, "-c"]
    command += ["import os; print(os.environ['BNNSTUDY_WARM'], flush=True); input()"]
    with subprocess.Popen(command, stdin=subprocess.PIPE, stdout=subprocess.PIPE, text=True) as server:
        yield {"BNNSTUDY_WARM": server.stdout.readline().strip()}
        server.communicate("\n")


@pytest.fixture
def module(tmp_path):
    def write(code: str) -> str:
        (tmp_path / "says_what_it_is.py").write_text(code)
        return "says_what_it_is"

    return write


def _gone(process: int) -> bool:
    for _ in range(300):
        try:
            os.kill(process, 0)
        except ProcessLookupError:
            return True
        time.sleep(0.1)
    return False


@pytest.mark.parametrize("code", [0, 3])
@pytest.mark.parametrize("warm", [True, False])
def test_a_module_finds_what_its_caller_had(address, module, tmp_path, code, warm):
    found = subprocess.run(
        [*WARM, module(SAYS), str(code), "a b"],
        cwd=tmp_path,
        env={k: v for k, v in os.environ.items() if k != "BNNSTUDY_WARM"}
        | {"ASKED": "for"}
        | (address if warm else {}),
        input="some lines\n",
        capture_output=True,
        text=True,
    )
    assert found.returncode == code
    assert found.stderr == "to the other stream\n"
    folder = str(tmp_path)
    assert json.loads(found.stdout) == {
        "arguments": [str(code), "a b"], "folder": folder, "path": folder, "name": "__main__",
        "asked": "for", "input": "some lines\n", "warm": warm,
    }  # fmt: skip


def test_an_error_is_the_callers(address, module, tmp_path):
    call = [*WARM, module("raise ValueError('of this module')")]
    found = subprocess.run(call, cwd=tmp_path, env=os.environ | address, capture_output=True, text=True)
    assert found.returncode == 1
    assert "ValueError: of this module" in found.stderr


@pytest.mark.parametrize("number", [signal.SIGINT, signal.SIGTERM, signal.SIGKILL])
def test_a_signal_to_the_caller_ends_what_runs(address, module, tmp_path, number):
    call = [*WARM, module(SLEEPS)]
    with subprocess.Popen(
        call,
        cwd=tmp_path,
        env=os.environ | address,
        stdout=subprocess.PIPE,
        text=True,
        preexec_fn=lambda: signal.signal(signal.SIGINT, signal.SIG_DFL),  # whoever runs these tests
    ) as caller:
        process = int(caller.stdout.readline())
        assert process != caller.pid
        caller.send_signal(number)
        status = caller.wait()
    expected = {signal.SIGINT: 7, signal.SIGTERM: 256 - signal.SIGTERM, signal.SIGKILL: -signal.SIGKILL}
    assert status == expected[number]
    assert _gone(process)


def test_a_server_ends_with_its_command_and_takes_what_runs_along(module, tmp_path):
    line = f"{sys.executable} {WARM[1]} {module(SLEEPS)} & read -r _; exit 5"
    with subprocess.Popen(
        [*WARM, "--server", "bash", "-c", line], cwd=tmp_path, stdin=subprocess.PIPE,
        stdout=subprocess.PIPE, text=True,
    ) as server:  # fmt: skip
        process = int(server.stdout.readline())
        server.stdin.write("\n")
        server.stdin.close()
        assert server.wait() == 5
    assert _gone(process)


def test_without_a_module_it_says_how_it_is_used():
    found = subprocess.run(WARM, capture_output=True, text=True)
    assert found.returncode == 2
    assert "--server COMMAND" in found.stderr
