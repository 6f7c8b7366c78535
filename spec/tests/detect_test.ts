/** Modules from weights alone (CKPT-10): what every shape and name gives, in full, and each refusal. */

import { assertEquals, assertThrows } from "@std/assert";
import {
  constructModule,
  detectModules,
  GRU,
  Linear,
  LSTM,
  modelFromStateDict,
  RNN,
  SimpleRNN,
  type StateDict,
  zeros,
} from "../../mod.ts";
import { CheckpointError } from "../../lib/checkpoints/error.ts";
import type { DetectedModule } from "../../lib/detect/detect.ts";
import { describe, fact } from "./law.ts";

type Shapes = Record<string, { shape: number[] }>;

/** The parameters of layers: gates, H_in, H and what else there is. */
function parameters(gates: number, [inputs, hidden]: number[], more: {
  layers?: number;
  both?: boolean;
  bias?: boolean;
  proj?: number;
  prefix?: string;
  cell?: boolean;
} = {}): Shapes {
  const { layers = 1, both = false, bias = true, proj, prefix = "", cell } = more;
  const state: Shapes = {};
  for (let layer = 0; layer < layers; layer++) {
    for (const way of both ? ["", "_reverse"] : [""]) {
      const end = cell ? "" : `_l${layer}${way}`;
      const below = layer ? (proj ?? hidden) * (both ? 2 : 1) : inputs;
      const add = (name: string, ...shape: number[]) => state[prefix + name + end] = { shape };
      add("weight_ih", gates * hidden, below);
      add("weight_hh", gates * hidden, proj ?? hidden);
      if (bias) add("bias_ih", gates * hidden);
      if (bias) add("bias_hh", gates * hidden);
      if (proj) add("weight_hr", proj, hidden);
    }
  }
  return state;
}

const plain = { numLayers: 1, bidirectional: false, bias: true, projSize: 0, prefix: "" };
const tensors = (state: Shapes): StateDict =>
  Object.fromEntries(Object.entries(state).map(([name, { shape }]) => [name, zeros(shape)]));

