// What every adapter for the rnn-spec conformance kit needs, in one file to copy. For Node, Deno and Bun.
//
// An adapter puts a framework's recurrent layers to the goldens. With this file it is one function, which
// runs one layer in one direction over a batch of sequences:
//
//   import { run, Unsupported } from "./rnn_spec_adapter.js";
//
//   function layer(kind, x, state, w) {
//     if (kind !== "LSTM") throw new Unsupported("only LSTM");
//     const { output, h, c } = framework.lstm(x.data, x.shape, w.ih.data, …);
//     return [output, h, c];
//   }
//
//   run({ name: "framework 1.0", layer });
//
//   deno run -R -W --allow-run <address>/scripts/conform.ts -- node my_adapter.js
//
// `kind` is "RNN", "LSTM" or "GRU". A tensor is `{ shape, data }`, flat and row-major, its data a
// Float32Array or Float64Array. `x` is (L, N, features), time first; `state` is [h] or [h, c], each (N, H).
// `w` has PyTorch's weights: `ih` (gates · H, features), `hh` (gates · H, H), `b_ih` and `b_hh` (gates · H)
// or null, `activation` ("tanh" or "relu", of an RNN) and `size` (H). What is returned is the output,
// (L, N, H), then the last h, and c. The function may be async.
//
// The rest is done here: the forms of a request (cells, no batch, batch_first), states that are left out,
// layers on top of each other, the reverse direction (time is turned around before and after), JSON, and a
// standard output that nothing but answers goes to: console.log writes to the errors. Packed sequences
// and projections are unsupported.

const gates = { RNN: "h", LSTM: "ifgo", GRU: "rzn" };

/** What the framework cannot do. */
export class Unsupported extends Error {}

/**
 * Gates of a tensor in another order than PyTorch's, such as "iofg" or "zrn".
 *
 * @param {"RNN" | "LSTM" | "GRU"} kind which layer it is of
 * @param {{ shape: number[], data: Float32Array | Float64Array }} x the tensor
 * @param {string} order the letters of the gates
 */
export function reorder(kind, x, order) {
  const size = x.data.length / order.length;
  const data = new x.data.constructor(x.data.length);
  [...order].forEach((letter, k) => {
    const from = gates[kind].indexOf(letter) * size;
    data.set(x.data.subarray(from, from + size), k * size);
  });
  return { shape: x.shape, data };
}

function read({ shape, data }, dtype) {
  const Type = dtype === "float64" ? Float64Array : Float32Array;
  return { shape, data: Type.from(data, Number) };
}

function write({ shape, data }) {
  const json = (x) => Number.isFinite(x) ? x : String(x);
  return { shape: [...shape], data: Array.from(data, json) };
}

const product = (shape) => shape.reduce((a, b) => a * b, 1);

/** One index of the first dimension. */
function at({ shape, data }, index) {
  const size = product(shape.slice(1));
  return { shape: shape.slice(1), data: data.subarray(index * size, (index + 1) * size) };
}

function stack(parts) {
  const data = new parts[0].data.constructor(parts.length * parts[0].data.length);
  parts.forEach((part, k) => data.set(part.data, k * part.data.length));
  return { shape: [parts.length, ...parts[0].shape], data };
}

/** The first two dimensions exchanged. */
function swap({ shape: [a, b, ...rest], data }) {
  const size = product(rest);
  const turned = new data.constructor(data.length);
  for (let i = 0; i < a; i++) {
    for (let j = 0; j < b; j++) {
      turned.set(data.subarray((i * b + j) * size, (i * b + j + 1) * size), (j * a + i) * size);
    }
  }
  return { shape: [b, a, ...rest], data: turned };
}

/** Time turned around. */
function turn(x) {
  return stack(Array.from({ length: x.shape[0] }, (_, t) => at(x, x.shape[0] - 1 - t)));
}

/** Two tensors side by side in the last dimension. */
function beside(a, b) {
  const [m, n] = [a.shape[2], b.shape[2]];
  const rows = a.shape[0] * a.shape[1];
  const data = new a.data.constructor(rows * (m + n));
  for (let i = 0; i < rows; i++) {
    data.set(a.data.subarray(i * m, (i + 1) * m), i * (m + n));
    data.set(b.data.subarray(i * n, (i + 1) * n), i * (m + n) + m);
  }
  return { shape: [a.shape[0], a.shape[1], m + n], data };
}

