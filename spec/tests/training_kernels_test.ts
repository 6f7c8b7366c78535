/** Chapter kernels: gradients and training on the fast path. */

import { assert, assertEquals, assertThrows } from "@std/assert";
import fc from "fast-check";
import { setFlagsFromString } from "node:v8";
import { runInNewContext } from "node:vm";
import { files } from "../../golden/mod.ts";
import { type Answer, goldenFile } from "../../lib/conformance/mod.ts";
import { engine } from "../../lib/kernels/engine.ts";
import {
  add,
  backward,
  grad,
  GRU,
  Linear,
  LSTM,
  manualSeed,
  mul,
  noGrad,
  ones,
  packPaddedSequence,
  RNN,
  setKernels,
  setNumThreads,
  sum,
  type Tensor,
  to,
  zeros,
} from "../../mod.ts";
import { answer } from "../../scripts/adapters/reference.ts";
import { assertAllBitwise, assertBitwise } from "./alike.ts";
import {
  build,
  type Config,
  configs,
  edges,
  inputOf,
  normals,
  ragged,
  recording,
  type Recurrent,
  runRecorded,
  stateOf,
} from "./arbitrary.ts";
import { around, describe, everyPath, fact, it, law, onPath } from "./law.ts";

const fastPaths = everyPath.filter((path) => path !== "readable");

/** How a module is run: as it is, or on a packed batch. */
type Given = Config & { readonly lengths?: readonly number[] };

/** Output and final state, each weighted by numbers of its own, in one number. */
function loss(c: Given, module: Recurrent, x: Tensor, state: readonly Tensor[] | null): Tensor {
  const options = { batchFirst: c.batchFirst, enforceSorted: false };
  const [output, final] = c.lengths
    ? runRecorded(module, packPaddedSequence(x, c.lengths, options), state)
    : runRecorded(module, x, state);
  const parts = ["data" in output && !("shape" in output) ? output.data : output, ...final];
  return (parts as Tensor[])
    .map((y, k) =>
      sum(mul(y, to(normals({ ...c, dtype: "float32" }, [...y.shape], 30 + k), y.dtype)))
    )
    .reduce((a, b) => add(a, b));
}

/** All gradients of a module, in float64 on the readable path. */
function exact(c: Given, initial: boolean): Tensor[] {
  return onPath("readable", () => {
    const module = build({ ...c, dtype: "float64" });
    module.loadStateDict(build(c).stateDict());
    const [x, ...state] = [inputOf(c), ...stateOf(c)].map((part) => to(part, "float64"));
    for (const part of [x, ...state]) part.requiresGrad = true;
    const leaves = [x, ...initial ? state : [], ...module.parameters()];
    return grad([loss(c, module, x, initial ? state : null)], leaves) as Tensor[];
  });
}

/** All gradients, in float32 on the path that is set. */
function single(c: Given, initial: boolean): Tensor[] {
  const { module, x, state } = recording(c);
  const leaves = [x, ...initial ? state : [], ...module.parameters()];
  return grad([loss(c, module, x, initial ? state : null)], leaves) as Tensor[];
}

/** Asserts that gradients are within 1e-5 of the largest number among the wanted ones. */
function assertNear(given: readonly Tensor[], wanted: readonly Tensor[], most = 1e-5): void {
  assertEquals(given.map(({ shape }) => [...shape]), wanted.map(({ shape }) => [...shape]));
  given.forEach((one, k) => {
    assertEquals(one.dtype, "float32");
    const scale = [...wanted[k].data].reduce((most, x) => Math.max(most, Math.abs(x)), 1);
    one.data.forEach((x, i) => {
      assert(Math.abs(x - wanted[k].data[i]) <= most * scale, `${k}: ${x}, ${wanted[k].data[i]}`);
    });
  });
}

/** No sum that relu was given is so near 0 that rounding could take it to the other side. */
function smooth(output: Tensor): boolean {
  const seen = new Set<Tensor>([output]);
  for (const { gradFn } of seen) {
    if (gradFn?.name === "ReluBackward0" && gradFn.inputs[0].data.some((a) => Math.abs(a) < 1e-5)) {
      return false;
    }
    gradFn?.inputs.forEach((input) => seen.add(input));
  }
  return true;
}

/** Configurations on both sides of all edges; relu is left out, where rounding may turn a corner. */
const recorded = { ...edges, kind: fc.constantFrom("RNN tanh", "LSTM", "GRU") as never };

/** As many sequences as {@linkcode ragged} has lengths for. */
const few = { batch: fc.integer({ min: 1, max: 4 }) };

