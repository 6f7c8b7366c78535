/** Batches of sequences of different lengths, packed: without padding. */

import { any, bool, check, int, ints, type Kind, number, type Options } from "../call.ts";
import { transpose } from "../autograd/shape.ts";
import { cat, stack } from "../autograd/join.ts";
import { indexSelect, narrow, select } from "../autograd/slices.ts";
import { IndexError, RuntimeError, ValueError } from "../errors.ts";
import { full } from "../tensor/create.ts";
import { formatIntegers } from "../tensor/format.ts";
import { listed } from "../tensor/dtype.ts";
import { wrapDim } from "../tensor/blocks.ts";
import { aTensor, Tensor } from "../tensor/tensor.ts";
import { lengthsOf, padSequence, sequencesOf, unpadSequence } from "./padding.ts";

/**
 * A batch of sequences of different lengths, without padding (`torch.nn.utils.rnn.PackedSequence`;
 * PACK-1, PACK-2). Sequences stand longest first; `data` holds the first elements of all, then the
 * second elements of those that have one, and so on.
 *
 * Make one with {@linkcode packPaddedSequence} or {@linkcode packSequence}.
 * @category Packing
 */
export class PackedSequence {
  /** For each time step, how many sequences reach it. */
  readonly batchSizes: readonly number[];
  /** For each sorted sequence, counted from the longest, where it stood in the batch. */
  readonly sortedIndices: readonly number[] | null;
  /** For each sequence of the batch, where it stands among the sorted ones. */
  readonly unsortedIndices: readonly number[] | null;

  /** The elements, shape `(sum of lengths, *)`. */
  readonly data: Tensor;

  /**
   * Holds the four fields; `unsortedIndices` follows from `sortedIndices` where left out.
   *
   * @param data the elements, shape `(sum of lengths, *)`
   * @param batchSizes for each time step, how many sequences reach it; never grows
   * @param sortedIndices where each sorted sequence stood, or `null` if they stood sorted
   * @param unsortedIndices the inverse of `sortedIndices`
   * @throws {ValueError} if the batch sizes grow, are not positive, or do not add up to the data,
   * or if the indices are not those of that many sequences
   */
  constructor(
    data: Tensor,
    batchSizes: readonly number[],
    sortedIndices: readonly number[] | null = null,
    unsortedIndices: readonly number[] | null = null,
  ) {
    check([
      "PackedSequence",
      { data: aTensor, batchSizes: ints, "sortedIndices?": order, "unsortedIndices?": order },
    ], arguments);
    this.data = data;

    const sum = batchSizes.reduce((total, size) => total + size, 0);
    const falls = batchSizes.every((size, t) =>
      Number.isInteger(size) && size > 0 && size <= (batchSizes[t - 1] ?? size)
    );
    if (batchSizes.length === 0 || !falls || sum !== data.size(0)) {
      throw new ValueError(
        `batch_sizes must be positive, never grow and add up to the ${data.size(0)} rows of ` +
          `data, but got ${listed(batchSizes)}`,
      );
    }
    const indices = { sorted_indices: sortedIndices, unsorted_indices: unsortedIndices };
    for (const [name, order] of Object.entries(indices)) {
      if (order === null || isPermutation(order, batchSizes[0])) continue;
      throw new ValueError(
        `${name} must be the numbers from 0 to ${batchSizes[0] - 1} in some order, but got ` +
          listed(order),
      );
    }
    this.batchSizes = Object.freeze([...batchSizes]);
    this.sortedIndices = sortedIndices && Object.freeze([...sortedIndices]);
    this.unsortedIndices = Object.freeze(unsortedIndices?.slice() ?? invert(sortedIndices));
  }

  /** Returns the text that PyTorch prints. */
  toString(): string {
    const list = (values: readonly number[] | null) => values ? formatIntegers(values) : "None";
    return `PackedSequence(data=${this.data}, batch_sizes=${list(this.batchSizes)}, ` +
      `sorted_indices=${list(this.sortedIndices)}, ` +
      `unsorted_indices=${list(this.unsortedIndices)})`;
  }
}

const aPackedSequence: Kind = {
  word: "PackedSequence",
  is: (value) => value instanceof PackedSequence,
};

/** A tensor or a packed batch, as the input of a layer. */
export const aSequence: Kind = {
  word: "Tensor or PackedSequence",
  is: (value) => value instanceof Tensor || value instanceof PackedSequence,
};

const order: Kind = {
  word: "tuple of ints",
  is: (value) => value === null || Array.isArray(value),
};

/** Whether a list is the numbers below a length, in some order. */
function isPermutation(order: readonly number[], length: number): boolean {
  const given = new Set(order);
  return order.length === length && Array.from({ length }, (_, k) => k).every((k) => given.has(k));
}

/**
 * Of counts that never grow, for each number below the first: how many of them are larger. Turns
 * lengths into batch sizes, and batch sizes into lengths.
 */
