/**
 * What the kit knows from the numbers of an answer alone (CONFORM-7): each limit on both sides, and that
 * an answer of another form is nothing known.
 */

import { assert, assertEquals } from "@std/assert";
import type { Task } from "../../lib/conformance/cases.ts";
import { mistakes } from "../../lib/conformance/diagnose.ts";
import { bfloat16 } from "../../lib/conformance/mistakes/numbers.ts";
import type { Answer, JsonNumber, JsonTensor, Request } from "../../lib/conformance/pair.ts";
import { recompute } from "../../lib/conformance/variant.ts";
import { answerWith, both } from "../../lib/conformance/mistakes/both.ts";
import { describe, fact as onEveryPath, readablePath } from "./law.ts";

const fact = (clauses: readonly string[], claim: string, holds: () => void) =>
  onEveryPath(clauses, claim, holds, readablePath);

const vector = (...data: JsonNumber[]): JsonTensor => ({ shape: [data.length], data });
const task = (wanted: Answer, more: Partial<Request> = {}): Task => ({
  ...{ id: "x", chapter: "x", reason: "", clauses: [] },
  request: { op: "forward", module: "LSTM", ...more },
  expect: wanted,
});
const given = (...data: unknown[]) => ({ outputs: { h_n: vector(...data as JsonNumber[]) } });
const named = (id: string) => mistakes.find((one) => one.id === id)!;
/** Whether a mistake is seen where one list of numbers is wanted and another is given. */
const seen = (id: string, wanted: JsonNumber[], got: unknown[], more: Partial<Request> = {}) =>
  named(id).recognise!(task(given(...wanted), more), given(...got));

/** Each such mistake with the bits of its steps and of what is still near. */
const types = [
  ["float16-arithmetic", 10, 6, Math.f16round],
  ["bfloat16-arithmetic", 7, 3, bfloat16],
  ["float32-arithmetic", 23, 16, Math.fround],
] as const;
const near = [["float32-products", 16], ["low-precision", 8]] as const;
const float64 = { dtype: "float64" } as const;

