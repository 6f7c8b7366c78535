/** The functions that a request of the operation `call` may name. */

import { createHash } from "node:crypto";
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
  other?: rnn.Tensor;
  weight: rnn.Tensor;
  index: rnn.Tensor;
  state: rnn.Tensor;
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

/** What one tensor makes of another one, with arguments by PyTorch's names. */
type Compute = (inputs: Inputs, args: Arguments) => rnn.Tensor | Record<string, rnn.Tensor>;

const unary = (f: (x: rnn.Tensor) => rnn.Tensor): Compute => ({ input }) => f(input);
const binary =
  (f: (a: rnn.Tensor, b: rnn.Tensor | number) => rnn.Tensor): Compute => ({ input, other }, args) =>
    f(input, other ?? args.other);
const along =
  (f: (x: rnn.Tensor, dim?: Arguments, options?: rnn.ReduceOptions) => rnn.Tensor): Compute =>
  ({ input }, { dim, ...options }) => f(input, dim, options);

/** The functions that a `vjp` and a `print` may name, too. */
export const computations: Readonly<Record<string, Compute>> = {
  tanh: unary(rnn.tanh),
  sigmoid: unary(rnn.sigmoid),
  relu: unary(rnn.relu),
  neg: unary(rnn.neg),
  abs: unary(rnn.abs),
  exp: unary(rnn.exp),
  log: unary(rnn.log),
  clone: unary(rnn.clone),
  add: binary(rnn.add),
  sub: binary(rnn.sub),
  mul: binary(rnn.mul),
  div: binary(rnn.div),
  rsub: ({ input }, { other }) => rnn.sub(other, input),
  matmul: ({ input, other }) => rnn.matmul(input, other!),
  sum: along(rnn.sum),
  mean: along(rnn.mean),
  argmax: along(rnn.argmax),
  max: ({ input }, { dim, ...options }) => {
    if (dim === undefined) return rnn.max(input);
    const [values, indices] = rnn.max(input, dim, options);
    return { values, indices };
  },
  softmax: ({ input }, { dim }) => rnn.softmax(input, dim),
  log_softmax: ({ input }, { dim }) => rnn.logSoftmax(input, dim),
  one_hot: ({ input }, { numClasses }) => rnn.oneHot(input, numClasses),
  flip: ({ input }, { dims }) => rnn.flip(input, dims),
  expand: ({ input }, { size }) => rnn.expand(input, size),
  embedding: ({ input, weight }, options) => rnn.embedding(input, weight, options),
  index_select: ({ input, index }, { dim }) => rnn.indexSelect(input, dim, index),
  to: ({ input }, { dtype }) => rnn.to(input, dtype),
};

/** What is drawn, and what would be drawn next. */
function drawn(draw: (inputs: Inputs, args: Arguments) => rnn.Tensor): Call {
  return (inputs, args) => {
    const output = encode(draw(inputs, args));
    return { output, next: encode(rnn.randint(0, 2 ** 20, [1])) };
  };
}

/** What a computation gives, by name. */
export function named(result: rnn.Tensor | Record<string, rnn.Tensor>): Record<string, rnn.Tensor> {
  return result instanceof rnn.Tensor ? { output: result } : result;
}

export const functions: Readonly<Record<string, Call>> = {
  ...Object.fromEntries(
    Object.entries(computations).map(([name, compute]): [string, Call] => [
      name,
      (inputs, args) =>
        Object.fromEntries(
          Object.entries(named(compute(inputs, args))).map(([key, x]) => [key, encode(x)]),
        ),
    ]),
  ),
  get_state: (_, { rand, randn }, dtype) => {
    rnn.rand([rand]);
    rnn.randn([randn], { dtype });
    const state = rnn.defaultGenerator.getState();
    const list = (bytes: Uint8Array) => encode(rnn.tensor([...bytes], { dtype: "int64" }));
    return {
      sha256: list(createHash("sha256").update(state).digest()),
      first: list(state.subarray(0, 32)),
      last: list(state.subarray(-40)),
    };
  },
  set_state: ({ state }, _, dtype) => {
    const generator = rnn.defaultGenerator.setState(Uint8Array.from(state.data));
    const randn = encode(rnn.randn([3], { dtype, generator }));
    return { randn, rand: encode(rnn.slice(rnn.rand([700], { dtype, generator }), 0, -5)) };
  },
  randint: drawn((_, { low, high, size }) => rnn.randint(low, high, size)),
  randperm: drawn((_, { n }) => rnn.randperm(n)),
  multinomial: drawn(({ input }, { numSamples, ...options }) =>
    rnn.multinomial(input, numSamples, options)
  ),
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
  tensor: one((_, { data, dtype: own }, dtype) => rnn.tensor(data, { dtype: own ?? dtype })),
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
