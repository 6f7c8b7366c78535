/** Chapter stack: time, layers and directions around a cell. */

import { assert, assertEquals } from "@std/assert";
import fc from "fast-check";
import {
  cat,
  chunk,
  narrow,
  select,
  slice,
  stack,
  type State,
  type Tensor,
  zeros,
} from "../../mod.ts";
import { assertAllBitwise, assertBitwise } from "./alike.ts";
import {
  build,
  type Config,
  configs,
  directions,
  inputOf,
  layerOf,
  outputSize,
  parametersOf,
  type Recurrent,
  reversed,
  run,
  stateOf,
  stateSizes,
  stepOf,
  suffixes,
  tame,
  timeDim,
  timeFirst,
} from "./arbitrary.ts";
import { describe, law, readablePath } from "./law.ts";

const oneWay = { bidirectional: fc.constant(false) };
const bothWays = { bidirectional: fc.constant(true) };
const shallow = { numLayers: fc.constant(1) };

/** One row of a state, with its first dimension kept. */
function row(state: State, k: number): State {
  return state.map((part) => slice(part, 0, k, k + 1));
}

/** The recursion by hand: the cell of one layer and direction, step after step. */
function unroll(c: Config, module: Recurrent, suffix: string, steps: Tensor[], start: State) {
  const step = stepOf(c, module, suffix);
  let state = start;
  const outputs = steps.map((x) => (state = step(x, state))[0]);
  return { outputs, state };
}

/** A whole module by hand: output, time first, and final state. */
function byHand(c: Config, module: Recurrent, x: Tensor, state: State): [Tensor, State] {
  let steps = [...Array(c.length).keys()].map((t) => select(x, timeDim(c), t));
  const finals: State[] = [];
  for (let layer = 0; layer < c.numLayers; layer++) {
    const halves = suffixes(c, layer).map((suffix, direction) => {
      const start = state.map((part) => select(part, 0, layer * directions(c) + direction));
      const order = direction === 0 ? steps : steps.toReversed();
      const { outputs, state: final } = unroll(c, module, suffix, order, start);
      finals.push(final);
      return direction === 0 ? outputs : outputs.toReversed();
    });
    steps = steps.map((_, t) => cat(halves.map((half) => half[t]), 1));
  }
  return [stack(steps), state.map((_, k) => stack(finals.map((final) => final[k])))];
}

