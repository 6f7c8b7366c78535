/** Chapter gradients: what a backward pass leaves behind, and where gradients do not flow. */

import { assert, assertEquals, assertThrows } from "@std/assert";
import fc from "fast-check";
import {
  add,
  backward,
  cat,
  detach,
  type FloatDType,
  grad,
  isGradEnabled,
  mul,
  noGrad,
  ones,
  reshape,
  RNN,
  RuntimeError,
  select,
  slice,
  sub,
  sum,
  tanh,
  type Tensor,
  tensor,
  to,
  zeros,
} from "../../mod.ts";
import { assertAllBitwise, assertBitwise, assertClose, tolerance } from "./alike.ts";
import {
  build,
  type Config,
  inputOf,
  normals,
  ragged,
  recording,
  runRecorded,
  small,
  stateOf,
  timeDim,
} from "./arbitrary.ts";
import { describe, fact, law } from "./law.ts";

const freed =
  "Trying to backward through the graph a second time (or directly access saved tensors after " +
  "they have already been freed). Saved intermediate values of the graph are freed when you call " +
  ".backward() or autograd.grad(). Specify retain_graph=True if you need to backward through the " +
  "graph a second time or if you need to access saved tensors after calling backward.";

/** A module's output and final state as one number, differently weighted throughout. */
function loss(c: Config, parts: readonly Tensor[]): Tensor {
  return parts.map((y, k) => sum(mul(y, normals(c, [...y.shape], 30 + k)))).reduce((a, b) =>
    add(a, b)
  );
}

/** Output and final state in one list. */
function all(module: Parameters<typeof runRecorded>[0], x: Tensor, state?: readonly Tensor[]) {
  const [output, final] = runRecorded(module, x, state);
  return [output, ...final];
}

