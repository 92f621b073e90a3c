"""What to do with a GPU that is at hand for a quarter of an hour: tests, speed, then records.

    python tests/benchmarks/gpu_session.py --out DIR --seconds 540

Needs torch, torchvision, scipy and joblib; pytest for the tests, whose absence is said. Records are
made seed by seed, the arms of a study, until time is up; what was begun is left out. They come back as
`DIR/records.tar.gz`, to be unpacked and brought in with `bnnstudy merge`, and everything that was
printed as `DIR/*.log`. Where CIFAR-10 is not at hand, they are of a rung of the ladder, on MNIST.
"""

import argparse
import importlib.util
import subprocess
import sys
import tarfile
import tempfile
import time
from pathlib import Path

ROOT = Path(__file__).resolve().parents[2]

RUNS = {"cifar10": ("short", "*"), "ladder": ("desk", "widest x1: *")}
"""By study its preset and arms: paper B's Table 2, and networks as wide as paper A's."""

TESTS, BENCH = 0.25, 0.25
"""Shares of the time that tests and speed may take at most; records have what is left."""


def main(arguments: list[str] | None = None) -> int:
    """Runs all of it; 1 if the tests failed or no record was made."""
    parser = argparse.ArgumentParser(description="Tests, speed and records on a GPU, within a time.")
    parser.add_argument("--out", type=Path, required=True, help="the folder for logs and the archive")
    parser.add_argument("--seconds", type=float, default=540, help="for everything together")
    parser.add_argument("--device", default="cuda")
    parser.add_argument("--study", help="default: cifar10, or ladder where its data is missing")
    parser.add_argument("--preset", help="of a study that is named")
    parser.add_argument("--arms", default="*", help="of a study that is named")
    parser.add_argument("--seeds", type=int, default=100, help="at most so many of each arm")
    chosen = parser.parse_args(arguments)
    chosen.out.mkdir(parents=True, exist_ok=True)
    end = time.monotonic() + chosen.seconds
    failed = chosen.device == "cuda" and not tests_and_speed(chosen)
    with tempfile.TemporaryDirectory() as folder:
        results = Path(folder)
        made = run_seeds(chosen, results, end)
        with tarfile.open(chosen.out / "records.tar.gz", "w:gz") as archive:
            for path in sorted(results.rglob("*")):
                if path.suffix == ".json":
                    archive.add(path, path.relative_to(results))
    print(f"{made} records in {chosen.out / 'records.tar.gz'}")
    return int(failed or not made)


def tests_and_speed(chosen: argparse.Namespace) -> bool:
    """What needs a GPU to say anything; whether no test failed."""
    passed = True
    if importlib.util.find_spec("pytest") is None:
        print("tests: pytest is not installed here")
    else:
        tests = [sys.executable, "-m", "pytest", "-q", "-p", "no:cacheprovider", "tests/test_gpu.py"]
        passed = logged(tests, chosen.out / "tests.log", TESTS * chosen.seconds) in (0, None)
    speed = [sys.executable, "tests/benchmarks", "gpu"]
    logged(speed, chosen.out / "bench.log", BENCH * chosen.seconds)
    return passed


def run_seeds(chosen: argparse.Namespace, results: Path, end: float) -> int:
    """All arms of the study, seed by seed, until the time is up; how many records there are then."""
    study = chosen.study or study_at_hand()
    preset, arms = RUNS[study] if not chosen.study else (chosen.preset or "short", chosen.arms)
    for seed in range(chosen.seeds):
        left = end - time.monotonic()
        if left <= 0:
            break
        command = [
            sys.executable, "-m", "bnnstudy", "run", study, "--preset", preset, "--arms", arms,
            "--seeds", f"{seed}-{seed}", "--device", chosen.device, "--workers", "1",
            "--results", str(results),
        ]  # fmt: skip
        if logged(command, chosen.out / f"seed-{seed}.log", left) != 0:
            break
    return len(list(results.glob(f"{study}/{preset}/*-s*.json")))


def study_at_hand() -> str:
    """Of `RUNS` the one whose data is here."""
    load = "from bnnstudy import data; data.load('cifar10')"
    found = subprocess.run([sys.executable, "-c", load], cwd=ROOT, capture_output=True, check=False)
    return "ladder" if found.returncode else "cifar10"


def logged(command: list[str], log: Path, seconds: float) -> int | None:
    """The exit status of a command whose output goes to a file; None if it was ended for its time."""
    began = time.monotonic()
    with log.open("w") as file:
        try:
            status = subprocess.run(
                command, cwd=ROOT, stdout=file, stderr=subprocess.STDOUT, timeout=seconds, check=False
            ).returncode
        except subprocess.TimeoutExpired:
            status = None
    print(f"{log.stem}: {time.monotonic() - began:.0f} s, {ended(status)}", flush=True)
    return status


def ended(status: int | None) -> str:
    """How a command ended, in words."""
    return "ended for its time" if status is None else "ok" if status == 0 else f"exit status {status}"


if __name__ == "__main__":
    sys.exit(main())
