/** The weights in other frameworks' layouts (LAYOUT): round trips, equations, refusals. */

import { assert, assertEquals, assertThrows } from "@std/assert";
import fc from "fast-check";
import {
  add,
  cat,
  chunk,
  fromKeras,
  fromOnnx,
  fromWebnn,
  GRU,
  indexSelect,
  linear,
  LSTM,
  manualSeed,
  type Module,
  mul,
  narrow,
  noGrad,
  ones,
  randn,
  reshape,
  RNN,
  select,
  sigmoid,
  type State,
  type StateDict,
  sub,
  tanh,
  type Tensor,
  toKeras,
  toOnnx,
  toWebnn,
  transpose,
  ValueError,
  zeros,
} from "../../mod.ts";
import { assertAllBitwise, assertClose } from "./alike.ts";
import { build, type Config, configs, inputOf, run, stateOf, tame } from "./arbitrary.ts";
import { describe, fact, law } from "./law.ts";

const plain = { projSize: fc.constant(0) } as const;
const weights = (c: Config) => build(c).stateDict();

function assertSame(given: StateDict, wanted: StateDict): void {
  assertEquals(Object.keys(given), Object.keys(wanted));
  assertAllBitwise(Object.values(given), Object.values(wanted));
}

/** One step from (N, H_in), weights with gates below each other, by the letters of their order. */
interface Stacked {
  order: string;
  w: Tensor;
  r: Tensor;
  wb: Tensor;
  rb: Tensor;
}

/** The equations of the LSTM and of the GRU with linear_before_reset, as all three define them. */
function stacked(x: Tensor, [h, c]: State, { order, w, r, wb, rb }: Stacked): State {
  const names = [...order];
  const fromInput = chunk(linear(x, w, wb), names.length, -1);
  const fromState = chunk(linear(h, r, rb), names.length, -1);
  const pick = (parts: Tensor[], gate: string) => parts[names.indexOf(gate)];
  const sum = (gate: string) => add(pick(fromInput, gate), pick(fromState, gate));
  if (names.length === 1) return [tanh(sum("h"))];
  if (names.length === 3) {
    const z = sigmoid(sum("z"));
    const n = tanh(add(pick(fromInput, "n"), mul(sigmoid(sum("r")), pick(fromState, "n"))));
    return [add(mul(sub(1, z), n), mul(z, h))];
  }
  const c1 = add(mul(sigmoid(sum("f")), c), mul(sigmoid(sum("i")), tanh(sum("g"))));
  return [mul(sigmoid(sum("o")), tanh(c1)), c1];
}

const single = {
  ...tame,
  ...plain,
  kind: fc.constantFrom("RNN tanh" as const, "LSTM" as const, "GRU" as const),
  numLayers: fc.constant(1),
  bidirectional: fc.constant(false),
  bias: fc.constant(true),
  length: fc.constant(1),
  batchFirst: fc.constant(false),
};

/** Holds a step in a layout against a sequence of one step in PyTorch's. */
function checkStep(c: Config, parts: Stacked): void {
  const state = stateOf(c);
  const before = state.map((part) => select(part, 0, 0));
  const after = noGrad(() => stacked(select(inputOf(c), 0, 0), before, parts));
  const [, wanted] = run(build(c), inputOf(c), state);
  after.forEach((part, k) => assertClose(part, select(wanted[k], 0, 0)));
}

