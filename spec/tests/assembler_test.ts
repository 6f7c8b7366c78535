/** Chapter kernels: the code of the kernels, as it is put together. */

import { assert, assertEquals } from "@std/assert";
import { Assembler, type Code, Func, type Local, mulAdd } from "../../lib/kernels/assembler.ts";
import * as i32 from "../../lib/kernels/i32.ts";
import { assemble } from "../../lib/kernels/sequence.ts";
import { addTraining } from "../../lib/kernels/training/kernels.ts";
import { describe, fact, readablePath } from "./law.ts";

/** The local variables and the code of each function that is made meanwhile. */
function watched(build: () => void): { locals: Local[]; code: Code[] }[] {
  const found = new Map<Func, { locals: Local[]; code: Code[] }>();
  const own = (f: Func) => {
    if (!found.has(f)) found.set(f, { locals: [], code: [] });
    return found.get(f)!;
  };
  const { local, emit } = Func.prototype;
  Func.prototype.local = function (type) {
    const made = local.call(this, type);
    own(this).locals.push(made as Local);
    return made as never;
  };
  Func.prototype.emit = function (...code) {
    own(this).code.push(...code);
    emit.apply(this, code);
  };
  try {
    build();
  } finally {
    Func.prototype.local = local;
    Func.prototype.emit = emit;
  }
  return [...found.values()];
}

/** All lists in some code, however deep. */
function listsIn(code: readonly unknown[], lists = new Set<unknown>()): Set<unknown> {
  for (const part of code) {
    if (!Array.isArray(part) || lists.has(part)) continue;
    lists.add(part);
    listsIn(part, lists);
  }
  return lists;
}

const options = [false, true].flatMap((withStructs) =>
  [0, 1024].flatMap((sharedPages) =>
    [null, addTraining].map((training) => ({ madd: mulAdd, withStructs, sharedPages, training }))
  )
);

describe("the code of the kernels", () => {
  fact(["KERNEL-1"], "no function has a local variable that nothing sets", () => {
    for (const one of options) {
      const functions = watched(() => void assemble(one));
      assert(functions.length > 10);
      for (const { locals, code } of functions) {
        const lists = listsIn(code);
        for (const local of locals) {
          const assign = (local.set(0 as never) as readonly unknown[])[1];
          assert(lists.has(assign), "a variable that nothing sets");
        }
      }
    }
  }, readablePath);

  fact(
    ["KERNEL-1", "KERNEL-8"],
    "what a module exports, with and without structs and training",
    () => {
      for (const one of options) {
        const bytes = assemble(one);
        if (!WebAssembly.validate(bytes)) {
          assert(one.withStructs); // an engine without structs
          continue;
        }
        const module = new WebAssembly.Module(bytes);
        assertEquals(
          WebAssembly.Module.exports(module).map(({ name, kind }) => `${kind} ${name}`),
          [
            ...["linear", "difference"],
            ...one.withStructs ? ["grow", "create", "fill"] : [],
            ...["tanh", "relu", "lstm", "gru"],
            ...one.training ? ["train"] : [],
          ].map((name) => `function ${name}`),
        );
        assertEquals(WebAssembly.Module.imports(module), [
          { module: "env", name: "memory", kind: "memory" } as WebAssembly.ModuleImportDescriptor,
        ]);
        // Its memory is shared, or not, and no larger than it may be.
        const given = (memory: WebAssembly.MemoryDescriptor) => {
          try {
            new WebAssembly.Instance(module, { env: { memory: new WebAssembly.Memory(memory) } });
            return true;
          } catch {
            return false;
          }
        };
        const shared = one.sharedPages > 0;
        assertEquals(given({ initial: 1 }), !shared);
        assertEquals(given({ initial: 1, maximum: 1024, shared: true }), shared);
        assertEquals(given({ initial: 1, maximum: 1025, shared: true }), false);
      }
    },
    readablePath,
  );

  fact(["KERNEL-1"], "integers and floats in code, on both sides of each length", () => {
    const integers = [0, 1, 63, 64, 127, 128, 8191, 8192, 2 ** 20, 2 ** 27, 2 ** 31 - 1];
    const all = integers.flatMap((one) => [one, -one - 1]);
    const m = new Assembler();
    all.forEach((one, k) => {
      m.func(0, (f) => {
        const [at, value] = [f.let("i32", 4 * k), f.let("i32", one)];
        f.emit(i32.store(at, value));
      }, `f${k}`);
    });
    const memory = new WebAssembly.Memory({ initial: 1 });
    const { exports } = new WebAssembly.Instance(new WebAssembly.Module(m.encode()), {
      env: { memory },
    });
    all.forEach((_, k) => (exports[`f${k}`] as () => void)());
    assertEquals([...new Int32Array(memory.buffer, 0, all.length)], all);
  }, readablePath);
});
