/** Chapter pack: batches of sequences of different lengths. */

import { assert, assertEquals } from "@std/assert";
import fc from "fast-check";
import {
  cat,
  narrow,
  PackedSequence,
  packPaddedSequence,
  packSequence,
  padPackedSequence,
  padSequence,
  select,
  slice,
  type State,
  type Tensor,
  tensor,
  transpose,
  unpackSequence,
  unpadSequence,
  zeros,
} from "../../mod.ts";
import { assertAllBitwise, assertBitwise } from "./alike.ts";
import {
  build,
  type Config,
  inputOf,
  normals,
  ragged,
  run,
  stateOf,
  stateSizes,
  tame,
  timeDim,
} from "./arbitrary.ts";
import { describe, fact, law } from "./law.ts";

type Ragged = Config & { readonly lengths: number[] };

/** The sequences of a padded batch, each of its length, shape `(length, features)`. */
function sequences(c: Ragged, x: Tensor): Tensor[] {
  return c.lengths.map((length, n) => slice(select(x, 1 - timeDim(c), n), 0, 0, length));
}

/** The padded batch, packed. */
function pack(c: Ragged, x: Tensor): PackedSequence {
  return packPaddedSequence(x, c.lengths, { batchFirst: c.batchFirst, enforceSorted: false });
}

/** A copy with everything beyond each sequence's end set to a value. */
function repadded(c: Ragged, x: Tensor, value: number): Tensor {
  const copy = narrow(x, 0, 0, x.shape[0]);
  c.lengths.forEach((length, n) => {
    for (let t = length; t < c.length; t++) {
      const at = c.batchFirst ? n * c.length + t : t * c.batch + n;
      copy.data.fill(value, at * c.inputSize, (at + 1) * c.inputSize);
    }
  });
  return copy;
}

/** The rows of a state that belong to one sequence. */
function own(state: State, n: number): State {
  return state.map((part) => narrow(part, 1, n, 1));
}

