/**
 * The columns of the matrix: implementations, how each is started, and what is known of where it
 * computes something else.
 *
 * @module
 */

import type { Command } from "../conform/converse.ts";

/** One column. */
export interface Implementation {
  /** What it calls itself, with its version. */
  title: string;
  /** How its adapter is started. */
  command: Command;
}

/** Why an implementation fails in a row: what it does there. */
interface Known {
  /** A part of the implementation's title. */
  title: RegExp;
  /** The row. */
  row: string;
  /** A sentence on what it does. */
  says: string;
}

/** What is known of failures; whatever else fails is described by its first failing case. */
export const known: readonly Known[] = [
  {
    title: /^ONNX Runtime/,
    row: "NaN and infinity",
    says:
      "LSTM, GRU and relu make NaN a finite number: their activations clip what comes in, and " +
      "ONNX leaves open what becomes of NaN.",
  },
  {
    title: /^(ONNX Runtime|TensorFlow.js|NumPy)/,
    row: "errors, word for word",
    says: "What PyTorch refuses is refused in other words, or computed.",
  },
  {
    title: /^PyTorch 1\./,
    row: "errors, word for word",
    says: "Some messages and classes of errors were others in this version.",
  },
];

/** Runs a command and returns what it prints, or `null` where it cannot be run. */
async function ask(command: readonly string[]): Promise<string | null> {
  try {
    const [name, ...args] = command;
    const { success, stdout } = await new Deno.Command(name, { args, stderr: "null" }).output();
    return success ? new TextDecoder().decode(stdout).trim() : null;
  } catch {
    return null;
  }
}

/**
 * Finds the implementations that are there.
 *
 * @param pythons Python interpreters, each perhaps with a PyTorch
 * @param missing hears of what is not there
 * @returns the implementations, in the order of the columns
 */
export async function find(
  pythons: readonly string[],
  missing: (what: string) => void,
): Promise<Implementation[]> {
  const adapter = (name: string) => new URL(`../adapters/${name}`, import.meta.url).pathname;
  const deno = (name: string, ...args: string[]): Command => [
    Deno.execPath(),
    ...["run", "--quiet", "--allow-all", adapter(name), ...args],
  ];
  const candidates: Command[] = [
    deno("kernels.ts", "readable"),
    deno("kernels.ts", "auto"),
    ...pythons.map((python): Command => [python, adapter("pytorch.py")]),
    deno("onnxruntime.ts", "--all"),
    deno("onnxruntime.ts", "--all", "--web"),
    deno("tfjs.ts"),
  ];
  const found: Implementation[] = [];
  for (const command of candidates) {
    const title = await ask([...command, "--version"]);
    if (title) found.push({ title, command });
    else missing(command.join(" "));
  }
  for (const python of pythons) {
    const version = await ask([python, "-c", "import numpy; print(numpy.__version__)"]);
    if (!version) continue;
    const title = `NumPy ${version}, in 98 lines`;
    return [...found, { title, command: [python, adapter("minimal.py")] }];
  }
  missing("NumPy");
  return found;
}
