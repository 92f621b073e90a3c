"""The notebooks as they are stored, and what they print when they are run."""

import contextlib
import re
import shutil
from pathlib import Path

import nbformat
import papermill
import pytest
import recomputed

from bnnstudy import studies
from bnnstudy.evidence import provenance, records

ROOT = Path(provenance.PACKAGE).parent
NOTEBOOKS = sorted((ROOT / "notebooks").glob("*.ipynb"))
STUDIES = [study for study in studies.STUDIES.values() if study.arms]
ANATOMY = ["## Predict", "## Theory", "## The smallest demonstration", "## The experiment",
           "## Verdict",
           "## What differs", "## Exercises", "## Take-away"]  # fmt: skip
LINE = re.compile(
    r"^(?P<verdict>.{15}) (?P<id>[\w-]+): (?P<effect>[-+\d.,]+)"
    r"(?: \[(?P<low>[-+\d.]+), (?P<high>[-+\d.]+)\])?"
    r"(?: of (?P<compared>[\d,]+))? .*?(?:, n = (?P<n>\d+))? \((?P<preset>\w+), (?P<task>\w+ \w+)\)"
    r"(?:; .*)?$"
)


def by_name(file: Path) -> str:
    return file.stem


@pytest.mark.parametrize("file", NOTEBOOKS, ids=by_name)
def test_a_notebook_is_stored_without_outputs_and_with_its_parameters(file):
    notebook = nbformat.read(file, as_version=4)
    nbformat.validate(notebook)
    assert notebook.metadata.kernelspec.name == "python3"
    code = [cell for cell in notebook.cells if cell.cell_type == "code"]
    assert all(cell.execution_count is None and not cell.outputs for cell in code)
    (parameters,) = [c for c in code if "parameters" in c.metadata.get("tags", [])]
    defaults = {}
    exec(parameters.source, defaults)
    del defaults["__builtins__"]
    assert defaults == {
        "preset": "quick",
        "device": "auto",
        "seeds": None,
        "results": None,
        "data": None,
    }


@pytest.mark.parametrize("study", STUDIES, ids=lambda study: study.name)
def test_a_built_study_has_a_notebook_of_the_same_anatomy(study):
    notebook = nbformat.read(ROOT / "notebooks" / f"{study.name}.ipynb", as_version=4)
    text = "\n".join(cell.source for cell in notebook.cells if cell.cell_type == "markdown")
    places = [text.find(heading) for heading in ANATOMY]
    assert -1 not in places
    assert places == sorted(places)
    assert "**Question.**" in text
    assert "**Claim" in text
    assert text.count("$$") <= 2 * 4
    code = "\n".join(cell.source for cell in notebook.cells if cell.cell_type == "code")
    solutions = [c for c in notebook.cells if "hide-cell" in c.metadata.get("tags", [])]
    assert len(solutions) >= 2
    assert all("assert" in cell.source for cell in solutions)
    assert "chapter.verdicts()" in code
    # What a reader sees first: the title, then the conclusion, then the question.
    shown = [c for c in notebook.cells if "remove-cell" not in c.metadata.get("tags", [])]
    title, conclusion, question = (cell.source for cell in shown[:3])
    assert title.startswith("# ")
    assert len(title.splitlines()) == 1
    assert conclusion.endswith("chapter.conclusion()")
    assert question.startswith("**Question.**")


@pytest.mark.parametrize("file", NOTEBOOKS, ids=by_name)
def test_a_fold_says_what_is_in_it(file):
    notebook = nbformat.read(file, as_version=4)
    folded = {"hide-input", "hide-output", "hide-cell"}
    for cell in notebook.cells:
        if folded & set(cell.metadata.get("tags", [])):
            assert cell.metadata.get("mystnb", {}).get("code_prompt_show"), cell.id


@pytest.mark.parametrize("file", NOTEBOOKS, ids=by_name)
def test_code_that_is_shown_fits_80_columns(file):
    """Wider lines have to be scrolled on a page. `ruff format` cannot see to it: it knows no tags, and
    folded code has the project's 104 columns."""
    hidden = {"hide-input", "hide-cell", "remove-input", "remove-cell"}
    notebook = nbformat.read(file, as_version=4)
    shown = [
        (cell.id, line)
        for cell in notebook.cells
        if cell.cell_type == "code" and not hidden & set(cell.metadata.get("tags", []))
        for line in cell.source.splitlines()
    ]
    assert [(cell, line) for cell, line in shown if len(line) > 80] == []
    assert [(cell, line) for cell, line in shown if line.endswith("\\")] == []


