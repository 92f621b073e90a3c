"""Binds the built book into one PDF, page by page in reading order, with a bookmark for each.

Chromium prints the pages as they are built, with folds open; pypdf binds them. "Reproduce and cite"
links the file. Where there is no Chromium, that is said and there is neither file nor link.
"""

import os
import shutil
import sys
from concurrent.futures import ThreadPoolExecutor
from io import BytesIO
from pathlib import Path

import yaml
from check import ROOT, pages

NAME = "bnnstudy.pdf"
LINKED = "book/cite.html"
PROGRAMS = ("chromium", "chromium-browser", "google-chrome")
FLAGS = ["--no-sandbox", "--disable-gpu", "--disable-quic", "--no-first-run", "--disable-sync"]
PAPER = {"format": "A4", "margin": dict.fromkeys(("top", "bottom", "left", "right"), "10mm")}

READY = """async () => {
  document.documentElement.dataset.theme = "light";
  await window.MathJax?.startup?.promise;
  for (const fold of document.querySelectorAll("details")) fold.open = true;
  await Promise.allSettled([...document.images].map((image) => image.decode()));
}"""


def printed(tab, page: str, address: str) -> bytes:
    """A page as PDF.

    Args:
        tab: a tab of a browser.
        page: its path below `address`, where the book is, without ".html".
    """
    tab.goto(f"{address}/{page}.html")
    tab.evaluate(READY)
    return tab.pdf(**PAPER)


def bound(files: dict[str, bytes], titles: dict[str, str]) -> bytes:
    """PDFs as one, each with a bookmark.

    Args:
        files: PDFs by name, in order.
        titles: by name the bookmark.
    """
    from pypdf import PdfReader, PdfWriter

    writer = PdfWriter()
    for name, content in files.items():
        writer.append(PdfReader(BytesIO(content)), outline_item=titles[name], import_outline=False)
    writer.add_metadata({"/Title": "bnnstudy", "/Author": "the bnnstudy authors"})
    for page in writer.pages:
        page.compress_content_streams(level=9)
    writer.compress_identical_objects()
    made = BytesIO()
    writer.write(made)
    return made.getvalue()


def with_link(page: str) -> str:
    """A page's HTML with a link to the PDF at the article's end.

    >>> with_link("<article>x</article>")
    '<article>x<p><a href="../bnnstudy.pdf" download>The whole book as a PDF</a></p></article>'
    """
    link = f'<p><a href="../{NAME}" download>The whole book as a PDF</a></p>'
    return page if link in page else page.replace("</article>", f"{link}</article>", 1)


def some(program: str, names: list[str], address: str) -> dict[str, tuple[str, bytes]]:
    """Title and PDF of some pages, printed by a browser of their own."""
    from playwright.sync_api import sync_playwright

    with (
        sync_playwright() as playwright,
        playwright.chromium.launch(executable_path=program, args=FLAGS) as browser,
    ):
        tab = browser.new_page(color_scheme="light")
        tab.set_default_timeout(120_000)
        found = {}
        for name in names:
            content = printed(tab, name, address)
            found[name] = (tab.evaluate("document.querySelector('article h1').innerText"), content)
        return found


def main(root: Path = ROOT) -> int:
    """Make the PDF of the book that is built at `root`; exit status."""
    program = next(filter(None, map(shutil.which, PROGRAMS)), None)
    if not program:
        print("The PDF: left out, as there is no Chromium (`apt install chromium`)")
        return 0
    built = root / "_build" / "html"
    names = pages(yaml.safe_load((root / "_toc.yml").read_text()))
    workers = os.cpu_count() or 1
    with ThreadPoolExecutor(workers) as pool:
        shares = [names[k::workers] for k in range(workers)]
        done = pool.map(lambda share: some(program, share, built.as_uri()), shares)
        found = {name: made for share in done for name, made in share.items()}
    titles = {name: found[name][0].rstrip("#").strip() for name in names}
    made = bound({name: found[name][1] for name in names}, titles)
    (built / NAME).write_bytes(made)
    page = built / LINKED
    page.write_text(with_link(page.read_text()))
    print(f"The PDF: {built / NAME}, {len(made) / 1e6:.1f} MB")
    return 0


if __name__ == "__main__":
    sys.exit(main(*map(Path, sys.argv[1:])))
