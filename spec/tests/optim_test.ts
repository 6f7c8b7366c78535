/** Chapter training: optimisers, clipping and schedules. */

import { assert, assertEquals, assertThrows } from "@std/assert";
import fc from "fast-check";
import {
  Adam,
  AdamW,
  add,
  backward,
  cat,
  clipGradNorm,
  clipGradValue,
  CosineAnnealingLR,
  detach,
  type FloatDType,
  grad,
  KeyError,
  Linear,
  type LRScheduler,
  mul,
  noGrad,
  type Optimizer,
  type OptimizerState,
  type ParamState,
  RMSprop,
  type SchedulerState,
  SGD,
  StepLR,
  StoredTensor,
  sum,
  tanh,
  Tensor,
  tensor,
  to,
  ZeroDivisionError,
  zeros,
} from "../../mod.ts";
import { readTorchFile, writeTorchFile } from "../../lib/checkpoints/mod.ts";
import { assertAllBitwise, assertBitwise } from "./alike.ts";
import { normals } from "./arbitrary.ts";
import { describe, fact, law } from "./law.ts";

/** Every optimiser, with options that reach every line of it. */
const makers: Record<string, (params: Iterable<Tensor>) => Optimizer> = {
  "SGD": (p) => new SGD(p, { lr: 0.1 }),
  "SGD momentum": (p) => new SGD(p, { lr: 0.1, momentum: 0.9, dampening: 0.25 }),
  "SGD nesterov": (p) => new SGD(p, { lr: 0.1, momentum: 0.9, nesterov: true, weightDecay: 0.1 }),
  "Adam": (p) => new Adam(p, { lr: 0.1, weightDecay: 0.1 }),
  "Adam amsgrad": (p) => new Adam(p, { lr: 0.1, betas: [0.9, 0.5], amsgrad: true }),
  "AdamW": (p) => new AdamW(p, { lr: 0.1, weightDecay: 0.1, maximize: true }),
  "RMSprop": (p) => new RMSprop(p, { lr: 0.1, weightDecay: 0.1 }),
  "RMSprop centered": (p) => new RMSprop(p, { lr: 0.1, centered: true, momentum: 0.5 }),
};

const runs = fc.record({
  maker: fc.constantFrom(...Object.keys(makers)),
  size: fc.integer({ min: 1, max: 5 }),
  steps: fc.integer({ min: 1, max: 8 }),
  seed: fc.nat(),
  dtype: fc.constantFrom<FloatDType>("float32", "float64"),
});
type Run = typeof runs extends fc.Arbitrary<infer T> ? T : never;

function leaf(given: { seed: number; dtype: FloatDType }, size: number[], salt = 0): Tensor {
  const x = normals(given, size, salt);
  x.requiresGrad = true;
  return x;
}

/** What a function warns of, and returns. */
function warned<T>(run: () => T): { warnings: string[]; result: T } {
  const { warn } = console;
  const warnings: string[] = [];
  console.warn = (text: string) => warnings.push(text);
  try {
    return { result: run(), warnings };
  } finally {
    console.warn = warn;
  }
}

/** A state of its own, as a file would hold it: what is loaded is shared. */
function copied({ state, param_groups }: OptimizerState): OptimizerState {
  const copy = (own: ParamState) =>
    Object.fromEntries(
      Object.entries(own).map(([name, x]) => [name, new Tensor(x.data.slice(), x.shape)]),
    );
  return {
    state: Object.fromEntries(Object.entries(state).map(([k, own]) => [k, copy(own)])),
    param_groups,
  };
}

/** Steps an optimiser with gradients drawn for each step. */
function go(optimizer: Optimizer, params: Tensor[], from: number, until: number, given: Run): void {
  for (let k = from; k < until; k++) {
    params.forEach((param, n) => param.grad = normals(given, [...param.shape], 100 + 10 * k + n));
    optimizer.step();
  }
}

