/** Chapter gradients: what is recorded, in which order it runs back, and what a pass leaves. */

import { assertEquals, assertStrictEquals } from "@std/assert";
import {
  add,
  backward,
  cat,
  detach,
  detachState,
  exp,
  grad,
  incrementVersion,
  isGradEnabled,
  matmul,
  mul,
  noGrad,
  ones,
  reshape,
  sin,
  sub,
  sum,
  tanh,
  type Tensor,
  tensor,
  transpose,
  zeros,
} from "../../mod.ts";
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

const asked = { requiresGrad: true } as const;
const freed =
  "RuntimeError: Trying to backward through the graph a second time (or directly access " +
  "saved tensors after they have already been freed). Saved intermediate values of the graph are " +
  "freed when you call .backward() or autograd.grad(). Specify retain_graph=True if you need to " +
  "backward through the graph a second time or if you need to access saved tensors after calling " +
  "backward.";

/** What PyTorch says of a tensor changed in place. */
const changed = (of: string, at = 1, expected = 0) =>
  "RuntimeError: one of the variables needed for gradient computation has been modified by an " +
  `inplace operation: [${of} is at version ${at}; expected version ${expected} instead. Hint: ` +
  "enable anomaly detection to find the operation that failed to compute its gradient, with " +
  "torch.autograd.set_detect_anomaly(True, check_nan=False).";