describe("pack", () => {
  law(
    ["PACK-1"],
    "data holds the first elements of all sequences, longest first, then the second, and so on",
    ragged(),
    (c) => {
      const [x, longest] = [inputOf(c), Math.max(...c.lengths)];
      const { data, batchSizes, sortedIndices } = pack(c, x);
      const all = sequences(c, x);
      assertEquals(batchSizes.length, longest);
      let row = 0;
      batchSizes.forEach((size, t) => {
        assertEquals(size, c.lengths.filter((length) => length > t).length);
        for (let k = 0; k < size; k++) {
          assertBitwise(select(data, 0, row++), select(all[sortedIndices![k]], 0, t));
        }
      });
      assertEquals(data.shape, [c.lengths.reduce((sum, length) => sum + length), c.inputSize]);
    },
  );

  law(
    ["PACK-2"],
    "sortedIndices puts the lengths in falling order and keeps ties; unsortedIndices undoes it",
    ragged(),
    (c) => {
      const { sortedIndices, unsortedIndices } = pack(c, inputOf(c));
      const all = [...c.lengths.keys()];
      assertEquals(sortedIndices!.toSorted((a, b) => a - b), all);
      assertEquals(all.map((k) => sortedIndices![unsortedIndices![k]]), all);
      assertEquals(all.map((k) => unsortedIndices![sortedIndices![k]]), all);
      sortedIndices!.forEach((n, k) => {
        if (k === 0) return;
        const [before, now] = [c.lengths[sortedIndices![k - 1]], c.lengths[n]];
        assert(before > now || (before === now && sortedIndices![k - 1] < n));
      });
    },
  );

  law(
    ["PACK-2"],
    "sorted lengths pack alike whether the order is enforced or found; enforced, no indices stay",
    ragged(),
    (unsorted) => {
      const c = { ...unsorted, lengths: unsorted.lengths.toSorted((a, b) => b - a) };
      const x = inputOf(c);
      const found = pack(c, x);
      const enforced = packPaddedSequence(x, c.lengths, { batchFirst: c.batchFirst });
      assertBitwise(enforced.data, found.data);
      assertEquals(enforced.batchSizes, found.batchSizes);
      assertEquals([enforced.sortedIndices, enforced.unsortedIndices], [null, null]);
      assertEquals(found.sortedIndices, [...c.lengths.keys()]);
    },
  );

  law(
    ["PACK-3", "PACK-1"],
    "padding what was packed gives the batch back, padding aside",
    ragged(),
    (c) => {
      const longest = Math.max(...c.lengths);
      const x = slice(inputOf(c), timeDim(c), 0, longest);
      const short = { ...c, length: longest };
      const packed = pack(short, x);
      for (const paddingValue of [undefined, -7.5, NaN]) {
        const [padded, lengths] = padPackedSequence(packed, {
          batchFirst: c.batchFirst,
          paddingValue,
        });
        assertEquals(lengths, c.lengths);
        assertBitwise(padded, repadded(short, x, paddingValue ?? 0));
      }
    },
  );

  law(
    ["PACK-3"],
    "batchFirst transposes; totalLength adds steps of padding and nothing else",
    fc.tuple(ragged(), fc.nat(3), fc.constantFrom(0, 2.5, -Infinity)),
    ([c, more, paddingValue]) => {
      const packed = pack(c, inputOf(c));
      const longest = Math.max(...c.lengths);
      const [plain] = padPackedSequence(packed, { paddingValue });
      const totalLength = longest + more;
      const [first, lengths] = padPackedSequence(packed, {
        batchFirst: true,
        paddingValue,
        totalLength,
      });
      assertEquals(first.shape, [c.batch, totalLength, c.inputSize]);
      assertEquals(lengths, c.lengths);
      const timeFirst = transpose(first, 0, 1);
      assertBitwise(slice(timeFirst, 0, 0, longest), plain);
      assert(slice(timeFirst, 0, longest).data.every((value) => value === paddingValue));
    },
  );

  law(
    ["PACK-4", "PACK-5"],
    "a packed batch gives each sequence what it gets alone, and its last state, bitwise",
    ragged(),
    (c) => {
      const [module, x, start] = [build(c), inputOf(c), stateOf(c)];
      for (const state of [start, null]) {
        const [packed, final] = run(module, pack(c, x), state);
        assertEquals(final.map(({ shape }) => [...shape]), stateSizes(c));
        const outputs = unpackSequence(packed);
        sequences(c, x).forEach((sequence, n) => {
          // Without a batch, as no padding could be there.
          const before = state && own(state, n).map((part) => select(part, 1, 0));
          const [alone, last] = run(module, sequence, before);
          assertBitwise(outputs[n], alone, `output of ${n}`);
          assertAllBitwise(final.map((part) => select(part, 1, n)), last, `state of ${n}`);
        });
      }
    },
    150,
  );

  law(
    ["PACK-5", "STACK-6"],
    "h_n is at each sequence's own last step; the reverse direction's is at its first",
    ragged(),
    (c) => {
      const [packed, [hn]] = run(build(c), pack(c, inputOf(c)), stateOf(c));
      const width = hn.shape[2];
      unpackSequence(packed).forEach((output, n) => {
        const rows = select(hn, 1, n);
        const [ahead, back] = [slice(output, 1, 0, width), slice(output, 1, width)];
        assertBitwise(select(rows, 0, c.bidirectional ? -2 : -1), select(ahead, 0, -1));
        if (c.bidirectional) assertBitwise(select(rows, 0, -1), select(back, 0, 0));
      });
    },
  );

  law(
    ["PACK-4", "PACK-5", "NUM-4"],
    "what stands in the padding never shows, NaN and infinity included",
    fc.tuple(ragged(), fc.constantFrom(NaN, Infinity, 1e30)),
    ([c, value]) => {
      const [module, x, state] = [build(c), inputOf(c), stateOf(c)];
      const [clean, cleanFinal] = run(module, pack(c, repadded(c, x, 0)), state);
      const [given, final] = run(module, pack(c, repadded(c, x, value)), state);
      assertBitwise(given.data, clean.data);
      assertAllBitwise(final, cleanFinal);
    },
  );

  law(["PACK-4"], "the output is packed as the input was", ragged(), (c) => {
    const input = pack(c, inputOf(c));
    const [output] = run(build(c), input);
    assert(output instanceof PackedSequence);
    assertEquals(output.batchSizes, input.batchSizes);
    assertEquals(output.sortedIndices, input.sortedIndices);
    assertEquals(output.unsortedIndices, input.unsortedIndices);
    assertEquals(output.data.shape[0], input.data.shape[0]);
  });

  law(
    ["PACK-4"],
    "sequences of one length are an ordinary batch, bitwise",
    ragged(),
    (c) => {
      const full = { ...c, lengths: c.lengths.map(() => c.length) };
      const [module, x, state] = [build(c), inputOf(c), stateOf(c)];
      const [output, final] = run(module, x, state);
      const [packed, packedFinal] = run(module, pack(full, x), state);
      const [padded] = padPackedSequence(packed, { batchFirst: c.batchFirst });
      assertBitwise(padded, output);
      assertAllBitwise(packedFinal, final);
    },
  );

  law(
    ["PACK-4", "PACK-2"],
    "another order of the batch gives the same results in that order, bitwise",
    ragged({ batch: fc.integer({ min: 2, max: 4 }) }),
    (c) => {
      const [module, x, state] = [build(c), inputOf(c), stateOf(c)];
      const order = [...c.lengths.keys()].reverse();
      const all = sequences(c, x);
      const turned = order.map((n) => all[n]);
      const turnedState = state.map((part) => cat(order.map((n) => narrow(part, 1, n, 1)), 1));
      const [one, oneFinal] = run(module, pack(c, x), state);
      const [other, otherFinal] = run(
        module,
        packSequence(turned, { enforceSorted: false }),
        turnedState,
      );
      const outputs = unpackSequence(one);
      assertAllBitwise(unpackSequence(other), order.map((n) => outputs[n]));
      order.forEach((n, k) => assertAllBitwise(own(otherFinal, k), own(oneFinal, n)));
    },
  );

  law(
    ["PACK-5"],
    "a padded batch run as if it were full ends elsewhere: packing is not for nothing",
    ragged({
      kind: fc.constantFrom("RNN tanh", "LSTM", "GRU"),
      dtype: fc.constant("float64"),
      scale: fc.constant(1),
      length: fc.integer({ min: 2, max: 6 }),
      ...tame,
    }),
    (given) => {
      const c = { ...given, lengths: given.lengths.map(() => given.length - 1) };
      const [module, x] = [build(c), inputOf(c)];
      const [, [packed]] = run(module, pack(c, x));
      const [, [padded]] = run(module, x);
      assert(packed.data.some((value, k) => value !== padded.data[k]));
    },
  );

  law(["PACK-6"], "unpacking undoes packing; unpadding undoes padding", ragged(), (c) => {
    const all = c.lengths.map((length, n) => normals(c, [length, 2, 3], n));
    const packed = packSequence(all, { enforceSorted: false });
    assertAllBitwise(unpackSequence(packed), all);
    const padded = padSequence(all, { batchFirst: c.batchFirst, paddingValue: NaN });
    const unpadded = unpadSequence(padded, c.lengths, { batchFirst: c.batchFirst });
    assertAllBitwise(unpadded, all);
    const { data, batchSizes } = packPaddedSequence(padded, c.lengths, {
      batchFirst: c.batchFirst,
      enforceSorted: false,
    });
    assertBitwise(data, packed.data);
    assertEquals(batchSizes, packed.batchSizes);
  });

  law(
    ["PACK-6"],
    "paddingSide says where the padding stands; paddingValue, what it is",
    fc.tuple(ragged(), fc.constantFrom(undefined, 1.5, NaN)),
    ([c, paddingValue]) => {
      const all = c.lengths.map((length, n) => normals(c, [length, 2], n));
      const longest = Math.max(...c.lengths);
      for (const paddingSide of [undefined, "right", "left"] as const) {
        const padded = padSequence(all, { batchFirst: true, paddingValue, paddingSide });
        assertEquals(padded.shape, [c.batch, longest, 2]);
        const turned = padSequence(all, { paddingValue, paddingSide });
        assertBitwise(transpose(turned, 0, 1), padded);
        all.forEach((sequence, n) => {
          const gap = longest - c.lengths[n];
          const row = select(padded, 0, n);
          const left = paddingSide === "left";
          assertBitwise(narrow(row, 0, left ? gap : 0, c.lengths[n]), sequence);
          const rest = narrow(row, 0, left ? 0 : c.lengths[n], gap);
          assert(rest.data.every((value) => Object.is(value, paddingValue ?? 0)));
        });
      }
    },
  );

  fact(["PACK-1", "PACK-2"], "a packed batch prints its four fields", () => {
    const packed = packSequence([tensor([1]), tensor([2, 3])], { enforceSorted: false });
    assertEquals(
      String(packed),
      "PackedSequence(data=tensor([2., 1., 3.]), batch_sizes=tensor([2, 1]), " +
        "sorted_indices=tensor([1, 0]), unsorted_indices=tensor([1, 0]))",
    );
    assertEquals(new PackedSequence(zeros([2, 1]), [2]).unsortedIndices, null);
    // Integers stand in columns, 80 to a line; beyond 1000 only the first and last three are shown.
    const printed = (rows: number[]) =>
      String(packSequence(rows.map((length) => zeros([length])))).split("batch_sizes=")[1];
    assertEquals(
      printed(Array.from({ length: 60 }, (_, k) => 20 - Math.floor(k / 3))),
      "tensor([60, 57, 54, 51, 48, 45, 42, 39, 36, 33, 30, 27, 24, 21, 18, 15, 12,  9,\n" +
        "         6,  3]), sorted_indices=None, unsorted_indices=None)",
    );
    assertEquals(
      printed([1100, 12]),
      "tensor([2, 2, 2,  ..., 1, 1, 1]), sorted_indices=None, unsorted_indices=None)",
    );
  });
});
