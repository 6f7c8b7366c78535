/** Modules, containers, batches and packing: each default, each border, each text in full. */

import { assert, assertEquals, assertStrictEquals } from "@std/assert";
import {
  BCEWithLogitsLoss,
  binaryCrossEntropyWithLogits,
  crossEntropy,
  CrossEntropyLoss,
  DataLoader,
  defaultCollate,
  dropout,
  L1Loss,
  l1Loss,
  LayerNorm,
  Linear,
  Module,
  ModuleList,
  MSELoss,
  mseLoss,
  NLLLoss,
  nllLoss,
  ones,
  PackedSequence,
  packPaddedSequence,
  packSequence,
  padCollate,
  padPackedSequence,
  padSequence,
  Parameter,
  ReLU,
  Sequential,
  SGD,
  Tanh,
  type Tensor,
  tensor,
  unpackSequence,
  unpadSequence,
  zeros,
} from "../../mod.ts";
import { describe, fact, readablePath } from "./law.ts";

// deno-lint-ignore no-explicit-any -- what TypeScript refuses, too
type Untyped = any;

/** The class and the message of what a call throws; nothing if it returns. */
function told(run: () => unknown): string {
  try {
    run();
  } catch (error) {
    return `${(error as Error).name}: ${(error as Error).message}`;
  }
  return "";
}

/** Checks what calls refuse, or that they refuse nothing. */
const refusals = (rows: readonly (readonly [() => unknown, string])[]) =>
  rows.forEach(([run, message]) => assertEquals(told(run), message, String(run)));

/** A module that does what it is told. */
class Free extends Module {
  [name: string]: unknown;
  run: (x: Tensor) => unknown = (x) => x;
  override forward(x: Tensor): unknown {
    return this.run(x);
  }
  take(name: string, module: Module): Module {
    return this.register(name, module);
  }
}

const lengthsOf = (sequences: readonly Tensor[]) => sequences.map(({ shape }) => shape[0]);

