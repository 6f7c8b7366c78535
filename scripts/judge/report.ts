/** A judgement as text for people: aligned, 80 columns, in colour where that is wanted. */

import { wrapped as wrap } from "../command/files.ts";
import type { Judgement, NodeJudgement, Note, Off, WholeJudgement } from "../../lib/onnx/mod.ts";

/** What ONNX Runtime made of a node. */
export interface Ran {
  /** How far it is from what the node says, in the largest difference. */
  readonly fromNode: number;
  /** How far it may be. */
  readonly tolerance: number;
  /** How far it is from what the layer computes; `null` without a layer. */
  readonly fromLayer: number | null;
  /** Why it did not run. */
  readonly error: string | null;
}

/** What a report is made of. */
export interface Report {
  readonly name: string;
  /** What it is held against; `null` for nothing. */
  readonly against: string | null;
  readonly judgement: Judgement;
  /** ONNX Runtime's version with what it made of each node, by path; `null` where it is not at hand. */
  readonly runtime: { readonly version: string; readonly ran: ReadonlyMap<string, Ran> } | null;
}

/** Colours a text, or leaves it. */
type Paint = (text: string) => string;

/** The terminal's codes of colours, by what they say. */
const codes = { good: 32, bad: 31, unsure: 33, quiet: 2, loud: 1 };

type Paints = Readonly<Record<keyof typeof codes, Paint>>;

function paints(colour: boolean): Paints {
  const paint = (code: number): Paint => (text) => colour ? `\x1b[${code}m${text}\x1b[0m` : text;
  return Object.fromEntries(
    Object.entries(codes).map(([name, code]) => [name, paint(code)]),
  ) as Paints;
}

/** Lines of at most 80 columns, the later ones indented. */
const wrapped = (text: string, first: string, rest = first) => wrap(text, 80, first, rest);

/** A number of two digits. */
const short = (x: number) => Number.isFinite(x) ? String(Number(x.toPrecision(2))) : "more";

function offText({ error, step }: Off): string {
  if (!Number.isFinite(error)) return "its outputs have another shape";
  return `off by up to ${short(error)}${step === null ? "" : ` from step ${step} on`}`;
}

function sign(verdict: NodeJudgement["verdict"], paint: Paints): string {
  if (verdict === "right") return paint.good("✓");
  return verdict === "wrong" ? paint.bad("✗") : paint.unsure("?");
}

/** The notes as lines; of those without a runtime that gets it wrong, only where `all`. */
function noteLines(notes: readonly Note[], all: boolean, paint: Paints): string[] {
  return notes.filter(({ runtimes }) => all || runtimes.length > 0).flatMap((
    { says, runtimes },
  ) => [
    ...wrapped(says, "    "),
    ...runtimes.flatMap(({ name, does, upstream }) =>
      wrapped(`${name} ${does}${upstream ? ` (${upstream})` : ""}`, "      ").map(paint.quiet)
    ),
  ]);
}

function mistakeLines(
  { mistakes, off, remark, verdict }: Pick<
    NodeJudgement,
    "mistakes" | "off" | "remark" | "verdict"
  >,
  paint: Paints,
): string[] {
  const size = off && verdict === "wrong" ? `; ${offText(off)}` : "";
  const lines = mistakes.flatMap(({ id, says, clause }, k) => {
    const text = `${id}: ${says} (${clause})${k === mistakes.length - 1 ? size : ""}`;
    const [first, ...rest] = wrapped(text, "    ");
    return [first.replace(id, paint.bad(id)), ...rest];
  });
  if (mistakes.length === 0 && size) lines.push(...wrapped(size.slice(2), "    "));
  if (remark) lines.push(...wrapped(remark, "    "));
  return lines;
}

function ranText(ran: Ran, version: string): string {
  const name = `ONNX Runtime ${version}`;
  if (ran.error) return `${name} does not run it: ${ran.error}`;
  const [far, most] = [short(ran.fromNode), short(ran.tolerance)];
  if (!(ran.fromNode <= ran.tolerance)) return `${name} computes something else, by ${far}`;
  const bits = ran.tolerance > 1e-4 ? `; its inputs in 8 bits explain up to ${most}` : "";
  return `${name} computes what the node says, within ${far}${bits}`;
}

function nodeLines(node: NodeJudgement, { runtime, against }: Report, paint: Paints): string[] {
  const mark = against === null ? "·" : sign(node.verdict, paint);
  const layer = node.layer ? ` = ${node.layer}` : "";
  const [first, ...rest] = wrapped(node.path, "", "  ");
  const ran = runtime?.ran.get(node.path);
  return [
    `${mark} ${paint.loud(first)}`,
    ...rest,
    ...wrapped(`${node.computes}${layer}`, "    "),
    ...mistakeLines(node, paint),
    ...(ran ? wrapped(ranText(ran, runtime!.version), "    ").map(paint.quiet) : []),
    ...noteLines(node.notes, against === null, paint),
  ];
}

function wholeLines(whole: WholeJudgement, nodesRight: boolean, paint: Paints): string[] {
  const { module, verdict, part, batchFirst } = whole;
  const what = part === "file" ? "the whole file" : "from the first node to the last";
  const order = batchFirst === null ? "" : batchFirst ? ", (N, L, H_in)" : ", (L, N, H_in)";
  const head = `${sign(verdict, paint)} ${paint.loud(module || "the module")}: ${what}${order}`;
  const lines = [head, ...mistakeLines(whole, paint)];
  if (verdict !== "wrong" || whole.mistakes.length > 0) return lines;
  const between =
    "each node is right, and what lies between them is not; nothing known explains it";
  return [...lines, `    ${nodesRight ? between : "as its nodes are"}`];
}

export function reportLines(report: Report, colour: boolean): string[] {
  const { name, against, judgement } = report;
  const { nodes, beyond, unread, whole, producer, opset, verdict } = judgement;
  const paint = paints(colour);
  const nodesRight = nodes.every(({ verdict }) => verdict === "right");
  const by = producer ? `, by ${producer}` : "";
  const end = {
    ...{ right: paint.good("right"), wrong: paint.bad("wrong"), unknown: paint.unsure("not told") },
  };
  const counted = `${nodes.length} recurrent node${nodes.length === 1 ? "" : "s"}`;
  return [
    ...wrapped(`${name}: opset ${opset}${by}`, "", "  "),
    ...(against === null ? [] : wrapped(`held against ${against}`, "", "  ")),
    "",
    ...nodes.flatMap((node) => [...nodeLines(node, report, paint), ""]),
    ...whole.flatMap((one) => [...wholeLines(one, nodesRight, paint), ""]),
    ...beyond.flatMap((text) =>
      wrapped(text, "? ", "  ").map((line) => line.replace(/^\?/, paint.unsure("?")))
    ),
    ...unread.flatMap((name) => wrapped(`no node reads the file's input ${name}`, "  ")),
    ...(beyond.length + unread.length > 0 ? [""] : []),
    against === null ? counted : `${end[verdict]}: ${counted}`,
  ];
}
