/** Whole answers of the layouts (LAYOUT), number by number, and the whole message of each refusal. */

import { assertEquals, assertThrows } from "@std/assert";
import {
  fromKeras,
  fromOnnx,
  fromWebnn,
  GRU,
  type KerasLayer,
  LSTM,
  type OnnxLayer,
  reshape,
  RNN,
  type StateDict,
  tensor,
  toKeras,
  toOnnx,
  toWebnn,
  ValueError,
  type WebnnLayer,
  zeros,
} from "../../mod.ts";
import { describe, fact } from "./law.ts";

/** A state_dict whose numbers count up, each parameter from another hundred. */
function counted(layer: { stateDict(): StateDict }): StateDict {
  return Object.fromEntries(
    Object.entries(layer.stateDict()).map(([name, x], k) => [
      name,
      reshape(tensor(Array.from(x.data, (_, i) => 100 * (k + 1) + i)), x.shape),
    ]),
  );
}

/** Tensors as their shape and numbers. */
const written = (value: object) =>
  JSON.parse(
    JSON.stringify(value, (_, x) =>
      x && typeof x === "object" && "data" in x && "shape" in x
        ? [x.shape.join("x"), ...x.data].join(" ")
        : x),
  );
const size = [1, 1] as const;
const both = { bidirectional: true };
const refuses = (what: () => unknown, message: string) => {
  assertEquals(assertThrows(what, ValueError).message, message);
};

