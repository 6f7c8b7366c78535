/** Chapter gradients: values changed in place, and parameters that stay themselves. */

import { assert, assertEquals, assertStrictEquals, assertThrows } from "@std/assert";
import fc from "fast-check";
import {
  Adam,
  AdamW,
  add,
  backward,
  clipGradNorm,
  clipGradValue,
  detach,
  dropout,
  type FloatDType,
  grad,
  incrementVersion,
  Linear,
  LSTM,
  Module,
  mul,
  noGrad,
  Parameter,
  reshape,
  RMSprop,
  RuntimeError,
  select,
  SGD,
  sin,
  squeeze,
  sum,
  tanh,
  Tensor,
  tensor,
  transpose,
  unsqueeze,
  zeros,
} from "../../mod.ts";
import { assertAllBitwise, assertBitwise } from "./alike.ts";
import { build, configs, inputOf, normals, run, runRecorded, tame } from "./arbitrary.ts";
import { describe, fact, law } from "./law.ts";

const changed =
  "one of the variables needed for gradient computation has been modified by an inplace operation: ";

/** A module with parameters by any names. */
class Named extends Module {
  constructor(parameters: Readonly<Record<string, Parameter>>, order = Object.keys(parameters)) {
    super();
    order.forEach((name) => this.registerParameter(name, parameters[name]));
  }
  override forward(): void {}
}

/** Two layers that share a weight. */
class Tied extends Module {
  readonly a = this.register("a", new Linear(2, 2));
  readonly b = this.register("b", new TiedTo(this.a.weight));
  override forward(x: Tensor): Tensor {
    return add(this.a.forward(x), this.b.forward(x));
  }
}

class TiedTo extends Linear {
  constructor(weight: Parameter) {
    super(2, 2);
    this.registerParameter("weight", weight);
  }
}

const parameter = (values: number[]) => new Parameter(tensor(values));

