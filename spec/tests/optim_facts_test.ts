/** Chapter training: what optimisers, clipping and schedules refuse and do at their borders. */

import { assertAlmostEquals, assertEquals } from "@std/assert";
import {
  Adam,
  clipGradNorm,
  clipGradValue,
  CosineAnnealingLR,
  ExponentialLR,
  ReduceLROnPlateau,
  type ReduceLROnPlateauOptions,
  RMSprop,
  SGD,
  StepLR,
  tensor,
  zeros,
} from "../../mod.ts";
import { lerp, roundingTo } from "../../lib/optim/rounding.ts";
import { dictOf, readParamState, readSchedule } from "../../lib/optim/state.ts";
import { describe, fact, readablePath } from "./law.ts";

/** The class and the message of what a call throws; nothing if it returns. */
function told(run: () => unknown): string {
  try {
    run();
  } catch (error) {
    return `${(error as Error).name}: ${(error as Error).message}`;
  }
  return "";
}

const refusals = (rows: readonly (readonly [() => unknown, string])[]) =>
  rows.forEach(([run, message]) => assertEquals(told(run), message));

const leaf = () => zeros([1], { requiresGrad: true });
const withGrad = (...values: number[]) => {
  const x = zeros([values.length], { requiresGrad: true });
  x.grad = tensor(values);
  return x;
};

describe("clipping", () => {
  fact(["OPTIM-5"], "each norm of the same gradients", () => {
    const rows: [p: number, norm: number][] = [
      [2, 5],
      [1, 7],
      [0, 1], // of the norms of the gradients, one of them is not 0
      [Infinity, 4],
      [-Infinity, 0],
      [3, Math.cbrt(91)],
    ];
    for (const [normType, norm] of rows) {
      const x = withGrad(3, -4, 0);
      assertAlmostEquals(clipGradNorm([x], 100, { normType }).item() as number, norm, 1e-5);
      assertEquals(x.grad!.tolist(), [3, -4, 0]); // within the limit: as they were
    }
    const three = [withGrad(3), withGrad(0), withGrad(-4, 1)];
    assertEquals(clipGradNorm(three, 100, { normType: 0 }).item(), 2);
    const x = withGrad(3, -4);
    assertEquals(clipGradNorm(x, 2.5).item(), 5);
    [1.5, -2].forEach((one, k) => assertAlmostEquals(x.grad!.data[k], one, 1e-5));
    assertEquals(clipGradNorm([leaf()], 1).item(), 0);
    assertEquals(clipGradNorm([], 1, { errorIfNonfinite: true }).item(), 0);
    const empty = withGrad();
    const without = "on an empty tensor because the operation does not have an identity";
    refusals([
      [
        () => clipGradNorm(empty, 1, { normType: Infinity }),
        `RuntimeError: _foreach_norm cannot compute the infinity norm ${without}`,
      ],
      [
        () => clipGradNorm(empty, 1, { normType: -1 }),
        `RuntimeError: linalg.vector_norm cannot compute the -1 norm ${without}`,
      ],
      [
        () => clipGradNorm(withGrad(NaN), 1, { errorIfNonfinite: true }),
        "RuntimeError: The total norm of order 2.0 for gradients from `parameters` is non-finite, " +
        "so it cannot be clipped. To disable this error and scale the gradients by the " +
        "non-finite norm anyway, set `error_if_nonfinite=False`",
      ],
      [
        () => clipGradNorm([1] as never, 1),
        "TypeError: only gradients of Tensors are clipped, but one is int",
      ],
    ]);
    assertEquals(clipGradNorm(empty, 1).item(), 0);
    assertEquals(clipGradNorm(empty, 1, { normType: 0 }).item(), 0);
    assertEquals(clipGradNorm(withGrad(NaN), 1).item(), NaN);
  }, readablePath);

  fact(["OPTIM-5"], "each value is cut at both limits", () => {
    const cut = (most: number) => {
      const x = withGrad(-2, -1, -0.5, 0, 0.5, 1, 2, NaN);
      clipGradValue(x, most);
      return x.grad!.tolist();
    };
    assertEquals(cut(1), [-1, -1, -0.5, 0, 0.5, 1, 1, NaN]);
    assertEquals(cut(0.5), [-0.5, -0.5, -0.5, 0, 0.5, 0.5, 0.5, NaN]);
    assertEquals(cut(NaN), Array(8).fill(NaN));
  }, readablePath);
});

