/** Chapter training: steps with each option, what is printed, remembered and loaded. */

import { assert, assertAlmostEquals, assertEquals, assertThrows } from "@std/assert";
import {
  Adam,
  AdamW,
  clipGradNorm,
  clipGradValue,
  KeyError,
  type Optimizer,
  RMSprop,
  SGD,
  StepLR,
  type Tensor,
  tensor,
  zeros,
} from "../../mod.ts";
import { readSchedule, tensorOf } from "../../lib/optim/state.ts";
import { describe, fact, readablePath } from "./law.ts";

// deno-lint-ignore no-explicit-any -- what TypeScript refuses, too
type Untyped = any;
type Maker = new (params: Tensor[], options?: Untyped) => Optimizer;

const leaf = () => zeros([1], { requiresGrad: true });

/** The class and the message of what a call throws; nothing if it returns. */
function told(run: () => unknown): string {
  try {
    run();
  } catch (error) {
    return `${(error as Error).name}: ${(error as Error).message}`;
  }
  return "";
}

/** What a function warns of. */
function warned(run: () => unknown): string[] {
  const { warn } = console;
  const warnings: string[] = [];
  console.warn = (text: string) => warnings.push(text);
  try {
    run();
  } finally {
    console.warn = warn;
  }
  return warnings;
}

/** An optimiser of one number that has taken one step along a gradient of 1. */
function stepped(Class: Maker, options: object) {
  const p = tensor([1], { requiresGrad: true });
  p.grad = tensor([1]);
  const optimizer = new Class([p], options);
  const before = p.version();
  optimizer.step();
  return { p, optimizer, changes: p.version() - before, own: optimizer.stateDict().state[0] };
}

