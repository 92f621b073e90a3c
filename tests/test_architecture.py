"""The house keeps its shape: imports go down, files stay short, names say where things are."""

import ast
import subprocess
import sys
from pathlib import Path

import pytest

import bnnstudy

PACKAGE = Path(bnnstudy.__file__).parent
FILES = sorted(PACKAGE.rglob("*.py"))
TESTS = sorted(Path(__file__).parent.rglob("*.py"))

LEVELS = {
    "rules": 0, "serial": 0, "files": 0, "schedules": 0, "binarize": 0, "scalings": 0, "filters": 0,
    "data": 0, "losses": 0, "devices": 0, "progress": 0,
    "fields": 1, "config": 2, "metrics": 1, "layers": 1, "optim": 1,
    "conversion": 1, "records": 3, "claims": 3, "models": 3, "tricks": 3, "shadows": 3, "steps": 3,
    "checkpoints": 4, "verdicts": 4, "stages": 4, "study": 5, "training": 5, "tuning": 6, "paper_a": 6,
    "paper_b": 6, "observers": 6, "running_statistics": 6, "closed_loop": 6, "recorded_gradients": 7,
    "averaged_weights": 7, "searching": 6, "measures": 7, "stacked": 6, "jobs": 7, "sweeps": 8,
    "studies": 9, "tables": 10, "plotting": 10, "explorer": 11, "cost": 11, "__main__": 11,
}  # fmt: skip
"""A module imports only from lower levels, except inside its own room."""


def room(file: Path) -> str:
    return file.relative_to(PACKAGE).parts[0].removesuffix(".py")


def imported(file: Path) -> set[str]:
    """Rooms of the package that a file imports, anywhere in it."""
    found = set()
    for node in ast.walk(ast.parse(file.read_text())):
        if isinstance(node, ast.ImportFrom) and (node.module or "").split(".")[0] == "bnnstudy":
            parts = node.module.split(".")
            found |= {parts[1]} if len(parts) > 1 else {alias.name for alias in node.names}
        elif isinstance(node, ast.ImportFrom):
            assert node.level == 0, f"{file}: imports are absolute"
        elif isinstance(node, ast.Import):
            found |= {a.name.split(".")[1] for a in node.names if a.name.startswith("bnnstudy.")}
    return found


@pytest.mark.parametrize("file", FILES, ids=lambda file: str(file.relative_to(PACKAGE)))
def test_imports_go_strictly_downward(file):
    own = room(file)
    if own == "__init__":
        return
    assert own in LEVELS, f"{own} has no level: give it one"
    for other in imported(file) - {own}:
        assert LEVELS[other] < LEVELS[own], f"{own} imports {other}"


@pytest.mark.parametrize("file", FILES + TESTS, ids=lambda file: f"{file.parent.name}/{file.name}")
def test_files_are_short_and_functions_fit_a_screen(file):
    text = file.read_text()
    assert len(text.splitlines()) < 300
    for node in ast.walk(ast.parse(text)):
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
            assert ast.get_docstring(node), f"{node.name} has no docstring"


def test_there_is_no_room_for_odds_and_ends():
    assert not {file.stem for file in FILES} & {"utils", "util", "common", "core", "helpers", "misc"}


@pytest.mark.parametrize("module", ["bnnstudy", "bnnstudy.config", "bnnstudy.filters"])
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
