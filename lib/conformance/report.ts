/**
 * What an examination found, as text and as JSON.
 *
 * @module
 */

import type { Oddities } from "../../scripts/conform/converse.ts";
import type { Findings } from "./diagnose.ts";
import type { Examination, Result } from "./examine.ts";

/** One row of the table. */
export interface Row {
  /** The chapter. */
  chapter: string;
  /** How many cases it has. */
  cases: number;
  /** How many were answered as PyTorch answers. */
  passed: number;
  /** How many were answered otherwise. */
  failed: number;
  /** How many the implementation says it cannot do. */
  unsupported: number;
  /** How many got no answer. */
  silent: number;
  /** The largest difference of any number, in units of the tolerance. */
  worst: number;
}

/** Counts results by chapter. */
export function tabulate(results: readonly Result[]): Row[] {
  const rows = new Map<string, Row>();
  for (const { task: { chapter }, status, units } of results) {
    const row = rows.get(chapter) ??
      { chapter, cases: 0, passed: 0, failed: 0, unsupported: 0, silent: 0, worst: 0 };
    rows.set(chapter, row);
    row.cases++;
    row[status]++;
    if (status !== "silent") row.worst = Math.max(row.worst, units);
  }
  return [...rows.values()];
}

/** Adds rows up. */
export function total(rows: readonly Row[]): Row {
  const sum: Row = {
    ...{ chapter: "all", cases: 0, passed: 0, failed: 0, unsupported: 0, silent: 0, worst: 0 },
  };
  for (const row of rows) {
    for (const key of ["cases", "passed", "failed", "unsupported", "silent"] as const) {
      sum[key] += row[key];
    }
    sum.worst = Math.max(sum.worst, row.worst);
  }
  return sum;
}

/** Whether an implementation conforms: nothing failed, and nothing went unanswered. */
export function conforms(results: readonly Result[]): boolean {
  return results.every(({ status }) => status === "passed" || status === "unsupported");
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

function table(results: readonly Result[]): string {
  const rows = tabulate(results);
  const head = ["chapter", "cases", "passed", "failed", "unsupported", "no answer", "worst"];
  const body = [...rows, total(rows)].map((row) => [
    row.chapter,
    ...[row.cases, row.passed, row.failed, row.unsupported, row.silent].map(String),
    units(row.worst),
  ]);
  return columns([head, ...body]);
}

/** The results that are not as they should be, worst first. */
export function failures(results: readonly Result[]): Result[] {
  const bad = results.filter(({ status }) => status === "failed" || status === "silent");
  return bad.sort((a, b) => a.units === b.units ? 0 : b.units - a.units);
}

function describe(result: Result, findings: Findings): string {
  const { task, differences } = result;
  const lines = [`${task.id} (${task.clauses.join(", ")}): ${task.reason}`];
  const shown = [...differences].sort((a, b) => b.units - a.units).slice(0, 3);
  for (const { where, wanted, given, units: off } of shown) {
    const far = Number.isFinite(off) ? `, ${units(off)} times the tolerance` : "";
    lines.push(`${where}: wanted ${wanted}, given ${given}${far}`);
  }
  if (differences.length > 3) lines.push(`and ${differences.length - 3} more`);
  for (const { says } of findings.byCase.get(task.id) ?? []) {
    lines.push(`matches PyTorch if ${says}`);
  }
  return lines.join("\n    ");
}

/** What got no answer, by the reason. */
function silences(results: readonly Result[], most: number): string[] {
  const silent = results.filter(({ status }) => status === "silent");
  return [...Map.groupBy(silent, ({ why = "" }) => why)].map(([why, own]) => {
    const shown = own.slice(0, most).map(({ task }) => task.id).join(", ");
    const more = own.length > most ? `, and ${own.length - most} more` : "";
    return `${why}\n    ${shown}${more}`;
  });
}

/** Everything that a program did and the protocol does not foresee, one line each. */
export function oddities(found: Oddities): string[] {
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

/** Why cases are unsupported, with how many, most first. */
function reasons(results: readonly Result[]): string[] {
  const counts = new Map<string, number>();
  for (const { status, why = "" } of results) {
    if (status === "unsupported") counts.set(why, (counts.get(why) ?? 0) + 1);
  }
  return [...counts].sort(([, a], [, b]) => b - a).map(([why, count]) => `${count}: ${why}`);
}

/**
 * The report as text.
 *
 * @param examination what was found
 * @param findings what explains the failures
 * @param most how many failures to show
 * @returns the lines
 */
export function report(
  { results, oddities: odd }: Examination,
  findings: Findings,
  most = 20,
): string {
  const section = (title: string, lines: readonly string[]) =>
    lines.length ? `\n\n${title}\n${lines.map((line) => `  ${line}`).join("\n")}` : "";
  const bad = failures(results).filter(({ status }) => status === "failed");
  const shown = bad.slice(0, most).map((result) => describe(result, findings));
  if (bad.length > most) shown.push(`… and ${bad.length - most} more (--failures ${bad.length})`);
  const { failed, silent } = total(tabulate(results));
  const why = reasons(results);
  const unshown = why.slice(10).length ? [`… and ${why.length - 10} other reasons`] : [];
  return table(results) +
    section("Failures, worst first", shown) +
    section(
      "What explains them",
      findings.summary.map(({ says, cases }) =>
        `${cases} of ${findings.diagnosed} diagnosed match PyTorch if ${says}`
      ),
    ) +
    section("No answer", silences(results, most)) +
    section("Unsupported", [...why.slice(0, 10), ...unshown]) +
    section("The program", oddities(odd)) +
    `\n\n${conforms(results) ? "conforms" : `does not conform: ${failed} failed`}` +
    (silent ? `, ${silent} without an answer` : "");
}

/** The report for machines. */
export function reportJson({ results, oddities }: Examination, findings: Findings): object {
  const number = (x: number) => Number.isFinite(x) ? x : String(x);
  const rows = tabulate(results);
  return {
    conforms: conforms(results),
    total: { ...total(rows), worst: number(total(rows).worst) },
    chapters: rows.map((row) => ({ ...row, worst: number(row.worst) })),
    results: results.map(({ task, status, units, differences, why }) => ({
      id: task.id,
      clauses: task.clauses,
      status,
      units: number(units),
      ...(why !== undefined && { why }),
      ...(differences.length && {
        differences: differences.map((one) => ({ ...one, units: number(one.units) })),
      }),
      ...(findings.byCase.has(task.id) && {
        diagnosis: findings.byCase.get(task.id)!.map(({ id, says }) => ({ id, says })),
      }),
    })),
    diagnosis: findings.summary.map(({ id, says, cases }) => ({ id, says, cases })),
    oddities,
  };
}
