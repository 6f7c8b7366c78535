/**
 * Nothing that is passed is ignored (ERROR-8). Every export of mod.ts and of ./checkpoints, and every
 * public method, stands here with a call that is right; from it wrong ones are made: an argument too
 * many or missing, an argument that is no such thing, an option that is unknown, in Python's
 * spelling, misspelt or no such thing, a value in place of the options. All must be refused, and not
 * by an accident of JavaScript. An export or a method that is not in the table fails the test.
 */

import { assertEquals } from "@std/assert";
import * as checkpoints from "../../lib/checkpoints/mod.ts";
import * as library from "../../mod.ts";
import { describe, it } from "./law.ts";

const rnn = { ...library, ...checkpoints };

/** A call that is right: all arguments, and a value for every option. */
interface Example {
  readonly run: (...given: unknown[]) => unknown;
  readonly args: () => unknown[];
  readonly options?: () => Record<string, unknown>;
  /** How many arguments there must be; all unless told otherwise. */
  readonly required?: number;
}

type Table = Record<
  string,
  readonly [args: () => unknown[], options?: () => Record<string, unknown>, required?: number]
>;

const grown = { requiresGrad: true };
const x = () => rnn.zeros([2, 3]);
const row = () => rnn.zeros([2]);
const leaf = () => rnn.ones([2], grown);
const lstm = () => new rnn.LSTM(3, 4);
const elman = () => new rnn.RNN(3, 4);
const packed = () => rnn.packPaddedSequence(rnn.zeros([3, 2, 1]), [3, 2]);
const bytes = () => rnn.writeSafetensors({ w: row() });
const checkpoint = () => new Map([["weight", rnn.StoredTensor.from(row())]]);
const torchFile = () => rnn.writeTorchFile({ w: row() });
const stateOptions = () => ({ at: [], prefix: "w", tensorsOnly: true, widen: true });
const tensorOptions = () => ({ dtype: "float64", requiresGrad: true });
const sink = () => new WritableStream();
const optimizer = () => new rnn.SGD([leaf()]);
const reduction = () => ({ reduction: "sum" });
const logits = () => ({ weight: x(), reduction: "sum", posWeight: rnn.ones([3]) });
const classes = () => ({ weight: rnn.ones([3]), ignoreIndex: 7, reduction: "sum" });
const entropy = () => ({ ...classes(), labelSmoothing: 0.1 });
const layer = { bias: true, batchFirst: true, dropout: 0.5, bidirectional: true };
const layerOptions = () => ({ numLayers: 2, ...layer, dtype: "float64" });
const cellOptions = () => ({ bias: true, dtype: "float64" });
const rates = { lr: 0.1, weightDecay: 0.1, maximize: true };
const sgd = () => ({ ...rates, momentum: 0.5, dampening: 0, nesterov: true });
const adam = () => ({ ...rates, betas: [0.9, 0.99], eps: 1e-8, amsgrad: true });
const rmsprop = () => ({ ...rates, momentum: 0.5, alpha: 0.9, eps: 1e-8, centered: true });
const modelOptions = () => ({ batchFirst: true, dropout: 0 });
const padded = () => ({
  paddingIdx: 1,
  maxNorm: null,
  normType: null,
  scaleGradByFreq: false,
  sparse: false,
});
const order = () => ({ shuffle: true, generator: new rnn.Generator(1) });
const loaderOptions = () => ({ batchSize: 2, dropLast: true, collateFn: () => 1, ...order() });
const initOptions = () => ({ gain: 2, generator: new rnn.Generator(1) });
const plateauCount = { patience: 1, threshold: 0.1, cooldown: 1, minLr: 0, eps: 0 };
const plateau = () => ({ mode: "max", factor: 0.5, thresholdMode: "abs", ...plateauCount });
const keepdim = () => ({ keepdim: true });
const generator = () => ({ generator: new rnn.Generator(1) });
const integers = () => rnn.zeros([2], { dtype: "int64" });
const none = () => [];
const one = () => [x()];

