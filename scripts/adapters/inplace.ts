/**
 * The protocol's operation `inplace`: values changed in place between a forward and a backward pass.
 */

import { type Answer, decodeStateDict, type Request } from "../../lib/conformance/pair.ts";
import * as rnn from "../../mod.ts";
import { gradsOf, type Tools } from "./training.ts";

// deno-lint-ignore no-explicit-any -- the arguments come from outside; the functions check them
type Arguments = any;
type Compute = (tensors: rnn.Tensor[], args: Arguments) => rnn.Tensor;

const unary = (f: (x: rnn.Tensor) => rnn.Tensor): Compute => ([x]) => f(x);
const binary =
  (f: (a: rnn.Tensor, b: rnn.Tensor | number) => rnn.Tensor): Compute => ([a, b], { other }) =>
    f(a, b ?? other);
const loss = (f: (a: rnn.Tensor, b: rnn.Tensor) => rnn.Tensor): Compute => ([a, b]) => f(a, b);

const functions: Readonly<Record<string, Compute>> = {
  tanh: unary(rnn.tanh),
  sigmoid: unary(rnn.sigmoid),
  relu: unary(rnn.relu),
  sin: unary(rnn.sin),
  neg: unary(rnn.neg),
  abs: unary(rnn.abs),
  sum: ([x], { dim }) => rnn.sum(x, dim),
  mean: ([x], { dim }) => rnn.mean(x, dim),
  max: ([x], { dim }) => dim === undefined ? rnn.max(x) : rnn.max(x, dim)[0],
  exp: unary(rnn.exp),
  log: unary(rnn.log),
  clone: unary(rnn.clone),
  div: binary(rnn.div),
  matmul: ([a, b]) => rnn.matmul(a, b),
  softmax: ([x], { dim }) => rnn.softmax(x, dim),
  flip: ([x], { dims }) => rnn.flip(x, dims),
  detach: unary(rnn.detach),
  add: binary(rnn.add),
  sub: binary(rnn.sub),
  mul: binary(rnn.mul),
  rsub: ([x], { other }) => rnn.sub(other, x),
  linear: ([x, weight, bias]) => rnn.linear(x, weight, bias),
  transpose: ([x], { dim0, dim1 }) => rnn.transpose(x, dim0, dim1),
  squeeze: ([x], { dim }) => rnn.squeeze(x, dim),
  unsqueeze: ([x], { dim }) => rnn.unsqueeze(x, dim),
  select: ([x], { dim, index }) => rnn.select(x, dim, index),
  narrow: ([x], { dim, start, length }) => rnn.narrow(x, dim, start, length),
  reshape: ([x], { shape }) => rnn.reshape(x, shape),
  expand: ([x], { size }) => rnn.expand(x, size),
  index_select: ([x], { dim, index }) => rnn.indexSelect(x, dim, index),
  cat: (tensors, { dim }) => rnn.cat(tensors, dim),
  stack: (tensors, { dim }) => rnn.stack(tensors, dim),
  mse_loss: loss(rnn.mseLoss),
  l1_loss: loss(rnn.l1Loss),
  binary_cross_entropy_with_logits: loss(rnn.binaryCrossEntropyWithLogits),
  log_softmax: ([x], { dim }) => rnn.logSoftmax(x, dim),
  nll_loss: ([x], { target }) => rnn.nllLoss(x, target),
  cross_entropy: ([x], { target }) => rnn.crossEntropy(x, target),
};

function functionOf(name: string, tools: Tools): Compute {
  if (!Object.hasOwn(functions, name)) throw tools.unsupported(`function ${name}`);
  return functions[name];
}

/** A function of the inputs, the first of which may go through another function before. */
function call(request: Request, inputs: rnn.Tensor[], tools: Tools): rnn.Tensor {
  const { through, ...args } = (request.args ?? {}) as Arguments;
  const [first, ...rest] = inputs;
  const a = through ? functionOf(through.name, tools)([first], through.args) : first;
  return functionOf(request.function ?? "", tools)([a, ...rest], args);
}

const optimizers: Readonly<Record<string, typeof rnn.SGD | typeof rnn.AdamW>> = {
  SGD: rnn.SGD,
  AdamW: rnn.AdamW,
};

/**
 * Forward; the changes; the gradients of the output's sum. With an optimiser, its step stands
 * between that backward pass and another one of the same graph, from the sum of the squares.
 */
export function inplace(request: Request, tools: Tools): Answer {
  const { requires_grad = [], changes = [], optimizer } = request;
  const inputs: Record<string, rnn.Tensor> = tools.inputsOf(request);
  for (const name of requires_grad) inputs[name].requiresGrad = true;
  const module = request.module ? tools.build(request) : null;
  module?.loadStateDict(decodeStateDict(request));
  const outputs = module
    ? tools.run(module, inputs)
    : { output: call(request, Object.values(inputs), tools) };
  const [output] = Object.values(outputs);
  let loss = rnn.sum(output);
  const weights = Object.fromEntries(module?.namedParameters() ?? []);
  if (optimizer) {
    if (!Object.hasOwn(optimizers, optimizer.name)) throw tools.unsupported(optimizer.name);
    const squares = rnn.sum(rnn.mul(output, output));
    rnn.backward(loss, null, { retainGraph: true });
    new optimizers[optimizer.name](Object.values(weights), optimizer.args).step();
    loss = squares;
  }
  const named = { ...inputs, ...outputs, ...weights };
  for (const name of changes) {
    if (name === "load_state_dict") module?.loadStateDict(module.stateDict());
    else rnn.incrementVersion(named[name]);
  }
  rnn.backward(loss);
  return { grads: { inputs: gradsOf(inputs), state_dict: gradsOf(weights) } };
}
