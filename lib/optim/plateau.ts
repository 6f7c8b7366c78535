/** A learning rate that falls where training no longer gets better. */

import { any, check, checkCount, int, number, numberOrList, text } from "../call.ts";
import { RuntimeError, ValueError } from "../errors.ts";
import { refuseFloat } from "../python.ts";
import { Tensor } from "../tensor/tensor.ts";
import type { Optimizer } from "./optimizer.ts";
import { setComputedRate } from "./param_group.ts";
import { checkOptimizer, ratesOf } from "./scheduler.ts";
import { readSchedule, type StateLike } from "./state.ts";

/**
 * The options of {@linkcode ReduceLROnPlateau}.
 * @category Optimisers and schedules
 */
export interface ReduceLROnPlateauOptions {
  /** Whether a smaller metric is better, or a larger one. @default "min" */
  readonly mode?: "min" | "max";
  /** What the learning rate is multiplied with, less than 1. @default 0.1 */
  readonly factor?: number;
  /** How many steps without a better metric are put up with. @default 10 */
  readonly patience?: number;
  /** How much better a metric must be to count as better. @default 1e-4 */
  readonly threshold?: number;
  /** Whether the threshold is a part of the best metric, or a difference. @default "rel" */
  readonly thresholdMode?: "rel" | "abs";
  /** How many steps after a change do not count. @default 0 */
  readonly cooldown?: number;
  /** The least learning rate, of all groups or of each. @default 0 */
  readonly minLr?: number | readonly number[];
  /** A change of no more than this is not made. @default 1e-8 */
  readonly eps?: number;
}

/**
 * All that a {@linkcode ReduceLROnPlateau} remembers, by PyTorch's names.
 * @category Optimisers and schedules
 */
export type PlateauState = Record<string, number | string | readonly number[] | null>;

/**
 * Multiplies the learning rate by `factor` once a metric has not become better for more than
 * `patience` steps (`torch.optim.lr_scheduler.ReduceLROnPlateau`; OPTIM-8).
 *
 * @example
 * ```ts
 * import { ReduceLROnPlateau, SGD, zeros } from "@rnn-spec/rnn-spec";
 * import { assertEquals } from "@std/assert";
 *
 * const optimizer = new SGD([zeros([1], { requiresGrad: true })], { lr: 1 });
 * const schedule = new ReduceLROnPlateau(optimizer, { factor: 0.5, patience: 1 });
 * const rates = [3, 2, 2, 2, 1].map((loss) => {
 *   schedule.step(loss);
 *   return optimizer.paramGroups[0].lr;
 * });
 * assertEquals(rates, [1, 1, 1, 0.5, 0.5]);
 * ```
 * @category Optimisers and schedules
 */
export class ReduceLROnPlateau {
  readonly #optimizer: Optimizer;
  #state: PlateauState;

