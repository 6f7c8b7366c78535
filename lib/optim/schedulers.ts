/** Learning rates that change as training goes on. */

import { any, check, int, number, type Options } from "../call.ts";
import { ValueError, ZeroDivisionError } from "../errors.ts";
import type { Optimizer } from "./optimizer.ts";
import { LRScheduler, type SchedulerOptions, type SchedulerState } from "./scheduler.ts";

/** What can go wrong where a schedule divides. */
function modulo(a: number, b: number): number {
  if (b === 0) throw new ZeroDivisionError("integer modulo by zero");
  return a % b;
}

/**
 * The options of {@linkcode StepLR}.
 * @category Optimisers and schedules
 */
export interface StepLROptions extends SchedulerOptions {
  /** The factor. @default 0.1 */
  readonly gamma?: number;
}

/**
 * The options of {@linkcode CosineAnnealingLR}.
 * @category Optimisers and schedules
 */
export interface CosineAnnealingLROptions extends SchedulerOptions {
  /** The learning rate at the end of the half turn. @default 0 */
  readonly etaMin?: number;
}

/**
 * Multiplies the learning rate by gamma after every `stepSize` steps
 * (`torch.optim.lr_scheduler.StepLR`; OPTIM-6).
 *
 * @example
 * ```ts
 * import { SGD, StepLR, zeros } from "@rnn-spec/rnn-spec";
 * import { assertEquals } from "@std/assert";
 *
 * const optimizer = new SGD([zeros([1], { requiresGrad: true })], { lr: 1 });
 * const schedule = new StepLR(optimizer, 2, { gamma: 0.5 });
 * const rates = [1, 2, 3, 4].map(() => {
 *   optimizer.step();
 *   schedule.step();
 *   return optimizer.paramGroups[0].lr;
 * });
 * assertEquals(rates, [1, 0.5, 0.5, 0.25]);
 * ```
 * @category Optimisers and schedules
 */
export class StepLR extends LRScheduler {
  /** The factor. */
  gamma: number;

  /** How many steps lie between two changes. */
  stepSize: number;

  /**
   * Takes the optimiser and the factor.
   *
   * @param optimizer the optimiser, whose learning rates are the base
   * @param stepSize how many steps lie between two changes
   * @param options the factor, by default 0.1; the number of the last step
   * @throws {TypeError} if the optimiser is none, or there is no such option
   * @throws {KeyError} if the schedule is to go on and a group lacks its `initialLr`
   */
  constructor(optimizer: Optimizer, stepSize: number, options: StepLROptions = {}) {
    check([
      "StepLR",
      { optimizer: any, stepSize: number },
      { gamma: number, lastEpoch: int } satisfies Options<StepLROptions>,
    ], arguments);
    super(optimizer, { lastEpoch: options.lastEpoch });
    this.stepSize = stepSize;
    this.gamma = options.gamma ?? 0.1;
    if (this.lastEpoch !== 0) this.apply();
  }

  /** Tells whether the step is one that multiplies. */
  protected override changes(): boolean {
    return this.lastEpoch !== 0 && modulo(this.lastEpoch, this.stepSize) === 0;
  }

  /** Multiplies. */
  protected override next(lr: number): number {
    return lr * this.gamma;
  }

  /** Returns the arguments. */
  protected override settings(): SchedulerState {
    return { step_size: this.stepSize, gamma: this.gamma };
  }

  /** Takes the arguments back. */
  protected override restore(settings: SchedulerState): void {
    this.stepSize = settings.step_size as number;
    this.gamma = settings.gamma as number;
  }
}

/**
 * Lets the learning rate fall from its base to `etaMin` along half a turn of the cosine
 * (`torch.optim.lr_scheduler.CosineAnnealingLR`; OPTIM-6), and rise again after that:
 * `etaMin + (base - etaMin)(1 + cos(π t / tMax)) / 2`. It is computed from the step before, as
 * PyTorch does, so that a learning rate changed by hand is carried on.
 *
 * @example
 * ```ts
 * import { CosineAnnealingLR, SGD, zeros } from "@rnn-spec/rnn-spec";
 * import { assertEquals } from "@std/assert";
 *
 * const optimizer = new SGD([zeros([1], { requiresGrad: true })], { lr: 1 });
 * const schedule = new CosineAnnealingLR(optimizer, 2);
 * const rates = [1, 2].map(() => {
 *   optimizer.step();
 *   schedule.step();
 *   return optimizer.paramGroups[0].lr.toFixed(2);
 * });
 * assertEquals(rates, ["0.50", "0.00"]);
 * ```
 * @category Optimisers and schedules
 */
