/** Chapter kernels: memory that runs out changes no later answer. */

import { assert, assertEquals, assertRejects, assertThrows } from "@std/assert";
import fc from "fast-check";
import { engine } from "../../lib/kernels/engine.ts";
import { Heap, OutOfMemory } from "../../lib/kernels/heap.ts";
import { Forward } from "../../lib/kernels/forward.ts";
import { Packing, type StackSizes, type Weights } from "../../lib/kernels/packing.ts";
import { plan } from "../../lib/kernels/plan.ts";
import type { Batch } from "../../lib/kernels/shard.ts";
import {
  backward,
  getKernels,
  getNumThreads,
  GRU,
  LSTM,
  manualSeed,
  noGrad,
  PackedSequence,
  packPaddedSequence,
  randn,
  RNN,
  RuntimeError,
  setKernels,
  setNumThreads,
  sum,
  type Tensor,
} from "../../mod.ts";
import {
  build,
  type Config,
  configs,
  directions,
  edges,
  inputOf,
  parametersOf,
  type Recurrent,
  run,
  stateOf,
  suffixes,
} from "./arbitrary.ts";
import { around, describe, everyPath, fact, it, law, onPath } from "./law.ts";

const fastPaths = everyPath.filter((path) => path !== "readable");

/**
 * Has a heap refuse the request of a number, counted from 0, or all from there on; how many requests
 * there were.
 */
function failing<T>(
  heap: Heap,
  at: number,
  later: boolean,
  run: () => T,
): { result: T; requests: number } {
  let requests = 0;
  heap.reach = function (end) {
    const number = requests++;
    if (number === at || (later && number > at)) throw new RangeError("no more memory (a test)");
    Heap.prototype.reach.call(this, end);
  };
  try {
    return { result: run(), requests };
  } finally {
    delete (heap as Partial<Heap>).reach;
  }
}

/** What the kernels are told of a module and of a batch, by hand. */
function sizesOf(c: Config): StackSizes {
  const kind =
    ({ "RNN tanh": "tanh", "RNN relu": "relu", LSTM: "lstm", GRU: "gru" } as const)[c.kind];
  return { ...c, kind, numDirections: directions(c) };
}

function weightsOf(c: Config, module: Recurrent): Weights[] {
  return Array.from({ length: c.numLayers }, (_, layer) =>
    suffixes(c, layer).map((suffix) => {
      const own = parametersOf(module, suffix);
      const data = (name: string) => (own[name]?.data ?? null) as Float32Array;
      return {
        weightIh: data("weight_ih"),
        weightHh: data("weight_hh"),
        biasIh: data("bias_ih"),
        biasHh: data("bias_hh"),
        weightHr: data("weight_hr"),
      };
    })).flat();
}

