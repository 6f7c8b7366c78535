/**
 * ONNX files and recurrent nodes: the reader, the evaluator, and changes to a file. The goldens of
 * chapter `onnx` are put by golden_test.ts, hostile files in bulk by `deno task hostile`.
 */

import { assert, assertAlmostEquals, assertEquals, assertThrows } from "@std/assert";
import fc from "fast-check";
import { setFlagsFromString } from "node:v8";
import { runInNewContext } from "node:vm";
import {
  CheckpointError,
  fromOnnx,
  GRU,
  LSTM,
  noGrad,
  ones,
  randn,
  reshape,
  RNN,
  Tensor,
  tensor,
  toOnnx,
  transpose,
  zeros,
} from "../../mod.ts";
import {
  attributesOf,
  evaluateRecurrence,
  isRecurrent,
  looksLikeOnnx,
  type OnnxAttribute,
  type OnnxGraph,
  type OnnxRecurrentInputs,
  readOnnx,
  recurrenceOf,
  replaceParts,
  type WireField,
  writeMessage,
} from "../../lib/onnx/mod.ts";
import { campaign, truncations } from "../../scripts/hostile.ts";
import { decoded, judgeOnnx, onnxBombs, onnxSeeds } from "../../scripts/hostile/onnx.ts";
import { describe, fact, law, readablePath } from "./law.ts";

type Fields = readonly WireField[];

const model = (graph: Fields, more: Fields = []) =>
  writeMessage([[1, 8], [7, graph], ...more, [8, [[2, 17]]]]);
const node = (...fields: Fields): WireField => [1, fields];
const file = (...tensor: Fields) => model([[5, tensor]]);
const raw = (...values: number[]) => new Uint8Array(Float32Array.from(values).buffer);

/** The reason for which a file is refused. */
function refusal(bytes: Uint8Array): string {
  const { refused, fault } = judgeOnnx(bytes);
  return refused ?? `not refused: ${fault}`;
}

/** The graph that an attribute holds. */
function graphOf(attribute: OnnxAttribute | undefined): OnnxGraph {
  if (attribute?.type !== "graph") throw new Error("no graph");
  return attribute.value;
}