describe("in place", () => {
  fact(["GRAD-6"], "a value that a gradient needs and that a step has changed is refused", () => {
    const [x, w] = [parameter([3]), parameter([2])];
    const y = sum(mul(x, w));
    w.grad = tensor([-1]);
    new SGD([w], { lr: 1 }).step();
    assertThrows(
      () => backward(y),
      RuntimeError,
      `${changed}[torch.FloatTensor [1]] is at version 1; expected version 0 instead. Hint: ` +
        "enable anomaly detection to find the operation that failed to compute its gradient, " +
        "with torch.autograd.set_detect_anomaly(True, check_nan=False).",
    );
    assertEquals([x.grad, w.grad.item()], [null, -1]); // nothing was added anywhere
  });

  fact(["GRAD-6"], "a plain write into the elements is not noticed", () => {
    const [x, w] = [parameter([3]), parameter([2])];
    const y = sum(mul(x, w));
    w.data[0] = 5;
    backward(y);
    assertEquals([x.grad?.item(), w.version()], [5, 0]);
  });

  fact(["GRAD-6"], "what is a view in PyTorch counts changes together; a copy by itself", () => {
    const x = tensor([[1, 2]], { requiresGrad: true });
    const views = [
      ...[detach(x), reshape(x, [2]), squeeze(x, 0), unsqueeze(x, 0), transpose(x, 0, 1)],
      ...[select(x, 0, 0), new Parameter(x), select(detach(x), 1, 1)],
    ];
    const copies = [tanh(x), add(x, 0), new Tensor(x.data, x.shape)];
    incrementVersion(x);
    incrementVersion([views[0], views[1]]);
    assertEquals([x, ...views].map((p) => p.version()), Array(9).fill(3));
    assertEquals(copies.map((p) => p.version()), [0, 0, 0]);
    assertThrows(() => incrementVersion([x, 3 as unknown as Tensor]), RuntimeError, "increment_");
    assertEquals(x.version(), 3);
  });

  fact(["GRAD-6"], "how often each change counts", () => {
    const counts = (make: (params: Tensor[]) => { step(): void }) => {
      const w = parameter([1, 2]);
      const optimizer = make([w]);
      return [1, 2].map(() => {
        w.grad = tensor([1, 1]);
        optimizer.step();
        return w.version();
      });
    };
    assertEquals(counts((p) => new SGD(p, { momentum: 0.9, weightDecay: 0.1 })), [1, 2]);
    assertEquals(counts((p) => new Adam(p, { weightDecay: 0.1, amsgrad: true })), [1, 2]);
    assertEquals(counts((p) => new AdamW(p)), [2, 4]);
    assertEquals(counts((p) => new AdamW(p, { weightDecay: 0 })), [1, 2]);
    assertEquals(counts((p) => new RMSprop(p, { momentum: 0.9, centered: true })), [1, 2]);
    const lstm = new LSTM(2, 3);
    assertEquals(lstm.parameters().map((p) => p.version()), [1, 1, 1, 1]);
    lstm.loadStateDict(lstm.stateDict());
    assertEquals(Object.values(lstm.stateDict()).map((p) => p.version()), [2, 2, 2, 2]);
    lstm.to("float64");
    assertEquals(lstm.parameters().map((p) => p.version()), [2, 2, 2, 2]);
    const x = parameter([1]);
    backward(sum(x));
    const first = x.grad;
    assertEquals(first?.version(), 0);
    backward(sum(x));
    assertStrictEquals(x.grad, first);
    assertEquals(first?.version(), 1);
    clipGradNorm([x], 100);
    clipGradValue([x], 100);
    assertEquals(first?.version(), 4);
  });

  fact(["GRAD-6", "DROP-3"], "dropout keeps its mask, not what it is applied to", () => {
    const x = parameter([1, 2, 3]);
    const y = dropout(x, 0.5, true);
    incrementVersion(x);
    backward(sum(y));
    assertEquals(x.grad!.tolist(), (y.tolist() as number[]).map((value, k) => value / (k + 1)));
  });

  fact(["GRAD-6", "GRAD-4"], "only what a pass would run through is looked at", () => {
    const [x, w] = [parameter([3]), parameter([2])];
    const [y, z] = [mul(x, w), sin(w)];
    incrementVersion(w);
    assertThrows(() => grad([sum(add(y, z))], [x]), RuntimeError, changed);
    const kept = mul(detach(x), x);
    const retainGraph = true;
    assertEquals(grad([sum(add(kept, z))], [x], [], { retainGraph })[0]?.item(), 3);
    incrementVersion(x);
    assertThrows(() => backward(sum(kept)), RuntimeError, "is at version 1; expected version 0");
    const after = sum(mul(x, w)); // recorded after the change
    backward(after);
    assertEquals([x.grad?.item(), w.grad?.item()], [2, 3]);
    assertThrows(() => backward(after), RuntimeError, "a second time");
  });

  law(
    ["GRAD-6", "GRAD-2"],
    "a step between two losses of one graph is refused, and leaves every gradient as it was",
    configs({ ...tame, length: fc.integer({ min: 2, max: 5 }) }),
    (c) => {
      const module = build(c);
      const [output] = runRecorded(module, inputOf(c));
      const loss = (k: number) => sum(mul(output, normals(c, [...output.shape], k)));
      const [first, second] = [loss(1), loss(2)];
      backward(first, null, { retainGraph: true });
      const before = module.parameters().map((p) => p.grad!.data.slice());
      new SGD(module.parameters(), { lr: 0.1 }).step();
      assertThrows(() => backward(second), RuntimeError, changed);
      const type = c.dtype === "float32" ? "torch.FloatTensor" : "torch.DoubleTensor";
      assertThrows(() => backward(second), RuntimeError, `[${type} [`);
      assertThrows(() => backward(second), RuntimeError, "at version 2; expected version 1");
      module.parameters().forEach((p, k) => assertEquals(p.grad!.data, before[k]));
    },
  );

  law(
    ["GRAD-6"],
    "loading the weights again between forward and backward is refused; before both, it is not",
    configs({ ...tame, length: fc.integer({ min: 2, max: 4 }) }),
    (c) => {
      const module = build(c);
      const pass = (between: () => void) => {
        const [output] = runRecorded(module, inputOf(c));
        between();
        backward(sum(output));
      };
      const load = () => void module.loadStateDict(module.stateDict());
      assertThrows(() => pass(load), RuntimeError, changed);
      load();
      pass(() => {});
    },
  );
});

