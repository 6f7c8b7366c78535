/**
 * Programs for the kit to examine: a port with a mistake, and programs that misbehave.
 *
 * ```sh
 * deno task conform --level forward -- deno run spec/tests/wrong/programs.ts gates-iofg
 * ```
 */

import { toLine } from "../../../lib/conformance/mod.ts";
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

/** Lines that are no answers, though some look like one. */
const oddLines = (id: string) => [
  '{"id":{"toString":1}}',
  '{"id":[]}',
  '{"id":null}',
  '{"id":1e999}',
  `[${JSON.stringify(id)}]`,
  `{"id":["${id}"]}`,
  "[".repeat(50000),
  "[".repeat(50000) + "]".repeat(50000),
  '{"id":' + '{"id":'.repeat(20000) + "1" + "}".repeat(20001),
  '"\\ud800"',
  "-",
  "nul",
];

const nested = () => {
  let value: unknown = 1;
  for (let k = 0; k < 1200; k++) value = [value];
  return value;
};

/** Answers as no implementation should give them. */
// deno-lint-ignore no-explicit-any -- this is what they are
export const oddAnswers: any[] = [
  undefined,
  { unsupported: { toString: 1 } },
  { unsupported: nested() },
  { error: { toString: 1 } },
  { error: nested() },
  { error: null },
  { outputs: nested() },
  { outputs: { output: nested() } },
  { outputs: { output: { shape: [{ toString: 1 }], data: [{ valueOf: 1, toString: 1 }] } } },
  { outputs: { output: { shape: nested(), data: nested() } } },
  { outputs: null },
  { outputs: { output: { shape: {}, data: [] } } },
  { outputs: { toString: 1, output: { data: [], hasOwnProperty: 1 } } },
  JSON.parse('{"outputs": {"__proto__": {"shape": [], "data": [1]}}}'),
  {},
];

/** Programs that misbehave, by what they do. */
export const programs: Readonly<Record<string, () => Promise<unknown>>> = {
  "dies at one case": () => each((request) => isVictim(request) ? Deno.exit(3) : say(request)),
  "dies at once": () => {
    console.error("no such library");
    return Deno.exit(7);
  },
  "hangs at one case": () => each((request) => isVictim(request) ? forever() : say(request)),
  "never reads": forever,
  "answers the first": () => each((request, k) => k === 0 ? say(request) : forever()),
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
  "prints oddities": () =>
    each((request) => {
      for (const line of oddLines(request.id)) out(`${line}\n`);
      Deno.stdout.writeSync(Uint8Array.of(0, 255, 254, 128, 10));
      say(request);
    }),
  "answers oddly": () => each((request, k) => say(request, oddAnswers[k % oddAnswers.length])),
  "leaves a child": () => {
    // In a session and so a process group of its own, and with nobody's pipes.
    const nothing = { stdin: "null", stdout: "null", stderr: "null" } as const;
    const child = new Deno.Command("setsid", { args: ["sleep", "1000"], ...nothing }).spawn();
    child.unref();
    out(`${child.pid}\n`);
    return each((request) => say(request));
  },
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
