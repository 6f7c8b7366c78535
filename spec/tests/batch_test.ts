/** Chapter batch: where the batch stands, and that its rows do not meet. */

import { assert, assertEquals } from "@std/assert";
import fc from "fast-check";
import { cat, indexSelect, narrow, select, squeeze, type Tensor, transpose } from "../../mod.ts";
import { assertAllBitwise, assertBitwise } from "./alike.ts";
import {
  build,
  buildCell,
  type Config,
  configs,
  inputOf,
  normals,
  run,
  stateOf,
  stateSizes,
  step,
  tame,
  timeDim,
} from "./arbitrary.ts";
import { describe, law } from "./law.ts";

const several = { batch: fc.integer({ min: 2, max: 4 }) };

/** The dimension of the input that is the batch. */
function batchDim(c: Config): number {
  return 1 - timeDim(c);
}

/** A copy with all of one batch row of an input set to a value, from step `from` on. */
function spoiled(c: Config, x: Tensor, victim: number, value: number, from = 0): Tensor {
  const copy = narrow(x, 0, 0, x.shape[0]);
  for (let t = from; t < c.length; t++) {
    const at = c.batchFirst ? victim * c.length + t : t * c.batch + victim;
    copy.data.fill(value, at * c.inputSize, (at + 1) * c.inputSize);
  }
  return copy;
}

