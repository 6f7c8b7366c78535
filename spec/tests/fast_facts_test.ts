/** Chapter kernels: which path a call takes, what it keeps, and what a stream refuses. */

import { assert, assertEquals, assertThrows } from "@std/assert";
import { engine } from "../../lib/kernels/engine.ts";
import { Forward } from "../../lib/kernels/forward.ts";
import { KeptWeights } from "../../lib/kernels/weights.ts";
import {
  backward,
  grad,
  GRU,
  incrementVersion,
  LSTM,
  mul,
  noGrad,
  ones,
  PackedSequence,
  packPaddedSequence,
  randn,
  RNN,
  RuntimeError,
  type Stream,
  sum,
  type Tensor,
  tensor,
  to,
  ValueError,
  zeros,
} from "../../mod.ts";
import { assertAllBitwise } from "./alike.ts";
import { describe, everyPath, fact, onPath } from "./law.ts";

const fastPaths = everyPath.filter((path) => path !== "readable");

/** How many stacks of layers the kernels ran. */
function runs(call: () => void): number {
  let count = 0;
  const { run } = Forward.prototype;
  Forward.prototype.run = function (...args) {
    count++;
    return run.apply(this, args);
  };
  try {
    call();
  } finally {
    Forward.prototype.run = run;
  }
  return count;
}

/** The words with which something is refused. */
function words(call: () => void): string {
  const { name, message } = assertThrows(call, Error);
  return `${name}: ${message}`;
}

