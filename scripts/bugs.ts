/**
 * Runs the reproductions in `spec/bugs/`, each with the version that it pins, and says whether it
 * still shows its bug.
 *
 * ```sh
 * deno task bugs
 * deno task bugs flax_gru_b_hn.py tract_relu
 * ```
 */

import { command, Usage } from "./command/run.ts";
import { bugs } from "./matrix/bugs.ts";

const usage = `deno task bugs [<name> …]

Runs the reproductions in spec/bugs/, or those named. It needs uv for those in Python, cargo for those
in Rust, go for those in Go. The status is 0 where each one shows its bug.`;

const root = new URL("../spec/bugs/", import.meta.url).pathname;
const builds = `${
  Deno.env.get("XDG_CACHE_HOME") ?? `${Deno.env.get("HOME")}/.cache`
}/rnn-spec/build`;

function commandOf(file: string): [string[], string] {
  if (file.endsWith(".py")) return [["uv", "run", "--quiet", file], root];
  if (file.startsWith("gonnx")) return [["go", "run", "."], root + file];
  return [["cargo", "run", "--quiet", "--release", "--target-dir", builds], root + file];
}

async function show(file: string): Promise<boolean> {
  const [[name, ...args], cwd] = commandOf(file);
  try {
    const { success, stdout, stderr } = await new Deno.Command(name, { args, cwd }).output();
    const last = (bytes: Uint8Array) => new TextDecoder().decode(bytes).trim().split("\n").pop();
    console.log(`${success ? "shown" : "NOT shown"}  ${file}: ${last(success ? stdout : stderr)}`);
    return success;
  } catch (error) {
    console.log(`not here  ${file}: ${(error as Error).message}`);
    return false;
  }
}

if (import.meta.main) {
  await command("bugs", usage, async ({ rest }) => {
    const wrong = rest.find((name) => !bugs.some(({ file }) => file === name));
    if (wrong !== undefined) {
      throw new Usage(`there is no ${wrong}: ${bugs.map(({ file }) => file).join(", ")}`);
    }
    const chosen = bugs.filter(({ file }) => rest.length === 0 || rest.includes(file));
    let shown = 0;
    for (const { file } of chosen) shown += Number(await show(file));
    return shown === chosen.length ? 0 : 1;
  }, "");
}
