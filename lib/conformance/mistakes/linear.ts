/**
 * Mistakes in a Linear layer and in the notebook's model.
 *
 * @module
 */

import * as rnn from "../../../mod.ts";
import {
  type Answer,
  decode,
  decodeStateDict,
  encode,
  type JsonTensor,
  type Request,
} from "../pair.ts";
import { compare } from "../compare.ts";
import type { Task } from "../cases.ts";
import type { Mistake } from "./mistake.ts";

type Change = (
  x: rnn.Tensor,
  weight: rnn.Tensor,
  bias: rnn.Tensor | null,
) => rnn.Tensor | null;

function recomputed(request: Request, change: Change): Answer | null {
  if (request.module !== "Linear" || request.op !== "forward") return null;
  const { weight, bias = null } = decodeStateDict(request);
  const input = decode(request.inputs!.input as JsonTensor, request.dtype ?? "float32");
  try {
    const output = change(input, weight, bias);
    return output && { outputs: { output: encode(output) } };
  } catch {
    return null;
  }
}

function misread(id: string, says: string, change: Change): Mistake {
  const agrees = (request: Request, a: Answer, b: Answer) =>
    compare(request, a, b).differences.length === 0;
  return {
    id,
    says,
    recognise({ request, expect }: Task, answer: Answer) {
      const mistaken = recomputed(request, change);
      return mistaken !== null && agrees(request, mistaken, answer) &&
        !agrees(request, expect, mistaken);
    },
  };
}

/** Mistakes in a Linear layer. */
export const linear: Mistake[] = [
  misread("linear-no-bias", "the bias is left out", (x, w, bias) => bias && rnn.linear(x, w)),
  misread(
    "linear-transposed",
    "the weight is not transposed (x W instead of x Wᵀ)",
    (x, w, bias) => rnn.linear(x, rnn.transpose(w, 0, 1), bias),
  ),
  misread(
    "linear-stored-transposed",
    "the numbers of the weight are read column by column",
    (x, w, bias) => {
      const [rows, columns] = w.shape;
      return rnn.linear(x, rnn.transpose(rnn.reshape(w, [columns, rows]), 0, 1), bias);
    },
  ),
];
