/** ONNX files judged against checkpoints (JUDGE): a kept set of right files and of single mistakes. */

import { assert, assertEquals } from "@std/assert";
import fc from "fast-check";
import { CheckpointError, GRU, LSTM, manualSeed, RNN, type StateDict, Tensor } from "../../mod.ts";
import {
  evaluateRecurrence,
  judge,
  type Judgement,
  mend,
  probes,
  readOnnx,
  recurrenceOf,
  replaceParts,
  type WireField,
  writeMessage,
} from "../../lib/onnx/mod.ts";
import text from "./judged/files.json" with { type: "text" };
import {
  judge as distances,
  networkOf,
  randomInputs,
  runReference,
} from "../../scripts/convert/network.ts";
import { openOnnx, toOnnxModel } from "../../scripts/convert/onnx.ts";
import { describe, it, law, withPermission } from "./law.ts";

interface Kept {
  name: string;
  base: string;
  mistake: string | null;
  mendable: boolean;
  onnx: string;
}

interface Base {
  module: string;
  args: Record<string, unknown>;
  state_dict: Record<string, { shape: number[]; data: number[] }>;
}

const kept: { bases: Record<string, Base>; files: Kept[] } = JSON.parse(text);

function stateOf(base: string): StateDict {
  const { state_dict } = kept.bases[base];
  return Object.fromEntries(
    Object.entries(state_dict).map(([name, { shape, data }]) => [
      name,
      new Tensor(Float32Array.from(data), shape),
    ]),
  );
}

const bytesOf = ({ onnx }: Kept) => Uint8Array.from(atob(onnx), (letter) => letter.charCodeAt(0));

/** What the checkpoint's own program knows beside the weights. */
function told({ base }: Kept) {
  const { nonlinearity, batch_first } = kept.bases[base].args;
  return {
    nonlinearity: nonlinearity === "relu" ? "relu" : "tanh",
    batchFirst: batch_first === true,
  } as const;
}

/** All mistakes that a judgement names, each once. */
function named({ nodes, whole }: Judgement): string[] {
  return [...new Set([...nodes, ...whole].flatMap(({ mistakes }) => mistakes.map(({ id }) => id)))];
}

const judged = (file: Kept) => judge(readOnnx(bytesOf(file)), stateOf(file.base), told(file));

