/**
 * The fields of ONNX's messages, by its own description of the format (onnx.proto): which may come more
 * than once, and what each is read as.
 */

import { assert, assertEquals, assertThrows } from "@std/assert";
import { CheckpointError } from "../../mod.ts";
import { type OnnxTensor, readOnnx, type WireField, writeMessage } from "../../lib/onnx/mod.ts";
import { describe, fact as onEveryPath, readablePath } from "./law.ts";

const fact = (clauses: readonly string[], claim: string, holds: () => void) =>
  onEveryPath(clauses, claim, holds, readablePath);

type Fields = readonly WireField[];

const model = (graph: Fields, more: Fields = []) =>
  writeMessage([[1, 8], [7, graph], [8, [[2, 17]]], ...more]);
const inAttribute = (fields: Fields) =>
  model([[1, [[4, "Op"], [5, [[1, "a"], [20, 2], ...fields]]]]]);
const inValue = (fields: Fields) => model([[11, [[1, "x"], ...fields]]]);
const inDim = (fields: Fields) => inValue([[2, [[1, [[1, 1], [2, [[1, fields]]]]]]]]);
const entry: Fields = [[1, "k"], [2, "v"]];
const float = { float: 1 };

/** A message of the format: how a file holds one with these fields, and its fields that are not set yet. */
interface Kind {
  readonly file: (fields: Fields) => Uint8Array;
  /** Those that come once: a value for each. */
  readonly once: Fields;
  /** Those that come as often as they like. */
  readonly often: Fields;
}

const kinds: Readonly<Record<string, Kind>> = {
  model: {
    file: (fields) => model([], fields),
    once: [[2, "p"], [3, "v"], [4, "d"], [5, 1], [6, "t"]],
    often: [[14, entry], [20, []], [25, [[1, "f"]]], [26, []]],
  },
  graph: {
    file: (fields) => model(fields),
    once: [[2, "g"], [10, "t"]],
    often: [[1, [[4, "A"]]], [11, []], [12, []], [13, []], [14, []], [15, []], [16, entry]],
  },
  node: {
    file: (fields) => model([[1, fields]]),
    once: [[3, "n"], [4, "A"], [6, "t"], [7, "d"], [8, "o"]],
    often: [[1, "x"], [2, "y"], [9, entry], [10, []]],
  },
  attribute: {
    file: inAttribute,
    once: [[3, 1], [13, "t"], [21, "r"]],
    often: [],
  },
  function: {
    file: (fields) => model([], [[25, fields]]),
    once: [[1, "f"], [8, "t"], [10, "d"], [13, "o"]],
    often: [[4, "x"], [5, "y"], [6, "a"], [7, [[4, "A"]]], [9, [[2, 17]]], [12, []], [14, entry]],
  },
  tensor: {
    file: (fields) => model([[5, [[1, 0], [2, 1], ...fields]]]),
    once: [[8, "w"], [12, "t"]],
    often: [[16, entry]],
  },
  value: {
    file: inValue,
    once: [[2, []], [3, "t"]],
    often: [[4, entry]],
  },
  type: { file: (fields) => inValue([[2, fields]]), once: [[1, []], [6, "d"]], often: [] },
  "tensor type": {
    file: (fields) => inValue([[2, [[1, fields]]]]),
    once: [[1, 1], [2, []]],
    often: [],
  },
  shape: { file: (fields) => inValue([[2, [[1, [[2, fields]]]]]]), once: [], often: [[1, []]] },
  dim: { file: inDim, once: [[1, 3], [2, "n"], [3, "t"]], often: [] },
  entry: { file: (fields) => model([], [[14, fields]]), once: [[1, "k"], [2, "v"]], often: [] },
  opset: { file: (fields) => model([], [[8, [[1, "own"], ...fields]]]), once: [[2, 3]], often: [] },
};

