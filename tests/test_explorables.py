"""The explorer of the filter in a browser, opened as a file: its numbers, lines, sliders and themes.

Without playwright or browser these tests are skipped; where CI is set they fail.
"""

import re
from fractions import Fraction
from pathlib import Path

import numpy as np
import pytest
from scipy import signal

from bnnstudy.report import explorer as room
from bnnstudy.report.explorer import explorer
from bnnstudy.theory import filters

RATES = [(1e-3, 0.1), (1e-5, 1e-3), (0.02, 0.5), (0.3, 0.05), (1.0, 0.2), (1e-2, 1.0)]
RANDOM = np.random.default_rng(0)
GRADIENT = 1e-4 * (RANDOM.standard_normal(400) + np.sin(np.arange(400) / 40))
GRADIENT[[0, 5, 6, 100]] = 0  # As of a weight behind a dead unit.
PAGE = """<!doctype html><html data-theme="{theme}"><meta charset="utf-8">
<meta name="viewport" content="width=device-width"><title>explorer</title>
<style>{style} [data-theme=dark] body {{ background: #121212; color: #ddd; }}</style>
<body class="bd-content">{body}</body></html>"""
CELL = '<div class="cell_output"><div class="output text_html">{}</div></div>'


@pytest.fixture
def opened(browser, tmp_path):
    """Opens explorers as one file; whatever the page reports or asks for fails the test."""
    said, pages = [], []

    def open_file(*shown, theme="light", style="", wrap="{}", width=800, script=True):
        file = tmp_path / f"{len(pages)}.html"
        body = wrap.format("".join(CELL.format(one._repr_html_()) for one in shown))
        file.write_text(PAGE.format(theme=theme, style=style, body=body), encoding="utf-8")
        page = browser.new_page(
            viewport={"width": width, "height": 900}, java_script_enabled=script, offline=True
        )
        pages.append(page)
        page.on("console", lambda message: said.append(message.text))
        page.on("pageerror", lambda error: said.append(str(error)))
        page.on("request", lambda sent: sent.url == file.as_uri() or said.append(sent.url))
        page.goto(file.as_uri())
        return page

    yield open_file
    for page in pages:
        page.close()
    assert said == []


@pytest.fixture
def page(opened):
    return opened(explorer(GRADIENT))


def told(page, call, *values):
    """What a function of the explorer's own maths gives."""
    code = f"(root, values) => root.explorer.{call}(...values)"
    return page.eval_on_selector(".filter-explorer", code, list(values))


def trace(page, name, of=".trace"):
    """A drawn line's points, (n, 2), in pixels."""
    drawn = page.get_attribute(f".filter-explorer {of} path.{name}", "d")
    return np.array(re.findall(r"[\d.]+", drawn), dtype=float).reshape(-1, 2)


def in_units(page, panel, name):
    """A drawn line's heights, read off the labels of its panel's axis."""
    ticks = page.locator(f"{panel} text.end").evaluate_all(
        "texts => texts.map((t) => [t.getAttribute('y') - 4, Number(t.textContent.replace('−', '-'))])"
    )
    slope, start = np.polyfit(*np.transpose(ticks), 1)
    return start + slope * trace(page, name, panel)[:, 1]


def numbers(page, which=0):
    """The table's cells, row by row."""
    rows = page.locator(".filter-explorer").nth(which).locator("tbody tr").all()
    return [row.locator("td").all_inner_texts() for row in rows]


def number(text):
    """A number as the page writes it."""
    digits, _, power = text.replace(",", "").partition(" × 10")
    return float(f"{digits}e{power.translate(str.maketrans('⁻⁰¹²³⁴⁵⁶⁷⁸⁹', '-0123456789')) or 0}")


def flips(outputs):
    signs = np.sign(outputs)[np.flatnonzero(outputs)]
    return int((signs[1:] != signs[:-1]).sum())


@pytest.mark.parametrize("rates", [*RATES, (0.3, 0.3), (1e-3,), (1.0,)])
def test_it_computes_what_the_package_computes(page, rates):
    cascade, frequencies = filters.cascade(*rates), np.logspace(-5, np.log10(0.5), 60)
    outputs = signal.lfilter(cascade.b, cascade.a, GRADIENT)
    np.testing.assert_allclose(
        told(page, "filtered", rates, GRADIENT.tolist()), outputs, atol=1e-6 * np.abs(outputs).max()
    )
    np.testing.assert_allclose(
        told(page, "response", rates, frequencies.tolist()),
        filters.response(cascade, frequencies),
        rtol=1e-6,
    )
    np.testing.assert_allclose(sorted(told(page, "poles", rates)), sorted(cascade.poles), atol=1e-6)
    assert told(page, "timeConstant", rates) == pytest.approx(filters.time_constant(cascade), rel=1e-6)
    # Two slow poles together cost the general solution of `filters` its later digits.
    rel = 1e-6 if max(rates) > 1e-3 else 1e-4
    assert told(page, "noiseGain", rates) == pytest.approx(filters.noise_gain(cascade), rel=rel)
    assert told(page, "flips", outputs.tolist()) == flips(outputs)


