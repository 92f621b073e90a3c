"""The command line when it is stopped from outside, or has nobody to talk to."""

import io
import os
import signal
import subprocess
import sys
import time
from pathlib import Path

import pytest

from bnnstudy import __main__ as command_line
from bnnstudy.experiments import executors, sweep
from bnnstudy.training import progress

RUN = [sys.executable, "-m", "bnnstudy", "run", "alpha", "--seeds", "2", "--workers", "2"]
PATIENCE = 120.0


def waited(for_what) -> bool:
    """Whether something comes true, however slow the machine is."""
    end = time.monotonic() + PATIENCE
    while not for_what():
        if time.monotonic() > end:
            return False
        time.sleep(0.2)
    return True


def working(group: int) -> list[Path]:
    """Processes of a group that still run."""
    found = []
    for folder in Path("/proc").glob("[0-9]*"):
        try:
            state, _, of = (folder / "stat").read_text().rpartition(")")[2].split()[:3]
        except OSError:
            continue
        if int(of) == group and state != "Z":
            found.append(folder)
    return found


@pytest.mark.skipif(not Path("/proc/self/stat").exists(), reason="no /proc to look for workers in")
@pytest.mark.parametrize("how", [signal.SIGTERM, signal.SIGKILL])
def test_workers_end_with_the_sweep_that_they_work_for(how, tmp_path):
    sweep = subprocess.Popen(
        [*RUN, "--results", str(tmp_path)], start_new_session=True, stderr=subprocess.PIPE, text=True
    )
    assert waited(lambda: list(tmp_path.rglob("*.json")))
    assert len(working(sweep.pid)) > 2
    sweep.send_signal(how)
    said = sweep.communicate(timeout=PATIENCE)[1]
    if how == signal.SIGTERM:
        assert sweep.returncode == 130
        # joblib may have something to say of its own semaphores.
        assert "\nbnnstudy: interrupted; what had finished is recorded" in f"\n{said}"
        assert "Traceback" not in said
    assert waited(lambda: not working(sweep.pid))


def test_a_worker_that_comes_up_after_its_sweep_was_killed_ends_too():
    sweep = subprocess.Popen([sys.executable, "-c", ""])
    sweep.wait()
    code = (
        "import time; from bnnstudy.experiments.executors import _Parent, _end_with;"
        f"_end_with(_Parent(_Parent.here().host, {sweep.pid})); time.sleep({PATIENCE})"
    )
    assert subprocess.run([sys.executable, "-c", code], timeout=PATIENCE, check=False).returncode == 1


def test_a_worker_of_another_machine_is_left_to_whoever_started_it(monkeypatch):
    monkeypatch.setattr(executors.threading, "Thread", None)  # nothing would watch
    executors._end_with(executors._Parent("elsewhere", 1))


def test_nobody_reads_on():
    for command in (["list"], ["convert", "--lr", "0.1", "--weight-decay", "1e-4"]):
        reader, writer = os.pipe()
        os.close(reader)
        environment = {k: v for k, v in os.environ.items() if k != "PYTHONUNBUFFERED"}
        done = subprocess.run(
            [sys.executable, "-m", "bnnstudy", *command],
            stdout=writer, stderr=subprocess.PIPE, env=environment, check=False,
        )  # fmt: skip
        os.close(writer)
        assert (done.returncode, done.stderr) == (0, b"")


def test_output_that_cannot_say_all_is_no_bad_input(monkeypatch):
    out = io.TextIOWrapper(io.BytesIO(), "ascii")
    monkeypatch.setattr(sys, "stdout", out)
    monkeypatch.setattr(command_line, "_list", lambda options: print("±1") or 0)
    assert command_line.main(["list"]) == 0
    assert out.buffer.getvalue() == b"\\xb11\n"


def test_without_an_error_stream_there_is_no_bar(monkeypatch):
    monkeypatch.setattr(sys, "stderr", None)
    with progress.bar(total=3) as bar:
        bar.update()


@pytest.mark.parametrize(
    ("error", "status", "says"),
    [
        (KeyboardInterrupt(), 130, "interrupted"),
        (MemoryError(), 1, "out of memory; fewer --workers, or a smaller --stack"),
        (RuntimeError("DefaultCPUAllocator: can't allocate memory"), 1, "out of memory"),
        (RuntimeError("CUDA out of memory. Tried to allocate"), 1, "out of memory"),
    ],
)
def test_a_sweep_that_is_stopped_says_in_one_line_what_is_kept(
    monkeypatch, capsys, error, status, says
):
    def stopped(*arguments):
        raise error

    monkeypatch.setattr(sweep, "run", stopped)
    assert command_line.main(["run", "two_views"]) == status
    said = capsys.readouterr().err
    assert says in said
    assert "what had finished is recorded" in said
    assert said.count("\n") == 1


def test_any_other_error_of_torch_is_shown_as_it_is(monkeypatch):
    monkeypatch.setattr(sweep, "run", lambda *arguments: torch_fails())
    with pytest.raises(RuntimeError, match="shapes"):
        command_line.main(["run", "two_views"])


def torch_fails():
    raise RuntimeError("shapes cannot be multiplied")
