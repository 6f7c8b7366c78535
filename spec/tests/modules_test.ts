/** Modules: fields that register, buffers, containers, walking through a model. */

import {
  assert,
  assertAlmostEquals,
  assertEquals,
  assertStrictEquals,
  assertThrows,
} from "@std/assert";
import fc from "fast-check";
import {
  Adam,
  AttributeError,
  backward,
  BCEWithLogitsLoss,
  Container,
  GRU,
  Identity,
  IndexError,
  KeyError,
  Linear,
  LogSoftmax,
  LSTM,
  Module,
  ModuleList,
  NLLLoss,
  NotImplementedError,
  ones,
  Parameter,
  ReLU,
  RNN,
  type RNNBase,
  RuntimeError,
  select,
  Sequential,
  SGD,
  Sigmoid,
  Softmax,
  sum,
  Tanh,
  type Tensor,
  tensor,
  ValueError,
  zeros,
} from "../../mod.ts";
import { describe, fact, it, law } from "./law.ts";

/** A module whose fields are set from outside. */
class Free extends Module {
  [name: string]: unknown;
  override forward(): void {}
  add(kind: "register" | "registerParameter" | "registerBuffer", name: string, value: unknown) {
    (this[kind] as (name: string, value: unknown) => void)(name, value);
  }
}

const names = (module: Module) => Object.keys(module.stateDict());
const parameter = (...shape: number[]) => new Parameter(zeros(shape));

class Tagger extends Module {
  rnn = new GRU(2, 3, { bidirectional: true });
  bias = parameter(1);
  head = new Sequential(new Linear(6, 4), new Tanh(), new Linear(4, 2));
  note = "a text";
  sizes = [1, 2];
  override forward(x: Tensor): Tensor {
    return this.head.forward(this.rnn.forward(x)[0]);
  }
}

