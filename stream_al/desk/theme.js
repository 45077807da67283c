// The theme, light or dark, before anything is drawn. It follows the system until the person switches it.
// `desk:theme` is dispatched on the document after each change, for what is drawn on a canvas.
"use strict";
(() => {
  const KEY = "stream_al.theme";
  const dark = matchMedia("(prefers-color-scheme: dark)");

  function stored() {
    try {
      return localStorage.getItem(KEY);
    } catch {
      return null; // storage is blocked: the system decides
    }
  }

  function apply() {
    const chosen = stored();
    const theme = chosen === "light" || chosen === "dark" ? chosen : dark.matches ? "dark" : "light";
    document.documentElement.dataset.theme = theme;
    document.dispatchEvent(new CustomEvent("desk:theme", { detail: theme }));
  }

  document.addEventListener("desk:switch-theme", () => {
    try {
      localStorage.setItem(KEY, document.documentElement.dataset.theme === "dark" ? "light" : "dark");
    } catch {
      return;
    }
    apply();
  });
  dark.addEventListener("change", apply);
  apply();
})();