describe("optimisers", () => {
  law(["OPTIM-1"], "SGD without options is p - lr · g, bitwise in float64", runs, (given) => {
    const p = leaf({ ...given, dtype: "float64" }, [given.size]);
    const before = [...p.data];
    p.grad = normals({ ...given, dtype: "float64" }, [given.size], 1);
    new SGD([p], { lr: 0.25 }).step();
    assertEquals([...p.data], before.map((value, i) => value - 0.25 * p.grad!.data[i]));
  });

  law(["OPTIM-7", "TRAIN-3"], "saved and loaded, each goes on bit for bit", runs, (given) => {
    const params = [0, 1].map((salt) => leaf(given, [given.size], salt));
    const optimizer = makers[given.maker](params);
    go(optimizer, params, 0, given.steps, given);
    const copies = params.map((param) => {
      const copy = tensor(param.data.slice());
      copy.requiresGrad = true;
      return copy;
    });
    const other = makers[given.maker](copies);
    const state = optimizer.stateDict();
    other.loadStateDict(copied(state));
    assertEquals(JSON.stringify(other.stateDict()), JSON.stringify(state));
    go(optimizer, params, given.steps, given.steps + 5, given);
    go(other, copies, given.steps, given.steps + 5, given);
    assertAllBitwise(copies, params);
  });

  law(
    ["OPTIM-7"],
    "elements do not depend on each other: one at a time is the same",
    runs,
    (given) => {
      const whole = leaf(given, [given.size]);
      const parts = [...whole.data].map((value) =>
        tensor([value], { dtype: given.dtype, requiresGrad: true })
      );
      const [one, many] = [makers[given.maker]([whole]), makers[given.maker](parts)];
      for (let k = 0; k < given.steps; k++) {
        whole.grad = normals(given, [given.size], k + 1);
        parts.forEach((part, i) =>
          part.grad = tensor([whole.grad!.data[i]], { dtype: given.dtype })
        );
        one.step();
        many.step();
      }
      assertBitwise(noGrad(() => cat(parts)), detach(whole));
    },
  );

  law(["OPTIM-1", "OPTIM-2", "OPTIM-4"], "maximize is to descend on -g", runs, (given) => {
    const [up, down] = [leaf(given, [given.size]), leaf(given, [given.size])];
    for (const Kind of [SGD, Adam, AdamW, RMSprop]) {
      up.grad = normals(given, [given.size], 1);
      down.grad = mul(up.grad, -1);
      new Kind([up], { lr: 0.1, weightDecay: 0.1, maximize: true }).step();
      new Kind([down], { lr: 0.1, weightDecay: 0.1 }).step();
      assertBitwise(up, down);
      assertBitwise(up.grad, mul(down.grad, -1)); // the gradient itself is left alone
    }
  });

  fact(["OPTIM-7"], "a step records nothing and keeps the parameter's storage", () => {
    const p = tensor([1, 2], { requiresGrad: true });
    const { data } = p;
    backward(sum(mul(p, p)));
    new Adam([p]).step();
    assert(p.data === data && p.isLeaf);
  });

  fact(["OPTIM-7"], "zeroGrad clears the gradient of every group", () => {
    const [a, b] = [0, 1].map(() => zeros([1], { requiresGrad: true }));
    const optimizer = new SGD([{ params: [a] }, { params: [b], lr: 1 }]);
    backward(sum(add(a, b)));
    assertEquals([a.grad?.tolist(), b.grad?.tolist()], [[1], [1]]);
    optimizer.zeroGrad();
    assertEquals([a.grad, b.grad], [null, null]);
    optimizer.step();
    assertEquals([a.tolist(), b.tolist()], [[0], [0]]);
  });

  fact(
    ["OPTIM-7"],
    "a group added later steps with its own options, and the others' defaults",
    () => {
      const [a, b] = [0, 1].map(() => zeros([1], { requiresGrad: true }));
      const optimizer = new SGD([a], { lr: 0.5, momentum: 0.5 });
      optimizer.addParamGroup({ params: [b], lr: 0.25 });
      a.grad = tensor([1]);
      b.grad = tensor([1]);
      optimizer.step();
      assertEquals([a.tolist(), b.tolist()], [[-0.5], [-0.25]]);
      assertEquals(optimizer.paramGroups.map(({ momentum }) => momentum), [0.5, 0.5]);
      assertEquals(optimizer.stateDict().param_groups.map(({ params }) => params), [[0], [1]]);
      assert(String(optimizer).includes("\nParameter Group 1\n    dampening: 0\n"));
    },
  );

  fact(["OPTIM-7", "ERROR-1"], "what cannot be optimised is refused", () => {
    const p = zeros([1], { requiresGrad: true });
    const made = tanh(p);
    assertThrows(() => new SGD([made]), RangeError, "can't optimize a non-leaf Tensor");
    assertThrows(() => new SGD(p as never), TypeError, "should be an iterable of Tensors or dicts");
    assertThrows(() => new SGD([1] as never), TypeError, "optimizer can only optimize Tensors");
    const optimizer = new SGD([p]);
    assertThrows(() => optimizer.addParamGroup({ params: [p] }), RangeError, "more than one");
    const { state, param_groups } = new SGD([p, zeros([1])]).stateDict();
    assertThrows(
      () => optimizer.loadStateDict({ state, param_groups }),
      RangeError,
      "doesn't match the size of optimizer's group",
    );
    assertThrows(
      () => optimizer.loadStateDict({ state, param_groups: [] }),
      RangeError,
      "a different number of parameter groups",
    );
  });

  fact(["OPTIM-7"], "loading converts to the parameter's dtype, but not the count of steps", () => {
    const single = zeros([1], { requiresGrad: true });
    single.grad = tensor([0.1]);
    const saved = new Adam([single]);
    saved.step();
    const double = zeros([1], { dtype: "float64", requiresGrad: true });
    const loaded = new Adam([double]);
    loaded.loadStateDict(saved.stateDict());
    const { step, exp_avg } = loaded.stateDict().state[0];
    assertEquals([step.dtype, exp_avg.dtype], ["float32", "float64"]);
    assertEquals(exp_avg.item(), saved.stateDict().state[0].exp_avg.item());
  });

  fact(["OPTIM-7"], "loading takes tensors of the same dtype as they are, groups anew", () => {
    const p = zeros([1], { requiresGrad: true });
    p.grad = tensor([0.1]);
    const [saved, loaded] = [new Adam([p], { lr: 0.5 }), new Adam([p])];
    saved.step();
    const [group] = loaded.paramGroups;
    loaded.loadStateDict(saved.stateDict());
    assert(loaded.stateDict().state[0].exp_avg === saved.stateDict().state[0].exp_avg);
    loaded.step();
    assertEquals(saved.stateDict().state[0].step.item(), 2); // one count of steps for both
    assert(
      loaded.paramGroups[0] !== group && loaded.paramGroups[0].lr === 0.5 && group.lr === 0.001,
    );
  });

  fact(["OPTIM-7", "TRAIN-3"], "a state may be the Map that a file holds", () => {
    const make = () => {
      const p = tensor([1, -8], { requiresGrad: true });
      p.grad = tensor([0.5, 2]);
      return { p, optimizer: new AdamW([p], { lr: 0.25, amsgrad: true }) };
    };
    const [a, b] = [make(), make()];
    a.optimizer.step();
    b.optimizer.step();
    const { state, param_groups: [group] } = copied(a.optimizer.stateDict());
    const own = Object.entries(state[0]).map(([name, x]): [string, unknown] => [
      name,
      name === "step" ? 1 : StoredTensor.from(x), // as older releases counted
    ]);
    b.optimizer.loadStateDict(
      new Map<string, unknown>([
        ["state", new Map([[0, new Map(own)]])],
        ["param_groups", [new Map(Object.entries({ ...group, foreach: null }))]],
      ]),
    );
    for (const { optimizer } of [a, b]) optimizer.step();
    assertBitwise(detach(b.p), detach(a.p));
    assertEquals(JSON.stringify(b.optimizer.stateDict()), JSON.stringify(a.optimizer.stateDict()));
  });

  fact(["OPTIM-7"], "what an older state lacks is filled in as PyTorch does", () => {
    const none = { foreach: null, maximize: false, differentiable: false };
    const adam = { ...none, capturable: false, fused: null, amsgrad: false };
    const wanted: [(p: Tensor) => Optimizer, Record<string, unknown>][] = [
      [(p) => new SGD([p], { lr: 1 }), { ...none, nesterov: false, fused: false }],
      [(p) => new Adam([p]), { ...adam, decoupled_weight_decay: false }],
      [(p) => new AdamW([p]), { ...adam, decoupled_weight_decay: true }],
      [(p) => new RMSprop([p]), { ...none, capturable: false, momentum: 0, centered: false }],
    ];
    for (const [make, filled] of wanted) {
      const optimizer = make(zeros([1], { requiresGrad: true }));
      const { state, param_groups: [group] } = optimizer.stateDict();
      const older = { ...group } as Record<string, unknown>;
      for (const name of Object.keys(filled)) delete older[name];
      optimizer.loadStateDict({ state, param_groups: [older] } as never);
      const [after] = optimizer.stateDict().param_groups as unknown as Record<string, unknown>[];
      const found = Object.keys(filled).map((name) => [name, after[name]]);
      assertEquals(Object.fromEntries(found), filled, optimizer.constructor.name);
    }
    const optimizer = new SGD([zeros([1])], { lr: 1 });
    for (const group of [5, null, [zeros([1])], new Map()]) {
      const wanted = "param_group must be a dict, but got <class '";
      assertThrows(() => optimizer.addParamGroup(group as never), TypeError, wanted);
    }
  });

  law(
    ["OPTIM-7", "TRAIN-3"],
    "a state goes through a file of PyTorch's bit for bit",
    runs,
    (given) => {
      const make = () => {
        const params = [0, 1].map((salt) => leaf(given, [given.size], salt));
        const optimizer = makers[given.maker](params);
        return { params, optimizer, schedule: new StepLR(optimizer, 3, { gamma: 0.5 }) };
      };
      const [one, other] = [make(), make()];
      go(one.optimizer, one.params, 0, given.steps, given);
      one.schedule.step();
      const bytes = writeTorchFile({
        optimizer: one.optimizer.stateDict(),
        scheduler: one.schedule.stateDict(),
        params: one.params.map((x) => detach(x)),
      });
      const saved = readTorchFile(bytes) as ReadonlyMap<string, ReadonlyMap<unknown, unknown>>;
      other.optimizer.loadStateDict(saved.get("optimizer")!);
      other.schedule.loadStateDict(saved.get("scheduler")!);
      (saved.get("params") as unknown as StoredTensor[]).forEach((stored, k) =>
        other.params[k].data.set(stored.toTensor().data)
      );
      for (const { optimizer, params, schedule } of [one, other]) {
        go(optimizer, params, given.steps, given.steps + 3, given);
        schedule.step();
      }
      assertAllBitwise(other.params.map((x) => detach(x)), one.params.map((x) => detach(x)));
      assertEquals(other.schedule.stateDict(), one.schedule.stateDict());
      assertEquals(
        JSON.stringify(other.optimizer.stateDict()),
        JSON.stringify(one.optimizer.stateDict()),
      );
    },
  );

  fact(
    ["OPTIM-7"],
    "in a file, numbers of parameters are integers, betas a tuple, names a list",
    () => {
      const p = zeros([1], { requiresGrad: true });
      p.grad = tensor([1]);
      const optimizer = new Adam([["weight", p]]);
      optimizer.step();
      const saved = readTorchFile(writeTorchFile(optimizer.stateDict())) as ReadonlyMap<
        string,
        ReadonlyMap<unknown, unknown> & readonly ReadonlyMap<string, unknown>[]
      >;
      assertEquals([...saved.get("state")!.keys()], [0]);
      const [group] = saved.get("param_groups")!;
      assertEquals([group.get("betas"), group.get("param_names")], [[0.9, 0.999], ["weight"]]);
      assert(Object.isFrozen(group.get("betas")) && !Object.isFrozen(group.get("param_names")));
    },
  );

  fact(["OPTIM-7", "ERROR-1"], "what cannot be loaded changes nothing", () => {
    const p = zeros([2], { requiresGrad: true });
    p.grad = tensor([1, 2]);
    const optimizer = new Adam([p]);
    optimizer.step();
    const before = JSON.stringify(optimizer.stateDict());
    const { state: { 0: own }, param_groups } = optimizer.stateDict();
    const wrong: [unknown, string][] = [
      [{}, "'param_groups'"],
      [{ param_groups }, "'state'"],
      [{ state: {}, param_groups: [{ lr: 1 }] }, "'params'"],
      [{ state: { 0: { exp_avg: zeros([2]) } }, param_groups }, "'step'"],
      [{ state: { 0: { ...own, exp_avg: zeros([3]) } }, param_groups }, "exp_avg has the shape"],
      [{ state: { 0: { ...own, exp_avg: 5 } }, param_groups }, "exp_avg must be a tensor, not int"],
      [{ state: [], param_groups }, "state must be a dict, not list"],
      [{ state: {}, param_groups: 5 }, "param_groups must be a list, not int"],
      [{ state: {}, param_groups: [{ ...param_groups[0], lr: {} }] }, "lr is of no type"],
      [5, "the state of an optimiser must be a dict, not int"],
    ];
    for (const [state, message] of wrong) {
      assertThrows(() => optimizer.loadStateDict(state as OptimizerState), Error, message);
      assertEquals(JSON.stringify(optimizer.stateDict()), before);
    }
    const old = { state: { 0: { ...own, max_exp_avg_sq: null } }, param_groups };
    optimizer.loadStateDict(old as never); // nothing yet, as older releases wrote it
    assertEquals(JSON.stringify(optimizer.stateDict()), before);
    const more = { state: { 0: own, 7: own }, param_groups };
    optimizer.loadStateDict(more); // of a parameter that is in no group: kept
    assertEquals(Object.keys(optimizer.stateDict().state), ["0", "7"]);
  });

  fact(["OPTIM-7"], "a step that lacks something changes nothing, in no group", () => {
    const params = [0, 1].map(() => zeros([1], { requiresGrad: true }));
    for (const param of params) param.grad = tensor([1]);
    const optimizer = new Adam([{ params: params[0] }, { params: params[1] }]);
    optimizer.step();
    optimizer.paramGroups[1].amsgrad = true;
    const before = [params.map((x) => x.tolist()), JSON.stringify(optimizer.stateDict())];
    assertThrows(() => optimizer.step(), KeyError, "'max_exp_avg_sq'");
    assertEquals([params.map((x) => x.tolist()), JSON.stringify(optimizer.stateDict())], before);
  });

  fact(["OPTIM-7"], "a learning rate that is a tensor is read at each step, and filled", () => {
    const p = tensor([1], { requiresGrad: true });
    p.grad = tensor([1]);
    const lr = tensor(0.1);
    const optimizer = new SGD([p], { lr });
    optimizer.step();
    assertEquals(String(detach(p)), "tensor([0.9000])");
    lr.data[0] = 0.5;
    optimizer.step();
    assertEquals(String(detach(p)), "tensor([0.4000])");
    optimizer.paramGroups[0].lr = 0.25;
    assertEquals(lr.item(), 0.25);
    assert(optimizer.stateDict().param_groups[0].lr === lr);
    assertThrows(() => new SGD([p], { lr: tensor([1, 2]) }), RangeError, "must be 1-element");
    const three = { betas: [0.5, 0.5, 0.5] } as never;
    assertThrows(
      () => new Adam([p], three),
      TypeError,
      "'betas' must be pair of Numbers, not list",
    );
    const betas = [tensor(0.5), tensor(0.5)] as never;
    assertThrows(() => new Adam([p], { betas }), TypeError, "betas must be two numbers here");
    const options = { differentiable: true } as never;
    assertThrows(() => new SGD([p], options), Error, "leave out differentiable");
  });

  fact(["OPTIM-7"], "a parameter twice in a group: a warning, and numbers as in PyTorch", () => {
    const [p, q] = [0, 1].map(() => zeros([1], { requiresGrad: true }));
    const { warnings, result } = warned(() => new SGD([p, p, q]));
    assertEquals(warnings.length, 1);
    assert(
      warnings[0].startsWith("optimizer contains a parameter group with duplicate parameters"),
    );
    assertEquals(result.stateDict().param_groups[0].params, [1, 1, 2]);
    const [one] = new SGD([{ params: p }]).paramGroups;
    assert(one.params.length === 1 && one.params[0] === p);
  });

  fact(["OPTIM-7", "PRINT-6"], "parameters may come with their names", () => {
    const model = new Linear(1, 1);
    const optimizer = new SGD(model.namedParameters());
    assertEquals(optimizer.stateDict().param_groups[0].param_names, ["weight", "bias"]);
    assert(String(optimizer).includes("\n    param_names: ['weight', 'bias']\n"));
    const { param_names: _, ...rest } = optimizer.stateDict().param_groups[0];
    optimizer.loadStateDict({ state: {}, param_groups: [rest] });
    assertEquals(optimizer.paramGroups[0].paramNames, ["weight", "bias"]); // kept
    const mixed = [["weight", zeros([1])], zeros([1])] as never;
    assertThrows(() => new SGD(mixed), RangeError, "Some param names are missing");
  });
});

