// Filters and sorting for the scoreboard. Without this file it is a plain table.
document.addEventListener("DOMContentLoaded", () => {
  const table = document.querySelector("table.scoreboard");
  if (!table) return;
  const body = table.tBodies[0];
  const rows = [...body.rows];
  const FILTERS = {
    paper: { name: "Paper", from: (row) => row.dataset.paper },
    answer: { name: "Answer", from: (row) => row.dataset.answer },
    holm: { name: "Stands when all are judged together", from: (row) => row.dataset.holm },
  };
  const SORTS = {
    book: { name: "the order of the book", by: (a, b) => rows.indexOf(a) - rows.indexOf(b) },
    effect: { name: "size of the effect", by: (a, b) => b.dataset.effect - a.dataset.effect },
    answer: { name: "answer", by: (a, b) => a.dataset.answer.localeCompare(b.dataset.answer) },
  };
  const form = document.createElement("form");
  form.className = "scoreboard-filters";
  form.setAttribute("role", "search");
  form.setAttribute("aria-label", "Filter the claims");
  const choice = (key, name, options) => {
    const label = document.createElement("label");
    label.textContent = `${name} `;
    const select = document.createElement("select");
    select.name = key;
    for (const [value, text] of options) select.add(new Option(text, value));
    label.append(select);
    form.append(label);
  };
  for (const [key, { name, from }] of Object.entries(FILTERS)) {
    const values = [...new Set(rows.map(from))];
    choice(key, name, [["", "all"], ...values.map((value) => [value, value.replaceAll("-", " ")])]);
  }
  choice("sort", "Sort by", Object.entries(SORTS).map(([key, { name }]) => [key, name]));
  const missed = document.createElement("button");
  missed.type = "button";
  missed.textContent = "What did not hold";
  const reset = document.createElement("button");
  reset.type = "reset";
  reset.textContent = "Show all";
  const count = document.createElement("output");
  form.append(missed, reset, count);
  table.before(form);

  const show = () => {
    const asked = new FormData(form);
    let shown = 0;
    for (const row of [...rows].sort(SORTS[asked.get("sort")].by)) {
      const failed = row.dataset.answer.startsWith("fails");
      const fits = Object.entries(FILTERS).every(
        ([key, { from }]) => !asked.get(key) || asked.get(key) === from(row),
      );
      row.hidden = !fits || (form.dataset.missed === "yes" && !failed);
      shown += !row.hidden;
      body.append(row);
    }
    count.textContent = `${shown} of ${rows.length} claims`;
  };
  const find = () => {
    const row = document.getElementById(decodeURIComponent(location.hash.slice(1)));
    if (!rows.includes(row)) return;
    row.hidden = false;
    row.querySelector("details").open = true;
    row.scrollIntoView();
  };
  const asked = new URLSearchParams(location.search);
  for (const select of form.querySelectorAll("select")) {
    const value = asked.get(select.name);
    if ([...select.options].some((option) => option.value === value)) select.value = value;
  }
  if (asked.has("missed")) form.dataset.missed = "yes";
  form.addEventListener("change", show);
  missed.addEventListener("click", () => {
    form.reset();
    form.dataset.missed = "yes";
    show();
  });
  form.addEventListener("reset", () => {
    delete form.dataset.missed;
    setTimeout(show);
  });
  window.addEventListener("hashchange", find);
  show();
  find();
});
