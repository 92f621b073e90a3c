"""Sphinx extension for the API reference: the package's docstrings, written for `help()`, as RST.

Docstrings are plain text with Markdown's single backquotes, indented examples and indented formulas.
Here code becomes a literal, or a link where it is a public name; an example a doctest block; a formula
mathematics; and what RST would read as markup is escaped. Napoleon reads the sections afterwards.
"""

import ast
import functools
import importlib
import inspect
import itertools
import re
import textwrap
from collections.abc import Callable, Iterator
from pathlib import Path
from typing import Any

from docutils import nodes
from sphinx.ext.napoleon import GoogleDocstring
from sphinx.pycode import ModuleAnalyzer
from sphinx.util.nodes import make_refnode
from sphinx.util.typing import stringify_annotation
from torch.optim.optimizer import ParamsT

PACKAGE = "bnnstudy"
ROOMS = (
    "config", "theory", "nn", "optim", "data", "evidence", "training", "experiments", "studies",
    "report",
)  # fmt: skip
"""The rooms, in the order in which one imports another."""

GREEK = ("alpha", "beta", "gamma", "lambda", "epsilon", "rho", "pi", "theta")
QUANTITIES = ("lr", "weight_decay", "grad", "threshold")
"""Words of formulas that are numbers; others are speech."""

_TOKEN = re.compile(r",?\s{2,}|\^-\w+|\*|weight_decay|[A-Za-z]+:?")
_SECTION = re.compile(r"(Args|Attributes|Example|Raises|Returns|Yields):$")
# Exceptions stay apart: each is a link of its own.
_NAMES = re.compile(r"^    (?!\w*Error\b)\w+(?:(?:, | … )\w+)+(?=:)")
JOINED, COLON = "\u2060", "\u2061"
"""Stand for spaces between names of one entry, and for a colon, until Sphinx has read them."""

_SIGNATURE = re.compile(r'<dt class="sig.*?</dt>', re.DOTALL)
_CODE = re.compile(r"`([^`]+)`")
_EMPHASIS = re.compile(r"(?<![\w*])\*(\w[\w ]*)\*(?![\w*])")
_STATEMENT = re.compile(r"(with|for|from|import|def|class|return)\b")
_OPEN, _CLOSE = " \t\n'\"([{<-/:", " \t\n'\").,:;!?-]}/\\>"


def public(room: str) -> Any:
    """Its public names and what they are, in its order."""
    module = importlib.import_module(f"{PACKAGE}.{room}")
    for name in module.__all__:
        if not hasattr(module, name):  # a module of it that nobody has imported yet
            importlib.import_module(f"{module.__name__}.{name}")
    return {name: getattr(module, name) for name in module.__all__}


@functools.cache
def addresses() -> dict[int, str]:
    """By identity of a class or function, the name that a user types."""
    named = ((room, name, one) for room in ROOMS for name, one in public(room).items())
    return {id(one): f"{PACKAGE}.{room}.{name}" for room, name, one in named}


def linked(code: str, about: str) -> str | None:
    """The public name that `code` means in the docstring of `about`, if it is one and not itself."""
    room = about.split(".")[1]
    for prefix in ("", f"{PACKAGE}.", f"{PACKAGE}.{room}."):
        parts = f"{prefix}{code}".split(".")
        if (
            parts[0] == PACKAGE
            and len(parts) == 3
            and parts[1] in ROOMS
            and parts[2] in public(parts[1])
        ):
            full = ".".join(parts)
            return None if about == full or about.startswith(f"{full}.") else full
    return None


def literal(code: str, about: str, own: frozenset[str] = frozenset()) -> str:
    """RST of a piece of code; `own` are names that mean something else there, as arguments do."""
    target = None if code in own else linked(code, about)
    return f":py:obj:`{code} <{target}>`" if target else f"``{code}``"


def escaped(text: str) -> str:
    """Prose without anything that RST would take for markup, but for *emphasis*."""
    text = re.sub(r"[\\|]", r"\\\g<0>", text)
    text = re.sub(r"(?<=\w)_(?!\w)", r"\\_", text)
    kept = _EMPHASIS.sub("\0\\1\0", text)
    return kept.replace("*", r"\*").replace("\0", "*")


