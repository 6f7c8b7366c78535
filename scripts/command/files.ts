/** What several commands do with files and with other programs. */

/** How many bytes a file has when it is gzipped. */
export async function gzipped(file: string): Promise<number> {
  const stream = new Blob([await Deno.readFile(file)]).stream();
  const packed = stream.pipeThrough(new CompressionStream("gzip"));
  return (await new Response(packed).arrayBuffer()).byteLength;
}

/** Runs a program in a folder and gives what it printed; throws that where it fails. */
export async function printed(cwd: string, command: string, ...args: string[]): Promise<string> {
  const { success, stdout, stderr } = await new Deno.Command(command, { args, cwd }).output();
  const [out, error] = [stdout, stderr].map((bytes) => new TextDecoder().decode(bytes).trim());
  if (!success) throw new Error(`${command} ${args.join(" ")}\n${out}\n${error}`);
  return out;
}

/** Lines of at most `width` columns; what stands before the first, and before the others. */
export function wrapped(text: string, width: number, first = "", rest = first): string[] {
  const lines: string[] = [];
  let line = first;
  for (const word of text.split(" ")) {
    const begun = line !== (lines.length ? rest : first);
    if (begun && line.length + 1 + word.length > width) {
      lines.push(line);
      line = rest + word;
    } else line += begun ? ` ${word}` : word;
  }
  return [...lines, line];
}
