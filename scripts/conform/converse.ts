/**
 * One conversation with a program: requests go in as lines, answers come out as lines, and
 * whatever the program does instead is noted.
 *
 * @module
 */

import { readLines, Tail } from "../../lib/conformance/lines.ts";

/** A program and its arguments. */
export type Command = readonly [string, ...string[]];

/** What a program is given. */
export interface Limits {
  /** Seconds from one answer to the next. */
  timeout: number;
  /** Seconds to the first answer, where that is more: starting takes time. */
  startup: number;
  /** The longest line of output, in bytes, that is kept. */
  line: number;
}

/** What a program does that the protocol does not foresee. */
export interface Oddities {
  /** Answers that came before the answer to an earlier request. */
  outOfOrder: number;
  /** Answers to requests that were answered already. */
  repeated: number;
  /** Lines that are no answer to any request. */
  garbage: number;
  /** The first of them. */
  firstGarbage: string;
  /** Starts after the first one. */
  restarts: number;
}

/** How a conversation ended. */
export interface Ending {
  /** `died` includes a program that closes its output. */
  how: "answered" | "died" | "hung" | "not started";
  /** In words. */
  why: string;
  /** Seconds to the first answer, where there was one. */
  first?: number;
}

/** What has been asked, by id, and who hears the answers. */
export interface Talk {
  /** The lines to send, by id. */
  requests: ReadonlyMap<string, string>;
  /** Takes an answer; `again` where the request was answered before. */
  hear(id: string, answer: Record<string, unknown>, again: boolean): void;
  /** Whether a request of this id was answered in an earlier conversation. */
  known(id: string): boolean;
  /** Is added to. */
  oddities: Oddities;
}

/**
 * Starts a program, sends it all requests without waiting, and hears its answers until all have
 * come or no more do. The program is ended in any case.
 *
 * @param command the program
 * @param limits its limits
 * @param talk the requests, and who hears the answers
 * @returns how it ended
 */
export async function converse(command: Command, limits: Limits, talk: Talk): Promise<Ending> {
  let child: Deno.ChildProcess;
  try {
    child = new Deno.Command(command[0], {
      args: command.slice(1),
      stdin: "piped",
      stdout: "piped",
      stderr: "piped",
      detached: true, // a group of its own, so that what it starts can be ended with it
    }).spawn();
  } catch (error) {
    return { how: "not started", why: `cannot be started: ${(error as Error).message}` };
  }
  const stop = () => kill(child);
  globalThis.addEventListener("unload", stop);
  const tail = new Tail();
  const complaints = tail.follow(child.stderr);
  const sending = send(child.stdin, talk.requests.values());
  const { how, first } = await listen(child, limits, talk);
  // A program that has answered everything may end in its own way, but not take its time.
  const left = how === "answered" ? 1000 : how === "died" ? 200 : 0;
  const status = await Promise.race([child.status, later(left)]);
  kill(child);
  await Promise.race([Promise.all([complaints, sending, child.status]), later(200)]);
  globalThis.removeEventListener("unload", stop);
  return { how, first, why: describe(how, status ?? null, limits, String(tail)) };
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
  limits: Limits,
  talk: Talk,
): Promise<Omit<Ending, "why">> {
  const start = performance.now();
  let first: number | undefined;
  const order = new Map([...talk.requests.keys()].map((id, k) => [id, k]));
  const pending = new Set(order.keys());
  const { oddities } = talk;
  let [hung, latest] = [false, -1];
  const reader = child.stdout.getReader();
  const expire = () => {
    hung = true;
    kill(child);
    reader.cancel().catch(() => {}); // what it has started may hold the other end open
  };
  let timer = setTimeout(expire, 1000 * Math.max(limits.timeout, limits.startup));
  const garbage = (text: string) => {
    if (oddities.garbage++ === 0) oddities.firstGarbage = text.slice(0, 200);
  };
  for await (const { text, whole } of readLines(reader, limits.line)) {
    if (!text.trim()) continue;
    const answer = whole ? parse(text) : null;
    const id = String(answer?.id);
    if (!answer || !(order.has(id) || talk.known(id))) {
      garbage(whole ? text : `a line of more than ${limits.line} bytes: ${text}`);
      continue;
    }
    const again = !pending.delete(id);
    if (again) oddities.repeated++;
    const at = order.get(id) ?? -1;
    if (!again && at < latest) oddities.outOfOrder++;
    latest = Math.max(latest, at);
    const { id: _, ...rest } = answer;
    first ??= (performance.now() - start) / 1000;
    talk.hear(id, rest, again);
    if (pending.size === 0) break;
    if (again) continue;
    clearTimeout(timer);
    timer = setTimeout(expire, 1000 * limits.timeout);
  }
  clearTimeout(timer);
  reader.cancel().catch(() => {});
  return { how: pending.size === 0 ? "answered" : hung ? "hung" : "died", first };
}

function parse(text: string): Record<string, unknown> | null {
  try {
    const value = JSON.parse(text);
    return typeof value === "object" && value !== null && "id" in value ? value : null;
  } catch {
    return null;
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

/** Ends a program and all that it has started. */
function kill(child: Deno.ChildProcess): void {
  for (const pid of [-child.pid, child.pid]) {
    try {
      return Deno.kill(pid, "SIGKILL");
    } catch {
      // No such group, or none on this system: then the program alone; or it has ended.
    }
  }
}

function later(milliseconds: number): Promise<undefined> {
  return new Promise((resolve) => {
    Deno.unrefTimer(setTimeout(() => resolve(undefined), milliseconds));
  });
}
