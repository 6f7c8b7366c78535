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
import { files as goldenFiles } from "../golden/mod.ts";
import { type Case, goldenFile, type Level } from "../lib/conformance/mod.ts";
import { gzipped, printed } from "./command/files.ts";
import { fileOf, fits } from "./site/case.ts";
import { specPage } from "./site/chapters.ts";
import { page, read, root } from "./site/html.ts";
import { mistakePages, shown, whoPage } from "./site/who.ts";

const path = (file: string) => new URL(file, root).pathname;

/** How many golden cases of a clause are shown. */
const most = 4;

const rank: Record<Level, number> = { core: 0, family: 1, edge: 2 };

/** Of each clause, the most ordinary and smallest golden cases that bear on it. */
function casesByClause(): Map<string, Case[]> {
  const byClause = new Map<string, [number, Case][]>();
  for (const file of Object.keys(goldenFiles)) {
    if (file.startsWith("checkpoints/") || file.startsWith("training/")) continue;
    for (const one of goldenFile(file).cases) {
      const size = 1e6 * rank[one.level ?? "edge"] + (one.request.dtype === "float64" ? 1e5 : 0) +
        JSON.stringify([one.request, one.expect]).length;
      for (const clause of one.clauses) {
        const smallest = [...byClause.get(clause) ?? [], [size, one] as [number, Case]];
        byClause.set(clause, smallest.sort(([a], [b]) => a - b).slice(0, most));
      }
    }
  }
  return new Map([...byClause].map(([clause, list]) => [clause, list.map(([, one]) => one)]));
}

