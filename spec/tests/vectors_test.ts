/**
 * The goldens as files for other tools (CONFORM-8): arrays of NumPy and safetensors, ONNX models. What
 * starts a program needs `--allow-run`, which `deno task test` grants; where uv is not installed, the
 * tests that need Python say so and pass.
 */

import { assert, assertEquals } from "@std/assert";
import { type JsonTensor, select, type Task, toLine } from "../../lib/conformance/mod.ts";
import { readZip } from "../../lib/checkpoints/zip.ts";
import { readSafetensors, StoredTensor } from "../../mod.ts";
import { arraysOf, entryOf, forms } from "../../scripts/vectors/arrays.ts";
import { describe, fact as onEveryPath, readablePath, withPermission } from "./law.ts";

const fact = (clauses: readonly string[], claim: string, holds: () => void) =>
  onEveryPath(clauses, claim, holds, readablePath);

const tasks = select({ levels: ["forward"], sample: 60 })
  .filter((task) => JSON.stringify(task).length < 20_000);

/** A file in NumPy's format, read by what its documentation says. */
function readNpy(bytes: Uint8Array): StoredTensor {
  const view = new DataView(bytes.buffer, bytes.byteOffset);
  const size = view.getUint16(8, true);
  const header = new TextDecoder().decode(bytes.subarray(10, 10 + size));
  const [, type, extents] =
    /^\{'descr': '(.*?)', 'fortran_order': False, 'shape': \((.*?)\), \} *\n$/
      .exec(header)!;
  assertEquals((10 + size) % 64, 0);
  const dtype = ({ "<f4": "float32", "<f8": "float64", "<i8": "int64" } as const)[type]!;
  const shape = extents.split(",").filter((text) => text.trim()).map(Number);
  return new StoredTensor(dtype, shape, bytes.slice(10 + size));
}

const readers: Record<keyof typeof forms, (bytes: Uint8Array) => Map<string, StoredTensor>> = {
  npz: (bytes) =>
    new Map([...readZip(bytes)].map(([name, data]) => [name.replace(/\.npy$/, ""), readNpy(data)])),
  safetensors: (bytes) => readSafetensors(bytes).tensors as Map<string, StoredTensor>,
};

/** What a case's JSON has, by the names of its arrays. */
function wanted({ request: { state_dict = {}, inputs = {} }, expect }: Task) {
  const parts = Object.entries({ state_dict, inputs, outputs: expect.outputs! });
  return Object.fromEntries(
    parts.flatMap(([part, named]) =>
      Object.entries(named).map(([name, x]) => [
        `${part}.${name}`,
        Array.isArray(x) ? { shape: [x.length], data: x as number[] } : x as JsonTensor,
      ])
    ),
  );
}

describe("the goldens as arrays", () => {
  for (const [form, write] of Object.entries(forms)) {
    fact(["CONFORM-8"], `${form}: weights, inputs and outputs are those of the case`, () => {
      for (const task of tasks) {
        const found = readers[form as keyof typeof forms](write(arraysOf(task)!));
        const own = wanted(task);
        assertEquals([...found.keys()].sort(), Object.keys(own).sort(), task.id);
        for (const [name, stored] of found) {
          const { shape, data } = own[name];
          assertEquals(stored.shape, shape, `${task.id} ${name}`);
          const round = stored.dtype === "float32" ? Math.fround : Number;
          assertEquals([...stored.toTensor().data], data.map((x) => round(Number(x))));
        }
      }
    });
  }

  fact(["CONFORM-8"], "the manifest says what the arrays do not", () => {
    const [task] = select({ filters: ["lstm/no-bias-no-h0-c0/float64"] });
    const { op, module, args, training, rtol, atol } = entryOf(task, "a.npz");
    assertEquals([op, module, training, rtol, atol], ["forward", "LSTM", false, 1e-10, 1e-12]);
    assertEquals(args, task.request.args);
  });

  fact(["CONFORM-2"], "a line of JSON keeps the sign of a zero, wherever it stands", () => {
    assertEquals(toLine({ a: [1, [0, { b: -0 }]], c: -0 }), '{"a":[1,[0,{"b":-0.0}]],"c":-0.0}');
    assertEquals(toLine({ a: [1, 0], b: "-0", c: null }), '{"a":[1,0],"b":"-0","c":null}');
  });
});

const root = new URL("../../", import.meta.url).pathname;

async function run(...[name, ...args]: string[]): Promise<{ success: boolean; said: string }> {
  try {
    const { success, stdout, stderr } = await new Deno.Command(name, { args, cwd: root }).output();
    const said = new TextDecoder().decode(success ? stdout : stderr).trim();
    return { success, said };
  } catch (error) {
    return { success: false, said: (error as Error).message };
  }
}

for (const form of ["npz", "safetensors", "onnx"]) {
  withPermission(
    `CONFORM-8: deno task vectors --${form} writes what Python's own reader takes, all of it`,
    [{ name: "run" }],
    async () => {
      if (!(await run("uv", "--version")).success) return console.log("uv is not installed");
      const folder = `${(await run("mktemp", "-d")).said}`;
      try {
        const made = await run(
          ...[Deno.execPath(), "run", "--quiet", "--no-lock", "--allow-read", "--allow-write"],
          ...["--allow-env", "scripts/vectors.ts", `--${form}`, "--chapter", "pack,linear"],
          ...["-o", `${folder}/own`],
        );
        assert(made.success, made.said);
        const count = /^(\d+) of /.exec(made.said)?.[1];
        const read = await run("uv", "run", "--quiet", "scripts/vectors/check.py", `${folder}/own`);
        assertEquals(read.said, `${count} cases are the goldens'`);
      } finally {
        await run("rm", "-rf", folder);
      }
    },
  );
}
