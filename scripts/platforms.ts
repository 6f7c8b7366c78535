/**
 * Tries what `deno task build` made where its users are: Node, Bun, bundlers, TypeScript, browsers.
 *
 * ```sh
 * deno task build && deno task platforms
 * deno task platforms --only node     those whose name has this in it
 * deno task platforms --no-browser    all that needs no Chromium
 * ```
 */

import { parseArgs } from "node:util";
import { gzipped, printed } from "./command/files.ts";
import { chromium } from "./platforms/chromium.ts";

const root = new URL("../", import.meta.url).pathname;
const built = `${root}dist`;

/** A platform: takes a folder in which the packages are installed; throws where it fails. */
type Platform = (folder: string) => Promise<string>;

const npx = (cwd: string, ...args: string[]) => printed(cwd, "npx", "--yes", ...args);

/** The trial of the library as it is imported from somewhere. */
const program = (from: string) => `
import * as rnn from "${from}";
import { trial } from "./trial.js";
console.log(JSON.stringify(await trial(rnn)));
`;

/** What only the other entry points give. */
const others = `
import { stateDictOf, tensor } from "@rnn-spec/rnn-spec";
import { readTorchFile, writeTorchFile } from "@rnn-spec/rnn-spec/checkpoints";
import { compare, goldenFile } from "@rnn-spec/rnn-spec/conformance";
import { files } from "@rnn-spec/rnn-spec/golden";
import { readOnnx, writeMessage } from "@rnn-spec/rnn-spec/onnx";
const { opsets } = readOnnx(writeMessage([[1, 8], [7, []], [8, [[2, 17]]]]));
console.log(typeof compare, goldenFile("rnn/forward.json").cases.length > 0, Object.keys(files).length > 50, opsets.get(""), stateDictOf(readTorchFile(writeTorchFile({ w: tensor([3]) }))).w.item());
`;

/** What a TypeScript project writes, under `strict`. */
const typed = `
import { type Tensor, LSTM, loadCheckpoint, noGrad, zeros } from "@rnn-spec/rnn-spec";
import { goldenFile } from "@rnn-spec/rnn-spec/conformance";
import { files } from "@rnn-spec/rnn-spec/golden";
const lstm = new LSTM(3, 4, { numLayers: 2, bidirectional: true });
const [output, [hn, cn]]: [Tensor, [Tensor, Tensor]] = noGrad(() => lstm.forward(zeros([5, 2, 3])));
using stream = new LSTM(3, 4).stream();
export const all: unknown[] = [output, hn, cn, stream, loadCheckpoint, goldenFile, files];
// @ts-expect-error: options are checked
new LSTM(3, 4, { layers: 2 });
`;

/** What uses little: what is not used must be left out, what is loaded on demand a file of its own. */
const little = `
import { LSTM, loadCheckpoint } from "@rnn-spec/rnn-spec";
console.log(LSTM, loadCheckpoint);
`;

/** How large a bundle of `little` may be, gzipped: less than all that asks models. */
const most = 60 * 1024;

const node = (major: number): Platform => async (folder) => {
  const out = await npx(folder, `node@${major}`, "trial.mjs");
  const entries = await npx(folder, `node@${major}`, "others.mjs");
  if (entries !== "function true true 17 3") throw new Error(entries);
  return out;
};

const platforms: Record<string, Platform> = {
  "node 20": node(20),
  "node 22": node(22),
  "node 24": node(24),
  "node 22, the sources": (folder) => npx(folder, "node@22", "sources.mjs"),
  "bun": (folder) => npx(folder, "bun@1.4.5", "trial.mjs"),
  "bun, the sources": (folder) => npx(folder, "bun@1.4.5", "sources.mjs"),
  "esbuild": async (folder) => {
    const esbuild = (file: string, ...out: string[]) =>
      npx(folder, "esbuild@0.28.2", file, "--bundle", "--format=esm", "--minify", ...out);
    await esbuild("trial.mjs", "--outfile=esbuild.mjs");
    await esbuild("little.mjs", "--splitting", "--outdir=little");
    let size = 0;
    for await (const { name } of Deno.readDir(`${folder}/little`)) {
      if (!name.startsWith("onnx-weights")) size += await gzipped(`${folder}/little/${name}`);
    }
    if (size > most) throw new Error(`LSTM and loadCheckpoint alone: ${size} bytes, over ${most}`);
    return `${await printed(
      folder,
      "node",
      "esbuild.mjs",
    )}; LSTM and loadCheckpoint: ${size} bytes`;
  },
  "vite": async (folder) => {
    await npx(folder, "vite@8.3.8", "build", "--config", "vite.config.mjs", "--logLevel", "warn");
    return await printed(folder, "node", "vite/trial.mjs");
  },
  "typescript, strict, es2022 and dom": async (folder) => {
    await npx(folder, "--package=typescript@5.9.3", "tsc", "-p", "tsconfig.json");
    return "no errors";
  },
};

/** A project that has the packages installed, and all that the platforms run. */
async function project(): Promise<string> {
  const folder = await Deno.makeTempDir();
  const modules = `${folder}/node_modules/@rnn-spec`;
  await Deno.mkdir(modules, { recursive: true });
  for (const name of ["rnn-spec", "golden"]) {
    await printed(folder, "cp", "-r", `${built}/npm/${name}`, `${modules}/${name}`);
  }
  const compilerOptions = {
    ...{ strict: true, noEmit: true, target: "es2022", lib: ["es2022", "dom"] },
    ...{ module: "nodenext", moduleResolution: "nodenext", types: [] },
  };
  const files = {
    "package.json": '{ "type": "module" }',
    "trial.js": await Deno.readTextFile(`${root}scripts/platforms/trial.js`),
    "trial.mjs": program("@rnn-spec/rnn-spec"),
    "others.mjs": others,
    "sources.mjs": program(`${root}mod.ts`),
    "little.mjs": little,
    "typed.ts": typed,
    "tsconfig.json": JSON.stringify({ compilerOptions, files: ["typed.ts"] }),
    "vite.config.mjs": `export default { build: {
      outDir: "vite", target: "esnext", minify: false,
      lib: { entry: "trial.mjs", formats: ["es"], fileName: () => "trial.mjs" },
    } };`,
  };
  for (const [name, text] of Object.entries(files)) {
    await Deno.writeTextFile(`${folder}/${name}`, text);
  }
  return folder;
}

async function main(): Promise<number> {
  const { values } = parseArgs({
    args: Deno.args,
    options: {
      only: { type: "string", default: "" },
      browser: { type: "string", default: "chromium" },
      "no-browser": { type: "boolean", default: false },
    },
  });
  let failed = 0;
  const report = (name: string, right: boolean, said: string) => {
    if (!right) failed++;
    console.log(`${right ? "ok  " : "FAIL"} ${name}: ${said}`);
  };
  const folder = await project();
  for (const [name, platform] of Object.entries(platforms)) {
    if (!name.includes(values.only)) continue;
    try {
      report(name, true, await platform(folder));
    } catch (error) {
      report(name, false, (error as Error).message);
    }
  }
  await Deno.remove(folder, { recursive: true });
  if (!values["no-browser"] && "chromium".includes(values.only)) {
    const tell: typeof report = (name, right, said) => report(`chromium, ${name}`, right, said);
    await chromium(`${built}/browser`, values.browser, tell);
  }
  console.log(failed ? `${failed} failed` : "all as it should be");
  return failed ? 1 : 0;
}

if (import.meta.main) Deno.exit(await main());
