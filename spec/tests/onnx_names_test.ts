/** What an ONNX file's weights are taken for: which nodes are one module, what each is named. */

import { assert, assertEquals, assertThrows } from "@std/assert";
import { full, GRU, LSTM, type OnnxLayer, RNN, Tensor, toOnnx } from "../../mod.ts";
import type { WireField } from "../../lib/onnx/mod.ts";
import { type NamedWeight, onnxWeights } from "../../lib/onnx/weights.ts";
import { describe, it } from "./law.ts";
import { attribute, Graph } from "./onnx_graph.ts";

/** The weights of a file, or in words why there are none. */
const read = (graph: Graph) => onnxWeights(graph.encode(), new Map());

function weightsOf(graph: Graph): readonly NamedWeight[] {
  const found = read(graph);
  if (typeof found === "string" || "missing" in found) throw new Error(String(found));
  return found;
}

const namesOf = (graph: Graph) => weightsOf(graph).map(([name]) => name);

const numbersOf = (bytes: Uint8Array, dtype: string) => {
  const { buffer } = bytes.slice();
  return [...(dtype === "float32" ? new Float32Array(buffer) : new Float64Array(buffer))];
};

/** A layer of an RNN of two units. */
const [layer] = toOnnx(new RNN(2, 2, { bias: false }).stateDict());
const layers = (one: readonly OnnxLayer[], graph = new Graph()) => {
  one.forEach((own, k) => graph.recurrent(own, k ? `y${k - 1}` : "x", `y${k}`));
  return graph;
};

