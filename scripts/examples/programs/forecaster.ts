/** A forecaster: what it is, how it learns a series, and how it goes on with it step by step. */

import {
  Adam,
  backward,
  DataLoader,
  ExponentialLR,
  type FloatDType,
  Generator,
  Linear,
  LSTM,
  manualSeed,
  Module,
  mseLoss,
  noGrad,
  type Tensor,
  tensor,
} from "../../../mod.ts";

/** What the model learns from, and how. */
export interface ForecasterData {
  readonly series: readonly number[];
  /** For `manualSeed`, and for the order of the windows. */
  readonly seed: number;
}

/** A value of the series: two waves whose periods do not fit. */
function valueAt(t: number): number {
  const sum = 0.6 * Math.sin(t / 3) + 0.35 * Math.sin(t / 7.5);
  return Math.round(1000 * sum) / 1000;
}

/** A series of values, from a point in time on. */
export function seriesFrom(start: number, length: number): number[] {
  return Array.from({ length }, (_, t) => valueAt(start + t));
}

/** What the command learns. */
export const data: ForecasterData = { series: seriesFrom(0, 400), seed: 0 };

/** H; how many values a window has, how many lie between the starts of two, and the batch. */
const [hidden, window, apart, batchSize] = [24, 40, 3, 24];

/** An LSTM, and a fully connected layer at every step. */
export class Forecaster extends Module {
  readonly lstm: LSTM;
  readonly fc: Linear;

  constructor(dtype: FloatDType) {
    super();
    this.lstm = new LSTM(1, hidden, { batchFirst: true, dtype });
    this.fc = new Linear(hidden, 1, { dtype });
  }

  /** From values, `(N, L, 1)`, to the value that follows each, `(N, L, 1)`. */
  override forward(x: Tensor): Tensor {
    return this.fc.forward(this.lstm.forward(x)[0]);
  }
}

/** The model of a series, and the losses before each of its steps, without end. */
export function training(
  { series, seed }: ForecasterData,
  dtype: FloatDType = "float32",
): { model: Forecaster; optimizer: Adam; losses: Iterator<number, never> } {
  manualSeed(seed);
  const model = new Forecaster(dtype);
  const optimizer = new Adam(model.parameters(), { lr: 0.01 });
  const schedule = new ExponentialLR(optimizer, 0.99);
  const values = (from: number) =>
    tensor(series.slice(from, from + window).map((value) => [value]), { dtype });
  const windows: [Tensor, Tensor][] = [];
  for (let t = 0; t + window < series.length; t += apart) {
    windows.push([values(t), values(t + 1)]);
  }
  const generator = new Generator(seed);
  const loader = new DataLoader(windows, { batchSize, shuffle: true, generator, dropLast: true });
  function* steps(): IterableIterator<number, never> {
    for (;;) {
      for (const [x, y] of loader) {
        optimizer.zeroGrad();
        const loss = mseLoss(model.forward(x), y);
        backward(loss);
        optimizer.step();
        yield loss.item();
      }
      schedule.step();
    }
  }
  return { model, optimizer, losses: steps() };
}

/**
 * Goes on with a series, one step in time after the other: first along values that are given, then
 * along its own.
 *
 * @returns what it says of each value that follows the first
 */
export function stream(model: Forecaster, given: readonly number[], length: number): number[] {
  using steps = model.lstm.stream();
  const [x, h] = [new Float32Array(1), new Float32Array(hidden)];
  const said: number[] = [];
  for (let t = 0; t < length; t++) {
    x[0] = given[t] ?? said[t - 1];
    steps.step(x, h);
    said.push(noGrad(() => model.fc.forward(tensor([[...h]]))).item());
  }
  return said;
}
