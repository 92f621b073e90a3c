"""A results folder through whatever may happen to it: no finished run is lost, nothing damaged is read.

hypothesis draws the course of things. Trainings are replaced by results that follow from their
configuration at once: what is tried is the folder, and its sweeps.
"""

import hashlib
import json
import os
import tempfile
import time
from dataclasses import asdict, replace
from pathlib import Path

import pytest
from hypothesis import settings, strategies
from hypothesis.stateful import RuleBasedStateMachine, invariant, precondition, rule

from bnnstudy.config.run import RunConfig
from bnnstudy.evidence import records
from bnnstudy.evidence.curves import judged
from bnnstudy.evidence.merge import merge
from bnnstudy.evidence.records import RecordError
from bnnstudy.experiments import lookup, markers, sweep, tasks
from bnnstudy.experiments.markers import Owner
from bnnstudy.experiments.options import RunOptions
from bnnstudy.experiments.study import Arm, Study, Tuned

GRID = Tuned(field="lr", grid=(0.01, 0.1), factor=10.0, max_extensions=1)
ARMS = (
    Arm(name="adam", config=RunConfig(width=16)),
    Arm(name="sgd", config=RunConfig(width=16, optimizer="sgd"), tuned=GRID),
)
STUDY = Study(name="folder", title="", claims=(), arms={"quick": ARMS}, seeds={"quick": 3})
SEEDS = strategies.integers(1, 3)


class Killed(BaseException):
    """The end of a process, as far as one process can have it."""


def result_of(arm, config, dataset, *, device, checkpoint):
    """What follows from a configuration alone."""
    drawn = hashlib.sha256(f"{config.key()}-{config.seed}".encode()).digest()
    share = drawn[0] / 255
    return {"validation_accuracy": share, "test_accuracy": share, "last": {"test_accuracy": share}}