@pytest.mark.parametrize("file", NOTEBOOKS, ids=by_name)
def test_prose_types_no_verdict(file):
    notebook = nbformat.read(file, as_version=4)
    prose = "\n".join(c.source for c in notebook.cells if c.cell_type == "markdown")
    # Words of a verdict stand in prose only where the scoreboard explains them.
    found = re.findall(r"\b(not reproduced|inconclusive|n = \d+)\b", prose)
    assert not found or file.stem == "scoreboard"


# ImageNet's chapter trains nothing that is judged: its verdicts wait for records.
LIVE = [study for study in STUDIES if "quick" in study.arms]


@pytest.fixture(scope="module", params=LIVE, ids=lambda study: study.name)
def executed(request, tmp_path_factory):
    """A study's notebook as the book has it, where that is of this very code; else run here.

    Here it has its own folder of records beside the recorded larger presets. Quick runs of this code
    are taken over; without any it trains.
    """
    study = request.param
    if notebook := of_the_book(study.name):
        return study, records.default_results(), notebook
    folder = tmp_path_factory.mktemp(study.name)
    results = folder / "results"
    (results / study.name).mkdir(parents=True)
    for preset in set(study.arms) - {"quick"}:
        kept = records.default_results() / study.name / preset
        if kept.exists():
            (results / study.name / preset).symlink_to(kept, target_is_directory=True)
    quick = records.default_results() / study.name / "quick"
    if quick.exists():
        shutil.copytree(quick, results / study.name / "quick")
    with contextlib.chdir(folder):
        notebook = papermill.execute_notebook(
            ROOT / "notebooks" / f"{study.name}.ipynb",
            folder / "executed.ipynb",
            parameters={"results": str(results), "device": "cpu"},
            kernel_name="python3",
            progress_bar=False,
        )
    return study, results, notebook


def of_the_book(name: str):
    """A notebook that `make book` has run, if nothing that it depends on is newer."""
    file = ROOT / "book" / "executed" / f"{name}.ipynb"
    if not file.exists():
        return None
    recorded = [p for p in (records.default_results() / name).glob("*") if p.name != "quick"]
    sources = [ROOT / "notebooks" / file.name, *provenance.PACKAGE.rglob("*.py"), *recorded]
    if max(source.stat().st_mtime for source in sources) > file.stat().st_mtime:
        return None
    notebook = nbformat.read(file, as_version=4)
    asked = notebook.metadata.papermill.parameters
    return notebook if asked.get("preset") == "quick" and not asked.get("results") else None


def printed(notebook) -> list[re.Match]:
    """The verdicts that a notebook shows, as lines of text."""
    outputs = [output for cell in notebook.cells for output in cell.get("outputs", [])]
    text = "\n".join(output.get("data", {}).get("text/plain", "") for output in outputs)
    return [match for match in map(LINE.match, text.splitlines()) if match]


def test_each_printed_verdict_follows_from_the_records_it_left(executed):
    study, results, notebook = executed
    lines = printed(notebook)
    assert lines
    claims = {claim.id: claim for claim in study.claims}
    for line in lines:
        claim, where = claims[line["id"]], (line["preset"], line["task"])
        arms = recomputed.from_files(results, study, *where)
        if claim.contrast.kind == "exact":
            counts = recomputed.counted(claim.contrast, arms)
            assert line["effect"].replace(",", "") == str(counts["differing"])
            assert line["compared"].replace(",", "") == str(counts["compared"])
            good = "supported" if claim.paper == "ours" else "reproduced"
            assert (line["verdict"].strip() == good) == (counts["differing"] == 0)
            continue
        word, *numbers, _ = recomputed.verdict_of(claim, arms, *where)
        assert line["verdict"].strip() == word, claim.id
        for name, number in zip(("effect", "low", "high"), numbers, strict=True):
            assert float(line[name]) == pytest.approx(number, abs=0.0051), (claim.id, name)


def test_no_cell_warns(executed):
    """A warning stands on the page, with a path of the machine that built it."""
    _, _, notebook = executed
    for cell in notebook.cells:
        said = [o["text"] for o in cell.get("outputs", []) if o.get("name") == "stderr"]
        assert said == [], cell["id"]


def test_every_claim_with_records_is_printed_and_tabled(executed):
    study, _, notebook = executed
    lines = printed(notebook)
    every_arm_is_quick = study.name not in ("optimizers", "search", "collapse")
    if every_arm_is_quick:
        assert {line["id"] for line in lines} == {claim.id for claim in study.claims}
    assert len(lines) >= 3
    tables = "".join(
        output["data"]["text/markdown"]
        for cell in notebook.cells
        for output in cell.get("outputs", [])
        if "text/markdown" in output.get("data", {})
    )
    texts = {claim.id: claim.text for claim in study.claims}
    for line in lines:
        assert texts[line["id"]] in tables
        assert f"**{line['verdict'].strip()}** ({line['preset']}, {line['task']})" in tables
