/** Chapter kernels: the fast path is the readable one, to the closeness, and keeps its own laws. */

import { assert, assertEquals, assertRejects, assertThrows } from "@std/assert";
import fc from "fast-check";
import { compare, goldenFile } from "../../lib/conformance/mod.ts";
import { files } from "../../golden/mod.ts";
import { type Engine, engine } from "../../lib/kernels/engine.ts";
import { Heap } from "../../lib/kernels/heap.ts";
import {
  cat,
  getKernels,
  getNumThreads,
  GRU,
  type Kernels,
  LSTM,
  narrow,
  noGrad,
  ones,
  packPaddedSequence,
  RNN,
  RuntimeError,
  setKernels,
  setNumThreads,
  Tensor,
  tensor,
  to,
  transpose,
  unpackSequence,
  zeros,
} from "../../mod.ts";
import { answer } from "../../scripts/adapters/reference.ts";
import { activations, sigmoid, ulps } from "../../scripts/ulps.ts";
import { assertAllBitwise, assertBitwise, assertClose } from "./alike.ts";
import {
  build,
  type Config,
  configs,
  edges,
  inputOf,
  run,
  stateOf,
  tame,
  timeDim,
} from "./arbitrary.ts";
import { around, describe, everyPath, fact, it, law, onPath } from "./law.ts";

const fastPaths = everyPath.filter((path) => path !== "readable");

/** Runs on a path. */
function by(path: Kernels, c: Parameters<typeof build>[0], x: Tensor, state: typeof stateOf) {
  return onPath(path, () => run(build(c), x, state(c)));
}

