/** What every schedule of learning rates is: a step after each step of the optimiser, and a state. */

import { any, check, checkCount } from "../call.ts";
import { KeyError } from "../errors.ts";
import { pythonText, pythonType } from "../python.ts";
import { Optimizer, stepped } from "./optimizer.ts";
import { keepInitialRate, setComputedRate } from "./param_group.ts";
import { readSchedule, type StateLike } from "./state.ts";

/**
 * All that a schedule remembers, by PyTorch's names.
 * @category Optimisers and schedules
 */
export type SchedulerState = Record<string, number | boolean | readonly number[]>;

/**
 * What every schedule may be told.
 * @category Optimisers and schedules
 */
export interface SchedulerOptions {
  /**
   * The number of the last step, where a schedule goes on with an optimiser whose groups know their
   * `initialLr`; -1, the default, is a new start.
   */
  readonly lastEpoch?: number;
}

/** Refuses what is no optimiser. */
export function checkOptimizer(optimizer: unknown): void {
  if (optimizer instanceof Optimizer) return;
  throw new TypeError(`${pythonType(optimizer)} is not an Optimizer`);
}

/** The learning rate of each group. */
export function ratesOf({ paramGroups }: Optimizer): number[] {
  return paramGroups.map(({ lr }) => lr);
}

/**
 * The base of the schedules (`torch.optim.lr_scheduler.LRScheduler`): one step after each step, or
 * each epoch, of the optimiser.
 * @category Optimisers and schedules
 */
export abstract class LRScheduler {
  /** The learning rate of each group before the first step. */
  baseLrs: readonly number[];
  /** How many steps have been taken. */
  lastEpoch: number;
  /** The optimiser. */
  protected readonly optimizer: Optimizer;
  #stepCount = 1; // the constructor's own, which changes nothing, counts
  #lastLr: readonly number[];

  /**
   * Takes the optimiser, whose learning rates are the base.
   *
   * @param optimizer the optimiser
   * @param options the number of the last step
   * @throws {TypeError} if the optimiser is none
   * @throws {KeyError} if the schedule is to go on and a group lacks its `initialLr`
   */
  constructor(optimizer: Optimizer, options: SchedulerOptions = {}) {
    checkOptimizer(optimizer);
    const { lastEpoch = -1 } = options;
    const lacking = optimizer.paramGroups.findIndex(({ initialLr }) => initialLr === undefined);
    if (lastEpoch === -1) optimizer.paramGroups.forEach(keepInitialRate);
    else if (lacking >= 0) {
      throw new KeyError(pythonText(
        `param 'initial_lr' is not specified in param_groups[${lacking}] when resuming scheduler ` +
          "with last_epoch >= 0.\nThis typically happens when:\n1. You're trying to resume " +
          "training from a checkpoint but haven't properly loaded the optimizer state\n2. You're " +
          "using last_epoch >= 0 for a fresh training run (not recommended)",
      ));
    }
    this.optimizer = optimizer;
    this.baseLrs = optimizer.paramGroups.map(({ initialLr }) => initialLr!);
    this.lastEpoch = lastEpoch + 1;
    this.#lastLr = ratesOf(this.optimizer);
  }

  /**
   * The learning rate of the step that `lastEpoch` counts.
   *
   * @param lr the learning rate of the step before
   * @param base the learning rate before the first step
   */
  protected abstract next(lr: number, base: number): number;

  /** Tells whether the step that `lastEpoch` counts computes a learning rate at all. */
  protected changes(): boolean {
    return true;
  }

  /** Returns what the schedule was made with, by PyTorch's names. */
  protected abstract settings(): SchedulerState;

  /** Takes back what {@linkcode LRScheduler.settings} returned. */
  protected abstract restore(settings: SchedulerState): void;

  /** Sets the learning rates of the step that `lastEpoch` counts. */
  protected apply(): void {
    const { paramGroups } = this.optimizer;
    if (this.changes()) {
      const rates = paramGroups.map(({ lr }, k) => this.next(lr, this.baseLrs[k]));
      paramGroups.forEach((group, k) => setComputedRate(group, rates[k]));
    }
    this.#lastLr = ratesOf(this.optimizer);
  }

  /**
   * Sets the learning rates for the next step of the optimiser. Warns, as PyTorch does, where the
   * first step comes before the optimiser's.
   *
   * @throws {ZeroDivisionError} if the schedule divides by a period of 0
   */
  step(): void {
    checkCount("LRScheduler.step", 0, arguments);
    if (this.#stepCount === 1 && !stepped.has(this.optimizer)) {
      console.warn(
        "Detected call of `lr_scheduler.step()` before `optimizer.step()`. In PyTorch 1.1.0 and " +
          "later, you should call them in the opposite order: `optimizer.step()` before " +
          "`lr_scheduler.step()`.  Failure to do this will result in PyTorch skipping the first " +
          "value of the learning rate schedule. See more details at " +
          "https://pytorch.org/docs/stable/optim.html#how-to-adjust-learning-rate",
      );
    }
    this.lastEpoch++;
    try {
      this.apply();
      this.#stepCount++;
    } catch (error) {
      this.lastEpoch--; // what fails leaves everything as it was
      throw error;
    }
  }

  /** Returns the learning rate of each group, as this schedule last set it (`get_last_lr`). */
  getLastLr(): number[] {
    checkCount("LRScheduler.getLastLr", 0, arguments);
    return [...this.#lastLr];
  }

  /** Returns all that the schedule remembers, by PyTorch's names. */
  stateDict(): SchedulerState {
    checkCount("LRScheduler.stateDict", 0, arguments);
    return {
      ...this.settings(),
      base_lrs: [...this.baseLrs],
      last_epoch: this.lastEpoch,
      _step_count: this.#stepCount,
      _is_initial: false,
      _get_lr_called_within_step: false,
      _last_lr: this.getLastLr(),
    };
  }

  /**
   * Takes over what another schedule of the same kind remembered, this library's or PyTorch's. The
   * learning rates themselves are the optimiser's, and in its state.
   *
   * @param state what {@linkcode LRScheduler.stateDict} gave, or the `Map` that `readTorchFile` gives
   * @throws {TypeError} if it is no state of a schedule; nothing is then changed
   * @throws {KeyError} if it is another kind's; nothing is then changed
   */
  loadStateDict(state: StateLike<SchedulerState>): void {
    check(["LRScheduler.loadStateDict", { stateDict: any }], arguments);
    const settings = this.settings();
    const now = { base_lrs: this.baseLrs, last_epoch: this.lastEpoch, _last_lr: this.#lastLr };
    const own = readSchedule(
      state,
      { ...settings, ...now, _step_count: this.#stepCount },
      [...Object.keys(settings), "base_lrs", "last_epoch"],
    );
    this.restore(own);
    [this.baseLrs, this.#lastLr] = [own.base_lrs, own._last_lr];
    [this.lastEpoch, this.#stepCount] = [own.last_epoch, own._step_count];
  }
}
