/**
 * What was measured, as a page: implementations by feature at each level, and a reason for each cell.
 */

import type { Level, Task } from "../../lib/conformance/mod.ts";
import { type Bug, bugs, reasons } from "./bugs.ts";
import type { Found, Kept } from "./examine.ts";
import { type Feature, features, others } from "./features.ts";
import type { Implementation } from "./implementations.ts";

/** A row of the matrix. */
export interface Row {
  one: Implementation;
  found: Found;
}

const line = (cells: readonly string[]) => `| ${cells.join(" | ")} |`;

/** What an implementation did with the cases of a feature at a level. */
class Cell {
  readonly results: readonly Kept[];
  readonly passed: number;
  readonly bad: readonly Kept[];

  constructor(results: readonly Kept[]) {
    this.results = results;
    const count = (...statuses: string[]) =>
      results.filter(({ status }) => statuses.includes(status));
    this.passed = count("passed").length;
    this.bad = count("wrong", "refused", "crashed");
  }

  /** `✓`, `–`, or how many of how many, and what the others are. */
  toString(): string {
    const { results, passed, bad } = this;
    if (results.length === 0) return "";
    if (passed === results.length) return "✓";
    const wrong = bad.filter(({ status }) => status === "wrong").length;
    const refused = bad.length - wrong;
    if (passed + bad.length === 0) return "–";
    return [
      `${passed}/${results.length}`,
      ...wrong ? [`✗${wrong}`] : [],
      ...refused ? [`!${refused}`] : [],
    ].join(" ");
  }
}

/** Reasons, each once, with how many cases it has. */
function reasonsOf(results: readonly Kept[]): string[] {
  const counts = new Map<string, { text: string; count: number }>();
  for (const { status, why = "", mistake, id } of results) {
    if (status === "passed") continue;
    const text = status === "wrong"
      ? mistake ? mistake.says : `unexplained, for example \`${id}\` at ${why}`
      : why;
    const key = status === "wrong" && !mistake
      ? "unexplained"
      : text.replaceAll(/0x[0-9a-f]+|\d+/gi, "#");
    const kind = { wrong: "computed otherwise", refused: "refused", crashed: "no answer" }[
      status as string
    ] ?? "unsupported";
    const entry = counts.get(`${kind} ${key}`) ?? { text: `${kind}: ${shorten(text)}`, count: 0 };
    counts.set(`${kind} ${key}`, entry);
    entry.count++;
  }
  const found = [...counts.values()].sort((a, b) => b.count - a.count);
  const shown = found.slice(0, 3).map(({ text, count }) => `${count} ${text}`);
  return found.length > 3 ? [...shown, `and ${found.length - 3} other reasons`] : shown;
}

/** A message in one line that Markdown leaves as it is. */
function shorten(text: string): string {
  // Where a package lies on the machine that measured is of no interest.
  const plain = text.replaceAll(/\/\S*\/site-packages\//g, "").replaceAll(/\s+/g, " ").replaceAll(
    "`",
    "'",
  ).replace(/ Re-running .* source\./, "");
  const cut = plain.length > 160 ? `${plain.slice(0, 160)}…` : plain;
  return cut.replaceAll(/[<>|*_[\]]/g, (character) => `\\${character}`);
}

/** Which cases belong to a feature: asked of every row, looked into once. */
const belongs = new Map<Feature, WeakMap<Task, boolean>>();

function isIn(feature: Feature, task: Task): boolean {
  const known = belongs.get(feature) ?? new WeakMap<Task, boolean>();
  belongs.set(feature, known);
  const answer = known.get(task) ?? feature.has(task);
  known.set(task, answer);
  return answer;
}

/** The cells of a row, where a feature has cases at a level. */
function cellsOf(
  { found }: Row,
  columns: readonly Feature[],
  tasks: ReadonlyMap<string, Task>,
  level?: Level,
): Cell[] {
  const own = found.results.flatMap((kept) => {
    const task = tasks.get(kept.id);
    return task && (!level || (task.level ?? "edge") === level) ? [{ kept, task }] : [];
  });
  return columns.map((feature) =>
    new Cell(own.filter(({ task }) => isIn(feature, task)).map(({ kept }) => kept))
  );
}

