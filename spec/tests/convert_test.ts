/**
 * Conversions of checkpoints. What runs ONNX Runtime needs `--allow-ffi`, `--allow-env`,
 * `--allow-sys` and `--allow-read`: `deno test -A spec/tests/convert_test.ts`.
 */

import { assert, assertEquals, assertThrows } from "@std/assert";
import { GRU, Linear, LSTM, type Module, RNN, type StateDict, zeros } from "../../mod.ts";
import {
  distance,
  type Network,
  networkOf,
  type NetworkOptions,
  randomInputs,
  runReference,
} from "../../scripts/convert/network.ts";
import { fromWebnnFile, toWebnnFile } from "../../scripts/convert/webnn.ts";
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

describe("conversions", () => {
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
    let worst = 0;
    for (const [name, network] of networks()) {
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
