/** What an examination found, counted and put into words. */

import type { Findings } from "./diagnose.ts";
import type { Examination, Oddities, Result, Status } from "./examine.ts";

/** One row of the table. */
export interface Row extends Record<Status, number> {
  /** The chapter. */
  chapter: string;
  /** How many cases it has. */
  cases: number;
  /** The largest difference of any number, in units of the tolerance. */
  worst: number;
}

const statuses = ["passed", "wrong", "refused", "crashed", "unsupported"] as const;

function emptyRow(chapter: string): Row {
  return {
    ...{ chapter, cases: 0, passed: 0, wrong: 0, refused: 0, crashed: 0, unsupported: 0, worst: 0 },
  };
}

/** Counts results by chapter. */
export function tabulate(results: readonly Result[]): Row[] {
  const rows = new Map<string, Row>();
  for (const { task: { chapter }, status, units } of results) {
    const row = rows.get(chapter) ?? emptyRow(chapter);
    rows.set(chapter, row);
    row.cases++;
    row[status]++;
    if (status === "passed" || status === "wrong") row.worst = Math.max(row.worst, units);
  }
  return [...rows.values()];
}

/** Adds rows up. */
export function total(rows: readonly Row[]): Row {
  const sum = emptyRow("all");
  for (const row of rows) {
    for (const key of ["cases", ...statuses] as const) sum[key] += row[key];
    sum.worst = Math.max(sum.worst, row.worst);
  }
  return sum;
}

/** Whether a result is as it should be, as far as the implementation goes. */
const isBad = ({ status }: Result) => status !== "passed" && status !== "unsupported";

/** What the results amount to. */
export interface Verdict {
  /** Nothing is wrong, refused or without an answer, and something has passed. */
  conforms: boolean;
  /** In words: in which chapters, and how much of them is supported. */
  text: string;
}

/**
 * Whether an implementation conforms, and in what: in the chapters of which at least one case has
 * passed, where no case at all is wrong, refused or without an answer.
 */
export function verdict(results: readonly Result[]): Verdict {
  const rows = tabulate(results);
  const { cases, passed, wrong, refused, crashed, unsupported } = total(rows);
  const supported = `${cases - unsupported} of ${cases} supported`;
  const names = (some: readonly Row[]) => some.map(({ chapter }) => chapter).join(", ");
  if (wrong + refused + crashed > 0) {
    const counts = [
      ...wrong ? [`${wrong} computed otherwise`] : [],
      ...refused ? [`${refused} refused`] : [],
      ...crashed ? [`${crashed} without an answer`] : [],
    ];
    return { conforms: false, text: `does not conform: ${counts.join(", ")}; ${supported}` };
  }
  if (passed === 0) return { conforms: false, text: `does not conform: ${supported}` };
  const without = rows.filter((row) => row.passed === 0);
  const none = without.length ? `; nothing of ${names(without)}` : "";
  return {
    conforms: true,
    text: `conforms in ${names(rows.filter((row) => row.passed > 0))}: ${supported}${none}`,
  };
}

/** Lays out rows of text in columns, the first to the left, the others to the right. */
export function columns(rows: readonly (readonly string[])[]): string {
  const widths = rows[0].map((_, k) => Math.max(...rows.map((row) => row[k].length)));
  const pad = (cell: string, k: number) =>
    k === 0 ? cell.padEnd(widths[k]) : cell.padStart(widths[k]);
  return rows.map((row) => row.map(pad).join("  ")).join("\n");
}

/** A number of units of the tolerance, short. */
export function units(value: number): string {
  if (value === Infinity) return "∞";
  if (value === 0) return "0";
  return value >= 1e4 || value < 1e-3 ? value.toExponential(1) : value.toPrecision(2);
}

/** The table by chapter: a head, a row for each chapter, and the sum. */
export function tableOf(results: readonly Result[]): string[][] {
  const rows = tabulate(results);
  const head = ["chapter", "cases", "passed", "wrong", "refused", "no answer", "unsupported"];
  const body = [...rows, total(rows)].map((row) => [
    row.chapter,
    ...[row.cases, row.passed, row.wrong, row.refused, row.crashed, row.unsupported].map(String),
    units(row.worst),
  ]);
  return [[...head, "worst"], ...body];
}

/** The results that are not as they should be, worst first. */
export function failures(results: readonly Result[]): Result[] {
  return results.filter(isBad).sort((a, b) => b.units - a.units);
}