describe("reading", () => {
  fact(["ONNX-1"], "what a file says is there", () => {
    const seed = (id: string) =>
      readOnnx(onnxSeeds().find((one) => one.id === `onnx/${id}`)!.bytes);
    const lstm = seed("lstm");
    assertEquals([lstm.irVersion, lstm.producerName, lstm.producerVersion], [8, "rnn-spec", "1.0"]);
    assertEquals([...lstm.metadata], [["key", "value"]]);
    const [{ inputs, outputs, attributes, name }] = lstm.graph.nodes;
    assertEquals([name, inputs, outputs], ["LSTM", ["x", "w", "r"], ["y", "h"]]);
    assertEquals([...attributes.values()].map(({ type, value }) => [type, value]), [
      ["int", 2],
      ["string", "forward"],
      ["float", 0.5],
      ["floats", [0.5, 0.25]],
      ["strings", ["Tanh", "Tanh"]],
    ]);
    assertEquals(lstm.graph.inputs, [{ name: "x", dtype: "float32", shape: [3, "batch", 1] }]);
    assertEquals(lstm.graph.initializers.get("w")?.shape, [1, 8, 1]);

    const [{ attributes: branches }] = seed("branches").graph.nodes;
    const [loop] = graphOf(branches.get("else_branch")).nodes;
    assertEquals(loop.opType, "Loop");
    assert(graphOf(loop.attributes.get("body")).initializers.has("halves"));
    assertEquals(branches.get("ints")?.value, [1, 2, 300, -4]);

    const own = seed("functions");
    const [call] = own.graph.nodes;
    const [{ nodes, opsets, defaults, ...rest }] = own.functions;
    assertEquals([call.domain, rest.domain, rest.name], ["mine", "mine", "own"]);
    assertEquals([rest.inputs, rest.outputs, rest.attributes], [["x"], ["y"], ["size"]]);
    assertEquals([opsets.get(""), defaults.get("clip")?.value], [17, 1]);
    assertEquals([isRecurrent(nodes[0]), isRecurrent(call)], [true, false]);
    assertThrows(() => attributesOf(nodes[0]), Error, "the attribute size of the node that calls");
  });

  fact(["ONNX-1"], "tensors are read from wherever their elements stand", () => {
    const whole = readOnnx(onnxSeeds().find(({ id }) => id === "onnx/stores")!.bytes, {
      external: (location) => {
        assertEquals(location, "weights.bin");
        return new Uint8Array(Float32Array.from({ length: 8 }, (_, k) => k).buffer);
      },
    });
    const get = (name: string) => whole.graph.initializers.get(name)!;
    assertEquals(get("floats").toTensor().tolist(), [[1, 2], [3, 4]]);
    assertEquals(get("integers").integers(), [1, -1, 1000]);
    assertEquals(get("halves").toTensor({ widen: true }).tolist(), [1, -2]);
    assertThrows(() => get("halves").toTensor(), CheckpointError, "{ widen: true }");
    assertEquals(get("longs").integers(), [5, -5]);
    assertEquals(get("doubles").toTensor().dtype, "float64");
    assertEquals(get("unsigned").integers(), [2n ** 64n - 1n]);
    assertEquals(get("elsewhere").toTensor().tolist(), [4, 5, 6, 7]);
    assertThrows(() => get("texts").stored(), CheckpointError, "dtype string has no numbers");
    assertThrows(() => get("floats").integers(), CheckpointError, "dtype float32, not of integers");
  });

  fact(["ONNX-1"], "raw bytes are a view on the file", () => {
    const bytes = model([[5, [[1, 2], [2, 1], [8, "w"], [9, raw(1, 2)]]]]);
    const view = readOnnx(bytes).graph.initializers.get("w")!.stored().bytes();
    assertEquals(view.buffer, bytes.buffer);
  });

  fact(["ONNX-1"], "bytes in another file are there, in the folder, or refused", () => {
    const at = (entries: Record<string, string>) =>
      file(
        [1, 2],
        [2, 1],
        [8, "w"],
        [14, 1],
        ...Object.entries(entries).map((entry): WireField => [
          13,
          [[1, entry[0]], [2, entry[1]]],
        ]),
      );
    const tensorOf = (bytes: Uint8Array, external?: () => Uint8Array) =>
      readOnnx(bytes, { external }).graph.initializers.get("w")!;
    const good = at({ location: "a/b.bin" });
    assertThrows(() => tensorOf(good).toTensor(), CheckpointError, 'the file "a/b.bin"; give it');
    const short = tensorOf(good, () => new Uint8Array(7));
    assertThrows(() => short.toTensor(), CheckpointError, 'bytes 0 to 8 of "a/b.bin", which has 7');
    for (
      const location of ["", "/etc/passwd", "../x", "a/../../x", "C:\\x", "\\x", "a\\..\\x", "a\0"]
    ) {
      assertThrows(() => readOnnx(at({ location })), CheckpointError, "outside the model's folder");
    }
    assertThrows(() => readOnnx(at({ location: "a", offset: "-1" })), Error, 'offset "-1"');
    assertThrows(() => readOnnx(at({ location: "a", length: "9" })), Error, "9 bytes of external");
    let asked = 0;
    const twice = tensorOf(good, () => {
      asked++;
      return new Uint8Array(8);
    });
    assertEquals([twice.toTensor().tolist(), twice.toTensor().tolist(), asked], [
      [0, 0],
      [0, 0],
      1,
    ]);
  });

  fact(["ONNX-1"], "integers beyond 2^53 are exact, old files need not say a type", () => {
    const attribute = (...fields: Fields) =>
      readOnnx(model([node([5, [[1, "a"], ...fields]])])).graph.nodes[0].attributes.get("a");
    assertEquals(attribute([3, 2n ** 63n - 1n], [20, 2])?.value, 2n ** 63n - 1n);
    assertEquals(attribute([3, -1], [20, 2])?.value, -1);
    assertEquals(attribute([8, 1])?.type, "ints");
    assertEquals(attribute([20, 2])?.value, 0); // zeros are not written
    assertEquals(attribute([20, 6])?.value, []);
    assertEquals(attribute([4, Uint8Array.of(65, 255)], [20, 3])?.value, "A\ufffd");
  });

  fact(["ONNX-1"], "ONNX's own domain has two names", () => {
    const own = node([4, "LSTM"], [7, "ai.onnx"]);
    const { graph, opsets } = readOnnx(
      writeMessage([[1, 8], [7, [own]], [8, [[1, "ai.onnx"], [2, 13]]]]),
    );
    assertEquals([graph.nodes[0].domain, isRecurrent(graph.nodes[0])], ["", true]);
    assertEquals([...opsets], [["", 13]]);
  });

  fact(["ONNX-1"], "a file is told by its first bytes", () => {
    for (const { bytes } of onnxSeeds()) assert(looksLikeOnnx(bytes));
    // The fields of a model by number: version 5 is an integer, the others are bytes.
    const fields = [2, 3, 4, 6, 7, 8, 14].map((field) => 8 * field + 2).concat(8 * 5);
    for (let next = 0; next < 256; next++) {
      const bytes = new Uint8Array([8, 8, next, 0, 1, 0, 0, 0]);
      assertEquals(looksLikeOnnx(bytes), fields.includes(next), String(next));
    }
    for (const version of [0, 1, 127, 128]) {
      const bytes = new Uint8Array([8, version, 0x3a, 0, 0, 0, 0, 1]);
      assertEquals(looksLikeOnnx(bytes), version === 1 || version === 127);
    }
    assert(!looksLikeOnnx(new Uint8Array([8, 8, 0x12, 0, 0, 0, 0, 0, 0x7b]))); // safetensors
    assert(!looksLikeOnnx(new Uint8Array([0x50, 0x4b, 3, 4])));
    assert(!looksLikeOnnx(new Uint8Array()));
  });
});