describe("fields", () => {
  it("MODULE-1: a class's fields, assignments and register are one", () => {
    class Assigned extends Module {
      declare rnn: GRU;
      declare bias: Parameter;
      declare head: Sequential;
      constructor() {
        super();
        this.rnn = new GRU(2, 3, { bidirectional: true });
        this.bias = parameter(1);
        this.head = new Sequential(new Linear(6, 4), new Tanh(), new Linear(4, 2));
      }
      override forward(): void {}
    }
    class Registered extends Module {
      readonly #rnn = this.register("rnn", new GRU(2, 3, { bidirectional: true }));
      readonly bias = this.registerParameter("bias", parameter(1));
      readonly head = this.register(
        "head",
        new Sequential(new Linear(6, 4), new Tanh(), new Linear(4, 2)),
      );
      override forward(x: Tensor): Tensor {
        return this.#rnn.forward(x)[0];
      }
    }
    const wanted = names(new Tagger());
    assertEquals(wanted.slice(0, 2), ["bias", "rnn.weight_ih_l0"]);
    assertEquals(names(new Assigned()), wanted);
    assertEquals(names(new Registered()), wanted);
    const text = String(new Tagger()).replace("Tagger", "");
    assertEquals(String(new Assigned()).replace("Assigned", ""), text);
    assertEquals(String(new Registered()).replace("Registered", ""), text);
  });

  law(
    ["MODULE-1"],
    "names come in the order in which fields were first set, whatever was replaced or deleted",
    fc.array(
      fc.record({
        name: fc.constantFrom("a", "b", "c", "d"),
        what: fc.constantFrom("module", "parameter", "delete", "look"),
      }),
      { maxLength: 12 },
    ),
    (steps) => {
      const module = new Free();
      const held = new Map<string, "module" | "parameter">();
      for (const { name, what } of steps) {
        if (what === "look") module.parameters();
        else if (what === "delete") {
          delete module[name];
          held.delete(name);
        } else if ((held.get(name) ?? what) === what) { // the same kind keeps its place
          module[name] = what === "module" ? new Linear(1, 1, { bias: false }) : parameter(1);
          held.set(name, what);
        }
      }
      const of = (kind: string) => [...held].filter((one) => one[1] === kind).map(([name]) => name);
      assertEquals(names(module), [
        ...of("parameter"),
        ...of("module").map((name) => `${name}.weight`),
      ]);
      assertEquals([...module.namedParameters()].map(([name]) => name), names(module));
      assertEquals([...module.namedChildren()].map(([name]) => name), of("module"));
    },
    200,
  );

  it("MODULE-1: a declared field has its place where register puts something in it", () => {
    class Declared extends Module {
      readonly b: Linear;
      readonly a: Linear;
      constructor() {
        super();
        this.a = this.register("a", new Linear(1, 1, { bias: false }));
        this.b = this.register("b", new Linear(1, 1, { bias: false }));
      }
      override forward(): void {}
    }
    assertEquals(names(new Declared()), ["a.weight", "b.weight"]);
  });

  it("MODULE-1: what was registered and deleted is forgotten", () => {
    const module = new Free();
    module.a = new Linear(1, 1, { bias: false });
    assertEquals(names(module), ["a.weight"]);
    delete module.a;
    module.a = 5;
    assertEquals([names(module), module.a], [[], 5]);
    module.a = parameter(1);
    assertEquals(names(module), ["a"]);
  });

  it("MODULE-1: what is assigned counts at once, in the forward pass, too", () => {
    const linear = new Linear(2, 1);
    linear.weight = new Parameter(ones([1, 2]));
    linear.bias = null;
    assertEquals(linear.forward(ones([1, 2])).item(), 2);
    assertEquals(String(linear), "Linear(in_features=2, out_features=1, bias=False)");
    assertEquals(names(linear), ["weight"]);
    const tied = new Linear(2, 1);
    tied.weight = linear.weight;
    assertStrictEquals(tied.parameters()[0], linear.weight);
  });

  fact(
    ["MODULE-1"],
    "a recurrent layer computes with the parameter that its field was given",
    () => {
      const [rnn, other] = [new LSTM(2, 3), new LSTM(2, 3)];
      const x = ones([4, 1, 2]);
      rnn.forward(x);
      for (const [name, value] of other.namedParameters()) {
        (rnn as unknown as Record<string, Tensor>)[name] = value;
      }
      assertEquals(rnn.forward(x)[0].tolist(), other.forward(x)[0].tolist());
      assertEquals(rnn.parameters(), other.parameters());
    },
  );

  it("MODULE-1: refuses what PyTorch refuses, and leaves the field as it was", () => {
    const model = new Tagger();
    const anyhow = model as unknown as Record<string, unknown>;
    model.parameters();
    const { bias, head } = model;
    const assign = (name: string, value: unknown) => () => anyhow[name] = value;
    assertThrows(
      assign("bias", zeros([1], { dtype: "float64" })),
      TypeError,
      "cannot assign 'torch.DoubleTensor' as parameter 'bias' (torch.nn.Parameter or None expected)",
    );
    assertThrows(
      assign("head", 3),
      TypeError,
      "cannot assign 'int' as child module 'head' (torch.nn.Module or None expected)",
    );
    assertStrictEquals(model.bias, bias);
    assertStrictEquals(model.head, head);
    anyhow.head = null;
    assertEquals(names(model).includes("head.0.weight"), false);
    assertThrows(
      () => (new Linear(1, 1) as unknown as Record<string, unknown>).weight = "w",
      TypeError,
      "cannot assign 'str' as parameter 'weight'",
    );
    const free = new Free();
    const cases = [
      ["register", "", new ReLU(), "'module name can\\'t be empty string \"\"'"],
      ["register", "a.b", new ReLU(), "'module name can\\'t contain \".\", got: a.b'"],
      ["registerParameter", "a.b", null, "'parameter name can\\'t contain \".\"'"],
      ["registerBuffer", "train", null, `"attribute 'train' already exists"`],
      ["registerParameter", "training", null, `"attribute 'training' already exists"`],
    ] as const;
    for (const [kind, name, value, message] of cases) {
      assertEquals(assertThrows(() => free.add(kind, name, value), KeyError).message, message);
    }
    assertThrows(() => free.add("register", "a", 3), TypeError, "int is not a Module subclass");
    assertThrows(
      () => free.add("registerParameter", "a", zeros([1])),
      TypeError,
      "cannot assign 'torch.FloatTensor' as parameter 'a' (torch.nn.Parameter or None expected)",
    );
    assertThrows(
      () => free.add("registerBuffer", "a", 3),
      TypeError,
      "cannot assign 'int' as buffer",
    );
    assertEquals(names(free), []);
  });

  it("MODULE-1, OPTIM-7: an empty list says which fields hold what is not registered", () => {
    const message = (module: Module, list: (module: Module) => Iterable<unknown>) =>
      assertThrows(() => new Adam(list(module) as Iterable<Tensor>), ValueError).message;
    const lists = [(m: Module) => m.parameters(), (m: Module) => m.namedParameters()];
    const start = "optimizer got an empty parameter list";
    const hides = "holds a Parameter, and private fields (#name) cannot be seen";
    class Private extends Module {
      readonly #fc = new Linear(1, 1);
      override forward(x: Tensor): Tensor {
        return this.#fc.forward(x);
      }
    }
    const lost = new Free();
    Object.assign(lost, { text: "x", list: [new Linear(1, 1)], dict: { w: zeros([1]) } });
    lost.inner = Object.assign(new Free(), { w: zeros([1], { requiresGrad: true }) });
    for (const list of lists) {
      assertEquals(message(new Private(), list), `${start}; no field of Private ${hides}`);
      assertEquals(message(new ReLU(), list), `${start}; no field of ReLU ${hides}`);
      assertEquals(
        message(lost, list),
        `${start}; Free registers nothing of what it holds in list: write new ModuleList([…]), ` +
          "in dict: write new Parameter(…), in inner.w: write new Parameter(…)",
      );
    }
    assertEquals(assertThrows(() => new SGD([]), ValueError).message, start);
  });

  it("MODULE-1, GRAD-7: a module in two places is one, and a circle ends", () => {
    const shared = new Linear(1, 1);
    const model = new Sequential(shared, new ReLU(), shared);
    assertEquals([model.parameters().length, names(model).length], [2, 4]);
    const [a, b] = [new Free(), new Free()];
    Object.assign(a, { b, fc: shared });
    b.a = a;
    assertEquals([a.modules().length, a.parameters().length], [3, 2]);
  });
});

