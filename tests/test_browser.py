"""The built book in a browser: what a reader sees, for every page of the table of contents.

No page reports an error, asks another host for anything, or is wider than a phone's or a desk's screen.
Its equations are rendered, its images load, its text stands out from its background in the light and in
the dark theme, and the search finds it by its title. Nothing shuts out who reads it with a keyboard or
a screen reader (axe-core). Its links lead somewhere. What is folded away is unfolded first.

The book is `_build/html`, or the folder that BNNSTUDY_BOOK names. Without book, playwright or browser
the tests are skipped; where CI is set they fail.
"""

import contextlib
import csv
import functools
import gzip
import html
import http.server
import io
import json
import os
import re
import threading
import urllib.parse
from pathlib import Path

import axe_playwright_python
import pypdf
import pytest
import yaml
from browsing import lacking
from test_book import ROOT, check, pdf

PAGES = check.pages(yaml.safe_load((ROOT / "_toc.yml").read_text()))
BOOK = Path(os.environ.get("BNNSTUDY_BOOK") or ROOT / "_build" / "html")

AXE = Path(axe_playwright_python.__file__).with_name("axe.min.js")
CONTRAST = "color-contrast"
"""The rule of axe-core that takes most of its time: `reader.faint` asks the same of every page, and
the rule itself is asked of `SAMPLE`."""
SAMPLE = ("book/executed/index", "book/executed/clipping", "book/api/optim")
WCAG = ["wcag2a", "wcag2aa", "wcag21a", "wcag21aa", "wcag22aa"]