const functions: Table = {
  tensor: [() => [[1, 2]], tensorOptions],
  zeros: [() => [[2]], tensorOptions],
  ones: [() => [[2]], tensorOptions],
  full: [() => [[2], 1], tensorOptions],
  linspace: [() => [0, 1, 3], tensorOptions],
  formatTensor: [one, () => ({ requiresGrad: true, gradFn: "F", prefix: "p(" })],
  formatSize: [() => [[1, 2]]],
  formatFixed: [() => [1, 2]],
  formatExponential: [() => [1, 2]],
  backward: [
    () => [rnn.mul(leaf(), 2), row()],
    () => ({ retainGraph: true, createGraph: false }),
    1,
  ],
  grad: [
    () => {
      const p = leaf();
      return [[rnn.mul(p, 2)], [p], [row()]];
    },
    () => ({ retainGraph: true, createGraph: false, allowUnused: true }),
    2,
  ],
  detach: [one],
  detachState: [one],
  incrementVersion: [one],
  isGradEnabled: [none],
  noGrad: [() => [() => 1]],
  abs: [one],
  exp: [one],
  log: [one],
  clone: [one],
  flip: [() => [x(), [0]]],
  div: [() => [x(), x()]],
  matmul: [() => [x(), rnn.zeros([3, 2])]],
  softmax: [() => [x(), 1]],
  argmax: [() => [x(), 1], keepdim, 1],
  max: [() => [x(), 1], keepdim, 1],
  oneHot: [() => [integers(), 4], undefined, 1],
  randint: [() => [0, 9, [2]], generator],
  randperm: [() => [3], generator],
  multinomial: [() => [rnn.ones([3]), 2], () => ({ replacement: true, ...generator() })],
  neg: [one],
  relu: [one],
  sigmoid: [one],
  sin: [one],
  tanh: [one],
  add: [() => [x(), x()]],
  mul: [() => [x(), 2]],
  sub: [() => [1, x()]],
  to: [() => [x(), "float64"]],
  linear: [() => [x(), x(), row()], undefined, 2],
  embedding: [() => [integers(), x()], padded],
  mean: [() => [x(), 1], keepdim, 1],
  sum: [() => [x(), [0, 1]], keepdim, 1],
  expand: [() => [x(), [2, 3]]],
  reshape: [() => [x(), [3, 2]]],
  squeeze: [() => [x(), 0]],
  transpose: [() => [x(), 0, 1]],
  unsqueeze: [() => [x(), 0]],
  cat: [() => [[x(), x()], 1], undefined, 1],
  stack: [() => [[x(), x()], 1], undefined, 1],
  chunk: [() => [x(), 3, 1], undefined, 2],
  indexSelect: [() => [x(), 0, [1]]],
  narrow: [() => [x(), 0, 0, 1]],
  select: [() => [x(), 0, 1]],
  slice: [() => [x(), 0, 0, 1], undefined, 2],
  manualSeed: [() => [0]],
  rand: [() => [[2]], () => ({ dtype: "float64", generator: new rnn.Generator(1) })],
  randn: [() => [[2]], () => ({ dtype: "float64", generator: new rnn.Generator(1) })],
  dropout: [() => [x(), 0.5, true]],
  gated: [() => ["i"]],
  packPaddedSequence: [
    () => [rnn.zeros([2, 2, 1]), [2, 1]],
    () => ({ batchFirst: true, enforceSorted: false }),
  ],
  packSequence: [() => [[rnn.zeros([2]), rnn.zeros([1])]], () => ({ enforceSorted: false })],
  padPackedSequence: [
    () => [packed()],
    () => ({ batchFirst: true, paddingValue: 1, totalLength: 4 }),
  ],
  padSequence: [
    () => [[rnn.zeros([2]), rnn.zeros([1])]],
    () => ({ batchFirst: true, paddingValue: 1, paddingSide: "left" }),
  ],
  unpackSequence: [() => [packed()]],
  unpadSequence: [() => [rnn.zeros([2, 2]), [2, 1]], () => ({ batchFirst: true })],
  getKernels: [none],
  setKernels: [() => ["auto"]],
  getNumThreads: [none],
  setNumThreads: [() => [1]],
  toOnnx: [() => [lstm().stateDict()]],
  fromOnnx: [() => [rnn.toOnnx(elman().stateDict())], () => ({ nonlinearity: "tanh" })],
  toKeras: [() => [lstm().stateDict()]],
  fromKeras: [() => [rnn.toKeras(elman().stateDict())], () => ({ nonlinearity: "tanh" })],
  toWebnn: [() => [lstm().stateDict()], () => ({ layout: "ifgo" })],
  fromWebnn: [() => [rnn.toWebnn(lstm().stateDict())]],
  mseLoss: [() => [x(), x()], reduction],
  l1Loss: [() => [x(), x()], reduction],
  binaryCrossEntropyWithLogits: [() => [x(), x()], logits],
  crossEntropy: [() => [x(), [0, 1]], entropy],
  nllLoss: [() => [x(), [0, 1]], classes],
  logSoftmax: [() => [x(), 1]],
  defaultCollate: [() => [[x()]]],
  padCollate: [() => [[x()]], () => ({ batchFirst: true, paddingValue: 1 })],
  zeros_: [one],
  constant_: [() => [x(), 1]],
  xavierUniform_: [one, initOptions],
  xavierNormal_: [one, initOptions],
  orthogonal_: [one, initOptions],
  clipGradNorm: [() => [[leaf()], 1], () => ({ normType: 1, errorIfNonfinite: true })],
  clipGradValue: [() => [[leaf()], 1]],
  readSafetensors: [() => [bytes()]],
  writeSafetensors: [() => [{ w: row() }], () => ({ metadata: { format: "pt" } })],
  readTorchFile: [() => [torchFile()]],
  writeTorchFile: [() => [{ w: row() }], undefined, 0],
  parseCheckpoint: [() => [bytes()]],
  readCheckpoint: [() => [bytes()]],
  loadCheckpoint: [() => [bytes()], stateOptions],
  saveSafetensors: [() => [sink(), { w: row() }], () => ({ metadata: { format: "pt" } })],
  saveTorchFile: [() => [sink(), { w: row() }]],
  stateDictOf: [() => [checkpoint()], stateOptions],
  storedStateDictOf: [() => [checkpoint()], stateOptions],
  selectPrefix: [() => [{ "a.b": 1 }, "a."]],
  stripPrefix: [() => [{ "a.b": 1 }, "a."]],
  detectModules: [() => [lstm().stateDict()]],
  modelFromStateDict: [() => [lstm().stateDict()], modelOptions],
  constructModule: [
    () => [rnn.detectModules(lstm().stateDict()).modules[0], modelOptions(), "float64"],
    undefined,
    1,
  ],
};

