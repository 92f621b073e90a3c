"""Sphinx extension: the first use of a glossary's term in a chapter links to its definition.

The link has a card with the definition. The page's style shows it on hover and on keyboard focus, and
`glossary.js` hides it on Escape. Cards are put into the finished HTML, so that the search does not find
a term's definition in every chapter.
"""

import html
import re
from collections.abc import Iterator, Mapping
from pathlib import Path
from typing import Any, NamedTuple

from bs4 import BeautifulSoup, NavigableString, Tag

PAGE = "book/notation"
CHAPTERS = "book/executed/"

PROSE = ("p", "li", "dd")
BARRED = (
    "a", "code", "pre", "h1", "h2", "h3", "h4", "h5", "h6", "table", "figure", "figcaption", "script",
    "style", "strong", "svg", "button", "summary", "label", "legend", "fieldset", "nav", "blockquote",
)  # fmt: skip
"""Elements inside of which no term is marked."""

BARRED_CLASSES = {
    "math",
    "text_html",
    "resolve",
    "admonition-title",
    "sd-card-header",
    "toctree-wrapper",
}

LEFT_ALONE = {
    "n", "FF", "STE", "part", "parts", "block", "stack", "control", "task", "drop", "trial",
    "not tested",
}  # fmt: skip
"""Terms that are also everyday words, or too short to find: they are in the glossary alone."""


class Entry(NamedTuple):
    """A definition: its first paragraph as text, and its place in the book."""

    text: str
    address: str


def definitions(source: str) -> dict[str, str]:
    """By term the first paragraph of its definition, from the source of a page with glossaries.

    >>> definitions("```{glossary}\\nseed\\nrandom seed\\n  A number.\\n\\n  Not this.\\n```")
    {'seed': 'A number.', 'random seed': 'A number.'}
    """
    found: dict[str, str] = {}
    for block in re.findall(r"^```\{glossary\}\n(.*?)^```", source, re.DOTALL | re.MULTILINE):
        for entry in re.finditer(r"((?:^\S.*\n)+)((?:^[ ]+\S.*\n?)+)", block, re.MULTILINE):
            text = " ".join(entry[2].split())
            found |= dict.fromkeys(entry[1].strip().splitlines(), text)
    return found


def pattern(terms: Mapping[str, Any]) -> re.Pattern[str]:
    """What finds any of the terms, the longest first, in singular and plural.

    >>> [m[0] for m in pattern({"latent weight": 0, "memory": 0}).finditer("Latent weights, memories")]
    ['Latent weights', 'memories']
    """
    forms = sorted(map(_forms, terms), key=len, reverse=True)
    return re.compile(rf"(?<![\w-])(?:{'|'.join(forms)})(?![\w-])", re.IGNORECASE)


def _forms(term: str) -> str:
    escaped = re.escape(term).replace(r"\ ", r"\s+")
    return rf"{escaped[:-1]}(?:y|ies)" if term.endswith("y") else rf"{escaped}s?"


def singular(found: str, terms: Mapping[str, Any]) -> str:
    """The term that was found in some form.

    >>> singular("Latent weights", {"latent weight": 0})
    'latent weight'
    """
    words = " ".join(found.split())
    return next(term for term in terms if re.fullmatch(_forms(term), words, re.IGNORECASE))


def marked(body: str, entries: Mapping[str, Entry]) -> str:
    """A page's HTML, each term at its first use in prose a link with a card."""
    soup = BeautifulSoup(body, "html.parser")
    seen: set[str] = set()
    finder = pattern(entries)
    for text in list(_prose(soup)):
        pieces, last = [], 0
        for found in finder.finditer(text):
            entry = entries[singular(found[0], entries)]
            if entry.text in seen:
                continue
            seen.add(entry.text)
            pieces += [html.escape(text[last : found.start()]), _link(found[0], entry, len(seen))]
            last = found.end()
        if pieces:
            made = BeautifulSoup("".join(pieces) + html.escape(text[last:]), "html.parser")
            text.replace_with(*list(made.contents))
    return str(soup) if seen else body


def _prose(soup: BeautifulSoup) -> Iterator[NavigableString]:
    for text in soup.find_all(string=True):
        if type(text) is not NavigableString or not text.strip():
            continue
        above = [tag for tag in text.parents if isinstance(tag, Tag)]
        names = {tag.name for tag in above}
        classes = {name for tag in above for name in tag.get("class") or ()}
        if names & set(PROSE) and not names & set(BARRED) and not classes & BARRED_CLASSES:
            yield text


def _link(words: str, entry: Entry, number: int) -> str:
    card, text = f"term-card-{number}", html.escape(entry.text).replace("`", "")
    return (
        f'<span class="term"><a href="{entry.address}" aria-describedby="{card}">'
        f"{html.escape(words)}</a>"
        f'<span class="term-card" id="{card}" role="tooltip">{text}</span></span>'
    )


def on_page(app: Any, page: str, template: str, context: dict[str, Any], doctree: Any) -> None:
    """html-page-context: chapters get their cards."""
    if not page.startswith(CHAPTERS) or "body" not in context:
        return
    known = definitions((Path(app.srcdir) / f"{PAGE}.md").read_text())
    places = {
        name: at for (kind, name), at in app.env.get_domain("std").objects.items() if kind == "term"
    }
    address = app.builder.get_relative_uri(page, PAGE)
    entries = {
        term: Entry(text, f"{address}#{places[term][1]}")
        for term, text in known.items()
        if term not in LEFT_ALONE
    }
    context["body"] = marked(context["body"], entries)


def setup(app: Any) -> dict[str, Any]:
    app.connect("html-page-context", on_page)
    return {"version": "1", "parallel_read_safe": True, "parallel_write_safe": True}