describe("judging", () => {
  it("JUDGE-1, JUDGE-2, JUDGE-3: the right files, inner graphs and functions among them, are right", () => {
    const right = kept.files.filter(({ mistake }) => mistake === null);
    assert(right.length > 20);
    for (const file of right) {
      const { verdict, nodes, whole, beyond } = judged(file);
      assertEquals([file.name, verdict, beyond], [file.name, "right", []]);
      assert(nodes.length > 0 && [...nodes, ...whole].every(({ mistakes }) => !mistakes.length));
    }
  });
  it("JUDGE-2: right files are right without a word beside the weights", () => {
    for (const file of kept.files.filter(({ mistake }) => mistake === null)) {
      const { verdict, whole } = judge(readOnnx(bytesOf(file)), stateOf(file.base));
      assertEquals([file.name, verdict], [file.name, "right"]);
      const [{ part, batchFirst }] = whole;
      if (part === "file") assertEquals(batchFirst, told(file).batchFirst);
    }
  });
  it("JUDGE-4: a file with one mistake gets that one, and no other", () => {
    const wrong = kept.files.filter(({ mistake }) => mistake !== null);
    assert(new Set(wrong.map(({ mistake }) => mistake)).size >= 85);
    for (const file of wrong) {
      const judgement = judged(file);
      assertEquals([file.name, judgement.verdict], [file.name, "wrong"]);
      assertEquals([file.name, named(judgement)], [file.name, [file.mistake]]);
    }
  });
  it("JUDGE-4: how far off, and from which step on", () => {
    const file = kept.files.find(({ name }) => name === "gru/reset-before")!;
    const [{ off, mistakes: [{ says, clause }] }] = judged(file).nodes;
    assertEquals(off!.step, 0); // its initial state is not 0
    assert(off!.error > 1e-3 && off!.error < 2);
    assert(says.includes("linear_before_reset"));
    assertEquals(clause, "GRU-3");
  });
  it("JUDGE-4: two mistakes at once are both named", () => {
    const file = kept.files.find(({ name }) => name === "gru-both/reset-before")!;
    const other = kept.files.find(({ name }) => name === "gru-both/negated-weight_hh")!;
    const [a, b] = [file, other].map((one) => readOnnx(bytesOf(one)));
    const weights = [...a.graph.initializers].map(([name, tensor]) => ({
      part: tensor.bytes,
      by: b.graph.initializers.get(name)!.bytes,
    }));
    const both = judge(readOnnx(replaceParts(a.bytes, weights)), stateOf("gru-both"), told(file));
    assertEquals(named(both), ["reset-before", "negated-weight_hh"]);
  });
  it("JUDGE-2: the weights of another checkpoint are said to be others", () => {
    const file = kept.files.find(({ name }) => name === "gru")!;
    const { verdict, nodes } = judge(readOnnx(bytesOf(file)), new GRU(2, 3).stateDict());
    assertEquals([verdict, nodes[0].mistakes.map(({ id }) => id)], ["wrong", ["other-weights"]]);
  });
  it("JUDGE-4: a layer of another shape, and one with a projection, are told apart", () => {
    const file = readOnnx(bytesOf(kept.files.find(({ name }) => name === "lstm")!));
    assertEquals(named(judge(file, new LSTM(7, 9).stateDict())), ["other-shape"]);
    assertEquals(named(judge(file, new LSTM(7, 9, { projSize: 2 }).stateDict())), ["projection"]);
  });
  it("JUDGE-6: a runtime may be 1e-4 from what a node of floats computes", () => {
    const file = readOnnx(bytesOf(kept.files.find(({ name }) => name === "lstm")!));
    assertEquals(probes(file, stateOf("lstm")).map(({ tolerance }) => tolerance), [1e-4]);
  });
  it("JUDGE-2: a file against a file", () => {
    const model = (name: string) => readOnnx(bytesOf(kept.files.find((one) => one.name === name)!));
    assertEquals(judge(model("gru-both"), model("gru-both")).verdict, "right");
    const { verdict, nodes } = judge(model("gru-both/gates-zrn"), model("gru-both"));
    assertEquals([verdict, nodes[0].mistakes[0].id], ["wrong", "gates-zrn"]);
    // What no layer of PyTorch's computes is right where the other file computes it, too.
    for (const name of ["lstm/clip", "lstm/peepholes", "gru/reset-before", "gru/direction"]) {
      assertEquals([name, judge(model(name), model(name)).verdict], [name, "right"]);
    }
    const other = judge(model("lstm/clip"), model("lstm/peepholes"));
    assertEquals(named(other), ["clip", "no-peepholes"]);
  });
});

const flag = fc.boolean();
const written = fc.record({
  kind: fc.constantFrom("RNN", "LSTM", "GRU"),
  size: fc.integer({ min: 1, max: 4 }),
  hidden: fc.integer({ min: 1, max: 4 }),
  layers: fc.integer({ min: 1, max: 3 }),
  ...{ bidirectional: flag, bias: flag, batchFirst: flag, withState: flag, relu: flag },
});

law(
  ["JUDGE-3"],
  "what this project's own writer makes of a module is right",
  written,
  ({ kind, size, hidden, layers, relu, batchFirst, withState, ...rest }) => {
    const own = { ...rest, numLayers: layers };
    const nonlinearity = relu ? "relu" : "tanh";
    const module = kind === "RNN"
      ? new RNN(size, hidden, { ...own, nonlinearity })
      : new (kind === "LSTM" ? LSTM : GRU)(size, hidden, own);
    const state = module.stateDict();
    const told = kind === "RNN" ? { nonlinearity } as const : {};
    const network = networkOf(state, { batchFirst, withState, ...told });
    const model = readOnnx(toOnnxModel(network));
    const { verdict, whole } = judge(model, state, { batchFirst, ...told });
    assertEquals([verdict, whole.map(({ part, verdict }) => [part, verdict])], [
      "right",
      [["file", "right"]],
    ]);
  },
);

