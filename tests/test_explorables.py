"""The explorables in a browser, opened as files: their numbers, lines, sliders and themes.

What their JavaScript computes is compared with SciPy and the package. Without playwright or browser
these tests are skipped; where CI is set they fail.
"""

import json
import re
from fractions import Fraction
from pathlib import Path

import numpy as np
import pytest
import torch
from scipy import signal
from test_browser import AXE, WCAG

from bnnstudy.nn import binarize
from bnnstudy.optim import FilterOptimizer, trace
from bnnstudy.report.explorables import (
    filter_explorer,
    flips_by_layer,
    frame,
    recipe_converter,
    surrogate_explorer,
    weight_life,
)
from bnnstudy.theory import RECIPES, convert, filters

RATES = [(1e-3, 0.1), (1e-5, 1e-3), (0.02, 0.5), (0.3, 0.05), (1.0, 0.2), (1e-2, 1.0)]
RANDOM = np.random.default_rng(0)
GRADIENT = 1e-4 * (RANDOM.standard_normal(400) + np.sin(np.arange(400) / 40))
GRADIENT[[0, 5, 6, 100]] = 0  # As of a weight behind a dead unit.
LIVES = 1e-3 * (RANDOM.standard_normal((300, 12)) + 0.3 * np.sin(np.arange(300) / 30)[:, None])
LIVES[:20, 3] = LIVES[100, 3] = 0
RANDOM_INPUTS = RANDOM.standard_normal(800)
PAGE = """<!doctype html><html data-theme="{theme}" lang="en"><meta charset="utf-8">
<meta name="viewport" content="width=device-width"><title>explorer</title>
<style>body {{ font: 16px/1.65 "DejaVu Sans", sans-serif }} {style}
[data-theme=dark] body {{ background: #121212; color: #ddd; }}</style>
<body class="bd-content">{body}</body></html>"""
SIGNS = trace(lambda weights: FilterOptimizer(weights, alpha=0.01, gamma=0.1),
              torch.ones(12, dtype=torch.float64), torch.from_numpy(LIVES))  # fmt: skip
SIZES = {"1.weight": 640, "4.weight": 100}
TRAININGS = {
    name: {
        "layer_steps": [1, 5, 20, 100],
        "layers": {"1.weight": [0.5, 0.2, 0.01, last], "4.weight": [0.4, 0.3, 0.02, 0.001]},
    }
    for name, last in (("cosine", 0.0), ("constant", 0.01))
}
MADE = {
    "filters": filter_explorer(GRADIENT, 1e-5, 1e-3),
    "surrogates": surrogate_explorer(RANDOM_INPUTS),
    "recipe": recipe_converter(),
    "weight": weight_life(LIVES, SIGNS, 0.01),
    "layers": flips_by_layer(TRAININGS, SIZES),
}
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
        if script:  # drawn with the first frame
            page.evaluate("new Promise((done) => requestAnimationFrame(() => setTimeout(done)))")
        return page

    yield open_file
    for page in pages:
        page.close()
    assert said == []


@pytest.fixture
def page(opened):
    return opened(filter_explorer(GRADIENT))


EXPLORABLE = "document.querySelector('.explorable').explorable"


def told_each(page, call, name, xs, t):
    """The same for each of many x."""
    return page.evaluate(f"{np.asarray(xs).tolist()}.map((x) => {EXPLORABLE}.{call}('{name}', x, {t}))")


def told(page, call, *values):
    """What a function of the explorable's own maths gives."""
    code = f"(root, values) => root.explorable.{call}(...values)"
    return page.eval_on_selector(".explorable", code, list(values))


def line(page, name, of=".trace"):
    """A drawn line's points, (n, 2), in pixels."""
    drawn = page.get_attribute(f".explorable {of} path.{name}", "d")
    return np.array(re.findall(r"[\d.]+", drawn), dtype=float).reshape(-1, 2)


def in_units(page, panel, name):
    """A drawn line's heights, read off the labels of its panel's axis."""
    ticks = page.locator(f"{panel} text.end").evaluate_all(
        "texts => texts.map((t) => [t.getAttribute('y') - 4, Number(t.textContent.replace('−', '-'))])"
    )
    slope, start = np.polyfit(*np.transpose(ticks), 1)
    return start + slope * line(page, name, panel)[:, 1]


