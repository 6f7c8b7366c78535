/**
 * Judges real files as packages bring them: silero-vad and dksplit from PyPI, the older silero models of
 * `@ricky0123/vad-web` from npm. Each gets its report in a process of its own, whose time and memory are
 * measured. Needs `uv` and `npm`; no part of CI.
 *
 * ```sh
 * deno run -A scripts/judge/real_files.ts        # downloads into a folder that goes away again
 * deno run -A scripts/judge/real_files.ts DIR    # into a folder that stays
 * ```
 */

import { resourceUsage } from "node:process";
import { judge, readOnnx } from "../../lib/onnx/mod.ts";
import { loadCheckpoint } from "../../mod.ts";
import { printed } from "../command/files.ts";
import { reportLines } from "./report.ts";

/** A file, and what is true of it. */
interface Real {
  readonly path: string;
  readonly against?: string;
  /** How many recurrent nodes it has. */
  readonly nodes: number;
  readonly quantised?: true;
  readonly verdict: "right" | "wrong" | "unknown";
}

const silero = "python/silero_vad/data";
const files: readonly Real[] = [
  { path: `${silero}/silero_vad.onnx`, nodes: 4, verdict: "unknown" },
  { path: `${silero}/silero_vad_half.onnx`, nodes: 2, verdict: "unknown" },
  { path: `${silero}/silero_vad_16k_op15.onnx`, nodes: 2, verdict: "unknown" },
  { path: `${silero}/silero_vad_op18_ifless.onnx`, nodes: 0, verdict: "unknown" },
  // The package's weights are of another training than its models.
  {
    path: `${silero}/silero_vad_16k_op15.onnx`,
    against: `${silero}/silero_vad_16k.safetensors`,
    ...{ nodes: 2, verdict: "wrong" },
  },
  { path: "package/dist/silero_vad_legacy.onnx", nodes: 8, verdict: "unknown" },
  { path: "package/dist/silero_vad_v5.onnx", nodes: 4, verdict: "unknown" },
  {
    path: "python/dksplit/models/dksplit-int8.onnx",
    nodes: 3,
    quantised: true,
    verdict: "unknown",
  },
];

/** In a process of its own: reads, judges and reports a file. */
async function one(path: string, against: string | undefined): Promise<void> {
  const start = performance.now();
  const reference = against ? await loadCheckpoint(against) : null;
  const judgement = judge(readOnnx(await Deno.readFile(path)), reference);
  const lines = reportLines(
    { name: path, against: against ?? null, judgement, runtime: null },
    false,
  );
  const milliseconds = performance.now() - start;
  const { maxRSS } = resourceUsage();
  const { nodes, verdict } = judgement;
  const quantised = nodes.every(({ notes }) => notes.some(({ id }) => id === "quantised"));
  const found = { nodes: nodes.length, quantised, verdict, lines: lines.length };
  console.log(JSON.stringify({ milliseconds, megabytes: maxRSS / 1024, ...found }));
}

async function all(folder: string): Promise<boolean> {
  const packages = ["silero-vad==6.2.3", "dksplit==1.0.2"];
  const run = (...command: [string, ...string[]]) => printed(folder, ...command);
  await run("uv", "pip", "install", "-q", "--no-deps", "--target", "python", ...packages);
  await run("npm", "pack", "--silent", "@ricky0123/vad-web@0.0.31");
  await run("tar", "xzf", "ricky0123-vad-web-0.0.31.tgz");
  let good = true;
  for (const { path, against, nodes, quantised, verdict } of files) {
    const args = ["run", "-A", import.meta.filename!, "--one", `${folder}/${path}`];
    if (against) args.push(`${folder}/${against}`);
    const found = JSON.parse(await printed(".", Deno.execPath(), ...args));
    const right = found.nodes === nodes && found.verdict === verdict &&
      (!quantised || found.quantised) && found.milliseconds < 2000 && found.megabytes < 500;
    good &&= right;
    const name = path.split("/").at(-1)!.padEnd(30);
    const size = `${found.milliseconds.toFixed(0).padStart(5)} ms ${found.megabytes.toFixed(0)} MB`;
    console.log(`${right ? "✓" : "✗"} ${name} ${found.nodes} nodes, ${found.verdict}, ${size}`);
  }
  return good;
}

if (import.meta.main) {
  const [first, ...rest] = Deno.args;
  if (first === "--one") await one(rest[0], rest[1]);
  else {
    const folder = first ?? await Deno.makeTempDir();
    await Deno.mkdir(folder, { recursive: true });
    if (!await all(folder)) Deno.exitCode = 1;
    if (!first) await Deno.remove(folder, { recursive: true });
  }
}
