/** Chapter errors: what is refused, as what, and in which words. Goldens hold the rest. */

import { assert, assertEquals } from "@std/assert";
import fc from "fast-check";
import {
  cat,
  GRU,
  IndexError,
  Linear,
  LSTM,
  LSTMCell,
  type Module,
  narrow,
  packPaddedSequence,
  packSequence,
  padPackedSequence,
  reshape,
  RNN,
  RNNCell,
  RuntimeError,
  select,
  stack,
  type StateDict,
  Tensor,
  tensor,
  transpose,
  unpadSequence,
  ValueError,
  zeros,
} from "../../mod.ts";
import { assertAllBitwise } from "./alike.ts";
import {
  build,
  configs,
  inputOf,
  normals,
  ragged,
  run,
  stateOf,
  stateSizes,
  tame,
} from "./arbitrary.ts";
import { describe, fact, law } from "./law.ts";

/** What a function throws. */
function thrown(run: () => unknown): Error {
  try {
    run();
  } catch (error) {
    if (error instanceof Error) return error;
  }
  throw new Error("nothing was thrown");
}

/** Asserts the exact class, name and message. */
function refuses(
  run: () => unknown,
  Class: new (message?: string) => Error,
  message: string,
) {
  const error = thrown(run);
  assertEquals([error.constructor, error.name, error.message], [Class, Class.name, message]);
}

/** The values of a module's parameters now. */
function copies(module: Module): StateDict {
  const all = Object.entries(module.stateDict());
  return Object.fromEntries(
    all.map(([name, { data, shape }]) => [name, new Tensor(data.slice(), shape)]),
  );
}

