/**
 * Conversions of checkpoints. What runs ONNX Runtime needs `--allow-ffi`, `--allow-env`,
 * `--allow-sys` and `--allow-read`: `deno test -A spec/tests/convert_test.ts`.
 */

import { assert, assertEquals, assertThrows } from "@std/assert";
import {
  Embedding,
  GRU,
  GRUCell,
  indexSelect,
  LayerNorm,
  Linear,
  LSTM,
  LSTMCell,
  manualSeed,
  type Module,
  noGrad,
  rand,
  randn,
  RNN,
  RNNCell,
  select,
  Sequential,
  type StateDict,
  type Tensor,
  zeros,
} from "../../mod.ts";
import {
  distance,
  judge,
  type Network,
  networkOf,
  type NetworkOptions,
  randomInputs,
  runReference,
} from "../../scripts/convert/network.ts";
import { fromWebnnFile, toWebnnFile } from "../../scripts/convert/webnn.ts";
import { assertClose } from "./alike.ts";
import { describe, fact, withPermission } from "./law.ts";

/** A model as people save it: a layer, and a Linear on its output. */
function weights(layer: Module, features: number): StateDict {
  return Object.fromEntries([
    ...Object.entries(layer.stateDict()).map(([name, x]) => [`rnn.${name}`, x]),
    ...Object.entries(features ? new Linear(features, 2).stateDict() : {})
      .map(([name, x]) => [`fc.${name}`, x]),
  ]);
}

const flags = [false, true];

/** Networks of every kind and flag that the formats know. */
function* networks(): Generator<[string, Network]> {
  for (const kind of ["RNN", "LSTM", "GRU"] as const) {
    for (const bidirectional of flags) {
      for (const numLayers of [1, 2]) {
        for (const bias of flags) {
          for (const batchFirst of flags) {
            for (const headed of flags) {
              const options = { bidirectional, numLayers, bias };
              const nonlinearity = bias ? "tanh" : "relu";
              const layer = kind === "RNN"
                ? new RNN(3, 4, { ...options, nonlinearity })
                : new { LSTM, GRU }[kind](3, 4, options);
              const told: NetworkOptions = {
                batchFirst,
                everyStep: numLayers === 1,
                withState: bidirectional !== batchFirst,
                ...(kind === "RNN" && { nonlinearity }),
              };
              const state = weights(layer, headed ? (bidirectional ? 8 : 4) : 0);
              const name = `${layer} ${headed ? "with" : "without"} a Linear, ${
                JSON.stringify(told)
              }`;
              yield [name, networkOf(state, told)];
            }
          }
        }
      }
    }
  }
}

/** A model of text, as people save it: a table, a layer, a norm, and a head on every step. */
function* texts(): Generator<[string, Network]> {
  for (const kind of ["RNN", "LSTM", "GRU"] as const) {
    for (const [bidirectional, numLayers] of [[false, 1], [true, 2]] as const) {
      for (const batchFirst of flags) {
        for (const [norm, head] of [[true, true], [true, false], [false, true]]) {
          for (const everyStep of head ? flags : [true]) {
            const width = bidirectional ? 8 : 4;
            const layer = new { RNN, LSTM, GRU }[kind](3, 4, { bidirectional, numLayers });
            const parts: [string, Module][] = [["emb", new Embedding(7, 3)], ["rnn", layer]];
            if (norm) parts.push(["norm", shaken(new LayerNorm(width, { bias: head }))]);
            if (head) parts.push(["out", new Linear(width, 7)]);
            const state = new Sequential(Object.fromEntries(parts)).stateDict();
            const told = { batchFirst, everyStep, withState: bidirectional };
            yield [
              `${parts.map(([, module]) => module)}, ${JSON.stringify(told)}`,
              networkOf(state, told),
            ];
          }
        }
      }
    }
  }
}

/** A module with other weights than those that it starts with. */
function shaken<T extends Module>(module: T): T {
  for (const x of module.parameters()) x.data.set(rand(x.shape).data);
  return module;
}

