/** Mistakes in a Linear layer. */

import { reshape, transpose } from "../../autograd/shape.ts";
import type { Deviation } from "../variant.ts";
import type { Mistake } from "./mistake.ts";

function misread(id: string, says: string, linear: NonNullable<Deviation["linear"]>): Mistake {
  return { id, says, deviation: { linear } };
}

export const linearLayers: Mistake[] = [
  misread("linear-no-bias", "the bias is left out", (w, bias) => bias && [w, null]),
  misread(
    "linear-transposed",
    "the weight is not transposed (x W instead of x Wᵀ)",
    (w, bias) => [transpose(w, 0, 1), bias],
  ),
  misread(
    "linear-stored-transposed",
    "the numbers of the weight are read column by column",
    (w, bias) => {
      const [rows, columns] = w.shape;
      return [transpose(reshape(w, [columns, rows]), 0, 1), bias];
    },
  ),
];
