/**
 * Runs all adapters that can be run, one by one, and writes who computes what PyTorch computes, and
 * where not, into spec/MATRIX.md and
 * golden/mistakes.json. What has not changed since it was run is not run again.
 *
 * ```sh
 * deno task matrix
 * deno task matrix --only flax,equinox --print
 * ```
 */

import { command, type Given, whole } from "./command/run.ts";
import config from "../deno.json" with { type: "json" };
import { circumstances, select } from "../lib/conformance/mod.ts";
import { type Found, measure, type Places } from "./matrix/examine.ts";
import { implementations } from "./matrix/implementations.ts";
import { page, type Row } from "./matrix/page.ts";
import { write } from "./mistakes.ts";

const usage = `deno task matrix [flags]

  --only NAMES   only these, with commas, and on standard output; spec/MATRIX.md stays as it is
  --known        run nothing: only what is known from earlier runs
  --sample N     at most N cases of each, to try the adapters; on standard output, and not kept
  --jobs N       how many are run at once (1)
  --cache DIR    where results and builds are kept (rnn-spec in the user's folder for caches)
  --list         the names
  --help         this text

It needs uv for the adapters in Python, and cargo and go for those in Rust and Go; what is not here is
left out, and the page says so. On standard error it says how far it is.`;

/** The implementations by the mistakes found in them; one case alone may be chance. */
function seenIn(rows: readonly Row[]): Map<string, string[]> {
  const seen = new Map<string, string[]>();
  for (const { found: { title, results } } of rows) {
    const counts = Map.groupBy(
      results.flatMap(({ mistake }) => mistake?.id.split(" + ") ?? []),
      (id) => id,
    );
    for (const [id, cases] of counts) {
      if (cases.length > 1) seen.set(id, [...seen.get(id) ?? [], title]);
    }
  }
  return seen;
}

async function main({ text: given, flag }: Given): Promise<number> {
  if (flag.list) {
    console.log(implementations.map(({ id }) => id).join("\n"));
    return 0;
  }
  const only = given.only?.split(",").map((name) => name.trim());
  for (const name of only ?? []) {
    if (!implementations.some(({ id }) => id === name)) {
      throw new RangeError(`there is no implementation ${name} (--list has them)`);
    }
  }
  const home = Deno.env.get("XDG_CACHE_HOME") ?? `${Deno.env.get("HOME")}/.cache`;
  const cache = given.cache ?? `${home}/rnn-spec`;
  const root = new URL("../", import.meta.url).pathname;
  const places: Places = { root, build: `${cache}/build`, cache: `${cache}/matrix` };
  await Deno.mkdir(places.build, { recursive: true });
  await Deno.mkdir(places.cache, { recursive: true });
  const about = await circumstances(config.version, "");
  const chosen = implementations.filter(({ id }) => !only || only.includes(id));
  const missing: string[] = [];
  const say = (line: string) => {
    console.error(line);
    if (/^\S+: not (here|run yet)/.test(line)) missing.push(line);
  };
  const sample = given.sample === undefined ? undefined : whole("sample", given.sample, 1, 1e6);
  const jobs = whole("jobs", given.jobs ?? "1", 1, 64);
  const found: (Found | null)[] = [];
  const queue = chosen.entries();
  const work = async () => {
    for (const [k, one] of queue) {
      found[k] = await measure(one, places, about.goldens, say, { known: flag.known, sample });
    }
  };
  await Promise.all(Array.from({ length: jobs }, work));
  const rows = chosen.flatMap((one, k): Row[] => found[k] ? [{ one, found: found[k] }] : []);
  const text = page(rows, missing, select(), about);
  if (only || sample !== undefined) console.log(text);
  else if (flag.known && missing.length) {
    console.error("matrix: not all is known: spec/MATRIX.md stays as it is");
    return 1;
  } else {
    const file = `${root}spec/MATRIX.md`;
    await Deno.writeTextFile(file, text);
    await new Deno.Command(Deno.execPath(), { args: ["fmt", "--quiet", file] }).output();
    await write(seenIn(rows));
  }
  return 0;
}

if (import.meta.main) await command("matrix", usage, main, "\n(--help shows how it is used)");