describe("batch", () => {
  law(
    ["BATCH-1", "BATCH-2"],
    "batch first only transposes input and output, never the state, bitwise",
    configs(),
    (c) => {
      const [first, second] = [true, false].map((batchFirst) => ({ ...c, batchFirst }));
      const [x, state] = [inputOf(first), stateOf(c)];
      const [output, final] = run(build(first), x, state);
      const [other, otherFinal] = run(build(second), transpose(x, 0, 1), state);
      assertBitwise(output, transpose(other, 0, 1), "output");
      assertAllBitwise(final, otherFinal, "final state");
    },
    80,
  );

  law(
    ["BATCH-2"],
    "the state is (layers · directions, N, features) even with the batch first, row by row",
    configs({ batchFirst: fc.constant(true), ...several }),
    (c) => {
      const [module, x, state] = [build(c), inputOf(c), stateOf(c)];
      const [, final] = run(module, x, state);
      assertEquals(final.map(({ shape }) => [...shape]), stateSizes(c));
      for (let n = 0; n < c.batch; n++) {
        const own = state.map((part) => narrow(part, 1, n, 1));
        const [, alone] = run(module, narrow(x, 0, n, 1), own);
        assertAllBitwise(final.map((part) => narrow(part, 1, n, 1)), alone, `row ${n}`);
      }
    },
  );

  law(["BATCH-3"], "without a batch is a batch of one, bitwise", configs(), (c) => {
    const one = { ...c, batch: 1 };
    const [module, x, state] = [build(one), inputOf(one), stateOf(one)];
    const [output, final] = run(module, x, state);
    const [alone, aloneFinal] = run(
      module,
      squeeze(x, batchDim(c)),
      state.map((part) => squeeze(part, 1)),
    );
    assertEquals([alone.dim(), aloneFinal[0].dim()], [2, 2]);
    assertBitwise(alone, squeeze(output, batchDim(c)));
    assertAllBitwise(aloneFinal, final.map((part) => squeeze(part, 1)));
    const [stateless] = run(module, squeeze(x, batchDim(c)));
    assertBitwise(stateless, squeeze(run(module, x)[0], batchDim(c)));
  });

  law(
    ["BATCH-3", "BATCH-1"],
    "without a batch, batch first or not makes no difference",
    configs(),
    (c) => {
      const x = normals(c, [c.length, c.inputSize]);
      const [first, second] = [true, false].map((batchFirst) => build({ ...c, batchFirst }));
      const [output, final] = run(first, x);
      const [other, otherFinal] = run(second, x);
      assertBitwise(output, other);
      assertAllBitwise(final, otherFinal);
    },
  );

  law(
    ["BATCH-4"],
    "a batch is its rows, each run alone, bitwise",
    configs(several),
    (c) => {
      const [module, x, state] = [build(c), inputOf(c), stateOf(c)];
      const [output, final] = run(module, x, state);
      const rows = [...Array(c.batch).keys()].map((n) =>
        run(module, narrow(x, batchDim(c), n, 1), state.map((part) => narrow(part, 1, n, 1)))
      );
      assertBitwise(cat(rows.map(([own]) => own), batchDim(c)), output, "output");
      final.forEach((part, k) => {
        assertBitwise(cat(rows.map(([, own]) => own[k]), 1), part, "final state");
      });
    },
    80,
  );

  law(
    ["BATCH-4", "NUM-4"],
    "NaN or infinity in one row leaves every other row as it was, bitwise",
    fc.tuple(configs({ ...several, ...tame }), fc.nat(), fc.constantFrom(NaN, Infinity, -Infinity)),
    ([c, draw, value]) => {
      const [module, x, state] = [build(c), inputOf(c), stateOf(c)];
      const victim = draw % c.batch;
      const others = [...Array(c.batch).keys()].filter((n) => n !== victim);
      const [before, beforeFinal] = run(module, x, state);
      const [after, afterFinal] = run(module, spoiled(c, x, victim, value), state);
      const keep = (y: Tensor, dim: number) => indexSelect(y, dim, others);
      assertBitwise(keep(after, batchDim(c)), keep(before, batchDim(c)));
      assertAllBitwise(
        afterFinal.map((part) => keep(part, 1)),
        beforeFinal.map((part) => keep(part, 1)),
      );
      if (Number.isNaN(value)) {
        assert(select(after, batchDim(c), victim).data.every(Number.isNaN), "NaN goes on");
      }
    },
    80,
  );

  law(
    ["BATCH-4"],
    "a state's row reaches its own row alone",
    fc.tuple(configs({ ...several, ...tame }), fc.nat()),
    ([c, draw]) => {
      const [module, x, state] = [build(c), inputOf(c), stateOf(c)];
      const victim = draw % c.batch;
      const others = [...Array(c.batch).keys()].filter((n) => n !== victim);
      const [before] = run(module, x, state);
      for (const part of state) {
        const [rows, , features] = part.shape;
        for (let k = 0; k < rows; k++) {
          const at = (k * c.batch + victim) * features;
          part.data.fill(NaN, at, at + features);
        }
      }
      const [after] = run(module, x, state);
      assertBitwise(
        indexSelect(after, batchDim(c), others),
        indexSelect(before, batchDim(c), others),
      );
      assert(select(after, batchDim(c), victim).data.every(Number.isNaN));
    },
  );

  law(
    ["BATCH-4"],
    "putting the rows in another order puts the results in that order, bitwise",
    fc.tuple(configs(several), fc.array(fc.nat(), { minLength: 4, maxLength: 4 })),
    ([c, keys]) => {
      const [module, x, state] = [build(c), inputOf(c), stateOf(c)];
      const order = [...Array(c.batch).keys()].sort((a, b) => keys[a] - keys[b]);
      const [output, final] = run(module, x, state);
      const [other, otherFinal] = run(
        module,
        indexSelect(x, batchDim(c), order),
        state.map((part) => indexSelect(part, 1, order)),
      );
      assertBitwise(other, indexSelect(output, batchDim(c), order));
      assertAllBitwise(otherFinal, final.map((part) => indexSelect(part, 1, order)));
    },
  );

  law(["BATCH-4"], "rows alike give results alike, however many", configs(), (c) => {
    const [module, x] = [build(c), inputOf({ ...c, batch: 1 })];
    const [output] = run(module, x);
    const [many] = run(module, cat(Array(c.batch).fill(x), batchDim(c)));
    assertBitwise(many, cat(Array(c.batch).fill(output), batchDim(c)));
  });

  law(
    ["BATCH-4", "BATCH-3"],
    "a cell's rows do not meet either, bitwise",
    configs(several),
    (c) => {
      const cell = buildCell(c);
      const x = normals(c, [c.batch, c.inputSize]);
      const state = stateSizes({ ...c, projSize: 0 }).map(([, ...size], k) =>
        normals(c, size, k + 1)
      );
      const after = step(cell, x, state);
      for (let n = 0; n < c.batch; n++) {
        const alone = step(cell, select(x, 0, n), state.map((part) => select(part, 0, n)));
        assertAllBitwise(after.map((part) => select(part, 0, n)), alone);
      }
      const [before] = after;
      x.data.fill(NaN, 0, c.inputSize);
      const [spoilt] = step(cell, x, state);
      assertBitwise(narrow(spoilt, 0, 1, c.batch - 1), narrow(before, 0, 1, c.batch - 1));
      assert(select(spoilt, 0, 0).data.every(Number.isNaN));
    },
  );
});
