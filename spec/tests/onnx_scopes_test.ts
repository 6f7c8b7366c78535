/**
 * What is computed of a graph, and how much of it: one operator by itself, what each asks to make,
 * and the scopes of graphs, functions and loops.
 */

import { assert, assertEquals, assertThrows } from "@std/assert";
import type {
  OnnxAttribute,
  OnnxAttributeValue,
  OnnxFunction,
  OnnxGraph,
  OnnxModel,
  OnnxNode,
} from "../../lib/onnx/mod.ts";
import { needed, operators } from "../../lib/onnx/operators.ts";
import type { Value } from "../../lib/onnx/value.ts";
import { type Extra, functionOf, Scope, worldOf } from "../../lib/onnx/values.ts";
import { describe, fact as onEveryPath, readablePath } from "./law.ts";

const fact = (claim: string, holds: () => void) =>
  onEveryPath(["JUDGE-1"], claim, holds, readablePath);

const value = (shape: readonly number[], ...data: number[]): Value => (
  { shape, data: Float64Array.from(data), whole: true }
);
const list = (...data: number[]) => value([data.length], ...data);
const single = (x: number) => value([], x);
const numbers = (shape: readonly number[]) =>
  value(shape, ...Array(shape.reduce((a, b) => a * b, 1)).keys());

type Told = Readonly<Record<string, number | readonly number[] | OnnxAttributeValue>>;

const attributesOf = (told: Told): Map<string, OnnxAttribute> =>
  new Map(
    Object.entries(told).map(([name, own]): [string, OnnxAttribute] => [
      name,
      typeof own === "number"
        ? { name, type: "int", value: own }
        : "type" in own
        ? { name, ...own }
        : { name, type: "ints", value: own },
    ]),
  );

/** Uses an operator; `asked` takes the number of elements of each shape that it asks to make. */
function use(
  type: string,
  inputs: readonly (Value | undefined)[],
  told: Told = {},
  { outputs = 1, asked = [], refused = -1 }: {
    outputs?: number;
    asked?: number[];
    refused?: number;
  } = {},
) {
  const attributes = attributesOf(told);
  const fits = (shape: readonly number[]) =>
    asked.push(shape.reduce((a, b) => a * b, 1)) - 1 !== refused;
  return operators[type]({ inputs, attribute: (name) => attributes.get(name), outputs, fits });
}

