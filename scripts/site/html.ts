/** What all pages are made of. */

import { marked, type Renderer } from "npm:marked@18.2.1";
import config from "../../deno.json" with { type: "json" };

export const root = new URL("../../", import.meta.url);
export const read = (file: string) => Deno.readTextFile(new URL(file, root));

/** The pages: file, title, as they stand in the menu. */
const pages = [
  ["flow", "index.html", "Flow"],
  ["spec", "spec.html", "Spec"],
  ["file", "file.html", "Your file"],
  ["who", "who.html", "Who computes what"],
] as const;

export const escape = (text: string) =>
  text.replaceAll("&", "&amp;").replaceAll("<", "&lt;").replaceAll('"', "&quot;");

/** GitHub's anchor of a heading. */
export const anchor = (text: string) =>
  text.toLowerCase().replaceAll(/[^\p{L}\p{N} _-]/gu, "").replaceAll(" ", "-");

/** Something wide, which scrolls on its own. */
export const scrolling = (label: string, html: string) =>
  `<div class="scroll" tabindex="0" role="region" aria-label="${escape(label)}">${html}</div>`;

/** A renderer of Markdown whose tables scroll on their own. */
export function renderer(label: string): Renderer<string, string> {
  const made = new marked.Renderer<string, string>();
  made.table = function (token) {
    return scrolling(label, marked.Renderer.prototype.table.call(this, token));
  };
  return made;
}

/**
 * A whole page.
 *
 * @param name which of the pages, or under which it stands
 * @param options the title of a page that is not in the menu, the way up to the site's root, a
 * policy, and whether the library is needed
 */
export function page(
  name: string,
  body: string,
  { title, up = "", policy, library = true }: {
    title?: string;
    up?: string;
    policy?: string;
    library?: boolean;
  } = {},
): string {
  const menu = pages.map(([key, file, text]) =>
    `<a href="${up}${file}"${key === name ? ' aria-current="page"' : ""}>${text}</a>`
  );
  const own = title ?? pages.find(([key]) => key === name)![2];
  const scripts = [...library ? ["rnn-spec"] : [], name];
  return `<!doctype html>
<html lang="en">
<meta charset="utf-8">
<meta name="viewport" content="width=device-width, initial-scale=1">
${policy ? `<meta http-equiv="content-security-policy" content="${policy}">` : ""}
<title>${escape(own)} · rnn-spec</title>
<link rel="icon" href="data:,">
<link rel="stylesheet" href="${up}site.css">
${scripts.map((script) => `<script defer src="${up}${script}.js"></script>`).join("\n")}
<body data-page="${name}" data-up="${up}">
<a class="skip" href="#main">To the content</a>
<header class="top"><strong>rnn-spec</strong><nav aria-label="Pages" class="row">${
    menu.join(" ")
  }</nav><button type="button" id="theme" aria-label="Dark or light">◐</button></header>
<main id="main" tabindex="-1">${body}</main>
<footer>rnn-spec ${config.version}. What PyTorch's recurrent networks compute, computed here.</footer>
</body>
</html>
`;
}
