"""Finishes a built book: pages load what they use, and give away the notebooks and data behind them.

An entry of a bibliography is an item of a list: the role that docutils gives it is no longer one.
A first page should be there at once. So MathJax, 2 MB, goes from pages without a formula, and Font
Awesome's script, 1.5 MB, from all: the theme's style sheet has the same icons as a font.
"""

import json
import re
import sys
from pathlib import Path

ICONS = re.compile(r"<script[^>]*/fontawesome\.js[^>]*>\s*(</script>)?")
MATH = re.compile(
    r"<script[^>]*/mathjax/[^>]*>\s*</script>|<script>\s*window\.MathJax.*?</script>", re.DOTALL
)
LIST = re.compile(r'<ol( class="arabic[^"]*"(?: start="(\d+)")?)>')
DATA = re.compile(r'<script type="text/csv">(.*?)</script>', re.DOTALL)
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


def with_data(page: str, name: str) -> tuple[str, dict[str, str]]:
    """A page's HTML with a number for each figure and a link to its data; the data by file name.

    >>> page = '<figure>x<script type="text/csv">a,b</script></figure>'
    >>> page, files = with_data(page, "sgd")
    >>> page.partition("x")[2]
    '<figcaption>Figure 1. <a href="sgd-figure-1.csv" download>Data (CSV)</a></figcaption></figure>'
    >>> files
    {'sgd-figure-1.csv': 'a,b'}
    """
    files: dict[str, str] = {}

    def linked(found: re.Match[str]) -> str:
        count = len(files) + 1
        files[f"{name}-figure-{count}.csv"] = found[1]
        link = f'<a href="{name}-figure-{count}.csv" download>Data (CSV)</a>'
        return f"<figcaption>Figure {count}. {link}</figcaption>"

    return DATA.sub(linked, page), files


def without_data(notebook: str) -> str:
    """A notebook as it is stored, without the data of its figures, which stands beside it."""
    content = json.loads(notebook)
    outputs = [out for cell in content.get("cells", []) for out in cell.get("outputs", [])]
    shown = [out["data"] for out in outputs if "text/html" in out.get("data", {})]
    for bundle in shown:
        bundle["text/html"] = DATA.sub("", "".join(bundle["text/html"]))
    return json.dumps(content, indent=1, ensure_ascii=False) + "\n" if shown else notebook


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
            (pages / notebook.name).write_text(without_data(notebook.read_text()))
            after, files = with_data(with_notebook(after, notebook.name), notebook.stem)
            for name, rows in files.items():
                (pages / name).write_text(rows)
        unsolved = file.with_name(f"{file.stem}-exercises.ipynb")
        if unsolved.exists():
            after = with_exercises(after, unsolved.name)
        if after != before:
            file.write_text(after)
    return 0


if __name__ == "__main__":
    sys.exit(main(*map(Path, sys.argv[1:])))
