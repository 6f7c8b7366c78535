/// <reference lib="dom" />
/// <reference lib="dom.iterable" />

/**
 * The Spec page: chapters one at a time, a search over all clauses, examples that run where they
 * stand, and the golden cases of a clause.
 */

import * as assertions from "@std/assert";
import * as checkpoints from "../../lib/checkpoints/mod.ts";
import * as onnx from "../../lib/onnx/mod.ts";
import * as rnn from "../../mod.ts";
import { load, type Shown } from "./case.ts";

/** Runs a program: its imports name the library and the assertions. */
async function run(program: string, output: HTMLOutputElement): Promise<void> {
  const lines: string[] = [];
  // The names of the rooms are none that a program would use.
  const body = program.replaceAll(
    /^import\s+(\{[^}]*\})\s+from\s+"([^"]+)";?/gm,
    (_, names, from) =>
      `const ${names.replaceAll(" as ", ": ")} = ${
        from.startsWith("@std") ? "$assert" : `$${/(onnx|checkpoints)$/.exec(from)?.[0] ?? "rnn"}`
      };`,
  ).replaceAll(/^export (?=\w)/gm, "").replaceAll(/^export \{[^}]*\};?$/gm, "");
  const { log } = console;
  output.classList.remove("wrong");
  console.log = (...parts) => lines.push(parts.join(" "));
  try {
    const AsyncFunction = Object.getPrototypeOf(async () => {}).constructor;
    const rooms = ["$rnn", "$onnx", "$checkpoints", "$assert"];
    await new AsyncFunction(...rooms, body)(rnn, onnx, checkpoints, assertions);
    lines.push("every assertion holds");
  } catch (error) {
    output.classList.add("wrong");
    lines.push(String((error as Error).message));
  } finally {
    console.log = log;
    output.textContent = lines.join("\n");
  }
}

/** A tensor of JSON as rows of text. */
function shown(value: unknown): string {
  const { shape, data } = value as { shape?: number[]; data?: unknown[] };
  if (!shape || !data) return JSON.stringify(value);
  const more = data.length > 12 ? ", …" : "";
  return `(${shape.join(", ")}) ${data.slice(0, 12).join(", ")}${more}`;
}

/** Adds the rows of an object to a table, tensors by their path. */
function rows(table: HTMLTableElement, object: unknown, path = ""): void {
  for (const [key, value] of Object.entries(object ?? {})) {
    const name = path ? `${path}.${key}` : key;
    const nested = value && typeof value === "object" && !Array.isArray(value) &&
      !("shape" in value);
    if (nested) {
      rows(table, value, name);
      continue;
    }
    const row = table.insertRow();
    const head = document.createElement("th");
    head.scope = "row";
    head.textContent = name;
    row.append(head);
    row.insertCell().textContent = shown(value);
  }
}

/** Shows the golden cases of a clause below it. */
function cases(details: HTMLDetailsElement, list: readonly Shown[]): void {
  for (const { id, reason, request, expect, fits } of list) {
    const title = document.createElement("p");
    title.textContent = `${id}: ${reason} `;
    if (fits) {
      const link = document.createElement("a");
      link.href = `index.html#case=${encodeURIComponent(id)}`;
      link.textContent = "open in Flow";
      title.append(link);
    }
    const box = document.createElement("div");
    box.className = "scroll";
    box.tabIndex = 0;
    box.setAttribute("role", "region");
    box.setAttribute("aria-label", id);
    const table = document.createElement("table");
    rows(table, request);
    rows(table, expect, "expected");
    box.append(table);
    details.append(title, box);
  }
}

export function spec(): void {
  const chapters = [...document.querySelectorAll<HTMLElement>("main article")];
  const links = [...document.querySelectorAll<HTMLAnchorElement>(".layout nav a")];
  const show = () => {
    const id = decodeURIComponent(location.hash.slice(1)) || chapters[0].id;
    const target = document.getElementById(id);
    const chapter = target?.closest("article") ?? chapters[0];
    for (const one of chapters) one.hidden = one !== chapter;
    for (const link of links) {
      if (link.hash === `#${chapter.id}`) link.setAttribute("aria-current", "page");
      else link.removeAttribute("aria-current");
    }
    if (target && target !== chapter) target.scrollIntoView();
    else scrollTo(0, 0);
  };
  addEventListener("hashchange", show);
  show();

  const search = document.getElementById("search") as HTMLInputElement;
  const found = document.getElementById("found")!;
  search.addEventListener("input", () => {
    const words = search.value.toLowerCase().split(/\s+/).filter(Boolean);
    found.innerHTML = "";
    if (!words.length) return;
    const headings = [...document.querySelectorAll<HTMLElement>("article h3[id]")];
    const hits = headings.filter((heading) => {
      let text = heading.textContent!;
      for (
        let next = heading.nextElementSibling;
        next && next.tagName !== "H3";
        next = next.nextElementSibling
      ) {
        text += ` ${next.textContent}`;
      }
      return words.every((word) => text.toLowerCase().includes(word));
    });
    for (const heading of hits.slice(0, 20)) {
      const item = document.createElement("li");
      const link = document.createElement("a");
      link.href = `#${heading.id}`;
      link.textContent = heading.textContent;
      item.append(link);
      found.append(item);
    }
    if (!hits.length) found.innerHTML = "<li>no clause has all these words</li>";
  });

  for (const example of document.querySelectorAll<HTMLElement>(".example")) {
    const [area, button, output] = ["textarea", "button", "output"].map((name) =>
      example.querySelector(name)!
    ) as [HTMLTextAreaElement, HTMLButtonElement, HTMLOutputElement];
    area.rows = Math.min(area.value.split("\n").length + 1, 28);
    button.addEventListener("click", () => run(area.value, output));
  }
  for (const details of document.querySelectorAll<HTMLDetailsElement>("[data-cases]")) {
    details.addEventListener("toggle", async () => {
      if (details.dataset.loaded) return;
      details.dataset.loaded = "yes";
      cases(details, await Promise.all(details.dataset.cases!.split(" ").map(load)));
    });
  }
}