const classesOf: Table = {
  Tensor: [() => [new Float32Array(2), [2], "float32"], undefined, 2],
  Parameter: [one],
  Generator: [() => [1], undefined, 0],
  IncompatibleKeys: [() => [[], []]],
  Linear: [() => [3, 4], cellOptions],
  LayerNorm: [
    () => [3],
    () => ({ eps: 1e-3, elementwiseAffine: true, bias: true, dtype: "float64" }),
  ],
  Embedding: [() => [3, 4], () => ({ ...padded(), dtype: "float64" })],
  Dropout: [() => [0.5], undefined, 0],
  ModuleList: [() => [[makeLinear()]], undefined, 0],
  Identity: [none],
  Tanh: [none],
  ReLU: [none],
  Sigmoid: [none],
  LogSoftmax: [() => [1]],
  Softmax: [() => [1]],
  RNN: [() => [3, 4], () => ({ ...layerOptions(), nonlinearity: "relu" })],
  LSTM: [() => [3, 4], () => ({ ...layerOptions(), projSize: 2 })],
  GRU: [() => [3, 4], layerOptions],
  RNNCell: [() => [3, 4], () => ({ ...cellOptions(), nonlinearity: "relu" })],
  LSTMCell: [() => [3, 4], cellOptions],
  GRUCell: [() => [3, 4], cellOptions],
  SimpleRNN: [() => [3, 4, 1], () => ({ dtype: "float64" })],
  PackedSequence: [() => [rnn.zeros([3, 1]), [2, 1], [1, 0], [1, 0]], undefined, 2],
  MSELoss: [none, reduction],
  L1Loss: [none, reduction],
  BCEWithLogitsLoss: [none, logits],
  CrossEntropyLoss: [none, entropy],
  NLLLoss: [none, classes],
  SGD: [() => [[leaf()]], sgd],
  Adam: [() => [[leaf()]], () => ({ ...adam(), decoupledWeightDecay: true })],
  AdamW: [() => [[leaf()]], adam],
  RMSprop: [() => [[leaf()]], rmsprop],
  StepLR: [() => [optimizer(), 2], () => ({ gamma: 0.5, lastEpoch: -1 })],
  DataLoader: [() => [[1, 2]], loaderOptions],
  ExponentialLR: [() => [optimizer(), 0.5], () => ({ lastEpoch: -1 })],
  ReduceLROnPlateau: [() => [optimizer()], plateau],
  CosineAnnealingLR: [() => [optimizer(), 2], () => ({ etaMin: 0.5, lastEpoch: -1 })],
  StoredTensor: [
    () => ["float32", [2], new Uint8Array(8)],
    () => ({ byteOffset: 0, strides: [1], littleEndian: true }),
  ],
};

