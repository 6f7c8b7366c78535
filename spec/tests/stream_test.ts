/** Chapter kernels: streams are the sequence, one step after the other. */

import { assert, assertEquals, assertThrows } from "@std/assert";
import { memoryUsage } from "node:process";
import fc from "fast-check";
import { GRU, LSTM, reshape, RuntimeError, type Tensor, ValueError, zeros } from "../../mod.ts";
import { assertAllBitwise } from "./alike.ts";
import { build, configs, edges, inputOf, outputSize, run, stateOf, tame } from "./arbitrary.ts";
import { describe, everyPath, fact, it, law, onPath } from "./law.ts";

const fastPaths = everyPath.filter((path) => path !== "readable");

const single = { dtype: fc.constant("float32" as const), bidirectional: fc.constant(false) };

describe("streams", () => {
  law(
    ["KERNEL-5"],
    "a stream is the sequence, bitwise, for all kinds and stacks",
    fc.tuple(configs({ ...edges, bidirectional: fc.constant(false) }), fc.boolean()),
    ([given, initial]) => {
      const c = { ...given, batch: 1 };
      const [module, x] = [build(c), inputOf(c)];
      const state = stateOf(c);
      const [output, final] = run(module, x, initial ? state : null);
      const flat = (part: Tensor) => reshape(part, [c.numLayers, part.data.length / c.numLayers]);
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
});
