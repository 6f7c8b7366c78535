/**
 * What each mistake of the list makes of small questions (CONFORM-7): a table, so that a mistake that
 * begins to compute something else is seen in its own row.
 */

import { assertEquals } from "@std/assert";
import { commit, mistakes } from "../../lib/conformance/diagnose.ts";
import type { Task } from "../../lib/conformance/cases.ts";
import { agree, answerWith, both } from "../../lib/conformance/mistakes/both.ts";
import type { Mistake } from "../../lib/conformance/mistakes/mistake.ts";
import type { Answer, JsonNumber, JsonTensor, Request } from "../../lib/conformance/pair.ts";
import { recompute } from "../../lib/conformance/variant.ts";
import { describe, fact as onEveryPath, readablePath } from "./law.ts";

const fact = (clauses: readonly string[], claim: string, holds: () => void) =>
  onEveryPath(clauses, claim, holds, readablePath);

let seed = 1;
/** A tensor of numbers between -1 and 1, the same ones at every run. */
function drawn(...shape: number[]): JsonTensor {
  const data = Array.from({ length: shape.reduce((a, b) => a * b, 1) }, () => {
    seed = (Math.imul(seed, 1664525) + 1013904223) >>> 0;
    return ((seed >>> 16) % 2001 - 1000) / 1000;
  });
  return { shape, data };
}

/** The weights of a layer; `sizes` are the inputs and the hidden features. */
function weights(module: string, [inputs, hidden]: [number, number], options: {
  layers?: number;
  directions?: number;
  proj?: number;
  bias?: boolean;
} = {}): Record<string, JsonTensor> {
  const { layers = 1, directions = 1, proj = 0, bias = true } = options;
  const gates = /LSTM/.test(module) ? 4 : /GRU/.test(module) ? 3 : 1;
  const [rows, out] = [gates * hidden, proj || hidden];
  const made: Record<string, JsonTensor> = {};
  for (let layer = 0; layer < layers; layer++) {
    for (let direction = 0; direction < directions; direction++) {
      const end = /Cell/.test(module) ? "" : `_l${layer}${direction ? "_reverse" : ""}`;
      made[`weight_ih${end}`] = drawn(rows, layer ? out * directions : inputs);
      made[`weight_hh${end}`] = drawn(rows, out);
      if (bias) [made[`bias_ih${end}`], made[`bias_hh${end}`]] = [drawn(rows), drawn(rows)];
      if (proj) made[`weight_hr${end}`] = drawn(proj, hidden);
    }
  }
  return made;
}

/** A tensor with some of its numbers replaced. */
const odd = (x: JsonTensor, at: Record<number, JsonNumber>): JsonTensor => ({
  shape: x.shape,
  data: x.data.map((value, k) => at[k] ?? value),
});

const asked = (module: string, more: Omit<Request, "op" | "module">): Request => (
  { op: "forward", module, dtype: "float64", ...more }
);

const two = { layers: 2, directions: 2 };
const bidirectional = true;
const batch_first = true;
const infinite = odd(weights("LSTM", [2, 2]).weight_hh_l0, { 3: "Infinity" });

