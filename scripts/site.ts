/**
 * Builds the static site into `dist/site/`, and serves it.
 *
 * ```sh
 * deno task site
 * deno task site --serve
 * ```
 */

import { parseArgs } from "node:util";
import * as esbuild from "npm:esbuild@0.28.2";
import { marked, type Tokens, type TokensList } from "npm:marked@18.2.1";
import { files } from "../golden/mod.ts";
import { type Case, goldenFile } from "../lib/conformance/mod.ts";
import config from "../deno.json" with { type: "json" };

const root = new URL("../", import.meta.url);
const path = (file: string) => new URL(file, root).pathname;
const read = (file: string) => Deno.readTextFile(new URL(file, root));

/** The pages: file, title, what stands in the menu. */
const pages = [
  ["flow", "index.html", "Flow"],
  ["spec", "spec.html", "Spec"],
  ["file", "file.html", "Your file"],
  ["who", "who.html", "Who computes what"],
] as const;

const escape = (text: string) =>
  text.replaceAll("&", "&amp;").replaceAll("<", "&lt;").replaceAll('"', "&quot;");

function page(name: string, body: string, policy = ""): string {
  const menu = pages.map(([key, file, title]) =>
    `<a href="${file}"${key === name ? ' aria-current="page"' : ""}>${title}</a>`
  );
  const [, , title] = pages.find(([key]) => key === name)!;
  return `<!doctype html>
<html lang="en">
<meta charset="utf-8">
<meta name="viewport" content="width=device-width, initial-scale=1">
${policy && `<meta http-equiv="content-security-policy" content="${policy}">`}
<title>${title} · rnn-spec</title>
<link rel="icon" href="data:,">
<link rel="stylesheet" href="site.css">
<body data-page="${name}">
<header class="top"><strong>rnn-spec</strong><nav aria-label="Pages" class="row">${
    menu.join(" ")
  }</nav><button type="button" id="theme" aria-label="Dark or light">◐</button></header>
<main>${body}</main>
<footer>rnn-spec ${config.version}. What PyTorch's recurrent networks compute, computed here.</footer>
<script src="rnn-spec.js"></script>
<script src="app.js"></script>
</body>
</html>
`;
}

/** How many golden cases of a clause are shown. */
const most = 4;

/** The numbers in a case. */
const weight = ({ request, expect }: Case) => JSON.stringify([request, expect]).length;

/** Of each clause, the smallest golden cases that bear on it. */
function casesByClause(): Map<string, Case[]> {
  const byClause = new Map<string, Case[]>();
  for (const file of Object.keys(files)) {
    if (file.startsWith("checkpoints/") || file.startsWith("training/")) continue;
    for (const one of goldenFile(file).cases) {
      for (const clause of one.clauses) {
        byClause.set(clause, [...byClause.get(clause) ?? [], one]);
      }
    }
  }
  for (const [clause, cases] of byClause) {
    byClause.set(clause, cases.sort((a, b) => weight(a) - weight(b)).slice(0, most));
  }
  return byClause;
}

/** An example without its types, so that a browser runs it. */
async function erased(program: string): Promise<string> {
  const { code } = await esbuild.transform(program, { loader: "ts", target: "esnext" });
  return code.trim();
}

/** GitHub's anchor of a heading. */
const anchor = (text: string) =>
  text.toLowerCase().replaceAll(/[^\p{L}\p{N} _-]/gu, "").replaceAll(" ", "-");

/** The examples of a page: its blocks of TypeScript that are whole programs. */
function examples(tokens: TokensList): Tokens.Code[] {
  const found: Tokens.Code[] = [];
  marked.walkTokens(tokens, (token) => {
    if (token.type === "code" && token.lang === "ts") found.push(token as Tokens.Code);
  });
  return found;
}

