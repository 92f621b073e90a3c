const LINES = ["blue", "orange", "green", "pink"];
const maths = {
  // What all weights do together: the layers' ratios, weighted with their sizes.
  together: (ratios, sizes) => ratios.reduce((sum, ratio, i) => sum + ratio * sizes[i], 0)
    / sizes.reduce((sum, size) => sum + size, 0),
};
const element = (tag, words, attributes = {}) => Object.assign(document.createElement(tag), { textContent: words }, attributes);

start("layers", (root, { steps, layers, runs, values }) => {
  const select = root.querySelector("select"), names = layers.map(({ name }) => name);
  const sizes = layers.map(({ size }) => size), shares = (run, at) => run.ratios.map((ratios) => ratios[at]);
  choices(select, runs.map(({ name }) => name));
  root.querySelector("thead tr").append(...runs.map(({ name }) => element("th", name, { scope: "col" })));
  root.querySelector("tbody").append(...[...names, "all layers"].map((name, i) => {
    const row = element("tr", ""), head = element("th", "", { scope: "row" });
    if (i < names.length) head.innerHTML = `<svg aria-hidden="true"><path class="${LINES[i % 4]}" d="M0 6H22"/></svg> `;
    head.append(name);
    row.append(head, ...runs.map(() => element("td", "")));
    return row;
  }));
  const found = runs.flatMap(({ ratios }) => ratios.flat()).filter(Boolean).map((ratio) => Math.log10(100 * ratio));
  const low = Math.floor(Math.min(0, ...found)) - 0.4, high = Math.max(0.5, ...found);
  const draw = () => {
    const run = runs[select.value], { at } = values, across = [0, Math.max(1, Math.log10(steps.at(-1)))];
    const label = `${run.name}, step ${steps[at]}: `
      + names.map((name, i) => `${name} ${shown(100 * run.ratios[i][at])} %`).join(", ");
    panel(root.querySelector(".curves"), label, [...across, powerTicks(...across)],
      [low, high, powerTicks(low, high)], (x, y, { top, bottom }) => {
        const heights = (ratios) => ratios.map((ratio) => (ratio ? y(Math.log10(100 * ratio)) : bottom));
        const xs = steps.map((step) => x(Math.log10(step)));
        return run.ratios.map((ratios, i) => path(LINES[i % 4], xs, heights(ratios))).join("")
          + `<path class="at" d="M${xs[at]} ${top}V${bottom}"/>`;
      });
    root.querySelectorAll("tbody tr").forEach((row, i) => row.querySelectorAll("td").forEach((cell, k) => {
      const ratios = shares(runs[k], at);
      cell.textContent = shown(100 * (i < names.length ? ratios[i] : maths.together(ratios, sizes)));
    }));
  };
  select.addEventListener("change", draw);
  return { values, maths, sliders: { at: linear(0, steps.length - 1, 1, (i) => whole(steps[i])) }, draw };
});
