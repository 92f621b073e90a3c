"""The notebooks as they are stored, and what they print when they are run."""

import base64
import contextlib
import json
import math
import re
import shutil
import zlib
from pathlib import Path

import nbformat
import numpy as np
import papermill
import pytest
from scipy import stats

from bnnstudy import studies
from bnnstudy.evidence import provenance, records, requirements
from bnnstudy.evidence.curves import judged
from bnnstudy.experiments import lookup
from bnnstudy.studies import history

ROOT = Path(provenance.PACKAGE).parent
NOTEBOOKS = sorted((ROOT / "notebooks").glob("*.ipynb"))
STUDIES = [study for study in studies.STUDIES.values() if study.arms]
ANATOMY = ["## Predict", "## Theory", "## The smallest demonstration", "## The experiment",
           "## Verdict",
           "## What differs", "## Exercises", "## Take-away"]  # fmt: skip
HISTORY = [json.loads(line) for line in history.FILE.read_text().splitlines()]
KNOWN = {entry["claim"]: entry.get("known", 0) for entry in HISTORY}
ANEW = {entry["claim"]: entry.get("anew", []) for entry in HISTORY}
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
    sources = [cell.source for cell in notebook.cells]
    predict = next(k for k, source in enumerate(sources) if "## Predict" in source)
    assert sources.index("chapter.conclusion()") < predict


@pytest.mark.parametrize("file", NOTEBOOKS, ids=by_name)
def test_prose_types_no_verdict(file):
    notebook = nbformat.read(file, as_version=4)
    prose = "\n".join(c.source for c in notebook.cells if c.cell_type == "markdown")
    # Words of a verdict stand in prose only where the scoreboard explains them.
    found = re.findall(r"\b(not reproduced|inconclusive|n = \d+)\b", prose)
    assert not found or file.stem == "scoreboard"


@pytest.fixture(scope="module", params=STUDIES, ids=lambda study: study.name)
def executed(request, tmp_path_factory):
    """A study's notebook as the book has it, where that is of this very code; else run here.

    Here it has its own folder of records beside the recorded larger presets. Quick runs of this code
    are taken over; without any it trains.
    """
    study = request.param
    if notebook := of_the_book(study.name):
        return study, records.DEFAULT_RESULTS, notebook
    folder = tmp_path_factory.mktemp(study.name)
    results = folder / "results"
    (results / study.name).mkdir(parents=True)
    for preset in set(study.arms) - {"quick"}:
        kept = records.DEFAULT_RESULTS / study.name / preset
        if kept.exists():
            (results / study.name / preset).symlink_to(kept, target_is_directory=True)
    quick = records.DEFAULT_RESULTS / study.name / "quick"
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
    recorded = [p for p in (records.DEFAULT_RESULTS / name).glob("*") if p.name != "quick"]
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


def raw(results: Path, study, preset: str, task: str) -> dict[str, dict[int, dict]]:
    """Arm (or "arm, part") and seed to result, read from the files with nothing of the package.

    But for the names: two arms that came to the same configuration share a file, which bears one.
    """
    names: dict[str, list[str]] = {}
    for run in judged(lookup.curves(study, preset, results)):
        names.setdefault(run["digest"], []).append(run["arm"])
    found: dict[str, dict[int, dict]] = {}
    for file in (results / study.name / preset).glob("*-s*.json"):
        record = json.loads(file.read_text())
        config, result = record["config"], record["result"]
        if task != f"{config.get('dataset', 'digits')} {config.get('model', 'mlp')}":
            continue
        for arm in names.get(record["digest"], []):
            for name, part in {"": result, **result.get("parts", {})}.items():
                called = f"{arm}, {name}" if name else arm
                found.setdefault(called, {})[config["seed"]] = {**part, "config": config}
    return found


def at(result, contrast, metric: str = "") -> float:
    for part in (metric or contrast.metric).split("."):
        result = result[int(part)] if isinstance(result, list) else result[part]
    return math.log10(max(result, 1e-6)) if getattr(contrast, "log", False) else result


def difference(runs, side, seed, contrast, metric: str = "") -> float:
    if not side:
        return 0.0
    if isinstance(side, str):
        return at(runs[side][seed], contrast, metric)
    return at(runs[side[0]][seed], contrast) - at(runs[side[1]][seed], contrast)


def speed(runs, seed, contrast) -> int:
    curves = [at(runs[side][seed], contrast) for side in (contrast.arm, contrast.control)]
    ends = [curve[-1] for curve in curves]
    if contrast.level != "own":
        ends = [ends[1] if contrast.level == "control" else min(ends)] * 2
    reached = []
    for end, curve in zip(ends, curves, strict=True):
        there = [k for k, v in enumerate(curve, start=1) if v >= end - contrast.below]
        reached.append((there or [len(curve) + 1])[0])
    return reached[0] - reached[1]


