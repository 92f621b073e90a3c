"""A wheel in an environment of its own, tried from another folder: it runs, and finds its records."""

import json
import os
import shutil
import subprocess
import sys
import sysconfig
import venv
from pathlib import Path

import pytest

from bnnstudy.evidence import provenance

ROOT = provenance.PACKAGE.parent


@pytest.fixture(scope="module")
def installed(tmp_path_factory):
    """Folder of an environment with the wheel, and of what it needs no more than a path to it."""
    folder = tmp_path_factory.mktemp("installed")
    source = folder / "source"  # setuptools leaves its own folders where it builds
    shutil.copytree(
        ROOT / "bnnstudy", source / "bnnstudy", ignore=shutil.ignore_patterns("__pycache__")
    )
    for name in ("pyproject.toml", "README.md", "LICENSE"):
        shutil.copy(ROOT / name, source)
    pip = [sys.executable, "-m", "pip", "--quiet", "--disable-pip-version-check", "--no-input"]
    build = ["wheel", str(source), "--no-deps", "--no-build-isolation", "-w", str(folder)]
    subprocess.run([*pip, *build], check=True, capture_output=True)
    venv.create(folder / "env", with_pip=False, symlinks=True)
    version = f"python{sys.version_info.major}.{sys.version_info.minor}"
    site = folder / "env" / "lib" / version / "site-packages"
    (wheel,) = folder.glob("*.whl")
    subprocess.run(
        [*pip, "install", "--no-deps", "--target", str(site), str(wheel)],
        check=True,
        capture_output=True,
    )
    # A path alone: the checkout, which is installed there in place, is not on it.
    (site / "needs.pth").write_text(sysconfig.get_paths()["purelib"])
    return folder


def tried(installed: Path, *arguments: str, **environment: str) -> subprocess.CompletedProcess:
    clean = {k: v for k, v in os.environ.items() if k not in ("PYTHONPATH", "BNNSTUDY_RESULTS")}
    python = installed / "env" / "bin" / "python"
    return subprocess.run(
        [str(python), *arguments],
        cwd=installed,
        env={**clean, **environment},
        capture_output=True,
        text=True,
        check=True,
    )


def test_it_is_the_wheel_that_is_imported_with_all_its_files(installed):
    source = (
        "import bnnstudy, bnnstudy.studies as s; print(bnnstudy.__file__, len(s.history.entries()))"
    )
    file, entries = tried(installed, "-c", source).stdout.split()
    assert Path(file).is_relative_to(installed)
    assert int(entries) > 280
    shows = "from bnnstudy.report import explorables as e;print(e.recipe_converter()._repr_html_())"
    page = tried(installed, "-c", shows).stdout
    assert all(part in page for part in ("<style>", "const convert =", 'name="momentum"'))


def test_records_lie_where_one_works_and_are_found_there(installed):
    arguments = ["run", "binary_layers", "--arms", "clip", "--seeds", "1", "--workers", "1"]
    ran = tried(installed, "-m", "bnnstudy", *arguments)
    assert f"records go to {installed / 'bnnstudy-results'}" in ran.stderr
    assert len(list((installed / "bnnstudy-results").rglob("*-s*.json"))) == 1
    report = json.loads(tried(installed, "-m", "bnnstudy", "report", "--json").stdout)
    answers = {claim["id"]: claim["answer"] for claim in report["claims"]}
    assert answers["layers-effective"] == "holds"
    elsewhere = tried(installed, "-m", "bnnstudy", "report", BNNSTUDY_RESULTS=str(installed / "none"))
    assert f"records of {installed / 'none'}" in elsewhere.stdout
    assert elsewhere.stdout.startswith("0 claims run")