describe("hostile files", () => {
  fact(["ONNX-2"], "what readers could read in two ways is refused", () => {
    const named: [Uint8Array, string][] = [
      [new Uint8Array(), "the file has no graph"],
      [model([], [[7, []]]), "model: field 7 comes twice"],
      [Uint8Array.of(7 * 8 + 2, 5, 1), "field 7 has 5 bytes, 1 are left"],
      [Uint8Array.of(8), "it ends within a number"],
      [writeMessage([[1, 8], [7, []]]), "the file names no opset"],
      [Uint8Array.of(0), "a field with no number"],
      [model([node([5, Uint8Array.of(2 * 8 + 5, 0, 0)])]), "attribute: it ends within field 2"],
      [model([node([99, Uint8Array.of(1)], [5, Uint8Array.of(99, 0)])]), "attribute: wire type 3"],
      [Uint8Array.of(12 * 8 + 3), "wire type 3"],
      [writeMessage([[7, 1]]), "field 7 has the wire type 0, wanted 2"],
      [Uint8Array.of(8, ...Array(10).fill(255), 1), "a number of more than ten bytes"],
      [writeMessage([[1, 2n ** 60n]]), "the number 1152921504606846976"],
      [model([[2, Uint8Array.of(255)]]), "text that is not UTF-8"],
      [file([1, 2], [2, 1], [9, raw(1)]), "4 bytes of float32 in raw_data, the shape [2] has 8"],
      [file([1, 1], [2, 1], [4, raw(1)], [9, raw(1)]), "data in float_data and raw_data"],
      [file([1, 1], [2, 1], [5, 1]), "elements of float32 in int32_data"],
      [file([1, -1], [2, 1]), "size -1"],
      [file([1, 0], [2, 99]), "the data type 99"],
      [file([1, 2 ** 40], [1, 2 ** 40], [2, 1]), "more elements than numbers count"],
      [file([1, 1], [2, 1], [3, []]), "a segment of a tensor"],
      [file([1, 1], [2, 1], [9, raw(1)], [14, 1]), "data both here and in another file"],
      [file([1, 1], [2, 8], [9, "a"]), "text as raw_data"],
      [file([1, 1], [2, 1], [4, new Uint8Array(3)]), "ends in the middle of a number"],
      [model([[5, [[2, 1], [9, raw(1)]]], [5, [[2, 1], [9, raw(1)]]]]), "comes twice"],
      [
        model([node([5, [[1, "a"], [3, 1]]], [5, [[1, "a"], [3, 1]]])]),
        'attribute "a" comes twice',
      ],
      [model([node([5, [[1, "a"], [3, 1], [20, 1]]])]), "it is to be float, yet holds int"],
      [model([node([5, [[1, "a"], [3, 1], [4, "b"]]])]), "yet holds int and string"],
      [model([node([5, [[1, "a"], [20, 5]]])]), "a graph without one"],
      [model([node([5, [[1, "a"]]])]), "no value"],
      [model([node([5, [[1, "a"], [20, 77]]])]), "the type 77"],
      [model([], [[8, [[2, 16]]]]), 'opset 17 and opset 16 of ""'],
    ];
    for (const [bytes, reason] of named) {
      const found = refusal(bytes);
      assert(found.includes(reason), `wanted "${reason}", found "${found}"`);
    }
  }, ["readable"]);

  fact(
    ["ONNX-2"],
    "a file cut at any byte is refused, one changed at random read or refused",
    () => {
      const cut = truncations(onnxSeeds(), "onnx truncation", judgeOnnx);
      assertEquals([cut.faults, cut.refused], [[], cut.tried]);
      const { faults, tried, loaded, refused } = campaign(onnxSeeds(), 2500, 14, judgeOnnx);
      assertEquals([faults, loaded + refused], [[], tried]);
      assert(loaded > 200 && refused > 800, `${loaded} read, ${refused} refused`);
      for (const { id, bytes } of onnxSeeds()) assert(judgeOnnx(bytes).value === null, id);
    },
    ["readable"],
  );

  fact(["ONNX-2"], "a file of more than 1 MiB takes at most 24 times its size", () => {
    setFlagsFromString("--expose-gc");
    const collect: () => void = runInNewContext("gc");
    const used = () => {
      collect();
      return Deno.memoryUsage().heapUsed;
    };
    let read = 0;
    for (const { name, make } of onnxBombs(1_200_000)) {
      const bytes = make();
      const before = used();
      const { fault, model } = judgeOnnx(bytes);
      assertEquals(fault, undefined, name);
      if (!model) continue;
      read++;
      const taken = used() - before;
      assert(taken <= 23 * bytes.length, `${name}: ${taken} bytes of ${bytes.length}`);
      assert(decoded(model).size <= 8 * bytes.length, name);
    }
    assert(read > 8, String(read));
  }, ["readable"]);

  fact(["ONNX-2"], "a sound file of many small nodes is read", () => {
    const nodes = Array.from(
      { length: 60_000 },
      (_, k): WireField => node([1, `${k}`], [1, `${k + 1}`], [2, `${k + 2}`], [4, "Add"]),
    );
    const bytes = model(nodes);
    assert(bytes.length > 2 ** 20);
    assertEquals(readOnnx(bytes).graph.nodes.length, 60_000);
  }, ["readable"]);
});

