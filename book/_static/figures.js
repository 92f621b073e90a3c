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
// What is wider than the page scrolls, with the keyboard too; no other formula or table is a stop of it.
window.addEventListener("load", async () => {
  await window.MathJax?.startup?.promise;
  const watch = new ResizeObserver((seen) => {
    for (const { target } of seen) {
      if (target.scrollWidth > target.clientWidth + 1 && target.clientWidth) target.tabIndex = 0;
      else target.removeAttribute("tabindex");
    }
  });
  for (const wide of document.querySelectorAll("mjx-container[display], .bd-content table")) {
    watch.observe(wide);
  }
});