describe("ONNX names", () => {
  it("CKPT-14: up to 16 changes of shape lie between two layers of a module", () => {
    const between = ["Transpose", "Reshape", "Squeeze", "Unsqueeze", "Identity", "Dropout", "Cast"];
    const through = (types: readonly string[]) => {
      const graph = new Graph();
      let x = graph.recurrent(layer, "x", "y0");
      types.forEach((type, k) => x = graph.node(type, [x], `t${k}`));
      graph.recurrent(layer, x, "y1");
      return namesOf(graph);
    };
    const module = ["weight_ih_l0", "weight_hh_l0", "weight_ih_l1", "weight_hh_l1"];
    const apart = ["rnn.", "rnn_1."].flatMap((own) => module.slice(0, 2).map((name) => own + name));
    for (const type of between) assertEquals(through([type]), module);
    const types = Array.from({ length: 17 }, (_, k) => between[k % between.length]);
    assertEquals(through(types.slice(0, 16)), module);
    assertEquals(through(types), apart);
    assertEquals(through(["Tanh"]), apart);
  });

  it("CKPT-14: a layer of the same module is like the one below", () => {
    const two = (above: OnnxLayer) => namesOf(layers([layer, above])).length;
    const last = (above: OnnxLayer) => namesOf(layers([layer, above])).at(-1);
    assertEquals(last(layer), "weight_hh_l1");
    const other = (own: RNN | GRU | LSTM) => toOnnx(own.stateDict())[0];
    const options = { bias: false };
    assertEquals(last(other(new RNN(2, 3, options))), "rnn_1.weight_hh_l0");
    assertEquals(last(other(new RNN(3, 2, options))), "rnn_1.weight_hh_l0");
    assertEquals(last(other(new GRU(2, 2, options))), "gru.weight_hh_l0");
    const both = other(new RNN(2, 2, { ...options, bidirectional: true }));
    assertEquals([last(both), two(both)], ["rnn_1.weight_hh_l0_reverse", 6]);
    const stack = toOnnx(
      new RNN(2, 2, { ...options, bidirectional: true, numLayers: 2 }).stateDict(),
    );
    assertEquals(namesOf(layers(stack)).at(-1), "weight_hh_l1_reverse");
  });

  it("CKPT-14: a constant that W is made of gives the name, up to 200 values away", () => {
    const far = (count: number, name: string) => {
      const graph = new Graph();
      let x = graph.constant(name, layer.W);
      for (let k = 0; k < count; k++) x = graph.node("Identity", [x], `i${k}`);
      graph.node("RNN", ["x", x, graph.constant("R", layer.R)], "y");
      return namesOf(graph)[0];
    };
    assertEquals(far(0, "a.b.weight_ih_l0"), "a.b.weight_ih_l0");
    assertEquals(far(0, "weight_ih_l12_reverse"), "weight_ih_l0");
    assertEquals(far(1, "a.weight_ih_l0_other"), "weight_ih_l0");
    assertEquals(far(1, "aweight_ih_l0"), "weight_ih_l0");
    assertEquals(far(199, "a.weight_ih_l0"), "a.weight_ih_l0");
    assertEquals(far(200, "a.weight_ih_l0"), "weight_ih_l0");
    // A value that a node makes has no say, nor has a constant of another name.
    const graph = new Graph();
    const parts = ["onnx::RNN_7", "own.weight_ih_l0"].map((name) =>
      graph.constant(name, new Tensor(layer.W.data.slice(0, 2), [1, 1, 2]))
    );
    const axis = attribute("axis", 2, [3, 1]);
    graph.node("Concat", parts, "made.weight_ih_l0", "", axis);
    graph.node("RNN", ["x", "made.weight_ih_l0", graph.constant("R", layer.R)], "y");
    assertEquals(namesOf(graph), ["own.weight_ih_l0", "own.weight_hh_l0"]);
  });

  it("CKPT-14: the exporter's note is read whatever stands before it", () => {
    const noted = (...notes: [key: string, value: string][]) => {
      const graph = new Graph();
      const inputs = ["x", graph.constant("W", layer.W), graph.constant("R", layer.R)];
      graph.node(
        "RNN",
        inputs,
        "y",
        "node_RNN_7",
        [6, "text"],
        ...notes.map(
          ([key, value]): WireField => [9, [[1, key], [2, value]]],
        ),
      );
      return namesOf(graph)[0];
    };
    const key = "pkg.torch.onnx.name_scopes";
    assertEquals(
      noted(["other", "['', 'a', 'b']"], [key, "['', 'own', 'rnn']"]),
      "own.weight_ih_l0",
    );
    assertEquals(noted([key, "['', 'a', 'a.b', 'a.b.c', 'rnn']"]), "a.b.c.weight_ih_l0");
    assertEquals(noted([key, "['a', 'rnn']"]), "a.weight_ih_l0");
    assertEquals(noted([key, "['rnn']"]), "weight_ih_l0");
    assertEquals(noted(["other", "['', 'a', 'b']"]), "weight_ih_l0");
  });

  it("CKPT-14: modules of one name are told apart by numbers from 1 on", () => {
    const graph = new Graph();
    for (const k of [0, 1, 2]) graph.recurrent(layer, "x", `y${k}`, `/net/RNN_${k}`);
    for (const k of [3, 4]) graph.recurrent(layer, "x", `y${k}`, `own`);
    const own = ["net.", "net_1.", "net_2.", "own.", "own_1."];
    assertEquals(
      namesOf(graph).filter((_, k) => k % 2 === 0),
      own.map((one) => `${one}weight_ih_l0`),
    );
    const bare = new Graph();
    for (const k of [0, 1]) {
      const W = bare.constant(`weight_ih_l${k}`, layer.W);
      bare.node("RNN", ["x", W, bare.constant(`R${k}`, layer.R)], `y${k}`);
    }
    assertEquals(namesOf(bare).filter((_, k) => k % 2 === 0), ["weight_ih_l0", "_1.weight_ih_l0"]);
  });

  it("CKPT-14: weights are float32 where that holds every number, else float64", () => {
    const exact = [0.5, -0, 1, Infinity];
    const stored = (W: number[], R: number[]) => {
      const [w, r] = [W, R].map((data) => new Tensor(Float64Array.from(data), [1, 2, 2]));
      return weightsOf(layers([{ ...layer, W: w, R: r }]));
    };
    for (const [name, dtype, shape, bytes] of stored(exact, exact)) {
      assertEquals([dtype, shape, numbersOf(bytes, dtype)], ["float32", [2, 2], exact], name);
    }
    for (const [W, R] of [[[1, 0.1, 1, 1], exact], [exact, [1, 1, 1, 0.1]]]) {
      const found = stored(W, R);
      assertEquals(found.map(([, dtype]) => dtype), ["float64", "float64"]);
      assertEquals(found.map(([, dtype, , bytes]) => numbersOf(bytes, dtype)), [W, R]);
    }
  });

  it("CKPT-14: what a node is told beside its weights is refused by name", () => {
    const refused = (type: "RNN" | "LSTM" | "GRU", ...told: WireField[]) => {
      const graph = new Graph();
      const [{ W, R }] = toOnnx(new { RNN, LSTM, GRU }[type](2, 2, { bias: false }).stateDict());
      const inputs = ["x", graph.constant("W", W), graph.constant("R", R)];
      graph.node(type, inputs, "y", "own", ...told);
      return read(graph);
    };
    const beside = (kind: string, name: string) =>
      `onnx: "own": PyTorch's ${kind} has nothing like the attribute ${name}`;
    const activations = (...names: string[]) =>
      attribute("activations", 8, ...names.map((name): WireField => [9, name]));
    assertEquals(
      refused("LSTM", attribute("input_forget", 2, [3, 1])),
      beside("LSTM", "input_forget"),
    );
    assertEquals(refused("LSTM", attribute("clip", 1, [2, { float: 3 }])), beside("LSTM", "clip"));
    const reset = refused("GRU", attribute("linear_before_reset", 2, [3, 0]));
    assert(
      String(reset).startsWith('onnx: "own": a GRU with linear_before_reset=0 '),
      String(reset),
    );
    for (const told of [activations("Affine"), activations("LeakyRelu")]) {
      const found = refused(
        "RNN",
        told,
        attribute("activation_alpha", 6, [7, { float: 1 }]),
        attribute("activation_beta", 6, [7, { float: 1 }]),
      );
      assert(typeof found === "string" && found.startsWith('onnx: "own": '), String(found));
    }
    // What is told, but as PyTorch has it, is none of it.
    assert(Array.isArray(refused("LSTM", attribute("input_forget", 2, [3, 0]))));
    assert(Array.isArray(refused("RNN", activations("Relu"))));
    const none = new Graph();
    none.node("GRU", ["x", "w", "r"], "y", "own");
    assertEquals(read(none), 'onnx: "own": its weights are no constants of the file');
    assertEquals(read(new Graph()), "onnx: the file has no recurrent node; one unrolled is none");
  });
});