describe("steps", () => {
  fact(["OPTIM-1", "OPTIM-2", "OPTIM-3", "OPTIM-4"], "three steps, as PyTorch takes them", () => {
    const half = { lr: 0.5, eps: 0.25 };
    const rows: [Maker, object, number[]][] = [
      [SGD, { lr: 0.5, weightDecay: 1 }, [0, -1.6875]],
      [SGD, { lr: 0.5, momentum: 1, dampening: 0.25 }, [-0.46875, -1.8125]],
      [SGD, { lr: 0.5, momentum: 0.5, nesterov: true }, [-0.15625, -3.53125]],
      [
        SGD,
        { lr: 0.5, momentum: 0.5, dampening: 0.25, weightDecay: 0.5, maximize: true },
        [1.39990234375, 0.115234375],
      ],
      [Adam, { ...half, weightDecay: 1 }, [0.2741580219492421, -0.9973552777141207]],
      [
        Adam,
        { ...half, amsgrad: true, betas: [0.5, 0.25] },
        [0.7479849849870746, -1.8124060154699333],
      ],
      [AdamW, { ...half, weightDecay: 1 }, [-0.26157517039601946, -0.2766074117509161]],
      [
        AdamW,
        { ...half, weightDecay: 0.5, amsgrad: true },
        [-0.014796187590470994, -0.7016639371464428],
      ],
      [
        RMSprop,
        { ...half, alpha: 0.5, weightDecay: 1 },
        [0.43841567167513906, -1.5459618991412762],
      ],
      [
        RMSprop,
        { ...half, alpha: 0.75, centered: true },
        [0.35957803544177935, -2.3577637491118093],
      ],
      [
        RMSprop,
        { ...half, alpha: 0.75, momentum: 0.5 },
        [-0.24380122952474087, -1.9342818817702996],
      ],
      [
        RMSprop,
        { ...half, alpha: 0.25, momentum: 0.5, centered: true },
        [-0.7142823580261763, -1.9288816846147712],
      ],
    ];
    for (const [Class, options, wanted] of rows) {
      const p = tensor([1.5, -2], { dtype: "float64", requiresGrad: true });
      const optimizer = new Class([p], options);
      for (const values of [[0.5, -1], [2, 0.25], [-0.75, 3]]) {
        p.grad = tensor(values, { dtype: "float64" });
        optimizer.step();
      }
      wanted.forEach((x, k) => assertAlmostEquals(p.data[k], x, 1e-12, JSON.stringify(options)));
    }
  }, readablePath);

  fact(["OPTIM-2"], "the mean gradient moves from its nearer end", () => {
    // At 0.5 the last bit tells: it is 1 - 0.5 · (1 - 1/3), and not 1/3 + 0.5 · (1 - 1/3).
    const rows = [[0, 1e17, 2, 2], [0.5, 1 / 3, 1, 0.6666666666666666]];
    for (const [beta, mean, next, wanted] of rows) {
      const p = tensor([1], { dtype: "float64", requiresGrad: true });
      const optimizer = new Adam([p], { betas: [beta, 0.5] });
      p.grad = tensor([1], { dtype: "float64" });
      optimizer.step();
      optimizer.stateDict().state[0].exp_avg.data[0] = mean;
      p.grad = tensor([next], { dtype: "float64" });
      optimizer.step();
      assertEquals(optimizer.stateDict().state[0].exp_avg.item(), wanted);
    }
  }, readablePath);

  fact(["OPTIM-2", "OPTIM-3", "OPTIM-7"], "a decay of its own is a change of its own", () => {
    assertEquals(stepped(AdamW, { weightDecay: 0 }).changes, 1);
    assertEquals(stepped(AdamW, {}).changes, 2);
    assertEquals(stepped(Adam, { weightDecay: 1 }).changes, 1);
  }, readablePath);

  fact(["OPTIM-1", "OPTIM-2", "OPTIM-4", "OPTIM-7"], "what each remembers", () => {
    const names = (Class: Maker, options: object = {}) =>
      Object.keys(stepped(Class, options).own ?? {});
    assertEquals(stepped(SGD, { lr: 1 }).optimizer.stateDict().state, {});
    assertEquals(names(SGD, { momentum: 1 }), ["momentum_buffer"]);
    assertEquals(names(Adam), ["step", "exp_avg", "exp_avg_sq"]);
    assertEquals(names(AdamW, { amsgrad: true }).at(-1), "max_exp_avg_sq");
    assertEquals(names(RMSprop), ["step", "square_avg"]);
    assertEquals(names(RMSprop, { momentum: 0.5 }), ["step", "square_avg", "momentum_buffer"]);
    assertEquals(names(RMSprop, { centered: true }), ["step", "square_avg", "grad_avg"]);
    const { step } = stepped(RMSprop, {}).own;
    assertEquals([step.item(), step.shape, step.dtype], [1, [], "float32"]);
  }, readablePath);

  fact(["OPTIM-1", "OPTIM-4", "ERROR-6"], "options at their borders", () => {
    const params = [leaf()];
    const nesterov = "ValueError: Nesterov momentum requires a momentum and zero dampening";
    const make = (Class: Maker, options: object) => told(() => new Class(params, options));
    const rows: [Maker, object, string][] = [
      [SGD, { nesterov: true }, nesterov],
      [SGD, { nesterov: true, momentum: 0.5, dampening: 0.5 }, nesterov],
      [SGD, { nesterov: true, momentum: 0.5 }, ""],
      [SGD, { lr: NaN }, ""],
      [SGD, { lr: 0.5 }, ""],
      [SGD, { momentum: -1 }, "ValueError: Invalid momentum value: -1"],
      [RMSprop, { momentum: NaN }, "ValueError: Invalid momentum value: nan"],
      [RMSprop, { lr: 0, eps: 0, momentum: 0, weightDecay: 0, alpha: 0 }, ""],
      [Adam, { lr: 0 }, ""],
      [Adam, { foreach: true }, ""],
      [Adam, { fused: true }, ""],
      [Adam, { lr: tensor(0.5) }, ""],
      [
        Adam,
        { fused: true, foreach: true },
        "RuntimeError: `fused` and `foreach` cannot be `True` together.",
      ],
      [
        Adam,
        { capturable: true },
        "RuntimeError: Adam has no step that is captured or differentiated: leave out capturable",
      ],
      [
        RMSprop,
        { differentiable: true },
        "RuntimeError: RMSprop has no step that is captured or differentiated: leave out " +
        "differentiable",
      ],
      [SGD, { foreach: 1 }, "TypeError: SGD.__init__(): argument 'foreach' must be bool, not int"],
      [SGD, { maximize: null }, ""],
      [
        SGD,
        { lr: "1" },
        "TypeError: SGD.__init__(): argument 'lr' must be Number, not str",
      ],
      [
        AdamW,
        { decoupledWeightDecay: true },
        "TypeError: AdamW.__init__() got an unexpected keyword argument 'decoupled_weight_decay'",
      ],
      [
        Adam,
        { betas: [0.5, "a"] },
        "TypeError: Adam.__init__(): argument 'betas' must be pair of Numbers, not list",
      ],
    ];
    for (const [Class, options, message] of rows) {
      assertEquals(make(Class, options), message, JSON.stringify(options));
    }
    assertEquals(warned(() => new SGD([leaf(), leaf()])), []);
    assertEquals(told(() => new SGD(5 as Untyped)), "TypeError: 'int' object is not iterable");
  }, readablePath);
});

