/**
 * What the judgement computes with, piece by piece: differences and scales, activations, tensors of
 * files and what their reading charges.
 */

import { assertAlmostEquals, assertEquals, assertThrows } from "@std/assert";
import { CheckpointError, Tensor, tensor } from "../../mod.ts";
import { readOnnx, type WireField, writeMessage } from "../../lib/onnx/mod.ts";
import { activationOf, readActivations } from "../../lib/onnx/activations.ts";
import { close, drawn, draws, offBy, scaleOf, sideBySide } from "../../lib/onnx/numbers.ts";
import type { ReferenceLayer } from "../../lib/onnx/reference.ts";
import { asTensor, asValue, valueOf } from "../../lib/onnx/value.ts";
import { Budget } from "../../lib/onnx/wire.ts";
import { describe, fact as onEveryPath, readablePath } from "./law.ts";

const fact = (clause: string, claim: string, holds: () => void) =>
  onEveryPath([clause], claim, holds, readablePath);

type Fields = readonly WireField[];

const model = (graph: Fields, more: Fields = []) =>
  writeMessage([[1, 8], [7, graph], [8, [[2, 17]]], ...more]);
const file = (...fields: WireField[]) => model([[5, [...fields, [8, "w"]]]]);
const read = (bytes: Uint8Array) => readOnnx(bytes).graph.initializers.get("w")!;
const counted = (...shape: number[]) =>
  new Tensor(Float64Array.from({ length: shape.reduce((a, b) => a * b, 1) }, (_, k) => k), shape);