describe("ONNX products", () => {
  const weight = new Tensor(Float32Array.of(1, 2, 3, 4, 5, 6), [2, 3]);
  const turned = [1, 4, 2, 5, 3, 6];
  /** The weights beside the recurrent ones: name, shape, numbers. */
  const linears = (make: (graph: Graph) => void) => {
    const graph = layers([layer]);
    make(graph);
    const found = weightsOf(graph).filter(([name]) => !/_l0$/.test(name));
    return found.map(([name, dtype, shape, bytes]) => [name, shape, numbersOf(bytes, dtype)]);
  };
  const bias = (size: number) => new Tensor(new Float32Array(size).fill(7), [size]);

  it("CKPT-14: a Gemm is a Linear, turned unless it says transB", () => {
    const gemm = (...more: WireField[]) =>
      linears((graph) => {
        const inputs = ["x", graph.constant("fc.weight", weight)];
        graph.node("Gemm", inputs, "out", "/fc/Gemm", ...more);
      });
    assertEquals(gemm(), [["fc.weight", [3, 2], turned]]);
    assertEquals(gemm(attribute("transB", 2, [3, 0])), [["fc.weight", [3, 2], turned]]);
    assertEquals(gemm(attribute("transB", 2, [3, 1])), [["fc.weight", [2, 3], [1, 2, 3, 4, 5, 6]]]);
    for (const name of ["alpha", "beta"]) {
      assertEquals(gemm(attribute(name, 1, [2, { float: 1 }])).length, 1);
      assertEquals(gemm(attribute(name, 1, [2, { float: 2 }])), []);
    }
    assertEquals(gemm(attribute("transA", 2, [3, 0])).length, 1);
    assertEquals(gemm(attribute("transA", 2, [3, 1])), []);
    assertEquals(gemm([7, "own"]), []); // another domain's
    const matmul = linears((graph) => {
      const inputs = ["x", graph.constant("fc.weight", weight)];
      graph.node("MatMul", inputs, "out", "/fc/MatMul", attribute("transB", 2, [3, 1]));
      graph.node("Conv", ["x", graph.constant("other.weight", weight)], "conv");
      graph.node("Gemm", ["x"], "nothing");
    });
    assertEquals(matmul, [["fc.weight", [3, 2], turned]]);
  });

  it("CKPT-14: only a matrix of floats is a Linear's weight", () => {
    const constant = (type: number, shape: number[], bytes: number) => (graph: Graph) => {
      const dims = shape.map((extent): WireField => [1, extent]);
      const tensor: WireField[] = [...dims, [2, type], [8, "fc.weight"], [
        9,
        new Uint8Array(bytes),
      ]];
      graph.fields.push([5, tensor]);
      graph.node("MatMul", ["x", "fc.weight"], "out", "/fc/MatMul");
    };
    for (const [type, size] of [[1, 4], [11, 8], [10, 2], [16, 2]]) {
      assertEquals(linears(constant(type, [1, 1], size)), [["fc.weight", [1, 1], [0]]]);
    }
    for (const [type, size] of [[3, 1], [6, 4], [7, 8], [9, 1], [17, 1]]) {
      assertEquals(linears(constant(type, [1, 1], size)), []);
    }
    for (const shape of [[], [1], [1, 1, 1]]) assertEquals(linears(constant(1, shape, 4)), []);
  });

  it("CKPT-14: what is added behind a product, or a Gemm's third input, is its bias", () => {
    const added = (own: Tensor, order: (product: string, bias: string) => string[]) =>
      linears((graph) => {
        const inputs = ["x", graph.constant("onnx::w", weight)];
        graph.node("MatMul", inputs, "product", "/fc/MatMul");
        graph.node("Add", order("product", graph.constant("onnx::b", own)), "out");
      });
    const both = [["fc.weight", [3, 2], turned], ["fc.bias", [3], [7, 7, 7]]];
    assertEquals(added(bias(3), (product, own) => [product, own]), both);
    assertEquals(added(bias(3), (product, own) => [own, product]), both);
    assertEquals(added(bias(2), (product, own) => [own, product]), both.slice(0, 1));
    assertEquals(added(full([1, 3], 7), (product, own) => [own, product]), both.slice(0, 1));
    const double = new Tensor(new Float64Array(3).fill(7), [3]);
    assertEquals(added(double, (product, own) => [own, product]), both.slice(0, 1));
    assertEquals(added(bias(3), (product) => [product, "x"]), both.slice(0, 1));
    const gemm = linears((graph) => {
      const inputs = ["x", graph.constant("w", weight), graph.constant("b", bias(3))];
      graph.node("Gemm", inputs, "out", "fc");
    });
    assertEquals(gemm, both);
    const half = linears((graph) => {
      const raw = (count: number) =>
        Uint8Array.from({ length: 2 * count }, (_, k) => k % 2 ? 0x3c : 0);
      graph.fields.push([5, [[1, 2], [1, 3], [2, 10], [8, "w"], [9, raw(6)]]]);
      graph.fields.push([5, [[1, 3], [2, 10], [8, "b"], [9, raw(3)]]]);
      graph.node("Gemm", ["x", "w", "b"], "out", "/a/b/Gemm");
    });
    const ones = (count: number) => Array(count).fill(1);
    assertEquals(half, [["a.b.weight", [3, 2], ones(6)], ["a.b.bias", [3], ones(3)]]);
  });

  it("CKPT-14: a constant that has a Linear's name keeps it, another has the node's", () => {
    const named = (weights: string, biases: string, node: string) =>
      linears((graph) => {
        const inputs = ["x", graph.constant(weights, weight), graph.constant(biases, bias(3))];
        graph.node("Gemm", inputs, "out", node);
      }).map(([name]) => name);
    assertEquals(named("one.weight", "two.bias", "/fc/Gemm"), ["one.weight", "two.bias"]);
    assertEquals(named("w", "b", "/fc/Gemm"), ["fc.weight", "fc.bias"]);
    assertEquals(named("w", "b", "fc"), ["fc.weight", "fc.bias"]);
    assertEquals(named("w", "b", ""), ["weight", "bias"]);
  });
});