describe("layouts", () => {
  law(
    ["LAYOUT-1", "LAYOUT-2"],
    "a state_dict comes back from ONNX bit for bit",
    configs(plain),
    (c) => assertSame(fromOnnx(toOnnx(weights(c))), weights(c)),
  );

  law(
    ["LAYOUT-2"],
    "ONNX's equations on W, R and B give what PyTorch computes",
    configs(single),
    (c) => {
      const [{ W, R, B }] = toOnnx(weights(c));
      const order = { "RNN tanh": "h", "RNN relu": "h", LSTM: "iofg", GRU: "zrn" }[c.kind];
      const [wb, rb] = chunk(select(B!, 0, 0), 2, 0);
      checkStep(c, { order, w: select(W, 0, 0), r: select(R, 0, 0), wb, rb });
    },
  );

  law(
    ["LAYOUT-1", "LAYOUT-3", "LAYOUT-4"],
    "a state_dict comes back from Keras: a GRU bit for bit, others with one bias for two",
    configs(plain),
    (c) => {
      const wanted = weights(c);
      if (c.kind !== "GRU" && c.bias) {
        for (const name of Object.keys(wanted).filter((name) => name.startsWith("bias_ih"))) {
          const other = name.replace("ih", "hh");
          wanted[name] = noGrad(() => add(wanted[name], wanted[other]));
          wanted[other] = zeros(wanted[other].shape, { dtype: c.dtype });
        }
      }
      assertSame(fromKeras(toKeras(weights(c))), wanted);
      // From there on nothing more is lost.
      assertSame(fromKeras(toKeras(wanted)), wanted);
    },
  );

  law(
    ["LAYOUT-3", "LAYOUT-4"],
    "Keras' equations on kernel, recurrent_kernel and bias give what PyTorch computes",
    configs(single),
    (c) => {
      const [[{ kernel, recurrentKernel, bias }]] = toKeras(weights(c));
      const order = { "RNN tanh": "h", "RNN relu": "h", LSTM: "ifgo", GRU: "zrn" }[c.kind];
      const both = bias!.dim() === 2;
      const wb = both ? select(bias!, 0, 0) : bias!;
      const rb = both ? select(bias!, 0, 1) : zeros(bias!.shape, { dtype: c.dtype });
      const [w, r] = [transpose(kernel, 0, 1), transpose(recurrentKernel, 0, 1)];
      checkStep(c, { order, w, r, wb, rb });
    },
  );

  const gated = fc.constantFrom("LSTM" as const, "GRU" as const);
  const layouts = { LSTM: ["iofg", "ifgo"], GRU: ["zrn", "rzn"] } as const;

  law(
    ["LAYOUT-1", "LAYOUT-5"],
    "a state_dict comes back from WebNN bit for bit, in either order of gates",
    fc.tuple(configs({ ...plain, kind: gated }), fc.nat(1)),
    ([c, which]) => {
      const layout = layouts[c.kind as "LSTM" | "GRU"][which];
      assertSame(fromWebnn(toWebnn(weights(c), { layout })), weights(c));
    },
  );

  law(
    ["LAYOUT-5"],
    "WebNN's equations on its operands give what PyTorch computes",
    fc.tuple(configs({ ...single, kind: gated }), fc.nat(1)),
    ([c, which]) => {
      const layout = layouts[c.kind as "LSTM" | "GRU"][which];
      const [layer] = toWebnn(weights(c), { layout });
      const [w, r] = [layer.weight, layer.recurrentWeight].map((x) => select(x, 0, 0));
      const [wb, rb] = [layer.bias!, layer.recurrentBias!].map((x) => select(x, 0, 0));
      checkStep(c, { order: layout, w, r, wb, rb });
    },
  );

  law(
    ["LAYOUT-2", "LAYOUT-5"],
    "WebNN's default orders are ONNX's; ONNX's B is WebNN's two biases",
    configs({ ...plain, kind: gated }),
    (c) => {
      const webnn = toWebnn(weights(c));
      toOnnx(weights(c)).forEach(({ W, R, B }, k) => {
        const { weight, recurrentWeight, bias, recurrentBias } = webnn[k];
        assertAllBitwise([W, R], [weight, recurrentWeight]);
        if (B) assertAllBitwise([B], [cat([bias!, recurrentBias!], 1)]);
      });
    },
  );

  law(
    ["LAYOUT-1", "LAYOUT-6"],
    "a direction that a layer lacks beside others is one of zeros: the function stays",
    fc.record({
      kind: fc.constantFrom("RNN" as const, "LSTM" as const, "GRU" as const),
      reverse: fc.array(fc.boolean(), { minLength: 1, maxLength: 3 }),
      bias: fc.boolean(),
      webnn: fc.boolean(),
      seed: fc.nat(),
    }),
    ({ kind, reverse, bias, webnn, seed }) => {
      manualSeed(seed);
      const make = (size: number, options: object) =>
        kind === "RNN"
          ? new RNN(size, 4, options)
          : kind === "LSTM"
          ? new LSTM(size, 4, options)
          : new GRU(size, 4, options);
      const single = reverse.map((_, k) => make(k === 0 ? 3 : 4, { bias }));
      const through = webnn && kind !== "RNN";
      const state = through
        ? fromWebnn(single.flatMap((layer, k) =>
          toWebnn(layer.stateDict()).map((operands) => ({
            ...operands,
            direction: reverse[k] ? "backward" as const : "forward" as const,
          }))
        ))
        : fromOnnx(single.flatMap((layer, k) =>
          toOnnx(layer.stateDict()).map((node) => ({
            ...node,
            direction: reverse[k] ? "reverse" as const : "forward" as const,
          }))
        ));
      const both = reverse.includes(true);
      const stacked = make(3, { bias, numLayers: reverse.length, bidirectional: both });
      stacked.loadStateDict(state);
      const x = randn([5, 2, 3]);
      const turned = (y: Tensor, turn: boolean) => turn ? indexSelect(y, 0, [4, 3, 2, 1, 0]) : y;
      noGrad(() => {
        const wanted = single.reduce((y, layer, k) => {
          const [output] = (layer as RNN).forward(turned(y, reverse[k]));
          return turned(output, reverse[k]);
        }, x);
        const [output] = (stacked as RNN).forward(x);
        if (!both) return assertClose(output, wanted);
        const last = reverse.at(-1);
        assertClose(narrow(output, 2, last ? 4 : 0, 4), wanted);
        assertAllBitwise([narrow(output, 2, last ? 0 : 4, 4)], [zeros([5, 2, 4])]);
      });
    },
  );

  fact(
    ["LAYOUT-6"],
    "what a layer would have had dropped is refused, or taken where it is nothing",
    () => {
      const refuses = (what: () => unknown, why: string, type: new () => Error = ValueError) =>
        assertThrows(what, type, why);
      const state = (layer: Module) => layer.stateDict();
      const [lstm] = toOnnx(state(new LSTM(3, 4)));
      const [gru] = toOnnx(state(new GRU(3, 4, { bidirectional: true })));
      const [rnn] = toOnnx(state(new RNN(3, 4)));
      const sigmoids = ["HardSigmoid", "Tanh", "Tanh"];
      refuses(() => fromOnnx([{ ...lstm, activations: sigmoids }]), "not hardsigmoid, tanh, tanh");
      refuses(
        () => fromOnnx([{ ...gru, activations: ["Sigmoid", "Tanh"] }]),
        "sigmoid, tanh, sigmoid",
      );
      refuses(() => fromOnnx([{ ...lstm, clip: 3 }]), "nothing like the attribute clip");
      refuses(() => fromOnnx([{ ...lstm, inputForget: 1 }]), "the attribute input_forget");
      refuses(() => fromOnnx([{ ...lstm, layout: 1 }]), "the attribute layout");
      refuses(() => fromOnnx([{ ...lstm, activationAlpha: [0.2] }]), "activation_alpha");
      refuses(() => fromOnnx([{ ...lstm, activationBeta: [0.2] }]), "activation_beta");
      refuses(() => fromOnnx([{ ...lstm, P: ones([1, 12]) }]), "LSTM has no peepholes");
      refuses(
        () => fromOnnx([{ ...lstm, P: zeros([1, 9]) }]),
        "the peepholes has the shape (1, 9)",
      );
      refuses(
        () => fromOnnx([{ ...lstm, direction: "up" as never }]),
        "forward, reverse, bidirectional",
      );
      refuses(() => fromOnnx([{ ...lstm, hidden_size: 4 } as never]), "hiddenSize", TypeError);
      refuses(() => fromOnnx([lstm], { nonlinearity: "relu" }), "a nonlinearity is an RNN's");
      refuses(
        () => fromOnnx([{ ...rnn, activations: ["Relu"] }]),
        '{ nonlinearity: "relu" } takes',
      );
      refuses(() => fromOnnx([rnn], { nonlinearity: "relu" }), '{ nonlinearity: "tanh" } takes');
      const harmless = { P: zeros([1, 12]), clip: null, inputForget: 0, layout: 0 } as const;
      const own = ["Sigmoid", "Tanh", "Tanh"];
      assertEquals(fromOnnx([{ ...lstm, ...harmless, activations: own }]), fromOnnx([lstm]));
      const relu = fromOnnx([{ ...rnn, activations: ["Relu"] }], { nonlinearity: "relu" });
      assertEquals(relu, fromOnnx([rnn]));

      const [[cell]] = toKeras(state(new LSTM(3, 4)));
      const [[simple]] = toKeras(state(new RNN(3, 4)));
      refuses(
        () => fromKeras([[{ ...cell, recurrentActivation: "hard_sigmoid" }]]),
        "hard_sigmoid",
      );
      refuses(() => fromKeras([[{ ...cell, activation: "relu" }]]), "not sigmoid, relu, relu");
      refuses(
        () => fromKeras([[{ ...simple, activation: "relu" }]]),
        '{ nonlinearity: "relu" } takes',
      );
      refuses(
        () => fromKeras([[{ ...simple, recurrentActivation: "sigmoid" }]]),
        "SimpleRNN has no",
      );
      refuses(() => fromKeras([[{ ...cell, dropout: 0.5 } as never]]), "dropout", TypeError);
      const told = { activation: "tanh", recurrentActivation: "sigmoid" };
      assertEquals(fromKeras([[{ ...cell, ...told }]]), fromKeras([[cell]]));
      const rectified = fromKeras([[{ ...simple, activation: "relu" }]], { nonlinearity: "relu" });
      assertEquals(rectified, fromKeras([[simple]]));

      const [operands] = toWebnn(state(new LSTM(3, 4)));
      const other = ["relu", "tanh", "tanh"];
      refuses(() => fromWebnn([{ ...operands, activations: other }]), "not relu, tanh, tanh");
      refuses(() => fromWebnn([{ ...operands, peepholeWeight: ones([1, 12]) }]), "no peepholes");
      refuses(
        () => fromWebnn([{ ...operands, direction: "down" as never }]),
        "forward, backward, both",
      );
      const none = { peepholeWeight: zeros([1, 12]), activations: ["sigmoid", "tanh", "tanh"] };
      assertEquals(fromWebnn([{ ...operands, ...none }]), fromWebnn([operands]));
    },
  );

  fact(["LAYOUT-6"], "what a layout cannot express is refused", () => {
    const projected = new LSTM(3, 4, { projSize: 2 }).stateDict();
    for (const write of [toOnnx, toKeras, toWebnn]) {
      assertThrows(() => write(projected), ValueError, "projection");
      assertThrows(() => write({}), ValueError, "no matrix weight_hh_l0");
    }
    const config: Config = {
      ...{ kind: "GRU", inputSize: 3, hiddenSize: 4, numLayers: 1, bias: true, batchFirst: false },
      ...{ bidirectional: false, projSize: 0, dtype: "float32", batch: 1, length: 1, seed: 0 },
      ...{ scale: 1, extreme: null },
    };
    const gru = weights(config);
    const refuses = (what: () => unknown, why: string) => assertThrows(what, ValueError, why);
    const [node] = toOnnx(gru);
    refuses(() => fromOnnx([{ ...node, linearBeforeReset: 0 }]), "linear_before_reset=0");
    refuses(() => fromOnnx([{ ...node, P: zeros([1, 12]) }]), "peepholes");
    refuses(() => fromOnnx([{ ...node, hiddenSize: 5 }]), "wanted (1, 15, 3)");
    const [[layer]] = toKeras(gru);
    refuses(() => fromKeras([[{ ...layer, resetAfter: false }]]), "reset_after=False");
    const before = {
      ...layer,
      resetAfter: undefined,
      bias: reshape(select(layer.bias!, 0, 0), [12]),
    };
    refuses(() => fromKeras([[before]]), "reset_after=False");
    refuses(() => fromKeras([[{ ...layer, goBackwards: true }]]), "reads forward");
    const [operands] = toWebnn(gru);
    refuses(() => fromWebnn([{ ...operands, resetAfter: false }]), "resetAfter=false");
    refuses(() => toWebnn(gru, { layout: "ifgo" }), "zrn or rzn");
    refuses(() => toWebnn(weights({ ...config, kind: "RNN tanh" })), "no method for an RNN");
    const { weight_ih_l0, ...rest } = gru;
    refuses(() => toOnnx(rest), "unexpected");
    refuses(
      () => toOnnx({ ...gru, weight_ih_l0: transpose(weight_ih_l0, 0, 1) }),
      "wanted (12, 12)",
    );
    assert(fromOnnx([{ ...node, B: null }]).bias_ih_l0 === undefined);
  });
});