  /**
   * Takes the optimiser, whose learning rates are to fall.
   *
   * @param optimizer the optimiser
   * @param options when, how far, and how long after the last change
   * @throws {ValueError} if the factor is not less than 1, a mode is unknown, or there are not as
   * many least learning rates as groups
   * @throws {TypeError} if the optimiser is none, or there is no such option
   */
  constructor(optimizer: Optimizer, options: ReduceLROnPlateauOptions = {}) {
    check(["ReduceLROnPlateau", { optimizer: any }, {
      mode: text,
      factor: number,
      patience: int,
      threshold: number,
      thresholdMode: text,
      cooldown: int,
      minLr: numberOrList,
      eps: number,
    }], arguments);
    const { mode = "min", factor = 0.1, patience = 10, threshold = 1e-4 } = options;
    const { thresholdMode = "rel", cooldown = 0, minLr = 0, eps = 1e-8 } = options;
    if (factor >= 1) throw new ValueError("Factor should be < 1.0.");
    checkOptimizer(optimizer);
    this.#optimizer = optimizer;
    const groups = optimizer.paramGroups.length;
    const lowest = typeof minLr === "number" ? Array(groups).fill(minLr) : [...minLr];
    if (lowest.length !== groups) {
      throw new ValueError(`expected ${groups} min_lrs, got ${lowest.length}`);
    }
    const worst = mode === "min" ? Infinity : -Infinity;
    this.#state = known({
      factor,
      default_min_lr: typeof minLr === "number" ? minLr : null,
      min_lrs: lowest,
      ...{
        patience,
        cooldown,
        eps,
        last_epoch: 0,
        _last_lr: ratesOf(optimizer),
        mode_worse: worst,
      },
      ...{ mode, threshold, threshold_mode: thresholdMode, best: worst },
      ...{ cooldown_counter: 0, num_bad_epochs: 0 },
    });
  }

  /**
   * Looks at a metric, such as the loss of an epoch, and lets the learning rates fall if it is time.
   *
   * @param metrics a number, or a tensor of one
   * @throws {TypeError | RuntimeError} if it is neither
   * @throws {RuntimeError} if groups have come that have no least learning rate
   */
  step(metrics: number | Tensor): void {
    checkCount("ReduceLROnPlateau.step", 1, arguments);
    const current = metrics instanceof Tensor ? metrics.item() : metrics;
    if (typeof current !== "number") refuseFloat(metrics);
    const own = { ...this.#state } as Record<string, number>;
    const sign = own.mode as unknown === "min" ? -1 : 1;
    const wanted = this.#state.threshold_mode === "rel"
      ? own.best * (1 + sign * own.threshold)
      : own.best + sign * own.threshold;
    const better = sign * current > sign * wanted;
    own.last_epoch++;
    if (better) own.best = current;
    own.num_bad_epochs = better ? 0 : own.num_bad_epochs + 1;
    if (own.cooldown_counter > 0) {
      own.cooldown_counter--;
      own.num_bad_epochs = 0;
    }
    if (own.num_bad_epochs > own.patience) {
      this.#reduce(own);
      own.cooldown_counter = own.cooldown;
      own.num_bad_epochs = 0;
    }
    this.#state = { ...own, _last_lr: ratesOf(this.#optimizer) };
  }

  #reduce(own: PlateauState): void {
    const { paramGroups } = this.#optimizer;
    if ((own.min_lrs as number[]).length !== paramGroups.length) {
      if (own.default_min_lr === null) {
        throw new RuntimeError(
          `The number of param groups in the \`optimizer\` (${paramGroups.length}) differs from ` +
            "when `ReduceLROnPlateau` was initialized " +
            `(${(own.min_lrs as number[]).length}), usually due to a new param group being added ` +
            "to the optimizer. Please modify the `min_lrs` field to match the length of the " +
            "`optimizer` param groups.",
        );
      }
      own.min_lrs = paramGroups.map(() => own.default_min_lr as number);
    }
    paramGroups.forEach((group, k) => {
      const lr = Math.max(group.lr * (own.factor as number), (own.min_lrs as number[])[k]);
      if (group.lr - lr > (own.eps as number)) setComputedRate(group, lr);
    });
  }

  /** Returns the learning rate of each group, as it was after the last step (`get_last_lr`). */
  getLastLr(): number[] {
    checkCount("ReduceLROnPlateau.getLastLr", 0, arguments);
    return [...this.#state._last_lr as number[]];
  }

  /** Returns all that the schedule remembers, by PyTorch's names. */
  stateDict(): PlateauState {
    checkCount("ReduceLROnPlateau.stateDict", 0, arguments);
    return structuredClone(this.#state);
  }

  /**
   * Takes over what another schedule of this kind remembered, this library's or PyTorch's.
   *
   * @param state what {@linkcode ReduceLROnPlateau.stateDict} gave, or the `Map` that
   * `readTorchFile` gives
   * @throws {KeyError | TypeError | ValueError} if it is no such state; nothing is then changed
   */
  loadStateDict(state: StateLike<PlateauState>): void {
    check(["ReduceLROnPlateau.loadStateDict", { stateDict: any }], arguments);
    const before = { ...this.#state, default_min_lr: null }; // a number, or none for a list
    const own = readSchedule(state, before as PlateauState, Object.keys(before));
    this.#state = known(own);
  }
}

/** Refuses modes that there are not. */
function known(state: PlateauState): PlateauState {
  const { mode, threshold_mode } = state;
  if (mode !== "min" && mode !== "max") throw new ValueError(`mode ${mode} is unknown!`);
  if (threshold_mode !== "rel" && threshold_mode !== "abs") {
    throw new ValueError(`threshold mode ${threshold_mode} is unknown!`);
  }
  return state;
}