describe("ONNX files beside", () => {
  it("CKPT-14: another file that is missing is named, other errors are passed on", () => {
    const graph = new Graph();
    const tensor = (name: string, location: string): WireField => [5, [
      ...[[1, 1], [1, 1], [1, 1], [2, 1], [8, name]] as WireField[],
      ...[[13, [[1, "location"], [2, location]]], [14, 1]] as WireField[],
    ]];
    graph.fields.push(tensor("w", "one"), tensor("r", "two"));
    graph.node("RNN", ["x", "w", "r"], "y");
    const file = graph.encode();
    const four = new Uint8Array(4);
    assertEquals(onnxWeights(file, new Map()), { missing: "one" });
    assertEquals(onnxWeights(file, new Map([["one", four]])), { missing: "two" });
    const found = onnxWeights(file, new Map([["one", four], ["two", four]]));
    assertEquals(
      found,
      ["weight_ih_l0", "weight_hh_l0"].map((name) => [
        name,
        "float32",
        [1, 1],
        four,
      ]) as unknown as NamedWeight[],
    );
    const broken = { get: () => assert(false, "own") } as unknown as ReadonlyMap<
      string,
      Uint8Array
    >;
    assertThrows(() => onnxWeights(file, broken), Error, "own");
    const cut = onnxWeights(file.subarray(0, 5), new Map());
    assert(typeof cut === "string" && cut.startsWith("onnx: byte "), String(cut));
  });
});
