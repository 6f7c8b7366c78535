/** What stands around a recurrent layer: containers of modules, initial weights, batches. */

import { encode, type JsonTensor, type Request } from "../../lib/conformance/mod.ts";
import * as rnn from "../../mod.ts";
import { type Arguments, optionsOf } from "./functions.ts";

/** A module inside a container, as a request describes it. */
type Part = Pick<Request, "module" | "args"> & { name?: string };

/** Takes the output of a recurrent layer's pair. */
class Output extends rnn.Module {
  override forward([output]: readonly [rnn.Tensor, unknown]): rnn.Tensor {
    return output;
  }
}

const plain: Record<string, new () => rnn.Module> = {
  Identity: rnn.Identity,
  Output,
  ReLU: rnn.ReLU,
  Sigmoid: rnn.Sigmoid,
  Tanh: rnn.Tanh,
};

const over: Record<string, new (dim: number) => rnn.Module> = {
  LogSoftmax: rnn.LogSoftmax,
  Softmax: rnn.Softmax,
};

/**
 * A module of these by its name.
 *
 * @returns the module, or `null` where it is none of these
 */
export function makeModule(
  { module = "", args = {}, dtype }: Request,
  build: (request: Request) => rnn.Module,
): rnn.Module | null {
  if (Object.hasOwn(plain, module)) return new plain[module]();
  if (Object.hasOwn(over, module)) return new over[module](args.dim as number);
  if (module !== "Sequential" && module !== "ModuleList") return null;
  const made = (part: Part): Arguments =>
    part?.module ? build({ op: "", dtype, module: part.module, args: part.args }) : part;
  const { modules = [] } = args as { modules?: Part[] };
  const parts = modules.map(made);
  if (module === "ModuleList") return new rnn.ModuleList(parts);
  if (!modules.some((part) => part?.name)) return new rnn.Sequential(...parts);
  const sequence = new rnn.Sequential(); // an object would list names that are numbers by size
  modules.forEach(({ name = "" }, k) => sequence["register"](name, parts[k]));
  return sequence;
}

type Init = (tensor: rnn.Tensor, options?: Arguments) => rnn.Tensor;

const inits: Record<string, Init> = {
  constant_: (tensor, { val }) => rnn.constant_(tensor, val),
  orthogonal_: rnn.orthogonal_,
  xavier_normal_: rnn.xavierNormal_,
  xavier_uniform_: rnn.xavierUniform_,
  zeros_: (tensor) => rnn.zeros_(tensor),
};

/**
 * Fills a tensor as a function of `torch.nn.init` does.
 *
 * @returns the tensor, or `null` where there is no such function
 */
export function fill(
  name: string,
  { size, of, seed, ...rest }: Arguments,
  dtype: rnn.DType = "float32",
): rnn.Tensor | null {
  if (!Object.hasOwn(inits, name)) return null;
  if (seed !== undefined) rnn.manualSeed(seed);
  return inits[name](rnn.zeros(size, { dtype: of ?? dtype }), rest);
}

function batches(
  { seed, generator, n, epochs = 1, ...rest }: Arguments,
): Record<string, JsonTensor> {
  rnn.manualSeed(seed);
  const own = generator === undefined ? undefined : new rnn.Generator(generator);
  const options = { ...optionsOf(rest), generator: own, collateFn: (items: number[]) => items };
  const loader = new rnn.DataLoader<number, number[]>([...Array(n).keys()], options);
  const found: number[][] = [];
  for (let k = 0; k < epochs; k++) found.push(...loader);
  const int64 = (data: number[] | number) => encode(rnn.tensor(data, { dtype: "int64" }));
  return {
    order: int64(found.flat()),
    sizes: int64(found.map(({ length }) => length)),
    length: int64(loader.length),
    after: encode(rnn.rand([2], { generator: own })),
  };
}

/**
 * The functions of this kind that an operation `call` may name.
 *
 * @returns what they put out, or `null` for another function
 */
export function callAround(
  { function: name = "", args = {}, dtype = "float32" }: Request,
  { tensors }: { tensors?: rnn.Tensor[] },
  build: (request: Request) => rnn.Module,
): Record<string, JsonTensor> | null {
  const { numbers } = args as { numbers?: number[] };
  const filled = fill(name, args, dtype);
  if (filled) return { output: encode(filled) };
  if (name === "DataLoader") return batches(args);
  if (name === "default_collate") {
    if (!tensors || !numbers) {
      return { output: encode(rnn.defaultCollate((tensors ?? numbers) as rnn.Tensor[])) };
    }
    const [x, y] = rnn.defaultCollate(tensors.map((one, k) => [one, numbers[k]] as const));
    return { x: encode(x), y: encode(y) };
  }
  if (name !== "index" && name !== "apply") return null;
  const module = build({ op: "", dtype, ...args });
  if (name === "index") {
    (module as rnn.Sequential).at(args.index as number);
    return { output: encode(rnn.zeros([])) };
  }
  const numbered = module.modules();
  const order: number[] = [];
  module.apply((one) => order.push(numbered.indexOf(one)));
  return { output: encode(rnn.tensor(order, { dtype: "int64" })) };
}