describe("clipping", () => {
  const clips = fc.record({
    sizes: fc.array(fc.integer({ min: 1, max: 4 }), { minLength: 1, maxLength: 3 }),
    limit: fc.double({ min: 0.01, max: 5, noNaN: true }),
    normType: fc.constantFrom(1, 2, 3, Infinity),
    seed: fc.nat(),
  });
  const withGrads = ({ sizes, seed }: { sizes: number[]; seed: number }) =>
    sizes.map((size, salt) => {
      const x = zeros([size], { dtype: "float64", requiresGrad: true });
      x.grad = normals({ seed, dtype: "float64" }, [size], salt);
      return x;
    });

  law(["OPTIM-5"], "the norm is at most max_norm, the direction is kept", clips, (given) => {
    const params = withGrads(given);
    const before = params.flatMap(({ grad }) => [...grad!.data]);
    const norm = clipGradNorm(params, given.limit, { normType: given.normType }).item();
    const p = given.normType;
    const whole = p === Infinity
      ? before.reduce((top, x) => Math.max(top, Math.abs(x)), 0)
      : before.reduce((total, x) => total + Math.abs(x) ** p, 0) ** (1 / p);
    assert(Math.abs(norm - whole) <= 1e-12 * whole);
    const after = params.flatMap(({ grad }) => [...grad!.data]);
    const factor = Math.min(1, given.limit / (whole + 1e-6));
    after.forEach((x, i) =>
      assert(Math.abs(x - factor * before[i]) <= 1e-12 * Math.abs(before[i]))
    );
    if (whole < given.limit - 1e-6) assertEquals(after, before);
    assert(
      clipGradNorm(params, given.limit, { normType: given.normType }).item() <=
        given.limit * (1 + 1e-12),
    );
  });

  law(["OPTIM-5"], "no element beyond clip_value, none within it changed", clips, (given) => {
    const params = withGrads(given);
    const before = params.flatMap(({ grad }) => [...grad!.data]);
    clipGradValue(params, given.limit);
    const after = params.flatMap(({ grad }) => [...grad!.data]);
    assertEquals(after, before.map((x) => Math.min(Math.max(x, -given.limit), given.limit)));
  });

  fact(["OPTIM-5"], "parameters without a gradient are passed over", () => {
    const [a, b] = [0, 1].map(() => zeros([2], { requiresGrad: true }));
    assertEquals(String(clipGradNorm([a], 1)), "tensor(0.)");
    b.grad = tensor([0, 2]);
    assertEquals(clipGradNorm([a, b], 1, { normType: 0 }).item(), 1); // how many are not 0
    clipGradValue([a, b], 0.5);
    assertEquals([a.grad, b.grad.tolist()], [null, [0, 0.5]]);
  });

  fact(["OPTIM-5"], "one tensor is a list of one; a generator of none is a warning", () => {
    const p = zeros([2], { requiresGrad: true });
    p.grad = tensor([3, 4]);
    assertEquals(clipGradNorm(p, 1).item(), 5);
    clipGradValue(p, 0.5);
    assertEquals(p.grad.tolist(), [0.5, 0.5]);
    const { warnings } = warned(() => clipGradNorm(new Linear(1, 1).parameters().slice(2), 1));
    assertEquals(warnings, []);
    const none = (function* (): Generator<Tensor> {})();
    assertEquals(warned(() => clipGradNorm(none, 1)).warnings, [
      "`parameters` is an empty generator, no gradient clipping will occur.",
    ]);
    assertThrows(() => clipGradNorm([5] as never, 1), TypeError, "one is int");
    assertEquals(p.grad.tolist(), [0.5, 0.5]);
  });
});

