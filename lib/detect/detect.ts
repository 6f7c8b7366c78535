/** Which modules a `state_dict` belongs to, as far as names and shapes tell. */

import { type Call, check, record } from "../call.ts";
import { CheckpointError } from "../checkpoints/error.ts";
import { quote } from "../checkpoints/refuse.ts";
import { lstmParameters } from "../nn/lstm.ts";
import { type CellSizes, endOf, gated, gateOrder, kindOf, parameterName } from "../parameters.ts";
import { sameShape } from "../tensor/dtype.ts";

/** The parameters of each cell. */
const declared = {
  RNN: /* @__PURE__ */ gated(gateOrder.RNN),
  LSTM: lstmParameters,
  GRU: /* @__PURE__ */ gated(gateOrder.GRU),
};

const detectCall: Call = ["detectModules", { stateDict: record }];

/**
 * The modules that are recognised.
 * @category Modules from weights
 */
export type DetectedKind =
  | "RNN"
  | "LSTM"
  | "GRU"
  | "RNNCell"
  | "LSTMCell"
  | "GRUCell"
  | "Linear"
  | "Embedding"
  | "LayerNorm";

/**
 * One module, as its weights show it.
 * @category Modules from weights
 */
export interface DetectedModule {
  /** What stands before its parameters' names, such as `rnn.`; empty where it is the whole. */
  readonly prefix: string;
  /** Which module. */
  readonly kind: DetectedKind;
  /** H_in; of an Embedding, how many rows its table has. */
  readonly inputSize: number;
  /** H; of a Linear, H_out; of an Embedding, the size of a row. */
  readonly hiddenSize: number;
  /** How many layers; 1 for what is no layer over time. */
  readonly numLayers: number;
  /** Whether there is a reverse direction. */
  readonly bidirectional: boolean;
  /** Whether there are biases. */
  readonly bias: boolean;
  /** H_proj of an LSTM; 0 for no projection. */
  readonly projSize: number;
  /** What the weights do not tell, and what is taken for it. */
  readonly assumed: readonly string[];
  /** How many numbers the parameters are. */
  readonly parameters: number;
  /** How many multiplications with additions one time step of one sequence takes. */
  readonly multiplyAdds: number;
}

/**
 * What {@linkcode detectModules} finds.
 * @category Modules from weights
 */
export interface Detection {
  /** The modules, in the order of their first parameter. */
  readonly modules: readonly DetectedModule[];
  /** The names that belong to no module that is recognised. */
  readonly others: readonly string[];
}

type Shapes = Map<string, readonly number[]>;

/**
 * Finds the recurrent and fully connected modules in a `state_dict`, tables of embeddings and
 * LayerNorms. A matrix without a bias is a table where its name begins with `emb`, `tok`, `word` or
 * `char`, or where a recurrent module behind it reads its columns and could not read its rows; a
 * Linear otherwise.
 *
 * @param state tensors by PyTorch's names
 * @returns the modules, and the names that belong to none
 * @throws {CheckpointError} if names look like a recurrent module's, but the shapes do not fit
 * together or a parameter is missing
 *
 * @example
 * ```ts
 * import { detectModules, SimpleRNN } from "@rnn-spec/rnn-spec";
 * import { assertEquals } from "@std/assert";
 *
 * const { modules } = detectModules(new SimpleRNN(1, 5, 2).stateDict());
 * assertEquals(modules.map(({ prefix, kind }) => prefix + kind), ["rnn.RNN", "fc.Linear"]);
 * assertEquals(modules[0].numLayers, 2);
 * assertEquals(modules[0].assumed, ['nonlinearity "tanh"', "batch_first False", "dropout 0"]);
 * ```
 * @category Modules from weights
 */
