/** What commands share: options that their help names, and one line where something is wrong. */

import { parseArgs, type ParseArgsOptionsConfig } from "node:util";

/** What a command line says. */
export interface Given {
  /** What follows each option that takes a text. */
  readonly text: Readonly<Record<string, string | undefined>>;
  /** The same of options that may be given again: all of it. */
  readonly texts: Readonly<Record<string, string[] | undefined>>;
  /** Which other options are given; false for `--no-…`. */
  readonly flag: Readonly<Record<string, boolean | undefined>>;
  /** What is no option. */
  readonly rest: string[];
}

/** A command line that is wrong. */
export class Usage extends Error {}

/** An option's line in a help: `  -o, --output FILE  the file to write`. */
const line = /^ {2}(?:-(\w), )?--(?:no-)?([\w-]+)(?: ([A-Z]\S*))?(.*)$/gm;

/** The options that a help names: with a word in capitals they take a text, again where it says so. */
function optionsOf(help: string): ParseArgsOptionsConfig {
  const options: ParseArgsOptionsConfig = { help: { type: "boolean", short: "h" } };
  for (const [, short, name, word, says] of help.matchAll(line)) {
    const multiple = /again|repeated/.test(says);
    options[name] ??= word
      ? { type: "string", multiple, ...(short && { short }) }
      : { type: "boolean" };
  }
  return options;
}

/** The flags that come first, and the command after them, with all that is its own. */
function parted(args: string[], options: ParseArgsOptionsConfig): [string[], string[]] {
  const { tokens } = parseArgs({
    ...{ args, options, strict: false, allowPositionals: true, tokens: true },
  });
  const end = tokens.find(({ kind }) => kind === "option-terminator" || kind === "positional");
  const at = end?.index ?? args.length;
  return [args.slice(0, at), args.slice(end?.kind === "option-terminator" ? at + 1 : at)];
}

/**
 * Reads a command line. The help's first line says whether it takes anything but options: `<file>`, or
 * `-- <command>`, from whose name on all is the command's own.
 *
 * @throws {Usage} if it names an option that the help does not, or lacks what belongs to one
 */
export function read(help: string, args: string[]): Given {
  const [text, texts, flag] = [{}, {}, {}] as Record<string, unknown>[];
  const options = optionsOf(help);
  const [own, command] = /^.* -- </.test(help) ? parted(args, options) : [args, null];
  try {
    const { values, positionals } = parseArgs({
      ...{ args: own, options, allowNegative: help.includes("--no-") },
      allowPositionals: command === null && /<\w/.test(help.split("\n")[0]),
    });
    for (const [name, value] of Object.entries(values)) {
      const kind = Array.isArray(value) ? texts : typeof value === "string" ? text : flag;
      kind[name] = value;
    }
    return { text, texts, flag, rest: command ?? positionals } as unknown as Given;
  } catch (error) {
    throw new Usage((error as Error).message);
  }
}

/** The text of an option as a whole number within bounds. */
export function whole(name: string, text: string, from: number, to: number): number {
  const value = /^[0-9]+$/.test(text) ? Number(text) : NaN;
  if (value >= from && value <= to) return value;
  throw new Usage(`--${name} takes a whole number from ${from} to ${to}, not "${text}"`);
}

/**
 * Runs a command, and ends the program with its status; where it fails, with one line and the status 2.
 *
 * @param main what is done with the command line; its status, 0 where it returns none
 * @param hint what the line ends with
 */
export async function command(
  name: string,
  help: string,
  main: (given: Given) => number | void | Promise<number | void>,
  hint = " (--help lists the options)",
): Promise<never> {
  try {
    const given = read(help, Deno.args);
    if (given.flag.help) console.log(help.trimEnd());
    Deno.exit(given.flag.help ? 0 : await main(given) ?? 0);
  } catch (error) {
    const [line] = (error as Error).message.split("\n");
    console.error(`${name}: ${line}${hint}`);
    Deno.exit(2);
  }
}