function batchOf(input: Tensor | PackedSequence, batchFirst: boolean): Batch {
  if (input instanceof PackedSequence) {
    const { data, batchSizes, sortedIndices: order } = input;
    const x = data.data as Float32Array;
    const [length, batch] = [batchSizes.length, batchSizes[0]];
    return { x, length, batch, batchFirst: false, batchSizes, order };
  }
  const [length, batch] = batchFirst ? [1, 0].map((k) => input.shape[k]) : input.shape;
  const x = input.data as Float32Array;
  return { x, length, batch, batchFirst, batchSizes: null, order: null };
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
  const inputs = modules().map(({ inputSize }) => randn([12, 16, inputSize]));
  /** What new modules answer, a stream, and backward passes. */
  const answers = (made = modules()) => {
    const given = made.flatMap((module, k) => {
      const [output, hn] = noGrad(() => module.forward(inputs[k]));
      return [output, ...[hn].flat()].map((part) => (part as Tensor).data);
    });
    const stream = made[1].stream();
    const out = new Float32Array(10);
    stream.step(inputs[1].data.subarray(0, 40) as Float32Array, out);
    stream.dispose();
    return [...given, out, ...gradients(made[0]), ...gradients(made[1])];
  };
  /** The gradients of a module's parameters; empty where the backward pass was refused. */
  const gradients = (module: Recurrent) => {
    module.zeroGrad();
    const [output] = module.forward(inputs[module instanceof GRU ? 0 : 1]);
    try {
      backward(sum(output as Tensor));
    } catch (error) {
      assert(error instanceof RuntimeError && error.message.startsWith("not enough memory"));
      assert(module.parameters().every(({ grad }) => grad === null));
      return module.parameters().map(() => new Float32Array(0));
    }
    return module.parameters().map(({ grad }) => grad!.data);
  };

  const wanted = Object.fromEntries(
    fastPaths.map((path) => [path, onPath(path, () => answers())]),
  );

  for (const [threads, later] of [[1, false], [1, true], [2, false], [2, true]] as const) {
    const which = later ? "all requests from one on fail" : "one request fails";
    it(`KERNEL-9: where ${which} on ${threads} threads, the next answers are right`, async () => {
      for (const path of fastPaths) {
        const readable = onPath("readable", () => answers());
        let requests = 1;
        for (let k = -1; k < requests; k++) {
          await setNumThreads(3 - threads); // so that the heap is a new one
          await setNumThreads(threads);
          onPath(path, () => {
            const { heap } = engine()!;
            const made = modules();
            const run = failing(heap, k, later && k >= 0, () => answers(made));
            if (k < 0) ({ requests } = run);
            run.result.forEach((given, n) =>
              assert(
                given.length === 0 ||
                  [wanted[path], readable].some((all) => all[n].every((y, j) => y === given[j])),
                `answer ${n} while request ${k} failed`,
              )
            );
            assertEquals(answers(made), wanted[path], `after request ${k} failed`);
          });
        }
        assert(requests > 5, `${requests} requests`);
      }
      await setNumThreads(1);
    });
  }

  /** A batch, packed or not, with little scratch memory is what it is as a whole. */
  const inPieces = ([c, scratch, packed, initial]: [Config, number, boolean, boolean]): void => {
    const [module, x] = [build(c), inputOf(c)];
    const state = initial ? stateOf(c) : null;
    const lengths = Array.from(
      { length: c.batch },
      (_, n) => 1 + (c.seed >>> n) % c.length,
    );
    const input = packed
      ? packPaddedSequence(x, lengths, {
        batchFirst: c.batchFirst,
        enforceSorted: false,
      })
      : x;
    const [output, final] = run<Tensor | PackedSequence>(module, input, state);
    const data = output instanceof PackedSequence ? output.data : output;
    const batch = batchOf(input, c.batchFirst);
    const forward = new Forward(sizesOf(c), scratch);
    for (let twice = 0; twice < 2; twice++) {
      const arrays = state && state.map((part) => part.data as Float32Array);
      const given = forward.run(engine()!, weightsOf(c, module), batch, arrays)!;
      assertEquals(given.output, data.data);
      assertEquals(given.final, final.map((part) => part.data));
    }
  };

  fact(["KERNEL-9", "KERNEL-4"], "so it is where a piece takes its own input in pieces", () => {
    for (const batchFirst of [false, true]) {
      for (const [bidirectional, numLayers] of [[false, 2], [true, 2]] as const) {
        const c: Config = {
          ...{ kind: "LSTM", inputSize: 3, hiddenSize: 100, batch: 5, length: 150, seed: 7 },
          ...{ bias: true, projSize: 0, dtype: "float32", scale: 1, extreme: null },
          ...{ batchFirst, bidirectional, numLayers },
        };
        for (const scratch of [300_000, 450_000, 900_000]) {
          inPieces([c, scratch, false, true]);
          inPieces([c, scratch, true, true]);
        }
      }
    }
  }, fastPaths);

  for (const threads of [1, 3]) {
    describe(`pieces on ${threads} threads`, () => {
      if (fastPaths.length === 0) return;
      around(() => setNumThreads(threads), () => setNumThreads(1));
      law(
        ["KERNEL-9", "KERNEL-4"],
        "however little scratch memory there is, and so in however many pieces, no bit changes",
        fc.tuple(
          configs({
            ...edges,
            length: threads > 1
              ? fc.integer({ min: 60, max: 80 })
              : fc.oneof(fc.integer({ min: 1, max: 40 }), fc.constantFrom(60, 100, 150)),
            ...(threads > 1 && { batch: fc.integer({ min: 2, max: 9 }) }),
            hiddenSize: threads > 1 // enough to be worth other threads
              ? fc.integer({ min: 40, max: 50 })
              : fc.constantFrom(1, 5, 8, 33, 49),
          }),
          fc.constantFrom(1, 2000, 10_000, 60_000, 100_000, 300_000),
          fc.boolean(),
          fc.boolean(),
        ),
        inPieces,
        threads > 1 ? 30 : 120,
        fastPaths,
      );
    });
  }

  fact(["KERNEL-9"], "scratch memory is bounded, however long and large the input is", () => {
    for (const threads of [1, 3]) {
      for (
        const [length, batch, sizes] of [
          [2 ** 14, 64, { hiddenSize: 512, numLayers: 2 }],
          [1, 2 ** 20, { hiddenSize: 512, numLayers: 2 }],
          [2 ** 20, 1, { hiddenSize: 128, numLayers: 3, numDirections: 2 }],
          [2 ** 12, 2 ** 10, { hiddenSize: 100, kind: "lstm", numDirections: 2 }],
          [3, 1000, { hiddenSize: 10, numLayers: 1000 }],
          [2 ** 20, 7, { hiddenSize: 1 }],
        ] as const
      ) {
        const packing = new Packing({
          ...{ kind: "gru", inputSize: 1, projSize: 0, numLayers: 1, numDirections: 1 },
          ...sizes,
        });
        for (const batchFirst of [false, true]) {
          const given = { length, batch, batchFirst, batchSizes: null, order: null };
          const { rounds, bytes } = plan(packing, given, threads, 2 ** 25);
          assert(bytes <= 2 ** 25, `${bytes} bytes for ${length} steps of ${batch}`);
          const shards = rounds.flat();
          assertEquals(shards.reduce((sum, shard) => sum + shard.batch, 0), batch);
        }
      }
    }
  });

  fact(["KERNEL-9"], "a result that there is no memory for is refused, and nothing is lost", () => {
    const made = modules();
    const before = answers(made);
    const { ArrayBuffer: Real } = globalThis;
    const refusing = function () {
      throw new RangeError("Array buffer allocation failed");
    };
    try {
      globalThis.ArrayBuffer = refusing as unknown as ArrayBufferConstructor;
      assertThrows(
        () => noGrad(() => made[0].forward(inputs[0])),
        RuntimeError,
        "not enough memory: the result takes 0.0 MiB",
      );
    } finally {
      globalThis.ArrayBuffer = Real;
    }
    assertEquals(answers(made), before);
  }, fastPaths);

  fact(["KERNEL-5", "KERNEL-6"], "streams that are not disposed of do not pile up", () => {
    const { heap } = engine()!;
    const lstm = new LSTM(16, 16);
    lstm.stream();
    const most = heap.memory.buffer.byteLength;
    for (let k = 0; k < 15_000; k++) lstm.stream(); // they share one place
    assertEquals(heap.memory.buffer.byteLength, most);
    for (let k = 0; k < 300; k++) new LSTM(130, 130).stream(); // 200 MB in all
    assert(heap.memory.buffer.byteLength < most + 150 * 2 ** 20);
  }, fastPaths.slice(-1));

  fact(
    ["KERNEL-5", "KERNEL-6", "KERNEL-9"],
    "a stream whose weights made room for others goes on",
    () => {
      const { heap } = engine()!;
      const lstm = new LSTM(3, 5, { numLayers: 2 });
      const x = randn([40, 3]);
      const [output] = noGrad(() => lstm.forward(x));
      const streams = [lstm.stream(), lstm.stream()];
      const out = new Float32Array(5);
      for (let t = 0; t < 40; t++) {
        if (t % 3 === 1) heap.drop(heap.keep(2 ** 28)); // takes all others back
        for (const stream of streams) {
          stream.step(x.data.subarray(3 * t, 3 * t + 3), out);
          assertEquals(out, output.data.subarray(5 * t, 5 * t + 5));
        }
      }
      // Without memory a step is refused, and taken once there is some.
      const state = streams[0].state.map(({ data }) => [...data]);
      heap.drop(heap.keep(2 ** 28));
      const step = () => streams[0].step(x.data.subarray(0, 3), out);
      failing(heap, 0, true, () => assertThrows(step, RuntimeError, "not enough memory"));
      assertEquals(streams[0].state.map(({ data }) => [...data]), state);
      step();
      const second = streams[1];
      second.step(x.data.subarray(0, 3), new Float32Array(5));
      assertEquals(second.state, streams[0].state);
      streams.forEach((stream) => stream.dispose());
    },
    fastPaths,
  );

  fact(["KERNEL-5"], "a stream keeps the weights that it was made with", () => {
    const gru = new GRU(2, 3);
    const x = randn([5, 2]);
    const [before] = noGrad(() => gru.forward(x));
    const first = gru.stream();
    gru.getParameter("weight_hh_l0").data[4] += 0.5;
    const [after] = noGrad(() => gru.forward(x));
    const second = gru.stream();
    const out = new Float32Array(3);
    for (let t = 0; t < 5; t++) {
      for (const [stream, output] of [[first, before], [second, after]] as const) {
        stream.step(x.data.subarray(2 * t, 2 * t + 2), out);
        assertEquals(out, output.data.subarray(3 * t, 3 * t + 3));
      }
    }
    first.dispose();
    second.dispose();
  });

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

  fact(["KERNEL-9"], "a heap that cannot grow is as it was", () => {
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