def numbers(page, which=0):
    """The table's cells, row by row."""
    rows = page.locator(".explorable").nth(which).locator("tbody tr").all()
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
    outputs = GRADIENT
    for rate in rates:  # one after another: the cascade's own coefficients lose digits
        outputs = signal.lfilter([rate], [1, rate - 1], outputs)
    np.testing.assert_allclose(
        told(page, "filtered", rates, GRADIENT.tolist()),
        outputs,
        rtol=0,
        atol=1e-12 * np.abs(outputs).max(),
    )
    np.testing.assert_allclose(
        told(page, "response", rates, frequencies.tolist()),
        filters.response(cascade, frequencies),
        rtol=1e-6,  # at low frequencies `freqz` loses what small rates are about
    )
    waves = np.exp(-2j * np.pi * frequencies)
    exact = np.prod([np.abs(rate / (1 - waves + rate * waves)) for rate in rates], axis=0)
    np.testing.assert_allclose(told(page, "response", rates, frequencies.tolist()), exact, rtol=1e-10)
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
    shown = numbers(opened(filter_explorer(GRADIENT, alpha, gamma)))
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
        assert np.ptp(np.diff(line(page, name)[:, 0])) < 0.03
        if name != "raw":
            gains = 20 * np.log10(filters.response(cascade, frequencies))
            np.testing.assert_allclose(in_units(page, ".response", name), gains, atol=0.01)


def test_poles_stand_where_they_are(opened):
    plane = opened(filter_explorer(GRADIENT, 0.5, 0.25)).locator(".plane")
    unit, zero = (plane.locator("circle").nth(i).bounding_box() for i in (0, 1))
    middle, radius = zero["x"] + zero["width"] / 2, unit["width"] / 2
    for name, at in (("blue", 0.5), ("orange", 0.75)):
        box = plane.locator(f".cross.{name}").bounding_box()
        assert box["x"] + box["width"] / 2 == pytest.approx(middle + at * radius, abs=1)
    assert plane.get_attribute("aria-label") == "Poles at 0.5 and 0.75, two zeros at 0"


@pytest.mark.parametrize(("name", "lowest"), [("alpha", 1e-5), ("gamma", 1e-3)])
def test_a_slider_is_moved_by_keyboard(page, name, lowest):
    slider = page.get_by_role("slider", name=name)
    other = page.get_by_role("slider", name="gamma" if name == "alpha" else "alpha")
    rest = other.get_attribute("aria-valuetext")
    start, before = number(slider.get_attribute("aria-valuetext")), line(page, "second")
    slider.focus()
    for key, value in (("ArrowRight", start * 10**0.01), ("End", 1), ("Home", lowest)):
        page.keyboard.press(key)
        assert number(slider.get_attribute("aria-valuetext")) == pytest.approx(value, rel=6e-3)
        label = page.locator("label", has=slider).inner_text()
        assert number(label.partition("= ")[2].strip()) == pytest.approx(value, rel=6e-3)
        after = line(page, "second")
        assert np.abs(after - before).max() > 0.05
        before = after
    assert other.get_attribute("aria-valuetext") == rest
    last = filters.cascade(*((lowest, 0.1) if name == "alpha" else (1e-3, lowest)))
    assert number(numbers(page)[2][1]) == pytest.approx(filters.noise_gain(last), rel=6e-3)


def test_a_start_between_or_below_the_sliders_steps_is_shown_as_it_is(opened):
    page = opened(filter_explorer(GRADIENT, 1.234e-3, 2e-4))
    texts = [page.get_by_role("slider").nth(i).get_attribute("aria-valuetext") for i in (0, 1)]
    assert [number(text) for text in texts] == [1.23e-3, 2e-4]


def test_two_on_one_page_are_independent(opened):
    one, other = filter_explorer(GRADIENT), filter_explorer(GRADIENT[:50], 0.01, 0.5)
    page = opened(one, other, one)
    rows = [numbers(page, which) for which in range(3)]
    assert rows[0] == rows[2] != rows[1]
    page.get_by_role("slider", name="alpha").nth(1).focus()
    page.keyboard.press("End")
    assert [numbers(page, which) == rows[which] for which in range(3)] == [True, False, True]


@pytest.mark.parametrize("width", [320, 360, 390, 800, 1280])
@pytest.mark.parametrize("name", MADE)
def test_nothing_is_wider_than_the_screen(opened, name, width):
    page = opened(MADE[name], width=width)
    assert page.evaluate("document.documentElement.scrollWidth") <= width
    assert page.evaluate(
        """() => [...document.querySelectorAll("svg[role] :is(text, path), table")].filter((mark) => {
          const outer = mark.closest("svg") ?? mark.closest(".explorable");
          const box = mark.getBoundingClientRect(), room = outer.getBoundingClientRect();
          return box.left < room.left || box.right > room.right + 1;
        }).map((mark) => mark.outerHTML.slice(0, 80))"""
    ) == []  # fmt: skip


