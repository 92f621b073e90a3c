const maths = {
  filtered,
  poles: (rates) => rates.map((rate) => 1 - rate),
  // |1 - (1 - r) e^(-iw)|^2 = r^2 + 4 (1 - r) sin^2(w/2), which loses no digits for small r.
  response: (rates, frequencies) => frequencies.map((frequency) => rates.reduce((gain, rate) =>
    gain * rate / Math.hypot(rate, 2 * Math.sqrt(1 - rate) * Math.sin(Math.PI * frequency)), 1)),
  timeConstant: (rates) => -1 / Math.log1p(-Math.min(...rates)),
  noiseGain: ([alpha, gamma = 1]) => alpha * gamma * (1 + (1 - alpha) * (1 - gamma))
    / ((alpha + gamma - alpha * gamma) * (2 - alpha) * (2 - gamma)),
  // An exact zero keeps the sign before it, as a weight does whose gradient is 0.
  flips: (outputs) => outputs.filter(Boolean)
    .filter((value, i, rest) => i && value > 0 !== rest[i - 1] > 0).length,
};

const drawPlane = (svg, alpha, gamma) => {
  const [outer, inner] = maths.poles([alpha, gamma]);
  const { x, y, radius } = plane(svg, `Poles at ${shown(outer)} and ${shown(inner)}, two zeros at 0`,
    [["cross orange", inner, 0], ["cross blue", outer, 0]]);
  svg.innerHTML += text("end", x + outer * radius - 2, y - 12, `1 − <tspan font-style="italic">α</tspan>`)
    + text("end", x + inner * radius - 2, y + 21, `1 − <tspan font-style="italic">γ</tspan>`);
};

const drawResponse = (svg, filters) => {
  const ends = [-5, Math.log10(0.5)], exponents = range(241, scale(0, 240, ...ends));
  const frequencies = exponents.map((exponent) => 10 ** exponent);
  const decibels = filters.map(([name, rates]) =>
    [name, maths.response(rates, frequencies).map((gain) => 20 * Math.log10(gain))]);
  const floor = Math.min(-120, ...decibels.map(([, gains]) => 40 * Math.floor(gains.at(-1) / 40)));
  const label = "Gain against frequency: " + decibels.map(([name, gains]) =>
    `${name.split(" ")[0]} order ${Math.round(gains.at(-1))} dB at half a cycle a step`).join(", ");
  panel(svg, label, [...ends, powerTicks(...ends)],
    [floor, 0, range(1 - floor / 40, (i) => [-40 * i, i && `−${40 * i}`])],
    (x, y) => decibels.map(([name, gains]) => path(name, exponents.map(x), gains.map(y))).join(""));
};

const drawTrace = (svg, outputs, label) => {
  const count = outputs[0][1].length;
  panel(svg, label, [1, Math.max(count, 2), stepTicks(count)], [-1, 1, [[1, "1"], [0, "0"], [-1, "−1"]]],
    (x, y, { left, right }) => outputs.map(([name, values]) => {
      const most = largest(values) || 1;
      return path(name, values.map((_, i) => x(i + 1)), values.map((value) => y(value / most)));
    }).join("") + `<path class="axis" d="M${left} ${y(0)}H${right}"/>`);
};

start("filters", (root, { gradient, values }) => ({
  values,
  maths,
  sliders: { alpha: logarithmic(-5, 0, values.alpha), gamma: logarithmic(-3, 0, values.gamma) },
  draw() {
    const { alpha, gamma } = values, find = (selector) => root.querySelector(selector);
    const filters = [["first blue", [alpha]], ["second orange", [alpha, gamma]]];
    const outputs = [["raw", [1]], ...filters].map(([name, rates]) => [name, filtered(rates, gradient), rates]);
    const flips = outputs.map(([, signal]) => maths.flips(signal));
    root.querySelectorAll("tbody tr").forEach((row, i) => {
      const rates = outputs[i][2], cells = row.querySelectorAll("td");
      [maths.timeConstant(rates), maths.noiseGain(rates), flips[i]]
        .forEach((number, k) => (cells[k].textContent = shown(number)));
    });
    drawPlane(find(".plane"), alpha, gamma);
    drawResponse(find(".response"), filters);
    drawTrace(find(".trace"), outputs, `${gradient.length} steps; sign flips: gradient ${flips[0]}, `
      + `first order ${flips[1]}, second order ${flips[2]}`);
  },
}));