/** Classes that are made by others, or only to be extended; exceptions; PyTorch's kind of shape. */
const notMade = [
  ..."Container Activation DimModule Module RNNBase RNNCellBase Loss Optimizer".split(" "),
  ..."LRScheduler Stream TorchObject Size AssertionError AttributeError IndexError".split(" "),
  ..."KeyError NotImplementedError RuntimeError ValueError ZeroDivisionError"
    .split(" "),
  "CheckpointError",
  ...["affine", "Sequential"], // these take any number of arguments
];

const moduleMethods = (make: () => library.Module): Table => ({
  namedParameters: [none],
  parameters: [none],
  getParameter: [() => ["weight"]],
  stateDict: [none],
  loadStateDict: [() => [make().stateDict()], () => ({ strict: false })],
  to: [() => ["float64"]],
  train: [() => [false], undefined, 0],
  eval: [none],
  zeroGrad: [none],
  children: [none],
  modules: [none],
  buffers: [none],
  namedChildren: [none],
  namedModules: [none],
  namedBuffers: [none],
  apply: [() => [() => {}]],
  requiresGrad_: [() => [false], undefined, 0],
});
const listMethods = (make: () => library.Module, more: Table): Table => ({
  ...moduleMethods(make),
  getParameter: [() => ["0.weight"]],
  at: [() => [0]],
  append: [() => [new rnn.Tanh()]],
  ...more,
});
const cellMethods = (make: () => library.Module, state: () => unknown): Table => ({
  ...moduleMethods(make),
  getParameter: [() => ["weight_ih"]],
  forward: [() => [x(), state()], undefined, 1],
});
const layerMethods = (make: () => library.Module, state: () => unknown): Table => ({
  ...moduleMethods(make),
  getParameter: [() => ["weight_ih_l0"]],
  forward: [() => [x(), state()], undefined, 1],
  stream: [none],
  flattenParameters: [none],
});
const lossMethods = (
  make: () => library.Module,
  target: () => unknown,
  args = () => [x(), target()],
): Table => {
  const { getParameter: _, ...methods } = moduleMethods(make);
  return { ...methods, forward: [args] };
};
const optimizerMethods: Table = {
  addParamGroup: [() => [{ params: [leaf()] }]],
  step: [none],
  zeroGrad: [none],
  stateDict: [none],
  loadStateDict: [() => [optimizer().stateDict()]],
};
const scheduleMethods = (state: () => unknown): Table => ({
  step: [none],
  getLastLr: [none],
  stateDict: [none],
  loadStateDict: [() => [state()]],
});
const h = (rows: number) => () => rnn.zeros([rows, 4]);
const pair = (rows: number) => () => [rnn.zeros([rows, 4]), rnn.zeros([rows, 4])];

const makeLinear = () => new rnn.Linear(3, 4);
const makeEmbedding = () => new rnn.Embedding(3, 4);
const makeSequence = () => new rnn.Sequential(makeLinear());
const makeList = () => new rnn.ModuleList([makeLinear()]);
const makeNorm = () => new rnn.LayerNorm(3);
const makeSimple = () => new rnn.SimpleRNN(3, 4, 1);