/** Questions, by the name of their column. */
const questions: Record<string, Request> = {
  // Packed, two layers, both directions, states given; one step of padding beyond the longest.
  packed: asked("LSTM", {
    args: { num_layers: 2, bidirectional },
    state_dict: weights("LSTM", [2, 2], two),
    inputs: {
      input: odd(drawn(4, 3, 2), { 19: "NaN" }),
      h_0: drawn(4, 3, 2),
      c_0: drawn(4, 3, 2),
      lengths: [2, 3, 1],
    },
  }),
  // Batch first, packed, one direction, no states.
  gru: asked("GRU", {
    args: { batch_first },
    state_dict: weights("GRU", [2, 3]),
    inputs: { input: drawn(2, 4, 2), lengths: [1, 3] },
  }),
  // Batch first, as many sequences as steps, both directions.
  both: asked("GRU", {
    args: { batch_first, bidirectional, num_layers: 2 },
    training: true, // without dropout it changes nothing
    state_dict: weights("GRU", [2, 2], two),
    inputs: { input: drawn(3, 3, 2), h_0: drawn(4, 3, 2) },
  }),
  // Batch first, no states, more steps than sequences.
  first: asked("LSTM", {
    args: { batch_first, num_layers: 2 },
    state_dict: weights("LSTM", [3, 2], { layers: 2, bias: false }),
    inputs: { input: drawn(2, 3, 3) },
  }),
  alone: asked("RNN", {
    args: { bidirectional },
    state_dict: weights("RNN", [2, 2], { directions: 2 }),
    inputs: { input: drawn(3, 2), h_0: drawn(2, 2) },
  }),
  relu: asked("RNN", {
    args: { nonlinearity: "relu", num_layers: 2, dropout: 1 },
    state_dict: weights("RNN", [3, 3], { layers: 2 }),
    inputs: { input: drawn(2, 1, 3) },
  }),
  dropped: asked("RNN", {
    args: { num_layers: 2, dropout: 1 },
    training: true,
    state_dict: weights("RNN", [3, 2], { layers: 2 }),
    inputs: { input: drawn(2, 2, 3) },
  }),
  proj: asked("LSTM", {
    args: { bidirectional, proj_size: 2 },
    state_dict: weights("LSTM", [2, 3], { directions: 2, proj: 2 }),
    inputs: { input: drawn(2, 2, 2), h_0: drawn(2, 2, 2), c_0: drawn(2, 2, 3) },
  }),
  cell: asked("LSTMCell", {
    state_dict: weights("LSTMCell", [2, 2]),
    inputs: { input: drawn(2), h_0: drawn(2), c_0: drawn(2) },
  }),
  cells: asked("GRUCell", {
    state_dict: weights("GRUCell", [3, 2]),
    inputs: { input: drawn(2, 3), h_0: drawn(2, 2) },
  }),
  simple: asked("SimpleRNN", {
    state_dict: {
      ...Object.fromEntries(
        Object.entries(weights("RNN", [2, 3])).map(([name, x]) => [`rnn.${name}`, x]),
      ),
      ...{ "fc.weight": drawn(2, 3), "fc.bias": drawn(2) },
    },
    inputs: { input: drawn(2, 3, 2) },
  }),
  linear: asked("Linear", {
    state_dict: { weight: drawn(3, 3), bias: drawn(3) },
    inputs: { input: drawn(1, 3) },
  }),
  narrow: asked("Linear", { state_dict: { weight: drawn(2, 3) }, inputs: { input: drawn(2, 3) } }),
  // NaN in the padding before the longest sequence's end.
  leak: asked("RNN", {
    state_dict: weights("RNN", [2, 2]),
    inputs: { input: odd(drawn(2, 2, 2), { 4: "NaN" }), lengths: [1, 2] },
  }),
  // The sums of the gates i and f are -2.9e9 and half less.
  wraps: asked("LSTMCell", {
    state_dict: {
      ...{ weight_ih: { shape: [4, 1], data: [0, 0, 0, 0] }, weight_hh: drawn(4, 1) },
      bias_ih: { shape: [4], data: [-2.9e9, -2.9e9 - 0.5, 0.5, 0.5] },
    },
    inputs: { input: drawn(1), h_0: { shape: [1], data: [0] }, c_0: drawn(1) },
  }),
  // Numbers at which exponentials overflow, an infinite c, NaN, and an infinite weight.
  wide: asked("LSTM", {
    state_dict: {
      ...weights("LSTM", [2, 2]),
      bias_ih_l0: odd(drawn(8), { 3: -3e9, 4: 800, 6: 800 }),
    },
    inputs: {
      input: odd(drawn(3, 1, 2), { 4: "NaN" }),
      h_0: drawn(1, 1, 2),
      c_0: odd(drawn(1, 1, 2), { 0: "Infinity" }),
    },
  }),
  zero: asked("LSTM", {
    state_dict: { ...weights("LSTM", [2, 2]), weight_hh_l0: infinite },
    inputs: { input: drawn(1, 1, 2) },
  }),
  lost: asked("RNN", {
    args: { nonlinearity: "relu" },
    state_dict: weights("RNN", [2, 2]),
    inputs: { input: odd(drawn(2, 1, 2), { 0: "NaN" }) },
  }),
  // Without a batch and without states.
  bare: asked("LSTM", {
    args: { bidirectional, num_layers: 2, proj_size: 2 },
    state_dict: weights("LSTM", [2, 3], { ...two, proj: 2 }),
    inputs: { input: drawn(3, 2) },
  }),
  fresh: asked("RNNCell", {
    state_dict: weights("RNNCell", [2, 3]),
    inputs: { input: drawn(2, 2) },
  }),
  // Batch first, one sequence, with a state and without.
  single: asked("GRU", {
    args: { batch_first },
    state_dict: weights("GRU", [2, 2]),
    inputs: { input: drawn(1, 3, 2), h_0: drawn(1, 1, 2) },
  }),
  three: asked("RNN", {
    args: { batch_first, num_layers: 2 },
    state_dict: weights("RNN", [2, 2], { layers: 2 }),
    inputs: { input: drawn(1, 3, 2) },
  }),
};

