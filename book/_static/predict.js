// Remembers what a reader predicts, and writes it beside what came out.
document.addEventListener("DOMContentLoaded", () => {
  const chosen = {};
  const stored = (act) => {
    try {
      return act(window.sessionStorage);
    } catch {
      return null; // Not every browser lets a page remember; then the page itself does.
    }
  };
  const show = (key, answer) => {
    chosen[key] = answer;
    document.querySelector(`#predict-${key} output a`).hidden = false;
    const result = document.getElementById(`resolve-${key}`);
    if (!result) return;
    const line = result.querySelector(".predicted");
    line.querySelector("strong").textContent = answer;
    line.hidden = false;
  };
  for (const question of document.querySelectorAll("fieldset.predict")) {
    const key = question.dataset.question;
    const kept = stored((storage) => storage.getItem(`predict-${key}`));
    for (const button of question.querySelectorAll("input")) {
      if (kept === button.value) button.checked = true;
      if (button.checked) show(key, button.value);
    }
    question.addEventListener("change", ({ target }) => {
      stored((storage) => storage.setItem(`predict-${key}`, target.value));
      show(key, target.value);
    });
  }
});