/** A chapter as HTML: headings with anchors, examples that run, cases by clause. */
async function chapter(name: string, known: ReadonlyMap<string, Case[]>): Promise<string> {
  const text = await read(`spec/${name}.md`);
  const tokens = marked.lexer(text);
  const programs = new Map<string, string>();
  for (const { text: program } of examples(tokens)) programs.set(program, await erased(program));
  const renderer = new marked.Renderer();
  renderer.code = ({ text, lang }) => {
    if (lang !== "ts") return `<pre tabindex="0"><code>${escape(text)}</code></pre>`;
    const program = programs.get(text)!;
    return `<div class="example"><textarea aria-label="An example" spellcheck="false">${
      escape(program)
    }</textarea><p><button type="button">Run</button></p><output></output></div>`;
  };
  renderer.heading = function ({ tokens, depth }) {
    const html = this.parser.parseInline(tokens);
    const plain = html.replaceAll(/<[^>]*>/g, "");
    const clause = plain.match(/^([A-Z]+-\d+) — /)?.[1];
    const cases = clause && known.has(clause)
      ? `<details class="cases" data-cases="${clause}"><summary>golden cases of ${clause}</summary></details>`
      : "";
    const level = Math.min(depth, 3);
    return `<h${level} id="${anchor(plain)}">${html}</h${level}>${cases}`;
  };
  renderer.link = function ({ href, tokens }) {
    const text = this.parser.parseInline(tokens);
    const [file, hash] = href.split("#");
    if (/^[\w-]+\.md$/.test(file)) {
      return `<a href="#${hash ?? file.replace(".md", "")}">${text}</a>`;
    }
    if (href.startsWith("#")) return `<a href="${href}">${text}</a>`;
    return /^https?:/.test(href) ? `<a href="${href}">${text}</a>` : text;
  };
  renderer.image = ({ href, text }) => `<img src="${href}" alt="${escape(text)}" loading="lazy">`;
  renderer.table = function (token) {
    return `<div class="scroll" tabindex="0" role="region" aria-label="a table">${
      marked.Renderer.prototype.table.call(this, token)
    }</div>`;
  };
  const html = marked.parser(tokens, { renderer });
  return `<article id="${name === "README" ? "start" : name}" hidden>${html}</article>`;
}

async function specPage(known: ReadonlyMap<string, Case[]>): Promise<string> {
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
  const others = [...Deno.readDirSync(path("spec"))].map(({ name }) => name)
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
  return `<div class="layout"><nav aria-label="Chapters"><label>Search clauses <input id="search" type="search"></label><ul id="found" aria-live="polite"></ul><ul>${
    links.join("")
  }</ul></nav><div>${articles.join("")}</div></div>`;
}

/** The page of the matrix, and of the mistakes. */
async function whoPage(): Promise<string> {
  const renderer = new marked.Renderer();
  renderer.table = function (token) {
    return `<div class="scroll" tabindex="0" role="region" aria-label="the matrix">${
      marked.Renderer.prototype.table.call(this, token)
    }</div>`;
  };
  renderer.link = function ({ href, tokens }) {
    const text = this.parser.parseInline(tokens);
    return href.endsWith(".md") ? `<a href="spec.html#${href.slice(0, -3)}">${text}</a>` : text;
  };
  return await marked.parse(await read("spec/MATRIX.md"), { renderer });
}

/** Hands `mod.ts` to the script that all pages share. */
const shared: esbuild.Plugin = {
  name: "shared",
  setup(build) {
    build.onResolve(
      { filter: /\/mod\.ts$/ },
      ({ path, importer }) =>
        path.endsWith("../../mod.ts") && importer.includes("/scripts/")
          ? { path, namespace: "shared" }
          : undefined,
    );
    build.onLoad({ filter: /.*/, namespace: "shared" }, () => ({
      contents: "module.exports = globalThis.rnnSpec;",
      loader: "js",
    }));
  },
};

/** Packages as the import map names them, installed by the registry's own client in a folder. */
const packages = (folder: string): esbuild.Plugin => ({
  name: "packages",
  setup(build) {
    build.onResolve(
      { filter: /^@std\/assert$/ },
      ({ kind }) => build.resolve("deno-std/assert/mod.js", { resolveDir: folder, kind }),
    );
    // What only a command needs, and a page never reaches.
    build.onResolve({ filter: /^(npm:|node:)/ }, ({ path }) => ({ path, external: true }));
  },
});

