"""Checks the built book: every page of the table of contents is there, has text, shows no traceback.

Prints where the book is and how many pages it has; exit status 1 and a line for each fault otherwise.
"""

import html.parser
import sys
from pathlib import Path

import yaml

ROOT = Path(__file__).resolve().parent.parent
LEAST_WORDS = 30


class _Article(html.parser.HTMLParser):
    """Collects the words of a page's article, and whether a cell ended in an exception.

    An example of a docstring may show one: that is what it is an example of.
    """

    def __init__(self):
        super().__init__()
        self.depth, self.words, self.traceback = 0, 0, False
        self.example = 0  # How many `div`s deep inside of one.

    def handle_starttag(self, tag, attrs):
        classes = (dict(attrs).get("class") or "").split()
        if tag == "article":
            self.depth += 1
        if tag == "div" and (self.example or "doctest" in classes):
            self.example += 1
        self.traceback |= "traceback" in classes

    def handle_endtag(self, tag):
        if tag == "article":
            self.depth -= 1
        if tag == "div" and self.example:
            self.example -= 1

    def handle_data(self, text):
        if self.depth:
            self.words += len(text.split())
            self.traceback |= "Traceback (most recent call last)" in text and not self.example


def pages(toc: dict) -> list[str]:
    """The files that a table of contents lists, the root first."""
    chapters = [chapter for part in toc.get("parts", []) for chapter in part["chapters"]]
    return [toc["root"], *_files(chapters + toc.get("chapters", []))]


def _files(chapters: list[dict]) -> list[str]:
    """Each chapter's, followed by those of its sections."""
    return [
        file for chapter in chapters for file in (chapter["file"], *_files(chapter.get("sections", [])))
    ]


def faults(toc: dict, built: Path) -> list[str]:
    """What is wrong with the book under `built`, one line each."""
    found = []
    for page in pages(toc):
        file = built / f"{page}.html"
        if not file.exists():
            found.append(f"{page}: no page")
            continue
        article = _Article()
        article.feed(file.read_text())
        if article.words < LEAST_WORDS:
            found.append(f"{page}: only {article.words} words")
        if article.traceback:
            found.append(f"{page}: shows a traceback")
    return found


def main(root: Path = ROOT) -> int:
    """Check the book of the project at `root`."""
    toc = yaml.safe_load((root / "_toc.yml").read_text())
    built = root / "_build" / "html"
    found = faults(toc, built)
    for fault in found:
        print(f"book: {fault}", file=sys.stderr)
    if not found:
        print(f"The book: {built / 'index.html'}, {len(pages(toc))} pages")
    return 1 if found else 0


if __name__ == "__main__":
    sys.exit(main(*map(Path, sys.argv[1:])))
