/** Chapter checkpoints: a tensor as it stands in a file: dtypes, layouts, byte orders. */

import { assert, assertEquals, assertStrictEquals, assertThrows } from "@std/assert";
import { CheckpointError, StoredTensor, tensor, ValueError } from "../../mod.ts";
import { countOf, hostIsLittle, stored, type StoredDType } from "../../lib/checkpoints/dtype.ts";
import type { StoredLayout } from "../../lib/checkpoints/stored_tensor.ts";
import { describe, fact } from "./law.ts";

/** Bytes that count up from `from`. */
const counting = (length: number, from = 0) => Uint8Array.from({ length }, (_, k) => from + k);

const make = (
  dtype: StoredDType,
  shape: readonly number[],
  bytes: Uint8Array,
  layout: StoredLayout = {},
) => new StoredTensor(dtype, shape, bytes, layout);

/** Each dtype: its bits, how many bytes are turned together, safetensors' name, the array of its numbers. */
const table: [StoredDType, number, number, string | null, string | null][] = [
  ["bool", 8, 1, "BOOL", "Uint8Array"],
  ["uint8", 8, 1, "U8", "Uint8Array"],
  ["int8", 8, 1, "I8", "Int8Array"],
  ["float8_e5m2", 8, 1, "F8_E5M2", null],
  ["float8_e4m3fn", 8, 1, "F8_E4M3", null],
  ["float8_e8m0fnu", 8, 1, "F8_E8M0", null],
  ["float8_e4m3fnuz", 8, 1, "F8_E4M3FNUZ", null],
  ["float8_e5m2fnuz", 8, 1, "F8_E5M2FNUZ", null],
  ["int16", 16, 2, "I16", "Int16Array"],
  ["uint16", 16, 2, "U16", "Uint16Array"],
  ["float16", 16, 2, "F16", "Float32Array"],
  ["bfloat16", 16, 2, "BF16", "Float32Array"],
  ["int32", 32, 4, "I32", "Int32Array"],
  ["uint32", 32, 4, "U32", "Uint32Array"],
  ["float32", 32, 4, "F32", "Float32Array"],
  ["complex32", 32, 2, null, null],
  ["complex64", 64, 4, "C64", null],
  ["complex128", 128, 8, null, null],
  ["float64", 64, 8, "F64", "Float64Array"],
  ["int64", 64, 8, "I64", "BigInt64Array"],
  ["uint64", 64, 8, "U64", "BigUint64Array"],
  ["float4", 4, 1, "F4", null],
  ["float6_e2m3", 6, 1, "F6_E2M3", null],
  ["float6_e3m2", 6, 1, "F6_E3M2", null],
];

