/** Standard input and output, as the protocol's loop wants them. */

import type { Channel } from "../../lib/conformance/mod.ts";

/** Requests come from standard input, answers go to standard output. */
export const stdio: Channel = {
  input: Deno.stdin.readable,
  write: (bytes) => Deno.stdout.write(bytes),
};
