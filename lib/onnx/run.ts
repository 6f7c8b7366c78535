/** Recurrent nodes among the values of a graph. */

import { ValueError } from "../errors.ts";
import { Tensor } from "../tensor/tensor.ts";
import { evaluateRecurrence } from "./evaluate.ts";
import type { OnnxModel } from "./model.ts";
import type { OnnxRecurrence } from "./recurrence.ts";
import { isRecurrence, readNode } from "./recurrent.ts";
import type { Value } from "./value.ts";
import type { Extra } from "./values.ts";

const tensorOf = (x: Value | null) => x && new Tensor(x.data, x.shape);
const valueOf = ({ data, shape }: Tensor): Value => (
  { shape, data: Float64Array.from(data), whole: false }
);

/**
 * Carries out recurrent nodes, those with quantised weights in float64.
 *
 * @param change what each node is told instead of its own
 */
export function carryOut(
  model: OnnxModel,
  change: (told: OnnxRecurrence) => OnnxRecurrence = (told) => told,
): Extra {
  return (node, scope, inputs) => {
    if (!isRecurrence(node)) return null;
    const [X, lengths, initialH, initialC] = [0, 4, 5, 6].map((k) => inputs[k] ?? null);
    if (!X || [4, 5, 6].some((k) => node.inputs[k] && !inputs[k])) return null;
    const known = readNode(
      { path: "", node, scope, within: model.graph },
      model.opsets.get("") ?? 1,
    );
    if (typeof known === "string") return null;
    const { W, R, B, P } = known.weights;
    const steps = X.data.length / Math.max(known.inputSize, 1);
    if (!(steps * (W.data.length + R.data.length) < 2 ** 30)) return null; // hostile
    try {
      const { Y, Yh, Yc } = evaluateRecurrence(change(known.told), {
        ...{ X: tensorOf(X)!, W: tensorOf(W)!, R: tensorOf(R)!, B: tensorOf(B) },
        ...{ P: tensorOf(P), sequenceLens: lengths?.data, initialH: tensorOf(initialH) },
        ...(initialC && { initialC: tensorOf(initialC) }),
      });
      return [valueOf(Y), valueOf(Yh), Yc && valueOf(Yc)];
    } catch (error) {
      if (error instanceof ValueError) return null; // the inputs do not fit: a fixed batch, say
      throw error;
    }
  };
}
