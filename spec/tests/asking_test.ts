/** Chapter kernels: programs that only ask their models, and what changes when they begin to train. */

import { assert, assertEquals } from "@std/assert";
import { engine } from "../../lib/kernels/engine.ts";
import {
  add,
  grad,
  LSTM,
  type LSTMState,
  manualSeed,
  noGrad,
  type PackedSequence,
  packPaddedSequence,
  randn,
  sum,
  type Tensor,
} from "../../mod.ts";
import { assertAllBitwise, assertBitwise } from "./alike.ts";
import { configs, edges, recording } from "./arbitrary.ts";
import { describe, everyPath, fact, law, onPath } from "./law.ts";

const fastPaths = everyPath.filter((path) => path !== "readable");

/** LSTMs with dropout between their layers, in training mode: what they give. */
const dropouts = [false, true].flatMap((batchFirst) =>
  [false, true].map((packed) => () => {
    manualSeed(8);
    const options = { numLayers: 3, dropout: 0.5, batchFirst, bidirectional: true };
    const lstm = new LSTM(3, 5, options);
    const x = randn([4, 4, 3]);
    const input = packed
      ? packPaddedSequence(x, [4, 2, 3, 1], { batchFirst, enforceSorted: false })
      : x;
    const state = [randn([6, 4, 5]), randn([6, 4, 5])] as LSTMState;
    const [output, final] = lstm.forward(input as Tensor, state);
    const parts = [packed ? (output as unknown as PackedSequence).data : output, ...final];
    return { lstm, parts };
  })
);

describe("asking and training", () => {
  // First in this file: nothing here has run backwards yet.
  fact(
    ["KERNEL-8", "DROP-2"],
    "the first backward pass brings the kernels of training, and no other bits",
    () => {
      const dropping = dropouts.map((run) => run());
      manualSeed(5);
      const lstm = new LSTM(3, 5, { numLayers: 2 });
      const x = randn([7, 3]);
      const stream = lstm.stream();
      const out = new Float32Array(5);
      const [before, [h, c]] = lstm.forward(x);
      onPath("relaxed", () => {
        if (engine()) assertEquals("train" in engine()!.run, false);
      });
      stream.step(x.data.subarray(0, 3) as Float32Array, out);
      const loss = (parts: readonly Tensor[]) =>
        parts.map((part) => sum(part)).reduce((a, b) => add(a, b));
      const first = grad([loss([before, h, c])], lstm.parameters()) as Tensor[];
      const [after, state] = lstm.forward(x); // keeps what the backward pass needs
      const second = grad([loss([after, ...state])], lstm.parameters()) as Tensor[];
      assertAllBitwise(second, first);
      assertBitwise(after, before);
      assertBitwise(noGrad(() => lstm.forward(x)[0]), before);
      assertEquals(out, before.data.slice(0, 5));
      stream.step(x.data.subarray(3, 6) as Float32Array, out);
      assertEquals(out, before.data.slice(5, 10));
      assert(second.some(({ data }) => data.some((value) => value !== 0)));
      const gradients = ({ lstm, parts }: typeof dropping[number]) =>
        grad(parts, lstm.parameters(), parts) as Tensor[];
      const given = dropping.map(gradients); // runs the layers again, with the same masks
      const again = dropouts.map((run) => run());
      again.forEach((run, k) => {
        assertAllBitwise(run.parts, dropping[k].parts);
        assertAllBitwise(gradients(run), given[k]);
      });
    },
    ["auto"],
  );

  law(
    ["KERNEL-8", "GRAD-2"],
    "in evaluation mode a forward pass keeps nothing, and its gradients are those of training mode",
    configs(edges),
    (c) => {
      const { module, x, state, leaves } = recording(c);
      const run = () => {
        const [output, final] = module.forward(x, (c.kind === "LSTM" ? state : state[0]) as never);
        return [output, ...[final].flat()] as Tensor[];
      };
      const gradients = (parts: readonly Tensor[]) =>
        grad(parts, leaves, parts.map((part) => part)) as Tensor[];
      const training = run();
      const wanted = gradients(training);
      module.eval();
      const asked = run();
      assertAllBitwise(asked, training);
      assertEquals(
        asked.map(({ gradFn }) => gradFn!.name),
        training.map(({ gradFn }) => gradFn!.name),
      );
      assertAllBitwise(gradients(asked), wanted);
    },
    60,
    fastPaths,
  );
});
