"""`Chapter`: the pieces that every study's notebook is made of."""

import os
from collections.abc import Callable, Iterable, Iterator, Mapping
from functools import cached_property

import torch
from IPython.display import HTML, Markdown
from matplotlib.figure import Figure

from bnnstudy import studies
from bnnstudy.config import checks
from bnnstudy.config.fields import PRESETS
from bnnstudy.config.run import RunConfig
from bnnstudy.evidence.curves import Curves, judged
from bnnstudy.evidence.records import Record
from bnnstudy.evidence.runs import Runs, by_task
from bnnstudy.experiments import sweep
from bnnstudy.experiments.options import RunOptions
from bnnstudy.experiments.study import SEEDS
from bnnstudy.report import plotting, tables
from bnnstudy.report.predict import Predictions, Result


class Chapter:
    """A study in a notebook: its runs, and the tables that every chapter closes with.

        >>> from tempfile import TemporaryDirectory
        >>> with TemporaryDirectory() as folder:
        ...     chapter = Chapter("binary_layers", "quick", "cpu", results=folder)
        ...     chapter.verdicts()  # before `chapter.run()`
        not run         layers-effective
        not run         layers-mask
        not run         layers-approx

    Args:
        name: of the study.
        preset, device, seeds, results, data: the notebook's parameters.

    Raises:
        ValueError: naming the parameter, its value and what is allowed.
    """

    def __init__(
        self,
        name: str,
        preset: str = "quick",
        device: str = "auto",
        seeds: int | None = None,
        results: str | os.PathLike[str] | None = None,
        data: str | os.PathLike[str] | None = None,
    ):
        torch.set_num_threads(1)
        name = checks.one_of("name", name, studies.STUDIES)
        preset = checks.one_of("preset", preset, PRESETS)
        seeds = None if seeds is None else SEEDS.checked("seeds", seeds)
        self.study, self.preset, self.seeds = studies.STUDIES[name], preset, seeds
        self.options = RunOptions.of(device=device, results=results, data=data)
        self.predictions = Predictions(name)

    def run(self) -> list[Record]:
        """Run what is missing at the preset; returns the records of *all* presets."""
        sweep.run(self.study, self.preset, self.seeds, self.options)
        for stale in ("curves", "records", "groups"):
            self.__dict__.pop(stale, None)
        return self.records

    @cached_property
    def curves(self) -> Curves:
        """The curves of the study's arms at every preset, as they were after `run`."""
        return studies.curves(self.study, self.options.results)

    @cached_property
    def records(self) -> list[Record]:
        """The records that judge: each seed at the value that the other seeds chose."""
        return judged(self.curves)

    @cached_property
    def groups(self) -> dict[tuple[str, str], Runs]:
        """Results by (preset, task), then by arm and seed; an arm's parts are arms, "arm, part"."""
        return by_task(self.records)

    @property
    def titled(self) -> dict[str, Runs]:
        """The same by "preset, task", as it stands in tables and captions."""
        return {f"{preset}, {task}": runs for (preset, task), runs in self.groups.items()}

    def each(self, *arms: str) -> Iterator[tuple[str, Runs, str]]:
        """What a table by run and arm has a row for: ("preset, task", all runs there, the arm).

            >>> from bnnstudy.evidence import mean
            >>> chapter = Chapter("binary_layers", "quick", "cpu")
            >>> chapter.groups = {("quick", "digits mlp"): {"clip": {0: {"best_epoch": 12}}}}
            >>> [(where, arm, mean(runs, arm, "best_epoch"))
            ...  for where, runs, arm in chapter.each("clip", "approx")]
            [('quick, digits mlp', 'clip', 12.0)]

        Args:
            arms: their names, or those of parts of arms; where one has no runs it is left out.
        """
        for where, runs in self.titled.items():
            yield from ((where, runs, arm) for arm in arms if runs.get(arm))

    def baseline(self, arm: str) -> RunConfig:
        """The configuration of an arm at the notebook's preset."""
        return self.study.arm(self.preset, arm).config

    def settings(self, arm: str) -> Markdown:
        """All arms as differences from one of them, then all fields of that one."""
        baseline = self.baseline(arm)
        differences = tables.differences(self.study.arms[self.preset], baseline)
        return Markdown(f"{differences}\n\nAll of `{arm}`:\n\n{tables.settings(baseline)}")

    def shown(self, *leave_out: str) -> list[str]:
        """Names of the arms that have records, in the study's order, but for those left out."""
        return [arm for arm in tables.arms_in(self.study, self.records) if arm not in leave_out]

    def caption(self, text: str = "", after: str = "") -> Markdown:
        """A figure's or table's caption: what it shows, what is to be added; folded, of which runs.

        Without a text it is the fold alone: for a figure that the prose below it explains.
        """
        said = " ".join(f"{part.rstrip('.')}." for part in (text, after) if part)
        presets = ", ".join(dict.fromkeys(preset for preset, _ in self.groups)) or "none yet"
        fold = (
            f'<details class="runs"><summary>Of which runs: {presets}</summary>\n\n'
            f"{tables.caption(self.records)}\n\n</details>"
        )
        return Markdown(f"*{said}*\n\n{fold}" if said else fold)

    def table(self, head: str | Iterable[str], rows: Iterable[Iterable[object]]) -> Markdown:
        """A table, as `tables.table` writes it: "Arm | Loss {:.3f}" is a head of two columns."""
        return Markdown(tables.table(head, rows))

    @staticmethod
    def markdown(text: str) -> Markdown:
        """A text in Markdown, such as a table of `report.tables`."""
        return Markdown(text)

    def gains(
        self, contrasts: Mapping[str, tuple[str, str]], metric: str = "last.test_accuracy"
    ) -> Markdown:
        """Paired gains by head of a column, (arm, control): points, with 95 % intervals over seeds."""
        return Markdown(tables.gains(self.groups, contrasts, metric))

    def conclusion(self) -> Markdown:
        """What the study comes to: a sentence for each headline claim, from all records there are."""
        found = studies.verdicts_of(self.study, studies.curves(self.study, self.options.results))
        return Markdown(f"**Conclusion.**\n\n{tables.conclusion(self.study, found)}")

    def predict(self, name: str, question: str, *options: str) -> HTML:
        """A question that the reader answers before reading on; see `predict.Predictions.ask`."""
        return self.predictions.ask(name, question, options)

    def resolve(self, name: str, holds: Mapping[str, bool], said: str) -> HTML:
        """What came out of a demonstration: which of the question's options holds, and the numbers."""
        return self.predictions.resolve(name, [Result.of(holds, said)])

    def resolve_runs(
        self, name: str, judge: Callable[[Runs], tuple[Mapping[str, bool], str] | None]
    ) -> HTML:
        """What came out of the experiment, a line for each preset and task.

        Args:
            name: of a question that was asked by `predict`.
            judge: from the runs by arm and seed to which option holds and the numbers, as in
                `resolve`; None where these runs do not have what it takes.
        """
        found = ((where, judge(runs)) for where, runs in self.titled.items())
        return self.predictions.resolve(name, [Result.of(*it, where) for where, it in found if it])

    def verdicts(self) -> Markdown:
        """The claims, how each is decided, the paper's number and ours; as text a line a verdict."""
        lines = [verdict.line() for verdict in studies.verdicts_of(self.study, self.curves)]
        return _WithText(tables.verdicts(self.study, self.curves), "\n".join(lines))

    def accuracies(self) -> Markdown:
        """Test accuracy of every arm, at the best validation epoch and at the last."""
        return Markdown(tables.accuracies(self.records))

    def rates(self) -> Figure | Markdown:
        """The curves over what is tuned: validation accuracy at each value that was tried."""
        drawn = plotting.rates(self.curves)
        return drawn or Markdown("*No arm's curve of rates is run yet.*")

    def tuned(self) -> Markdown:
        """Of each arm that tunes a value: what was tried, what came near the best, what judges."""
        return Markdown(tables.tuned(self.curves))


class _WithText(Markdown):
    """A table that is shown as plain text where Markdown is not, as in a terminal."""

    def __init__(self, markdown: str, text: str):
        super().__init__(markdown)
        self.text = text

    def __repr__(self) -> str:
        return self.text
