"""The toy study through submitit on this machine, its trainings counted, and mishaps to have there.

As a script it is the process that submits: `python toy_cluster.py RESULTS SEEDS`.
"""

import os
import signal
import sys
from pathlib import Path

from toy_study import STUDY

from bnnstudy.experiments import arms, cluster, sweep, tasks
from bnnstudy.experiments.options import RunOptions
from bnnstudy.training import checkpoints
from bnnstudy.training.checkpoints import Checkpoint

MISHAPS = {
    "preempted": signal.SIGUSR2, "always preempted": signal.SIGUSR2,
    "killed": signal.SIGKILL, "always killed": signal.SIGKILL, "out of time": signal.SIGCONT, "": 0,
}  # fmt: skip
"""The signal that a task gets half-way; of SIGCONT it takes no notice, and waits for another."""


class Work(cluster.Work):
    """A task that notes each training in `ran`, and the first time meets with a mishap half-way."""

    mishap = ""

    def __init__(self, *given):
        super().__init__(*given)
        self.signal, self.always = MISHAPS[self.mishap], self.mishap.startswith("always")

    def __call__(self):
        """Does the task, in a process of its own."""
        work = self

        class Meeting(Checkpoint):
            def save(self, state):
                super().save(state)
                work.meet(self.file.stem)

        checkpoints.EVERY, checkpoints.Checkpoint, tasks.run_arm = 0.0, Meeting, self.run_arm
        return super().__call__()

    def run_arm(self, arm, config, dataset, *, device, checkpoint):
        note(self.options.results / "ran", f"{config.key()}-s{config.seed}")
        return arms.run_arm(arm, config, dataset, device=device, checkpoint=checkpoint)

    def meet(self, run):
        """Has the mishap of a run, once or always."""
        met = self.options.results / f"met-{run}"
        if self.signal and (self.always or not met.exists()):
            met.touch()
            os.kill(os.getpid(), self.signal)
            while self.signal == signal.SIGCONT:
                signal.pause()


def note(file: Path, line: str) -> None:
    """Adds a line, at once, as several processes do."""
    with open(file, "a") as stream:
        stream.write(f"{line}\n")


LONG, SHORT = {"timeout_min": 30}, {"timeout_min": 5}
"""What a task has: cut in its first minutes it was preempted, or is out of its time if it has few."""

AT_ONCE = {"local_timeout_min": 0.75}
"""After 45 seconds a task is killed; half a minute before that it is told."""


def run(results: Path, mishap: str = "", seeds: int = 1, given: dict = LONG) -> None:
    """Seeds of the toy study's first arm, as tasks of submitit's executor of this machine."""
    Work.mishap = mishap
    options = RunOptions(results=results, executor="local", cluster=given, workers=2, progress=False)
    before, cluster.Work = cluster.Work, Work
    try:
        sweep.run(STUDY, "quick", seeds, options, ["adam"])
    finally:
        cluster.Work = before


if __name__ == "__main__":
    run(Path(sys.argv[1]), seeds=int(sys.argv[2]))