describe("kernels", () => {
  const { warn } = console;
  // Some cases ask for what PyTorch, too, warns about.
  around(() => void (console.warn = () => {}), () => void (console.warn = warn));

  for (const path of everyPath.slice(0, -1)) { // the last one is what golden_test.ts runs
    fact(["KERNEL-1"], `every golden of a recurrent layer in float32 holds on "${path}"`, () => {
      let count = 0;
      const wrong = Object.keys(files).flatMap((file) =>
        goldenFile(file).cases.flatMap(({ id, request, expect }) => {
          const { op, module = "", dtype } = request;
          if (
            !/^(forward|vjp)$/.test(op) || dtype !== "float32" ||
            !/^(RNN|LSTM|GRU|S\w+)$/.test(module)
          ) {
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

  law(
    ["KERNEL-1"],
    "zeros have the same sign on both paths, +0 where weights and states are zeros",
    fc.tuple(
      configs({ ...tame, dtype: fc.constant("float32" as const) }),
      fc.array(fc.constantFrom(0, -0, 0, -0, 1, -2), { minLength: 3, maxLength: 40 }),
      fc.boolean(),
    ),
    ([c, values, initial]) => {
      const [module, x, state] = [build(c), inputOf(c), stateOf(c)];
      const zeros = values.filter((value) => value === 0);
      module.parameters().forEach(({ data }, part) =>
        data.forEach((_, k) => data[k] = zeros[(k + part) % zeros.length] ?? 0)
      );
      state.forEach(({ data }, part) =>
        data.forEach((_, k) => data[k] = values[(k + part) % values.length])
      );
      const both = () => run(module, x, initial ? state : null);
      const [given, wanted] = [both(), onPath("readable", both)]
        .map(([output, final]) => [output, ...final].flatMap(({ data }) => [...data]));
      given.forEach((value, k) => {
        assertEquals(value === 0, wanted[k] === 0);
        if (value === 0) assert(Object.is(value, wanted[k]), `${k}: ${value} and ${wanted[k]}`);
        if (!initial) assert(Object.is(value, 0));
      });
    },
    200,
    fastPaths,
  );

  /** One module, both ways. */
  const bothClose = (some: Partial<Config>) => {
    const c: Config = {
      ...{ kind: "LSTM", batchFirst: false, batch: 3, inputSize: 3, hiddenSize: 40, numLayers: 2 },
      ...{ bias: true, bidirectional: true, projSize: 0, dtype: "float32", length: 150, seed: 5 },
      ...{ scale: 1, extreme: null, ...some },
    };
    const wanted = by("readable", c, inputOf(c), stateOf);
    const given = run(build(c), inputOf(c), stateOf(c));
    assertClose(given[0], wanted[0]);
    given[1].forEach((part, k) => assertClose(part, wanted[1][k]));
  };

  fact(["KERNEL-1"], "a long sequence, which is taken in pieces, is close, too", () => {
    bothClose({ batchFirst: true });
    bothClose({ kind: "GRU", batch: 5 });
  }, fastPaths);

  fact(["KERNEL-1"], "so are large layers, whose features and outputs are taken in pieces", () => {
    const large = { numLayers: 1, bidirectional: false, length: 3 };
    bothClose({ ...large, inputSize: 193, hiddenSize: 130, batch: 7 });
    bothClose({ ...large, inputSize: 192, hiddenSize: 217, batch: 13, projSize: 200 });
    bothClose({ ...large, kind: "GRU", inputSize: 384, hiddenSize: 191, batch: 6 });
    bothClose({ ...large, kind: "RNN relu", inputSize: 10, hiddenSize: 530, batch: 1, length: 9 });
  }, fastPaths);

  fact(["KERNEL-1"], "what is in float64 is the readable path's, bitwise", () => {
    const x = tensor([[[0.5], [-0.25]]]);
    const rnn = new RNN(1, 5, { batchFirst: true }).to("float64");
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
        assert(ulps(tanh[k], Math.tanh(one)) <= 2, `tanh ${one} is not ${tanh[k]}`);
        assert(Math.abs(tanh[k]) <= 1 && s[k] >= 0 && s[k] <= 1);
        assertEquals(tanh[k], -tanh[k ^ 1], "odd");
        const error = ulps(s[k], sigmoid(one));
        assert(error <= 2.6 || (one < -87 && s[k] < 2 ** -125), `σ(${one}) is not ${s[k]}`);
      });
    }, [path]);

    fact(["KERNEL-3"], `tanh and σ of what is not an ordinary number, on "${path}"`, () => {
      const x = Float32Array.of(NaN, Infinity, -Infinity, 0, 2 ** -149, -(2 ** -149));
      const { tanh } = onPath(path, () => activations(x));
      const wanted = [NaN, 1, -1, 0, 2 ** -149, -(2 ** -149)];
      assertBitwise(new Tensor(tanh, [6]), tensor(wanted));
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

  /** Every row of a batch, and of the same batch packed with ragged lengths, is what it is alone. */
  const rowsAlone = (c: Config) => {
    const [module, x, { batchFirst }] = [build(c), inputOf(c), c];
    const lengths = Array.from({ length: c.batch }, (_, n) => 1 + (c.seed >>> n) % c.length);
    const rowsFirst = batchFirst ? x : transpose(x, 0, 1);
    const packed = packPaddedSequence(x, lengths, { batchFirst, enforceSorted: false });
    const initial = stateOf(c);
    const [raggedOutput, raggedFinal] = run(module, packed, initial);
    const ragged = unpackSequence(raggedOutput);
    const [output, final] = run(module, x, initial);
    const outputRows = batchFirst ? output : transpose(output, 0, 1);
    lengths.forEach((length, n) => {
      const state = initial.map((part) => narrow(part, 1, n, 1));
      const row = narrow(rowsFirst, 0, n, 1);
      const part = narrow(row, 1, 0, length);
      const [own, ownFinal] = run(module, batchFirst ? row : transpose(row, 0, 1), state);
      assertEquals([...narrow(outputRows, 0, n, 1).data], [...own.data]);
      ownFinal.forEach((one, k) => assertBitwise(narrow(final[k], 1, n, 1), one));
      const [short, shortFinal] = run(module, batchFirst ? part : transpose(part, 0, 1), state);
      assertEquals([...ragged[n].data], [...short.data]);
      shortFinal.forEach((one, k) => assertBitwise(narrow(raggedFinal[k], 1, n, 1), one));
    });
  };

  law(
    ["KERNEL-4", "BATCH-4", "PACK-4"],
    "each row is computed as if alone, whatever tile took it, bitwise",
    configs(edges),
    rowsAlone,
    80,
    fastPaths,
  );

  describe("threads", () => {
    if (fastPaths.length === 0) return;
    around(() => setNumThreads(3), () => setNumThreads(1));

    law(
      ["KERNEL-7", "BATCH-4", "PACK-4"],
      "each row is computed as if alone, whatever thread took it, bitwise",
      configs({
        ...edges,
        hiddenSize: fc.integer({ min: 33, max: 50 }), // enough to be worth other threads
        batch: fc.integer({ min: 2, max: 9 }),
        length: fc.integer({ min: 60, max: 80 }),
      }),
      rowsAlone,
      20,
      fastPaths,
    );

    fact(
      ["KERNEL-7"],
      "a large batch goes to all threads, a small one and a single row do not",
      () => {
        const asked: number[] = [];
        const watched = engine() as { -readonly [K in keyof Engine]: Engine[K] };
        const { start } = watched;
        watched.start = (thread, ...rest) => {
          asked.push(thread);
          start(thread, ...rest);
        };
        run(new LSTM(64, 64), zeros([20, 9, 64]));
        assertEquals(asked, [1, 2]);
        run(new LSTM(64, 64), zeros([20, 2, 64]));
        assertEquals(asked, [1, 2, 1]);
        run(new LSTM(64, 64), zeros([90, 1, 64]));
        run(new LSTM(4, 4), zeros([20, 9, 4]));
        watched.start = start;
        assertEquals(asked, [1, 2, 1]);
      },
      fastPaths,
    );

    fact(["KERNEL-7"], "what goes wrong on another thread is told on this one", () => {
      const { start, wait } = engine()!;
      for (let twice = 0; twice < 2; twice++) {
        start(1, "gru", 2 ** 30, 1); // there is no memory there
        assertThrows(wait, Error, "a kernel failed on another thread");
      }
    }, fastPaths);

    it("KERNEL-7: the number of threads, and what is no number of threads", async () => {
      assertEquals(getNumThreads(), 3);
      for (
        const [threads, message] of [
          [0, "set_num_threads expects a positive integer"],
          [1.5, "set_num_threads expects an int, but got float"],
          ["2", "set_num_threads expects an int, but got str"],
        ] as const
      ) {
        await assertRejects(() => setNumThreads(threads as number), RuntimeError, message);
      }
      const changes = [setNumThreads(2), setNumThreads(4), setNumThreads(3)];
      await Promise.all(changes);
      assertEquals(getNumThreads(), 3);
    });
  });

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

  fact(["KERNEL-6"], "so does one among many weights, wherever it stands", () => {
    const [gru, x] = [new GRU(130, 70), ones([3, 1, 130])];
    const arrays = gru.parameters().map(({ data }) => data);
    let last = run(gru, x)[0];
    for (const data of arrays) {
      for (const where of [0, 16383, 16384, data.length - 1].filter((k) => k < data.length)) {
        data[where] += 1;
        const now = run(gru, x)[0];
        assert(now.data.some((value, k) => value !== last.data[k]), `${data.length}: ${where}`);
        last = now;
      }
    }
  }, fastPaths);

  fact(["KERNEL-6"], "results share a buffer with each other, and with nothing else", () => {
    const [lstm, x] = [new LSTM(2, 3), zeros([4, 2])];
    const [[output, [h, c]], [again]] = [run(lstm, x), run(lstm, x)];
    const kept = [output, h, c].map(({ data }) => data.buffer);
    assertEquals(new Set(kept).size, 1);
    assertEquals(kept[0].byteLength, 4 * (4 * 3 + 3 + 3));
    assert(again.data.buffer !== kept[0]);
  }, fastPaths);

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
    const structs = Array.from({ length: 100 }, () => heap.keep(13 * 2 ** 20));
    assert(heap.memory.buffer.byteLength < 150 * 2 ** 20);
    assertEquals(structs.map(({ at }) => at > 0), structs.map((_, k) => k >= 91));
    structs.forEach((struct) => heap.drop(struct));
    assertEquals(heap.allocate(200 * 2 ** 20).at, 64); // the holes have become one
  });
});

/** A view of values in another shape; -1 stands for what is left. */
