"""The house keeps its shape: imports go down file by file, names say where things are."""

import ast
import importlib
import re
import subprocess
import sys
from pathlib import Path

import pytest

import bnnstudy
from bnnstudy import _moved

PACKAGE = Path(bnnstudy.__file__).parent
FILES = sorted(PACKAGE.rglob("*.py"))
TESTS = sorted(Path(__file__).parent.rglob("*.py"))

ORDER = """
_lazy
_moved
config: checks serialise | arrays schedules | fields | stage | run | tricks
devices
files
theory: collapse designs filters flip_control | conversion flip_rates | memory
nn: binarize losses | scaling activations parameters | layers batch_norm packed | \
    conversion export | models.summary models.blocks | models.plain models.reactnet models.residual | \
    models.registry | models
optim: finite _checks reference trace | base | \
    latent_sgd bop filter fir_filter linear_filter normalised_filter sos_filter | ovsw | registry | \
    param_groups
data: augment images imagenet | audio | datasets
evidence: provenance results right statistics transfer | claims records forecasts | runs merge | \
    curves | estimates requirements | verdicts | answers | readings
training: progress metrics batch_norm distributed teacher callbacks.base | \
    sharded_checkpoint evaluation checkpoints step flip_counter | \
    handover start callbacks.activations callbacks.averaging callbacks.batch_norm callbacks.flips \
    callbacks.flip_budget callbacks.gradients callbacks.losses callbacks.weights \
    callbacks.shadow_optimizers | loop | \
    image_folder | dry_run stacked callbacks
experiments: options study gpus markers | rates arms hpo paired procedures image_folder | \
    lookup tasks | cluster | executors | sweep
studies: _quick_rates history | _paper_a _paper_b | * | ledger
report: figures predict tables | plotting | explorables.frame cost ladder scoreboard | \
    explorables.filters explorables.layers explorables.recipe explorables.surrogates \
    explorables.weight | explorables \
    chapter status
__main__
"""
"""Every file, from the ground up: a line for each room, and in it bars between files. A file imports
only from earlier lines, and in its own line from what stands left of its own bar. `*` is all others."""


def places() -> dict[str, tuple[int, int]]:
    """By module: the place of its room, and its own in it."""
    found = {}
    for k, line in enumerate(ORDER.replace("\\\n", "").strip().splitlines()):
        room, _, tiers = line.partition(":")
        found[room] = (k, 99)  # the room itself: its list of what it offers
        for tier, names in enumerate(tiers.split("|")):
            found |= {f"{room}.{name}": (k, tier) for name in names.split()}
    return found


PLACES = places()


def module_of(file: Path) -> str:
    parts = file.relative_to(PACKAGE).with_suffix("").parts
    return ".".join(parts[:-1] if parts[-1] == "__init__" else parts)


MODULES = {module_of(file) for file in FILES}


def place_of(module: str) -> tuple[int, int]:
    room = module.split(".")[0]
    return PLACES.get(module) or PLACES[f"{room}.*"]


def imported(file: Path) -> set[str]:
    """Modules of the package that a file imports, anywhere in it but for a type checker's eyes."""
    tree, found = ast.parse(file.read_text()), set()
    unseen = {
        id(inner)
        for node in ast.walk(tree)
        if isinstance(node, ast.If) and ast.unparse(node.test) == "TYPE_CHECKING"
        for inner in ast.walk(node)
    }
    for node in ast.walk(tree):
        if id(node) in unseen:
            continue
        if isinstance(node, ast.ImportFrom):
            assert node.level == 0, f"{file}: imports are absolute"
            base, *rest = node.module.split(".")
            if base == "bnnstudy":
                for alias in node.names:
                    full = ".".join((*rest, alias.name))
                    found.add(full if full in MODULES else ".".join(rest))
        elif isinstance(node, ast.Import):
            found |= {a.name.partition(".")[2] for a in node.names if a.name.startswith("bnnstudy.")}
    return found - {""}