export class CosineAnnealingLR extends LRScheduler {
  /** The learning rate at the end of the half turn. */
  etaMin: number;

  /** How many steps half a turn takes. */
  tMax: number;

  /**
   * Takes the optimiser and the extent of the half turn.
   *
   * @param optimizer the optimiser, whose learning rates are the base
   * @param tMax how many steps half a turn takes
   * @param options the learning rate at its end, by default 0; the number of the last
   * step
   * @throws {TypeError} if the optimiser is none, or there is no such option
   * @throws {KeyError} if the schedule is to go on and a group lacks its `initialLr`
   */
  constructor(optimizer: Optimizer, tMax: number, options: CosineAnnealingLROptions = {}) {
    check([
      "CosineAnnealingLR",
      { optimizer: any, T_max: number },
      { etaMin: number, lastEpoch: int } satisfies Options<CosineAnnealingLROptions>,
    ], arguments);
    super(optimizer, { lastEpoch: options.lastEpoch });
    this.tMax = tMax;
    this.etaMin = options.etaMin ?? 0;
  }

  /** Follows the cosine from the step before. */
  protected override next(lr: number, base: number): number {
    const [t, { tMax, etaMin }] = [this.lastEpoch, this];
    if (modulo(t - 1 - tMax, 2 * tMax) === 0) { // the step before was the lowest
      if (base === undefined) throw new ValueError("zip() argument 2 is longer than argument 1");
      return lr + (base - etaMin) * (1 - Math.cos(Math.PI / tMax)) / 2;
    }
    const [now, before] = [t, t - 1].map((step) => 1 + Math.cos(Math.PI * step / tMax));
    return now / before * (lr - etaMin) + etaMin;
  }

  /** Returns the arguments. */
  protected override settings(): SchedulerState {
    return { T_max: this.tMax, eta_min: this.etaMin };
  }

  /** Takes the arguments back. */
  protected override restore(settings: SchedulerState): void {
    this.tMax = settings.T_max as number;
    this.etaMin = settings.eta_min as number;
  }
}

/**
 * Multiplies the learning rate by gamma after every step
 * (`torch.optim.lr_scheduler.ExponentialLR`; OPTIM-8).
 *
 * @example
 * ```ts
 * import { ExponentialLR, SGD, zeros } from "@rnn-spec/rnn-spec";
 * import { assertEquals } from "@std/assert";
 *
 * const optimizer = new SGD([zeros([1], { requiresGrad: true })], { lr: 1 });
 * const schedule = new ExponentialLR(optimizer, 0.5);
 * optimizer.step();
 * schedule.step();
 * assertEquals(optimizer.paramGroups[0].lr, 0.5);
 * ```
 * @category Optimisers and schedules
 */
export class ExponentialLR extends LRScheduler {
  /** The factor. */
  gamma: number;

  /**
   * Takes the optimiser and the factor.
   *
   * @param optimizer the optimiser, whose learning rates are the base
   * @param gamma the factor
   * @param options the number of the last step
   * @throws {TypeError} if the optimiser is none, or there is no such option
   * @throws {KeyError} if the schedule is to go on and a group lacks its `initialLr`
   */
  constructor(optimizer: Optimizer, gamma: number, options: SchedulerOptions = {}) {
    check([
      "ExponentialLR",
      { optimizer: any, gamma: number },
      { lastEpoch: int } satisfies Options<SchedulerOptions>,
    ], arguments);
    super(optimizer, options);
    this.gamma = gamma;
  }

  /** Multiplies. */
  protected override next(lr: number): number {
    return lr * this.gamma;
  }

  /** Returns the argument. */
  protected override settings(): SchedulerState {
    return { gamma: this.gamma };
  }

  /** Takes the argument back. */
  protected override restore(settings: SchedulerState): void {
    this.gamma = settings.gamma as number;
  }
}
