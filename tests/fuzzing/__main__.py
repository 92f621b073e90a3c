"""`make fuzz`: so many inputs over all targets, side by side, and a table of what came of them."""

import argparse
import contextlib
import os
import sys

import joblib

from fuzzing import engine
from fuzzing.all_targets import all_targets
from fuzzing.engine import Report

CHUNKS = 8
"""Parts of a target's inputs, each from the seeds on, so that long ones are shared out."""


def part(name: str, inputs: int, seed: int) -> Report:
    """A part of a target's inputs."""
    (target,) = (one for one in all_targets() if one.name == name)
    return engine.run(target, inputs, seed)


def main() -> int:
    """Print the table and every kind of fault; 1 if there is one."""
    parser = argparse.ArgumentParser(prog="fuzzing", description=__doc__)
    parser.add_argument("targets", nargs="*", help="by name (default: all)")
    parser.add_argument("--inputs", type=int, default=1_000_000, help="over all targets (a million)")
    parser.add_argument("--seed", type=int, default=0)
    parser.add_argument("--processes", type=int, default=os.cpu_count())
    options = parser.parse_args()
    chosen = [one for one in all_targets() if not options.targets or one.name in options.targets]
    share = options.inputs / CHUNKS / sum(one.share for one in chosen)
    parts = [
        joblib.delayed(part)(one.name, max(1, round(share * one.share)), CHUNKS * options.seed + k)
        for k in range(CHUNKS)
        for one in chosen
    ]
    reports = {one.name: Report(one.name) for one in chosen}
    # In any order, so that what was done is told where it is interrupted.
    with contextlib.suppress(KeyboardInterrupt):
        for done in joblib.Parallel(options.processes, return_as="generator_unordered")(parts):
            reports[done.target].add(done)
    print(f"{'target':<24} {'inputs':>9} {'accepted':>9} {'refused':>9} {'faults':>7} {'lines':>6}")
    for report in (*reports.values(), _total(list(reports.values()))):
        counts = f"{report.inputs:>9,} {report.accepted:>9,} {report.refused:>9,} {report.faulty:>7,}"
        print(f"{report.target:<24} {counts} {len(report.lines) or '':>6}")
    for report in reports.values():
        for kind, (count, said) in report.faults.items():
            print(f"{report.target}: {count} x {kind}\n  {said}")
    return int(any(report.faults for report in reports.values()))


def _total(reports: list[Report]) -> Report:
    total = Report("all")
    for report in reports:
        total.add(report)
    return total


if __name__ == "__main__":
    sys.exit(main())
