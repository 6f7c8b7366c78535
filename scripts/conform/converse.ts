/**
 * One conversation with a program: requests go in as lines, answers come out as lines, and
 * whatever the program does instead is noted.
 */

import {
  type Answer,
  type Converse,
  type Ending,
  type Limits,
  readLines,
  Tail,
  type Talk,
} from "../../lib/conformance/mod.ts";

export type Command = readonly [string, ...string[]];

/** The environment variable that all processes of one conversation have, with a text of its own. */
const variable = "RNN_SPEC_CONFORM";

/**
 * How to talk to a program: it is started, sent all requests, heard, and ended in any case, with all
 * that it has started.
 *
 * @param folder the folder that it runs in, and that a relative path of it starts from
 */
export function program(command: Command, folder?: string): Converse {
  return async (limits, talk) => {
    let child: Deno.ChildProcess;
    // Others may be spoken to at the same time: what is ended is this conversation's alone.
    const mark = crypto.randomUUID();
    try {
      const [name, ...args] = command;
      // A relative path to a program would be looked for in this process' own folder.
      const own = folder && /^\.{0,2}[^/]*\//.test(name) && !name.startsWith("/");
      child = new Deno.Command(own ? `${folder}/${name}` : name, {
        args,
        cwd: folder,
        env: { [variable]: mark },
        stdin: "piped",
        stdout: "piped",
        stderr: "piped",
        detached: true, // a group of its own, so that what it starts can be ended with it
      }).spawn();
    } catch (error) {
      return { how: "not started", why: `cannot be started: ${(error as Error).message}` };
    }
    const stop = () => kill(child, mark);
    globalThis.addEventListener("unload", stop);
    talk.signal?.addEventListener("abort", stop);
    const tail = new Tail();
    const complaints = tail.follow(child.stderr);
    const sending = send(child.stdin, talk.requests.values());
    const { how, first } = await listen(child, mark, limits, talk);
    // A program that has answered everything may end in its own way, but not take its time.
    const left = how === "answered" ? 1000 : how === "died" ? 200 : 0;
    const status = await Promise.race([child.status, later(left)]);
    kill(child, mark);
    await Promise.race([Promise.all([complaints, sending, child.status]), later(200)]);
    talk.signal?.removeEventListener("abort", stop);
    globalThis.removeEventListener("unload", stop);
    return { how, first, why: describe(how, status ?? null, limits, String(tail)) };
  };
}

function describe(
  how: Ending["how"],
  status: Deno.CommandStatus | null,
  { timeout }: Limits,
  complaint: string,
): string {
  const end = status === null
    ? "closed its output"
    : status.signal
    ? `was ended by ${status.signal}`
    : `ended with status ${status.code}`;
  const what = how === "hung" ? `gave no answer within ${timeout} s` : end;
  return complaint ? `${what}, saying: ${complaint}` : what;
}

/** Hears answers until all requests have one, the program is silent too long, or it ends. */
async function listen(
  child: Deno.ChildProcess,
  mark: string,
  limits: Limits,
  talk: Talk,
): Promise<Omit<Ending, "why">> {
  const start = performance.now();
  let first: number | undefined;
  const order = new Map([...talk.requests.keys()].map((id, k) => [id, k]));
  const pending = new Set(order.keys());
  const { oddities, signal } = talk;
  let [hung, latest] = [false, -1];
  const reader = child.stdout.getReader();
  const end = () => void reader.cancel().catch(() => {}); // others may hold the other end open
  const expire = () => {
    hung = true;
    kill(child, mark);
    end();
  };
  let timer = setTimeout(expire, 1000 * Math.max(limits.timeout, limits.startup));
  signal?.addEventListener("abort", end);
  const garbage = (text: string) => {
    if (oddities.garbage++ === 0) oddities.firstGarbage = text.slice(0, 200);
  };
  for await (const { text, whole } of readLines(reader, limits.line)) {
    if (signal?.aborted) break;
    if (!text.trim()) continue;
    const answer = whole ? parse(text) : null;
    if (!answer || !(order.has(answer.id) || talk.known(answer.id))) {
      garbage(whole ? text : `a line of more than ${limits.line} bytes: ${text}`);
      continue;
    }
    const { id, ...rest } = answer;
    const again = !pending.delete(id);
    if (again) oddities.repeated++;
    const at = order.get(id) ?? -1;
    if (!again && at < latest) oddities.outOfOrder++;
    latest = Math.max(latest, at);
    first ??= (performance.now() - start) / 1000;
    talk.hear(id, rest, again);
    if (pending.size === 0) break;
    if (again) continue;
    clearTimeout(timer);
    timer = setTimeout(expire, 1000 * limits.timeout);
  }
  clearTimeout(timer);
  signal?.removeEventListener("abort", end);
  end();
  if (pending.size === 0) return { how: "answered", first };
  return { how: signal?.aborted ? "stopped" : hung ? "hung" : "died", first };
}

/** An answer, where a line is one: an object whose id is a text. */
function parse(text: string): Answer & { id: string } | null {
  try {
    const value = JSON.parse(text);
    return typeof value?.id === "string" ? value : null;
  } catch {
    return null; // no JSON, or nested too deeply to read
  }
}

async function send(stdin: WritableStream<Uint8Array>, lines: Iterable<string>): Promise<void> {
  const writer = stdin.getWriter();
  const encoder = new TextEncoder();
  try {
    for (const line of lines) await writer.write(encoder.encode(`${line}\n`));
    await writer.close();
  } catch {
    // The program reads no more; whether that is a fault shows in its answers.
  }
}

/** Ends a program and all that it has started, in its own group or in another one. */
function kill(child: Deno.ChildProcess, mark: string): void {
  for (const pid of [-child.pid, child.pid, ...descendants(mark)]) {
    try {
      Deno.kill(pid, "SIGKILL");
    } catch {
      // No such group, or none on this system: then the program alone; or it has ended.
    }
  }
}

/** The processes of a conversation, found by the mark in their environment. */
function descendants(mark: string): number[] {
  if (Deno.build.os === "windows") return [];
  const args = ["axeww", "-o", "pid=,command="];
  try {
    const { stdout } = new Deno.Command("ps", { args, stderr: "null" }).outputSync();
    return new TextDecoder().decode(stdout).split("\n")
      .filter((line) => line.includes(`${variable}=${mark}`)).map((line) => parseInt(line));
  } catch {
    return []; // there is no ps: what has left the program's group stays
  }
}

function later(milliseconds: number): Promise<undefined> {
  return new Promise((resolve) => {
    Deno.unrefTimer(setTimeout(() => resolve(undefined), milliseconds));
  });
}