function turned(counts: readonly number[]): number[] {
  return Array.from({ length: counts[0] }, (_, k) => counts.filter((count) => count > k).length);
}

/** The permutation that undoes another. */
function invert(permutation: readonly number[] | null): number[] | null {
  if (permutation === null) return null;
  const inverse = Array<number>(permutation.length);
  permutation.forEach((from, to) => inverse[from] = to);
  return inverse;
}

/**
 * How {@linkcode packPaddedSequence} reads its input.
 * @category Packing
 */
export interface PackOptions {
  /** Whether the input is `(N, L, *)` instead of `(L, N, *)`. */
  readonly batchFirst?: boolean;
  /** Whether to refuse lengths that are not sorted, longest first. @default true */
  readonly enforceSorted?: boolean;
}

/**
 * Packs a padded batch (`torch.nn.utils.rnn.pack_padded_sequence`; PACK-1, PACK-2). What stands
 * beyond a sequence's length is dropped, whatever it is. Sequences of one length keep their order.
 *
 * @param input shape `(L, N, *)`, or `(N, L, *)` with `batchFirst`
 * @param lengths the length of each sequence, N integers from 1 to L
 * @param options the layout, and whether unsorted lengths are refused
 * @returns the packed batch
 * @throws {RuntimeError} if a length is not in 1 … L, if there are not N of them, or if they are
 * not sorted and have to be
 * @throws {IndexError} if the input has less than two dimensions
 * @throws {TypeError} if a length is not an integer
 *
 * @example
 * ```ts
 * import { packPaddedSequence, tensor } from "@rnn-spec/rnn-spec";
 * import { assertEquals } from "@std/assert";
 *
 * const batch = tensor([[1, 2, 0], [3, 0, 0], [4, 5, 6]]);
 * const packed = packPaddedSequence(batch, [2, 1, 3], { batchFirst: true, enforceSorted: false });
 * assertEquals(packed.data.tolist(), [4, 1, 3, 5, 2, 6]);
 * assertEquals(packed.batchSizes, [3, 2, 1]);
 * assertEquals(packed.sortedIndices, [2, 0, 1]);
 * ```
 * @category Packing
 */
export function packPaddedSequence(
  input: Tensor,
  lengths: readonly number[] | Tensor,
  options: PackOptions = {},
): PackedSequence {
  check([
    "packPaddedSequence",
    { input: aTensor, lengths: any },
    { batchFirst: bool, enforceSorted: bool } satisfies Options<PackOptions>,
    true,
  ], arguments);
  const { batchFirst = false, enforceSorted = true } = options;
  const own = lengthsOf(lengths);
  if (enforceSorted && input.numel() === 0) throw new RuntimeError("Cannot pack empty tensors.");
  const [batchDim, timeDim] = batchFirst ? [0, 1] : [1, 0];
  if (!enforceSorted && batchFirst && input.dim() === 1 && input.numel() < own.length) {
    throw new IndexError("index out of range in self");
  }
  if (enforceSorted && !batchFirst) input.size(1);
  wrapDim(1, input.dim());
  const [batch, extent] = [input.shape[batchDim], input.shape[timeDim]];
  const order = enforceSorted ? null : [...own.keys()].sort((a, b) => own[b] - own[a]);
  const sorted = order ? indexSelect(input, batchDim, order) : input;
  if (sorted.numel() === 0) throw new RuntimeError("Cannot pack empty tensors.");
  // PyTorch drops the rows that an unsorted list leaves without a length; nothing is dropped here.
  if (own.length !== batch) {
    throw new RuntimeError(
      `Expected \`len(lengths)\` to be equal to batch_size, but got ${own.length} ` +
        `(batch_size=${batch})`,
    );
  }
  const falling = order ? order.map((k) => own[k]) : own;
  if (falling[falling.length - 1] <= 0) {
    throw new RuntimeError(
      "Length of all samples has to be greater than 0, but found an element in 'lengths' that is " +
        "<= 0",
    );
  }
  if (falling.some((length, k) => length > falling[k - 1])) {
    throw new RuntimeError(
      "`lengths` array must be sorted in decreasing order when `enforce_sorted` is True. You can " +
        "pass `enforce_sorted=False` to pack_padded_sequence and/or pack_sequence to sidestep " +
        "this requirement if you do not need ONNX exportability.",
    );
  }
  if (falling[0] > extent) {
    throw new RuntimeError(`a length of ${falling[0]} exceeds the ${extent} steps of the input`);
  }
  const batchSizes = turned(falling);
  const data = cat(batchSizes.map((size, t) => narrow(select(sorted, timeDim, t), 0, 0, size)));
  return new PackedSequence(data, batchSizes, order);
}

/**
 * How {@linkcode padPackedSequence} lays out its output.
 * @category Packing
 */
export interface PadPackedOptions {
  /** Whether the output is `(N, L, *)` instead of `(L, N, *)`. */
  readonly batchFirst?: boolean;
  /** What stands beyond a sequence's end. @default 0 */
  readonly paddingValue?: number;
  /** L. @default the length of the longest sequence */
  readonly totalLength?: number;
}

