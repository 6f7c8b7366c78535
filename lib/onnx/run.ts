/** Carries out recurrent nodes where a graph's values are computed. */

import { ValueError } from "../errors.ts";
import { evaluateRecurrence } from "./evaluate.ts";
import type { OnnxModel } from "./model.ts";
import type { OnnxRecurrence } from "./recurrence.ts";
import { isRecurrence, readNode } from "./recurrent.ts";
import { asTensor, asValue } from "./value.ts";
import type { Extra } from "./values.ts";

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
        ...{ X: asTensor(X), W: asTensor(W), R: asTensor(R), B: asTensor(B), P: asTensor(P) },
        ...{ sequenceLens: lengths?.data, initialH: asTensor(initialH) },
        ...(initialC && { initialC: asTensor(initialC) }),
      });
      return [asValue(Y), asValue(Yh), Yc && asValue(Yc)];
    } catch (error) {
      if (error instanceof ValueError) return null; // the inputs do not fit: a fixed batch, say
      throw error;
    }
  };
}