describe("modules", () => {
  fact(
    ["MODULE-5"],
    "getParameter tells what is not there and what is no module or parameter",
    () => {
      const model = new Free();
      Object.assign(model, { bias: new Parameter(ones([1])), fc: new Linear(1, 1) });
      assertStrictEquals(model.getParameter("bias"), model.bias);
      assertStrictEquals(model.getParameter("fc.bias"), (model.fc as Linear).bias);
      refusals([
        [() => model.getParameter("bias.x"), "AttributeError: `bias` is not an nn.Module"],
        [() => model.getParameter("fc"), "AttributeError: `fc` is not an nn.Parameter"],
        [() => model.getParameter("fc.x"), "AttributeError: Linear has no attribute `x`"],
        [() => model.getParameter("x"), "AttributeError: Free has no attribute `x`"],
        [() => model.getParameter("x.y"), "AttributeError: Free has no attribute `x`"],
      ]);
    },
    readablePath,
  );

  fact(["MODULE-1", "PRINT-1"], "lines of a module's own stand before its children", () => {
    class Lines extends Free {
      protected override extraRepr(): string {
        return "a\nb";
      }
    }
    class Line extends Free {
      protected override extraRepr(): string {
        return "a";
      }
    }
    const within = (module: Module) => Object.assign(module, { fc: new Tanh() });
    assertEquals(String(new Line()), "Line(a)");
    assertEquals(String(new Lines()), "Lines(\n  a\n  b\n)");
    assertEquals(String(within(new Lines())), "Lines(\n  a\n  b\n  (fc): Tanh()\n)");
    assertEquals(String(within(new Line())), "Line(\n  a\n  (fc): Tanh()\n)");
    const [t, r] = [() => new Tanh(), () => new ReLU()];
    assertEquals(
      String(new ModuleList([t, t, r, t, t, t].map((make) => make()))),
      "ModuleList(\n  (0-1): 2 x Tanh()\n  (2): ReLU()\n  (3-5): 3 x Tanh()\n)",
    );
    assertEquals(String(new ModuleList([])), "ModuleList()");
  }, readablePath);

  fact(["MODULE-1", "ERROR-7"], "names that nothing has: a module's own, then each child's", () => {
    const model = new Sequential(new Sequential(new Linear(1, 1)));
    const x = zeros([1]);
    const load = (state: object) =>
      String(model.loadStateDict(state as Untyped, { strict: false }));
    assertEquals(
      load({ "0.0.z": x, "0.x": x, y: x, "9.w": x }),
      "_IncompatibleKeys(missing_keys=['0.0.weight', '0.0.bias'], " +
        "unexpected_keys=['y', '9.w', '0.x', '0.0.z'])",
    );
    assertEquals(load(model.stateDict()), "<All keys matched successfully>");
  }, readablePath);

  fact(["MODULE-1", "MODULE-5"], "a field of nothing is free, and what is said of a mode", () => {
    const model = new Free();
    Object.assign(model, { none: null, own: new Tanh(), five: 5, missing: undefined });
    const linear = new Linear(1, 1, { bias: false });
    assertStrictEquals(model.take("none", linear), linear);
    assertStrictEquals(model.take("own", linear), linear);
    assertStrictEquals(model.take("missing", linear), linear);
    refusals([
      [() => model.take("five", linear), `KeyError: "attribute 'five' already exists"`],
      [
        () => model.take("getParameter", linear),
        `KeyError: "attribute 'getParameter' already exists"`,
      ],
      [() => model.train(1 as Untyped), "ValueError: training mode is expected to be boolean"],
    ]);
    assertEquals([model.training, model.eval().training, model.train().training], [
      true,
      false,
      true,
    ]);
    const { data } = linear.weight;
    linear.weight.grad = ones([1, 1]);
    assert(linear.to("float32").weight.data === data);
    linear.to("float64");
    assertEquals([linear.weight.dtype, linear.weight.grad!.dtype], ["float64", "float64"]);
    const lost = Object.assign(new Free(), { mixed: [5, new Tanh()], w: [5, ones([1])] });
    assertEquals(
      told(() => new SGD(lost.parameters())),
      "ValueError: optimizer got an empty parameter list; Free registers nothing of what it " +
        "holds in mixed: write new ModuleList([…]), in w: write new Parameter(…)",
    );
  }, readablePath);

  fact(["MODULE-3"], "a Sequential of names, and whose errors it completes", () => {
    const [a, b] = [new Tanh(), new ReLU()];
    const named = new Sequential({ a, b });
    assertEquals([...named.namedChildren()], [["a", a], ["b", b]]);
    assertEquals([new Sequential(a).at(0), new Sequential(a, b).at(-1)], [a, b]);
    const one = (run: Free["run"]) => Object.assign(new Free(), { run });
    const fails = (error: Error) =>
      one(() => {
        throw error;
      });
    const pair = one((x) => [x, x]);
    const run = (...modules: Module[]) => () => new Sequential(...modules).forward(ones([1]));
    refusals([
      [() => new Sequential({ a }, { b } as Untyped), "TypeError: dict is not a Module subclass"],
      [run(a, fails(new TypeError("own"))), "TypeError: own"],
      [run(pair, fails(new RangeError("own"))), "RangeError: own"],
      [
        run(pair, fails(new TypeError("must be Tensor, not list"))),
        "TypeError: must be Tensor, not tuple; Free returns a tuple: put a module behind it that " +
        "takes the output",
      ],
      [() => named.at(2), "IndexError: index 2 is out of range"],
      [
        () => named.at(0.5),
        "TypeError: at(): argument 'index' (position 1) must be int, not float",
      ],
    ]);
  }, readablePath);

  fact(["LOSS-1", "LOSS-2", "LOSS-3", "LOSS-4", "LOSS-5"], "losses: defaults and options", () => {
    const [nll, cross] = [new NLLLoss(), new CrossEntropyLoss()];
    assertEquals([nll.ignoreIndex, nll.weight, nll.reduction], [-100, null, "mean"]);
    assertEquals([cross.ignoreIndex, cross.weight, cross.labelSmoothing], [-100, null, 0]);
    const weight = ones([2]);
    const own = new CrossEntropyLoss({ ignoreIndex: 1, weight, labelSmoothing: 0.5 });
    assertEquals([own.ignoreIndex, own.weight === weight, own.labelSmoothing], [1, true, 0.5]);
    assertEquals(new NLLLoss({ ignoreIndex: 0 }).ignoreIndex, 0);
    const both = new BCEWithLogitsLoss({ weight, posWeight: weight, reduction: "none" });
    assert(both.weight === weight && both.posWeight === weight && both.reduction === "none");
    const none = new BCEWithLogitsLoss();
    assertEquals([none.weight, none.posWeight, none.reduction], [null, null, "mean"]);
    const x = ones([1, 2]);
    for (const Class of [MSELoss, L1Loss, NLLLoss, CrossEntropyLoss, BCEWithLogitsLoss]) {
      const loss = new Class() as Untyped;
      assertEquals(String(loss), `${Class.name}()`);
      assertEquals(
        told(() => loss.forward(x, x, 3)),
        `TypeError: ${Class.name}.forward() takes from 0 to 2 positional arguments but 3 were given`,
      );
    }
  }, readablePath);

  fact(["NORM-1", "NORM-2"], "LayerNorm: which parameters there are, and what it prints", () => {
    const rows: [LayerNorm, string, unknown, unknown][] = [
      [
        new LayerNorm([2, 1]),
        "(2, 1), eps=1e-05, elementwise_affine=True, bias=True",
        [[1], [1]],
        [[0], [0]],
      ],
      [
        new LayerNorm(2, { bias: false }),
        "(2,), eps=1e-05, elementwise_affine=True, bias=False",
        [1, 1],
        undefined,
      ],
      [
        new LayerNorm(2, { elementwiseAffine: false, eps: 1e-12 }),
        "(2,), eps=1e-12, elementwise_affine=False, bias=False",
        undefined,
        undefined,
      ],
    ];
    for (const [norm, text, weight, bias] of rows) {
      assertEquals(String(norm), `LayerNorm(${text})`);
      assertEquals([norm.weight?.tolist(), norm.bias?.tolist()], [weight, bias]);
    }
    assertEquals(told(() => new LayerNorm(1.5)), "TypeError: 'float' object is not iterable");
  }, readablePath);
});