const kinds = { RNN, LSTM, GRU } as const;
const both = fc.boolean();

/** A layer of PyTorch's and a batch for it. */
const layers = fc.record({
  kind: fc.constantFrom("RNN" as const, "LSTM" as const, "GRU" as const),
  bidirectional: both,
  bias: both,
  float64: both,
  length: fc.integer({ min: 1, max: 5 }),
  batch: fc.integer({ min: 1, max: 3 }),
  width: fc.integer({ min: 1, max: 3 }),
  hidden: fc.integer({ min: 1, max: 4 }),
});

const apart = (a: Tensor, b: Tensor) =>
  Math.max(0, ...Array.from(a.data, (x, k) => Math.abs(x - b.data[k])));

describe("recurrent nodes", () => {
  law(["ONNX-3", "ONNX-4", "ONNX-5", "ONNX-6"], "PyTorch's layers are nodes", layers, (given) => {
    const { kind, bidirectional, bias, length, batch, width, hidden } = given;
    const dtype = given.float64 ? "float64" : "float32";
    const layer = new kinds[kind](width, hidden, { bidirectional, bias, dtype });
    const X = randn([length, batch, width], { dtype });
    const D = bidirectional ? 2 : 1;
    const initialH = randn([D, batch, hidden], { dtype });
    const initialC = randn([D, batch, hidden], { dtype });
    const [{ W, R, B, direction }] = toOnnx(layer.stateDict());
    const told = { direction, ...(kind === "GRU" && { linear_before_reset: 1 }) };
    const states = kind === "LSTM" ? { initialH, initialC } : { initialH };
    const found = evaluateRecurrence(recurrenceOf(kind, told, 22), { X, W, R, B, ...states });
    const [output, last] = noGrad(() =>
      layer instanceof LSTM ? layer.forward(X, [initialH, initialC]) : layer.forward(X, initialH)
    );
    const [hn, cn] = last instanceof Tensor ? [last, null] : last;
    const own = reshape(transpose(found.Y, 1, 2), [length, batch, D * hidden]);
    const close = given.float64 ? 1e-12 : 1e-5;
    assert(apart(own, output) < close && apart(found.Yh, hn) < close);
    if (cn) assert(apart(found.Yc!, cn) < close);
    assertEquals(found.Y.dtype, dtype);
  });

  law(["ONNX-9"], "layout 1 is layout 0 with batch and time exchanged", layers, (given) => {
    const { kind, bidirectional, length, batch, width, hidden } = given;
    const layer = new kinds[kind](width, hidden, { bidirectional });
    const [{ W, R, B, direction }] = toOnnx(layer.stateDict());
    const X = randn([length, batch, width]);
    const initialH = randn([bidirectional ? 2 : 1, batch, hidden]);
    const sequenceLens = Array.from(
      { length: batch },
      (_, k) => 1 + (k * 7 + given.width) % length,
    );
    const run = (layout: number, inputs: OnnxRecurrentInputs) =>
      evaluateRecurrence(recurrenceOf(kind, { direction, layout }, 14), inputs);
    const plain = run(0, { X, W, R, B, initialH, sequenceLens });
    const turned = run(1, {
      X: transpose(X, 0, 1),
      initialH: transpose(initialH, 0, 1),
      W,
      R,
      B,
      sequenceLens,
    });
    assertEquals(transpose(turned.Yh, 0, 1).data, plain.Yh.data);
    const back = transpose(transpose(transpose(turned.Y, 0, 1), 1, 2), 0, 0);
    assertEquals(back.data, plain.Y.data);
  });

  law(
    ["ONNX-9"],
    "a sequence in a batch is the sequence alone, in both directions",
    layers,
    (given) => {
      const { kind, length, width, hidden } = given;
      const layer = new kinds[kind](width, hidden, { bidirectional: true });
      const [{ W, R, B }] = toOnnx(layer.stateDict());
      const X = randn([length, 2, width]);
      const told = recurrenceOf(kind, { direction: "bidirectional" }, 22);
      const lens = [length, 1 + given.batch % length];
      const { Y, Yh } = evaluateRecurrence(told, { X, W, R, B, sequenceLens: lens });
      lens.forEach((steps, n) => {
        const rows = Array.from(
          { length: steps },
          (_, t) => Array.from(X.data.subarray((t * 2 + n) * width, (t * 2 + n + 1) * width)),
        );
        const alone = evaluateRecurrence(told, {
          X: reshape(tensor(rows), [steps, 1, width]),
          W,
          R,
          B,
        });
        for (let t = 0; t < length; t++) {
          for (let d = 0; d < 2; d++) {
            for (let j = 0; j < hidden; j++) {
              const y = Y.data[((t * 2 + d) * 2 + n) * hidden + j];
              assertEquals(y, t < steps ? alone.Y.data[(t * 2 + d) * hidden + j] : 0);
              assertEquals(Yh.data[(d * 2 + n) * hidden + j], alone.Yh.data[d * hidden + j]);
            }
          }
        }
      });
    },
  );

  fact(["ONNX-9"], "a sequence of no step leaves its initial state", () => {
    const told = recurrenceOf("RNN", {}, 22);
    const inputs = { X: ones([2, 1, 1]), W: ones([1, 1, 1]), R: ones([1, 1, 1]) };
    const initialH = tensor([[[0.25]]]);
    const { Y, Yh } = evaluateRecurrence(told, { ...inputs, initialH, sequenceLens: [0] });
    assertEquals([[...Y.data], Yh.item()], [[0, 0], 0.25]);
  });

  fact(["ONNX-3"], "what an operator has not is refused, in the opsets that have it not", () => {
    const refused: [Parameters<typeof recurrenceOf>, string][] = [
      [
        ["GRU", { linear_before_reset: 1 }, 2],
        "GRU has no attribute linear_before_reset in opset 2",
      ],
      [["RNN", { linear_before_reset: 1 }, 22], "RNN has no attribute linear_before_reset"],
      [["GRU", { input_forget: 1 }, 22], "GRU has no attribute input_forget"],
      [["LSTM", { layout: 1 }, 13], "LSTM has no attribute layout in opset 13"],
      [["LSTM", { output_sequence: 1 }, 7], "LSTM has no attribute output_sequence in opset 7"],
      [["LSTM", { toString: 1 }, 7], "no attribute toString"],
      [
        ["LSTM", { direction: "backward" }, 22],
        "direction must be forward, reverse or bidirectional",
      ],
      [["LSTM", { layout: 2 }, 22], "layout must be 0 or 1, not 2"],
      [["LSTM", { clip: -1 }, 22], "clip must be 0 or more, not -1"],
      [["LSTM", { hidden_size: 0 }, 22], "hidden_size must be a positive integer"],
      [["LSTM", { activations: ["Tanh"] }, 22], "activations must be a list of 3 names"],
      [["RNN", { activations: ["Tanh"], direction: "bidirectional" }, 22], "a list of 2 names"],
      [["RNN", {}, 0], "there is no opset 0"],
      [["Conv" as "RNN", {}, 22], "Conv is no recurrent operator"],
    ];
    for (const [given, reason] of refused) {
      assertThrows(() => recurrenceOf(...given), Error, reason, JSON.stringify(given));
    }
    recurrenceOf("LSTM", { output_sequence: 1 }, 6);
    recurrenceOf("RNN", { layout: 1 }, 14);
    assertEquals(recurrenceOf("GRU", { linear_before_reset: -1 }, 22).linearBeforeReset, true);
  });

  fact(["ONNX-3"], "inputs that do not fit are refused", () => {
    const good = { X: ones([2, 1, 3]), W: ones([1, 4, 3]), R: ones([1, 4, 1]) };
    const bad: [Record<string, unknown>, string][] = [
      [{ W: ones([1, 4, 2]) }, "W has the shape [1,4,2], wanted [1,4,3]"],
      [{ R: ones([4, 1]) }, "X and R have three dimensions"],
      [{ B: ones([1, 4]) }, "B has the shape [1,4], wanted [1,8]"],
      [{ P: ones([1, 4]) }, "P has the shape [1,4], wanted [1,3]"],
      [{ initialH: ones([1, 2, 1]) }, "initial_h has the shape"],
      [{ initialC: ones([1, 1, 1], { dtype: "float64" }) }, "initial_c is float64, X is float32"],
      [{ sequenceLens: [3] }, "sequence_lens must be 1 integers from 0 to 2, not [3]"],
      [{ sequenceLens: [1, 1] }, "sequence_lens must be 1 integers"],
      [{ sequence_lens: [1] }, "did you mean sequenceLens?"],
    ];
    const lstm = recurrenceOf("LSTM", {}, 22);
    for (const [change, reason] of bad) {
      assertThrows(() => evaluateRecurrence(lstm, { ...good, ...change }), Error, reason);
    }
    const gru = recurrenceOf("GRU", {}, 22);
    const own = { X: ones([2, 1, 3]), W: ones([1, 3, 3]), R: ones([1, 3, 1]) };
    assertThrows(() => evaluateRecurrence(gru, { ...own, P: ones([1, 3]) }), Error, "no input P");
    const larger = recurrenceOf("GRU", { hidden_size: 2 }, 22);
    assertThrows(() => evaluateRecurrence(larger, own), Error, "W has the shape");
  });

  /** f(x), by an RNN whose W is 1 and whose R is 0. */
  function activated(name: string, x: number, numbers: object = {}, dtype = "float64" as const) {
    const told = recurrenceOf("RNN", { activations: [name], ...numbers }, 22);
    const X = tensor([[[x]]], { dtype });
    const [W, R] = [ones([1, 1, 1], { dtype }), zeros([1, 1, 1], { dtype })];
    return evaluateRecurrence(told, { X, W, R }).Y.item();
  }

  fact(["ONNX-7"], "where ONNX Runtime computes otherwise, the operators' text holds", () => {
    // Its answers: 0, 0, infinity (onnxruntime 1.32.0).
    assertEquals(activated("ThresholdedRelu", 1, { activation_alpha: [1] }), 1);
    assertEquals(activated("ThresholdedRelu", 0.5), 0);
    assertEquals(activated("ThresholdedRelu", 1.5), 1.5);
    assertEquals(activated("Softplus", 100), 100);
    assertEquals(activated("Softplus", 1000), 1000);
  });

  fact(["ONNX-7"], "numbers are float32, the defaults too; other case is read", () => {
    assertEquals(activated("LeakyRelu", -1), -Math.fround(0.01));
    assertEquals(activated("LeakyRelu", -1, { activation_alpha: [0.3] }), -Math.fround(0.3));
    assertAlmostEquals(activated("hardsigmoid", 0.5), 0.5 * Math.fround(0.2) + 0.5, 1e-15);
    assertEquals(activated("SOFTSIGN", -3), -0.75);
  });

  fact(["ONNX-7"], "numbers that nobody can place are refused", () => {
    const alpha = (...activation_alpha: number[]) => ({ activation_alpha });
    assertThrows(() => activated("Affine", 1), Error, "Affine needs one, ONNX has no default");
    assertThrows(() => activated("ScaledTanh", 1, alpha(1)), Error, "activation_beta: ScaledTanh");
    assertThrows(
      () => activated("Elu", 1, alpha(1, 2)),
      Error,
      "2 numbers, the activations Elu take 1",
    );
    assertEquals(activated("Relu", 1, alpha(1, 2)), 1); // which take none
    assertThrows(() => activated("Swish", 1), Error, '"Swish" is none of Relu,Tanh');
  });

  law(
    ["ONNX-8"],
    "a clip that binds nowhere changes nothing, one of 0 leaves f(0)",
    fc.constantFrom("RNN" as const, "LSTM" as const, "GRU" as const),
    (kind) => {
      const G = { RNN: 1, LSTM: 4, GRU: 3 }[kind];
      const inputs = { X: randn([3, 2, 2]), W: randn([1, G * 2, 2]), R: randn([1, G * 2, 2]) };
      const run = (
        attributes: object,
      ) => [...evaluateRecurrence(recurrenceOf(kind, { ...attributes }, 22), inputs).Y.data];
      assertEquals(run({ clip: 1e6 }), run({}));
      assert(run({ clip: 0 }).every((y) => y === 0));
      assert(run({ clip: 0.01 }).some((y, k) => y !== run({})[k]));
    },
    10,
  );
});

