/** Messages of protocol buffers, written; and files of them, changed in parts. */

import { check, list } from "../call.ts";
import { bytes } from "../call.ts";
import { CheckpointError } from "../checkpoints/error.ts";
import { joined } from "../checkpoints/source.ts";
import { Message } from "./wire.ts";

/** What a field of a message that is written holds. */
export type WireValue =
  | number
  | bigint
  | string
  | Uint8Array
  | { readonly float: number }
  | readonly WireField[];

/** A field that is written: its number and what it holds. */
export type WireField = readonly [field: number, value: WireValue];

/**
 * Writes a message.
 *
 * @param fields its fields, in order: integers as they are, a number of 32 bits as `{ float }`, text,
 * bytes, a message as a list of fields
 *
 * @example
 * ```ts
 * import { writeMessage } from "@rnn-spec/rnn-spec/onnx";
 * import { assertEquals } from "@std/assert";
 *
 * assertEquals([...writeMessage([[1, 8], [7, [[2, "g"]]]])], [8, 8, 58, 3, 18, 1, 103]);
 * ```
 */
export function writeMessage(fields: readonly WireField[]): Uint8Array {
  check(["writeMessage", { fields: list }], arguments);
  const parts = fields.flatMap(([field, value]) => {
    if (typeof value === "number" || typeof value === "bigint") {
      return [varint(field * 8), varint(value)];
    }
    if (typeof value === "object" && "float" in value) {
      const bytes = new Uint8Array(4);
      new DataView(bytes.buffer).setFloat32(0, value.float, true);
      return [varint(field * 8 + 5), bytes];
    }
    const bytes = typeof value === "string"
      ? new TextEncoder().encode(value)
      : value instanceof Uint8Array
      ? value
      : writeMessage(value as readonly WireField[]);
    return [varint(field * 8 + 2), varint(bytes.length), bytes];
  });
  return joined(parts);
}

function varint(value: number | bigint): Uint8Array {
  if (typeof value === "number" && value === (value & 127)) return Uint8Array.of(value);
  let left = BigInt.asUintN(64, BigInt(value));
  const bytes: number[] = [];
  for (; left > 127n; left >>= 7n) bytes.push(Number(left & 127n) | 128);
  bytes.push(Number(left));
  return Uint8Array.from(bytes);
}

/** A part of a file that is to be replaced: a message's own bytes, such as those of a node. */
export interface Edit {
  /** The part, a view on the file; not empty. */
  readonly part: Uint8Array;
  /** What comes there instead. */
  readonly by: Uint8Array;
}

/**
 * Replaces parts of a file, and leaves every other byte as it is but for the lengths of the messages
 * around them.
 *
 * @param edits the parts, none within another
 * @throws {CheckpointError} if a part is empty, or does not lie in the file as the content of a field
 *
 * @example
 * ```ts
 * import { readOnnx, replaceParts, writeMessage } from "@rnn-spec/rnn-spec/onnx";
 * import { assertEquals } from "@std/assert";
 *
 * const file = writeMessage([[1, 8], [7, [[1, [[4, "Tanh"]]]]], [8, [[2, 17]]]]);
 * const [node] = readOnnx(file).graph.nodes;
 * const relu = writeMessage([[4, "LeakyRelu"]]);
 * const changed = readOnnx(replaceParts(file, [{ part: node.bytes, by: relu }]));
 * assertEquals(changed.graph.nodes[0].opType, "LeakyRelu");
 * ```
 */
export function replaceParts(file: Uint8Array, edits: readonly Edit[]): Uint8Array {
  check(["replaceParts", { file: bytes, edits: list }], arguments);
  const places = edits.map(({ part, by }) => {
    const start = part.buffer === file.buffer ? part.byteOffset - file.byteOffset : NaN;
    return { start, end: start + part.length, by };
  }).sort((a, b) => a.start - b.start);
  return joined(replaced(new Message(file, "the file"), places));
}

interface Place {
  readonly start: number;
  readonly end: number;
  readonly by: Uint8Array;
}

/** The pieces of a message with the places in it replaced. */
function replaced(message: Message, places: readonly Place[]): Uint8Array[] {
  const { file } = message;
  const pieces: Uint8Array[] = [];
  let [from, left] = [message.at, places];
  while (left.length > 0) {
    if (!message.next(-1)) throw new CheckpointError("a part to be replaced is no field's content");
    const head = message.at;
    const inner = message.type === 2 ? message.message("a message") : null;
    if (!inner) message.skip();
    const inside = left.filter(({ start }) => start < message.at);
    if (inside.length === 0) continue;
    const [{ start, end, by }] = inside;
    const whole = inner?.at === start && inner.end === end;
    if (!inner || start < inner.at || (whole && inside.length > 1)) {
      throw new CheckpointError("a part to be replaced is no field's content");
    }
    const content = whole ? [by] : replaced(inner, inside);
    const size = content.reduce((sum, { length }) => sum + length, 0);
    pieces.push(file.subarray(from, head), varint(size), ...content);
    from = message.at;
    left = left.slice(inside.length);
  }
  pieces.push(file.subarray(from, message.end));
  return pieces;
}
