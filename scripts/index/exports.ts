/** The exports of mod.ts by topic, as the tag `@category` of each one's documentation says. */

/** The topics, in the order in which the guide lists them. */
const topics = [
  "Tensors",
  "Operations",
  "Gradients",
  "Random numbers",
  "Modules",
  "Recurrent layers",
  "Cells of your own",
  "Initial weights",
  "Packing",
  "Batches",
  "Losses",
  "Optimisers and schedules",
  "Kernels and threads",
  "Checkpoints",
  "Weights of other frameworks",
  "Modules from weights",
  "Errors",
];

export interface Exported {
  readonly name: string;
  readonly isType: boolean;
  /** What its documentation says; `undefined` where it names no topic. */
  readonly topic?: string;
}

const root = new URL("../../", import.meta.url);
const guide = new URL("spec/guide.md", root);

/** Reads what mod.ts exports. */
export async function exported(): Promise<Exported[]> {
  const read = (file: string) => Deno.readTextFile(new URL(file, root));
  const found: Exported[] = [];
  const statements = /^export (type )?\{([^}]*)\} from "\.\/([^"]+)";$/gm;
  for (const [, types, list, file] of (await read("mod.ts")).matchAll(statements)) {
    const source = await read(file);
    for (const [item, name] of list.matchAll(/(?:type )?(\w+)/g)) {
      const declared =
        `(?:abstract |async )?(?:class|function\\*?|const|type|interface) ${name}\\b`;
      const doc = new RegExp(`/\\*\\*((?:(?!\\*/)[^])*)\\*/\n(?://.*\n)*export ${declared}`);
      const topic = doc.exec(source)?.[1].match(/@category (.+)/)?.[1];
      found.push({ name, isType: Boolean(types) || item !== name, topic });
    }
  }
  return found;
}

/** The exports that name no topic, or one that is none. */
export function withoutTopic(all: readonly Exported[]): string[] {
  return all.filter(({ topic }) => !topics.includes(topic ?? "")).map(({ name, topic }) =>
    `${name} has ${topic ? `an unknown @category ${topic}` : "no @category"}: ${topics.join(", ")}`
  );
}

/** The guide as it is, and as it is to be: its section `Exports` lists them all. */
export async function guideWith(all: readonly Exported[]): Promise<[string, string]> {
  const before = await Deno.readTextFile(guide);
  const items = topics.map((topic) => {
    const own = all.filter((one) => one.topic === topic);
    const [values, types] = [false, true].map((isType) =>
      own.filter((one) => one.isType === isType).map(({ name }) => `\`${name}\``).join(", ")
    );
    return wrapped(`- **${topic}**: ${values}${types && `; types ${types}`}`);
  });
  const section = `## Exports\n\n${items.join("\n")}\n\n`;
  return [before, before.replace(/^## Exports\n[^]*?(?=^## )/m, () => section)];
}

/** Writes the guide. */
export async function writeGuide(text: string): Promise<void> {
  await Deno.writeTextFile(guide, text);
}

/** A list's item in lines of at most 100 columns. */
function wrapped(text: string): string {
  const lines = [""];
  for (const word of text.split(" ")) {
    const line = lines[lines.length - 1];
    if (line.length + word.length < 100) lines[lines.length - 1] = line ? `${line} ${word}` : word;
    else lines.push(`  ${word}`);
  }
  return lines.join("\n");
}
