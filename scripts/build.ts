/**
 * Builds what is published, into `dist/`: files for browsers, and two packages for npm, the
 * library and its goldens.
 *
 * ```sh
 * deno task build
 * ```
 */

import * as esbuild from "npm:esbuild@0.28.2";
import { rollup } from "npm:rollup@4.68.8";
import { minify } from "npm:terser@5.51.4";
import { dts } from "npm:rollup-plugin-dts@6.2.3";
import config from "../deno.json" with { type: "json" };

const root = new URL("../", import.meta.url);
const path = (file: string) => new URL(file, root).pathname;

/** The entry points of the library's package: name, source. The goldens are a package of their own. */
const entries = {
  index: "mod.ts",
  checkpoints: "lib/checkpoints/mod.ts",
  conformance: "lib/conformance/mod.ts",
  onnx: "lib/onnx/mod.ts",
};

const golden = "@rnn-spec/golden";

/** Hands imports of `golden/mod.ts` to the package of the goldens. */
const goldenElsewhere: esbuild.Plugin = {
  name: "golden-elsewhere",
  setup(build) {
    build.onResolve({ filter: /golden\/mod\.ts$/ }, () => ({ path: golden, external: true }));
  },
};

/** Keeps the reader of ONNX files, which is loaded on demand, in a file of its own, as bundlers do. */
const onnxElsewhere: esbuild.Plugin = {
  name: "onnx-elsewhere",
  setup(build) {
    build.onResolve(
      { filter: /onnx\/weights\.ts$/ },
      ({ kind }) =>
        kind === "dynamic-import" ? { path: "./onnx-weights.js", external: true } : null,
    );
  },
};

/** That file, with all that it needs: what it shared with others would be loaded with them. */
const onnxWeights = (folder: string): esbuild.BuildOptions => ({
  entryPoints: [path("lib/onnx/weights.ts")],
  outfile: `${folder}/onnx-weights.js`,
});

/** Keeps what knows PyTorch's files, which is loaded on demand, in a file beside that of `name`. */
const torchElsewhere = (name: string): esbuild.Plugin => ({
  name: "torch-elsewhere",
  setup(build) {
    const path = `./${name}-torch.js`;
    build.onResolve(
      { filter: /\/torch\.ts$/ },
      ({ kind }) => kind === "dynamic-import" ? { path, external: true } : null,
    );
  },
});

/** That file. It has the classes from the file beside it, so that each is one class to both. */
const torchFiles = (folder: string, name: string): esbuild.BuildOptions => ({
  entryPoints: [path("lib/checkpoints/torch.ts")],
  outfile: `${folder}/${name}-torch.js`,
  plugins: [{
    name: "classes-elsewhere",
    setup(build) {
      build.onResolve(
        { filter: /\/(tensor|stored_tensor|torch_object|errors?)\.ts$/ },
        () => ({ path: `./${name}.js`, external: true }),
      );
    },
  }],
});

/** Where what only training needs comes from. */
const trainingOnly =
  /^\.\/lib\/(optim|nn\/(losses|backward|init|data_loader)|autograd\/(class_)?loss)/;

/** The folders of `lib/` in the order in which files for browsers have them: they compress best so. */
const order = ["kernels", "checkpoints", "tensor", "random", "autograd", "optim", "nn"];

/** The exports of `mod.ts`, as statements: of everything, and of what a program needs which only asks. */
async function exportsOf(): Promise<{ all: string[]; inference: string[] }> {
  const text = await Deno.readTextFile(path("mod.ts"));
  const place = (source: string) => (order.indexOf(source.split("/")[2]) + 100) % 100;
  const found = [...text.matchAll(/^export (?:type )?\{[^}]*\} from "([^"]+)";$/gm)]
    .sort(([, a], [, b]) => place(a) - place(b));
  return {
    all: found.map(([statement]) => statement),
    inference: found.filter(([, source]) => !trainingOnly.test(source))
      .map(([statement]) => statement),
  };
}