describe("buffers", () => {
  it("MODULE-2: are in the state, unless told otherwise, and are not trained", () => {
    const module = new Free();
    module.add("registerBuffer", "kept", ones([2]));
    module.add("registerBuffer", "none", null);
    (module as unknown as { registerBuffer: (...given: unknown[]) => void })
      .registerBuffer("passing", ones([1]), { persistent: false });
    module.w = parameter(1);
    assertEquals(names(module), ["w", "kept"]);
    assertEquals([...module.namedBuffers()].map(([name]) => name), ["kept", "passing"]);
    module.add("registerBuffer", "passing", ones([1])); // persistent unless told otherwise
    assertEquals(names(module), ["w", "kept", "passing"]);
    (module as unknown as { registerBuffer: (...given: unknown[]) => void })
      .registerBuffer("passing", ones([1]), { persistent: false });
    assertEquals([module.buffers().length, module.parameters().length], [2, 1]);
    module.loadStateDict({ w: ones([1]), kept: tensor([3, 4]) });
    assertEquals((module.kept as Tensor).tolist(), [3, 4]);
    assertThrows(() => module.loadStateDict({ w: ones([1]) }), RuntimeError, '"kept"');
    module.kept = zeros([5]);
    assertEquals(module.stateDict().kept.shape, [5]);
    module.to("float64");
    assertEquals([...module.buffers()].map(({ dtype }) => dtype), ["float64", "float64"]);
    assertThrows(() => module.kept = 3, TypeError, "cannot assign 'int' as buffer 'kept'");
    module.kept = null;
    assertEquals(names(module), ["w"]);
    module.none = parameter(2); // a parameter takes the buffer's name
    assertEquals([...module.namedParameters()].map(([name]) => name), ["none", "w"]);
  });

  it("MODULE-2, TENSOR-7: a buffer of int64 stays one", () => {
    const module = new Free();
    module.add("registerBuffer", "steps", tensor([2 ** 40 + 1], { dtype: "int64" }));
    assertEquals(module.to("float32").buffers()[0].item(), 2 ** 40 + 1);
    module.loadStateDict({ steps: tensor([2.5]) });
    assertEquals(String(module.steps), "tensor([2])");
    assertThrows(() => module.loadStateDict({ steps: tensor([NaN]) }), ValueError, "int64");
    assertEquals(String(module.steps), "tensor([2])");
  });

  it("MODULE-2: a field that is defined over its buffer keeps it", () => {
    class Over extends Module {
      readonly mask = this.registerBuffer("mask", ones([2]));
      override forward(): void {}
    }
    const over = new Over();
    assertEquals([names(over), over.mask.tolist()], [["mask"], [1, 1]]);
    (over as { mask: Tensor }).mask = zeros([3]);
    assertEquals(over.stateDict().mask.shape, [3]);
  });

  it("MODULE-2, LOSS-3, LOSS-4: a loss's weights are buffers", () => {
    const loss = new BCEWithLogitsLoss({ weight: ones([1]), posWeight: ones([2]) });
    assertEquals(names(loss), ["weight", "pos_weight"]);
    loss.loadStateDict({ weight: tensor([2]), pos_weight: tensor([3, 4]) });
    assertEquals([loss.weight?.tolist(), loss.posWeight?.tolist()], [[2], [3, 4]]);
    assertEquals(names(new NLLLoss()), []);
    assertEquals(new NLLLoss({ weight: parameter(2) }).parameters(), []);
  });
});