SCRIPT = r"""
const all = (selector) => [...document.querySelectorAll(selector)];
const brush = document.createElement("canvas").getContext("2d", { willReadFrequently: true });
const rgba = (colour) => {
  brush.clearRect(0, 0, 1, 1);
  brush.fillStyle = colour;  // Reads it in whatever way it is written.
  brush.fillRect(0, 0, 1, 1);
  return brush.getImageData(0, 0, 1, 1).data;
};
const over = ([r, g, b, a], below) =>
  [r, g, b].map((value, i) => (value * a + below[i] * (255 - a)) / 255);
const behind = (at) => at
  ? over(rgba(getComputedStyle(at).backgroundColor), behind(at.parentElement)) : [255, 255, 255];
const opacity = (at) => at ? getComputedStyle(at).opacity * opacity(at.parentElement) : 1;
const linear = (value) => value <= 10.31 ? value / 3294.6 : ((value / 255 + 0.055) / 1.055) ** 2.4;
const luminance = ([r, g, b]) => 0.2126 * linear(r) + 0.7152 * linear(g) + 0.0722 * linear(b);
const isSeen = (node) => {
  const range = document.createRange(), element = node.parentElement;
  range.selectNodeContents(node);
  return node.data.trim() && !element.closest("svg, mjx-container")
    && element.checkVisibility({ opacityProperty: true, visibilityProperty: true })
    && [...range.getClientRects()].some((box) => box.width > 1 && box.height > 1);
};
const texts = () => {
  const found = [], walk = document.createTreeWalker(all("article")[0], NodeFilter.SHOW_TEXT);
  while (walk.nextNode()) if (isSeen(walk.currentNode)) found.push(walk.currentNode);
  return found;
};
window.reader = {
  async unfold() {
    await window.MathJax?.startup?.promise;
    document.head.append(Object.assign(document.createElement("style"),
      { textContent: "* { animation: none !important; transition: none !important; }" }));
    for (const details of all("details")) details.open = true;
    const loaded = (image) => Object.assign(image, { loading: "eager" }).decode();
    await Promise.allSettled(all("img").map(loaded));
  },
  overflow: () => document.documentElement.scrollWidth - document.documentElement.clientWidth,
  title: () => all("article h1")[0].innerText.replace(/^[\d.]+\s|#$/g, ""),
  images: () => all("img").filter((image) => !image.naturalWidth).map((image) => image.src),
  equations() {
    const broken = "merror, mjx-merror, [data-mjx-error], [fill=red]";  // Red: unknown command.
    const bad = (math) => !math.querySelector("mjx-container") || math.querySelector(broken);
    const raw = ({ data, parentElement }) =>
      /\$\$|\\[(\[]|\\begin\{/.test(data) && !parentElement.closest("pre, code");
    return [...all(".math").filter(bad), ...texts().filter(raw)].map((node) => node.textContent);
  },
  cut: () => all("article pre").filter((pre) =>
    !pre.closest("details") && pre.scrollWidth > pre.clientWidth + 1).map((pre) => pre.innerText),
  pictures: () => all("div.cell_output img").map((image) => image.src),
  figures: () => all("figure.plot").map((figure) => {
    const panels = [...figure.querySelectorAll(".panel > svg")];
    const drawn = (svg) => svg.getScreenCTM().a;  // Pixels of a unit of it.
    const sized = (at) => at.closest("svg") ? drawn(at.closest("svg")) : 1;
    const texts = [...figure.querySelectorAll("text, tspan, li, figcaption, p")];
    const seen = texts.filter((at) => at.textContent.trim() && !at.querySelector("tspan"));
    return {
      message: figure.querySelector(".message").innerText,
      texts: panels.map((svg) => svg.getAttribute("aria-label")),
      smallest: Math.min(...seen.map((at) => parseFloat(getComputedStyle(at).fontSize) * sized(at))),
      data: figure.querySelector("figcaption a[download]")?.getAttribute("href"),
      stacked: new Set(panels.map((svg) => Math.round(svg.getBoundingClientRect().left))).size === 1,
      grounds: panels.filter((svg) => rgba(getComputedStyle(svg).backgroundColor)[3]).length,
      inks: [...new Set(seen.filter((at) => at.closest("svg")).map((at) => getComputedStyle(at).fill))],
      prose: getComputedStyle(figure.closest("article")).color,
    };
  }),
  stops: () => all("mjx-container[tabindex]").filter((at) => at.scrollWidth <= at.clientWidth).length,
  faint() {
    const found = {};
    for (const node of texts()) {
      const element = node.parentElement, style = getComputedStyle(element);
      const size = parseFloat(style.fontSize), [r, g, b, a] = rgba(style.color);
      const back = behind(element), front = over([r, g, b, a * opacity(element)], back);
      const [dark, bright] = [front, back].map(luminance).sort((x, y) => x - y);
      const ratio = (bright + 0.05) / (dark + 0.05);
      const large = size >= 24 || (size >= 18.66 && style.fontWeight >= 700);
      const how = `<${element.tagName} ${element.className}> ${front.map(Math.round)} on ${
        back.map(Math.round)}: ${ratio.toFixed(2)}`;
      if (ratio < (large ? 3 : 4.5)) found[how] ??= node.data.trim().slice(0, 40);
    }
    return found;
  },
};
"""


SEEN = ("title", "images", "equations", "stops", "pictures", "cut")


class Quiet(http.server.SimpleHTTPRequestHandler):
    def log_message(self, *args):
        pass


@pytest.fixture(scope="module")
def site():
    if not (BOOK / "index.html").exists():
        lacking("built book", "`make book`")
    handler = functools.partial(Quiet, directory=BOOK)
    with http.server.ThreadingHTTPServer(("127.0.0.1", 0), handler) as server:
        server.daemon_threads = False  # So that closing waits for the last answer.
        threading.Thread(target=server.serve_forever, daemon=True).start()
        yield f"http://127.0.0.1:{server.server_port}/"
        server.shutdown()


PRINTED = tuple(f"book/executed/{name}" for name in ("designed_filters", "ladder", "lr_sensitivity"))
"""The longest chapters on paper."""
PAPER_WIDTH = round((210 - 2 * 10) / 25.4 * 96)
"""Pixels between the margins of A4."""
CUT = """() => [...document.querySelectorAll("article *")].filter((at) => {
  const style = getComputedStyle(at), inside = at.closest("svg, mjx-container") !== null;
  const hides = style.overflowX !== "visible" && at.scrollWidth > at.clientWidth + 1;
  const sticksOut = at.getBoundingClientRect().right > innerWidth + 1;
  return !inside && at.clientWidth && style.display !== "inline" && (hides || sticksOut);
}).map((at) => at.outerHTML.slice(0, 150))"""