/** What a program without backward passes never runs, by file, and what stands in its place. */
const instead: Record<string, string> = {
  "kernels": 'export { addCommands as addTraining } from "./commands.ts";',
  "dense_backward": "export const denseBackward = null;",
};

const askingOnly: esbuild.Plugin = {
  name: "asking-only",
  setup(build) {
    for (const [name, contents] of Object.entries(instead)) {
      build.onLoad({ filter: new RegExp(`/kernels/training/${name}\\.ts$`) }, ({ path }) => ({
        contents,
        resolveDir: path.replace(/[^/]*$/, ""),
      }));
    }
  },
};

const common: esbuild.BuildOptions = {
  bundle: true,
  format: "esm",
  target: "es2022",
  charset: "utf8",
  sourcemap: true,
  logLevel: "warning",
};

/** Writes the types of entry points, what they share in files of its own. */
async function types(sources: Record<string, string>, folder: string): Promise<void> {
  const compilerOptions = {
    allowImportingTsExtensions: true,
    strict: true,
    target: 99, // ESNext
    lib: ["lib.es2022.d.ts", "lib.dom.d.ts", "lib.esnext.disposable.d.ts"],
  };
  const isGolden = (id: string) => id.endsWith("golden/mod.ts") && !("golden" in sources);
  const input = Object.fromEntries(
    Object.entries(sources).map((
      [name, source],
    ) => [name === "golden" ? "index" : name, path(source)]),
  );
  const bundle = await rollup({ input, external: isGolden, plugins: [dts({ compilerOptions })] });
  await bundle.write({
    dir: folder,
    entryFileNames: "[name].d.ts",
    chunkFileNames: "types-[hash].d.ts",
    // `Symbol.dispose` is younger than es2022.
    banner: '/// <reference lib="esnext.disposable" />',
    paths: (id: string) => isGolden(id) ? golden : id,
  });
  await bundle.close();
}

async function describe(folder: string, more: Record<string, unknown>): Promise<void> {
  const { version, license } = config;
  const text = JSON.stringify(
    { version, license, type: "module", sideEffects: false, ...more },
    null,
    2,
  );
  await Deno.writeTextFile(`${folder}/package.json`, `${text}\n`);
  for (const file of ["README.md", "LICENSE"]) await Deno.copyFile(path(file), `${folder}/${file}`);
}

/** What `exports` says of an entry point. */
const exported = (name: string) => ({ types: `./${name}.d.ts`, default: `./${name}.js` });

