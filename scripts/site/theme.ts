/// <reference lib="dom" />
/// <reference lib="dom.iterable" />

/** Dark and light: what the system prefers, until somebody chooses. What every page starts. */

const listeners: (() => void)[] = [];

/** Whether the page is dark now. */
export function isDark(): boolean {
  const chosen = document.documentElement.dataset.theme;
  return chosen ? chosen === "dark" : matchMedia("(prefers-color-scheme: dark)").matches;
}

/** Calls back when it changes. */
export function onTheme(changed: () => void): void {
  listeners.push(changed);
}

/**
 * What every page starts: the switch of the theme, which is kept, and what works offline.
 *
 * @param page what the page itself starts, once something has been painted
 */
export function start(page: () => void = () => {}): void {
  const { dataset } = document.documentElement;
  try {
    const kept = localStorage.getItem("theme");
    if (kept) dataset.theme = kept;
  } catch { /* a page without a place to keep it */ }
  document.getElementById("theme")!.addEventListener("click", () => {
    dataset.theme = isDark() ? "light" : "dark";
    try {
      localStorage.setItem("theme", dataset.theme);
    } catch { /* as above */ }
    for (const changed of listeners) changed();
  });
  matchMedia("(prefers-color-scheme: dark)").addEventListener("change", () => {
    for (const changed of listeners) changed();
  });
  const ready = () => {
    page();
    performance.mark("ready");
  };
  requestAnimationFrame(() => setTimeout(ready));
  if (location.protocol.startsWith("http") && "serviceWorker" in navigator) {
    const keep = () => navigator.serviceWorker.register(`${document.body.dataset.up}offline.js`);
    addEventListener("load", () => keep().catch(() => {}));
  }
}

/** Shows what a page leaves out of its first frame, and goes to where its address points. */
export function uncover(): void {
  document.body.classList.add("whole");
  if (location.hash) document.getElementById(location.hash.slice(1))?.scrollIntoView();
}
