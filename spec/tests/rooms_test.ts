/**
 * The rooms of `lib/`: which may import which. Arrows point down only. Reads the sources, so it
 * needs `--allow-read`, which `deno task test` grants.
 */

import { assert, assertEquals } from "@std/assert";
import { withPermission } from "./law.ts";

/** What every room may use: errors, Python's words, what a call may be given, declared parameters. */
const ground = ["errors", "python", "call", "parameters"].map((name) => `lib/${name}.ts`);

/** For each room, the rooms below it. */
const below: Record<string, readonly string[]> = {
  tensor: [],
  autograd: ["tensor"],
  random: ["tensor"],
  kernels: ["tensor"],
  nn: ["autograd", "kernels", "random", "tensor"],
  optim: ["nn", "autograd", "random", "tensor"],
  checkpoints: ["tensor"],
  layouts: ["autograd", "tensor"],
  detect: ["nn", "checkpoints", "tensor"],
  conformance: ["nn", "layouts", "autograd", "tensor"],
  onnx: ["conformance", "detect", "layouts", "checkpoints", "nn", "autograd", "tensor"],
};

const root = new URL("../../", import.meta.url);

/** The TypeScript files of a folder, with those in folders of its own. */
async function sources(folder: string): Promise<string[]> {
  const found: string[] = [];
  for await (const { name, isDirectory } of Deno.readDir(new URL(folder, root))) {
    if (isDirectory) found.push(...await sources(`${folder}${name}/`));
    else if (name.endsWith(".ts")) found.push(`${folder}${name}`);
  }
  return found;
}

/** What is loaded on demand, and so may lie above: an ONNX file has to be met first. */
const onDemand = [
  "lib/checkpoints/checkpoint.ts loads lib/checkpoints/torch.ts",
  "lib/checkpoints/checkpoint.ts loads lib/onnx/weights.ts",
  "lib/checkpoints/save.ts loads lib/checkpoints/torch.ts",
];

/** What a file imports, and what it loads on demand; types count, comments do not. */
async function imports(file: string): Promise<{ targets: string[]; loaded: string[] }> {
  const text = await Deno.readTextFile(new URL(file, root));
  const code = text.replaceAll(/\/\*[^]*?\*\/|^\s*\/\/.*$/gm, "");
  const paths = (pattern: RegExp) =>
    [...code.matchAll(pattern)].map(([, path]) =>
      path.startsWith(".")
        ? new URL(path, new URL(file, root)).href.slice(root.href.length)
        : `elsewhere: ${path}`
    );
  return {
    targets: paths(/^(?:import|export)\b[^;]*?from\s+"([^"]+)"/gm),
    loaded: paths(/\bimport\(\s*"?([^")]*)/g),
  };
}

const room = (path: string) => path.split("/")[1];

withPermission(
  "CONFORM-1: rooms import downwards only, by relative path, without circles",
  [{ name: "read" }],
  async () => {
    const [wrong, found]: string[][] = [[], []];
    const arrows = new Map<string, string[]>();
    for (const file of await sources("lib/")) {
      const { targets, loaded } = await imports(file);
      found.push(...loaded.map((path) => `${file} loads ${path}`));
      arrows.set(file, targets);
      for (const target of targets) {
        const words = ground.includes(target);
        const inside = room(file) === room(target);
        const down = below[room(file)]?.includes(room(target));
        // The kit reads the goldens, which depend on no code.
        const golden = room(file) === "conformance" && target === "golden/mod.ts";
        if (!(golden || target.startsWith("lib/") && (words || inside || down))) {
          wrong.push(`${file} imports ${target}`);
        }
      }
    }
    assert(arrows.size > 50, "the sources were not found");
    assertEquals([wrong, found.sort()], [[], onDemand]);
    assertEquals(circle(arrows), null);
  },
);

withPermission(
  "KERNEL-1: the map of the kernels names each of their files, and no other",
  [{ name: "read" }],
  async () => {
    const page = await Deno.readTextFile(new URL("lib/kernels/README.md", root));
    const named = [...page.matchAll(/`(?:nn\/)?(\w+\.ts)`/g)].map(([, name]) => name);
    const names = (files: readonly string[]) => files.map((file) => file.split("/").at(-1)!);
    const own = names(await sources("lib/kernels/"));
    assertEquals(own.filter((name) => !named.includes(name)), []);
    const known = [...own, ...names(await sources("lib/nn/"))];
    assertEquals(named.filter((name) => !known.includes(name)), []);
  },
);

/** A circle of files that import each other, or `null`. */
function circle(arrows: ReadonlyMap<string, readonly string[]>): string | null {
  const done = new Set<string>();
  const visit = (file: string, path: readonly string[]): string | null => {
    if (path.includes(file)) return [...path.slice(path.indexOf(file)), file].join(" → ");
    if (done.has(file)) return null;
    for (const target of arrows.get(file) ?? []) {
      const found = visit(target, [...path, file]);
      if (found) return found;
    }
    done.add(file);
    return null;
  };
  for (const file of arrows.keys()) {
    const found = visit(file, []);
    if (found) return found;
  }
  return null;
}