describe("what is printed", () => {
  fact(["PRINT-6", "OPTIM-7"], "each optimiser's defaults", () => {
    const text = (Class: Maker, options?: object) => String(new Class([leaf()], options));
    const lines = (name: string, options: object) =>
      `${name} (\nParameter Group 0\n` +
      Object.entries(options).map(([key, value]) => `    ${key}: ${value}\n`).join("") + ")";
    const plain = {
      ...{ dampening: 0, differentiable: "False", foreach: "None", fused: "None", lr: 0.001 },
      ...{ maximize: "False", momentum: 0, nesterov: "False", weight_decay: 0 },
    };
    const adam = {
      ...{ amsgrad: "False", betas: "(0.9, 0.999)", capturable: "False" },
      ...{ decoupled_weight_decay: "False", differentiable: "False", eps: "1e-08" },
      ...{ foreach: "None", fused: "None", lr: 0.001, maximize: "False", weight_decay: 0 },
    };
    assertEquals(text(SGD), lines("SGD", plain));
    assertEquals(text(SGD, { lr: 1 }), lines("SGD", { ...plain, lr: 1 }));
    assertEquals(text(SGD, { lr: tensor(0.5) }), lines("SGD", { ...plain, lr: 0.5 }));
    const rate = tensor([0.5]);
    assertEquals(text(SGD, { lr: rate }), lines("SGD", { ...plain, lr: "tensor([0.5000])" }));
    assertEquals(text(Adam), lines("Adam", adam));
    const own = { decoupled_weight_decay: "True", weight_decay: 0.01 };
    assertEquals(text(AdamW), lines("AdamW", { ...adam, ...own }));
    assertEquals(
      text(RMSprop),
      lines("RMSprop", {
        ...{ alpha: 0.99, capturable: "False", centered: "False", differentiable: "False" },
        ...{ eps: "1e-08", foreach: "None", lr: 0.01, maximize: "False", momentum: 0 },
        weight_decay: 0,
      }),
    );
    const optimizer = new SGD([leaf()], { lr: 1, weightDecay: 1 });
    const schedule = new StepLR(optimizer, 1, { gamma: 1 });
    optimizer.step();
    schedule.step(); // Python's product of 1 and a float is a float
    const printed = String(optimizer);
    assert(printed.includes("    lr: 1.0\n") && printed.includes("    weight_decay: 1\n"), printed);
    optimizer.paramGroups[0].lr = 2;
    assert(String(optimizer).includes("    lr: 2\n"));
  }, readablePath);

  fact(["OPTIM-7", "PRINT-6"], "names: none, kept, loaded", () => {
    const plain = new SGD([leaf()]);
    plain.loadStateDict(plain.stateDict());
    assert(!String(plain).includes("param_names"));
    const named = new SGD([["own", leaf()]]);
    const { state, param_groups: [group] } = named.stateDict();
    named.loadStateDict({ state, param_groups: [{ ...group, param_names: ["other"] }] });
    assertEquals(named.paramGroups[0].paramNames, ["other"]);
    const empty = new SGD([{ params: [] }]);
    const [none] = empty.stateDict().param_groups;
    empty.loadStateDict({ state: {}, param_groups: [{ ...none, param_names: [] }] });
    assert(String(empty).includes("    param_names: []\n"));
  }, readablePath);
});

