/** Mistakes in the form in which right numbers are handed out. */

import type { JsonTensor, Request } from "../pair.ts";
import type { Mistake, Outputs } from "./mistake.ts";

const isSequence = ({ module = "" }: Request) => /^(RNN|LSTM|GRU)$/.test(module);

/** An output of a sequence with a batch, with time first. */
function timeFirst({ output }: Outputs, { args }: Request): JsonTensor | null {
  const { shape, data } = output as JsonTensor;
  if (shape.length !== 3) return null;
  if (!args?.batch_first) return { shape, data };
  const [batch, length, features] = shape;
  const at = (i: number) => {
    const [t, rest] = [Math.floor(i / (batch * features)), i % (batch * features)];
    return (Math.floor(rest / features) * length + t) * features + i % features;
  };
  return { shape: [length, batch, features], data: data.map((_, i) => data[at(i)]) };
}

/** Time first to batch first, and back. */
function turn({ shape: [a, b, features], data }: JsonTensor): JsonTensor {
  const at = (i: number) => {
    const [n, rest] = [Math.floor(i / (a * features)), i % (a * features)];
    return (Math.floor(rest / features) * b + n) * features + i % features;
  };
  return { shape: [b, a, features], data: data.map((_, i) => data[at(i)]) };
}

export const shapes: Mistake[] = [
  {
    id: "output-flattened",
    says: "the output is flattened to (N, L · H): all time steps of a sequence in one row",
    restate(outputs, request) {
      const output = isSequence(request) ? timeFirst(outputs, request) : null;
      if (!output) return null;
      const { shape: [batch, length, features], data } = turn(output);
      return { ...outputs, output: { shape: [batch, length * features], data } };
    },
  },
  {
    id: "ones-squeezed",
    says: "dimensions of extent 1 are left out of the outputs",
    restate(outputs) {
      const squeezed = Object.entries(outputs).map(([name, x]) => {
        const { shape, data } = x as JsonTensor;
        return [name, { shape: shape?.filter((extent) => extent !== 1), data }];
      });
      return Object.fromEntries(squeezed);
    },
  },
  {
    id: "output-uncut",
    says: "the output is as long as the padded input, not as the longest sequence",
    restate(outputs, request) {
      const { inputs = {}, args } = request;
      const output = isSequence(request) && inputs.lengths ? timeFirst(outputs, request) : null;
      if (!output) return null;
      const length = (inputs.input as JsonTensor).shape[args?.batch_first ? 1 : 0];
      const { shape: [longest, batch, features], data } = output;
      const padding = Array<number>((length - longest) * batch * features).fill(0);
      const whole = { shape: [length, batch, features], data: [...data, ...padding] };
      return { ...outputs, output: args?.batch_first ? turn(whole) : whole };
    },
  },
];