describe("mending", () => {
  it("JUDGE-5: each mendable file is right afterwards, and no other is said to be", () => {
    const wrong = kept.files.filter(({ mistake }) => mistake !== null);
    for (const [file] of Map.groupBy(wrong, ({ mistake }) => mistake).values()) {
      const { judgement } = mend(readOnnx(bytesOf(file)), stateOf(file.base), told(file));
      assertEquals([file.name, judgement.verdict === "right"], [file.name, file.mendable]);
    }
  });
  it("JUDGE-5: a right file is left as it is, byte for byte", () => {
    for (const file of kept.files.filter(({ mistake }) => mistake === null)) {
      const { bytes } = mend(readOnnx(bytesOf(file)), stateOf(file.base), told(file));
      assertEquals(bytes, bytesOf(file));
    }
  });
});

describe("looking", () => {
  it("JUDGE-6: what is unusual is said", () => {
    const notes = (name: string) => {
      const file = kept.files.find((one) => one.name === name)!;
      return judge(readOnnx(bytesOf(file)), null).nodes[0].notes.map(({ id }) => id);
    };
    for (const id of ["clip", "input-forget", "peepholes"]) {
      assert(notes(`lstm/${id}`).includes(id));
    }
    assert(notes("gru/layout").includes("layout"));
    assert(notes("gru/direction").includes("reverse"));
    assert(notes("lstm-packed").includes("lengths"));
    assert(notes("gru-both/fixed-batch").includes("fixed-batch"));
    assert(notes("gru-both/fixed-batch").includes("state-zero"));
    assertEquals(notes("lstm"), []);
    const ignored = kept.files.find(({ name }) => name === "gru/h-0-ignored")!;
    assertEquals(judge(readOnnx(bytesOf(ignored)), null).unread, ["h_0"]);
  });
  it("JUDGE-6: the file of a single node computes what the node does", () => {
    for (const file of kept.files.filter(({ base }) => base === "gru-both" || base === "lstm")) {
      const model = readOnnx(bytesOf(file));
      for (const { bytes, inputs, computed } of probes(model, stateOf(file.base), told(file))) {
        const { graph, opsets } = readOnnx(bytes);
        const [node] = graph.nodes;
        const attributes = [...node.attributes].map(([name, { value }]) => [name, value]);
        const kind = node.opType as "LSTM" | "GRU";
        const own = (k: number) =>
          node.inputs[k] ? wide(graph.initializers.get(node.inputs[k])!.toTensor()) : null;
        const { Y } = evaluateRecurrence(
          recurrenceOf(kind, Object.fromEntries(attributes), opsets.get("")!),
          {
            ...{ X: inputs.X, W: own(1)!, R: own(2)!, B: own(3), initialH: inputs.initial_h },
            ...(kind === "LSTM" && { initialC: inputs.initial_c, P: own(7) }),
          },
        );
        assertEquals(Y.data, computed.Y.data);
      }
    }
  });
  it("JUDGE-1: a file that asks for more than its size is worth is told so, not obeyed", () => {
    const node = (type: string, inputs: string[], outputs: string[], domain = ""): WireField[] => [
      ...inputs.map((name): WireField => [1, name]),
      ...outputs.map((name): WireField => [2, name]),
      ...[[4, type], [7, domain]] as WireField[],
    ];
    const file = (graph: WireField[], functions: WireField[] = []) =>
      readOnnx(
        writeMessage([[1, 8], [7, graph], [8, [[2, 17]]], [8, [[1, "own"], [2, 1]]], ...functions]),
      );
    const size = new Uint8Array(BigInt64Array.of(2n ** 40n).buffer);
    const huge = file([
      [5, [[1, 1], [2, 7], [8, "size"], [9, size]]],
      [1, node("ConstantOfShape", ["size"], ["w"])],
      [1, node("GRU", ["x", "w", "w"], ["y"])],
    ]);
    assertEquals(judge(huge, null).beyond, [
      "GRU that makes y: its weights are no constants of the file",
    ]);
    // Each function calls the next one three times.
    const functions = Array.from({ length: 12 }, (_, k): WireField => [25, [
      ...[[1, `f${k}`], [4, "a"], [5, "b"], [10, "own"], [9, [[2, 17]]]] as WireField[],
      ...Array.from({ length: 3 }, (_, j): WireField => [
        7,
        node(`f${k + 1}`, ["a"], [["b", "c", "d"][j]], "own"),
      ]),
    ]]);
    const calls = judge(file([[1, node("f0", ["x"], ["y"], "own")]], functions), null);
    assert(calls.beyond[0].startsWith("the file: its functions call each other"), calls.beyond[0]);
    // A function that calls itself, in a file whose size would allow many calls.
    const itself: WireField = [25, [
      ...[[1, "f0"], [4, "a"], [5, "b"], [10, "own"], [9, [[2, 17]]]] as WireField[],
      [7, node("f0", ["a"], ["b"], "own")],
    ]];
    const large: WireField = [5, [[1, 10 ** 6], [2, 3], [8, "large"], [
      9,
      new Uint8Array(10 ** 6),
    ]]];
    const recursive = file([large, [1, node("f0", ["x"], ["y"], "own")]], [itself]);
    assertEquals(judge(recursive, null).nodes, []);
  });
  it("JUDGE-1: a broken file is read and judged, or refused with one error", () => {
    const place = fc.tuple(fc.nat(), fc.nat(255));
    const broken = fc.tuple(fc.nat(kept.files.length - 1), fc.array(place, { maxLength: 4 }));
    fc.assert(
      fc.property(broken, ([k, places]) => {
        const file = kept.files[k];
        const bytes = bytesOf(file);
        for (const [at, value] of places) bytes[at % bytes.length] = value;
        try {
          const model = readOnnx(bytes);
          judge(model, stateOf(file.base));
          judge(model, null);
        } catch (error) {
          if (!(error instanceof CheckpointError)) throw error;
        }
      }),
      { numRuns: 100 },
    );
  });
});