describe("a stored tensor", () => {
  fact(["CKPT-4", "CKPT-7"], "each dtype is as wide, turned and named as its name tells", () => {
    assertEquals(Object.keys(stored).sort(), table.map(([dtype]) => dtype).sort());
    for (const [dtype, bits, swap, name, array] of table) {
      assertEquals(stored[dtype], { bits, swap, name }, dtype);
      const bytes = counting(bits + 2);
      const lying = make(dtype, [2, 4], bytes, { byteOffset: 1 });
      assertEquals([lying.numel, lying.byteLength, lying.isView], [8, bits, true]);
      assertEquals(lying.bytes(), bytes.slice(1, -1));
      assertStrictEquals(lying.bytes().buffer, bytes.buffer);
      // The bytes of each number the other way round.
      const turned = make(dtype, [8], bytes, { byteOffset: 1, littleEndian: false });
      assertEquals(turned.isView, swap === 1, dtype);
      const wanted = counting(bits).map((k) => 1 + k - k % swap + swap - 1 - k % swap);
      assertEquals(turned.bytes(), wanted, dtype);
      if (array === null) {
        const reason = `dtype ${dtype} has no numbers in JavaScript`;
        assertThrows(() => turned.values(), CheckpointError, reason);
      } else {
        const kinds = [lying, turned].map((one) => one.values().constructor.name);
        assertEquals(kinds, [array, array], dtype);
        assertEquals(turned.values().length, 8);
      }
      assertThrows(() => make(dtype, [8], bytes.subarray(3)), Error, "reaches beyond", dtype);
      assertThrows(
        () => make(dtype, [8], bytes, { byteOffset: 3 }),
        Error,
        `a ${dtype} tensor of shape [8] reaches beyond the ${bits + 2} bytes of its storage`,
      );
    }
  });

  fact(["CKPT-4"], "numbers are those of the bytes, in either order, aligned or not", () => {
    const of = (dtype: StoredDType, bytes: number[]) => {
      const swap = stored[dtype].swap;
      const turned = bytes.map((_, k) => bytes[k - k % swap + swap - 1 - k % swap]);
      const shifted = Uint8Array.from([9, ...bytes]).subarray(1);
      const shape = [bytes.length * 8 / stored[dtype].bits];
      const all = [
        make(dtype, shape, Uint8Array.from(bytes)),
        make(dtype, shape, shifted),
        make(dtype, shape, Uint8Array.from([9, ...bytes]), { byteOffset: 1 }),
        make(dtype, shape, Uint8Array.from(turned), { littleEndian: false }),
      ].map((one) => one.values());
      for (const one of all) assertEquals(one, all[0]);
      return [...all[0]];
    };
    assertEquals(of("int8", [255, 1]), [-1, 1]);
    assertEquals(of("uint8", [255, 1]), [255, 1]);
    assertEquals(of("bool", [0, 1, 2, 255]), [0, 1, 1, 1]);
    assertEquals(of("int16", [0xfe, 0xff, 1, 2]), [-2, 513]);
    assertEquals(of("uint16", [0xfe, 0xff, 1, 2]), [65534, 513]);
    assertEquals(of("int32", [0xfe, 0xff, 0xff, 0xff]), [-2]);
    assertEquals(of("uint32", [0xfe, 0xff, 0xff, 0xff]), [2 ** 32 - 2]);
    assertEquals(of("float32", [0, 0, 0xc0, 0xbf]), [-1.5]);
    assertEquals(of("float64", [0, 0, 0, 0, 0, 0, 0xf8, 0x3f]), [1.5]);
    assertEquals(of("int64", [0xfe, ...Array<number>(7).fill(255)]), [-2n]);
    assertEquals(of("uint64", [0xfe, ...Array<number>(7).fill(255)]), [2n ** 64n - 2n]);
    assertEquals(of("float16", [0, 0xc0, 0, 0x7c]), [-2, Infinity]);
    assertEquals(of("bfloat16", [0x80, 0x3f, 0, 0xc0]), [1, -2]);
    assert(hostIsLittle);
  });

  fact(["CKPT-7"], "strides and the first byte lay a tensor out", () => {
    const bytes = counting(24);
    const views: [number[], StoredLayout, boolean][] = [
      [[2, 3], {}, true],
      [[2, 3], { strides: [3, 1] }, true],
      [[1, 3], { strides: [99, 1] }, true],
      [[2, 1, 3], { strides: [3, 7, 1] }, true],
      [[3, 2], { strides: [1, 3] }, false],
      [[2, 2], { strides: [3, 1] }, false],
      [[2, 2], { strides: [2, 2] }, false],
      [[4], { strides: [0] }, false],
      [[], {}, true],
      [[0, 3], { strides: [5, 5], byteOffset: 1000 }, true],
    ];
    for (const [shape, layout, isView] of views) {
      const { strides = [3, 1], byteOffset = 0 } = layout;
      const one = make("float32", shape, bytes, layout);
      assertEquals(one.isView, isView, JSON.stringify([shape, layout]));
      let places: number[] = shape.includes(0) ? [] : [byteOffset];
      shape.forEach((extent, dim) => {
        places = places.flatMap((at) =>
          Array.from({ length: extent }, (_, k) => at + 4 * k * strides[dim])
        );
      });
      const wanted = places.flatMap((at) => [0, 1, 2, 3].map((k) => at + k));
      assertEquals([...one.bytes()], wanted, JSON.stringify([shape, layout]));
    }
    const late = make("int16", [2], bytes, { byteOffset: 3, strides: [2], littleEndian: false });
    assertEquals([...late.bytes()], [4, 3, 8, 7]);
    // Numbers of less than a byte stand only one after the other.
    assertEquals(make("float4", [2, 2], bytes.subarray(0, 2)).byteLength, 2);
    assertThrows(
      () => make("float4", [2, 2], bytes, { strides: [1, 2] }),
      Error,
      "a float4 tensor of shape [2, 2] reaches beyond the 24 bytes of its storage",
    );
    make("uint8", [2, 2], bytes, { strides: [1, 2] });
  });

  fact(["CKPT-7"], "a layout ends where its storage ends, and begins no earlier", () => {
    const bytes = counting(16);
    const fits: [number[], StoredLayout][] = [
      [[4], {}],
      [[2, 2], { strides: [1, 2] }],
      [[2], { strides: [3] }],
      [[1], { byteOffset: 12 }],
      [[2, 2], { strides: [2, 1] }],
      [[0], { byteOffset: 17 }],
    ];
    assertEquals(make("float32", [2, 0], new Uint8Array()).bytes().length, 0);
    const beyond: [number[], StoredLayout][] = [
      [[5], {}],
      [[2, 2], { strides: [1, 3] }],
      [[2], { strides: [4] }],
      [[1], { byteOffset: 13 }],
      [[1], { byteOffset: -1 }],
      [[2], { strides: [-1] }],
      [[2], { strides: [-1], byteOffset: 8 }],
      [[2, 2], { strides: [1] }],
      [[2], { strides: [1, 0] }],
      [[2], { strides: [NaN] }],
    ];
    for (const [shape, layout] of fits) make("float32", shape, bytes, layout);
    for (const [shape, layout] of beyond) {
      assertThrows(
        () => make("float32", shape, bytes, layout),
        Error,
        `a float32 tensor of shape [${
          shape.join(", ")
        }] reaches beyond the 16 bytes of its storage`,
      );
    }
  });

  fact(["CKPT-4"], "a tensor is made of four dtypes, and of half precision where wanted", () => {
    const none = (dtype: StoredDType, advice = "") =>
      `dtype ${dtype} is none of "float32", "float64", "int64" or "bool"${advice}`;
    for (const [dtype, bits] of table) {
      const zeros = make(dtype, [2], new Uint8Array(Math.ceil(bits / 4)));
      const half = dtype.endsWith("float16");
      if (["float32", "float64", "int64", "bool"].includes(dtype)) {
        assertEquals([zeros.toTensor().dtype, zeros.toTensor().shape], [dtype, [2]]);
        continue;
      }
      for (const options of half ? [{}, { widen: false }] : [{}, { widen: true }]) {
        const advice = half ? "; { widen: true } makes it float32" : "";
        const error = assertThrows(() => zeros.toTensor(options), CheckpointError);
        assertEquals(error.message, none(dtype, advice));
      }
      if (half) assertEquals(zeros.toTensor({ widen: true }).dtype, "float32");
    }
    const truths = Uint8Array.of(0, 1);
    assertStrictEquals(make("bool", [2], truths).values().buffer, truths.buffer);
    assertEquals(make("bool", [2], Uint8Array.of(2, 3)).values(), Uint8Array.of(1, 1));
    assertThrows(() => make("int9" as "int8", [0], truths), TypeError, "name of a dtype");
    const large = (value: bigint) => {
      const bytes = new Uint8Array(BigInt64Array.of(value).buffer);
      return make("int64", [1], bytes).toTensor().tolist();
    };
    assertEquals(large(2n ** 53n - 1n), [2 ** 53 - 1]);
    assertThrows(() => large(2n ** 53n), ValueError);
    assertEquals(make("bool", [2], Uint8Array.of(0, 7)).toTensor().data, Float64Array.of(0, 1));
    const floats = new Float32Array([1, 2, 3]);
    const shared = make("float32", [2], new Uint8Array(floats.buffer), { byteOffset: 4 })
      .toTensor();
    assertStrictEquals(shared.data.buffer, floats.buffer);
    assertEquals(shared.tolist(), [2, 3]);
  });

  fact(["CKPT-7"], "half precision that shares a storage shares what it becomes", () => {
    const bytes = Uint8Array.of(0x80, 0x3f, 0, 0xc0, 0, 0x40, 7); // an odd byte at the end
    const wide = (layout: StoredLayout, dtype: StoredDType = "bfloat16", of = bytes) =>
      make(dtype, [2], of, layout).toTensor({ widen: true });
    const [a, b] = [wide({ shared: true }), wide({ shared: true, byteOffset: 2 })];
    assertEquals([a.tolist(), b.tolist()], [[1, -2], [-2, 2]]);
    assertStrictEquals(a.data.buffer, b.data.buffer);
    assertEquals([a.data.length, b.data.byteOffset], [2, 4]);
    assertStrictEquals(wide({ shared: true }).data.buffer, a.data.buffer);
    const others = [
      wide({}),
      wide({ shared: false }),
      wide({ shared: true }, "float16"),
      wide({ shared: true, littleEndian: false }),
      wide({ shared: true, strides: [2] }),
      wide({ shared: true }, "bfloat16", bytes.slice()),
    ];
    for (const other of others) assert(other.data.buffer !== a.data.buffer);
    assertEquals(others[4].tolist(), [1, 2]);
    assertStrictEquals(others[2].data.buffer, wide({ shared: true }, "float16").data.buffer);
    // What is not half precision is itself a view.
    const ones = make("float32", [1], new Uint8Array(8), { shared: true, byteOffset: 4 });
    assertEquals(ones.toTensor().data.byteOffset, 4);
  });

  fact(["CKPT-3"], "a tensor's own bytes, of int64 and bool as a file has them", () => {
    const floats = tensor([1, 2]);
    assertStrictEquals(StoredTensor.from(floats).bytes().buffer, floats.data.buffer);
    assertEquals(StoredTensor.from(floats).toTensor(), floats);
    const integers = StoredTensor.from(tensor([-1, 2], { dtype: "int64" }));
    assertEquals([integers.dtype, integers.byteLength], ["int64", 16]);
    assertEquals(integers.values(), BigInt64Array.of(-1n, 2n));
    const truths = StoredTensor.from(tensor([0, 1], { dtype: "bool" }));
    assertEquals([truths.dtype, truths.bytes()], ["bool", Uint8Array.of(0, 1)]);
    const part = StoredTensor.from(tensor([[1, 2], [3, 4]], { dtype: "float64" }));
    assertEquals([part.shape, part.dtype, part.numel, part.byteLength], [[2, 2], "float64", 4, 32]);
  });

  fact(["CKPT-2", "CKPT-7"], "more elements than numbers count are refused", () => {
    assertEquals(countOf([]), 1);
    assertEquals(countOf([3, 4]), 12);
    assertEquals(countOf([0, 2 ** 40, 2 ** 40]), 0);
    assertEquals(countOf([2 ** 53 - 1]), 2 ** 53 - 1);
    assertThrows(
      () => countOf([2 ** 27, 2 ** 26]),
      CheckpointError,
      "a tensor of shape [134217728, 67108864] has more elements than numbers count",
    );
    assertThrows(() => countOf([2 ** 53], "it"), CheckpointError, "it of shape [9007199254740992]");
  });
});
