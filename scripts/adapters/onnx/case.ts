/** A golden request as an ONNX model, with what it is fed. */

import {
  decode,
  decodeStateDict,
  type JsonTensor,
  type Request,
  Unsupported,
} from "../../../lib/conformance/mod.ts";
import { type StateDict, Tensor } from "../../../mod.ts";
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

  /** All layers over `(L, N, H_in)`: the last one's output, and the states of all. */
  layers(x: string, state: StateDict, initial: string[], lengths = ""): string[] {
    return this.graph.layers(x, state, initial, this.args.nonlinearity === "relu", lengths);
  }

  /** The names of the initial state among the inputs. */
  get initial(): string[] {
    return ["h_0", "c_0"].filter((name) => name in (this.request.inputs ?? {}));
  }
}

function buildLinear(b: Builder): void {
  const x = b.tensor("input");
  b.graph.output("output", b.graph.linear(b.input("input"), b.state.weight, b.state.bias), x.dim());
}

function buildSimple(b: Builder): void {
  const { "fc.weight": weight, "fc.bias": bias, ...rest } = b.state;
  const own = Object.fromEntries(Object.entries(rest).map(([name, x]) => [name.slice(4), x]));
  const [y] = b.layers(b.graph.transpose(b.input("input")), own, []);
  b.graph.output("output", b.graph.linear(b.graph.last(y), weight, bias), 2);
}

/** A cell is a layer over one step. */
function buildCell(b: Builder): void {
  const own = Object.fromEntries(Object.entries(b.state).map(([name, x]) => [`${name}_l0`, x]));
  const dims = b.tensor("input").dim();
  const axes = b.graph.integers(dims === 2 ? [0] : [0, 1]);
  const widen = (name: string) => b.graph.one("Unsqueeze", [b.input(name), axes]);
  const [, ...states] = b.layers(widen("input"), own, b.initial.map(widen));
  states.forEach((state, k) => {
    b.graph.output(["h_1", "c_1"][k], b.graph.one("Squeeze", [state, axes]), dims);
  });
}

function buildSequence(b: Builder): void {
  const batchFirst = b.args.batch_first === true;
  const lengths = b.request.inputs!.lengths as number[] | undefined;
  let input = b.tensor("input");
  if (lengths) input = cut(input, batchFirst ? 1 : 0, Math.max(...lengths));
  const batched = input.dim() === 3;
  const axis = b.graph.integers([1]);
  const widen = (x: string) => batched ? x : b.graph.one("Unsqueeze", [x, axis]);
  const narrow = (x: string) => batched ? x : b.graph.one("Squeeze", [x, axis]);
  const turn = (x: string) => batched && batchFirst ? b.graph.transpose(x) : x;
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