/** Objects, and a right call of each of their methods. */
const objects: readonly [() => object, Table][] = [
  [() => rnn.ones([1]), {
    dim: [none],
    numel: [none],
    size: [() => [0], undefined, 0],
    item: [none],
    tolist: [none],
    version: [none],
  }],
  [() => new rnn.Generator(1), {
    getState: [none],
    setState: [() => [new rnn.Generator(2).getState()]],
    manualSeed: [() => [1]],
    initialSeed: [none],
    random: [none],
    random53: [none],
    clone: [none],
  }],
  [makeLinear, { ...moduleMethods(makeLinear), forward: [one] }],
  [makeNorm, { ...moduleMethods(makeNorm), forward: [one] }],
  [makeEmbedding, {
    ...moduleMethods(makeEmbedding),
    forward: [() => [integers()]],
  }],
  [() => new rnn.Dropout(), lossMethods(() => new rnn.Dropout(), none, one)],
  [makeSequence, listMethods(makeSequence, { forward: [one] })],
  [makeList, listMethods(makeList, {})],
  ...[rnn.Identity, rnn.Tanh, rnn.ReLU, rnn.Sigmoid].map((Class) => {
    const make = () => new Class();
    return [make, lossMethods(make, none, one)] as [() => object, Table];
  }),
  [() => new rnn.Softmax(0), lossMethods(() => new rnn.Softmax(0), none, one)],
  [() => new rnn.LogSoftmax(0), lossMethods(() => new rnn.LogSoftmax(0), none, one)],
  [makeSimple, {
    ...moduleMethods(makeSimple),
    getParameter: [() => ["fc.bias"]],
    forward: [() => [rnn.zeros([2, 2, 3])]],
  }],
  [() => new rnn.RNN(3, 4), layerMethods(() => new rnn.RNN(3, 4), h(1))],
  [() => new rnn.GRU(3, 4), layerMethods(() => new rnn.GRU(3, 4), h(1))],
  [() => new rnn.LSTM(3, 4), layerMethods(() => new rnn.LSTM(3, 4), pair(1))],
  [() => new rnn.RNNCell(3, 4), cellMethods(() => new rnn.RNNCell(3, 4), h(2))],
  [() => new rnn.GRUCell(3, 4), cellMethods(() => new rnn.GRUCell(3, 4), h(2))],
  [() => new rnn.LSTMCell(3, 4), cellMethods(() => new rnn.LSTMCell(3, 4), pair(2))],
  [() => new rnn.MSELoss(), lossMethods(() => new rnn.MSELoss(), x)],
  [() => new rnn.L1Loss(), lossMethods(() => new rnn.L1Loss(), x)],
  [() => new rnn.BCEWithLogitsLoss(), lossMethods(() => new rnn.BCEWithLogitsLoss(), x)],
  [() => new rnn.CrossEntropyLoss(), lossMethods(() => new rnn.CrossEntropyLoss(), () => [0, 1])],
  [() => new rnn.NLLLoss(), lossMethods(() => new rnn.NLLLoss(), () => [0, 1])],
  [optimizer, optimizerMethods],
  [() => new rnn.Adam([leaf()]), {
    ...optimizerMethods,
    loadStateDict: [() => [new rnn.Adam([leaf()]).stateDict()]],
  }],
  [() => new rnn.RMSprop([leaf()]), {
    ...optimizerMethods,
    loadStateDict: [() => [new rnn.RMSprop([leaf()]).stateDict()]],
  }],
  [
    () => new rnn.StepLR(optimizer(), 2),
    scheduleMethods(() => new rnn.StepLR(optimizer(), 2).stateDict()),
  ],
  [
    () => new rnn.CosineAnnealingLR(optimizer(), 2),
    scheduleMethods(() => new rnn.CosineAnnealingLR(optimizer(), 2).stateDict()),
  ],
  [
    () => new rnn.ExponentialLR(optimizer(), 2),
    scheduleMethods(() => new rnn.ExponentialLR(optimizer(), 2).stateDict()),
  ],
  [() => new rnn.ReduceLROnPlateau(optimizer()), {
    ...scheduleMethods(() => new rnn.ReduceLROnPlateau(optimizer()).stateDict()),
    step: [() => [0.5]],
  }],
  [() => new rnn.DataLoader([1, 2]), {}],
  [() => rnn.StoredTensor.from(x()), {
    bytes: [none],
    toTensor: [none, () => ({ widen: true })],
    values: [none],
  }],
  [() => packed(), {}],
  [() => new rnn.IncompatibleKeys([], []), {}],
  [() => lstm().stream(), {
    step: [() => [new Float32Array(3), new Float32Array(4)]],
    reset: [none],
    dispose: [none],
  }],
];

