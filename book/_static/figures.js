// A figure is a link to itself, so that a small screen can show it large.
document.addEventListener("DOMContentLoaded", () => {
  for (const figure of document.querySelectorAll(".bd-content div.cell_output img")) {
    const link = document.createElement("a");
    link.href = figure.src;
    link.title = "Show this figure alone";
    figure.replaceWith(link);
    link.append(figure);
  }
});
// A formula that is wider than the page scrolls, with the keyboard too; no other is a stop of the tab key.
window.addEventListener("load", async () => {
  await window.MathJax?.startup?.promise;
  const mark = () => {
    for (const formula of document.querySelectorAll("mjx-container[display]")) {
      if (formula.scrollWidth > formula.clientWidth + 1 && formula.clientWidth) {
        formula.tabIndex = 0;
      } else formula.removeAttribute("tabindex");
    }
  };
  mark();
  window.addEventListener("resize", mark);
});
