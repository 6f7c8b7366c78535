/** What a program that trains shows and leaves behind. */

/** Writes a file whole or not at all, whatever happens meanwhile; no draft of it stays. */
export function write(path: string, content: string | Uint8Array): void {
  const draft = `${path}.part`;
  try {
    using file = Deno.openSync(draft, { write: true, create: true, truncate: true });
    const bytes = typeof content === "string" ? new TextEncoder().encode(content) : content;
    for (let done = 0; done < bytes.length;) done += file.writeSync(bytes.subarray(done));
    file.syncDataSync();
    Deno.renameSync(draft, path);
  } catch (error) {
    try {
      Deno.removeSync(draft);
    } catch { /* there is none */ }
    throw new Error(`cannot write ${path}: ${(error as Error).message}`);
  }
}

/** Refuses a folder that cannot be written to, before there is anything to lose. */
export function tryFolder(out: string): void {
  try {
    Deno.mkdirSync(out, { recursive: true });
    Deno.removeSync(Deno.makeTempFileSync({ dir: out }));
  } catch (error) {
    throw new Error(`cannot write to ${out}: ${(error as Error).message}`);
  }
}

/** Shows where the training is: a bar on a terminal, otherwise a line now and then. */
export function reporter(
  steps: number,
): (training: { readonly losses: readonly number[] }, done?: boolean) => void {
  const terminal = Deno.stdout.isTerminal();
  const begin = performance.now();
  let [first, next, last] = [-1, 0, -1];
  const print = (text: string) => Deno.stdout.writeSync(new TextEncoder().encode(text));
  return ({ losses }, done = false) => {
    const { length } = losses;
    if (first < 0) first = length;
    const status = `step ${String(length).padStart(String(steps).length)}/${steps}` +
      (length > 0 ? `  loss ${losses[length - 1].toExponential(3)}` : "");
    if (!terminal) {
      if (length < next && !(done && length > last)) return;
      next = length + Math.ceil(steps / 10);
      last = length;
      print(`${status}\n`);
      return;
    }
    const width = 24;
    const filled = Math.floor(width * Math.min(length / steps, 1));
    const bar = "█".repeat(filled) + "░".repeat(width - filled);
    const rate = (length - first) / (performance.now() - begin) * 1000;
    print(`\r\x1b[K${bar}  ${status}  ${rate.toFixed(0)} steps/s${done ? "\n" : ""}`);
  };
}