describe("training on the kernels", () => {
  law(
    ["KERNEL-8", "GRAD-2"],
    "every gradient is near the float64 one, on both sides of every edge of a tile",
    fc.tuple(configs(recorded), fc.boolean()),
    ([c, initial]) => assertNear(single(c, initial), exact(c, initial)),
    150,
    fastPaths,
  );

  law(
    ["KERNEL-8", "GRAD-2", "PACK-4"],
    "packed, too",
    fc.tuple(ragged({ ...recorded, ...few }), fc.boolean()),
    ([c, initial]) => assertNear(single(c, initial), exact(c, initial)),
    100,
    fastPaths,
  );

  law(
    ["KERNEL-8", "GRAD-1"],
    "relu, which bends at 0",
    configs({ ...edges, kind: fc.constant("RNN relu"), scale: fc.constant(0.5) }),
    (c) => {
      const [output] = onPath("readable", () => runRecorded(build(c), inputOf(c), stateOf(c)));
      fc.pre(smooth(output));
      assertNear(single(c, true), exact(c, true));
    },
    20,
    fastPaths,
  );

  const large: Config = {
    ...{ kind: "LSTM", batchFirst: false, batch: 9, inputSize: 30, hiddenSize: 70, numLayers: 2 },
    ...{ bias: true, bidirectional: true, projSize: 0, dtype: "float32", length: 90, seed: 5 },
    ...{ scale: 1, extreme: null },
  };

  fact(["KERNEL-8"], "long sequences and large layers, which are taken in pieces", () => {
    assertNear(single(large, true), exact(large, true), 3e-5);
    const gru: Config = {
      ...large,
      kind: "GRU",
      batchFirst: true,
      bidirectional: false,
      length: 150,
    };
    assertNear(single(gru, true), exact(gru, true), 3e-5);
    const rnn: Config = { ...large, kind: "RNN tanh", hiddenSize: 200, length: 400 };
    assertNear(single(rnn, true), exact(rnn, true), 3e-5);
  }, fastPaths.slice(-1));

  fact(["KERNEL-8"], "a batch too large for one piece goes through in several", () => {
    const wide: Config = {
      ...{ ...large, hiddenSize: 8, inputSize: 4, numLayers: 1, batch: 40_000, length: 2 },
      ...{ kind: "GRU" as const, batchFirst: true },
    };
    assertNear(single(wide, true), exact(wide, true), 3e-5);
  }, fastPaths.slice(-1));

  law(
    ["KERNEL-8", "GRAD-2"],
    "along a random direction, the gradient is the central difference",
    fc.tuple(configs({ ...recorded, length: fc.integer({ min: 1, max: 5 }) })),
    ([c]) => {
      const gradients = single(c, true);
      const along = gradients.map(({ shape }, k) =>
        normals({ ...c, dtype: "float64" }, [...shape], 60 + k)
      );
      const at = (step: number) =>
        onPath("readable", () => {
          const module = build({ ...c, dtype: "float64" });
          module.loadStateDict(build(c).stateDict());
          const [x, ...state] = [inputOf(c), ...stateOf(c)].map((part) => to(part, "float64"));
          [x, ...state, ...module.parameters()].forEach(({ data }, k) => {
            for (let i = 0; i < data.length; i++) data[i] += step * along[k].data[i];
          });
          return noGrad(() => loss(c, module, x, state).item());
        });
      const difference = (at(1e-6) - at(-1e-6)) / 2e-6;
      let [slope, size] = [0, 1];
      gradients.forEach(({ data }, k) => {
        data.forEach((x, i) => {
          slope += x * along[k].data[i];
          size += Math.abs(x * along[k].data[i]);
        });
      });
      assert(Math.abs(slope - difference) <= 1e-5 * size, `${slope} and not ${difference}`);
    },
    50,
    fastPaths,
  );

  law(
    ["KERNEL-8", "GRAD-3"],
    "asked for some gradients or with some parameters frozen, those are the same, bitwise",
    fc.tuple(ragged({ ...edges, ...few }), fc.nat(), fc.boolean()),
    ([c, which, frozen]) => {
      const { module, x, state, leaves } = recording(c);
      const all = grad([loss(c, module, x, state)], leaves) as Tensor[];
      const some = leaves.map((_, k) => ((which >> (k % 16)) & 1) === 1);
      if (!some.includes(true)) some[which % some.length] = true;
      if (frozen) leaves.forEach((leaf, k) => leaf.requiresGrad = some[k]);
      const asked = leaves.filter((_, k) => some[k]);
      const given = grad([loss(c, module, x, state)], asked) as Tensor[];
      assertAllBitwise(given, all.filter((_, k) => some[k]));
    },
    60,
    fastPaths,
  );

  law(
    ["KERNEL-8", "GRAD-3", "GRAD-4"],
    "retainGraph lets a graph run again, to the same bits; without, it is used up",
    ragged({ ...edges, ...few }),
    (c) => {
      const { module, x, state, leaves } = recording(c);
      const y = loss(c, module, x, state);
      const passes = [true, true, false].map((retainGraph) =>
        grad([y], leaves, [], { retainGraph }) as Tensor[]
      );
      assertAllBitwise(passes[1], passes[0]);
      assertAllBitwise(passes[2], passes[0]);
      assertThrows(() => grad([y], leaves), Error, "a second time");
      backward(loss(c, module, x, state));
      assertAllBitwise(leaves.map(({ grad }) => grad!), passes[0]);
    },
    30,
    fastPaths,
  );

  fact(
    ["KERNEL-8", "NUM-2"],
    "over the goldens, gradients are as near to float64 as PyTorch's",
    () => {
      const numbers = ({ grads }: Answer) =>
        Object.values({ ...grads!.inputs, ...grads!.state_dict }).flatMap(({ data }) =>
          data.map(Number)
        );
      let [ours, theirs, count] = [0, 0, 0];
      for (const path of Object.keys(files).filter((path) => path.startsWith("vjp/"))) {
        for (const { request, expect } of goldenFile(path).cases) {
          const { dtype, module = "" } = request;
          if (dtype !== "float32" || !/^(RNN|LSTM|GRU)$/.test(module) || !expect.grads) continue;
          const float64 = { ...request, dtype: "float64" as const };
          const truth = onPath("readable", () => numbers(answer(float64)));
          const [given, wanted] = [numbers(answer(request)), numbers(expect)];
          truth.forEach((x, k) => {
            if (![x, given[k], wanted[k]].every(Number.isFinite)) return;
            const unit = Math.max(1, Math.abs(x));
            ours += ((given[k] - x) / unit) ** 2;
            theirs += ((wanted[k] - x) / unit) ** 2;
            count++;
          });
        }
      }
      assert(count > 10_000);
      assert(ours <= 4 * theirs, `${Math.sqrt(ours / theirs)} times as far`);
    },
    fastPaths,
  );

  fact(
    ["KERNEL-8"],
    "what the kernels recorded they take back, whatever path is set by then",
    () => {
      const { module, x, state, leaves } = recording(large);
      const y = loss(large, module, x, state);
      const wanted = grad([y], leaves, [], { retainGraph: true }) as Tensor[];
      setKernels("readable");
      assertAllBitwise(grad([y], leaves) as Tensor[], wanted);
    },
    fastPaths.slice(-1),
  );

  fact(
    ["KERNEL-8", "GRAD-4"],
    "arrays that one graph has used up serve the next, and no other",
    () => {
      const { module, x, state, leaves } = recording(large); // its arrays are large enough for that
      const pass = () => loss(large, module, x, state);
      const wanted = grad([pass()], leaves) as Tensor[];
      const waiting = pass();
      const other = pass();
      assertAllBitwise(grad([other], leaves, [], { retainGraph: true }) as Tensor[], wanted);
      assertAllBitwise(grad([pass()], leaves) as Tensor[], wanted);
      pass(); // writes into what that one gave back
      assertAllBitwise(grad([waiting], leaves) as Tensor[], wanted);
      assertAllBitwise(grad([other], leaves) as Tensor[], wanted);
    },
    fastPaths.slice(-1),
  );

  law(
    ["KERNEL-8", "DROP-2"],
    "dropout between the layers: the masks of the readable path, and its gradients",
    ragged({ ...recorded, ...few, numLayers: fc.constantFrom(2, 3) }),
    (c) => {
      const run = (dtype: "float32" | "float64") => {
        const { kind, inputSize, hiddenSize, numLayers, bias, batchFirst, bidirectional } = c;
        const options = { numLayers, bias, batchFirst, bidirectional, dropout: 0.5, dtype };
        const Kind = kind === "LSTM" ? LSTM : kind === "GRU" ? GRU : RNN;
        const module = new Kind(inputSize, hiddenSize, options);
        module.loadStateDict(build({ ...c, projSize: 0 }).stateDict());
        manualSeed(c.seed);
        // The masks of both dtypes come from the same draws only if these are as wide.
        const x = to(inputOf(c), dtype);
        return grad([loss(c, module, x, null)], module.parameters()) as Tensor[];
      };
      const given = run("float32");
      const wanted = onPath("readable", () => run("float32"));
      assertNear(given, wanted);
    },
    40,
    fastPaths,
  );

  law(
    ["KERNEL-10", "GRAD-1"],
    "a large Linear is near the float64 one, forward and backward, whatever is asked for",
    fc.record({
      inputs: fc.constantFrom(32, 33, 64, 100, 193, 260),
      outputs: fc.constantFrom(32, 33, 40, 64, 201),
      rows: fc.constantFrom(8, 9, 13, 300),
      bias: fc.boolean(),
      flat: fc.boolean(),
      which: fc.integer({ min: 1, max: 7 }),
      seed: fc.nat(),
    }),
    ({ inputs, outputs, rows, bias, flat, which, seed }) => {
      const run = (dtype: "float32" | "float64") => {
        manualSeed(seed);
        const layer = new Linear(inputs, outputs, { bias }).to(dtype);
        const c = { seed, dtype: "float32" as const };
        const x = to(normals(c, flat ? [rows, inputs] : [1, rows, inputs]), dtype);
        const leaves = [x, ...layer.parameters()];
        leaves.forEach((leaf, k) => leaf.requiresGrad = ((which >> k) & 1) === 1);
        if (!leaves.some((leaf) => leaf.requiresGrad)) x.requiresGrad = true;
        const y = layer.forward(x);
        const asked = leaves.filter((leaf) => leaf.requiresGrad);
        const dy = to(normals(c, [...y.shape], 1), dtype);
        return [y, ...grad([y], asked, [dy]) as Tensor[]];
      };
      const wanted = onPath("readable", () => run("float64"));
      const given = run("float32");
      assertEquals(given[0].gradFn!.name, wanted[0].gradFn!.name);
      assertNear(given, wanted);
    },
    60,
    fastPaths,
  );

  fact(["KERNEL-10"], "a small Linear, or few rows, are the readable path's, bitwise", () => {
    for (const [inputs, outputs, rows] of [[31, 33, 40], [64, 64, 7]]) {
      const [layer, x] = [new Linear(inputs, outputs), ones([rows, inputs])];
      assertBitwise(layer.forward(x), onPath("readable", () => layer.forward(x)));
    }
    const [large, x] = [new Linear(300, 64), normals({ seed: 1, dtype: "float32" }, [9, 300])];
    assert(
      large.forward(x).data.some((y, k) =>
        y !== onPath("readable", () => large.forward(x)).data[k]
      ),
      "no kernels ran",
    );
  }, fastPaths);

  describe("threads", () => {
    if (fastPaths.length === 0) return;
    const many: Given[] = [
      large,
      { ...large, projSize: 40, batchFirst: true },
      { ...large, kind: "GRU", lengths: [90, 1, 60, 33, 90, 2, 77, 50, 51] },
      { ...large, kind: "RNN tanh", bidirectional: false },
    ];
    let alone: Tensor[][] = [];
    let denseAlone: Tensor[] = [];
    const dense = () => {
      manualSeed(3);
      const layer = new Linear(130, 100);
      const x = normals({ seed: 3, dtype: "float32" }, [700, 130]);
      x.requiresGrad = true;
      return grad([sum(layer.forward(x))], [x, ...layer.parameters()]) as Tensor[];
    };
    around(async () => {
      alone = many.map((c) => single(c, true));
      denseAlone = dense();
      await setNumThreads(3);
    }, () => setNumThreads(1));

    it("KERNEL-8, KERNEL-7: the same bits on one thread and on three", () => {
      const watched = engine()!;
      let asked = 0;
      const { start } = watched;
      Object.assign(watched, {
        start: (...given: Parameters<typeof start>) => {
          asked++;
          start(...given);
        },
      });
      many.forEach((c, k) => assertAllBitwise(single(c, true), alone[k]));
      assertAllBitwise(dense(), denseAlone);
      Object.assign(watched, { start });
      assert(asked > 100);
    });
  });

  it("KERNEL-8: a graph that is dropped is freed; kernels' memory does not grow", () => {
    if (fastPaths.length === 0) return;
    setFlagsFromString("--expose-gc");
    const collect: () => void = runInNewContext("gc");
    const heap = onPath("auto", engine)!.heap;
    const lstm = new LSTM(16, 64);
    const x = zeros([50, 8, 16]);
    const step = () => {
      lstm.forward(x); // nobody goes back here
      backward(sum(lstm.forward(x)[0]));
      lstm.zeroGrad();
    };
    for (let k = 0; k < 5; k++) step();
    const used = () => {
      collect();
      const { heapUsed, external } = Deno.memoryUsage();
      return heapUsed + external;
    };
    const [before, most] = [used(), heap.memory.buffer.byteLength];
    for (let k = 0; k < 60; k++) step(); // each keeps 0.7 MB
    assert(used() - before < 2_000_000);
    assertEquals(heap.memory.buffer.byteLength, most);
  });
});
