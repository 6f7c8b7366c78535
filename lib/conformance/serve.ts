/**
 * The protocol's loop, for adapters in TypeScript: requests as lines of JSON on standard input,
 * answers as lines of JSON on standard output.
 *
 * @module
 */

import { type Answer, type Request, toLine } from "./pair.ts";

/** What an implementation has no answer to, and why. */
export class Unsupported extends Error {}

/**
 * Answers requests until the input ends. What throws {@linkcode Unsupported} is answered as
 * unsupported, and what throws anything else with that error.
 *
 * @param answer how to answer a request
 */
export async function serve(answer: (request: Request) => Promise<Answer> | Answer): Promise<void> {
  let rest = "";
  for await (const piece of Deno.stdin.readable.pipeThrough(new TextDecoderStream())) {
    const lines = (rest + piece).split("\n");
    rest = lines.pop() ?? "";
    for (const line of lines) if (line.trim()) await reply(JSON.parse(line), answer);
  }
  if (rest.trim()) await reply(JSON.parse(rest), answer);
}

async function reply(
  { id, ...request }: Request & { id: unknown },
  answer: (request: Request) => Promise<Answer> | Answer,
): Promise<void> {
  let given: Answer;
  try {
    given = await answer(request);
  } catch (error) {
    const { name, message } = error as Error;
    given = error instanceof Unsupported
      ? { unsupported: message }
      : { error: { type: name, message } };
  }
  const bytes = new TextEncoder().encode(`${toLine({ id, ...given })}\n`);
  // A pipe may take only a part of a long line at a time.
  for (let done = 0; done < bytes.length;) done += await Deno.stdout.write(bytes.subarray(done));
}