@pytest.mark.parametrize("name", MADE)
def test_it_shuts_nobody_out(opened, name):
    """WCAG 2.2 AA as axe-core knows it, in both themes; each slider and drawing has its words."""
    for theme in ("light", "dark"):
        page = opened(MADE[name], theme=theme)
        page.evaluate(AXE.read_text())
        found = page.evaluate(f"axe.run(document, {json.dumps({'preload': False, 'runOnly': WCAG})})")
        assert {one["id"]: [node["html"] for node in one["nodes"]] for one in found["violations"]} == {}
    sliders = page.get_by_role("slider").all()
    assert sliders
    for slider in sliders:
        assert slider.get_attribute("aria-label")
        told_beside = slider.evaluate("(at) => at.closest('label').querySelector('output').textContent")
        assert slider.get_attribute("aria-valuetext") == told_beside
    for drawing in page.locator("svg[role=img]").all():
        assert len(drawing.get_attribute("aria-label")) > 10
        assert drawing.locator("path").count() > 1


@pytest.mark.parametrize("name", MADE)
def test_every_slider_moves_something_and_says_so(opened, name):
    page = opened(MADE[name])
    content = page.locator(".content")
    for slider in page.get_by_role("slider").all():
        slider.focus()
        page.keyboard.press("End")
        end, text = content.inner_html(), slider.get_attribute("aria-valuetext")
        page.keyboard.press("Home")
        assert content.inner_html() != end
        assert slider.get_attribute("aria-valuetext") != text


def test_all_on_one_page_are_independent(opened):
    alone = {name: opened(made).locator(".content").inner_html() for name, made in MADE.items()}
    page = opened(*MADE.values())
    together = page.locator(".content").evaluate_all("all => all.map((one) => one.innerHTML)")
    assert together == list(alone.values())


def test_it_is_drawn_anew_when_the_screen_turns(page):
    wide = np.ptp(line(page, "second")[:, 0])
    page.set_viewport_size({"width": 390, "height": 800})
    page.wait_for_function(f"document.querySelector('.trace .second').getBBox().width < {wide} - 200")


def test_what_is_folded_away_is_drawn_once_it_is_unfolded(opened):
    page = opened(filter_explorer(GRADIENT), wrap="<details>{}</details>")
    assert page.locator(".trace .second").count() == 0
    page.eval_on_selector("details", "details => details.open = true")
    page.wait_for_selector(".trace .second")
    assert len(line(page, "second")) == len(GRADIENT)
    page.evaluate("document.body.hidden = true")
    page.evaluate("new Promise((done) => requestAnimationFrame(() => setTimeout(done)))")


def test_each_theme_has_its_colours_and_no_plate_of_the_books(opened):
    theme = pytest.importorskip("pydata_sphinx_theme")
    (sheet,) = Path(theme.__file__).parent.rglob("pydata-sphinx-theme.css")
    text, seen = sheet.read_text(encoding="utf-8"), {}
    # Only its rule for outputs: the whole sheet asks for fonts.
    (plate,) = re.findall(r"}(html\[data-theme=dark\][^{}]*\.text_html[^{}]*{[^}]*})", text)
    for name in ("light", "dark"):
        page = opened(
            filter_explorer(GRADIENT), theme=name, style=":root{--pst-color-text-base:#eee}" + plate
        )
        code = "(at, what) => getComputedStyle(at)[what]"
        assert page.eval_on_selector(".text_html", code, "backgroundColor") == "rgba(0, 0, 0, 0)"
        for line in ("first", "second"):
            seen[name, line] = page.eval_on_selector(f".trace .{line}", code, "stroke")
    assert len(set(seen.values())) == 4


@pytest.mark.parametrize("name", MADE)
def test_without_scripts_a_fixed_picture_stands_there(opened, name):
    page = opened(MADE[name], script=False)
    assert page.inner_text("body").strip() == "A fixed picture: it can be moved where JavaScript runs."
    picture = page.get_by_role("img")
    assert len(picture.get_attribute("alt")) > 40
    assert picture.bounding_box()["height"] > 150
    assert opened(MADE[name]).locator(".fixed").count() == 0