/** What is wrong with an answer, one line for each of its three worst differences. */
export function differencesOf({ differences }: Result): string[] {
  const shown = [...differences].sort((a, b) => b.units - a.units).slice(0, 3);
  const lines = shown.map(({ where, wanted, given, units: off }) => {
    const far = Number.isFinite(off) ? `, ${units(off)} times the tolerance` : "";
    return `${where}: wanted ${wanted}, given ${given}${far}`;
  });
  const more = differences.length - 3;
  return more > 0 ? [...lines, `and ${more} more`] : lines;
}

function describe(result: Result, findings: Findings): string {
  const { task } = result;
  const lines = [
    `${task.id} (${task.clauses.join(", ")}): ${task.reason}`,
    ...differencesOf(result),
    ...(findings.byCase.get(task.id) ?? []).map(({ says }) => `matches PyTorch if ${says}`),
  ];
  return lines.join("\n    ");
}

/** Reasons that are the same but for their numbers. */
export interface Group {
  /** The first of them, with its numbers. */
  why: string;
  /** The ids of the cases. */
  ids: string[];
}

/**
 * Groups results by their reasons; digits do not tell them apart.
 *
 * @returns the groups, the largest first
 */
export function groups(results: readonly Result[], status: Status): Group[] {
  const found = new Map<string, Group>();
  for (const { task: { id }, status: own, why = "" } of results) {
    if (own !== status) continue;
    const key = why.replaceAll(/0x[0-9a-f]+|\d+/gi, "#");
    const group = found.get(key) ?? { why, ids: [] };
    found.set(key, group);
    group.ids.push(id);
  }
  return [...found.values()].sort((a, b) => b.ids.length - a.ids.length);
}

/** Groups, each with some of its cases. */
function grouped(results: readonly Result[], status: Status, most: number): string[] {
  const all = groups(results, status);
  const lines = all.slice(0, most).map(({ why, ids }) => {
    const more = ids.length > 3 ? `, and ${ids.length - 3} more` : "";
    return `${ids.length}: ${why}\n    ${ids.slice(0, 3).join(", ")}${more}`;
  });
  return all.length > most ? [...lines, `… and ${all.length - most} other reasons`] : lines;
}

/** Everything that a program did and the protocol does not foresee, one line each. */
export function odditiesOf(found: Oddities): string[] {
  const { outOfOrder, repeated, garbage, firstGarbage, restarts } = found;
  const lines = [];
  if (outOfOrder) lines.push(`${outOfOrder} answers came before that to an earlier request`);
  if (repeated) lines.push(`${repeated} answers came to requests that had been answered`);
  if (garbage) {
    lines.push(`${garbage} lines were no answer; the first: ${JSON.stringify(firstGarbage)}`);
  }
  if (restarts > 0) lines.push(`it was started again ${restarts} times`);
  return lines;
}

/** What explains the wrong answers, one line for each mistake. */
export function explanationsOf({ summary, diagnosed }: Findings): string[] {
  return summary.map(({ says, cases, weak, or }) =>
    `${cases} of ${diagnosed} wrong answers ${cases === 1 ? "matches" : "match"} PyTorch if ` +
    says + or.slice(0, 3).map(({ says }) => `, or as well if ${says}`).join("") +
    (weak ? " (weak: a single case may be chance)" : "")
  );
}

/** The last line of a report. */
export function conclusion({ results, stopped }: Examination): string {
  if (!stopped) return verdict(results).text;
  return `ended early (${stopped.why}), ${stopped.left} cases not put: so far ` +
    verdict(results).text;
}

/**
 * The report as text.
 *
 * @param most how many of them, and how many reasons, to show
 */
export function report(examination: Examination, findings: Findings, most = 20): string {
  const { results, oddities } = examination;
  const section = (title: string, lines: readonly string[]) =>
    lines.length ? `\n\n${title}\n${lines.map((line) => `  ${line}`).join("\n")}` : "";
  const bad = failures(results).filter(({ status }) => status === "wrong");
  const shown = bad.slice(0, most).map((result) => describe(result, findings));
  if (bad.length > most) shown.push(`… and ${bad.length - most} more (--failures ${bad.length})`);
  // Where nothing was answered, rows of zeros would only hide the reason.
  const silent = results.length > 0 && results.every(({ status }) => status === "crashed");
  return ((silent ? "" : columns(tableOf(results))) +
    section("Computed otherwise, worst first", shown) +
    section("What explains them", explanationsOf(findings)) +
    section("Refused", grouped(results, "refused", most)) +
    section("No answer", grouped(results, "crashed", most)) +
    section("Unsupported", grouped(results, "unsupported", 10)) +
    section("The program", odditiesOf(oddities)) +
    `\n\n${conclusion(examination)}`).trimStart();
}
