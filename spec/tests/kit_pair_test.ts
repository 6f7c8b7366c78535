/** How tensors and lines of the protocol are written and read (CONFORM-1). */

import { assert, assertEquals } from "@std/assert";
import { decode, decodeStateDict, encode, toLine } from "../../lib/conformance/pair.ts";
import { Tensor } from "../../lib/tensor/tensor.ts";
import { serve } from "../../lib/conformance/serve.ts";
import { describe, fact, it } from "./law.ts";

describe("pairs", () => {
  fact(["CONFORM-1"], "numbers are the shortest decimals that give the same float back", () => {
    const write = (values: number[], dtype: "float32" | "float64") => {
      const data = dtype === "float32" ? Float32Array.from(values) : Float64Array.from(values);
      return encode(new Tensor(data, [values.length], dtype));
    };
    const data = [0, -0, 0.1, -0.3, 1 / 3, 1e-45, 3.4028235e38, 16777216, 0.30000001192092896];
    const shortest = [0, -0, 0.1, -0.3, 0.33333334, 1e-45, 3.4028235e38, 16777216, 0.3];
    assertEquals(write(data, "float32"), { shape: [9], data: shortest });
    assertEquals(write(data, "float64"), { shape: [9], data });
    for (const dtype of ["float32", "float64"] as const) {
      assert(Object.is(write([-0], dtype).data[0], -0), dtype);
    }
    // These need all of nine digits.
    const nine = [1000.00006, -1001.00006].map(Math.fround);
    for (const [k, x] of write(nine, "float32").data.entries()) {
      assertEquals(Math.fround(Number(x)), nine[k]);
      assertEquals([x, String(x).replace(/\D/g, "").length], [
        Number(nine[k].toPrecision(9)),
        9,
      ]);
    }
    assertEquals(write([NaN, Infinity, -Infinity], "float32").data, [
      ...["NaN", "Infinity", "-Infinity"],
    ] as never);
  });

  fact(["CONFORM-1"], "a tensor is read in its own dtype, else in the request's", () => {
    const json = { shape: [2], data: [0.1, "NaN" as const] };
    const read = decode(json, "float32");
    assertEquals([read.dtype, read.shape, ...read.data], ["float32", [2], Math.fround(0.1), NaN]);
    assertEquals(decode({ ...json, dtype: "float64" }, "float32").data[0], 0.1);
    assertEquals(decode(json, "float64").data[0], 0.1);
    const state_dict = { w: { shape: [1], data: [0.1] } };
    assertEquals(decodeStateDict({ op: "x", state_dict }).w.dtype, "float32");
    assertEquals(decodeStateDict({ op: "x", state_dict, dtype: "float64" }).w.dtype, "float64");
    assertEquals(decodeStateDict({ op: "x" }), {});
    for (const dtype of ["int64", "bool"] as const) {
      const own = { shape: [2], data: [1, 0], dtype };
      assertEquals(encode(decode(own, "float32")), own);
    }
  });

  fact(["CONFORM-1"], "a line keeps the sign of zero, wherever it stands", () => {
    assertEquals(
      toLine({ a: [1, { b: -0 }], c: "-0", d: 0 }),
      '{"a":[1,{"b":-0.0}],"c":"-0","d":0}',
    );
    assertEquals(toLine(-0), "-0.0");
    assertEquals(toLine([[-0], null]), "[[-0.0],null]");
    assertEquals(toLine({ a: [0, null, "x", true] }), '{"a":[0,null,"x",true]}');
    assert(Object.is(JSON.parse(toLine([-0]))[0], -0));
  });

  it("CONFORM-2: of what is not whole, an answer comes at the end; blank lines have none", async () => {
    const said: string[] = [];
    await serve(() => ({ repr: "x" }), {
      input: ReadableStream.from(
        ['{"id":1}\n  \n\n{"id"', ':2}\n{"id":"', "é", '"}'].map((x) =>
          new TextEncoder().encode(x)
        ),
      ),
      write: (bytes) => {
        said.push(new TextDecoder().decode(bytes));
        return Promise.resolve(bytes.length);
      },
    });
    assertEquals(said, ["1", "2", '"é"'].map((id) => `{"id":${id},"repr":"x"}\n`));
  });
});
