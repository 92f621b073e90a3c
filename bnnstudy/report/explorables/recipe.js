// torch's SGD: w_i = (1 + momentum - lr decay) w_{i-1} - momentum w_{i-2} - lr gradient_i.
const convert = (lr, decay, momentum) => {
  const product = lr * decay, total = 1 - momentum + product, root = Math.sqrt(momentum);
  const limit = (1 - root) ** 2, middle = (1 + momentum - product) / 2;
  const found = { product, limit, alpha: null, gamma: null, literal: [product, 1 - momentum] };
  if (product <= limit) {
    // The larger root first: the difference would lose the smaller one's digits.
    const gamma = (total + Math.sqrt(Math.max(total ** 2 - 4 * product, 0))) / 2;
    const alpha = product && product / gamma;
    return { ...found, alpha, gamma, case: "averages", poles: [[1 - alpha, 0], [1 - gamma, 0]] };
  }
  const inside = middle ** 2 - momentum, half = Math.sqrt(Math.abs(inside));
  if (product < (1 + root) ** 2) return { ...found, case: "rings", poles: [[middle, half], [middle, -half]] };
  const grows = product > 2 * (1 + momentum);
  return { ...found, case: grows ? "grows" : "alternates", poles: [[middle + half, 0], [middle - half, 0]] };
};
const maths = {
  convert,
  // The state -w after one gradient of 1, at each of `steps` steps.
  answer: (lr, decay, momentum, steps) => {
    let before = 0, state = 0;
    return range(steps, (i) => {
      [before, state] = [state, (1 + momentum - lr * decay) * state - momentum * before + (i ? 0 : lr)];
      return state;
    });
  },
};

const TROUBLES = {
  rings: "The poles are complex: the state rings",
  alternates: "The poles are negative: the state alternates",
  grows: "A pole lies below −1: the state grows without end",
};
const verdict = ({ case: is, product, limit, alpha }, steps) => {
  if (TROUBLES[is]) {
    return `${TROUBLES[is]}. No two averages are this filter: rate × decay = ${shown(product)} is above `
      + `(1 − √momentum)² = ${shown(limit)}.`;
  }
  if (!alpha) return "No decay: the state is a running sum, which forgets nothing.";
  const memories = alpha * steps;
  return memories < 0.1 ? "Too short a run for alpha to matter: the state is nearly a running sum."
    : memories < 3 ? "The run is about as long as the memory." : "The start is forgotten within the run.";
};

const drawAnswer = (svg, { lr, weight_decay, momentum }, { case: is, alpha, poles }) => {
  const size = Math.hypot(...poles[0]), averages = is === "averages";
  const far = averages ? Math.min(1e6, Math.max(100, 6 / alpha)) : Math.min(400, 30 - 5 / Math.log(size));
  const asked = Math.ceil(is === "grows" || !(far > 30) ? 30 : far);
  const states = maths.answer(lr, weight_decay, momentum, asked).filter(Number.isFinite);
  const steps = states.length, most = largest(states) || 1;
  // Averages answer over decades of steps, what rings does so within some hundred.
  const at = averages ? [...new Set(range(300, (i) => Math.round(steps ** (i / 299))))] : range(steps, (i) => i + 1);
  const turned = states.some((state) => state < 0);
  panel(svg, `What one gradient leaves in the state over ${whole(steps)} steps: ${turned ? "it changes sign" : "it keeps its sign"}`,
    averages ? [0, Math.log10(steps), powerTicks(0, Math.log10(steps))] : [1, steps, stepTicks(steps)],
    [-1, 1, [[1, "1"], [0, "0"], [-1, "−1"]]], (x, y, { left, right }) =>
      path("orange", at.map((step) => x(averages ? Math.log10(step) : step)), at.map((step) => y(states[step - 1] / most)))
      + `<path class="axis" d="M${left} ${y(0)}H${right}"/>`);
};

start("recipe", (root, { recipes, values }) => {
  const select = root.querySelector("select"), names = ["lr", "weight_decay", "momentum", "steps"];
  choices(select, ["your own numbers", ...recipes.map(({ name }) => name)]);
  select.addEventListener("change", () => {
    const recipe = recipes[select.value - 1];
    if (recipe) root.explorable.set(Object.fromEntries(names.map((name) => [name, recipe[name]])));
  });
  return {
    values,
    maths,
    sliders: {
      lr: rounded(-4, 1), weight_decay: rounded(-7, 1, true), momentum: linear(0, 0.99, 0.01),
      steps: rounded(2, 6, false, whole),
    },
    draw() {
      const { lr, weight_decay, momentum, steps } = values, found = convert(lr, weight_decay, momentum);
      select.selectedIndex = 1 + recipes.findIndex((recipe) => names.every((name) => recipe[name] === values[name]));
      const columns = [[found.alpha, found.gamma], found.literal].map(([alpha, gamma]) => alpha === null
        ? Array(5).fill(null) : [alpha, gamma, 1 / alpha, 1 / gamma, alpha * steps]);
      root.querySelectorAll("tbody tr").forEach((row, i) => row.querySelectorAll("td")
        .forEach((cell, k) => (cell.textContent = shown(columns[k][i]))));
      const says = root.querySelector(".verdict"), words = verdict(found, steps);
      says.classList.toggle("warns", found.case in TROUBLES);
      if (says.textContent !== words) says.textContent = words; // read out when it changes
      const named = found.poles.map(([re, im]) => shown(re) + (im ? ` ${im > 0 ? "+" : "−"} ${shown(Math.abs(im))}i` : ""));
      plane(root.querySelector(".plane"), `Poles at ${named.join(" and ")}, two zeros at 0`,
        found.poles.map((pole) => ["cross", ...pole]));
      drawAnswer(root.querySelector(".impulse"), values, found);
    },
  };
});