describe("which path", () => {
  fact(["KERNEL-1"], "float32 of any size is on the kernels; nothing else is", () => {
    backward(sum(mul(ones([1], { requiresGrad: true }), 2))); // from here on this program trains
    const asked = (call: () => void) => runs(() => noGrad(call));
    const rnn = new RNN(1, 2);
    assertEquals(asked(() => rnn.forward(zeros([1, 1]))), 1);
    assertEquals(asked(() => rnn.forward(zeros([1, 1, 1]))), 1);
    assertEquals(asked(() => rnn.forward(zeros([1, 1, 1]), zeros([1, 1, 2]))), 1);
    assertEquals(asked(() => rnn.forward(packPaddedSequence(zeros([2, 1, 1]), [2]))), 1);
    assertEquals(asked(() => rnn.forward(zeros([2, 0, 1]))), 0);
    const wide = new RNN(1, 2, { dtype: "float64" });
    assertEquals(asked(() => wide.forward(zeros([1, 1], { dtype: "float64" }))), 0);
    // What does not fit goes to the readable path, which says what is wrong.
    const refused = (call: () => void) => asked(() => void assertThrows(call, Error));
    assertEquals(refused(() => rnn.forward(zeros([1]))), 0);
    assertEquals(refused(() => rnn.forward(zeros([1, 1, 1, 1]))), 0);
    assertEquals(refused(() => rnn.forward(zeros([1, 1, 2]))), 0);
    assertEquals(refused(() => rnn.forward(zeros([1, 1, 1]), zeros([1, 2, 2]))), 0);
    assertEquals(refused(() => rnn.forward(zeros([1, 1]), zeros([1, 1, 2]))), 0);
    assertEquals(refused(() => rnn.forward(zeros([1, 1], { dtype: "float64" }))), 0);
    assertEquals(
      refused(() => rnn.forward(zeros([1, 1]), zeros([1, 2], { dtype: "float64" }))),
      0,
    );
    const cube = new PackedSequence(zeros([2, 1, 1]), [1, 1], null, null);
    assertEquals(refused(() => rnn.forward(cube)), 0);
  }, fastPaths);

  fact(["KERNEL-8", "DROP-2"], "what records in training mode, and nothing else, is kept", () => {
    backward(sum(mul(ones([1], { requiresGrad: true }), 2)));
    const [x, options] = [zeros([2, 1, 3]), { numLayers: 2 }];
    const lstm = new LSTM(3, 4, options);
    const asked = runs(() => noGrad(() => lstm.forward(x)));
    assertEquals([asked, runs(() => lstm.forward(x))], [1, 0]); // 0: a recorded pass is another one
    lstm.eval();
    assertEquals(runs(() => lstm.forward(x)), 1);
    const dropping = new LSTM(3, 4, { ...options, dropout: 0.5 });
    assertEquals(runs(() => noGrad(() => dropping.forward(x))), 0);
    dropping.eval();
    assertEquals(runs(() => noGrad(() => dropping.forward(x))), 1);
    for (const one of lstm.parameters()) one.requiresGrad = false;
    lstm.train();
    assertEquals(runs(() => lstm.forward(x)), 1);
    const own = zeros([2, 1, 3], { requiresGrad: true });
    assertEquals(runs(() => lstm.forward(own)), 0);
    const state = [0, 1].map((k) => zeros([2, 1, 4], { requiresGrad: k === 1 }));
    assertEquals(runs(() => lstm.forward(x, state as [Tensor, Tensor])), 0);
  }, fastPaths);

  fact(["KERNEL-6"], "the list of weights is made anew only when a tensor or array is", () => {
    const seen: unknown[] = [];
    const { update } = KeptWeights.prototype;
    KeptWeights.prototype.update = function (engine, weights) {
      seen.push(weights);
      return update.call(this, engine, weights);
    };
    try {
      class Open extends GRU {
        /** Puts another tensor under the name of one. */
        replace(name: string): void {
          this.registerParameter(name, new GRU(2, 3).getParameter(name));
        }
      }
      const gru = new Open(2, 3);
      const run = () => noGrad(() => gru.forward(zeros([1, 2])));
      [run, run].forEach((one) => one());
      gru.to("float64");
      gru.to("float32"); // other arrays
      [run, run].forEach((one) => one());
      gru.replace("weight_ih_l0");
      [run, run].forEach((one) => one());
      const numbers = seen.map((one) => seen.indexOf(one));
      assertEquals(numbers, [0, 0, 2, 2, 4, 4]);
    } finally {
      KeptWeights.prototype.update = update;
    }
  }, fastPaths);

  // PyTorch 2.15: `grad_fn.name()` of the output and of the final state.
  fact(["GRAD-6"], "results have the names of PyTorch's nodes", () => {
    for (const batchFirst of [false, true]) {
      const rnn = new RNN(1, 2, { batchFirst });
      const names = (input: Tensor | PackedSequence) => {
        const [output, final] = rnn.forward(input);
        const y = output instanceof PackedSequence ? output.data : output;
        return [y.gradFn!.name, final.gradFn!.name];
      };
      const packed = (lengths: number[]) =>
        packPaddedSequence(randn([3, 3, 1]), lengths, { batchFirst, enforceSorted: false });
      assertEquals(names(randn([3, 1])), ["SqueezeBackward1", "SqueezeBackward1"]);
      assertEquals(names(randn([3, 2, 1])), [
        batchFirst ? "TransposeBackward1" : "StackBackward0",
        "StackBackward0",
      ]);
      assertEquals(names(packed([1, 2, 1])), ["CatBackward0", "IndexSelectBackward0"]);
      const sorted = packPaddedSequence(randn([3, 3, 1]), [3, 2, 1], { batchFirst });
      assertEquals(names(sorted), ["CatBackward0", "StackBackward0"]);
    }
  });

  fact(
    ["GRAD-3"],
    "the first gradient of a leaf is taken in its dtype, later ones are added",
    () => {
      for (const dtype of ["float32", "float64"] as const) {
        const x = tensor([1, 2], { dtype, requiresGrad: true });
        backward(sum(mul(x, tensor([3, 5], { dtype }))));
        const { grad } = x;
        assertEquals([grad!.dtype, grad!.tolist()], [dtype, [3, 5]]);
        backward(sum(mul(x, tensor([4, 5], { dtype }))));
        assert(x.grad === grad); // added to in place
        assertEquals(grad!.tolist(), [7, 10]);
        // By way of a float32 network, too.
        const wide = tensor([[1], [2]], { dtype, requiresGrad: true });
        backward(sum(new RNN(1, 2).forward(to(wide, "float32"))[0]));
        assertEquals(wide.grad!.dtype, dtype);
      }
    },
  );
});

