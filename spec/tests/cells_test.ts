/** Chapters rnn, lstm and gru: one step of each cell. */

import { assert, assertEquals, assertNotEquals } from "@std/assert";
import fc from "fast-check";
import {
  mul,
  RNNCell,
  select,
  type State,
  type StateDict,
  tanh,
  Tensor,
  zeros,
} from "../../mod.ts";
import { assertAllBitwise, assertBitwise, assertClose } from "./alike.ts";
import { buildCell, type Config, configs, type Kind, normals, step, tame } from "./arbitrary.ts";
import { describe, law } from "./law.ts";

/** Cells of the kinds given. */
function cells(kinds: readonly Kind[], fixed: Parameters<typeof configs>[0] = {}) {
  const none = { projSize: fc.constant(0), ...tame };
  return configs({ kind: fc.constantFrom(...kinds), ...none, ...fixed });
}
const all = ["RNN tanh", "RNN relu", "LSTM", "GRU"] as const;
const withBias = { bias: fc.constant(true) };
const double = { dtype: fc.constant("float64" as const) };

/** A cell with its weights by name, an input, and a state. */
function given(c: Config) {
  const cell = buildCell(c);
  const x = normals(c, [c.batch, c.inputSize], 1);
  const h = normals(c, [c.batch, c.hiddenSize], 2);
  const state = c.kind === "LSTM" ? [h, normals(c, [c.batch, c.hiddenSize], 3)] : [h];
  return { cell, x, state, parameters: cell.stateDict() };
}

/** Sets, in all parameters named, the rows of one gate to what `value` gives. */
function setGate(p: StateDict, names: string[], gate: number, hidden: number, value: () => number) {
  for (const name of names) {
    const { data, shape } = p[name];
    const width = data.length / shape[0];
    for (let i = gate * hidden * width; i < (gate + 1) * hidden * width; i++) data[i] = value();
  }
}

/** Fixes a gate at `σ(value)` or `tanh(value)` by its bias alone; ±1000 saturates it. */
function fix(p: StateDict, gate: number, hidden: number, value: number) {
  setGate(p, Object.keys(p), gate, hidden, () => 0);
  setGate(p, ["bias_ih"], gate, hidden, () => value);
}

const σ = (x: number) => 1 / (1 + Math.exp(-x));

/**
 * The equations in plain numbers: the sums that enter unit j of batch row n from the input and from
 * the state, for a gate.
 */
function sums(c: Config, p: StateDict, x: Tensor, h: Tensor) {
  const dot = (weight: Tensor, bias: Tensor | undefined, v: Tensor, row: number, n: number) => {
    const width = weight.shape[1];
    let sum = bias ? bias.data[row] : 0;
    for (let k = 0; k < width; k++) sum += weight.data[row * width + k] * v.data[n * width + k];
    return sum;
  };
  return (gate: number, n: number, j: number) => {
    const row = gate * c.hiddenSize + j;
    return [
      dot(p.weight_ih, p.bias_ih, x, row, n),
      dot(p.weight_hh, p.bias_hh, h, row, n),
    ] as const;
  };
}

/** A tensor like the state, from a function of batch row and unit. */
function units(c: Config, f: (n: number, j: number) => number): Tensor {
  const data = new Float64Array(c.batch * c.hiddenSize);
  for (let n = 0; n < c.batch; n++) {
    for (let j = 0; j < c.hiddenSize; j++) data[n * c.hiddenSize + j] = f(n, j);
  }
  return new Tensor(data, [c.batch, c.hiddenSize]);
}

const tight = { rtol: 1e-12, atol: 1e-13 };

