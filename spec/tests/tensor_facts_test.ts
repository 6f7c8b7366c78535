/** Chapter tensor: sizes, dimensions and numbers that are none. */

import { assertEquals, assertThrows } from "@std/assert";
import { linear, ones, SGD, zeros } from "../../mod.ts";
import { wrapDim } from "../../lib/tensor/blocks.ts";
import { linearNode } from "../../lib/autograd/linear.ts";
import { noGrad } from "../../lib/autograd/graph.ts";
import { describe, fact, readablePath } from "./law.ts";

describe("sizes", () => {
  fact(["TENSOR-1", "ERROR-5", "ERROR-8"], "a size is asked for as a whole or by dimension", () => {
    const x = zeros([2, 3]);
    const of = (...given: unknown[]): unknown => Reflect.apply(x.size, x, given);
    assertEquals([of(0), of(1), of(-1), of(-2)], [2, 3, 3, 2]);
    assertEquals([...of() as number[]], [2, 3]);
    assertEquals([...of(undefined) as number[]], [2, 3]);
    assertThrows(() => of(0, 1), TypeError, "takes from 0 to 1 positional argument but 2 were");
    assertThrows(() => of(0.5), TypeError, "argument 'dim' (position 1) must be int, not float");
    assertThrows(() => of("0"), TypeError, "argument 'dim' (position 1) must be int, not str");
    assertThrows(() => of(2), Error, "expected to be in range of [-2, 1], but got 2");
    assertThrows(() => wrapDim(0.5, 2), TypeError, "a dimension must be an integer, not 0.5");
    assertEquals([wrapDim(-1, 0), wrapDim(0, 0), wrapDim(-2, 2), wrapDim(1, 2)], [0, 0, 0, 1]);
  }, readablePath);

  fact(["GRAD-1", "GRAD-5"], "a product's node is named after its shapes", () => {
    const w = ones([2, 3], { requiresGrad: true });
    const names = [[3], [1, 3], [1, 1, 3]].map((shape) => [
      linearNode([zeros(shape), w, null])[0],
      linearNode([zeros(shape), w, ones([2])])[0],
    ]);
    assertEquals(names, [
      ["UnsafeViewBackward0", "UnsafeViewBackward0"],
      ["MmBackward0", "AddmmBackward0"],
      ["UnsafeViewBackward0", "UnsafeViewBackward0"],
    ]);
    assertEquals(linear(zeros([1, 3]), w).requiresGrad, true);
    assertEquals(noGrad(() => linear(zeros([1, 3]), w)).requiresGrad, false);
  }, readablePath);

  fact(["OPTIM-7"], "an option that a file holds as a large whole number is a number", () => {
    const optimizer = new SGD([zeros([1], { requiresGrad: true })], { lr: 1 });
    const state = optimizer.stateDict();
    state.param_groups[0].momentum = 1n as never;
    optimizer.loadStateDict(state);
    assertEquals(optimizer.paramGroups[0].momentum, 1);
  }, readablePath);
});
