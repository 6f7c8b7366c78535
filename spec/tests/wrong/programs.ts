/**
 * Programs for the kit to examine: a port with a mistake, and programs that misbehave.
 *
 * ```sh
 * deno task conform --level forward -- deno run spec/tests/wrong/programs.ts gates-iofg
 * ```
 *
 * @module
 */

import { toLine } from "../../../lib/conformance/pair.ts";
import { answer } from "../../../scripts/adapters/reference.ts";
import { ports } from "./ports.ts";

type Request = Parameters<typeof answer>[0] & { id: string };

const out = (text: string) => {
  const bytes = new TextEncoder().encode(text);
  for (let done = 0; done < bytes.length;) done += Deno.stdout.writeSync(bytes.subarray(done));
};
const say = (request: Request, given = answer(request)) =>
  out(`${toLine({ ...given, id: request.id })}\n`);

/** Calls a function for each request, with its number. */
async function each(f: (request: Request, k: number) => unknown): Promise<void> {
  let [rest, k] = ["", 0];
  for await (const piece of Deno.stdin.readable.pipeThrough(new TextDecoderStream())) {
    const lines = (rest + piece).split("\n");
    rest = lines.pop()!;
    for (const line of lines) await f(JSON.parse(line), k++);
  }
}

const forever = () => new Promise(() => setInterval(() => {}, 1000));
const isVictim = ({ id }: Request) => id.includes("rank-3");

/** Programs that misbehave, by what they do. */
export const programs: Readonly<Record<string, () => Promise<unknown>>> = {
  "dies at one case": () => each((request) => isVictim(request) ? Deno.exit(3) : say(request)),
  "dies at once": () => {
    console.error("no such library");
    return Deno.exit(7);
  },
  "hangs at one case": () => each((request) => isVictim(request) ? forever() : say(request)),
  "never reads": forever,
  "answers in reverse": async () => {
    const all: Request[] = [];
    await each((request) => all.push(request));
    all.reverse().forEach((request) => say(request));
  },
  "answers twice": () => each((request) => (say(request), say(request))),
  "answers twice, differently": () =>
    each((request) => (say(request), say(request, { print: "?" }))),
  "prints garbage": () =>
    each((request) => {
      out('loading…\n[1, 2]\nnull\n{"id": "nobody"}\n');
      say(request);
    }),
  "prints gigabytes": () =>
    each((request, k) => {
      const block = "x".repeat(1 << 20);
      if (k === 0) { for (let n = 0; n < 300; n++) out(block); }
      if (k === 0) out("\n");
      say(request);
    }),
  "floods": () =>
    each(() => {
      while (true) out("x".repeat(1 << 16));
    }),
};

if (import.meta.main) {
  const [name] = Deno.args;
  if (Object.hasOwn(programs, name)) await programs[name]();
  else await each((request) => say(request, ports[name].answer(request)));
}