describe("cells", () => {
  law(
    ["RNN-4", "LSTM-4", "GRU-4"],
    "shapes; a state left out is zeros; without a batch as a batch of one; all bitwise",
    cells(all),
    (c) => {
      const { cell, x, state } = given(c);
      const after = step(cell, x, state);
      assertEquals(after.map(({ shape }) => shape), state.map(({ shape }) => shape));
      const zero = state.map(({ shape }) => zeros(shape, { dtype: c.dtype }));
      assertAllBitwise(step(cell, x), step(cell, x, zero));
      const first = (tensors: State) => tensors.map((part) => select(part, 0, 0));
      const alone = step(cell, select(x, 0, 0), first(state));
      assertAllBitwise(alone, first(after));
      assertAllBitwise(step(cell, select(x, 0, 0)), first(step(cell, x)));
    },
  );

  law(
    ["RNN-3", "LSTM-3", "GRU-2"],
    "without biases is with biases of zeros, bitwise",
    cells(all, { bias: fc.constant(false) }),
    (c) => {
      const { cell, x, state, parameters } = given(c);
      const biased = buildCell({ ...c, bias: true });
      const rows = parameters.weight_ih.shape[0];
      const none = zeros([rows], { dtype: c.dtype });
      biased.loadStateDict({ ...parameters, bias_ih: none, bias_hh: none });
      assertAllBitwise(step(cell, x, state), step(biased, x, state));
    },
  );

  law(
    ["RNN-1", "RNN-2", "LSTM-3"],
    "bias_ih and bias_hh enter only as their sum",
    cells(["RNN tanh", "RNN relu", "LSTM"], { ...withBias, ...double }),
    (c) => {
      const { cell, x, state, parameters: { bias_ih, bias_hh } } = given(c);
      const before = step(cell, x, state);
      const moved = normals(c, [...bias_ih.shape], 4);
      moved.data.forEach((d, k) => {
        bias_ih.data[k] += d;
        bias_hh.data[k] -= d;
      });
      step(cell, x, state).forEach((part, k) => assertClose(part, before[k], tight));
    },
  );

  law(
    ["RNN-1", "RNN-2", "LSTM-3", "GRU-2"],
    "each bias alone reaches every unit",
    cells(all, { ...withBias, ...double }),
    (c) => {
      for (const name of ["bias_ih", "bias_hh"]) {
        const { cell, x, state, parameters } = given({ ...c, scale: 0.25 });
        const before = step(cell, x, state);
        parameters[name].data.forEach((_, k, data) => data[k] += c.kind === "RNN relu" ? 50 : 0.5);
        const after = step(cell, x, state);
        after.forEach((part, k) => {
          part.data.forEach((value, i) => assertNotEquals(value, before[k].data[i], name));
        });
      }
    },
  );

  law(
    ["RNN-1", "RNN-2"],
    "h' = φ(W_ih x + b_ih + W_hh h + b_hh), written out in numbers",
    cells(["RNN tanh", "RNN relu"], double),
    (c) => {
      const { cell, x, state, parameters } = given(c);
      const sum = sums(c, parameters, x, state[0]);
      const φ = c.kind === "RNN relu" ? (s: number) => Math.max(s, 0) : Math.tanh;
      const [h1] = step(cell, x, state);
      assertClose(h1, units(c, (n, j) => φ(sum(0, n, j)[0] + sum(0, n, j)[1])), tight);
    },
  );

  law(["RNN-1"], "tanh keeps the state within ±1", cells(["RNN tanh"]), (c) => {
    const { cell, x, state } = given({ ...c, scale: 3 });
    const [h1] = step(cell, mul(x, 10), state);
    assert(h1.data.every((value) => Math.abs(value) <= 1));
  });

  law(
    ["RNN-2", "RNN-3"],
    "relu without biases scales with its input: by powers of two, bitwise",
    cells(["RNN relu"], { bias: fc.constant(false) }),
    (c) => {
      const { cell, x, state: [h] } = given(c);
      for (const factor of [2, 0.25, 64]) {
        const [scaled] = step(cell, mul(x, factor), [mul(h, factor)]);
        assertBitwise(scaled, mul(step(cell, x, [h])[0], factor));
      }
    },
  );

  law(
    ["LSTM-1", "LSTM-2"],
    "the equations, written out in numbers",
    cells(["LSTM"], double),
    (c) => {
      const { cell, x, state: [h, c0], parameters } = given(c);
      const both = sums(c, parameters, x, h);
      const sum = (gate: number, n: number, j: number) => both(gate, n, j)[0] + both(gate, n, j)[1];
      const c1 = units(c, (n, j) => {
        const [i, f, g] = [σ(sum(0, n, j)), σ(sum(1, n, j)), Math.tanh(sum(2, n, j))];
        return f * c0.data[n * c.hiddenSize + j] + i * g;
      });
      const h1 = units(c, (n, j) => {
        const o = σ(sum(3, n, j));
        return o * Math.tanh(c1.data[n * c.hiddenSize + j]);
      });
      const [givenH, givenC] = step(cell, x, [h, c0]);
      assertClose(givenC, c1, tight);
      assertClose(givenH, h1, tight);
    },
  );

  law(
    ["LSTM-1", "LSTM-2"],
    "rows 0, 1, 2, 3 are i, f, g, o: each shut or opened alone does what its letter says",
    cells(["LSTM"], withBias),
    (c) => {
      const [I, F, G, O] = [0, 1, 2, 3];
      const after = (...gates: [number, number][]) => {
        const { cell, x, state, parameters } = given(c);
        gates.forEach(([gate, value]) => fix(parameters, gate, c.hiddenSize, value));
        return { state, result: step(cell, x, state), x };
      };
      const like = (x: Tensor, value: number) => units2(x, () => value);
      // f open, i shut: the cell is kept, whatever the input.
      const kept = after([F, 1000], [I, -1000]);
      assertBitwise(kept.result[1], kept.state[1], "c kept");
      // f shut, i open: the cell is g.
      const g = after([F, -1000], [I, 1000], [G, 0.5]);
      assertClose(g.result[1], like(g.state[1], Math.tanh(0.5)), undefined, "c is g");
      // f shut, i shut: the cell is empty, and so is h.
      const empty = after([F, -1000], [I, -1000]);
      empty.result.forEach(({ data }) => assert(data.every((value) => value === 0)));
      // g at 0: nothing enters, whatever i.
      const nothing = after([F, 1000], [G, 0]);
      assertBitwise(nothing.result[1], nothing.state[1], "nothing entered");
      // o shut: h is empty and c is not; o open: h is tanh(c).
      const [shut, open, free] = [after([O, -1000]), after([O, 1000]), after()];
      assert(shut.result[0].data.every((value) => value === 0));
      assertBitwise(shut.result[1], free.result[1], "o does not reach c");
      assertBitwise(open.result[0], tanh(open.result[1]), "h is tanh(c)");
    },
  );

  law(
    ["LSTM-1"],
    "f's rows do not matter where c is 0, i's not where g is 0, o's never to c",
    cells(["LSTM"]),
    (c) => {
      const { cell, x, state: [h, c0], parameters } = given(c);
      const names = Object.keys(parameters);
      let k = 0;
      const noise = normals(c, [97], 5).data;
      const disturb = (gate: number) =>
        setGate(parameters, names, gate, c.hiddenSize, () => noise[k++ % 97]);
      const zero = zeros(c0.shape, { dtype: c.dtype });
      const [before, beforeC] = [step(cell, x, [h, zero]), step(cell, x, [h, c0])[1]];
      disturb(3);
      assertBitwise(step(cell, x, [h, c0])[1], beforeC);
      const fresh = given(c);
      setGate(fresh.parameters, names, 1, c.hiddenSize, () => noise[k++ % 97]);
      assertAllBitwise(step(fresh.cell, x, [h, zero]), before);
      setGate(fresh.parameters, names, 2, c.hiddenSize, () => 0);
      const still = step(fresh.cell, x, [h, c0]);
      setGate(fresh.parameters, names, 0, c.hiddenSize, () => noise[k++ % 97]);
      assertAllBitwise(step(fresh.cell, x, [h, c0]), still);
    },
  );

  law(["LSTM-2"], "|h'| <= 1 and |c'| <= |c| + 1", cells(["LSTM"]), (c) => {
    const { cell, x, state } = given({ ...c, scale: 3 });
    const [h1, c1] = step(cell, mul(x, 10), state);
    assert(h1.data.every((value) => Math.abs(value) <= 1));
    c1.data.forEach((value, k) => assert(Math.abs(value) <= Math.abs(state[1].data[k]) + 1.000001));
  });

  law(
    ["GRU-1", "GRU-2", "GRU-3"],
    "the equations, written out in numbers",
    cells(["GRU"], double),
    (c) => {
      const { cell, x, state: [h], parameters } = given(c);
      const sum = sums(c, parameters, x, h);
      const wanted = units(c, (n, j) => {
        const [xr, hr] = sum(0, n, j);
        const [xz, hz] = sum(1, n, j);
        const [xn, hn] = sum(2, n, j);
        const [r, z] = [σ(xr + hr), σ(xz + hz)];
        return (1 - z) * Math.tanh(xn + r * hn) + z * h.data[n * c.hiddenSize + j];
      });
      assertClose(step(cell, x, [h])[0], wanted, tight);
    },
  );

  law(["GRU-1", "GRU-2"], "z at 1 keeps the OLD state, bitwise", cells(["GRU"], withBias), (c) => {
    const { cell, x, state, parameters } = given(c);
    fix(parameters, 1, c.hiddenSize, 1000);
    assertAllBitwise(step(cell, x, state), state);
  });

  law(
    ["GRU-1", "GRU-2", "GRU-3"],
    "rows 0, 1, 2 are r, z, n: with z at 0, r at 0 leaves a function of x, r at 1 an Elman cell",
    cells(["GRU"], withBias),
    (c) => {
      const { cell, x, state: [h], parameters } = given(c);
      const H = c.hiddenSize;
      fix(parameters, 1, H, -1000);
      fix(parameters, 0, H, 1000);
      const elman = new RNNCell(c.inputSize, H, { dtype: c.dtype });
      const rows = ({ data, shape }: Tensor) =>
        new Tensor(data.slice(data.length / 3 * 2), [H, ...shape.slice(1)]);
      elman.loadStateDict(
        Object.fromEntries(Object.entries(parameters).map(([name, value]) => [name, rows(value)])),
      );
      const near = c.dtype === "float32" ? { rtol: 1e-6, atol: 1e-6 } : tight;
      assertClose(step(cell, x, [h])[0], step(elman, x, [h])[0], near, "r = 1");
      fix(parameters, 0, H, -1000);
      const [n] = step(cell, x, [h]);
      assertAllBitwise(step(cell, x, [mul(h, 5)]), [n], "r = 0: no state");
      setGate(parameters, ["bias_hh"], 2, H, () => 17);
      assertAllBitwise(step(cell, x, [h]), [n], "r = 0: no b_hn either");
      assertClose(n, step(elman0(elman), x, [h])[0], near, "r = 0: b_in stays");
    },
  );

  law(["GRU-2"], "h' lies between n and h, so |h'| <= max(1, |h|)", cells(["GRU"]), (c) => {
    const { cell, x, state: [h] } = given({ ...c, scale: 3 });
    const [h1] = step(cell, mul(x, 10), [h]);
    h1.data.forEach((value, k) =>
      assert(Math.abs(value) <= Math.max(1, Math.abs(h.data[k]) * 1.000001))
    );
  });

  law(
    ["GRU-2", "GRU-3"],
    "the biases of r and z enter only as their sum; those of n do not, as r is not 1",
    cells(["GRU"], { ...withBias, ...double, scale: fc.constantFrom(0.25, 1) }),
    (c) => {
      const { cell, x, state, parameters: { bias_ih, bias_hh } } = given(c);
      const [before] = step(cell, x, state);
      const move = (gate: number, amount: number) => {
        for (let k = gate * c.hiddenSize; k < (gate + 1) * c.hiddenSize; k++) {
          bias_ih.data[k] += amount;
          bias_hh.data[k] -= amount;
        }
      };
      move(0, 0.75);
      move(1, -0.5);
      assertClose(step(cell, x, state)[0], before, tight);
      move(2, 0.5); // n's sum grows by 0.5 (1 - r), which is positive
      const [after] = step(cell, x, state);
      after.data.forEach((value, k) => assert(value > before.data[k]));
    },
  );

  law(
    ["GRU-3"],
    "r multiplies what the state adds after the product: halving r halves W_hn h + b_hn",
    cells(["GRU"], { ...withBias, ...double }),
    (c) => {
      const { cell, x, state: [h], parameters } = given(c);
      fix(parameters, 1, c.hiddenSize, -1000);
      fix(parameters, 0, c.hiddenSize, 0); // r = 0.5
      const both = sums(c, parameters, x, h);
      const wanted = units(c, (n, j) => Math.tanh(both(2, n, j)[0] + both(2, n, j)[1] / 2));
      assertClose(step(cell, x, [h])[0], wanted, tight);
    },
  );

  law(
    ["RNN-1", "LSTM-2", "GRU-2"],
    "swapping two units everywhere swaps them in the result",
    cells(all, { hiddenSize: fc.integer({ min: 2, max: 5 }), ...double }),
    (c) => {
      const { cell, x, state, parameters } = given(c);
      const before = step(cell, x, state);
      const [H, order] = [c.hiddenSize, [...Array(c.hiddenSize).keys()].reverse()];
      for (const [name, { data, shape }] of Object.entries(parameters)) {
        const [old, width] = [data.slice(), data.length / shape[0]];
        for (let row = 0; row < shape[0]; row++) {
          const from = row - row % H + order[row % H];
          for (let k = 0; k < width; k++) {
            data[row * width + k] = old[from * width + (name === "weight_hh" ? order[k] : k)];
          }
        }
      }
      const turned = ({ data, shape }: Tensor) =>
        new Tensor(data.map((_, k) => data[k - k % H + order[k % H]]), shape);
      step(cell, x, state.map(turned)).forEach((part, k) => {
        assertClose(part, turned(before[k]), tight);
      });
    },
  );
});

/** A tensor like another, element by element. */
function units2(x: Tensor, f: (value: number) => number): Tensor {
  return new Tensor(x.data.map(f), x.shape);
}

/** The Elman cell with nothing from the state. */
function elman0(cell: RNNCell): RNNCell {
  for (const name of ["weight_hh", "bias_hh"]) cell.stateDict()[name].data.fill(0);
  return cell;
}