describe("numbers that are known", () => {
  fact(["CONFORM-7"], "numbers of a type of fewer bits are near, and all of that type", () => {
    for (const [id, step, bits, round] of types) {
      const [third, exact] = [1 / 3, 2 ** -bits];
      const is = (wanted: JsonNumber[], got: unknown[]) => seen(id, wanted, got, float64);
      assert(is([third], [round(third)]), id);
      // Where float32 is asked for, float32 is no mistake.
      assertEquals(seen(id, [third], [round(third)]), id !== "float32-arithmetic");
      assert(is([third, 0, -third, 1], [round(third), 0, round(-third), 1]), id);
      // As far as 1 + |wanted| steps, and no further; the next number of the type is further.
      assert(is([third, 1], [round(third), 1 + 2 * exact]), id);
      assert(is([third, 1], [round(third), 1 - 2 * exact]), id);
      assert(is([third, 3], [round(third), 3 + 4 * exact]), id);
      assert(!is([third, 1], [round(third), 1 + 2 * exact + 2 ** -step]), id);
      assert(!is([third, 1], [round(third), 1 - 2 * exact - 2 ** -step]), id);
      // One number that is not of the type is enough; and one wanted that is not must be there.
      assert(!is([third, third], [round(third), third]), id);
      assert(!is([1, 2], [1, 2]), id);
      if (step === 23) continue;
      // A shortest decimal may be off by half a step of float32.
      assert(is([third, 1], [round(third), 1 + 2 ** -24]), id);
      assert(!is([third, 1], [round(third), 1 + 2 ** -24 + 2 ** -40]), id);
      assert(is([third, -4], [round(third), -4 - 2 ** -22]), id);
    }
  });

  fact(["CONFORM-7"], "all is off by little up to a limit, in float64 or in any type", () => {
    for (const [id, bits] of near) {
      const far = 2 ** -bits;
      const is = (wanted: JsonNumber[], got: unknown[]) => seen(id, wanted, got, float64);
      assert(is([1, 0, -3], [1 + 2 * far, far, -3 - 4 * far]), id);
      assert(is([1], [1 - 2 * far]), id);
      for (const [w, g] of [[1, 1 + 2.001 * far], [0, 1.001 * far], [-3, -3 - 4.001 * far]]) {
        assert(!is([1, w], [1, g]), `${id} ${w}`);
      }
      // What is not finite is the very same.
      assert(is(["NaN", "Infinity", "-Infinity"], ["NaN", "Infinity", "-Infinity"]), id);
      for (const [w, g] of [["NaN", 1], ["Infinity", "-Infinity"], ["Infinity", 1]] as const) {
        assert(!is([w], [g]), `${id} ${w}`);
      }
    }
    assert(!seen("float32-products", [1], [1]) && seen("low-precision", [1], [1]));
    assertEquals(mistakes.filter(({ besides }) => besides), [named("float32-products")]);
    assertEquals(mistakes.filter(({ vague }) => vague), [named("low-precision")]);
  });

  fact(["CONFORM-7"], "an answer of another form is nothing known, and ends nothing", () => {
    const right = given(1, 1 / 3);
    const odd: unknown[] = [
      {},
      { outputs: {} },
      { outputs: { h_n: null } },
      { outputs: { h_n: 1 } },
      { outputs: { h_n: { shape: [2] } } },
      { outputs: { h_n: { shape: [2], data: "ab" } } },
      { outputs: { h_n: { data: [1, 1 / 3] } } },
      { outputs: { h_n: { shape: [2, 1], data: [1, 1 / 3] } } },
      { outputs: { h_n: { shape: [2], data: [1, "1"] } } },
      { outputs: { h_n: { shape: [2], data: [1] } } },
      { outputs: { h_n: { shape: [2], data: [1, null] } } },
    ];
    for (const id of ["low-precision", "nan-made-finite", "float16-arithmetic"]) {
      const known = (wanted: Answer, got: unknown) =>
        named(id).recognise!(task(wanted), got as Answer);
      for (const one of odd) assertEquals([id, one, known(right, one)], [id, one, false]);
      assertEquals(known({ error: { type: "E", message: "" } }, right), false);
      assertEquals(known({}, {}), false);
      const listed = { outputs: { h_n: [vector(1)] } };
      assertEquals(known(listed, listed), false);
      const more = { outputs: { h_n: vector("NaN"), list: [vector(1)] } };
      assertEquals(known(more, { outputs: { h_n: vector(1), list: [vector(1)] } }), false);
    }
    assert(named("low-precision").recognise!(task(right), given(1, 0.333)));
  });

  fact(["CONFORM-7"], "a lost NaN: finite there, and all else within the tolerance", () => {
    const is = (wanted: JsonNumber[], got: unknown[], more = {}) =>
      seen("nan-made-finite", wanted, got, more);
    assert(is(["NaN", 0], [0, 1e-5]) && is(["NaN", "NaN", "Infinity"], [5, "NaN", "Infinity"]));
    assert(!is(["NaN", 0], [0, 1.01e-5]) && !is(["NaN", 0], ["NaN", 1]));
    assert(!is(["NaN"], ["NaN"]) && !is(["NaN"], ["Infinity"]) && !is([0], [0]));
    assert(!is(["NaN", 1], [0, "NaN"]) && !is(["NaN", "Infinity"], [0, 1]));
    assert(is(["NaN", 0], [0, 1e-12], float64) && !is(["NaN", 0], [0, 1e-9], float64));
  });

  fact(["CONFORM-7"], "dropout in evaluation: the first layer right, one above not", () => {
    const args = { dropout: 0.5, num_layers: 2 };
    const is = (got: unknown[], more: Partial<Request> = { args }) =>
      seen("dropout-in-eval", [0, 1, 2, 3], got, more);
    assert(is([0, 1, 2, 9]) && is([1e-5, 1, 9, 3]) && is([0, 1, 9, 9]));
    assert(
      !is([0, 1, 2, 3]) && !is([0, 9, 9, 9]) && !is([1.01e-5, 1, 9, 3]) && !is([0, 1, 2, 3 + 1e-5]),
    );
    assert(!is([0, 1, 2, 9], { args, training: true }) && !is([0, 1, 2, 9], {}));
    assert(!is([0, 1, 2, 9], { args: { ...args, dropout: 0 } }));
    assert(
      !is([0, 1, 2, 9], { args: { dropout: 0.5 } }) &&
        is([0, 1, 2, 9], { args: { ...args, num_layers: 4 } }),
    );
    assert(!is([0, 9, 2, 3], { args: { dropout: 0.5 } }));
    const outputs = task({ outputs: { output: vector(1) } }, { args });
    assert(!named("dropout-in-eval").recognise!(outputs, { outputs: { output: vector(2) } }));
    assert(!named("dropout-in-eval").recognise!(task({}, { args }), {}));
  });

  fact(["CONFORM-7"], "weights are rounded to float16 and bfloat16, each of a cell's four", () => {
    const third = { shape: [1, 1], data: [1 / 3] };
    const ones = { shape: [1], data: [1 / 3] };
    const request = (round: (x: number) => number, parts: number): Request => ({
      ...{ op: "forward", module: "RNN", dtype: "float64" },
      state_dict: Object.fromEntries(
        [["weight_ih_l0", third], ["weight_hh_l0", third], ["bias_ih_l0", ones], [
          "bias_hh_l0",
          ones,
        ]]
          .slice(0, parts).map(([name, x]) => {
            const { shape, data } = x as JsonTensor;
            return [name, { shape, data: data.map((y) => round(Number(y))) }];
          }),
      ),
      inputs: { input: { shape: [1, 1, 1], data: [0.7] }, h_0: { shape: [1, 1, 1], data: [0.9] } },
    });
    for (const [id, round] of [["float16", Math.f16round], ["bfloat16", bfloat16]] as const) {
      for (const parts of [2, 4]) {
        const plain = request((x) => x, parts);
        const wanted = recompute(request(round, parts), {});
        const own = task(recompute(plain, {})!, plain);
        assertEquals(answerWith(named(`${id}-weights`), own), wanted);
        assertEquals(named(`${id}-weights`).says, `the weights are rounded to ${id}`);
        assertEquals(named(`${id}-arithmetic`).says, `it is computed in ${id}`);
      }
    }
  });

  fact(["CONFORM-7"], "what is recognised can stand after a mistake that shows", () => {
    const one = { shape: [1, 1], data: [1] };
    const request = (bias: number): Request => ({
      ...{ op: "forward", module: "RNN", dtype: "float64", args: { nonlinearity: "relu" } },
      state_dict: {
        ...{ weight_ih_l0: one, weight_hh_l0: one },
        ...{ bias_ih_l0: vector(bias), bias_hh_l0: vector(0) },
      },
      inputs: { input: { shape: [1, 1, 1], data: [6] } },
    });
    const outputs = (x: number) => {
      const state = { shape: [1, 1, 1], data: [x] };
      return { outputs: { output: state, h_n: state } };
    };
    const own = task(outputs(7), request(1));
    const pair = both(named("no-bias"), named("float32-products"))!;
    assertEquals(pair.id, "no-bias + float32-products");
    const is = (x: number) => pair.recognise!(own, outputs(x));
    assert(is(6) && is(6 + 7 * 2 ** -16) && !is(6 + 7.01 * 2 ** -16) && !is(7));
    // Not after one that does not show, or does not apply, and not the other way round.
    assert(!pair.recognise!(task(outputs(6), request(0)), outputs(6 + 2 ** -17)));
    const other = both(named("forget-bias"), named("float32-products"))!;
    assert(!other.recognise!(own, outputs(7)));
    for (const id of ["low-precision", "float16-arithmetic", "nan-made-finite"]) {
      assertEquals(both(named("no-bias"), named(id)), null);
    }
    assertEquals(both(named("float32-products"), named("no-bias")), null);
  });
});
