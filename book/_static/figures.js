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
