// Sets the theme before the first paint; settings.js changes it later. A classic script on purpose: modules run after painting.
(() => {
  let theme = "auto";
  try {
    theme = JSON.parse(localStorage.getItem("ounce.settings"))?.theme ?? "auto";
  } catch {
    // No storage, or what it holds is not ours: the system's theme is right.
  }
  document.documentElement.dataset.theme = theme;
})();