describe("errors", () => {
  fact(["ERROR-6"], "Python's classes: what they extend and how they are called", () => {
    const made = [new RuntimeError("a"), new ValueError("b"), new IndexError("c")];
    assertEquals(made.map(({ name }) => name), ["RuntimeError", "ValueError", "IndexError"]);
    assertEquals(made.map((error) => error instanceof RangeError), [false, true, true]);
    assertEquals(made.map(String), ["RuntimeError: a", "ValueError: b", "IndexError: c"]);
    for (const error of made) assert(error instanceof Error && !(error instanceof TypeError));
    assertEquals(Object.getPrototypeOf(RuntimeError), Error);
    assertEquals(Object.getPrototypeOf(ValueError), RangeError);
    assertEquals(Object.getPrototypeOf(IndexError), RangeError);
    const wrong = thrown(() => new RNN(1, 2.5));
    assertEquals([wrong.constructor, wrong.name], [TypeError, "TypeError"]);
  });

  fact(["ERROR-1", "ERROR-6"], "arguments of the wrong type or value", () => {
    for (const Recurrent of [RNN, LSTM, GRU]) {
      refuses(() => new Recurrent(0, 1), ValueError, "input_size must be greater than zero");
      refuses(() => new Recurrent(1, -1), ValueError, "hidden_size must be greater than zero");
      refuses(
        () => new Recurrent(1, 1, { numLayers: 0 }),
        ValueError,
        "num_layers must be greater than zero",
      );
      refuses(
        () => new Recurrent(1, 1.5),
        TypeError,
        "hidden_size should be of type int, got: float",
      );
      refuses(
        () => new Recurrent(1, 1, { dropout: 2 }),
        ValueError,
        "dropout should be a number in range [0, 1] representing the probability of an element " +
          "being zeroed",
      );
    }
    refuses(
      () => new RNN(1, 1, { nonlinearity: "sine" as "tanh" }),
      ValueError,
      "Unknown nonlinearity 'sine'. Select from 'tanh' or 'relu'.",
    );
    refuses(
      () => new Linear(-1, 2),
      RuntimeError,
      "Trying to create tensor with negative dimension -1: [2, -1]",
    );
  });

  law(
    ["ERROR-2"],
    "an input of another size, rank or dtype, in PyTorch's words",
    configs({ ...tame, seed: fc.nat(100) }),
    (c) => {
      const module = build(c);
      const name = module instanceof LSTM ? "LSTM" : module instanceof GRU ? "GRU" : "RNN";
      const [a, b] = c.batchFirst ? [c.batch, c.length] : [c.length, c.batch];
      const zero = (...size: number[]) => zeros(size, { dtype: c.dtype });
      refuses(
        () => run(module, zero(a, b, c.inputSize + 1)),
        RuntimeError,
        `input.size(-1) must be equal to input_size. Expected ${c.inputSize}, got ${
          c.inputSize + 1
        }`,
      );
      const noun = name === "RNN" ? " tensor" : "";
      for (const rank of [1, 4]) {
        refuses(
          () => run(module, zero(...Array(rank).fill(1))),
          ValueError,
          `${name}: Expected input to be 2D or 3D, got ${rank}D${noun} instead`,
        );
      }
      const other = c.dtype === "float32" ? "float64" : "float32";
      const error = thrown(() => run(module, zeros([a, b, c.inputSize], { dtype: other })));
      assertEquals(error.constructor, ValueError);
      assert(error.message.startsWith(
        `RNN input dtype (torch.${other}) does not match weight dtype (torch.${c.dtype}).`,
      ));
      const none = c.batchFirst ? [b, 0, c.inputSize] : [0, b, c.inputSize];
      refuses(
        () => run(module, zero(...none)),
        RuntimeError,
        "Expected sequence length to be larger than 0 in RNN",
      );
    },
    25,
  );

  law(
    ["ERROR-3", "BATCH-2"],
    "a state of another size or rank, in PyTorch's words; a batch-first one, too",
    configs({ ...tame, batch: fc.integer({ min: 2, max: 4 }) }),
    (c) => {
      const [module, x, state] = [build(c), inputOf(c), stateOf(c)];
      const list = (size: readonly number[]) => size.join(", ");
      state.forEach((_, k) => {
        const which = state.length === 1 ? "hidden" : `hidden[${k}]`;
        const [rows, batch, features] = stateSizes(c)[k];
        const sizes = [[rows + 1, batch, features], [rows, batch, features + 1]];
        if (rows !== batch) sizes.push([batch, rows, features]); // as if batch first
        for (const size of sizes) {
          const wrong = state.map((part, j) => j === k ? zeros(size, { dtype: c.dtype }) : part);
          refuses(
            () => run(module, x, wrong),
            RuntimeError,
            `Expected ${which} size (${list(stateSizes(c)[k])}), got [${list(size)}]`,
          );
        }
      });
      const flat = state.map((part) => select(part, 1, 0));
      const instead = state.length === 1
        ? "hx should also be 3-D but got 2-D tensor"
        : "hx and cx should also be 3-D but got (2-D, 2-D) tensors";
      refuses(() => run(module, x, flat), RuntimeError, `For batched 3-D input, ${instead}`);
    },
    25,
  );

  fact(["ERROR-2", "ERROR-3"], "cells and Linear", () => {
    const cell = new RNNCell(2, 3);
    refuses(
      () => cell.forward(zeros([1, 5])),
      RuntimeError,
      "input has inconsistent input_size: got 5 expected 2",
    );
    refuses(
      () => cell.forward(zeros([1, 1, 2])),
      ValueError,
      "RNNCell: Expected input to be 1D or 2D, got 3D instead",
    );
    refuses(
      () => cell.forward(zeros([4, 2]), zeros([3, 3])),
      RuntimeError,
      "Input batch size 4 doesn't match hidden0 batch size 3",
    );
    refuses(
      () => new LSTMCell(2, 3).forward(zeros([4, 2]), [zeros([4, 3]), zeros([4, 2])]),
      RuntimeError,
      "hidden1 has inconsistent hidden_size: got 2, expected 3",
    );
    refuses(
      () => new Linear(2, 3).forward(zeros([4, 5])),
      RuntimeError,
      "addmm: mat1 and mat2 shapes cannot be multiplied (4x5 and 2x3)",
    );
  });

  law(
    ["ERROR-4", "PACK-2"],
    "lengths that are not sorted are refused where they have to be, and only there",
    ragged(),
    (c) => {
      const x = inputOf(c);
      const pack = () => packPaddedSequence(x, c.lengths, { batchFirst: c.batchFirst });
      if (c.lengths.every((length, k) => k === 0 || length <= c.lengths[k - 1])) {
        assertEquals(pack().batchSizes[0], c.batch);
      } else {
        const error = thrown(pack);
        assertEquals(error.constructor, RuntimeError);
        assert(error.message.startsWith("`lengths` array must be sorted in decreasing order"));
      }
    },
  );

  fact(["ERROR-4"], "packing", () => {
    const x = zeros([3, 2, 1]);
    refuses(
      () => packPaddedSequence(x, [3, 0]),
      RuntimeError,
      "Length of all samples has to be greater than 0, but found an element in 'lengths' that is " +
        "<= 0",
    );
    refuses(
      () => packPaddedSequence(x, [3]),
      RuntimeError,
      "Expected `len(lengths)` to be equal to batch_size, but got 1 (batch_size=2)",
    );
    refuses(
      () => padPackedSequence(packSequence([zeros([3])]), { totalLength: 2 }),
      ValueError,
      "Expected total_length to be at least the length of the longest sequence in input, but got " +
        "total_length=2 and max sequence length being 3",
    );
    refuses(() => packSequence([]), RuntimeError, "received an empty list of sequences");
    refuses(() => unpadSequence(x, [1]), ValueError, "zip() argument 2 is shorter than argument 1");
  });

  law(
    ["ERROR-5", "TENSOR-3"],
    "an index or a dimension that is not there is an IndexError, with the range that is",
    fc.tuple(fc.array(fc.integer({ min: 1, max: 4 }), { minLength: 1, maxLength: 4 }), fc.nat(5)),
    ([shape, beyond]) => {
      const [x, rank] = [zeros(shape), shape.length];
      for (const dim of [rank + beyond, -rank - 1 - beyond]) {
        const message = `Dimension out of range (expected to be in range of [${-rank}, ${
          rank - 1
        }], but got ${dim})`;
        refuses(() => select(x, dim, 0), IndexError, message);
        refuses(() => narrow(x, dim, 0, 1), IndexError, message);
        refuses(() => transpose(x, 0, dim), IndexError, message);
        refuses(() => x.size(dim), IndexError, message);
      }
      for (const index of [shape[0] + beyond, -shape[0] - 1 - beyond]) {
        refuses(
          () => select(x, 0, index),
          IndexError,
          `select(): index ${index} out of range for tensor of size [${
            shape.join(", ")
          }] at dimension 0`,
        );
      }
    },
  );

  fact(["ERROR-5", "TENSOR-2"], "tensors that do not fit", () => {
    refuses(
      () => reshape(zeros([2, 3]), [4]),
      RuntimeError,
      "shape '[4]' is invalid for input of size 6",
    );
    refuses(
      () => tensor([[1, 2], [3]]),
      ValueError,
      "expected sequence of length 2 at dim 1 (got 1)",
    );
    refuses(
      () => stack([zeros([1]), zeros([2])]),
      RuntimeError,
      "stack expects each tensor to be equal size, but got [1] at entry 0 and [2] at entry 1",
    );
    refuses(
      () => cat([zeros([1, 2]), zeros([1, 3])], 0),
      RuntimeError,
      "Sizes of tensors must match except in dimension 0. Expected size 2 but got size 3 for " +
        "tensor number 1 in the list.",
    );
    refuses(
      () => zeros([2]).item(),
      RuntimeError,
      "a Tensor with 2 elements cannot be converted to Scalar",
    );
  });

  law(
    ["ERROR-7", "PARAM-1"],
    "a state dict that does not fit is refused with all that is wrong, and nothing is changed",
    fc.tuple(configs(), fc.nat(), fc.constantFrom("missing", "unexpected", "size", "all")),
    ([c, draw, what]) => {
      const module = build(c);
      const before = copies(module);
      const names = Object.keys(before);
      const victim = names[draw % names.length];
      const state: StateDict = Object.fromEntries(
        names.map((name, k) => [name, normals(c, [...before[name].shape], k)]),
      );
      const problems: string[] = [];
      if (what === "missing" || what === "all") {
        delete state[victim];
        problems.push(`Missing key(s) in state_dict: "${victim}". `);
      }
      if (what === "unexpected" || what === "all") {
        state.weight_ih_l9 = zeros([1]);
        problems.push('Unexpected key(s) in state_dict: "weight_ih_l9". ');
      }
      const other = names[(draw + 1) % names.length];
      if (what === "size" || what === "all") {
        state[other] = zeros([7, 7, 7]);
        problems.push(
          `size mismatch for ${other}: copying a param with shape torch.Size([7, 7, 7]) from ` +
            `checkpoint, the shape in current model is torch.Size([${
              before[other].shape.join(", ")
            }]).`,
        );
      }
      const name = module instanceof LSTM ? "LSTM" : module instanceof GRU ? "GRU" : "RNN";
      refuses(
        () => module.loadStateDict(state),
        RuntimeError,
        `Error(s) in loading state_dict for ${name}:\n\t${problems.join("\n\t")}`,
      );
      assertAllBitwise(Object.values(module.stateDict()), Object.values(before));
    },
  );

  law(
    ["ERROR-7", "PARAM-1"],
    "a module's own state dict, or another's of the same kind, fits",
    configs(),
    (c) => {
      const [module, other] = [build(c), build({ ...c, seed: c.seed ^ 1 })];
      const before = Object.values(copies(module));
      const keys = module.loadStateDict(module.stateDict());
      assertEquals(String(keys), "<All keys matched successfully>");
      assertAllBitwise(module.parameters(), before);
      other.loadStateDict(module.stateDict());
      assertAllBitwise(run(other, inputOf(c))[1], run(module, inputOf(c))[1]);
      other.parameters()[0].data.fill(0); // copied, not shared
      assertAllBitwise(module.parameters(), before);
    },
  );

  law(
    ["ERROR-7"],
    "not strict, what is on one side only is passed over and told",
    configs(),
    (c) => {
      const module = build(c);
      const before = copies(module);
      const [first, ...rest] = Object.keys(before);
      const state = { ...before, extra: zeros([1]) } as StateDict;
      delete state[first];
      state[rest[0]] = zeros(state[rest[0]].shape);
      const keys = module.loadStateDict(state, { strict: false });
      assertEquals([keys.missingKeys, keys.unexpectedKeys], [[first], ["extra"]]);
      assertEquals(
        String(keys),
        `_IncompatibleKeys(missing_keys=['${first}'], unexpected_keys=['extra'])`,
      );
      const after = module.stateDict();
      assertAllBitwise([after[first]], [before[first]]);
      assert(after[rest[0]].data.every((value) => value === 0));
    },
  );
});
