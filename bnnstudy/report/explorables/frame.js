// What all explorables share: numbers in words, scales, panels, sliders and the start on a page.
const power = (exponent) => "10" + String(exponent).replace(/./g, (sign) =>
  sign === "-" ? "⁻" : "⁰¹²³⁴⁵⁶⁷⁸⁹"[sign]);
const shown = (value) => {
  if (!Number.isFinite(value)) return value > 0 ? "∞" : "–";
  if (value < 0) return "−" + shown(-value);
  if (!value || (value >= 0.001 && value < 1e7)) {
    return value.toLocaleString("en", { maximumSignificantDigits: 3 });
  }
  const [digits, exponent] = value.toExponential(2).split("e");
  return `${Number(digits)} × ${power(Number(exponent))}`;
};
const whole = (value) => value.toLocaleString("en");
const range = (count, at) => Array.from({ length: count }, (_, i) => at(i));
const scale = (low, high, from, to) => (value) => from + (to - from) * (value - low) / (high - low);
const largest = (values) => values.reduce((top, value) => Math.max(top, Math.abs(value)), 0);

const path = (of, xs, ys) =>
  `<path class="${of}" d="M${xs.map((x, i) => `${x.toFixed(2)} ${ys[i].toFixed(2)}`).join("L")}"/>`;
const text = (of, x, y, words) => `<text class="${of}" x="${x}" y="${y}">${words}</text>`;
const cross = (of, x, y) => `<path class="${of}" d="M${x - 6} ${y - 6}l12 12m0 -12l-12 12"/>`;
const show = (svg, label, drawing) => {
  svg.setAttribute("aria-label", label);
  svg.innerHTML = drawing;
};

// An axis is [low, high, ticks], a tick [value, words]; `lines` gets both scales and the edges.
const panel = (svg, label, [xLow, xHigh, xTicks], [yLow, yHigh, yTicks], lines) => {
  const edges = { left: 44, right: svg.clientWidth - 18, top: 8, bottom: svg.clientHeight - 26 };
  const x = scale(xLow, xHigh, edges.left, edges.right), y = scale(yLow, yHigh, edges.bottom, edges.top);
  const grid = [...yTicks.map(([value]) => `M${edges.left} ${y(value)}H${edges.right}`),
    ...xTicks.map(([value]) => `M${x(value)} 4V${edges.bottom}`)].join("");
  show(svg, label, `<path class="grid" d="${grid}"/>`
    + yTicks.map(([value, words]) => text("end", edges.left - 6, y(value) + 4, words)).join("")
    + xTicks.map(([value, words]) => text("middle", x(value), edges.bottom + 20, words)).join("")
    + lines(x, y, edges));
};
const stepTicks = (count) => {
  const unit = Math.max(1, 10 ** Math.floor(Math.log10(count / 6)));
  const spacing = unit * [1, 2, 5, 10].find((k) => count <= 6 * k * unit);
  return range(Math.floor(count / spacing), (i) => [(i + 1) * spacing, whole((i + 1) * spacing)]);
};
const powerTicks = (low, high) => {
  const first = Math.ceil(low), every = Math.ceil((Math.floor(high) - first + 1) / 7);
  return range(Math.floor((high - first) / every) + 1, (i) => [first + i * every, power(first + i * every)]);
};
const plane = (svg, label, poles) => {
  const [x, y] = [svg.clientWidth / 2, svg.clientHeight / 2], radius = Math.min(x - 30, y - 14);
  const circle = (r) => `<circle class="axis" cx="${x}" cy="${y}" r="${r}"/>`;
  const arms = `M${x - radius - 14} ${y}h${2 * radius + 28}M${x} 2V${2 * y}`;
  show(svg, label, `<path class="grid" d="${arms}"/>` + [radius, 5, 8].map(circle).join("")
    + text("", x + radius + 9, y + 4, "1")
    + poles.map(([of, re, im]) => cross(of, x + re * radius, y - im * radius)).join(""));
  return { x, y, radius };
};

const choices = (select, names) =>
  select.replaceChildren(...names.map((name, i) => new Option(name, i)));

// A slider's kind: its ends and step, and from its position to the value and back.
const logarithmic = (low, high, start) => ({
  low: Math.min(low, Math.floor(Math.log10(start))), high, step: 0.01,
  value: (at) => 10 ** at, at: Math.log10, words: shown,
});
// Numbers as recipes have them, of two digits; with `zero` the lowest position is 0.
const rounded = (low, high, zero = false, words = shown) => ({
  low, high, step: 0.05, words,
  value: (at) => (zero && at <= low ? 0 : Number((10 ** at).toPrecision(2))),
  at: (value) => (value ? Math.log10(value) : low),
});
const linear = (low, high, step, words = shown) =>
  ({ low, high, step, value: Number, at: Number, words });

// Ties a slider to values[name]; what is given back moves it to where the value is.
const slide = (root, values, name, kind, draw) => {
  const input = root.querySelector(`[name=${name}]`), told = input.closest("label").querySelector("output");
  const tell = () => {
    told.textContent = kind.words(values[name]);
    input.setAttribute("aria-valuetext", told.textContent);
  };
  Object.assign(input, { min: kind.low, max: kind.high, step: kind.step });
  input.addEventListener("input", () => {
    values[name] = kind.value(Number(input.value));
    tell();
    draw();
  });
  return () => {
    input.value = kind.at(values[name]);
    tell();
  };
};

// `setUp(root, data)` gives { values, sliders, draw, maths }. By class and not by id: one cell's output
// may stand on a page twice. Sizes are known, and change, as the page is laid out or unfolded.
const start = (name, setUp) => {
  for (const root of document.querySelectorAll(`.explore-${name}:not([data-ready])`)) {
    const data = JSON.parse(root.querySelector("script[type='application/json']").text);
    const { values, sliders, draw, maths } = setUp(root, data);
    const drawn = () => root.clientWidth && draw(); // 0: folded away
    const places = Object.entries(sliders).map(([of, kind]) => slide(root, values, of, kind, drawn));
    const set = (changed) => {
      Object.assign(values, changed);
      places.forEach((place) => place());
      drawn();
    };
    root.explorable = { ...maths, values, set };
    places.forEach((place) => place());
    root.dataset.ready = "";
    root.querySelector(".fixed").remove();
    root.querySelector(".content").hidden = false;
    const watch = new ResizeObserver(drawn);
    root.querySelectorAll("svg[role]").forEach((svg) => watch.observe(svg));
  }
};