const tasks = Object.entries(questions).map(([id, request]): Task => ({
  ...{ id, chapter: "x", reason: "", clauses: [], request },
  expect: recompute(request, {}) ?? { outputs: {} },
}));

/** An answer in one word: its shapes and a sum that weighs each number by its place. */
function word(answer: Answer | null, task: Task): string {
  if (answer === null) return ".";
  if (agree(task, task.expect, answer)) return "=";
  const all = Object.values(answer.outputs!) as JsonTensor[];
  let [sum, at, lost] = [0, 0, 0];
  for (const { shape, data } of all) {
    for (const x of [...shape, ...data]) {
      at++;
      if (Number.isFinite(Number(x))) sum += Number(x) * Math.sin(at * at);
      else lost += x === "NaN" ? at : 100 * at;
    }
  }
  return sum.toFixed(4) + (lost ? `!${lost}` : "");
}

/** The words of a mistake in each column. */
const row = (mistake: Mistake) => tasks.map((task) => word(answerWith(mistake, task), task));

const plain = mistakes.filter(({ recognise }) => !recognise);
const named = (id: string) => mistakes.find((one) => one.id === id)!;

/** In the order of the questions: the word of the wrong answer, `=` for the right one, `.` for none. */
const made = `
no-bias-hh -6.1749 0.7759 -4.7423 = -2.8802 -2.1644 1.5998 5.2958 1.3272 0.4356 0.9867 . . -0.4867 = -1.0472!81 0.1725!30 = -6.2003 -1.6555 -1.9367 -2.5066
no-bias-ih -7.9228 -0.9014 -6.1394 = -4.6359 0.5266 -0.7056 4.6341 1.3921 0.2806 1.5468 . . 1.1766 1.0014 -0.3865!81 0.1704!30 = -6.7320 -0.9182 -1.9832 2.0314
no-bias -6.2417 -0.5922 -4.8057 = -4.9343 0.6709 0.1314 4.9173 1.6331 0.2058 0.1497 . . 0.1547 1.0014 -0.3918!81 0.1275!30 = -7.0461 -1.2060 -1.7884 0.9614
bias-ih-twice -6.3552 0.7234 -5.2960 = -2.1039 -8.6085 1.7619 5.1484 1.0159 0.4815 1.5804 . . -0.7558 = -0.9098!81 0.2009!30 = -5.1312 -1.5246 -2.0398 -3.3498
bias-hh-twice -8.8371 -1.4980 -7.5095 = -4.2674 0.0363 -0.7666 4.1622 1.2594 0.4870 2.1497 . . 1.5413 1.0014 -0.4534!81 0.1811!30 = -6.9820 -0.4733 -2.1634 2.5511
merged-biases . 0.5183 -5.2028 . . . . . . 0.4715 . . . . . . . . . . -2.2234 .
swapped-biases . -0.1924 -6.3899 . . . . . . 0.4366 . . . . . . . . . . -2.1931 .
transposed-weight_hh -6.8365 0.7714 -6.1375 -5.8733 -2.7948 1.1279 1.1605 . 1.0625 0.4240 1.8239 . . 0.6125 = -0.9731!81 = = . = -1.7906 1.3327
stored-transposed-weight_hh -8.3782 0.6626 -5.4725 -5.9094 . . . 4.3121 1.0395 0.4820 . . . . = -0.8628!81 = . -7.2777 . -1.7949 .
transposed-weight_ih . . . . -2.3762 0.1564 . . 1.4681 . . . . 0.8841 = -1.0684!81 0.1995!30 = . . -1.9166 -0.2903
stored-transposed-weight_ih -8.3705 0.7019 -5.6721 -6.5208 . . . 4.0941 1.0307 0.5439 1.6103 . . . = -0.9140!81 0.1454!30 . -5.4628 -0.6622 -1.8170 .
transposed-weights . . . . -2.3255 0.4750 . . 1.3727 . . . . 0.8807 = -0.9646!81 0.1995!30 = . . -1.5878 1.5097
stored-transposed-weights -8.2426 0.8142 -6.2494 -6.2971 . . . 3.4983 0.9548 0.5680 1.8831 . . . = -0.7440!81 0.1454!30 . -6.3423 -0.6622 -1.4709 .
swapped-weights . . . . -3.8870 -1.1114 . 4.2246 0.7780 . . . . 2.2507 = -1.6436!81 0.1951 = . . -1.4884 -2.0783
reverse-weights-forward -9.8165 . -7.4343 . -3.6985 . . 4.7425 . . . . . . . . . . -0.7463 . . .
directions-swapped -6.1760 . -8.2736 . -3.6973 . . 6.0252 . . . . . . . . . . -2.0774 . . .
gates-ifog -8.6004 . . -6.4056 . . . 3.4432 1.1341 . . . . . = -1.3313!81 0.1091!30 . -7.9330 . . .
bias-gates-ifog -10.1328 . . = . . . 4.4254 1.4327 . . . . . = -1.2925!81 0.0966!30 . -7.5136 . . .
gates-igfo -1.1027 . . -5.6479 . . . 5.4767 1.9704 . . . . . 0.9023 -0.6013!81 0.0307!30 . -5.4256 . . .
gates-igof -2.0017 . . -5.7161 . . . 6.4661 1.8991 . . . . . 0.9023 -0.6788!81 0.0533!30 . -6.5778 . . .
gates-iofg -6.7003 . . -6.4007 . . . 3.0337 1.4822 . . . . . 1.1142 -0.9726!81 0.1106!30 . -8.0053 . . .
bias-gates-iofg -8.5998 . . = . . . 4.2641 1.8319 . . . . . 1.1142 -0.7666!81 0.0906!30 . -7.5374 . . .
gates-iogf -7.2979 . . -5.9860 . . . 4.7356 1.3741 . . . . . 1.1142 -0.9726!81 0.2194!30 . -6.3737 . . .
gates-figo -8.3152 . . -5.7570 . . . 5.2381 1.5460 . . . . . = -1.2073!81 0.2099!30 . -6.2039 . . .
gates-fiog -9.4245 . . -6.7070 . . . 4.2675 1.5041 . . . . . = -1.1933!81 0.1094!30 . -7.7540 . . .
gates-fgio -1.6034 . . -5.4834 . . . 6.8058 2.0595 . . . . . 1.6932 -0.6422!81 -0.0554!30 . -5.7763 . . .
gates-fgoi -1.7785 . . -5.8455 . . . 7.1761 1.9511 . . . . . 1.6932 -0.6940!81 0.0198!30 . -6.7195 . . .
gates-foig -8.0991 . . -6.6627 . . . 3.6656 1.3303 . . . . . 1.1708 -0.9726!81 0.1143!30 . -7.8132 . . .
gates-fogi -6.9082 . . -5.9753 . . . 5.2033 1.2949 . . . . . 1.1708 -0.9726!81 0.2866!30 . -6.1931 . . .
gates-gifo -3.2764 . . -6.0885 . . . 2.4383 1.2411 . . . . . 0.9023 -1.2042!81 -0.0067!30 . -7.7985 . . .
gates-giof -3.9003 . . -6.0064 . . . 2.6738 1.2158 . . . . . 0.9023 -1.2079!81 0.0262!30 . -8.3628 . . .
gates-gfio -3.5006 . . -6.2288 . . . 2.6233 0.8606 . . . . . 1.6932 -1.0383!81 -0.1056!30 . -7.9216 . . .
gates-gfoi -2.6152 . . -5.9176 . . . 2.7432 0.8870 . . . . . 1.6932 -1.0427!81 -0.0075!30 . -8.5428 . . .
gates-goif -4.6072 . . -5.9754 . . . 2.6043 1.0490 . . . . . 1.2934 -0.9726!81 -0.1565!30 . -7.7201 . . .
gates-gofi -2.9275 . . -5.8115 . . . 2.0131 1.0982 . . . . . 1.2934 -0.9726!81 -0.0919!30 . -8.0963 . . .
gates-oifg -8.3392 . . -6.7047 . . . 3.8850 1.6484 . . . . . 1.1142 -0.4089!81 -0.2448!15 . -7.7880 . . .
gates-oigf -7.7066 . . -5.7686 . . . 4.9156 1.6556 . . . . . 1.1142 -0.4241!81 0.2237!15 . -6.9796 . . .
gates-ofig -8.5574 . . -6.7400 . . . 3.1133 1.1228 . . . . . 1.1708 -0.5919!81 -0.3282!15 . -7.9600 . . .
gates-ofgi -7.2507 . . -5.8402 . . . 5.0026 1.1273 . . . . . 1.1708 -0.3992!81 0.2548!15 . -7.0721 . . .
gates-ogif -2.4745 . . -5.4118 . . . 6.7979 2.0308 . . . . . 1.2934 0.0264!81 0.0510!15 . -6.3577 . . .
gates-ogfi -1.8218 . . -5.6612 . . . 6.4037 1.9935 . . . . . 1.2934 0.0544!81 0.2039!15 . -6.3701 . . .
gates-rnz . -2.7827 -7.3641 . . . . . . -0.5530 . . . . . . . . . . -1.6411 .
gates-zrn . 1.0334 -4.9182 . . . . . . 0.5482 . . . . . . . . . . -1.8407 .
bias-gates-zrn . 1.1981 -5.2111 . . . . . . 0.2431 . . . . . . . . . . -1.9183 .
gates-znr . -1.3899 -7.7024 . . . . . . -0.5391 . . . . . . . . . . -1.6065 .
gates-nrz . 0.4538 -5.2899 . . . . . . 0.2479 . . . . . . . . . . -1.8180 .
gates-nzr . 0.9565 -5.9096 . . . . . . 0.0571 . . . . . . . . . . -2.0976 .
reset-before . 0.4970 -5.0268 . . . . . . 0.4728 . . . . . . . . . . -2.1886 .
update-swapped . 1.5628 -5.8132 . . . . . . 0.6261 . . . . . . . . . . -1.7233 .
hard-sigmoid -8.4551 0.6963 -5.2534 -5.8790 . . . 4.7188 1.1297 0.4741 . . . . = -1.1577!81 0.2047!30 . -6.1099 . -2.1141 .
hard-sigmoid-6 -8.2183 0.8260 -4.9500 -5.8657 . . . 4.7818 1.1624 0.4899 . . . . = -1.1609!81 0.2122!30 . -6.2141 . -2.0674 .
forget-bias -9.2541 . . -5.9490 . . . 4.9259 1.2186 . . . . . = = = . -6.5531 . . .
no-outer-tanh -8.4598 . . -5.9031 . . . 4.7296 1.1351 . . . . . = -0.2345!487 0.1952!30 . -6.0287 . . .
no-projection = . . = . . . 5.0123 = . . . . . = = = . -6.5757 . . .
relu-for-tanh -5.3096 -0.2353 -5.2142 -5.4810 -3.7765 . -0.6073 4.3941 0.7629 -0.0442 1.3974 . . -1.2915 = -1.1904!81 0.2092!30 . -7.5156 -0.6277 -2.0955 -0.1877
tanh-for-relu . . . . . -0.5203 . . . . . . . . . . . = . . . .
sigmoid-for-tanh -2.5831 -0.5355 -4.6904 -5.6030 -5.4843 . -1.0483 3.5754 0.8214 -0.0740 1.2542 . . -0.9613 = -1.3241!81 0.2087!30 . -6.8742 -1.2892 -2.2034 -2.4649
linear-rnn . . . . 0.8485 -0.2483 0.5298 . . . 4.8559 . . -0.1521 . . . = . -1.5135 . 4.6142
sigmoid-overflow = = = = . . . = = = . . . . = 0.0909!98 = . = . = .
sigmoid-wraps = = = = . . . = = = . . . . 0.7227 -1.5036!81 = . = . = .
tanh-overflow = = = = = . = = = = = . . = = 0.0909!98 = . = = = =
absent-peephole = . . = . . . = = . . . . . = 0.0909!98 = . = . . .
zero-state-skipped = = = = = = = = = = = . . = = = 0.1764 = = = = =
nan-as-low = = = = = = = = = = = . . = = -1.1571!18 0.1962 0.6868 = = = =
nan-as-high = = = = = . = = = = = . . = = -0.3412!1800 0.1128 . = = = =
hard-tanh -8.7868 0.7827 -5.2486 -5.9198 -1.8583 . 0.9299 4.8156 1.0338 0.5091 2.0158 . . 0.5864 = -1.1553!81 0.2092!30 . -6.2168 -1.1019 -2.2008 0.9687
backward-unreversed -8.5979 . -5.5217 . -2.7677 . . 4.9805 . . . . . . . . . . -6.6310 . . .
backward-unreversed-last -8.5271 . -5.6622 . . . . . . . . . . . . . . . -6.5738 . . .
forward-for-backward -8.9203 . -5.3748 . -3.1815 . . 4.7235 . . . . . . . . . . -5.4852 . . .
forward-for-backward-last -9.1063 . -5.6481 . . . . . . . . . . . . . . . -6.0292 . . .
halves-swapped -8.6668 . -3.1828 . -3.9349 . . 5.1397 . . . . . . . . . . -4.1372 . . .
halves-swapped-last -8.1254 . -4.2157 . . . . . . . . . . . . . . . -5.9245 . . .
halves-added . . . . -1.8158 . . 0.2946 . . . . . . . . . . . . . .
halves-added-last 3.5742 . 10.3776 . . . . . . . . . . . . . . . 0.0531 . . .
reverse-runs-forward -8.9378 . -5.6727 . -2.9925 . . 4.6054 . . . . . . . . . . -6.9753 . . .
backward-h-n-from-end . . -4.4405 . -2.7484 . . 4.9475 . . . . . . . . . . -6.5899 . . .
direction-major -9.4099 = -4.7474 = = = = = = = = . . = = = = = -6.7985 = = =
h-n-swapped -4.4233 . -5.8345 . -2.9452 . . 4.0659 . . . . . . . . . . -4.1134 . . .
every-layer-reads-x . = . . = -0.8916 . = = = = . . = = = = = . = = -2.9873
layers-top-down -6.4773 = -5.1561 -6.3372 = 0.4279 3.1230 = = = = . . = = = = = -6.6344 = = -2.0336
h-0-ignored -8.7576 . -3.6891 . -2.6422 . . 4.8161 0.9183 0.6041 . . . . = 0.1042!98 . . . . -1.6421 .
h-0-of-layer-0 -9.2965 . -4.8894 . = . . = = = . . . . = = . . . . = .
states-swapped -6.8876 . . -6.1054 . . . 1.1161 1.6330 . . . . . = = 0.0509!30 . -6.9544 . . .
state-pair-swapped -9.2055 . . . . . . . 0.7365 . . . . . = -0.3210!81 . . . . . .
dropout-p-1 . . . . . 0.4627 . . . . . . . . . . . . . . . .
no-dropout . . . . . . -0.0797 . . . . . . . . . . . . . . .
batch-first-ignored . . -3.9604 -2.1343 . . . . . . . . . . . . . . . . . 1.0155
batch-first-state . -0.0220 -5.1939 -6.1375 . . . . . . . . . . . . . . . . = 1.7148
batch-first-output-kept . 1.6392 -3.3141 -4.3410 . . . . . . . . . . . . . . . . 1.0374 3.4062
lengths-ignored -10.1565 0.0741 . . . . . . . . . . . 0.5873!48 . . . . . . . .
h-n-from-padding -10.2369 0.7758 . . . . . . . . . . . 0.5873!31 . . . . . . . .
reverse-from-padding -9.1191!920 . . . . . . . . . . . . . . . . . . . . .
lengths-ignored-by-forward -9.5403 . . . . . . . . . . . . . . . . . . . . .
lengths-ignored-by-reverse -9.5947 . . . . . . . . . . . . . . . . . . . . .
forward-through-padding -9.9490 . . . . . . . . . . . . . . . . . . . . .
padding-multiplied -6.7458!1266 = . . . . . . . . . . . 0.5873!48 . . . . . . . .
padding-multiplied-cut = = . . . . . . . . . . . 0.5873!48 . . . . . . . .
past-end-computed -8.5407 -0.1202 . . . . . . . . . . . 0.6350!17 . . . . . . . .
past-end-kept -9.0316 0.0228 . . . . . . . . . . . -0.4906 . . . . . . . .
h-n-from-padded-output -8.4970 0.5969 . . . . . . . . . . . 0.5873 . . . . . . . .
batch-left-sorted -6.3624 -0.6155 . . . . . . . . . . . 2.6852 . . . . . . . .
output-flattened -5.5499 -0.4562 -5.1818 -9.3417 . -2.4686 -0.8906 -3.6387 . . . . . -3.0388 . -4.5773!75 -4.1818!27 -3.4792!39 . . -3.4314 -3.8191
ones-squeezed = 3.2724 = = = -3.2146 = = = = = = = -3.9384 0.0000 -0.9814!63 -0.7124!18 -1.7382!35 = = -0.6407 -1.3897
output-uncut 13.1595 0.8061 . . . . . . . . . . . = . . . . . . . .
float16-weights -8.4542 0.7211 -5.3280 -5.8993 -2.6943 0.4567 0.8731 4.7193 1.0997 0.4548 1.9035 . . 0.6352 = -1.1571!81 0.1962!30 = -6.3600 -1.0376 -2.1591 0.2079
bfloat16-weights -8.4562 0.7206 -5.3249 -5.8982 -2.6899 0.4576 0.8732 4.7183 1.0996 0.4540 1.9043 . . 0.6379 = -1.1558!81 0.1960!30 = -6.3646 -1.0352 -2.1597 0.1942
linear-no-bias . . . . . . . . . . . -1.4279 . . . . . . . . . .
linear-transposed . . . . . . . . . . . -1.7321 . . . . . . . . . .
linear-stored-transposed . . . . . . . . . . . -1.7321 0.2592 . . . . . . . . .
`;