describe("conversions", () => {
  fact(["CKPT-12"], "an Embedding before a layer and a LayerNorm behind it belong to it", () => {
    for (const [name, network] of texts()) {
      const { embedding, norm, head, notes } = network;
      assert(embedding && (norm || head), name);
      assert(notes.includes("assumed Embedding rather than Linear without bias"), name);
      assertEquals(notes.includes("assumed eps 1e-05"), norm !== null, name);
      const inputs = randomInputs(network, 2, 5);
      assertEquals(inputs.input.dtype, "int64");
      assert(judge(network, inputs, runReference(network, inputs)).rounding, name);
      assertThrows(() => toWebnnFile(network), Error, "would be without Embedding(7, 3)");
    }
    const more = new Sequential({
      ...{ emb: new Embedding(7, 3), rnn: new GRU(3, 4), other: new Embedding(9, 3) },
    }).stateDict();
    assertThrows(() => networkOf(more, {}), Error, 'Linear under "other."');
  });

  fact(["CKPT-12"], "a WebNN file read back computes the same", () => {
    let count = 0;
    for (const [name, network] of networks()) {
      if (network.detected.kind === "RNN") continue;
      const { state, head } = fromWebnnFile(toWebnnFile(network));
      assertEquals(state, network.state, name);
      assertEquals(head, network.head?.stateDict() ?? {}, name);
      count++;
    }
    assertEquals(count, 64);
  });

  fact(["CKPT-12"], "what a format cannot express, or is more than a network, is refused", () => {
    const projected = networkOf(new LSTM(3, 4, { projSize: 2 }).stateDict(), {});
    assertThrows(() => toWebnnFile(projected), Error, "a projection (proj_size) cannot be");
    const rnn = networkOf(new RNN(3, 4).stateDict(), {});
    assertThrows(() => toWebnnFile(rnn), Error, "WebNN has no method for an RNN");
    const two = { ...weights(new GRU(3, 4), 4), "other.weight": zeros([3, 4]) };
    assertThrows(() => networkOf(two, {}), Error, 'Linear under "other."');
    assertThrows(() => networkOf({ "a.b": zeros([1]) }, {}), Error, 'found "a.b"');
    const { notes } = networkOf(weights(new RNN(3, 4), 4), {});
    assertEquals(notes.length, 3);
  });

  fact(
    ["CKPT-12"],
    "a cell is a layer of one, and other weights are passed over when asked",
    () => {
      for (
        const cell of [new RNNCell(3, 4), new LSTMCell(3, 4, { bias: false }), new GRUCell(3, 4)]
      ) {
        const { layer, state, notes } = networkOf(weights(cell, 4), { batchFirst: true });
        const own = cell.stateDict();
        assertEquals(
          Object.keys(layer.stateDict()),
          Object.keys(own).map((name) => `${name}_l0`),
        );
        assertEquals(state.weight_hh_l0, own.weight_hh);
        assert(notes[0].endsWith("which reads sequences"), notes[0]);
        const x = randn([2, 1, 3]);
        noGrad(() => {
          const after = (cell as GRUCell).forward(select(x, 1, 0)) as Tensor | [Tensor, Tensor];
          const [output] = (layer as GRU).forward(x);
          assertClose(select(output, 1, 0), Array.isArray(after) ? after[0] : after);
        });
      }
      const more = {
        ...weights(new GRU(3, 4), 4),
        "conv.weight": zeros([2, 2, 2]),
        "other.weight": zeros([3, 7]),
        "cell.weight_ih": zeros([4, 2]),
        "cell.weight_hh": zeros([4, 4]),
      };
      assertThrows(() => networkOf(more, {}), Error, "(--ignore-others passes over the rest)");
      const { head, layer, notes } = networkOf(more, { ignoreOthers: true });
      assertEquals(String(layer), "GRU(3, 4)");
      assertEquals(head?.weight.shape, [2, 4]);
      assertEquals(
        notes[0],
        'ignored Linear under "other.", RNNCell under "cell.", "conv.weight"',
      );
      const two = { "a.weight_ih": zeros([4, 2]), "a.weight_hh": zeros([4, 4]) };
      const twice = { ...two, "b.weight_ih": zeros([4, 2]), "b.weight_hh": zeros([4, 4]) };
      assertThrows(() => networkOf(twice, { ignoreOthers: true }), Error, "--at and --prefix name");
    },
  );

  fact(
    ["CKPT-12"],
    "rounding that a network amplifies is told from a mistake by a float64 run",
    () => {
      manualSeed(0);
      const gru = new GRU(4, 24, { numLayers: 2 });
      for (const x of gru.parameters()) x.data.set(x.data.map((w) => 8 * w));
      const network = networkOf(gru.stateDict(), {});
      const inputs = randomInputs(network, 4, 100);
      // The same network by another order of its sums: units renumbered, and the results put back.
      const order = Array.from({ length: 24 }, (_, k) => (7 * k + 3) % 24);
      const rows = [0, 24, 48].flatMap((gate) => order.map((k) => gate + k));
      const renumbered = Object.fromEntries(
        Object.entries(network.state).map(([name, x]) => {
          const mixed = indexSelect(x, 0, rows);
          const reads = name === "weight_ih_l1" || name.startsWith("weight_hh");
          return [name, reads ? indexSelect(mixed, 1, order) : mixed];
        }),
      );
      const back = order.map((_, k) => order.indexOf(k));
      const other = Object.fromEntries(
        Object.entries(runReference(networkOf(renumbered, {}), inputs))
          .map(([name, x]) => [name, indexSelect(x, 2, back)]),
      );
      const rounded = judge(network, inputs, other);
      assert(rounded.own.units > 2, `it does not amplify enough to tell: ${rounded.own.units}`);
      assert(rounded.rounding, JSON.stringify(rounded));
      // A mistake: two gates exchanged in one product.
      const swapped = { ...network.state };
      swapped.weight_hh_l1 = indexSelect(
        network.state.weight_hh_l1,
        0,
        Array.from({ length: 72 }, (_, k) => k < 48 ? (k + 24) % 48 : k),
      );
      const short = randomInputs(network, 1, 1);
      for (const input of [inputs, randomInputs(network, 3, 7)]) {
        const found = judge(network, input, runReference(networkOf(swapped, {}), input));
        assert(!found.rounding, JSON.stringify(found));
      }
      assert(judge(network, short, runReference(network, short)).rounding);
      assert(!judge(network, short, {}).rounding);
    },
  );

  fact(["CKPT-12"], "another result is noticed", () => {
    const network = networkOf(weights(new GRU(3, 4), 4), {});
    const inputs = randomInputs(network, 2, 3);
    const wanted = runReference(network, inputs);
    assertEquals(distance(wanted, wanted).units, 0);
    assert(distance(wanted, { ...wanted, output: zeros([2, 2]) }).units > 1);
    assertEquals(distance(wanted, {}).units, Infinity);
  });
});