function table(
  rows: readonly Row[],
  columns: readonly Feature[],
  tasks: ReadonlyMap<string, Task>,
  level?: Level,
): string {
  const all = rows.map((row) => cellsOf(row, columns, tasks, level));
  const used = columns.map((_, k) => all.some((cells) => cells[k].results.length > 0));
  const kept = <T>(cells: readonly T[]) => cells.filter((_, k) => used[k]);
  return [
    line(["", ...kept(columns).map(({ name }) => name)]),
    line(["---", ...kept(columns).map(() => "---")]),
    ...rows.map(({ found }, k) => line([found.title, ...kept(all[k]).map(String)])),
  ].join("\n");
}

/** Why cells are not as they should be, of one implementation. */
function explain(row: Row, tasks: ReadonlyMap<string, Task>): string {
  const { found, one } = row;
  const columns = one.whole ? [...features, ...others] : features;
  const cells = cellsOf(row, columns, tasks);
  // Features that fail for the same reasons stand together.
  const groups = new Map<string, string[]>();
  cells.forEach((cell, k) => {
    if (cell.results.length === 0 || cell.passed === cell.results.length) return;
    const reasons = reasonsOf(cell.results).join("; ");
    groups.set(reasons, [...groups.get(reasons) ?? [], columns[k].name]);
  });
  const known = bugs.filter(({ only }) => only.includes(one.id));
  const items = [...groups].map(([reasons, names]) => `- **${names.join(", ")}**: ${reasons}`);
  const links = known.map(({ file, says, upstream }: Bug) =>
    `- [${file}](bugs/${file}): ${says}${upstream ? ` (${upstream})` : ""}`
  );
  const said = reasons.filter(({ only }) => only.includes(one.id)).map(({ says }) => `- ${says}`);
  if (items.length + links.length + said.length === 0) return "";
  const put = `${found.results.length} cases put`;
  return [`### ${found.title}`, "", `${one.language}, ${put}.`, "", ...items, ...said, ...links]
    .join("\n");
}

/**
 * The page.
 *
 * @param missing what could not be built or started here
 */
export function page(
  rows: readonly Row[],
  missing: readonly string[],
  tasks: readonly Task[],
  about: { version: string; goldens: string; pytorch: string },
): string {
  const byId = new Map(tasks.map((task) => [task.id, task]));
  const languages = new Set(rows.map(({ one }) => one.language));
  const whole = rows.filter(({ one }) => one.whole);
  const sentence = (level: Level) => table(rows, features, byId, level);
  return [
    "# Who computes what PyTorch computes",
    "",
    `${rows.length} implementations in ${languages.size} languages, put through the goldens by the ` +
    "adapters in `scripts/adapters/` ([conformance.md](conformance.md)). Written by `deno task " +
    `matrix\`, with rnn-spec ${about.version}, goldens ${about.goldens.slice(0, 12)}, PyTorch ` +
    `${about.pytorch}; nothing is typed by hand.`,
    "",
    "✓ all cases pass; – the implementation, or its adapter, has nothing for it; otherwise how many " +
    "of how many pass, with ✗ how many are computed otherwise, without a word, and with ! how many " +
    "are refused or end the program. Slow implementations get a sample of the cases. Columns " +
    "without a dtype count float32. The reasons are below.",
    "",
    "## Core: one layer or cell, batched, time first, finite, float32",
    "",
    sentence("core"),
    "",
    "## Family: all that PyTorch's modules do",
    "",
    sentence("family"),
    "",
    "## Edge: empty, NaN, projections, other dtypes",
    "",
    sentence("edge"),
    "",
    "## Beyond the forward pass",
    "",
    table(whole, others, byId),
    "",
    "## Why",
    "",
    ...rows.map((row) => explain(row, byId)).filter(Boolean).flatMap((text) => [text, ""]),
    ...missing.length
      ? ["## Not here", "", ...missing.map((text) => `- ${shorten(text)}`), ""]
      : [],
  ].join("\n");
}
