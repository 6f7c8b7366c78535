/** Mistakes in time, layers, directions, batches and packing. */

import { add, mul } from "../../autograd/arithmetic.ts";
import { transpose, unsqueeze } from "../../autograd/shape.ts";
import { cat, stack } from "../../autograd/join.ts";
import { chunk, indexSelect, narrow, select } from "../../autograd/slices.ts";
import { zeros } from "../../tensor/create.ts";
import type { Tensor } from "../../tensor/tensor.ts";
import { type Deviation, type Layer, mask, type Setting } from "../variant.ts";
import type { Mistake } from "./mistake.ts";

type Outputs = Record<string, Tensor>;

const directionsOf = ({ parameters }: Setting) => parameters[0].length;

/** The forward and the reverse half of features, where there are two directions. */
function halves(x: Tensor): Tensor[] {
  return chunk(x, 2, -1);
}

/** Time turned around, of each sequence within its own length. */
function turned(x: Tensor, lengths: readonly number[] | null): Tensor {
  const [length, batch] = x.shape;
  const rows = Array.from({ length: batch }, (_, n) => {
    const end = lengths?.[n] ?? length;
    const times = [...Array(length).keys()].map((t) => t < end ? end - 1 - t : t);
    return indexSelect(select(x, 1, n), 0, times);
  });
  return stack(rows, 1);
}

/** A mistake in each layer, or only in what the last one puts out. */
function inLayers(id: string, says: string, change: (own: Layer, s: Setting) => Layer): Mistake[] {
  const only = (last: boolean): Deviation => ({
    layer(own, layer, setting) {
      if (directionsOf(setting) !== 2) return null;
      if (last && setting.parameters.length === 1) return null; // then both are one mistake
      const applies = !last || layer === setting.parameters.length - 1;
      return applies ? change(own, setting) : own;
    },
  });
  return [
    { id, says, deviation: only(false) },
    { id: `${id}-last`, says: `${says}, in the last layer only`, deviation: only(true) },
  ];
}

/** A mistake in what is handed out. */
function inOutputs(
  id: string,
  says: string,
  outputs: (own: Outputs, setting: Setting) => Outputs | null,
): Mistake {
  return { id, says, deviation: { outputs } };
}

/** Each state in another form. */
function states(own: Outputs, change: (x: Tensor) => Tensor): Outputs {
  const { output, h_n, c_n } = own;
  return { output, h_n: change(h_n), ...(c_n && { c_n: change(c_n) }) };
}

const isLayered = ({ request: { module = "" } }: Setting) => /^(RNN|LSTM|GRU)$/.test(module);

const directions: Mistake[] = [
  ...inLayers(
    "backward-unreversed",
    "the reverse half of the output is not turned back in time",
    ({ output, final }, { lengths }) => {
      const [forward, reverse] = halves(output);
      return { output: cat([forward, turned(reverse, lengths)], -1), final };
    },
  ),
  ...inLayers(
    "forward-for-backward",
    "the forward half of the output stands in place of the reverse half, too",
    ({ output, final }) => ({ output: cat([halves(output)[0], halves(output)[0]], -1), final }),
  ),
  ...inLayers(
    "halves-swapped",
    "the reverse half of the output comes before the forward half",
    ({ output, final }) => ({ output: cat(halves(output).reverse(), -1), final }),
  ),
  ...inLayers(
    "halves-added",
    "the two halves of the output are added",
    ({ output, final }) => ({ output: add(halves(output)[0], halves(output)[1]), final }),
  ),
  {
    id: "reverse-runs-forward",
    says: "the reverse direction runs forwards in time, too",
    deviation: { setting: (s) => directionsOf(s) === 2 ? s : null, reverseRunsForward: true },
  },
  {
    id: "backward-h-n-from-end",
    says: "the reverse direction's h_n is its output at the last time step, not at the first",
    deviation: {
      layer({ output, final }, _, { lengths }) {
        if (final[0].shape[0] !== 2 || lengths) return null;
        const [forward] = chunk(final[0], 2, 0);
        const last = unsqueeze(halves(select(output, 0, -1))[1], 0);
        return { output, final: [cat([forward, last], 0), ...final.slice(1)] };
      },
    },
  },
  inOutputs(
    "direction-major",
    "the rows of h_n are ordered by direction first, then by layer",
    (own, setting) => {
      const [layers, both] = [setting.parameters.length, directionsOf(setting)];
      const order = [...Array(both).keys()].flatMap((direction) =>
        [...Array(layers).keys()].map((layer) => layer * both + direction)
      );
      return states(own, (x) => indexSelect(x, 0, order));
    },
  ),
  inOutputs("h-n-swapped", "the two directions of h_n are swapped", (own, setting) => {
    if (directionsOf(setting) !== 2) return null;
    const order = [...Array(own.h_n.shape[0]).keys()].map((row) => row ^ 1);
    return states(own, (x) => indexSelect(x, 0, order));
  }),
];