describe("what is remembered", () => {
  fact(["OPTIM-7"], "numbers of parameters go on from group to group", () => {
    const optimizer = new SGD([
      { params: [leaf(), leaf()] },
      { params: [leaf(), leaf()] },
      { params: [leaf()] },
    ]);
    const groups = optimizer.stateDict().param_groups;
    assertEquals(groups.map(({ params }) => params), [[0, 1], [2, 3], [4]]);
    const order = [0.5, tensor(0.5)].map((lr) =>
      Object.keys(new SGD([leaf()], { lr }).stateDict().param_groups[0])
    );
    assertEquals(order[1], order[0]);
    const { params: [first] } = optimizer.paramGroups[0];
    assertEquals(
      told(() => optimizer.addParamGroup({ params: [first] })),
      "ValueError: some parameters appear in more than one parameter group",
    );
  }, readablePath);

  fact(["OPTIM-7"], "a state of nothing is none; one that lacks something is refused", () => {
    const { p, optimizer } = stepped(Adam, {});
    const { state: { 0: own }, param_groups } = optimizer.stateDict();
    optimizer.loadStateDict({ state: { 0: {} }, param_groups });
    optimizer.step();
    assertEquals(optimizer.stateDict().state[0].step.item(), 1);
    optimizer.loadStateDict({ state: { 0: { step: own.step } }, param_groups });
    assertEquals(assertThrows(() => optimizer.step(), KeyError).message, "'exp_avg'");
    const lacking = new SGD([p], { lr: tensor(0.5) });
    delete (lacking.paramGroups[0] as Untyped).lr;
    assertEquals(assertThrows(() => lacking.step(), KeyError).message, "'lr'");
  }, readablePath);

  fact(["OPTIM-6", "OPTIM-7"], "options and tensors are read whole", () => {
    const optimizer = new SGD([leaf()]);
    const { param_groups: [group] } = optimizer.stateDict();
    const load = (more: object) =>
      optimizer.loadStateDict({ state: {}, param_groups: [{ ...group, ...more }] } as Untyped);
    load({ momentum: 3n, milestones: [3] });
    const [loaded] = optimizer.stateDict().param_groups as Untyped[];
    assertEquals([loaded.momentum, loaded.milestones], [3, [3]]);
    assert(Object.isFrozen(loaded.milestones));
    assertEquals(
      told(() => load({ momentum: "a" })),
      "TypeError: param_groups: momentum is of no type that an option has: str",
    );
    assertEquals(
      told(() => optimizer.loadStateDict({ state: {}, param_groups: [group, 5] } as Untyped)),
      "TypeError: param_groups[1] must be a dict, not int",
    );
    const x = zeros([1]);
    const stored = { toTensor: (options: object) => (assertEquals(options, { widen: true }), x) };
    assertEquals([5, null, {}, "toTensor", stored, x].map(tensorOf), [
      null,
      null,
      null,
      null,
      x,
      x,
    ]);
    assertEquals(
      told(() => readSchedule({ rates: [1, "a"] }, { rates: [1] }, [])),
      "TypeError: the state of a schedule: rates must be a list of numbers, not list",
    );
    assertEquals(readSchedule({}, { rates: [1] }, []), { rates: [1] });
  }, readablePath);

  fact(["OPTIM-6"], "a schedule by steps that goes on begins with a step", () => {
    const rate = (stepSize: number, lastEpoch: number) => {
      const optimizer = new SGD([{ params: [leaf()], lr: 1 }]);
      optimizer.paramGroups[0].initialLr = 1;
      const schedule = new StepLR(optimizer, stepSize, { lastEpoch });
      assertEquals(schedule.getLastLr(), [optimizer.paramGroups[0].lr]);
      return schedule.getLastLr()[0];
    };
    assertEquals([rate(1, 0), rate(2, 0), rate(2, 1)], [0.1, 1, 0.1]);
  }, readablePath);
});

fact(["OPTIM-5"], "clipping at 0 keeps the sign of 0; a generator of some is no mistake", () => {
  const x = zeros([3], { requiresGrad: true });
  x.grad = tensor([0, -0, 1]);
  clipGradValue([x], 0);
  assertEquals([...x.grad.data].map((value) => Object.is(value, -0)), [false, true, false]);
  const some = (function* () {
    yield x;
  })();
  assertEquals(warned(() => clipGradNorm(some, 1)), []);
}, readablePath);