/** Methods that TypeScript lets no other program call, or that JavaScript calls itself. */
const inner = new Set(
  ("constructor toString register registerParameter drawParameter ownParameter getName extraRepr " +
    "run takeStep checkRanks check update next settings restore group " +
    "put registered listed registerBuffer ModuleList.forward " +
    "completed optionNames stateNames changes StepLR.apply CosineAnnealingLR.apply ExponentialLR.apply")
    .split(" "),
);

/** The public methods of an object. */
function methodsOf(value: object): string[] {
  const names = new Set<string>();
  const owner = value.constructor.name;
  for (let at = Object.getPrototypeOf(value); at !== Object.prototype;) {
    for (const [name, { value }] of Object.entries(Object.getOwnPropertyDescriptors(at))) {
      const hidden = inner.has(name) || inner.has(`${owner}.${name}`);
      if (typeof value === "function" && !hidden) names.add(name);
    }
    at = Object.getPrototypeOf(at);
  }
  return [...names].sort();
}

/** Every right call by name. */
function* examples(): Generator<[string, Example]> {
  const exported = rnn as unknown as Record<string, (...given: unknown[]) => unknown>;
  for (const [name, [args, options, required]] of Object.entries(functions)) {
    yield [name, { run: (...given) => exported[name](...given), args, options, required }];
  }
  for (const [name, [args, options, required]] of Object.entries(classesOf)) {
    const Class = exported[name] as unknown as new (...given: unknown[]) => unknown;
    yield [`new ${name}`, { run: (...given) => new Class(...given), args, options, required }];
  }
  for (const [make, table] of objects) {
    for (const [name, [args, options, required]] of Object.entries(table)) {
      const run = (...given: unknown[]) =>
        (make() as Record<string, (...given: unknown[]) => unknown>)[name](...given);
      yield [`${make().constructor.name}.${name}`, { run, args, options, required }];
    }
  }
}

/** What PyTorch's constructors keep as it is, for the call to refuse. */
const later =
  /^(new (RNNCell, nonlinearity|\w+Loss, reduction)|Identity.forward, argument 0): passed$/;

/** Something that no argument and no option may be. */
class Nothing {}

