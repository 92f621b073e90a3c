"""The notebooks as they are stored, and what they print when they are run."""

import contextlib
import json
import re
from pathlib import Path

import nbformat
import numpy as np
import papermill
import pytest
from scipy import stats

from bnnstudy import records, studies

ROOT = Path(records.PACKAGE).parent
NOTEBOOKS = sorted((ROOT / "notebooks").glob("*.ipynb"))
STUDIES = [study for study in studies.STUDIES.values() if study.arms]
ANATOMY = ["## Predict", "## Theory", "## The smallest demonstration", "## The experiment",
           "## Verdict",
           "## What differs", "## Exercises", "## Take-away"]  # fmt: skip
LINE = re.compile(
    r"^(?P<verdict>.{15}) (?P<id>[\w-]+): (?P<effect>[-+\d.,]+)"
    r"(?: \[(?P<low>[-+\d.]+), (?P<high>[-+\d.]+)\])?"
    r"(?: of (?P<compared>[\d,]+))? .*?(?:, n = (?P<n>\d+))? \((?P<preset>\w+)\)$"
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
    assert "studies.verdicts_of(study, records)" in code


@pytest.mark.parametrize("file", NOTEBOOKS, ids=by_name)
def test_prose_types_no_verdict(file):
    notebook = nbformat.read(file, as_version=4)
    prose = "\n".join(c.source for c in notebook.cells if c.cell_type == "markdown")
    # Words of a verdict stand in prose only where the scoreboard explains them.
    found = re.findall(r"\b(not reproduced|inconclusive|n = \d+)\b", prose)
    assert not found or file.stem == "scoreboard"


@pytest.fixture(scope="module", params=STUDIES, ids=lambda study: study.name)
def executed(request, tmp_path_factory):
    """A study's notebook, run with its own folder of records beside the recorded larger presets."""
    study = request.param
    folder = tmp_path_factory.mktemp(study.name)
    results = folder / "results"
    (results / study.name).mkdir(parents=True)
    for preset in set(study.arms) - {"quick"}:
        kept = records.DEFAULT_RESULTS / study.name / preset
        if kept.exists():
            (results / study.name / preset).symlink_to(kept, target_is_directory=True)
    with contextlib.chdir(folder):
        notebook = papermill.execute_notebook(
            ROOT / "notebooks" / f"{study.name}.ipynb",
            folder / "executed.ipynb",
            parameters={"results": str(results), "device": "cpu"},
            kernel_name="python3",
            progress_bar=False,
        )
    return study, results, notebook


def printed(notebook) -> dict[str, re.Match]:
    """The verdict lines that a notebook printed, by claim."""
    text = "".join(
        output.get("text", "") for cell in notebook.cells for output in cell.get("outputs", [])
    )
    return {match["id"]: match for match in map(LINE.match, text.splitlines()) if match}


def raw(results: Path, study: str, preset: str) -> dict[str, dict[int, dict]]:
    """Arm and seed to result, read from the files with nothing of the package."""
    found: dict[str, dict[int, dict]] = {}
    for file in (results / study / preset).glob("*-s*.json"):
        record = json.loads(file.read_text())
        found.setdefault(record["arm"], {})[record["config"]["seed"]] = record["result"]
    return found


def at(result, metric: str):
    for part in metric.split("."):
        result = result[int(part)] if isinstance(result, list) else result[part]
    return result


def difference(runs, side, seed, metric) -> float:
    if isinstance(side, str):
        return at(runs[side][seed], metric)
    return at(runs[side[0]][seed], metric) - at(runs[side[1]][seed], metric)


def test_each_printed_verdict_follows_from_the_records_it_left(executed):
    study, results, notebook = executed
    lines = printed(notebook)
    for claim in study.claims:
        if claim.id not in lines:
            continue
        line, contrast = lines[claim.id], claim.contrast
        runs = raw(results, study.name, line["preset"])
        good, bad = (
            ("supported", "refuted") if claim.paper == "ours" else ("reproduced", "not reproduced")
        )
        if contrast.kind == "exact":
            counts = [at(result, contrast.metric) for result in runs[contrast.arm].values()]
            against, compared = (sum(c[k] for c in counts) for k in ("differing", "compared"))
            assert line["effect"].replace(",", "") == str(against)
            assert line["compared"].replace(",", "") == str(compared)
            assert line["verdict"].strip() == (bad if against else good)
            continue
        values = [
            contrast.scale * (difference(runs, contrast.arm, seed, contrast.metric)
                              - difference(runs, contrast.control, seed, contrast.metric))
            for seed in range(int(line["n"]))
        ]  # fmt: skip
        half = stats.t.ppf(0.975, len(values) - 1) * np.std(values, ddof=1) / len(values) ** 0.5
        low, high = np.mean(values) - half, np.mean(values) + half
        for name, number in (("effect", np.mean(values)), ("low", low), ("high", high)):
            assert float(line[name]) == pytest.approx(number, abs=0.0051), (claim.id, name)
        if contrast.kind == "equivalence":
            yes, no = (
                max(abs(low), abs(high)) <= contrast.margin,
                min(abs(low), abs(high)) > contrast.margin,
            )
            no = no and low * high > 0
        else:
            ends = sorted((contrast.direction * low, contrast.direction * high))
            yes, no = ends[0] > contrast.margin, ends[1] < contrast.margin
        assert line["verdict"].strip() == (good if yes else bad if no else "inconclusive"), claim.id


def test_every_claim_with_records_is_printed_and_tabled(executed):
    study, _, notebook = executed
    lines = printed(notebook)
    every_arm_is_quick = study.name != "optimizers"
    if every_arm_is_quick:
        assert set(lines) == {claim.id for claim in study.claims}
    assert len(lines) >= 3
    tables = "".join(
        output["data"]["text/markdown"]
        for cell in notebook.cells
        for output in cell.get("outputs", [])
        if "text/markdown" in output.get("data", {})
    )
    for name, line in lines.items():
        claim = next(claim for claim in study.claims if claim.id == name)
        assert claim.text in tables
        assert f"**{line['verdict'].strip()}** ({line['preset']})" in tables