@pytest.mark.parametrize("gradient", [[1.0], [0.0, 0.0, 0.0], [-1e-300, 1e-300], [1e300] * 7])
def test_odd_gradients_are_drawn_too(opened, gradient):
    page = opened(filter_explorer(gradient))
    assert np.isfinite(line(page, "second")).all()
    assert len(line(page, "raw")) == len(gradient)


def test_names_cannot_end_their_script_or_be_markup(opened):
    name = "</script><b>&"
    run = {"layer_steps": [1, 2], "layers": {name: [0.5, 0.1]}}
    page = opened(flips_by_layer({name: run}, {name: 10}))
    heads = [words.strip() for words in page.locator("th").all_inner_texts()]
    assert heads[1:3] == [name, f"layer {name}"]
    assert page.locator("option").inner_text() == name


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
        filter_explorer(*arguments)


@pytest.mark.parametrize("t", [0.01, 0.3, 1.0, 10.0])
@pytest.mark.parametrize("name", ["identity", "clip", "approx", "ede"])
def test_surrogates_have_the_packages_slopes_and_their_integrals(opened, name, t):
    page = opened(surrogate_explorer([0.5]))
    at = np.array([-2.0, -1.0, -np.nextafter(1, 2), -0.3, 0.0, 0.4, 0.999, 1.0, 1.7])
    point = torch.tensor(at, requires_grad=True)
    forward = binarize.ede(point, t) if name == "ede" else binarize.SURROGATES[name](point)
    forward.sum().backward()
    slopes = told_each(page, "slope", name, at, t)
    np.testing.assert_allclose(slopes, point.grad, rtol=1e-12, atol=1e-12)
    assert told(page, "meanSlope", name, at.tolist(), t) == pytest.approx(np.mean(slopes), rel=1e-12)
    assert page.evaluate(f"{at.tolist()}.map({EXPLORABLE}.sign)") == forward.tolist()
    # The middle of each small step, from 0: the slope's sum is the function.
    fine = (np.arange(2000) + 0.5) / 1000
    area = np.cumsum(told_each(page, "slope", name, fine, t)) / 1000
    for side in (1, -1):
        whole = told_each(page, "whole", name, side * (fine + 0.0005), t)
        np.testing.assert_allclose(whole, side * area, atol=2e-5)


def test_the_sign_of_zero_follows_its_bit(opened):
    page = opened(surrogate_explorer([0.5]))
    assert told(page, "sign", 0) == 1
    assert page.evaluate(f"{EXPLORABLE}.sign(-0)") == -1


def test_the_table_of_surrogates_has_the_mean_slope_of_the_recorded_inputs(opened):
    rows = numbers(opened(surrogate_explorer(RANDOM_INPUTS, x=0.25)))
    assert [number(row[1]) for row in rows[:3]] == [1, 1, 1.5]
    inside = (np.abs(RANDOM_INPUTS) <= 1).mean()  # 500 of 800 are on the page, at even ranks
    assert number(rows[1][2]) == pytest.approx(inside, abs=0.01)


NUMBERS = [(0.1, 1e-4, 0.9), (0.1, 5e-4, 0.9), (0.1, 0.0, 0.9), (0.1, 1e-4, 0.0), (1.0, 2e-3, 0.9),
           (0.5, 2e-3, 0.95), (0.1, 0.05, 0.9), (1.0, 3.85, 0.9), (2.0, 2.5, 0.9),
           (1.5, 1.0, 0.0)]  # fmt: skip


@pytest.mark.parametrize("given", NUMBERS)
def test_the_converter_converts_as_the_package_does(opened, given):
    lr, decay, momentum = given
    page, expected = opened(MADE["recipe"]), convert(*given)
    found, form = told(page, "convert", *given), filters.torch_sgd(lr, momentum, decay)
    assert found["limit"] == pytest.approx(expected.limit, rel=1e-12)
    if expected.alpha is None:
        assert found["alpha"] is found["gamma"] is None
    else:
        rates = expected.alpha, expected.gamma
        assert (found["alpha"], found["gamma"]) == pytest.approx(rates, rel=1e-12)
    assert found["literal"] == pytest.approx(expected.literal, rel=1e-12)
    poles = [complex(*pole) for pole in found["poles"]]
    for pole in form.poles:
        assert min(abs(pole - other) for other in poles) < 1e-12
    answer = filters.impulse_response(form, 200)
    np.testing.assert_allclose(
        np.array(told(page, "answer", *given, 200), dtype=float),
        answer,
        rtol=0,
        atol=1e-12 * np.abs(answer).max(),
    )
    words = " ".join(expected.lines())
    told_by = {
        "averages": "gamma",
        "rings": "complex",
        "alternates": "negative",
        "grows": "without end",
    }
    assert told_by[found["case"]] in words
    assert (found["case"] == "averages") == (expected.alpha is not None)