/** The same of two mistakes, the first and then the second. */
const twice = `
no-bias-ih no-bias-hh -6.2417 -0.5922 -4.8057 = -4.9343 0.6709 0.1314 4.9173 1.6331 0.2058 0.1497 . . 0.1547 1.0014 -0.3918!81 0.1275!30 = -7.0461 -1.2060 -1.7884 0.9614
reset-before update-swapped . 1.0141 -5.9676 . . . . . . 0.6531 . . . . . . . . . . -1.8380 .
reset-before forget-bias
hard-sigmoid forget-bias -9.4894 . . -5.9078 . . . 4.7853 1.2473 . . . . . = -1.1577!81 0.2047!30 . -6.2136 . . .
relu-for-tanh hard-sigmoid -5.4256 -0.2049 -5.1908 -5.4856 . . . 4.4669 0.7931 -0.0407 . . . . = -1.1888!81 0.2191!30 . -7.3638 . -2.0514 .
relu-for-tanh sigmoid-for-tanh
tanh-overflow relu-for-tanh
relu-for-tanh tanh-overflow
no-bias reset-before . -0.5169 -4.7526 . . . . . . 0.1992 . . . . . . . . . . -1.7821 .
reset-before no-bias . -0.5169 -4.7526 . . . . . . 0.1992 . . . . . . . . . . -1.7821 .
linear-no-bias linear-transposed . . . . . . . . . . . -1.3748 . . . . . . . . . .
linear-stored-transposed linear-no-bias . . . . . . . . . . . -1.3748 . . . . . . . . . .
no-bias linear-no-bias
linear-no-bias no-bias
lengths-ignored-by-forward lengths-ignored-by-reverse
lengths-ignored-by-forward forward-for-backward -9.6278 . . . . . . . . . . . . . . . . . . . . .
forward-for-backward lengths-ignored-by-forward -9.6278 . . . . . . . . . . . . . . . . . . . . .
every-layer-reads-x no-bias . -0.5922 . . -4.9343 -0.9246 . 4.9173 1.6331 0.2058 0.1497 . . 0.1547 1.0014 -0.3918!81 0.1275!30 = . -1.2060 -1.7884 -2.1362
no-bias every-layer-reads-x . -0.5922 . . -4.9343 -0.9246 . 4.9173 1.6331 0.2058 0.1497 . . 0.1547 1.0014 -0.3918!81 0.1275!30 = . -1.2060 -1.7884 -2.1362
every-layer-reads-x every-layer-reads-x
halves-swapped backward-h-n-from-end . . -4.4480 . -4.5519 . . 5.0241 . . . . . . . . . . -3.1900 . . .
halves-swapped halves-added-last 4.9175 . 3.1424 . . . . . . . . . . . . . . . 1.6536 . . .
output-flattened no-bias -5.4836 -0.6659 -5.5306 -9.3417 . -2.4710 -1.2644 -2.8288 . . . . . -2.5768 . -4.5568!75 -4.1868!27 -3.4792!39 . . -3.1419 -3.3114
batch-first-output-kept h-n-swapped . . -3.8211 . . . . . . . . . . . . . . . . . . .
h-n-swapped states-swapped -3.4716 . . . . . . 0.4469 . . . . . . . . . . -9.5958 . . .
h-0-ignored state-pair-swapped -8.7576 . . . . . . . 0.9183 . . . . . = 0.1199!103 . . . . . .
ones-squeezed output-flattened -5.5499 -2.1837 -5.1818 -9.3417 . . -0.8906 -3.6387 . . . . . 2.5158 . . . . . . . .
output-uncut ones-squeezed 13.1595 -5.4628 . . . . . . . . . . . -3.9384 . . . . . . . .
nan-made-finite no-bias
no-bias nan-made-finite
transposed-weight_ih transposed-weights . . . . -2.7948 1.1279 . . 1.0625 . . . . 0.6125 = -0.9731!81 = = . . -1.7906 1.3327
`;