describe("one operator", () => {
  fact("each needs as many inputs as ONNX says", () => {
    const many = Map.groupBy(Object.keys(operators), needed);
    assertEquals(many.get(0), ["Constant"]);
    assertEquals(many.get(3), ["Where", "ScatterElements", "Range"]);
    assertEquals(many.get(2), [
      ...["CastLike", "Gather", "Expand", "ReverseSequence", "DequantizeLinear", "MatMul", "Gemm"],
      ...["Add", "Sub", "Mul", "Div", "Min", "Max", "Equal", "Less", "Greater", "And", "Or"],
    ]);
    assertEquals([...many.keys()].sort(), [0, 1, 2, 3]);
  });

  fact("it asks for all that it makes first, and makes nothing where that is refused", () => {
    const [a, b] = [numbers([2, 3]), numbers([3, 4])];
    const rows: [string, Value[], Told, number[], number?][] = [
      ["Neg", [a], {}, [6]],
      ["Add", [a, list(1, 2, 3)], {}, [6, 6]],
      ["MatMul", [a, b], {}, [8, 8, 6, 12]],
      ["MatMul", [numbers([2, 64]), numbers([64, 3])], {}, [6, 6, 128, 192]],
      ["MatMul", [numbers([2, 65]), numbers([65, 3])], {}, [6, 12, 130, 195]],
      ["Gemm", [a, b, single(1)], {}, [8, 8, 6, 12, 8]],
      ["Gemm", [numbers([3, 2]), numbers([4, 3])], { transA: 1, transB: 1 }, [6, 12, 8, 8, 6, 12]],
      ["ReduceSum", [a], { axes: [1] }, [2]],
      ["ConstantOfShape", [list(2, 5)], {}, [10]],
      ["DequantizeLinear", [a, single(1)], {}, [6]],
      ["DequantizeLinear", [a, list(1, 2, 3), list(1, 2, 3)], {}, [6, 6]],
      ["Concat", [a, a], { axis: 0 }, [12]],
      ["Slice", [a, list(1), list(2)], {}, [3]],
      ["Gather", [a, list(1, 1, 0)], {}, [9]],
      ["Split", [a], { axis: 1, split: [1, 2] }, [2, 4], 2],
      ["Expand", [single(1), list(2, 5)], {}, [10]],
      ["Transpose", [a], {}, [6]],
      ["Where", [single(1), a, single(0)], {}, [6, 6, 6]],
      ["ReverseSequence", [a, list(1, 1, 2)], {}, [6]],
    ];
    for (const [type, inputs, told, wanted, outputs = 1] of rows) {
      const asked: number[] = [];
      const made = use(type, inputs, told, { outputs, asked });
      assert(made?.every((one) => one !== null), type);
      assertEquals([type, asked], [type, wanted]);
      wanted.forEach((_, refused) => {
        const less = use(type, inputs, told, { outputs, refused });
        assert(!less || less.includes(null), `${type} where ask ${refused} is refused`);
      });
    }
  });

  fact("what is left out, or of no shape, makes it unknown or is as ONNX says", () => {
    const a = numbers([2, 3]);
    assertEquals(use("ConstantOfShape", [list(-1, -2)]), null);
    assertEquals(use("Concat", [a, undefined], { axis: 0 }), null);
    assertEquals(use("MatMul", [list(1), a]), null);
    assertEquals(use("MatMul", [a, list(1, 2, 3)]), null);
    assertThrows(() => use("MatMul", [a, a]), RangeError, "shapes that do not fit");
    assertEquals(use("ReverseSequence", [a, list(1, 1)], { batch_axis: 0, time_axis: 0 }), null);
    assertEquals(use("ReverseSequence", [a, list(1, 1)], { batch_axis: 1, time_axis: 1 }), null);
    assertEquals(use("TopK", [a]), null);
    for (const k of [-1, 4]) assertEquals(use("TopK", [a, list(k)]), null);
    assertEquals(use("TopK", [numbers([1, 2, 3]), list(1)])?.[0]?.shape, [1, 2, 1]);
    assertEquals(
      use("Relu", [value([4], -2, 0, 0.5, 3)])?.[0]?.data,
      Float64Array.of(0, 0, 0.5, 3),
    );
    assertEquals(use("Cast", [value([1], 1.5)]), [{ ...value([1], 1.5), whole: false }]);
    const range = (count: number, ...more: undefined[]) =>
      use("Range", [single(0), single(count), single(1), ...more])?.[0]?.data.length ?? null;
    assertEquals([range(2, undefined), range(2 ** 20 - 1), range(2 ** 20)], [2, 2 ** 20 - 1, null]);
    assertEquals(range(NaN), null);
  });
});

/** A node of a model in the making. */
function node(
  opType: string,
  inputs: readonly string[],
  outputs: readonly string[],
  told: Told = {},
  own: Partial<OnnxNode> = {},
): OnnxNode {
  const attributes = attributesOf(told);
  const none = new Uint8Array();
  return {
    name: "",
    opType,
    domain: "",
    overload: "",
    inputs,
    outputs,
    attributes,
    bytes: none,
    ...own,
  };
}

function graph(
  nodes: readonly OnnxNode[],
  inputs: readonly string[] = [],
  outputs: readonly string[] = [],
): OnnxGraph {
  const [ins, outs] = [inputs, outputs].map((names) =>
    names.map((name) => ({ name, dtype: null, shape: null }))
  );
  const bytes = new Uint8Array();
  return {
    name: "",
    nodes,
    initializers: new Map(),
    inputs: ins,
    outputs: outs,
    values: [],
    bytes,
  };
}

const within = (value: OnnxGraph): OnnxAttributeValue => ({ type: "graph", value });

/** A scope of some nodes, with some values known. */
function scoped(
  nodes: readonly OnnxNode[],
  given: Readonly<Record<string, Value | null>> = {},
  { extra, functions = [], size = 0 }: {
    extra?: Extra;
    functions?: readonly OnnxFunction[];
    size?: number;
  } = {},
) {
  const own = graph(nodes);
  const model = { graph: own, functions, bytes: new Uint8Array(size) } as unknown as OnnxModel;
  const world = worldOf(model, extra);
  const scope = new Scope(world, own, null, Object.entries(given));
  return { world, scope, get: (name: string) => scope.get(name) };
}

const strange: Extra = ({ opType }) => opType === "Strange" ? [single(5)] : null;

