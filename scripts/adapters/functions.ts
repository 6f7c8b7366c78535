/** The functions that a request of the operation `call` may name. */

import { encode, type JsonTensor } from "../../lib/conformance/mod.ts";
import * as rnn from "../../mod.ts";

// deno-lint-ignore no-explicit-any -- the arguments come from outside; what they go to checks them
export type Arguments = any;

/**
 * PyTorch's names of arguments to this library's, for those that have defaults.
 *
 * @param args arguments by PyTorch's names, such as `batch_first`
 * @returns the same by names such as `batchFirst`
 */
export function optionsOf(args: Record<string, unknown> = {}): Arguments {
  const camelCase = (name: string) =>
    name.replace(/_([a-z])/g, (_, letter: string) => letter.toUpperCase());
  return Object.fromEntries(Object.entries(args).map(([name, value]) => [camelCase(name), value]));
}

/** The inputs of a request, by name; which there are depends on what is asked. */
export interface Inputs {
  input: rnn.Tensor;
  grad?: rnn.Tensor;
  h_0?: rnn.Tensor;
  c_0?: rnn.Tensor;
  tensors: rnn.Tensor[];
  sequences: rnn.Tensor[];
  padded_sequences: rnn.Tensor;
  lengths?: number[];
  data: rnn.Tensor;
  batch_sizes: rnn.Tensor;
  sorted_indices?: rnn.Tensor;
  unsorted_indices?: rnn.Tensor;
}

/** Outputs by PyTorch's names; some are lists. */
type Outputs = Record<string, JsonTensor | JsonTensor[]>;

/** A function of tensors, its arguments in camel case. */
type Call = (inputs: Inputs, args: Arguments, dtype: rnn.FloatDType) => Outputs;

/** Whole numbers, as PyTorch's int64 tensors. */
function integers(values: readonly number[]): JsonTensor {
  return { shape: [values.length], data: [...values], dtype: "int64" };
}

function packed({ data, batchSizes, sortedIndices, unsortedIndices }: rnn.PackedSequence): Outputs {
  return {
    data: encode(data),
    batch_sizes: integers(batchSizes),
    ...(sortedIndices && { sorted_indices: integers(sortedIndices) }),
    ...(unsortedIndices && { unsorted_indices: integers(unsortedIndices) }),
  };
}

function unpacked(inputs: Inputs): rnn.PackedSequence {
  const list = (x?: rnn.Tensor) => x ? Array.from(x.data) : null;
  const { data, batch_sizes, sorted_indices, unsorted_indices } = inputs;
  const sizes = Array.from(batch_sizes.data);
  return new rnn.PackedSequence(data, sizes, list(sorted_indices), list(unsorted_indices));
}

/** A function of tensors to one tensor. */
function one(
  compute: (inputs: Inputs, args: Arguments, dtype: rnn.FloatDType) => rnn.Tensor,
): Call {
  return (inputs, args, dtype) => ({ output: encode(compute(inputs, args, dtype)) });
}

export const functions: Readonly<Record<string, Call>> = {
  cat: one(({ tensors }, { dim }) => rnn.cat(tensors, dim)),
  item: one(({ input }, _, dtype) => rnn.tensor(input.item(), { dtype })),
  grad: ({ input }) => {
    input.requiresGrad = true;
    rnn.grad([rnn.sum(input)], []);
    return {};
  },
  set_grad: one(({ input, grad }, { value, own }) => input.grad = own ? input : value ?? grad),
  set_requires_grad: one(({ input }, { made, value }) => {
    input.requiresGrad = true;
    const x = made ? rnn.mul(input, 1) : input;
    x.requiresGrad = value;
    return x;
  }),
  train: (_, { mode }) => {
    new rnn.Linear(1, 1).train(mode);
    return {};
  },
  linspace: one((_, { start, end, steps }, dtype) => rnn.linspace(start, end, steps, { dtype })),
  narrow: one(({ input }, { dim, start, length }) => rnn.narrow(input, dim, start, length)),
  reshape: one(({ input }, { shape }) => rnn.reshape(input, shape)),
  select: one(({ input }, { dim, index }) => rnn.select(input, dim, index)),
  sin: one(({ input }) => rnn.sin(input)),
  stack: one(({ tensors }, { dim }) => rnn.stack(tensors, dim)),
  tensor: one((_, { data }, dtype) => rnn.tensor(data, { dtype })),
  transpose: one(({ input }, { dim0, dim1 }) => rnn.transpose(input, dim0, dim1)),
  pack_padded_sequence: ({ input, lengths }, options) =>
    packed(rnn.packPaddedSequence(input, lengths ?? [], options)),
  pack_sequence: ({ sequences }, options) => packed(rnn.packSequence(sequences, options)),
  pad_packed_sequence: (inputs, options) => {
    const [output, lengths] = rnn.padPackedSequence(unpacked(inputs), options);
    return { output: encode(output), lengths: integers(lengths) };
  },
  pad_sequence: one(({ sequences }, options) => rnn.padSequence(sequences, options)),
  unpad_sequence: ({ padded_sequences, lengths }, options) => ({
    sequences: rnn.unpadSequence(padded_sequences, lengths ?? [], options).map(encode),
  }),
  unpack_sequence: (inputs) => ({ sequences: rnn.unpackSequence(unpacked(inputs)).map(encode) }),
};
