// Cards of terms: Escape hides the one that is shown, and none sticks out of the window.
document.addEventListener("DOMContentLoaded", () => {
  for (const term of document.querySelectorAll(".term")) {
    const card = term.querySelector(".term-card");
    const show = () => {
      card.style.translate = "";
      const over = card.getBoundingClientRect().right - document.documentElement.clientWidth + 8;
      if (over > 0) card.style.translate = `${-over}px`;
    };
    const leave = () => term.classList.remove("dismissed");
    for (const kind of ["mouseenter", "focusin"]) term.addEventListener(kind, show);
    for (const kind of ["mouseleave", "focusout"]) term.addEventListener(kind, leave);
  }
  document.addEventListener("keydown", ({ key }) => {
    if (key !== "Escape") return;
    for (const term of document.querySelectorAll(".term:hover, .term:focus-within")) {
      term.classList.add("dismissed");
    }
  });
});
