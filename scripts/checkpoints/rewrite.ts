/**
 * Reads checkpoints as lines of JSON, `{"base64"}`, and answers each with the file of the same format
 * that is written of it. For `check_checkpoints.py`, which compares with what Python writes.
 */

import { storedStateDictOf, type TorchWritable, writeSafetensors } from "../../mod.ts";
import { parseCheckpoint, writeTorchFile } from "../../lib/checkpoints/mod.ts";

/** Answers with a file. */
function print(written: Uint8Array): void {
  let binary = "";
  for (const byte of written) binary += String.fromCharCode(byte);
  console.log(JSON.stringify({ base64: btoa(binary) }));
}

if (import.meta.main) {
  const text = await new Response(Deno.stdin.readable).text();
  for (const line of text.split("\n").filter(Boolean)) {
    const bytes = Uint8Array.from(atob(JSON.parse(line).base64), (c) => c.charCodeAt(0));
    const { format, value, metadata } = parseCheckpoint(bytes);
    if (format === "torch") {
      print(writeTorchFile(value as TorchWritable));
      continue;
    }
    // In another order than they came, which must not matter.
    const tensors = new Map(Object.entries(storedStateDictOf(value)).reverse());
    print(writeSafetensors(tensors, { metadata }));
  }
}