describe("steps", () => {
  fact(["OPTIM-7"], "rounding and the way between two numbers", () => {
    assertEquals(roundingTo("float32")(0.1), Math.fround(0.1));
    assertEquals(roundingTo("float64")(0.1), 0.1);
    const same = roundingTo("float64");
    assertEquals([0, 0.25, 1, 0.75].map((weight) => lerp(2, 6, weight, same)), [2, 3, 6, 5]);
    // Big and small: from the nearer end, the end itself is kept; at 0.5 it is the second.
    assertEquals(lerp(1e17, 1, 1, same), 1);
    assertEquals(lerp(1, 1e17, 0, same), 1);
    assertEquals(lerp(3, 0.1, 0.5, same), 0.1 - 0.5 * (0.1 - 3));
    assertEquals(lerp(1, 1e17, -0.25, same), 1 - 0.25 * (1e17 - 1));
  }, readablePath);

  fact(["OPTIM-1", "OPTIM-2", "OPTIM-4", "OPTIM-7", "ERROR-6"], "options out of range", () => {
    const params = [leaf()];
    const two = [0.9, 0.999] as const;
    refusals([
      [() => new SGD(params, { lr: -1 }), "ValueError: Invalid learning rate: -1"],
      [() => new Adam(params, { lr: NaN }), "ValueError: Invalid learning rate: nan"],
      [() => new Adam(params, { eps: -1 }), "ValueError: Invalid epsilon value: -1"],
      [
        () => new Adam(params, { weightDecay: -0.5 }),
        "ValueError: Invalid weight_decay value: -0.5",
      ],
      [() => new RMSprop(params, { alpha: -1 }), "ValueError: Invalid alpha value: -1"],
      [
        () => new Adam(params, { betas: [1, 0.9] }),
        "ValueError: Invalid beta parameter at index 0: 1.0",
      ],
      [
        () => new Adam(params, { betas: [0.9, 1] }),
        "ValueError: Invalid beta parameter at index 1: 1.0",
      ],
      [
        () => new Adam(params, { betas: [0.9, -0.1] }),
        "ValueError: Invalid beta parameter at index 1: -0.1",
      ],
      [
        () => new Adam(params, { betas: [tensor(0.9), 0.999] as never }),
        "ValueError: betas must be either both floats or both Tensors",
      ],
      [
        () => new Adam(params, { betas: two.map((b) => tensor(b)) as never }),
        "TypeError: betas must be two numbers here, not tensors: [0.9, 0.999]",
      ],
      [
        () =>
          new Adam(params, { betas: two.map((b) => tensor(b)) as never, foreach: true } as never),
        "ValueError: betas[0] as a Tensor is not supported for capturable=False and foreach=True",
      ],
      [
        () => new Adam(params, { lr: tensor(0.1), foreach: true } as never),
        "ValueError: lr as a Tensor is not supported for capturable=False and foreach=True",
      ],
      [() => new SGD(params, { lr: tensor([1, 2]) }), "ValueError: Tensor lr must be 1-element"],
      [() => new SGD([{}] as never, { lr: 1 }), "KeyError: 'params'"],
      [
        () => new SGD([leaf()], { lr: 1 }).addParamGroup([] as never),
        "TypeError: param_group must be a dict, but got <class 'list'>",
      ],
      [
        () => new SGD([1] as never, { lr: 1 }),
        "TypeError: optimizer can only optimize Tensors, but one of the params is int",
      ],
      [
        () => new SGD(params, { lr: 1 }).addParamGroup({ params } as never),
        "ValueError: some parameters appear in more than one parameter group",
      ],
      [
        () => new SGD([["a", leaf()], leaf()] as never, { lr: 1 }),
        "ValueError: all optimizer params should be with/without names. Some param names are missing",
      ],
      [
        () => new SGD([["a", leaf()]], { lr: 1 }).addParamGroup({ params: leaf() } as never),
        "ValueError: all optimizer param groups should be with/without names. cannot add param " +
        "group without names to the optimizer",
      ],
      [
        () => new SGD([leaf()], { lr: 1 }).addParamGroup({ params: [["a", leaf()]] } as never),
        "ValueError: all optimizer param groups should be with/without names. cannot add param " +
        "group with names to the optimizer",
      ],
    ]);
    assertEquals(told(() => new Adam(params, { betas: [0, 0], eps: 0, weightDecay: 0 })), "");
    assertEquals(told(() => new SGD(params, { lr: 0 })), "");
  }, readablePath);

  fact(["OPTIM-6", "OPTIM-7"], "states are read from objects and Maps, and told what lacks", () => {
    const param = zeros([2]);
    const read = (given: unknown) => readParamState(given, param, "0");
    const own = read(new Map<string, unknown>([["step", 3n], ["a", null], ["b", zeros([2])]]));
    assertEquals(Object.keys(own), ["step", "b"]);
    assertEquals([own.step.item(), own.step.shape], [3, []]);
    const double = zeros([2], { dtype: "float64" });
    assertEquals(read({ step: 2, b: double }).b.dtype, "float32");
    assertEquals(read({ b: { toTensor: () => double } }).b.dtype, "float32");
    const what = "the state of a schedule";
    const before = { last_epoch: 1, base_lrs: [1], mode: "min" };
    const schedule = (state: unknown) => readSchedule(state, before, ["last_epoch"]);
    assertEquals(schedule({ last_epoch: 4, base_lrs: [tensor(0.5), 2] }), {
      last_epoch: 4,
      base_lrs: [0.5, 2],
      mode: "min",
    });
    refusals([
      [() => dictOf([], "it"), "TypeError: it must be a dict, not list"],
      [() => dictOf(null, "it"), "TypeError: it must be a dict, not NoneType"],
      [
        () => read({ b: 1 }),
        "TypeError: the state of parameter 0: b must be a tensor, not int",
      ],
      [
        () => read({ b: zeros([3]) }),
        "RuntimeError: the state of parameter 0: b has the shape torch.Size([3]), the parameter " +
        "torch.Size([2])",
      ],
      [() => schedule({}), "KeyError: 'last_epoch'"],
      [
        () => schedule({ last_epoch: [1] }),
        `TypeError: ${what}: last_epoch must be a number, not list`,
      ],
      [
        () => schedule({ last_epoch: 1, base_lrs: 1 }),
        `TypeError: ${what}: base_lrs must be a list of numbers, not int`,
      ],
      [
        () => schedule({ last_epoch: 1, base_lrs: ["a"] }),
        `TypeError: ${what}: base_lrs must be a list of numbers, not list`,
      ],
      [
        () => schedule({ last_epoch: "a" }),
        `TypeError: ${what}: last_epoch must be a number, not str`,
      ],
      [() => new StepLR({} as never, 1), "TypeError: dict is not an Optimizer"],
    ]);
  }, readablePath);
});

