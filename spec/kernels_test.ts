/** Chapter kernels: the fast path is the readable one, to the closeness, and keeps its own laws. */

import { assert, assertEquals, assertThrows } from "@std/assert";
import { after, before, describe, it } from "@std/testing/bdd";
import { memoryUsage } from "node:process";
import fc from "fast-check";
import { compare } from "../golden/compare.ts";
import { files } from "../golden/mod.ts";
import { goldenFile } from "../golden/pair.ts";
import { engine } from "../lib/kernels/engine.ts";
import { Heap } from "../lib/kernels/heap.ts";
import {
  cat,
  getKernels,
  GRU,
  type Kernels,
  LSTM,
  narrow,
  noGrad,
  packPaddedSequence,
  RNN,
  RuntimeError,
  setKernels,
  type Tensor,
  tensor,
  to,
  transpose,
  unpackSequence,
  ValueError,
  zeros,
} from "../mod.ts";
import { answer } from "../scripts/adapters/reference.ts";
import { activations, sigmoid, ulps } from "../scripts/ulps.ts";
import {
  assertAllBitwise,
  assertBitwise,
  assertClose,
  build,
  configs,
  inputOf,
  outputSize,
  run,
  stateOf,
  tame,
  timeDim,
} from "./arbitrary.ts";
import { everyPath, fact, law, onPath } from "./law.ts";

const fastPaths = everyPath.filter((path) => path !== "readable");

/** Extents on both sides of the edges of vectors (4), panels (12) and tiles (4 rows). */
const edges = {
  ...tame,
  dtype: fc.constant("float32" as const),
  inputSize: fc.oneof(fc.integer({ min: 1, max: 9 }), fc.constantFrom(11, 12, 13, 31)),
  hiddenSize: fc.oneof(
    fc.integer({ min: 1, max: 9 }),
    fc.constantFrom(11, 12, 13, 15, 16, 17, 23, 24, 25, 37, 48, 49),
  ),
  batch: fc.constantFrom(1, 2, 3, 4, 5, 7, 8, 9),
  length: fc.constantFrom(1, 2, 3, 4, 5, 9),
  scale: fc.constant(1),
} as const;

const single = { dtype: fc.constant("float32" as const), bidirectional: fc.constant(false) };

/** Runs on a path. */
function by(path: Kernels, c: Parameters<typeof build>[0], x: Tensor, state: typeof stateOf) {
  return onPath(path, () => run(build(c), x, state(c)));
}

