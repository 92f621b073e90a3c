"""Exercises of the chapters: their index as a directive of Sphinx, and notebooks without solutions.

An exercise is an item of a numbered list below the heading "Exercises"; its solution is the folded code
cell that follows, its answer the fold after that. As a script: `exercises.py NOTEBOOKS FOLDER` writes a
notebook for each chapter with exercises, NAME-exercises.ipynb.
"""

import copy
import re
import sys
from collections.abc import Iterator
from pathlib import Path
from typing import Any

import nbformat
import yaml
from docutils import nodes
from docutils.parsers.rst import Directive
from docutils.statemachine import StringList

HEADING, END = "## Exercises", "## Take-away"
SUFFIX = "-exercises.ipynb"

_NUMBERED = re.compile(r"^(\d)\. (.*?)(?=^\d\. |^## |^:::|\Z)", re.DOTALL | re.MULTILINE)
_ANSWER = re.compile(r"^:::\{dropdown\}.*?^:::\n*", re.DOTALL | re.MULTILINE)
_LINK = re.compile(r"\[([^\]]*)\]\([^)]*\)")
_EQUATION = re.compile(r"\{eq\}`[^`]*`")
_ROLE = re.compile(r"\{\w+(?::\w+)?\}`([^`]*)`")

NOTE = (
    "*The exercises are at the end, without their solutions. The cells before them define what they "
    "use: run those first, in the folder of notebooks. The page of the chapter has the solutions.*"
)


def of_section(notebook: Any) -> Iterator[tuple[int, str]]:
    """The cells from the heading of the exercises to the take-away: place, and text of that section."""
    inside = False
    for place, cell in enumerate(notebook.cells):
        text = cell.source
        if cell.cell_type == "markdown" and HEADING in text:
            inside, text = True, text[text.index(HEADING) :]
        if inside:
            done = cell.cell_type == "markdown" and END in text
            yield place, text.partition(END)[0] if done else text
            if done:
                return


def texts(notebook: Any) -> dict[int, str]:
    """The exercises of a notebook by number, each on one line."""
    return {
        int(found[1]): " ".join(found[2].split())
        for place, text in of_section(notebook)
        if notebook.cells[place].cell_type == "markdown"
        for found in _NUMBERED.finditer(text)
    }


def first_words(text: str, least: int = 60) -> str:
    """The first sentence of an exercise, or a few if that is short, without links and roles.

    >>> first_words("Why? Take [the filter](a.ipynb) of {eq}`x` and measure how it moves. Then stop.")
    'Why? Take the filter of the equation and measure how it moves.'
    """
    plain = _ROLE.sub(r"\1", _EQUATION.sub("the equation", _LINK.sub(r"\1", text)))
    said = ""
    for sentence in re.split(r"(?<=[.?:])\s+(?=[A-Z(`$])", plain):
        said = f"{said} {sentence}".strip()
        if len(said) >= least:
            break
    return said


def unsolved(notebook: Any) -> Any:
    """A chapter's notebook with nothing run, its exercises without solution and answer."""
    made = copy.deepcopy(notebook)
    for cell in made.cells:
        if cell.cell_type == "code":
            cell.outputs, cell.execution_count = [], None
    number = 0
    for place, text in of_section(notebook):
        cell = made.cells[place]
        if cell.cell_type == "markdown":
            number = max([number, *(int(found[1]) for found in _NUMBERED.finditer(text))])
            cell.source = _ANSWER.sub("", cell.source).strip("\n")
        elif "hide-cell" in cell.metadata.get("tags", []):
            cell.source = f"# Exercise {number}: your code."
            cell.metadata = {}
    made.cells = [cell for cell in made.cells if cell.source]
    made.cells.insert(1, nbformat.v4.new_markdown_cell(NOTE, id="exercises-note"))
    return made


def title(notebook: Any) -> str:
    """What stands in the first heading."""
    return str(notebook.cells[0].source.splitlines()[0].removeprefix("# "))


class Index(Directive):
    """`{exercise-index}`: all exercises by chapter, in the order of the table of contents."""

    def run(self) -> list[nodes.Node]:
        env = self.state.document.settings.env
        lines = list(_index(Path(env.srcdir), env.note_dependency))
        node = nodes.section()
        node.document = self.state.document
        self.state.nested_parse(StringList(lines, source="exercises"), self.content_offset, node)
        return list(node.children)


def _index(root: Path, depends_on: Any) -> Iterator[str]:
    listed = re.findall(r"executed/(\w+)", str(yaml.safe_load((root / "_toc.yml").read_text())))
    for name in listed:
        file = root / "notebooks" / f"{name}.ipynb"
        depends_on(str(file))
        notebook = nbformat.read(file, as_version=4)
        if not (found := texts(notebook)):
            continue
        own = f'<a href="executed/{name}{SUFFIX}" download>notebook to fill in</a>'
        yield from (f"**{title(notebook)}** ({own})", "")
        for number, text in found.items():
            address = f"executed/{name}.html#exercise-{number}"
            yield f'{number}. <a href="{address}">{first_words(text)}</a>'
        yield ""


def main(notebooks: Path, folder: Path) -> int:
    """Write the exercise notebooks; exit status."""
    for file in sorted(notebooks.glob("*.ipynb")):
        notebook = nbformat.read(file, as_version=4)
        if texts(notebook):
            nbformat.write(unsolved(notebook), folder / f"{file.stem}{SUFFIX}")
    return 0


def setup(app: Any) -> dict[str, Any]:
    app.add_directive("exercise-index", Index)
    return {"version": "1", "parallel_read_safe": True, "parallel_write_safe": True}


if __name__ == "__main__":
    sys.exit(main(*map(Path, sys.argv[1:])))
