/** Operations that make one number of many. */

import { type Call, check } from "../call.ts";
import { allocate } from "../tensor/dtype.ts";
import { aTensor, Tensor } from "../tensor/tensor.ts";
import { record } from "./graph.ts";

const calls = {
  sum: ["sum", { input: aTensor }],
  mean: ["mean", { input: aTensor }],
} satisfies Record<string, Call>;

/** A tensor of one number and no dimension. */
function scalar(value: number, like: Tensor): Tensor {
  return new Tensor(allocate(like.dtype, 1).fill(value), [], like.dtype);
}

function total(x: Tensor): number {
  let sum = 0;
  for (let i = 0; i < x.data.length; i++) sum += x.data[i];
  return sum;
}

/**
 * The sum of all elements (`torch.sum`).
 *
 * @param x any shape
 * @returns a tensor of one number and no dimension
 *
 * @example
 * ```ts
 * import { sum, tensor } from "@rnn-spec/rnn-spec";
 * import { assertEquals } from "@std/assert";
 *
 * assertEquals(sum(tensor([[1, 2], [3, 4]])).item(), 10);
 * ```
 * @category Operations
 */
export function sum(x: Tensor): Tensor {
  check(calls.sum, arguments);
  return record(scalar(total(x), x), "SumBackward0", [x], ([dy], dx) => {
    for (let i = 0; i < dx!.length; i++) dx![i] += dy;
  });
}

/**
 * The mean of all elements (`torch.mean`); NaN where there are none.
 *
 * @param x any shape
 * @returns a tensor of one number and no dimension
 *
 * @example
 * ```ts
 * import { mean, tensor } from "@rnn-spec/rnn-spec";
 * import { assertEquals } from "@std/assert";
 *
 * assertEquals(mean(tensor([[1, 2], [3, 4]])).item(), 2.5);
 * ```
 * @category Operations
 */
export function mean(x: Tensor): Tensor {
  check(calls.mean, arguments);
  const n = x.data.length;
  return record(scalar(total(x) / n, x), "MeanBackward0", [x], ([dy], dx) => {
    for (let i = 0; i < n; i++) dx![i] += dy / n;
  });
}