def effect(runs, seed, contrast) -> float:
    """A contrast's effect for one seed, worked out anew."""
    if contrast.kind == "speed":
        return speed(runs, seed, contrast)
    if contrast.kind == "trend":
        heights = [at(runs[arm][seed], contrast) for arm, _ in contrast.arms]
        return contrast.scale * np.polyfit([x for _, x in contrast.arms], heights, 1)[0]
    arm = difference(runs, contrast.arm, seed, contrast)
    control = difference(runs, contrast.control, seed, contrast, contrast.control_metric)
    return contrast.scale * (arm - control)


TEST_IMAGES = {"digits": 400, "mnist": 10_000, "cifar10": 10_000, "fsdd": 300}


def interval_of(contrast, runs, seeds, line, level: float = 0.95) -> tuple[float, float, float]:
    """Effect and interval, worked out anew."""
    if contrast.kind in ("every", "spread"):
        return extreme(contrast, runs, seeds, line)
    values = [effect(runs, seed, contrast) for seed in seeds]
    seeds_part, images_part = np.var(values, ddof=1) / len(values), images(runs, seeds, line, contrast)
    error = (seeds_part + images_part) ** 0.5
    # Satterthwaite: what is known of thousands of images is as good as exact.
    freedom = (len(values) - 1) * (error**2 / seeds_part) ** 2 if seeds_part else len(values) - 1
    half = stats.t.ppf((1 + level) / 2, freedom) * error
    return np.mean(values), np.mean(values) - half, np.mean(values) + half


def extreme(contrast, runs, seeds, line) -> tuple[float, float, float]:
    """Of a claim on several differences: the least of the claimed sign, or the largest of all."""
    parts = contrast.differences()
    usual = [interval_of(part, runs, seeds, line) for part in parts]
    strict = [interval_of(part, runs, seeds, line, 1 - 0.05 / len(parts)) for part in parts]
    means, lows, highs = zip(*usual, strict=True)
    if contrast.kind == "spread" or contrast.direction < 0:
        return max(means), max(low for _, low, _ in strict), max(highs)
    return min(means), min(lows), min(high for _, _, high in strict)


def images(runs, seeds, line, contrast) -> float:
    """The variance of an effect over other test images, worked out anew."""
    if contrast.kind not in ("difference", "equivalence", "trend") or contrast.log:
        return 0.0
    weights = weights_of(contrast)
    metrics = dict.fromkeys(weights, contrast.metric)
    if getattr(contrast, "control_metric", ""):
        metrics[contrast.control] = contrast.control_metric
    if any(metric.split(".")[-1] != "test_accuracy" for metric in metrics.values()):
        return 0.0
    kept = {
        arm: [runs[arm][seed].get("right", {}).get(metrics[arm]) for seed in seeds] for arm in weights
    }
    count = TEST_IMAGES[line["task"].split()[0]]
    if all(text for texts in kept.values() for text in texts):
        every = sum(
            weight * np.mean([unpacked(text, count) for text in kept[arm]], axis=0)
            for arm, weight in weights.items()
        )
        return contrast.scale**2 * np.var(every, ddof=1) / count
    whole = 0.0
    for arm, weight in weights.items():
        p = np.mean([at(runs[arm][seed], contrast, metrics[arm]) for seed in seeds])
        whole += weight**2 * p * (1 - p) / count
    return contrast.scale**2 * whole


def unpacked(text: str, count: int) -> np.ndarray:
    packed = zlib.decompress(base64.b85decode(text))
    return np.unpackbits(np.frombuffer(packed, np.uint8))[:count]


def weights_of(contrast) -> dict[str, float]:
    if contrast.kind == "trend":
        x = np.array([position for _, position in contrast.arms])
        slopes = (x - x.mean()) / ((x - x.mean()) ** 2).sum()
        return {arm: slope for (arm, _), slope in zip(contrast.arms, slopes, strict=True)}
    weights: dict[str, float] = {}
    for side, sign in ((contrast.arm, 1.0), (contrast.control, -1.0)):
        names = (side,) if isinstance(side, str) else side or ()
        for name, part in zip(names, (1.0, -1.0), strict=False):
            weights[name] = weights.get(name, 0.0) + sign * part
    return weights


