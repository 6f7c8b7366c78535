/**
 * Puts broken and hostile files to the readers: every golden checkpoint and a few ONNX files, cut at
 * every byte and changed at random. Each must be loaded soundly, or be refused with one clear line, in bounded time.
 *
 * ```sh
 * deno task hostile
 * deno task hostile --count 1000000 --seed 7
 * ```
 */

import { command, type Given } from "./command/run.ts";
import { StoredTensor, TorchObject, type TorchValue } from "../mod.ts";
import { bombs } from "./hostile/bombs.ts";
import { judge, seeds } from "./hostile/judge.ts";
import { mutate, type Seed } from "./hostile/mutate.ts";
import { judgeOnnx, onnxBombs, onnxSeeds } from "./hostile/onnx.ts";
import { Choices } from "./hostile/random.ts";

/** The most milliseconds that reading one small file may take, far above what it does take. */
const PATIENCE = 1000;

/** What a campaign found. */
export interface Tally {
  /** How many files were tried. */
  tried: number;
  loaded: number;
  refused: number;
  /** The longest time that one took, in milliseconds. */
  slowest: number;
  /** How many files of each kind of change were tried, and loaded. */
  kinds: Map<string, [number, number]>;
  /** What went wrong, with the file that shows it. */
  faults: string[];
}

/** What to do with a file that was changed and yet loaded. */
type Keep = (format: Seed["format"], bytes: Uint8Array, value: TorchValue) => void;

function attempt(tally: Tally, kind: string, id: string, bytes: Uint8Array, by: typeof judge) {
  const start = performance.now();
  const outcome = by(bytes);
  const took = performance.now() - start;
  tally.slowest = Math.max(tally.slowest, took);
  tally.tried++;
  const count = tally.kinds.get(kind) ?? [0, 0];
  tally.kinds.set(kind, count);
  count[0]++;
  if (outcome.value !== undefined) {
    tally.loaded++;
    count[1]++;
  } else tally.refused++;
  const fault = outcome.fault ?? (took > PATIENCE ? `took ${took.toFixed()} ms` : undefined);
  if (fault !== undefined && tally.faults.length < 20) {
    const text = btoa(String.fromCharCode(...bytes.subarray(0, 6000)));
    tally.faults.push(`${id}, ${kind}: ${fault}\n  ${text}`);
  }
  return outcome;
}

/**
 * Cuts files at every byte.
 *
 * @param files sound ones
 * @param by who reads what is left; it must refuse every one
 */
export function truncations(files: readonly Seed[], kind = "truncation", by = judge): Tally {
  const tally = emptyTally();
  for (const { id, bytes } of files) {
    for (let length = 0; length < bytes.length; length++) {
      const { value } = attempt(tally, kind, id, bytes.subarray(0, length), by);
      if (value !== undefined) tally.faults.push(`${id} is loaded from its first ${length} bytes`);
    }
  }
  return tally;
}

/** Changes files at random. */
export function campaign(
  files: readonly Seed[],
  count: number,
  seed: number,
  by = judge,
  keep?: Keep,
): Tally {
  const tally = emptyTally();
  const choices = new Choices(seed);
  for (let k = 0; k < count; k++) {
    const from = choices.pick(files);
    const { kind, bytes } = mutate(from, choices, files);
    const { value } = attempt(tally, kind, from.id, bytes, by);
    if (value !== undefined) keep?.(from.format, bytes, value);
  }
  return tally;
}

function emptyTally(): Tally {
  return { tried: 0, loaded: 0, refused: 0, slowest: 0, kinds: new Map(), faults: [] };
}

/**
 * Reads hostile files of a few megabytes, each in a process with the heap that a file may take.
 *
 * @returns how many did not come back in time and memory
 */
