/** A golden request as an ONNX model, with what it is fed. */

import {
  decode,
  decodeStateDict,
  type JsonTensor,
  type Request,
  Unsupported,
} from "../../../lib/conformance/mod.ts";
import { type StateDict, Tensor, toOnnx } from "../../../mod.ts";
import { Graph } from "../onnx_model.ts";

/** What a model is fed: tensors, and the lengths as int32. */
export type Feeds = Record<string, Tensor | Int32Array>;

/** A graph for a request, with what it is fed. */
class Builder {
  readonly graph: Graph;
  readonly feeds: Feeds = {};
  readonly args: Record<string, unknown>;
  readonly state: StateDict;

  readonly request: Request;

  constructor(request: Request) {
    this.request = request;

    this.args = request.args ?? {};
    this.state = decodeStateDict(request);
    this.graph = new Graph(request.dtype ?? "float32");
  }

  tensor(name: string): Tensor {
    return decode(this.request.inputs![name] as JsonTensor, this.graph.dtype);
  }

  input(name: string, x = this.tensor(name)): string {
    this.feeds[name] = x;
    return this.graph.input(name, x.dim());
  }

  /** Adds a node with one output. */
  one(type: string, inputs: string[], attributes = {}): string {
    return this.graph.node(type, inputs, attributes)[0];
  }

  transpose(x: string): string {
    return this.one("Transpose", [x], { perm: [1, 0, 2] });
  }

  /** y = x W^T + b. */
  linear(x: string, weight: Tensor, bias?: Tensor): string {
    const turned = this.one("Transpose", [this.graph.constant(weight)], { perm: [1, 0] });
    const product = this.one("MatMul", [x, turned]);
    return bias ? this.one("Add", [product, this.graph.constant(bias)]) : product;
  }

  /** All layers over `(L, N, H_in)`: the last one's output, and the states of all. */
  layers(x: string, state: StateDict, initial: string[], lengths = ""): string[] {
    const nodes = toOnnx(state);
    const parts = initial.map((one) =>
      nodes.length === 1 ? [one] : this.graph.node("Split", [one], { axis: 0 }, nodes.length)
    );
    const finals: string[][] = [];
    nodes.forEach(({ opType, direction, hiddenSize, W, R, B }, k) => {
      const { nonlinearity = "tanh" } = this.args;
      const phi = nonlinearity === "relu" ? "Relu" : "Tanh";
      const attributes = {
        direction,
        hidden_size: hiddenSize,
        ...(opType === "GRU" && { linear_before_reset: 1 }),
        ...(phi === "Relu" && { activations: Array(W.shape[0]).fill(phi) }), // tanh is the default
      };
      const constants = [W, R, B].map((one) => one ? this.graph.constant(one) : "");
      const inputs = [x, ...constants, lengths, ...parts.map((part) => part[k])];
      const count = opType === "LSTM" ? 3 : 2;
      const [y, ...final] = this.graph.node(opType, inputs, attributes, count);
      finals.push(final);
      // (L, D, N, H) to (L, N, D · H)
      const turned = this.one("Transpose", [y], { perm: [0, 2, 1, 3] });
      x = this.one("Reshape", [turned, this.graph.integers([0, 0, -1])]);
    });
    const states = finals[0].map((_, k) => finals.map((final) => final[k]));
    return [x, ...states.map((all) => this.one("Concat", all, { axis: 0 }))];
  }

  /** The names of the initial state among the inputs. */
  get initial(): string[] {
    return ["h_0", "c_0"].filter((name) => name in (this.request.inputs ?? {}));
  }
}

function buildLinear(b: Builder): void {
  const x = b.tensor("input");
  b.graph.output("output", b.linear(b.input("input"), b.state.weight, b.state.bias), x.dim());
}

function buildSimple(b: Builder): void {
  const { "fc.weight": weight, "fc.bias": bias, ...rest } = b.state;
  const own = Object.fromEntries(Object.entries(rest).map(([name, x]) => [name.slice(4), x]));
  const [y] = b.layers(b.transpose(b.input("input")), own, []);
  const last = b.one("Gather", [y, b.graph.integers([-1])], { axis: 0 });
  const flat = b.one("Squeeze", [last, b.graph.integers([0])]);
  b.graph.output("output", b.linear(flat, weight, bias), 2);
}

/** A cell is a layer over one step. */
function buildCell(b: Builder): void {
  const own = Object.fromEntries(Object.entries(b.state).map(([name, x]) => [`${name}_l0`, x]));
  const dims = b.tensor("input").dim();
  const axes = b.graph.integers(dims === 2 ? [0] : [0, 1]);
  const widen = (name: string) => b.one("Unsqueeze", [b.input(name), axes]);
  const [, ...states] = b.layers(widen("input"), own, b.initial.map(widen));
  states.forEach((state, k) => {
    b.graph.output(["h_1", "c_1"][k], b.one("Squeeze", [state, axes]), dims);
  });
}

function buildSequence(b: Builder): void {
  const batchFirst = b.args.batch_first === true;
  const lengths = b.request.inputs!.lengths as number[] | undefined;
  let input = b.tensor("input");
  if (lengths) input = cut(input, batchFirst ? 1 : 0, Math.max(...lengths));
  const batched = input.dim() === 3;
  const axis = b.graph.integers([1]);
  const widen = (x: string) => batched ? x : b.one("Unsqueeze", [x, axis]);
  const narrow = (x: string) => batched ? x : b.one("Squeeze", [x, axis]);
  const turn = (x: string) => batched && batchFirst ? b.transpose(x) : x;
  let ends = "";
  if (lengths) {
    b.feeds.lengths = Int32Array.from(lengths);
    ends = b.graph.input("lengths", 1, "int32");
  }
  const initial = b.initial.map((name) => widen(b.input(name)));
  const [y, ...states] = b.layers(turn(widen(b.input("input", input))), b.state, initial, ends);
  b.graph.output("output", turn(narrow(y)), input.dim());
  states.forEach((state, k) => b.graph.output(["h_n", "c_n"][k], narrow(state), input.dim()));
}

/** The start of a batch of sequences. */
function cut(x: Tensor, dim: number, length: number): Tensor {
  const shape = x.shape.map((size, k) => k === dim ? length : size);
  const inner = x.shape.slice(dim + 1).reduce((a, b) => a * b, 1);
  const rows = x.shape[dim] * inner;
  const data = x.data.filter((_, i) => i % rows < length * inner);
  return new Tensor(data, shape);
}

const builders: Record<string, (b: Builder) => void> = {
  Linear: buildLinear,
  SimpleRNN: buildSimple,
  ...{ RNNCell: buildCell, LSTMCell: buildCell, GRUCell: buildCell },
  ...{ RNN: buildSequence, LSTM: buildSequence, GRU: buildSequence },
};

/**
 * The model that computes what a request asks for.
 *
 * @throws {Unsupported} if ONNX has no way to say it
 */
export function modelOf(request: Request): { graph: Graph; feeds: Feeds } {
  const { op, module = "", args = {}, training } = request;
  if (op !== "forward" || module === "Dropout") {
    throw new Unsupported("only layers with weights are put to it, and only forward passes");
  }
  if (!Object.hasOwn(builders, module)) throw new Unsupported(`module ${module}`);
  if (args.proj_size) throw new Unsupported("proj_size: ONNX's LSTM has no projection");
  if (training && args.dropout) throw new Unsupported("dropout in training");
  const b = new Builder(request);
  builders[module](b);
  return { graph: b.graph, feeds: b.feeds };
}