describe("identity", () => {
  fact(["GRAD-7"], "to converts in place: parameter, gradient, tie and optimiser", () => {
    const tied = new Tied();
    const { weight } = tied.a;
    const optimizer = new SGD(tied.parameters(), { lr: 0.5 });
    backward(sum(tied.forward(tensor([[1, 2]]))));
    const { grad } = weight;
    const [before, slope] = [weight.tolist(), grad!.tolist()];
    const state = tied.stateDict();
    weight.requiresGrad = false;
    assertStrictEquals(tied.to("float64"), tied);
    assertStrictEquals(tied.a.weight, weight);
    assertStrictEquals(tied.b.weight, weight);
    assertStrictEquals(weight.grad, grad);
    assert(weight instanceof Parameter && !weight.requiresGrad);
    assertEquals([weight.dtype, grad?.dtype, state["a.weight"].dtype], [
      ...["float64", "float64", "float32"],
    ]);
    assertEquals([weight.tolist(), grad!.tolist()], [before, slope]);
    optimizer.step();
    const stepped = (before as number[][]).map((row, i) =>
      row.map((w, j) => w - 0.5 * (slope as number[][])[i][j])
    );
    assertEquals(tied.b.weight.tolist(), stepped);
    assertThrows(() => tied.to("float16" as FloatDType), TypeError, "float16");
    assertEquals(weight.dtype, "float64");
  });

  fact(
    ["GRAD-7"],
    "a parameter of several names is listed once; in a state_dict by each name",
    () => {
      const tied = new Tied();
      const names = ["a.weight", "a.bias", "b.bias"];
      assertEquals([...tied.namedParameters()].map(([name]) => name), names);
      assertEquals(tied.parameters().length, 3);
      const all = ["a.weight", "a.bias", "b.weight", "b.bias"];
      assertEquals(Object.keys(tied.stateDict()), all);
      assertStrictEquals(tied.getParameter("b.weight"), tied.a.weight);
      tied.loadStateDict(tied.stateDict());
      assertEquals(tied.a.weight.version(), 3); // drawn, and copied into under two names
    },
  );

  fact(["GRAD-7"], "names that are numbers keep their place", () => {
    const [a, b] = [parameter([1]), parameter([2])];
    const names = ["10", "2", "b", "0"];
    const module = new Named({ "10": a, "2": b, b: parameter([3]), "0": parameter([4]) }, names);
    const state = module.stateDict();
    assertEquals(Object.keys(state), names);
    assertEquals(Object.entries(state).map(([, x]) => x.item()), [1, 2, 3, 4]);
    const walked: string[] = [];
    for (const name in state) walked.push(name);
    assertEquals(walked, names);
    assertEquals([...module.namedParameters()].map(([name]) => name), names);
    assertEquals(String(module.loadStateDict(state)), "<All keys matched successfully>");
    delete state["2"];
    state["1"] = tensor([5]);
    assertEquals(Object.keys(state), ["10", "b", "0", "1"]);
    assertThrows(
      () => module.loadStateDict(state),
      RuntimeError,
      'Missing key(s) in state_dict: "2"',
    );
    assertEquals([Object.hasOwn(state, "b"), "7" in state, { ...state }.b.item()], [
      true,
      false,
      3,
    ]);
  });

  law(
    ["GRAD-7", "KERNEL-6"],
    "converted, loaded into, written into or registered anew, every path computes with what is there",
    fc.tuple(configs(tame), fc.array(fc.constantFrom("to", "load", "write", "register"))),
    ([c, changes]) => {
      const module = build({ ...c, dtype: "float32" });
      const x = inputOf({ ...c, dtype: "float32" });
      const copy = () => {
        const fresh = build({ ...c, dtype: "float32" });
        fresh.loadStateDict(module.stateDict());
        return fresh;
      };
      let value = 0;
      for (const change of changes) {
        noGrad(() => run(module, x)); // so that whatever is kept of the weights is kept
        const [name, weight] = [...module.namedParameters()][1];
        value = 0.25 - value;
        if (change === "to") {
          module.to("float64");
          weight.data[0] += 0.5;
          module.to("float32");
        } else if (change === "load") {
          module.loadStateDict({ [name]: tensorLike(weight, value) }, { strict: false });
        } else if (change === "write") weight.data.fill(value);
        else module["registerParameter"](name, new Parameter(tensorLike(weight, value)));
        const [given, wanted] = noGrad(() => [module, copy()].map((one) => run(one, x)));
        assertBitwise(given[0], wanted[0], change);
        assertAllBitwise([given[1]].flat(), [wanted[1]].flat(), change);
      }
    },
  );
});

function tensorLike({ shape }: Tensor, value: number): Tensor {
  const x = zeros(shape);
  x.data.fill(value);
  return x;
}
