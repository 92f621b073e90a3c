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
