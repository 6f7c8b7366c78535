/** Chapter stack: cells of one's own, each in one file below `own_cells/`, in every use of a layer. */

import { assert, assertEquals, assertThrows } from "@std/assert";
import fc from "fast-check";
import {
  add,
  backward,
  cat,
  type FloatDType,
  grad,
  LSTM,
  manualSeed,
  mul,
  noGrad,
  type PackedSequence,
  packSequence,
  rand,
  RuntimeError,
  select,
  SGD,
  stack,
  sum,
  type Tensor,
  tensor,
  unpackSequence,
  ValueError,
} from "../../mod.ts";
import { assertAllBitwise, assertBitwise, assertClose } from "./alike.ts";
import { normals } from "./arbitrary.ts";
import { describe, fact, law, readablePath } from "./law.ts";
import { MGU, MGUCell } from "./own_cells/mgu.ts";
import { PeepholeLSTM, PeepholeLSTMCell } from "./own_cells/peephole_lstm.ts";
import page from "../own_cell.md" with { type: "text" };
import mgu from "./own_cells/mgu.ts" with { type: "text" };
import peephole from "./own_cells/peephole_lstm.ts" with { type: "text" };

type Layers = PeepholeLSTM | MGU;
type Cell = PeepholeLSTMCell | MGUCell;

/** A layer and its cell under one way to call them: states go in and come out as lists. */
const cells = {
  PeepholeLSTM: {
    layers: PeepholeLSTM,
    cell: PeepholeLSTMCell,
    parts: 2,
    names: ["weight_ih", "weight_hh", "bias_ih", "bias_hh", "peepholes"],
    shapes: ([i, h]: number[]) => [[4 * h, i], [4 * h, h], [4 * h], [4 * h], [3, h]],
  },
  MGU: {
    layers: MGU,
    cell: MGUCell,
    parts: 1,
    names: ["weight_ih", "weight_hh", "bias_ih", "bias_hh"],
    shapes: ([i, h]: number[]) => [[2 * h, i], [2 * h, h], [2 * h], [2 * h]],
  },
} as const;

type Name = keyof typeof cells;

interface Own {
  name: Name;
  inputSize: number;
  hiddenSize: number;
  numLayers: number;
  bidirectional: boolean;
  batchFirst: boolean;
  bias: boolean;
  dtype: FloatDType;
  lengths: number[];
  seed: number;
}

const owns: fc.Arbitrary<Own> = fc.record({
  name: fc.constantFrom<Name>("PeepholeLSTM", "MGU"),
  inputSize: fc.integer({ min: 1, max: 3 }),
  hiddenSize: fc.integer({ min: 1, max: 4 }),
  numLayers: fc.integer({ min: 1, max: 3 }),
  bidirectional: fc.boolean(),
  batchFirst: fc.boolean(),
  bias: fc.boolean(),
  dtype: fc.constantFrom<FloatDType>("float32", "float64"),
  lengths: fc.array(fc.integer({ min: 1, max: 4 }), { minLength: 1, maxLength: 3 }),
  seed: fc.nat(0xffffffff),
});

function build(c: Own): Layers {
  manualSeed(c.seed);
  const { numLayers, bidirectional, batchFirst, bias, dtype } = c;
  const options = { numLayers, bidirectional, batchFirst, bias, dtype };
  return new cells[c.name].layers(c.inputSize, c.hiddenSize, options);
}

function run(module: Layers, x: Tensor | PackedSequence, state?: readonly Tensor[]) {
  if (module instanceof MGU) {
    const [output, hn] = module.forward(x, state?.[0]);
    return [output, [hn]] as const;
  }
  return module.forward(x, state && [state[0], state[1]]);
}

function step(cell: Cell, x: Tensor, state: readonly Tensor[]): readonly Tensor[] {
  return cell instanceof MGUCell
    ? [cell.forward(x, state[0])]
    : cell.forward(x, [state[0], state[1]]);
}

/** The cell of one layer and direction, with the layer's weights. */
function cellOf(c: Own, module: Layers, end: string): Cell {
  const { names, cell } = cells[c.name];
  const state = module.stateDict();
  const own = names.filter((name) => name + end in state).map((name) => [name, state[name + end]]);
  const weights: Record<string, Tensor> = Object.fromEntries(own);
  const { bias, dtype } = c;
  const made = new cell(weights.weight_ih.size(1), c.hiddenSize, { bias, dtype });
  made.loadStateDict(weights);
  return made;
}

const sequence = (c: Own, length: number, salt: number) => normals(c, [length, c.inputSize], salt);
const stateOf = (c: Own, rows: number, salt = 50) =>
  Array.from(
    { length: cells[c.name].parts },
    (_, k) => normals(c, [c.numLayers * (c.bidirectional ? 2 : 1), rows, c.hiddenSize], salt + k),
  );

