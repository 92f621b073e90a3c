"""The book's parts fit together, and its check sees what it is there to see."""

import importlib.util
import io
import json
import re
import sys
from pathlib import Path

import nbformat
import pypdf
import pytest
import yaml

from bnnstudy.evidence import provenance, records

PACKAGE = Path(provenance.PACKAGE)
ROOT = PACKAGE.parent


def script(name: str):
    """A script of the book, as a module."""
    spec = importlib.util.spec_from_file_location(name, ROOT / "book" / f"{name}.py")
    module = importlib.util.module_from_spec(spec)
    sys.modules.setdefault(name, module)  # they import each other
    spec.loader.exec_module(module)
    return module


check, finish, glossary, exercises = map(script, ("check", "finish", "glossary", "exercises"))
subjects, pdf = script("subjects"), script("pdf")

TOC = {
    "root": "book/a",
    "parts": [{"chapters": [{"file": "book/b", "sections": [{"file": "book/d"}]}]}],
    "chapters": [{"file": "book/c"}],
}
GOOD = f"<html><body><article>{'word ' * 50}</article></body></html>"


@pytest.fixture
def built(tmp_path):
    (tmp_path / "_toc.yml").write_text(yaml.safe_dump(TOC))
    pages = tmp_path / "_build" / "html" / "book"
    pages.mkdir(parents=True)
    for name in "abcd":
        (pages / f"{name}.html").write_text(GOOD)
    return pages


def test_a_whole_book_passes(built, capsys):
    assert check.main(built.parents[2]) == 0
    assert "4 pages" in capsys.readouterr().out


@pytest.mark.parametrize(
    ("spoil", "says"),
    [
        (lambda page: page.unlink(), "book/b: no page"),
        (lambda page: page.write_text(""), "book/b: only 0 words"),
        (lambda page: page.write_text(GOOD.replace("article", "nav")), "book/b: only 0 words"),
        (
            lambda page: page.write_text(GOOD + '<div class="output traceback">x</div>'),
            "book/b: shows a traceback",
        ),
        (
            lambda page: page.write_text(
                GOOD.replace("word ", "Traceback (most recent call last) ", 1)
            ),
            "book/b: shows a traceback",
        ),
    ],
)
def test_a_page_that_is_missing_empty_or_broken_fails_it(built, spoil, says, capsys):
    spoil(built / "b.html")
    assert check.main(built.parents[2]) == 1
    assert says in capsys.readouterr().err


def test_an_example_of_the_reference_may_show_a_traceback_and_what_follows_it_may_not(built, capsys):
    said = "Traceback (most recent call last)"
    example = f'<div class="doctest x"><div><pre>{said}</pre></div>{said}</div>'
    (built / "b.html").write_text(GOOD.replace("<article>", f"<article>{example}"))
    assert check.main(built.parents[2]) == 0
    (built / "b.html").write_text(GOOD.replace("<article>", f"<article>{example}{said}"))
    assert check.main(built.parents[2]) == 1
    assert "book/b: shows a traceback" in capsys.readouterr().err


def test_a_section_is_a_page_like_any_other(built, capsys):
    (built / "d.html").unlink()
    assert check.main(built.parents[2]) == 1
    assert "book/d: no page" in capsys.readouterr().err


def test_the_table_of_contents_and_the_makefile_name_all_notebooks():
    toc = yaml.safe_load((ROOT / "_toc.yml").read_text())
    listed = {Path(p).name for p in check.pages(toc) if "/executed/" in p}
    assert listed == {file.stem for file in (ROOT / "notebooks").glob("*.ipynb")}
    for page in check.pages(toc):
        assert "/executed/" in page or (ROOT / f"{page}.md").exists()
    made = re.findall(r"^(?:STUDIES|REPORTS) [:+]= (.*)$", (ROOT / "Makefile").read_text(), re.M)
    assert set(" ".join(made).split()) == listed


def test_requirements_are_pinned_exactly():
    lines = (ROOT / "requirements.txt").read_text().splitlines()
    pins = [line for line in lines if line and not line.startswith("#")]
    assert all(re.fullmatch(r"[\w.-]+==[\w.]+", pin) for pin in pins)
    assert "jupyter-book==1.0.4.post1" in pins