describe("graph facts", () => {
  // This one stands first: it needs the first node that the program records.
  fact(["GRAD-3"], "a leaf comes after all that used it, the first node too", () => {
    const x = tensor([0], asked);
    const first = sin(x);
    const last = add(x, first);
    backward(last, null, { retainGraph: true });
    assertEquals(x.grad!.tolist(), [2]);
    backward(add(first, x));
    assertEquals(x.grad!.tolist(), [4]);
    const y = tensor([0], asked);
    backward(sin(y));
    assertEquals(y.grad!.tolist(), [1]);
    assertEquals(first.gradFn!.order < last.gradFn!.order, true);
  }, readablePath);

  fact(["GRAD-3", "GRAD-4"], "a pass runs through each node once, whatever ways lead there", () => {
    const x = tensor([3], asked);
    const square = mul(x, x);
    const both = add(mul(square, square), square); // x⁴ + x²
    assertEquals(grad([both], [x, square], [], { retainGraph: true }).map((one) => one!.item()), [
      114,
      19,
    ]);
    assertEquals(grad([both, both], [x], [], { retainGraph: true })[0]!.item(), 228);
    assertEquals(grad([both, square], [x], [null, tensor([10])])[0]!.item(), 174);
    assertEquals(told(() => backward(both)), freed);
    assertEquals(told(() => grad([square], [x])), freed);
    assertEquals(x.grad, null);
  }, readablePath);

  fact(["GRAD-4"], "what one tensor kept is freed, what none kept is not", () => {
    const x = tensor([0], asked);
    for (const f of [sin, exp, tanh]) {
      const y = f(x);
      backward(y, null, { retainGraph: true });
      backward(y);
      assertEquals(told(() => backward(y)), freed);
      assertEquals([y.gradFn!.inputs, y.gradFn!.backward], [[], null]);
    }
    const moved = sub(reshape(x, [1, 1]), 1);
    backward(moved);
    x.grad = null;
    backward(moved);
    assertEquals(x.grad, ones([1]));
    const given = sin(x);
    backward(given);
    // Nothing behind what is asked for is run, so that it may have been freed.
    assertEquals(grad([mul(given, 2)], [given])[0]!.tolist(), [2]);
  }, readablePath);

  fact(["GRAD-3", "GRAD-5", "ERROR-5"], "where a pass may begin, and where end", () => {
    const x = tensor([1, 2], asked);
    const [still, used] = [zeros([2]), mul(x, 2)];
    const none = "does not require grad and does not have a grad_fn";
    const rows: [() => unknown, string][] = [
      [() => grad([used, still], [x]), "grad can be implicitly created only for scalar outputs"],
      [() => grad([sum(used), still], [x]), `element 1 of tensors ${none}`],
      [() => grad([sum(used)], [still]), "One of the differentiated Tensors does not require grad"],
      [
        () => grad([sum(used)], [x], [ones([1])]),
        "Mismatch in shape: grad_output[0] has a shape of torch.Size([1]) and output[0] has a " +
        "shape of torch.Size([]).",
      ],
      [() => grad([sum(used)], []), "`inputs` argument to `grad()` cannot be empty."],
      [() => grad([sum(used)], [x], [null, null]), "got 1 tensors and 2 gradients"],
      [
        () => grad([sum(used)], [zeros([1], asked)]),
        "The differentiated Tensor at index 0 appears to not have been used in the graph. Set " +
        "allow_unused=True if this is the desired behavior.",
      ],
    ];
    for (const [run, message] of rows) assertEquals(told(run), `RuntimeError: ${message}`);
    assertEquals(
      told(() => backward(sum(used), null, { createGraph: true })),
      "NotImplementedError: create_graph: a backward pass computes plain numbers here and records " +
        "nothing, so that gradients have no gradients",
    );
    backward(sum(used), null, { createGraph: false });
    assertEquals(x.grad!.tolist(), [2, 2]);
    backward(sum(mul(x, 3)));
    assertEquals([x.grad!.tolist(), x.grad!.version()], [[5, 5], 1]);
    assertEquals([used.grad, still.grad], [null, null]);
    const leaf = tensor([1], asked);
    backward(leaf);
    assertEquals(leaf.grad!.tolist(), [1]);
  }, readablePath);

  fact(["GRAD-6"], "each tensor kept is named with what made it", () => {
    const x = tensor([[1, 2]], asked);
    const fixed = ones([1, 2]);
    const of = (make: () => Tensor, change: Tensor, times = 1) => {
      const y = sum(make());
      for (let k = 0; k < times; k++) incrementVersion(change);
      return told(() => backward(y));
    };
    assertEquals(of(() => mul(x, fixed), fixed), changed("torch.FloatTensor [1, 2]]"));
    assertEquals(of(() => mul(x, fixed), fixed, 2), changed("torch.FloatTensor [1, 2]]", 3, 1));
    assertEquals(of(() => mul(x, fixed), x), "");
    assertEquals(of(() => sin(x), x), changed("torch.FloatTensor [1, 2]]", 2, 1));
    const y = sub(x, 1);
    const out = "which is output 0 of ";
    assertEquals(of(() => mul(y, 1), y), "");
    assertEquals(
      of(() => mul(y, y), y),
      changed(`torch.FloatTensor [1, 2]], ${out}Sub,`, 2, 1),
    );
    const turned = transpose(x, 0, 1);
    assertEquals(
      of(() => matmul(x, turned), turned),
      changed(`torch.FloatTensor [2, 1]], ${out}AsStrided,`, 3, 2),
    );
    const sizes: [number[], number[], number][] = [
      [[2], [2], 1],
      [[2, 2], [2], 1],
      [[2, 2], [2, 2], 2],
      [[2], [2, 2], 2],
    ];
    for (const [left, right, at] of sizes) { // which of the two a product looks at first
      const [a, b] = [ones(left, asked), ones(right, asked)];
      const product = sum(matmul(a, b));
      [a, b, b].forEach((one) => incrementVersion(one));
      const of = `torch.FloatTensor [${(at === 1 ? left : right).join(", ")}]]`;
      assertEquals(told(() => backward(product)), changed(of, at));
    }
    const double = tensor([2], { ...asked, dtype: "float64" });
    assertEquals(of(() => mul(double, double), double), changed("torch.DoubleTensor [1]]"));
    const before = sin(x);
    assertEquals(told(() => backward(sum(add(before, 1)))), "");
  }, readablePath);

  fact(["GRAD-5"], "recording ends and begins, and what is cut off shares its numbers", () => {
    const x = tensor([1], asked);
    assertEquals([isGradEnabled(), noGrad(() => isGradEnabled()), isGradEnabled()], [
      true,
      false,
      true,
    ]);
    assertEquals(
      told(() => noGrad(() => noGrad(() => tensor(["a"] as never)))).slice(0, 9),
      "TypeError",
    );
    assertEquals(isGradEnabled(), true);
    const text = (run: () => unknown) => told(run).replace(/;[^]*/, "");
    assertEquals(
      text(() => noGrad(1 as never)),
      "TypeError: no_grad(): argument 'run' (position 1) must be function, not int",
    );
    assertEquals(
      text(() => Reflect.apply(noGrad, null, [() => 1, 2])),
      "TypeError: no_grad() takes 1 positional argument but 2 were given",
    );
    assertEquals([noGrad(() => sin(x)).isLeaf, sin(x).isLeaf, sin(detach(x)).isLeaf], [
      true,
      false,
      true,
    ]);
    const y = mul(x, 2);
    const same = detach(y);
    assertStrictEquals(same.data, y.data);
    assertEquals([same.isLeaf, same.requiresGrad, same.dtype], [true, false, "float32"]);
    incrementVersion(same);
    assertEquals([y.version(), same.version(), x.version()], [1, 1, 0]);
    const state = detachState([y, same]);
    assertEquals(state.map((part) => [part.isLeaf, part.version()]), [[true, 1], [true, 1]]);
    assertEquals(detachState(y).tolist(), [2]);
    assertEquals(
      text(() => detachState([y, 1] as never)),
      "TypeError: detach_state(): argument 'state' (position 1) must be Tensor or tuple of Tensors, " +
        "not list",
    );
    incrementVersion(new Set([x, y]));
    assertEquals([x.version(), y.version()], [1, 2]);
    for (const wrong of [null, 1, [x, null]]) {
      assertEquals(
        told(() => incrementVersion(wrong as never)),
        "RuntimeError: increment_version expect a Iterable[Tensor] as input",
      );
    }
    assertEquals(x.version(), 1);
  }, readablePath);

  fact(["GRAD-1", "GRAD-3"], "zeros are handed out again as zeros", () => {
    for (const size of [1, 40, 63, 64, 65, 100, 4096, 4097]) {
      for (let pass = 0; pass < 3; pass++) {
        const x = ones([size], asked);
        backward(sum(cat([mul(x, 2), sin(mul(x, 0)), x])));
        assertEquals(x.grad!.data.every((value) => value === 3), true);
      }
    }
  }, readablePath);
});
