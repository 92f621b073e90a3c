const maths = {
  // As in the package, the filter's state is kept as -g: where it is 0 its sign bit is the weight's, so
  // that a weight whose gradient has always been 0 stays as it was drawn, `first`.
  life: ([alpha, gamma], gradient, first) => {
    const inner = average(gamma, gradient);
    let kept = 0 * first;
    const latent = inner.map((value) => (kept = (1 - alpha) * kept - alpha * value));
    const signs = [first, ...latent.map((value) => (value > 0 || Object.is(value, 0) ? 1 : -1))];
    return { inner, states: latent.map((value) => 0 - value), signs };
  },
  flips: (signs) => signs.filter((sign, i) => i && sign !== signs[i - 1]).length,
};

// A square wave between two heights; `signs` are those before the first step and after each.
const wave = (of, signs, x, up, down) => {
  const at = signs.flatMap((sign, i) => (i && sign === signs[i - 1] ? [] : [i])), y = (i) => (signs[i] > 0 ? up : down);
  return `<path class="${of}" d="M${x(0)} ${y(0)}${at.slice(1).map((i) => `H${x(i).toFixed(2)}V${y(i)}`).join("")}H${x(signs.length - 1)}"/>`;
};

start("weight", (root, { weights, values }) => {
  const count = weights[0].gradient.length, find = (selector) => root.querySelector(selector);
  const along = [0, count, stepTicks(count)], around = [-1, 1, [[1, "1"], [0, "0"], [-1, "−1"]]];
  const draw = () => {
    const { weight, step, alpha, gamma } = values, { gradient, first, turns } = weights[weight - 1];
    const { inner, states, signs: replayed } = maths.life([alpha, gamma], gradient, first);
    const turned = new Set(turns);
    let sign = first;
    const recorded = range(count + 1, (i) => (sign = turned.has(i) ? -sign : sign));
    const agree = recorded.filter((value, i) => i && value === replayed[i]).length;
    const pointer = (x, { top, bottom }) => `<path class="at" d="M${x(step)} ${top}V${bottom}"/>`;
    const lines = (named) => (x, y, edges) => named.map(([of, signal, most]) =>
      path(of, signal.map((_, i) => x(i + 1)), signal.map((value) => y(value / most)))).join("")
      + `<path class="axis" d="M${edges.left} ${y(0)}H${edges.right}"/>` + pointer(x, edges);
    const most = largest(gradient) || 1;
    panel(find(".gradient"), `Gradient at step ${step}: ${shown(gradient[step - 1])}`, along, around,
      lines([["raw", gradient, most], ["orange", inner, most]]));
    panel(find(".state"), `State after step ${step}: ${shown(states[step - 1])}`, along, around,
      lines([["blue", states, largest(states) || 1]]));
    const flips = [replayed, recorded].map((signs) => [maths.flips(signs.slice(0, step + 1)), maths.flips(signs)]);
    panel(find(".signs"), `Weight after step ${step}: ${replayed[step]}; flips in the run: replayed ${flips[0][1]}, recorded ${flips[1][1]}`,
      along, [0, 3, [[2.7, "1"], [1.9, "−1"], [1.1, "1"], [0.3, "−1"]]], (x, y, edges) =>
        wave("blue", replayed, x, y(2.7), y(1.9)) + wave("recorded", recorded, x, y(1.1), y(0.3)) + pointer(x, edges));
    const rows = [[shown(gradient[step - 1]), ""], [shown(states[step - 1]), ""],
      [shown(replayed[step]), shown(recorded[step])], [flips[0][0], flips[1][0]], [flips[0][1], flips[1][1]],
      [`${shown(100 * agree / count)} %`, ""]];
    root.querySelectorAll("tbody tr").forEach((row, i) =>
      row.querySelectorAll("td").forEach((cell, k) => (cell.textContent = rows[i][k])));
  };
  return {
    values,
    maths,
    sliders: {
      weight: linear(1, weights.length, 1, (value) => `${value} of ${weights.length}`),
      step: linear(1, count, 1, whole),
      alpha: logarithmic(-5, 0, values.alpha),
      gamma: logarithmic(-3, 0, values.gamma),
    },
    draw,
  };
});