def one_training(runs, seeds, contrast) -> bool:
    first, *others = contrast.named()
    if not all("curves" in runs[name][seed] for name in (first, *others) for seed in seeds):
        return False  # parts, which have no course of their own
    return all(
        runs[first][seed]["curves"]["train_loss"] == runs[other][seed]["curves"]["train_loss"]
        and at(runs[first][seed], contrast) == at(runs[other][seed], contrast)
        for other in others
        for seed in seeds
    )


def never_there(runs, seeds, contrast) -> bool:
    """Whether a curve comes to its level in fewer than half of the seeds."""
    if contrast.kind != "speed":
        return False
    ends = {side: [] for side in (contrast.arm, contrast.control)}
    for seed in seeds:
        curves = {side: at(runs[side][seed], contrast) for side in ends}
        last = {side: curve[-1] for side, curve in curves.items()}
        own = {"own": last, "lower": dict.fromkeys(last, min(last.values())),
               "control": dict.fromkeys(last, last[contrast.control])}[contrast.level]  # fmt: skip
        for side, curve in curves.items():
            ends[side].append(max(curve) < own[side] - contrast.below)
    return any(2 * sum(missed) > len(missed) for missed in ends.values())


def unmet(runs, seeds, requires) -> bool:
    """Whether something that has to act did not, in half of the seeds or more."""
    for need in requires:
        held = measured = 0
        for seed in seeds:
            run = runs.get(need.arm, {}).get(seed)
            value = figure_of(run, need.figure) if run else None
            if value is not None:
                measured += 1
                low = -math.inf if need.at_least is None else need.at_least
                held += low <= value <= (math.inf if need.at_most is None else need.at_most)
        if 2 * held <= measured:
            return True
    return False


def figure_of(run, name: str) -> float | None:
    if name.startswith("@"):  # tests/test_requirements.py has these by hand
        return requirements.figure(name, {"config": run["config"], "result": run})
    for part in name.split("."):
        run = run[int(part)] if isinstance(run, list) else run[part]
    return max(run) if isinstance(run, list) else run


def expected_verdict(claim, low, high) -> str:
    contrast = claim.contrast
    good, bad = ("supported", "refuted") if claim.paper == "ours" else ("reproduced", "not reproduced")
    if contrast.kind == "equivalence":
        yes = max(abs(low), abs(high)) <= contrast.margin
        no = min(abs(low), abs(high)) > contrast.margin and low * high > 0
    else:
        ends = sorted((contrast.direction * low, contrast.direction * high))
        yes, no = ends[0] > contrast.margin, ends[1] < contrast.margin
        # Arms that are equal in every seed are no test of a difference.
        no = no and not (low == high == 0 and contrast.margin >= 0)
    return good if yes else bad if no else "inconclusive"


def test_each_printed_verdict_follows_from_the_records_it_left(executed):
    study, results, notebook = executed
    lines = printed(notebook)
    assert lines
    claims = {claim.id: claim for claim in study.claims}
    for line in lines:
        claim = claims[line["id"]]
        contrast = claim.contrast
        runs = raw(results, study, line["preset"], line["task"])
        if contrast.kind == "exact":
            counts = [at(result, contrast) for result in runs[contrast.arm].values()]
            against, compared = (sum(c[k] for c in counts) for k in ("differing", "compared"))
            assert line["effect"].replace(",", "") == str(against)
            assert line["compared"].replace(",", "") == str(compared)
            good = "supported" if claim.paper == "ours" else "reproduced"
            assert (line["verdict"].strip() == good) == (against == 0)
            continue
        chose, spent = contrast.spent
        first = spent if chose == line["preset"] else 0
        if line["preset"] == "desk" and KNOWN[claim.id] and line["task"] not in ANEW[claim.id]:
            there = set.intersection(*(set(runs[arm]) for arm in contrast.named()))
            later = len(there - set(range(KNOWN[claim.id])))
            first = KNOWN[claim.id] if later >= 3 else first
        seeds = range(first, first + int(line["n"]))
        mean, low, high = interval_of(contrast, runs, seeds, line)
        for name, number in (("effect", mean), ("low", low), ("high", high)):
            assert float(line[name]) == pytest.approx(number, abs=0.0051), (claim.id, name)
        if line["verdict"].strip() == "not tested":
            assert (
                one_training(runs, seeds, contrast)
                or never_there(runs, seeds, contrast)
                or unmet(runs, seeds, claim.requires)
            ), claim.id
        else:
            assert line["verdict"].strip() == expected_verdict(claim, low, high), claim.id


def test_every_claim_with_records_is_printed_and_tabled(executed):
    study, _, notebook = executed
    lines = printed(notebook)
    every_arm_is_quick = study.name not in ("optimizers", "search")
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
