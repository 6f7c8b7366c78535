/**
 * What `train.ts` trains: a model, the notebook's sine, an optimiser, and all of it as a checkpoint.
 */

import {
  Adam,
  AdamW,
  backward,
  defaultGenerator,
  GRU,
  Linear,
  LSTM,
  manualSeed,
  Module,
  mseLoss,
  noGrad,
  type Optimizer,
  type OptimizerState,
  RMSprop,
  select,
  SGD,
  SimpleRNN,
  type StateDict,
  stateDictOf,
  StoredTensor,
  type Tensor,
  tensor,
  type TorchValue,
} from "../../mod.ts";

/** What a training is, but for how long it runs. */
export interface Config {
  /** One of {@linkcode models}. */
  model: string;
  /** H, the features of the hidden state. */
  hiddenSize: number;
  /** One of {@linkcode optimizers}. */
  optimizer: string;
  lr: number;
  seed: number;
}

/** LSTM or GRU, and a fully connected layer on its last time step: {@linkcode SimpleRNN}'s kin. */
class LastStep extends Module {
  readonly rnn: LSTM | GRU;
  readonly fc: Linear;
  constructor(kind: typeof LSTM | typeof GRU, hiddenSize: number) {
    super();
    this.rnn = new kind(1, hiddenSize, { batchFirst: true });
    this.fc = new Linear(hiddenSize, 1);
  }
  override forward(x: Tensor): Tensor {
    const [output] = this.rnn.forward(x);
    return this.fc.forward(select(output, 1, -1));
  }
}

/** A model of the next value: from shape `(N, L, 1)` to `(N, 1)`. */
type Model = Module & { forward(x: Tensor): Tensor };

export const models: Readonly<Record<string, (hiddenSize: number) => Model>> = {
  SimpleRNN: (hiddenSize) => new SimpleRNN(1, hiddenSize, 1),
  LSTM: (hiddenSize) => new LastStep(LSTM, hiddenSize),
  GRU: (hiddenSize) => new LastStep(GRU, hiddenSize),
};

export const optimizers: Readonly<Record<string, (model: Module, lr: number) => Optimizer>> = {
  Adam: (model, lr) => new Adam(model.parameters(), { lr }),
  AdamW: (model, lr) => new AdamW(model.parameters(), { lr }),
  RMSprop: (model, lr) => new RMSprop(model.parameters(), { lr }),
  SGD: (model, lr) => new SGD(model.parameters(), { lr, momentum: 0.9 }),
};

/** The notebook's sine: ten points from 0 to π, nine steps apart. */
const step = Math.PI / 9;
/** How many points a turn has. */
const turn = 18;
/** How many points the model sees. */
export const seen = 10;

export function sine(t: number): number {
  return Math.sin(t * step);
}

/** Every ten points of a turn in a row, and the point that follows them. */
function examples(): { input: Tensor; target: Tensor } {
  const starts = Array.from({ length: turn }, (_, k) => k);
  const points = Array.from({ length: seen }, (_, t) => t);
  return {
    input: tensor(starts.map((k) => points.map((t) => [sine(k + t)]))),
    target: tensor(starts.map((k) => [sine(k + seen)])),
  };
}

/** What is in the file of a training; all of it opens in PyTorch. */
interface Saved {
  format: "rnn-spec training";
  config: Config;
  step: number;
  /** The loss before each of them. */
  losses: Tensor;
  model: StateDict;
  optimizer: OptimizerState;
  /** The default generator's state, for `torch.set_rng_state`. */
  generator: StoredTensor;
}

/** A dict of a file. */
type Dict = ReadonlyMap<unknown, TorchValue>;

/** Refuses what cannot be gone on from. */
function refuse(what: string): never {
  throw new Error(what);
}

/** A part of a dict that must be one itself. */
function dictAt(from: Dict, key: string): Dict {
  const part = from.get(key);
  return part instanceof Map ? part : refuse(`it has no dict ${key}`);
}

/** A tensor of a dict, of a dtype. */
function tensorAt(from: Dict, key: string, dtype: StoredTensor["dtype"]): StoredTensor {
  const part = from.get(key);
  return part instanceof StoredTensor && part.dtype === dtype && part.shape.length === 1
    ? part
    : refuse(`${key} is no vector of ${dtype}`);
}