@pytest.mark.parametrize("rates", RATES)
def test_noise_gain_is_the_energy_of_the_impulse_response(page, rates):
    # h_n = alpha gamma (p^(n+1) - q^(n+1)) / (p - q), summed exactly.
    alpha, gamma = map(Fraction, rates)
    p, q = 1 - alpha, 1 - gamma
    series = [sign * r / (1 - r) for sign, r in ((1, p * p), (-2, p * q), (1, q * q))]
    energy = (alpha * gamma / (p - q)) ** 2 * sum(series)
    assert told(page, "noiseGain", rates) == pytest.approx(float(energy), rel=1e-12)


def test_a_zero_is_no_flip(page):
    assert told(page, "flips", [0, 1, 0, 2, 0, -1, 0, 0, -3, 4, 0]) == 2
    assert told(page, "flips", [0, 0]) == 0


@pytest.mark.parametrize(("alpha", "gamma"), RATES)
def test_the_table_shows_them(opened, alpha, gamma):
    shown = numbers(opened(explorer(GRADIENT, alpha, gamma)))
    for row, rates in zip(shown, [(1.0,), (alpha,), (alpha, gamma)], strict=True):
        cascade = filters.cascade(*rates)
        assert number(row[0]) == pytest.approx(filters.time_constant(cascade), rel=6e-3)
        assert number(row[1]) == pytest.approx(filters.noise_gain(cascade), rel=6e-3)
        assert number(row[2]) == flips(signal.lfilter(cascade.b, cascade.a, GRADIENT))


def test_lines_are_drawn_to_scale(page):
    frequencies = np.logspace(-5, np.log10(0.5), 241)
    for name, rates in (("raw", (1.0,)), ("first", (1e-3,)), ("second", (1e-3, 0.1))):
        cascade = filters.cascade(*rates)
        outputs = signal.lfilter(cascade.b, cascade.a, GRADIENT)
        heights = in_units(page, ".trace", name)
        np.testing.assert_allclose(heights, outputs / np.abs(outputs).max(), atol=1e-3)
        assert np.ptp(np.diff(trace(page, name)[:, 0])) < 0.03
        if name != "raw":
            gains = 20 * np.log10(filters.response(cascade, frequencies))
            np.testing.assert_allclose(in_units(page, ".response", name), gains, atol=0.01)


def test_poles_stand_where_they_are(opened):
    plane = opened(explorer(GRADIENT, 0.5, 0.25)).locator(".plane")
    unit, zero = (plane.locator("circle").nth(i).bounding_box() for i in (0, 1))
    middle, radius = zero["x"] + zero["width"] / 2, unit["width"] / 2
    for name, at in (("outer", 0.5), ("inner", 0.75)):
        box = plane.locator(f".{name}-pole").bounding_box()
        assert box["x"] + box["width"] / 2 == pytest.approx(middle + at * radius, abs=1)
    assert plane.get_attribute("aria-label") == "Poles at 0.5 and 0.75, two zeros at 0"


@pytest.mark.parametrize(("name", "lowest"), [("alpha", 1e-5), ("gamma", 1e-3)])
def test_a_slider_is_moved_by_keyboard(page, name, lowest):
    slider = page.get_by_role("slider", name=name)
    other = page.get_by_role("slider", name="gamma" if name == "alpha" else "alpha")
    rest = other.get_attribute("aria-valuetext")
    start, before = number(slider.get_attribute("aria-valuetext")), trace(page, "second")
    slider.focus()
    for key, value in (("ArrowRight", start * 10**0.01), ("End", 1), ("Home", lowest)):
        page.keyboard.press(key)
        assert number(slider.get_attribute("aria-valuetext")) == pytest.approx(value, rel=6e-3)
        label = page.locator("label", has=slider).inner_text()
        assert number(label.partition("= ")[2].strip()) == pytest.approx(value, rel=6e-3)
        after = trace(page, "second")
        assert np.abs(after - before).max() > 0.05
        before = after
    assert other.get_attribute("aria-valuetext") == rest
    last = filters.cascade(*((lowest, 0.1) if name == "alpha" else (1e-3, lowest)))
    assert number(numbers(page)[2][1]) == pytest.approx(filters.noise_gain(last), rel=6e-3)


def test_a_start_between_or_below_the_sliders_steps_is_shown_as_it_is(opened):
    page = opened(explorer(GRADIENT, 1.234e-3, 2e-4))
    texts = [page.get_by_role("slider").nth(i).get_attribute("aria-valuetext") for i in (0, 1)]
    assert [number(text) for text in texts] == [1.23e-3, 2e-4]