export function detectModules(
  state: Readonly<Record<string, { readonly shape: readonly number[] }>>,
): Detection {
  check(detectCall, arguments);
  const groups = new Map<string, Shapes>();
  const others: string[] = [];
  for (const [name, { shape }] of Object.entries(state)) {
    const match = /^((?:.*\.)?)((?:weight|bias)(?:_(?:ih|hh|hr)(?:_l\d+(?:_reverse)?)?)?)$/s
      .exec(name);
    if (!match) {
      others.push(name);
      continue;
    }
    const [, prefix, parameter] = match;
    const family = /_l\d/.test(parameter) ? "layers" : parameter.includes("_") ? "cell" : "linear";
    const key = `${family} ${prefix}`;
    if (!groups.has(key)) groups.set(key, new Map());
    groups.get(key)!.set(parameter, shape);
  }
  const modules: DetectedModule[] = [];
  for (const [key, shapes] of groups) {
    const [family, prefix] = [key.slice(0, key.indexOf(" ")), key.slice(key.indexOf(" ") + 1)];
    const found = family === "layers"
      ? detectLayers(prefix, shapes)
      : family === "cell"
      ? detectCell(prefix, shapes)
      : detectLinear(prefix, shapes);
    const more = others.some((name) => name.replace(/[^.]*$/, "") === prefix); // as a BatchNorm has
    if (found && !(more && found.kind === "LayerNorm")) modules.push(found);
    else for (const parameter of shapes.keys()) others.push(prefix + parameter);
  }
  return {
    modules: modules.map((one, k) => isTable(one, modules.slice(k)) ? asTable(one) : one),
    others,
  };
}

/** Whether what looks like a Linear is a table of embeddings. */
function isTable(one: DetectedModule, behind: readonly DetectedModule[]): boolean {
  const { kind, bias, prefix, inputSize: columns, hiddenSize: rows } = one;
  return kind === "Linear" && !bias &&
    (/(^|[._])(emb|tok|word|char)[^.]*\.$/i.test(prefix) ||
      behind.some((other) =>
        gateOrder[other.kind.replace("Cell", "") as "GRU"] && other.inputSize === columns &&
        columns !== rows
      ));
}

function asTable(one: DetectedModule): DetectedModule {
  return {
    ...one,
    ...{ kind: "Embedding", inputSize: one.hiddenSize, hiddenSize: one.inputSize },
    ...{ assumed: ["Embedding rather than Linear without bias"], multiplyAdds: 0 },
  };
}

/** Takes parameters by name, and refuses what is missing, does not fit, or is left over. */
class Parameters {
  readonly #left: Shapes;
  count = 0;

  readonly prefix: string;
  readonly shapes: Shapes;

  constructor(prefix: string, shapes: Shapes) {
    this.prefix = prefix;
    this.shapes = shapes;

    this.#left = new Map(shapes);
  }

  fail(what: string): never {
    const where = this.prefix === "" ? "" : ` under ${quote(this.prefix)}`;
    throw new CheckpointError(`the parameters${where} fit no module: ${what}`);
  }

  matrix(name: string): readonly number[] {
    const shape = this.shapes.get(name);
    if (shape === undefined) this.fail(`${name} is missing`);
    if (shape?.length !== 2 || shape.includes(0)) this.fail(`${name} is no matrix`);
    return shape as readonly number[];
  }

  take(name: string, ...wanted: number[]): void {
    const shape = this.#left.get(name);
    if (shape === undefined) return this.fail(`${name} is missing`);
    if (!sameShape(shape, wanted)) {
      this.fail(`${name} has shape (${shape.join(", ")}) where (${wanted.join(", ")}) is wanted`);
    }
    this.#left.delete(name);
    this.count += wanted.reduce((product, extent) => product * extent, 1);
  }

  finish(): void {
    const [name] = this.#left.keys();
    if (name !== undefined) this.fail(`${name} is one too many`);
  }
}

/** The gates that rows of weights are, by the number of rows for each unit. */
function cellOf(parameters: Parameters, name: string, rows: number, hiddenSize: number) {
  return kindOf(rows / hiddenSize) ??
    parameters.fail(`${name} has ${rows} rows for ${hiddenSize} units: neither 1, 3 nor 4 gates`);
}