describe("layouts, exactly", () => {
  fact(["LAYOUT-2"], "an ONNX node in full", () => {
    assertEquals(written(toOnnx(counted(new GRU(...size, both)))), [{
      ...{ opType: "GRU", direction: "bidirectional", hiddenSize: 1, linearBeforeReset: 1 },
      ...{ W: "2x3x1 101 100 102 501 500 502", R: "2x3x1 201 200 202 601 600 602" },
      B: "2x6 301 300 302 401 400 402 701 700 702 801 800 802",
    }]);
    assertEquals(written(toOnnx(counted(new LSTM(...size, { bias: false })))), [{
      ...{ opType: "LSTM", direction: "forward", hiddenSize: 1, B: null },
      ...{ W: "1x4x1 100 103 101 102", R: "1x4x1 200 203 201 202" },
    }]);
  });

  fact(["LAYOUT-3", "LAYOUT-4"], "a Keras layer in full", () => {
    assertEquals(written(toKeras(counted(new GRU(...size, both)))), [[
      {
        ...{ className: "GRU", goBackwards: false, units: 1, resetAfter: true },
        ...{ kernel: "1x3 101 100 102", recurrentKernel: "1x3 201 200 202" },
        bias: "2x3 301 300 302 401 400 402",
      },
      {
        ...{ className: "GRU", goBackwards: true, units: 1, resetAfter: true },
        ...{ kernel: "1x3 501 500 502", recurrentKernel: "1x3 601 600 602" },
        bias: "2x3 701 700 702 801 800 802",
      },
    ]]);
    assertEquals(written(toKeras(counted(new LSTM(2, 1)))), [[{
      ...{ className: "LSTM", goBackwards: false, units: 1, bias: "4 700 702 704 706" },
      ...{ kernel: "2x4 100 102 104 106 101 103 105 107", recurrentKernel: "1x4 200 201 202 203" },
    }]]);
    assertEquals(written(toKeras(counted(new RNN(...size, { bias: false })))), [[{
      ...{ className: "SimpleRNN", goBackwards: false, units: 1, bias: null },
      ...{ kernel: "1x1 100", recurrentKernel: "1x1 200" },
    }]]);
  });

  fact(["LAYOUT-5"], "WebNN's operands in full", () => {
    assertEquals(written(toWebnn(counted(new GRU(...size)))), [{
      ...{ op: "gru", direction: "forward", hiddenSize: 1, layout: "zrn", resetAfter: true },
      ...{ weight: "1x3x1 101 100 102", recurrentWeight: "1x3x1 201 200 202" },
      ...{ bias: "1x3 301 300 302", recurrentBias: "1x3 401 400 402" },
    }]);
    assertEquals(written(toWebnn(counted(new LSTM(...size, { ...both, bias: false })))), [{
      ...{ op: "lstm", direction: "both", hiddenSize: 1, layout: "iofg" },
      ...{ weight: "2x4x1 100 103 101 102 300 303 301 302", bias: null, recurrentBias: null },
      recurrentWeight: "2x4x1 200 203 201 202 400 403 401 402",
    }]);
  });

  fact(["LAYOUT-1", "LAYOUT-6"], "where some biases are there, the others are zeros", () => {
    const [with_, without] = [true, false].map((bias) => counted(new GRU(...size, { bias })));
    const zero = "3 0 0 0";
    const wanted = {
      ...{ weight_ih_l0: "3x1 100 101 102", weight_hh_l0: "3x1 200 201 202" },
      ...{ bias_ih_l0: zero, bias_hh_l0: zero },
      ...{ weight_ih_l1: "3x1 100 101 102", weight_hh_l1: "3x1 200 201 202" },
      ...{ bias_ih_l1: "3 300 301 302", bias_hh_l1: "3 400 401 402" },
    };
    const states = [without, with_];
    assertEquals(written(fromOnnx(states.flatMap((x) => toOnnx(x)))), wanted);
    assertEquals(written(fromKeras(states.flatMap((x) => toKeras(x)))), wanted);
    const webnn = states.flatMap((x) => toWebnn(x));
    assertEquals(written(fromWebnn(webnn)), wanted);
    const halves = [{ ...webnn[0], bias: webnn[1].bias }, { ...webnn[1], bias: null }];
    assertEquals(written(fromWebnn(halves)), {
      ...wanted,
      ...{ bias_ih_l0: "3 300 301 302", bias_ih_l1: zero },
    });
    const [[keras], [other]] = states.map((x) => toKeras(x)[0]);
    const two = [[{ ...other }, { ...keras, goBackwards: true }]];
    const found = written(fromKeras(two));
    assertEquals([found.bias_ih_l0, found.bias_hh_l0_reverse], ["3 300 301 302", zero]);
    // What a GRU is without the word is PyTorch's.
    for (const resetAfter of [undefined, true]) {
      const { resetAfter: _, ...bare } = other;
      const told = resetAfter ? { resetAfter } : {};
      assertEquals(written(fromKeras([[{ ...bare, ...told }]])), written(with_));
      const { resetAfter: __, ...operands } = webnn[1];
      assertEquals(written(fromWebnn([{ ...operands, ...told }])), written(with_));
    }
  });

  fact(["LAYOUT-6"], "each refusal of a state_dict in full", () => {
    const state = counted(new LSTM(2, 1, { numLayers: 2, ...both }));
    const { weight_hh_l0: _, ...headless } = state;
    const none = "the state_dict has no matrix weight_hh_l0: not of an RNN, LSTM or GRU";
    refuses(() => toOnnx(headless), none);
    refuses(() => toOnnx({ ...state, weight_hh_l0: zeros([4]) }), none);
    refuses(
      () => toOnnx({ ...state, weight_hh_l0: zeros([4, 2]) }),
      "weight_hh_l0 of shape (4, 2) has neither 1, 3 nor 4 gates",
    );
    refuses(
      () => toKeras({ ...state, x: zeros([1]), y: zeros([1]) }),
      "unexpected in the state_dict: x, y",
    );
    const { bias_hh_l1: __, ...short } = state;
    refuses(() => toOnnx(short), "bias_hh_l1 is missing");
    const { bias_ih_l0: ___, ...unbiased } = state;
    refuses(
      () => toOnnx(unbiased),
      "unexpected in the state_dict: bias_hh_l0, bias_ih_l0_reverse, bias_hh_l0_reverse, " +
        "bias_ih_l1, bias_hh_l1, bias_ih_l1_reverse, bias_hh_l1_reverse",
    );
    refuses(
      () => toOnnx({ ...state, weight_ih_l1: zeros([4, 1]) }),
      "weight_ih_l1 has the shape (4, 1), wanted (4, 2)",
    );
    refuses(
      () => toWebnn(counted(new LSTM(2, 3, { projSize: 2 }))),
      "a projection (proj_size) cannot be expressed in this layout, but the state_dict has weight_hr_l0",
    );
    refuses(
      () => toWebnn(counted(new RNN(...size))),
      "WebNN has no method for an RNN, only lstm and gru",
    );
    refuses(
      () => toWebnn(state, { layout: "zrn" }),
      "WebNN's lstm has no layout zrn: iofg or ifgo",
    );
  });

  fact(["LAYOUT-6"], "each refusal of a node in full", () => {
    const [lstm] = toOnnx(counted(new LSTM(...size, both)));
    const [gru] = toOnnx(counted(new GRU(...size)));
    const [rnn] = toOnnx(counted(new RNN(...size)));
    const node = (own: OnnxLayer, message: string, options = {}) =>
      refuses(() => fromOnnx([own], options), message);
    node({ ...lstm, opType: "toString" as never }, "PyTorch has no layer for toString");
    node(
      { ...gru, linearBeforeReset: undefined },
      "a GRU with linear_before_reset=0 applies the reset gate before the product: PyTorch has none",
    );
    for (
      const [key, name] of [["clip", "clip"], ["inputForget", "input_forget"], ["layout", "layout"]]
    ) {
      node({ ...lstm, [key]: 1 }, `PyTorch's LSTM has nothing like the attribute ${name}`);
    }
    const six = ["Sigmoid", "Tanh", "Tanh", "Sigmoid", "Tanh", "Tanh"];
    const whole = {
      ...lstm,
      activations: six,
      clip: null,
      activationAlpha: [],
      activationBeta: [],
    };
    assertEquals(fromOnnx([whole]), fromOnnx([lstm]));
    node(
      { ...lstm, activations: ["Relu", "Tanh", "Tanh"] },
      "PyTorch's LSTM has the activations sigmoid, tanh, tanh, sigmoid, tanh, tanh, not relu, tanh, tanh",
    );
    const takes = (name: string) =>
      `; { nonlinearity: "${name}" } takes them, for an RNN of that nonlinearity`;
    const has = (wanted: string, given: string) =>
      `PyTorch's RNN has the activations ${wanted}, not ${given}`;
    node({ ...rnn, activations: ["Relu"] }, has("tanh", "relu") + takes("relu"));
    node(rnn, has("relu", "tanh") + takes("tanh"), { nonlinearity: "relu" });
    node({ ...rnn, activations: ["Elu"] }, has("tanh", "elu"));
    node({ ...rnn, activations: ["Relu", "Elu"] }, has("tanh", "relu, elu"));
    assertEquals(fromOnnx([rnn], { nonlinearity: "tanh" }), fromOnnx([rnn]));
    node(gru, "a nonlinearity is an RNN's; this is a layer GRU", { nonlinearity: "tanh" });
    node(
      { ...lstm, direction: "both" as never },
      "direction must be forward, reverse, bidirectional, not both",
    );
    node({ ...gru, P: zeros([1, 3]) }, "PyTorch's GRU has no peepholes");
    node({ ...lstm, P: tensor([[0, 0, 0], [0, 0, 1]]) }, "PyTorch's LSTM has no peepholes");
    node({ ...lstm, P: zeros([2, 4]) }, "the peepholes has the shape (2, 4), wanted (2, 3)");
    assertEquals(fromOnnx([{ ...lstm, P: zeros([2, 3]) }]), fromOnnx([lstm]));
    node({ ...lstm, W: zeros([1, 4, 1]) }, "W has the shape (1, 4, 1), wanted (2, 4, 1)");
    node({ ...lstm, W: zeros([2, 4]) }, "W has the shape (2, 4), wanted (2, 4, )");
    node({ ...lstm, R: zeros([2, 4, 2]) }, "R has the shape (2, 4, 2), wanted (2, 4, 1)");
    node({ ...lstm, B: zeros([2, 4]) }, "B has the shape (2, 4), wanted (2, 8)");
    node({ ...gru, B: zeros([1, 3]) }, "B has the shape (1, 3), wanted (1, 6)");
  });

  fact(["LAYOUT-6"], "each refusal of a Keras layer in full", () => {
    const [[cell]] = toKeras(counted(new LSTM(...size)));
    const [[gru]] = toKeras(counted(new GRU(...size)));
    const [[rnn]] = toKeras(counted(new RNN(...size)));
    const layer = (own: KerasLayer, message: string) => refuses(() => fromKeras([[own]]), message);
    layer({ ...cell, className: "RNN" as never }, "PyTorch has no layer for RNN");
    layer({ ...rnn, recurrentActivation: "sigmoid" }, "a SimpleRNN has no recurrent_activation");
    const reset =
      "a GRU with reset_after=False applies the reset gate before the product: PyTorch has none";
    layer({ ...gru, resetAfter: false }, reset);
    layer({ ...gru, bias: zeros([3]) }, reset);
    layer({ ...gru, bias: zeros([2, 4]) }, "bias has the shape (2, 4), wanted (2, 3)");
    layer({ ...cell, bias: zeros([3]) }, "bias has the shape (3), wanted (4)");
    layer({ ...cell, kernel: zeros([1, 3]) }, "kernel has the shape (1, 3), wanted (1, 4)");
    layer({ ...cell, kernel: zeros([4]) }, "kernel has the shape (4), wanted (4, 4)");
    layer(
      { ...cell, recurrentKernel: zeros([2, 4]) },
      "recurrent_kernel has the shape (2, 4), wanted (1, 4)",
    );
    layer(
      { ...gru, activation: "relu" },
      "PyTorch's GRU has the activations sigmoid, tanh, not sigmoid, relu",
    );
    const ways = "wanted one layer that reads forward, and perhaps one backward";
    layer({ ...cell, goBackwards: true }, ways);
    refuses(() => fromKeras([[]]), ways);
    refuses(() => fromKeras([[cell, cell]]), ways);
    refuses(() => fromKeras([[cell, { ...cell, goBackwards: true }, cell]]), ways);
  });

  fact(["LAYOUT-6"], "each refusal of WebNN's operands in full", () => {
    const [lstm] = toWebnn(counted(new LSTM(...size, both)));
    const [gru] = toWebnn(counted(new GRU(...size)));
    const layer = (own: WebnnLayer, message: string) => refuses(() => fromWebnn([own]), message);
    layer({ ...lstm, op: "valueOf" as never }, "PyTorch has no layer for valueOf");
    layer({ ...gru, layout: "iofg" }, "WebNN's gru has no layout iofg: zrn or rzn");
    layer(
      { ...gru, resetAfter: false },
      "a gru with resetAfter=false applies the reset gate before the product: PyTorch has none",
    );
    layer(
      { ...lstm, direction: "reverse" as never },
      "direction must be forward, backward, both, not reverse",
    );
    layer(
      { ...lstm, activations: ["tanh"] },
      "PyTorch's LSTM has the activations sigmoid, tanh, tanh, not tanh",
    );
    layer(
      { ...lstm, peepholeWeight: zeros([1, 3]) },
      "the peepholes has the shape (1, 3), wanted (2, 3)",
    );
    layer({ ...gru, weight: zeros([1, 4, 1]) }, "weight has the shape (1, 4, 1), wanted (1, 3, 1)");
    layer({ ...gru, weight: zeros([1, 3]) }, "weight has the shape (1, 3), wanted (1, 3, )");
    layer(
      { ...gru, recurrentWeight: zeros([1, 3, 2]) },
      "recurrentWeight has the shape (1, 3, 2), wanted (1, 3, 1)",
    );
    layer({ ...lstm, bias: zeros([1, 4]) }, "bias has the shape (1, 4), wanted (2, 4)");
    layer(
      { ...lstm, recurrentBias: zeros([2, 3]) },
      "recurrentBias has the shape (2, 3), wanted (2, 4)",
    );
  });

  fact(
    ["LAYOUT-6"],
    "a missing direction is zeros, and the layer above reads it with zeros",
    () => {
      const node = (inputs: number, direction: "forward" | "reverse") => ({
        ...toOnnx(counted(new RNN(inputs, 1)))[0],
        direction,
      });
      assertEquals(written(fromOnnx([node(1, "forward"), node(1, "reverse")])), {
        ...{
          weight_ih_l0: "1x1 100",
          weight_hh_l0: "1x1 200",
          bias_ih_l0: "1 300",
          bias_hh_l0: "1 400",
        },
        ...{ weight_ih_l0_reverse: "1x1 0", weight_hh_l0_reverse: "1x1 0" },
        ...{ bias_ih_l0_reverse: "1 0", bias_hh_l0_reverse: "1 0" },
        ...{ weight_ih_l1: "1x2 0 0", weight_hh_l1: "1x1 0", bias_ih_l1: "1 0", bias_hh_l1: "1 0" },
        ...{ weight_ih_l1_reverse: "1x2 100 0", weight_hh_l1_reverse: "1x1 200" },
        ...{ bias_ih_l1_reverse: "1 300", bias_hh_l1_reverse: "1 400" },
      });
      const found = written(fromOnnx([node(1, "reverse"), node(1, "forward")]));
      assertEquals([found.weight_ih_l1, found.weight_ih_l1_reverse], ["1x2 0 100", "1x2 0 0"]);
      // An RNN over a layer of one direction that reads two columns does not fit.
      refuses(
        () => fromOnnx([node(1, "forward"), node(2, "forward")]),
        "weight_ih_l1 has the shape (1, 2), wanted (1, 1)",
      );
    },
  );
});