@pytest.fixture(scope="module")
def context(site, browser):
    with browser.new_context(base_url=site) as context:
        context.set_default_timeout(30_000)
        context.add_init_script(SCRIPT)
        context.route(re.compile(rf"^(?!{re.escape(site)})"), lambda route: route.abort())
        yield context


@contextlib.contextmanager
def opened(context, site, path):
    """A tab on that path; its `errors` and `strangers` grow with what it reports and asks for."""
    with contextlib.closing(context.new_page()) as tab:
        tab.errors, tab.strangers, own = [], [], (site, "data:", "blob:")
        tab.on("console", lambda said: said.type == "error" and tab.errors.append(said.text))
        tab.on("response", lambda answer: answer.ok or tab.errors.append(answer.url))
        tab.on("pageerror", lambda error: tab.errors.append(str(error)))
        tab.on("request", lambda sent: sent.url.startswith(own) or tab.strangers.append(sent.url))
        assert tab.goto(path).ok, path
        yield tab


@pytest.fixture(scope="module", params=PAGES)
def page(request, context, site):
    """What a page shows at both widths and in both themes."""
    seen = {"path": f"{request.param}.html", "overflow": {}, "faint": {}, "barriers": {}, "figures": {}}
    with opened(context, site, seen["path"]) as tab:
        tab.evaluate("reader.unfold()")
        for width in (360, 390, 768, 1280):
            tab.set_viewport_size({"width": width, "height": 900})
            tab.wait_for_function(f"innerWidth === {width}")
            seen["overflow"][width] = tab.evaluate("reader.overflow()")
            seen["figures"][width] = tab.evaluate("reader.figures()")
        tab.evaluate(AXE.read_text())
        contrast = request.param in SAMPLE
        for theme in ("light", "dark"):
            tab.emulate_media(color_scheme=theme)
            tab.wait_for_function(f"document.documentElement.dataset.theme === '{theme}'")
            seen["faint"][theme] = tab.evaluate("reader.faint()")
            seen["figures"][theme] = tab.evaluate("reader.figures()")
            seen["barriers"][theme] = barriers(tab, contrast)
        seen |= {name: tab.evaluate(f"reader.{name}()") for name in SEEN}
        return seen | {"errors": tab.errors, "strangers": tab.strangers}


def test_pages_report_no_error(page):
    assert page["errors"] == []


def test_pages_ask_no_other_host(page):
    assert page["strangers"] == []


def test_pages_are_no_wider_than_the_screen(page):
    assert {width: by for width, by in page["overflow"].items() if by > 0} == {}


def test_what_is_set_as_code_and_not_folded_is_not_cut_beside_both_side_bars(page):
    assert page["cut"] == []


def test_equations_are_rendered(page):
    assert page["equations"] == []


def test_a_formula_is_no_stop_of_the_tab_key(page):
    assert page["stops"] == 0


def test_the_book_has_equations(site):
    assert any('class="math ' in (BOOK / f"{name}.html").read_text() for name in PAGES)


def test_images_load(page):
    assert page["images"] == []


def test_a_figure_is_drawn_by_the_page_and_is_no_picture(page):
    assert page["pictures"] == []


def test_a_figure_says_in_words_and_numbers_what_came_out(page):
    for figure in page["figures"][1280]:
        assert figure["message"].strip()
        assert figure["texts"]
        for text in figure["texts"]:
            assert re.search(r"\d", text), text
            assert len(text.split()) >= 6, text


def test_the_data_of_a_figure_lie_beside_its_page(page):
    names = [figure["data"] for figure in page["figures"][1280]]
    assert len(set(names)) == len(names)
    for name in names:
        file = (BOOK / page["path"]).parent / name
        rows = list(csv.reader(file.read_text().splitlines()))
        assert len(rows) > 2, name
        assert rows[0][:3] == ["panel", "series", "drawn as"]
        assert {len(row) for row in rows} == {5}


def test_text_of_a_figure_can_be_read_on_a_phone(page):
    for width in (360, 390):
        assert all(figure["smallest"] >= 12 for figure in page["figures"][width]), width


def test_panels_stand_under_one_another_on_a_phone(page):
    assert all(figure["stacked"] for figure in page["figures"][390])
    several = [figure for figure in page["figures"][1280] if len(figure["texts"]) > 1]
    assert not any(figure["stacked"] for figure in several)