def prose(text: str, about: str, own: frozenset[str] = frozenset()) -> str:
    """A paragraph: its code as literals or links, the rest escaped."""
    made, last = "", 0
    for found in _CODE.finditer(text):
        made += escaped(text[last : found.start()])
        made += "" if not made or made[-1] in _OPEN else r"\ "
        made += literal(" ".join(found[1].split()), about, own)
        last = found.end()
        made += "" if text[last : last + 1] in ("", *_CLOSE) else r"\ "
    return made + escaped(text[last:])


def tex(formula: str) -> str:
    r"""A line of a formula in the docstrings' spelling, as TeX.

    >>> print(tex("g_i = (1 - alpha) g_{i-1},   weight: -sign(g_i)"))
    g_i &= (1 - \alpha ) g_{i-1},\quad \text{ weight: } -\operatorname{sign}(g_i)
    """

    def part(found: re.Match[str]) -> str:
        name = found[0].strip()
        if name in ("", ","):
            return rf"{name}\quad "
        if name.startswith("^"):
            return f"^{{{name[1:]}}}"
        if name == "*":
            return r"\cdot "
        if name in ("sum", *GREEK):
            return rf"\{name} " if found.string[found.end() : found.end() + 1] != "_" else rf"\{name}"
        if name == "sign" and found.string[found.end() :].startswith("("):
            return r"\operatorname{sign}"
        if name in QUANTITIES:
            return rf"\mathrm{{{name}}}".replace("_", r"\_")
        return name if len(name) == 1 else rf"\text{{ {name} }}"

    made = _TOKEN.sub(part, formula.strip().rstrip(":")).replace(r" } \text{ ", " ")
    return made.replace(" = ", " &= ", 1)


def display(lines: list[str]) -> list[str]:
    """An indented block without a prompt: a formula, or statements of Python."""
    if any(_STATEMENT.match(line) for line in lines):
        return [".. code-block:: python", "", *(f"   {line}" for line in lines), ""]
    rows = [tex(line) for line in lines]
    if len(rows) == 1:  # alone it is not aligned with anything
        rows = [rows[0].replace(" &= ", " = ")]
    return [".. math::", "", *(f"   {row} \\\\" for row in rows[:-1]), f"   {rows[-1]}", ""]


def named_together(lines: list[str]) -> list[str]:
    """Entries of a section with several names kept as one: Sphinx would take the first for a type."""
    return [
        _NAMES.sub(lambda found: "    " + found[0].strip().replace(" ", JOINED), line) for line in lines
    ]


def paragraphs(lines: list[str]) -> Iterator[list[str]]:
    """Runs of lines that are not empty."""
    for is_text, run in itertools.groupby(lines, lambda line: bool(line.strip())):
        if is_text:
            yield list(run)


def rst(lines: list[str], about: str, own: frozenset[str] = frozenset()) -> list[str]:
    """A docstring's lines for Napoleon."""
    made: list[str] = []
    in_section = False
    for block in paragraphs(lines):
        in_section |= bool(_SECTION.match(block[0]))
        if block[0] == "Returns:":  # Napoleon would take what is before a colon for a type.
            block = [f":returns: {block[1].strip()}", *block[2:]]
        elif in_section:
            block = named_together(block)
        first = next((i for i, line in enumerate(block) if line.lstrip().startswith(">>>")), len(block))
        text, example = block[:first], block[first:]
        if text and text[0].startswith("    ") and not in_section:
            made += display(textwrap.dedent("\n".join(text)).splitlines())
        elif text:
            made += [*prose("\n".join(text), about, own).splitlines(), ""]
        if example:
            made += [*(example if in_section else textwrap.dedent("\n".join(example)).splitlines()), ""]
    return made


def constant_docs(full: str) -> list[str]:
    """What stands below a room's constant in the file that it comes from."""
    room, name = full.rsplit(".", 1)
    source = Path(str(importlib.import_module(room).__file__)).read_text()
    for node in ast.walk(ast.parse(source)):
        if isinstance(node, ast.ImportFrom) and name in [alias.name for alias in node.names]:
            found = ModuleAnalyzer.for_module(str(node.module)).find_attr_docs()
            return list(found.get(("", name), []))
    return []


