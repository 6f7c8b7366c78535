/** Messages written byte by byte, and parts of a file replaced. */

import { assertEquals, assertThrows } from "@std/assert";
import { CheckpointError } from "../../mod.ts";
import { readOnnx, replaceParts, type WireField, writeMessage } from "../../lib/onnx/mod.ts";
import { describe, fact as onEveryPath, readablePath } from "./law.ts";
import { edges, varint } from "./onnx_graph.ts";

const fact = (claim: string, holds: () => void) =>
  onEveryPath(["ONNX-10"], claim, holds, readablePath);

function refused(act: () => unknown, says: string): void {
  assertEquals(assertThrows(act, CheckpointError).message, says);
}

describe("messages written", () => {
  fact("each kind of value has its wire type and its bytes", () => {
    const bytes = (...fields: WireField[]) => [...writeMessage(fields)];
    for (const value of edges) {
      assertEquals(bytes([1, BigInt.asIntN(64, value)]), [8, ...varint(value)]);
      assertEquals(bytes([1, value]), [8, ...varint(value)]);
      if (value < 2n ** 53n) assertEquals(bytes([1, Number(value)]), [8, ...varint(value)]);
    }
    assertEquals(bytes([1, -1]), [8, ...Array(9).fill(255), 1]);
    assertEquals(bytes([16, 1], [2 ** 29 - 1, 0]), [128, 1, 1, 248, 255, 255, 255, 15, 0]);
    assertEquals(bytes([1, { float: 1.5 }]), [13, 0, 0, 192, 63]);
    assertEquals(bytes([1, "é"], [2, ""]), [10, 2, 0xc3, 0xa9, 18, 0]);
    assertEquals(bytes([3, Uint8Array.of(7, 8)]), [26, 2, 7, 8]);
    assertEquals(bytes([3, [[1, 5], [2, []]]], [4, 1]), [26, 4, 8, 5, 18, 0, 32, 1]);
    assertEquals(bytes([1, "a".repeat(200)]).slice(0, 4), [10, 200, 1, 97]);
    assertEquals(bytes(), []);
    assertThrows(() => writeMessage(1 as never), TypeError, "fields");
  });
});

describe("parts replaced", () => {
  const text = (value: string): WireField => [6, value];
  const node = (...fields: WireField[]): WireField => [1, fields];
  const file = (...nodes: WireField[]) => {
    const bytes = writeMessage([[1, 8], [7, nodes], [8, [[2, 17]]], [99, 7]]);
    const larger = new Uint8Array(bytes.length + 30).fill(10);
    larger.set(bytes, 13);
    return larger.subarray(13, 13 + bytes.length);
  };
  const nodesOf = (bytes: Uint8Array) => readOnnx(bytes).graph.nodes.map(({ bytes }) => bytes);

  fact("several parts in any order, longer and shorter, in a view on a larger buffer", () => {
    const [a, b, c, d] = ["a", "b", "c", "d"].map((name) => node([4, name], text("x".repeat(50))));
    const before = file(a, b, c, d);
    const longer = node([4, "longer"], text("y".repeat(300)));
    const shorter = node([4, "s"]);
    const after = file(a, longer, c, shorter);
    const parts = nodesOf(before);
    const by = ([, fields]: WireField) => writeMessage(fields as WireField[]);
    const edits = [{ part: parts[1], by: by(longer) }, { part: parts[3], by: by(shorter) }];
    assertEquals(replaceParts(before, edits), after.slice());
    assertEquals(replaceParts(before, edits.toReversed()), after.slice());
    assertEquals(
      replaceParts(before, edits.map(({ part }) => ({ part, by: part }))),
      before.slice(),
    );
    assertEquals(replaceParts(before, []), before.slice());
  });

  fact("what is not the whole content of one field is refused", () => {
    const before = file(node([4, "a"], text("xxxx")), node([4, "b"]), node());
    const [a, b, empty] = nodesOf(before);
    const at = (start: number, end: number) =>
      before.subarray(start - before.byteOffset, end - before.byteOffset);
    const [first, next] = [a.byteOffset, a.byteOffset + a.length];
    assertEquals(empty.length, 0);
    const alien = new Uint8Array(before.buffer.slice(0)); // the same places in another buffer
    const wrong: Uint8Array[][] = [
      ...[a.subarray(1), a.subarray(0, -1), at(first - 1, next), at(first, next + 1)],
      ...[at(first, first), at(next, next), empty, before, before.subarray(0, 2)],
      ...[alien.subarray(first, next), new Uint8Array(), new Uint8Array(3)],
    ].map((part) => [part]);
    wrong.push([a, a], [a, a.subarray(2)], [alien.subarray(first, next), b], [
      ...[a, b, alien.subarray(first, next)],
    ]);
    for (const parts of wrong) {
      const edits = parts.map((part) => ({ part, by: Uint8Array.of(8, 1) }));
      const says = "a part to be replaced is no field's content";
      refused(() => replaceParts(before, edits), says);
    }
  });

  fact("what goes in is looked at", () => {
    assertThrows(() => replaceParts(1 as never, []), TypeError, "file");
    assertThrows(() => replaceParts(new Uint8Array(), 1 as never), TypeError, "edits");
  });
});