describe("batches", () => {
  fact(["DATA-1", "DATA-2"], "what is collated, what is padded, and with what", () => {
    const [x, y] = [tensor([1, 2]), tensor([3])];
    const [a, b, lengths] = padCollate([[x, y], [y, x]], { paddingValue: [5] }) as Untyped[];
    assertEquals([a.tolist(), b.tolist(), lengths], [[[1, 3], [2, 5]], [[3, 1], [0, 2]], [2, 1]]);
    const [zero] = padCollate([x, y]) as Tensor[];
    assertEquals(zero.tolist(), [[1, 3], [2, 0]]);
    const [, tags] = padCollate([[x, tensor(7)], [y, tensor(8)]]) as Tensor[];
    assertEquals(tags.tolist(), [7, 8]);
    const wrong =
      "TypeError: default_collate: batch must contain tensors, numbers or lists; found ";
    const sizes = "ValueError: each element in list of batch should be of equal size";
    refusals([
      [() => defaultCollate([1, "a"]), `${wrong}int`],
      [() => defaultCollate([null]), `${wrong}NoneType`],
      [() => defaultCollate([[1], 2]), sizes],
      [() => defaultCollate([[1, 2], [1]]), sizes],
    ]);
    const drop = "ValueError: drop_last should be a boolean value, but got drop_last=None";
    assertEquals(told(() => new DataLoader([1], { dropLast: null as Untyped })), drop);
    const loader = new DataLoader([1, 2, 3, 4], { batchSize: 2 });
    assertEquals([loader.length, [...loader].length], [2, 2]);
    assertEquals([...new DataLoader([1, 2])].map(String), ["tensor([1])", "tensor([2])"]);
    assertEquals([...new DataLoader([4], { shuffle: true })].map(String), ["tensor([4])"]);
    const dropped = new DataLoader([1, 2, 3], { batchSize: 2, dropLast: true });
    assertEquals([dropped.length, [...dropped].length], [1, 1]);
  }, readablePath);

  fact(["PACK-1", "PACK-2", "ERROR-4"], "which four fields are a packed batch", () => {
    const fields = (rows: number, sizes: number[], ...orders: Untyped[]) => () =>
      new PackedSequence(zeros([rows]), sizes, ...orders);
    const wrong = (rows: number, sizes: string) =>
      "ValueError: batch_sizes must be positive, never grow and add up to the " +
      `${rows} rows of data, but got ${sizes}`;
    const unsorted = "RuntimeError: `lengths` array must be sorted in decreasing order when " +
      "`enforce_sorted` is True. You can pass `enforce_sorted=False` to pack_padded_sequence " +
      "and/or pack_sequence to sidestep this requirement if you do not need ONNX exportability.";
    refusals([
      [fields(3, [2, 1]), ""],
      [fields(4, [2, 2]), ""],
      [fields(4, [2, 1]), wrong(4, "[2, 1]")],
      [fields(3, [1.5, 1.5]), wrong(3, "[1.5, 1.5]")],
      [fields(1, [2, -1]), wrong(1, "[2, -1]")],
      [fields(2, [2], [1, 0]), ""],
      [
        fields(2, [2], [1, 2]),
        "ValueError: sorted_indices must be the numbers from 0 to 1 in some order, but got [1, 2]",
      ],
      [() => packPaddedSequence(zeros([3, 2]), [1, 2]), unsorted],
      [() => packPaddedSequence(zeros([3, 2]), [2, 2]), ""],
      [() => packSequence([zeros([1]), zeros([2])]), unsorted],
      [
        () => packPaddedSequence(zeros([3, 2]), [1, 0]),
        "RuntimeError: Length of all samples has to be greater than 0, but found an element in " +
        "'lengths' that is <= 0",
      ],
      [
        () => packPaddedSequence(zeros([]), [1]),
        "IndexError: Dimension specified as 1 but tensor has no dimensions",
      ],
      [
        () => packPaddedSequence(zeros([]), [1], { batchFirst: true }),
        "IndexError: Dimension out of range (expected to be in range of [-1, 0], but got 1)",
      ],
    ]);
    const { sortedIndices, unsortedIndices } = new PackedSequence(zeros([3]), [3], [1, 2, 0]);
    assertEquals([sortedIndices, unsortedIndices], [[1, 2, 0], [2, 0, 1]]);
    const given = new PackedSequence(zeros([3]), [3], null, [1, 2, 0]);
    assertEquals([given.sortedIndices, given.unsortedIndices], [null, [1, 2, 0]]);
    const packed = packSequence([tensor([1, 2]), tensor([3])]);
    const [padded, lengths] = padPackedSequence(packed, { totalLength: 3, paddingValue: 9 });
    assertEquals([padded.tolist(), lengths], [[[1, 3], [2, 9], [9, 9]], [2, 1]]);
    assertEquals(padPackedSequence(packed)[0].tolist(), [[1, 3], [2, 0]]);
  }, readablePath);

  fact(["ERROR-8"], "what is missing is told as Python does it", () => {
    const rows: [(...given: Untyped[]) => unknown, string, string][] = [
      [padSequence, "pad_sequence", ": 'sequences'"],
      [unpadSequence, "unpad_sequence", "s: 'padded_sequences' and 'lengths'"],
      [packPaddedSequence, "pack_padded_sequence", "s: 'input' and 'lengths'"],
      [padPackedSequence, "pad_packed_sequence", ": 'sequence'"],
      [packSequence, "pack_sequence", ": 'sequences'"],
      [unpackSequence, "unpack_sequence", ": 'packed_sequences'"],
      [dropout, "dropout", "s: 'input', 'p', and 'training'"],
      [mseLoss, "mse_loss", "s: 'input' and 'target'"],
      [l1Loss, "l1_loss", "s: 'input' and 'target'"],
      [nllLoss, "nll_loss", "s: 'input' and 'target'"],
      [crossEntropy, "cross_entropy", "s: 'input' and 'target'"],
      [
        binaryCrossEntropyWithLogits,
        "binary_cross_entropy_with_logits",
        "s: 'input' and 'target'",
      ],
    ];
    for (const [run, name, missing] of rows) {
      const count = missing.split("'").length >> 1;
      assertEquals(
        told(() => run()),
        `TypeError: ${name}() missing ${count} required positional argument${missing}`,
      );
    }
  }, readablePath);

  fact(["PACK-6"], "sequences of nothing; lengths below 0 and beyond the end", () => {
    assertEquals(padSequence([zeros([0, 2])]).shape, [0, 1, 2]);
    assertEquals(padSequence([zeros([1]), zeros([2]), zeros([0])]).shape, [2, 3]);
    assertEquals(lengthsOf(unpadSequence(ones([2, 2]), [1, 5])), [1, 2]);
    assertEquals(lengthsOf(unpadSequence(ones([2, 3]), [-1, 0, 1])), [0, 0, 1]);
    assertEquals(lengthsOf(unpadSequence(ones([2, 3]), [3, 1], { batchFirst: true })), [3, 1]);
    const lengths = tensor([2, 1], { dtype: "int64" });
    assertEquals(packPaddedSequence(ones([2, 2]), lengths).batchSizes, [2, 1]);
    const long = "RuntimeError: 'lengths' argument should be a 1D CPU int64 tensor, but got ";
    refusals([
      [() => unpadSequence(ones([2, 2]), 2 as Untyped), `${long}0D cpu Long tensor`],
      [() => unpadSequence(ones([2, 2]), tensor(2)), `${long}0D cpu Float tensor`],
      [
        () => unpadSequence(ones([2, 2]), [1, 1.5]),
        "TypeError: lengths must be a list of integers, but got [1, 1.5]",
      ],
    ]);
  }, readablePath);
});