def test_the_converter_warns_where_the_poles_are_complex(opened):
    page = opened(recipe_converter(0.1, 1e-4, 0.9, 78_000))
    verdict = page.locator("p[role=status]")
    assert verdict.inner_text() == "The start is forgotten within the run."
    assert [number(row[0]) for row in numbers(page)] == [1e-4, 0.0999, 9990, 10, 7.81]
    assert [number(row[1]) for row in numbers(page)] == [1e-5, 0.1, 1e5, 10, 0.78]
    page.get_by_role("combobox").select_option(label="strong decay (for comparison)")
    assert "complex" in verdict.inner_text()
    assert "warns" in verdict.get_attribute("class")
    assert page.get_by_role("slider", name="weight decay").get_attribute("aria-valuetext") == "0.05"
    assert "it changes sign" in page.locator(".impulse").get_attribute("aria-label")
    assert [row[0] for row in numbers(page)] == ["–"] * 5
    page.get_by_role("slider", name="weight decay").focus()
    page.keyboard.press("Home")
    assert verdict.inner_text() == "No decay: the state is a running sum, which forgets nothing."
    assert numbers(page)[2][0] == "∞"
    assert page.get_by_role("combobox").evaluate("list => list.selectedIndex") == 0


def test_the_converter_offers_the_packages_recipes(opened):
    page = opened(recipe_converter(steps=1000))
    for recipe in RECIPES:
        page.get_by_role("combobox").select_option(label=f"{recipe.name} ({recipe.source})")
        expected = convert(recipe.lr, recipe.weight_decay, recipe.momentum, recipe.steps or 1000)
        shown = numbers(page)
        if expected.alpha is not None:
            assert number(shown[0][0]) == pytest.approx(expected.alpha, rel=6e-3)
            assert number(shown[4][0]) == pytest.approx(expected.memories, rel=6e-3)


def test_rate_times_decay_is_one_knob(opened):
    page = opened(recipe_converter())
    before = numbers(page)
    page.eval_on_selector(".explorable", "root => root.explorable.set({lr: 0.2, weight_decay: 5e-5})")
    assert numbers(page) == before


@pytest.mark.parametrize("rates", [(0.01, 0.1), (1e-5, 1e-3), (1.0, 1.0), (0.3, 0.05)])
def test_a_weights_life_is_the_optimizers(opened, rates):
    page = opened(weight_life(LIVES, SIGNS, 0.01))
    alpha, gamma = rates
    make = lambda weights: FilterOptimizer(weights, alpha=alpha, gamma=gamma)  # noqa: E731
    given = -torch.ones(12, dtype=torch.float64), torch.from_numpy(LIVES)
    states, signs = trace(make, *given, keep=FilterOptimizer.filtered), trace(make, *given)
    for weight in (0, 3):
        life = told(page, "life", rates, LIVES[:, weight].tolist(), -1)
        found = life["states"]
        expected = states[-len(found) :, weight].numpy()
        np.testing.assert_allclose(found, expected, rtol=0, atol=1e-12 * np.abs(expected).max())
        assert life["signs"] == signs[:, weight].tolist()


def test_at_the_rates_of_the_run_the_replay_is_as_recorded(opened):
    page = opened(weight_life(LIVES, SIGNS, 0.01))
    flipped = sorted((np.diff(SIGNS.numpy(), axis=0) != 0).sum(0))
    slider = page.get_by_role("slider", name="which weight")
    slider.focus()
    for key, flips_in_run in (("Home", flipped[0]), ("End", flipped[-1])):
        page.keyboard.press(key)
        rows = numbers(page)
        assert rows[4] == [str(flips_in_run)] * 2
        assert rows[3] == rows[4]  # the step is the last one
        assert rows[5][0] == "100 %"
    page.get_by_role("slider", name="step").focus()
    page.keyboard.press("Home")
    most = int(np.argmax((np.diff(SIGNS.numpy(), axis=0) != 0).sum(0)))
    assert number(numbers(page)[0][0].replace("−", "-")) == pytest.approx(LIVES[0, most], rel=6e-3)
    page.get_by_role("slider", name="alpha").focus()
    page.keyboard.press("End")
    assert number(numbers(page)[5][0].removesuffix(" %")) < 99
    assert numbers(page)[4][1] == str(flipped[-1])  # what was recorded stays