const wide = ({ data, shape }: Tensor) => new Tensor(Float64Array.from(data), shape);

withPermission(
  "JUDGE-6: the runtimes that notes name stand in the matrix, in the same versions",
  [{ name: "read" }],
  async () => {
    const matrix = await Deno.readTextFile(new URL("../MATRIX.md", import.meta.url));
    const names = new Set<string>();
    for (const file of kept.files) {
      for (const { notes } of judge(readOnnx(bytesOf(file)), null).nodes) {
        for (const { runtimes } of notes) runtimes.forEach(({ name }) => names.add(name));
      }
    }
    assert(names.size >= 5);
    for (const name of names) assert(matrix.includes(`### ${name}`), `${name} is not in MATRIX.md`);
  },
);

withPermission(
  "JUDGE-5: ONNX Runtime computes of each mended file what the module computes",
  [{ name: "ffi" }, { name: "env" }, { name: "sys" }, { name: "read" }],
  async () => {
    manualSeed(0);
    for (const file of kept.files.filter(({ mendable }) => mendable)) {
      const { module } = kept.bases[file.base];
      const state = stateOf(file.base);
      const { nonlinearity, batchFirst } = told(file);
      const network = networkOf(state, {
        ...(module === "RNN" && { nonlinearity }),
        ...{
          batchFirst,
          withState: ["rnn", "lstm", "lstm-2", "gru"].includes(file.base),
        },
      });
      const { bytes } = mend(readOnnx(bytesOf(file)), state, told(file));
      const run = await openOnnx(bytes);
      assert(run, "onnxruntime-node is not at hand");
      const inputs = randomInputs(network, 3, 7);
      const { given, rounding } = distances(network, inputs, {
        ...runReference(network, inputs), // a file with a Linear gives no state
        ...await run!(inputs),
      });
      assert(rounding && given.units <= 1, `${file.name}: ${JSON.stringify(given)}`);
    }
  },
);
