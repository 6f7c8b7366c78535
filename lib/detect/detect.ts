/** Which modules a `state_dict` belongs to, as far as names and shapes tell. */

import { check, record } from "../call.ts";
import { CheckpointError } from "../checkpoints/error.ts";
import { quote } from "../checkpoints/refuse.ts";
import { lstmParameters } from "../nn/lstm.ts";
import { endOf, gated, gateOrder, kindOf, parameterName } from "../parameters.ts";
import { numel, sameShape } from "../tensor/dtype.ts";

/** The parameters of each cell. */
const declared = {
  RNN: /* @__PURE__ */ gated(gateOrder.RNN),
  LSTM: lstmParameters,
  GRU: /* @__PURE__ */ gated(gateOrder.GRU),
};

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
  check(["detectModules", { stateDict: record }], arguments);
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
    const [family, prefix] = key.split(/ (.*)/s);
    const found = family === "linear"
      ? detectLinear(prefix, shapes)
      : detectRecurrent(prefix, shapes, family === "layers");
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

/** The layers of a recurrent module, or its cell; refuses what is missing, does not fit, or is left over. */
function detectRecurrent(prefix: string, shapes: Shapes, layered: boolean): DetectedModule {
  const fail = (what: string): never => {
    const where = prefix === "" ? "" : ` under ${quote(prefix)}`;
    throw new CheckpointError(`the parameters${where} fit no module: ${what}`);
  };
  const end = (layer: number, direction: number) => layered ? endOf(layer, direction) : "";
  const matrix = (parameter: string): readonly number[] => {
    const name = parameter + end(0, 0);
    const shape = shapes.get(name) ?? fail(`${name} is missing`);
    return shape.length === 2 && !shape.includes(0) ? shape : fail(`${name} is no matrix`);
  };
  const [rows, outputSize] = matrix("weight_hh");
  const [, inputSize] = matrix("weight_ih");
  const projected = shapes.has("weight_hr_l0");
  const hiddenSize = projected ? matrix("weight_hr")[1] : outputSize;
  const kind = kindOf(rows / hiddenSize) ??
    fail(
      `weight_hh${end(0, 0)} has ${rows} rows for ${hiddenSize} units: neither 1, 3 nor 4 gates`,
    );
  if (projected && (kind !== "LSTM" || outputSize >= hiddenSize)) {
    fail("weight_hr_l0 is no projection of an LSTM");
  }
  const bidirectional = shapes.has(`weight_ih${endOf(0, 1)}`);
  const directions = bidirectional ? [0, 1] : [0];
  const bias = shapes.has(`bias_ih${end(0, 0)}`);
  const left = new Map(shapes);
  let [numLayers, parameters, multiplyAdds] = [0, 0, 0];
  do {
    const input = numLayers === 0 ? inputSize : outputSize * directions.length;
    const sizes = { input, hidden: hiddenSize, output: outputSize, bias };
    for (const direction of directions) {
      for (const [key, shapeOf] of Object.entries(declared[kind])) {
        const wanted = shapeOf(sizes);
        if (!wanted) continue;
        const name = parameterName(key, end(numLayers, direction));
        const shape = left.get(name) ?? fail(`${name} is missing`);
        if (!sameShape(shape, wanted)) {
          fail(`${name} has shape (${shape.join(", ")}) where (${wanted.join(", ")}) is wanted`);
        }
        left.delete(name);
        parameters += numel(wanted);
        if (wanted.length === 2) multiplyAdds += numel(wanted);
      }
    }
    numLayers++;
  } while (shapes.has(`weight_ih${endOf(numLayers, 0)}`));
  for (const name of left.keys()) fail(`${name} is one too many`);
  return {
    ...{ prefix, kind: layered ? kind : `${kind}Cell`, inputSize, hiddenSize, numLayers },
    ...{ bidirectional, bias, projSize: projected ? outputSize : 0 },
    assumed: [
      ...(kind === "RNN" ? ['nonlinearity "tanh"'] : []),
      ...(layered ? ["batch_first False"] : []),
      ...(numLayers > 1 ? ["dropout 0"] : []),
    ],
    ...{ parameters, multiplyAdds },
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