def test_a_figure_has_the_ink_of_the_page_and_no_ground_in_both_themes(page):
    for theme in ("light", "dark"):
        for figure in page["figures"][theme]:
            assert figure["inks"] == [figure["prose"]]
            assert figure["grounds"] == 0


def test_the_book_has_figures(site):
    assert sum('<figure class="plot">' in (BOOK / f"{name}.html").read_text() for name in PAGES) > 15


def test_text_stands_out_in_both_themes(page):
    assert {theme: texts for theme, texts in page["faint"].items() if texts} == {}


def barriers(tab, contrast) -> dict[str, list[str]]:
    """What axe-core finds against WCAG 2.2 AA: by rule, the elements."""
    asked = {"preload": False, "resultTypes": ["violations"], "runOnly": WCAG}
    asked |= {"rules": {CONTRAST: {"enabled": contrast}}}
    found = tab.evaluate(f"axe.run(document, {json.dumps(asked)})")
    return {one["id"]: [node["html"][:200] for node in one["nodes"]] for one in found["violations"]}


def test_no_page_shuts_anybody_out(page):
    assert {theme: found for theme, found in page["barriers"].items() if found} == {}


def test_every_link_in_the_book_leads_somewhere(page):
    """To a page that is there, and to a place on it that is there."""
    file = BOOK / page["path"]
    for link in re.findall(r'href="([^"]*)"', without_code(file.read_text())):
        path, _, anchor = urllib.parse.unquote(html.unescape(link)).partition("#")
        path = path.partition("?")[0]
        if re.match(r"\w+:", path):
            continue
        target = (file.parent / path).resolve() if path else file
        assert target.exists(), link
        if anchor and target.suffix == ".html":
            assert anchor in anchors(target), link


@functools.cache
def anchors(page: Path) -> set[str]:
    """The places on a page that a link may lead to."""
    return set(map(html.unescape, re.findall(r'\b(?:id|name)="([^"]*)"', page.read_text())))


def without_code(page: str) -> str:
    return re.sub(r"<(pre|script)\b.*?</\1>", "", page, flags=re.DOTALL)


def test_the_first_page_is_there_at_once(context, site):
    """Bytes that a server sends which compresses texts, as all hosts of pages do."""
    got = {}
    with contextlib.closing(context.new_page()) as tab:
        tab.on("response", lambda answer: got.setdefault(answer.url, answer))
        tab.goto(f"{PAGES[0]}.html")
        tab.wait_for_load_state("networkidle")
        sent = {url: len(gzip.compress(answer.body())) for url, answer in got.items() if answer.ok}
    assert len(sent) > 5
    assert sum(sent.values()) < 400e3, sent


def test_the_site_is_small(site):
    sizes = {file: file.stat().st_size for file in BOOK.rglob("*") if file.is_file()}
    whole = sizes.pop(BOOK / pdf.NAME, 0)  # there after `make pdf`
    assert sum(sizes.values()) < 30e6
    assert whole < 20e6


def test_the_scoreboard_filters_sorts_and_has_an_address_for_each_claim(context, site):
    with opened(context, site, "book/executed/scoreboard.html?missed=1#clipping-both") as tab:
        rows = "table.scoreboard tbody tr"
        shown = f"{rows}:not([hidden])"
        assert tab.locator("#clipping-both").is_visible()
        assert tab.locator("#clipping-both details").evaluate("details => details.open")
        asked = "rows => rows.map(row => [row.id, row.dataset.answer])"
        found = dict(tab.locator(shown).evaluate_all(asked))
        found.pop("clipping-both")  # shown as it was asked for by its address
        assert found
        assert all(answer.startswith("fails") for answer in found.values())
        tab.get_by_role("button", name="Show all").click()
        tab.wait_for_function(f"!document.querySelector('{rows}[hidden]')")
        tab.get_by_label("Paper").select_option("B")
        papers = tab.locator(shown).evaluate_all("rows => rows.map(row => row.dataset.paper)")
        assert set(papers) == {"B"}
        tab.get_by_label("Sort by").select_option("effect")
        sizes = tab.locator(shown).evaluate_all("rows => rows.map(row => +row.dataset.effect)")
        assert sizes == sorted(sizes, reverse=True)
        assert len(sizes) == len(papers)


