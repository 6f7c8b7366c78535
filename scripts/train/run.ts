/**
 * What `train.ts` trains: a model, the notebook's sine, an optimiser, and all of it as a checkpoint.
 *
 * @module
 */

import {
  decode,
  encode,
  type JsonOptimizerState,
  type JsonTensor,
} from "../../lib/conformance/mod.ts";
import {
  Adam,
  AdamW,
  backward,
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
  type Tensor,
  tensor,
} from "../../mod.ts";

/** What a training is, but for how long it runs. */
export interface Config {
  /** One of {@linkcode models}. */
  model: string;
  /** H, the features of the hidden state. */
  hiddenSize: number;
  /** One of {@linkcode optimizers}. */
  optimizer: string;
  /** The learning rate. */
  lr: number;
  /** For `manualSeed`. */
  seed: number;
}

/** LSTM or GRU, and a fully connected layer on its last time step: {@linkcode SimpleRNN}'s kin. */
class LastStep extends Module {
  readonly rnn: LSTM | GRU;
  readonly fc: Linear;
  constructor(kind: typeof LSTM | typeof GRU, hiddenSize: number) {
    super();
    this.rnn = this.register("rnn", new kind(1, hiddenSize, { batchFirst: true }));
    this.fc = this.register("fc", new Linear(hiddenSize, 1));
  }
  override forward(x: Tensor): Tensor {
    const [output] = this.rnn.forward(x);
    return this.fc.forward(select(output, 1, -1));
  }
}

/** A model of the next value: from shape `(N, L, 1)` to `(N, 1)`. */
type Model = Module & { forward(x: Tensor): Tensor };

/** The models, by name. */
export const models: Readonly<Record<string, (hiddenSize: number) => Model>> = {
  SimpleRNN: (hiddenSize) => new SimpleRNN(1, hiddenSize, 1),
  LSTM: (hiddenSize) => new LastStep(LSTM, hiddenSize),
  GRU: (hiddenSize) => new LastStep(GRU, hiddenSize),
};

/** The optimisers, by name. */
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

/** The sine at a point. */
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

/** A training as a file: JSON, in PyTorch's names. */
interface Checkpoint {
  format: "rnn-spec checkpoint";
  config: Config;
  losses: JsonTensor;
  state_dict: Record<string, JsonTensor>;
  optimizer: JsonOptimizerState;
}

/** A training that can stop anywhere and go on elsewhere, bit for bit. */
export class Training {
  readonly #model: Model;
  readonly #optimizer: Optimizer;
  readonly #examples = examples();
  /** The loss before each step that has been taken. */
  readonly losses: number[] = [];

  /** What to train. */
  readonly config: Config;

  /**
   * Draws the weights.
   *
   * @param config what to train
   */
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

  /**
   * What the model says comes next.
   *
   * @param points the points it sees
   * @returns the point after them
   */
  predict(points: readonly number[]): number {
    return noGrad(() => this.#model.forward(tensor([points.map((x) => [x])]))).item();
  }

  /** Returns everything that it takes to go on, for {@linkcode Training.restore}. */
  checkpoint(): Checkpoint {
    const { state, param_groups } = this.#optimizer.stateDict();
    const encodeAll = (tensors: Record<string, Tensor>) =>
      Object.fromEntries(Object.entries(tensors).map(([name, x]) => [name, encode(x)]));
    return {
      format: "rnn-spec checkpoint",
      config: this.config,
      losses: encode(tensor(Float64Array.from(this.losses))),
      state_dict: encodeAll(this.#model.stateDict()),
      optimizer: {
        state: Object.fromEntries(Object.entries(state).map(([k, own]) => [k, encodeAll(own)])),
        param_groups,
      },
    };
  }

  /**
   * Goes on where a checkpoint was taken.
   *
   * @param saved what {@linkcode Training.checkpoint} gave, perhaps by way of a file
   * @returns the training
   * @throws {Error} if it is no checkpoint
   */
  static restore(saved: unknown): Training {
    const { format, config, losses, state_dict, optimizer } = (saved ?? {}) as Checkpoint;
    if (format !== "rnn-spec checkpoint") throw new Error("it is no checkpoint of this program");
    const decodeAll = (tensors: Record<string, JsonTensor>) =>
      Object.fromEntries(Object.entries(tensors).map(([name, x]) => [name, decode(x, "float32")]));
    const training = new Training(config);
    training.#model.loadStateDict(decodeAll(state_dict));
    training.#optimizer.loadStateDict({
      state: Object.fromEntries(
        Object.entries(optimizer.state).map(([k, own]) => [k, decodeAll(own)]),
      ),
      param_groups: optimizer.param_groups as OptimizerState["param_groups"],
    });
    training.losses.push(...decode(losses, "float64").data);
    return training;
  }
}