async function install(): Promise<string> {
  const folder = await Deno.makeTempDir();
  await Deno.writeTextFile(`${folder}/package.json`, "{}");
  const { success, stderr } = await new Deno.Command("npm", {
    args: ["install", "--silent", "--ignore-scripts", "deno-std@1.4.0"],
    cwd: folder,
  }).output();
  if (!success) throw new Error(new TextDecoder().decode(stderr));
  return folder;
}

export async function buildSite(folder = path("dist/site")): Promise<void> {
  await Deno.remove(folder, { recursive: true }).catch(() => {});
  await Deno.mkdir(`${folder}/cases`, { recursive: true });
  await Deno.mkdir(`${folder}/pictures`);
  const installed = await install();
  const common = { bundle: true, minify: true, target: "es2022", charset: "utf8" } as const;
  await esbuild.build({
    ...common,
    entryPoints: [path("mod.ts")],
    format: "iife",
    globalName: "rnnSpec",
    outfile: `${folder}/rnn-spec.js`,
  });
  await esbuild.build({
    ...common,
    entryPoints: [path("scripts/site/app.ts")],
    format: "iife",
    outfile: `${folder}/app.js`,
    plugins: [shared, packages(installed)],
  });
  const known = casesByClause();
  const write = (file: string, text: string) => Deno.writeTextFile(`${folder}/${file}`, text);
  await write("index.html", page("flow", await read("scripts/site/flow.html")));
  await write("spec.html", page("spec", await specPage(known)));
  const policy =
    "default-src 'self' 'unsafe-inline' 'wasm-unsafe-eval' data: blob:; connect-src 'none'";
  await write("file.html", page("file", await read("scripts/site/file.html"), policy));
  await write("who.html", page("who", await whoPage()));
  await Deno.copyFile(path("scripts/site/site.css"), `${folder}/site.css`);
  for (const { name } of Deno.readDirSync(path("spec/pictures"))) {
    await Deno.copyFile(path(`spec/pictures/${name}`), `${folder}/pictures/${name}`);
  }
  for (const [clause, cases] of known) {
    const list = cases.map(({ id, reason, request, expect }) => ({ id, reason, request, expect }));
    await write(
      `cases/${clause}.js`,
      `rnnCases(${JSON.stringify(clause)}, ${JSON.stringify(list)});\n`,
    );
  }
  await Deno.remove(installed, { recursive: true });
  await esbuild.stop();
}

/**
 * Serves a folder on this machine.
 *
 * @param port where; 0 for any
 */
export function serve(folder: string, port = 8080): Deno.HttpServer<Deno.NetAddr> {
  const types: Record<string, string> = {
    html: "text/html; charset=utf-8",
    js: "text/javascript; charset=utf-8",
    css: "text/css; charset=utf-8",
    svg: "image/svg+xml",
  };
  const options = { hostname: "127.0.0.1", port, ...(port === 0 && { onListen: () => {} }) };
  return Deno.serve(options, async (request) => {
    const { pathname } = new URL(request.url);
    const file = pathname === "/" ? "/index.html" : decodeURIComponent(pathname);
    if (file.includes("..")) return new Response("not found", { status: 404 });
    try {
      const body = await Deno.readFile(folder + file);
      const type = types[file.split(".").at(-1)!] ?? "application/octet-stream";
      return new Response(body, { headers: { "content-type": type } });
    } catch {
      return new Response("not found", { status: 404 });
    }
  });
}

if (import.meta.main) {
  const { values } = parseArgs({
    args: Deno.args,
    options: { serve: { type: "boolean", default: false } },
  });
  await buildSite();
  for (const file of ["rnn-spec.js", "app.js", "site.css", "index.html", "spec.html"]) {
    const { size } = await Deno.stat(path(`dist/site/${file}`));
    console.log(`${String(size).padStart(8)}  dist/site/${file}`);
  }
  if (values.serve) serve(path("dist/site"));
}
