/**
 * Learning rates that change as training goes on.
 *
 * @module
 */

import { any, type Call, check, checkCount, number, record } from "../call.ts";
import { pythonType } from "../python.ts";
import { Optimizer } from "./optimizer.ts";

/** What each may be given. */
const calls = {
  StepLR: ["StepLR", { optimizer: any, stepSize: number }, { gamma: number }],
  CosineAnnealingLR: [
    "CosineAnnealingLR",
    { optimizer: any, T_max: number },
    { etaMin: number },
  ],
  loadStateDict: ["LRScheduler.loadStateDict", { stateDict: record }],
} satisfies Record<string, Call>;

/** All that a schedule remembers, by PyTorch's names. */
export type SchedulerState = Record<string, number | boolean | readonly number[]>;

/**
 * The base of the schedules (`torch.optim.lr_scheduler.LRScheduler`): one step after each step, or
 * each epoch, of the optimiser.
 */
export abstract class LRScheduler {
  /** The learning rate of each group before the first step. */
  baseLrs: readonly number[];
  /** How many steps have been taken. */
  lastEpoch = 0;

  /** The optimiser. */
  protected readonly optimizer: Optimizer;

  /**
   * Takes the optimiser, whose learning rates are the base.
   *
   * @param optimizer the optimiser
   */
  constructor(optimizer: Optimizer) {
    if (!(optimizer instanceof Optimizer)) {
      throw new TypeError(`${pythonType(optimizer)} is not an Optimizer`);
    }
    this.optimizer = optimizer;
    this.baseLrs = optimizer.paramGroups.map((group) => group.initialLr ??= group.lr);
  }

  /**
   * The learning rate of the step that `lastEpoch` counts.
   *
   * @param lr the learning rate of the step before
   * @param base the learning rate before the first step
   */
  protected abstract next(lr: number, base: number): number;

  /** Returns what the schedule was made with, by PyTorch's names. */
  protected abstract settings(): SchedulerState;

  /** Takes back what {@linkcode LRScheduler.settings} returned. */
  protected abstract restore(settings: SchedulerState): void;

  /** Sets the learning rates for the next step of the optimiser. */
  step(): void {
    checkCount("LRScheduler.step", 0, arguments);
    this.lastEpoch++;
    this.optimizer.paramGroups.forEach((group, k) => {
      group.lr = this.next(group.lr, this.baseLrs[k]);
    });
  }

  /** Returns the learning rate of each group, as last set (`get_last_lr`). */
  getLastLr(): number[] {
    checkCount("LRScheduler.getLastLr", 0, arguments);
    return this.optimizer.paramGroups.map(({ lr }) => lr);
  }

  /** Returns all that the schedule remembers, by PyTorch's names. */
  stateDict(): SchedulerState {
    checkCount("LRScheduler.stateDict", 0, arguments);
    return {
      ...this.settings(),
      base_lrs: [...this.baseLrs],
      last_epoch: this.lastEpoch,
      _step_count: this.lastEpoch + 1,
      _is_initial: false,
      _get_lr_called_within_step: false,
      _last_lr: this.getLastLr(),
    };
  }

  /**
   * Takes over what another schedule of the same kind remembered. The learning rates themselves are
   * the optimiser's, and in its state.
   *
   * @param state what {@linkcode LRScheduler.stateDict} gave
   */
  loadStateDict(state: SchedulerState): void {
    check(calls.loadStateDict, arguments);
    this.restore(state);
    this.baseLrs = [...state.base_lrs as readonly number[]];
    this.lastEpoch = state.last_epoch as number;
  }
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
   * @param options the factor; 0.1 unless told otherwise
   */
  constructor(
    optimizer: Optimizer,
    stepSize: number,
    options: { readonly gamma?: number } = {},
  ) {
    check(calls.StepLR, arguments);
    super(optimizer);
    this.stepSize = stepSize;
    this.gamma = options.gamma ?? 0.1;
  }

  /** Multiplies, or not. */
  protected override next(lr: number): number {
    return this.lastEpoch % this.stepSize === 0 ? lr * this.gamma : lr;
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
   * @param options the learning rate at its end; 0 unless told otherwise
   */
  constructor(
    optimizer: Optimizer,
    tMax: number,
    options: { readonly etaMin?: number } = {},
  ) {
    check(calls.CosineAnnealingLR, arguments);
    super(optimizer);
    this.tMax = tMax;
    this.etaMin = options.etaMin ?? 0;
  }

  /** Follows the cosine from the step before. */
  protected override next(lr: number, base: number): number {
    const [t, { tMax, etaMin }] = [this.lastEpoch, this];
    if ((t - 1 - tMax) % (2 * tMax) === 0) { // the step before was the lowest: nothing to scale
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
