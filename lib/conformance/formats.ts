/** What an examination found, for machines: JSON, JUnit's XML, Markdown. */

import { manifest } from "../../golden/mod.ts";
import type { Findings } from "./diagnose.ts";
import type { Examination, Result } from "./examine.ts";
import {
  conclusion,
  differencesOf,
  explanationsOf,
  failures,
  groups,
  tableOf,
  tabulate,
  total,
  verdict,
} from "./report.ts";

/** What was examined, and with what. */
export interface Circumstances {
  /** The version of this suite. */
  version: string;
  /** SHA-256 of the goldens' manifest, which has the SHA-256 of every file. */
  goldens: string;
  /** The PyTorch that made the goldens. */
  pytorch: string;
  /** The command, or another name for what was examined. */
  command: string;
}

/** What identifies this suite. */
export async function circumstances(version: string, command: string): Promise<Circumstances> {
  const bytes = await crypto.subtle.digest("SHA-256", new TextEncoder().encode(manifest));
  const hex = (byte: number) => byte.toString(16).padStart(2, "0");
  const goldens = Array.from(new Uint8Array(bytes), hex).join("");
  const { pytorch } = JSON.parse(manifest);
  return { version, goldens, pytorch: String(pytorch), command };
}

/** JSON has no infinity. */
const finite = (x: number) => Number.isFinite(x) ? x : String(x);

function resultJson({ task, status, units, differences, why }: Result, findings: Findings): object {
  const { id, chapter, level, clauses, reason, request } = task;
  const diagnosis = findings.byCase.get(id);
  return {
    ...{ id, chapter, level, clauses, status, units: finite(units) },
    ...(status !== "passed" && {
      reason,
      ...{ op: request.op, module: request.module, args: request.args, dtype: request.dtype },
    }),
    ...(why !== undefined && { why }),
    ...(differences.length && {
      differences: differences.map((one) => ({ ...one, units: finite(one.units) })),
    }),
    ...(diagnosis && { diagnosis }),
  };
}

/** The report as data. */
export function reportJson(
  examination: Examination,
  findings: Findings,
  about: Circumstances,
): object {
  const { results, oddities, stopped } = examination;
  const rows = tabulate(results);
  const row = (one: typeof rows[number]) => ({ ...one, worst: finite(one.worst) });
  return {
    ...about,
    conforms: verdict(results).conforms,
    verdict: conclusion(examination),
    stopped,
    total: row(total(rows)),
    chapters: rows.map(row),
    diagnosed: findings.diagnosed,
    diagnosis: findings.summary,
    oddities,
    results: results.map((one) => resultJson(one, findings)),
  };
}

/** Text within XML; what XML cannot hold is left out. */
function xml(text: string): string {
  // deno-lint-ignore no-control-regex -- these are the characters that XML 1.0 forbids
  return text.replaceAll(/[\u0000-\u0008\u000b\u000c\u000e-\u001f\ufffe\uffff]/g, "")
    .toWellFormed().replaceAll("&", "&amp;").replaceAll("<", "&lt;").replaceAll(">", "&gt;")
    .replaceAll('"', "&quot;");
}

function testcase(result: Result, findings: Findings): string {
  const { task: { id, chapter, reason, request }, status, why = "" } = result;
  const head = `    <testcase classname="${xml(chapter)}" name="${xml(id)}"`;
  if (status === "passed") return `${head}/>`;
  if (status === "unsupported") {
    return `${head}>\n      <skipped message="${xml(why)}"/>\n    </testcase>`;
  }
  const says = (findings.byCase.get(id) ?? []).map(({ says }) => `matches PyTorch if ${says}`);
  const { module = request.op, args = {} } = request;
  const lines = [reason, `${module} ${JSON.stringify(args)}`, ...differencesOf(result), ...says];
  const [tag, message] = status === "wrong"
    ? ["failure", [...says, ...differencesOf(result)][0]]
    : ["error", why];
  return `${head}>\n      <${tag} type="${status}" message="${xml(message)}">` +
    `${xml(lines.join("\n"))}</${tag}>\n    </testcase>`;
}

/**
 * The report as JUnit's XML, which most continuous integration shows: a test for each case; what is
 * computed otherwise is a failure, what is refused or has no answer an error.
 */
export function reportJunit(
  { results }: Examination,
  findings: Findings,
  about: Circumstances,
): string {
  const { cases, wrong, refused, crashed, unsupported } = total(tabulate(results));
  const properties = Object.entries(about).map(([name, value]) =>
    `      <property name="${name}" value="${xml(value)}"/>`
  );
  return [
    '<?xml version="1.0" encoding="UTF-8"?>',
    `<testsuites name="rnn-spec">`,
    `  <testsuite name="${xml(about.command)}" tests="${cases}" failures="${wrong}" ` +
    `errors="${refused + crashed}" skipped="${unsupported}">`,
    "    <properties>",
    ...properties,
    "    </properties>",
    ...results.map((one) => testcase(one, findings)),
    "  </testsuite>",
    "</testsuites>",
  ].join("\n");
}

/** Text within a table's cell of Markdown. */
const cell = (text: string) => text.replaceAll(/\s+/g, " ").replaceAll("|", "\\|");

/**
 * The report as Markdown, for a page or a comment.
 *
 * @param most how many wrong answers, and how many reasons, to show
 */
export function reportMarkdown(
  examination: Examination,
  findings: Findings,
  about: Circumstances,
  most = 20,
): string {
  const { results } = examination;
  const [head, ...body] = tableOf(results);
  const line = (cells: readonly string[]) => `| ${cells.map(cell).join(" | ")} |`;
  const list = (title: string, items: readonly string[]) =>
    items.length ? ["", `## ${title}`, "", ...items.map((item) => `- ${item}`)] : [];
  const reasons = (status: "refused" | "crashed" | "unsupported") =>
    groups(results, status).slice(0, most).map(({ why, ids }) =>
      `${ids.length}: ${cell(why)} (\`${ids[0]}\`)`
    );
  const wrong = failures(results).filter(({ status }) => status === "wrong");
  return [
    `# ${conclusion(examination)}`,
    "",
    `\`${about.command}\`, examined with rnn-spec ${about.version} (goldens ` +
    `${about.goldens.slice(0, 12)}, PyTorch ${about.pytorch}).`,
    "",
    line(head),
    line(head.map((_, k) => k ? "--:" : "---")),
    ...body.map(line),
    ...list("What explains the wrong answers", explanationsOf(findings)),
    ...list(
      "Computed otherwise, worst first",
      wrong.slice(0, most).map((one) => `\`${one.task.id}\`: ${cell(differencesOf(one)[0] ?? "")}`),
    ),
    ...list("Refused", reasons("refused")),
    ...list("No answer", reasons("crashed")),
    ...list("Unsupported", reasons("unsupported")),
  ].join("\n");
}
