// By name: the slope, and the function through 0 that has it.
const SURROGATES = {
  identity: { slope: () => 1, whole: (x) => x },
  clip: { slope: (x) => Number(Math.abs(x) <= 1), whole: (x) => Math.max(-1, Math.min(1, x)) },
  approx: {
    slope: (x) => Math.max(0, 2 - 2 * Math.abs(x)),
    whole: (x) => (Math.abs(x) < 1 ? x * (2 - Math.abs(x)) : Math.sign(x)),
  },
  ede: {
    slope: (x, t) => Math.max(1 / t, 1) * t * (1 - Math.tanh(t * x) ** 2),
    whole: (x, t) => Math.max(1 / t, 1) * Math.tanh(t * x),
  },
};
const LINES = { identity: "blue", clip: "orange", approx: "green", ede: "pink" };
const maths = {
  slope: (name, x, t) => SURROGATES[name].slope(x, t),
  whole: (name, x, t) => SURROGATES[name].whole(x, t),
  // -0 has the other sign, as in the package.
  sign: (x) => (x > 0 || Object.is(x, 0) ? 1 : -1),
  meanSlope: (name, inputs, t) =>
    inputs.reduce((sum, x) => sum + SURROGATES[name].slope(x, t), 0) / inputs.length,
};

const REACH = 2, XS = range(401, scale(0, 400, -REACH, REACH));
const ACROSS = [-REACH, REACH, [-2, -1, 0, 1, 2].map((at) => [at, String(at).replace("-", "−")])];
const curves = (of, t, x, y, most) => Object.keys(SURROGATES).map((name) =>
  path(LINES[name], XS.map(x), XS.map((at) => y(Math.min(most, SURROGATES[name][of](at, t)))))).join("");
const pointer = (at, x, { top, bottom }) => `<path class="at" d="M${x(at)} ${top}V${bottom}"/>`;

const bars = (inputs, x, { top, bottom }) => {
  const counts = Array(40).fill(0);
  for (const input of inputs) {
    const at = Math.floor(scale(-REACH, REACH, 0, 40)(input));
    if (at >= 0 && at < 40) counts[at] += 1;
  }
  const most = Math.max(1, ...counts), width = (x(REACH) - x(-REACH)) / 40;
  return `<path class="bars" d="${counts.map((count, i) =>
    `M${x(-REACH) + i * width} ${bottom}v${-(bottom - top) * 0.6 * count / most}h${width - 1}V${bottom}`).join("")}"/>`;
};

start("surrogates", (root, { inputs, values }) => ({
  values,
  maths,
  sliders: { x: linear(-REACH, REACH, 0.01), t: logarithmic(-2, 1, values.t) },
  draw() {
    const { x: input, t } = values, names = Object.keys(SURROGATES);
    const slopes = names.map((name) => maths.slope(name, input, t));
    root.querySelectorAll("tbody tr").forEach((row, i) => {
      const mean = inputs.length ? shown(maths.meanSlope(names[i], inputs, t)) : "–";
      const words = [shown(maths.sign(input)), shown(slopes[i]), mean];
      row.querySelectorAll("td").forEach((cell, k) => (cell.textContent = words[k]));
    });
    panel(root.querySelector(".forward"), `At x = ${shown(input)} the sign is ${maths.sign(input)}`, ACROSS,
      [-2, 2, [-2, -1, 0, 1, 2].map((at) => [at, String(at).replace("-", "−")])],
      (x, y, edges) => `<path class="sign" d="M${x(-2)} ${y(-1)}H${x(0)}M${x(0)} ${y(1)}H${x(2)}"/>`
        + curves("whole", t, x, (value) => y(Math.max(-2, value)), 2) + pointer(input, x, edges));
    const most = Math.max(2.1, Math.min(10, Math.max(1 / t, 1) * t));
    const ticks = range(Math.floor(most / (most > 4 ? 2 : 1)) + 1, (i) => (most > 4 ? 2 : 1) * i);
    panel(root.querySelector(".backward"), `Slopes at x = ${shown(input)}: `
      + names.map((name, i) => `${name} ${shown(slopes[i])}`).join(", "),
      ACROSS, [0, most, ticks.map((at) => [at, at])], (x, y, edges) =>
        bars(inputs, x, edges) + curves("slope", t, x, y, most) + pointer(input, x, edges));
  },
}));