/** Makes a file as small as it gets, its source map with it. */
async function shrink(file: string): Promise<void> {
  const [code, map] = [await Deno.readTextFile(file), await Deno.readTextFile(`${file}.map`)];
  const url = `${file.split("/").at(-1)}.map`;
  // The compiler has seen that no constant is assigned; with one word for all it compresses better.
  const declared = code.replace(/^(\s*(?:for (?:await )?\()?)const\b/gm, "$1let  ");
  const small = await minify(declared, {
    module: true,
    ecma: 2020,
    compress: {
      ecma: 2020,
      inline: 1,
      lhs_constants: false,
      passes: 3,
      pure_getters: true,
      sequences: false,
    },
    sourceMap: { content: map, url },
  });
  await Deno.writeTextFile(file, small.code!);
  await Deno.writeTextFile(`${file}.map`, small.map as string);
}

/**
 * For browsers: one file of everything, one of all but training (losses, backward passes, optimisers),
 * each with its types; what knows PyTorch's files, for each, and the reader of ONNX files, for both,
 * which they load when they meet such a file.
 */
async function browser(folder: string): Promise<void> {
  const { all, inference } = await exportsOf();
  const entry = (statements: string[]) => ({
    stdin: { contents: statements.join("\n"), resolveDir: path("."), loader: "ts" as const },
  });
  const whole = {
    ...entry(all),
    outfile: `${folder}/rnn-spec.js`,
    plugins: [torchElsewhere("rnn-spec")],
  };
  const asking = {
    ...entry(inference),
    outfile: `${folder}/inference.js`,
    plugins: [torchElsewhere("inference"), askingOnly],
  };
  const bundles: esbuild.BuildOptions[] = [
    whole,
    torchFiles(folder, "rnn-spec"),
    asking,
    torchFiles(folder, "inference"),
    onnxWeights(folder),
  ];
  for (const { plugins = [], ...one } of bundles) {
    const minified = { ...common, minifyIdentifiers: true, ...one };
    await esbuild.build({ ...minified, plugins: [onnxElsewhere, ...plugins] });
    await shrink(one.outfile!);
  }
  await types({ "rnn-spec": "mod.ts" }, folder);
  const declared = inference.map((one) => one.replace(/from "[^"]+"/, 'from "./rnn-spec.js"'));
  await Deno.writeTextFile(`${folder}/inference.d.ts`, `${declared.join("\n")}\n`);
}

/** The library as a package: readable files, so that a bundler can leave out what is not used. */
async function library(folder: string): Promise<void> {
  await esbuild.build({
    ...common,
    entryPoints: Object.fromEntries(
      Object.entries(entries).map(([name, source]) => [name, path(source)]),
    ),
    outdir: folder,
    splitting: true,
    plugins: [goldenElsewhere, onnxElsewhere],
  });
  await esbuild.build({ ...common, ...onnxWeights(folder) });
  await types(entries, folder);
  await Deno.writeTextFile(`${folder}/golden.js`, `export * from "${golden}";\n`);
  await Deno.writeTextFile(`${folder}/golden.d.ts`, `export * from "${golden}";\n`);
  await describe(folder, {
    name: config.name,
    description: "PyTorch's RNN, LSTM and GRU: a tested specification and reference implementation",
    exports: {
      ".": exported("index"),
      "./checkpoints": exported("checkpoints"),
      "./conformance": exported("conformance"),
      "./golden": exported("golden"),
      "./onnx": exported("onnx"),
    },
    // The goldens are large; only ./conformance and ./golden want them.
    peerDependencies: { [golden]: config.version },
    peerDependenciesMeta: { [golden]: { optional: true } },
  });
}

async function goldens(folder: string): Promise<void> {
  await esbuild.build({
    ...common,
    entryPoints: { index: path("golden/mod.ts") },
    outdir: folder,
    sourcemap: false,
    loader: { ".json": "text", ".txt": "text" },
  });
  await types({ golden: "golden/mod.ts" }, folder);
  await describe(folder, {
    name: golden,
    description: "What PyTorch's RNN, LSTM and GRU compute: the golden files of rnn-spec",
    exports: { ".": exported("index") },
  });
}

/** What a program takes that imports little: to be weighed, not to be published. */
async function sizes(folder: string): Promise<void> {
  const contents = 'export { LSTM, loadCheckpoint } from "./mod.ts";';
  const stdin = { contents, resolveDir: path("."), loader: "ts" as const };
  const outfile = `${folder}/lstm.js`;
  await esbuild.build({
    ...common,
    minifyIdentifiers: true,
    stdin,
    outfile,
    plugins: [onnxElsewhere, torchElsewhere("lstm")],
  });
  await shrink(`${folder}/lstm.js`);
}

const parts = { browser, sizes, "npm/rnn-spec": library, "npm/golden": goldens };

export async function build(dist = path("dist")): Promise<void> {
  try {
    for (const [name, make] of Object.entries(parts)) {
      const folder = `${dist}/${name}`;
      await Deno.remove(folder, { recursive: true }).catch(() => {});
      await Deno.mkdir(folder, { recursive: true });
      await make(folder);
    }
  } finally {
    await esbuild.stop();
  }
}

if (import.meta.main) {
  await build();
  for (const name of Object.keys(parts)) {
    for await (const file of Deno.readDir(path(`dist/${name}`))) {
      const { size } = await Deno.stat(path(`dist/${name}/${file.name}`));
      console.log(`${String(size).padStart(10)}  dist/${name}/${file.name}`);
    }
  }
}