describe("detection", () => {
  fact(["CKPT-10"], "each module's sizes, counts and assumptions", () => {
    const is = (state: Shapes, wanted: Partial<DetectedModule>) =>
      assertEquals(detectModules(state), {
        modules: [{ ...plain, ...wanted } as DetectedModule],
        others: [],
      });
    const layered = ["batch_first False"];
    is(parameters(1, [3, 2]), {
      ...{ kind: "RNN", inputSize: 3, hiddenSize: 2, parameters: 14, multiplyAdds: 10 },
      assumed: ['nonlinearity "tanh"', ...layered],
    });
    is(parameters(4, [3, 2], { layers: 3, both: true, bias: false }), {
      ...{ kind: "LSTM", inputSize: 3, hiddenSize: 2, numLayers: 3, bidirectional: true },
      // The first layer reads 3 features, the others the 4 of both directions.
      ...{ bias: false, parameters: 2 * 8 * (3 + 2 + 2 * (4 + 2)) },
      ...{ multiplyAdds: 272, assumed: [...layered, "dropout 0"] },
    });
    is(parameters(4, [3, 5], { layers: 2, proj: 2, prefix: "a.b." }), {
      ...{ kind: "LSTM", inputSize: 3, hiddenSize: 5, numLayers: 2, projSize: 2, prefix: "a.b." },
      ...{
        multiplyAdds: 20 * (3 + 2) + 10 + 20 * (2 + 2) + 10,
        assumed: [...layered, "dropout 0"],
      },
      parameters: 200 + 80,
    });
    is(parameters(3, [1, 1], { cell: true, prefix: "x." }), {
      ...{ kind: "GRUCell", inputSize: 1, hiddenSize: 1, prefix: "x.", assumed: [] },
      ...{ parameters: 12, multiplyAdds: 6 },
    });
    is(parameters(1, [2, 3], { cell: true, bias: false }), {
      ...{ kind: "RNNCell", inputSize: 2, hiddenSize: 3, bias: false },
      ...{ assumed: ['nonlinearity "tanh"'], parameters: 15, multiplyAdds: 15 },
    });
    const linear = { kind: "Linear", inputSize: 3, hiddenSize: 2, multiplyAdds: 6 } as const;
    const [weight, bias] = [{ shape: [2, 3] }, { shape: [2] }];
    is({ weight, bias }, { ...linear, parameters: 8, assumed: [] });
    is({ weight }, {
      ...{ ...linear, bias: false, parameters: 6 },
      assumed: ["Linear without bias rather than Embedding"],
    });
    const norm = { kind: "LayerNorm", inputSize: 2, hiddenSize: 2, multiplyAdds: 2 } as const;
    is({ weight: bias, bias }, { ...norm, parameters: 4, assumed: ["eps 1e-05"] });
    is({ weight: bias }, { ...norm, bias: false, parameters: 2, assumed: ["eps 1e-05"] });
    is({ "emb.weight": weight }, {
      ...{ kind: "Embedding", inputSize: 2, hiddenSize: 3, prefix: "emb.", bias: false },
      ...{ parameters: 6, multiplyAdds: 0, assumed: ["Embedding rather than Linear without bias"] },
    });
  });

  fact(["CKPT-10"], "a table has its name, or columns that a module behind it reads", () => {
    const kinds = (state: Shapes) => detectModules(state).modules.map(({ kind }) => kind);
    const weight = { shape: [9, 3] };
    const names = ["emb.weight", "a.Embed_2.weight", "tok.weight", "x_word.weight", "char.weight"];
    for (const name of names) {
      assertEquals([name, ...kinds({ [name]: weight })], [name, "Embedding"]);
    }
    for (const name of ["member.weight", "fc.weight", "emb.fc.weight", "weight"]) {
      assertEquals([name, ...kinds({ [name]: weight })], [name, "Linear"]);
    }
    assertEquals(kinds({ "emb.weight": weight, "emb.bias": { shape: [9] } }), ["Linear"]);
    assertEquals(kinds({ "emb.weight": { shape: [9] } }), ["LayerNorm"]);
    const rnn = (inputs: number, cell = false) =>
      parameters(1, [inputs, 2], { cell, prefix: "rnn." });
    assertEquals(kinds({ "x.weight": weight, ...rnn(3) }), ["Embedding", "RNN"]);
    assertEquals(kinds({ "x.weight": weight, ...rnn(3, true) }), ["Embedding", "RNNCell"]);
    assertEquals(kinds({ ...rnn(3), "x.weight": weight }), ["RNN", "Linear"]);
    assertEquals(kinds({ "x.weight": weight, ...rnn(9) }), ["Linear", "RNN"]);
    assertEquals(kinds({ "x.weight": { shape: [3, 3] }, ...rnn(3) }), ["Linear", "RNN"]);
    assertEquals(kinds({ "x.weight": weight, "x.bias": { shape: [9] }, ...rnn(3) }), [
      ...["Linear", "RNN"],
    ]);
    const behind = { "y.weight": { shape: [2, 3] }, "y.bias": { shape: [2] } };
    assertEquals(kinds({ "x.weight": weight, ...behind }), ["Linear", "Linear"]);
  });

  fact(["CKPT-10"], "what belongs to no module is said, in its order", () => {
    const state: Shapes = {
      ...{ "a.weight": { shape: [2, 3, 4] }, "a.bias": { shape: [2] } },
      ...{ "b.weight": { shape: [2, 3] }, "b.bias": { shape: [3] } },
      ...{ "c.bias": { shape: [3] }, "d.running_mean": { shape: [2] } },
      ...{ "d.weight": { shape: [2] }, "d.bias": { shape: [2] } },
      ...{ "e.weight": { shape: [2] }, "e.bias": { shape: [3] } },
      ...{ "f.weight": { shape: [] }, "weights": { shape: [1] }, "d.f.weight": { shape: [1] } },
      ...{ "g.other": { shape: [1] }, "g.weight": { shape: [2, 3] } },
    };
    const { modules, others } = detectModules(state);
    assertEquals(modules.map(({ prefix, kind }) => prefix + kind), ["d.f.LayerNorm", "g.Linear"]);
    assertEquals(others, [
      ...["d.running_mean", "weights", "g.other", "a.weight", "a.bias", "b.weight", "b.bias"],
      ...["c.bias", "d.weight", "d.bias", "e.weight", "e.bias", "f.weight"],
    ]);
    assertEquals(detectModules({}), { modules: [], others: [] });
    const line = parameters(1, [2, 2], { prefix: "a\nb." });
    assertEquals(detectModules(line).modules.map(({ prefix }) => prefix), ["a\nb."]);
    // A cell, layers and a Linear under one name are three.
    const three = {
      ...{ ...parameters(1, [2, 2], { cell: true }), ...parameters(3, [2, 2]) },
      weight: { shape: [1, 2] },
    };
    assertEquals(detectModules(three).modules.map(({ kind }) => kind), [
      ...["RNNCell", "GRU", "Linear"],
    ]);
  });

  fact(["CKPT-10"], "recurrent parameters that do not fit together are refused by name", () => {
    const refuse = (state: Shapes, why: string, where = "") =>
      assertThrows(
        () => detectModules(state),
        CheckpointError,
        `the parameters${where} fit no module: ${why}`,
      );
    const base = parameters(4, [3, 2], { layers: 2, both: true });
    const without = (name: string, state = base) => {
      const { [name]: _, ...rest } = state;
      return rest;
    };
    const withShape = (name: string, ...shape: number[]) => ({ ...base, [name]: { shape } });
    refuse(without("weight_hh_l0"), "weight_hh_l0 is missing");
    refuse(without("weight_ih_l0"), "weight_ih_l0 is missing");
    refuse(without("bias_hh_l1_reverse"), "bias_hh_l1_reverse is missing");
    refuse(without("weight_ih_l0_reverse"), "weight_ih_l1 has shape (8, 4) where (8, 2) is wanted");
    refuse(withShape("weight_hh_l0", 8), "weight_hh_l0 is no matrix");
    refuse(withShape("weight_hh_l0", 8, 2, 1), "weight_hh_l0 is no matrix");
    refuse(withShape("weight_hh_l0", 8, 0), "weight_hh_l0 is no matrix");
    refuse(withShape("weight_hh_l0", 0, 2), "weight_hh_l0 is no matrix");
    refuse(withShape("weight_ih_l0", 8, 0), "weight_ih_l0 is no matrix");
    refuse(
      withShape("weight_hh_l0", 10, 2),
      "weight_hh_l0 has 10 rows for 2 units: neither 1, 3 nor 4 gates",
    );
    refuse(withShape("weight_ih_l1", 8, 3), "weight_ih_l1 has shape (8, 3) where (8, 4) is wanted");
    refuse(withShape("bias_ih_l0", 9), "bias_ih_l0 has shape (9) where (8) is wanted");
    refuse(withShape("weight_ih_l3", 8, 4), "weight_ih_l3 is one too many");
    refuse(without("bias_ih_l0"), "bias_hh_l0 is one too many");
    refuse(parameters(1, [3, 5], { proj: 2 }), "weight_hr_l0 is no projection of an LSTM");
    refuse(parameters(4, [3, 2], { proj: 2 }), "weight_hr_l0 is no projection of an LSTM");
    refuse(parameters(4, [3, 2], { proj: 3 }), "weight_hr_l0 is no projection of an LSTM");
    refuse(
      without("x.weight_hh", parameters(1, [3, 2], { cell: true, prefix: "x." })),
      "weight_hh is missing",
      ' under "x."',
    );
    refuse(
      { ...parameters(1, [3, 2], { cell: true }), weight_hr: { shape: [1, 2] } },
      "weight_hr is one too many",
    );
  });

  fact(["CKPT-10"], "a model has its weights, and what was assumed and not told", () => {
    const lstm = new LSTM(3, 4, { numLayers: 2, dtype: "float64" });
    const { model, assumed } = modelFromStateDict(lstm.stateDict());
    assertEquals(String(model), "LSTM(3, 4, num_layers=2)");
    assertEquals(assumed, ["batch_first False", "dropout 0"]);
    assertEquals(model.training, false);
    assertEquals(model.stateDict(), lstm.stateDict());
    const state = new RNN(3, 4, { numLayers: 2 }).stateDict();
    const told = { nonlinearity: "relu", batchFirst: false, dropout: 0 } as const;
    assertEquals(modelFromStateDict(state, told).assumed, []);
    assertEquals(modelFromStateDict(state, { batchFirst: true }).assumed, [
      ...['nonlinearity "tanh"', "dropout 0"],
    ]);
    const simple = new SimpleRNN(2, 5, 3);
    const found = modelFromStateDict(simple.stateDict());
    assertEquals(String(found.model), String(simple));
    assertEquals(found.assumed, ["SimpleRNN, which is batch first and tanh"]);
    assertEquals([found.model.training, found.model.stateDict()], [false, simple.stateDict()]);
    assertEquals(found.model instanceof SimpleRNN, true);
  });

  fact(["CKPT-10"], "an option that the module does not take is refused by name", () => {
    const refuse = (state: StateDict, options: object, kind: string, name: string) =>
      assertThrows(
        () => modelFromStateDict(state, options),
        TypeError,
        `the module is a ${kind}, which takes no ${name}`,
      );
    const linear = new Linear(2, 3).stateDict();
    refuse(linear, { dropout: 0 }, "Linear", "dropout");
    refuse(new GRU(2, 3).stateDict(), { nonlinearity: "tanh" }, "GRU", "nonlinearity");
    refuse(new SimpleRNN(2, 3, 1).stateDict(), { batchFirst: true }, "SimpleRNN", "batchFirst");
    assertEquals(
      String(modelFromStateDict(linear, { dropout: undefined }).model).slice(0, 6),
      "Linear",
    );
    const [norm] = detectModules({ weight: { shape: [2] } }).modules;
    assertEquals(constructModule(norm).stateDict().weight.dtype, "float32");
    assertEquals(Object.keys(constructModule(norm).stateDict()), ["weight"]);
    assertThrows(() => constructModule(norm, { batchFirst: true }), TypeError, "LayerNorm, which");
  });

  fact(["CKPT-10"], "what is not one module is refused, with what was found", () => {
    const refuse = (state: Shapes, why: string) =>
      assertThrows(
        () => modelFromStateDict(tensors(state)),
        CheckpointError,
        `the state_dict is not that of one module: ${why}`,
      );
    refuse({}, "it is empty");
    const message = (state: Shapes) =>
      assertThrows(() => modelFromStateDict(tensors(state)), CheckpointError).message;
    const said = "the state_dict is not that of one module: ";
    assertEquals(message({}), `${said}it is empty`);
    const select = "; selectPrefix takes the weights of one";
    const fc = (inputs: number, outputs = 1, prefix = "fc."): Shapes => ({
      [`${prefix}weight`]: { shape: [outputs, inputs] },
      [`${prefix}bias`]: { shape: [outputs] },
    });
    const rnn = (more = {}) => parameters(1, [2, 3], { prefix: "rnn.", ...more });
    const both = 'RNN under "rnn.", Linear under "fc."' + select;
    assertEquals(message({ ...rnn(), ...fc(4) }), said + both);
    assertEquals(message({ ...rnn(), ...fc(3, 2) }), said + both);
    assertEquals(message({ ...rnn({ both: true }), ...fc(3) }), said + both);
    assertEquals(message({ ...rnn({ bias: false }), ...fc(3) }), said + both);
    assertEquals(
      message({ ...rnn(), "fc.weight": { shape: [1, 3] } }),
      `${said}RNN under "rnn.", Linear under "fc."${select}`,
    );
    assertEquals(
      message({ ...fc(3), ...rnn() }),
      `${said}Linear under "fc.", RNN under "rnn."${select}`,
    );
    const other = rnn({ prefix: "x." });
    assertEquals(
      message({ ...other, ...fc(3) }),
      `${said}RNN under "x.", Linear under "fc."${select}`,
    );
    assertEquals(
      message({ ...rnn(), ...fc(3, 1, "out.") }),
      `${said}RNN under "rnn.", Linear under "out."${select}`,
    );
    const gru = parameters(3, [2, 3], { prefix: "rnn." });
    assertEquals(
      message({ ...gru, ...fc(3) }),
      `${said}GRU under "rnn.", Linear under "fc."${select}`,
    );
    assertEquals(
      message({ ...rnn(), "fc.weight": { shape: [3] }, "fc.bias": { shape: [3] } }),
      `${said}RNN under "rnn.", LayerNorm under "fc."${select}`,
    );
    const odd = (count: number) =>
      Object.fromEntries(
        ["a", "b", "c", "d", "e", "f"].slice(0, count).map((name) => [
          ...[name, { shape: [1] }],
        ]),
      ) as Shapes;
    assertEquals(message(odd(1)), `${said}"a"`);
    assertEquals(message(odd(4)), `${said}"a", "b", "c", "d"`);
    assertEquals(message(odd(5)), `${said}"a", "b", "c", "d", 1 more`);
    assertEquals(message(odd(6)), `${said}"a", "b", "c", "d", 2 more`);
    assertEquals(
      message({ ...rnn(), ...fc(3), ...odd(1) }),
      `${said}RNN under "rnn.", Linear under "fc.", "a"${select}`,
    );
    assertEquals(message({ ...parameters(1, [2, 3]), ...odd(1) }), `${said}RNN, "a"${select}`);
    assertEquals(message(rnn()), `${said}RNN under "rnn."${select}`);
  });
});
