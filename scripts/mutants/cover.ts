/** Which test files run which lines, and how long each test file takes. */

/** How a test file is run: with the permissions that `deno task test` gives. */
export const testing = [
  ...["test", "--no-check", "--no-lock"],
  ...["--allow-net=127.0.0.1", "--allow-read", "--allow-run"],
];

/** What the tests of one file run. */
export interface Covered {
  readonly test: string;
  /** How long it took, in milliseconds. */
  readonly milliseconds: number;
  /** Of each file of `lib/`: the lines that ran. */
  readonly lines: ReadonlyMap<string, ReadonlySet<number>>;
}

/** Reads a report in the format of lcov: the lines that ran, by file. */
function read(report: string, root: string): Map<string, Set<number>> {
  const lines = new Map<string, Set<number>>();
  let current = new Set<number>();
  for (const line of report.split("\n")) {
    if (line.startsWith("SF:")) {
      current = new Set();
      lines.set(line.slice(3).replace(root, ""), current);
    } else if (line.startsWith("DA:")) {
      const [number, count] = line.slice(3).split(",").map(Number);
      if (count > 0) current.add(number);
    }
  }
  return lines;
}

export async function cover(root: string, test: string): Promise<Covered> {
  const folder = await Deno.makeTempDir();
  const env = { NO_COLOR: "1", DENO_COVERAGE_DIR: folder }; // of the programs that a test starts, too
  const run = (...args: string[]) =>
    new Deno.Command(Deno.execPath(), { args, cwd: root, env }).output();
  const start = performance.now();
  const { success, stdout } = await run(...testing, `--coverage=${folder}`, test);
  const milliseconds = performance.now() - start;
  if (!success) throw new Error(`${test} fails as it is:\n${new TextDecoder().decode(stdout)}`);
  const report = await run("coverage", "--lcov", "--include=/lib/", folder);
  await Deno.remove(folder, { recursive: true });
  return { test, milliseconds, lines: read(new TextDecoder().decode(report.stdout), root) };
}