describe("differences", () => {
  fact("JUDGE-3", "numbers are close within 1e-5 and 1.3e-6 of the wanted one", () => {
    const pairs: [number, number, boolean][] = [
      [1e-5, 0, true],
      [1.001e-5, 0, false],
      [-1.001e-5, 0, false],
      [10 + 2.2e-5, 10, true],
      [10 + 2.4e-5, 10, false],
      [-10 - 2.2e-5, -10, true],
      [NaN, NaN, true],
      [Infinity, Infinity, true],
      [NaN, 0, false],
      [0, NaN, false],
      [-0, 0, true],
    ];
    for (const [x, y, is] of pairs) assertEquals([x, y, close(x, y)], [x, y, is]);
  });

  fact("JUDGE-3", "outputs are off by their largest difference, from a step on", () => {
    // (L, N, D · H) = (4, 2, 4): two directions of two units.
    const wanted = { output: counted(4, 2, 4), hN: counted(2, 2, 2) };
    const off = (
      backs: readonly boolean[],
      changes: readonly (readonly [t: number, n: number, unit: number, by: number])[],
      hN = 0,
    ) => {
      const output = new Tensor(wanted.output.data.slice(), [4, 2, 4]);
      for (const [t, n, unit, by] of changes) output.data[(t * 2 + n) * 4 + unit] += by;
      const last = new Tensor(wanted.hN.data.slice(), [2, 2, 2]);
      last.data[0] += hN;
      return offBy({ output, hN: last }, wanted, backs);
    };
    const both = [false, true];
    assertEquals(off(both, []), null);
    assertEquals(off(both, [[1, 1, 1, 1e-6]]), null);
    assertEquals(off(both, [[1, 1, 1, 0.5]]), { error: 0.5, step: 1 });
    assertEquals(off(both, [[1, 0, 2, -0.5]]), { error: 0.5, step: 2 });
    assertEquals(off(both, [[1, 1, 3, 2]]), { error: 2, step: 2 });
    assertEquals(off(both, [[3, 0, 2, 2]]), { error: 2, step: 0 });
    assertEquals(off([false], [[1, 1, 3, 2]]), { error: 2, step: 1 });
    assertEquals(off([true], [[1, 1, 0, 2]]), { error: 2, step: 2 });
    assertEquals(off(both, [[3, 1, 0, 1], [2, 0, 0, 4], [3, 0, 0, 2]]), { error: 4, step: 2 });
    assertEquals(off(both, [], 3), { error: 3, step: null });
    // What follows a NaN does not hide it.
    assertEquals(off(both, [[0, 0, 0, NaN], [1, 0, 0, 1]]), { error: NaN, step: 0 });
    assertEquals(offBy({}, wanted, both), null);
    assertEquals(offBy({ hN: wanted.hN }, wanted, both), null);
    const turned = offBy({ output: counted(2, 4, 4) }, wanted, both);
    assertEquals(turned, { error: Infinity, step: null });
  });

  fact("JUDGE-3", "drawn numbers are those of one generator, in every run", () => {
    for (const seed of [0, 1, 5, 2 ** 31]) {
      const next = draws(seed);
      let x = BigInt(seed);
      for (let k = 0; k < 50; k++) {
        x = (x * 1664525n + 1013904223n) % 2n ** 32n;
        assertEquals(next(), Math.fround(Number(x) / 2147483648 - 1));
      }
    }
    const given = [0.1, -0.7, 0.3];
    const [plain, scaled] = [1, 3].map((scale) => {
      const left = [...given];
      return drawn(() => left.shift()!, [3, 1], scale === 1 ? undefined : scale);
    });
    assertEquals([plain.shape, [...plain.data]], [[3, 1], given.map(Math.fround)]);
    assertEquals([...scaled.data], given.map((x) => Math.fround(3 * x)));
  });

  fact("JUDGE-3", "inputs have the scale that gives a gate's sum the variance 1", () => {
    const scale = (weights: readonly number[], inputSize: number, layer = 0) =>
      scaleOf({
        directions: [{ weightIh: Float64Array.from(weights) }],
        inputSize,
        layer,
      } as unknown as ReferenceLayer);
    assertAlmostEquals(scale([3, 4], 2), Math.sqrt(3 / 25), 1e-15); // Var(sum) = s² · 25 / 3
    assertAlmostEquals(scale([3, 4, 1, 2], 2), Math.sqrt(6 / 30), 1e-15);
    assertAlmostEquals(scale([3, 4, 1, 2], 1), Math.sqrt(12 / 30), 1e-15);
    assertEquals(scale([3, 4], 2, 1), 1);
    assertEquals(scale([3, 4], 2, 2), 1);
    assertEquals([scale([1e-9], 1), scale([1e9], 1)], [1e4, 1e-3]);
    assertEquals([scale([0, 0], 2), scale([NaN], 1)], [1, 1]);
  });

  fact("JUDGE-3", "the directions of Y stand side by side in the output, in both layouts", () => {
    const [L, D, N, H] = [3, 2, 4, 2];
    for (const layout of [0, 1] as const) {
      const Y = layout === 1 ? counted(N, L, D, H) : counted(L, D, N, H);
      const output = layout === 0 ? sideBySide(Y) : sideBySide(Y, layout);
      assertEquals(output.shape, [L, N, D * H]);
      const place = (t: number, d: number, n: number) =>
        layout === 1 ? (n * L + t) * D + d : (t * D + d) * N + n;
      output.data.forEach((y, k) => {
        const [t, n, unit] = [
          Math.floor(k / (N * D * H)),
          Math.floor(k / (D * H)) % N,
          k % (D * H),
        ];
        assertEquals(y, place(t, Math.floor(unit / H), n) * H + unit % H);
      });
    }
  });
});