@pytest.fixture(scope="module", params=PRINTED)
def paper(request, browser):
    """A page as `book/pdf.py` prints it: its PDF, and what of it is wider than the paper."""
    with contextlib.closing(browser.new_page(viewport={"width": PAPER_WIDTH, "height": 1000})) as tab:
        content = pdf.printed(tab, request.param, BOOK.as_uri())
        tab.emulate_media(media="print")
        cut, closed = tab.evaluate(CUT), tab.locator("details:not([open])").count()
    return pypdf.PdfReader(io.BytesIO(content)), cut, closed


def test_a_chapter_prints_on_under_ten_pages_with_its_folds_open(paper):
    reader, _, closed = paper
    assert closed == 0
    assert 1 < len(reader.pages) < 10


def test_nothing_is_cut_on_paper(paper):
    assert paper[1] == []


def test_paper_has_no_buttons_and_has_the_folded_code(paper):
    text = " ".join(page.extract_text() for page in paper[0].pages)
    assert "chapter.run()" in re.sub(r"\s", "", text)  # code that is folded
    assert "Data (CSV)" not in text
    assert "Back to top" not in text


def test_search_finds_a_page_by_its_title(page, context, site):
    with opened(context, site, f"search.html?q={urllib.parse.quote(page['title'])}") as tab:
        tab.wait_for_function("document.querySelector('.search-summary')?.innerText")
        links = tab.eval_on_selector_all("#search-results a", "links => links.map(a => a.href)")
        assert site + page["path"] in {link.partition("#")[0] for link in links}
        assert tab.errors + tab.strangers == []


@pytest.mark.parametrize(
    ("asked", "chapter"),
    [
        ("clipping", "clipping"),
        ("momentum", "sgd"),
        ("Bop", "bop"),
        ("batch norm", "batch_norm"),
        ("pooling", "pooling_order"),
        ("pre-training", "pretraining"),
        ("early stopping", "two_stage"),
        ("alpha", "alpha"),
        ("learning rate", "lr_sensitivity"),
        ("AdaGrad", "optimizers"),
        ("Adam", "adam_as_filter"),
        ("ImageNet", "imagenet"),
        ("ONNX", "own_network"),
    ],
)
def test_search_finds_a_chapter_first_by_its_own_subject(asked, chapter, context, site):
    with opened(context, site, f"search.html?q={urllib.parse.quote(asked)}") as tab:
        tab.wait_for_function("document.querySelector('.search-summary')?.innerText")
        first = tab.locator("#search-results a").first.get_attribute("href")
        assert f"book/executed/{chapter}.html" in first


def test_a_prediction_stands_beside_what_came_out_and_is_remembered(context, site):
    with opened(context, site, "book/executed/optimizers.html") as tab:
        predicted = tab.locator("#resolve-optimizers-gap .predicted")
        assert not predicted.is_visible()
        tab.locator("fieldset.predict input").first.focus()
        tab.keyboard.press("Space")
        tab.keyboard.press("ArrowDown")  # the second option, with the keyboard alone
        assert "You predicted: about half." in predicted.inner_text()
        tab.get_by_role("link", name="See what it was").click()
        assert tab.url.endswith("#resolve-optimizers-gap")
        tab.reload()
        assert "You predicted: about half." in predicted.inner_text()


def test_a_term_shows_its_definition_until_escape(context, site):
    with opened(context, site, "book/executed/clipping.html") as tab:
        term = tab.locator(".term").first
        link, card = term.locator("a"), term.get_by_role("tooltip", include_hidden=True)
        assert not card.is_visible()
        link.focus()
        assert card.is_visible()
        assert link.get_attribute("aria-describedby") == card.get_attribute("id")
        tab.keyboard.press("Escape")
        assert not card.is_visible()
        tab.mouse.move(0, 0)
        link.blur()
        link.hover()
        assert card.is_visible()
        card.hover()  # the pointer may move onto it
        assert card.is_visible()
        assert card.evaluate("card => card.getBoundingClientRect().right <= innerWidth")