describe("kernels", () => {
  const { warn } = console;
  before(() => console.warn = () => {}); // some cases ask for what PyTorch, too, warns about
  after(() => console.warn = warn);

  for (const path of everyPath.slice(0, -1)) { // the last one is what golden_test.ts runs
    fact(["KERNEL-1"], `every golden of a recurrent layer in float32 holds on "${path}"`, () => {
      let count = 0;
      const wrong = Object.keys(files).flatMap((file) =>
        goldenFile(file).cases.flatMap(({ id, request, expect }) => {
          const { op, module = "", dtype } = request;
          if (op !== "forward" || dtype !== "float32" || !/^(RNN|LSTM|GRU|S\w+)$/.test(module)) {
            return [];
          }
          count++;
          const given = onPath(path, () => answer(request));
          return compare(request, expect, given).differences.map((one) => ({ id, ...one }));
        })
      );
      assert(count > 100);
      assertEquals(wrong, []);
    }, [path]);
  }

  law(
    ["KERNEL-1"],
    "on both sides of every edge of a tile the paths are close",
    fc.tuple(configs(edges), fc.boolean()),
    ([c, initial]) => {
      const x = inputOf(c);
      const given = run(build(c), x, initial ? stateOf(c) : null);
      const wanted = onPath("readable", () => run(build(c), x, initial ? stateOf(c) : null));
      assertClose(given[0], wanted[0]);
      given[1].forEach((part, k) => assertClose(part, wanted[1][k]));
    },
    200,
    fastPaths,
  );

  fact(["KERNEL-1"], "a long sequence, which is taken in pieces, is close, too", () => {
    for (const [kind, batchFirst, batch] of [["LSTM", true, 3], ["GRU", false, 5]] as const) {
      const [dtype, extreme] = ["float32" as const, null];
      const c = {
        ...{ kind, batchFirst, batch, inputSize: 3, hiddenSize: 40, numLayers: 2, bias: true },
        ...{ bidirectional: true, projSize: 0, dtype, length: 150, seed: 5, scale: 1, extreme },
      };
      const wanted = by("readable", c, inputOf(c), stateOf);
      const given = run(build(c), inputOf(c), stateOf(c));
      assertClose(given[0], wanted[0]);
      given[1].forEach((part, k) => assertClose(part, wanted[1][k]));
    }
  });

  fact(["KERNEL-1"], "what is recorded, or in float64, is the readable path's, bitwise", () => {
    const x = tensor([[[0.5], [-0.25]]]);
    const rnn = new RNN(1, 5, { batchFirst: true });
    const recorded = rnn.forward(x)[0];
    assert(recorded.requiresGrad);
    const readable = onPath("readable", () => noGrad(() => rnn.forward(x)[0]));
    assertBitwise(recorded, readable);
    rnn.to("float64");
    const wide = noGrad(() => rnn.forward(to(x, "float64"))[0]);
    assertBitwise(wide, onPath("readable", () => noGrad(() => rnn.forward(to(x, "float64"))[0])));
  });

  fact(["KERNEL-2"], "the switch", () => {
    assertThrows(() => setKernels("fastest" as Kernels), TypeError, 'no kernels "fastest"');
    onPath("readable", () => assertEquals([getKernels(), engine()], ["readable", null]));
    onPath("auto", () => assertEquals(engine() !== null, fastPaths.length > 0));
  });

  for (const path of fastPaths) {
    fact(["KERNEL-3"], `tanh and σ over all exponents, on "${path}"`, () => {
      // 61 numbers between one power of two and the next, of both signs.
      const x = Float32Array.from({ length: 2 * 254 * 61 }, (_, k) => {
        const [exponent, step] = [Math.floor(k / 2 / 61) - 126, Math.floor(k / 2) % 61];
        return (k % 2 ? -1 : 1) * 2 ** exponent * (1 + step / 61);
      });
      const { tanh, sigmoid: s } = onPath(path, () => activations(x));
      x.forEach((one, k) => {
        assert(ulps(tanh[k], Math.tanh(one)) <= 2.6, `tanh ${one} is not ${tanh[k]}`);
        assert(Math.abs(tanh[k]) <= 1 && s[k] >= 0 && s[k] <= 1);
        assertEquals(tanh[k], -tanh[k ^ 1], "odd");
        const error = ulps(s[k], sigmoid(one));
        assert(error <= 2.6 || (one < -87 && s[k] < 2 ** -125), `σ(${one}) is not ${s[k]}`);
      });
    }, [path]);

    fact(["KERNEL-3"], `tanh and σ of what is not an ordinary number, on "${path}"`, () => {
      const x = Float32Array.of(NaN, Infinity, -Infinity, 0, 2 ** -149, -(2 ** -149));
      const { tanh } = onPath(path, () => activations(x));
      assertEquals([...tanh], [NaN, 1, -1, 0, 2 ** -149, -(2 ** -149)]);
      // By way of the bias: 0 · ∞ in the other gates would be NaN.
      const lstm = new LSTM(1, 1);
      lstm.parameters().forEach(({ data }) => data.fill(0));
      const given = [...x].map((one) => {
        lstm.getParameter("bias_ih_l0").data.set([-200, one]);
        const state = [zeros([1, 1]), tensor([[1]])];
        return onPath(path, () => run(lstm, zeros([1, 1]), state)[1][1].item());
      });
      assertEquals(given, [NaN, 1, 0, 0.5, 0.5, 0.5]);
    }, [path]);
  }

  law(
    ["KERNEL-4", "BATCH-4", "PACK-4"],
    "each row is computed as if alone, whatever tile took it, bitwise",
    configs(edges),
    (c) => {
      const [module, x] = [build(c), inputOf(c)];
      const lengths = Array.from({ length: c.batch }, (_, n) => 1 + (c.seed >>> n) % c.length);
      const rowsFirst = c.batchFirst ? x : transpose(x, 0, 1);
      const alone = lengths.map((length, n) => {
        const row = narrow(narrow(rowsFirst, 0, n, 1), 1, 0, length);
        return c.batchFirst ? row : transpose(row, 0, 1);
      });
      const { batchFirst } = c;
      const packed = packPaddedSequence(x, lengths, { batchFirst, enforceSorted: false });
      const [output, final] = run(module, packed);
      const parts = unpackSequence(output);
      alone.forEach((row, n) => {
        const [own, ownFinal] = run(module, row);
        assertEquals([...parts[n].data], [...own.data]);
        ownFinal.forEach((part, k) => assertBitwise(narrow(final[k], 1, n, 1), part));
      });
    },
    80,
    fastPaths,
  );

  law(
    ["KERNEL-4", "STACK-8"],
    "a sequence cut in two goes on where it stopped, bitwise",
    configs({ ...edges, bidirectional: fc.constant(false) }),
    (c) => {
      const [module, x, time] = [build(c), inputOf(c), timeDim(c)];
      const [whole, final] = run(module, x, stateOf(c));
      const cut = Math.floor(c.length / 2);
      if (cut === 0) return;
      const [first, between] = run(module, narrow(x, time, 0, cut), stateOf(c));
      const [second, end] = run(module, narrow(x, time, cut, c.length - cut), between);
      assertBitwise(cat([first, second], time), whole);
      assertAllBitwise(end, final);
    },
    80,
    fastPaths,
  );

  law(
    ["KERNEL-5"],
    "a stream is the sequence, bitwise, for all kinds and stacks",
    fc.tuple(configs({ ...edges, bidirectional: fc.constant(false) }), fc.boolean()),
    ([given, initial]) => {
      const c = { ...given, batch: 1 };
      const [module, x] = [build(c), inputOf(c)];
      const state = stateOf(c);
      const [output, final] = run(module, x, initial ? state : null);
      const flat = (part: Tensor) => tensorOf(part.data, [c.numLayers, -1]);
      using stream = module.stream();
      if (initial) stream.state = state.map(flat);
      const out = new Float32Array(outputSize(c));
      for (let t = 0; t < c.length; t++) {
        stream.step(x.data.subarray(t * c.inputSize, (t + 1) * c.inputSize), out);
        assertEquals([...out], [...output.data.subarray(t * out.length, (t + 1) * out.length)]);
      }
      assertAllBitwise(stream.state, final.map(flat));
      stream.reset();
      assert(stream.state.every(({ data }) => data.every((value) => value === 0)));
    },
    100,
  );

  law(
    ["KERNEL-5"],
    "streams do not disturb each other, nor what runs between their steps",
    configs({ ...single, ...tame, batch: fc.constant(1) }),
    (c) => {
      const [module, x] = [build(c), inputOf(c)];
      const [output] = run(module, x);
      const streams = [module.stream(), module.stream()];
      const outs = streams.map(() => new Float32Array(outputSize(c)));
      for (let t = 0; t < c.length; t++) {
        const row = x.data.subarray(t * c.inputSize, (t + 1) * c.inputSize);
        streams.forEach((stream, k) => stream.step(row, outs[k]));
        run(new GRU(2, 30 + t), zeros([2, 9, 2])); // takes memory
        for (const out of outs) {
          assertEquals([...out], [...output.data.subarray(t * out.length, (t + 1) * out.length)]);
        }
      }
      streams.forEach((stream) => stream.dispose());
    },
  );

  fact(["KERNEL-5"], "what a stream refuses", () => {
    assertThrows(() => new GRU(1, 2, { bidirectional: true }).stream(), ValueError, "direction");
    const stream = new LSTM(3, 4).stream();
    const [x, out] = [new Float32Array(3), new Float32Array(4)];
    assertThrows(() => stream.step(out, out), RuntimeError, "takes 3 numbers and gives 4");
    assertThrows(() => stream.step(new Float64Array(3), out), RuntimeError, "float32");
    assertThrows(() => stream.state = [zeros([1, 4])], RuntimeError, "[1, 4] and [1, 4]");
    stream.dispose();
    stream.dispose();
    assertThrows(() => stream.step(x, out), RuntimeError, "disposed");
  });

  it("KERNEL-5: a step allocates nothing", () => {
    if (fastPaths.length === 0) return;
    using stream = onPath("auto", () => new LSTM(16, 16, { numLayers: 2 }).stream());
    const [x, out] = [new Float32Array(16).fill(0.5), new Float32Array(16)];
    const steps = 10_000;
    const many = () => {
      for (let k = 0; k < steps; k++) stream.step(x, out);
    };
    many();
    // The counter is the whole process's: others may add to it, so the least of some tries counts.
    const grown = Array.from({ length: 8 }, () => {
      const before = memoryUsage().heapUsed;
      many();
      return memoryUsage().heapUsed - before;
    });
    const perStep = Math.min(...grown.filter((bytes) => bytes >= 0)) / steps;
    assert(perStep < 1, `${perStep} bytes a step`);
  });

  law(
    ["KERNEL-6"],
    "a weight written in place counts from the next call on",
    fc.tuple(configs({ ...edges, numLayers: fc.constantFrom(1, 2) }), fc.nat(), fc.nat()),
    ([c, which, where]) => {
      const [module, x] = [build(c), inputOf(c)];
      run(module, x);
      const parameters = module.parameters();
      const { data } = parameters[which % parameters.length];
      data[where % data.length] += 0.5;
      const fresh = build(c);
      fresh.loadStateDict(module.stateDict());
      const [given, wanted] = [run(module, x), run(fresh, x)];
      assertBitwise(given[0], wanted[0]);
      assertAllBitwise(given[1], wanted[1]);
    },
    80,
    fastPaths,
  );

  fact(["KERNEL-6"], "a change of dtype and back counts, too", () => {
    const [rnn, x] = [new RNN(2, 3), tensor([[1, 2], [3, 4]])];
    const before = noGrad(() => rnn.forward(x)[0]);
    rnn.to("float64");
    rnn.parameters().forEach(({ data }) => data.fill(0));
    rnn.to("float32");
    assert(before.data.some((value) => value !== 0));
    assert(noGrad(() => rnn.forward(x)[0]).data.every((value) => value === 0));
  });

  it("KERNEL-6: memory does not grow with the number of calls, modules or streams", () => {
    if (fastPaths.length === 0) return;
    const heap = onPath("auto", engine)!.heap;
    const round = () => {
      run(new LSTM(8, 64), zeros([50, 2, 8]));
      new LSTM(8, 64).stream().dispose();
    };
    for (let k = 0; k < 5; k++) round();
    const module = new GRU(8, 64);
    run(module, zeros([50, 2, 8]));
    round();
    const most = heap.memory.buffer.byteLength;
    for (let k = 0; k < 200; k++) run(module, zeros([50, 2, 8]));
    for (let k = 0; k < 200; k++) new LSTM(8, 64).stream().dispose();
    assertEquals(heap.memory.buffer.byteLength, most);
  });

  fact(["KERNEL-6"], "packed weights that are not used make room for those that are", () => {
    const heap = new Heap();
    const blocks = Array.from({ length: 100 }, () => heap.cache(13 * 2 ** 20));
    assert(heap.memory.buffer.byteLength < 150 * 2 ** 20);
    assertEquals(blocks.map(({ at }) => at > 0), blocks.map((_, k) => k >= 91));
    blocks.forEach((block) => heap.drop(block));
    assertEquals(heap.allocate(200 * 2 ** 20).at, 64); // the holes have become one
  });
});

/** A view of values in another shape; -1 stands for what is left. */
function tensorOf(data: Tensor["data"], [rows]: number[]): Tensor {
  const features = data.length / rows;
  return tensor(Array.from({ length: rows }, (_, k) => [
    ...data.subarray(k * features, (k + 1) * features),
  ]));
}