def test_two_on_one_page_are_independent(opened):
    one, other = explorer(GRADIENT), explorer(GRADIENT[:50], 0.01, 0.5)
    page = opened(one, other, one)
    rows = [numbers(page, which) for which in range(3)]
    assert rows[0] == rows[2] != rows[1]
    page.get_by_role("slider", name="alpha").nth(1).focus()
    page.keyboard.press("End")
    assert [numbers(page, which) == rows[which] for which in range(3)] == [True, False, True]


@pytest.mark.parametrize("width", [320, 390, 800, 1280])
def test_nothing_is_wider_than_the_screen(opened, width):
    page = opened(explorer(GRADIENT, 1e-5, 1e-3), width=width)
    assert page.evaluate("document.documentElement.scrollWidth") <= width
    assert page.evaluate(
        """() => [...document.querySelectorAll("svg[role] text, svg[role] path")].filter((mark) => {
          const box = mark.getBoundingClientRect(), room = mark.closest("svg").getBoundingClientRect();
          return box.left < room.left || box.right > room.right + 1;
        }).map((mark) => mark.outerHTML.slice(0, 80))"""
    ) == []  # fmt: skip


def test_it_is_drawn_anew_when_the_screen_turns(page):
    wide = np.ptp(trace(page, "second")[:, 0])
    page.set_viewport_size({"width": 390, "height": 800})
    page.wait_for_function(f"document.querySelector('.trace .second').getBBox().width < {wide} - 200")


def test_what_is_folded_away_is_drawn_once_it_is_unfolded(opened):
    page = opened(explorer(GRADIENT), wrap="<details>{}</details>")
    assert page.locator(".trace .second").count() == 0
    page.eval_on_selector("details", "details => details.open = true")
    page.wait_for_selector(".trace .second")
    assert len(trace(page, "second")) == len(GRADIENT)
    page.evaluate("document.body.hidden = true")
    page.evaluate("new Promise((done) => requestAnimationFrame(() => setTimeout(done)))")


def test_each_theme_has_its_colours_and_no_plate_of_the_books(opened):
    theme = pytest.importorskip("pydata_sphinx_theme")
    (sheet,) = Path(theme.__file__).parent.rglob("pydata-sphinx-theme.css")
    style, seen = sheet.read_text(encoding="utf-8"), {}
    # Only its rule for outputs: the whole sheet asks for fonts.
    (plate,) = re.findall(r"}(html\[data-theme=dark\][^{}]*\.text_html[^{}]*{[^}]*})", style)
    for name in ("light", "dark"):
        page = opened(explorer(GRADIENT), theme=name, style=":root{--pst-color-text-base:#eee}" + plate)
        code = "(at, what) => getComputedStyle(at)[what]"
        assert page.eval_on_selector(".text_html", code, "backgroundColor") == "rgba(0, 0, 0, 0)"
        for line in ("first", "second"):
            seen[name, line] = page.eval_on_selector(f".trace .{line}", code, "stroke")
    assert len(set(seen.values())) == 4


def test_without_scripts_a_sentence_says_so(opened):
    page = opened(explorer(GRADIENT), script=False)
    assert page.inner_text("body").strip().endswith("needs JavaScript.")


@pytest.mark.parametrize("gradient", [[1.0], [0.0, 0.0, 0.0], [-1e-300, 1e-300], [1e300] * 7])
def test_odd_gradients_are_drawn_too(opened, gradient):
    page = opened(explorer(gradient))
    assert np.isfinite(trace(page, "second")).all()
    assert len(trace(page, "raw")) == len(gradient)


def test_data_cannot_end_their_script(monkeypatch):
    ends = explorer(GRADIENT)._repr_html_().count("</script")
    monkeypatch.setattr(room, "COLOURS", ("</script>",) * 7)
    assert explorer(GRADIENT)._repr_html_().count("</script") == ends


@pytest.mark.parametrize(
    ("arguments", "says"),
    [
        (([],), r"gradient must be .* one or more finite numbers, got the shape \(0,\)"),
        (([[1.0]],), r"gradient must be a flat list .* got the shape \(1, 1\)"),
        ((0.5,), r"gradient must be .* got the shape \(\)"),
        (([1.0, float("nan")],), "gradient must be .* finite numbers, got nan at index 1"),
        (([float("-inf")],), "gradient must be .* finite numbers, got -inf at index 0"),
        ((["a", "b"],), r"gradient must be .* got \['a', 'b'\]"),
        (([1.0, [2.0]],), r"gradient must be .* got \[1.0, \[2.0\]\]"),
        (([1.0], 0.0), r"alpha must be in \(0, 1\], got 0.0"),
        (([1.0], 0.5, 1.5), r"gamma must be in \(0, 1\], got 1.5"),
        (([1.0], float("nan")), r"alpha must be in \(0, 1\], got nan"),
        (([1.0], 0.5, "fast"), r"gamma must be in \(0, 1\], got 'fast'"),
    ],
)
def test_bad_input_is_refused_by_name(arguments, says):
    with pytest.raises(ValueError, match=says):
        explorer(*arguments)
