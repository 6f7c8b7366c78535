/** The Spec page: every chapter, its examples to run, and the golden cases of its clauses. */

import * as esbuild from "npm:esbuild@0.28.2";
import { marked, type Tokens, type TokensList } from "npm:marked@18.2.1";
import type { Case } from "../../lib/conformance/mod.ts";
import { anchor, escape, read, renderer, root } from "./html.ts";

/** An example without its types, so that a browser runs it. */
async function erased(program: string): Promise<string> {
  const { code } = await esbuild.transform(program, { loader: "ts", target: "esnext" });
  return code.trim();
}

/** The examples of a page: its blocks of TypeScript that are whole programs. */
function examples(tokens: TokensList): Tokens.Code[] {
  const found: Tokens.Code[] = [];
  marked.walkTokens(tokens, (token) => {
    if (token.type === "code" && token.lang === "ts") found.push(token as Tokens.Code);
  });
  return found;
}

/** A chapter as HTML: headings with anchors, examples that run, cases by clause. */
async function chapter(name: string, known: ReadonlyMap<string, readonly Case[]>): Promise<string> {
  const text = await read(`spec/${name}.md`);
  const tokens = marked.lexer(text);
  const programs = new Map<string, string>();
  for (const { text: program } of examples(tokens)) programs.set(program, await erased(program));
  const own = renderer("a table");
  own.code = ({ text, lang }) => {
    // What needs the goldens, 20 MB, or a command's permissions, is text here.
    const runs = lang === "ts" && !/rnn-spec\/(conformance|golden)"|\bDeno\.|localhost/.test(text);
    if (!runs) return `<pre tabindex="0"><code>${escape(text)}</code></pre>`;
    const program = programs.get(text)!;
    return `<div class="example"><textarea aria-label="An example" spellcheck="false">${
      escape(program)
    }</textarea><p><button type="button">Run</button></p><output></output></div>`;
  };
  own.heading = function ({ tokens, depth }) {
    const html = this.parser.parseInline(tokens);
    const plain = html.replaceAll(/<[^>]*>/g, "");
    const clause = plain.match(/^([A-Z]+-\d+) — /)?.[1];
    const cases = clause && known.has(clause)
      ? `<details class="cases" data-cases="${
        known.get(clause)!.map(({ id }) => id).join(" ")
      }"><summary>golden cases of ${clause}</summary></details>`
      : "";
    const level = Math.min(depth, 3);
    return `<h${level} id="${anchor(plain)}">${html}</h${level}>${cases}`;
  };
  own.link = function ({ href, tokens }) {
    const text = this.parser.parseInline(tokens);
    const [file, hash] = href.split("#");
    if (/^[\w-]+\.md$/.test(file)) {
      return `<a href="#${hash ?? file.replace(".md", "")}">${text}</a>`;
    }
    if (href.startsWith("#")) return `<a href="${href}">${text}</a>`;
    return /^https?:/.test(href) ? `<a href="${href}">${text}</a>` : text;
  };
  own.image = ({ href, text }) => `<img src="${href}" alt="${escape(text)}" loading="lazy">`;
  const html = marked.parser(tokens, { renderer: own });
  return `<article id="${name === "README" ? "start" : name}" hidden>${html}</article>`;
}

/**
 * The page of all chapters.
 *
 * @param known the golden cases that each clause shows
 */
export async function specPage(known: ReadonlyMap<string, readonly Case[]>): Promise<string> {
  const names = [
    "README",
    "guide",
    "numerics",
    "tensor",
    "print",
    "linear",
    "rnn",
    "lstm",
    "gru",
    "stack",
  ];
  const others = [...Deno.readDirSync(new URL("spec", root))].map(({ name }) => name)
    .filter((name) =>
      name.endsWith(".md") && !["EXPORTS.md", "INDEX.md", "MATRIX.md"].includes(name)
    )
    .map((name) => name.slice(0, -3)).filter((name) => !names.includes(name)).sort();
  const all = [...names, ...others];
  const articles: string[] = [];
  for (const name of all) articles.push(await chapter(name, known));
  const links = all.map((name) => {
    const title = articles[all.indexOf(name)].match(/<h1[^>]*>(.*?)<\/h1>/)?.[1] ?? name;
    return `<li><a href="#${name === "README" ? "start" : name}">${title}</a></li>`;
  });
  return `<div class="layout"><nav aria-label="Chapters" tabindex="0"><label>Search clauses <input id="search" type="search"></label><ul id="found" aria-live="polite"></ul><ul>${
    links.join("")
  }</ul></nav><div>${articles.join("")}</div></div>`;
}