describe("changes", () => {
  const seeds = fc.constantFrom(...onnxSeeds());
  const pieces = fc.uint8Array({ maxLength: 300 });

  law(
    ["ONNX-10"],
    "a node replaced by itself leaves every byte",
    seeds,
    ({ bytes }) => {
      const { graph } = readOnnx(bytes);
      const parts = [...graph.nodes, ...graph.initializers.values()].map(({ bytes }) => bytes);
      assertEquals(replaceParts(bytes, parts.map((part) => ({ part, by: part.slice() }))), bytes);
      assertEquals(replaceParts(bytes, []), bytes);
    },
    20,
    readablePath,
  );

  law(
    ["ONNX-10"],
    "what is replaced is there, all else as it was",
    fc.tuple(seeds, pieces),
    ([
      { bytes },
      piece,
    ]) => {
      const { graph } = readOnnx(bytes);
      const doc = writeMessage([[6, piece]]); // a node of nothing but a field that is passed over
      const edits = graph.nodes.map(({ bytes }) => ({ part: bytes, by: doc }));
      const found = readOnnx(replaceParts(bytes, edits));
      assertEquals(found.graph.nodes.map(({ bytes }) => [...bytes]), edits.map(() => [...doc]));
      assertEquals([...found.graph.initializers.keys()], [...graph.initializers.keys()]);
      assertEquals([...found.opsets], [...readOnnx(bytes).opsets]);
    },
    30,
    readablePath,
  );

  fact(["ONNX-10"], "graphs within are reached; what is no field's content is refused", () => {
    const bytes = onnxSeeds().find(({ id }) => id === "onnx/branches")!.bytes;
    const branch = (file: Uint8Array) =>
      graphOf(readOnnx(file).graph.nodes[0].attributes.get("then_branch")).nodes[0];
    const by = writeMessage([[4, "Sigmoid"], [3, "x".repeat(200)]]);
    assertEquals(
      branch(replaceParts(bytes, [{ part: branch(bytes).bytes, by }])).opType,
      "Sigmoid",
    );
    const { nodes } = readOnnx(bytes).graph;
    for (const part of [bytes.subarray(1, 3), new Uint8Array(3), nodes[0].bytes.subarray(1)]) {
      assertThrows(
        () => replaceParts(bytes, [{ part, by }]),
        CheckpointError,
        "no field's content",
      );
    }
    const nested = [{ part: nodes[0].bytes, by }, { part: branch(bytes).bytes, by }];
    assertThrows(() => replaceParts(bytes, nested), CheckpointError, "no field's content");
  });

  fact(["ONNX-10"], "a node mended is PyTorch's layer again", () => {
    const gru = new GRU(2, 3);
    const [{ W, R, B }] = toOnnx(gru.stateDict());
    const fields: Fields = [[4, "GRU"], [5, [[1, "hidden_size"], [3, 3], [20, 2]]]];
    const bytes = model([node(...fields)]);
    const attribute: WireField = [5, [[1, "linear_before_reset"], [3, 1], [20, 2]]];
    const by = writeMessage([...fields, attribute]);
    const [mended] = readOnnx(
      replaceParts(bytes, [{ part: readOnnx(bytes).graph.nodes[0].bytes, by }]),
    ).graph.nodes;
    const told = recurrenceOf("GRU", attributesOf(mended), 17);
    const back = fromOnnx([{
      opType: "GRU",
      direction: told.direction,
      hiddenSize: told.hiddenSize!,
      linearBeforeReset: told.linearBeforeReset ? 1 : 0,
      W,
      R,
      B,
    }]);
    assertEquals(back, gru.stateDict());
  });
});
