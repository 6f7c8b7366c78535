/** What `readOnnx` reads out of a file's messages, what each counts as, and its refusals word for word. */

import { assertEquals, assertThrows } from "@std/assert";
import { CheckpointError } from "../../mod.ts";
import { type OnnxOptions, readOnnx, type WireField, writeMessage } from "../../lib/onnx/mod.ts";
import { Budget } from "../../lib/onnx/wire.ts";
import { describe, fact as onEveryPath, readablePath } from "./law.ts";

const fact = (claim: string, holds: () => void, clauses = ["ONNX-1"]) =>
  onEveryPath(clauses, claim, holds, readablePath);

type Fields = readonly WireField[];

const opset: WireField = [8, [[2, 17]]];
const model = (graph: Fields, ...more: Fields) =>
  writeMessage([[1, 8], [7, graph], opset, ...more]);
const int = (name: string, value: number): WireField => [5, [[1, name], [3, value], [20, 2]]];

/** The bytes that a file is counted as. */
function counted(bytes: Uint8Array): number {
  const { charge } = Budget.prototype;
  let total = 0;
  Budget.prototype.charge = (more) => void (total += more);
  try {
    readOnnx(bytes);
  } finally {
    Budget.prototype.charge = charge;
  }
  return total;
}

function refused(bytes: Uint8Array, says: string, options: OnnxOptions = {}): void {
  assertEquals(assertThrows(() => readOnnx(bytes, options), CheckpointError).message, says);
}

