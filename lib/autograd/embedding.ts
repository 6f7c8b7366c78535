/** Rows of a table by their numbers. */

import { check, int, type Kind, type Options } from "../call.ts";
import { AssertionError, IndexError, RuntimeError } from "../errors.ts";
import { typeName } from "../tensor/dtype.ts";
import { aTensor, Tensor } from "../tensor/tensor.ts";
import { taken } from "./shape.ts";

/** What PyTorch has besides, and this has not. */
const absent: Kind = {
  word: "left out (of the options of an embedding there is only padding_idx here)",
  is: (value) => value === null || value === false,
};

/**
 * How an embedding is to be computed.
 * @category Operations
 */
export interface EmbeddingArguments {
  /** The row whose gradient is 0; negative ones count from the last. @default null */
  readonly paddingIdx?: number | null;
  /** Not here. */
  readonly maxNorm?: null;
  /** Not here. */
  readonly normType?: null;
  /** Not here. */
  readonly scaleGradByFreq?: false;
  /** Not here. */
  readonly sparse?: false;
}

/** The number of a row, or `null` for none. */
const rowOrNone: Kind = {
  word: "int",
  is: (value) => value === null || Number.isInteger(value),
};

/** What the options are to be. */
export const embeddingArguments: Options<EmbeddingArguments> = {
  paddingIdx: rowOrNone,
  maxNorm: absent,
  normType: absent,
  scaleGradByFreq: absent,
  sparse: absent,
};

/**
 * The row that counts for nothing, counted from the first; `null` for none.
 *
 * @throws {AssertionError} if there is no such row
 */
export function paddingRow(paddingIdx: number | null, rows: number): number | null {
  if (paddingIdx === null) return null;
  if (paddingIdx >= Math.max(rows, 1) || paddingIdx < -rows) {
    throw new AssertionError("Padding_idx must be within num_embeddings");
  }
  return paddingIdx < 0 ? paddingIdx + rows : paddingIdx;
}

/**
 * Rows of a table by their numbers (`torch.nn.functional.embedding`; EMBED-1). Backward, a row's
 * gradient is the sum over all places where it was read; that of the padding is 0.
 *
 * @param input the numbers, an int64 tensor of any shape `(*)`
 * @param weight the table, shape `(V, H)`
 * @param options which row is padding
 * @returns shape `(*, H)`
 * @throws {IndexError} if there is no such row
 * @throws {RuntimeError} if the input is not int64, or the table no matrix
 * @throws {AssertionError} if the padding is no row
 *
 * @example
 * ```ts
 * import { embedding, tensor } from "@rnn-spec/rnn-spec";
 * import { assertEquals } from "@std/assert";
 *
 * const table = tensor([[0, 0], [1, 10], [2, 20]]);
 * const words = tensor([2, 0, 2], { dtype: "int64" });
 * assertEquals(embedding(words, table).tolist(), [[2, 20], [0, 0], [2, 20]]);
 * ```
 * @category Operations
 */
export function embedding(
  input: Tensor,
  weight: Tensor,
  options: EmbeddingArguments = {},
): Tensor {
  check([
    "embedding",
    { weight: aTensor, indices: aTensor },
    embeddingArguments,
    true,
  ], [weight, input, ...Array.from(arguments).slice(2)]);
  const padding = paddingRow(options.paddingIdx ?? null, weight.shape[0]);
  if (weight.dim() !== 2) throw new RuntimeError("'weight' must be 2-D");
  if (input.dtype !== "int64") {
    const given = input.dtype === "bool" ? "CPUBoolType" : typeName(input.dtype);
    throw new RuntimeError(
      "Expected tensor for argument #1 'indices' to have one of the following scalar types: " +
        `Long, Int; but got ${given} instead (while checking arguments for embedding)`,
    );
  }
  const [rows, features] = weight.shape;
  if (input.data.some((row) => row < 0 || row >= rows)) {
    throw new IndexError("index out of range in self");
  }
  const starts = Uint32Array.from(input.data, (row) => row * features);
  const unmoved = padding === null ? -1 : padding * features;
  const shape = [...input.shape, features];
  return taken(weight, shape, starts, "EmbeddingBackward0", [input], unmoved);
}

/**
 * For each class a row of zeros with a 1 at its number (`torch.nn.functional.one_hot`).
 *
 * @param classes an int64 tensor of any shape `(*)`
 * @param numClasses C, how many classes there are; by default one more than the largest
 * @returns an int64 tensor, shape `(*, C)`
 * @throws {RuntimeError} if a class is none of these, or `classes` is not int64
 *
 * @example
 * ```ts
 * import { oneHot, tensor } from "@rnn-spec/rnn-spec";
 * import { assertEquals } from "@std/assert";
 *
 * const classes = tensor([1, 0], { dtype: "int64" });
 * assertEquals(oneHot(classes, 3).tolist(), [[0, 1, 0], [1, 0, 0]]);
 * ```
 * @category Operations
 */
export function oneHot(classes: Tensor, numClasses = -1): Tensor {
  check(["oneHot", { tensor: aTensor, "numClasses?": int }], arguments);
  const fail = (what: string) => {
    throw new RuntimeError(what);
  };
  const { dtype, data, shape } = classes;
  if (dtype !== "int64") fail("one_hot is only applicable to index tensor of type LongTensor.");
  if (data.length === 0 && numClasses <= 0) {
    fail("Can not infer total number of classes from empty tensor.");
  }
  let most = -1;
  for (const k of data) most = Math.max(most, k);
  if (data.some((k) => k < 0)) fail("Class values must be non-negative.");
  const width = numClasses === -1 ? most + 1 : numClasses;
  if (most >= width) fail("Class values must be smaller than num_classes.");
  const hot = new Float64Array(data.length * width);
  data.forEach((k, place) => hot[place * width + k] = 1);
  return new Tensor(hot, [...shape, width], "int64");
}