// A native library wants every permission; a step of CI grants them.
withPermission(
  "CKPT-12: ONNX models run in ONNX Runtime within the closeness, every kind and flag",
  [{ name: "ffi" }, { name: "env" }, { name: "sys" }, { name: "read" }],
  async () => {
    // Not named literally, so that a test without permissions does not load the packages.
    const script = "../../scripts/convert/onnx.ts";
    const { openOnnx, toOnnxModel } = await import(script);
    // The attribute perm of a Transpose, four integers: each with its own tag, none packed.
    const bytes = toOnnxModel(networkOf(new GRU(3, 4).stateDict(), {})).join(" ");
    assert(bytes.includes("64 0 64 2 64 1 64 3") && !bytes.includes("66 4 0 2 1 3"));
    let worst = 0;
    for (const [name, network] of [...networks(), ...texts()]) {
      const run = await openOnnx(toOnnxModel(network));
      for (const [batch, length] of [[1, 1], [3, 7]]) {
        const inputs = randomInputs(network, batch, length);
        const { units } = distance(runReference(network, inputs), await run(inputs));
        assert(units <= 1, `${name}: ${units} times the tolerance`);
        worst = Math.max(worst, units);
      }
    }
    assert(worst > 0);
  },
  { sanitizeResources: false },
);