describe("changed in place", () => {
  /**
   * Which of the input, the states and the parameters, by number, may not change between the passes
   * where some of them want a gradient. Of RNN(2, 3) and of LSTM(2, 3) with two layers and projSize 2.
   */
  const refused = (kind: "RNN" | "LSTM", length: number, wanting: string, evaluate = false) => {
    const found: number[] = [];
    for (let k = 0;; k++) {
      const module = kind === "RNN" ? new RNN(2, 3) : new LSTM(2, 3, { numLayers: 2, projSize: 2 });
      if (evaluate) module.eval();
      const input = randn([length, 1, 2]);
      input.requiresGrad = wanting === "input";
      const states = kind === "RNN" ? [randn([1, 1, 3])] : [randn([2, 1, 2]), randn([2, 1, 3])];
      for (const [name, one] of module.namedParameters()) one.requiresGrad = name === wanting;
      const all = [input, ...states, ...module.parameters()];
      if (k === all.length) return found;
      const [output] = module.forward(input, (kind === "RNN" ? states[0] : states) as never);
      incrementVersion(all[k]);
      try {
        backward(sum(output));
      } catch (error) {
        assert((error as Error).message.includes("modified by an inplace operation"));
        found.push(k);
      }
    }
  };

  // PyTorch 2.15, with `torch.autograd.graph.increment_version`.
  fact(
    ["GRAD-6"],
    "what a recurrent layer's gradients need may not change, and nothing else",
    () => {
      backward(sum(mul(ones([1], { requiresGrad: true }), 2))); // from here on this program trains
      assertEquals(refused("RNN", 1, "input"), [2]);
      assertEquals(refused("RNN", 3, "input"), [2, 3]);
      assertEquals(refused("RNN", 1, "weight_hh_l0"), [1]);
      assertEquals(refused("RNN", 3, "weight_hh_l0"), [1, 3]);
      assertEquals(refused("RNN", 1, "weight_ih_l0"), [0]);
      assertEquals(refused("RNN", 3, "weight_ih_l0"), [0, 3]);
      assertEquals(refused("RNN", 1, "bias_hh_l0"), []);
      assertEquals(refused("RNN", 3, "bias_hh_l0"), [3]);
      assertEquals(refused("LSTM", 1, "input"), [2, 3, 7, 8, 12]);
      assertEquals(refused("LSTM", 3, "input"), [2, 3, 4, 7, 8, 9, 12]);
      assertEquals(refused("LSTM", 1, "weight_hh_l0"), [1, 2, 7, 8, 12]);
      assertEquals(refused("LSTM", 3, "weight_hh_l0"), [1, 2, 4, 7, 8, 9, 12]);
      assertEquals(refused("LSTM", 1, "weight_ih_l0"), [0, 2, 7, 8, 12]);
      assertEquals(refused("LSTM", 1, "weight_ih_l1"), [2, 12]);
      assertEquals(refused("LSTM", 3, "weight_ih_l1"), [2, 9, 12]);
      assertEquals(refused("LSTM", 3, "bias_hh_l0"), [2, 4, 7, 8, 9, 12]);
    },
  );

  fact(
    ["GRAD-6", "KERNEL-8"],
    "where a forward pass runs again, nothing it reads may change",
    () => {
      assertEquals(refused("RNN", 1, "bias_hh_l0", true), [0, 1, 2, 3, 4, 5]);
      assertEquals(
        refused("LSTM", 3, "weight_ih_l1", true),
        Array.from({ length: 13 }, (_, k) => k),
      );
    },
    fastPaths,
  );
});