const layers: Mistake[] = [
  {
    id: "every-layer-reads-x",
    says: "every layer reads the input instead of the layer below",
    deviation: { reads: (_, { input }) => input },
  },
  {
    id: "layers-top-down",
    says: "the rows of h_n count the layers from the top",
    deviation: {
      outputs: (own, setting) => {
        const both = directionsOf(setting);
        const order = [...Array(setting.parameters.length).keys()].reverse().flatMap((layer) =>
          [...Array(both).keys()].map((direction) => layer * both + direction)
        );
        return states(own, (x) => indexSelect(x, 0, order));
      },
    },
  },
  {
    id: "h-0-ignored",
    says: "the initial state is ignored",
    deviation: {
      setting: (s) => s.stateGiven ? { ...s, state: s.state.map((x) => mul(x, 0)) } : null,
    },
  },
  {
    id: "h-0-of-layer-0",
    says: "every layer starts from the first layer's initial state",
    deviation: {
      setting: (s) => {
        const order = [...Array(s.state[0].shape[0]).keys()].map((row) => row % directionsOf(s));
        return s.stateGiven ? { ...s, state: s.state.map((x) => indexSelect(x, 0, order)) } : null;
      },
    },
  },
  inOutputs(
    "states-swapped",
    "h_n and c_n are swapped",
    ({ output, h_n, c_n }) => c_n ? { output, h_n: c_n, c_n: h_n } : null,
  ),
  {
    id: "state-pair-swapped",
    says: "h_0 and c_0 are swapped",
    deviation: {
      setting: (s) => {
        const [h, c] = s.state;
        return s.stateGiven && c ? { ...s, state: [c, h] } : null;
      },
    },
  },
  {
    id: "dropout-p-1",
    says: "dropout is active although the module is in evaluation mode",
    deviation: {
      setting: (s) => {
        const { args = {}, training } = s.request;
        return args.dropout === 1 && !training ? { ...s, dropout: 1 } : null;
      },
    },
  },
  {
    id: "no-dropout",
    says: "there is no dropout in training",
    deviation: { setting: (s) => s.dropout ? { ...s, dropout: 0 } : null },
  },
];

const batches: Mistake[] = [
  {
    id: "batch-first-ignored",
    says: "batch_first is ignored: the first dimension is taken for time",
    deviation: {
      setting: (s) => {
        if (!s.batchFirst || !isLayered(s) || s.lengths) return null;
        const batch = s.input.shape[0];
        if (s.stateGiven && batch !== s.input.shape[1]) return null;
        const shapes = s.state.map(({ shape }) => [shape[0], batch, shape[2]]);
        const { dtype } = s.input;
        const state = s.stateGiven ? s.state : shapes.map((shape) => zeros(shape, { dtype }));
        return { ...s, state, input: transpose(s.input, 0, 1) };
      },
      outputs: ({ output, ...rest }) => ({ output: transpose(output, 0, 1), ...rest }),
    },
  },
  inOutputs(
    "batch-first-state",
    "batch_first is applied to the state, too",
    (own, s) => s.batchFirst && isLayered(s) ? states(own, (x) => transpose(x, 0, 1)) : null,
  ),
  inOutputs(
    "batch-first-output-kept",
    "the output has time first although batch_first is set",
    ({ output, ...rest }, s) =>
      s.batchFirst && isLayered(s) ? { output: transpose(output, 0, 1), ...rest } : null,
  ),
];