/** Takes the parameters of one cell; how many multiplications and additions a step of it takes. */
function takeCell(
  parameters: Parameters,
  kind: keyof typeof declared,
  sizes: CellSizes,
  end: string,
): number {
  const shapes = Object.entries(declared[kind]).flatMap(([key, shapeOf]) => {
    const shape = shapeOf(sizes);
    if (shape) parameters.take(parameterName(key, end), ...shape);
    return shape?.length === 2 ? [shape] : [];
  });
  return shapes.reduce((sum, [rows, columns]) => sum + rows * columns, 0);
}

function detectLayers(prefix: string, shapes: Shapes): DetectedModule {
  const parameters = new Parameters(prefix, shapes);
  const [rows, outputSize] = parameters.matrix("weight_hh_l0");
  const [, inputSize] = parameters.matrix("weight_ih_l0");
  const projected = shapes.has("weight_hr_l0");
  const hiddenSize = projected ? parameters.matrix("weight_hr_l0")[1] : outputSize;
  const kind = cellOf(parameters, "weight_hh_l0", rows, hiddenSize);
  if (projected && (kind !== "LSTM" || outputSize >= hiddenSize)) {
    parameters.fail("weight_hr_l0 is no projection of an LSTM");
  }
  const bidirectional = shapes.has(`weight_ih${endOf(0, 1)}`);
  const bias = shapes.has("bias_ih_l0");
  const directions = bidirectional ? [0, 1] : [0];
  let [numLayers, multiplyAdds] = [0, 0];
  for (; shapes.has(`weight_ih${endOf(numLayers, 0)}`); numLayers++) {
    const input = numLayers === 0 ? inputSize : outputSize * directions.length;
    const sizes = { input, hidden: hiddenSize, output: outputSize, bias };
    for (const direction of directions) {
      multiplyAdds += takeCell(parameters, kind, sizes, endOf(numLayers, direction));
    }
  }
  parameters.finish();
  return {
    prefix,
    kind,
    inputSize,
    hiddenSize,
    numLayers,
    bidirectional,
    bias,
    projSize: projected ? outputSize : 0,
    assumed: [
      ...(kind === "RNN" ? ['nonlinearity "tanh"'] : []),
      "batch_first False",
      ...(numLayers > 1 ? ["dropout 0"] : []),
    ],
    parameters: parameters.count,
    multiplyAdds,
  };
}

function detectCell(prefix: string, shapes: Shapes): DetectedModule {
  const parameters = new Parameters(prefix, shapes);
  const [rows, hiddenSize] = parameters.matrix("weight_hh");
  const [, inputSize] = parameters.matrix("weight_ih");
  const kind = cellOf(parameters, "weight_hh", rows, hiddenSize);
  const bias = shapes.has("bias_ih");
  const sizes = { input: inputSize, hidden: hiddenSize, output: hiddenSize, bias };
  const multiplyAdds = takeCell(parameters, kind, sizes, "");
  parameters.finish();
  return {
    ...{ prefix, kind: `${kind}Cell`, inputSize, hiddenSize, bias },
    ...{ numLayers: 1, bidirectional: false, projSize: 0, parameters: parameters.count },
    assumed: kind === "RNN" ? ['nonlinearity "tanh"'] : [],
    multiplyAdds,
  };
}

/** A matrix or a vector, perhaps with a vector beside it; `null` for the weights of anything else. */
function detectLinear(prefix: string, shapes: Shapes): DetectedModule | null {
  const [weight, vector] = [shapes.get("weight"), shapes.get("bias")];
  const norm = weight?.length === 1;
  if (!norm && weight?.length !== 2 || (vector && !sameShape(vector, [weight[0]]))) return null;
  const [hiddenSize, inputSize = hiddenSize] = weight;
  const multiplyAdds = norm ? hiddenSize : hiddenSize * inputSize;
  const plain = vector ? [] : ["Linear without bias rather than Embedding"];
  return {
    ...{ prefix, kind: norm ? "LayerNorm" : "Linear", inputSize, hiddenSize },
    ...{ numLayers: 1, bidirectional: false, bias: vector !== undefined, projSize: 0 },
    assumed: norm ? ["eps 1e-05"] : plain,
    parameters: multiplyAdds + (vector ? hiddenSize : 0),
    multiplyAdds,
  };
}
