/** Mistakes in a Linear layer. */

import { noGrad } from "../../autograd/graph.ts";
import { linear } from "../../autograd/linear.ts";
import { reshape, transpose } from "../../autograd/shape.ts";
import type { Tensor } from "../../tensor/tensor.ts";
import { decode, decodeStateDict, encode, type JsonTensor } from "../pair.ts";
import type { Mistake } from "./mistake.ts";

type Change = (x: Tensor, weight: Tensor, bias: Tensor | null) => Tensor | null;

function misread(id: string, says: string, change: Change): Mistake {
  return {
    id,
    says,
    restate(_, request) {
      const { module, op, inputs = {}, dtype = "float32" } = request;
      if (module !== "Linear" || op !== "forward") return null;
      const { weight, bias = null } = decodeStateDict(request);
      try {
        const output = noGrad(() =>
          change(decode(inputs.input as JsonTensor, dtype), weight, bias)
        );
        return output && { output: encode(output) };
      } catch {
        return null; // shapes that do not fit: then nobody computed it
      }
    },
  };
}

/** Mistakes in a Linear layer. */
export const linearLayers: Mistake[] = [
  misread("linear-no-bias", "the bias is left out", (x, w, bias) => bias && linear(x, w)),
  misread(
    "linear-transposed",
    "the weight is not transposed (x W instead of x Wᵀ)",
    (x, w, bias) => linear(x, transpose(w, 0, 1), bias),
  ),
  misread(
    "linear-stored-transposed",
    "the numbers of the weight are read column by column",
    (x, w, bias) => {
      const [rows, columns] = w.shape;
      return linear(x, transpose(reshape(w, [columns, rows]), 0, 1), bias);
    },
  ),
];