describe("what a mistake makes", () => {
  fact(["CONFORM-7"], "each one makes of each question what the table says", () => {
    const rows = made.trim().split("\n").map((line) => line.split(" "));
    assertEquals(rows.map(([id]) => id), plain.map(({ id }) => id));
    for (const [id, ...words] of rows) assertEquals([id, ...row(named(id))], [id, ...words]);
    for (const task of tasks) {
      for (const one of plain) {
        const answer = answerWith(one, task);
        const shows = answer && !agree(task, task.expect, answer);
        assertEquals(commit(one, task), shows ? answer : null, `${one.id} ${task.id}`);
      }
    }
  });

  fact(["CONFORM-7"], "only forward passes of these modules are computed", () => {
    for (const { request } of tasks) {
      for (const op of ["vjp", "init"]) {
        assertEquals(recompute({ ...request, op }, {}), null);
        assertEquals(
          answerWith(named("linear-no-bias"), { ...tasks[0], request: { ...request, op } }),
          null,
        );
      }
      assertEquals(recompute({ ...request, module: "Conv1d" }, {}), null);
      const { module, ...nameless } = request;
      assertEquals(recompute(nameless, {}), null, module);
    }
  });

  fact(["CONFORM-7"], "gates read in another order are those of weights that stand in it", () => {
    for (const [kind, right] of [["LSTM", "ifgo"], ["GRU", "rzn"]]) {
      const orders = plain.flatMap(({ id }) => /^(bias-)?gates-(\w+)$/.exec(id)?.slice(1) ?? []);
      for (let k = 0; k < orders.length; k += 2) {
        const [only, order] = orders.slice(k, k + 2);
        if ([...order].sort().join() !== [...right].sort().join()) continue;
        for (const task of tasks.filter(({ request }) => request.module!.startsWith(kind))) {
          const moved = Object.entries(task.request.state_dict!).map(([name, x]) => {
            if (!/weight_[ih]h|bias/.test(name) || only && !name.startsWith("bias")) {
              return [name, x];
            }
            const size = x.data.length / right.length;
            const block = (gate: string) =>
              x.data.slice(order.indexOf(gate) * size, (order.indexOf(gate) + 1) * size);
            return [name, { shape: x.shape, data: [...right].flatMap(block) }];
          });
          const request = { ...task.request, state_dict: Object.fromEntries(moved) };
          const id = `${only ?? ""}gates-${order}`;
          assertEquals(answerWith(named(id), task), recompute(request, {}), `${id} ${task.id}`);
        }
      }
    }
  });

  fact(["CONFORM-7"], "two make what the table says; some cannot be made together", () => {
    for (const line of twice.trim().split("\n")) {
      const [first, second, ...words] = line.split(" ");
      const pair = both(named(first), named(second));
      assertEquals([line, pair ? row(pair) : []], [line, words]);
      if (!pair) continue;
      assertEquals(pair.id, `${first} + ${second}`);
      assertEquals(pair.says, `${named(first).says}; and ${named(second).says}`);
      assertEquals(pair.parts, [named(first), named(second)]);
    }
  });
});