/** The weights by layer and direction. */
function layersOf(kind, activation, weights, cell) {
  const of = (suffix) => {
    const part = (name) => weights[name + suffix] ?? null;
    const [ih, hh] = [part("weight_ih"), part("weight_hh")];
    if (!ih) return [];
    const [b_ih, b_hh] = [part("bias_ih"), part("bias_hh")];
    return [{ activation, size: hh.shape[1], ih, hh, b_ih, b_hh, kind }];
  };
  if (cell) return [of("")];
  const found = [];
  for (let k = 0; weights[`weight_ih_l${k}`]; k++) {
    found.push([...of(`_l${k}`), ...of(`_l${k}_reverse`)]);
  }
  return found;
}

async function recurrent(layer, module, { args = {}, inputs }, given, weights) {
  const cell = module.endsWith("Cell");
  const kind = cell ? module.slice(0, -4) : module;
  const dims = inputs.input.shape.length;
  const single = dims === (cell ? 1 : 2);
  const flip = args.batch_first && !single && !cell;
  // With time and batch, whatever the form.
  const shapeOf = (shape) =>
    single
      ? cell ? [1, 1, ...shape] : [shape[0], 1, ...shape.slice(1)]
      : cell
      ? [1, ...shape]
      : shape;
  const widen = ({ shape, data }) => ({ shape: shapeOf(shape), data });
  let x = widen(given.input);
  if (flip) x = swap(x);
  const layers = layersOf(kind, args.nonlinearity ?? "tanh", weights, cell);
  const rows = layers.flat().length;
  const shape = [rows, x.shape[1], layers[0][0].size];
  const states = (kind === "LSTM" ? ["h_0", "c_0"] : ["h_0"]).map((name) =>
    given[name] ? widen(given[name]) : { shape, data: new x.data.constructor(product(shape)) }
  );
  const finals = states.map(() => []);
  for (const directions of layers) {
    const halves = [];
    for (const [direction, w] of directions.entries()) {
      const start = states.map((part) => at(part, finals[0].length));
      const [y, ...last] = await layer(kind, direction ? turn(x) : x, start, w);
      halves.push(direction ? turn(y) : y);
      finals.forEach((all, k) => all.push(last[k]));
    }
    x = halves.length === 2 ? beside(halves[0], halves[1]) : halves[0];
  }
  const [h, c] = finals.map(stack);
  const narrow = (part) => {
    if (!part) return undefined;
    const kept = single
      ? cell ? part.shape.slice(2) : [part.shape[0], part.shape[2]]
      : cell
      ? part.shape.slice(1)
      : part.shape;
    return { shape: kept, data: part.data };
  };
  if (cell) return { h_1: narrow(h), c_1: narrow(c) };
  return { output: narrow(flip ? swap(x) : x), h_n: narrow(h), c_n: narrow(c) };
}

async function answer({ layer, linear, dtypes = ["float32"] }, request) {
  const { op, module = "", args = {}, dtype = "float32", inputs = {}, state_dict = {} } = request;
  if (op !== "forward") throw new Unsupported("only forward passes are put to it");
  if (!dtypes.includes(dtype)) throw new Unsupported(dtype);
  if (inputs.lengths) throw new Unsupported("packed sequences: there are no lengths");
  if (args.proj_size) throw new Unsupported("proj_size");
  if (request.training && args.dropout) throw new Unsupported("dropout in training");
  const all = (named) =>
    Object.fromEntries(Object.entries(named).map(([name, x]) => [name, read(x, dtype)]));
  const [given, weights] = [all(inputs), all(state_dict)];
  if (module === "Linear" && linear) {
    return { output: await linear(given.input, weights.weight, weights.bias ?? null) };
  }
  if (!/^(RNN|LSTM|GRU)(Cell)?$/.test(module)) throw new Unsupported(`module ${module}`);
  return recurrent(layer, module, request, given, weights);
}

/**
 * Answers requests on standard input until it ends.
 *
 * @param {object} adapter `name` (with the version; what `--version` prints), `layer`, and where there is
 * one `linear(x, weight, bias)`; `dtypes`, if not float32 alone
 */
export async function run(adapter) {
  const { createInterface } = await import("node:readline");
  const process = (await import("node:process")).default;
  if (process.argv.includes("--version")) return void console.log(adapter.name);
  console.log = console.info = console.error; // frameworks greet on standard output
  for await (const line of createInterface({ input: process.stdin, crlfDelay: Infinity })) {
    if (!line.trim()) continue;
    const { id, ...request } = JSON.parse(line);
    let result;
    try {
      const named = Object.entries(await answer(adapter, request)).filter(([, x]) => x);
      result = { outputs: Object.fromEntries(named.map(([name, x]) => [name, write(x)])) };
    } catch (error) {
      result = error instanceof Unsupported
        ? { unsupported: error.message }
        : { error: { type: error?.name ?? "Error", message: String(error?.message ?? error) } };
    }
    process.stdout.write(`${JSON.stringify({ id, ...result })}\n`);
  }
}