/** One sequence through all layers and directions by hand: output `(L, D · H)` and final states. */
function byHand(c: Own, module: Layers, x: Tensor, start: readonly Tensor[], row: number) {
  let steps = [...Array(x.size(0)).keys()].map((t) => select(x, 0, t));
  const finals: (readonly Tensor[])[] = [];
  for (let layer = 0; layer < c.numLayers; layer++) {
    const sides = (c.bidirectional ? ["", "_reverse"] : [""]).map((way, direction) => {
      const cell = cellOf(c, module, `_l${layer}${way}`);
      let state: readonly Tensor[] = start.map((part) =>
        select(select(part, 0, finals.length), 0, row)
      );
      const order = direction === 0 ? [...steps.keys()] : [...steps.keys()].reverse();
      const outputs: Tensor[] = [];
      for (const t of order) outputs[t] = (state = step(cell, steps[t], state))[0];
      finals.push(state);
      return outputs;
    });
    steps = steps.map((_, t) => cat(sides.map((outputs) => outputs[t])));
  }
  return { output: stack(steps), finals };
}

describe("own cells", () => {
  law(
    ["STACK-9", "STACK-1", "STACK-2", "STACK-3", "PACK-4"],
    "packed, in any stack, each sequence is its cells taken by hand, bitwise",
    owns,
    (c) => {
      const module = build(c);
      const lengths = c.lengths.toSorted((a, b) => b - a);
      const xs = lengths.map((length, k) => sequence(c, length, k));
      const start = stateOf(c, xs.length);
      noGrad(() => {
        const [output, final] = run(module, packSequence(xs), start);
        unpackSequence(output as PackedSequence).forEach((own, row) => {
          const wanted = byHand(c, module, xs[row], start, row);
          assertBitwise(own, wanted.output);
          wanted.finals.forEach((state, index) =>
            assertAllBitwise(final.map((part) => select(select(part, 0, index), 0, row)), state)
          );
        });
      });
    },
  );

  law(
    ["STACK-9", "BATCH-1"],
    "batched, batch first, unbatched and streamed, the same numbers",
    owns,
    (c) => {
      const module = build(c);
      const x = sequence(c, 3, 1);
      noGrad(() => {
        const [alone] = run(module, x);
        const batch = stack([x, x], c.batchFirst ? 0 : 1);
        const [both] = run(module, batch);
        assertBitwise(select(both as Tensor, c.batchFirst ? 0 : 1, 1), alone as Tensor);
        if (c.bidirectional) {
          assertThrows(() => module.stream(), ValueError);
          return;
        }
        using stream = module.stream();
        const y = select(alone as Tensor, 0, 0).data.slice();
        for (let t = 0; t < 3; t++) {
          stream.step(select(x, 0, t).data, y);
          assertEquals(y, select(alone as Tensor, 0, t).data);
        }
        assertEquals(stream.state.length, cells[c.name].parts);
      });
    },
  );

  law(
    ["STACK-9", "PARAM-1", "INIT-1"],
    "parameters by PyTorch's scheme of names, drawn in the order declared",
    owns,
    (c) => {
      const module = build(c);
      const ways = c.bidirectional ? ["", "_reverse"] : [""];
      const { names, shapes } = cells[c.name];
      const wanted = [...Array(c.numLayers).keys()].flatMap((layer) =>
        ways.flatMap((way) => {
          const input = layer === 0 ? c.inputSize : ways.length * c.hiddenSize;
          return names.map((name, k) => ({
            name: `${name}_l${layer}${way}`,
            shape: shapes([input, c.hiddenSize])[k],
          })).filter(({ name }) => c.bias || !name.startsWith("bias"));
        })
      );
      const state = module.stateDict();
      assertEquals(Object.keys(state), wanted.map(({ name }) => name));
      manualSeed(c.seed);
      const bound = 1 / Math.sqrt(c.hiddenSize);
      for (const { name, shape } of wanted) {
        assertEquals(state[name].shape, shape);
        const drawn = rand(shape, { dtype: c.dtype });
        const round = c.dtype === "float32" ? Math.fround : (value: number) => value;
        const scaled = drawn.data.map((u) => round(u * round(2 * bound)) - bound);
        assertClose(state[name], { ...drawn, shape, dtype: c.dtype, data: scaled });
      }
      const other = build({ ...c, seed: c.seed + 1 });
      assertEquals(String(other.loadStateDict(state)), "<All keys matched successfully>");
      const x = sequence(c, 2, 3);
      const [given, copied] = [module, other].map((one) => noGrad(() => run(one, x)[1]));
      assertAllBitwise(given, copied);
    },
  );

  law(
    ["STACK-9", "GRAD-2"],
    "gradients are the slopes",
    owns.map((c): Own => ({ ...c, dtype: "float64", lengths: [2, 1] })),
    (c) => {
      const module = build(c);
      const xs = c.lengths.map((length, k) => sequence(c, length, k));
      const loss = () => {
        const [output, final] = run(module, packSequence(xs), stateOf(c, 2));
        return [(output as PackedSequence).data, ...final]
          .map((y, k) => sum(mul(y, normals(c, [...y.shape], 70 + k)))).reduce((a, b) => add(a, b));
      };
      const parameters = module.parameters();
      const slopes = grad([loss()], parameters);
      parameters.forEach(({ data }, k) => {
        const at = c.seed % data.length;
        const [before, h] = [data[at], 1e-6];
        const value = (shift: number) => {
          data[at] = before + shift;
          return noGrad(() => loss().item());
        };
        const slope = (value(h) - value(-h)) / (2 * h);
        data[at] = before;
        const given = slopes[k]!.data[at];
        assert(Math.abs(given - slope) < 1e-7 * (1 + Math.abs(slope)), `${given}, not ${slope}`);
      });
    },
    25,
    readablePath,
  );

  fact(["STACK-9"], "spec/own_cell.md shows the file", () => {
    const shown = mgu.replaceAll('"../../../mod.ts"', '"@rnn-spec/rnn-spec"');
    assert(page.includes(`ts\n${shown}\`\`\`\``));
    for (const text of [mgu, peephole]) assert(text.split("\n").length <= 60);
  });

  fact(["STACK-9", "PRINT-6"], "printed as a layer is", () => {
    const options = { numLayers: 2, bidirectional: true, bias: false };
    assertEquals(
      String(new PeepholeLSTM(3, 4, options)),
      "PeepholeLSTM(3, 4, num_layers=2, bias=False, bidirectional=True)",
    );
    assertEquals(String(new MGUCell(3, 4)), "MGUCell(3, 4)");
  });

  fact(["STACK-9", "LSTM-2"], "without peepholes the first is an LSTM, to the bit", () => {
    const [own, lstm] = [
      new PeepholeLSTM(3, 4, { dtype: "float64" }),
      new LSTM(3, 4, { dtype: "float64" }),
    ];
    const state = own.stateDict();
    state.peepholes_l0.data.fill(0);
    lstm.loadStateDict(state, { strict: false });
    const x = normals({ seed: 1, dtype: "float64" }, [5, 2, 3]);
    assertBitwise(own.forward(x)[0], lstm.forward(x)[0]);
    state.peepholes_l0.data.fill(0.5);
    assert(own.forward(x)[0].data[0] !== lstm.forward(x)[0].data[0]);
  });

  fact(["STACK-9"], "one step of each, in plain numbers", () => {
    const one = (value: number) => tensor([[value]], { dtype: "float64" });
    const σ = (x: number) => 1 / (1 + Math.exp(-x));
    const all = (values: number[]) => tensor(values.map((x) => [x]), { dtype: "float64" });
    const close = (given: Tensor, wanted: number) => assertClose(given, one(wanted));
    const mgu = new MGUCell(1, 1, { bias: false, dtype: "float64" });
    mgu.loadStateDict({ weight_ih: all([0.5, -1]), weight_hh: all([2, 3]) });
    const f = σ(0.5 * 0.25 + 2 * 0.75);
    close(
      mgu.forward(one(0.25), one(0.75)),
      (1 - f) * 0.75 + f * Math.tanh(-0.25 + 3 * (f * 0.75)),
    );
    const own = new PeepholeLSTMCell(1, 1, { bias: false, dtype: "float64" });
    own.loadStateDict({
      weight_ih: all([1, 2, 3, 4]),
      weight_hh: all([-1, 0.5, 2, 1]),
      peepholes: all([0.5, -2, 3]),
    });
    const [x, h, c] = [0.25, 0.5, -0.75];
    const c1 = σ(2 * x + 0.5 * h - 2 * c) * c + σ(x - h + 0.5 * c) * Math.tanh(3 * x + 2 * h);
    const [h1, cell] = own.forward(one(x), [one(h), one(c)]);
    close(cell, c1);
    close(h1, σ(4 * x + h + 3 * c1) * Math.tanh(c1));
  });

  fact(["STACK-9", "OPTIM-1", "GRAD-7"], "trained, and converted", () => {
    const own = new MGU(1, 3);
    const optimizer = new SGD(own.parameters(), { lr: 0.5 });
    const [x, y] = [tensor([[[1]], [[2]]]), () => sum(own.forward(x)[1])];
    const before = y().item();
    backward(y());
    optimizer.step();
    assert(y().item() < before);
    assertEquals(
      own.to("float64").forward(normals({ seed: 1, dtype: "float64" }, [2, 1]))[1].dtype,
      "float64",
    );
  });

  fact(["STACK-9", "ERROR-1", "ERROR-2", "ERROR-3"], "refused as a layer refuses", () => {
    const given = { projSize: 2 } as object;
    assertThrows(() => new PeepholeLSTM(3, 4, given), ValueError, "proj_size argument is only");
    assertThrows(() => new MGU(3, 4, { numLayers: 0 }), ValueError, "num_layers must be");
    assertThrows(() => new MGUCell(3, -4), RuntimeError, "negative dimension -8: [-8, 3]");
    const x = tensor([[1, 2]]);
    assertThrows(() => new MGU(3, 4).forward(x), RuntimeError, "Expected 3, got 2");
    assertThrows(() => new MGUCell(2, 4).forward(x, x), RuntimeError, "hidden0 has inconsistent");
  });
});
