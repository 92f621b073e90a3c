"""Finishes a built book: pages load what they use, and give away the notebooks and data behind them.

An entry of a bibliography is an item of a list: the role that docutils gives it is no longer one.
A first page should be there at once. So MathJax, 2 MB, goes from pages without a formula, and Font
Awesome's script, 1.5 MB, from all: the theme's style sheet has the same icons as a font.
"""

import itertools
import json
import re
import shutil
import sys
from pathlib import Path

ICONS = re.compile(r"<script[^>]*/fontawesome\.js[^>]*>\s*(</script>)?")
MATH = re.compile(
    r"<script[^>]*/mathjax/[^>]*>\s*</script>|<script>\s*window\.MathJax.*?</script>", re.DOTALL
)
LIST = re.compile(r'<ol( class="arabic[^"]*"(?: start="(\d+)")?)>')
PLOT = re.compile(r'(<figure class="plot">.*?)(?:<figcaption>.*?</figcaption>)?(</figure>)', re.DOTALL)
FORMULA = re.compile(r'class="[^"]*\bmath\b')


def lightened(page: str) -> str:
    """A page's HTML without the scripts that it does not need.

    >>> lightened('<script defer src="a/fontawesome.js?v=1"></script><p>x</p>')
    '<p>x</p>'
    >>> math, formula = '<script src="a/mathjax/tex-svg.js"></script>', '<p class="math">x</p>'
    >>> lightened(math + "<p>x</p>"), lightened(math + formula) == math + formula
    ('<p>x</p>', True)
    """
    page = ICONS.sub("", page)
    return page if FORMULA.search(page) else MATH.sub("", page)


def with_notebook(page: str, name: str) -> str:
    """A page's HTML with a link to the notebook behind it, at the article's end.

    >>> with_notebook("<article>x</article>", "sgd.ipynb")
    '<article>x<p><a href="sgd.ipynb" download>This page as a notebook</a></p></article>'
    """
    link = f'<p><a href="{name}" download>This page as a notebook</a></p>'
    return page if link in page else page.replace("</article>", f"{link}</article>", 1)


def with_data(page: str, name: str) -> str:
    """A page's HTML with a number for each figure, and a link to what it shows.

    >>> with_data('<figure class="plot">x</figure>', "sgd").partition("x")[2]
    '<figcaption>Figure 1. <a href="sgd-figure-1.csv" download>Data (CSV)</a></figcaption></figure>'
    """
    count = itertools.count(1)

    def captioned(found: re.Match[str]) -> str:
        k = next(count)
        link = f'<a href="{name}-figure-{k}.csv" download>Data (CSV)</a>'
        return f"{found[1]}<figcaption>Figure {k}. {link}</figcaption>{found[2]}"

    return PLOT.sub(captioned, page)


def data_apart(notebook: Path, folder: Path) -> None:
    """Copy a notebook into a folder, and beside it what its figures show, a file each."""
    content = json.loads(notebook.read_text())
    bundles = [
        out.get("data", {}) for cell in content.get("cells", []) for out in cell.get("outputs", [])
    ]
    found = [bundle.pop("text/csv") for bundle in bundles if "text/csv" in bundle]
    for k, rows in enumerate(found, start=1):
        (folder / f"{notebook.stem}-figure-{k}.csv").write_text("".join(rows))
    if found:
        (folder / notebook.name).write_text(json.dumps(content, indent=1, ensure_ascii=False) + "\n")
    else:
        shutil.copy(notebook, folder)


def with_exercises(page: str, name: str) -> str:
    """A chapter's HTML: an address for each exercise, a link to the notebook without solutions.

    >>> page = '<section id="exercises"><h2>x</h2><ol class="arabic"></ol></section>'
    >>> print(with_exercises(page, "a.ipynb").partition("fill in</a>")[2])
    </p><ol id="exercise-1" class="arabic"></ol></section>
    """
    before, start, rest = page.partition('<section id="exercises">')
    link = f'<p><a href="{name}" download>The exercises as a notebook to fill in</a></p>'
    if not start or link in rest:
        return page
    section, end, after = rest.partition('<section id="take-away">')
    section = LIST.sub(lambda found: f'<ol id="exercise-{found[2] or 1}"{found[1]}>', section)
    section = section.replace("</h2>", f"</h2>{link}", 1)
    return before + start + section + end + after


def main(executed: Path, built: Path) -> int:
    """Finish every page under a built book; exit status.

    Args:
        executed: the folder of executed notebooks, in the place below its parent's parent that their
            pages have below `built`.
        built: the folder of pages.
    """
    pages = built / executed.parent.name / executed.name
    # A script that no page loads any more, and maps for those who debug scripts.
    for unused in ("fontawesome.js*", "*.map"):
        for file in built.glob(f"_static/**/{unused}"):
            file.unlink()
    for file in built.rglob("*.html"):
        before = file.read_text()
        after = lightened(before).replace('role="doc-biblioentry"', 'role="listitem"')
        notebook = executed / f"{file.stem}.ipynb"
        if file.parent == pages and notebook.exists():
            data_apart(notebook, pages)
            after = with_data(with_notebook(after, notebook.name), notebook.stem)
        unsolved = file.with_name(f"{file.stem}-exercises.ipynb")
        if unsolved.exists():
            after = with_exercises(after, unsolved.name)
        if after != before:
            file.write_text(after)
    return 0


if __name__ == "__main__":
    sys.exit(main(*map(Path, sys.argv[1:])))