def arguments(one: object) -> frozenset[str]:
    try:
        return frozenset(inspect.signature(one).parameters)  # type: ignore[arg-type]
    except (TypeError, ValueError):
        return frozenset()


def on_docstring(app: Any, what: str, name: str, one: object, options: Any, lines: list[str]) -> None:
    """autodoc-process-docstring, before Napoleon's."""
    if what == "data" and name.count(".") == 2:
        lines[:] = constant_docs(name)
    lines[:] = rst(lines, name, arguments(one))
    if what in ("attribute", "data", "property"):
        # Of these Napoleon reads no sections, and what is before a first line's colon as a type.
        lines[:] = GoogleDocstring(lines, app.config, app, "function", name, one).lines()
        lines[:1] = [line.replace(": ", f"{COLON} ") for line in lines[:1]]


def on_read(app: Any, doctree: nodes.document) -> None:
    """doctree-read: what stood for spaces and colons is them again."""
    for text in list(doctree.findall(nodes.Text)):
        if JOINED in text or COLON in text:
            text.parent.replace(text, nodes.Text(text.replace(JOINED, " ").replace(COLON, ":")))


def on_signature(
    app: Any,
    what: str,
    name: str,
    one: object,
    options: Any,
    signature: str | None,
    returns: str | None,
) -> tuple[str | None, str | None]:
    """autodoc-process-signature: torch's alias of parameters by its name, not what it stands for."""
    # What is no expression, such as a field's <factory>, would keep Sphinx from reading the rest.
    signature = signature and re.sub(r"<[^<>]*>", "...", signature)
    for mode in ("smart", "fully-qualified"):
        signature = signature and signature.replace(stringify_annotation(ParamsT, mode), "ParamsT")
    return signature, returns


def on_missing(app: Any, env: Any, node: Any, contents: Any) -> Any:
    """missing-reference: a public class by the name that a user types, a private one without a link."""
    target = str(node.get("reftarget"))
    if node.get("refdomain") != "py" or not target.startswith(f"{PACKAGE}."):
        return None
    module, _, name = target.rpartition(".")
    try:
        one = getattr(importlib.import_module(module), name)
    except (ImportError, AttributeError):
        return None
    address = addresses().get(id(one))
    entry = env.domains["py"].objects.get(address)
    if address is None or entry is None:
        return contents
    page = node.get("refdoc", env.docname)
    return make_refnode(app.builder, page, entry.docname, entry.node_id, contents, address)


def on_page(app: Any, page: str, template: str, context: dict[str, Any], doctree: Any) -> None:
    """html-page-context: what of Sphinx and the theme a screen reader would stumble over."""
    if "body" in context:
        context["body"] = _SIGNATURE.sub(signature_in_lines, context["body"])
    context["generate_toctree_html"] = with_names(context["generate_toctree_html"])


def with_names(contents: Callable[..., Any]) -> Callable[..., Any]:
    """The theme's table of contents, each button that unfolds it with a name for a screen reader."""

    def made(*args: Any, **options: Any) -> Any:
        soup = contents(*args, **options)
        for button in soup.find_all("summary") if hasattr(soup, "find_all") else ():
            button["aria-label"] = f"Pages of {button.find_parent('li').find('a').get_text().strip()}"
        return soup

    return made


def signature_in_lines(found: re.Match[str]) -> str:
    """A signature's HTML with spans in place of a list that has no terms.

    >>> signature_in_lines(_SIGNATURE.match('<dt class="sig">f(<dl><dd>x</dd></dl>)</dt>'))
    '<dt class="sig">f(<span class="sig-lines"><span>x</span></span>)</dt>'
    """
    lines = found[0].replace("<dl>", '<span class="sig-lines">').replace("<dd>", "<span>")
    return re.sub("</d[ld]>", "</span>", lines)


def setup(app: Any) -> dict[str, Any]:
    app.setup_extension("sphinx.ext.autodoc")
    app.connect("autodoc-process-docstring", on_docstring, priority=400)
    app.connect("autodoc-process-signature", on_signature)
    app.connect("doctree-read", on_read)
    app.connect("missing-reference", on_missing)
    app.connect("html-page-context", on_page, priority=900)  # after the theme
    return {"version": "1", "parallel_read_safe": True, "parallel_write_safe": True}
