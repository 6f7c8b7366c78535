/** Chapter errors: the whole texts of what packing, padding, layers and streams refuse. */

import { assertEquals, assertThrows } from "@std/assert";
import {
  LSTM,
  PackedSequence,
  packPaddedSequence,
  padPackedSequence,
  padSequence,
  ReduceLROnPlateau,
  RNN,
  SGD,
  SimpleRNN,
  tensor,
  unpadSequence,
  zeros,
} from "../../mod.ts";
import { describe, fact } from "./law.ts";

/** What does not work, by the text of its error, whose class stands in front. */
type Table = Record<string, () => unknown>;

function check(table: Table): void {
  for (const [text, run] of Object.entries(table)) {
    const { name, message } = assertThrows(run, Error);
    assertEquals(`${name}: ${message}`, text);
  }
}

// deno-lint-ignore no-explicit-any -- what TypeScript refuses, too
type Untyped = any;

describe("refusals", () => {
  const packed = packPaddedSequence(zeros([3, 2, 1]), [3, 1]);

  fact(["ERROR-4"], "packing", () => {
    const pack = packPaddedSequence as Untyped;
    const own = { enforceSorted: false };
    check({
      "ValueError: batch_sizes must be positive, never grow and add up to the 3 rows of data, but got [2, 2]":
        () => new PackedSequence(zeros([3, 2]), [2, 2]),
      "ValueError: batch_sizes must be positive, never grow and add up to the 0 rows of data, but got []":
        () => new PackedSequence(zeros([0, 2]), []),
      "ValueError: batch_sizes must be positive, never grow and add up to the 3 rows of data, but got [3, 0]":
        () => new PackedSequence(zeros([3]), [3, 0]),
      "ValueError: batch_sizes must be positive, never grow and add up to the 3 rows of data, but got [1, 2]":
        () => new PackedSequence(zeros([3]), [1, 2]),
      "ValueError: sorted_indices must be the numbers from 0 to 1 in some order, but got [0, 0]":
        () => new PackedSequence(zeros([3]), [2, 1], [0, 0]),
      "ValueError: unsorted_indices must be the numbers from 0 to 1 in some order, but got [0, 1, 2]":
        () => new PackedSequence(zeros([3]), [2, 1], [0, 1], [0, 1, 2]),
      "IndexError: index out of range in self": () =>
        pack(zeros([2]), [1, 1, 1], { batchFirst: true, ...own }),
      "IndexError: Dimension out of range (expected to be in range of [-1, 0], but got 1)": () =>
        pack(zeros([3]), [1, 1, 1], { batchFirst: true, ...own }),
      "RuntimeError: Cannot pack empty tensors.": () => pack(zeros([3, 2]), [], own),
      "RuntimeError: a length of 4 exceeds the 3 steps of the input": () =>
        pack(zeros([3, 1]), [4]),
      "RuntimeError: a length of 5 exceeds the 3 steps of the input": () =>
        pack(zeros([3, 2]), [4, 5], own),
      "RuntimeError: Length of all samples has to be greater than 0, but found an element in 'lengths' that is <= 0":
        () => pack(zeros([3, 1]), [0]),
      "RuntimeError: Expected `len(lengths)` to be equal to batch_size, but got 1 (batch_size=2)":
        () => pack(zeros([3, 2]), [2]),
      "RuntimeError: 'lengths' argument should be a 1D CPU int64 tensor, but got 2D cpu Float tensor":
        () => pack(zeros([2, 1]), tensor([[1]])),
      "RuntimeError: 'lengths' argument should be a 1D CPU int64 tensor, but got 0D cpu Long tensor":
        () => pack(zeros([2, 1]), 3),
      "TypeError: lengths must be a list of integers, but got [1.5]": () =>
        pack(zeros([2, 1]), [1.5]),
      "ValueError: Expected total_length to be at least the length of the longest sequence in input, but got total_length=2 and max sequence length being 3":
        () => padPackedSequence(packed, { totalLength: 2 }),
    });
    assertThrows(() => pack(zeros([3, 0]), []), Error, "Cannot pack empty tensors.");
    assertEquals(pack(zeros([3, 1]), [3]).batchSizes, [1, 1, 1]); // all steps, and no step more
    assertEquals(padPackedSequence(packed, { totalLength: 3 })[0].shape, [3, 2, 1]);
  });

  fact(["ERROR-4", "PACK-6"], "padding", () => {
    check({
      "RuntimeError: expected sequences that differ in their length alone, but got [2, 3] and [2, 1]":
        () => padSequence([zeros([2, 3]), zeros([2, 1])]),
      "RuntimeError: output with shape [2, 1] doesn't match the broadcast shape [2, 3]": () =>
        padSequence([zeros([2, 1]), zeros([2, 3])]),
      "IndexError: Dimension specified as 0 but tensor has no dimensions": () =>
        padSequence([zeros([2]), zeros([])]),
      "RuntimeError: ArrayRef: invalid slice, N = 1; size = 0": () => padSequence([zeros([])]),
      "RuntimeError: received an empty list of sequences": () => padSequence([]),
      "RuntimeError: pad_sequence: Expected iterable for input sequences, but got arg of type: <class 'int'>":
        () => padSequence(5 as Untyped),
      "RuntimeError: Expected padding_side to be one of left or right, but got top.": () =>
        padSequence([zeros([1])], { paddingSide: "top" as Untyped }),
      "ValueError: zip() argument 2 is shorter than argument 1": () =>
        unpadSequence(zeros([2, 2]), [1]),
      "ValueError: zip() argument 2 is longer than argument 1": () =>
        unpadSequence(zeros([2, 2]), [1, 1, 1]),
    });
  });

  fact(["ERROR-2", "ERROR-8"], "what a model or a class with capitals in its name is given", () => {
    const model = new SimpleRNN(1, 2, 1) as Untyped;
    const plateau = new ReduceLROnPlateau(new SGD(model.parameters())) as Untyped;
    check({
      "TypeError: SimpleRNN.forward() missing 1 required positional argument: 'x'": () =>
        model.forward(),
      "TypeError: SimpleRNN.forward() takes 1 positional argument but 2 were given": () =>
        model.forward(zeros([1, 1, 1]), 1),
      "TypeError: SimpleRNN.forward(): argument 'x' (position 1) must be Tensor, not list": () =>
        model.forward([1]),
      "TypeError: ReduceLROnPlateau.get_last_lr() takes 0 positional arguments but 1 was given":
        () => plateau.getLastLr(1),
      "TypeError: Module.load_state_dict(): argument 'strict' must be bool, not int": () =>
        model.loadStateDict({}, { strict: 1 }),
    });
  });

  fact(["ERROR-7"], "a state that does not fit, all that is wrong with it at once", () => {
    const model = new SimpleRNN(1, 2, 1) as Untyped;
    const [state, load] = [
      model.stateDict(),
      (more: object) => () => model.loadStateDict({ ...state, ...more }),
    ];
    check({
      "RuntimeError: Error(s) in loading state_dict for SimpleRNN:\n\tWhile copying the parameter named \"fc.bias\", expected torch.Tensor or Tensor-like object from checkpoint but received <class 'list'>":
        load({ "fc.bias": [1] }),
      'RuntimeError: Error(s) in loading state_dict for SimpleRNN:\n\tUnexpected key(s) in state_dict: "more". \n\tsize mismatch for fc.bias: copying a param with shape torch.Size([2]) from checkpoint, the shape in current model is torch.Size([1]).':
        load({ "fc.bias": zeros([2]), more: zeros([1]) }),
    });
  });

  fact(["ERROR-3", "PACK-4"], "states of a packed batch", () => {
    const [rnn, lstm] = [new RNN(1, 2), new LSTM(1, 2)];
    const both = new LSTM(1, 2, { bidirectional: true });
    check({
      "RuntimeError: Expected hidden size (1, 2, 2), got [1, 3, 2]": () =>
        rnn.forward(packed, zeros([1, 3, 2])),
      "RuntimeError: Expected a state of 2 sequences, got 3": () =>
        lstm.forward(packed, [zeros([1, 3, 2]), zeros([1, 2, 2])]),
      "RuntimeError: Expected a state of 2 sequences, got 1": () =>
        lstm.forward(packed, [zeros([1, 2, 2]), zeros([1, 1, 2])]),
      "RuntimeError: got an incorrect number of RNN parameters": () =>
        lstm.forward(packed, [zeros([1, 2, 2]), zeros([1, 2, 3])]),
      "RuntimeError: Expected more hidden states in stacked_rnn": () =>
        lstm.forward(packed, [zeros([2, 2, 2]), zeros([1, 2, 2])]),
      "RuntimeError: Odd number of params or hiddens given to a bidirectional RNN": () =>
        both.forward(packed, [zeros([3, 2, 2]), zeros([2, 2, 2])]),
    });
  });

  fact(["ERROR-8"], "streams", () => {
    const stream = new LSTM(1, 2).stream() as Untyped;
    const [x, y] = [new Float32Array(1), new Float32Array(2)];
    const gone = new LSTM(1, 2).stream();
    gone.dispose();
    gone.dispose(); // twice is once
    check({
      "RuntimeError: a step takes 1 numbers and gives 2, but got arrays of 2 and 2": () =>
        stream.step(y, y),
      "RuntimeError: a step takes 1 numbers and gives 2, but got arrays of 1 and 1": () =>
        stream.step(x, x),
      "RuntimeError: a step takes and gives float32": () => stream.step(new Float64Array(1), y),
      "TypeError: Stream.step() takes 2 positional arguments but 3 were given": () =>
        stream.step(x, y, 3),
      "TypeError: Stream.reset() takes 0 positional arguments but 1 was given": () =>
        stream.reset(1),
      "RuntimeError: the stream was disposed of": () => gone.reset(),
      "ValueError: a stream has one direction, but the module is bidirectional": () =>
        new LSTM(1, 2, { bidirectional: true }).stream(),
    });
    assertThrows(() => stream.step(x, new Float64Array(2)), Error, "takes and gives float32");
    const wide = new LSTM(1, 2, { dtype: "float64" }).stream() as Untyped;
    assertThrows(() => wide.step(x, new Float64Array(2)), Error, "takes and gives float64");
    assertThrows(() => wide.step(new Float64Array(1), y), Error, "takes and gives float64");
    const state = "the state of this stream is float32 of size [1, 2] and [1, 2]";
    for (
      const wrong of [
        [zeros([1, 2])],
        [zeros([1, 2]), zeros([1, 3])],
        [zeros([1, 2]), zeros([1, 2], { dtype: "float64" })],
        [zeros([1, 2]), y],
        null,
      ]
    ) assertThrows(() => stream.state = wrong, Error, state);
  });
});
