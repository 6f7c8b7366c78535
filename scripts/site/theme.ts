/// <reference lib="dom" />
/// <reference lib="dom.iterable" />

/** Dark and light: what the system prefers, until somebody chooses. */

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

/** Wires the switch that every page has. */
export function theme(): void {
  const button = document.getElementById("theme")!;
  button.addEventListener("click", () => {
    document.documentElement.dataset.theme = isDark() ? "light" : "dark";
    for (const changed of listeners) changed();
  });
  matchMedia("(prefers-color-scheme: dark)").addEventListener("change", () => {
    for (const changed of listeners) changed();
  });
}
