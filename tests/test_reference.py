"""The API reference names all that the rooms offer, and its docstrings come out as they are meant."""

import doctest
import importlib.util
import inspect
import re

import pytest
import yaml
from test_book import ROOT, check

_spec = importlib.util.spec_from_file_location("reference", ROOT / "book" / "reference.py")
reference = importlib.util.module_from_spec(_spec)
_spec.loader.exec_module(reference)

DIRECTIVE = re.compile(r"^\.\. auto(\w+):: bnnstudy\.([\w.]+)$", re.MULTILINE)
TOP = "bnnstudy.theory"


def documented(room: str) -> list[tuple[str, str]]:
    """The kinds and names on a room's page, after the room itself."""
    page = (ROOT / "book" / "api" / f"{room}.md").read_text()
    (first, *others) = DIRECTIVE.findall(page)
    assert first == ("module", room)
    assert all(name.startswith(f"{room}.") for _, name in others)
    return [(kind, name.removeprefix(f"{room}.")) for kind, name in others]


@pytest.mark.parametrize("room", reference.ROOMS)
def test_a_rooms_page_has_its_public_names_once_and_in_its_order(room):
    assert [name for _, name in documented(room)] == list(reference.public(room))


@pytest.mark.parametrize("room", reference.ROOMS)
def test_names_are_documented_as_what_they_are(room):
    is_one = {
        "module": inspect.ismodule,
        "class": inspect.isclass,
        "function": inspect.isroutine,
        "exception": lambda one: issubclass(one, Exception),
        "data": lambda one: not isinstance(one, type) and not inspect.isroutine(one),
    }
    names = reference.public(room)
    assert [name for kind, name in documented(room) if not is_one[kind](names[name])] == []


@pytest.mark.parametrize("room", reference.ROOMS)
def test_each_class_and_function_has_an_example_and_each_constant_a_sentence(room):
    names = reference.public(room)
    for kind, name in documented(room):
        if kind in ("class", "function", "exception"):
            assert ">>> " in (names[name].__doc__ or ""), name
        if kind == "data":
            assert reference.constant_docs(f"bnnstudy.{room}.{name}"), name


def test_every_room_has_a_page_in_the_contents_and_a_row_in_the_overview():
    pages = check.pages(yaml.safe_load((ROOT / "_toc.yml").read_text()))
    rooms = {page.removeprefix("book/api/") for page in pages if page.startswith("book/api/")}
    inits = {file.parent.name for file in (ROOT / "bnnstudy").glob("*/__init__.py")}
    assert rooms == set(reference.ROOMS) == inits
    overview = (ROOT / "book" / "api.md").read_text()
    assert sorted(re.findall(r"^\| \[(\w+)\]\(api/\1\)", overview, re.M)) == sorted(rooms)


def test_what_the_overview_imports_is_there():
    overview = (ROOT / "book" / "api.md").read_text()
    for room, names in re.findall(r"from bnnstudy\.(\w+) import ([^`]+)`", overview):
        assert set(names.split(", ")) <= set(reference.public(room))


@pytest.mark.parametrize(
    ("given", "made"),
    [
        ("`lr` is a rate", "``lr`` is a rate"),
        ("`Thing`s of (`x`)", r"``Thing``\ s of (``x``)"),
        ("the mean |w|, a * b, *args", r"the mean \|w\|, a \* b, \*args"),
        ("the *pole*, name_ and g_{-1}", r"the *pole*, name\_ and g\_{-1}"),
        ("as `cascade` does", "as :py:obj:`cascade <bnnstudy.theory.cascade>` does"),
        ("`nn.RSign`", ":py:obj:`nn.RSign <bnnstudy.nn.RSign>`"),
    ],
)
def test_prose(given, made):
    assert reference.prose(given, f"{TOP}.ema") == made


def test_a_name_is_no_link_to_itself_or_where_it_is_an_argument():
    assert reference.prose("`ema`", f"{TOP}.ema") == "``ema``"
    assert reference.prose("`ema`", f"{TOP}.cascade", frozenset({"ema"})) == "``ema``"


def test_an_example_is_a_block_and_is_not_changed():
    lines = ["A line.", "", "    >>> f(*x, `y`)", "    |1|", "", "Args:", "    a, b: two."]
    made = reference.rst(lines, TOP)
    at = made.index(">>> f(*x, `y`)")
    assert made[at - 1 : at + 3] == ["", ">>> f(*x, `y`)", "|1|", ""]
    assert f"    a,{reference.JOINED}b: two." in made


def test_what_is_returned_is_no_type():
    lines = ["A line.", "", "Returns:", "    Two things: one", "    and two."]
    assert reference.rst(lines, TOP)[2:4] == [":returns: Two things: one", "    and two."]


@pytest.mark.parametrize(
    ("formula", "tex"),
    [
        (
            "g_i = (1 - alpha) g_{i-1},   weight: -sign(g_i)",
            r"g_i &= (1 - \alpha ) g_{i-1},\quad \text{ weight: } -\operatorname{sign}(g_i)",
        ),
        ("w lr weight_decay", r"w \mathrm{lr} \mathrm{weight\_decay}"),
        ("w has the sign of z^-1", r"w \text{ has the sign of } z^{-1}"),
        ("sum_k b_k * x", r"\sum_k b_k \cdot  x"),
    ],
)
def test_a_formula_is_mathematics(formula, tex):
    assert reference.tex(formula) == tex


def test_an_indented_block_is_a_formula_or_code():
    made = reference.rst(["A:", "", "    y = a x", "    z = y"], TOP)
    assert made[2:6] == [".. math::", "", r"   y &= a x \\", "   z &= y"]
    made = reference.rst(["A:", "", "    with a as b:", "        b = 1"], TOP)
    assert made[2:6] == [".. code-block:: python", "", "   with a as b:", "       b = 1"]


def test_a_signature_is_an_expression_and_names_torchs_alias():
    alias = reference.stringify_annotation(reference.ParamsT, "smart")
    given = f"(params: {alias}, more: dict = <factory>)"
    made = reference.on_signature(None, "class", "x", None, None, given, None)
    assert made == ("(params: ParamsT, more: dict = ...)", None)


def test_a_long_signature_is_no_list_without_terms():
    html = '<dl><dt class="sig x">f(<dl><dd>a</dd></dl>)</dt><dd>text</dd></dl>'
    made = reference._SIGNATURE.sub(reference.signature_in_lines, html)
    lines = '<span class="sig-lines"><span>a</span></span>'
    assert made == f'<dl><dt class="sig x">f({lines})</dt><dd>text</dd></dl>'


def test_its_own_examples_are_right():
    assert doctest.testmod(reference) == (0, 2)


def test_a_formula_of_one_line_is_not_aligned_with_anything():
    one, two = (reference.display(["a_0 y = b x", "y = x"][:count]) for count in (1, 2))
    assert "&" not in "".join(one)
    assert "".join(two).count("&=") == 2