/**
 * Unpacks a batch, padding what is shorter (`torch.nn.utils.rnn.pad_packed_sequence`; PACK-3).
 *
 * @param sequence the packed batch
 * @param options the layout, the padding and the length
 * @returns `[output, lengths]`: shape `(L, N, *)`, or `(N, L, *)` with `batchFirst`, and the length
 * of each sequence, both in the order of the batch before it was packed
 * @throws {ValueError} if `totalLength` is less than the longest sequence's length
 * @throws {TypeError} if it is not an integer
 *
 * @example
 * ```ts
 * import { packSequence, padPackedSequence, tensor } from "@rnn-spec/rnn-spec";
 * import { assertEquals } from "@std/assert";
 *
 * const packed = packSequence([tensor([1, 2]), tensor([3])]);
 * const [output, lengths] = padPackedSequence(packed, { batchFirst: true, paddingValue: -1 });
 * assertEquals([output.tolist(), lengths], [[[1, 2], [3, -1]], [2, 1]]);
 * ```
 * @category Packing
 */
export function padPackedSequence(
  sequence: PackedSequence,
  options: PadPackedOptions = {},
): [Tensor, number[]] {
  check([
    "padPackedSequence",
    { sequence: aPackedSequence },
    { batchFirst: bool, paddingValue: number, totalLength: int } satisfies Options<
      PadPackedOptions
    >,
    true,
  ], arguments);
  const { batchFirst = false, paddingValue = 0, totalLength } = options;
  const { data, batchSizes, unsortedIndices } = sequence;
  if (totalLength !== undefined && totalLength < batchSizes.length) {
    throw new ValueError(
      "Expected total_length to be at least the length of the longest sequence in input, but got " +
        `total_length=${totalLength} and max sequence length being ${batchSizes.length}`,
    );
  }
  const [batch] = batchSizes;
  let start = 0;
  const steps = Array.from({ length: totalLength ?? batchSizes.length }, (_, t) => {
    const size = batchSizes[t] ?? 0;
    start += size;
    const real = narrow(data, 0, start - size, size);
    if (size === batch) return real;
    const padding = [batch - size, ...data.shape.slice(1)];
    return cat([real, full(padding, paddingValue, { dtype: data.dtype })]);
  });
  const sorted = stack(steps);
  const lengths = turned(batchSizes);
  const output = unsortedIndices ? indexSelect(sorted, 1, unsortedIndices) : sorted;
  return [
    batchFirst ? transpose(output, 0, 1) : output,
    unsortedIndices ? unsortedIndices.map((k) => lengths[k]) : lengths,
  ];
}

/**
 * Packs sequences of different lengths (`torch.nn.utils.rnn.pack_sequence`; PACK-6).
 *
 * @param sequences tensors of shapes `(L_k, *)` that agree in all but the first extent
 * @param options whether unsorted lengths are refused; by default true
 * @returns the packed batch
 * @throws {RuntimeError} as {@linkcode padSequence} and {@linkcode packPaddedSequence} do
 *
 * @example
 * ```ts
 * import { packSequence, tensor } from "@rnn-spec/rnn-spec";
 * import { assertEquals } from "@std/assert";
 *
 * const packed = packSequence([tensor([1, 2, 3]), tensor([4, 5]), tensor([6])]);
 * assertEquals(packed.data.tolist(), [1, 4, 6, 2, 5, 3]);
 * ```
 * @category Packing
 */
export function packSequence(
  sequences: readonly Tensor[] | Tensor,
  options: { readonly enforceSorted?: boolean } = {},
): PackedSequence {
  check([
    "packSequence",
    { sequences: any },
    { enforceSorted: bool },
    true,
  ], arguments);
  const own = sequencesOf(sequences);
  const lengths = own.map((sequence) => sequence.size(0));
  return packPaddedSequence(padSequence(own), lengths, options);
}

/**
 * Takes a packed batch apart (`torch.nn.utils.rnn.unpack_sequence`; PACK-6).
 *
 * @param packed the packed batch
 * @returns the sequences, in the order of the batch before it was packed
 *
 * @example
 * ```ts
 * import { packSequence, tensor, unpackSequence } from "@rnn-spec/rnn-spec";
 * import { assertEquals } from "@std/assert";
 *
 * const packed = packSequence([tensor([1, 2]), tensor([3])]);
 * assertEquals(unpackSequence(packed).map((x) => x.tolist()), [[1, 2], [3]]);
 * ```
 * @category Packing
 */
export function unpackSequence(packed: PackedSequence): Tensor[] {
  check([
    "unpackSequence",
    { packedSequences: aPackedSequence },
    undefined,
    true,
  ], arguments);
  const [padded, lengths] = padPackedSequence(packed, { batchFirst: true });
  return unpadSequence(padded, lengths, { batchFirst: true });
}