describe("activations", () => {
  const [small, fifth] = [Math.fround(0.01), Math.fround(0.2)];
  fact("ONNX-7", "each name has its equation, and ONNX's numbers where none are given", () => {
    const e = Math.E;
    type Row = [name: string, alpha: number | null, beta: number | null, ...pairs: number[]];
    const rows: Row[] = [
      ["Relu", null, null, -2, 0, 0, 0, 2, 2],
      ["Tanh", null, null, 1, (e - 1 / e) / (e + 1 / e)],
      ["Sigmoid", null, null, 0, 0.5, 1, e / (e + 1)],
      ["LeakyRelu", small, null, -2, -2 * small, 0, 0, 0.5, 0.5, 3, 3],
      ["ThresholdedRelu", 1, null, 0.5, 0, 1, 1, 2, 2, NaN, NaN],
      ["HardSigmoid", fifth, 0.5, -9, 0, 9, 1, 1, fifth + 0.5, 0, 0.5],
      ["Elu", 1, null, -1, 1 / e - 1, 0, 0, 0.5, 0.5, 2, 2],
      ["Softsign", null, null, 3, 0.75, -3, -0.75, Infinity, 1, -Infinity, -1, 0, 0],
      ["Softplus", null, null, 0, Math.log(2), -1, Math.log(1 + 1 / e), 1, Math.log(1 + e)],
    ];
    for (const [name, alpha, beta, ...pairs] of rows) {
      const [one, ...more] = readActivations([name], [], []);
      assertEquals([one, more], [{ name, alpha, beta }, []]);
      assertEquals(readActivations([name.toUpperCase()], [], []), [one]);
      for (let k = 0; k < pairs.length; k += 2) {
        assertAlmostEquals(activationOf(one, null)(pairs[k]), pairs[k + 1], 1e-15, `${name} ${k}`);
      }
    }
    const own = readActivations(["Affine", "Relu", "ScaledTanh", "Elu"], [2, 3, 0.25], [0.5, 4]);
    assertEquals(own.map(({ alpha, beta }) => [alpha, beta]), [
      [2, 0.5],
      [null, null],
      [3, 4],
      [0.25, null],
    ]);
    const at = (k: number, x: number) => activationOf(own[k], null)(x);
    assertEquals([at(0, 3), at(2, 0.5)], [6.5, 3 * Math.tanh(2)]);
    assertAlmostEquals(at(3, -1), (1 / e - 1) / 4, 1e-15);
    // One too few is made up by the default; where there is none, it is refused.
    const fewer = readActivations(["Elu", "HardSigmoid"], [0.1], []);
    assertEquals(fewer.map(({ alpha }) => alpha), [Math.fround(0.1), fifth]);
    // 0 is its own value, whatever the slope on its left.
    for (const name of ["LeakyRelu", "Elu"]) {
      assertEquals(activationOf({ name, alpha: Infinity, beta: null }, null)(0), 0);
    }
    // Numbers that no activation takes mean nothing.
    assertEquals(readActivations(["Tanh"], [1, 2], [3])[0], {
      name: "Tanh",
      alpha: null,
      beta: null,
    });
    // Neither number given: 0.
    assertEquals(activationOf({ name: "Affine", alpha: null, beta: 5 }, null)(3), 5);
    assertEquals(activationOf({ name: "Affine", alpha: 2, beta: null }, null)(3), 6);
  });

  fact("ONNX-8", "the clip binds an activation's input on both sides", () => {
    const [affine] = readActivations(["Affine"], [2], [1]);
    const f = activationOf(affine, 0.5);
    assertEquals([-3, -0.5, 0.25, 0.5, 3].map(f), [0, 0, 1.5, 2, 2]);
  });

  fact("ONNX-7", "what is refused is said whole", () => {
    const says = (run: () => unknown, message: string) =>
      assertEquals(assertThrows(run, Error).message, message);
    says(
      () => readActivations(["Swish"], [], []),
      'activations: "Swish" is none of Relu,Tanh,Sigmoid,Affine,LeakyRelu,ThresholdedRelu,' +
        "ScaledTanh,HardSigmoid,Elu,Softsign,Softplus",
    );
    const beta = "activation_beta: Affine needs one, ONNX has no default for it";
    says(() => readActivations(["Affine"], [1], []), beta);
    says(() => readActivations(["Affine"], [], [1]), beta.replace("beta", "alpha"));
    says(
      () => readActivations(["Elu", "Tanh"], [1, 2], []),
      "activation_alpha has 2 numbers, the activations Elu,Tanh take 1",
    );
  });
});