def test_a_weight_that_flips_is_drawn_so(opened):
    signs = np.array([[1], [1], [-1], [-1], [1]])
    page = opened(weight_life([[-1.0], [2.0], [2.0], [-9.0]], signs, alpha=1.0, gamma=1.0))
    for wave in ("blue", "recorded"):
        drawn = page.get_attribute(f".signs path.{wave}", "d")
        turns = [float(x) for x in re.findall(r"H([\d.]+)V", drawn)]
        left, right = (float(x) for x in re.findall(r"M([\d.]+) .*H([\d.]+)$", drawn)[0])
        assert [(x - left) / (right - left) * 4 for x in turns] == pytest.approx([2, 4], abs=0.01)


def test_layers_are_as_recorded(opened):
    page = opened(flips_by_layer(TRAININGS, SIZES))
    slider = page.get_by_role("slider", name="step")
    slider.focus()
    for at, step in reversed(list(enumerate(TRAININGS["cosine"]["layer_steps"]))):
        assert slider.get_attribute("aria-valuetext") == str(step)
        for k, run in enumerate(TRAININGS.values()):
            ratios = [ratios[at] for ratios in run["layers"].values()]
            together = np.average(ratios, weights=list(SIZES.values()))
            expected = [100 * one for one in (*ratios, together)]
            assert [number(row[k]) for row in numbers(page)] == pytest.approx(expected, rel=6e-3)
        page.keyboard.press("ArrowLeft")
    found = told(page, "together", [0.1, 0.7], list(SIZES.values()))
    assert found == pytest.approx(np.average([0.1, 0.7], weights=list(SIZES.values())), rel=1e-12)
    before = page.locator(".curves").inner_html()
    page.get_by_role("combobox").select_option(label="constant")
    assert page.locator(".curves").inner_html() != before


@pytest.mark.parametrize(
    ("make", "says"),
    [
        (lambda: surrogate_explorer([]), r"inputs must be a flat list .* got the shape \(0,\)"),
        (lambda: surrogate_explorer([0.1], x=3.0), "x must be from -2 to 2, got 3.0"),
        (lambda: surrogate_explorer([0.1], t=0.0), "t must be above 0 and finite, got 0.0"),
        (lambda: surrogate_explorer([0.1], t=11.0), "t must be from 0.01 to 10, got 11.0"),
        (lambda: recipe_converter(lr=0.0), "lr must be above 0 and finite, got 0.0"),
        (lambda: recipe_converter(steps=None), "steps must be a whole number .* got None"),
        (lambda: weight_life([0.1], SIGNS, 0.1), r"gradients must be a table .* got the shape \(1,\)"),
        (
            lambda: weight_life(LIVES, SIGNS[1:], 0.1),
            r"signs must be 1 or -1 .* \(301, 12\), got the shape",
        ),
        (lambda: weight_life(LIVES, 2 * SIGNS, 0.1), "signs must be 1 or -1 .* from -2 to 2"),
        (lambda: weight_life(LIVES, SIGNS, 1.5), r"alpha must be in \(0, 1\], got 1.5"),
        (lambda: weight_life(LIVES, SIGNS, 0.1, count=0), "count must be a whole number of 1 or more"),
        (lambda: flips_by_layer({}, SIZES), "runs must be what records have"),
        (lambda: flips_by_layer(5, SIZES), "runs must be a Mapping, got 5"),
        (lambda: flips_by_layer(TRAININGS, {"2.weight": 3}), "with the layers of sizes"),
        (lambda: flips_by_layer(TRAININGS, {"1.weight": 0}), "the size in sizes of 1.weight must be"),
        (
            lambda: flips_by_layer(
                {"a": {"layer_steps": [1], "layers": {"1.weight": [1.5]}}}, {"1.weight": 3}
            ),
            "must be 1 shares from 0 to 1",
        ),
    ],
)
def test_bad_input_of_the_others_is_refused_by_name(make, says):
    with pytest.raises(ValueError, match=says):
        make()


def test_every_program_and_style_is_a_file_of_the_package():
    names = {file.name for file in frame.FOLDER.iterdir()}
    for name in MADE:
        assert {f"{name}.{kind}" for kind in ("py", "html", "css", "js")} <= names
