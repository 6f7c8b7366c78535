/** Batches of sequences of different lengths, padded to one length, and back. */

import { any, bool, check, number, type Options, text } from "../call.ts";
import { cat, stack } from "../autograd/join.ts";
import { select, slice } from "../autograd/slices.ts";
import { RuntimeError, ValueError } from "../errors.ts";
import { pythonClass, pythonText } from "../python.ts";
import { broadcastShape } from "../tensor/blocks.ts";
import { full } from "../tensor/create.ts";
import { listed, sameShape, words } from "../tensor/dtype.ts";
import { aTensor, checkTensors, Tensor } from "../tensor/tensor.ts";

/** Lengths as a list of whole numbers. */
export function lengthsOf(lengths: readonly number[] | Tensor): readonly number[] {
  const rank = lengths instanceof Tensor ? lengths.dim() : typeof lengths === "number" ? 0 : 1;
  if (rank !== 1) {
    const type = lengths instanceof Tensor ? words[lengths.dtype][0] : "Long";
    throw new RuntimeError(
      `'lengths' argument should be a 1D CPU int64 tensor, but got ${rank}D cpu ${type} tensor`,
    );
  }
  const list = lengths instanceof Tensor ? [...lengths.data] : lengths;
  if (Array.isArray(list) && [...list].every(Number.isInteger)) return list;
  throw new TypeError(`lengths must be a list of integers, but got ${pythonText(lengths)}`);
}

/** The parts of a tensor along its first dimension. */
export function rowsOf(x: Tensor): Tensor[] {
  return Array.from({ length: x.size(0) }, (_, k) => select(x, 0, k));
}

/** Sequences as a list of tensors; a tensor is its rows. */
export function sequencesOf(sequences: readonly Tensor[] | Tensor): readonly Tensor[] {
  if (sequences instanceof Tensor) return rowsOf(sequences);
  if (!Array.isArray(sequences)) {
    throw new RuntimeError(
      "pad_sequence: Expected iterable for input sequences, but got arg of type: " +
        pythonClass(sequences),
    );
  }
  checkTensors(sequences);
  return sequences;
}

/**
 * How {@linkcode padSequence} lays out its output.
 * @category Packing
 */
export interface PadOptions {
  /** Whether the output is `(N, L, *)` instead of `(L, N, *)`. */
  readonly batchFirst?: boolean;
  /** What stands beyond a sequence's end. @default 0 */
  readonly paddingValue?: number;
  /** Which side of a short sequence the padding stands on. @default "right" */
  readonly paddingSide?: "left" | "right";
}

/**
 * Puts sequences of different lengths into one padded batch
 * (`torch.nn.utils.rnn.pad_sequence`; PACK-6).
 *
 * @param sequences tensors of shapes `(L_k, *)` that agree in all but the first extent
 * @param options the layout and the padding
 * @returns shape `(L, N, *)`, or `(N, L, *)` with `batchFirst`, where L is the longest length
 * @throws {RuntimeError} if there are none, or they do not agree
 *
 * @example
 * ```ts
 * import { padSequence, tensor } from "@rnn-spec/rnn-spec";
 * import { assertEquals } from "@std/assert";
 *
 * const padded = padSequence([tensor([1]), tensor([2, 3])], { batchFirst: true });
 * assertEquals(padded.tolist(), [[1, 0], [2, 3]]);
 * ```
 * @category Packing
 */
export function padSequence(
  sequences: readonly Tensor[] | Tensor,
  options: PadOptions = {},
): Tensor {
  check([
    "padSequence",
    { sequences: any },
    { batchFirst: bool, paddingValue: number, paddingSide: text } satisfies Options<PadOptions>,
    true,
  ], arguments);
  const { batchFirst = false, paddingValue = 0, paddingSide = "right" } = options;
  const own = sequencesOf(sequences);
  if (own.length === 0) throw new RuntimeError("received an empty list of sequences");
  if (paddingSide !== "left" && paddingSide !== "right") {
    throw new RuntimeError(
      `Expected padding_side to be one of left or right, but got ${paddingSide}.`,
    );
  }
  checkFeatures(own);
  const length = own.reduce((most, { shape }) => Math.max(most, shape[0]), 0);
  const padded = own.map((sequence) => {
    const size = [length - sequence.size(0), ...sequence.shape.slice(1)];
    if (size[0] === 0) return sequence;
    const padding = full(size, paddingValue, { dtype: sequence.dtype });
    return cat(paddingSide === "left" ? [padding, sequence] : [sequence, padding]);
  });
  return stack(padded, batchFirst ? 0 : 1);
}

/** Refuses sequences that differ in more than their length. */
function checkFeatures(sequences: readonly Tensor[]): void {
  const [first] = sequences;
  if (first.dim() === 0) throw new RuntimeError("ArrayRef: invalid slice, N = 1; size = 0");
  for (const sequence of sequences) {
    const { shape } = sequence;
    const slot = [sequence.size(0), ...first.shape.slice(1)]; // where PyTorch copies it to
    const whole = broadcastShape(slot, shape);
    if (!sameShape(whole, slot)) {
      throw new RuntimeError(
        `output with shape ${listed(slot)} doesn't match the broadcast shape ${listed(whole)}`,
      );
    }
    if (!sameShape(shape, slot)) { // PyTorch spreads it over the place that it has
      throw new RuntimeError(
        "expected sequences that differ in their length alone, but got " +
          `${listed(first.shape)} and ${listed(shape)}`,
      );
    }
  }
}

/**
 * Takes a padded batch apart (`torch.nn.utils.rnn.unpad_sequence`; PACK-6).
 *
 * @param padded shape `(L, N, *)`, or `(N, L, *)` with `batchFirst`; not changed
 * @param lengths the length of each sequence; beyond L counts as L
 * @param options the layout
 * @returns N tensors of shapes `(length, *)`
 * @throws {ValueError} if there are not N lengths
 *
 * @example
 * ```ts
 * import { tensor, unpadSequence } from "@rnn-spec/rnn-spec";
 * import { assertEquals } from "@std/assert";
 *
 * const [a, b] = unpadSequence(tensor([[1, 0], [2, 3]]), [1, 2], { batchFirst: true });
 * assertEquals([a.tolist(), b.tolist()], [[1], [2, 3]]);
 * ```
 * @category Packing
 */
export function unpadSequence(
  padded: Tensor,
  lengths: readonly number[] | Tensor,
  options: { readonly batchFirst?: boolean } = {},
): Tensor[] {
  check([
    "unpadSequence",
    { paddedSequences: aTensor, lengths: any },
    { batchFirst: bool },
    true,
  ], arguments);
  const batchDim = options.batchFirst ? 0 : 1;
  const batch = padded.size(batchDim);
  const own = lengthsOf(lengths);
  if (own.length !== batch) {
    const how = own.length < batch ? "shorter" : "longer";
    throw new ValueError(`zip() argument 2 is ${how} than argument 1`);
  }
  return own.map((length, k) => slice(select(padded, batchDim, k), 0, 0, Math.max(length, 0)));
}