describe("containers", () => {
  law(
    ["MODULE-3"],
    "a Sequential is the composition of its parts, and a list of the same parts holds the same",
    fc.array(fc.constantFrom(Tanh, ReLU, Sigmoid, Identity, () => new Linear(3, 3)), {
      maxLength: 5,
    }),
    (makers) => {
      const parts = makers.map((make) =>
        make.prototype instanceof Module ? new (make as typeof Tanh)() : (make as () => Linear)()
      );
      const x = tensor([[0.5, -1, 2]]);
      const all = new Sequential(...parts);
      let y: Tensor = x;
      for (const part of parts) y = part.forward(y);
      assertEquals(all.forward(x).tolist(), y.tolist());
      const list = new ModuleList(parts);
      assertEquals(names(list), names(all));
      assertEquals([...list], parts);
      assertEquals([list.length, all.length], [parts.length, parts.length]);
      parts.forEach((part, k) => {
        assertStrictEquals(list.at(k), part);
        assertStrictEquals(all.at(k - parts.length), part);
      });
      assertThrows(() => list.at(parts.length), Error, `index ${parts.length} is out of range`);
    },
  );

  it("MODULE-3: more than ten parts stay in order", () => {
    const model = new Sequential(...Array.from({ length: 12 }, () => new Linear(1, 1)));
    assertEquals(
      [...model.namedChildren()].map(([name]) => name),
      [...Array(12).keys()].map(String),
    );
    assertEquals(names(model.append(new Linear(1, 1))).at(-1), "12.bias");
  });

  it("MODULE-3: refuses in PyTorch's words, and says who put a pair out", () => {
    const read = (next: Module) => () =>
      new Sequential(new LSTM(2, 3), next).forward(zeros([1, 1, 2]));
    for (
      const [next, name] of [
        [new Linear(3, 1), "linear"],
        [new ReLU(), "relu"],
        [
          new Tanh(),
          "tanh",
        ],
        [new Sigmoid(), "sigmoid"],
        [new LogSoftmax(0), "log_softmax"],
        [
          new GRU(3, 1),
          "GRU.forward",
        ],
      ] as const
    ) {
      const { message } = assertThrows(read(next), TypeError);
      assert(
        message.startsWith(`${name}(): argument 'input' (position 1) must be Tensor`),
        message,
      );
      assert(/not tuple; LSTM returns a tuple/.test(message), message);
    }
    const wrong = new Sequential(new Linear(2, 3), new Linear(2, 3));
    assertThrows(() => wrong.forward(zeros([1, 2])), RuntimeError, "mat1 and mat2");
    assertThrows(() => new ModuleList([]).forward(), NotImplementedError, "Module [ModuleList]");
    assertThrows(() => new ModuleList(3 as never), TypeError, "with an iterable, but got int");
    assertThrows(() => new Sequential([] as never), TypeError, "list is not a Module subclass");
    assert(
      new Sequential() instanceof Container && new Sequential().forward(ones([1])).item() === 1,
    );
  });
});