describe("reading ONNX", () => {
  fact("every field of a model, a node and a function has its place", () => {
    const node: Fields = [
      [1, "a"],
      [1, ""],
      [1, "b"],
      [2, "c"],
      [2, "d"],
      [3, "name"],
      [4, "Own"],
      int("k", 5),
      [6, "text that is passed over"],
      [7, "mine"],
      [8, "over"],
    ];
    const graph: Fields = [
      [1, node],
      [1, []],
      [2, "the graph"],
      [5, [[1, 0], [2, 1], [8, "w"]]],
      [10, "text that is passed over"],
      [11, [[1, "in"]]],
      [11, [[1, "in2"]]],
      [12, [[1, "out"]]],
      [13, [[1, "between"]]],
    ];
    const called: Fields = [
      [1, "Own"],
      [4, "x"],
      [4, "y"],
      [5, "z"],
      [6, "size"],
      [7, [[4, "Relu"]]],
      [8, "text that is passed over"],
      [9, [[1, "mine"], [2, 3]]],
      [9, [[2, 12]]],
      [10, "ai.onnx"],
      [11, int("usual", 7)[1]],
      [13, "over"],
    ];
    const entry = (key: string, value: string): WireField => [14, [[1, key], [2, value]]];
    const file = writeMessage([
      ...[[1, 9], [2, "maker"], [3, "1.2"], [4, "passed over"], [7, graph]] as const,
      ...[entry("a", "b"), entry("c", "d"), [25, called], opset, [8, [[1, "mine"], [
        2,
        4,
      ]]]] as const,
    ]);
    const read = readOnnx(file);
    assertEquals([read.irVersion, read.producerName, read.producerVersion], [9, "maker", "1.2"]);
    assertEquals([...read.opsets], [["", 17], ["mine", 4]]);
    assertEquals([...read.metadata], [["a", "b"], ["c", "d"]]);
    assertEquals(read.bytes, file);
    const { name, nodes, initializers, inputs, outputs, values, bytes } = read.graph;
    assertEquals([name, nodes.length, [...initializers.keys()]], ["the graph", 2, ["w"]]);
    const names = [inputs, outputs, values].map((list) => list.map(({ name }) => name));
    assertEquals(names, [["in", "in2"], ["out"], ["between"]]);
    assertEquals(bytes, writeMessage(graph));
    assertEquals(nodes[0], {
      ...{ name: "name", opType: "Own", domain: "mine", overload: "over" },
      ...{ inputs: ["a", "", "b"], outputs: ["c", "d"], bytes: writeMessage(node) },
      attributes: new Map([["k", { name: "k", type: "int", value: 5 }]]),
    });
    assertEquals(nodes[1], {
      ...{ name: "", opType: "", domain: "", overload: "", inputs: [], outputs: [] },
      ...{ bytes: new Uint8Array(), attributes: new Map() },
    });
    const [own] = read.functions;
    assertEquals({ ...own, nodes: own.nodes.map(({ opType }) => opType) }, {
      ...{ name: "Own", domain: "", overload: "over", inputs: ["x", "y"], outputs: ["z"] },
      ...{ nodes: ["Relu"], attributes: ["size"], opsets: new Map([["mine", 3], ["", 12]]) },
      defaults: new Map([["usual", { name: "usual", type: "int", value: 7 }]]),
    });
  });

  fact("what is left out is 0 or empty", () => {
    const read = readOnnx(writeMessage([[7, []]]));
    assertEquals([read.irVersion, read.producerName, read.producerVersion], [0, "", ""]);
    assertEquals([read.opsets.size, read.functions, read.graph.name], [0, [], ""]);
    assertEquals([...readOnnx(writeMessage([[1, 8], [7, []], [8, []]])).opsets], [["", 0]]);
    const [own] = readOnnx(model([], [25, []])).functions;
    assertEquals([own.name, own.domain, own.overload], ["", "", ""]);
    assertEquals([own.opsets.size, own.defaults.size], [0, 0]);
  });

  fact("each part of a file counts as what it becomes", () => {
    const name = (text: string) => 96 + 2 * text.length;
    const attribute = 300;
    const parts: [what: string, part: WireField, counts: number][] = [
      ["a node", [1, []], 350],
      ["its input, whose name is new", [1, [[1, "x"]]], 350 + 16 + name("x")],
      ["its outputs, of one name", [1, [[2, "yz"], [2, "yz"]]], 350 + 2 * 16 + name("yz")],
      ["an input left out", [1, [[1, ""]]], 350 + 16],
      ["its name and operator", [1, [[3, "n"], [4, "Op"]]], 350 + name("n") + name("Op")],
      ["an attribute", [1, [int("k", 1)]], 350 + attribute + name("k")],
      [
        "texts, which may be bytes",
        [1, [[5, [[1, "k"], [9, "a"], [9, "bc"], [20, 8]]]]],
        350 + attribute + name("k") + 2 * (32 + 16) + 2 * 3,
      ],
      [
        "integers one by one",
        [1, [[5, [[1, "k"], [8, 1], [8, 2], [20, 7]]]]],
        350 + attribute + name("k") + 2 * 16,
      ],
      [
        "a graph within",
        [1, [[5, [[1, "k"], [6, [[2, "g"]]], [20, 5]]]]],
        350 + attribute + name("k") + 480 + name("g"),
      ],
      ["an input of the graph", [11, []], 200],
      [
        "an output with a shape",
        [12, [[1, "x"], [2, [[1, [[1, 1], [2, [[1, [[1, 3]]], [1, [[2, "n"]]]]]]]]]]],
        200 + name("x") + 2 * 16 + name("n"),
      ],
    ];
    const none = counted(model([]));
    assertEquals(none, 480 + 100); // the graph and the opset
    for (const [what, part, counts] of parts) {
      assertEquals([what, counted(model([part])) - none], [what, counts]);
    }
    const more: [what: string, part: WireField, counts: number][] = [
      ["a function", [25, []], 600],
      [
        "its inputs, outputs and attributes",
        [25, [[4, "a"], [5, "b"], [6, "c"], [4, "a"]]],
        600 + 4 * 16 + 3 * name("a"),
      ],
      ["its opset", [25, [[9, [[1, "own"]]]]], 600 + 100 + name("own")],
      ["its node", [25, [[7, []]]], 600 + 350],
      ["free text", [14, [[1, "k"], [2, "v"]]], 150 + name("k") + 32 + 2],
      ["who wrote it", [2, "p"], name("p")],
    ];
    for (const [what, part, counts] of more) {
      assertEquals([what, counted(model([], part)) - none], [what, counts]);
    }
  }, ["ONNX-2"]);

  fact("refusals name the byte behind what is wrong, and the message that it is in", () => {
    refused(writeMessage([[1, 8]]), "onnx: the file has no graph, so it is no ONNX model");
    refused(
      writeMessage([[1, 3], [7, []]]),
      "onnx: the file names no opset, so its operators may mean anything",
    );
    const other: WireField = [8, [[1, "own"], [2, 1]]];
    const again: WireField = [8, [[1, "own"], [2, 2]]];
    refused(
      model([], other, [8, [[1, "own"], [2, 1]]], again),
      'onnx: byte 35: opset_import: opset 2 and opset 1 of "own"',
    );
    const tensor: WireField = [5, [[1, 0], [2, 1], [8, "w"]]];
    refused(model([tensor, tensor]), 'onnx: byte 22: graph: initializer "w" comes twice');
    refused(
      model([[1, [int("k", 1), int("k", 1)]]]),
      'onnx: byte 26: attribute: attribute "k" comes twice',
    );
    refused(
      model([[1, [[5, [[1, "k"], [3, 1], [20, 1]]]]]]),
      'onnx: byte 16: attribute: attribute "k": it is to be float, yet holds int',
    );
    const within: [WireField, string][] = [
      [[7, [[99, Uint8Array.of(1)], [1, 1]]], "graph: field 1 has the wire type 0, wanted 2"],
      [[7, [[1, [[1, 1]]]]], "node: field 1 has the wire type 0, wanted 2"],
      [[7, [[5, [[8, 1]]]]], "initializer: field 8 has the wire type 0, wanted 2"],
      [[7, [[11, [[1, 1]]]]], "value: field 1 has the wire type 0, wanted 2"],
      [[7, [[11, [[2, [[1, 1]]]]]]], "type: field 1 has the wire type 0, wanted 2"],
      [[7, [[11, [[2, [[1, [[1, ""]]]]]]]]], "tensor_type: field 1 has the wire type 2, wanted 0"],
      [
        [7, [[11, [[2, [[1, [[2, [[1, 1]]]]]]]]]]],
        "shape: field 1 has the wire type 0, wanted 2",
      ],
      [
        [7, [[11, [[2, [[1, [[2, [[1, [[1, ""]]]]]]]]]]]]],
        "dim: field 1 has the wire type 2, wanted 0",
      ],
      [[8, [[2, ""]]], "opset_import: field 2 has the wire type 2, wanted 0"],
      [[14, [[1, 1]]], "metadata_props: field 1 has the wire type 0, wanted 2"],
      [[25, [[1, 1]]], "function: field 1 has the wire type 0, wanted 2"],
      [[25, [[11, [[1, 1]]]]], "attribute: field 1 has the wire type 0, wanted 2"],
      [
        [7, [[1, [[5, [[5, [[8, 1]]]]]]]]],
        "tensor: field 8 has the wire type 0, wanted 2",
      ],
      [[1, ""], "model: field 1 has the wire type 2, wanted 0"],
    ];
    for (const [field, says] of within) {
      const { message } = assertThrows(() => readOnnx(writeMessage([field])), CheckpointError);
      assertEquals(message.replace(/byte \d+/, "byte N"), `onnx: byte N: ${says}`);
    }
    assertThrows(() => readOnnx(1 as never), TypeError, "bytes");
    assertThrows(() => readOnnx(model([]), { external: 1 } as never), TypeError, "external");
  }, ["ONNX-2"]);

  fact("graphs lie within each other up to 32 deep, within functions too", () => {
    const graph = (depth: number, field: 6 | 11): Fields =>
      depth === 0 ? [] : [[1, [[5, [[1, "g"], [field, graph(depth - 1, field)]]]]]];
    const inside = (depth: number, field: 6 | 11): WireField => [5, [[1, "g"], [
      field,
      graph(depth - 1, field),
    ]]];
    for (const field of [6, 11] as const) {
      const files = (depth: number) => [
        model(graph(depth, field)),
        model([], [25, [[7, [inside(depth, field)]]]]),
        model([], [25, [[11, inside(depth, field)[1]]]]),
      ];
      for (const file of files(32)) readOnnx(file);
      for (const file of files(33)) {
        const { message } = assertThrows(() => readOnnx(file), CheckpointError);
        const says = "onnx: byte N: graph: more than 32 graphs within each other";
        assertEquals(message.replace(/byte \d+/, "byte N"), says);
      }
    }
  }, ["ONNX-2"]);

  fact("the bytes of another file are asked for once, and missed by name", () => {
    const at = (name: string, location: string): WireField => [
      5,
      [[1, 1], [2, 1], [8, name], [13, [[1, "location"], [2, location]]], [14, 1]],
    ];
    const file = model([at("a", "one"), at("b", "one"), at("c", "two")]);
    const tensors = (
      options: OnnxOptions,
    ) => [...readOnnx(file, options).graph.initializers.values()];
    const asked: string[] = [];
    const external = (location: string) => {
      asked.push(location);
      return new Uint8Array(Float32Array.of(asked.length).buffer);
    };
    const read = tensors({ external });
    assertEquals(asked, []);
    assertEquals(read.map((tensor) => tensor.toTensor().tolist()), [[1], [1], [2]]);
    assertEquals(read.map((tensor) => tensor.toTensor().tolist()), [[1], [1], [2]]);
    assertEquals(asked, ["one", "two"]);
    const { message } = assertThrows(() => tensors({})[0].toTensor(), CheckpointError);
    assertEquals(
      message,
      'the bytes are in the file "one"; give it: readOnnx(bytes, { external })',
    );
  });
});