describe("streams", () => {
  fact(["KERNEL-5", "ERROR-1"], "what a stream refuses, in all its words", () => {
    const stream = new LSTM(3, 4, { numLayers: 2 }).stream();
    const any = stream as unknown as Record<
      "step" | "reset" | "dispose",
      (...args: unknown[]) => void
    >;
    const [x, out, wide] = [new Float32Array(3), new Float32Array(4), new Float64Array(3)];
    const lengths = (a: number, b: number) =>
      "RuntimeError: a step takes 3 numbers and gives 4, but got arrays " + `of ${a} and ${b}`;
    assertEquals(words(() => stream.step(out, out)), lengths(4, 4));
    assertEquals(words(() => stream.step(x, x)), lengths(3, 3));
    const dtype = "RuntimeError: a step takes and gives float32";
    assertEquals(words(() => stream.step(wide, out)), dtype);
    assertEquals(words(() => stream.step(x, new Float64Array(4))), dtype);
    const takes = (name: string, wanted: number, given: number) =>
      `TypeError: Stream.${name}() takes ${wanted} positional arguments but ${given} ` +
      (given === 1 ? "was given" : "were given");
    assertEquals(words(() => any.step(x, out, 1)), takes("step", 2, 3));
    assertEquals(
      words(() => any.step(x)),
      "TypeError: Stream.step() missing 1 required positional argument: 'out'",
    );
    assertEquals(
      words(() => any.step([1, 2, 3], out)),
      "TypeError: Stream.step(): argument 'x' (position 1) must be Float32Array or Float64Array, " +
        "not list",
    );
    assertEquals(words(() => any.reset(1)), takes("reset", 0, 1));
    assertEquals(words(() => any.dispose(1)), takes("dispose", 0, 1));
    const state = "RuntimeError: the state of this stream is float32 of size [2, 4] and [2, 4]";
    const [good, other] = [zeros([2, 4]), zeros([2, 4], { dtype: "float64" })];
    for (const wrong of [5, [good], [good, other], [other, good], [good, good, good], [good, x]]) {
      assertEquals(words(() => stream.state = wrong as Tensor[]), state);
    }
    for (const size of [[2, 5], [1, 4], [8]]) {
      assertEquals(words(() => stream.state = [good, zeros(size)]), state);
    }
    stream.state = [good, good];
    stream.dispose();
    stream.dispose();
    const gone = "RuntimeError: the stream was disposed of";
    assertEquals(words(() => stream.reset()), gone);
    assertEquals(words(() => stream.step(x, out)), gone);
    assertEquals(words(() => stream.state), gone);
    assertEquals(words(() => stream.state = [good, good]), gone);
    const both = new GRU(1, 2, { bidirectional: true });
    assertEquals(
      words(() => both.stream()),
      "ValueError: a stream has one direction, but the module is bidirectional",
    );
    assertThrows(() => both.stream(), ValueError);
    assertThrows(() => stream.reset(), RuntimeError);
  });

  fact(["KERNEL-5"], "a state is copied, in and out, and each part is where it was put", () => {
    for (const dtype of ["float32", "float64"] as const) {
      const lstm = new LSTM(1, 3, { numLayers: 2, projSize: 2, dtype });
      const stream = lstm.stream();
      const given = [
        tensor([[1, 2], [3, 4]], { dtype }),
        tensor([[5, 6, 7], [8, 9, 10]], { dtype }),
      ];
      stream.state = given;
      given.forEach(({ data }) => data.fill(0));
      const lists = ({ state }: Stream) => state.map((part) => part.tolist());
      const wanted = [[[1, 2], [3, 4]], [[5, 6, 7], [8, 9, 10]]];
      assertEquals(lists(stream), wanted);
      stream.state.forEach(({ data }) => data.fill(0));
      assertEquals(lists(stream), wanted);
      const other = lstm.stream();
      assertEquals(lists(other), [[[0, 0], [0, 0]], [[0, 0, 0], [0, 0, 0]]]);
      assertEquals(lists(stream), wanted);
      stream.reset();
      assertEquals(lists(stream), lists(other));
      // The weights are those of when it was made.
      const [x, out, first] = [1, 2, 2].map((length) =>
        dtype === "float32" ? new Float32Array(length).fill(1) : new Float64Array(length).fill(1)
      );
      other.step(x, first);
      for (const { data } of lstm.parameters()) data.fill(0);
      stream.step(x, out);
      assertEquals([...out], [...first]);
      assert(out.some((one) => one !== 0));
      assertEquals([...x], [1]);
      assertAllBitwise(stream.state, other.state);
      const now = lstm.stream();
      now.step(x, out);
      assertEquals([...out], [0, 0]);
      for (const one of [stream, other, now]) one.dispose();
    }
  });

  fact(["GRAD-3"], "`grad` says what it was given too much or too little of", () => {
    const x = tensor([1, 2], { requiresGrad: true });
    assertEquals(
      words(() => grad([sum(x)], [x], [ones([]), ones([])])),
      "RuntimeError: got 1 tensors and 2 gradients",
    );
    assertEquals(
      words(() => grad([sum(x)], [x, ones([1])])),
      "RuntimeError: One of the differentiated Tensors does not require grad",
    );
    const other = ones([1], { requiresGrad: true });
    assertEquals(grad([sum(x)], [other], [], { allowUnused: true }), [null]);
    assertEquals(grad([sum(x)], [x, x]).map((one) => one!.tolist()), [[1, 1], [1, 1]]);
    assertEquals(onPath("auto", () => engine() !== null), fastPaths.length > 0);
  });
});