describe("functions as modules", () => {
  law(
    ["MODULE-4"],
    "each is its function, element by element or over its dimension",
    fc.array(fc.double({ min: -50, max: 50, noNaN: true }), { minLength: 1, maxLength: 6 }),
    (numbers) => {
      const x = tensor([numbers], { dtype: "float64" });
      const one = (module: Module) => [...(module as Tanh).forward(x).data];
      const near = (given: number[], wanted: (v: number) => number) =>
        given.forEach((y, k) => assertAlmostEquals(y, wanted(numbers[k]), 1e-12));
      assertStrictEquals(new Identity().forward(x), x);
      near(one(new Tanh()), Math.tanh);
      near(one(new ReLU()), (v) => Math.max(v, 0));
      near(one(new Sigmoid()), (v) => 1 / (1 + Math.exp(-v)));
      const total = numbers.reduce((sum, v) => sum + Math.exp(v), 0);
      near(one(new LogSoftmax(1)), (v) => v - Math.log(total));
      near(one(new Softmax(-1)), (v) => Math.exp(v) / total);
      assertEquals(one(new LogSoftmax(0)), numbers.map(() => 0));
    },
  );

  it("MODULE-4: print as PyTorch's, and take what these take", () => {
    assertEquals([Identity, Tanh, ReLU, Sigmoid].map((Class) => String(new Class())), [
      "Identity()",
      "Tanh()",
      "ReLU()",
      "Sigmoid()",
    ]);
    assertEquals(String([new LogSoftmax(-2), new Softmax(0)]), "LogSoftmax(dim=-2),Softmax(dim=0)");
    assertThrows(() => new (ReLU as new (inplace: boolean) => ReLU)(true), TypeError, "takes 0");
    assertThrows(() => new LogSoftmax(2).forward(zeros([1])), IndexError, "Dimension out of range");
  });
});

describe("walking", () => {
  it("MODULE-5: apply goes to the children first, modules to the parent first", () => {
    const model = new Tagger();
    const seen: Module[] = [];
    assertStrictEquals(model.apply((module) => seen.push(module)), model);
    const [rnn, head] = model.children();
    assertEquals(seen, [rnn, ...head.children(), head, model]);
    assertEquals(model.modules(), [model, rnn, head, ...head.children()]);
    assertEquals(Object.fromEntries(model.namedModules())["head.1"], head.children()[1]);
    assertStrictEquals(model.getParameter("head.2.bias"), head.parameters()[3]);
    assertThrows(
      () => model.getParameter("head"),
      AttributeError,
      "`head` is not an nn.Parameter",
    );
  });

  fact(["MODULE-5"], "frozen parameters get no gradient and take no step", () => {
    const model = new Tagger();
    assertStrictEquals(model.rnn.requiresGrad_(false), model.rnn);
    const before = model.rnn.parameters().map((x) => x.tolist());
    const optimizer = new SGD(model.parameters(), { lr: 1 });
    backward(sum(model.forward(ones([3, 1, 2]))));
    optimizer.step();
    assertEquals(model.rnn.parameters().map(({ grad }) => grad), Array(8).fill(null));
    assertEquals(model.rnn.parameters().map((x) => x.tolist()), before);
    assert(model.head.parameters().every(({ grad }) => grad));
    model.requiresGrad_();
    assert(model.parameters().every(({ requiresGrad }) => requiresGrad));
    model.train(false);
    assert(model.modules().every(({ training }) => !training));
  });

  law(
    ["MODULE-5", "PARAM-1"],
    "all_weights are the parameters in their order",
    fc.record({
      Kind: fc.constantFrom<new (...given: never[]) => RNNBase>(RNN, LSTM, GRU),
      numLayers: fc.integer({ min: 1, max: 3 }),
      bidirectional: fc.boolean(),
      bias: fc.boolean(),
    }),
    ({ Kind, ...options }) => {
      const rnn = new Kind(...[2, 3, options] as never[]);
      assertEquals(rnn.allWeights.length, options.numLayers * (options.bidirectional ? 2 : 1));
      assertEquals(rnn.allWeights.flat(), rnn.parameters());
      assertEquals(rnn.flattenParameters(), undefined);
    },
  );

  fact(["MODULE-5", "DROP-1"], "dropout holds from when it is set", () => {
    const rnn = new GRU(2, 4, { numLayers: 2 });
    const x = ones([3, 1, 2]);
    const plain = rnn.forward(x)[0].tolist();
    rnn.dropout = 1;
    const dropped = rnn.forward(x)[0];
    assert(String(dropped.tolist()) !== String(plain));
    assertEquals(rnn.eval().forward(x)[0].tolist(), plain);
    for (const p of [2, -1, NaN, "0.5"]) {
      assertThrows(() => rnn.dropout = p as number, ValueError, "dropout should be a number");
    }
    assertEquals(rnn.dropout, 1);
    assertEquals(select(dropped, 0, 0).shape, [1, 4]);
  });
});