def test_the_workflow_runs_the_readmes_targets_and_publishes_what_they_built():
    jobs = yaml.safe_load((ROOT / ".github" / "workflows" / "book.yml").read_text())["jobs"]
    commands = [step["run"] for step in jobs["check"]["steps"] if "run" in step]
    assert commands == ["make lint", "make book", "make pdf", "make test"]
    assert jobs["publish"]["needs"] == "check"
    (upload,) = [step for step in jobs["check"]["steps"] if "upload-pages" in step.get("uses", "")]
    assert upload["with"]["path"] == "_build/html"
    script = (ROOT / ".ci" / "run").read_text()
    assert re.findall(r"^make (\w+)$", script, re.M) == ["lint", "book", "test"]


def test_the_workflow_tries_the_lowest_torch_that_is_stated():
    (lowest,) = re.findall(r'"torch>=([\d.]+)"', (ROOT / "pyproject.toml").read_text())
    jobs = yaml.safe_load((ROOT / ".github" / "workflows" / "book.yml").read_text())["jobs"]
    commands = " ".join(step.get("run", "") for step in jobs["lowest"]["steps"])
    assert f"torch=={lowest}.0 " in commands
    left_out = re.findall(r"--ignore=(\S+)", commands)
    assert left_out
    assert all((ROOT / file).is_file() for file in left_out)


def test_no_record_is_large():
    # What git tracks: all presets but quick. `tests/test_studies.py` has the sum.
    files = [f for f in records.default_results().glob("*/*/*.json") if f.parent.name != "quick"]
    assert all(file.stat().st_size < 64e3 for file in files)


def test_the_code_that_the_notation_names_is_there():
    text = (ROOT / "book" / "notation.md").read_text()
    named = set(re.findall(r"`([a-z_]+)\.([A-Za-z_]\w*)`", text)) - {("layer", "weight")}
    assert len(named) > 10
    for module, name in named:
        files = [*PACKAGE.rglob(f"{module}.py"), *PACKAGE.rglob(f"{module}/*.py")]
        defined = rf"^(?:\s*def |class |from .* import .*\b|    )?{name}\b"
        there = any(re.search(defined, file.read_text(), re.MULTILINE) for file in files)
        assert there or any(file.stem == name for file in files), f"{module}.{name}"


MATHJAX = '<script defer="defer" src="../../_static/mathjax/tex-svg.js?v=5"></script>'
ICONS = '<script defer src="../../_static/scripts/fontawesome.js?digest=5"></script>'


def test_a_page_loads_mathjax_where_it_has_a_formula_and_no_script_of_icons():
    formula = '<span class="math notranslate nohighlight">x</span>'
    assert finish.lightened(f"{MATHJAX}{ICONS}<p>x</p>") == "<p>x</p>"
    assert finish.lightened(f"{MATHJAX}{ICONS}{formula}") == f"{MATHJAX}{formula}"
    other = '<script src="a/pydata-sphinx-theme.js"></script>'
    assert finish.lightened(other) == other


def test_the_notebook_behind_a_page_lies_beside_it(tmp_path):
    executed, built = tmp_path / "book" / "executed", tmp_path / "html"
    pages = built / "book" / "executed"
    for folder in (executed, pages):
        folder.mkdir(parents=True)
    (executed / "sgd.ipynb").write_text("{}")
    scripts = built / "_static" / "scripts"
    scripts.mkdir(parents=True)
    for name in ("fontawesome.js", "fontawesome.js.map", "theme.js"):
        (scripts / name).touch()
    for page in (pages / "sgd.html", pages / "genindex.html", built / "index.html"):
        page.write_text(GOOD)
    for _ in range(2):  # a second time changes nothing
        assert finish.main(executed, built) == 0
        assert (pages / "sgd.html").read_text().count('href="sgd.ipynb"') == 1
        assert (pages / "sgd.ipynb").read_text() == "{}"
        assert (pages / "genindex.html").read_text() == (built / "index.html").read_text() == GOOD
        assert [file.name for file in scripts.iterdir()] == ["theme.js"]


