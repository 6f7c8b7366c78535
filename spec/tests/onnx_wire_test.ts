/** The wire format under ONNX files, field by field: what is read, what is refused, what it is counted as. */

import { assert, assertEquals, assertThrows } from "@std/assert";
import fc from "fast-check";
import { CheckpointError } from "../../mod.ts";
import { Budget, Message, readVarints } from "../../lib/onnx/wire.ts";
import { describe, fact as onEveryPath, law, readablePath } from "./law.ts";
import { edges, varint } from "./onnx_graph.ts";

const fact = (claim: string, holds: () => void, clauses = ["ONNX-2"]) =>
  onEveryPath(clauses, claim, holds, readablePath);

/** A budget that only counts. */
class Counter extends Budget {
  total = 0;
  constructor() {
    super(0);
  }
  override charge(bytes: number): void {
    this.total += bytes;
  }
}

/** A message of some bytes, within a larger buffer so that no byte after it is 0. */
function messageOf(bytes: readonly number[], budget: Budget = new Counter()): Message {
  const file = new Uint8Array(bytes.length + 20).fill(1);
  file.set(bytes, 5);
  return new Message(file.subarray(5, 5 + bytes.length), "it", budget);
}

/** The message, at its first field. */
function first(...bytes: number[]): Message {
  const message = messageOf(bytes);
  assert(message.next(0));
  return message;
}

function refused(act: () => unknown, says: string): void {
  assertEquals(assertThrows(act, CheckpointError).message, says);
}