const accident =
  /is not a function|Cannot (read|destructure|convert)|undefined|(?<!' object is )not iterable|\[object/;

/** What a call throws; `null` where it goes through. */
async function refusal(run: () => unknown): Promise<Error | null> {
  try {
    await run();
    return null;
  } catch (error) {
    return error as Error;
  }
}

/** Tries one kind of wrong call on every export, and lists those that were not refused for it. */
async function unrefused(
  wrong: (
    example: Example,
  ) => Iterable<readonly [what: string, given: readonly unknown[], wanted?: RegExp]>,
): Promise<string[]> {
  const found: string[] = [];
  for (const [name, example] of examples()) {
    for (const [what, given, wanted] of wrong(example)) {
      const error = await refusal(() => example.run(...given));
      if (error === null) found.push(`${name}, ${what}: passed`);
      else if (accident.test(error.message) || (wanted && !wanted.test(error.message))) {
        found.push(`${name}, ${what}: ${error.name} ${error.message}`);
      }
    }
  }
  return found.filter((line) => !later.test(line));
}

/** What follows the arguments in a call with one argument too many. */
const whole = ({ args, options }: Example) => options ? [...args(), options()] : args();

function snakeCase(name: string): string {
  return name.replace(/[A-Z]/g, (letter) => `_${letter.toLowerCase()}`);
}

describe("options", () => {
  it("ERROR-8: every export, and every public method, has its right call here", async () => {
    const names = Object.entries(rnn).filter(([, value]) => typeof value === "function")
      .map(([name]) => name);
    const known = [...Object.keys(functions), ...Object.keys(classesOf), ...notMade];
    assertEquals(names.sort(), known.sort());
    for (const [make, table] of objects) {
      const value = make();
      const bare = value instanceof rnn.Module && value.parameters().length === 0;
      const methods = methodsOf(value).filter((name) => !bare || name !== "getParameter");
      assertEquals(methods, Object.keys(table).sort(), value.constructor.name);
    }
    const found: string[] = [];
    for (const [name, example] of examples()) {
      const error = await refusal(() => example.run(...whole(example)));
      if (error) found.push(`${name}: ${error.name} ${error.message}`);
    }
    assertEquals(found, []);
  });

  it("ERROR-8: a surplus argument is refused", async () => {
    const wanted = /takes (from \d+ to )?\d+ positional arguments? but \d+ (was|were) given$/;
    assertEquals(
      await unrefused((example) => [["surplus", [...whole(example), "surplus"], wanted]]),
      [],
    );
  });

  it("ERROR-8: a surplus undefined counts as left out, and so does an option", async () => {
    const found: string[] = [];
    for (const [name, example] of examples()) {
      const left = Object.keys(example.options?.() ?? {}).map((key) => [key, undefined]);
      const given = [...example.args(), ...(example.options ? [Object.fromEntries(left)] : [])];
      const error = await refusal(() => example.run(...given, undefined));
      if (error) found.push(`${name}: ${error.name} ${error.message}`);
    }
    assertEquals(found, []);
  });

  it("ERROR-8: a missing argument is refused", async () => {
    const missing = (example: Example) => {
      const { required = example.args().length } = example;
      const few = example.args().slice(0, Math.max(required - 1, 0));
      // A function of Python's and one of PyTorch's say it in two ways; some look at it themselves.
      const wanted = /missing 1 required positional argument(: '\w+'|s: "\w+")$|NoneType|not int$/;
      return required === 0 ? [] : [["missing", few, wanted] as const];
    };
    assertEquals(await unrefused(missing), []);
  });

  it("ERROR-8: an argument that is no such thing is refused", async () => {
    const wrong = (example: Example) =>
      example.args().map((_, k) =>
        [`argument ${k}`, example.args().with(k, new Nothing()) as unknown[]] as const
      );
    assertEquals(await unrefused(wrong), []);
  });

  it("ERROR-8: an unknown option is refused, and the one that was meant is named", async () => {
    const wrong = function* ({ args, options }: Example) {
      if (!options) return;
      const given = { ...options(), zygote: 1 };
      yield ["unknown", [...args(), given], /unexpected keyword argument 'zygote'$/] as const;
      for (const [key, value] of Object.entries(options())) {
        const { [key]: _, ...others } = options();
        const meant = new RegExp(`; did you mean ${key}\\?$`);
        const written = [snakeCase(key), key.toUpperCase(), key.slice(0, -1), `${key}s`];
        if (key.length > 4) written.push(key.slice(0, 2) + key[3] + key[2] + key.slice(4));
        for (const name of written) {
          if (name === key || key.length < 3) continue;
          yield [name, [...args(), { ...others, [name]: value }], meant] as const;
        }
      }
    };
    assertEquals(await unrefused(wrong), []);
  });

  it("ERROR-8: an option that is no such thing is refused", async () => {
    const wrong = ({ args, options }: Example) =>
      Object.keys(options?.() ?? {}).map((key) =>
        [key, [...args(), { ...options!(), [key]: new Nothing() }]] as const
      );
    assertEquals(await unrefused(wrong), []);
  });

  it("ERROR-8: a value in place of the options is refused, with what to write", async () => {
    const wrong = ({ args, options }: Example) => {
      if (!options) return [];
      return [...Object.values(options()), null, new Nothing(), [1]].filter((value) =>
        Object.getPrototypeOf(value ?? 0) !== Object.prototype
      ).map((value) =>
        [`in place: ${value}`, [...args(), value], /takes its options as an object: /] as const
      );
    };
    assertEquals(await unrefused(wrong), []);
  });

  it("ERROR-8: what was passed and what to write instead are told", async () => {
    // deno-lint-ignore no-explicit-any -- calls that TypeScript would refuse
    const r = rnn as any;
    const p = leaf();
    const o = optimizer();
    const y = x();
    const told: [() => unknown, string][] = [
      [
        () => new r.LSTM(3, 4, 2),
        "LSTM takes its options as an object: new LSTM(3, 4, { numLayers: 2 })",
      ],
      [
        () => new r.LSTM(3, 4, { batch_first: true }),
        "RNNBase.__init__() got an unexpected keyword argument 'batch_first'; did you mean " +
        "batchFirst?",
      ],
      [
        () => new r.Linear(2, 2, false),
        "Linear takes its options as an object: new Linear(2, 2, { bias: false })",
      ],
      [
        () => new r.SGD([p], 0.5),
        "SGD takes its options as an object: new SGD(params, { lr: 0.5 })",
      ],
      [
        () => new r.StepLR(o, 1, 0.5),
        "StepLR takes its options as an object: new StepLR(optimizer, 1, { gamma: 0.5 })",
      ],
      [
        () => r.mseLoss(y, y, "sum"),
        'mseLoss takes its options as an object: mseLoss(input, target, { reduction: "sum" })',
      ],
      [
        () => r.mseLoss(y, y, { reductoin: "sum" }),
        "mse_loss() got an unexpected keyword argument 'reductoin'; did you mean reduction?",
      ],
      [() => r.abs(y, 1), "abs() takes 1 positional argument but 2 were given"],
      [
        () => r.sum(y, { dim: 1 }),
        "sum(): argument 'dim' (position 2) must be tuple of ints, not dict; write sum(input, 1)",
      ],
      [
        () => r.packPaddedSequence(y, [2], { batch_first: true }),
        "pack_padded_sequence() got an unexpected keyword argument 'batch_first'; did you mean " +
        "batchFirst?",
      ],
      [
        () => r.padSequence([y], true, 9),
        "padSequence takes its options as an object: padSequence(sequences, { batchFirst: true, " +
        "paddingValue: 9 })",
      ],
      [
        () => r.tensor([1], { requires_grad: true }),
        "tensor() got an unexpected keyword argument 'requires_grad'; did you mean requiresGrad?",
      ],
      [
        () => lstm().loadStateDict({}, false as unknown as object),
        "Module.loadStateDict takes its options as an object: Module.loadStateDict(stateDict, { " +
        "strict: false })",
      ],
      [
        () => new r.Dropout({ p: 0.5 }),
        "Dropout.__init__(): argument 'p' (position 1) must be Number, not dict; write new " +
        "Dropout(0.5)",
      ],
      [
        () => r.randn(2, 3),
        "randn(): argument 'size' (position 1) must be tuple of ints, not int; write randn([2, 3])",
      ],
      [
        () => new r.LSTM(3, 4).forward(y, y),
        "LSTM.forward(): argument 'hx' (position 2) must be pair of Tensors, [h, c], not Tensor",
      ],
      [
        () => new r.LSTM(3, 4, { bidirectional: "no" }),
        "bidirectional should be of type bool, got: str",
      ],
      [() => new r.LSTM(3, 4, { numLayers: true }), "num_layers should be of type int, got: bool"],
      [
        () => new r.LSTM(3, 4, { numLayers: "2" }),
        "'<=' not supported between instances of 'str' and 'int'",
      ],
      [() => r.tanh(), 'tanh() missing 1 required positional arguments: "input"'],
      [
        () => new r.LSTM(),
        "RNNBase.__init__() missing 2 required positional arguments: 'input_size' and " +
        "'hidden_size'",
      ],
      [
        () => r.fromOnnx([{ ...rnn.toOnnx(lstm().stateDict())[0], hiddensize: 4 }]),
        "from_onnx() got an unexpected keyword argument 'hiddensize'; did you mean hiddenSize?",
      ],
      [
        () =>
          r.constructModule(rnn.detectModules(lstm().stateDict()).modules[0], {
            nonlinearity: "relu",
          }),
        "the module is a LSTM, which takes no nonlinearity",
      ],
      [() => lstm().train("x" as unknown as boolean), "training mode is expected to be boolean"],
    ];
    for (const [run, message] of told) assertEquals((await refusal(run))?.message, message);
    assertEquals(String(new r.RNN(1, 2, { projSize: undefined })), "RNN(1, 2)");
  });

  it("ERROR-8, OPTIM-1: a learning rate may be a tensor of one element", () => {
    const p = leaf();
    p.grad = rnn.ones([2]);
    new rnn.SGD([p], { lr: rnn.tensor(0.1) }).step();
    assertEquals(String(p), "tensor([0.9000, 0.9000], requires_grad=True)");
  });
});