describe("tensors of a file", () => {
  const bytes = (...some: number[]) => Uint8Array.from(some);

  fact("ONNX-1", "elements stand in the low bytes of integers, or in several runs", () => {
    const rows: [type: number, field: number, numbers: (number | bigint)[]][] = [
      [2, 5, [1, 255]],
      [3, 5, [1, -128]],
      [4, 5, [1, 65535]],
      [5, 5, [1, -32768]],
      [6, 5, [7, -(2 ** 31)]],
      [7, 7, [3, -5, 2n ** 62n]],
      [9, 5, [0, 1]],
      [12, 11, [2 ** 32 - 1, 4]],
      [13, 11, [2 ** 33, 2n ** 64n - 1n]],
    ];
    for (const [type, field, numbers] of rows) {
      const tensor = read(
        file([1, numbers.length], [2, type], ...numbers.map((x): WireField => [field, x])),
      );
      const found = type === 9 ? tensor.integers().map(Number) : tensor.integers();
      assertEquals([tensor.dtype, found], [tensor.dtype, numbers]);
      assertEquals([...valueOf(tensor)!.data], numbers.map(Number));
      assertEquals([tensor.numel, valueOf(tensor)!.whole], [numbers.length, true]);
    }
    const floats = [1, 2, 3].map((float): WireField => [4, { float }]);
    assertEquals(read(file([1, 3], [2, 1], ...floats)).toTensor().tolist(), [1, 2, 3]);
    const halves = read(file([1, 2], [2, 10], [5, 0x3c00], [5, 0xc000]));
    assertEquals(valueOf(halves), { shape: [2], data: Float64Array.of(1, -2), whole: false });
    assertEquals(valueOf(read(file([1, 1], [2, 8], [6, "t"]))), null);
    const far = read(file([1, 1], [2, 1], [14, 1], [13, [[1, "location"], [2, "a"]]]));
    assertEquals(valueOf(far), null);
    assertThrows(
      () =>
        valueOf({
          dtype: "int8",
          stored: () => {
            throw new TypeError("own");
          },
        } as never), // deno-fmt-ignore
      TypeError,
      "own",
    );
    const value = asValue(tensor([[1, 2]]));
    assertEquals(value, { shape: [1, 2], data: Float64Array.of(1, 2), whole: false });
    assertEquals([asTensor(value).tolist(), asTensor(null)], [[[1, 2]], null]);
  });

  fact("ONNX-2", "a tensor that does not hold what it says is refused, with what it holds", () => {
    const rows: [Fields, string][] = [
      [
        [[1, 2], [2, 1], [9, bytes(1, 2, 3)]],
        "3 bytes of float32 in raw_data, the shape [2] has 8",
      ],
      [[[1, 2], [1, 3], [2, 2]], "0 bytes of uint8 in raw_data, the shape [2, 3] has 6"],
      [[[1, 3], [2, 22], [9, bytes(1)]], "1 bytes of int4 in raw_data, the shape [3] has 2"],
      [[[1, 5], [2, 25], [9, bytes(1)]], "1 bytes of uint2 in raw_data, the shape [5] has 2"],
      [
        [[1, 2], [2, 14], [4, { float: 1 }]],
        "1 elements of complex64 in float_data, the shape [2] has 4",
      ],
      [[[1, 2], [2, 8], [6, "t"]], "1 elements of string in string_data, the shape [2] has 2"],
      [[[1, 1], [2, 1], [5, 1]], "elements of float32 in int32_data"],
      [[[1, 1], [2, 1], [7, 1]], "elements of float32 in int64_data"],
      [[[1, 1], [2, 1], [11, 1]], "elements of float32 in uint64_data"],
      [[[1, 1], [2, 1], [6, "t"]], "elements of float32 in string_data"],
      [[[1, 1], [2, 1], [10, new Uint8Array(8)]], "elements of float32 in double_data"],
      [[[1, 1], [2, 7], [4, { float: 1 }]], "elements of int64 in float_data"],
      [[[1, 1], [2, 1], [4, { float: 1 }], [9, bytes(1)]], "data in float_data and raw_data"],
      [[[1, -1], [2, 1]], "size -1"],
      [[[1, 2n ** 62n], [2, 1]], `size ${2n ** 62n}`],
      [[[1, 2 ** 30], [1, 2 ** 21], [2, 2]], "more elements than numbers count"],
      [
        [[1, 2 ** 50 - 1], [2, 2]],
        `0 bytes of uint8 in raw_data, the shape [${2 ** 50 - 1}] has ${2 ** 50 - 1}`,
      ],
      [[[1, 2 ** 50], [2, 2]], "more elements than numbers count"],
      [[[1, 1], [2, 1]], "0 bytes of float32 in raw_data, the shape [1] has 4"],
      [[[1, 1], [2, 8], [9, bytes()]], "text as raw_data"],
      [
        [[1, 1], [2, 8], [6, ""], [6, ""]],
        "2 elements of string in string_data, the shape [1] has 1",
      ],
      [
        [[1, 1], [2, 1], [9, new Uint8Array(5)]],
        "5 bytes of float32 in raw_data, the shape [1] has 4",
      ],
      [[[1, 1], [2, 22], [5, 1], [5, 2]], "2 elements of int4 in int32_data, the shape [1] has 1"],
      [[[1, 1], [2, 99]], "the data type 99"],
      [[[1, 1]], "the data type 0"],
    ];
    for (const [fields, says] of rows) {
      const { message } = assertThrows(() => read(file(...fields)), CheckpointError);
      assertEquals(message.includes(`tensor "w": ${says}`), true, `${message} / ${says}`);
    }
    assertThrows(() => read(file([3, []])), CheckpointError, "a segment of a tensor");
    for (const [type, count, size] of [[22, 3, 2], [21, 4, 2], [25, 4, 1], [26, 5, 2]]) {
      const tensor = read(file([1, count], [2, type], [9, new Uint8Array(size)]));
      assertThrows(() => tensor.stored(), CheckpointError, `dtype ${tensor.dtype} has no numbers`);
    }
    assertEquals(read(file([1, 0], [2, 8])).numel, 0);
    // What a field holds nothing of is not there; a text may be empty.
    const nothing = bytes();
    for (const field of [4, 5, 7, 10, 11]) {
      const tensor = read(file([1, 1], [2, 2], [9, bytes(7)], [field, nothing]));
      assertEquals(tensor.integers(), [7]);
    }
    const seven = read(file([1, 1], [2, 1], [4, nothing], [4, { float: 7 }]));
    assertEquals(seven.toTensor().tolist(), [7]);
    assertEquals(read(file([1, 1], [2, 8], [6, ""])).dtype, "string");
    assertEquals(read(file([1, 3], [2, 22], [5, 1], [5, 2])).numel, 3);
    assertEquals(read(file([1, 18], [2, 22], [5, new Uint8Array(9)])).numel, 18);
    assertEquals(read(file([1, 8], [2, 1], [9, new Uint8Array(32)])).numel, 8);
    assertEquals(read(file([1, 2], [2, 7], [7, bytes(1, 5)])).integers(), [1, 5]);
    const whole = file([1, 1], [2, 2], [9, bytes(7)]);
    assertEquals(read(whole).stored().bytes().buffer, whole.buffer);
    const { message } = assertThrows(() => seven.integers(), CheckpointError);
    assertEquals(message, 'tensor "w": dtype float32, not of integers');
    for (const name of ["stored", "integers"] as const) {
      assertThrows(() => Reflect.apply(seven[name], seven, [0]), TypeError, name);
    }
    assertEquals(read(file([1, 0], [2, 1], [4, new Uint8Array()])).numel, 0);
  });

  fact("ONNX-2", "runs of elements and entries may come in parts, other fields once", () => {
    const fields: WireField[] = [
      ...[4, 5, 6, 7, 9, 10, 11].map((field): WireField => [field, bytes()]),
      ...[1, 2, 8, 13, 14, 16].map((
        field,
      ): WireField => [field, field === 13 ? [] : field < 3 ? 1 : field === 14 ? 0 : "w"]),
    ];
    for (const field of fields) {
      const [number] = field;
      const type: Fields = number === 2 ? [] : [[2, 8]];
      const holds = number === 8
        ? [...type, field, field]
        : [...type, field, field, [8, "w"] as WireField];
      const reading = () => readOnnx(model([[5, [[1, 0], ...holds]]]));
      const often = [1, 4, 5, 6, 7, 10, 11, 13, 16].includes(number);
      if (often && number !== 6) reading();
      else if (number === 6) assertThrows(reading, CheckpointError, "2 elements of string");
      else assertThrows(reading, CheckpointError, `field ${number} comes twice`);
    }
  });

  fact("ONNX-2", "a place in another file is inside the model's folder, and in that file", () => {
    const at = (location: string, offset = "0") =>
      readOnnx(
        file(
          [1, 1],
          [2, 2],
          [14, 1],
          ...[["location", location], ["offset", offset]].map((
            [key, value],
          ): WireField => [13, [[1, key], [2, value]]]),
        ),
        { external: () => bytes(4, 5, 6) },
      ).graph.initializers.get("w")!;
    for (const location of ["/a", "c:a", "C:/a", "..", "a/..", "a/../b", "\\\\a", "a\n", ""]) {
      assertThrows(() => at(location), CheckpointError, "outside the model's folder");
    }
    for (const location of ["a", "a/b", "..a", "a..", "a/..b", "a/b../c", ".a"]) {
      assertEquals(at(location).external, { location, offset: 0, length: 1 });
    }
    assertEquals([0, 1, 2].map((k) => at("a", String(k)).integers()), [[4], [5], [6]]);
    const says = 'tensor "w": bytes 3 to 4 of "a", which has 3';
    assertEquals(assertThrows(() => at("a", "3").stored(), CheckpointError).message, says);
    const place: Fields = [[1, "location"], [2, "a"]];
    const first = readOnnx(file([1, 1], [2, 2], [14, 1], [13, place]), {
      external: () => bytes(9),
    });
    assertEquals(first.graph.initializers.get("w")!.integers(), [9]);
    const most = String(Number.MAX_SAFE_INTEGER);
    assertEquals(at("a", most).external!.offset, Number.MAX_SAFE_INTEGER);
    assertThrows(() => at("a", "9007199254740992"), CheckpointError, "with offset");
  });

  fact("ONNX-2", "reading a tensor charges for what it makes", () => {
    const charged = (bytes: Uint8Array) => {
      const { charge } = Budget.prototype;
      let sum = 0;
      Budget.prototype.charge = (count) => void (sum += count);
      try {
        readOnnx(bytes);
      } finally {
        Budget.prototype.charge = charge;
      }
      return sum;
    };
    const raw = charged(file([2, 1], [1, 1], [9, bytes(0, 0, 0, 0)]));
    const float = charged(file([2, 1], [1, 1], [4, { float: 1 }]));
    const none = charged(file([2, 1], [1, 0]));
    const entry = charged(file([2, 1], [1, 0], [13, []]));
    assertEquals([raw - none, float - none, entry - none], [160, 160, 150]);
    // 520 for the tensor, 16 for its size, and its name with its place among the constants.
    assertEquals(none - charged(model([])), 520 + 16 + 98);
  });
});
