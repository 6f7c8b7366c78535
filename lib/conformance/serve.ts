/**
 * The protocol's loop on the side of an implementation: requests as lines of JSON come in, answers
 * as lines of JSON go out.
 */

import { type Answer, type Request, toLine } from "./pair.ts";

/** What an implementation throws where it has no answer; the message says why. */
export class Unsupported extends Error {}

/** What computes the answer to a request. */
export type Implementation = (request: Request) => Answer | Promise<Answer>;

/**
 * Answers a request; what goes wrong becomes part of the answer.
 *
 * @returns its answer; `unsupported` where it throws {@linkcode Unsupported}, and `error` with the
 * name and message of anything else that it throws
 *
 * @example
 * ```ts
 * import { ask, Unsupported } from "@rnn-spec/rnn-spec/conformance";
 * import { assertEquals } from "@std/assert";
 *
 * const lazy = () => {
 *   throw new Unsupported("nothing at all");
 * };
 * assertEquals(await ask(lazy, { op: "forward" }), { unsupported: "nothing at all" });
 * ```
 */
export async function ask(implementation: Implementation, request: Request): Promise<Answer> {
  try {
    return await implementation(request);
  } catch (error) {
    if (error instanceof Unsupported) return { unsupported: error.message };
    return { error: errorOf(error) };
  }
}

/** An exception's name and message; anything may be thrown. */
function errorOf(error: unknown): { type: string; message: string } {
  if (error instanceof Error) return { type: error.name, message: error.message };
  return { type: "Error", message: String(error) };
}

/**
 * Answers one line of the protocol.
 *
 * @param line a request as JSON, with an id
 * @returns the answer as JSON with the same id; a line that is no request gets an error, with the id
 * `null` where it has none
 */
export async function answerLine(implementation: Implementation, line: string): Promise<string> {
  let id: unknown = null;
  try {
    const asked: unknown = JSON.parse(line);
    if (typeof asked !== "object" || asked === null) throw new SyntaxError("not an object");
    const { id: own = null, ...request } = asked as Request & { id?: unknown };
    id = own;
    return toLine({ id, ...await ask(implementation, request) });
  } catch (error) {
    const { message } = errorOf(error);
    return toLine({ id, error: { type: "SyntaxError", message: `not a request: ${message}` } });
  }
}

/** Where requests come from and answers go to. */
export interface Channel {
  /** The bytes of the requests. */
  input: ReadableStream<Uint8Array>;
  /** Takes some of the bytes of an answer, and says how many it took. */
  write(bytes: Uint8Array): Promise<number>;
}

/**
 * Answers requests, one after the other, until the input ends.
 *
 * @param channel where requests come from and answers go to; in Deno
 * `{ input: Deno.stdin.readable, write: (bytes) => Deno.stdout.write(bytes) }`
 */
export async function serve(implementation: Implementation, channel: Channel): Promise<void> {
  const encoder = new TextEncoder();
  const reply = async (line: string) => {
    if (!line.trim()) return;
    const bytes = encoder.encode(`${await answerLine(implementation, line)}\n`);
    // A pipe may take only a part of a long line at a time.
    for (let done = 0; done < bytes.length;) done += await channel.write(bytes.subarray(done));
  };
  const decoder = new TextDecoder();
  let rest = "";
  for await (const piece of channel.input) {
    // Only the new piece is split: a line may be long, and come in a thousand pieces.
    const lines = decoder.decode(piece, { stream: true }).split("\n");
    lines[0] = rest + lines[0];
    rest = lines.pop()!;
    for (const line of lines) await reply(line);
  }
  await reply(rest + decoder.decode());
}