describe("schedules", () => {
  /** The learning rates after each of these metrics, from 1. */
  const rates = (metrics: number[], options: ReduceLROnPlateauOptions) => {
    const optimizer = new SGD([leaf()], { lr: 1 });
    const schedule = new ReduceLROnPlateau(optimizer, { factor: 0.5, patience: 0, ...options });
    return metrics.map((metric) => {
      schedule.step(metric);
      return optimizer.paramGroups[0].lr;
    });
  };

  fact(["OPTIM-8"], "a plateau: both modes, both thresholds, at their borders", () => {
    const zero = { threshold: 0 };
    assertEquals(rates([4, 4, 3, 3], zero), [1, 0.5, 0.5, 0.25]);
    assertEquals(rates([4, 4, 5, 5], { ...zero, mode: "max" }), [1, 0.5, 0.5, 0.25]);
    assertEquals(rates([4, 3, 2.9], { threshold: 0.25 }), [1, 0.5, 0.5]); // 3 is not below 3
    assertEquals(rates([4, 5, 5.1], { threshold: 0.25, mode: "max" }), [1, 0.5, 0.5]);
    const by = { threshold: 1, thresholdMode: "abs" } as const;
    assertEquals(rates([4, 3, 2.9], by), [1, 0.5, 0.5]);
    assertEquals(rates([4, 5, 5.1], { ...by, mode: "max" }), [1, 0.5, 0.5]);
    assertEquals(rates([4, 4, 4, 4, 4], { patience: 1 }), [1, 1, 0.5, 0.5, 0.25]);
    assertEquals(rates([4, 4, 4, 4, 4, 4], { cooldown: 2 }), [1, 0.5, 0.5, 0.5, 0.25, 0.25]);
    assertEquals(rates([4, 4, 4, 4], { minLr: 0.3 }), [1, 0.5, 0.3, 0.3]);
    assertEquals(rates([4, 4, 4, 4], { minLr: [0.3] }), [1, 0.5, 0.3, 0.3]);
    assertEquals(rates([4, 4, 4], { eps: 0.5 }), [1, 1, 1]); // a change of just eps is not made
    assertEquals(rates([4, 4, 4], { eps: 0.4 }), [1, 0.5, 0.5]);
  }, readablePath);

  fact(["OPTIM-8", "ERROR-6"], "a plateau's defaults, state and refusals", () => {
    const optimizer = new SGD([leaf()], { lr: 1 });
    assertEquals(new ReduceLROnPlateau(optimizer).stateDict(), {
      factor: 0.1,
      default_min_lr: 0,
      min_lrs: [0],
      patience: 10,
      cooldown: 0,
      eps: 1e-8,
      last_epoch: 0,
      _last_lr: [1],
      mode_worse: Infinity,
      mode: "min",
      threshold: 1e-4,
      threshold_mode: "rel",
      best: Infinity,
      cooldown_counter: 0,
      num_bad_epochs: 0,
    });
    const { best, mode_worse } = new ReduceLROnPlateau(optimizer, { mode: "max" }).stateDict();
    assertEquals([best, mode_worse], [-Infinity, -Infinity]);
    const made = (options: object) => () => new ReduceLROnPlateau(optimizer, options);
    refusals([
      [made({ factor: 1 }), "ValueError: Factor should be < 1.0."],
      [made({ factor: 0.99 }), ""],
      [made({ mode: "mid" }), "ValueError: mode mid is unknown!"],
      [made({ thresholdMode: "no" }), "ValueError: threshold mode no is unknown!"],
      [made({ minLr: [0, 0] }), "ValueError: expected 1 min_lrs, got 2"],
    ]);
    const grown = (minLr: number | number[]) => () => {
      const optimizer = new SGD([leaf()], { lr: 1 });
      const schedule = new ReduceLROnPlateau(optimizer, { minLr, patience: 0 });
      schedule.step(1);
      optimizer.addParamGroup({ params: [leaf()], lr: 4 } as never);
      schedule.step(1);
      assertEquals(schedule.getLastLr(), [0.25, 0.4]);
    };
    refusals([
      [grown(0.25), ""],
      [
        grown([0.25]),
        "RuntimeError: The number of param groups in the `optimizer` (2) differs from when " +
        "`ReduceLROnPlateau` was initialized (1), usually due to a new param group being added " +
        "to the optimizer. Please modify the `min_lrs` field to match the length of the " +
        "`optimizer` param groups.",
      ],
    ]);
  }, readablePath);

  fact(["OPTIM-6"], "schedules by steps: defaults, going on, and what lacks", () => {
    const optimizer = new SGD([leaf()], { lr: 1 });
    const resumed = () => new ExponentialLR(optimizer, 0.5, { lastEpoch: 3 });
    const lacking = told(resumed);
    assertEquals(
      lacking.slice(0, lacking.indexOf(" when")),
      `KeyError: "param 'initial_lr' is not specified in param_groups[0]`,
    );
    const step = new StepLR(optimizer, 2);
    optimizer.step(); // else a schedule warns
    const after = [1, 2, 3, 4].map(() => {
      step.step();
      return optimizer.paramGroups[0].lr;
    });
    assertEquals(after, [1, 0.1, 0.1, 0.1 * 0.1]);
    assertEquals(step.stateDict(), {
      step_size: 2,
      gamma: 0.1,
      base_lrs: [1],
      last_epoch: 4,
      _step_count: 5,
      _is_initial: false,
      _get_lr_called_within_step: false,
      _last_lr: [0.1 * 0.1],
    });
    assertEquals([resumed().lastEpoch, new CosineAnnealingLR(optimizer, 4).etaMin], [4, 0]);
    const none = new CosineAnnealingLR(optimizer, 0);
    optimizer.step();
    assertEquals(told(() => none.step()), "ZeroDivisionError: integer modulo by zero");
  }, readablePath);
});