describe("fields", () => {
  fact(
    ["ONNX-2"],
    "a field that comes once is refused where it comes twice, another is not",
    () => {
      for (const [name, { file, once, often }] of Object.entries(kinds)) {
        for (const field of once) {
          readOnnx(file([field]));
          const says = `field ${field[0]} comes twice`;
          assertThrows(() => readOnnx(file([field, field])), CheckpointError, says, name);
        }
        for (const field of often) readOnnx(file([field, field, field]));
      }
    },
  );

  fact(["ONNX-1"], "an attribute is of the type of its field, whether or not it says so", () => {
    const tensor: Fields = [[1, 1], [2, 1], [9, new Uint8Array(4)]];
    const graph: Fields = [[2, "g"]];
    const values: [type: number, name: string, ...fields: WireField[]][] = [
      [1, "float", [2, float]],
      [2, "int", [3, 5]],
      [3, "string", [4, "t"]],
      [4, "tensor", [5, tensor]],
      [5, "graph", [6, graph]],
      [6, "floats", [7, float], [7, float]],
      [7, "ints", [8, 5], [8, 6]],
      [8, "strings", [9, "t"], [9, "u"]],
      [9, "tensors", [10, tensor], [10, tensor]],
      [10, "graphs", [11, graph], [11, graph]],
      [11, "other", [22, []]],
      [12, "other", [23, []], [23, []]],
      [13, "other", [14, []]],
      [14, "other", [15, []], [15, []]],
    ];
    const read = (fields: Fields) =>
      readOnnx(model([[1, [[5, [[1, "a"], ...fields]]]]])).graph.nodes[0].attributes.get("a")!;
    for (const [type, name, ...fields] of values) {
      const [said, unsaid] = [read([...fields, [20, type]]), read(fields)];
      assertEquals([said.type, unsaid.type], [name, name]);
      assertEquals(said.value === null, name === "other");
      if (Array.isArray(said.value)) assertEquals(said.value.length, 2);
      if (fields.length === 1 && name !== "other") {
        const says = `field ${fields[0][0]} comes twice`;
        assertThrows(() => read([...fields, ...fields]), CheckpointError, says);
      }
      for (const [other, wanted, ...rest] of values) {
        if (wanted === name) continue;
        const says = `it is to be ${wanted}, yet holds ${name}`;
        assertThrows(() => read([...fields, [20, other]]), CheckpointError, says);
        const both = name === "other" ? [wanted, "other"] : [name, wanted];
        const found = () => read([...fields, ...rest]);
        assertThrows(found, CheckpointError, "yet holds", both.join());
      }
    }
    for (const type of [15, 77]) {
      assertThrows(() => read([[20, type]]), CheckpointError, `the type ${type}`);
    }
    assertEquals(read([[20, 2], [21, "r"]]), { name: "a", type: "reference", value: "r" });
    for (const [type, name] of [[4, "tensor"], [5, "graph"]] as const) {
      assertThrows(() => read([[20, type]]), CheckpointError, `a ${name} without one`);
    }
    assertEquals([1, 2, 3].map((type) => read([[20, type]]).value), [0, 0, ""]);
  });

  fact(["ONNX-1"], "what is known of a value is read, what is not is null", () => {
    const value = (fields: Fields) => readOnnx(inValue(fields)).graph.inputs[0];
    const typed = (...fields: WireField[]) => value([[2, [[1, fields]]]]);
    assertEquals(value([]), { name: "x", dtype: null, shape: null });
    assertEquals(value([[2, [[4, []]]]]), { name: "x", dtype: null, shape: null }); // a sequence
    assertEquals(typed([1, 11]), { name: "x", dtype: "float64", shape: null });
    assertEquals(typed([1, 99]), { name: "x", dtype: null, shape: null });
    const dims: Fields = [[1, [[1, 0]]], [1, [[1, 3]]], [1, [[2, "n"]]], [1, [[2, ""]]], [1, []]];
    assertEquals(typed([1, 7], [2, dims]).shape, [0, 3, "n", null, null]);
    assertEquals(typed([2, []]).shape, []);
  });

  fact(["ONNX-1"], "the types have the numbers that ONNX gives them, and the bits of each", () => {
    const bits: [number, string, number][] = [
      ...[[1, "float32", 32], [2, "uint8", 8], [3, "int8", 8], [4, "uint16", 16]] as const,
      ...[[5, "int16", 16], [6, "int32", 32], [7, "int64", 64], [9, "bool", 8]] as const,
      ...[[10, "float16", 16], [11, "float64", 64], [12, "uint32", 32]] as const,
      ...[[13, "uint64", 64], [14, "complex64", 64], [15, "complex128", 128]] as const,
      ...[[16, "bfloat16", 16], [17, "float8_e4m3fn", 8], [21, "uint4", 4]] as const,
      ...[[22, "int4", 4], [25, "uint2", 2], [26, "int2", 2]] as const,
    ].map((row) => [...row]);
    const file = (type: number, dims: number[], ...data: WireField[]) =>
      model([[5, [...dims.map((dim): WireField => [1, dim]), [2, type], [8, "w"], ...data]]]);
    const read = (bytes: Uint8Array) => readOnnx(bytes).graph.initializers.get("w")!;
    for (const [type, dtype, width] of bits) {
      const size = Math.ceil(5 * width / 8);
      const raw = (length: number) => file(type, [5], [9, new Uint8Array(length)]);
      assertEquals([read(raw(size)).dtype, read(raw(size)).shape], [dtype, [5]]);
      for (const other of [size - 1, size + 1]) {
        const says = `${other} bytes of ${dtype} in raw_data, the shape [5] has ${size}`;
        assertThrows(() => read(raw(other)), CheckpointError, says);
      }
      // Without any data, it has no element, or is refused.
      assertEquals(read(file(type, [0])).shape, [0]);
      assertEquals(read(file(type, [0, 3])).shape, [0, 3]);
      assertThrows(() => read(file(type, [5])), CheckpointError, "0 bytes of");
    }
    for (const type of [0, 27, 99]) {
      assertThrows(() => read(file(type, [0])), CheckpointError, `the data type ${type}`);
    }
  });

  fact(["ONNX-1"], "each type has its own field of elements, as many as its shape says", () => {
    const stored = (type: number, field: number, count: number, elements: number) => {
      const one: WireField[1] = field === 4 ? float : field === 10 ? new Uint8Array(8) : 1;
      const data = field === 6
        ? Array.from({ length: elements }, (): WireField => [6, "t"])
        : field === 10
        ? [[10, new Uint8Array(8 * elements)] as WireField]
        : Array.from({ length: elements }, (): WireField => [field, one]);
      return model([[5, [[1, count], [2, type], [8, "w"], ...data]]]);
    };
    const read = (bytes: Uint8Array): OnnxTensor => readOnnx(bytes).graph.initializers.get("w")!;
    const own: [type: number, field: number, perElement: number][] = [
      ...[1, 14].map((type): [number, number, number] => [type, 4, type === 14 ? 2 : 1]),
      ...[2, 3, 4, 5, 6, 9, 10, 16, 17].map((type): [number, number, number] => [type, 5, 1]),
      ...[21, 22].map((type): [number, number, number] => [type, 5, 0.5]),
      ...[[8, 6, 1], [7, 7, 1], [11, 10, 1], [15, 10, 2], [12, 11, 1], [13, 11, 1]] as const,
    ].map(([type, field, per]) => [type, field, per]);
    for (const [type, field, per] of own) {
      const due = Math.ceil(3 * per);
      assertEquals(read(stored(type, field, 3, due)).shape, [3]);
      for (const elements of [due - 1, due + 1]) {
        const says = `${elements} elements of`;
        assertThrows(() => read(stored(type, field, 3, elements)), CheckpointError, says);
      }
      for (const other of [4, 5, 6, 7, 10, 11]) {
        if (other === field) continue;
        const says = type === 8 && other !== 6 ? "elements of string in" : "elements of";
        assertThrows(() => read(stored(type, other, 3, due)), CheckpointError, says);
      }
    }
    const text = model([[5, [[1, 1], [2, 8], [8, "w"], [9, new Uint8Array(1)]]]]);
    assertThrows(() => readOnnx(text), CheckpointError, "text as raw_data");
  });

  fact(
    ["ONNX-2"],
    "bytes of another file are so many as the tensor needs, and are nowhere else",
    () => {
      const outside = (...fields: WireField[]) =>
        model([[5, [
          [1, 2],
          [2, 1],
          [8, "w"],
          [14, 1],
          [13, [[1, "location"], [2, "a"]]],
          ...fields,
        ]]]);
      const at = (key: string, value: string): WireField => [13, [[1, key], [2, value]]];
      const external = (bytes: Uint8Array) => readOnnx(bytes).graph.initializers.get("w")!.external;
      assertEquals(external(outside()), { location: "a", offset: 0, length: 8 });
      assertEquals(external(outside(at("offset", "4096"), at("length", "8"))), {
        ...{ location: "a", offset: 4096, length: 8 },
      });
      for (const length of ["7", "9"]) {
        const says = `${length} bytes of external data, the shape and dtype need 8`;
        assertThrows(() => external(outside(at("length", length))), CheckpointError, says);
      }
      for (const offset of ["", "-1", "1.5", "0x1", "1e3", "9".repeat(16), "9".repeat(17)]) {
        assertThrows(() => external(outside(at("offset", offset))), CheckpointError, "with offset");
      }
      const both = outside([9, new Uint8Array(8)]);
      assertThrows(() => external(both), CheckpointError, "data both here and in another file");
      // What is said of another file counts only where the data are said to be there.
      const here = model([
        [5, [[1, 1], [2, 1], [8, "w"], [13, [[1, "location"], [2, "/x"]]], [9, new Uint8Array(4)]]],
      ]);
      assertEquals(external(here), null);
    },
  );

  fact(["ONNX-2"], "graphs lie within each other up to 32 deep", () => {
    const nested = (depth: number): Fields =>
      depth === 0 ? [] : [[1, [[4, "If"], [5, [[1, "then_branch"], [6, nested(depth - 1)]]]]]];
    readOnnx(model(nested(32)));
    assertThrows(() => readOnnx(model(nested(33))), CheckpointError, "more than 32 graphs within");
  });

  fact(["ONNX-1"], "only a file of the format's first two versions need not name an opset", () => {
    const file = (version: number) => writeMessage([[1, version], [7, []]]);
    for (const version of [1, 2]) assertEquals(readOnnx(file(version)).opsets.size, 0);
    for (const version of [3, 8]) {
      assertThrows(() => readOnnx(file(version)), CheckpointError, "the file names no opset");
    }
    const twice = readOnnx(model([], [[8, [[2, 17]]], [8, [[1, "own"], [2, 2]]]]));
    assertEquals([...twice.opsets], [["", 17], ["own", 2]]);
    assert(twice.bytes.length > 0);
  });
});