def one_page(text: str) -> bytes:
    """A PDF of one page, as wide as the text is long."""
    made = io.BytesIO()
    writer = pypdf.PdfWriter()
    writer.add_blank_page(100 + len(text), 100)
    writer.write(made)
    return made.getvalue()


def test_the_pages_are_bound_in_order_with_a_bookmark_each():
    files = {"b": one_page("bb"), "a": one_page("a")}
    made = pypdf.PdfReader(io.BytesIO(pdf.bound(files, {"a": "Last", "b": "First"})))
    assert [page.mediabox.width for page in made.pages] == [102, 101]
    found = [(mark.title, made.get_destination_page_number(mark)) for mark in made.outline]
    assert found == [("First", 0), ("Last", 1)]


def test_without_a_chromium_the_pdf_is_left_out_and_so_is_its_link(built, capsys, monkeypatch):
    monkeypatch.setattr(pdf.shutil, "which", lambda name: None)
    root = built.parents[2]
    (built / "cite.html").write_text(GOOD)
    assert pdf.main(root) == 0
    assert "left out" in capsys.readouterr().out
    assert (built / "cite.html").read_text() == GOOD
    assert not list(root.rglob("*.pdf"))


def test_the_pdf_of_a_book_is_linked_once(built, monkeypatch):
    shown = {f"book/{name}": (f"{name.upper()}#", one_page(name)) for name in "abcd"}
    monkeypatch.setattr(pdf.shutil, "which", lambda name: name)
    monkeypatch.setattr(pdf, "some", lambda program, names, at: {name: shown[name] for name in names})
    (built / "cite.html").write_text(GOOD)
    for _ in range(2):
        assert pdf.main(built.parents[2]) == 0
    made = pypdf.PdfReader(built.parent / pdf.NAME)
    assert [mark.title for mark in made.outline] == ["A", "B", "D", "C"]  # as the contents have them
    assert (built / "cite.html").read_text().count(f'href="../{pdf.NAME}"') == 1


def test_the_data_of_figures_lie_beside_their_page_and_not_in_its_notebook(tmp_path):
    executed, pages = tmp_path / "book" / "executed", tmp_path / "html" / "book" / "executed"
    for folder in (executed, pages):
        folder.mkdir(parents=True)
    figures = [f'<figure>{k}<script type="text/csv">a,b\n{k},2\n</script></figure>' for k in (1, 2)]
    outputs = [{"data": {"text/html": [figure]}} for figure in figures]
    (executed / "sgd.ipynb").write_text(json.dumps({"cells": [{"outputs": outputs}, {}]}))
    (pages / "sgd.html").write_text(GOOD.replace("<article>", f"<article>{''.join(figures)}"))
    for _ in range(2):  # a second time changes nothing
        assert finish.main(executed, tmp_path / "html") == 0
        page = (pages / "sgd.html").read_text()
        assert re.findall(r"Figure (\d)\. <a href=\"([^\"]*)\"", page) == [
            ("1", "sgd-figure-1.csv"),
            ("2", "sgd-figure-2.csv"),
        ]
        assert "<script" not in page + (pages / "sgd.ipynb").read_text()
        assert [(pages / f"sgd-figure-{k}.csv").read_text() for k in (1, 2)] == [
            "a,b\n1,2\n",
            "a,b\n2,2\n",
        ]


TERMS = {
    "latent weight": glossary.Entry("The real one.", "n.html#t"),
    "seed": glossary.Entry("<1>", "#s"),
}


def test_a_term_is_marked_at_its_first_use_in_prose_and_its_card_has_the_definition():
    body = "<h2>Seeds</h2><p>Two seeds, <code>seed</code>, a seed.</p><p>Latent weights.</p>"
    made = glossary.marked(body, TERMS)
    assert re.findall(r'<a aria-describedby="([^"]*)" href="([^"]*)">([^<]*)</a>', made) == [
        ("term-card-1", "#s", "seeds"),
        ("term-card-2", "n.html#t", "Latent weights"),
    ]
    assert '<span class="term-card" id="term-card-1" role="tooltip">&lt;1&gt;</span>' in made
    assert re.sub(r'<span class="term-card".*?</span>|</?span[^>]*>|</?a[^>]*>', "", made) == body


