"""What is only run on a GPU, run here once: ratios come out, and a session brings records back."""

import importlib
import math
import subprocess
import sys
import tarfile
from pathlib import Path

import pytest

ROOT = Path(__file__).parents[1]


@pytest.fixture
def gpu(monkeypatch):
    monkeypatch.syspath_prepend(str(ROOT / "tests" / "benchmarks"))
    return importlib.import_module("gpu")


def test_many_runs_are_compared_in_three_ways(gpu):
    ratios = list(gpu.many("cpu", members=2, epochs=1, rounds=2))
    assert [ratio.what.rpartition(" / ")[2] for ratio in ratios] == ["2 processes", "stacked"]
    assert all(math.isfinite(ratio.ratio) and ratio.ratio > 0 for ratio in ratios)


def test_a_session_brings_back_the_records_of_whole_seeds(tmp_path):
    command = [
        sys.executable,
        "tests/benchmarks/gpu_session.py",
        "--out",
        str(tmp_path),
        "--device",
        "cpu",
    ]
    chosen = ["--study", "equivalence", "--preset", "quick", "--seeds", "1", "--seconds", "600"]
    done = subprocess.run([*command, *chosen], cwd=ROOT, capture_output=True, text=True, check=False)
    assert done.returncode == 0, done.stdout + done.stderr
    with tarfile.open(tmp_path / "records.tar.gz") as archive:
        names = archive.getnames()
    records = [name for name in names if name.endswith("-s0.json")]
    assert records
    assert f"{len(records)} records in" in done.stdout


def test_a_session_whose_runs_fail_says_so(tmp_path):
    command = [
        sys.executable,
        "tests/benchmarks/gpu_session.py",
        "--out",
        str(tmp_path),
        "--device",
        "cpu",
    ]
    done = subprocess.run(
        [*command, "--study", "clipping", "--preset", "short"],
        cwd=ROOT, capture_output=True, text=True, check=False,
    )  # fmt: skip
    assert done.returncode == 1
    assert "exit status 2" in done.stdout
    assert "0 records" in done.stdout