describe("backward", () => {
  law(
    ["GRAD-2", "BATCH-4"],
    "nothing flows from one row to another",
    ragged({ ...small, batch: fc.constant(2) }),
    (c) => {
      const { module, x, state } = recording(c);
      const [output] = runRecorded(module, x, state);
      const own = select(output, 1 - timeDim(c), 0);
      for (const [k, dx] of grad([sum(own)], [x, ...state], [], { allowUnused: true }).entries()) {
        const other = dx && select(dx, k === 0 ? 1 - timeDim(c) : 1, 1);
        assert(other === null || other.data.every((value) => value === 0));
      }
    },
  );

  law(
    ["GRAD-2", "STACK-1"],
    "one direction: an output has no gradient by a later input",
    ragged({ ...small, bidirectional: fc.constant(false) }),
    (c) => {
      const { module, x, state } = recording(c);
      const t = c.seed % c.length;
      const [output] = runRecorded(module, x, state);
      const [dx] = grad([sum(select(output, timeDim(c), t))], [x]);
      assert(slice(dx!, timeDim(c), t + 1).data.every((value) => value === 0));
    },
  );

  law(
    ["GRAD-2", "STACK-8"],
    "cut with the state carried over, all gradients are the whole's; with it detached, the past's are not",
    ragged({
      ...small,
      kind: fc.constantFrom("RNN tanh", "LSTM", "GRU"),
      bidirectional: fc.constant(false),
      length: fc.integer({ min: 2, max: 4 }),
    }),
    (c) => {
      const { module, x, state, leaves } = recording(c);
      const weights = (y: Tensor) => [normals(c, [...y.shape], 3)];
      const last = (y: Tensor) => select(y, timeDim(c), -1);
      const whole = last(runRecorded(module, x, state)[0]);
      const wanted = grad([whole], leaves, weights(whole), { allowUnused: true });
      const [first, second] = [slice(x, timeDim(c), 0, 1), slice(x, timeDim(c), 1)];
      const between = runRecorded(module, first, state)[1];
      const cut = last(runRecorded(module, second, between)[0]);
      grad([cut], leaves, weights(cut), { allowUnused: true }).forEach((dx, k) => {
        if (dx && wanted[k]) assertClose(dx, wanted[k], { rtol: 1e-11, atol: 1e-13 });
        else assertEquals(dx, wanted[k]);
      });
      const truncated = last(runRecorded(module, second, between.map((part) => detach(part)))[0]);
      const [dx, dh] = grad([truncated], [x, state[0]], weights(cut), { allowUnused: true });
      assert(select(dx!, timeDim(c), 0).data.every((value) => value === 0));
      assertEquals(dh, null);
      assertAllBitwise([truncated], [cut]);
    },
  );

  law(
    ["GRAD-2", "NUM-2"],
    "float32 gradients are close to float64's",
    ragged({ ...small, dtype: fc.constant("float32") }),
    (c) => {
      const gradients = (dtype: "float32" | "float64") => {
        const module = build(c).to(dtype);
        const [x, ...state] = [inputOf(c), ...stateOf(c)].map((part) => to(part, dtype));
        const [output, final] = runRecorded(module, x, state);
        [output, ...final].forEach((y) => backward(sum(y), null, { retainGraph: true }));
        return module.parameters().map((parameter) => parameter.grad!);
      };
      const wanted = gradients("float64");
      fc.pre(c.kind !== "RNN relu");
      gradients("float32").forEach((given, k) => {
        assertEquals(given.dtype, "float32");
        assertClose(to(given, "float64"), wanted[k], tolerance.float32);
      });
    },
  );

  law(
    ["GRAD-2", "LSTM-3", "GRU-3"],
    "bias_ih and bias_hh have one gradient, but for n's rows in GRU",
    ragged({ ...small, bias: fc.constant(true) }),
    (c) => {
      const { module, x } = recording(c);
      backward(sum(runRecorded(module, x)[0]));
      for (const [name, { grad }] of module.namedParameters()) {
        if (!name.startsWith("bias_ih")) continue;
        const other = module.getParameter(name.replace("_ih", "_hh")).grad!;
        const rows = c.kind === "GRU" ? 2 * c.hiddenSize : grad!.numel();
        assertAllBitwise([slice(other, 0, 0, rows)], [slice(grad!, 0, 0, rows)]);
        const rest = slice(other, 0, rows).data;
        assert(slice(grad!, 0, rows).data.every((value, k) => rest[k] !== value));
      }
    },
  );
  law(
    ["GRAD-3"],
    "two passes without clearing give the sum; cleared, the first again",
    ragged(small),
    (c) => {
      const { module, x, state, leaves } = recording(c);
      const pass = () => backward(loss(c, all(module, x, state)));
      pass();
      const first = leaves.map(({ grad }) => add(detach(grad!), 0));
      leaves.forEach((leaf, k) => {
        assertEquals([leaf.grad!.dtype, leaf.grad!.shape], [leaf.dtype, leaf.shape]);
        assert(!leaf.grad!.requiresGrad, `leaf ${k}`);
      });
      pass();
      assertAllBitwise(leaves.map(({ grad }) => grad!), first.map((g) => mul(g, 2)));
      module.zeroGrad();
      assert(module.parameters().every(({ grad }) => grad === null));
      pass();
      assertAllBitwise(
        module.parameters().map(({ grad }) => grad!),
        first.slice(-module.parameters().length),
      );
    },
  );

  law(
    ["GRAD-3"],
    "grad() returns what backward adds, of results too, and touches no grad",
    ragged(small),
    (c) => {
      const { module, x, state, leaves } = recording(c);
      const parts = all(module, x, state);
      const y = loss(c, parts);
      const given = grad([y], [...leaves, parts[0]], [], { retainGraph: true });
      assert(leaves.every(({ grad }) => grad === null));
      assertBitwise(given.at(-1)!, normals(c, [...parts[0].shape], 30));
      backward(y);
      assertAllBitwise(leaves.map(({ grad }) => grad!), given.slice(0, -1) as Tensor[]);
      assert(parts.every((part) => part.grad === null && !part.isLeaf));
    },
  );

  law(
    ["GRAD-3"],
    "gradients are linear in where they start: of a sum, the sum; doubled, double",
    ragged(small),
    (c) => {
      const { module, x, state, leaves } = recording(c);
      const [output] = all(module, x, state);
      const of = (weights: Tensor) =>
        grad([output], leaves, [weights], { retainGraph: true, allowUnused: true }).map((g, k) =>
          g ?? zeros(leaves[k].shape, { dtype: c.dtype })
        );
      const [a, b] = [1, 2].map((salt) => normals(c, [...output.shape], salt));
      assertAllBitwise(of(mul(a, 2)), of(a).map((g) => mul(g, 2)));
      const [fromA, fromB] = [of(a), of(b)];
      of(add(a, b)).forEach((g, k) => {
        assertClose(g, add(fromA[k], fromB[k]), { rtol: 1e-11, atol: 1e-12 });
      });
    },
  );

  law(
    ["GRAD-3"],
    "only what requires a gradient gets one, and asks for one",
    ragged(small),
    (c) => {
      const [module, x, state] = [build(c), inputOf(c), stateOf(c)];
      const parts = all(module, x, state);
      assert(parts.every((y) => y.requiresGrad));
      backward(loss(c, parts));
      assert([x, ...state].every((leaf) => leaf.grad === null && !leaf.requiresGrad));
      assert(module.parameters().every((leaf) => leaf.grad !== null && leaf.isLeaf));
      for (const leaf of module.parameters()) leaf.requiresGrad = false;
      assert(all(module, x, state).every((y) => !y.requiresGrad && y.isLeaf));
    },
  );

  fact(
    ["GRAD-3"],
    "PyTorch's words: nothing to differentiate, no scalar, another shape, unused",
    () => {
      const x = ones([3], { requiresGrad: true });
      const y = tanh(x);
      const cases: [() => unknown, string][] = [
        [
          () => backward(ones([1])),
          "element 0 of tensors does not require grad and does not have a grad_fn",
        ],
        [() => backward(y), "grad can be implicitly created only for scalar outputs"],
        [
          () => backward(y, ones([2])),
          "Mismatch in shape: grad_output[0] has a shape of torch.Size([2]) and output[0] has a " +
          "shape of torch.Size([3]).",
        ],
        [
          () => grad([sum(y)], [x, ones([1], { requiresGrad: true })]),
          "The differentiated Tensor at index 1 appears to not have been used in the graph. Set " +
          "allow_unused=True if this is the desired behavior.",
        ],
      ];
      for (const [run, message] of cases) {
        assertEquals(assertThrows(run, RuntimeError).message, message);
      }
      assertEquals(x.grad, null);
      const [, unused] = grad([sum(tanh(x))], [x, ones([1], { requiresGrad: true })], [], {
        allowUnused: true,
      });
      assertEquals(unused, null);
      const one = tensor([[2]], { requiresGrad: true }); // one element is as good as a scalar
      backward(mul(one, one));
      assertEquals(one.grad!.tolist(), [[4]]);
    },
  );

  law(
    ["GRAD-4"],
    "a second pass is refused, in PyTorch's words, and adds nothing",
    ragged(small),
    (c) => {
      const { module, x, state, leaves } = recording(c);
      const parts = all(module, x, state);
      const y = loss(c, parts);
      backward(y);
      const before = leaves.map(({ grad }) => add(grad!, 0));
      for (const output of [y, sum(parts[0])]) { // from another output, too
        assertEquals(assertThrows(() => backward(output), RuntimeError).message, freed);
      }
      assertAllBitwise(leaves.map(({ grad }) => grad!), before);
      backward(loss(c, all(module, x, state))); // a new forward pass is a new graph
    },
  );

  law(
    ["GRAD-4"],
    "with retainGraph the same graph runs again, to the same bits",
    ragged(small),
    (c) => {
      const { module, x, state, leaves } = recording(c);
      const y = loss(c, all(module, x, state));
      const passes = [true, true, false].map((retainGraph) =>
        grad([y], leaves, [], { retainGraph })
      );
      assertAllBitwise(passes[1] as Tensor[], passes[0] as Tensor[]);
      assertAllBitwise(passes[2] as Tensor[], passes[0] as Tensor[]);
      assertThrows(() => grad([y], leaves), RuntimeError, "a second time");
    },
  );

  fact(["GRAD-4"], "what saves nothing may run again: sums, and what only moves numbers", () => {
    const x = ones([2, 3], { requiresGrad: true });
    const y = sum(cat([reshape(add(x, sub(x, 1)), [3, 2]), slice(reshape(x, [3, 2]), 0, 1)]));
    backward(y);
    backward(y);
    assertEquals(x.grad!.tolist(), [[4, 4, 6], [6, 6, 6]]);
  });

  fact(["GRAD-4"], "a sequence of any length: no recursion runs out", () => {
    const rnn = new RNN(1, 1, { nonlinearity: "relu", bias: false });
    rnn.loadStateDict({ weight_ih_l0: ones([1, 1]), weight_hh_l0: ones([1, 1]) });
    const x = ones([5000, 1], { requiresGrad: true });
    backward(sum(rnn.forward(x)[1]));
    assert(x.grad!.data.every((value) => value === 1));
  });

  law(
    ["GRAD-5"],
    "under noGrad the numbers are the same, and nothing is recorded",
    ragged(small),
    (c) => {
      const { module, x, state } = recording(c);
      const recorded = all(module, x, state);
      const plain = noGrad(() => all(module, x, state));
      assertAllBitwise(plain, recorded);
      assert(plain.every((y) => !y.requiresGrad && y.isLeaf && y.gradFn === null));
      assert(recorded.every((y) => y.requiresGrad && !y.isLeaf));
    },
  );

  fact(["GRAD-5"], "noGrad ends with its function, nested or thrown out of", () => {
    assertEquals(noGrad(() => [noGrad(isGradEnabled), isGradEnabled()]), [false, false]);
    assertThrows(() =>
      noGrad(() => {
        throw new Error("out");
      })
    );
    assertEquals(isGradEnabled(), true);
  });

  law(
    ["GRAD-5"],
    "detach shares storage, is a leaf, and lets nothing through",
    fc.record({
      n: fc.integer({ min: 1, max: 5 }),
      seed: fc.nat(),
      dtype: fc.constantFrom<FloatDType>("float32", "float64"),
    }),
    ({ n, seed, dtype }) => {
      const x = normals({ seed, dtype }, [n]);
      x.requiresGrad = true;
      const y = tanh(x);
      const cut = detach(y);
      assert(cut.data === y.data && cut.isLeaf && !cut.requiresGrad && y.requiresGrad);
      const [dx] = grad([sum(mul(y, cut))], [x]); // y · constant, not y²
      const [wanted] = grad([tanh(x)], [x], [cut]);
      assertBitwise(dx!, wanted!);
      assertEquals(grad([sum(mul(x, x))], [x])[0]!.data, mul(detach(x), 2).data);
    },
  );

  fact(["GRAD-5"], "requiresGrad of a result cannot be taken away; of a leaf it can", () => {
    const x = ones([2], { requiresGrad: true });
    const y = tanh(x);
    const error = assertThrows(() => y.requiresGrad = false, RuntimeError);
    assertEquals(
      error.message,
      "you can only change requires_grad flags of leaf variables. If you want to use a computed " +
        "variable in a subgraph that doesn't require differentiation use " +
        "var_no_grad = var.detach().",
    );
    x.requiresGrad = false;
    assertEquals(tanh(x).requiresGrad, false);
  });
});