@pytest.mark.parametrize("file", FILES, ids=lambda file: str(file.relative_to(PACKAGE)))
def test_imports_go_strictly_downward(file):
    own = module_of(file)
    if not own:
        return
    for other in imported(file) - {own}:
        assert place_of(other) < place_of(own), f"{own} imports {other}"


def test_every_file_has_a_place_and_every_place_a_file():
    named = {name for name in PLACES if not name.endswith("*")}
    assert {module.removesuffix(".__init__") for module in named} <= MODULES
    for module in MODULES - {""}:
        assert place_of(module)


@pytest.mark.parametrize("file", FILES + TESTS, ids=lambda file: f"{file.parent.name}/{file.name}")
def test_functions_fit_a_screen(file):
    for node in ast.walk(ast.parse(file.read_text())):
        if isinstance(node, ast.FunctionDef):
            body = node.body
            has_docstring = bool(ast.get_docstring(node))
            first = body[min(has_docstring, len(body) - 1)].lineno
            assert node.end_lineno - first < 50, f"{node.name} is too long"


@pytest.mark.parametrize("file", FILES, ids=lambda file: str(file.relative_to(PACKAGE)))
def test_public_names_say_what_they_are(file):
    tree = ast.parse(file.read_text())
    assert ast.get_docstring(tree), "a module says what it is"
    for node in ast.iter_child_nodes(tree):
        if isinstance(node, ast.FunctionDef | ast.ClassDef) and not node.name.startswith("_"):
            if any(ast.unparse(mark) == "overload" for mark in node.decorator_list):
                continue
            assert ast.get_docstring(node), f"{node.name} has no docstring"


def test_there_is_no_room_for_odds_and_ends():
    assert not {file.stem for file in FILES} & {"utils", "util", "common", "core", "helpers", "misc"}


@pytest.mark.parametrize(
    "module",
    [
        "bnnstudy",
        "bnnstudy.config",
        "bnnstudy.theory",
        "bnnstudy.evidence",
        "bnnstudy.experiments.study",
        "bnnstudy.studies",
    ],
)
def test_what_needs_no_torch_does_not_import_it(module):
    code = f"import sys, {module}; raise SystemExit('torch' in sys.modules)"
    assert subprocess.run([sys.executable, "-c", code], check=False).returncode == 0


def test_optional_libraries_wait_until_they_are_needed():
    code = (
        "import sys, bnnstudy.__main__, bnnstudy.studies;"
        "raise SystemExit(sum(n in sys.modules for n in ('torchvision', 'matplotlib', 'IPython')))"
    )
    assert subprocess.run([sys.executable, "-c", code], check=False).returncode == 0


def test_every_public_name_can_be_had():
    for name in bnnstudy.__all__:
        assert getattr(bnnstudy, name).__name__ == name
    with pytest.raises(AttributeError, match="has no attribute 'nothing'"):
        _ = bnnstudy.nothing


@pytest.mark.parametrize(("old", "new"), _moved.MOVED.items())
def test_an_old_import_says_the_new_name_which_is_there(old, new):
    importlib.import_module(f"bnnstudy.{new}")
    *package, name = f"bnnstudy.{old}".split(".")
    says = rf"^bnnstudy\.{re.escape(old)} is now bnnstudy\.{re.escape(new)}$"
    for statement in (f"import bnnstudy.{old}", f"from {'.'.join(package)} import {name}"):
        with pytest.raises(ImportError, match=says):
            exec(statement)


def test_the_rooms_offer_what_they_list():
    for room in ("config", "theory", "nn", "nn.models", "optim", "data", "evidence", "training",
                 "training.callbacks", "experiments", "studies", "report"):  # fmt: skip
        module = importlib.import_module(f"bnnstudy.{room}")
        assert len(set(module.__all__)) == len(module.__all__)
        for name in module.__all__:
            assert hasattr(module, name) or importlib.import_module(f"bnnstudy.{room}.{name}")
