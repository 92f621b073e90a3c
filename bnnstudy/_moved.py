"""Modules of earlier editions and where they are now: importing an old name says the new one."""

import sys
from importlib.abc import MetaPathFinder
from importlib.machinery import ModuleSpec

MOVED = {
    "averaged_weights": "training.callbacks",
    "binarize": "nn.binarize",
    "checkpoints": "training.checkpoints",
    "claims": "evidence.claims",
    "closed_loop": "experiments.paired",
    "conversion": "theory.conversion",
    "cost": "report.cost",
    "data.folder": "data.imagenet",
    "explorer": "report.explorables",
    "fields": "config.fields",
    "filters": "theory.filters",
    "jobs": "experiments.executors",
    "layers": "nn",
    "losses": "nn.losses",
    "measures": "experiments.procedures",
    "metrics": "training.metrics",
    "models": "nn.models",
    "observers": "training.callbacks",
    "optim.filtering": "optim",
    "optim.grouped": "optim.base",
    "optim.latent": "optim",
    "optim.table": "optim.registry",
    "paper_a": "studies._paper_a",
    "paper_b": "studies._paper_b",
    "plotting": "report.plotting",
    "progress": "training.progress",
    "report.explorer": "report.explorables",
    "recorded_gradients": "experiments.procedures",
    "records": "evidence.records",
    "rules": "config.checks",
    "running_statistics": "nn.batch_norm",
    "scalings": "nn.scaling",
    "schedules": "config.schedules",
    "searching": "experiments.hpo",
    "serial": "config.serialise",
    "shadows": "training.callbacks",
    "stacked": "training.stacked",
    "stages": "training.handover",
    "steps": "training.step",
    "study": "experiments.study",
    "sweeps": "experiments.sweep",
    "tables": "report.tables",
    "tricks": "config.tricks",
    "tuning": "experiments.rates",
    "verdicts": "evidence.verdicts",
}
"""Old module to new one, both below `bnnstudy`."""


class _Signpost(MetaPathFinder):
    """Asked last, when no module of a name was found."""

    def find_spec(self, fullname: str, path: object = None, target: object = None) -> ModuleSpec | None:
        package, _, old = fullname.partition(".")
        if package == "bnnstudy" and (new := MOVED.get(old) or MOVED.get(old.split(".")[0])):
            # No ModuleNotFoundError: `from bnnstudy import NAME` would swallow it.
            raise ImportError(f"{fullname} is now bnnstudy.{new}", name=fullname)
        return None


def install() -> None:
    """Put the signpost behind Python's own finders, once."""
    if not any(isinstance(finder, _Signpost) for finder in sys.meta_path):
        sys.meta_path.append(_Signpost())