describe("schedules", () => {
  const plans = fc.record({
    lr: fc.double({ min: 0.01, max: 1, noNaN: true }),
    low: fc.double({ min: 0, max: 0.005, noNaN: true }),
    extent: fc.integer({ min: 1, max: 8 }),
    steps: fc.integer({ min: 1, max: 40 }),
  });
  const dummy = (lr: number) => new SGD([zeros([1], { requiresGrad: true })], { lr });

  law(["OPTIM-6"], "both follow their closed forms", plans, ({ lr, low, extent, steps }) => {
    const [first, second] = [dummy(lr), dummy(lr)];
    const stairs = new StepLR(first, extent, { gamma: 0.9 });
    const cosine = new CosineAnnealingLR(second, extent, { etaMin: low });
    for (let t = 1; t <= steps; t++) {
      for (const optimizer of [first, second]) optimizer.step();
      stairs.step();
      cosine.step();
      const near = (given: number, wanted: number) =>
        assert(Math.abs(given - wanted) <= 1e-9, `step ${t}: ${given} for ${wanted}`);
      near(first.paramGroups[0].lr, lr * 0.9 ** Math.floor(t / extent));
      near(cosine.getLastLr()[0], low + (lr - low) * (1 + Math.cos(Math.PI * t / extent)) / 2);
    }
  });

  law(["OPTIM-6", "TRAIN-3"], "saved and loaded, both go on bit for bit", plans, (given) => {
    const kinds: ((optimizer: Optimizer) => LRScheduler)[] = [
      (optimizer) => new StepLR(optimizer, given.extent, { gamma: 0.7 }),
      (optimizer) => new CosineAnnealingLR(optimizer, given.extent, { etaMin: given.low }),
    ];
    for (const kind of kinds) {
      const optimizer = dummy(given.lr);
      const schedule = kind(optimizer);
      optimizer.step();
      for (let t = 0; t < given.steps; t++) schedule.step();
      const other = dummy(123);
      const copy = kind(other);
      copy.loadStateDict(schedule.stateDict());
      other.loadStateDict(optimizer.stateDict());
      assertEquals(copy.stateDict(), schedule.stateDict());
      for (let t = 0; t < 10; t++) {
        schedule.step();
        copy.step();
        assertEquals(copy.getLastLr(), schedule.getLastLr());
      }
    }
  });

  fact(["OPTIM-6"], "state dicts have PyTorch's keys", () => {
    const rest = ["base_lrs", "last_epoch", "_step_count", "_is_initial"];
    const last = ["_get_lr_called_within_step", "_last_lr"];
    const optimizer = dummy(0.5);
    assertEquals(Object.keys(new StepLR(optimizer, 3).stateDict()), [
      "step_size",
      "gamma",
      ...rest,
      ...last,
    ]);
    assertEquals(Object.keys(new CosineAnnealingLR(optimizer, 3).stateDict()), [
      "T_max",
      "eta_min",
      ...rest,
      ...last,
    ]);
    assertEquals(optimizer.stateDict().param_groups[0].initial_lr, 0.5);
    const schedule = new StepLR(optimizer, 3);
    assertEquals(schedule.stateDict(), {
      step_size: 3,
      gamma: 0.1,
      base_lrs: [0.5],
      last_epoch: 0,
      _step_count: 1,
      _is_initial: false,
      _get_lr_called_within_step: false,
      _last_lr: [0.5],
    });
    const rates = [StoredTensor.from(tensor(0.25))]; // as PyTorch has it of a rate that is a tensor
    schedule.loadStateDict({ ...schedule.stateDict(), base_lrs: rates, _last_lr: rates } as never);
    assertEquals([schedule.baseLrs, schedule.getLastLr()], [[0.25], [0.25]]);
  });

  fact(["OPTIM-6"], "a first step before the optimiser's is a warning, as in PyTorch", () => {
    const optimizer = dummy(0.5);
    const schedule = new StepLR(optimizer, 2);
    const { warnings } = warned(() => schedule.step());
    assert(
      warnings.length === 1 && warnings[0].startsWith("Detected call of `lr_scheduler.step()`"),
    );
    assertEquals(warned(() => schedule.step()).warnings, []);
  });

  fact(
    ["OPTIM-6"],
    "the last learning rate is what the schedule set, not what was set since",
    () => {
      const optimizer = dummy(0.5);
      const schedule = new StepLR(optimizer, 1, { gamma: 0.5 });
      optimizer.step();
      schedule.step();
      optimizer.paramGroups[0].lr = 8;
      assertEquals([schedule.getLastLr(), schedule.stateDict()._last_lr], [[0.25], [0.25]]);
      schedule.step();
      assertEquals(schedule.getLastLr(), [4]);
    },
  );

  fact(["OPTIM-6", "ERROR-1"], "what fails leaves a schedule as it was", () => {
    const optimizer = dummy(0.5);
    optimizer.step();
    for (const schedule of [new StepLR(optimizer, 0), new CosineAnnealingLR(optimizer, 0)]) {
      const before = schedule.stateDict();
      assertThrows(() => schedule.step(), ZeroDivisionError, "integer modulo by zero");
      const wrong: [unknown, string][] = [
        [{}, `'${Object.keys(before)[0]}'`],
        [{ ...before, base_lrs: 5 }, "base_lrs must be a list of numbers"],
        [{ ...before, last_epoch: "1" }, "last_epoch must be a number, not str"],
        [5, "the state of a schedule must be a dict"],
      ];
      for (const [state, message] of wrong) {
        assertThrows(() => schedule.loadStateDict(state as SchedulerState), Error, message);
      }
      assertEquals(schedule.stateDict(), before);
    }
    optimizer.addParamGroup({ params: zeros([1]) });
    const late = new CosineAnnealingLR(dummy(0.5), 1);
    late.loadStateDict(new Map(Object.entries({ ...late.stateDict(), last_epoch: 1 })));
    assertEquals(late.lastEpoch, 1);
    const { paramGroups } = optimizer;
    assertEquals(paramGroups.map(({ initialLr }) => initialLr), [0.5, undefined]);
    assertThrows(
      () => new StepLR(optimizer, 2, { lastEpoch: 3 }),
      KeyError,
      "'initial_lr' is not specified in param_groups[1]",
    );
    assertThrows(() => new StepLR(5 as never, 2), TypeError, "int is not an Optimizer");
  });

  fact(
    ["OPTIM-6"],
    "a group that came after the schedule is refused where its base is needed",
    () => {
      const optimizer = dummy(0.5);
      const schedule = new CosineAnnealingLR(optimizer, 1);
      optimizer.addParamGroup({ params: zeros([1]), lr: 1 });
      optimizer.step();
      schedule.step(); // down: no base is needed
      assertThrows(() => schedule.step(), RangeError, "zip() argument 2 is longer than argument 1");
    },
  );
});