/** The input cut to the longest sequence. */
const cut = (s: Setting): Setting | null =>
  s.lengths && { ...s, input: narrow(s.input, 0, 0, Math.max(...s.lengths)) };

const ignoreLengths = (s: Setting): Setting | null => s.lengths && { ...cut(s)!, lengths: null };

/** What stands past a sequence's end in the output, the states being right. */
function pastEnd(id: string, says: string, pastEnd: Deviation["pastEnd"]): Mistake {
  return {
    id,
    says: `the output past a sequence's end is ${says}`,
    deviation: { setting: cut, pastEnd },
  };
}

/** One direction of two reads the padding; what it reads is cut to the longest sequence. */
function ignoredBy(
  id: string,
  says: string,
  readsPadding: NonNullable<Deviation["readsPadding"]>,
): Mistake {
  const setting = (s: Setting) => directionsOf(s) === 2 ? cut(s) : null;
  return { id, says, deviation: { setting, readsPadding } };
}

const packing: Mistake[] = [
  {
    id: "lengths-ignored",
    says: "lengths are ignored: padding is read like data",
    deviation: { setting: ignoreLengths },
  },
  {
    id: "h-n-from-padding",
    says: "h_n is the state after the last padded step, not after each sequence's own last one " +
      "(the output is zeroed there)",
    deviation: {
      setting: ignoreLengths,
      outputs: (own, { request }) => ({
        ...own,
        output: mask(own.output, request.inputs!.lengths as number[]),
      }),
    },
  },
  {
    id: "reverse-from-padding",
    says: "the reverse direction starts in the padding, not at each sequence's own end",
    deviation: {
      setting: (s) => s.lengths && directionsOf(s) === 2 ? s : null,
      readsPadding: { direction: 1, masked: true },
    },
  },
  ignoredBy(
    "lengths-ignored-by-forward",
    "lengths are ignored by the forward direction, but not by the reverse one",
    { direction: 0, masked: false },
  ),
  ignoredBy(
    "lengths-ignored-by-reverse",
    "lengths are ignored by the reverse direction, but not by the forward one",
    { direction: 1, masked: false },
  ),
  ignoredBy(
    "forward-through-padding",
    "the forward direction reads the padding, but not the reverse one, and its output is zero there",
    { direction: 0, masked: true },
  ),
  {
    id: "padding-multiplied",
    says: "padding is masked by multiplying with 0, so that NaN and infinity leak out of it",
    deviation: { setting: (s) => s.lengths ? s : null, maskMultiplied: true },
  },
  {
    id: "padding-multiplied-cut",
    says: "padding up to the longest sequence is masked by multiplying with 0, so that NaN and " +
      "infinity leak out of it",
    deviation: { setting: cut, maskMultiplied: true },
  },
  pastEnd("past-end-computed", "what the cell makes of the padding, not zero", "computed"),
  pastEnd("past-end-kept", "the state at the end, repeated, not zero", "kept"),
  {
    id: "h-n-from-padded-output",
    says: "h_n is the padded output's last time step",
    deviation: {
      layer({ output, final }, layer, s) {
        if (!s.lengths || layer !== s.parameters.length - 1) {
          return s.lengths ? { output, final } : null;
        }
        const at = Math.max(...s.lengths) - 1;
        const rows = chunk(select(output, 0, at), directionsOf(s), 1);
        const h = directionsOf(s) === 1 ? rows : [rows[0], select(final[0], 0, 1)];
        return { output, final: [stack(h), ...final.slice(1)] };
      },
    },
  },
  inOutputs("batch-left-sorted", "the batch is left sorted by length", (own, s) => {
    if (!s.lengths) return null;
    const { lengths } = s;
    const order = [...lengths.keys()].sort((a, b) => lengths[b] - lengths[a]);
    const sorted = (x: Tensor) => indexSelect(x, 1, order);
    return { ...states(own, sorted), output: sorted(own.output) };
  }),
];

export const sequences: Mistake[] = [...directions, ...layers, ...batches, ...packing];