@pytest.mark.parametrize(
    "barred",
    [
        "<h2>a seed</h2>",
        "<p><a href='x'>a seed</a></p>",
        "<p><code>seed</code></p>",
        "<pre><p>seed</p></pre>",
        "<table><td><p>seed</p></td></table>",
        '<p><span class="math">seed</span></p>',
        '<div class="output text_html"><p>seed</p></div>',
        "<p>seedling, re-seed</p>",
        "<div>seed</div>",
    ],
)
def test_no_term_is_marked_outside_of_prose(barred):
    assert glossary.marked(barred, TERMS) == barred


def test_each_definition_is_a_sentence_of_its_own():
    found = glossary.definitions((ROOT / "book" / "notation.md").read_text())
    used = """binary network, latent weight, surrogate gradient, straight-through estimator,
        clipping, filter, alpha, gamma, flip ratio, margin, seed, claim, answer,
        post hoc, record, preset, schedule, batch-norm statistics, noise gain"""
    assert {" ".join(term.split()) for term in used.split(",")} <= set(found)
    assert all(text.endswith(".") and "{" not in text and "$" not in text for text in found.values())
    assert set(found) >= glossary.LEFT_ALONE


CHAPTERS = sorted((ROOT / "notebooks").glob("*.ipynb"))


def with_exercises():
    for file in CHAPTERS:
        notebook = nbformat.read(file, as_version=4)
        if exercises.texts(notebook):
            yield pytest.param(notebook, id=file.stem)


@pytest.mark.parametrize("notebook", list(with_exercises()))
def test_an_exercise_notebook_is_the_chapter_without_solutions(notebook):
    found = exercises.texts(notebook)
    assert list(found) == list(range(1, len(found) + 1))
    assert len(found) == 3
    made = exercises.unsolved(notebook)
    nbformat.validate(made)
    assert exercises.texts(made) == found  # every question is there,
    text = "\n".join(cell.source for _, cell in after_heading(made))
    assert "dropdown" not in text  # no answer is,
    solved = [cell for _, cell in after_heading(notebook) if cell.cell_type == "code"]
    empty = [cell for _, cell in after_heading(made) if cell.cell_type == "code"]
    assert len(empty) == len(solved)
    assert all(re.fullmatch(r"# Exercise \d: your code\.", cell.source) for cell in empty)
    # and what comes before them is as it was.
    before = [cell.source for cell in notebook.cells if cell not in solved and cell.cell_type == "code"]
    kept = [cell.source for cell in made.cells if cell not in empty and cell.cell_type == "code"]
    assert kept == before
    assert all(not c.outputs for c in made.cells if c.cell_type == "code")
    assert notebook != made


def after_heading(notebook):
    return [(place, notebook.cells[place]) for place, _ in exercises.of_section(notebook)]


def test_the_first_words_of_an_exercise_end_with_a_sentence():
    assert exercises.first_words("How small may $x$ be? " + "A" * 50 + ". No.") == (
        "How small may $x$ be? " + "A" * 50 + "."
    )


def test_each_exercise_has_an_address_and_the_page_its_notebook_once():
    first, second = '<ol class="arabic simple"></ol>', '<ol class="arabic simple" start="2"></ol>'
    page = f'{first}<section id="exercises"><h2>E</h2>{first}{second}</section>'
    page += f'<section id="take-away">{first}</section>'
    for _ in range(2):
        page = finish.with_exercises(page, "sgd-exercises.ipynb")
    assert re.findall(r'<ol id="([^"]*)"', page) == ["exercise-1", "exercise-2"]
    assert page.count('href="sgd-exercises.ipynb"') == 1
    assert finish.with_exercises(GOOD, "x.ipynb") == GOOD


def test_every_chapter_is_found_by_subjects_of_its_own():
    assert set(subjects.SUBJECTS) | {"index"} == {file.stem for file in CHAPTERS}
    words = [word.lower() for own in subjects.SUBJECTS.values() for word in own]
    assert len(set(words)) == len(words)