/** Hands what a page asks of the library to the script that all pages share. */
const shared: esbuild.Plugin = {
  name: "shared",
  setup(build) {
    build.onResolve({ filter: /\/mod\.ts$/ }, ({ path, importer }) => {
      const found = path.match(/^\.\.\/\.\.\/(?:lib\/(onnx|checkpoints)\/)?mod\.ts$/);
      if (!found || !importer.includes("/scripts/")) return;
      return { path: found[1] ? `rnnSpec.${found[1]}` : "rnnSpec", namespace: "shared" };
    });
    build.onLoad({ filter: /.*/, namespace: "shared" }, ({ path }) => ({
      contents: `module.exports = globalThis.${path};`,
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
  await printed(folder, "npm", "install", "--silent", "--ignore-scripts", "deno-std@1.4.0");
  return folder;
}

export async function buildSite(folder = path("dist/site")): Promise<void> {
  await Deno.remove(folder, { recursive: true }).catch(() => {});
  for (const inner of ["cases", "pictures", "mistakes"]) {
    await Deno.mkdir(`${folder}/${inner}`, { recursive: true });
  }
  const files = new Map<string, string | Uint8Array>();
  const installed = await install();
  const script = async (name: string, contents: string, more: esbuild.BuildOptions = {}) => {
    const stdin = { contents, resolveDir: path("scripts/site"), loader: "ts" } as const;
    const { outputFiles } = await esbuild.build(
      {
        ...{ stdin, bundle: true, minify: true, write: false, format: "iife" },
        ...{ legalComments: "none", target: "es2022", charset: "utf8" },
        ...more,
      } as esbuild.BuildOptions & { write: false },
    );
    files.set(`${name}.js`, outputFiles[0].text);
  };
  await script(
    "rnn-spec",
    'export * from "../../mod.ts"; export * as onnx from "../../lib/onnx/mod.ts";' +
      'export * as checkpoints from "../../lib/checkpoints/mod.ts";',
    { globalName: "rnnSpec" },
  );
  const plugins = [shared, packages(installed)];
  for (const name of ["flow", "spec", "file"]) {
    const contents = `import { start } from "./theme.ts"; import { ${name} } from "./${name}.ts";
      start(${name});`;
    await script(name, contents, { plugins });
  }
  await script("who", 'import { start, uncover } from "./theme.ts"; start(uncover);', { plugins });
  const known = casesByClause();
  files.set("index.html", page("flow", await read("scripts/site/flow.html")));
  files.set("spec.html", page("spec", await specPage(known)));
  const policy = "default-src 'none'; script-src 'self' 'wasm-unsafe-eval'; worker-src 'self'; " +
    "style-src 'self' 'unsafe-inline'; img-src data:; connect-src 'none'";
  files.set("file.html", page("file", await read("scripts/site/file.html"), { policy }));
  files.set("who.html", page("who", await whoPage(), { library: false }));
  for (const [id, text] of await mistakePages()) files.set(`mistakes/${id}.html`, text);
  files.set("site.css", await read("scripts/site/site.css"));
  for (const { name } of Deno.readDirSync(path("spec/pictures"))) {
    files.set(`pictures/${name}`, await Deno.readFile(path(`spec/pictures/${name}`)));
  }
  for (const one of [...known.values(), [...shown.values()]].flat()) {
    const { id, reason, request, expect } = one;
    const text = JSON.stringify({ id, reason, request, expect, fits: fits(one) });
    files.set(`cases/${fileOf(id)}.js`, `rnnCase(${text});\n`);
  }
  files.set("offline.js", await offline(files));
  for (const [name, contents] of files) {
    const file = `${folder}/${name}`;
    await Deno.mkdir(file.slice(0, file.lastIndexOf("/")), { recursive: true });
    if (typeof contents === "string") await Deno.writeTextFile(file, contents);
    else await Deno.writeFile(file, contents);
  }
  await Deno.remove(installed, { recursive: true });
  await esbuild.stop();
}

/** The script of the site. */
export const scripts = ["rnn-spec", "flow", "spec", "file", "who", "offline"].map((name) =>
  `${name}.js`
);

/** The service worker: it keeps all files of this version, and answers with them. */
async function offline(files: ReadonlyMap<string, string | Uint8Array>): Promise<string> {
  const all = new Blob([...files].flat() as BlobPart[]);
  const digest = new Uint8Array(await crypto.subtle.digest("SHA-256", await all.arrayBuffer()));
  const version = `rnn-spec ${digest.toHex().slice(0, 16)}`;
  return `const version = ${JSON.stringify(version)};
const files = ${JSON.stringify(["./", ...files.keys()])};
addEventListener("install", (event) => {
  event.waitUntil(caches.open(version).then((cache) => cache.addAll(files)).then(() => skipWaiting()));
});
addEventListener("activate", (event) => {
  const old = (name) => name.startsWith("rnn-spec ") && name !== version;
  event.waitUntil(
    caches.keys().then((names) => Promise.all(names.filter(old).map((name) => caches.delete(name))))
      .then(() => clients.claim()),
  );
});
addEventListener("fetch", (event) => {
  if (event.request.method !== "GET") return;
  event.respondWith(
    caches.match(event.request, { ignoreSearch: true }).then((found) => found ?? fetch(event.request)),
  );
});
`;
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
      const type = types[file.split(".").at(-1)!] ?? "application/octet-stream";
      const body = new Blob([await Deno.readFile(folder + file)]).stream();
      return new Response(body.pipeThrough(new CompressionStream("gzip")), {
        headers: {
          "content-type": type,
          "content-encoding": "gzip",
          // With these, a page may use threads.
          "cross-origin-opener-policy": "same-origin",
          "cross-origin-embedder-policy": "require-corp",
        },
      });
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
  let [raw, sent] = [0, 0];
  for (const file of scripts) {
    const { size } = await Deno.stat(path(`dist/site/${file}`));
    const packed = await gzipped(path(`dist/site/${file}`));
    [raw, sent] = [raw + size, sent + packed];
    console.log(`${String(size).padStart(8)} ${String(packed).padStart(8)}  ${file}`);
  }
  console.log(`${String(raw).padStart(8)} ${String(sent).padStart(8)}  script in all, gzipped`);
  if (values.serve) serve(path("dist/site"));
}
