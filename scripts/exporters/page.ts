/** spec/EXPORTERS.md: exporter by feature. */

/** What became of one file. */
export interface Outcome {
  /** The feature that it shows. */
  readonly feature: string;
  /** Which module, with an RNN's nonlinearity. */
  readonly kind: string;
  /** In a word or two. */
  readonly says: string;
  /** Why; `null` where there is nothing to say. */
  readonly why: string | null;
  /** How far the file is off; 0 where that is not known. */
  readonly off: number;
  /** Which version of ONNX's operators the exporter takes by default. */
  readonly opset: number | null;
}

/** An exporter with all that it made. */
export interface Column {
  readonly title: string;
  readonly outcomes: readonly Outcome[];
}

/** What is known of an outcome upstream: the first that fits. */
const upstream: readonly (readonly [exporter: RegExp, outcome: RegExp, issue: string])[] = [
  [/dynamo/, /^reset-before$/, "microsoft/onnxscript#2852, pytorch/pytorch#189225"],
  [/dynamo/, /packed.*refused/, "pytorch/pytorch#112044"],
  [/dynamo/, /RNN.*refused/, "pytorch/pytorch#126339"],
  [/Keras/, /as products/, "onnx/tensorflow-onnx#1684"],
];

function issueOf(title: string, { says, feature, kind }: Outcome): string | null {
  const text = says === "refused" ? `${feature} ${kind} refused` : says;
  const found = upstream.find(([exporter, outcome]) => exporter.test(title) && outcome.test(text));
  return found
    ? found[2].split(", ").map((issue) => {
      const [repository, number] = issue.split("#");
      return `[${issue}](https://github.com/${repository}/issues/${number})`;
    }).join(", ")
    : null;
}

/** Kinds by what became of them: `✓`, or `✓; RNN tanh, RNN relu: refused`. */
function cell(outcomes: readonly Outcome[]): string {
  const groups = [...Map.groupBy(outcomes, ({ says }) => says)];
  if (groups.length === 0) return "–";
  if (groups.length === 1) return groups[0][0];
  return groups.map(([says, own]) => `${[...own].map(({ kind }) => kind).join(", ")}: ${says}`)
    .join("; ");
}

/** Markdown's own signs, as they are. */
const plain = (text: string) => text.replaceAll(/[\\`*_[\]<>|]/g, (sign) => `\\${sign}`);

/** The beginning of a message. */
function shortened(text: string): string {
  const [first] = text.split(/ \[Caused by|: ?$/);
  return first.length > 160 ? `${first.slice(0, 160)}…` : first;
}

/** All that is not plainly right, with the reason. */
function reasons({ title, outcomes }: Column): string[] {
  const groups = Map.groupBy(
    outcomes.filter(({ says }) => says !== "✓"),
    (one) => `${one.says}\n${one.why ?? ""}\n${issueOf(title, one) ?? ""}`,
  );
  if (groups.size === 0) return [];
  const lines = [...groups].map(([key, own]) => {
    const [says, why, issue] = key.split("\n");
    const where = [...Map.groupBy(own, ({ feature }) => feature)].map(([feature, all]) => {
      const kinds = all.map(({ kind }) => kind).filter((kind) => kind !== feature);
      return kinds.length > 0 ? `${feature} (${kinds.join(", ")})` : feature;
    });
    const link = issue ? ` (${issue})` : "";
    const off = Math.max(...own.map((one) => one.off));
    const size = off > 0 && off < Infinity ? `; off by up to ${off.toPrecision(2)}` : "";
    const reason = why ? `: ${plain(shortened(why))}` : "";
    return `- **${says}**: ${where.join(", ")}${reason}${size}${link}`;
  });
  return [`### ${title}`, "", ...lines, ""];
}

export function page(columns: readonly Column[]): string {
  const features = [
    ...new Set(columns.flatMap(({ outcomes }) => outcomes.map(({ feature }) => feature))),
  ];
  const row = (cells: readonly string[]) => `| ${cells.join(" | ")} |`;
  const opsets = columns.map(({ outcomes }) =>
    [
      ...new Set(outcomes.flatMap(({ opset }) => opset ?? [])),
    ].join(", ")
  );
  return [
    "# What exporters make of recurrent layers",
    "",
    "Each exporter writes the modules of the family with one feature each, with weights from a seed,",
    "and `judge` ([judge.md](judge.md)) holds each file against the weights, on other batches and",
    "lengths than it was exported with, except with fixed sizes. Written by `deno task exporters`;",
    "nothing is typed by hand but the links.",
    "",
    "✓ the file computes what the module computes; ✓ as products: it does, but without a recurrent",
    "node, step by step or in a loop, which runtimes cannot make fast; – the exporter's framework has",
    "nothing for it; otherwise the mistake by its name, or refused. The reasons are below.",
    "",
    row(["", ...columns.map(({ title }) => title)]),
    row(["---", ...columns.map(() => "---")]),
    row(["opset by default", ...opsets]),
    ...features.map((feature) =>
      row([
        feature,
        ...columns.map(({ outcomes }) => cell(outcomes.filter((one) => one.feature === feature))),
      ])
    ),
    "",
    "## Why",
    "",
    ...columns.flatMap(reasons),
  ].join("\n");
}