/** The configuration in a file, each part checked as the command line's is. */
function configOf(given: Dict): Config {
  const take = <T extends number | string>(name: string, good: (value: unknown) => boolean): T =>
    good(given.get(name))
      ? given.get(name) as T
      : refuse(`config: ${name} is ${JSON.stringify(String(given.get(name)))}`);
  const whole = (from: number, to: number) => (x: unknown) =>
    Number.isInteger(x) && (x as number) >= from && (x as number) <= to;
  const known = (of: object) => (x: unknown) => typeof x === "string" && Object.hasOwn(of, x);
  return {
    model: take("model", known(models)),
    hiddenSize: take("hiddenSize", whole(1, 1024)),
    optimizer: take("optimizer", known(optimizers)),
    lr: take("lr", (x) => typeof x === "number" && x >= 0 && x < Infinity),
    seed: take("seed", whole(0, Number.MAX_SAFE_INTEGER)),
  };
}

/** A training that can stop anywhere and go on elsewhere, bit for bit. */
export class Training {
  readonly #model: Model;
  readonly #optimizer: Optimizer;
  readonly #examples = examples();
  /** The loss before each step that has been taken. */
  readonly losses: number[] = [];

  readonly config: Config;

  constructor(config: Config) {
    this.config = config;

    manualSeed(config.seed);
    this.#model = models[config.model](config.hiddenSize);
    this.#optimizer = optimizers[config.optimizer](this.#model, config.lr);
  }

  /** Takes one step on all examples. */
  step(): void {
    const { input, target } = this.#examples;
    this.#optimizer.zeroGrad();
    const loss = mseLoss(this.#model.forward(input), target);
    backward(loss);
    this.#optimizer.step();
    this.losses.push(loss.item());
  }

  /** What the model says comes next. */
  predict(points: readonly number[]): number {
    return noGrad(() => this.#model.forward(tensor([points.map((x) => [x])]))).item();
  }

  /** Returns everything that it takes to go on, for {@linkcode Training.restore}. */
  checkpoint(): Saved {
    const { model, hiddenSize, optimizer, lr, seed } = this.config;
    return {
      format: "rnn-spec training",
      config: { model, hiddenSize, optimizer, lr, seed }, // in one order, so that equal is equal
      step: this.losses.length,
      losses: tensor(Float64Array.from(this.losses)),
      model: this.#model.stateDict(),
      optimizer: this.#optimizer.stateDict(),
      generator: new StoredTensor("uint8", [5056], defaultGenerator.getState()),
    };
  }

  /**
   * Goes on where a checkpoint was taken.
   *
   * @param saved what a file of {@linkcode Training.checkpoint} holds
   * @throws {Error} if it is no checkpoint, or not whole
   */
  static restore(saved: TorchValue): Training {
    if (!(saved instanceof Map) || saved.get("format") !== "rnn-spec training") {
      return refuse("it is no checkpoint of this program");
    }
    const config = configOf(dictAt(saved, "config"));
    const training = new Training(config);
    const losses = tensorAt(saved, "losses", "float64").values() as Float64Array;
    if (saved.get("step") !== losses.length) refuse("it has more or fewer losses than steps");
    for (const loss of losses) training.losses.push(loss);
    const weights = stateDictOf(dictAt(saved, "model") as TorchValue);
    const other = Object.entries(weights).find(([, { dtype }]) => dtype !== "float32");
    if (other) refuse(`model: ${other[0]} is ${other[1].dtype}`);
    training.#model.loadStateDict(weights);
    const fresh = training.#optimizer.stateDict().param_groups;
    training.#optimizer.loadStateDict(dictAt(saved, "optimizer"));
    const { state, param_groups: groups } = training.#optimizer.stateDict();
    // This program changes no option, so they must be those of the configuration.
    if (JSON.stringify(groups) !== JSON.stringify(fresh)) {
      refuse("optimizer: its options are not those of the configuration");
    }
    for (const [key, own] of Object.entries(state)) {
      const step = own.step?.data[0] ?? losses.length;
      if (step !== losses.length) refuse(`optimizer: parameter ${key} has taken ${step} steps`);
    }
    const stateful = losses.length > 0 && Object.keys(state).length !== weightsOf(groups);
    if (stateful) refuse("optimizer: it does not remember all parameters");
    defaultGenerator.setState(tensorAt(saved, "generator", "uint8").values() as Uint8Array);
    return training;
  }
}

/** How many parameters the groups have. */
function weightsOf(groups: OptimizerState["param_groups"]): number {
  return groups.reduce((sum, { params }) => sum + (params as readonly number[]).length, 0);
}
