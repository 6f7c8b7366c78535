/** The product of matrices. */

import { check } from "../call.ts";
import { RuntimeError } from "../errors.ts";
import { broadcastShape, placeIn, placesIn } from "../tensor/blocks.ts";
import { allocate, checkFloat, numel, words } from "../tensor/dtype.ts";
import { aTensor, Tensor } from "../tensor/tensor.ts";
import { record } from "./graph.ts";

/** PyTorch's product and node for each pair of ranks, 3 standing for all above. */
const nodes: Readonly<Record<string, readonly [product: string, node: string]>> = {
  11: ["dot", "Dot"],
  12: ["addmm_impl_cpu_", "Squeeze"],
  21: ["addmv_impl_cpu", "Mv"],
  22: ["addmm_impl_cpu_", "Mm"],
  31: ["addmv_impl_cpu", "UnsafeView"],
  32: ["addmm_impl_cpu_", "UnsafeView"],
};

/**
 * The matrix product (`torch.matmul`). A vector on the left is a row, on the right a column, and the
 * dimension added for that is gone again; dimensions before the last two are broadcast.
 *
 * @param a shape `(K)`, or `(*, M, K)`
 * @param b shape `(K)`, or `(*, K, N)`
 * @returns shape `(*, M, N)`, without M where `a` is a vector, and without N where `b` is one
 * @throws {RuntimeError} if the shapes or the dtypes do not fit, or one has no dimension
 *
 * @example
 * ```ts
 * import { matmul, tensor } from "@rnn-spec/rnn-spec";
 * import { assertEquals } from "@std/assert";
 *
 * const a = tensor([[1, 2], [3, 4]]);
 * assertEquals(matmul(a, tensor([[0, 1], [1, 0]])).tolist(), [[2, 1], [4, 3]]);
 * assertEquals(matmul(a, tensor([1, 1])).tolist(), [3, 7]);
 * ```
 * @category Operations
 */
export function matmul(a: Tensor, b: Tensor): Tensor {
  check(["matmul", { input: aTensor, other: aTensor }], arguments);
  const [ranks, dtype] = [[a.dim(), b.dim()], a.dtype];
  if (ranks.includes(0)) {
    throw new RuntimeError(
      `both arguments to matmul need to be at least 1D, but they are ${ranks[0]}D and ${ranks[1]}D`,
    );
  }
  const [product, node] = nodes[ranks.map((rank) => Math.min(rank, 3)).join("")] ??
    ["bmm", "UnsafeView"];
  const [inner, rows = 1] = a.shape.toReversed();
  const [terms, columns = 1] = b.shape.slice(-2);
  if (product === "dot") checkDTypes(a, b, product);
  const batches = [a, b].map(({ shape }) => shape.slice(0, -2));
  const batch = broadcastShape(batches[0], batches[1]);
  const count = numel(batch);
  if (inner !== terms) {
    const all = rows * count;
    throw new RuntimeError(
      product === "dot"
        ? `inconsistent tensor size, expected tensor [${inner}] and src [${terms}] to have the ` +
          `same number of elements, but got ${inner} and ${terms} elements respectively`
        : product === "bmm"
        ? "Expected size for first two dimensions of batch2 tensor to be: " +
          `[${count}, ${inner}] but got: [${count}, ${terms}].`
        : product === "addmv_impl_cpu"
        ? `size mismatch, got input (${all}), mat (${all}x${inner}), vec (${terms})`
        : `mm: mat1 and mat2 shapes cannot be multiplied (${all}x${inner} and ` +
          `${terms}x${columns})`,
    );
  }
  if (product !== "dot") checkDTypes(a, b, product);
  const [inA, inB] = batches.map((own) => placesIn(own, batch));
  /** Visits each element of the result, with its row of `a` and its column of `b`. */
  const each = (visit: (at: number, row: number, column: number) => void) => {
    for (let k = 0, at = 0; k < count; k++) {
      const row = placeIn(inA, k) * rows * inner;
      const column = placeIn(inB, k) * inner * columns;
      for (let i = 0; i < rows; i++) {
        for (let j = 0; j < columns; j++) visit(at++, row + i * inner, column + j);
      }
    }
  };
  const [x, y] = [a.data, b.data];
  const data = allocate(dtype, count * rows * columns);
  each((at, row, column) => {
    let sum = 0;
    for (let p = 0; p < inner; p++) sum += x[row + p] * y[column + p * columns];
    data[at] = sum;
  });
  const shape = [...batch, ...ranks[0] > 1 ? [rows] : [], ...ranks[1] > 1 ? [columns] : []];
  const result = new Tensor(data, shape, dtype);
  const kept = [a.requiresGrad && b, b.requiresGrad && a];
  return record(result, `${node}Backward${node === "Squeeze" ? 4 : 0}`, [a, b], (dy, da, db) => {
    each((at, row, column) => {
      for (let p = 0; p < inner; p++) {
        if (da) da[row + p] += dy[at] * y[column + p * columns];
        if (db) db[column + p * columns] += dy[at] * x[row + p];
      }
    });
  }, node === "Dot" || node === "Mv" ? kept.reverse() : kept);
}

function checkDTypes(a: Tensor, b: Tensor, product: string): void {
  const [own, other] = [words[a.dtype], words[b.dtype]];
  if (a.dtype !== b.dtype) {
    throw new RuntimeError(
      product === "dot"
        ? `dot : expected both vectors to have same dtype, but found ${own[0]} and ${other[0]}`
        : product === "bmm"
        ? `expected scalar type ${own[0]} but found ${other[0]}`
        : product === "addmv_impl_cpu"
        ? `addmv input tensors must have the same dtype, but got ${other[0]}, ${own[0]}, and ` +
          other[0]
        : `expected m1 and m2 to have the same dtype, but got: ${own[1]} != ${other[1]}`,
    );
  }
  checkFloat(a.dtype, product);
}
