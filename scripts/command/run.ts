/** Ends the program with a command's status, or, where it fails, with one line and the status 2. */
export async function run(
  name: string,
  main: (args: string[]) => number | Promise<number>,
  hint = " (--help lists the options)",
): Promise<void> {
  try {
    Deno.exit(await main(Deno.args));
  } catch (error) {
    const [line] = (error as Error).message.split("\n");
    console.error(`${name}: ${line}${hint}`);
    Deno.exit(2);
  }
}