describe("scopes", () => {
  fact(
    "a file may make 2^22 elements and four for each of its bytes; each node counts as 64",
    () => {
      for (const size of [0, 1, 1000]) {
        const { world, get } = scoped([node("Neg", ["x"], ["y"])], { x: list(1, 2, 3) }, { size });
        assertEquals(world.left, 2 ** 22 + 4 * size);
        get("y");
        assertEquals(world.left, 2 ** 22 + 4 * size - 64 - 3);
        get("y");
        assertEquals(world.left, 2 ** 22 + 4 * size - 64 - 3);
      }
      for (const [left, known] of [[67, true], [66, false], [63, false]] as const) {
        const { world, get } = scoped([node("Neg", ["x"], ["y"])], { x: list(1, 2, 3) });
        world.left = left;
        assertEquals([left, get("y") !== null], [left, known]);
      }
      const { world, scope } = scoped([]);
      world.left = 10;
      assertEquals([scope.charge(0), scope.charge(-5), scope.charge(10), world.left], [
        true,
        false,
        true,
        0,
      ]);
      assertEquals([scope.charge(0), scope.charge(1), scope.charge(0)], [true, false, false]);
      // What is computed by others is charged by them, but for the node.
      const other = scoped([node("Strange", [], ["y"])], {}, { extra: strange });
      other.world.left = 64;
      assertEquals(other.get("y"), single(5));
    },
  );

  fact("a value is as large as its shape, of whole numbers from 0", () => {
    const shapes: [shape: readonly number[], sound: boolean][] = [
      [[6], true],
      [[2, 3], true],
      [[-2, -3], false],
      [[-2, -3, 1], false],
      [[1.5, 4], false],
      [[7], false],
    ];
    for (const [shape, sound] of shapes) {
      const { get } = scoped([node("Reshape", ["x", "shape"], ["y"])], {
        x: numbers([6]),
        shape: list(...shape),
      });
      const wanted = sound ? { ...numbers([6]), shape } : null;
      assertEquals([shape, get("y")], [shape, wanted]);
    }
    const empty = scoped([node("ConstantOfShape", ["x"], ["y"])], { x: list(0, 3) }).get("y");
    assertEquals(empty?.shape, [0, 3]);
  });

  fact("a node that waits for itself, or for what nobody makes, is not carried out", () => {
    let calls = 0;
    const extra: Extra = (one, scope, inputs) => {
      calls++;
      return strange(one, scope, inputs);
    };
    const { get } = scoped(
      [
        node("Strange", ["b"], ["a"]),
        node("Strange", ["a"], ["b"]),
        node("Strange", ["", "none"], ["c", "d"]),
        node("Neg", ["c"], ["e"]),
        node("Shape", ["none"], ["f"]),
        node("Size", ["none"], ["g"]),
        node("Add", ["", "c"], ["h"]),
        node("TopK", ["x", ""], ["i", "j"], { k: 1 }),
      ],
      { x: list(1, 2) },
      { extra },
    );
    // Of a circle, the one that is asked for is not known; what else may be carried out without it is.
    assertEquals([get("a"), get("b"), calls], [null, single(5), 1]);
    assertEquals([get("c"), get("d"), get("none")], [single(5), null, null]);
    assertEquals(get("e"), single(-5));
    assertEquals([get("f"), get("g"), get("h")], [null, null, null]);
    assertEquals([get("i"), get("j")], [list(2), list(1)]);
  });

  fact("an error that is not the operator's refusal is passed on", () => {
    const broken = node("Neg", ["x"], ["y"]);
    const given = { x: single(1) };
    const failing = (error: Error) => ({
      ...broken,
      opType: "Cast",
      attributes: {
        get: () => {
          throw error;
        },
      } as unknown as OnnxNode["attributes"], // deno-fmt-ignore
    });
    assertThrows(() => scoped([failing(new TypeError("own"))], given).get("y"), TypeError, "own");
    assertEquals(scoped([failing(new RangeError("own"))], given).get("y"), null);
  });

  fact("a value has the maker and the constant of the nearest graph around", () => {
    const tensor = { name: "w" } as never;
    const outer = graph([node("Neg", ["x"], ["y"]), node("Neg", ["x"], ["w"])]);
    const inner = graph([node("Relu", ["y"], ["z"])]);
    const world = worldOf({ graph: outer, functions: [], bytes: new Uint8Array() } as never);
    const around = new Scope(world, { ...outer, initializers: new Map([["v", tensor]]) });
    const hidden = new Scope(world, {
      ...inner,
      initializers: new Map([["y", tensor], ["z", tensor]]),
    }, around);
    assertEquals(around.maker("y")?.node, outer.nodes[0]);
    assertEquals([around.maker("x"), around.maker("v")], [null, null]);
    assertEquals([hidden.maker("z")?.node, hidden.maker("z")?.scope], [inner.nodes[0], hidden]);
    assertEquals([hidden.maker("w")?.scope, hidden.maker("y")], [around, null]);
    assertEquals([hidden.initializer("y"), hidden.initializer("v")], [tensor, tensor]);
    assertEquals([hidden.initializer("z"), hidden.initializer("w"), around.initializer("y")], [
      null,
      null,
      null,
    ]);
  });

  const called = (own: Partial<OnnxFunction>): OnnxFunction => ({
    ...{ name: "F", domain: "own", overload: "", inputs: ["x"], outputs: ["y"], nodes: [] },
    ...{ attributes: [], defaults: new Map(), opsets: new Map() },
    ...own,
  });

  fact("a function is called by its name, domain and overload", () => {
    const functions = [
      called({}),
      called({ overload: "2" }),
      called({ domain: "" }),
      called({ name: "G" }),
    ];
    const model = { functions } as unknown as OnnxModel;
    const of = (opType: string, domain: string, overload: string) =>
      functions.indexOf(functionOf(node(opType, [], [], {}, { domain, overload }), model)!);
    assertEquals(of("F", "own", ""), 0);
    assertEquals(of("F", "own", "2"), 1);
    assertEquals(of("F", "", ""), 2);
    assertEquals(of("G", "own", ""), 3);
    assertEquals([of("G", "own", "2"), of("G", "", ""), of("F", "", "2")], [-1, -1, -1]);
  });

  fact("a function sees what it is given and told, and nothing around its call", () => {
    const own = { domain: "own" };
    const axes: OnnxAttributeValue = { type: "reference", value: "along" };
    const body = [
      node("ReduceSum", ["x"], ["y"], { axes, keepdims: 0 }),
      node("Neg", ["far"], ["z"]),
    ];
    const defaults = new Map([["along", { name: "along", type: "ints", value: [0] } as const]]);
    const f = called({ nodes: body, outputs: ["y", "z"], inputs: ["x", "second"], defaults });
    const nodes = [
      node("F", ["a"], ["p", "q"], {}, own),
      node("F", ["a"], ["r"], { along: [1] }, own),
      node("F", ["", "a"], ["s"], {}, own),
      node("F", ["a"], ["t"], { along: { type: "reference", value: "nobody" } }, own),
    ];
    const { get } = scoped(nodes, { a: numbers([2, 3]), far: single(1) }, { functions: [f] });
    assertEquals([get("p"), get("q")], [list(3, 5, 7), null]);
    assertEquals([get("r"), get("s"), get("t")], [list(3, 12), null, list(3, 5, 7)]);
  });

  fact("functions call each other 17 deep, graphs within them too", () => {
    const f = called({});
    const call = node("F", ["x"], ["y"], {}, { domain: "own" });
    const { scope, world } = scoped([call], { x: single(1) }, { functions: [f] });
    let depth = 0;
    for (let own: Scope | null = scope; depth < 40 && own; depth++) {
      own = new Scope(world, graph([]), own).inside(call, f);
    }
    assertEquals(depth, 18); // the last one is refused
    const round = called({ nodes: [call] });
    assertEquals(scoped([call], { x: single(1) }, { functions: [round] }).get("y"), null);
  });

  fact("If takes one of its branches by a single truth, where it is ONNX's own and has it", () => {
    const branch = (x: number) =>
      within(graph([node("Constant", [], ["o"], { value_int: x })], [], ["o"]));
    const both = { then_branch: branch(1), else_branch: branch(2) };
    const of = (condition: Value | null, told: Told = both, domain = "") =>
      scoped([node("If", ["c"], ["y"], told, { domain })], { c: condition }).get("y");
    assertEquals([of(single(1)), of(list(0)), of(single(7))], [single(1), single(2), single(1)]);
    assertEquals([of(null), of(list(1, 1)), of(list()), of(single(1), both, "own")], [
      null,
      null,
      null,
      null,
    ]);
    assertEquals([of(single(0), { then_branch: branch(1) }), of(single(0), { else_branch: 3 })], [
      null,
      null,
    ]);
  });

  /** A loop whose body puts out whether it goes on, one carried value and what it collects. */
  const loop = (
    body: OnnxGraph | null,
    given: Readonly<Record<string, Value | null>>,
    { inputs = ["m", "c", "s"], domain = "", left = 2 ** 22 } = {},
  ) => {
    const told: Told = body ? { body: within(body) } : {};
    const { world, get } = scoped([node("Loop", inputs, ["last", "all"], told, { domain })], given);
    world.left = left;
    return [get("last"), get("all")];
  };
  const doubling = graph(
    [node("Add", ["x", "x"], ["twice"]), node("Less", ["k", "limit"], ["more"])],
    ["k", "on", "x", "beyond"],
    ["more", "twice", "k"],
  );
  const start = { m: single(3), c: single(1), s: single(5), limit: single(99) };

  fact("Loop goes on for its rounds, and while its condition holds", () => {
    assertEquals(loop(doubling, start), [single(40), list(0, 1, 2)]);
    assertEquals(loop(doubling, { ...start, limit: single(1) }), [single(20), list(0, 1)]);
    assertEquals(loop(doubling, { ...start, m: single(1) }), [single(10), list(0)]);
    assertEquals(loop(doubling, { ...start, m: single(0) }), [single(5), null]);
    assertEquals(loop(doubling, { ...start, c: single(0) }), [single(5), null]);
    assertEquals(loop(doubling, { ...start, m: null }), [null, null]);
    assertEquals(loop(doubling, { ...start, c: null }), [null, null]);
    assertEquals(loop(null, start), [null, null]);
    assertEquals(loop(doubling, start, { domain: "own" }), [null, null]);
    const open = { ...start, limit: single(2) };
    assertEquals(loop(doubling, open, { inputs: ["", "", "s"] }), [single(40), list(0, 1, 2)]);
    // A carried value that is not known makes only itself unknown.
    assertEquals(loop(doubling, { ...start, s: null }), [null, list(0, 1, 2)]);
    // A condition that is not known ends it.
    assertEquals(loop(doubling, { ...start, limit: null }), [null, null]);
  });

  fact("Loop takes 1001 rounds, and collects values of one size for which there is room", () => {
    const same = graph([node("Neg", ["x"], ["y"])], ["k", "on", "x"], ["on", "y"]);
    const rounds = (m: number) => loop(same, { ...start, m: single(m) })[0];
    assertEquals([rounds(1000), rounds(1001), rounds(1002)], [single(5), single(-5), null]);
    const sizes = (...some: number[]) => {
      const body = graph(
        [
          node("Gather", ["sizes", "k"], ["size"]),
          node("Unsqueeze", ["size"], ["shape"], { axes: [0] }),
          node("Expand", ["k", "shape"], ["row"]),
        ],
        ["k", "on", "x"],
        ["on", "x", "row"],
      );
      return loop(body, { ...start, m: single(some.length), sizes: list(...some) })[1];
    };
    assertEquals(sizes(2, 2, 2), value([3, 2], 0, 0, 1, 1, 2, 2));
    assertEquals([sizes(1, 2), sizes(2, 2, 1), sizes(1, 1, 2)], [null, null, null]);
    // One node for the loop, one in each round with its number, and all three that are collected.
    const body = graph([node("Neg", ["x"], ["y"])], ["k", "on", "x"], ["on", "y", "y"]);
    const most = 64 + 3 * (64 + 1) + 3;
    assertEquals(loop(body, start, { left: most }), [single(-5), list(-5, 5, -5)]);
    assertEquals(loop(body, start, { left: most - 1 }), [single(-5), null]);
    const [first] = [loop(body, { ...start, s: { ...single(5), whole: false } })[1]];
    assertEquals(first?.whole, false);
  });

  fact("what is collected is unknown where one of it is", () => {
    const body = graph([node("Own", [], ["z"])], ["k", "on", "x"], ["on", "x", "z"]);
    const extra: Extra = (() => {
      let calls = 0;
      return () => ++calls === 2 ? null : [single(calls)];
    })();
    const nodes = [node("Loop", ["m", "c", "s"], ["last", "all"], { body: within(body) })];
    const { get } = scoped(nodes, start, { extra });
    assertEquals([get("last"), get("all")], [single(5), null]);
  });
});
