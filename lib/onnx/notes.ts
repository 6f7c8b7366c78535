/** What is unusual about a recurrent node, and which runtimes are known to get it wrong. */

import type { OnnxModel } from "./model.ts";
import { wantedActivations } from "./deviations.ts";
import { fixedBatch, type RecurrentNode } from "./recurrent.ts";

/** Something unusual about a node. */
export interface Note {
  /** Its name in short. */
  readonly id: string;
  /** What it is. */
  readonly says: string;
  /** Runtimes that are known to compute it otherwise, or to refuse it. */
  readonly runtimes: readonly Runtime[];
}

/** A runtime that gets something wrong. */
export interface Runtime {
  /** Its name, and the version in which it was seen. */
  readonly name: string;
  /** What it does. */
  readonly does: string;
  /** The issue upstream, where there is one. */
  readonly upstream?: string;
}

const tract = "tract 0.23.9";
const rten = "rten 0.27.0";
const reference = "onnx.reference 1.23.2";
const gonnx = "gonnx 1.1.0";
const openvino = "OpenVINO 2026.4.1";
const ort = "ONNX Runtime 1.30.0";

/** What runtimes were seen to do (spec/MATRIX.md, spec/bugs), by the name of the note. */
const seen: Readonly<Record<string, readonly Runtime[]>> = {
  rnn: [{ name: rten, does: "has no RNN, and refuses the file" }],
  activations: [
    { name: tract, does: "does not read activations", upstream: "sonos/tract#2751" },
    { name: reference, does: "refuses Relu, and ignores others" },
    { name: gonnx, does: "refuses Relu" },
  ],
  clip: [
    { name: tract, does: "does not read clip" },
    { name: reference, does: "ignores clip" },
  ],
  "clip-lstm": [
    { name: tract, does: "does not read clip" },
    { name: reference, does: "ignores clip" },
    {
      name: ort,
      does: "does not clip what the last activation reads",
      upstream: "microsoft/onnxruntime#27224",
    },
  ],
  "input-forget": [{ name: reference, does: "ignores input_forget" }],
  layout: [{ name: ort, does: "refuses layout 1" }],
  lengths: [
    { name: rten, does: "ignores sequence_lens" },
    { name: reference, does: "ignores sequence_lens" },
    { name: openvino, does: "ignores sequence_lens where the shapes are dynamic" },
    { name: tract, does: "refuses sequence_lens that are no constant" },
  ],
  "both-directions": [{ name: gonnx, does: "has no directions, and refuses the file" }],
  quantised: [{ name: "all but ONNX Runtime", does: "have no DynamicQuantizeLSTM" }],
  float64: [{ name: ort, does: "has RNN, LSTM and GRU in float32 only" }],
};

/** What is unusual about a node. */
export function notesOf(node: RecurrentNode, model: OnnxModel): Note[] {
  const { kind, told, weights: { P }, quantised, scope } = node;
  const found: Note[] = [];
  const add = (id: string, says: string, known = id) =>
    found.push({ id, says, runtimes: seen[known] ?? [] });
  const [activations] = told.activations;
  const usual = wantedActivations(kind, "tanh");
  const inputs = node.node.inputs;
  if (kind === "RNN") add("rnn", "an RNN without gates");
  if (told.activations.some((own) => own.some(({ name }, k) => name !== usual[k]))) {
    add("activations", `activations ${activations.map(({ name }) => name).join(", ")}`);
  }
  if (kind === "GRU" && !told.linearBeforeReset) {
    add(
      "reset-before",
      "linear_before_reset is 0: the reset gate acts before the product, as in no GRU of PyTorch's",
    );
  }
  if (told.clip !== null) {
    const known = kind === "LSTM" ? "clip-lstm" : "clip";
    add("clip", `clip ${Number(told.clip.toPrecision(4))}`, known);
  }
  if (told.inputForget) add("input-forget", "input_forget: the forget gate is 1 - i");
  if (P) add("peepholes", "peepholes");
  if (told.layout === 1) add("layout", "layout 1: the batch comes first");
  if (told.direction === "reverse") add("reverse", "a reverse direction alone");
  if (told.direction === "bidirectional") add("both-directions", "both directions in one node");
  if (quantised) {
    add(
      node.node.opType === "DynamicQuantizeLSTM" ? "quantised" : "dequantised",
      `quantised: weights of ${quantised.bits} bits, in steps of ${quantised.step.toPrecision(2)}`,
    );
  }
  if (inputs[4]) add("lengths", "sequence_lens: each sequence has its own length");
  const state = inputs[5] ? scope.get(inputs[5]) : null;
  if (state && state.data.every((x) => x === 0)) {
    add("state-zero", "it starts from zeros: no state is carried in");
  } else if (state) add("state-constant", "it starts from a constant of the file");
  else if (!inputs[5]) add("state-absent", "it starts from zeros: no state is carried in");
  const batch = fixedBatch(node);
  if (batch !== null) add("fixed-batch", `its initial state is made for a batch of ${batch}`);
  const weight = scope.initializer(inputs[1] ?? "");
  if (weight?.dtype === "float64") add("float64", "float64");
  if (weight?.dtype === "float16" || weight?.dtype === "bfloat16") {
    add("half", `weights of ${weight.dtype}`);
  }
  if (model.opsets.get("") === 1) add("opset", "opset 1");
  return found;
}