const tags = { integer: 8, long: 9, bytes: 10, short: 13 };
describe("the wire format", () => {
  fact("a file may take its size 22.5 times and half a MiB, or 23 times its size", () => {
    for (
      const [size, most] of [
        [0, 2 ** 19],
        [1000, 2 ** 19 + 22_500],
        [2 ** 20, 23 * 2 ** 20],
        [2 ** 21, 23 * 2 ** 21],
      ]
    ) {
      const budget = new Budget(size);
      budget.charge(most);
      budget.charge(0);
      refused(() => budget.charge(1), "onnx: more small parts than a file of this size may have");
    }
    // A message takes that of its file, unless it is given another.
    const message = new Message(new Uint8Array(1000), "it");
    message.charge(2 ** 19 + 22_500);
    assertThrows(() => message.charge(1), CheckpointError);
  });

  fact("a message begins at its first byte, at no field, and goes to its last one", () => {
    const message = messageOf([8, 5, 16, 6]);
    assertEquals([message.at, message.end, message.field, message.type], [0, 4, 0, 0]);
    assertEquals([...message.bytes], [8, 5, 16, 6]);
    assert(message.next(0));
    assertEquals([message.field, message.type, message.number(), message.at], [1, 0, 5, 2]);
    assert(message.next(0));
    assertEquals([message.field, message.number(), message.at], [2, 6, 4]);
    assertEquals([message.next(0), message.next(0)], [false, false]);
  });

  fact("fields have numbers from 1 to 2^29 - 1", () => {
    for (const number of [1, 2, 15, 16, 31, 32, 33, 2 ** 29 - 1]) {
      for (const type of [0, 1, 2, 5]) {
        const message = first(...varint(BigInt(number * 8 + type)));
        assertEquals([message.field, message.type], [number, type]);
      }
    }
    for (const tag of [0n, 7n, 2n ** 32n, 2n ** 32n + 8n, 2n ** 50n, 2n ** 63n]) {
      const bytes = varint(tag);
      refused(() => first(...bytes), `onnx: byte ${bytes.length}: it: a field with no number`);
    }
  });

  fact("of the fields below 32, those that may not come twice do not", () => {
    const twice = (field: number, other: number, repeated?: number) => {
      const message = messageOf([...varint(BigInt(8 * field)), 0, ...varint(BigInt(8 * other)), 0]);
      for (let k = 0; k < 2; k++) {
        assert(message.next(repeated));
        message.skip();
      }
    };
    for (let field = 1; field < 32; field++) {
      const at = field < 16 ? 3 : 5;
      const says = `onnx: byte ${at}: it: field ${field} comes twice`;
      for (const repeated of [undefined, 0, ~(1 << field)]) {
        refused(() => twice(field, field, repeated), says);
      }
      for (const repeated of [-1, 1 << field]) twice(field, field, repeated);
      for (let other = 1; other < 34; other++) if (other !== field) twice(field, other);
    }
    twice(32, 32, 0);
    twice(33, 33, 0);
  });

  fact("a field is passed over by its wire type", () => {
    for (
      const [type, ...content] of [
        [0, 128, 1],
        [1, 1, 2, 3, 4, 5, 6, 7, 8],
        [2, 3, 7, 7, 7],
        [2, 0],
        [5, 1, 2, 3, 4],
      ]
    ) {
      const message = first(8 + type, ...content, 16);
      message.skip();
      assertEquals(message.at, 1 + content.length);
      if (content.length < 2) continue;
      const short = first(8 + type, ...content.slice(0, -1));
      const says = {
        0: "byte 2: it: it ends within a number",
        1: "byte 1: it: it ends within field 1",
        2: "byte 2: it: field 1 has 3 bytes, 2 are left",
        5: "byte 1: it: it ends within field 1",
      }[type];
      refused(() => short.skip(), `onnx: ${says}`);
    }
    for (const type of [3, 4, 6, 7]) {
      refused(() => first(8 + type).skip(), `onnx: byte 1: it: wire type ${type}`);
    }
  });

  fact("integers are those of 64 bits with a sign, exact, in at most ten bytes", () => {
    for (const value of edges) {
      const signed = BigInt.asIntN(64, value);
      const own = Number.isSafeInteger(Number(signed)) ? Number(signed) : signed;
      const message = first(tags.integer, ...varint(value));
      assertEquals(message.integer(), own);
      assertEquals(message.at, message.end);
      if (typeof own === "number") {
        assertEquals(first(tags.integer, ...varint(value)).number(), own);
      } else {
        const at = 1 + varint(value).length;
        const read = () => first(tags.integer, ...varint(value)).number();
        refused(read, `onnx: byte ${at}: it: the number ${signed}`);
      }
      // It may be written longer than it need be, and may not end early.
      const long = [...varint(value).slice(0, -1), varint(value).at(-1)! | 128];
      const padded = [...long, ...Array(9 - long.length > 0 ? 9 - long.length : 0).fill(128), 0];
      if (padded.length <= 10) assertEquals(first(tags.integer, ...padded).integer(), own);
      const cut = first(tags.integer, ...varint(value).slice(0, -1));
      const says = `onnx: byte ${varint(value).length}: it: it ends within a number`;
      refused(() => cut.integer(), says);
    }
    const ten = Array(10).fill(255);
    refused(
      () => first(tags.integer, ...ten, 1).integer(),
      "onnx: byte 11: it: a number of more than ten bytes",
    );
    // What is beyond 64 bits is dropped, as other readers do.
    assertEquals(first(tags.integer, ...ten.slice(1), 127).integer(), -1);
  });

  fact("a number ends with its message, whatever comes behind", () => {
    for (const length of [1, 3, 7, 8, 9]) {
      const inner = [tags.integer, ...Array(length).fill(128)];
      const outer = messageOf([tags.bytes, inner.length, ...inner, 1, 1]);
      outer.next(0);
      const message = outer.message("inner");
      message.next(0);
      const says = `onnx: byte ${3 + length}: inner: it ends within a number`;
      refused(() => message.integer(), says);
    }
  });

  fact("numbers of 32 bits stand low byte first", () => {
    const message = first(tags.short, 0, 0, 192, 63);
    assertEquals([message.float(), message.at], [1.5, 5]);
    const last = new Message(message.file.slice(0, 5), "a file that ends with it");
    assertEquals(last.next(0) && last.float(), 1.5);
    const short = first(tags.short, 0, 0, 192);
    refused(() => short.float(), "onnx: byte 1: it: it ends within field 1");
  });

  fact("a field of another wire type than wanted is refused", () => {
    const reads = (message: Message) => ({
      0: [() => message.integer(), () => message.number()],
      5: [() => message.float()],
      2: [
        () => message.text(),
        () => message.anyText(),
        () => message.content(),
        () => message.message("inner"),
      ],
    });
    const content: Record<number, number[]> = {
      0: [0],
      1: Array(8).fill(0),
      2: [0],
      5: [0, 0, 0, 0],
    };
    for (const type of [0, 1, 2, 5]) {
      const count = Object.values(reads(first(8))).flat().length;
      assertEquals(count, 7);
      for (const [wanted, acts] of Object.entries(reads(first(8 + type, ...content[type])))) {
        acts.forEach((_, k) => {
          const message = first(8 + type, ...content[type]);
          const act = reads(message)[Number(wanted) as 0 | 2 | 5][k];
          if (Number(wanted) === type) return void act();
          const says = `field 1 has the wire type ${type}, wanted ${wanted}`;
          refused(act, `onnx: byte 1: it: ${says}`);
        });
      }
      const message = () => first(8 + type, ...content[type]);
      const lists: [act: (message: Message) => unknown, wanted: number][] = [
        [(message) => message.integers([]), 0],
        [(message) => message.varints(), 0],
        [(message) => message.floats([]), 5],
        [(message) => message.fixed(4), 5],
        [(message) => message.fixed(8), 1],
      ];
      for (const [act, wanted] of lists) {
        const own = message();
        if (type === 2 || type === wanted) {
          act(own);
          assertEquals(own.at, own.end);
        } else {
          const says = `field 1 has the wire type ${type}, wanted ${wanted}`;
          refused(() => act(own), `onnx: byte 1: it: ${says}`);
        }
      }
    }
  });

  fact("a length is at most what is left", () => {
    const whole = first(tags.bytes, 2, 65, 66);
    assertEquals([...whole.content()], [65, 66]);
    assertEquals(whole.at, 4);
    for (
      const [length, shown] of [
        [[3], "3"],
        [varint(2n ** 49n), `${2n ** 49n}`],
        [[...Array(9).fill(255), 127], `${2n ** 64n - 1n}`],
      ] as const
    ) {
      const at = 1 + length.length;
      const says = `onnx: byte ${at}: it: field 1 has ${shown} bytes, 2 are left`;
      const message = () => first(tags.bytes, ...length, 65, 66);
      for (const act of ["content", "text", "anyText", "skip", "varints"] as const) {
        refused(() => message()[act](), says);
      }
      refused(() => message().message("inner"), says);
    }
    // Within a message, what is left is the message's.
    const outer = first(tags.bytes, 3, 18, 2, 1, 1, 1);
    const inner = outer.message("inner");
    assertEquals([inner.at, inner.end, outer.at, [...inner.bytes]], [2, 5, 5, [18, 2, 1]]);
    inner.next(0);
    refused(() => inner.content(), "onnx: byte 4: inner: field 2 has 2 bytes, 1 are left");
  });

  fact("text is UTF-8, a mark at its beginning is kept, each name is counted once", () => {
    const counter = new Counter();
    const bom = [0xef, 0xbb, 0xbf, 65];
    const names = [[], [65], bom, [65], [0xc3, 0xa9, 66]];
    const message = messageOf(names.flatMap((name) => [tags.bytes, name.length, ...name]), counter);
    const read = names.map(() => message.next(-1) && message.text());
    assertEquals(read, ["", "A", "\ufeffA", "A", "éB"]);
    assertEquals(counter.total, 3 * 96 + 2 * (1 + 2 + 2));
    const outer = messageOf([tags.bytes, 3, ...[18, 1, 65], tags.bytes, 1, 65], counter);
    outer.next(-1);
    const inner = outer.message("inner");
    inner.next(-1);
    assertEquals(inner.text(), "A");
    outer.next(-1);
    outer.text(); // known from the message within
    assertEquals(counter.total, 4 * 96 + 2 * 6);
    const says = "onnx: byte 3: it: field 1 is text that is not UTF-8";
    refused(() => first(tags.bytes, 1, 255).text(), says);

    const any = new Counter();
    const lenient = messageOf([tags.bytes, 5, ...bom, 255, tags.bytes, 0], any);
    lenient.next(-1);
    assertEquals(lenient.anyText(), "\ufeffA\ufffd");
    assertEquals(any.total, 32 + 2 * 3);
    lenient.next(-1);
    assertEquals([lenient.anyText(), any.total], ["", 70]);
  });

  fact("lists come one by one or packed, and are counted", () => {
    const counter = new Counter();
    const counted = (bytes: readonly number[], act: (message: Message) => void) => {
      const before = counter.total;
      const message = messageOf(bytes, counter);
      while (message.next(-1)) act(message);
      return counter.total - before;
    };
    const integers: (number | bigint)[] = [];
    const large = varint(2n ** 60n);
    const packed = [tags.bytes, 3 + large.length, 3, ...large, ...varint(300n)];
    const charges = [
      counted([tags.integer, 7], (message) => message.integers(integers)),
      counted(packed, (message) => message.integers(integers)),
      counted([tags.bytes, 0, tags.integer, 1], (message) => message.integers(integers)),
    ];
    assertEquals([integers, charges], [[7, 3, 2n ** 60n, 300, 1], [16, 24, 16]]);
    const cut = [tags.bytes, 2, 3, 128, 1];
    const says = "onnx: byte 4: it: it ends within a number";
    refused(() => counted(cut, (message) => message.integers([])), says);
    refused(() => counted(cut, (message) => void message.varints()), says);

    const floats: number[] = [];
    const [one, two] = [[0, 0, 128, 63], [0, 0, 0, 64]];
    const read = (message: Message) => message.floats(floats);
    assertEquals(counted([tags.short, ...one], read), 28);
    assertEquals(counted([tags.bytes, 12, ...two, ...one, ...two, tags.short, ...one], read), 80);
    assertEquals(counted([tags.bytes, 0], read), 16);
    assertEquals(floats, [1, 2, 1, 2, 1]);
  });

  fact("bytes of numbers are views, whole numbers only", () => {
    const numbers = Array.from({ length: 16 }, (_, k) => k);
    for (const [size, tag] of [[4, tags.short], [8, tags.long]] as const) {
      const single = first(tag, ...numbers.slice(0, size), 99);
      const { bytes, count } = single.fixed(size);
      assertEquals([[...bytes], count, single.at], [numbers.slice(0, size), 1, 1 + size]);
      assertEquals(bytes.buffer, single.file.buffer);
      const short = first(tag, ...numbers.slice(0, size - 1));
      refused(() => short.fixed(size), "onnx: byte 1: it: it ends within field 1");
      const packed = first(tags.bytes, 16, ...numbers, 99);
      const all = packed.fixed(size);
      assertEquals([[...all.bytes], all.count, packed.at], [numbers, 16 / size, 18]);
      for (const length of [size - 1, size + 1]) {
        const odd = first(tags.bytes, length, ...numbers.slice(0, length));
        const says = `onnx: byte ${2 + length}: it: field 1 ends in the middle of a number`;
        refused(() => odd.fixed(size), says);
      }
    }
    const one = first(tags.integer, 128, 1, 99);
    assertEquals(one.varints(), { bytes: Uint8Array.of(128, 1), count: 1 });
    const three = first(tags.bytes, 4, 128, 1, 5, 6, 99);
    assertEquals(three.varints(), { bytes: Uint8Array.of(128, 1, 5, 6), count: 3 });
    assertEquals(three.at, 6);
    assertEquals(first(tags.bytes, 0).varints(), { bytes: new Uint8Array(), count: 0 });
  });

  fact("the halves of integers are those of their 64 bits", () => {
    const found: [number, number][] = [];
    readVarints(Uint8Array.from(edges.flatMap(varint)), (low, high) => {
      found.push([low >>> 0, high >>> 0]);
    });
    const wanted = edges.map((x) => [Number(x & 0xffff_ffffn), Number(x >> 32n)]);
    assertEquals(found, wanted as [number, number][]);
  }, ["ONNX-1"]);

  law(
    ["ONNX-1"],
    "integers are read as they were written",
    fc.array(fc.bigInt({ min: 0n, max: 2n ** 64n - 1n })),
    (values) => {
      const found: bigint[] = [];
      readVarints(Uint8Array.from(values.flatMap(varint)), (low, high) => {
        found.push(BigInt(high >>> 0) << 32n | BigInt(low >>> 0));
      });
      assertEquals(found, values);
    },
    50,
    readablePath,
  );
});