async function weigh(): Promise<number> {
  let faults = 0;
  const path = await Deno.makeTempFile({ suffix: ".bin" });
  for (const { name, make } of [...bombs(8_000_000), ...onnxBombs(2_000_000)]) {
    const bytes = make();
    await Deno.writeFile(path, bytes);
    // Nine times beside the file itself, an ONNX file's 23, and what any program needs.
    const times = name.startsWith("onnx") ? 23 : 9;
    const heap = Math.ceil(bytes.length * times / 2 ** 20) + 16;
    const script = new URL("hostile/weigh.ts", import.meta.url).pathname;
    const flags = ["--no-check", "--allow-read", `--v8-flags=--max-old-space-size=${heap}`];
    const { code, stdout } = await new Deno.Command(Deno.execPath(), {
      args: ["run", ...flags, script, path, name],
    }).output();
    const { took, result } = code === 0
      ? JSON.parse(new TextDecoder().decode(stdout))
      : { took: NaN, result: "FAULT: it did not come back" };
    if (code !== 0 || took > 1000 + bytes.length / 500) faults++;
    console.log(
      `  ${name.padEnd(30)} ${String(bytes.length).padStart(9)} bytes, ${heap} MiB, ` +
        `${took.toFixed().padStart(5)} ms: ${result.slice(0, 110)}`,
    );
  }
  await Deno.remove(path);
  return faults;
}

/** A value as JSON, tensors by their bytes. */
function rawValue(value: TorchValue): unknown {
  if (value instanceof StoredTensor) {
    const hex = Array.from(value.bytes(), (byte) => byte.toString(16).padStart(2, "0")).join("");
    return { dtype: value.dtype, size: value.shape, hex };
  }
  if (value instanceof TorchObject) return { object: value.type };
  if (value instanceof Map) return { dict: [...value].map(([key, item]) => [key, rawValue(item)]) };
  if (Array.isArray(value)) return { list: value.map(rawValue) };
  if (typeof value === "bigint") return { integer: String(value) };
  return typeof value === "number" && !Number.isInteger(value) ? { real: String(value) } : value;
}

function report({ tried, loaded, refused, slowest, kinds, faults }: Tally): string {
  const rows = [...kinds].sort().map(([kind, [count, well]]) =>
    `  ${kind.padEnd(22)}${String(count).padStart(8)} tried ${String(well).padStart(7)} loaded`
  );
  return [
    ...rows,
    `${tried} files: ${loaded} loaded, ${refused} refused, ${faults.length} faults; ` +
    `the slowest took ${slowest.toFixed(1)} ms`,
    ...faults,
  ].join("\n");
}

const help = `Usage: deno task hostile [options]

Cuts and changes the golden checkpoints and some ONNX files, and checks that each is loaded soundly
or refused clearly.

Options:
  --count N    how many random changes (default 200000); of ONNX files, half as many
  --seed N     where the random choices begin (default 1)
  --keep FILE  write what is loaded nevertheless, a line of JSON each, for
               scripts/check_checkpoints.py --kept, which compares with what Python reads
  --help       show this
`;

async function main({ text }: Given): Promise<number> {
  const [count, seed] = [Number(text.count ?? 200_000), Number(text.seed ?? 1)];
  const [checkpoints, onnx] = [seeds(), onnxSeeds()];
  const tallies: Tally[] = [];
  const tell = (tally: Tally) => {
    tallies.push(tally);
    console.log(report(tally));
  };
  tell(truncations(checkpoints));
  const lines: string[] = [];
  const keep: Keep = (format, bytes, value) => {
    const base64 = btoa(String.fromCharCode(...bytes));
    lines.push(JSON.stringify({ format, base64, value: rawValue(value) }));
  };
  tell(campaign(checkpoints, count, seed, judge, text.keep === undefined ? undefined : keep));
  if (text.keep !== undefined) Deno.writeTextFileSync(text.keep, `${lines.join("\n")}\n`);
  tell(truncations(onnx, "onnx truncation", judgeOnnx));
  tell(campaign(onnx, count / 2, seed, judgeOnnx));
  const faults = await weigh();
  const total = tallies.reduce((sum, { tried }) => sum + tried, 0);
  const made = bombs(1).length + onnxBombs(1).length;
  console.log(`${total} changed files and ${made} bombs; bombs that went off: ${faults}`);
  return tallies.some((tally) => tally.faults.length > 0) || faults > 0 ? 1 : 0;
}

if (import.meta.main) await command("hostile", help, main);