describe("grad", () => {
  fact(
    ["GRAD-1"],
    "a gradient goes through a change of dtype, into the dtype of its tensor",
    () => {
      const x = tensor([1, 2], { requiresGrad: true });
      const [dx] = grad([sum(mul(to(x, "float64"), 3))], [x]);
      assertBitwise(dx!, tensor([3, 3]));
    },
  );

  fact(["GRAD-3"], "refuses what PyTorch refuses", () => {
    const [x, y] = [0, 1].map(() => tensor([1, 2], { requiresGrad: true }));
    const z = sum(mul(x, x));
    const options = { retainGraph: true };
    const unused =
      "The differentiated Tensor at index 1 appears to not have been used in the graph";
    assertThrows(() => grad([z], [x, y], [], options), Error, unused);
    const found = grad([z], [x, y], [], { ...options, allowUnused: true });
    assertEquals(found.map((one) => one && one.tolist()), [[2, 4], null]);
    const plain = "One of the differentiated Tensors does not require grad";
    assertThrows(() => grad([z], [tensor([1])], [], options), Error, plain);
    assertThrows(() => grad([z, z], [x], [null]), Error, "got 2 tensors and 1 gradients");
    const twice = grad([z, mul(z, 2)], [x], [tensor(1), null], options);
    assertEquals(twice[0]!.tolist(), [6, 12]);
  });

  fact(["GRAD-4"], "uses up only what lies between outputs and inputs", () => {
    const x = tensor([1, 2], { requiresGrad: true });
    const y = tanh(x);
    const z = sum(mul(y, y));
    assertBitwise(grad([z], [y])[0]!, noGrad(() => mul(y, 2)));
    assertThrows(() => backward(z), Error, "a second time"); // mul is used up
    backward(sum(y)); // tanh is not
    assertThrows(() => backward(sum(y)), Error, "a second time");
    assertBitwise(grad([sum(y)], [y])[0]!, tensor([1, 1])); // nothing behind y is asked for
    assert(y.gradFn?.inputs.length === 0 && x.grad !== null);
  });
});
