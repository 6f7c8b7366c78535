/** Chapter kernels: memory that runs out changes no later answer. */

import { assert, assertEquals, assertRejects, assertThrows } from "@std/assert";
import { engine } from "../../lib/kernels/engine.ts";
import { Heap, OutOfMemory } from "../../lib/kernels/heap.ts";
import {
  getKernels,
  getNumThreads,
  GRU,
  LSTM,
  manualSeed,
  noGrad,
  randn,
  RNN,
  RuntimeError,
  setKernels,
  setNumThreads,
  type Tensor,
} from "../../mod.ts";
import { describe, everyPath, fact, it, onPath } from "./law.ts";

const fastPaths = everyPath.filter((path) => path !== "readable");

/** Has a heap refuse the request of a number, counted from 0; how many requests there were. */
function failing<T>(heap: Heap, at: number, run: () => T): { result: T; requests: number } {
  let requests = 0;
  heap.reach = function (end) {
    if (requests++ === at) throw new RangeError("no more memory (a test)");
    Heap.prototype.reach.call(this, end);
  };
  try {
    return { result: run(), requests };
  } finally {
    delete (heap as Partial<Heap>).reach;
  }
}

describe("memory that runs out", () => {
  const modules = () => {
    manualSeed(3);
    return [
      new GRU(5, 7, { bidirectional: true }),
      new LSTM(40, 64, { numLayers: 2, projSize: 10 }),
      new RNN(3, 40, { batchFirst: true }),
    ];
  };
  const inputs = modules().map(({ inputSize }) => randn([30, 16, inputSize]));
  /** What new modules answer, and a stream: packing, scratch, blocks, state. */
  const answers = (made = modules()) => {
    const given = made.flatMap((module, k) => {
      const [output, hn] = noGrad(() => module.forward(inputs[k]));
      return [output, ...[hn].flat()].map((part) => (part as Tensor).data);
    });
    const stream = made[1].stream();
    const out = new Float32Array(10);
    stream.step(inputs[1].data.subarray(0, 40) as Float32Array, out);
    stream.dispose();
    return [...given, out];
  };

  const wanted = Object.fromEntries(
    fastPaths.map((path) => [path, onPath(path, () => answers())]),
  );

  for (const threads of [1, 2]) {
    it(`KERNEL-6: whichever request fails on ${threads} threads, the next answers are right`, async () => {
      for (const path of fastPaths) {
        let requests = 1;
        for (let k = -1; k < requests; k++) {
          await setNumThreads(3 - threads); // so that the heap is a new one
          await setNumThreads(threads);
          onPath(path, () => {
            const { heap } = engine()!;
            const made = modules();
            try {
              const run = failing(heap, k, () => answers(made));
              if (k < 0) ({ requests } = run);
            } catch (error) {
              assert(error instanceof RuntimeError, String(error));
            }
            assertEquals(answers(made), wanted[path], `after request ${k} failed`);
          });
        }
        assert(requests > 5, `${requests} requests`);
      }
      await setNumThreads(1);
    });
  }

  it("KERNEL-2, KERNEL-7: where kernels cannot be made, the readable path computes", async () => {
    if (fastPaths.length === 0) return;
    const { Module, Instance, Memory, validate } = WebAssembly;
    const { warn } = console;
    const notes: string[] = [];
    console.warn = (text: string) => notes.push(text);
    const refuse = (kind: new (message: string) => Error) =>
      class {
        constructor() {
          throw new kind("refused (a test)");
        }
      } as unknown;
    const failures = [
      { Module: refuse(WebAssembly.CompileError) }, // what `script-src 'self'` does
      { Instance: refuse(WebAssembly.LinkError) },
      { Memory: refuse(RangeError) },
      { validate: () => new (refuse(TypeError) as new () => Error)() },
    ];
    const readable = onPath("readable", () => answers());
    try {
      for (const failure of failures) {
        await setNumThreads(2);
        Object.assign(WebAssembly, failure);
        await setNumThreads(1); // new engines
        assertEquals(answers(), readable);
        assertEquals(answers(), readable);
        const text = 'cannot run the kernels "simd128": ';
        assertThrows(() => setKernels("simd128"), TypeError, text);
        assertEquals(getKernels(), "auto");
        if (!failure.Instance) {
          await assertRejects(() => setNumThreads(2), RuntimeError, "(a test)");
        }
        assertEquals(getNumThreads(), 1);
        Object.assign(WebAssembly, { Module, Instance, Memory, validate });
        assertEquals(answers(), readable); // it is not tried again
      }
    } finally {
      Object.assign(WebAssembly, { Module, Instance, Memory, validate });
      console.warn = warn;
      await setNumThreads(2);
      await setNumThreads(1);
    }
    assertEquals(notes, [
      'rnn-spec: the kernels "relaxed" could not be made, so the path "readable" computes ' +
      "instead: CompileError: refused (a test)",
    ]);
    assertEquals(answers(), wanted[fastPaths.at(-1)!]);
  });

  fact(["KERNEL-6"], "a heap that cannot grow is as it was", () => {
    const heap = new Heap();
    const scratch = heap.scratch(1000);
    const first = heap.allocate(100);
    const end = heap.memory.buffer.byteLength;
    heap.floats.fill(7);
    for (let k = 0; k < 3; k++) {
      const message = "not enough memory: the kernels asked for 1048576.0 MiB more";
      assertThrows(() => heap.allocate(2 ** 40), OutOfMemory, message);
    }
    assertEquals(heap.memory.buffer.byteLength, end);
    assertEquals(heap.scratch(1000), scratch);
    const next = heap.allocate(100);
    assertEquals(next.at, first.at + 128);
    assertThrows(() => heap.scratch(2 ** 40), OutOfMemory);
    const again = heap.scratch(1000);
    assert(again > 0 && again % 64 === 0);
    assert([first, next].every(({ at, bytes }) => again + 1000 <= at || again >= at + bytes));
  });
});