class ResultsFolder(RuleBasedStateMachine):
    """Sweeps, kills, damage, copies and clocks over one folder."""

    def __init__(self):
        super().__init__()
        self.place = tempfile.TemporaryDirectory()
        self.folder = Path(self.place.name, "results")
        self.study = STUDY
        self.patch = pytest.MonkeyPatch()
        self.patch.setattr(tasks, "run_arm", result_of)
        self.patch.setattr(markers, "SILENT", 0.0)
        self.whole: dict[Path, bytes] = {}
        self.damaged: set[Path] = set()

    def teardown(self):
        self.patch.undo()
        self.place.cleanup()

    def options(self, folder=None):
        return RunOptions(results=folder or self.folder, workers=1, progress=False)

    def files(self):
        return set(self.folder.rglob("*-s*.json"))

    def require_named(self, error):
        """A refusal names a file that is damaged."""
        assert any(str(file) in str(error) for file in self.damaged), error

    def note(self):
        """What was finished is there as it was; what came is noted."""
        for file, content in self.whole.items():
            assert file.read_bytes() == content
        for file in self.files() - self.damaged:
            self.whole.setdefault(file, file.read_bytes())

    @rule(seeds=SEEDS, arms=strategies.sampled_from([(), ("0",), ("1",)]))
    def run(self, seeds, arms):
        named = [self.study.arms["quick"][int(k)].name for k in arms]
        try:
            found = sweep.run(self.study, "quick", seeds, self.options(), named)
        except RecordError as error:
            self.require_named(error)
        else:
            own = {arm.name for arm in self.study.arms["quick"]}
            assert {record["arm"] for record in found} <= own
            assert len(found) >= seeds * (len(arms) or 2)
        self.note()

    @rule(seeds=SEEDS, moment=strategies.integers(0, 6), left=strategies.booleans())
    def kill(self, seeds, moment, left):
        """A sweep that ends at a moment, and leaves what a process leaves that is killed."""
        runs = iter(range(moment))

        def run(arm, config, *rest, **more):
            if next(runs, None) is None:
                job = tasks.Job(self.study.name, arm, config)
                file = tasks.file_of(job, self.options())
                if left:
                    file.with_name(f".{file.name}.half.tmp").write_text('{"schema"')
                    file.with_suffix(".checkpoint").write_bytes(b"half")
                    dead = {**asdict(Owner.here()), "born": "1"}
                    self.left = (markers.beside(file), json.dumps(dead))
                raise Killed
            return result_of(arm, config, *rest, **more)

        self.left = None
        self.swept(seeds, run)
        if self.left:
            self.left[0].write_text(self.left[1])
        self.note()

    @rule(
        seeds=SEEDS, others=SEEDS, moment=strategies.integers(0, 5), ends=strategies.integers(0, 6),
        goes_on=strategies.booleans(),
    )  # fmt: skip
    def two_at_once(self, seeds, others, moment, ends, goes_on):
        """A sweep stands still in a run; another does what it finds, is killed or not; it goes on.

        The first holds its marker all the while. The other takes it to be gone, and does its run, too;
        or the first is killed where it stands, and the other was right.
        """
        runs, second = iter(range(moment)), iter(range(ends))

        def dies(*given, **more):
            if next(second, None) is None:
                raise Killed
            return result_of(*given, **more)

        def stands(arm, config, *rest, **more):
            if next(runs, None) is None and not stood:
                stood.append(markers.beside(tasks.file_of(
                    tasks.Job(self.study.name, arm, config), self.options())))  # fmt: skip
                assert Owner.of(stood[0]) is not None
                self.swept(others, dies if ends < 6 else result_of)
                self.note()
                second_left.update({file: file.stat().st_ino for file in self.whole})
                if not goes_on:
                    raise Killed
            return result_of(arm, config, *rest, **more)

        stood, second_left = [], {}
        self.swept(seeds, stands)
        self.note()
        # The first did not even write the same once more.
        assert second_left.items() <= {file: file.stat().st_ino for file in self.whole}.items()
        assert not any(marker.exists() for marker in stood)

    def swept(self, seeds, run):
        """A sweep that may be killed, or refuse what is damaged."""
        with pytest.MonkeyPatch.context() as patch:
            patch.setattr(tasks, "run_arm", run)
            try:
                sweep.run(self.study, "quick", seeds, self.options())
            except Killed:
                pass
            except RecordError as error:
                self.require_named(error)

    @precondition(lambda self: self.whole)
    @rule(data=strategies.data(), how=strategies.sampled_from(["truncate", "edit", "empty"]))
    def damage(self, data, how):
        file = data.draw(strategies.sampled_from(sorted(self.whole)))
        text = file.read_text()
        damaged = {
            "truncate": text[: len(text) // 2],
            "edit": text.replace('"test_accuracy": ', '"test_accuracy": 1e-9, "was": '),
            "empty": "",
        }[how]
        file.write_text(damaged)
        del self.whole[file]
        self.damaged.add(file)

    @precondition(lambda self: self.damaged)
    @rule()
    def delete_what_is_damaged(self):
        for file in self.damaged:
            file.unlink()
        self.damaged.clear()

    @rule()
    def rename_an_arm(self):
        first, *others = self.study.arms["quick"]
        renamed = replace(first, name=f"{first.name}!" if len(first.name) < 8 else "adam")
        self.study = replace(self.study, arms={"quick": (renamed, *others)})

    @rule(seeds=SEEDS)
    def copy_in(self, seeds):
        """Another machine's records of the same study."""
        with tempfile.TemporaryDirectory() as name:
            sweep.run(STUDY, "quick", seeds, self.options(Path(name)))
            try:
                merge([name], self.folder)
            except RecordError as error:
                self.require_named(error)
        self.note()

    @rule(name=strategies.sampled_from(["adam", "sgd"]), seed=strategies.integers(0, 2))
    def leave_the_marker_of_a_silent_machine(self, name, seed):
        arm = self.study.arms["quick"][("adam", "sgd").index(name)]
        job = tasks.Job(self.study.name, arm, replace(arm.config, seed=seed, lr=0.01))
        file = tasks.file_of(job, self.options())
        file.parent.mkdir(parents=True, exist_ok=True)
        markers.beside(file).write_text(json.dumps({**asdict(Owner.here()), "host": "elsewhere"}))

    @rule(by=strategies.sampled_from([-1e8, -3600.0, 3600.0, 1e8]))
    def move_the_clock(self, by):
        for file in self.folder.rglob("*"):
            if file.is_file():
                os.utime(file, (time.time() + by,) * 2)
        now = time.time
        self.patch.setattr(time, "time", lambda: now() + by)

    @invariant()
    def what_is_read_is_whole(self):
        try:
            found = judged(lookup.curves(self.study, "quick", self.folder))
        except RecordError as error:
            self.require_named(error)
            return
        there = {f"{records.key(RunConfig.from_dict(r['config']))}-s{r['config']['seed']}.json"
                 for r in found}  # fmt: skip
        assert there <= {file.name for file in self.whole}


TestResultsFolder = ResultsFolder.TestCase
TestResultsFolder.settings = settings(max_examples=25, stateful_step_count=15, deadline=None)