describe("stack", () => {
  law(
    ["STACK-4", "STACK-5", "PROJ-2"],
    "the documented shapes of output, h_n and c_n",
    configs(),
    (c) => {
      const [output, final] = run(build(c), inputOf(c));
      const features = directions(c) * outputSize(c);
      const [N, L] = [c.batch, c.length];
      assertEquals(output.shape, c.batchFirst ? [N, L, features] : [L, N, features]);
      assertEquals(final.map(({ shape }) => [...shape]), stateSizes(c));
      assertEquals(final[0].shape, [c.numLayers * directions(c), N, outputSize(c)]);
      if (c.kind === "LSTM") {
        assertEquals(final[1].shape, [c.numLayers * directions(c), N, c.hiddenSize]);
      }
      assert([output, ...final].every(({ dtype }) => dtype === c.dtype));
    },
  );

  law(
    ["STACK-1", "STACK-2", "STACK-3", "STACK-4", "STACK-5", "STACK-6", "PROJ-1"],
    "a module is its cells taken through time, layers and directions by hand, bitwise",
    configs(),
    (c) => {
      const [module, x, state] = [build(c), inputOf(c), stateOf(c)];
      const [output, final] = run(module, x, state);
      const [wanted, wantedFinal] = byHand(c, module, x, state);
      assertBitwise(timeFirst(c, output), wanted, "output");
      assertAllBitwise(final, wantedFinal, "final state");
    },
    150,
    readablePath,
  );

  law(
    ["STACK-1"],
    "h_t depends on x_t and h_(t-1) alone: one step after the other is the same, bitwise",
    configs(oneWay),
    (c) => {
      const [module, x] = [build(c), inputOf(c)];
      const [output, final] = run(module, x, stateOf(c));
      let state = stateOf(c);
      const outputs = [...Array(c.length).keys()].map((t) => {
        const [y, next] = run(module, narrow(x, timeDim(c), t, 1), state);
        state = next;
        return y;
      });
      assertBitwise(cat(outputs, timeDim(c)), output);
      assertAllBitwise(state, final);
    },
  );

  law(
    ["STACK-2", "STACK-5"],
    "a stack is modules of one layer, each reading the output of the one below, bitwise",
    configs({ numLayers: fc.integer({ min: 2, max: 3 }) }),
    (c) => {
      const [module, x, state] = [build(c), inputOf(c), stateOf(c)];
      const [output, final] = run(module, x, state);
      let below = x;
      for (let layer = 0; layer < c.numLayers; layer++) {
        const rows = (s: State) =>
          s.map((part) => narrow(part, 0, layer * directions(c), directions(c)));
        const [y, last] = run(layerOf(c, module, layer), below, rows(state));
        assertAllBitwise(rows(final), last, `rows of layer ${layer}`);
        below = y;
      }
      assertBitwise(below, output);
    },
  );

  law(
    ["STACK-3", "STACK-4", "STACK-5"],
    "two directions are a forward half and, on the sequence turned round, a second; side by side",
    configs({ ...bothWays, ...shallow }),
    (c) => {
      const [module, x, state] = [build(c), inputOf(c), stateOf(c)];
      const [output, final] = run(module, x, state);
      const [ahead, aheadFinal] = run(layerOf(c, module, 0, 0), x, row(state, 0));
      const turned = reversed(x, timeDim(c));
      const [back, backFinal] = run(layerOf(c, module, 0, 1), turned, row(state, 1));
      assertBitwise(cat([ahead, reversed(back, timeDim(c))], -1), output);
      assertAllBitwise(row(final, 0), aheadFinal);
      assertAllBitwise(row(final, 1), backFinal);
    },
  );

  law(
    ["STACK-3", "STACK-4"],
    "exchanging the directions' weights and turning the input round exchanges and turns the output",
    configs({ ...bothWays, ...shallow }),
    (c) => {
      const [module, other, x] = [build(c), build({ ...c, seed: c.seed + 1 }), inputOf(c)];
      const state = module.stateDict();
      const exchanged = Object.fromEntries(
        Object.keys(state).map((name) => [
          name.endsWith("_reverse") ? name.slice(0, -"_reverse".length) : `${name}_reverse`,
          state[name],
        ]),
      );
      other.loadStateDict(exchanged);
      const [output, final] = run(module, x);
      const [turned, turnedFinal] = run(other, reversed(x, timeDim(c)));
      assertBitwise(
        cat(chunk(reversed(turned, timeDim(c)), 2, -1).toReversed(), -1),
        output,
      );
      assertAllBitwise(turnedFinal.map((part) => reversed(part, 0)), final);
    },
  );

  law(
    ["STACK-6"],
    "one direction: the last row of h_n is the last step of the output, bitwise",
    configs(oneWay),
    (c) => {
      const [output, [hn]] = run(build(c), inputOf(c), stateOf(c));
      assertBitwise(select(hn, 0, -1), select(output, timeDim(c), -1));
    },
  );

  law(
    ["STACK-6", "STACK-4"],
    "two directions: h_n holds the end of the forward half and the start of the reverse half",
    configs(bothWays),
    (c) => {
      const [output, [hn]] = run(build(c), inputOf(c), stateOf(c));
      const [ahead, back] = chunk(output, 2, -1);
      assertBitwise(select(hn, 0, -2), select(ahead, timeDim(c), -1));
      assertBitwise(select(hn, 0, -1), select(back, timeDim(c), 0));
    },
  );

  law(
    ["STACK-6"],
    "two directions and more steps than one: the other ends are not what h_n holds",
    configs({
      ...bothWays,
      ...tame,
      length: fc.integer({ min: 2, max: 6 }),
      scale: fc.constant(1),
    }),
    (c) => {
      // Where relu is 0 throughout, all ends are alike.
      const module = build({ ...c, kind: c.kind === "RNN relu" ? "RNN tanh" : c.kind });
      const [output, [hn]] = run(module, inputOf(c));
      const [ahead, back] = chunk(output, 2, -1);
      const differs = (a: Tensor, b: Tensor) => a.data.some((value, k) => value !== b.data[k]);
      assert(differs(select(hn, 0, -2), select(ahead, timeDim(c), 0)));
      assert(differs(select(hn, 0, -1), select(back, timeDim(c), -1)));
    },
  );

  law(["STACK-7"], "a state left out is zeros, bitwise", configs(), (c) => {
    const [module, x] = [build(c), inputOf(c)];
    const none = stateSizes(c).map((size) => zeros(size, { dtype: c.dtype }));
    const [output, final] = run(module, x, none);
    for (const [given, givenFinal] of [run(module, x), run(module, x, null)]) {
      assertBitwise(given, output);
      assertAllBitwise(givenFinal, final);
    }
  });

  law(
    ["STACK-7", "STACK-5"],
    "each row of the state starts its own layer and direction",
    configs(tame),
    (c) => {
      // The first layer's start reaches the output; a later layer's start leaves what is below alone.
      const [module, x] = [build(c), inputOf(c)];
      const state = stateOf(c);
      const [, before] = run(module, x, state);
      const last = c.numLayers - 1;
      for (const part of state) {
        const from = last * directions(c) * part.numel() / part.shape[0];
        for (let k = from; k < part.numel(); k++) part.data[k] += 1;
      }
      const [, after] = run(module, x, state);
      const below = (s: State) => s.map((part) => narrow(part, 0, 0, last * directions(c)));
      assertAllBitwise(below(after), below(before));
    },
  );

  law(
    ["STACK-8", "STACK-1"],
    "cut anywhere, with the state carried over, a sequence gives the same, bitwise",
    fc.tuple(configs({ ...oneWay, length: fc.integer({ min: 2, max: 8 }) }), fc.nat()),
    ([c, draw]) => {
      const [module, x, start] = [build(c), inputOf(c), stateOf(c)];
      const [output, final] = run(module, x, start);
      const cut = 1 + draw % (c.length - 1);
      const [first, between] = run(module, slice(x, timeDim(c), 0, cut), start);
      const [second, end] = run(module, slice(x, timeDim(c), cut), between);
      assertBitwise(cat([first, second], timeDim(c)), output);
      assertAllBitwise(end, final);
    },
    80,
  );

  law(
    ["STACK-1", "STACK-8"],
    "one direction: a later input never changes an earlier output, not even NaN",
    fc.tuple(configs(oneWay), fc.nat(), fc.constantFrom(NaN, Infinity, 1, -1e30)),
    ([c, draw, value]) => {
      const [module, x] = [build(c), inputOf(c)];
      const from = draw % c.length;
      const [before] = run(module, x);
      const changed = cat([
        slice(x, timeDim(c), 0, from),
        slice(x, timeDim(c), from),
      ], timeDim(c));
      for (let t = from; t < c.length; t++) {
        for (let n = 0; n < c.batch; n++) {
          const at = c.batchFirst ? n * c.length + t : t * c.batch + n;
          for (let k = 0; k < c.inputSize; k++) changed.data[at * c.inputSize + k] = value;
        }
      }
      const [after] = run(module, changed);
      assertBitwise(slice(after, timeDim(c), 0, from), slice(before, timeDim(c), 0, from));
    },
  );

  law(
    ["STACK-3"],
    "two directions: the last input reaches the first output's reverse half and not its forward one",
    configs({ ...bothWays, ...shallow, ...tame, kind: fc.constantFrom("RNN tanh", "LSTM", "GRU") }),
    (c) => {
      const gentle = { ...c, length: 2 + c.length % 2, scale: 0.25 };
      const [module, x] = [build(gentle), inputOf({ ...gentle, dtype: "float64" })];
      module.to("float64");
      const at = (output: Tensor) => chunk(select(output, timeDim(c), 0), 2, -1);
      const [ahead, back] = at(run(module, x)[0]);
      const last = gentle.batchFirst ? (gentle.length - 1) * c.inputSize : x.numel() - c.inputSize;
      x.data[last] += 1;
      const [aheadAfter, backAfter] = at(run(module, x)[0]);
      assertBitwise(aheadAfter, ahead);
      assert(backAfter.data.some((value, k) => value !== back.data[k]));
    },
  );

  law(
    ["STACK-2"],
    "layer k's weights change nothing below it",
    configs({ numLayers: fc.integer({ min: 2, max: 3 }), ...tame }),
    (c) => {
      const [module, x] = [build(c), inputOf(c)];
      const rows = (s: State, n: number) => s.map((part) => narrow(part, 0, 0, n * directions(c)));
      for (let layer = c.numLayers - 1; layer > 0; layer--) {
        const [, before] = run(module, x);
        for (const suffix of suffixes(c, layer)) {
          for (const { data } of Object.values(parametersOf(module, suffix))) data.fill(0.5);
        }
        const [, after] = run(module, x);
        assertAllBitwise(rows(after, layer), rows(before, layer));
      }
    },
  );

  law(
    ["STACK-1"],
    "from a state within ±1, output and h_n stay within ±1, but for relu and projections",
    configs({
      ...tame,
      kind: fc.constantFrom("RNN tanh", "LSTM", "GRU"),
      projSize: fc.constant(0),
    }),
    (c) => {
      const start = stateOf(c);
      start[0].data.forEach((value, k, data) => data[k] = Math.tanh(value));
      const [output, [hn]] = run(build(c), inputOf(c), start);
      for (const value of [...output.data, ...hn.data]) assert(Math.abs(value) <= 1);
    },
  );
});
